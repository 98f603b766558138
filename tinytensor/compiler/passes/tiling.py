"""Long arrays piece by piece: which calls in a row can be made on one piece after the other, for the cache's sake.

Each row of a result must come of the same rows of what is read, by the same arithmetic. It plans no memory.
"""

from __future__ import annotations

import math

import numpy as np

from ..ir import Call, Value
from ..layout import compact, distance, span_bytes
from .buffers import Buffer, Plan, TiledLoop

LARGE, TILE = 3 * 2**18, 2**18  # bytes: an array from which on a run goes piece by piece; how large a piece is


def is_row_parallel(call: Call, n: int) -> bool:
    """Whether each row of a call's result is made of the same rows of what it reads, by the same arithmetic."""
    v = call.result
    if not isinstance(v, Value) or not v.is_array or v.array.ndim < 1 or v.array.shape[0] != n or v.base is not v:
        return False
    return compact(v.array) and call.primitive.rows(call)


def reads_by_rows(call: Call, w: Value) -> bool:
    """Whether a call that goes along rows reads a value row by row, not whole."""
    v = call.result
    if w is v:
        return True
    if call.elementwise:
        return bool(w.array.ndim == v.array.ndim and w.array.shape[0] == v.array.shape[0])
    return bool(w.array.ndim > 2 or call.target is not np.matmul)


def aligned(plan: Plan, w: Value) -> bool:
    """Whether a piece of a value, or of a view, is all in the same piece of the memory that it is of."""
    root, a = w.base, w.array
    home = plan.home.get(root.number)
    if (home is not None and home.permuted) or not compact(root.array) or not a.size or a.strides[0] <= 0:
        return False
    if min(a.strides) < 0 or a.strides[0] * a.shape[0] != root.array.nbytes:
        return False
    return distance(a, root.array) >= 0 and distance(a, root.array) + span_bytes(a[0]) <= a.strides[0]


class LoopBuilder:
    """A run while it is being found."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.calls, self.lengths = plan, list[int](), set[int]()
        self.written, self.untileable = set[int](), set[int]()  # homes; those in which a call looks beyond its piece
        self.rooms: dict[int, int] = {}  # every home that is read or written, and the outermost that it is in

    def takes(self, i: int) -> bool:
        """Take one more call into the run, if it can be."""
        plan, call = self.plan, self.plan.calls[i]
        v = call.result
        if not isinstance(v, Value) or not v.is_array or not v.array.ndim or v.array.shape[0] < 2:
            return False
        n = v.array.shape[0]
        if not is_row_parallel(call, n) or plan.home[v.number].kind == "outside":
            return False
        read = [w for w in call.inputs() if w.is_array]
        if not all(plan.preallocated(w) for w in read):
            return False
        lengths = self.lengths | {n}
        if len(lengths) > 1 and (math.gcd(*lengths) == 1 or not all(
                aligned(plan, w) for w in (*read, v) if reads_by_rows(call, w) and w.base.kind != "constant")):
            return False
        homes = [(home, reads_by_rows(call, w) and aligned(plan, w)) for w in read
                 if (home := plan.home.get(w.base.number)) is not None and home.kind != "outside"]
        written = self.written | {id(plan.home[v.number].top)}
        untileable = self.untileable | {id(home.top) for home, ok in homes if not ok}
        rooms = self.rooms | {id(home): id(home.top) for home in (plan.home[v.number], *[h for h, _ in homes])}
        tops = list(rooms.values())
        if written & untileable or any(tops.count(top) > 1 for top in written):  # pieces of a part are not the whole's
            return False
        self.calls.append(i)
        self.lengths, self.written, self.untileable, self.rooms = lengths, written, untileable, rooms
        return True

    def close(self) -> None:
        """Keep the run, if it is of two calls or more, on arrays that together are too large for the cache."""
        if len(self.calls) > 1:
            plan, first = self.plan, self.plan.calls[self.calls[0]]
            total = first.result.array.shape[0]
            size = max(w.array.nbytes for i in self.calls for w in (*plan.calls[i].inputs(), plan.calls[i].result)
                       if w.is_array and reads_by_rows(plan.calls[i], w))
            if size >= LARGE:
                step = max(1, total * TILE // size)
                if len(self.lengths) > 1:  # subtle: every array must fall into pieces at the same places
                    common = math.gcd(*self.lengths)
                    counts = [d for d in range(1, common + 1) if common % d == 0]
                    step = total // min(counts, key=lambda d: abs(d * step - total))
                if step < total:
                    plan.runs.append(TiledLoop(self.calls[0], self.calls[-1], total, step))
        self.__init__(self.plan)  # type: ignore[misc]


def form_tiled_loops(plan: Plan) -> None:
    """The runs that are worth it."""
    growing = LoopBuilder(plan)
    for i, call in enumerate(plan.calls):
        v = call.result
        if isinstance(v, Value) and ((v.is_array and v.base is not v and plan.preallocated(v))
                                     or (not v.is_array and call.primitive.kind == "scalar")):
            continue  # made once, or written within another line
        if not growing.takes(i):
            growing.close()
            growing.takes(i)
    growing.close()


def contract_scratch(plan: Plan) -> None:
    """What lives only inside of a run is needed for one piece at a time."""
    for home in {id(h): h for h in plan.home.values()}.values():
        if home.kind != "memory" or home.parts:
            continue
        for run in plan.runs:
            inside = all(run.first <= first and last <= run.last for first, last, _ in home.live_ranges)
            if inside and all(v.array.ndim and (v.call is None or is_row_parallel(v.call, v.array.shape[0]))
                              and not plan.reads_views(v, run) for _, _, v in home.live_ranges):
                home.run = run


def span(plan: Plan, home: Buffer) -> tuple[int, int]:
    """When a home is lived in; a run keeps all that it touches until its end, for its calls take turns."""
    first, last = min(s for s, _, _ in home.all_live_ranges()), max(e for _, e, _ in home.all_live_ranges())
    for run in plan.runs:
        if first <= run.last and last >= run.first:
            first, last = min(first, run.first), max(last, run.last)
    return first, last
