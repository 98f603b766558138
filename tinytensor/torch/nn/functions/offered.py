"""How functions of `torch.nn.functional` take tensors, keywords and `inplace`, and which errors they raise.

It computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from ...dtypes import default, of
from ...offer import reworded, spelled
from ...operators import as_dtype, promoted
from ...tensor import Tensor, wrap
from ...writing import assign

F = TypeVar("F", bound=Callable[..., Any])
FUNCTIONS: dict[str, Callable[..., Any]] = {}  # what `torch.nn.functional` offers, by name


class Misuse(ValueError):
    """An error that is a ValueError in PyTorch as well; others of the engine's become RuntimeErrors."""


def function(note: str = "") -> Callable[[F], F]:
    """Offer a function; `note` is PyTorch's name of the node it makes, where the engine's op does not give it."""
    def define(f: F) -> F:
        name, code = f.__name__.rstrip("_"), f.__code__
        known = frozenset(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])

        @wraps(f)
        def call(*args: Any, **kwargs: Any) -> Any:
            if kwargs and not kwargs.keys() <= known:
                kwargs = spelled(name, known, kwargs)
            try:
                y = f(*args, **kwargs)
            except (ValueError, TypeError, AttributeError, ZeroDivisionError) as error:
                raise named(error if "; " in str(error) else reworded(name, f, error)) from None
            if note and type(y) is Tensor and y.node.op is not None:
                y.note = called(note)
            return y

        FUNCTIONS[name] = call
        return call  # type: ignore[return-value]

    return define


def called(kind: str) -> str:
    """PyTorch's whole name of a node."""
    return f"{kind}Backward0" if "Backward" not in kind and "::" not in kind else kind


def named(error: Exception) -> Exception:
    """The error of PyTorch's class for one of the engine's."""
    if isinstance(error, Misuse):
        return ValueError(*error.args)
    if isinstance(error, IndexError):
        return IndexError(str(error))
    if isinstance(error, ValueError):
        return RuntimeError(str(error).replace("np.moveaxis(", "torch.moveaxis("))
    return error


def node(name: str, x: Any, what: str = "input") -> Any:
    """The engine's tensor of an argument."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: argument '{what}' must be Tensor, not {type(x).__name__}; expected a tensor; write "
                        f"torch.tensor(...) around it")
    return x.node


def optional(name: str, x: Any, what: str) -> Any:
    """The engine's tensor of an argument that may be None."""
    return None if x is None else node(name, x, what)


def floating(name: str, x: Any, what: str = "input") -> Any:
    """The engine's tensor of an argument, which must be floating."""
    n = x.node if isinstance(x, Tensor) else node(name, x, what)
    if n.data.dtype.kind != "f":
        raise RuntimeError(f'{name}: "{name}" not implemented for {x.dtype}; got it as {what}; expected floats; '
                           f"convert it: x.float()")
    return n


def as_floats(name: str, x: Any) -> Any:
    """The engine's tensor of an argument, integers as floats of the default dtype."""
    n = node(name, x)
    return n if n.data.dtype.kind == "f" else as_dtype(n, default[0].numpy)


def alike(name: str, first: Any, **others: Any) -> None:
    """Refuse tensors of another dtype than the first's."""
    for what, n in others.items():
        if n is not None and n.data.dtype is not first.data.dtype and n.data.dtype != first.data.dtype:
            raise RuntimeError(f"{name}: expected all tensors to have the same dtype, but got: input "
                               f"{of(first.data.dtype)}, {what} {of(n.data.dtype)}; convert one: x.to({what}.dtype)")


def both(name: str, a: Any, b: Any, names: tuple[str, str] = ("input", "target")) -> tuple[Any, Any]:
    """Two arguments in their common dtype."""
    x, y = node(name, a, names[0]), node(name, b, names[1])
    return (x, y) if x.data.dtype == y.data.dtype else promoted(x, y)


def floats(name: str, a: Any, b: Any, names: tuple[str, str] = ("x1", "x2")) -> tuple[Any, Any]:
    """Two arguments in the dtype that they have together, integers as floats."""
    x, y = both(name, a, b, names)
    return (x, y) if x.data.dtype.kind == "f" else (as_dtype(x, default[0].numpy), as_dtype(y, default[0].numpy))


def applied(name: str, x: Any, compute: Callable[[Any], Any], inplace: bool = False, integers: bool = False) -> Tensor:
    """What an elementwise function gives of a tensor; written into it if `inplace`."""
    n = node(name, x) if integers else floating(name, x)
    return assign(f"{name}_", x, compute) if inplace else wrap(compute(n))
