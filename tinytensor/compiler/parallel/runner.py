"""A program that several workers run: arguments are dealt out, each runs its own, what they give is put together."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from ...random import Generator
from ..codegen.source import Source
from ..ir import CompileError, Program, Value
from ..layout import ArrayLayout
from ..primitives import PUT
from .collectives import ShardedState, collective_id, comm_buffer
from .process_group import ProcessGroup, Stopped, shared


class ShardedRunner:
    """Runs a source in several processes; called like the step of the source, with whole arguments.

    Parameters
    ----------
    program : Program
        As it was traced, on the first worker's part of the arguments.
    given : list
        Whole arguments, arrays and numbers, of the kinds that will come.
    """

    def __init__(self, program: Program, source: Source, numbers: list[Value], given: list[Any],
                 shares: ShardedState) -> None:
        self.source, self.size, self.program, self.whole = source, shares.size, program, shares.whole
        size = self.size
        self.team, self.well = ProcessGroup(size), True
        for call in program.calls:
            if call.name.startswith("team.") and call.name != "team.own":
                self.team.give_room(collective_id(call), comm_buffer(call, size))
        self.arrays = [(i, shared(a.shape, a.dtype)) for i, a in enumerate(given) if isinstance(a, np.ndarray)]
        self.arguments = [v.array for v in (*program.inputs, *numbers)]  # what this worker's step is given
        self.numbers = [(i, type(x)) for i, x in enumerate(self.arguments)
                        if not isinstance(x, np.ndarray | ArrayLayout)]
        self.board = memoryview(mmap.mmap(-1, 8 * max(1, len(self.numbers)))).cast("d")
        self.count = len(program.result)
        self.told = memoryview(mmap.mmap(-1, 8 * max(1, size * self.count))).cast("d")  # results that are numbers
        self.results = [None if is_number(v) else shared((size, *v.array.shape), v.array.dtype)
                        for v in program.result]
        self.types = [v.array.dtype if v.is_array else np.float64 for v in program.result]
        self.rows = {len(a) // size for _, a in self.arrays}  # of a worker's part of a batch
        self.rows |= {c.result.array.shape[0] for c in program.calls if c.name == "team.dealt"}
        self.streams = noise(program)
        self.mirrors = [(a, shared(a.shape, a.dtype)) for a in broadcast_arrays(program, shares)]
        self.team.start(self.work)
        self.run = self.made(source.inputs)

    def made(self, inputs: dict[str, Any]) -> Callable[..., Any]:
        """The step, made in this process, and its own parts of what comes and goes."""
        for i, a in self.arrays:
            self.arguments[i] = self.team.own(a)
        self.given: list[Any] = [(self.told, i * self.size + self.team.rank) if there is None else
                                 (there[self.team.rank, ...], ...) for i, there in enumerate(self.results)]
        namespace = {**inputs, **self.source.named, "team": self.team}
        exec(self.source.code, namespace)
        step: Callable[..., Any] = namespace["step"]
        return step

    def work(self) -> None:
        """What a worker does until it is told to end."""
        private = {id(a): there.copy() for a, there in self.mirrors}  # the step may write into some of them
        inputs = {name: private.get(id(a), a) for name, a in self.source.inputs.items()}
        inputs |= {name: self.team.own(self.whole[id(a)]) for name, a in inputs.items() if id(a) in self.whole}
        inputs |= {name: another(a, self.team.rank) for name, a in inputs.items() if any(a is s for s in self.streams)}
        run = self.made(inputs)
        while True:
            self.team.meet(float("inf"))
            for a, there in self.mirrors:
                private[id(a)][...] = there
            for (i, kind), x in zip(self.numbers, self.board, strict=False):
                self.arguments[i] = kind(x)
            self.step(run)

    def step(self, run: Callable[..., Any]) -> Any:
        """Make this worker's part of the step, and put down what it gave."""
        outputs = run(*self.arguments)
        for (there, place), x in zip(self.given, outputs, strict=False):
            there[place] = x
        self.team.meet()
        return outputs

    def __call__(self, *given: Any) -> Any:
        for i, there in self.arrays:
            there[...] = given[i]
        for a, there in self.mirrors:
            there[...] = a
        for place, (i, _) in enumerate(self.numbers):
            self.board[place] = self.arguments[i] = given[i]
        try:
            self.team.meet()
            outputs = self.step(self.run)
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
        return (*map(self.together, range(self.count)), *outputs[self.count :])

    def together(self, i: int) -> Any:
        """What all workers gave: numbers are averaged, rows put behind each other."""
        if (parts := self.results[i]) is None:
            return np.array(sum(self.told[i * self.size : (i + 1) * self.size]) / self.size, self.types[i])
        if parts.ndim > 1 and parts.shape[1] in self.rows:
            return parts.reshape(-1, *parts.shape[2:])
        if parts.dtype.kind != "f":
            return parts[0]
        return np.array(reduce(add, parts) * (1 / self.size))


def is_number(v: Value) -> bool:
    """Whether a value is a Python number, or an array of one float without axes."""
    return not v.is_array or (v.array.ndim == 0 and v.array.dtype.char in "fd")


LARGE = 2**20  # bytes: an undeclared array from which on has to stay as it is while workers share a step


def broadcast_arrays(program: Program, shares: ShardedState) -> list[Any]:
    """The arrays that may be others at each step, and are in no shared memory: the workers get copies every time."""
    vectors = {id(a) for arrays in (*shares.padded.values(), *shares.own.values()) for a in arrays.values()}
    declared = [source.array for source, final in program.state if source.is_array
                and id(source.array) not in vectors and not never_read_elsewhere(program, source, final)]
    return declared + [v.array for v in program.sources
                       if v.kind == "constant" and v.mutable and v.array.nbytes < LARGE]


def never_read_elsewhere(program: Program, source: Value, final: Value) -> bool:
    """Whether nothing comes of a declared array but what it is after the step, such as running statistics.

    Then another worker may have older numbers, if it can't fail of them: only arithmetic is made of such an array.
    """
    touched = {source.number}
    for call in program.calls:
        if any(v.number in touched or v.base.number in touched for v in call.inputs()):
            if call.effect or not (call.makes_view or call.primitive is PUT
                                   or (call.elementwise and not call.primitive.can_fail)):
                return False
            touched |= {v.number for v in call.outputs()}
    others = [*program.result, *(v for s, v in program.state if s is not source)]
    return final is not source and not any(v.number in touched or v.base.number in touched for v in others)


def noise(program: Program) -> list[Any]:
    """The random streams that each worker has of its own: those of masks, not those that examples are drawn from."""
    own = {v.number: v for call in program.calls if call.effect and call.name.startswith(".") for v in call.inputs()
           if v.kind == "stream"}
    dealt = {v.number for call in program.calls if call.name == "team.dealt" for v in call.inputs()}
    if own.keys() & dealt:
        raise CompileError("compile: one random stream gives both batches and other numbers, and several workers share "
                           "the step; expected a Generator for each; make another for dropout")
    return [v.array for v in own.values()]


def another(rng: Any, rank: int) -> Any:
    """A stream of a worker's own, after the one that it has a copy of."""
    if isinstance(rng, Generator):
        return Generator((rng.random63() + rank) % 2**63)
    return np.random.default_rng([int(rng.integers(2**62)), rank])
