"""Loop tiling: consecutive calls on large arrays are made on one tile of rows after the other, for the cache's sake.

Each row of a result must depend on the same rows of the inputs only, by the same arithmetic.
"""

from __future__ import annotations

import math

from ..buffers import BufferPlan, TiledLoop
from ..ir import Call, Program, Value
from ..layout import compact, distance, span_bytes

LARGE, TILE = 3 * 2**18, 2**18  # bytes: the smallest array that is tiled, and a tile


def is_row_parallel(call: Call, n: int) -> bool:
    """Whether each of the n rows of a call's result is made of the same rows of what it reads, by the same
    arithmetic."""
    v = call.result
    if not isinstance(v, Value) or not v.is_array or v.array.ndim < 1 or v.array.shape[0] != n or v.base is not v:
        return False
    return compact(v.array) and call.primitive.rows(call)


def aligned(plan: BufferPlan, w: Value) -> bool:
    """Whether each tile of a value, or of a view, lies within the same tile of the memory that it is of."""
    base, a = w.base, w.array
    buffer = plan.buffers.get(base.number)
    if (buffer is not None and buffer.permuted) or not compact(base.array) or not a.size or a.strides[0] <= 0:
        return False
    if min(a.strides) < 0 or a.strides[0] * a.shape[0] != base.array.nbytes:
        return False
    return distance(a, base.array) >= 0 and distance(a, base.array) + span_bytes(a[0]) <= a.strides[0]


class LoopBuilder:
    """A loop that grows call by call.

    Attributes
    ----------
    calls : list of int
    lengths : set of int
        Rows of the results so far.
    written, untileable : set of int
        Ids of buffers: those written so far, and those in which a call reads beyond its own tile.
    roots : dict
        The id of the outermost buffer for each buffer that is read or written, by id.
    """

    def __init__(self, plan: BufferPlan) -> None:
        self.plan, self.calls, self.lengths = plan, list[int](), set[int]()
        self.written, self.untileable, self.roots = set[int](), set[int](), dict[int, int]()

    def append(self, i: int) -> bool:
        """Add a call to the loop, if possible."""
        plan, call = self.plan, self.plan.calls[i]
        v = call.result
        if not isinstance(v, Value) or not v.is_array or not v.array.ndim or v.array.shape[0] < 2:
            return False
        n = v.array.shape[0]
        if not is_row_parallel(call, n) or plan.buffers[v.number].kind == "external":
            return False
        inputs = [w for w in call.inputs() if w.is_array]
        if not all(plan.preallocated(w) for w in inputs):
            return False
        lengths = self.lengths | {n}
        if len(lengths) > 1 and (math.gcd(*lengths) == 1 or not all(
                aligned(plan, w) for w in (*inputs, v) if call.reads_by_rows(w) and w.base.kind != "constant")):
            return False
        used = [(buffer, call.reads_by_rows(w) and aligned(plan, w)) for w in inputs
                if (buffer := plan.buffers.get(w.base.number)) is not None and buffer.kind != "external"]
        written = self.written | {id(plan.buffers[v.number].root)}
        untileable = self.untileable | {id(buffer.root) for buffer, tileable in used if not tileable}
        roots = self.roots | {id(b): id(b.root) for b in (plan.buffers[v.number], *[b for b, _ in used])}
        times = list(roots.values())
        if written & untileable or any(times.count(r) > 1 for r in written):  # tiles of a slice are not the whole's
            return False
        self.calls.append(i)
        self.lengths, self.written, self.untileable, self.roots = lengths, written, untileable, roots
        return True

    def finish(self) -> TiledLoop | None:
        """The loop, if it has two calls or more on arrays that are together too large for the cache."""
        if len(self.calls) < 2:
            return None
        calls = [self.plan.calls[i] for i in self.calls]
        length = calls[0].result.array.shape[0]
        largest = max(w.array.nbytes for call in calls for w in (*call.inputs(), call.result)
                      if w.is_array and call.reads_by_rows(w))
        if largest < LARGE:
            return None
        tile = max(1, length * TILE // largest)
        if len(self.lengths) > 1:  # subtle: every array must be split into tiles at the same rows
            common = math.gcd(*self.lengths)
            counts = [d for d in range(1, common + 1) if common % d == 0]
            tile = length // min(counts, key=lambda d: abs(d * tile - length))
        return TiledLoop(self.calls[0], self.calls[-1], length, tile) if tile < length else None


def form_tiled_loops(program: Program) -> Program:
    """The program with the loops that pay off in its plan, and smaller buffers for values that live inside of one."""
    plan = program.plan
    assert plan is not None
    builder = LoopBuilder(plan)
    found = []
    for i, call in enumerate(plan.calls):
        v = call.result
        if isinstance(v, Value) and ((v.is_array and v.base is not v and plan.preallocated(v))
                                     or (not v.is_array and call.primitive.kind == "scalar")):
            continue  # made before the step, or written within another line
        if not builder.append(i):
            found.append(builder.finish())
            builder = LoopBuilder(plan)
            builder.append(i)
    plan.loops = [loop for loop in (*found, builder.finish()) if loop is not None]
    contract_scratch(plan)
    return program


def contract_scratch(plan: BufferPlan) -> None:
    """A buffer that is used inside of one loop only needs memory for one tile."""
    for buffer in {id(b): b for b in plan.buffers.values()}.values():
        if buffer.kind != "arena" or buffer.slices:
            continue
        for loop in plan.loops:
            inside = all(loop.first <= first and last <= loop.last for first, last, _ in buffer.live_ranges)
            if inside and all(v.array.ndim and (v.call is None or is_row_parallel(v.call, v.array.shape[0]))
                              and not reads_views(plan, v, loop) for _, _, v in buffer.live_ranges):
                buffer.loop = loop


def reads_views(plan: BufferPlan, v: Value, loop: TiledLoop) -> bool:
    """Whether a call in the loop reads a view of a value, not the value itself."""
    return any(w.base is v and w is not v for call in plan.calls[loop.first : loop.last + 1] for w in call.inputs())
