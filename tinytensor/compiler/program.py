"""What a step is written down as: values, the calls that make them, and the sources that they come from.

A value never changes: writing into an array makes a new value of it. Nothing is planned here (`plan.py`), nor printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from typing import Any, NamedTuple

import numpy as np


class CompileError(RuntimeError):
    """A step that can't be compiled: the line, what it does, and what to write instead."""


class Site(NamedTuple):
    """Where a call was made."""

    line: str  # the user's line of code
    where: str  # its file and number
    module: str  # path of the layer, such as h.0.ln_1
    section: str  # forward, backward or update


class Value:
    """One array or number of a step.

    Attributes
    ----------
    array : ndarray or Python number
        What it is in the step that was traced: shape, dtype and strides hold for all steps.
    call : Call or None
        What made it; None for a source.
    root : Value
        Whose memory it is part of; itself, unless it is a view.
    kind : str
        Of a source: "input", "state", "number", "constant" or "stream"; else "".
    name : str
        What a person would call it; "" for not known.
    live : bool
        Of a constant: whether the user knows it too, and may write into it between steps.
    known : bool
        Whether the name is the user's, a layer's, or a gradient's of such; others give way to it.
    single : bool
        Whether NumPy gives a number of its own here, which can't be written into, not an array without axes.
    """

    __slots__ = ("array", "call", "kind", "known", "live", "name", "number", "root", "single")

    def __init__(self, array: Any, call: Call | None = None, root: Value | None = None, kind: str = "",
                 name: str = "", number: int = 0) -> None:
        self.array, self.call, self.kind, self.name, self.number = array, call, kind, name, number
        self.root = self if root is None else root
        self.single = self.live = self.known = False

    @property
    def is_array(self) -> bool:
        return isinstance(self.array, np.ndarray | Layout)


class Call:
    """One call of a step.

    Attributes
    ----------
    target : callable
    text : str
        How it is written: a function "np.add", a method ".take", an operator "[]", an expression of numbers.
    args, kwargs
        What it was given: values, constants, and lists, tuples and slices of them.
    result : Value, or a list or tuple of them, or None
    effect : bool
        Whether it is made even if nobody wants its result, and never joined with its like: a draw, a check.
    """

    __slots__ = ("args", "effect", "kwargs", "region", "result", "site", "target", "text")

    def __init__(self, target: Callable[..., Any], text: str, args: tuple[Any, ...], kwargs: dict[str, Any],
                 effect: bool, site: Site) -> None:
        self.target, self.text, self.args, self.kwargs, self.effect, self.site = (
            target, text, args, kwargs, effect, site)
        self.result: Any = None
        self.region: Value | None = None  # of a `put`: the part of the result that is new

    def inputs(self) -> Iterator[Value]:
        """The values that it reads, in order."""
        return values((self.args, self.kwargs))

    def outputs(self) -> Iterator[Value]:
        return values(self.result)

    @property
    def ufunc(self) -> np.ufunc | None:
        """The ufunc that it calls element by element, if it does so."""
        return self.target if isinstance(self.target, np.ufunc) and not self.target.signature else None


def values(x: Any) -> Iterator[Value]:
    """The values in nested arguments."""
    if isinstance(x, Value):
        yield x
    elif isinstance(x, list | tuple):
        for y in x:
            yield from values(y)
    elif isinstance(x, dict):
        for y in x.values():
            yield from values(y)
    elif isinstance(x, slice):
        yield from values((x.start, x.stop, x.step))


def mapped(f: Callable[[Any], Any], x: Any) -> Any:
    """Nested arguments with `f` of everything that is no list, tuple, dict or slice."""
    if isinstance(x, tuple):
        return type(x)(*[mapped(f, y) for y in x]) if hasattr(x, "_fields") else tuple([mapped(f, y) for y in x])
    if type(x) is list:
        return [mapped(f, y) for y in x]
    if type(x) is dict:
        return {key: mapped(f, y) for key, y in x.items()}
    if isinstance(x, list | dict):
        other = copy(x)
        for key, y in enumerate(x) if isinstance(x, list) else x.items():
            other[key] = mapped(f, y)
        return other
    if type(x) is slice:
        return slice(mapped(f, x.start), mapped(f, x.stop), mapped(f, x.step))
    return f(x)


class Layout(NamedTuple):
    """What is left of an array once a step is written: all but its numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    strides: tuple[int, ...]
    size: int
    nbytes: int


def forget(calls: list[Call]) -> None:
    """Let go of the arrays that a step was traced with: a program needs only their layouts."""
    for call in calls:
        for v in (*call.outputs(), *([call.region] if call.region else [])):
            a = v.array
            if isinstance(a, np.ndarray):
                v.array = Layout(a.shape, a.dtype, a.strides, a.size, a.nbytes)


class Program(NamedTuple):
    """A step, written down."""

    calls: list[Call]
    inputs: list[Value]  # what the step is given: arrays and floats
    result: list[Value]  # what it gives back
    state: list[tuple[Value, Value]]  # each declared array or number, and what it is after the step
    sources: list[Value]


# --- calls that have no function of NumPy ---


def concrete(x: Any) -> Any:
    return x.array if isinstance(x, Value) else x


def put(base: Any, value: Any, region: Any) -> Any:
    """A copy of an array with a value in one of its regions; how the region is found is noted beside the call."""
    raise NotImplementedError("the trace makes this call itself")


def filled(value: Any, out: Any) -> Any:
    """The value, broadcast and converted to fill an array."""
    np.copyto(out, value, casting="unsafe")
    return out


def replaced(base: Any, index: Any, value: Any, out: Any = None) -> Any:
    """A copy of an array with another value at an index."""
    out = base.copy(order="K") if out is None else out
    if out is not base:
        np.copyto(out, base)
    out[index] = value
    return out
