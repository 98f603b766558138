"""A program that several workers run: arguments are split, each runs its part, and the results are joined."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Callable
from typing import Any

import numpy as np

from ...random import Generator
from ..codegen.source import Source
from ..ir import CompileError, Program, Value
from ..layout import ArrayLayout
from ..primitives import PUT
from .collectives import ShardedState, collective_id, comm_buffer
from .placement import LIKELY, MAX, MEAN, MIN, SCALED, SUM, Placement, whole
from .process_group import ProcessGroup, Stopped, shared, uninterrupted

GUESSES = (SUM, SCALED, LIKELY)  # sums or means: only numbers decide, since a factor may be 1 / n


class ShardedRunner:
    """Runs a source in several processes; called like the step of the source, with whole arguments.

    Parameters
    ----------
    program : Program
        As it was traced, on the first worker's part of the arguments.
    given : list
        Whole arguments, arrays and numbers, of the kinds of later calls.
    store : callable
        Stores the declared numbers, the last of the step's results, in their cells.

    Attributes
    ----------
    outputs : list
        How each result is made from the workers' parts.
    """

    def __init__(self, program: Program, source: Source, numbers: list[Value], given: list[Any],
                 shares: ShardedState, store: Callable[[Any], None]) -> None:
        self.source, self.size, self.program, self.shares, self.store = source, shares.size, program, shares, store
        size, self.whole, self.vectors = self.size, shares.whole, set(map(id, shares.vectors()))
        self.outputs, self.shapes, (self.gradient, self.order), self.loss, self.random = shares.sharding
        self.guesses = {i for i, v in enumerate(program.result) if self.outputs[i] in GUESSES
                        and not (v.is_array and v.array.dtype.kind in "iub")}
        self.outputs = [SUM if how in GUESSES and i not in self.guesses else how for i, how in enumerate(self.outputs)]
        self.guess = self.loss in GUESSES and self.gradient >= 0  # whether gradients are summed or averaged is one too
        self.group, self.well = ProcessGroup(size), True
        for call in program.calls:
            if call.name.startswith("group.") and call.name != "group.local_shard":
                self.group.register_buffer(collective_id(call), comm_buffer(call, size))
        self.arrays = [(i, shared(a.shape, a.dtype)) for i, a in enumerate(given) if isinstance(a, np.ndarray)]
        self.arguments = [v.array for v in (*program.inputs, *numbers)]  # the inputs of this worker's step
        self.numbers = [(i, type(x)) for i, x in enumerate(self.arguments)
                        if not isinstance(x, np.ndarray | ArrayLayout)]
        self.scalars = memoryview(mmap.mmap(-1, 8 * max(1, len(self.numbers)))).cast("d")
        self.count = len(program.result)
        self.scalar_results = memoryview(mmap.mmap(-1, 8 * max(1, size * self.count))).cast("d")
        self.results = [None if is_number(v) else shared((size, *v.array.shape), v.array.dtype)
                        for v in program.result]
        self.types = [v.array.dtype if v.is_array else np.float64 for v in program.result]
        self.streams = per_rank_streams(program)
        self.mirrored = [(a, shared(a.shape, a.dtype)) for a in broadcast_arrays(program, shares)]
        self.expected: list[Any] | None = None  # results of the whole batch, to distinguish sums from means
        self.group.total = self.loss == SUM
        self.group.start(self.work)
        self.run = self.build(source.inputs)

    def build(self, inputs: dict[str, Any]) -> Callable[..., Any]:
        """Build the step in this process, with its parts of the inputs and results."""
        for i, a in self.arrays:
            self.arguments[i] = self.group.local_shard(a)
        self.given: list[Any] = [(self.scalar_results, i * self.size + self.group.rank) if there is None else
                                 (there[self.group.rank, ...], ...) for i, there in enumerate(self.results)]
        namespace = {**inputs, **self.source.named, "group": self.group}
        exec(self.source.code, namespace)
        step: Callable[..., Any] = namespace.pop("step")  # subtle: else they would keep each other alive
        return step

    def work(self) -> None:
        """Run a worker: its part of every step, until the group is closed."""
        private, group = {id(a): there.copy() for a, there in self.mirrored}, self.group  # the step may write into some
        inputs = {name: private.get(id(a), a) for name, a in self.source.inputs.items()}
        inputs |= {name: group.local_shard(self.whole[id(a)]) for name, a in inputs.items() if id(a) in self.whole}
        inputs |= {name: fork_stream(a, group.rank) for name, a in inputs.items() if any(a is s for s in self.streams)}
        run = self.build(inputs)
        while True:
            self.group.barrier(float("inf"))
            for a, there in self.mirrored:
                private[id(a)][...] = there
            for (i, kind), x in zip(self.numbers, self.scalars, strict=False):
                self.arguments[i] = kind(x)
            self.step(run)

    def step(self, run: Callable[..., Any]) -> Any:
        """Run this worker's part of the step, and write its results to shared memory."""
        outputs = run(*self.arguments)
        for (there, place), x in zip(self.given, outputs, strict=False):
            there[place] = x
        self.group.barrier()
        return outputs

    def __call__(self, *given: Any) -> Any:
        self.shares.check_process()
        with uninterrupted():
            return self.all_together(given)

    def all_together(self, given: tuple[Any, ...]) -> Any:
        """Run a step by all workers, from arguments to results."""
        for i, there in self.arrays:
            there[...] = given[i]
        for a, there in self.mirrored:
            there[...] = a
        for place, (i, _) in enumerate(self.numbers):
            self.scalars[place] = self.arguments[i] = given[i]
        try:
            self.group.barrier()
            outputs = self.step(self.run)
        except Stopped:
            self.well = False
            self.group.close()
            raise self.group.failure() from None
        except BaseException as error:
            self.well = False
            with contextlib.suppress(BaseException):
                self.group.fail(error)
            self.group.close()
            raise
        self.store(outputs)
        if self.expected is not None:
            self.decide(self.expected)
        return *map(self.gather_output, range(self.count)), *outputs[self.count :]

    def gather_output(self, i: int) -> Any:
        """A result of the whole batch."""
        how = self.outputs[i]
        if (parts := self.results[i]) is not None:
            return whole(parts, how, self.shapes[i])
        return np.array(together(self.scalar_results[i * self.size : (i + 1) * self.size].tolist(), how), self.types[i])

    # --- audits ---

    @property
    def undecided(self) -> bool:
        """Whether it is not yet known of some result whether it is a sum or a mean."""
        return bool(self.guesses or self.guess)

    def decide(self, expected: list[Any]) -> None:
        """Distinguish sums from means, by the whole batch's results, where a factor may be 1 / n."""
        for i in [*self.guesses] if len(expected) == self.count + 1 else ():
            how, errors = self.outputs[i], []
            for self.outputs[i] in (SUM, MEAN):
                errors.append(float(np.linalg.norm(np.ravel(self.gather_output(i) - expected[i]))))
            size = float(np.linalg.norm(np.ravel(expected[i])))
            if max(errors) > 1e-3 * size:
                self.outputs[i] = (SUM, MEAN)[errors[1] < errors[0]]
                self.guesses.remove(i)
            else:
                self.outputs[i] = how

    def gradients(self) -> dict[Any, Any]:
        """The gradients of the last step, of all workers together, by parameter."""
        if self.gradient < 0:
            return {}
        flat = self.group.buffers[self.gradient][-1]
        return {p: flat[first:last].reshape(p.data.shape) for p, first, last in self.order}


