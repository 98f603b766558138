"""Verification: whether a program is well formed, and whether its buffers hold what is read from them.

The second is decided without the planner's rules. The program is run on labels instead of numbers: each element of
each value has its own label, which a view or a copy keeps. Calls write the labels of their results to the bytes
where the plan stores them, and labels that are read must still be there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .buffers import Buffer, BufferPlan, TiledLoop
    from .ir import Call, Program, Value

Ints = Any  # arrays of integers


def verify_calls(program: Program) -> None:
    """Raise AssertionError unless each number is of one value, nothing is read before it is made, views lie within
    their bases, and regions within the arrays that they are parts of."""
    numbered: dict[int, Value] = {}
    for v in (*program.inputs, *program.all_values()):
        assert numbered.setdefault(v.number, v) is v, f"{v} is the number of two values"
    made = {v.number for v in (*program.sources, *program.inputs)}
    for call in program.calls:
        for v in call.inputs():
            assert numbered.get(v.number) is v and v.number in made, f"{call}: {v} is read before it is made"
            assert numbered.get(v.base.number) is v.base, f"{call}: {v} is a view of {v.base}, which was not made"
        for v in call.outputs():
            assert v.number not in made, f"{call}: {v} was made before"
            assert v.call is call, f"{call}: {v} names another call as its own"
            made.add(v.number)
            verify_view(v)
        if (region := call.region) is not None:
            assert region.base is call.result, f"{call}: its region is a part of {region.base}, not of {call.result}"
            verify_view(region)
    for v in (*program.result, *[final for _, final in program.state]):
        assert numbered.get(v.number) is v and v.number in made, f"{v} is given back and was not made"


def verify_view(v: Value) -> None:
    """Raise AssertionError unless a view lies within its base."""
    if v.is_array and v.base is not v and v.array.size:
        assert v.base.base is v.base, f"{v} is a view of {v.base}, a view itself"
        (low, high), (first, last) = reach(v), reach(v.base)
        assert first <= low and high <= last, f"{v} lies at bytes {low}:{high} of {v.base}, which has {first}:{last}"


def reach(v: Value) -> tuple[int, int]:
    """The range of bytes of an array, relative to its base's first element."""
    ends = [(n - 1) * s for n, s in zip(v.array.shape, v.array.strides, strict=True)]
    offset = v.byte_offset if v.base is not v else 0
    low = offset + sum(min(0, e) for e in ends)
    return low, offset + sum(max(0, e) for e in ends) + v.array.itemsize


# --- buffers ---


def offsets(shape: Any, strides: Any) -> Ints:
    """The byte offset of each element of an array, in its shape."""
    found = np.zeros((), np.int64)
    for n, s in zip(shape, strides, strict=True):
        found = found[..., None] + np.arange(n) * s
    return found


