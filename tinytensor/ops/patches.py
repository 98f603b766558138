"""Patches of the last axes, one for each window that slides over them, and their adjoint, which adds them up.

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
CACHE = 2**18  # bytes of a sum that are written again and again before the next ones are
SLIDING: dict[str, Any] = {"kernel": (2, 2), "stride": (2, 1), "dilation": (1, 2), "windows": (2, 3)}


def parts(kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes) -> Iterator[tuple[Sizes, Any]]:
    """For each place in a window, row by row: its index, and the slices that hold that place of every window."""
    for place in product(*map(range, kernel)):
        yield place, (..., *[slice(k * d, k * d + (n - 1) * s + 1, s)
                             for k, s, d, n in zip(place, stride, dilation, windows, strict=True)])


def fitting(name: str, size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes) -> None:
    """Raise unless so many windows, one size for each of the last axes, lie within axes of this size."""
    sizes = (kernel, stride, dilation, windows)
    if any(len(given) != len(size) or min(given, default=1) < 1 for given in sizes) or any(
            (n - 1) * s + (k - 1) * d >= m for m, k, s, d, n in zip(size, *sizes, strict=True)):
        raise ValueError(f"{name}: got kernel={kernel}, stride={stride}, dilation={dilation} and windows={windows} for "
                         f"last axes of {size}; expected integers of 1 or more, windows within these axes; "
                         f"give fewer windows, or pad the input")


@primitive
def in_patches(x: Any, kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes) -> Any:
    n = len(kernel)
    lead, steps = x.strides[:-n], x.strides[-n:]
    of_place = [step * d for step, d in zip(steps, dilation, strict=True)]
    of_window = [step * s for step, s in zip(steps, stride, strict=True)]
    view = np.lib.stride_tricks.as_strided(x, (*x.shape[:-n], *kernel, *windows), (*lead, *of_place, *of_window),
                                           writeable=False)
    return view.copy("C")


@primitive
def patches_added(x: Any, size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes) -> Any:
    n = len(kernel)
    z = np.zeros((*x.shape[: -2 * n], *size), x.dtype)
    steps = [(part, (..., *place, *(slice(None),) * n)) for place, part in parts(kernel, stride, dilation, windows)]
    apart = z.ndim > n and z.nbytes > CACHE
    some = max(1, CACHE * len(z) // z.nbytes) if apart else 0  # so many of the first axis stay in the cache
    for whole, from_ in [(z[i : i + some], x[i : i + some]) for i in range(0, len(z), some)] if apart else [(z, x)]:
        for part, place in steps:
            whole[part] += from_[place]
    return z


@op(lambda g, y, x, *, kernel, stride, dilation, windows: add_patches(
        g, size=x.shape[-len(kernel) :], kernel=kernel, stride=stride, dilation=dilation, windows=windows),
    analytic=True,
    samples=(S((1, 2, 4, 5), **SLIDING), S((2, 5), kernel=(3,), stride=(1,), dilation=(2,), windows=(1,))))
def extract_patches(x: Any, *, kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes) -> Any:
    """Every window over the last axes, of which there are so many along each: (..., *kernel, *windows), a copy.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.extract_patches(tt.arange(4), kernel=(2,), stride=(1,), dilation=(1,), windows=(3,))
    tensor([[0, 1, 2],
            [1, 2, 3]])
    """
    fitting("extract_patches", x.shape[-len(kernel) :], kernel, stride, dilation, windows)
    return in_patches(x, kernel, stride, dilation, windows)


@op(lambda g, y, x, *, size, kernel, stride, dilation, windows: extract_patches(
        g, kernel=kernel, stride=stride, dilation=dilation, windows=windows), analytic=True,
    samples=(S((1, 2, 2, 2, 3), size=(4, 5), **SLIDING),
             S((2, 3, 1), size=(5,), kernel=(3,), stride=(1,), dilation=(2,), windows=(1,))))
def add_patches(x: Any, *, size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes, windows: Sizes) -> Any:
    """Windows (..., *kernel, *windows) added up where they overlap, in zeros of a size: the adjoint of the above.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.add_patches(tt.ones(2, 3), size=(4,), kernel=(2,), stride=(1,), dilation=(1,), windows=(3,))
    tensor([1., 2., 2., 1.])
    """
    fitting("add_patches", size, kernel, stride, dilation, windows)
    if x.shape[-2 * len(kernel) :] != (*kernel, *windows):
        raise ValueError(f"add_patches: got x of shape {x.shape}; expected (..., {', '.join(map(str, kernel))}, "
                         f"{', '.join(map(str, windows))}), as extract_patches gives; give it these axes")
    return patches_added(x, size, kernel, stride, dilation, windows)
