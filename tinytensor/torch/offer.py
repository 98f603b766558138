"""How a function of PyTorch's is offered: as `torch.name`, as a method, and in place as `name_`, from one definition.

It knows no function.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import CO_VARKEYWORDS, signature, unwrap
from typing import Any, TypeVar

from ..advice import a_type
from ..core import Tensor as Node
from .dtypes import can_cast, on_cpu
from .tensor import Tensor, wrap
from .writing import apart, assign, set_data

noted = Tensor.__dict__["note"].__get__  # subtle: quicker than hasattr where the slot is not set
F = TypeVar("F", bound=Callable[..., Any])
FUNCTIONS: dict[str, Callable[..., Any]] = {}  # what `torch` offers, by name
SPELLINGS = {"axis": "dim", "keepdims": "keepdim", "x": "input", "x1": "input", "x2": "other", "axes": "dims"}
VALUES = {"tensor", "as_tensor", "asarray", "from_numpy", "cat"}  # these raise PyTorch's ValueError
WITHOUT_EFFECT = {"memory_format", "layout", "non_blocking", "pin_memory"}  # accepted: they change no value


def offer(*names: str, function: bool = True, method: bool = False, in_place: bool = False,
          into: dict[str, Callable[..., Any]] = FUNCTIONS, note: str = "") -> Callable[[F], F]:
    """Offer a function under its name, or under these names.

    Parameters
    ----------
    function, method : bool
        Whether it is one of `torch`, and a method of Tensor.
    in_place : bool
        Whether the method ``name_`` writes its result into its first argument.
    into : dict
        Where functions are listed: those of another module, such as `torch.linalg`, elsewhere.
    note : str
        PyTorch's name of the node, without "Backward0", where the last op does not give it.
    """

    def define(f: F) -> F:
        own = names or (f.__name__.rstrip("_"),)
        call = called(f, own[0], note)
        for name in own:
            if function:
                into[name] = call
            if method:
                setattr(Tensor, name, call)
            if in_place:
                setattr(Tensor, f"{name}_", written(f, name, note))
        return call  # type: ignore[return-value]

    return define


def keywords(f: Callable[..., Any]) -> tuple[frozenset[str], bool]:
    """The names of a function's parameters, and whether it takes any other keyword; quicker than its signature."""
    code = unwrap(f).__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return frozenset(names), bool(code.co_flags & CO_VARKEYWORDS)


def called(f: Callable[..., Any], name: str, note: str = "") -> Callable[..., Any]:
    """The function, with NumPy's spelling of its keywords too; what it does not know is refused with a sentence."""
    known, anything = keywords(f)

    @wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs and not anything and not kwargs.keys() <= known:
            out = kwargs.pop("out", None)
            if out is not None:
                return given_out(name, out, call(*args, **kwargs))
            kwargs = spelled(name, known, kwargs)
        try:
            y = f(*args, **kwargs)
        except (ValueError, TypeError, AttributeError) as error:  # the engine's, of shapes; and Python's own
            raise as_pytorch(error if "; " in str(error) else reworded(name, f, error), name) from None
        if note and type(y) is Tensor and y.node.op is not None:
            try:
                noted(y)
            except AttributeError:
                y.note = full
        return y

    full = f"{note}Backward0"
    call.__name__ = call.__qualname__ = name
    return call


def as_pytorch(error: Exception, name: str = "") -> Exception:
    """The engine's error of shapes as PyTorch has it: a RuntimeError."""
    return error if name in VALUES or type(error) is not ValueError else RuntimeError(*error.args)


def reworded(name: str, f: Callable[..., Any], error: Exception) -> Exception:
    """An error of Python's or NumPy's own, as one that says what the function takes."""
    if getattr(error, "name", "") == "node":  # subtle: the one attribute that functions ask of tensors alone
        return TypeError(f"{name}: got {a_type(getattr(error, 'obj', None))}; expected a tensor; write "
                         f"torch.tensor(...) around it")
    takes = signature(f)
    plain = takes.replace(parameters=[p.replace(annotation=p.empty) for p in takes.parameters.values()],
                          return_annotation=takes.empty)
    kind = next((kind for kind in (IndexError, ValueError, TypeError) if isinstance(error, kind)), TypeError)
    text = str(error).replace(f"{unwrap(f).__qualname__}()", f"{name}()")  # as it is called, not as it is defined
    return kind(f"{name}: got arguments that do not fit: {text}; expected those of {name}{plain}; check them")


def given_out(name: str, out: Any, y: Any) -> Any:
    """Write a result, or several, into the tensors given for it with ``out=``; of another shape, they get it."""
    if isinstance(y, tuple):
        if not isinstance(out, tuple | list) or len(out) != len(y):
            raise TypeError(f"{name}: got {a_type(out)} as out=; expected {len(y)} tensors; leave it out")
        for x, part in zip(out, y, strict=True):
            given_out(name, x, part)
        return type(y)(out)
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}: got {a_type(out)} as out=; expected a tensor; leave it out")
    if y.node._requires_grad or out.node._requires_grad:
        raise RuntimeError(f"{name}: functions with out=... arguments don't support automatic differentiation; got a "
                           f"tensor that requires grad; write x = torch.{name}(...), or use torch.no_grad()")
    if not can_cast(y.dtype, out.dtype):
        raise RuntimeError(f"{name}: result type {y.dtype} can't be cast to the desired output type {out.dtype}; "
                           f"expected an out= of {y.dtype}; convert the result instead")
    if out.node.data.shape != y.node.data.shape:
        set_data(out, wrap(Node(y.node.data.astype(out.node.data.dtype))))
        return out
    return assign(f"{name}(out=)", out, lambda _: y.node)


def spelled(name: str, known: frozenset[str], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Keywords as the function calls them."""
    found: dict[str, Any] = {}
    for key, value in kwargs.items():
        if key in known:
            found[key] = value
        elif SPELLINGS.get(key) in known and SPELLINGS[key] not in kwargs:
            found[SPELLINGS[key]] = value
        elif key == "device":
            on_cpu(value)
        elif key == "out":
            if value is not None:
                raise TypeError(f"{name}: got out=; expected none, for its result is a new tensor; write "
                                f"out.copy_(...)")
        elif key not in WITHOUT_EFFECT:
            raise TypeError(f"{name}: got an unexpected keyword argument {key!r}; expected some of "
                            f"{', '.join(sorted(known))}; leave it out, or see help(torch.{name})")
    return found


def written(f: Callable[..., Any], name: str, note: str = "") -> Callable[..., Any]:
    """The method that writes what the function gives into its first argument."""
    known, _ = keywords(f)

    def write(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if kwargs and not kwargs.keys() <= known:
            kwargs = spelled(f"{name}_", known, kwargs)
        args, kwargs = tuple([apart(self, x) for x in args]), {key: apart(self, x) for key, x in kwargs.items()}
        others = [x.node for x in (*args, *kwargs.values()) if isinstance(x, Tensor)]
        try:
            assign(f"{name}_", self, lambda node: f(faced(self, node), *args, **kwargs).node, *others)
        except (ValueError, TypeError, AttributeError) as error:
            raise as_pytorch(error if "; " in str(error) else reworded(f"{name}_", f, error)) from None
        if note and self.node.op is not None:
            self.note = f"{note}Backward0"
        return self

    write.__name__ = write.__qualname__ = f"{name}_"
    write.__doc__ = f"As `torch.{name}`, in place."
    return write


def faced(x: Tensor, node: Any) -> Tensor:
    """A tensor that is x, but for its node."""
    if node is x.node:
        return x
    t: Tensor = object.__new__(Tensor)
    t.node = node
    return t
