"""What becomes of the calls of a step: which are left out, which memory is used again, what is written in place.

Every rule keeps the arithmetic and the layouts that were traced, so results are the same to the last bit. Who may live
where is `homes.py`'s, what goes piece by piece `runs.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..ir import Call, Program, Value, values
from ..layout import compact, distance, same_layout, span_bytes
from ..primitives import COPY, PUT
from .buffers import Buffer, Plan
from .tiling import contract_scratch, form_tiled_loops, span

ALIGN = 64  # bytes: a line of the processor's cache


# --- one rule each ---


def eliminate_dead_code(program: Program) -> list[Call]:
    """Dead code is left out: calls whose results nobody reads, in the end."""
    wanted = {v.number for v in values(program.result)}
    wanted |= {final.number for source, final in program.state if final is not source}
    kept: list[Call] = []
    for call in reversed(program.calls):
        if call.effect or any(v.number in wanted for v in call.outputs()):
            kept.append(call)
            wanted.update(v.number for v in call.inputs())
            if call.region is not None and call.region.call is not None:
                wanted.update(v.number for v in call.region.call.inputs() if v is not call.result)
    return kept[::-1]


def assign_sources(plan: Plan) -> None:
    """Arguments, constants and what can only be made anew have no home of the plan; declared arrays are their own."""
    for v in plan.program.sources:
        if v.is_array:
            plan.assign(v, Buffer("state" if v.kind == "state" else "outside", v))
    for call in plan.calls:
        for v in call.outputs():
            if v.is_array and v.base is v and not plan.writes_out(call):
                plan.assign(v, Buffer("outside", v))


def assign_shared(plan: Plan) -> None:
    """What workers add up is made where the others can read it."""
    for call in plan.calls:
        if (call.name in ("group.all_reduce_sum", "group.all_reduce_mean") and plan.assignable(v := call.args[0].base)
                and v is call.args[0]):
            plan.assign(v, home := Buffer("given", v))
            home.text = f"group.parts[{call.args[1]}][group.rank]"


def assign_state(plan: Plan) -> None:
    """What a declared array becomes is made in its own memory, if its old value is not read any more."""
    for source, final in plan.program.state:
        if not source.is_array or final is source:
            continue
        v, home = final.base, plan.home[source.number]
        fits = final is v and plan.assignable(v) and same_layout(v.array, source.array)
        if fits and plan.free(home, v, replaced_by(plan, v)):
            plan.assign(v, home)
        else:
            plan.copies.append((source, final))


def assign_updates(plan: Plan) -> None:
    """An array with a new part takes the old one's memory, and the part is made there, if the old one is done with."""
    for call in reversed(plan.calls):
        if call.primitive.kind != "update":
            continue
        whole, base = call.result, call.args[0]
        home = plan.home.get(whole.number)
        base_home = plan.home.get(base.base.number) if base.base is base else None
        if (home is None and base_home is not None and base_home.kind == "state"
                and plan.last_use(base) <= plan.def_index(whole) and plan.free(base_home, whole, [base])):
            plan.assign(whole, home := base_home)
        if home is None:
            plan.assign(whole, home := Buffer("memory", whole))
        if (base.base is base and plan.assignable(base) and same_layout(base.array, whole.array)
                and plan.last_use(base) <= plan.def_index(whole)
                and plan.free(home, base, [whole, *replaced_by(plan, base)])):
            plan.assign(base, home)
        if call.primitive is PUT and plan.home.get(base.base.number) is home:
            assign_update_slice(plan, call, base, home)


def replaced_by(plan: Plan, v: Value) -> list[Value]:
    """The array that a value is a new version of, if nothing reads it any more."""
    if v.call is None or v.call.primitive.kind != "update":
        return []
    base: Value = v.call.args[0]
    return [base.base] if plan.last_use(base.base) <= plan.def_index(v) else []


def assign_update_slice(plan: Plan, call: Call, base: Value, home: Buffer) -> None:
    """The new part of a `put` is made where it belongs, if the old array is not read meanwhile."""
    part, region = call.args[1], call.region
    maker = part.call if isinstance(part, Value) else None
    if region is None or maker is None or not plan.assignable(part) or part.base is not part:
        return
    where, start = distance(region.array, call.result.array), plan.def_index(part)
    if plan.def_index(base) > start:  # the old array would be written over the part
        return
    if not same_layout(part.array, region.array) or (not maker.elementwise and reads_root(maker, base)):
        return
    for i in plan.reads.get(base.number, ()):
        if i < start or plan.calls[i] is call if i < len(plan.calls) else False:
            continue
        if i == start and maker.elementwise and all(
                same_layout(w.array, part.array) and distance(w.array, base.array) == where
                for w in maker.inputs() if w.is_array and w.base is base):
            continue
        return
    room = Buffer("part", part, home, where)
    if plan.free(home, part, [base, call.result]):
        plan.assign(part, room)
        room.region = region
    else:
        home.parts.remove(room)


