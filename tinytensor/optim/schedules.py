"""Learning-rate schedules: pure functions of the step's number, which can be printed and compared.

They set nothing themselves. A schedule that reacts to a loss is `ReduceLROnPlateau` (plateau.py).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from .check import check_nonnegative, to_python


@dataclass(frozen=True)
class Schedule(ABC):
    """The learning rate as a pure function of the step's number, counted from 0: `opt.lr = schedule(i)`.

    Examples
    --------
    >>> schedule = warmup(linear(0.1, 0.0, steps=100), steps=10)
    >>> schedule
    warmup(schedule=linear(start=0.1, stop=0.0, steps=100), steps=10, delay=False)
    >>> [round(schedule(i), 4) for i in (0, 9, 50, 1000)]
    [0.01, 0.091, 0.05, 0.0]
    """

    def __post_init__(self) -> None:
        checks: dict[Any, Any] = {float: check_nonnegative, int: check_count}
        for field in fields(self):
            object.__setattr__(self, field.name, value := to_python(getattr(self, field.name)))
            if field.type in checks:
                checks[field.type](field.name, value)

    def __call__(self, step: int) -> float:
        if step < 0:
            raise ValueError(f"{type(self).__name__}: got step {step}; expected 0 or more; count steps from 0")
        return float(self.rate(step))

    @abstractmethod
    def rate(self, step: int) -> float:
        """The learning rate at a step that is 0 or more."""


def check_count(name: str, value: Any) -> None:
    if type(value) is not int or value < 1:
        raise ValueError(f"{name}: got {value!r}; expected an int, 1 or more; pass a number of steps")


@dataclass(frozen=True)
class constant(Schedule):
    """Always `value`."""

    value: float

    def rate(self, step: int) -> float:
        return self.value


@dataclass(frozen=True)
class piecewise(Schedule):
    """`first`, and from each step in `then` on its rate: `piecewise(0.1, {100_000: 0.03})`."""

    first: float
    then: Mapping[int, float] | tuple[tuple[int, float], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        pairs = tuple(sorted((to_python(step), to_python(rate)) for step, rate in dict(self.then).items()))
        for step, rate in pairs:
            check_count("a step of then", step)
            check_nonnegative("a rate of then", rate)
        object.__setattr__(self, "then", pairs)  # a tuple can be hashed and cannot be changed

    def rate(self, step: int) -> float:
        return [self.first, *(rate for start, rate in dict(self.then).items() if start <= step)][-1]


@dataclass(frozen=True)
class linear(Schedule):
    """From `start` in a straight line to `stop` at step `steps`, and `stop` from there on."""

    start: float
    stop: float
    steps: int

    def rate(self, step: int) -> float:
        done = min(step / self.steps, 1)
        return (1 - done) * self.start + done * self.stop


@dataclass(frozen=True)
class cosine(Schedule):
    """From `start` by half a cosine to `stop` at step `steps`, and `stop` from there on (SGDR, 2017)."""

    start: float
    stop: float
    steps: int

    def rate(self, step: int) -> float:
        done = min(step / self.steps, 1)
        return self.stop + (self.start - self.stop) * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True)
class warmup(Schedule):
    """`schedule` times `(step + 1) / steps` during the first `steps` steps (Goyal et al. 2017).

    The schedule counts these steps too. With `delay` it starts at step 0 after the warm-up, as in GPT-3's training:
    `warmup(cosine(6e-4, 6e-5, steps - 2000), 2000, delay=True)`.
    """

    schedule: Callable[[int], float]
    steps: int
    delay: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.schedule):
            raise TypeError(f"warmup: got {self.schedule!r}; expected a schedule; write warmup(constant(0.1), 100)")

    def rate(self, step: int) -> float:
        return self.schedule(max(step - self.steps, 0) if self.delay else step) * min((step + 1) / self.steps, 1)
