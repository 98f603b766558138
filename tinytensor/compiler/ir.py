"""The intermediate representation: a step as values, the calls that make them, and the sources that they come from.

A value never changes: a write into an array makes a new value of it (static single assignment). What a call does is
known from its row in `primitives.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

import numpy as np
import numpy.typing as npt

from .layout import ArrayLayout

if TYPE_CHECKING:
    from .primitives import Primitive


class CompileError(RuntimeError):
    """A step that can't be compiled: the line, what it does, and what to write instead."""

    needs_creation = False  # whether arrays that the step makes have to be traced for it (`tracing/creation.py`)


class SourceInfo(NamedTuple):
    """Where a call was made."""

    line: str  # the user's line of code
    where: str  # its file and number
    module: str  # path of the layer, such as h.0.ln_1
    phase: str  # forward, backward or update


NOWHERE = SourceInfo("", "", "", "forward")


class Value:
    """One array or number of a step.

    Attributes
    ----------
    array : ndarray, Python number or ArrayLayout
        What it is in the step that was traced; its ArrayLayout, once that is enough, for it holds for all steps.
    array_ref : weak reference or None
        To the array of a value with an ArrayLayout, which lives as long as a tracer holds it.
    call : Call or None
        What made it; None for a source.
    base : Value
        Whose memory it is a view of; itself, unless it is a view.
    byte_offset : int
        Of a view: how many bytes after its base it begins.
    kind : str
        Of a source: "input", "state", "number", "constant" or "stream"; else "".
    name : str
        What a person would call it; "" for not known.
    mutable : bool
        Of a constant: whether the user knows it too, and may write into it between steps.
    has_user_name : bool
        Whether the name is the user's, a layer's, or a gradient's of such; others give way to it.
    is_scalar : bool
        Whether NumPy gives a scalar here, which can't be written into, not an array without axes.
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

    def __repr__(self) -> str:
        return f"%{self.number}"

    @property
    def type(self) -> str:
        """As it stands in a printed program: ``float32[5, 4]``, or the type of a number."""
        return f"{self.array.dtype}{list(self.array.shape)}" if self.is_array else type(self.array).__name__


class Call:
    """One call of a step.

    Attributes
    ----------
    primitive : Primitive
        The row of the table: what is called, and all that is known of it.
    args, kwargs
        What it was given: values, constants, and lists, tuples and slices of them.
    result : Value, or a list or tuple of them, or None
    effect : bool
        Whether it is made even if nobody wants its result, and never joined with its like: a draw, a check.
    out : bool
        Whether the step itself named an array for the result (`out=`), so that NumPy is given one.
    region : Value or None
        Of a `put`: the part of the result that is new.
    """

    __slots__ = ("args", "effect", "info", "kwargs", "out", "primitive", "read", "region", "result")

    def __init__(self, primitive: Primitive, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None,
                 effect: bool = False, info: SourceInfo = NOWHERE, out: bool = False) -> None:
        self.primitive, self.args, self.kwargs, self.effect, self.info, self.out = (
            primitive, args, kwargs or {}, effect, info, out)
        self.result: Any = None
        self.read = (*values(args), *values(self.kwargs))
        self.region: Value | None = None

    @property
    def name(self) -> str:
        """How the call is spelled: a function "np.add", a method ".take", an operator "[]"."""
        return self.primitive.name

    @property
    def target(self) -> Callable[..., Any]:
        return self.primitive.function

    def inputs(self) -> tuple[Value, ...]:
        """The values that it reads, in order."""
        return self.read

    def outputs(self) -> tuple[Value, ...]:
        return (self.result,) if isinstance(self.result, Value) else tuple(values(self.result))

    @property
    def elementwise(self) -> bool:
        """Whether each element of the result is made of the elements at its place in the inputs, by a ufunc."""
        return self.primitive.kind == "elementwise"

    @property
    def makes_view(self) -> bool:
        """Whether it only gives another view of an array."""
        return isinstance(self.result, Value) and self.result.base is not self.result

    def __str__(self) -> str:
        made = [f"{v}: {v.type}" for v in self.outputs()]
        where = f"{self.info.module}: " * bool(self.info.module) + self.info.line
        text = f"{', '.join(made)} = {spelled(self)}" if made else spelled(self)
        return f"{text}  # {where}" if where else text


class Program(NamedTuple):
    """A step, written down.

    Printed, it is one call a line: ``%12: float32[5, 4] = np.tanh(%11)  # hidden: h = np.tanh(...)``.
    """

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

    def __str__(self) -> str:
        lines = [f"{v}: {v.type if v.kind != 'stream' else 'stream'} = {v.kind} {v.name}".rstrip()
                 for v in self.sources]
        lines += [str(call) for call in self.calls]
        lines += [f"{source.name or source} <- {final}" for source, final in self.state if final is not source]
        return "\n".join([*lines, f"return {', '.join(map(repr, self.result))}".rstrip()])

    def verify(self) -> None:
        """Raise AssertionError unless values have numbers of their own, nothing is read before it is made, views lie
        within their bases, and new regions within the arrays that they are parts of."""
        known = {v.number: v for v in (*self.sources, *self.inputs)}
        for call in self.calls:
            for v in call.inputs():
                assert known.get(v.number) is v, f"{call}: {v} is read before it is made"
                assert known.get(v.base.number) is v.base, f"{call}: {v} is a view of {v.base}, which was not made"
            for v in call.outputs():
                assert v.number not in known, f"{call}: {v} was made before"
                assert v.call is call, f"{call}: {v} names another call as its own"
                known[v.number] = v
                verify_view(v)
            if call.region is not None:
                whole = call.result
                assert call.region.base is whole, f"{call}: its region is a part of {call.region.base}, not of {whole}"
                verify_view(call.region)
        for v in (*self.result, *[final for _, final in self.state]):
            assert v.call is None or known.get(v.number) is v, f"{v} is given back and was not made"


def verify_view(v: Value) -> None:
    """Raise AssertionError unless a view lies within its base."""
    if v.is_array and v.base is not v and v.array.size:
        assert v.base.base is v.base, f"{v} is a view of {v.base}, a view itself"
        ends = [(n - 1) * s for n, s in zip(v.array.shape, v.array.strides, strict=True)]
        low = v.byte_offset + sum(min(0, e) for e in ends)
        high = v.byte_offset + sum(max(0, e) for e in ends) + v.array.itemsize
        first, last = reach(v.base)
        assert first <= low and high <= last, f"{v} lies at bytes {low}:{high} of {v.base}, which has {first}:{last}"


def reach(v: Value) -> tuple[int, int]:
    """From where to where in bytes a value's array lies, seen from its first element."""
    ends = [(n - 1) * s for n, s in zip(v.array.shape, v.array.strides, strict=True)]
    low = v.byte_offset + sum(min(0, e) for e in ends)
    return low, v.byte_offset + sum(max(0, e) for e in ends) + v.array.itemsize