class Memory:
    """Labels instead of numbers, for each byte of each buffer.

    Attributes
    ----------
    bytes : dict
        Of each outermost buffer, or of the arena, the labels by byte.
    labels : dict
        Of each value, by its number: the label of each element.
    addresses : dict
        Of each value: the byte at which each element is stored, and in which of `bytes`.
    """

    def __init__(self, program: Program, plan: BufferPlan) -> None:
        self.plan, self.count = plan, 1
        self.bytes: dict[int, Ints] = {}
        self.labels: dict[int, Ints] = {}
        self.addresses: dict[int, tuple[int, Ints]] = {}
        for v in program.sources:
            if v.is_array:
                self.labels[v.number] = self.fresh(v)
                self.store(v)

    def fresh(self, v: Value) -> Ints:
        """New labels for the elements of a value; elements at one address have one."""
        first, last = reach(v)
        self.count += last - first
        return self.count + offsets(v.array.shape, v.array.strides)

    def external(self, v: Value) -> bool:
        """Whether a value is outside of the plan's memory: nothing else is ever written there."""
        buffer = self.plan.buffers.get(v.base.number)
        return buffer is None or buffer.kind == "external"

    # --- where ---

    def place(self, v: Value) -> tuple[int, Ints]:
        """The memory that stores a value, and the byte of each element."""
        if v.number not in self.addresses:
            self.addresses[v.number] = self.place_of_view(v) if v.base is not v else self.place_of_base(v)
        return self.addresses[v.number]

    def place_of_view(self, v: Value) -> tuple[int, Ints]:
        space, at = self.place(v.base)
        return space, self.through_base(v, at)

    def through_base(self, v: Value, of_base: Ints) -> Ints:
        """The labels or addresses of a view, given those of its base."""
        first, last = reach(v.base)
        by_offset = np.zeros(max(1, last - first), np.int64)
        by_offset[offsets(v.base.array.shape, v.base.array.strides) - first] = of_base
        return by_offset[v.byte_offset + offsets(v.array.shape, v.array.strides) - first]

    def place_of_base(self, v: Value) -> tuple[int, Ints]:
        buffer = self.plan.buffers.get(v.number)
        if buffer is None or buffer.kind in ("external", "state"):
            owner = v if buffer is None else buffer.value
            first, last = reach(owner)
            self.bytes.setdefault(owner.number, np.zeros(last - first, np.int64))
            return owner.number, offsets(v.array.shape, v.array.strides) - first
        start, strides = self.layout(buffer)
        root = buffer.root
        space = -1 if root.kind == "arena" and self.plan.packed else -2 - root.value.number
        if root.kind == "state":
            space, start = root.value.number, start - reach(root.value)[0]
        end = start + int(offsets(v.array.shape, strides).max(initial=0)) + v.array.itemsize
        if space == -1:
            assert start >= 0 and (end <= self.plan.arena_bytes or buffer.loop is not None), f"{v} is not in the arena"
            self.bytes.setdefault(space, np.zeros(self.plan.arena_bytes, np.int64))
        else:
            self.bytes.setdefault(space, np.zeros(root.value.array.size * root.value.array.itemsize + 1, np.int64))
            if end > len(self.bytes[space]):
                self.bytes[space] = np.append(self.bytes[space], np.zeros(end - len(self.bytes[space]), np.int64))
        return space, start + offsets(v.array.shape, strides)

    def layout(self, buffer: Buffer) -> tuple[int, tuple[int, ...]]:
        """The start in bytes and the strides of a buffer within its memory."""
        if buffer.parent is None:
            return (buffer.offset if buffer.kind == "arena" else 0), buffer.value.array.strides
        start, strides = self.layout(buffer.parent)
        if buffer.view is None:
            return start + buffer.offset, buffer.value.array.strides
        if isinstance(buffer.view, int):
            return start + buffer.view * strides[0], strides[1:]
        shape, axes = buffer.view
        ends = [buffer.value.array.itemsize * int(np.prod(shape[i + 1 :])) for i in range(len(shape))]
        return start, tuple([ends[axis] for axis in axes])

    # --- reading and writing ---

    def rows(self, x: Ints, v: Value, tile: tuple[TiledLoop, int] | None) -> Ints:
        """The part of a value's elements that one tile of a loop has."""
        if tile is None:
            return x
        loop, i = tile
        rows = loop.rows(len(x))
        return x[i * rows : (i + 1) * rows]

    def where(self, v: Value, tile: tuple[TiledLoop, int] | None) -> tuple[int, Ints]:
        """As `place`, in a loop: of a contracted buffer, all tiles are at the first one's place."""
        space, at = self.place(v)
        buffer = self.plan.buffers.get(v.base.number)
        now = self.rows(at, v, tile)
        return space, at[: len(now)] if tile is not None and buffer is not None and buffer.loop is not None else now

    def store(self, v: Value, tile: tuple[TiledLoop, int] | None = None) -> None:
        """Write a value's labels where it is stored."""
        if self.external(v):
            return
        space, at = self.where(v, tile)
        labels = self.rows(self.labels[v.number], v, tile)
        for k in range(v.array.itemsize):
            self.bytes[space][at + k] = labels

    def check(self, v: Value, reader: Any, tile: tuple[TiledLoop, int] | None = None) -> None:
        """Raise AssertionError unless a value is where it is stored."""
        if v.number not in self.labels:
            self.labels[v.number] = self.through_base(v, self.labels[v.base.number])
        if self.external(v):
            return
        space, at = self.where(v, tile)
        labels = self.rows(self.labels[v.number], v, tile)
        for k in (0, v.array.itemsize - 1):
            assert np.array_equal(self.bytes[space][at + k], labels), f"{reader}: {v} was overwritten before it is read"


