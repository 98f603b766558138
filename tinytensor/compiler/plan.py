"""Where each value of a step lives: which calls are left out, which memory is used again, what is written in place.

Every rule keeps the arithmetic and the layouts that were traced, so results are the same to the last bit. A value lives
from the call that makes it to the last that reads it or a view of it; two whose lives overlap never share memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .program import Call, Program, Value, values
from .trace import filled, put, replaced

ALIGN = 64  # bytes: a line of the processor's cache
LARGE, PIECE = 2**20, 2**18  # bytes: an array from which on a run goes piece by piece, and how large a piece is about
FOR_EVER = 1 << 60
# Calls that can write into an array that they are given; `emit.py` knows how.
FUNCTIONS = {np.concatenate, np.stack, np.einsum, np.clip, np.cumsum, np.cumprod, np.dot, np.mean, np.sum, np.copy,
             np.argmax, np.argmin, np.max, np.min, np.prod, filled, np.ndarray.astype, np.ndarray.flatten}
METHODS = {".sum", ".max", ".min", ".mean", ".prod", ".cumsum", ".cumprod", ".argmax", ".argmin", ".clip", ".dot",
           ".any", ".all"}


class Home:
    """A piece of memory, and who lives there when.

    Attributes
    ----------
    kind : str
        "memory": given out by the plan; "given": the workers' own; "state": a declared array; "part": of another home;
        "outside": an argument, a constant, or what a call makes anew at each step.
    offset : int
        In bytes, from where its parent or all memory begins.
    """

    def __init__(self, kind: str, value: Value, parent: Home | None = None, offset: int = 0) -> None:
        self.kind, self.value, self.parent, self.offset = kind, value, parent, offset
        self.lives: list[tuple[int, int, Value]] = []
        self.parts: list[Home] = []
        self.region: Value | None = None  # the view that a part is, where it is no plain piece
        self.text = ""  # of what is given, or loose: how it is written
        self.loose = False  # a part whose axes are in another order than its value's
        self.run: Run | None = None  # where one piece of it is enough
        if parent is not None:
            parent.parts.append(self)

    @property
    def top(self) -> Home:
        return self if self.parent is None else self.parent.top

    def size(self) -> int:
        """In bytes."""
        return nbytes(self.value.array if self.run is None else self.value.array[: self.run.rows(len(self.value.array))])

    def all_lives(self) -> Iterator[tuple[int, int, Value]]:
        yield from self.lives
        for part in self.parts:
            yield from part.all_lives()


def same_layout(a: Any, b: Any) -> bool:
    """Whether two arrays have one shape, dtype and order of memory, so that one can stand in the other's memory."""
    return bool(a.dtype == b.dtype and a.shape == b.shape and a.strides == b.strides)


def compact(a: Any) -> bool:
    """Whether an array fills its memory row by row."""
    return bool(a.flags.c_contiguous)


