"""Buffer assignment: which memory each value is stored in, what is written in place, what is built where it will stand.

Every rule keeps the arithmetic and the layouts that were traced, so results are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..buffers import Buffer, BufferPlan, LiveRange
from ..ir import Call, Program, Value, values
from ..layout import compact, distance, same_layout, span_bytes
from ..primitives import ALL_REDUCE_MEAN, ALL_REDUCE_SUM, COPY, GROUP, PUT

ALIGN = 64  # bytes: a cache line


# --- one rule each ---


def assign_sources(plan: BufferPlan, program: Program) -> None:
    """Declared arrays are their own buffers; arguments, constants and what a call allocates itself are external."""
    for v in program.sources:
        if v.is_array:
            plan.assign(v, Buffer("state" if v.kind == "state" else "external", v))
    for call in plan.calls:
        for v in call.outputs():
            if v.is_array and v.base is v and not plan.can_write_out(call):
                plan.assign(v, Buffer("external", v))


def assign_shared(plan: BufferPlan, program: Program) -> None:
    """Values that workers reduce are made where the others can read them."""
    for call in plan.calls:
        if call.name in (ALL_REDUCE_SUM, ALL_REDUCE_MEAN):
            v = call.args[0]
            if v.base is v and plan.assignable(v):
                plan.assign(v, buffer := Buffer("shared", v))
                buffer.shared_name = f"{GROUP}.parts[{call.args[1]}][{GROUP}.rank]"


def assign_state(plan: BufferPlan, program: Program) -> None:
    """The final value of a declared array is made in the array's memory, if the old value is not read any more."""
    for source, final in program.state:
        if not source.is_array or final is source:
            continue
        v, buffer = final.base, plan.buffers[source.number]
        fits = final is v and plan.assignable(v) and same_layout(v.array, source.array)
        if fits and plan.can_share(buffer, v, replaced(plan, v)):
            plan.assign(v, buffer)
        else:
            plan.state_copies.append((source, final))


def assign_updates(plan: BufferPlan, program: Program) -> None:
    """An updated array takes the old one's memory, if that is not read any more, and the new part is made there."""
    for call in reversed(plan.calls):
        if call.primitive.kind != "update":
            continue
        new, old = call.result, call.args[0]
        buffer = plan.buffers.get(new.number)
        old_buffer = plan.buffers.get(old.number) if old.base is old else None
        if (buffer is None and old_buffer is not None and old_buffer.kind == "state"
                and plan.last_use(old) <= plan.def_index(new) and plan.can_share(old_buffer, new, [old])):
            plan.assign(new, buffer := old_buffer)
        if buffer is None:
            plan.assign(new, buffer := Buffer("arena", new))
        if (old.base is old and plan.assignable(old) and same_layout(old.array, new.array)
                and plan.last_use(old) <= plan.def_index(new)
                and plan.can_share(buffer, old, [new, *replaced(plan, old)])):
            plan.assign(old, buffer)
        if call.primitive is PUT and plan.buffers.get(old.base.number) is buffer:
            assign_update_slice(plan, call, old, buffer)


def replaced(plan: BufferPlan, v: Value) -> list[Value]:
    """The old array of an update, if nothing reads it later."""
    if v.call is None or v.call.primitive.kind != "update":
        return []
    old: Value = v.call.args[0].base
    return [old] if plan.last_use(old) <= plan.def_index(v) else []


def assign_update_slice(plan: BufferPlan, call: Call, old: Value, buffer: Buffer) -> None:
    """The new part of a `put` is made in its region, if the old array is not read meanwhile."""
    part, region = call.args[1], call.region
    maker = part.call if isinstance(part, Value) else None
    if region is None or maker is None or not plan.assignable(part) or part.base is not part:
        return
    offset, start = distance(region.array, call.result.array), plan.def_index(part)
    if plan.def_index(old) > start:  # making the old array would overwrite the part
        return
    if not same_layout(part.array, region.array) or (not maker.elementwise and reads_base(maker, old)):
        return
    for i in plan.uses.get(old.number, ()):
        if i < start or (i < len(plan.calls) and plan.calls[i] is call):
            continue
        in_place = i == start and maker.elementwise and all(
            same_layout(w.array, part.array) and distance(w.array, old.array) == offset
            for w in maker.inputs() if w.is_array and w.base is old)
        if not in_place:
            return
    target = Buffer("slice", part, buffer, offset)
    if plan.can_share(buffer, part, [old, call.result]):
        plan.assign(part, target)
        target.region = region
    else:
        plan.unassign(target)


def reads_base(call: Call, base: Value) -> bool:
    return any(w.base is base for w in call.inputs())


