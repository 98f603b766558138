"""Schedules that multiply the learning rate by a factor at each step: by a function's, at milestones, along a curve.

Most of them go on from the rate that stands in the group, so that several can be chained; the `_get_closed_form_lr` of
each says what comes out of the first rate alone.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Any

from .optimizer import Optimizer
from .schedule import Curve, LRScheduler, called_inside, fits, rates


class LambdaLR(LRScheduler):
    """The first rate times ``lr_lambda(epoch)``; one function for all groups, or a list."""

    functions = ("lr_lambdas",)

    def __init__(self, optimizer: Optimizer, lr_lambda: Curve | list[Curve], last_epoch: int = -1) -> None:
        fits(optimizer)
        n = len(optimizer.param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, list | tuple) else [lr_lambda] * n
        if len(self.lr_lambdas) != n:
            raise ValueError(f"{type(self).__name__}: Expected {n} lr_lambdas, but got {len(self.lr_lambdas)}; give "
                             f"one for each group, or one for all")
        for f in self.lr_lambdas:
            if not callable(f):
                raise TypeError(f"{type(self).__name__}: lr_lambda should be a function, but got {type(f).__name__}; "
                                f"write lambda epoch: 0.95 ** epoch")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        called_inside(self)
        return [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, self.base_lrs, strict=True)]


class MultiplicativeLR(LambdaLR):
    """The last rate times ``lr_lambda(epoch)``."""

    def get_lr(self) -> list[Any]:
        called_inside(self)
        if self._is_initial:
            return rates(self.optimizer)
        return [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, rates(self.optimizer), strict=True)]


class Factor(LRScheduler):
    """A schedule whose rate is the last one times `factor_now()`."""

    def factor_now(self) -> float | None:
        """What the last rate is multiplied by at `self.last_epoch`; None leaves it."""
        raise NotImplementedError(f"{type(self).__name__}: got no factor_now; expected one; define it")

    def share(self) -> float:
        """The rate at `self.last_epoch` over the first one."""
        raise NotImplementedError(f"{type(self).__name__}: got no share; expected one; define it")

    def get_lr(self) -> list[Any]:
        called_inside(self)
        factor = self.factor_now()
        return rates(self.optimizer) if factor is None else [group["lr"] * factor
                                                             for group in self.optimizer.param_groups]

    def _get_closed_form_lr(self) -> list[Any]:
        return [lr * self.share() for lr in self.base_lrs]


class StepLR(Factor):
    """Times gamma, every `step_size` epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def factor_now(self) -> float | None:
        return None if self.last_epoch == 0 or self.last_epoch % self.step_size else self.gamma

    def share(self) -> float:
        return self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(Factor):
    """Times gamma, at each of the milestones."""

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1,
                 last_epoch: int = -1) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def factor_now(self) -> float | None:
        now = self.milestones.get(self.last_epoch)
        return None if now is None else self.gamma ** now

    def share(self) -> float:
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return self.gamma ** passed


class ConstantLR(Factor):
    """The first rate times `factor`, for `total_iters` epochs; then the first rate."""

    def __init__(self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5,
                 last_epoch: int = -1) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: Constant multiplicative factor expected to be between 0 and 1; got {factor}"
                             f"; give a share of the first rate")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor_now(self) -> float | None:
        if self.last_epoch == 0:
            return self.factor
        return None if self.last_epoch != self.total_iters else 1 / self.factor

    def share(self) -> float:
        return self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor)


class LinearLR(Factor):
    """The first rate times what goes in a straight line from `start_factor` to `end_factor` in `total_iters` epochs."""

    def __init__(self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0,
                 total_iters: int = 5, last_epoch: int = -1) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: Starting multiplicative factor expected to be greater than 0 and less or equal"
                             f" to 1; got {start_factor}; give a share of the first rate")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: Ending multiplicative factor expected to be between 0 and 1; got {end_factor};"
                             f" give a share of the first rate")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor_now(self) -> float | None:
        if self.last_epoch == 0:
            return self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return None
        way = self.end_factor - self.start_factor
        return 1 + way / (self.total_iters * self.start_factor + (self.last_epoch - 1) * way)

    def share(self) -> float:
        way = self.end_factor - self.start_factor
        return self.start_factor + way * min(self.total_iters, self.last_epoch) / self.total_iters


class ExponentialLR(Factor):
    """Times gamma, at every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def factor_now(self) -> float | None:
        return None if self._is_initial else self.gamma

    def share(self) -> float:
        return self.gamma**self.last_epoch


class PolynomialLR(Factor):
    """The first rate times ``(1 - epoch / total_iters) ** power``, and then 0."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def factor_now(self) -> float | None:
        if self._is_initial or self.last_epoch > self.total_iters:
            return None
        now, before = (1 - t / self.total_iters for t in (self.last_epoch, self.last_epoch - 1))
        return (now / before) ** self.power  # type: ignore[no-any-return]

    def share(self) -> float:
        done = min(self.total_iters, self.last_epoch) / self.total_iters
        return (1 - done) ** self.power  # type: ignore[no-any-return]


class CosineAnnealingLR(LRScheduler):
    """From the first rate by half a cosine to `eta_min`, in `T_max` epochs, and then back (Loshchilov and Hutter 2017).

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> opt = torch.optim.SGD([torch.zeros(2, requires_grad=True)], lr=1.0)
    >>> schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=4)
    >>> for _ in range(3):
    ...     opt.step()
    ...     schedule.step()
    >>> f"{schedule.get_last_lr()[0]:.4f}"
    '0.1464'
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        called_inside(self)
        t, T, low = self.last_epoch, self.T_max, self.eta_min
        now = rates(self.optimizer)
        if self._is_initial:
            return now
        if self._step_count == 1 and t > 0:
            return self._get_closed_form_lr()
        if (t - 1 - T) % (2 * T) == 0:  # one step past the bottom, where the ratio below has no value
            return [lr + (first - low) * (1 - math.cos(math.pi / T)) / 2
                    for lr, first in zip(now, self.base_lrs, strict=True)]
        ratio = (1 + math.cos(math.pi * t / T)) / (1 + math.cos(math.pi * (t - 1) / T))
        return [ratio * (lr - low) + low for lr in now]

    def _get_closed_form_lr(self) -> list[Any]:
        share = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (first - self.eta_min) * share for first in self.base_lrs]
