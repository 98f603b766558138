"""A program that is ready to run, and the checks whether it fits a call."""

from __future__ import annotations

import builtins
import linecache
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..core import ndarray
from .audit import RUNNING, TRACED, next_audit
from .codegen.profile import profiled
from .codegen.writer import write_source
from .ir import mapped
from .parallel.collectives import ShardedState
from .parallel.runner import ShardedRunner
from .passes import optimized
from .passes.fold_scale import fold_scale
from .tracing.aliasing import reject_alias
from .tracing.record import OutLeaf, TraceResult, by_number
from .tracing.signature import argument_guard, arrays
from .tracing.state import DeclaredState


class Lines(Sequence[str]):
    """A program's lines for tracebacks, as long as it lives; the text is made when it is read."""

    def __init__(self, program: Executable) -> None:
        self.program = weakref.ref(program)

    def lines(self) -> list[str]:
        program = self.program()
        return [] if program is None else program.source.text.splitlines(True)

    def __len__(self) -> int:
        return len(self.lines())

    def __getitem__(self, i: Any) -> Any:
        return self.lines()[i]


def store(puts: list[Callable[[Any], None]], outputs: Any) -> None:
    """Store the declared numbers, the last of a program's results, in their cells."""
    for put, value in zip(reversed(puts), reversed(outputs), strict=False):
        put(value)


class Executable:
    """A program that is ready to run: `run(*arrays and floats, *declared numbers)`."""

    def __init__(self, traced: TraceResult, title: str, state: DeclaredState, args: tuple[Any, ...],
                 shares: ShardedState, check: bool | None, cleared: dict[int, bool]) -> None:
        self.traced, self.program, self.out_tree, self.cells = traced, traced.program, traced.out_tree, traced.cells
        self.key, self.guards, self.choose = traced.key, traced.guards, traced.choose
        program, self.fast = optimized(self.program), self.program.fast
        self.folded = self.fast and fold_scale(self.program) is not self.program
        self.source, (numbers, changed) = write_source(program, title)
        self.get = [self.cells[v.number].get for v in numbers]
        self.put = [self.cells[v.number].put for v in changed]
        name, text, namespace = f"<{title}>", self.source.code, {**self.source.inputs, **self.source.named}
        linecache.cache[name] = (len(text), None, Lines(self), name)  # type: ignore[assignment]
        self.unchanged, self.used, self.whole = self.guards.quick(), False, shares.whole
        self.calls, self.audit, self.fault = TRACED, next_audit(TRACED, check, shares.size > 1), ""
        self.audited = False  # just now
        self.named = {**state.tensors, **state.plain}
        self.gradients, self.cleared, self.reads = traced.gradients, cleared, bool(traced.gradients.reads)
        self.steady, self.settled = self.gradients.steady(), False  # whether every grad is as the step leaves it
        self.changed = [s.array for s, final in self.program.state if s.is_array and s is not final]
        self.roots = {id(a if a.base is None else a.base) for a in self.changed}
        self.takes = argument_guard(args, state.declared | self.roots)
        self.plain = all(type(a) is ndarray or type(a) is float for a in args)  # so that `run` gets these
        if shares.size > 1:
            runner = ShardedRunner(program, self.source, numbers, arrays(args), shares, partial(store, self.put))
            self.run: Callable[..., Any] = runner
            unchanged, self.unchanged = self.unchanged, lambda: runner.well and unchanged()
        else:
            exec(builtins.compile(text, name, "exec"), namespace)
            self.run = namespace.pop("step")  # subtle: else they would refer to each other, and not be freed

    def fits(self, given: Sequence[Any]) -> bool:
        """Whether it does what the step would do, given arguments of its kinds."""
        if not self.unchanged() or not (self.choose is None or self.choose(given)):
            return False
        self.settled = self.steady()
        return self.settled or self.gradients.fits(self.cleared)

    def check_memory(self, given: Sequence[Any], title: str) -> None:
        """Refuse arguments that are part of what the step changes."""
        for x in given:
            if type(x) is ndarray and id(x if x.base is None else x.base) in self.roots:
                for y in given:
                    if isinstance(y, ndarray) and not any(y is a for a in self.changed):
                        reject_alias(y, f"an argument of {title}", self.changed)

    def __call__(self, given: Sequence[Any], args: tuple[Any, ...] = ()) -> Any:
        self.used = True
        if self.reads:
            given = (*given, *self.gradients.given())
        for get in self.get:
            given = (*given, get())
        try:
            outputs = self.run(*given)
        except RuntimeError as error:
            if "cannot enter context" in str(error):
                raise RuntimeError(RUNNING) from None
            raise
        if self.put:
            self.store(outputs)
        if not self.settled:
            self.gradients.store(outputs)
        if type(self.out_tree) is OutLeaf:
            return self.out_tree.materialise(outputs, args)
        return mapped(lambda x: x.materialise(outputs, args) if isinstance(x, OutLeaf) else x, self.out_tree)

    def store(self, outputs: Any) -> None:
        """Store the declared numbers, the last results, in their cells."""
        store(self.put, outputs)

    def by_number(self, result: Any) -> list[Any]:
        """The values of a result, or copies of them, in the order of the program's."""
        return by_number(self.out_tree, result)

    def profile(self, given: list[Any], steps: int) -> Any:
        """The seconds of each line: the least of several steps."""
        def arguments(outputs: Any) -> list[Any]:
            self.store(outputs or ())
            return [*given, *self.gradients.given(), *[get() for get in self.get]]

        took, outputs = profiled(self.source, steps, arguments)
        self.store(outputs)
        return took
