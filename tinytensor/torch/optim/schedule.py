"""What all schedules of the learning rate share: the count of steps, the rates before and after, saving.

It knows no curve.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from ..tensor import Tensor
from .optimizer import Optimizer


def rates(optimizer: Optimizer, key: str = "lr") -> list[Any]:
    """A setting that may differ between groups."""
    return [v.clone() if isinstance(v := group[key], Tensor) else v for group in optimizer.param_groups]


def set_rate(group: dict[str, Any], value: Any) -> None:
    """Set the rate of a group; a tensor stays the tensor that it is."""
    lr = group["lr"]
    if isinstance(lr, Tensor):
        lr.fill_(value.item() if isinstance(value, Tensor) else value)
        group["lr"] = lr  # so that the engine's optimiser hears of it
    else:
        group["lr"] = value


def each(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """A value for each group, of one for all or of a list."""
    n = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * n
    if len(value) != n:
        raise ValueError(f"{name}: got {len(value)} values; expected {n}, one for each of optimizer.param_groups; give "
                         f"a number for all")
    return list(value)


class LRScheduler:
    """The base of all schedules: a subclass gives `get_lr`, the rates at `self.last_epoch`, one for each group.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> opt = torch.optim.SGD([torch.zeros(2, requires_grad=True)], lr=0.8)
    >>> schedule = torch.optim.lr_scheduler.StepLR(opt, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     opt.step()
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.2]
    """

    unsaved: tuple[str, ...] = ("optimizer",)  # attributes that a state_dict leaves out
    functions: tuple[str, ...] = ()  # attributes that are functions: only objects among them are saved
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        fits(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"].clone() if isinstance(group["lr"], Tensor) else group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"{type(self).__name__}: param 'initial_lr' is not specified in param_groups[{i}] when "
                               f"resuming an optimizer with last_epoch={last_epoch}; expected the optimizer's "
                               f"state_dict to be loaded before; leave last_epoch out for a new start")
        self.base_lrs = rates(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count, self._is_initial = 0, True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[Any]:
        """The rates at `self.last_epoch`."""
        raise NotImplementedError(f"{type(self).__name__}: got no get_lr; expected a method that returns a list of "
                                  f"rates, one for each group; define it")

    def get_last_lr(self) -> list[Any]:
        """The rates that the last step set."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Set the rates of the next epoch; call it after `optimizer.step()`."""
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn("Detected call of `lr_scheduler.step()` before `optimizer.step()`: the first rate of the "
                          "schedule is skipped; expected them in the opposite order; call `optimizer.step()` first",
                          UserWarning, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn("The epoch parameter in `scheduler.step()` is deprecated: got one; expected none; call "
                          "`scheduler.step()` once for each epoch", UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed = getattr(self, "_get_closed_form_lr", self.get_lr)
        with self.asked():
            self._set(self.get_lr() if epoch is None else closed())

    def _set(self, values: list[Any]) -> None:
        for group, lr in zip(self.optimizer.param_groups, values, strict=True):
            set_rate(group, lr)
        self._last_lr = rates(self.optimizer)

    _inside = False

    @contextmanager
    def asked(self) -> Any:
        """Inside, `get_lr` is called by the schedule itself."""
        self._inside = True
        try:
            yield
        finally:
            self._inside = False

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimiser; of functions only what objects hold."""
        state = {k: v for k, v in vars(self).items()
                 if k not in self.unsaved and k not in self.functions and k not in ("_inside", "_is_initial")}
        for key in self.functions:
            value = getattr(self, key)
            state[key] = [held(f) for f in value] if isinstance(value, list) else held(value)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the result of `state_dict`."""
        vars(self).update({k: v for k, v in state_dict.items() if k not in self.functions})
        for key in self.functions:
            value, saved = getattr(self, key), state_dict[key]
            for f, entry in zip(value, saved, strict=True) if isinstance(value, list) else [(value, saved)]:
                if entry is not None:
                    vars(f).update(entry)


def fits(optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer; expected one of torch.optim; pass the "
                        f"optimizer itself")


def held(f: Any) -> Any:
    """What a callable object holds; None of a function."""
    return None if f is None or isinstance(f, FunctionType) else dict(getattr(f, "__dict__", {}))


def called_inside(scheduler: LRScheduler) -> None:
    """Warn where `get_lr` is called by a user, who means `get_last_lr`."""
    if not scheduler._inside:
        warnings.warn("To get the last learning rate computed by the scheduler, please use `get_last_lr()`; `get_lr()` "
                      "computes the one after it", UserWarning, stacklevel=3)


Curve = Callable[[int], float]