def reads_root(call: Call, root: Value) -> bool:
    return any(w.base is root for w in call.inputs())


def assign_joins(plan: Plan) -> None:
    """What is only made to be copied elsewhere is made there, and the copy left out; from the last call to the first:
    a part of what is joined may itself be a copy."""
    for call in reversed(plan.calls):
        if call.primitive.kind == "layout" or call.primitive is COPY:
            assign_copy(plan, call)
        elif is_join(call):
            assign_concatenation(plan, call)


def is_join(call: Call) -> bool:
    return call.primitive.kind == "join"


def assign_copy(plan: Plan, call: Call) -> None:
    """What is copied in another order is made in that order."""
    if not isinstance(call.result, Value):
        return
    copy, view = call.result, call.args[0]
    v = view.base
    if copy.base is not copy or not plan.writes_out(call) or not compact(copy.array):
        return
    order = transposition(v.array, view.array)
    if order is None or not fills(v.call, order[-1] == len(order) - 1):
        return
    if not plan.assignable(v) or plan.readers(v) != {plan.at[id(call)]}:
        return
    if plan.assignable(copy):
        plan.assign(copy, Buffer("memory", copy))
    home, end = plan.home[copy.number], plan.last_use(copy)
    own = [copy, *(c.result for i in plan.readers(copy) if i < len(plan.calls) and is_join(c := plan.calls[i]))]

    def place(v: Value, room_of: Buffer, text: str) -> None:
        """Let a value be made in a part of the copy, if nobody else needs that memory from then on."""
        start = plan.def_index(v)
        if any(last >= start and first <= end and overlaps(plan, o, home, 0, copy.array.nbytes)
               for first, last, o in home.top.all_live_ranges() if not any(o is w for w in own)):
            return
        room = Buffer("part", v, room_of)
        room.permuted, room.text, plan.home[v.number] = True, text, room
        room.live_ranges.append((start, end, v))
        own.append(v)
        if is_stack(v.call):  # the arrays of a stack are made in it
            for i, w in enumerate(v.call.args[0]):  # type: ignore[union-attr]
                if w.base is w and plan.assignable(w) and fills(w.call, True) and plan.readers(w) == {start}:
                    place(w, room, f"[{i}]")

    place(v, home, f".reshape{view.array.shape}.transpose{tuple(order)}")


def transposition(a: Any, view: Any) -> list[int] | None:
    """The axes of a view of a compact array that are the array's own, in its order; None if it is more than that."""
    axes = [*zip(view.shape, view.strides, strict=True)]
    own = [*zip(a.shape, a.strides, strict=True)]
    if not compact(a) or sorted(axes) != sorted(own) or len(set(own)) < len(own):
        return None
    return [axes.index(axis) for axis in own]


def fills(call: Call | None, rows: bool) -> bool:
    """Whether a call gives the same, as fast, into an array of another order of axes; `rows`: the last is still last.

    A product whose result is turned round would be one of another kind, which may be slower than the copy.
    """
    if call is None:
        return False
    if call.target is np.matmul:
        return rows and all(v.array.ndim > 1 for v in call.inputs())
    return is_stack(call) or (call.elementwise and call.primitive.strided_out
                              and call.result.array.dtype.char != "e")


def is_stack(call: Call | None) -> bool:
    return call is not None and call.target is np.stack and call.kwargs.get("axis", 0) == 0 and len(call.args) == 1


def assign_concatenation(plan: Plan, call: Call) -> None:
    """The parts of a concatenation are made side by side, where it will stand."""
    whole = call.result
    if not compact(whole.array) or (whole.number in plan.home and plan.home[whole.number].permuted):
        return
    if plan.assignable(whole):
        plan.assign(whole, Buffer("memory", whole))
    home = plan.home[whole.number]
    for part, offset in parts(call):
        v = part.base
        if not (compact(part.array) and compact(v.array) and v.array.size == part.array.size and v.array.size
                and v.array.dtype == whole.array.dtype and plan.assignable(v)) or multiplied(plan, v, home):
            continue
        room = Buffer("part", v, home, offset)
        live = (plan.def_index(v), max(plan.last_use(v), plan.last_use(whole)))
        others = [o for o in home.top.all_live_ranges() if o[2] is not whole and o[1] >= live[0] and o[0] <= live[1]
                  and overlaps(plan, o[2], home, offset, v.array.nbytes)]
        if others:
            home.parts.remove(room)
            continue
        plan.home[v.number] = room
        room.live_ranges.append((*live, v))


