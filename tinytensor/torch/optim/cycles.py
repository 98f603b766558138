"""Schedules that go up and down: one cycle or many, of the learning rate and, the other way round, of the momentum."""

from __future__ import annotations

import math
from typing import Any

from ..tensor import Tensor
from .optimizer import Optimizer
from .schedule import Curve, LRScheduler, called_inside, each, fits, held, set_rate


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine down to `eta_min` in `T_0` epochs, again and again, each time `T_mult` times as long."""

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0,
                 last_epoch: int = -1) -> None:
        if not isinstance(T_0, int) or T_0 <= 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: Expected positive integer T_0, but got {T_0}; give a number"
                             f" of epochs")
        if not isinstance(T_mult, int) or T_mult < 1:
            raise ValueError(f"CosineAnnealingWarmRestarts: Expected integer T_mult >= 1, but got {T_mult}; leave it "
                             f"out for cycles of one length")
        self.T_0, self.T_i, self.T_mult, self.eta_min, self.T_cur = T_0, T_0, T_mult, eta_min, last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        called_inside(self)
        share = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (first - self.eta_min) * share for first in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Set the rates of the next epoch, or of one that is given, which may be a fraction."""
        if epoch is None and self.last_epoch >= 0:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            epoch = 0 if epoch is None else epoch
            self._go(epoch)
        self.last_epoch = math.floor(epoch)
        with self.asked():
            self._set(self.get_lr())

    def _go(self, epoch: float) -> None:
        """Find the cycle in which an epoch is."""
        if epoch < 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: Expected non-negative epoch, but got {epoch}; count epochs "
                             f"from 0")
        if self.T_mult == 1:
            self.T_cur, self.T_i = (epoch % self.T_0 if epoch >= self.T_0 else epoch), self.T_0  # type: ignore
            return
        n = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult)) if epoch >= self.T_0 else 0
        self.T_i = self.T_0 * self.T_mult**n
        passed = self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
        self.T_cur = epoch - passed if n else epoch  # type: ignore[assignment]