def assign_joins(plan: BufferPlan, program: Program) -> None:
    """Make what is only copied elsewhere in its destination, and leave out the copy; from the last call to the first,
    for a part of a join may itself be a copy."""
    for call in reversed(plan.calls):
        if call.primitive.kind == "layout" or call.primitive is COPY:
            assign_copy(plan, call)
        elif is_join(call):
            assign_concatenation(plan, call)


def is_join(call: Call) -> bool:
    return call.primitive.kind == "join"


def assign_copy(plan: BufferPlan, call: Call) -> None:
    """A value that is copied in another order of axes is made in that order."""
    if not isinstance(call.result, Value):
        return
    copy, view = call.result, call.args[0]
    v = view.base
    if copy.base is not copy or not plan.can_write_out(call) or not compact(copy.array):
        return
    axes = transposition(v.array, view.array)
    if axes is None or not writes_permuted(v.call, axes[-1] == len(axes) - 1):
        return
    if not plan.assignable(v) or plan.users(v) != {plan.call_index[id(call)]}:
        return
    if plan.assignable(copy):
        plan.assign(copy, Buffer("arena", copy))
    buffer, end = plan.buffers[copy.number], plan.last_use(copy)
    holders = [copy, *(c.result for i in plan.users(copy) if i < len(plan.calls) and is_join(c := plan.calls[i]))]

    def assign(v: Value, parent: Buffer, view: Any) -> None:
        """Let a value be made in a slice of the copy, if nothing else needs that memory from then on."""
        start = plan.def_index(v)
        if any(last >= start and first <= end and overlaps(plan, w, buffer, 0, copy.array.nbytes)
               for first, last, w in buffer.root.all_live_ranges() if not any(w is h for h in holders)):
            return
        target = Buffer("slice", v, parent)
        target.view, plan.buffers[v.number] = view, target
        target.live_ranges.append(LiveRange(start, end, v))
        holders.append(v)
        if is_stack(v.call):  # the arrays of a stack are made in it
            for i, w in enumerate(v.call.args[0]):  # type: ignore[union-attr]
                if w.base is w and plan.assignable(w) and writes_permuted(w.call, True) and plan.users(w) == {start}:
                    assign(w, target, i)

    assign(v, buffer, (view.array.shape, tuple(axes)))


def transposition(a: Any, view: Any) -> list[int] | None:
    """The order of axes that turns a view of a compact array back into it; None if it is more than a transposition."""
    axes = [*zip(view.shape, view.strides, strict=True)]
    original = [*zip(a.shape, a.strides, strict=True)]
    if not compact(a) or sorted(axes) != sorted(original) or len(set(original)) < len(original):
        return None
    return [axes.index(axis) for axis in original]


def writes_permuted(call: Call | None, rows: bool) -> bool:
    """Whether a call gives the same, as fast, into an array of another order of axes; `rows`: the last is still last.

    A product with a transposed result would be another call of BLAS, which may be slower than the copy.
    """
    if call is None:
        return False
    if call.target is np.matmul:
        return rows and all(v.array.ndim > 1 for v in call.inputs())
    return is_stack(call) or (call.elementwise and call.primitive.strided_out
                              and call.result.array.dtype.char not in "eFDG")


def is_stack(call: Call | None) -> bool:
    return call is not None and call.target is np.stack and call.kwargs.get("axis", 0) == 0 and len(call.args) == 1


def assign_concatenation(plan: BufferPlan, call: Call) -> None:
    """The arrays of a concatenation are made next to each other, in its memory."""
    whole = call.result
    if not compact(whole.array) or (whole.number in plan.buffers and plan.buffers[whole.number].permuted):
        return
    if plan.assignable(whole):
        plan.assign(whole, Buffer("arena", whole))
    buffer = plan.buffers[whole.number]
    for part, offset in joined_at(call):
        v = part.base
        if not (compact(part.array) and compact(v.array) and v.array.size == part.array.size and v.array.size
                and v.array.dtype == whole.array.dtype and plan.assignable(v)) or multiplied(plan, v, buffer):
            continue
        live = LiveRange(plan.def_index(v), max(plan.last_use(v), plan.last_use(whole)), v)
        if any(w is not whole and last >= live.start and first <= live.end
               and overlaps(plan, w, buffer, offset, v.array.nbytes)
               for first, last, w in buffer.root.all_live_ranges()):
            continue
        target = plan.buffers[v.number] = Buffer("slice", v, buffer, offset)
        target.live_ranges.append(live)


