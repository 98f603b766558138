"""Ops that flip, rotate and shift an array. Each is a permutation, whose adjoint is its inverse."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import S
from ..define import op


@op(lambda g, y, x, *, axis: np.flip(g, axis), numpy=(np.flip,), analytic=True,
    samples=(S((2, 3)), S((2, 3), axis=0), S((2, 3), axis=(0, 1))))
def flip(x: Any, axis: Any = None) -> Any:
    """Reverse the order of the elements along the axes; along all axes if axis is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.flip(tt.arange(3))
    tensor([2, 1, 0])
    """
    return np.flip(x, axis)


@op(lambda g, y, m: np.fliplr(g), numpy=(np.fliplr,), analytic=True, samples=(S((2, 3)), S((2, 3, 2))))
def fliplr(m: Any) -> Any:
    """Reverse the order of the columns (axis 1).

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.fliplr(tt.arange(4).reshape(2, 2))
    tensor([[1, 0],
            [3, 2]])
    """
    return np.fliplr(m)


@op(lambda g, y, m: np.flipud(g), numpy=(np.flipud,), analytic=True, samples=(S((2, 3)), S((3,))))
def flipud(m: Any) -> Any:
    """Reverse the order of the rows (axis 0).

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.flipud(tt.arange(4).reshape(2, 2))
    tensor([[2, 3],
            [0, 1]])
    """
    return np.flipud(m)


@op(lambda g, y, m, *, k, axes: np.rot90(g, -k, axes), numpy=(np.rot90,), analytic=True,
    samples=(S((2, 3)), S((2, 3), k=2), S((2, 3, 4), k=-1, axes=(1, 2))))
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Rotate k times by 90 degrees in the plane of two axes, from the first towards the second.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.rot90(tt.arange(4).reshape(2, 2))
    tensor([[1, 3],
            [0, 2]])
    """
    return np.rot90(m, k, axes)


@op(lambda g, y, a, *, shift, axis: np.roll(g, opposite(shift), axis), numpy=(np.roll,), analytic=True,
    samples=(S((2, 3), shift=2), S((2, 3), shift=-1, axis=1), S((2, 3), shift=(1, 2), axis=(0, 1)), S((), shift=1)))
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Shift the elements along the axes, those beyond the end to the front; flattened meanwhile if axis is None.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.roll(tt.arange(4), 1)
    tensor([3, 0, 1, 2])
    """
    return np.roll(a, shift, axis)


def opposite(shift: Any) -> Any:
    """The shift that undoes another, by Python's integers: they do not overflow, and booleans can be negated."""
    return [-n for n in shift] if isinstance(shift, tuple | list) else -shift


@op(lambda g, y, x, *, axes: np.fft.ifftshift(g, axes), numpy=(np.fft.fftshift,), analytic=True,
    samples=(S((5,)), S((2, 3)), S((2, 3), axes=1)))
def fftshift(x: Any, axes: Any = None) -> Any:
    """Move frequency 0 from the start of each axis to the middle, as `np.fft.fftshift`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.fftshift(tt.arange(5))
    tensor([3, 4, 0, 1, 2])
    """
    return np.fft.fftshift(x, axes)


@op(lambda g, y, x, *, axes: np.fft.fftshift(g, axes), numpy=(np.fft.ifftshift,), analytic=True,
    samples=(S((5,)), S((2, 3)), S((2, 3), axes=1)))
def ifftshift(x: Any, axes: Any = None) -> Any:
    """The inverse of `fftshift`, as `np.fft.ifftshift`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ifftshift(tt.arange(5))
    tensor([2, 3, 4, 0, 1])
    """
    return np.fft.ifftshift(x, axes)
