"""A program that several workers run: arguments are dealt out, each runs its own, what they give is put together."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ..random import Generator
from .emit import Source
from .program import CompileError, Program, Value
from .sharing import Shares, room, site
from .workers import Stopped, Team, shared


class Crew:
    """Runs a source in several processes; called like the step of the source, with whole arguments.

    Parameters
    ----------
    program : Program
        As it was traced, on the first worker's part of the arguments.
    given : list
        Whole arguments, arrays and numbers, of the kinds that will come.
    """

    def __init__(self, program: Program, source: Source, numbers: list[Value], given: list[Any],
                 shares: Shares) -> None:
        self.source, self.size, self.program, self.whole = source, shares.size, program, shares.whole
        size = self.size
        self.team, self.well = Team(size), True
        for call in program.calls:
            if call.text.startswith("team.") and call.text != "team.own":
                self.team.give_room(site(call), room(call, size))
        self.arrays = [shared(a.shape, a.dtype) if isinstance(a, np.ndarray) else None for a in given]
        self.kinds = [type(v.array) for v in (*[v for v in program.inputs if not v.is_array], *numbers)]
        self.numbers = shared((max(1, len(self.kinds)),), np.float64)
        self.results = [shared((size, *np.shape(v.array)), v.array.dtype if v.is_array else np.float64)
                        for v in program.result]
        self.count = len(program.result)
        self.rows = {len(a) // size for a in self.arrays if a is not None}  # of a worker's part of a batch
        self.rows |= {c.result.array.shape[0] for c in program.calls if c.text == "team.dealt"}
        self.streams = noise(program)
        self.mirrors = [(a, shared(a.shape, a.dtype)) for a in seen_by_all(program, shares)]
        self.own = [None if a is None else self.team.own(a) for a in self.arrays]
        self.team.start(self.work)
        self.run = self.made(source.inputs)

    def made(self, inputs: dict[str, Any]) -> Callable[..., Any]:
        """The step, made in this process."""
        namespace = {**inputs, **self.source.numbers, "team": self.team}
        exec(self.source.code, namespace)
        step: Callable[..., Any] = namespace["step"]
        return step

    def work(self) -> None:
        """What a worker does until it is told to end."""
        private = {id(a): there.copy() for a, there in self.mirrors}  # the step may write into some of them
        inputs = {name: private.get(id(a), a) for name, a in self.source.inputs.items()}
        inputs |= {name: self.team.own(self.whole[id(a)]) for name, a in inputs.items() if id(a) in self.whole}
        inputs |= {name: another(a, self.team.rank) for name, a in inputs.items() if any(a is s for s in self.streams)}
        self.own = [None if a is None else self.team.own(a) for a in self.arrays]
        run = self.made(inputs)
        while True:
            self.team.meet(float("inf"))
            for a, there in self.mirrors:
                private[id(a)][...] = there
            numbers = [kind(x) for kind, x in zip(self.kinds, self.numbers.tolist(), strict=False)]
            self.give(run(*self.own_arguments(numbers)))
            self.team.meet()

    def own_arguments(self, numbers: list[Any]) -> list[Any]:
        """This worker's part of the arrays, and the numbers, which are the same for all, in the order of arguments."""
        rest = iter(numbers)
        given = [next(rest) if a is None else a for a in self.own]
        return [*given, *rest]

    def give(self, outputs: Any) -> None:
        """Put down what this worker's part of the step gave."""
        for there, x in zip(self.results, outputs, strict=False):
            there[self.team.rank] = x

    def __call__(self, *given: Any) -> Any:
        arrays = len(self.arrays)
        numbers = [x for x, a in zip(given, self.arrays, strict=False) if a is None] + [*given[arrays:]]
        for there, x in zip(self.arrays, given, strict=False):
            if there is not None:
                there[...] = x
        for a, there in self.mirrors:
            there[...] = a
        self.numbers[: len(numbers)] = numbers
        try:
            self.team.meet()
            outputs = self.run(*self.own_arguments(numbers))
            self.give(outputs)
            self.team.meet()
        except Stopped:
            self.well = False
            self.team.close()
            raise self.team.failure() from None
        except BaseException as error:
            self.well = False
            with contextlib.suppress(BaseException):
                self.team.fail(error)
            self.team.close()
            raise
        return (*map(self.together, self.results), *outputs[self.count :])

    def together(self, parts: Any) -> Any:
        """What all workers gave: numbers are averaged, rows put behind each other."""
        if parts.ndim > 1 and parts.shape[1] in self.rows:
            return parts.reshape(-1, *parts.shape[2:])
        if parts.dtype.kind != "f":
            return parts[0]
        return np.array(np.add.reduce(parts, axis=0) * (1 / self.size))


LARGE = 2**20  # bytes: an undeclared array from which on has to stay as it is while workers share a step


def seen_by_all(program: Program, shares: Shares) -> list[Any]:
    """The arrays that may be others at each step, and are in no shared memory: the workers get copies every time."""
    vectors = {id(a) for arrays in (*shares.padded.values(), *shares.own.values()) for a in arrays.values()}
    declared = [source.array for source, _ in program.state if source.is_array and id(source.array) not in vectors]
    return declared + [v.array for v in program.sources if v.kind == "constant" and v.live and v.array.nbytes < LARGE]


def noise(program: Program) -> list[Any]:
    """The random streams that each worker has of its own: those of masks, not those that examples are drawn from."""
    own = {v.number: v for call in program.calls if call.effect and call.text.startswith(".") for v in call.inputs()
           if v.kind == "stream"}
    dealt = {v.number for call in program.calls if call.text == "team.dealt" for v in call.inputs()}
    if own.keys() & dealt:
        raise CompileError("compile: one random stream gives both batches and other numbers, and several workers share "
                           "the step; expected a Generator for each; make another for dropout")
    return [v.array for v in own.values()]


def another(rng: Any, rank: int) -> Any:
    """A stream of a worker's own, after the one that it has a copy of."""
    if isinstance(rng, Generator):
        return Generator((rng.random63() + rank) % 2**63)
    return np.random.default_rng([int(rng.integers(2**62)), rank])