def together(parts: Any, how: Placement) -> float:
    """A number for the whole batch, from those of all workers."""
    if how in (MEAN, SCALED, LIKELY):
        return float(sum(parts) / len(parts))
    if how in (MAX, MIN):
        return float((np.max if how == MAX else np.min)(parts))
    return float(sum(parts) if how == SUM else parts[0])


def is_number(v: Value) -> bool:
    """Whether a value is a Python number, or an array of one float without axes."""
    return not v.is_array or (v.array.ndim == 0 and v.array.dtype.char in "fd")


LARGE = 2**20  # bytes: undeclared arrays from this size must not change while workers share a step


def broadcast_arrays(program: Program, shares: ShardedState) -> list[Any]:
    """Arrays that may change between steps and are in no shared memory: they are copied to the workers at each step."""
    vectors = set(map(id, shares.vectors()))
    declared = [source.array for source, final in program.state if source.is_array
                and id(source.array) not in vectors and not never_read_elsewhere(program, source, final)]
    return declared + [v.array for v in program.sources
                       if v.kind == "constant" and v.mutable and v.array.nbytes < LARGE]


def never_read_elsewhere(program: Program, source: Value, final: Value) -> bool:
    """Whether a declared array is used only to compute its own value after the step, as running statistics are.

    Then another worker may have older numbers, if these can't make it fail: only arithmetic uses such an array.
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


def per_rank_streams(program: Program) -> list[Any]:
    """The random streams that each worker has separately: those of masks, not those that draw examples."""
    own = {v.number: v for call in program.calls if call.primitive.kind == "draw" for v in call.inputs()
           if v.kind == "stream"}
    dealt = {v.number for call in program.calls if call.name == "group.scatter" for v in call.inputs()}
    if own.keys() & dealt:
        raise CompileError("compile: one Generator draws both batches and other numbers, and several workers share the "
                           "step; expected a Generator for each; make another for dropout")
    return [v.array for v in own.values()]


def fork_stream(rng: Any, rank: int) -> Any:
    """A separate stream for a worker, derived from its copy."""
    if isinstance(rng, Generator):
        return Generator((rng.random63() + rank) % 2**63)
    return np.random.default_rng([int(rng.integers(2**62)), rank])
