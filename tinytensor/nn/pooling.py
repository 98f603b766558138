"""Poolings as functions, with PyTorch's names: the maximum or the mean of every window; `pools.py` has the modules.

Windows slide along the last axis (1d) or the last two (2d); nothing unpools.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import Tensor, as_array
from ..names.calls import explained
from ..ops.join import concatenate, stack
from ..ops.padding import pad
from ..ops.pooling import max_pool, pool_index, smallest, sum_pool
from .arguments import Sizes, add_batch_axis, check_size, count_windows, per_axis

__all__ = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "avg_pool1d",
           "avg_pool2d", "max_pool1d", "max_pool2d"]


def check_pooling(name: str, x: Any, n: int, kernel_size: Any, stride: Any,
                  padding: Any) -> tuple[Any, Sizes, Sizes, Sizes]:
    """The input, and for each axis the size of windows, their stride and the padding."""
    x = x if isinstance(x, Tensor | np.ndarray) else as_array(x)
    if x.ndim not in (n + 1, n + 2):
        add_batch_axis(name, x, n)
    return x, *window_sizes(name, n, kernel_size, stride, padding)


def window_sizes(name: str, n: int, kernel_size: Any, stride: Any, padding: Any) -> tuple[Sizes, Sizes, Sizes]:
    """The size of windows, their stride and the padding, for each of n axes; an error unless they fit together."""
    kernel = per_axis(name, "kernel_size", kernel_size, n)
    strides = kernel if stride is None or stride == () else per_axis(name, "stride", stride, n)
    pads = per_axis(name, "padding", padding, n, least=0)
    if any(2 * p > k for p, k in zip(pads, kernel, strict=True)):
        raise ValueError(f"{name}: got padding={padding!r} and kernel_size={kernel_size!r}; expected half the kernel "
                         f"at most, or a window could hold padding only; pad first: F.pad(x, ...)")
    return kernel, strides, pads


def pad_edges(x: Any, borders: Any, value: float) -> Any:
    """x with a constant value around each of its last axes."""
    if not any(map(any, borders)):
        return x
    return pad(x, (*((0, 0),) * (x.ndim - len(borders)), *borders), constant_values=value)


def window_padding(length: int, n: int, k: int, s: int, d: int, p: int) -> tuple[int, int]:
    """The padding of an axis that n windows need: p before it, and after it what the last window lacks."""
    return p, max(0, (n - 1) * s + d * (k - 1) + 1 - length - p)


# --- the largest ---


def flat_indices(which: Any, kernel: Sizes, first: list[Any], apart: Sizes, lengths: Sizes) -> Any:
    """Indices into the flattened last axes, of these lengths, from indices into windows."""
    n, flat, which = len(kernel), 0, which.astype(np.int64)
    for i in reversed(range(n)):  # one axis after the other
        position, which = which % kernel[i], which // kernel[i]
        start = np.reshape(first[i], (-1,) + (1,) * (n - 1 - i))
        flat = flat + (position * apart[i] + start) * math.prod(lengths[i + 1 :])
    return flat


def max_pool_nd(name: str, x: Any, n: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
                ceil_mode: bool, return_indices: bool) -> Any:
    x, kernel, strides, pads = check_pooling(name, x, n, kernel_size, stride, padding)
    apart = per_axis(name, "dilation", dilation, n)
    windows = count_windows(name, x, kernel, strides, [(p, p) for p in pads], apart, ceil_mode)
    lengths = x.shape[-n:]
    borders = [window_padding(*sizes) for sizes in zip(lengths, windows, kernel, strides, apart, pads, strict=True)]
    sliding: dict[str, Any] = {"kernel": kernel, "stride": strides, "dilation": apart, "windows": windows}
    if any(pads):
        sliding["border"] = pads
    whole = pad_edges(x, borders, smallest(x.dtype))
    y = max_pool(whole, **sliding)
    if not return_indices:
        return y
    first = [np.arange(m) * s - p for m, s, p in zip(windows, strides, pads, strict=True)]
    return y, flat_indices(pool_index(whole, **sliding), kernel, first, apart, x.shape[-n:])


@explained
def max_pool1d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Any:
    """The maximum of every window along the last axis; parameters as in `max_pool2d`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.max_pool1d(tt.tensor([[1.0, 5.0, 2.0, 3.0]]), 2)
    tensor([[5., 3.]])
    """
    return max_pool_nd("max_pool1d", x, 1, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@explained
def max_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Any:
    """The maximum of every window over the last two axes. The first of equal maxima gets the gradient.

    Parameters
    ----------
    x : (N, C, H, W) or (C, H, W)
    kernel_size : int or (int, int)
        The height and width of a window.
    stride : int or (int, int), optional
        Distance between the starts of windows; kernel_size if left out.
    padding : int or (int, int)
        Number of -inf around the input, at most half of a window.
    dilation : int or (int, int)
        Distance between the elements of a window.
    ceil_mode : bool
        Whether a last window that is not full counts.
    return_indices : bool
        Whether to return the indices of the maxima too, into the flattened last axes.

    Raises
    ------
    ValueError
        If shapes do not fit, or the input is smaller than a window.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.max_pool2d(tt.arange(16).reshape(1, 4, 4), 2)
    tensor([[[ 5,  7],
             [13, 15]]])
    """
    return max_pool_nd("max_pool2d", x, 2, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


# --- the mean ---


def sum_windows(x: Any, axis: int, k: int, s: int, n: int) -> Any:
    """The sum of each of n windows of k elements along one of the last two axes."""
    if k == 1 == s:
        return x
    if axis == -1:
        return sum_pool(x, kernel=(k,), stride=(s,), windows=(n,))
    return sum_pool(x, kernel=(k, 1), stride=(s, 1), windows=(n, x.shape[-1]))


def window_counts(length: int, n: int, k: int, s: int, p: int, count_include_pad: bool) -> Any:
    """The number of elements of each window along an axis; padding counts, but not what ceil_mode adds after it."""
    first = np.arange(n) * s - p
    last = np.minimum(first + k, length + p)
    return last - first if count_include_pad else np.minimum(last, length) - np.maximum(first, 0)


def avg_pool_nd(name: str, x: Any, n: int, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
                count_include_pad: bool, divisor_override: int | None = None) -> Any:
    x, kernel, strides, pads = check_pooling(name, x, n, kernel_size, stride, padding)
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: got x of dtype {x.dtype}; expected a floating one; convert it: x.astype(np.float32)")
    if divisor_override is not None and check_size(name, "divisor_override", divisor_override, -math.inf) == 0:
        raise ValueError(f"{name}: got divisor_override=0; expected another integer; leave it out for the mean")
    lengths, ones = x.shape[-n:], (1,) * n
    windows = count_windows(name, x, kernel, strides, [(p, p) for p in pads], ones, ceil_mode)
    borders = [window_padding(*sizes) for sizes in zip(lengths, windows, kernel, strides, ones, pads, strict=True)]
    x = pad_edges(x, borders, 0)
    for axis, k, s, m in zip(range(-n, 0), kernel, strides, windows, strict=True):
        x = sum_windows(x, axis, k, s, m)
    if divisor_override is not None:
        return x * (1 / int(divisor_override))  # a Python number keeps float32
    counts = [window_counts(*sizes, count_include_pad)
              for sizes in zip(lengths, windows, kernel, strides, pads, strict=True)]
    area = counts[0] if n == 1 else np.multiply.outer(*counts)
    if area.min() == area.max():
        return x * (1 / int(area.flat[0]))
    return x * (1 / area).astype(x.dtype)


@explained
def avg_pool1d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
               count_include_pad: bool = True) -> Tensor:
    """The mean of every window along the last axis; parameters as in `avg_pool2d`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.avg_pool1d(tt.tensor([[1.0, 5.0, 2.0, 4.0]]), 2)
    tensor([[3., 3.]])
    """
    return avg_pool_nd("avg_pool1d", x, 1, kernel_size, stride, padding, ceil_mode, count_include_pad)


@explained
def avg_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
               count_include_pad: bool = True, divisor_override: int | None = None) -> Tensor:
    """The mean of every window over the last two axes.

    Parameters
    ----------
    x, kernel_size, stride, ceil_mode
        As in `max_pool2d`.
    padding : int or (int, int)
        Number of zeros around the input.
    count_include_pad : bool
        Whether these zeros count in the mean.
    divisor_override : int, optional
        Divide sums by this number instead of the number of elements.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.avg_pool2d(tt.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 2.5,  4.5],
             [10.5, 12.5]]])
    """
    return avg_pool_nd("avg_pool2d", x, 2, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


# --- to a given size ---


def output_sizes(name: str, x: Any, output_size: Any, n: int) -> Sizes:
    """The requested sizes; None stands for the size of x."""
    given = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,) * n
    lengths = x.shape[-n:]
    if x.ndim not in (n + 1, n + 2):
        add_batch_axis(name, x, n)
    if len(given) == n:
        given = tuple(m if v is None else v for v, m in zip(given, lengths, strict=True))
    return per_axis(name, "output_size", given, n)


def adaptive_windows(length: int, n: int) -> list[slice]:
    """n windows that cover an axis, in sizes that differ by at most 1; they overlap where n does not divide it."""
    return [slice(i * length // n, -(-(i + 1) * length // n)) for i in range(n)]


def adaptive_avg_pool_nd(name: str, x: Any, output_size: Any, n: int) -> Any:
    x = x if isinstance(x, Tensor | np.ndarray) else as_array(x)
    sizes = output_sizes(name, x, output_size, n)
    if sizes == (1,) * n:
        return x.mean(tuple(range(-n, 0)), keepdims=True)
    for axis, m in zip(range(-n, 0), sizes, strict=True):
        length, rest = x.shape[axis], (slice(None),) * (-1 - axis)
        if m == 1:
            x = x.mean(axis, keepdims=True)
        elif length % m == 0:
            x = x if length == m else sum_windows(x, axis, length // m, length // m, m) * (m / length)
        else:
            x = stack([x[(..., span, *rest)].mean(axis) for span in adaptive_windows(length, m)], axis)
    return x


def adaptive_max_pool_nd(name: str, x: Any, output_size: Any, n: int, return_indices: bool) -> Any:
    x = x if isinstance(x, Tensor | np.ndarray) else as_array(x)
    sizes, lengths, ones = output_sizes(name, x, output_size, n), x.shape[-n:], (1,) * n
    if not any(length % m for length, m in zip(lengths, sizes, strict=True)):
        kernel = tuple([length // m for length, m in zip(lengths, sizes, strict=True)])
        return max_pool_nd(name, x, n, kernel, kernel, 0, 1, False, return_indices)

    def joined(found: tuple[slice, ...], indices: bool) -> Any:
        """The outputs of the windows that these first axes have, joined along the axes that are left."""
        axis = len(found)
        if axis < n:
            inner = [joined((*found, span), indices) for span in adaptive_windows(lengths[axis], sizes[axis])]
            return concatenate(inner, axis - n)
        window = x[(..., *found)]
        sliding: dict[str, Any] = {"kernel": window.shape[-n:], "stride": ones, "dilation": ones, "windows": ones}
        if not indices:
            return max_pool(window, **sliding)
        return flat_indices(pool_index(window, **sliding), window.shape[-n:], [s.start for s in found], ones, lengths)

    return (joined((), False), joined((), True)) if return_indices else joined((), False)


@explained
def adaptive_avg_pool1d(x: Any, output_size: Any) -> Tensor:
    """The means of `output_size` windows that cover the last axis.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.adaptive_avg_pool1d(tt.arange(5.0)[None], 2)
    tensor([[1., 3.]])
    """
    return adaptive_avg_pool_nd("adaptive_avg_pool1d", x, output_size, 1)


@explained
def adaptive_avg_pool2d(x: Any, output_size: Any) -> Tensor:
    """The means of `output_size` windows that cover the last two axes: an int, or a pair, None for the input's size.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.adaptive_avg_pool2d(tt.ones(2, 7, 9), (3, None)).shape
    (2, 3, 9)
    """
    return adaptive_avg_pool_nd("adaptive_avg_pool2d", x, output_size, 2)


@explained
def adaptive_max_pool1d(x: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of `output_size` windows that cover the last axis; see `adaptive_avg_pool1d`."""
    return adaptive_max_pool_nd("adaptive_max_pool1d", x, output_size, 1, return_indices)


@explained
def adaptive_max_pool2d(x: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of `output_size` windows that cover the last two axes; see `adaptive_avg_pool2d`."""
    return adaptive_max_pool_nd("adaptive_max_pool2d", x, output_size, 2, return_indices)
