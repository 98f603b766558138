"""Audits: at some calls a step is run both ways, by its program and by the function itself, and compared.

They find what two traces can't: a wrong program, Python code that a program leaves out, and, where several workers
share the step, results that differ from the whole batch's. The state is copied for that, and restored.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..modes import state as engine
from ..random import set_stream_state, stream_state
from .equality import apart, equal, first_gap, kept
from .ir import CompileError, Value
from .parallel.placement import SCALED
from .parallel.process_group import uninterrupted
from .parallel.runner import ShardedRunner
from .tracing.aliasing import short
from .tracing.closure import ClosureScan
from .tracing.gradients import USED
from .tracing.state import DeclaredState

TRACED, STEPS = 2, 3  # calls that make a program; with check=True, calls after these that are audited
TOLERANCE = 1e-5  # relative to the size of a value, where rounding differs
UNDECIDED = 100  # at most this many calls are audited while sums and means can't be distinguished
RUNNING = ("compile: got a call of a step that is running; expected one call at a time, since its buffers are "
           "allocated once; compile a step for each thread")
LARGE = 2**20  # bytes: larger undeclared arrays are not checked for writes


def next_audit(calls: int, check: bool | None, shared: bool) -> float:
    """The number of the next call to audit after `calls` calls: 3, 10, 30, 100, 300, ...; at most each third.

    With check=True 3, 4 and 5 too; with check=False none, but the first one that several workers share.
    """
    if check is False and (calls > TRACED or not shared):
        return math.inf
    if check and calls < TRACED + STEPS:
        return calls + 1
    n = 1.0
    while (found := 3 * n if calls < 3 * n else 10 * n) <= calls:
        n *= 10
    return found


class Difference(NamedTuple):
    """One value that differs between the two ways."""

    order: float  # lower is earlier in the step
    name: str
    a: Any
    b: Any
    value: Value | None


class Copy:
    """Declared arrays, numbers and random streams as they are now."""

    def __init__(self, executable: Any) -> None:
        program, whole = executable.program, executable.whole
        self.finals = {id(whole.get(id(s.array), s.array)): (s, final) for s, final in program.state if s.is_array}
        arrays = [whole.get(id(s.array), s.array) for s, _ in self.finals.values()]
        self.arrays = [(s.name, a, a.copy()) for (s, _), a in zip(self.finals.values(), arrays, strict=True)]
        self.numbers = [(slot, slot.get()) for slot in executable.cells.values()]
        alone = threading.active_count() == 1  # else others may draw meanwhile, and their draws are not undone
        drawn = {v.number for call in program.calls for v in call.inputs()}
        self.streams = [(s.name, s.array, stream_state(s.array)) for s in program.sources
                        if s.kind == "stream" and (alone or s.number in drawn)]

    def restore(self) -> None:
        """Restore everything."""
        for _, array, before in self.arrays:
            np.copyto(array, before)
        for slot, value in self.numbers:
            slot.put(value)
        for _, rng, where in self.streams:
            set_stream_state(rng, where)

    def differences(self, other: Copy, same: Callable[[Any, Any], bool]) -> Iterator[Difference]:
        """The differences from another copy."""
        for (name, array, a), (_, _, b) in zip(self.arrays, other.arrays, strict=True):
            if not same(a, b):
                final = self.finals[id(array)][1]
                yield Difference(final.number, name, a, b, final)
        for (slot, x), (_, y) in zip(self.numbers, other.numbers, strict=True):
            if not same(x, y):
                yield Difference(math.inf, slot.name, x, y, None)
        for (name, _, before), (_, _, after) in zip(self.streams, other.streams, strict=True):
            if not equal(before, after):
                yield Difference(math.inf, f"the random stream {name}", "at one position", "at another position", None)


class Surroundings:
    """What the step might change besides declared state: gradients, and arrays that it can reach."""

    def __init__(self, state: DeclaredState, around: ClosureScan, changed: list[Any]) -> None:
        self.around = around
        self.tensors = {**state.tensors, **state.plain}
        self.data = [(t, t.data) for t in self.tensors.values()]
        self.blocks = [(block, block.theta, block.state, {**block.state}) for opt in state.optimizers
                       for block in opt.blocks]
        self.grads = [(t, t.grad, kept(t.grad)) for t in self.tensors.values()]
        self.arrays = {name: (a, a.copy()) for a, name in around.arrays() if a.nbytes < LARGE
                       and id(a) not in state.declared and not any(np.may_share_memory(a, b) for b in changed)}

    def effects(self) -> list[tuple[str, Any, Any]]:
        """What the step itself has changed, and its program would not change."""
        return [*self.around.differences(), *[(name, was, a.copy()) for name, (a, was) in self.arrays.items()
                                              if not equal(a, was)]]

    def move_back(self) -> None:
        """Copy an array that replaced a declared one into it, as a program does."""
        now = [(name, was, t.data) for name, (t, was) in zip(self.tensors, self.data, strict=True)]
        for block, theta, _, vectors in self.blocks:
            now += [("theta", theta, block.theta), *[(k, v, block.state.get(k, v)) for k, v in vectors.items()]]
        moved = [(name, was, np.array(x)) for name, was, x in now if x is not was]  # all first: two may be swapped
        for name, was, x in moved:
            if (was.shape, was.dtype) != (x.shape, x.dtype):
                raise Disagreement(f"compile: the step itself replaces {name}, {was.dtype} of shape {was.shape}, by "
                                   f"{x.dtype} of shape {x.shape}, and its program does not; expected the same; report "
                                   "this, with the step, and go on without tt.compile")
            np.copyto(was, x)

    def gradients(self) -> list[tuple[str, Any]]:
        return [(name, kept(t.grad)) for name, t in self.tensors.items()]

    def restore(self) -> None:
        self.around.restore()
        for t, data in self.data:
            if t.data is not data:
                t.data = data
        for block, theta, own, vectors in self.blocks:
            own.update(vectors)
            block.theta, block.state = theta, own
        for t, g, was in self.grads:
            t.grad = g
            if isinstance(g, np.ndarray):
                np.copyto(g, was)
        for a, was in self.arrays.values():
            if a.flags.writeable:
                np.copyto(a, was)


# --- an audit ---


def audited(title: str, step: Callable[[], Any], run: Callable[[], Any], executable: Any, state: DeclaredState,
            around: ClosureScan) -> Any:
    """The program's result, after the step itself returned the same from the same state.

    After a difference all is as before the call, and every later call of the program is refused in the same words.
    """
    if executable.fault:
        raise CompileError(executable.fault)
    if executable.audited:
        raise RuntimeError(RUNNING)
    following, executable.audit, executable.audited = executable.audit, 0, True  # until then each call comes here
    with uninterrupted():
        try:
            return compared(title, step, run, executable, state, around)
        except Disagreement as found:
            executable.fault, following = str(found), 0
            if isinstance(executable.run, ShardedRunner):
                executable.run.group.close()
            raise CompileError(executable.fault) from None
        finally:
            executable.audit, executable.audited = following, False


class Disagreement(Exception):
    """A step and its program differ."""


class Effect(NamedTuple):
    """Everything that the step itself does, from one state."""

    result: Any
    after: Copy
    means: dict[Any, Any]  # gradients by parameter, as its backward pass made them
    left: list[tuple[str, Any]]  # gradients that it leaves, by name
    others: list[tuple[str, Any, Any]]  # other changes: a name, and the values


def effect(step: Callable[[], Any], before: Copy, surroundings: Surroundings, executable: Any) -> Effect:
    """Run the step itself, and restore everything."""
    means: dict[Any, Any] = {}
    try:
        engine.gradients = lambda found: means.update({leaf: np.copy(g) for leaf, g in found.items()})
        with np.errstate(all="ignore"):
            result = kept(step())
        surroundings.move_back()
        return Effect(result, Copy(executable), means, surroundings.gradients(), surroundings.effects())
    finally:
        engine.gradients = None
        before.restore()
        surroundings.restore()


def compared(title: str, step: Callable[[], Any], run: Callable[[], Any], executable: Any, state: DeclaredState,
             around: ClosureScan) -> Any:
    before, surroundings = Copy(executable), Surroundings(state, around, executable.changed)
    expected = None
    try:
        expected = effect(step, before, surroundings, executable)
    except Disagreement:
        raise
    except Exception:
        pass
    if expected is None:  # everything is restored; now the step's effects until its error stay, as without a program
        return step()
    for name, was, now in expected.others:
        raise Disagreement(f"compile: {title}: the step itself changes {name}, from {short(was)} to {short(now)}, and "
                           "its program does not; expected no side effects on Python objects; return the value, count "
                           "outside of the step, or make it a declared array")
    runner = executable.run if isinstance(executable.run, ShardedRunner) else None
    tolerance = TOLERANCE if runner is not None or executable.fast else 0.0
    if runner is None:
        result = run()
        found = [*gaps(executable, expected, Effect(kept(result), Copy(executable), {}, surroundings.gradients(), []),
                       tolerance)]
    else:
        result, found = shared_gaps(runner, run, before, surroundings, expected, executable, state)
    if found:
        before.restore()
        surroundings.restore()
        if tolerance:  # how much of it is rounding? run once more from a state with other rounding
            for _, array, _ in before.arrays:
                shake(array)
            noise = {d.name: apart(d.a, d.b) for d in gaps(executable, expected, effect(
                step, before, surroundings, executable), 0.0)}
            found = [d for d in found if not apart(d.a, d.b) <= 10 * noise.get(d.name, 0.0)]
        if found:
            raise disagreement(title, min(found, key=lambda d: d.order), runner, tolerance)
        result = run()
    return result


def shared_gaps(runner: ShardedRunner, run: Callable[[], Any], before: Copy, surroundings: Surroundings,
                expected: Effect, executable: Any, state: DeclaredState) -> tuple[Any, list[Difference]]:
    """The workers' results, and where they differ from the whole batch's, once sums are distinguished from means."""
    size, wanted = runner.size, expected.means
    runner.expected = executable.by_number(expected.result)
    try:
        for _ in range(2):
            result = run()
            means = {p: g for p, g in runner.gradients().items() if p in wanted}
            square = sum([float(np.vdot(wanted[p], wanted[p])) for p in means])
            share = sum([float(np.vdot(wanted[p], g)) for p, g in means.items()]) / (square or 1)
            rate = 1.0
            if executable.folded:  # they were multiplied by the learning rate
                rates = [float(group["lr"]) for opt in state.optimizers for group in opt.param_groups]
                rate = min(rates, key=lambda r: min(abs(share - r * f) for f in (1, size, 1 / size))) or 1.0
            other = 1 / size if runner.group.total else size  # of the right value, if sums and means are mixed up
            if not runner.guess or runner.streams or not square or abs(share / rate * other - 1) > 1e-2:
                break
            runner.group.total = not runner.group.total
            before.restore()
            surroundings.restore()
    finally:
        runner.expected = None
    runner.guess = runner.guess and not square
    if runner.streams and runner.loss == SCALED:
        before.restore()
        surroundings.restore()
        raise Disagreement("compile: each worker draws its own random numbers, so it can't be checked that the loss is "
                           "a mean over the batch; expected a mean; write .mean(), divide by len(x), or leave workers "
                           "out")
    got = Effect(kept(result), Copy(executable), {p: g / rate for p, g in means.items()}, surroundings.gradients(), [])
    found = [*gaps(executable, expected, got, TOLERANCE)]
    if runner.streams:  # results of each worker's own draws differ
        drawn = {f"the random stream {s.name}" for s in executable.program.sources if s.kind == "stream"}
        found = [d for d in found if d.name not in drawn and d.order >= 0 and not (
            d.value is not None and d.value.number in runner.random)]
    return result, found


def shake(a: Any) -> None:
    """Change numbers by a few rounding errors."""
    if a.dtype.kind == "f":
        a *= 1 + 4 * np.finfo(a.dtype).eps * np.random.default_rng(0).choice([-1, 1], a.shape).astype(a.dtype)


def gaps(executable: Any, expected: Effect, got: Effect, tolerance: float) -> Iterator[Difference]:
    """All differences, exact or beyond a tolerance relative to the size."""
    a, b, values = (*[executable.by_number(e.result) for e in (expected, got)], executable.program.result)
    for i, v in enumerate(values if len(a) == len(b) == len(values) + 1 else ()):
        if not equal(a[i], b[i], tolerance):
            yield Difference(v.number, "the result" if len(values) == 1 else f"result {i}", a[i], b[i], v)
    if len(a) != len(b) or not equal(a[-1], b[-1]):
        rest = [x[-1] if len(x[-1]) != 1 else x[-1][0] for x in (a, b)]
        yield Difference(math.inf, "the result", rest[0], rest[1], None)
    yield from expected.after.differences(got.after, lambda a, b: equal(a, b, tolerance))
    for (name, g), (_, own) in zip(expected.left, got.left, strict=True):
        if own is not USED and not equal(g, own, tolerance):
            yield Difference(math.inf, f"the gradient of {name}", g, own, None)
    pairs = [(p, expected.means[p], g) for p, g in got.means.items() if p in expected.means]
    size = max([float(np.abs(g).max(initial=0)) for _, g, _ in pairs], default=0.0)
    for p, g, own in pairs:
        finite = np.isfinite(g)
        if not np.array_equal(finite, np.isfinite(own)) or (np.abs(g - own)[finite] > tolerance * size).any():
            name = next((n for n, t in executable.named.items() if t is p), "a parameter")
            yield Difference(-1, f"the gradient of {name}", g, own, None)


def disagreement(title: str, d: Difference, runner: ShardedRunner | None, tolerance: float) -> Disagreement:
    """The error that names the first value that differs, and its line."""
    where, a, b = first_gap(d.a, d.b, tolerance)
    call = d.value.call if d.value is not None else None
    made = f", made at {call.info.where}: {call.info.line!r}" if call is not None and call.info.line else ""
    if runner is None:
        return Disagreement(f"compile: {title}: {d.name}{where} is {a} by the step itself and {b} by its program"
                            f"{made}; expected the same; report this, with the step, and go on without tt.compile")
    advice = ("use the library's losses with ignore_index or weight, divide by the batch's size, or leave workers out"
              if d.name.startswith("the gradient") else
              "return rows, sums or means, and finish outside of the step, or leave workers out")
    return Disagreement(f"compile: {title}: {d.name}{where} is {a} for the whole batch and {b} by {runner.size} "
                        f"workers{made}; expected the same but for rounding; {advice}")
