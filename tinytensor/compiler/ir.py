"""What a step is written down as: values, the calls that make them, and the sources that they come from.

A value never changes: writing into an array makes a new value of it. Nothing is planned here (`plan.py`), nor printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from math import prod
from typing import Any, NamedTuple
from weakref import ref

import numpy as np
import numpy.typing as npt


class CompileError(RuntimeError):
    """A step that can't be compiled: the line, what it does, and what to write instead."""


class SourceInfo(NamedTuple):
    """Where a call was made."""

    line: str  # the user's line of code
    where: str  # its file and number
    module: str  # path of the layer, such as h.0.ln_1
    phase: str  # forward, backward or update


class Value:
    """One array or number of a step.

    Attributes
    ----------
    array : ndarray, Python number or Layout
        What it is in the step that was traced; its Layout, once that is enough, for it holds for all steps.
    array_ref : weak reference or None
        To the array of a value with a Layout, which lives as long as a stand-in has it.
    byte_offset : int
        Of a view: how many bytes after its root it begins.
    call : Call or None
        What made it; None for a source.
    base : Value
        Whose memory it is part of; itself, unless it is a view.
    kind : str
        Of a source: "input", "state", "number", "constant" or "stream"; else "".
    name : str
        What a person would call it; "" for not known.
    mutable : bool
        Of a constant: whether the user knows it too, and may write into it between steps.
    has_user_name : bool
        Whether the name is the user's, a layer's, or a gradient's of such; others give way to it.
    is_scalar : bool
        Whether NumPy gives a number of its own here, which can't be written into, not an array without axes.
    """

    __slots__ = ("array", "array_ref", "base", "byte_offset", "call", "has_user_name", "is_scalar", "kind", "mutable",
                 "name", "number")

    def __init__(self, array: Any, call: Call | None = None, base: Value | None = None, kind: str = "",
                 name: str = "", number: int = 0) -> None:
        self.array, self.call, self.kind, self.name, self.number = array, call, kind, name, number
        self.base = self if base is None else base
        self.is_scalar = self.mutable = self.has_user_name = False
        self.array_ref: ref[npt.NDArray[Any]] | None = None
        self.byte_offset = 0

    @property
    def is_array(self) -> bool:
        return isinstance(self.array, np.ndarray | ArrayLayout)


class Call:
    """One call of a step.

    Attributes
    ----------
    target : callable
    name : str
        How it is written: a function "np.add", a method ".take", an operator "[]", an expression of numbers.
    args, kwargs
        What it was given: values, constants, and lists, tuples and slices of them.
    result : Value, or a list or tuple of them, or None
    effect : bool
        Whether it is made even if nobody wants its result, and never joined with its like: a draw, a check.
    """

    __slots__ = ("args", "effect", "info", "kwargs", "name", "read", "region", "result", "target")

    def __init__(self, target: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any],
                 effect: bool, info: SourceInfo) -> None:
        self.target, self.name, self.args, self.kwargs, self.effect, self.info = (
            target, name, args, kwargs, effect, info)
        self.result: Any = None
        self.read = (*values(args), *values(kwargs))
        self.region: Value | None = None  # of a `put`: the part of the result that is new

    def inputs(self) -> tuple[Value, ...]:
        """The values that it reads, in order."""
        return self.read

    def outputs(self) -> tuple[Value, ...]:
        return (self.result,) if isinstance(self.result, Value) else tuple(values(self.result))

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


NESTED = (tuple, list, dict, slice)


def mapped(f: Callable[[Any], Any], x: Any) -> Any:
    """Nested arguments with `f` of everything that is no list, tuple, dict or slice."""
    if not issubclass(type(x), NESTED):  # subtle: isinstance asks a stand-in for its class, which takes time
        return f(x)
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
    return slice(mapped(f, x.start), mapped(f, x.stop), mapped(f, x.step))


class ArrayLayout:
    """All of an array but its numbers; `byte_offset`: how many bytes after its root it begins."""

    __slots__ = ("byte_offset", "compact", "dtype", "itemsize", "nbytes", "ndim", "shape", "size", "strides")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], strides: tuple[int, ...],
                 byte_offset: int) -> None:
        self.shape, self.dtype, self.strides, self.byte_offset = shape, dtype, strides, byte_offset
        self.ndim, self.size, self.itemsize = len(shape), prod(shape), dtype.itemsize
        self.nbytes = self.size * self.itemsize
        self.compact = not self.size or all(n == 1 or s == self.itemsize * prod(shape[i + 1 :])
                                            for i, (n, s) in enumerate(zip(shape, strides, strict=True)))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice | int) -> ArrayLayout:
        """The first row, or the first ones."""
        rows = (min(key.stop, len(self)),) if isinstance(key, slice) else ()
        return ArrayLayout((*rows, *self.shape[1:]), self.dtype, self.strides[1 - len(rows) :], self.byte_offset)


class Program(NamedTuple):
    """A step, written down."""

    calls: list[Call]
    inputs: list[Value]  # what the step is given: arrays and floats
    result: list[Value]  # what it gives back
    state: list[tuple[Value, Value]]  # each declared array or number, and what it is after the step
    sources: list[Value]

    def end(self) -> None:
        """Let its memory be free at once: calls and values know each other, and would wait for the collector."""
        for call in self.calls:
            for v in call.outputs():
                del v.call, v.base
            call.result = call.region = None
        self.calls.clear()


# --- calls that have no function of NumPy ---


def concrete(x: Any) -> Any:
    """The array or number itself; None if nobody has it any more."""
    if not isinstance(x, Value):
        return x
    return x.array if x.array_ref is None else x.array_ref()


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
