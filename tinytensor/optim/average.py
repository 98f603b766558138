"""An exponential moving average of weights, to evaluate with. Buffers, such as BatchNorm's statistics, are left out."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .check import Array, check_share, kind, plain, unique_parameters


class EMA:
    """Weights averaged over the steps, `average = decay * average + (1 - decay) * weights`, which often do better.

    Call `update` after each step; inside `with ema:` the parameters hold the averages, after it their own values again.
    The first update takes the weights as they are.

    Parameters
    ----------
    params : iterable of parameters
        One that is there twice (tied weights) counts once.
    decay : float
        About `1 / (1 - decay)` steps are averaged.

    Raises
    ------
    TypeError, ValueError
        No parameters, or one that is none; a decay that is not from 0 to below 1.

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
        check_share("decay", decay := plain(decay))
        self.params, self.decay, self.steps = list(unique_parameters(params).values()), decay, 0
        self.average: list[Array] = [p.data.copy() for p in self.params]
        self._own: list[Array] | None = None  # the parameters' values while they hold the averages

    def update(self) -> None:
        """Take the weights of this step into the average."""
        if self._own is not None:
            raise RuntimeError("EMA: update came while the parameters hold the averages: weights of a training step "
                               "are expected; leave the `with` block first")
        for p, average in zip(self.params, self.average, strict=True):
            if self.steps:
                average += (1 - self.decay) * (p.data - average)
            else:
                average[...] = p.data
        self.steps += 1

    def __enter__(self) -> "EMA":
        if self._own is not None:
            raise RuntimeError("EMA: the parameters hold the averages already: one `with` block at a time is expected; "
                               "leave the other first")
        self._own = [p.data.copy() for p in self.params]
        self._write(self.average)
        return self

    def __exit__(self, *error: object) -> None:
        own, self._own = self._own, None
        self._write(own or [])

    def _write(self, values: list[Array]) -> None:
        for p, value in zip(self.params, values, strict=True):
            p.data[...] = value  # in place: optimisers hold the parameters as views of their own vectors

    def state_dict(self) -> dict[str, Any]:
        """Copies: `{"decay": float, "steps": int, "average": [array, ...]}`, in the order of the parameters."""
        return {"decay": self.decay, "steps": self.steps, "average": [average.copy() for average in self.average]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a saved state; a ValueError, with nothing changed, if it is of other parameters."""
        saved = list(state_dict["average"])
        if (came := [*map(kind, saved)]) != (own := [*map(kind, self.average)]):
            raise ValueError(f"the averages are {came}: {own} are expected; build the same parameters")
        check_share("decay", decay := plain(state_dict["decay"]))
        for average, value in zip(self.average, saved, strict=True):
            np.copyto(average, value)
        self.decay, self.steps = decay, int(state_dict["steps"])
