"""How NumPy's calls reach the ops: its two protocols, its parameter names, and scalars and arrays as parameters.

It computes nothing, and knows no op.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache
from types import EllipsisType, NoneType
from typing import Any

import numpy as np

from .core import NUMPY, Tensor, ndarray

Function = Callable[..., Any]
NEAREST: dict[Any, str] = {}  # NumPy functions that take no Tensor, or their modules -> what to use instead
SEQUENCE = (list, tuple)
SIMPLE = frozenset((int, float, bool, str, NoneType, EllipsisType, slice, type))
SHAPES = frozenset(("shape", "newshape", "new_shape", "axes", "axis", "reps", "shift", "source", "destination", "dims",
                    "ord", "window_shape"))  # parameters for which an array means a sequence of numbers


# --- parameters ---


def as_python(key: str, value: Any) -> Any:
    """A parameter as plain Python values: NumPy scalars become numbers, arrays of sizes tuples, Tensors arrays."""
    kind = type(value)
    if kind in SIMPLE:
        return value
    if kind is tuple or kind is list:
        for v in value:
            if type(v) not in SIMPLE and type(v) is not ndarray:
                break
        else:
            return value
        return kind([v if type(v) is ndarray else as_python(key, v) for v in value])
    if isinstance(value, Tensor):
        if value._requires_grad:
            raise TypeError(f"got a tensor that requires grad as parameter {key!r}, to which no gradient flows; "
                            f"expected a constant; pass {key}.detach(), or write the function with ops that take it "
                            f"as an input")
        value, kind = value.data, type(value.data)
    if isinstance(value, np.generic):
        return value.item() if kind in NUMPY_SCALARS else value
    if kind is ndarray and key in SHAPES:
        return tuple(value.tolist()) if value.ndim else value.item()
    if kind is ndarray and not value.ndim and key != "index" and value.dtype.kind in "biuf":
        return value.item()
    return value


NUMPY_SCALARS = frozenset(np.dtype(c).type for c in "?bBhHiIlLqQefd")  # a tracer of a scalar has another type


# --- names ---


@cache
def parameters_of(function: Function) -> dict[str, inspect.Parameter]:
    """The parameters of a function, by name; empty if it has no signature."""
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {}


def numpy_input_names(numpy: Function | None, ours: Function, inputs: int) -> dict[str, str]:
    """NumPy's names of a function's first inputs -> ours, where they differ."""
    theirs = parameters_of(numpy) if callable(numpy) else {}
    names = [p.name for p in parameters_of(ours).values()][:inputs]
    return {a: b for a, b in zip(theirs, names) if a not in names}  # noqa: B905 (ours alone are counted)


def with_numpy_signature(ours: Function, numpy: Function) -> Function:
    """Our function with NumPy's signature: its parameters by position or name, and its defaults passed explicitly.

    Calls that do not fit NumPy's signature never get here: NumPy raises before it dispatches to a Tensor.
    """
    known: list[tuple[int, frozenset[str]]] = []  # (how many positions agree, our names), found at the first call

    def compare() -> tuple[int, frozenset[str]]:
        theirs, mine = list(parameters_of(numpy).values()), list(parameters_of(ours).values())
        inputs = getattr(ours, "arity", 1)
        agree = next((i for i, p in enumerate(theirs) if i >= inputs and (
            i >= len(mine) or mine[i].name != p.name or mine[i].kind is p.KEYWORD_ONLY)), len(theirs))
        if any(p.kind is p.VAR_POSITIONAL for p in theirs) or not theirs:
            agree = sys.maxsize
        known.append((agree, frozenset(p.name for p in mine)))
        return known[0]

    def call(*args: Any, **kwargs: Any) -> Any:
        agree, names = known[0] if known else compare()
        if len(args) <= agree and kwargs.keys() <= names:
            return ours(*args, **kwargs)
        theirs = list(parameters_of(numpy).values())
        given = {p.name: x for p, x in zip(theirs[agree:], args[agree:])}  # noqa: B905 (the rest is in kwargs)
        given |= kwargs
        defaults = {p.name: p.default for p in theirs}
        given = {k: x for k, x in given.items() if k in names or x is not defaults.get(k, call)}
        first = next(iter(parameters_of(ours)))
        if not args and theirs[0].name not in names and not hasattr(ours, "arity"):
            given[first] = given.pop(theirs[0].name)
        return ours(*args[:agree], **given)

    call.__name__ = ours.__name__
    setattr(call, "__wrapped__", ours)  # subtle: update_wrapper would copy `arity` too
    return call


def full_name(function: Function) -> str:
    """The name of a function as users write it: np.linalg.eig."""
    module = getattr(function, "__module__", None) or ""
    short = "np" + module.removeprefix("numpy") if module.split(".")[0] == "numpy" else module
    return f"{short}.{function.__name__}" if short else str(getattr(function, "__name__", function))


# --- the two protocols: np.exp(x) and array + x; np.sum(x) ---


def __array_ufunc__(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    implementation = NUMPY.get(ufunc if method == "__call__" else (ufunc, method))
    if kwargs or implementation is None:
        if any(out is not None for out in kwargs.pop("out", ())):
            name = ufunc.__name__
            raise TypeError(f"np.{name}: got out=, perhaps by `array op= tensor`; expected none, for the gradient "
                            f"would be lost; write y = np.{name}(...)")
        if implementation is None or method == "__call__":
            return NUMPY[method](ufunc, implementation, *inputs, **kwargs)
    return implementation(*inputs, **kwargs)


def __array_function__(self: Tensor, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    implementation = NUMPY.get(func)
    if implementation is None:
        raise unsupported(func)
    return implementation(*args, **kwargs)


def unsupported(function: Function, method: str = "__call__") -> TypeError:
    """The error for a NumPy function that takes no Tensor."""
    name = full_name(function) + ("" if method == "__call__" else f".{method}")
    advice = NEAREST.get(function) or NEAREST.get(getattr(function, "__module__", None)) or (
        "use functions that have one, or pass x.detach().numpy() where no gradient is wanted")
    return TypeError(f"{name} does not take a Tensor: it has no derivative here; {advice}")


for protocol in (__array_ufunc__, __array_function__):
    setattr(Tensor, protocol.__name__, protocol)