def nbytes(a: Any) -> int:
    """How much memory an array spans, whatever the order of its axes."""
    return int(a.itemsize * (1 + sum((n - 1) * abs(s // a.itemsize) for n, s in zip(a.shape, a.strides, strict=True)))
               if a.size else a.itemsize)


def distance(view: Any, whole: Any) -> int:
    """How many bytes after the whole a view of it begins."""
    return int(view.__array_interface__["data"][0] - whole.__array_interface__["data"][0])


def writes_out(call: Call, checked: dict[int, int]) -> bool:
    """Whether a call can write its result into an array that it is given; `checked`: what is known of indices."""
    if not isinstance(call.result, Value) or not call.result.is_array or call.result.root is not call.result:
        return False
    if call.effect or call.target in (put, replaced):
        return call.target in (put, replaced)
    if isinstance(call.target, np.ufunc):
        return call.target.nout == 1
    if call.text == "gathered":
        table, indices, axis = call.args
        return bool(axis == 0 and isinstance(indices, Value)
                    and 0 < checked.get(indices.root.number, 0) <= table.array.shape[0])
    owner = getattr(call.target, "__self__", None)
    return (isinstance(owner, np.ufunc) or call.target in FUNCTIONS or call.text in METHODS
            or call.text in RESHAPES)


RESHAPES = {".reshape", ".ravel", "np.reshape"}  # views or, where none can be, copies


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
        self.home: dict[int, Home] = {}
        self.copies: list[tuple[Value, Value]] = []
        self.size = 0
        self.runs: list[Run] = []
        self.checked = {call.args[0].root.number: call.args[1] for call in calls if call.text == "check_range"}
        self.reads = reads(program, calls)
        self.last = {number: max(found) for number, found in self.reads.items()}

    # --- lives ---

    def born(self, v: Value) -> int:
        """The number of the call that makes a value; -1 for a source."""
        return self.at.get(id(v.call), -1) if v.call is not None else -1

    def dies(self, v: Value) -> int:
        """The number of the last call that reads a value or a view of it."""
        return self.last.get(v.number, self.born(v))

    def move_in(self, v: Value, home: Home) -> None:
        self.home[v.number] = home
        home.lives.append((self.born(v), self.dies(v), v))

    def free(self, home: Home, v: Value, besides: Iterable[Value] = ()) -> bool:
        """Whether nobody else needs the home while a value lives there.

        One may die in the call that the other is born in, if that call goes element by element through both in the
        same order.
        """
        start, end = self.born(v), self.dies(v)
        exempt = {w.number for w in besides}
        for first, last, other in home.top.all_lives():
            if other.number in exempt or other.number == v.number:
                continue
            if last < start or first > end:
                continue
            if last == start and self.hands_over(other, v):
                continue
            if first == end and self.hands_over(v, other):
                continue
            return False
        return True

    def hands_over(self, old: Value, new: Value) -> bool:
        """Whether the call that makes `new` may write it over `old`, which it reads for the last time."""
        call = new.call
        if call is None or call.ufunc is None or not same_layout(old.array, new.array):
            return False
        return all(w is old for w in call.inputs() if w.is_array and w.root is old.root)

    def writes_out(self, call: Call) -> bool:
        return writes_out(call, self.checked)

    def persistent(self, v: Value) -> bool:
        """Whether a value's memory is there before the step, so that views of it are made once."""
        if v.root.kind in ("constant", "state"):
            return True
        home = self.home.get(v.root.number)
        return home is not None and home.kind != "outside"

    def readers(self, v: Value) -> set[int]:
        """The numbers of the calls that read a value or a view of it, but for those that only make a view."""
        return {i for i in self.reads.get(v.number, ()) if i >= len(self.calls)
                or not any(w.is_array and w.root is v for w in self.calls[i].outputs())}

    def reads_views(self, v: Value, run: Run) -> bool:
        """Whether a call in the run reads a view of a value, not the value itself."""
        return any(w.root is v and w is not v for call in self.calls[run.first : run.last + 1] for w in call.inputs())

    def unplaced(self, v: Value) -> bool:
        """Whether a value's call can write it anywhere, and nobody decided where."""
        return v.number not in self.home and v.call is not None and id(v.call) in self.at and self.writes_out(v.call)


def reads(program: Program, calls: list[Call]) -> dict[int, list[int]]:
    """When each value that owns memory is read, itself or a view of it; what is given back is read after the end."""
    found: dict[int, list[int]] = {}
    for i, call in enumerate(calls):
        for v in call.inputs():
            found.setdefault(v.root.number, []).append(i)
    end = len(calls)
    for v in values(program.result):
        found.setdefault(v.root.number, []).append(end)
    for source, final in program.state:
        found.setdefault(final.root.number, []).append(FOR_EVER if final.root is not source else end)
        if final is source and source.is_array:
            found[source.number].append(FOR_EVER)
    return found


# --- one rule each ---


def alive(program: Program) -> list[Call]:
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


def settle_sources(plan: Plan) -> None:
    """Arguments, constants and what can only be made anew have no home of the plan; declared arrays are their own."""
    for v in plan.program.sources:
        if v.is_array:
            plan.move_in(v, Home("state" if v.kind == "state" else "outside", v))
    for call in plan.calls:
        for v in call.outputs():
            if v.is_array and v.root is v and not plan.writes_out(call):
                plan.move_in(v, Home("outside", v))


def settle_shared(plan: Plan) -> None:
    """What workers average is made where the others can read it."""
    for call in plan.calls:
        if call.text == "team.average" and plan.unplaced(v := call.args[0].root) and v is call.args[0] and v.array.ndim:
            plan.move_in(v, home := Home("given", v))
            home.text = f"team.slots[{call.args[1]}][team.rank]"


def settle_state(plan: Plan) -> None:
    """What a declared array becomes is made in its own memory, if its old value is not read any more."""
    for source, final in plan.program.state:
        if not source.is_array or final is source:
            continue
        v, home = final.root, plan.home[source.number]
        if final is v and plan.unplaced(v) and same_layout(v.array, source.array):
            if plan.free(home, v, replaced_by(plan, v)):
                plan.move_in(v, home)
                continue
        plan.copies.append((source, final))


def settle_puts(plan: Plan) -> None:
    """An array with a new part takes the old one's memory, and the part is made there, if the old one is done with."""
    for call in reversed(plan.calls):
        if call.target not in (put, replaced):
            continue
        whole, base = call.result, call.args[0]
        home = plan.home.get(whole.number)
        base_home = plan.home.get(base.root.number) if base.root is base else None
        if home is None and base.root is base and plan.dies(base) <= plan.born(whole):
            if base_home is not None and base_home.kind == "state" and plan.free(base_home, whole, [base]):
                plan.move_in(whole, home := base_home)
        if home is None:
            plan.move_in(whole, home := Home("memory", whole))
        if (base.root is base and plan.unplaced(base) and same_layout(base.array, whole.array)
                and plan.dies(base) <= plan.born(whole) and plan.free(home, base, [whole, *replaced_by(plan, base)])):
            plan.move_in(base, home)
        if call.target is put and plan.home.get(base.root.number) is home:
            settle_part_of_put(plan, call, base, home)


def replaced_by(plan: Plan, v: Value) -> list[Value]:
    """The array that a value is a new version of, if nothing reads it any more."""
    if v.call is None or v.call.target not in (put, replaced):
        return []
    base: Value = v.call.args[0]
    return [base.root] if plan.dies(base.root) <= plan.born(v) else []


def settle_part_of_put(plan: Plan, call: Call, base: Value, home: Home) -> None:
    """The new part of a `put` is made where it belongs, if the old array is not read meanwhile."""
    part, region = call.args[1], call.region
    if region is None or not isinstance(part, Value) or not plan.unplaced(part) or part.root is not part:
        return
    where, start = distance(region.array, call.result.array), plan.born(part)
    if plan.born(base) > start:  # the old array would be written over the part
        return
    if not same_layout(part.array, region.array) or part.call.ufunc is None and reads_root(part.call, base):
        return
    for i in plan.reads.get(base.number, ()):
        if i < start or plan.calls[i] is call if i < len(plan.calls) else False:
            continue
        if i == start and part.call.ufunc is not None and all(
                same_layout(w.array, part.array) and distance(w.array, base.array) == where
                for w in part.call.inputs() if w.is_array and w.root is base):
            continue
        return
    room = Home("part", part, home, where)
    if plan.free(home, part, [base, call.result]):
        plan.move_in(part, room)
        room.region = region
    else:
        home.parts.remove(room)


def reads_root(call: Call, root: Value) -> bool:
    return any(w.root is root for w in call.inputs())


def settle_copies(plan: Plan) -> None:
    """What is only made to be copied in another order is made in that order, and the copy left out."""
    for call in reversed(plan.calls):
        if not (call.text in RESHAPES or call.target is np.copy) or not isinstance(call.result, Value):
            continue
        copy, view = call.result, call.args[0]
        v = view.root
        if copy.root is not copy or not plan.writes_out(call) or not compact(copy.array):
            continue
        order = transposition(v.array, view.array)
        if order is None or not fills(v.call) or not plan.unplaced(v) or plan.readers(v) != {plan.at[id(call)]}:
            continue
        if plan.unplaced(copy):
            plan.move_in(copy, Home("memory", copy))
        home = plan.home[copy.number]
        live = (plan.born(v), plan.dies(copy))
        if any(o is not copy and last >= live[0] and first <= live[1] for first, last, o in home.top.all_lives()):
            continue
        room = Home("part", v, home)
        room.loose, plan.home[v.number] = True, room
        room.text = f".reshape{view.array.shape}.transpose{tuple(order)}"
        room.lives.append((*live, v))
        if v.call is not None and v.call.target is np.stack:
            settle_stacked(plan, v.call, room)


def transposition(a: Any, view: Any) -> list[int] | None:
    """The axes of a view of a compact array that are the array's own, in its order; None if it is more than that."""
    axes = [*zip(view.shape, view.strides, strict=True)]
    own = [*zip(a.shape, a.strides, strict=True)]
    if not compact(a) or sorted(axes) != sorted(own) or len(set(own)) < len(own):
        return None
    return [axes.index(axis) for axis in own]


def fills(call: Call | None) -> bool:
    """Whether a call gives the same into an array of any order of axes, but for the last."""
    if call is None:
        return False
    if call.target is np.matmul:
        return all(v.array.ndim > 1 for v in call.inputs())
    return call.ufunc is not None or (call.target is np.stack and call.kwargs.get("axis", 0) == 0 and len(call.args) == 1)


def settle_stacked(plan: Plan, call: Call, home: Home) -> None:
    """The arrays of a stack are made in it."""
    for i, v in enumerate(call.args[0]):
        if v.root is v and plan.unplaced(v) and fills(v.call) and plan.readers(v) == {plan.at[id(call)]}:
            room = Home("part", v, home)
            room.loose, room.text, plan.home[v.number] = True, f"[{i}]", room
            room.lives.append((plan.born(v), max(e for _, e, _ in home.lives), v))
            first = min(plan.born(v), home.lives[0][0])
            home.lives[0] = (first, *home.lives[0][1:])


def settle_concatenations(plan: Plan) -> None:
    """The parts of a concatenation are made side by side, where it will stand; from the last call to the first."""
    for call in reversed(plan.calls):
        if call.target not in (np.concatenate, np.stack) or not compact(call.result.array):
            continue
        if call.result.number in plan.home and plan.home[call.result.number].loose:
            continue
        whole = call.result
        if plan.unplaced(whole):
            plan.move_in(whole, Home("memory", whole))
        home = plan.home[whole.number]
        for part, offset in parts(call):
            v = part.root
            if not (compact(part.array) and compact(v.array) and v.array.size == part.array.size and v.array.size
                    and v.array.dtype == whole.array.dtype and plan.unplaced(v)):
                continue
            room = Home("part", v, home, offset)
            live = (plan.born(v), max(plan.dies(v), plan.dies(whole)))
            others = [o for o in home.top.all_lives() if o[2] is not whole and o[1] >= live[0] and o[0] <= live[1]
                      and overlaps(plan, o[2], home, offset, v.array.nbytes)]
            if others:
                home.parts.remove(room)
                continue
            plan.home[v.number] = room
            room.lives.append((*live, v))


def overlaps(plan: Plan, other: Value, home: Home, offset: int, size: int) -> bool:
    """Whether another value in the same memory touches these bytes of the home."""
    there = plan.home[other.number]
    begin = absolute(there) - absolute(home)
    return begin < offset + size and offset < begin + nbytes(other.array)


def absolute(home: Home) -> int:
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


def settle_chains(plan: Plan) -> None:
    """Elementwise calls write over an operand that they read for the last time: backwards into homes that are settled
    already, then forwards."""
    for call in reversed(plan.calls):
        v = call.result
        if call.ufunc is not None and isinstance(v, Value) and v.number in plan.home:
            home = plan.home[v.number]
            for o in call.inputs() if not home.loose else ():
                if o.is_array and o.root is o and plan.unplaced(o) and home.kind in ("part", "state", "memory"):
                    if same_layout(o.array, v.array) and plan.dies(o) == plan.born(v) and plan.free(home, o):
                        plan.move_in(o, home)
                        break
    for call in plan.calls:
        v = call.result
        if not isinstance(v, Value) or not plan.unplaced(v):
            continue
        if call.ufunc is not None:
            for o in call.inputs():
                home = plan.home.get(o.number) if o.is_array else None
                if home is not None and home.kind != "outside" and not home.loose and plan.dies(o) == plan.born(v) and plan.free(home, v):
                    plan.move_in(v, home)
                    break
        if v.number not in plan.home:
            plan.move_in(v, Home("memory", v))


# --- piece by piece ---


class Run(NamedTuple):
    """Calls in a row that go along the first axis of large arrays independently: made piece by piece, all calls on one
    piece before the next, so that pieces stay in the processor's cache."""

    first: int
    last: int
    total: int  # the length of the axis in the first call
    step: int  # how much of it a piece is

    def rows(self, length: int) -> int:
        """How many rows a piece of an array of this length has."""
        return self.step * length // self.total


def along_rows(call: Call, n: int) -> bool:
    """Whether each row of a call's result is made of the same rows of what it reads, by the same arithmetic."""
    v = call.result
    if not isinstance(v, Value) or not v.is_array or v.array.ndim < 1 or v.array.shape[0] != n or v.root is not v:
        return False
    if not compact(v.array) or not all(k in ("axis", "keepdims") for k in call.kwargs):
        return False
    target, operands = call.target, [w.array for w in call.inputs() if w.is_array]
    if call.ufunc is not None:
        return all(a.ndim < v.array.ndim or a.shape[0] in (1, n) for a in operands)
    if target is np.matmul:  # matrices one by one
        a, b = operands
        return max(a.ndim, b.ndim) > 2 and all(x.ndim <= 2 or (x.ndim == max(a.ndim, b.ndim) and x.shape[0] == n)
                                               for x in operands)
    if getattr(target, "__self__", None) in (np.maximum, np.minimum):
        axis, x = call.kwargs.get("axis", 0), operands[0]
        return isinstance(axis, int) and axis % x.ndim > 0 and x.shape[0] == n
    return False


def by_rows(call: Call, w: Value) -> bool:
    """Whether a call that goes along rows reads a value row by row, not whole."""
    v = call.result
    if w is v:
        return True
    if call.ufunc is not None:
        return bool(w.array.ndim == v.array.ndim and w.array.shape[0] == v.array.shape[0])
    return bool(w.array.ndim > 2 or call.target is not np.matmul)


def aligned(plan: Plan, w: Value) -> bool:
    """Whether a piece of a value, or of a view, is all in the same piece of the memory that it is of."""
    root, a = w.root, w.array
    home = plan.home.get(root.number)
    if home is not None and home.loose or not compact(root.array) or not a.size or a.strides[0] <= 0:
        return False
    if min(a.strides) < 0 or a.strides[0] * a.shape[0] != root.array.nbytes:
        return False
    return 0 <= distance(a, root.array) and distance(a, root.array) + nbytes(a[0]) <= a.strides[0]


class Growing:
    """A run while it is being found."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.calls, self.lengths = plan, list[int](), set[int]()
        self.written, self.strayed = set[int](), set[int]()  # homes; those in which a call looks beyond its piece

    def takes(self, i: int) -> bool:
        """Take one more call into the run, if it can be."""
        plan, call = self.plan, self.plan.calls[i]
        v = call.result
        if not isinstance(v, Value) or not v.is_array or not v.array.ndim or v.array.shape[0] < 2:
            return False
        n = v.array.shape[0]
        if not along_rows(call, n) or plan.home[v.number].kind == "outside":
            return False
        read = [w for w in call.inputs() if w.is_array]
        if not all(plan.persistent(w) for w in read):
            return False
        lengths = self.lengths | {n}
        if len(lengths) > 1 and (math.gcd(*lengths) == 1 or not all(
                aligned(plan, w) for w in (*read, v) if by_rows(call, w) and w.root.kind != "constant")):
            return False
        tops = [(id(home.top), by_rows(call, w) and aligned(plan, w)) for w in read
                if (home := plan.home.get(w.root.number)) is not None and home.kind != "outside"]
        written = self.written | {id(plan.home[v.number].top)}
        strayed = self.strayed | {top for top, ok in tops if not ok}
        if written & strayed:
            return False
        self.calls.append(i)
        self.lengths, self.written, self.strayed = lengths, written, strayed
        return True

    def close(self) -> None:
        """Keep the run, if it is of two calls or more, on arrays that together are too large for the cache."""
        if len(self.calls) > 1:
            plan, first = self.plan, self.plan.calls[self.calls[0]]
            total = first.result.array.shape[0]
            size = max(w.array.nbytes for i in self.calls for w in (*plan.calls[i].inputs(), plan.calls[i].result)
                       if w.is_array and by_rows(plan.calls[i], w))
            if size >= LARGE:
                step = max(1, total * PIECE // size)
                if len(self.lengths) > 1:  # subtle: every array must fall into pieces at the same places
                    common = math.gcd(*self.lengths)
                    count = min((d for d in range(1, common + 1) if common % d == 0), key=lambda d: abs(d * step - total))
                    step = total // count
                if step < total:
                    plan.runs.append(Run(self.calls[0], self.calls[-1], total, step))
        self.__init__(self.plan)  # type: ignore[misc]


def find_runs(plan: Plan) -> None:
    """The runs that are worth it."""
    growing = Growing(plan)
    for i, call in enumerate(plan.calls):
        v = call.result
        if isinstance(v, Value) and (v.is_array and v.root is not v and plan.persistent(v)
                                     or not v.is_array and call.text.startswith("number ")):
            continue  # made once, or written within another line
        if not growing.takes(i):
            growing.close()
            growing.takes(i)
    growing.close()


def shrink(plan: Plan) -> None:
    """What lives only inside of a run is needed for one piece at a time."""
    for home in {id(h): h for h in plan.home.values()}.values():
        if home.kind != "memory" or home.parts:
            continue
        for run in plan.runs:
            if all(run.first <= s and e <= run.last for s, e, _ in home.lives) and all(
                    v.array.ndim and along_rows(v.call, v.array.shape[0]) for _, _, v in home.lives if v.call) and not any(
                    plan.reads_views(v, run) for _, _, v in home.lives):
                home.run = run


def span(plan: Plan, home: Home) -> tuple[int, int]:
    """When a home is lived in; a run keeps all that it touches until its end, for its calls take turns."""
    first, last = min(s for s, _, _ in home.all_lives()), max(e for _, e, _ in home.all_lives())
    for run in plan.runs:
        if first <= run.last and last >= run.first:
            first, last = min(first, run.first), max(last, run.last)
    return first, last


def give_memory(plan: Plan) -> None:
    """Homes whose lives do not overlap share memory: the largest choose first, each the lowest place that is free."""
    homes = list({id(h.top): h.top for h in plan.home.values() if h.top.kind == "memory"}.values())
    spans = {id(h): (*span(plan, h), h.size()) for h in homes}
    placed: list[Home] = []
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


RULES = (settle_sources, settle_shared, settle_state, settle_puts, settle_copies, settle_concatenations, settle_chains, find_runs, shrink, give_memory)


def planned(program: Program) -> Plan:
    """The plan of a step: every rule in its turn."""
    plan = Plan(program, alive(program))
    for rule in RULES:
        rule(plan)
    return plan


def flops(call: Call) -> int:
    """About how many arithmetic operations a call makes: two for each product of a matrix product, else one a number."""
    v = call.result
    if not isinstance(v, Value) or not v.is_array:
        return 0
    if call.target is np.matmul:
        return 2 * v.array.size * call.args[0].array.shape[-1]
    read = [w.array.size for w in call.inputs() if w.is_array]
    return int(max([v.array.size, *read])) if call.text.startswith("np.") else 0


def traffic(call: Call) -> int:
    """How many bytes a call reads and writes."""
    return sum(w.array.nbytes for w in (*call.inputs(), *call.outputs()) if w.is_array)