class Cycling(LRScheduler):
    """What cycles of rate and momentum share."""

    def momenta(self, base: Any, top: Any, last_epoch: int) -> None:
        """Look which momentum the optimiser has, and begin with the larger one."""
        optimizer = self.optimizer
        if not {"momentum", "betas"} & optimizer.defaults.keys():
            raise ValueError(f"{type(self).__name__}: optimizer must support momentum or beta1 with `cycle_momentum` "
                             f"option enabled; got {type(optimizer).__name__}; pass cycle_momentum=False")
        self.use_beta1 = "betas" in optimizer.defaults
        self.base_momentums = each("base_momentum", optimizer, base)
        self.max_momentums = each("max_momentum", optimizer, top)
        if last_epoch == -1:
            for low, high, group in zip(self.base_momentums, self.max_momentums, optimizer.param_groups, strict=True):
                self.set_momentum(group, high)
                group["max_momentum"], group["base_momentum"] = high, low

    def set_momentum(self, group: Any, value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(Cycling):
    """From `base_lr` in a straight line to `max_lr` and back, again and again (Smith 2017).

    `mode` says how the height changes: "triangular" not at all, "triangular2" by half at each cycle, "exp_range" by
    gamma at each step; or a `scale_fn` of the number of the cycle, or of the step (`scale_mode`).
    """

    unsaved = ("optimizer", "_scale_fn_custom")

    def __init__(self, optimizer: Optimizer, base_lr: Any, max_lr: Any, step_size_up: int = 2000,
                 step_size_down: int | None = None, mode: str = "triangular", gamma: float = 1.0,
                 scale_fn: Curve | None = None, scale_mode: str = "cycle", cycle_momentum: bool = True,
                 base_momentum: Any = 0.8, max_momentum: Any = 0.9, last_epoch: int = -1) -> None:
        fits(optimizer)
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(f"CyclicLR: mode is invalid and scale_fn is None; got {mode!r}; expected 'triangular', "
                             f"'triangular2' or 'exp_range'; choose one")
        self.optimizer = optimizer
        base_lrs = each("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for lr, group in zip(base_lrs, optimizer.param_groups, strict=True):
                set_rate(group, lr)
        self.max_lrs = each("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.momenta(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The height of a cycle, by its number or by that of the step."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)  # type: ignore[arg-type]
        if self.mode == "exp_range":
            return self.gamma**x  # type: ignore[no-any-return]
        return 1.0 if self.mode == "triangular" else 0.5 ** (x - 1)

    def get_lr(self) -> list[Any]:
        called_inside(self)
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for low, high, group in zip(self.base_momentums, self.max_momentums, self.optimizer.param_groups,
                                        strict=True):
                self.set_momentum(group, high - (high - low) * height * scale)
        return [low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimiser; of `scale_fn` only what an object holds."""
        return {**super().state_dict(), "_scale_fn_custom": held(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the result of `state_dict`."""
        state, own = dict(state_dict), self._scale_fn_custom
        saved = state.pop("_scale_fn_custom", None)
        super().load_state_dict(state)
        if saved is not None and own is not None:
            vars(own).update(saved)


class OneCycleLR(Cycling):
    """Up to `max_lr` and down again far below, once, in `total_steps` steps (Smith and Topin 2018).

    It begins at ``max_lr / div_factor`` and ends at that over `final_div_factor`; `pct_start` is the share of the steps
    that goes up; with `three_phase` it comes down to where it began as fast as it went up, and then further.
    """

    def __init__(self, optimizer: Optimizer, max_lr: Any, total_steps: int | None = None, epochs: int | None = None,
                 steps_per_epoch: int | None = None, pct_start: float = 0.3, anneal_strategy: str = "cos",
                 cycle_momentum: bool = True, base_momentum: Any = 0.85, max_momentum: Any = 0.95,
                 div_factor: float = 25.0, final_div_factor: float = 1e4, three_phase: bool = False,
                 last_epoch: int = -1) -> None:
        fits(optimizer)
        self.optimizer = optimizer
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: You must define either total_steps OR (epochs AND steps_per_epoch); got "
                                 "neither; expected the length of the cycle; write total_steps=1000")
            positive("epochs", epochs)
            positive("steps_per_epoch", steps_per_epoch)
            total_steps = epochs * steps_per_epoch
        positive("total_steps", total_steps)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: Expected float between 0 and 1 pct_start, but got {pct_start}; write 0.3")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be one of 'cos' or 'linear', instead got "
                             f"{anneal_strategy}; leave it out for 'cos'")
        self.total_steps, self._anneal_func_type = total_steps, anneal_strategy
        up, end = float(pct_start * total_steps) - 1, total_steps - 1
        if three_phase:
            ways = [(up, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                    (float(2 * pct_start * total_steps) - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                    (end, "initial_lr", "min_lr", "max_momentum", "max_momentum")]
        else:
            ways = [(up, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                    (end, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        keys = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
        self._schedule_phases: list[Any] = [dict(zip(keys, way, strict=True)) for way in ways]
        if last_epoch == -1:
            for group, top in zip(optimizer.param_groups, each("max_lr", optimizer, max_lr), strict=True):
                group["initial_lr"], group["max_lr"] = top / div_factor, top
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.momenta(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def between(self, start: float, end: float, share: float) -> float:
        """A value on the way from one to another."""
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2 * (math.cos(math.pi * share) + 1)
        return (end - start) * share + start

    def get_lr(self) -> list[Any]:
        called_inside(self)
        step, start, found = self.last_epoch, 0.0, []
        if step > self.total_steps:
            raise ValueError(f"OneCycleLR: Tried to step {step} times. The specified number of total steps is "
                             f"{self.total_steps}; expected no more; make a longer schedule")
        phase = self._schedule_phases[-1]
        for one in self._schedule_phases:
            if step <= one["end_step"] or one is phase:
                phase = one
                break
            start = one["end_step"]
        share = (step - start) / (phase["end_step"] - start)
        for group in self.optimizer.param_groups:
            found.append(self.between(group[phase["start_lr"]], group[phase["end_lr"]], share))
            if self.cycle_momentum:
                self.set_momentum(group, self.between(group[phase["start_momentum"]], group[phase["end_momentum"]],
                                                      share))
        return found


def positive(name: str, value: Any) -> None:
    if isinstance(value, Tensor) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"OneCycleLR: Expected positive integer {name}, but got {value}; give a number of steps")
