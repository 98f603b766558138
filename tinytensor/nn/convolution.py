"""Convolutions as functions, with PyTorch's names: windows of the input times kernels, by one matrix product.

No derivative is defined here: extracting patches and adding them up are ops, as is `matmul`. `conv.py` has the modules.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import Tensor, as_array
from ..names.calls import explained
from ..ops.fused import linear
from ..ops.padding import pad as pad_all
from ..ops.patches import add_patches, extract_patches
from ..ops.windows import sliding_window_view
from .arguments import Sizes, add_batch_axis, count_windows, dtype_error, per_axis

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "fold", "unfold"]


def padding_pairs(name: str, padding: Any, kernel: Sizes, stride: Sizes, dilation: Sizes) -> list[tuple[int, int]]:
    """The number of zeros before and after each of the last axes."""
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding == "same":
        if any(s != 1 for s in stride):
            raise ValueError(f"{name}: got padding='same' and stride={stride}; expected a stride of 1, as others do "
                             f"not keep the size; pass the padding as a number")
        spans = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [(span // 2, span - span // 2) for span in spans]
    if isinstance(padding, str):
        raise ValueError(f"{name}: got padding={padding!r}; expected 'same', 'valid' or integers; "
                         f"pass the number of zeros on each side")
    return [(p, p) for p in per_axis(name, "padding", padding, len(kernel), least=0)]


def check_operands(name: str, x: Any, weight: Any, bias: Any, n: int, groups: int, transposed: bool = False) -> Any:
    """Input, weight and bias as arrays or Tensors, and whether x had no batch; an error unless they fit."""
    x, weight = (a if isinstance(a, Tensor | np.ndarray) else as_array(a) for a in (x, weight))
    if x.dtype != weight.dtype or x.dtype.kind != "f":
        raise dtype_error(name, x, weight)
    if weight.ndim != n + 2:
        raise ValueError(f"{name}: got a weight of shape {weight.shape}; expected {n + 2} axes, channels and a kernel "
                         f"of {n}; reshape it")
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1 or weight.shape[0] % groups:
        raise ValueError(f"{name}: got groups={groups!r} for a weight of shape {weight.shape}; expected an integer of "
                         f"1 or more that divides {weight.shape[0]}; choose another")
    outputs = weight.shape[1] * groups if transposed else weight.shape[0]
    if bias is not None:
        bias = bias if isinstance(bias, Tensor | np.ndarray) else as_array(bias)
        if bias.shape != (outputs,):
            raise ValueError(f"{name}: got a bias of shape {bias.shape}; expected ({outputs},); pass one for each "
                             f"output")
    x, single = add_batch_axis(name, x, n, weight.shape[0] if transposed else weight.shape[1] * groups)
    return x, weight, bias, single


def pad_edges(x: Any, pairs: Any) -> Any:
    return pad_all(x, ((0, 0), (0, 0), *pairs)) if any(map(any, pairs)) else x


def finish(y: Any, bias: Any, single: bool) -> Any:
    """Add the bias to each channel, and remove the batch axis if the input had none."""
    if bias is not None:
        y = y + bias.reshape((-1,) + (1,) * (y.ndim - 2))
    return y[0] if single else y


def split_groups(x: Any, groups: int) -> Any:
    """(N, K, P) with the channels of each group apart: (N, G, K / G, P)."""
    return x if groups == 1 else x.reshape((x.shape[0], groups, x.shape[1] // groups, x.shape[2]))


# --- windows times kernels ---


def convolve(name: str, x: Any, weight: Any, bias: Any, n: int, stride: Any, padding: Any, dilation: Any,
             groups: int) -> Any:
    x, weight, bias, single = check_operands(name, x, weight, bias, n, groups)
    kernel, strides, apart = weight.shape[2:], per_axis(name, "stride", stride, n), per_axis(
        name, "dilation", dilation, n)
    pairs = padding_pairs(name, padding, kernel, strides, apart)
    windows = count_windows(name, x, kernel, strides, pairs, apart)
    x = pad_edges(x, pairs)
    if n == 1 and groups == 1:
        y = convolve_rows(x, weight, bias, strides[0], apart[0])
        return y[0] if single else y
    samples, outputs, positions = len(x), len(weight), math.prod(windows)
    if (*kernel, *strides) != (1,) * (2 * n):
        x = extract_patches(x, kernel=kernel, stride=strides, dilation=apart, windows=windows)
    depth = math.prod(weight.shape[1:])
    x = split_groups(x.reshape((samples, groups * depth, positions)), groups)  # (N, C * k, P), or of each group
    weight = weight.reshape((outputs, depth) if groups == 1 else (groups, outputs // groups, depth))
    return finish((weight @ x).reshape((samples, outputs, *windows)), bias, single)


def convolve_rows(x: Any, weight: Any, bias: Any, stride: int, dilation: int) -> Any:
    """The convolution along one axis as one Linear for every window: of few positions much faster."""
    outputs, channels, k = weight.shape
    x = x.swapaxes(1, 2)  # (N, L, in)
    x = sliding_window_view(x, k, 1, stride=stride, dilation=dilation)  # (N, M, in, k)
    x, weight = x.swapaxes(2, 3), weight.swapaxes(1, 2)  # (N, M, k, in), (out, k, in): copied in longer runs
    x = x.reshape((*x.shape[:2], k * channels))  # (N, M, k * in)
    return linear(x, weight.reshape(outputs, -1), bias).swapaxes(1, 2)  # (N, out, M)


@explained
def conv1d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1) -> Tensor:
    """Inner products of windows of x (N, C, L) with kernels (out, C / groups, k); see `conv2d`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.conv1d(tt.arange(5.0)[None, None], tt.ones(1, 1, 3))
    tensor([[[3., 6., 9.]]])
    """
    return convolve("conv1d", x, weight, bias, 1, stride, padding, dilation, groups)


@explained
def conv2d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1) -> Tensor:
    """Cross-correlation of x with kernels, as in PyTorch: inner products of windows with kernels that are not flipped.

    Parameters
    ----------
    x : (N, in, H, W) or (in, H, W)
    weight : (out, in / groups, kh, kw)
    bias : (out,), optional
    stride : int or (int, int)
        Distance between the starts of windows.
    padding : int, (int, int), "same" or "valid"
        Zeros around the input. "same": as many as keep its size, an odd one at the end; "valid": none.
    dilation : int or (int, int)
        Distance between the elements of a window.
    groups : int
        Number of groups of channels; an output depends on the inputs of its own group only.

    Raises
    ------
    ValueError
        If shapes do not fit, or the input is smaller than a window.
    TypeError
        If input and weight are not of one floating dtype.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.conv2d(tt.arange(9.0).reshape(1, 1, 3, 3), tt.ones(1, 1, 2, 2))
    tensor([[[[ 8., 12.],
              [20., 24.]]]])
    """
    return convolve("conv2d", x, weight, bias, 2, stride, padding, dilation, groups)


# --- the adjoint ---


def conv_transpose(name: str, x: Any, weight: Any, bias: Any, n: int, stride: Any, padding: Any, output_padding: Any,
                   groups: int, dilation: Any) -> Any:
    x, weight, bias, single = check_operands(name, x, weight, bias, n, groups, transposed=True)
    kernel, strides, pads, more, apart = weight.shape[2:], per_axis(name, "stride", stride, n), per_axis(
        name, "padding", padding, n, 0), per_axis(name, "output_padding", output_padding, n, 0), per_axis(
        name, "dilation", dilation, n)
    if any(extra >= max(s, d) for extra, s, d in zip(more, strides, apart, strict=True)):
        raise ValueError(f"{name}: got output_padding={output_padding!r}; expected less than the stride or the "
                         f"dilation, {strides} and {apart}; pass 0, or a larger stride")
    samples, windows, positions = len(x), x.shape[2:], math.prod(x.shape[2:])
    depth, outputs = math.prod(weight.shape[1:]), weight.shape[1] * groups
    size = tuple([(m - 1) * s + d * (k - 1) + 1 + extra
                  for m, s, d, k, extra in zip(windows, strides, apart, kernel, more, strict=True)])
    if any(length <= 2 * p for length, p in zip(size, pads, strict=True)):
        raise ValueError(f"{name}: got padding={padding!r} for x of shape {x.shape}; expected less than half of "
                         f"{size}, from which it is cut; use less padding, or larger inputs")
    x = split_groups(x.reshape((samples, -1 if x.size else x.shape[1], positions)), groups)
    weight = weight.reshape((-1, depth) if groups == 1 else (groups, len(weight) // groups, depth)).swapaxes(-1, -2)
    y = (weight @ x).reshape((samples, outputs, *kernel, *windows))
    y = add_patches(y, size=size, kernel=kernel, stride=strides, dilation=apart, windows=windows)
    if any(pads):
        y = y[(..., *[slice(p, length - p) for p, length in zip(pads, size, strict=True)])]
    return finish(y, bias, single)


@explained
def conv_transpose1d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
                     groups: int = 1, dilation: Any = 1) -> Tensor:
    """Each element of x (N, in, L) times a kernel (in, out / groups, k), summed where they overlap.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.conv_transpose1d(tt.tensor([[[1.0, 2.0]]]), tt.ones(1, 1, 3))
    tensor([[[1., 3., 3., 2.]]])
    """
    return conv_transpose("conv_transpose1d", x, weight, bias, 1, stride, padding, output_padding, groups, dilation)


@explained
def conv_transpose2d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
                     groups: int = 1, dilation: Any = 1) -> Tensor:
    """Each element of x times a kernel, summed where they overlap: the adjoint of `conv2d`, and back to its input size.

    Parameters
    ----------
    x : (N, in, H, W) or (in, H, W)
    weight : (in, out / groups, kh, kw)
    bias, stride, dilation, groups
        Those of the `conv2d` whose adjoint this is.
    padding : int or (int, int)
        How much to cut off on every side.
    output_padding : int or (int, int)
        Rows and columns to add at the end: a strided conv2d has the same output for several input sizes.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.conv_transpose2d(tt.ones(1, 1, 2, 2), tt.ones(1, 1, 2, 2))
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    return conv_transpose("conv_transpose2d", x, weight, bias, 2, stride, padding, output_padding, groups, dilation)


