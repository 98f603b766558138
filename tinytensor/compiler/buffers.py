"""Where the values of a program are stored: buffers, what each of them holds when, and loops over tiles of them.

A value is live from the call that makes it to the last that reads it or a view of it. Two values whose live ranges
overlap never share memory. The rules that decide are in `passes/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .ir import Call, Program, Value, values
from .layout import same_layout, span_bytes
from .primitives import ALL_REDUCE_SUM

FOREVER = 1 << 60  # the last use of values that the next step reads


class TiledLoop(NamedTuple):
    """Consecutive calls that treat the rows of large arrays independently: all of them are made on one tile of rows
    before the next, so that tiles stay in the cache."""

    first: int  # index of the first call, and of the last
    last: int
    length: int  # rows of the first call's result, and of a tile of it
    tile: int

    def rows(self, length: int) -> int:
        """Rows of a tile of an array with `length` rows."""
        return self.tile * length // self.length


class LiveRange(NamedTuple):
    """The calls between which a value must be kept."""

    start: int
    end: int
    value: Value


class Buffer:
    """Memory for one value after another.

    Attributes
    ----------
    kind : str
        "arena": allocated by the plan; "shared": between workers; "state": a declared array; "slice": a part of
        another buffer; "external": an argument, a constant, or what a call allocates at each step.
    value : Value
        The first one stored here; its layout is the buffer's.
    offset : int
        In bytes, from the start of its parent or of the arena.
    region : Value or None
        Of the slice that an update writes: the view of the updated array.
    view : (shape, axes), int or None
        Of a slice that is not one run of bytes: its parent, reshaped and transposed, or one row of it.
    shared_name : str
        How the source writes a shared buffer.
    loop : TiledLoop or None
        The loop whose tiles are the only values stored here.
    """

    def __init__(self, kind: str, value: Value, parent: Buffer | None = None, offset: int = 0) -> None:
        self.kind, self.value, self.parent, self.offset = kind, value, parent, offset
        self.live_ranges: list[LiveRange] = []
        self.slices: list[Buffer] = []
        self.region: Value | None = None
        self.view: tuple[tuple[int, ...], tuple[int, ...]] | int | None = None
        self.shared_name = ""
        self.loop: TiledLoop | None = None
        if parent is not None:
            parent.slices.append(self)

    @property
    def permuted(self) -> bool:
        """Whether its elements stand in another order than its value's layout says."""
        return self.view is not None

    @property
    def root(self) -> Buffer:
        """The outermost buffer that it is a slice of."""
        return self if self.parent is None else self.parent.root

    @property
    def root_offset(self) -> int:
        """In bytes, from the start of the outermost buffer."""
        return 0 if self.parent is None else self.offset + self.parent.root_offset

    def nbytes(self) -> int:
        a = self.value.array
        return span_bytes(a if self.loop is None else a[: self.loop.rows(len(a))])

    def all_live_ranges(self) -> Iterator[LiveRange]:
        """Of the values here and in all slices."""
        yield from self.live_ranges
        for part in self.slices:
            yield from part.all_live_ranges()

    def __str__(self) -> str:
        root, at = self.root, self.root_offset
        if root.kind == "arena":
            return f"arena+{root.offset + at}{', permuted' * self.permuted}"
        return f"{root.shared_name or root.value.name or root.kind}{f'+{at}' * bool(at)}{', permuted' * self.permuted}"


