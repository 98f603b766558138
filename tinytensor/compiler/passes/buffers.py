"""Where values live: pieces of memory, who lives there when, and who may move in. The rules of moving are `plan.py`'s.

A value lives from the call that makes it to the last that reads it or a view of it; two whose lives overlap never share
memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..ir import Call, Program, Value, values
from ..layout import same_layout, span_bytes

FOR_EVER = 1 << 60


class TiledLoop(NamedTuple):
    """Calls in a row that go along the first axis of large arrays independently: made piece by piece, all calls on one
    piece before the next, so that pieces stay in the processor's cache."""

    first: int
    last: int
    total: int  # the length of the axis in the first call
    step: int  # how much of it a piece is

    def rows(self, length: int) -> int:
        """How many rows a piece of an array of this length has."""
        return self.step * length // self.total


class Buffer:
    """A piece of memory, and who lives there when.

    Attributes
    ----------
    kind : str
        "memory": given out by the plan; "given": the workers' own; "state": a declared array; "part": of another home;
        "outside": an argument, a constant, or what a call makes anew at each step.
    offset : int
        In bytes, from where its parent or all memory begins.
    """

    def __init__(self, kind: str, value: Value, parent: Buffer | None = None, offset: int = 0) -> None:
        self.kind, self.value, self.parent, self.offset = kind, value, parent, offset
        self.live_ranges: list[tuple[int, int, Value]] = []
        self.parts: list[Buffer] = []
        self.region: Value | None = None  # the view that a part is, where it is no plain piece
        self.text = ""  # of what is given, or loose: how it is written
        self.permuted = False  # a part whose axes are in another order than its value's
        self.run: TiledLoop | None = None  # where one piece of it is enough
        if parent is not None:
            parent.parts.append(self)

    @property
    def top(self) -> Buffer:
        return self if self.parent is None else self.parent.top

    def size(self) -> int:
        """In bytes."""
        a = self.value.array
        return span_bytes(a if self.run is None else a[: self.run.rows(len(a))])

    def all_live_ranges(self) -> Iterator[tuple[int, int, Value]]:
        yield from self.live_ranges
        for part in self.parts:
            yield from part.all_live_ranges()


def writes_out(call: Call, checked: dict[int, int]) -> bool:
    """Whether a call can write its result into an array that it is given; `checked`: what is known of indices."""
    if not isinstance(call.result, Value) or not call.result.is_array or call.makes_view:
        return False
    if call.primitive.kind == "update":
        return True
    if call.effect:
        return call.name == "group.all_reduce_sum"
    if call.name == "gathered":
        table, indices, axis = call.args
        return bool(axis == 0 and isinstance(indices, Value)
                    and 0 < checked.get(indices.base.number, 0) <= table.array.shape[0])
    return call.out or call.primitive.out(call)


class Plan:
    """What was decided.

    Attributes
    ----------
    calls : list of Call
        Those that are made, in order.
    home : dict
        The Home of each value that owns memory, by its number.
    size : int
        How many bytes of memory are given out.
    copies : list of (Value, Value)
        Declared arrays whose last value has to be copied there in the end.
    """

    def __init__(self, program: Program, calls: list[Call]) -> None:
        self.program, self.calls = program, calls
        self.at = {id(call): i for i, call in enumerate(calls)}
        self.home: dict[int, Buffer] = {}
        self.copies: list[tuple[Value, Value]] = []
        self.size = 0
        self.runs: list[TiledLoop] = []
        self.checked = {call.args[0].base.number: call.args[1] for call in calls if call.name == "check_range"}
        self.reads = reads(program, calls)
        self.last = {number: max(found) for number, found in self.reads.items()}

    # --- lives ---

    def def_index(self, v: Value) -> int:
        """The number of the call that makes a value; -1 for a source."""
        return self.at.get(id(v.call), -1) if v.call is not None else -1

    def last_use(self, v: Value) -> int:
        """The number of the last call that reads a value or a view of it."""
        return self.last.get(v.number, self.def_index(v))

    def assign(self, v: Value, home: Buffer) -> None:
        self.home[v.number] = home
        home.live_ranges.append((self.def_index(v), self.last_use(v), v))

    def free(self, home: Buffer, v: Value, besides: Iterable[Value] = ()) -> bool:
        """Whether nobody else needs the home while a value lives there.

        One may die in the call that the other is born in, if that call goes element by element through both in the
        same order.
        """
        start, end = self.def_index(v), self.last_use(v)
        exempt = {w.number for w in besides}
        for first, last, other in home.top.all_live_ranges():
            if other.number in exempt or other.number == v.number:
                continue
            if last < start or first > end:
                continue
            if last == start and (self.last_use(other) < start or self.can_alias(other, v)):
                continue  # of a part nothing but the whole, which lives here too, is read then
            if first == end and self.can_alias(v, other):
                continue
            return False
        return True

    def can_alias(self, old: Value, new: Value) -> bool:
        """Whether the call that makes `new` may write it over `old`, which it reads for the last time."""
        call = new.call
        if call is None or not call.elementwise or not same_layout(old.array, new.array):
            return False
        return all(w is old for w in call.inputs() if w.is_array and w.base is old.base)

    def writes_out(self, call: Call) -> bool:
        return writes_out(call, self.checked)

    def preallocated(self, v: Value) -> bool:
        """Whether a value's memory is there before the step, so that views of it are made once."""
        if v.base is not v and v.call is not None:  # a view of one of several results is made in the step, as they are
            whole = next(w for w in v.call.inputs() if w.base is v.base)
            if not isinstance(v.call.result, Value) or (whole is not v.base and not self.preallocated(whole)):
                return False
        if v.base.kind in ("constant", "state"):
            return True
        home = self.home.get(v.base.number)
        return home is not None and home.kind != "outside"

    def readers(self, v: Value) -> set[int]:
        """The numbers of the calls that read a value or a view of it, but for those that only make a view."""
        return {i for i in self.reads.get(v.number, ()) if i >= len(self.calls)
                or not any(w.is_array and w.base is v for w in self.calls[i].outputs())}

    def reads_views(self, v: Value, run: TiledLoop) -> bool:
        """Whether a call in the run reads a view of a value, not the value itself."""
        return any(w.base is v and w is not v for call in self.calls[run.first : run.last + 1] for w in call.inputs())

    def assignable(self, v: Value) -> bool:
        """Whether a value's call can write it anywhere, and nobody decided where."""
        return v.number not in self.home and v.call is not None and id(v.call) in self.at and self.writes_out(v.call)


def reads(program: Program, calls: list[Call]) -> dict[int, list[int]]:
    """When each value that owns memory is read, itself or a view of it; what is given back is read after the end."""
    found: dict[int, list[int]] = {}
    for i, call in enumerate(calls):
        for v in call.inputs():
            found.setdefault(v.base.number, []).append(i)
    end = len(calls)
    for v in values(program.result):
        found.setdefault(v.base.number, []).append(end)
    for source, final in program.state:
        found.setdefault(final.base.number, []).append(FOR_EVER if final.base is not source else end)
        if final is source and source.is_array:
            found[source.number].append(FOR_EVER)
    return found
