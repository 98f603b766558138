"""Lower the learning rate when a metric stops improving. The metric comes from the caller; no data is read here."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..advice import a_type
from .check import as_metric, check_choice, check_fraction, check_nonnegative, check_number, to_python

MODES, THRESHOLD_MODES = ("min", "max"), ("rel", "abs")


class Plateau:
    """Counts of metrics that are no better; `tinytensor.torch` counts with it too."""

    mode: str
    threshold: float
    threshold_mode: str
    patience: int
    cooldown: int
    best: float
    num_bad_epochs: int
    cooldown_counter: int

    def record(self, value: float) -> bool:
        """Record a metric; whether the learning rate is to be lowered now."""
        if self._is_better(value, self.best):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        if self.num_bad_epochs <= self.patience:
            return False
        self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        return True

    @property
    def in_cooldown(self) -> bool:
        """Whether bad metrics are not counted now."""
        return self.cooldown_counter > 0

    def _is_better(self, value: float, best: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        change = sign * self.threshold
        return sign * value > sign * (best * (1 + change) if self.threshold_mode == "rel" else best + change)


class ReduceLROnPlateau(Plateau):
    """Multiply the learning rate by `factor` when a metric has not improved for more than `patience` calls of `step`.

    Parameters
    ----------
    optimizer : Optimizer
        Its groups' "lr" are set. Other schedules are functions (`opt.lr = schedule(i)`); this one remembers the metric.
    mode : {"min", "max"}
        Whether a better metric is lower (a loss) or higher (an accuracy).
    factor : float
        From 0 to below 1.
    patience : int
        How many calls in a row without an improvement change nothing.
    threshold : float
    threshold_mode : {"rel", "abs"}
        In mode "min" a metric is better if it is below `best * (1 - threshold)` ("rel") or `best - threshold` ("abs");
        in mode "max" if it is above the same with plus.
    cooldown : int
        How many calls after a reduction are not counted as bad.
    min_lr : float or list of float
        The lowest learning rate, of all groups or of each.
    eps : float
        A change of the learning rate by `eps` or less is not made.

    Attributes
    ----------
    best : float
        The best metric so far.
    num_bad_epochs : int
        How many calls in a row brought no improvement.

    Raises
    ------
    TypeError, ValueError
        An argument of another type or out of range.

    Notes
    -----
    Names, defaults and results are those of `torch.optim.lr_scheduler.ReduceLROnPlateau`. A nan is never better.

    Examples
    --------
    >>> from tinytensor import nn, optim
    >>> opt = optim.SGD(nn.Linear(3, 2).parameters(), lr=0.5)
    >>> plateau = optim.ReduceLROnPlateau(opt, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     plateau.step(loss)
    >>> opt.lr
    0.25
    """

    def __init__(
        self, optimizer: Any, mode: str = "min", factor: float = 0.1, patience: int = 10, threshold: float = 1e-4,
        threshold_mode: str = "rel", cooldown: int = 0, min_lr: float | Sequence[float] = 0, eps: float = 1e-8,
    ) -> None:
        if not hasattr(optimizer, "param_groups"):
            raise TypeError(f"ReduceLROnPlateau: got {a_type(optimizer)}; expected an optimiser; pass one of tt.optim")
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, to_python(factor), to_python(patience)
        self.threshold, self.threshold_mode, self.cooldown = to_python(threshold), threshold_mode, to_python(cooldown)
        self.min_lr, self.eps = to_python(min_lr), to_python(eps)
        self.best, self.num_bad_epochs, self.cooldown_counter = math.inf if mode == "min" else -math.inf, 0, 0
        self.check()

    def check(self) -> None:
        """Raise for an argument of another type or out of range."""
        check_choice("mode", self.mode, MODES)
        check_choice("threshold_mode", self.threshold_mode, THRESHOLD_MODES)
        check_fraction("factor", self.factor)
        for name in ("patience", "cooldown"):
            if type(count := getattr(self, name)) is not int or count < 0:
                raise ValueError(f"{name}: got {count!r}; expected an int, 0 or more; pass a number of calls")
        check_number("threshold", self.threshold)
        if not abs(self.threshold) < math.inf:  # with which no metric would ever be better
            raise ValueError(f"threshold: got {self.threshold!r}; expected a finite number; 0 takes every improvement")
        check_nonnegative("eps", self.eps)
        for low in self.min_lrs():
            check_nonnegative("min_lr", low)

    def min_lrs(self) -> list[Any]:
        """The lowest learning rate of each group."""
        groups = self.optimizer.param_groups
        if not isinstance(self.min_lr, list | tuple):
            return [self.min_lr] * len(groups)
        if len(self.min_lr) != len(groups):
            raise ValueError(f"min_lr: got {len(self.min_lr)} values; expected {len(groups)}, one for each of "
                             "optimizer.param_groups; pass one number for all")
        return [*self.min_lr]

    def step(self, metric: Any) -> None:
        """Record a metric, such as the loss on held-out data, and lower the learning rates if it is time.

        Parameters
        ----------
        metric : float, or an array or Tensor of one element
        """
        if self.record(as_metric("ReduceLROnPlateau.step", metric)):
            for group, low in zip(self.optimizer.param_groups, self.min_lrs(), strict=True):
                new = max(group["lr"] * self.factor, low)
                if group["lr"] - new > self.eps:
                    group["lr"] = new

    def state_dict(self) -> dict[str, Any]:
        """All but the optimiser, for a checkpoint."""
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load what `state_dict` returned; the learning rates are in the optimiser's own state."""
        own = vars(self).keys() - {"optimizer"}
        if state_dict.keys() != own:
            raise ValueError(f"ReduceLROnPlateau.load_state_dict: got {sorted(state_dict)}; expected {sorted(own)}; "
                             "load the state of a ReduceLROnPlateau")
        before = self.state_dict()
        vars(self).update({name: to_python(value) for name, value in state_dict.items()})
        try:
            self.check()
            for name in ("best", "num_bad_epochs", "cooldown_counter"):
                check_number(name, getattr(self, name))
        except (TypeError, ValueError):
            vars(self).update(before)
            raise

    def __repr__(self) -> str:
        return f"ReduceLROnPlateau({', '.join(f'{name}={value!r}' for name, value in self.state_dict().items())})"