class BufferPlan:
    """Where each value is stored.

    Attributes
    ----------
    calls : list of Call
    buffers : dict
        The buffer of each value that owns memory, by the value's number.
    arena_bytes : int
        The size of the arena; 0 until it is packed.
    packed : bool
        Whether buffers in the arena have their offsets.
    state_copies : list of (Value, Value)
        Declared arrays that are not written in place, each with its final value, which is copied there in the end.
    loops : list of TiledLoop
    """

    def __init__(self, program: Program) -> None:
        self.calls = program.calls
        self.call_index = {id(call): i for i, call in enumerate(program.calls)}
        self.buffers: dict[int, Buffer] = {}
        self.state_copies: list[tuple[Value, Value]] = []
        self.loops: list[TiledLoop] = []
        self.arena_bytes, self.packed = 0, False
        self.index_bounds = {call.args[0].base.number: call.args[1] for call in self.calls
                             if call.name == "check_range"}
        self.uses = uses(program)
        self.last_uses = {number: max(found) for number, found in self.uses.items()}

    # --- live ranges ---

    def def_index(self, v: Value) -> int:
        """The index of the call that makes a value; -1 for a source."""
        return self.call_index.get(id(v.call), -1) if v.call is not None else -1

    def last_use(self, v: Value) -> int:
        """The index of the last call that reads a value or a view of it."""
        return self.last_uses.get(v.number, self.def_index(v))

    def users(self, v: Value) -> set[int]:
        """The indices of the calls that read a value or a view of it, without those that only make a view."""
        return {i for i in self.uses.get(v.number, ()) if i >= len(self.calls)
                or not any(w.is_array and w.base is v for w in self.calls[i].outputs())}

    # --- where values may be stored ---

    def place(self, v: Value) -> str:
        """Where a value is stored, for a printed program; "" where that is not decided, or not by the plan."""
        buffer = self.buffers.get(v.number)
        if buffer is None or buffer.kind == "external":
            return ""
        return str(buffer) if self.packed or buffer.root.kind != "arena" else f"buffer of {buffer.root.value}"

    def assign(self, v: Value, buffer: Buffer) -> None:
        """Store a value in a buffer."""
        self.buffers[v.number] = buffer
        buffer.live_ranges.append(LiveRange(self.def_index(v), self.last_use(v), v))

    def unassign(self, buffer: Buffer) -> None:
        """Forget a slice that was tried and does not fit."""
        assert buffer.parent is not None
        buffer.parent.slices.remove(buffer)

    def assignable(self, v: Value) -> bool:
        """Whether a value's call can write it anywhere, and it has no buffer yet."""
        return (v.number not in self.buffers and v.call is not None and id(v.call) in self.call_index
                and self.can_write_out(v.call))

    def can_write_out(self, call: Call) -> bool:
        """Whether a call can write its result into an array that it is given."""
        if not isinstance(call.result, Value) or not call.result.is_array or call.makes_view:
            return False
        primitive = call.primitive
        if primitive.kind == "update":
            return True
        if call.effect:
            return call.name == ALL_REDUCE_SUM
        if call.name == "gathered":  # subtle: NumPy checks indices at the cost of a copy of all, where it has an out
            table, indices, axis = call.args
            return bool(axis == 0 and isinstance(indices, Value)
                        and 0 < self.index_bounds.get(indices.base.number, 0) <= table.array.shape[0])
        return call.out or primitive.out(call)

    def can_share(self, buffer: Buffer, v: Value, besides: Iterable[Value] = ()) -> bool:
        """Whether nothing else needs the buffer while a value is live.

        Two live ranges may touch in one elementwise call, which then runs in place.
        """
        start, end = self.def_index(v), self.last_use(v)
        exempt = {v.number, *[w.number for w in besides]}
        for first, last, other in buffer.root.all_live_ranges():
            if other.number in exempt or last < start or first > end:
                continue
            # subtle: where a slice ends with the call that makes v, only the whole, which is here too, is read by it
            if last == start and (self.last_use(other) < start or self.can_alias(other, v)):
                continue
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

    def preallocated(self, v: Value) -> bool:
        """Whether a value's memory exists before the step, so that views of it are made once."""
        if v.base is not v and v.call is not None:  # a view of one of several results is made in the step, as they are
            viewed = next(w for w in v.call.inputs() if w.base is v.base)
            if not isinstance(v.call.result, Value) or (viewed is not v.base and not self.preallocated(viewed)):
                return False
        if v.base.kind in ("constant", "state"):
            return True
        buffer = self.buffers.get(v.base.number)
        return buffer is not None and buffer.kind != "external"


def uses(program: Program) -> dict[int, list[int]]:
    """When each value that owns memory is read, itself or a view of it; results are read after the last call."""
    found: dict[int, list[int]] = {}
    for i, call in enumerate(program.calls):
        for v in call.inputs():
            found.setdefault(v.base.number, []).append(i)
    end = len(program.calls)
    for v in values(program.result):
        found.setdefault(v.base.number, []).append(end)
    for source, final in program.state:
        found.setdefault(final.base.number, []).append(FOREVER if final.base is not source else end)
        if final is source and source.is_array:
            found[source.number].append(FOREVER)
    return found