# --- nested arguments ---


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
    if not issubclass(type(x), NESTED):  # subtle: isinstance asks a tracer for its class, which takes time
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


def concrete(x: Any) -> Any:
    """The array or number itself; None if nobody has it any more."""
    if not isinstance(x, Value):
        return x
    return x.array if x.array_ref is None else x.array_ref()


def spelled(call: Call) -> str:
    """A call as a line of a printed program."""
    args = [argument(x) for x in call.args]
    options = [f"{k}={argument(x)}" for k, x in call.kwargs.items()]
    name = call.name
    if name.startswith("number ") and len(args) == 2:
        return f"{args[0]} {name.removeprefix('number ')} {args[1]}"
    if name == "[]":
        return f"{args[0]}[{args[1]}]"
    if name in (".T", ".mT"):
        return f"{args[0]}{name}"
    if name.startswith("."):
        return f"{args[0]}{name}({', '.join([*args[1:], *options])})"
    return f"{name}({', '.join([*args, *options])})"


def argument(x: Any) -> str:
    if isinstance(x, np.dtype) or (isinstance(x, type) and issubclass(x, np.generic)):
        return np.dtype(x).name
    if isinstance(x, tuple | list) and any(True for _ in values(x)):
        return f"[{', '.join(map(argument, x))}]"
    return getattr(x, "__name__", "") or repr(x)