def multiplied(plan: BufferPlan, v: Value, buffer: Buffer) -> bool:
    """Whether a product is made of a value and another that will be in the same memory.

    NumPy multiplies a matrix by its own transpose in another way, and knows it by its address.
    """
    return any(i < len(plan.calls) and plan.calls[i].primitive.kind == "product" and any(
        w.base is not v and w.base.number in plan.buffers and plan.buffers[w.base.number].root is buffer.root
        for w in plan.calls[i].inputs() if w.is_array) for i in plan.uses.get(v.number, ()))


def overlaps(plan: BufferPlan, other: Value, buffer: Buffer, offset: int, nbytes: int) -> bool:
    """Whether another value in the same memory touches these bytes of a buffer."""
    place = plan.buffers[other.number]
    while place.permuted and place.parent is not None:  # its elements may be anywhere in the whole
        place = place.parent
    begin = place.root_offset - buffer.root_offset
    return begin < offset + nbytes and offset < begin + max(span_bytes(other.array), span_bytes(place.value.array))


def joined_at(call: Call) -> Iterator[tuple[Value, int]]:
    """The arrays that are joined along the first axis, and the byte offset of each."""
    axis = call.kwargs.get("axis", call.args[1] if len(call.args) > 1 else 0)
    whole, offset = call.result.array, 0
    if axis != 0 and not (axis is None and all(v.array.ndim == 1 for v in values(call.args[0]))):
        return
    for v in call.args[0]:
        if not isinstance(v, Value) or not v.is_array:
            return
        yield v, offset
        offset += v.array.size * whole.itemsize


def assign_elementwise(plan: BufferPlan, program: Program) -> None:
    """Elementwise calls write over an operand that they read for the last time: backwards into buffers that are
    assigned already, then forwards. Each of the rest gets a new buffer."""
    for call in reversed(plan.calls):
        v = call.result
        buffer = plan.buffers.get(v.number) if call.elementwise and isinstance(v, Value) else None
        if buffer is None or buffer.permuted or buffer.kind not in ("slice", "state", "arena"):
            continue
        for w in call.inputs():
            if (w.is_array and w.base is w and plan.assignable(w) and same_layout(w.array, v.array)
                    and plan.last_use(w) == plan.def_index(v) and plan.can_share(buffer, w)):
                plan.assign(w, buffer)
                break
    for call in plan.calls:
        v = call.result
        if not isinstance(v, Value) or not plan.assignable(v):
            continue
        for w in call.inputs() if call.elementwise else ():
            buffer = plan.buffers.get(w.number) if w.is_array else None
            if (buffer is not None and buffer.kind != "external" and buffer.root.kind != "shared"
                    and not buffer.permuted and plan.last_use(w) == plan.def_index(v) and plan.can_share(buffer, v)):
                plan.assign(v, buffer)
                break
        if v.number not in plan.buffers:
            plan.assign(v, Buffer("arena", v))


RULES = (assign_sources, assign_shared, assign_state, assign_updates, assign_joins, assign_elementwise)


# --- passes ---


def assign_buffers(program: Program) -> Program:
    """The program with a buffer for each value, by each rule in its turn: the earlier ones have the first choice."""
    plan = BufferPlan(program)
    for rule in RULES:
        rule(plan, program)
    return program._replace(plan=plan)


def pack_arena(program: Program) -> Program:
    """Give the arena's buffers their offsets: the largest choose first, each the lowest offset that is free while it
    is live (Pisarchyk and Lee 2020)."""
    plan = program.plan
    assert plan is not None
    buffers = list({id(b.root): b.root for b in plan.buffers.values() if b.root.kind == "arena"}.values())
    extents = {id(b): (*live_extent(plan, b), b.nbytes()) for b in buffers}
    placed: list[Buffer] = []
    for b in sorted(buffers, key=lambda b: (-extents[id(b)][2], extents[id(b)][0])):
        start, end, nbytes = extents[id(b)]
        b.offset = 0
        for other in sorted(placed, key=lambda o: o.offset):
            first, last, taken = extents[id(other)]
            if last < start or first > end or other.offset >= b.offset + nbytes:
                continue
            b.offset = max(b.offset, -(-(other.offset + taken) // ALIGN) * ALIGN)
        placed.append(b)
        plan.arena_bytes = max(plan.arena_bytes, b.offset + nbytes)
    plan.packed = True
    return program


def live_extent(plan: BufferPlan, buffer: Buffer) -> tuple[int, int]:
    """From which call to which a buffer is in use; a loop needs all that it touches until its end, for its calls take
    turns."""
    ranges = [*buffer.all_live_ranges()]
    first, last = min(r.start for r in ranges), max(r.end for r in ranges)
    for loop in plan.loops:
        if first <= loop.last and last >= loop.first:
            first, last = min(first, loop.first), max(last, loop.last)
    return first, last
