"""Which part of each value of a step a worker has: rows of it, a part of a sum, or all of it.

In DTensor's words: sharded, partial, replicated. It is found by going through the calls. A call has a rule in
`rules.py`, or its result of rows is "mixed": such parts can't be put together, and what is needed as a
whole is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..ir import Call, CompileError, Program, Value


class Shard(NamedTuple):
    """Rows: of a value whose elements, in C order, are `before` x `n` x the rest, those that this worker's n rows give.

    A reshape changes nothing of that, even where it joins the rows' axis with others, or splits it.
    """

    before: int
    n: int

    def after(self, shape: tuple[int, ...]) -> int:
        """The number of consecutive elements of one row."""
        return math.prod(shape) // (self.before * self.n)

    def touched(self, shape: tuple[int, ...]) -> range:
        """The axes that the rows are along; more than one where a reshape has split them."""
        after, inner = self.after(shape), [math.prod(shape[k + 1 :]) for k in range(len(shape))]
        if self.n == 1:  # subtle: it may be anywhere between `before` and the rest; best where nothing else is
            fits = [k for k, size in enumerate(shape) if inner[k] <= after <= inner[k] * size]
            fits.sort(key=lambda k: (math.prod(shape[:k]) != self.before, shape[k] > 1))
            return range(fits[0], fits[0] + 1) if fits else range(0)
        end = after * self.n
        found = [k for k, size in enumerate(shape) if size > 1 and after < inner[k] * size and inner[k] < end]
        return range(found[0], found[-1] + 1) if found else range(0)

    def moved(self, shape: tuple[int, ...], to: tuple[int, ...], place: int) -> Placement:
        """The rows of another value, whose axes from `place` on are the rows' axes."""
        axes = self.touched(shape)
        if not axes or place < 0 or to[place : place + len(axes)] != tuple(shape[k] for k in axes):
            return MIXED
        lead = math.prod(shape[: axes[0]])
        return MIXED if self.before % lead else Shard(self.before // lead * math.prod(to[:place]), self.n)


SAME, MEAN, SUM, MAX, MIN, MIXED = "same", "mean", "sum", "max", "min", "mixed"
SCALED, LIKELY = "scaled", "scaled by 1 / n"  # a sum or a mean: multiplied by a number that may be, or is, 1 / n
COUNT = "mean count"  # the same on all workers, and divided by how many they are
NOISE = "noise"  # drawn by each worker separately: rows, along any axis
LINEAR, EXTREMES, WHOLE = {SUM, MEAN, SCALED, LIKELY}, {MAX, MIN}, {SAME, COUNT}
Placement = Shard | str
RULES: dict[str, Callable[[Placements, Call], Any]] = {}


def rule(*names: str) -> Callable[[Callable[[Placements, Call], Any]], Callable[[Placements, Call], Any]]:
    """Register a function as the rule of calls of these names."""
    def register(function: Callable[[Placements, Call], Any]) -> Callable[[Placements, Call], Any]:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


class Placements:
    """Where the values of a program are.

    Attributes
    ----------
    blame : dict
        For what is mixed, by number: the first call that made it so.
    random, sized : set
        Values that depend on each worker's own draws, or on the batch's size or its inverse, by number.
    """

    def __init__(self, program: Program, private: Iterable[int]) -> None:
        self.found: dict[int, Placement] = {}
        self.blame: dict[int, Call] = {}
        self.sizes = set[int]()  # of all values that are rows
        self.random, self.sized = set[int](), set[int]()
        private, self.n = set(private), {v.array.shape[0] for v in program.inputs if v.is_array and v.array.ndim}
        for v in program.sources:
            if v.kind == "input" and v.is_array:
                self.found[v.number] = Shard(1, v.array.shape[0]) if v.array.ndim else SAME
            else:
                own = v.kind == "updated" or (v.is_array and id(v.array) in private)
                self.found[v.number] = MIXED if own else SAME
        for call in program.calls:
            if call.name == "group.scatter":
                self.n.add(call.result.array.shape[0])

    def of(self, x: Any) -> Placement:
        """Of a value or a constant."""
        return self.found.get(x.number, SAME) if isinstance(x, Value) else SAME

    def note(self, call: Call, result: Any) -> None:
        """Record what a rule found for a call's results."""
        draws, sized = call.primitive.kind == "draw", self.has_size(call)
        for v in call.outputs():
            self.found[v.number] = found = result.get(v.number, MIXED) if isinstance(result, dict) else result
            for those, begins in ((self.random, draws), (self.sized, sized)):
                if begins or any(w.number in those for w in call.inputs()):
                    those.add(v.number)
            if isinstance(found, Shard) and v.is_array:
                self.sizes |= {v.array.size, found.n}
            if found == MIXED:
                first = next((w.number for w in call.inputs() if w.number in self.blame), None)
                self.blame[v.number] = call if first is None else self.blame[first]

    def has_size(self, call: Call) -> bool:
        """Whether a product or quotient is with a number that may be the batch's size, or 1 / n."""
        return call.target in (np.multiply, np.divide) and any(
            n and any(abs(m - size) <= 1e-6 * size for m in (n, 1 / n) for size in self.sizes)
            for n in [float(x) for x in call.args if type(x) in (int, float) or isinstance(x, np.generic)])

    def whose(self, v: Value) -> str:
        """The line after which a value can't be put together, for an error."""
        call = self.blame.get(v.number) or v.call
        return f"{call.info.where}: {call.info.line!r}: " if call is not None and call.info.line else ""


# --- results from parts ---


def whole(parts: Any, how: Placement, shape: tuple[int, ...]) -> Any:
    """A value of a `shape`, from the parts of all workers, joined along the first axis."""
    size = len(parts)
    if isinstance(how, Shard):
        if math.prod(shape) != parts.size:
            return parts[0]  # a misfit is found by an audit
        return np.moveaxis(parts.reshape(size, how.before, -1), 0, 1).reshape(shape)
    if how == SUM:
        return np.array(np.add.reduce(parts, axis=0, dtype=parts.dtype))
    if how in (MEAN, SCALED, LIKELY):
        return np.array(np.add.reduce(parts, axis=0) * (1 / size), parts.dtype)
    if how in EXTREMES:
        return np.array((np.maximum if how == MAX else np.minimum).reduce(parts, axis=0))
    return parts[0]


def refused(placements: Placements, v: Value, what: str, expected: str, advice: str) -> CompileError:
    if placements.n == {1}:  # where one row stands among axes is not always known
        advice = "give each worker two rows or more, or leave workers out"
    return CompileError(f"compile: {placements.whose(v)}{what} can't be put together from the workers' parts; expected "
                        f"{expected}; {advice}")


OUTPUT = ("rows, sums, means, maxima or minima over the batch, or values that do not depend on it",
          "return rows or sums, and finish outside of the step, or leave workers out")
LOSS = ("a sum or mean over the rows, divided by a number that does not depend on the batch",
        "use the library's losses with ignore_index or weight, divide by the batch's size, or leave workers out")
STATE = ("values that all workers have to become declared state",
         "return it and keep it outside of the step, or leave workers out")


def check_outputs(placements: Placements, program: Program, names: list[str]) -> list[Placement]:
    """How each result is made from the workers' parts; raises for those that can't be."""
    found = [placements.of(v) for v in program.result]
    for i, (v, name) in enumerate(zip(program.result, names, strict=True)):
        if found[i] == NOISE and v.array.ndim and v.array.shape[0] in placements.n:
            found[i] = Shard(1, v.array.shape[0])
        if found[i] in (MIXED, NOISE):
            raise refused(placements, v, name, *OUTPUT)
    return found


def check_state(placements: Placements, program: Program, private: set[int]) -> None:
    """Raise for state that would differ between workers."""
    for source, final in program.state:
        if final is not source and id(source.array) not in private and placements.of(final) not in WHOLE:
            raise refused(placements, final, f"the declared {source.name}", *STATE)


def check_loss(placements: Placements, loss: Any) -> Placement:
    """Whether a worker's loss, and so its gradient, is a sum or a mean over the batch; raises if it is neither."""
    kinds = [placements.of(x) for x in loss]
    for x, found in zip(loss, kinds, strict=True):
        if found in (MIXED, NOISE, *EXTREMES):
            raise refused(placements, x, "the gradient of this loss", *LOSS)
    if not kinds:
        return SAME
    kind = SUM if isinstance(kinds[0], Shard) else kinds[0]
    return SCALED if kinds[1] != SAME or (kind == SUM and loss[0].number in placements.sized) else kind
