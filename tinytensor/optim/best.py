"""Keep the best weights seen so far, in memory. Files are written by `tinytensor.checkpoint`."""

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from ..advice import a_type
from .check import as_metric, check_choice
from .plateau import MODES


class KeepBest:
    """A copy of a model's state from the moment when its metric was best.

    Call `update(metric)` after each evaluation, and `restore()` after training. `since_best` is enough to stop early:
    `if best.since_best >= 5: break`.

    Parameters
    ----------
    model : Module
        Or another object with `state_dict` and `load_state_dict`. Buffers, such as BatchNorm's statistics, are kept
        with the weights.
    mode : {"min", "max"}
        Whether a better metric is lower (a loss) or higher (an accuracy).

    Attributes
    ----------
    value : float
        The best metric so far; nan before the first.
    since_best : int
        How many updates there were after the best one.

    Raises
    ------
    TypeError, ValueError
        A model without `state_dict` and `load_state_dict`; another mode.
    RuntimeError
        `restore` before a metric was recorded.

    Notes
    -----
    A nan is never better. A metric that equals the best one keeps the earlier weights. With an `EMA`, update inside
    `with ema:`, so that the averages are kept.

    Examples
    --------
    >>> import tinytensor as tt
    >>> model = tt.nn.Linear(2, 1)
    >>> best = tt.optim.KeepBest(model)
    >>> for loss in (0.5, 0.25, 0.75):
    ...     model.bias.data[...] = loss  # instead of an epoch of training
    ...     improved = best.update(loss)
    >>> best
    KeepBest(Linear, mode='min', value=0.25, since_best=1)
    >>> best.restore()
    0.25
    >>> model.bias.data
    array([0.25], dtype=float32)
    """

    def __init__(self, model: Any, mode: str = "min") -> None:
        if not hasattr(model, "state_dict") or not hasattr(model, "load_state_dict"):
            raise TypeError(f"KeepBest: got {a_type(model)}; expected an object with state_dict and load_state_dict; "
                            "pass the model")
        check_choice("mode", mode, MODES)
        self.model, self.mode, self.value, self.since_best = model, mode, math.nan, 0
        self._state: Any = None

    def update(self, metric: Any) -> bool:
        """Record a metric, and keep the model's state if it is the best so far; whether it is.

        Parameters
        ----------
        metric : float, or an array or Tensor of one element
        """
        value = as_metric("KeepBest.update", metric)
        first = self._state is None and not math.isnan(value)
        better = value < self.value if self.mode == "min" else value > self.value
        if first or better:
            self.value, self.since_best, self._state = value, 0, deepcopy(self.model.state_dict())
            return True
        self.since_best += 1
        return False

    def restore(self) -> float:
        """Load the best state into the model; returns its metric."""
        if self._state is None:
            raise RuntimeError("KeepBest.restore: got no metric but nan; expected one before; call update(loss) first")
        self.model.load_state_dict(deepcopy(self._state))
        return self.value

    def state_dict(self) -> dict[str, Any]:
        """Copies, for a checkpoint: `{"mode": str, "value": float, "since_best": int, "model": state or None}`."""
        return {"mode": self.mode, "value": self.value, "since_best": self.since_best, "model": deepcopy(self._state)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load what `state_dict` returned. The model itself is not changed."""
        if {*state_dict, "mode"} != {"mode", "value", "since_best", "model"}:  # the first files lack the mode
            raise ValueError(f"KeepBest.load_state_dict: got {sorted(state_dict)}; expected mode, value, since_best "
                             "and model; load the state of a KeepBest")
        if (mode := state_dict.get("mode", self.mode)) != self.mode:
            raise ValueError(f"KeepBest.load_state_dict: got the state of mode={mode!r}; expected {self.mode!r}, as "
                             f"here; make it with mode={mode!r}")
        self.value, self.since_best = float(state_dict["value"]), int(state_dict["since_best"])
        self._state = deepcopy(state_dict["model"])

    def __repr__(self) -> str:
        return (f"KeepBest({type(self.model).__name__}, mode={self.mode!r}, value={self.value}, "
                f"since_best={self.since_best})")
