"""Dropout: in training, elements are set to 0 at random and the others scaled up; and the mask that does so.

The mask is for other layers too: attention multiplies its weights by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..advice import a_type
from ..core import Array, Tensor, as_array
from ..names import also_generator
from ..names.calls import explained
from ..random import Generator, as_generator, seeded
from .arguments import check_number
from .module import Module


def check_probability(name: str, p: float) -> float:
    check_number(name, "p", p)
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: got p={p!r}; expected 0 to 1, the probability of dropping; 0.1 is usual")
    return p


@also_generator
def dropout_mask(shape: tuple[int, ...], p: float, dtype: Any = np.float32, rng: Any = None) -> Array:
    """0 with probability p, else 1 / (1 - p): multiplied by it, values keep their mean.

    Parameters
    ----------
    shape : tuple of int
    p : float
        From 0 to 1.
    dtype : dtype
        float32 or float64.
    rng : Generator, int, numpy.random.Generator or None
        A generator, a seed or, for None, the default generator give PyTorch's mask from the same seed. One of NumPy's
        generators has another stream, and takes a third of the time.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn.dropout import dropout_mask
    >>> dropout_mask((2, 5), 0.5, rng=42)
    array([[2., 2., 2., 2., 0.],
           [2., 0., 0., 2., 2.]], dtype=float32)
    """
    stays = 1 - check_probability("dropout_mask", p)
    if stays in (0, 1):  # nothing is drawn, as in PyTorch
        return np.full(shape, stays, dtype)
    rng = seeded(rng)
    if rng is None or isinstance(rng, Generator):
        keep = as_generator(rng).bernoulli(stays, shape)
    elif isinstance(rng, np.random.Generator):
        keep = rng.random(shape, np.float32) < stays
    else:
        raise TypeError(f"dropout_mask: got {a_type(rng)} as rng; expected a Generator of tinytensor or "
                        f"of numpy.random, a seed or None; pass tt.Generator(seed)")
    mask: Array = keep.astype(dtype)
    mask /= stays
    return mask


@also_generator
@explained
def dropout(x: Any, p: float = 0.5, training: bool = True, rng: Any = None) -> Tensor:
    """x with each element set to 0 with probability p, the others divided by 1 - p (Srivastava et al. 2014).

    x itself where p is 0, or outside of training. See `dropout_mask` for `rng`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.dropout(tt.ones(5), rng=42)
    tensor([2., 2., 2., 2., 0.])
    """
    if not check_probability("dropout", p) or not training:
        return x
    x = x if isinstance(x, Tensor | np.ndarray) else as_array(x)
    return np.multiply(x, dropout_mask(x.shape, p, x.dtype, rng))


class Dropout(Module):
    """`functional.dropout` in training; in `eval()`, x itself.

    Parameters
    ----------
    p : float
        The probability that an element is set to 0.
    rng : Generator, int, numpy.random.Generator or None
        Where the masks come from: see `dropout_mask`. None is the default generator, whichever seed it then has.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> layer = nn.Dropout(0.5, rng=42)
    >>> layer(tt.ones(5)), layer.eval()(tt.ones(5))
    (tensor([2., 2., 2., 2., 0.]), tensor([1., 1., 1., 1., 1.]))
    """

    def __init__(self, p: float = 0.5, rng: Any = None) -> None:
        super().__init__()
        self.p, self.rng = check_probability(type(self).__name__, p), seeded(rng)

    def forward(self, x: Any) -> Tensor:
        return dropout(x, self.p, self.training, self.rng)

    def extra_repr(self) -> str:
        return f"p={self.p}"


# --- of whole channels ---


def drop_channels(name: str, x: Any, p: float, training: bool, rng: Any, axes: int) -> Any:
    """x with whole channels set to 0; the one before the last `axes` axes are the channels."""
    if not check_probability(name, p) or not training:
        return x
    x = x if isinstance(x, Tensor | np.ndarray) else as_array(x)
    if x.ndim not in (axes + 1, axes + 2):
        raise ValueError(f"{name}: got x of shape {x.shape}; expected (N, C, {'L' if axes == 1 else 'H, W'}), or that "
                         f"without N; use dropout for single elements")
    return np.multiply(x, dropout_mask((*x.shape[:-axes], *(1,) * axes), p, x.dtype, rng))


@explained
def dropout1d(x: Any, p: float = 0.5, training: bool = True, rng: Any = None) -> Tensor:
    """`dropout` of whole channels of (N, C, L) or (C, L) (Tompson et al. 2014).

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.dropout1d(tt.ones(1, 5, 1), rng=42).reshape(5)
    tensor([2., 2., 2., 2., 0.])
    """
    return drop_channels("dropout1d", x, p, training, rng, 1)


@explained
def dropout2d(x: Any, p: float = 0.5, training: bool = True, rng: Any = None) -> Tensor:
    """`dropout` of whole channels of (N, C, H, W) (Tompson et al. 2014); of three axes, the first two are N and C.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.dropout2d(tt.ones(1, 5, 1, 1), rng=42).reshape(5)
    tensor([2., 2., 2., 2., 0.])
    """
    return drop_channels("dropout2d", x, p, training, rng, 1 if np.ndim(x) == 3 else 2)  # as in PyTorch


class Dropout1d(Dropout):
    """`functional.dropout1d` in training; in `eval()`, x itself. Parameters as in `Dropout`."""

    def forward(self, x: Any) -> Tensor:
        return dropout1d(x, self.p, self.training, self.rng)


class Dropout2d(Dropout):
    """`functional.dropout2d` in training; in `eval()`, x itself. Parameters as in `Dropout`."""

    def forward(self, x: Any) -> Tensor:
        return dropout2d(x, self.p, self.training, self.rng)
