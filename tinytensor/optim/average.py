"""An exponential moving average of weights, for evaluation.

Buffers, such as BatchNorm's statistics, are not averaged.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .check import Array, check_fraction, describe, to_python, unique_parameters


class EMA:
    """Weights averaged over the steps, which often have a lower loss.

    The average is `decay * average + (1 - decay) * weights`; the first update copies the weights.
    Call `update` after each step. Inside `with ema:` the parameters hold the averages; after it they have their own
    values again.

    Parameters
    ----------
    params : iterable of parameters
        One that is given twice (tied weights) counts once.
    decay : float
        From 0 to below 1: the average reaches back about `1 / (1 - decay)` steps.

    Raises
    ------
    TypeError, ValueError
        No parameters; something that is not a parameter; a decay out of range.

    Notes
    -----
    Polyak and Juditsky (1992), "Acceleration of Stochastic Approximation by Averaging"; the arithmetic is that of
    PyTorch's `AveragedModel` with `get_ema_multi_avg_fn`.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w = SimpleNamespace(data=np.array([1.0]), grad=None)
    >>> ema = EMA([w], decay=0.75)
    >>> ema.update()
    >>> w.data[...] = 5.0
    >>> ema.update()
    >>> with ema:
    ...     print(w.data)
    [2.]
    >>> w.data
    array([5.])
    """

    def __init__(self, params: Iterable[Any], decay: float = 0.999) -> None:
        check_fraction("decay", decay := to_python(decay))
        self.params, self.decay, self.steps = list(unique_parameters(params).values()), decay, 0
        self.average: list[Array] = [p.data.copy() for p in self.params]
        self._weights: list[Array] | None = None  # inside a `with` block: the parameters' own values

    def update(self) -> None:
        """Add the weights of this step to the average."""
        if self._weights is not None:
            raise RuntimeError("EMA.update: got parameters that hold the averages; expected the weights of a training "
                               "step; leave the `with` block first")
        for p, average in zip(self.params, self.average, strict=True):
            if self.steps:
                average += (1 - self.decay) * (p.data - average)
            else:
                average[...] = p.data
        self.steps += 1

    def __enter__(self) -> "EMA":
        if self._weights is not None:
            raise RuntimeError("EMA: got a `with` block inside another; expected one at a time; leave the other first")
        self._weights = [p.data.copy() for p in self.params]
        self._write(self.average)
        return self

    def __exit__(self, *error: object) -> None:
        weights, self._weights = self._weights, None
        self._write(weights or [])

    def _write(self, values: list[Array]) -> None:
        for p, value in zip(self.params, values, strict=True):
            p.data[...] = value  # in place: optimisers hold the parameters as views of their own vectors

    def state_dict(self) -> dict[str, Any]:
        """Copies: `{"decay": float, "steps": int, "average": [array, ...]}`, in the order of the parameters."""
        return {"decay": self.decay, "steps": self.steps, "average": [average.copy() for average in self.average]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load what `state_dict` returned; a ValueError, with nothing changed, if it is of other parameters."""
        saved = list(state_dict["average"])
        if (got := [*map(describe, saved)]) != (own := [*map(describe, self.average)]):
            raise ValueError(f"EMA.load_state_dict: got averages {got}; expected {own}; build the same parameters")
        check_fraction("decay", decay := to_python(state_dict["decay"]))
        for average, value in zip(self.average, saved, strict=True):
            np.copyto(average, value)
        self.decay, self.steps = decay, int(state_dict["steps"])

    def __repr__(self) -> str:
        return f"EMA({len(self.params)} parameters, decay={self.decay}, steps={self.steps})"