# --- the patches themselves ---


@explained
def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """Every window of x (N, C, H, W) as a column: (N, C * kh * kw, windows).

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.unfold(tt.ones(1, 3, 4, 5), 2).shape
    (1, 12, 12)
    """
    x = x if isinstance(x, Tensor | np.ndarray) else as_array(x)
    kernel, apart, pads, strides = (per_axis("unfold", key, value, 2, key != "padding") for key, value in {
        "kernel_size": kernel_size, "dilation": dilation, "padding": padding, "stride": stride}.items())
    x, single = add_batch_axis("unfold", x, 2)
    pairs = [(p, p) for p in pads]
    windows = count_windows("unfold", x, kernel, strides, pairs, apart)
    y = extract_patches(pad_edges(x, pairs), kernel=kernel, stride=strides, dilation=apart, windows=windows)
    y = y.reshape((x.shape[0], x.shape[1] * kernel[0] * kernel[1], windows[0] * windows[1]))
    return y[0] if single else y


@explained
def fold(x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """Columns of windows (N, C * kh * kw, windows) summed where they overlap, (N, C, H, W): the adjoint of `unfold`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.fold(tt.ones(1, 4, 4), 3, 2)
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    x = x if isinstance(x, Tensor | np.ndarray) else as_array(x)
    size, kernel, apart, pads, strides = (per_axis("fold", key, value, 2, key != "padding") for key, value in {
        "output_size": output_size, "kernel_size": kernel_size, "dilation": dilation, "padding": padding,
        "stride": stride}.items())
    single, x = x.ndim == 2, x[None] if x.ndim == 2 else x
    whole = tuple([m + 2 * p for m, p in zip(size, pads, strict=True)])
    windows = tuple([(m - d * (k - 1) - 1) // s + 1 for m, d, k, s in zip(whole, apart, kernel, strides, strict=True)])
    if x.ndim != 3 or x.shape[1] % (kernel[0] * kernel[1]) or x.shape[2] != windows[0] * windows[1] or min(windows) < 1:
        raise ValueError(f"fold: got x of shape {x.shape}; expected (N, a multiple of {kernel[0] * kernel[1]}, "
                         f"{windows[0]} * {windows[1]}), as unfold returns for output_size={size}; pass the sizes that "
                         f"unfold had")
    x = x.reshape((len(x), x.shape[1] // (kernel[0] * kernel[1]), *kernel, *windows))
    y = add_patches(x, size=whole, kernel=kernel, stride=strides, dilation=apart, windows=windows)
    if any(pads):
        y = y[..., pads[0] : whole[0] - pads[0], pads[1] : whole[1] - pads[1]]
    return y[0] if single else y