def verify_buffers(program: Program) -> None:
    """Raise AssertionError unless every value is still stored where the plan says when it is read, declared arrays
    have their final values in the end, and no call reads and writes the same bytes but elementwise, at their places."""
    plan = program.plan
    assert plan is not None and plan.calls is program.calls
    memory = Memory(program, plan)
    loops, i = {loop.first: loop for loop in plan.loops}, 0
    while i < len(plan.calls):
        loop = loops.get(i)
        if loop is None:
            run_call(memory, plan.calls[i])
            i += 1
        else:
            for tile in range(-(-loop.length // loop.tile)):
                for call in plan.calls[i : loop.last + 1]:
                    run_call(memory, call, (loop, tile))
            i = loop.last + 1
    finals = [(source, final) for source, final in program.state if source.is_array]
    for _, final in finals:
        memory.check(final, "the end")
    for source, final in plan.state_copies:
        space, at = memory.place(source)
        for k in range(source.array.itemsize):
            memory.bytes[space][at + k] = memory.labels[final.number]
    for v in program.result:
        if v.is_array:
            memory.check(v, "return")
    for source, final in finals:
        space, at = memory.place(source)
        assert np.array_equal(memory.bytes[space][at], memory.labels[final.number]), (
            f"{source.name or source} does not hold its final value {final}")


def run_call(memory: Memory, call: Call, tile: tuple[TiledLoop, int] | None = None) -> None:
    """One call, on labels."""
    if not any(v.is_array for v in call.outputs()) and not call.effect:
        return
    if call.makes_view:
        return
    for v in call.inputs():
        if v.is_array and (call.region is None or v is not call.args[0]):
            memory.check(v, call, tile if tile is not None and call.reads_by_rows(v) else None)
            check_layout(memory, call, v)
    if call.region is not None:
        check_rest(memory, call)
    for v in call.outputs():
        if v.is_array and v.base is v:
            if v.number not in memory.labels:
                memory.labels[v.number] = labels_of(memory, call, v)
            check_overlaps(memory, call, v, tile)
            memory.store(v, tile)


def check_layout(memory: Memory, call: Call, v: Value) -> None:
    """Raise AssertionError if a call that does arithmetic reads elements in another order than in the trace, or if any
    call reads a view of a buffer that only holds a tile."""
    buffer = memory.plan.buffers.get(v.base.number)
    if buffer is not None:
        assert not buffer.permuted or call.primitive.kind in ("layout", "copy", "join"), f"{call}: {v} is permuted"
        assert buffer.loop is None or v.base is v, f"{call}: {v} is a view of a tile"


def check_rest(memory: Memory, call: Call) -> None:
    """`Memory.check` of an array that is updated: all but its region, where the new part may already be."""
    old: Value = call.args[0]
    if old.number not in memory.labels:
        memory.labels[old.number] = memory.through_base(old, memory.labels[old.base.number])
    if memory.external(old):
        return
    space, at = memory.place(old)
    rest = np.ones(old.array.shape, bool)
    rest.reshape(-1)[region_of(memory, call)] = False
    found, labels = memory.bytes[space][at], memory.labels[old.number]
    assert np.array_equal(found[rest], labels[rest]), f"{call}: {old} was overwritten before it is read"


def region_of(memory: Memory, call: Call) -> Ints:
    """Which elements of an updated array are new, counted in its order."""
    whole = call.result.array
    return memory.through_base(call.region, np.arange(whole.size).reshape(whole.shape))  # type: ignore[arg-type]


def labels_of(memory: Memory, call: Call, v: Value) -> Ints:
    """The labels of a result: those of the operands where a call only moves elements, else new ones."""
    primitive, moved = call.primitive, None
    if primitive.kind == "join":
        axis = call.kwargs.get("axis", call.args[1] if len(call.args) > 1 else 0)
        parts = [memory.labels.get(x.number) if hasattr(x, "number") else None for x in call.args[0]]
        if all(p is not None for p in parts) and {x.array.dtype for x in call.args[0]} == {v.array.dtype}:
            moved = primitive.function(parts, axis=axis)
    elif primitive.kind in ("layout", "copy") and len(call.inputs()) == 1 and not call.kwargs:
        x = call.inputs()[0]
        if x is call.args[0] and x.is_array and x.array.dtype == v.array.dtype and x.array.size == v.array.size:
            labels = memory.labels[x.number]
            moved = (labels if labels.shape == v.array.shape else primitive.function(labels, *call.args[1:])
                     if primitive.kind == "layout" else None)
    elif primitive.kind == "update" and call.region is not None:
        old, part = call.args
        moved = memory.labels[old.number].copy()
        moved.reshape(-1)[region_of(memory, call)] = (
            memory.labels[part.number] if hasattr(part, "number") else memory.fresh(call.region))
    return memory.fresh(v) if moved is None else moved


def check_overlaps(memory: Memory, call: Call, v: Value, tile: tuple[TiledLoop, int] | None) -> None:
    """Raise AssertionError if a call writes bytes that it reads, but elementwise or where they stay the same."""
    space, out = memory.where(v, tile)
    for w in call.inputs():
        if not w.is_array or memory.place(w)[0] != space or not w.array.size:
            continue
        _, read = memory.where(w, tile if tile is not None and call.reads_by_rows(w) else None)
        if read.max() + w.array.itemsize <= out.min() or out.max() + v.array.itemsize <= read.min():
            continue
        same = read.shape == out.shape and np.array_equal(read, out)
        if call.elementwise and same and w.array.itemsize == v.array.itemsize:
            continue
        shared = np.intersect1d(read, out)
        if not len(shared):
            continue
        before, after = memory.bytes[space], memory.bytes[space].copy()
        after[out] = memory.rows(memory.labels[v.number], v, tile)
        unchanged = np.array_equal(before[shared], after[shared])
        in_place = call.primitive.kind == "update" and w is call.args[0] and same
        assert unchanged or in_place, f"{call}: it reads {w} where it writes"
