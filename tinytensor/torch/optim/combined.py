"""Schedules made of schedules, in sequence or combined, and the one that watches a loss."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from ...optim.plateau import MODES, THRESHOLD_MODES, Plateau
from .optimizer import Optimizer
from .schedule import LRScheduler, each, fits, rates, set_rate


class Combined(LRScheduler):
    """What schedules of schedules share: a check of the parts, and a state that holds theirs."""

    unsaved = ("optimizer", "_schedulers")
    _schedulers: Sequence[LRScheduler]

    def checked(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> Optimizer:
        """The one optimiser to which all belong."""
        name = type(self).__name__
        if len(schedulers) < 1:
            raise ValueError(f"{name} expects at least one scheduler, but got no scheduler; give a list of them")
        optimizer = optimizer or schedulers[0].optimizer
        for i, scheduler in enumerate(schedulers):
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(f"{name} at index {i} should have `optimizer` as its attribute; got a "
                                f"{type(scheduler).__name__}; give schedulers")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(f"{name} does not support `ReduceLROnPlateau`, whose step takes a metric; got one at "
                                 f"index {i}; step it by itself")
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"{name} expects all schedulers to belong to the same optimizer, but got scheduler "
                                 f"{type(scheduler).__name__} at index {i} of another; make all with one optimizer")
        return optimizer

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimiser, and the states of the parts."""
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the result of `state_dict`."""
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)


class SequentialLR(Combined):
    """One schedule after the other: the next one begins at each of the milestones.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> opt = torch.optim.SGD([torch.zeros(2, requires_grad=True)], lr=1.0)
    >>> up = torch.optim.lr_scheduler.LinearLR(opt, start_factor=0.25, total_iters=3)
    >>> down = torch.optim.lr_scheduler.ExponentialLR(opt, gamma=0.5)
    >>> schedule = torch.optim.lr_scheduler.SequentialLR(opt, [up, down], milestones=[3])
    >>> for _ in range(5):
    ...     opt.step()
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int],
                 last_epoch: int = -1) -> None:
        self.checked(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(f"SequentialLR: expects number of schedulers provided to be one more than the number of "
                             f"milestone points, but got number of schedulers {len(schedulers)} and the number of "
                             f"milestones to be equal to {len(milestones)}; give a milestone for each change")
        self.optimizer, self._schedulers, self._milestones = optimizer, schedulers, milestones
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            set_rate(group, group["initial_lr"])
        for scheduler in schedulers:
            taken_back(scheduler)
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Set the rates of the next epoch."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


def taken_back(scheduler: LRScheduler) -> None:
    """Let a schedule, or the parts of one, be as before the first step, that each makes when it is built."""
    if isinstance(scheduler, Combined):
        for part in scheduler._schedulers:
            taken_back(part)
    else:
        scheduler.last_epoch -= 1


class ChainedScheduler(Combined):
    """All schedules combined: each continues from the rate that the previous one has set."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self.optimizer = self.checked(schedulers, optimizer)
        self._schedulers = schedulers
        self._last_lr = rates(self.optimizer)

    def step(self) -> None:  # type: ignore[override]
        """Set the rates of the next epoch."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = rates(self.optimizer)


class ReduceLROnPlateau(Plateau, LRScheduler):
    """Times `factor`, when a metric has not improved for more than `patience` epochs; ``step(metric)`` after each.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> opt = torch.optim.SGD([torch.zeros(2, requires_grad=True)], lr=1.0)
    >>> schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.1]
    """

    def __init__(self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10,
                 threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0, min_lr: Any = 0,
                 eps: float = 1e-8) -> None:
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: Factor should be < 1.0; got {factor}; give a share of the rate")
        fits(optimizer)
        for name, value, known in (("mode", mode, MODES), ("threshold mode", threshold_mode, THRESHOLD_MODES)):
            if value not in known:
                raise ValueError(f"ReduceLROnPlateau: {name} {value} is unknown; expected {' or '.join(known)}; choose "
                                 f"one")
        self.optimizer, self.factor, self.patience, self.cooldown, self.eps = optimizer, factor, patience, cooldown, eps
        self.min_lrs = each("min_lr", optimizer, min_lr)
        self.default_min_lr = None if isinstance(min_lr, list | tuple) else min_lr
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.last_epoch, self._last_lr = 0, rates(optimizer)
        self.best, self.cooldown_counter, self.num_bad_epochs = self.mode_worse, 0, 0

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Record the metric of an epoch."""
        now = float(metrics)
        if epoch is not None:
            warnings.warn("The epoch parameter in `scheduler.step()` is deprecated: got one; expected none; call "
                          "`scheduler.step(metric)` once for each epoch", UserWarning, stacklevel=2)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.record(now):
            self._reduce_lr()
        self._last_lr = rates(self.optimizer)

    def _reduce_lr(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise RuntimeError(f"ReduceLROnPlateau: got {len(self.min_lrs)} min_lrs; expected {len(groups)}, for a "
                                   f"group was added to the optimizer; modify the `min_lrs` field to match")
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, low in zip(groups, self.min_lrs, strict=True):
            old = float(group["lr"])
            if old - (new := max(old * self.factor, low)) > self.eps:
                set_rate(group, new)
