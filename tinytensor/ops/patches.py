"""Patches (im2col): every window over the last axes as a copy, and the adjoint (col2im), which adds windows up.

`windows.py` has views of windows along any axes; patches are copies, in the order that a matrix product needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from ..core import S, primitive
from ..define import op

Sizes = tuple[int, ...]
CACHE_BYTES = 2**18  # sums are accumulated in chunks of this many bytes, which stay in the cache
SLIDING: dict[str, Any] = {"kernel": (2, 2), "stride": (2, 1), "dilation": (1, 2), "windows": (2, 3)}


def window_slices(kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes) -> Iterator[tuple[Sizes, Any]]:
    """For each element of a window, row by row: its index, and the slices that select this element of every window."""
    for index in product(*map(range, kernel)):
        yield index, (..., *[slice(k * d, k * d + (n - 1) * s + 1, s)
                             for k, s, d, n in zip(index, stride, dilation, windows, strict=True)])


def check_windows(name: str, size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes) -> None:
    """Raise unless this many windows fit into last axes of this size; each argument has one number for each axis."""
    sizes = (kernel, stride, dilation, windows)
    if any(len(values) != len(size) or min(values, default=1) < 1 for values in sizes) or any(
            (n - 1) * s + (k - 1) * d >= m for m, k, s, d, n in zip(size, *sizes, strict=True)):
        raise ValueError(f"{name}: got kernel={kernel}, stride={stride}, dilation={dilation} and windows={windows} for "
                         f"last axes of {size}; expected integers of 1 or more, and windows within these "
                         f"axes; give fewer windows, or pad the input")


@primitive
def copy_patches(x: Any, kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes) -> Any:
    n = len(kernel)
    lead, strides = x.strides[:-n], x.strides[-n:]
    element_strides = [step * d for step, d in zip(strides, dilation, strict=True)]
    window_strides = [step * s for step, s in zip(strides, stride, strict=True)]
    view = np.lib.stride_tricks.as_strided(x, (*x.shape[:-n], *kernel, *windows),
                                           (*lead, *element_strides, *window_strides), writeable=False)
    return view.copy("C")


@primitive
def sum_patches(x: Any, size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes) -> Any:
    n = len(kernel)
    z = np.zeros((*x.shape[: -2 * n], *size), x.dtype)
    elements = [(part, (..., *k, *(slice(None),) * n)) for k, part in window_slices(kernel, stride, dilation, windows)]
    chunks = [(z, x)]
    if z.ndim > n and z.nbytes > CACHE_BYTES:
        size_of_chunk = max(1, CACHE_BYTES * len(z) // z.nbytes)  # along the first axis
        chunks = [(z[i : i + size_of_chunk], x[i : i + size_of_chunk]) for i in range(0, len(z), size_of_chunk)]
    for target, source in chunks:
        for part, k in elements:
            target[part] += source[k]
    return z


@op(lambda g, y, x, *, kernel, stride, dilation, windows: add_patches(
        g, size=x.shape[-len(kernel) :], kernel=kernel, stride=stride, dilation=dilation, windows=windows),
    analytic=True,
    samples=(S((1, 2, 4, 5), **SLIDING), S((2, 5), kernel=(3,), stride=(1,), dilation=(2,), windows=(1,))))
def extract_patches(x: Any, *, kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes) -> Any:
    """Every window over the last axes of x, as a copy (..., *kernel, *windows).

    Parameters
    ----------
    x : (..., *size)
    kernel : tuple of int
        The size of a window, for each of the last axes.
    stride, dilation : tuple of int
        The distance between the starts of windows, and between the elements of a window.
    windows : tuple of int
        The number of windows along each of the last axes.


    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.extract_patches(tt.arange(4), kernel=(2,), stride=(1,), dilation=(1,), windows=(3,))
    tensor([[0, 1, 2],
            [1, 2, 3]])
    """
    check_windows("extract_patches", x.shape[-len(kernel) :], kernel, stride, dilation, windows)
    return copy_patches(x, kernel, stride, dilation, windows)


@op(lambda g, y, x, *, size, kernel, stride, dilation, windows: extract_patches(
        g, kernel=kernel, stride=stride, dilation=dilation, windows=windows), analytic=True,
    samples=(S((1, 2, 2, 2, 3), size=(4, 5), **SLIDING),
             S((2, 3, 1), size=(5,), kernel=(3,), stride=(1,), dilation=(2,), windows=(1,))))
def add_patches(x: Any, *, size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes) -> Any:
    """Add up windows (..., *kernel, *windows) where they overlap, into zeros: the adjoint of `extract_patches`.

    `size` is that of the result's last axes; the other parameters are as in `extract_patches`.


    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.add_patches(tt.ones(2, 3), size=(4,), kernel=(2,), stride=(1,), dilation=(1,), windows=(3,))
    tensor([1., 2., 2., 1.])
    """
    check_windows("add_patches", size, kernel, stride, dilation, windows)
    if x.shape[-2 * len(kernel) :] != (*kernel, *windows):
        raise ValueError(f"add_patches: got x of shape {x.shape}; expected (..., {', '.join(map(str, kernel))}, "
                         f"{', '.join(map(str, windows))}), as extract_patches gives it; reshape x")
    return sum_patches(x, size, kernel, stride, dilation, windows)
