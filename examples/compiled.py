"""The step of a training as flat NumPy code, or with --eager as it stands in the script; and how long both take.

A script writes its step as a function, and `@compiled.step(model, opt, eager=s.eager)` above it makes a Step of that:
`tt.compile` and a clock, no more. Both ways give the same to the last bit, so a training may change between them.
"""

from __future__ import annotations

import common  # first of all: it sets one BLAS thread

from collections.abc import Callable  # isort: skip
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import tinytensor as tt

TRIED, SECONDS = 10, 0.5  # steps in a row, by turns the one way and the other; at least twice, and for so long


@dataclass
class Settings:
    """What a script takes that trains with the engine."""

    eager: bool = common.setting(False, "train step by step through the engine, in the place of the compiled step: the "
                                 "same losses, but slower")


class Step:
    """A training step, which is called like the function that it is made of.

    Of its first calls, which are steps of the training as all others, some go the one way and some the other: this is
    what both take on this machine, under the same load. With --eager all go the one way.

    Attributes
    ----------
    plain : callable
        The function itself; a look inside of a model needs it.
    """

    def __init__(self, function: Callable[..., Any], declared: tuple[Any, ...], eager: bool) -> None:
        self.plain = function
        self.run = function if eager else tt.compile(function, *declared)
        self.took: dict[bool, list[float]] = {True: [], False: []}  # whether it was the function itself: seconds
        self.calls, self.spent, self.known = 0, 0.0, False

    def __call__(self, *args: Any) -> Any:
        return self.run(*args) if self.known else self.timed(*args)

    def timed(self, *args: Any) -> Any:
        """A step, and how long it takes."""
        turn = max(0, self.calls - 2) // TRIED  # the first two run the function, and write it down
        way = self.plain if turn % 2 == 1 else self.run
        start = perf_counter()
        result = way(*args)
        took = perf_counter() - start
        self.took[way is self.plain].append(took)
        self.calls, self.spent = self.calls + 1, self.spent + took
        self.known = turn >= 4 and self.spent >= SECONDS
        return result

    def __str__(self) -> str:
        flat, plain = ([1e6 * t for t in self.took[way]] for way in (False, True))
        if self.run is self.plain and plain:
            return f"a step: {median(plain):,.0f} us eager; without --eager it is compiled"
        if not flat[2:] or not plain:
            return "a step: too few were made to tell how much faster it is compiled"
        return (f"a step: {median(flat[2:]):,.0f} us compiled, {median(plain):,.0f} us eager "
                f"({median(plain) / median(flat[2:]):.1f} times)")


def step(*declared: Any, eager: bool) -> Callable[[Callable[..., Any]], Step]:
    """Makes a `Step` of the function below it; `declared` is what that changes: the model, the optimiser."""
    return lambda function: Step(function, declared, eager)
