"""The training step of a script, compiled to flat NumPy code, or with --eager as written; and how long both take.

A script writes its step as a function; `@compiled.step(model, opt, eager=s.eager)` above it makes a Step of that:
`tt.compile` and a clock. Both ways compute the same to the last bit, so a training may alternate between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import tinytensor as tt

from . import common

STEPS, SECONDS = 10, 0.5  # both ways are timed alternately, STEPS at a time, at least twice and for SECONDS in all


@dataclass
class Settings:
    """The flags of a script that trains with the engine."""

    eager: bool = common.setting(False, "run the training step as written instead of compiled: the same losses, but "
                                 "slower")


class Step:
    """A training step, called like the function that it is made of.

    Its first calls, which are training steps like all others, alternate between compiled and eager: that measures both
    on this machine, under the same load. With --eager all calls are eager.

    Attributes
    ----------
    plain : callable
        The function itself; call it to watch the inside of a model.
    """

    def __init__(self, function: Callable[..., Any], declared: tuple[Any, ...], eager: bool) -> None:
        self.plain = function
        self.run = function if eager else tt.compile(function, *declared)
        self.seconds: dict[bool, list[float]] = {True: [], False: []}  # by whether the step was eager
        self.calls, self.spent, self.measured = 0, 0.0, False

    def __call__(self, *args: Any) -> Any:
        return self.run(*args) if self.measured else self.timed(*args)

    def timed(self, *args: Any) -> Any:
        """Make a step, and note how long it takes."""
        turn = max(0, self.calls - 2) // STEPS  # the first two calls trace and compile
        way = self.plain if turn % 2 == 1 else self.run
        start = perf_counter()
        result = way(*args)
        seconds = perf_counter() - start
        self.seconds[way is self.plain].append(seconds)
        self.calls, self.spent = self.calls + 1, self.spent + seconds
        self.measured = turn >= 4 and self.spent >= SECONDS
        return result

    def __str__(self) -> str:
        fast, plain = ([1e6 * t for t in self.seconds[eager]] for eager in (False, True))
        if self.run is self.plain and plain:
            return f"a step: {median(plain):,.0f} us eager; without --eager it is compiled"
        if not fast[2:] or not plain:
            return "a step: too few steps to measure how much faster the compiled one is"
        return (f"a step: {median(fast[2:]):,.0f} us compiled, {median(plain):,.0f} us eager "
                f"({median(plain) / median(fast[2:]):.1f} times)")


def step(*declared: Any, eager: bool) -> Callable[[Callable[..., Any]], Step]:
    """Make a `Step` of the function below; `declared` is what it changes: the model, the optimiser."""
    return lambda function: Step(function, declared, eager)
