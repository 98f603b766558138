"""The intermediate representation: a program of calls, the values that they make, and the sources of these.

A value never changes: a write into an array makes a new value of it (static single assignment). What a call does is
known from its row in `primitives.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

import numpy as np
import numpy.typing as npt

from .layout import ArrayLayout
from .verify import verify_buffers, verify_calls

if TYPE_CHECKING:
    from .buffers import BufferPlan
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
        A name for a reader; "" if unknown.
    mutable : bool
        Of a constant: whether the user has it too, and may write into it between steps.
    has_user_name : bool
        Whether the name comes from the user's code, a layer, or the gradient of one; it takes precedence over others.
    is_scalar : bool
        Whether NumPy returns a scalar here, which can't be written into, not a 0-d array.
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
        """As in a printed program: ``float32[5, 4]``, or the type of a number or a random stream."""
        return f"{self.array.dtype}{list(self.array.shape)}" if self.is_array else type(self.array).__name__


class Call:
    """One call of a step.

    Attributes
    ----------
    primitive : Primitive
        The row of the table: the function, and all facts about it.
    args, kwargs
        What it was given: values, constants, and lists, tuples and slices of them.
    result : Value, or a list or tuple of them, or None
    effect : bool
        Whether it is made even if its result is not read, and never merged with an equal call: a draw, a check.
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
        """Whether each element of the result depends on the inputs' elements at its position only, by a ufunc."""
        return self.primitive.kind == "elementwise"

    @property
    def makes_view(self) -> bool:
        """Whether it only makes another view of an array."""
        return isinstance(self.result, Value) and self.result.base is not self.result

    def reads_by_rows(self, w: Value) -> bool:
        """Whether, of a call that makes rows of the same rows, a value is read row by row, not whole at each row."""
        v = self.result
        if w is v:
            return True
        if self.elementwise:
            return bool(w.array.ndim == v.array.ndim and w.array.shape[0] == v.array.shape[0])
        return bool(w.array.ndim > 2 or self.target is not np.matmul)

    def line(self, plan: BufferPlan | None = None) -> str:
        """As a line of a printed program: results, call, where the result is stored, and the user's line."""
        results = ", ".join([f"{v}: {v.type}" for v in self.outputs()])
        where = f"{self.info.module}: " * bool(self.info.module) + self.info.line
        text = f"{results} = {call_text(self)}" if results else call_text(self)
        places = [] if plan is None else [plan.place(v) for v in self.outputs() if v.base is v]
        text += "".join([f" -> {place}" for place in places if place])
        return f"{text}  # {where}" if where else text

    def __str__(self) -> str:
        return self.line()


class Program(NamedTuple):
    """A step as calls, in order.

    Printed, it is one call a line: ``%12: float32[5, 4] = np.tanh(%11)  # hidden: h = np.tanh(...)``, and, once
    buffers are assigned, where the result is stored: ``-> arena+4096``.

    Attributes
    ----------
    calls : list of Call
    inputs : list of Value
        The arguments of the step that are arrays and floats.
    result : list of Value
        What it returns.
    state : list of (Value, Value)
        Each declared array or number, and its value after the step.
    sources : list of Value
        All values that no call makes.
    fast : bool
        Whether passes may change the rounding.
    plan : BufferPlan or None
        Where values are stored, once that is decided.
    """

    calls: list[Call]
    inputs: list[Value]
    result: list[Value]
    state: list[tuple[Value, Value]]
    sources: list[Value]
    fast: bool = False
    plan: BufferPlan | None = None

    def all_values(self) -> Iterator[Value]:
        """Every value of the program: sources, results of calls, and regions of updates."""
        yield from self.sources
        for call in self.calls:
            yield from call.outputs()
            if call.region is not None:
                yield call.region

    def fresh_numbers(self) -> Iterator[int]:
        """Numbers that no value of the program has yet."""
        return count(1 + max([v.number for v in self.all_values()], default=-1))

    def end(self) -> None:
        """Break the reference cycles between calls and values, which would keep memory until the collector runs."""
        for call in self.calls:
            for v in call.outputs():
                del v.call, v.base
            call.result = call.region = None
        self.calls.clear()

    def __str__(self) -> str:
        read = {v.number for call in self.calls for v in call.inputs()}
        read |= {v.number for v in (*self.inputs, *self.result, *[final for _, final in self.state])}
        lines = [f"{v}: {v.type} = {v.kind} {v.name}".rstrip() for v in self.sources if v.number in read]
        lines += [call.line(self.plan) for call in self.calls]
        lines += [f"{source.name or source} <- {final}" for source, final in self.state if final is not source]
        return "\n".join([*lines, f"return {', '.join(map(repr, self.result))}".rstrip()])

    def verify(self) -> None:
        """Raise AssertionError unless the program is well formed, and its buffers hold what is read from them.

        See `verify.py`. It is for tests: with a plan it takes time and memory in proportion to the program's bytes.
        """
        verify_calls(self)
        if self.plan is not None:
            verify_buffers(self)


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
    """Nested arguments, with `f` applied to everything that is not a list, tuple, dict or slice."""
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
    """The array or number itself; None if it was freed."""
    if not isinstance(x, Value):
        return x
    return x.array if x.array_ref is None else x.array_ref()


def call_text(call: Call) -> str:
    """A call, without its result."""
    args = [argument_text(x) for x in call.args]
    options = [f"{k}={argument_text(x)}" for k, x in call.kwargs.items()]
    name = call.name
    if call.primitive.kind == "scalar":
        symbol = name.removeprefix("number ")
        return f" {symbol} ".join(args) if len(args) == 2 else f"{symbol}{args[0]}"
    if name == "[]":
        return f"{args[0]}[{args[1]}]"
    if name in (".T", ".mT"):
        return f"{args[0]}{name}"
    if name.startswith("."):
        return f"{args[0]}{name}({', '.join([*args[1:], *options])})"
    return f"{name}({', '.join([*args, *options])})"


def argument_text(x: Any) -> str:
    """An argument of a printed call."""
    if isinstance(x, np.dtype) or (isinstance(x, type) and issubclass(x, np.generic)):
        return np.dtype(x).name
    if isinstance(x, slice):
        start, stop, step = ("" if y is None else argument_text(y) for y in (x.start, x.stop, x.step))
        return f"{start}:{stop}{step and ':'}{step}"
    if isinstance(x, tuple | list) and type(x) in (tuple, list):
        text = ", ".join(map(argument_text, x))
        return f"[{text}]" if isinstance(x, list) else f"({text}{',' * (len(x) == 1)})"
    return "..." if x is Ellipsis else getattr(x, "__name__", "") or repr(x)