def multiplied(plan: Plan, v: Value, home: Buffer) -> bool:
    """Whether a product is made of a value and another that will be in the same memory.

    NumPy multiplies a matrix by itself, transposed, in another way, and knows it by its place.
    """
    return any(i < len(plan.calls) and plan.calls[i].primitive.kind == "product" and any(
        w.base is not v and w.base.number in plan.home and plan.home[w.base.number].top is home.top
        for w in plan.calls[i].inputs() if w.is_array) for i in plan.reads.get(v.number, ()))


def overlaps(plan: Plan, other: Value, home: Buffer, offset: int, size: int) -> bool:
    """Whether another value in the same memory touches these bytes of the home."""
    there = plan.home[other.number]
    while there.permuted and there.parent is not None:  # its parts are anywhere in the whole
        there = there.parent
    begin = absolute(there) - absolute(home)
    return begin < offset + size and offset < begin + max(span_bytes(other.array), span_bytes(there.value.array))


def absolute(home: Buffer) -> int:
    """How far a home is from where the outermost one begins."""
    return 0 if home.parent is None else home.offset + absolute(home.parent)


def parts(call: Call) -> Iterator[tuple[Value, int]]:
    """The arrays that are joined along the first axis, and where in bytes each will stand."""
    axis = call.kwargs.get("axis", call.args[1] if len(call.args) > 1 else 0)
    whole, offset = call.result.array, 0
    if axis != 0 and not (axis is None and all(v.array.ndim == 1 for v in values(call.args[0]))):
        return
    for v in call.args[0]:
        if not isinstance(v, Value):
            return
        yield v, offset
        offset += v.array.size * whole.itemsize


def assign_elementwise(plan: Plan) -> None:
    """Elementwise calls write over an operand that they read for the last time: backwards into homes that are settled
    already, then forwards."""
    for call in reversed(plan.calls):
        v = call.result
        if call.elementwise and isinstance(v, Value) and v.number in plan.home:
            home = plan.home[v.number]
            for o in call.inputs() if not home.permuted and home.kind in ("part", "state", "memory") else ():
                if (o.is_array and o.base is o and plan.assignable(o) and same_layout(o.array, v.array)
                        and plan.last_use(o) == plan.def_index(v) and plan.free(home, o)):
                    plan.assign(o, home)
                    break
    for call in plan.calls:
        v = call.result
        if not isinstance(v, Value) or not plan.assignable(v):
            continue
        if call.elementwise:
            for o in call.inputs():
                old = plan.home.get(o.number) if o.is_array else None
                if (old is not None and old.kind != "outside" and old.top.kind != "given" and not old.permuted
                        and plan.last_use(o) == plan.def_index(v) and plan.free(old, v)):
                    plan.assign(v, old)
                    break
        if v.number not in plan.home:
            plan.assign(v, Buffer("memory", v))


def pack_arena(plan: Plan) -> None:
    """Homes whose lives do not overlap share memory: the largest choose first, each the lowest place that is free."""
    homes = list({id(h.top): h.top for h in plan.home.values() if h.top.kind == "memory"}.values())
    spans = {id(h): (*span(plan, h), h.size()) for h in homes}
    placed: list[Buffer] = []
    for h in sorted(homes, key=lambda h: (-spans[id(h)][2], spans[id(h)][0])):
        start, end, size = spans[id(h)]
        h.offset = 0
        for other in sorted(placed, key=lambda o: o.offset):
            first, last, taken = spans[id(other)]
            if last < start or first > end or other.offset >= h.offset + size:
                continue
            h.offset = max(h.offset, -(-(other.offset + taken) // ALIGN) * ALIGN)
        placed.append(h)
        plan.size = max(plan.size, h.offset + size)


RULES = (assign_sources, assign_shared, assign_state, assign_updates, assign_joins, assign_elementwise,
         form_tiled_loops, contract_scratch, pack_arena)


def planned(program: Program) -> Plan:
    """The plan of a step: every rule in its turn."""
    plan = Plan(program, eliminate_dead_code(program))
    for rule in RULES:
        rule(plan)
    return plan
