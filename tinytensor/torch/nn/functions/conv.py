"""Convolutions, poolings and patches of images as functions; those in other sizes are in `resizing.py`.

The engine's functions compute; here they get PyTorch's names for what they take, and its errors.
"""

from __future__ import annotations

from typing import Any

from .... import ops
from ....nn import functional as engine
from ...tensor import Tensor, wrap
from .losses import noted
from .offered import Misuse, alike, floating, function, node, optional


def weighed(name: str, input: Any, weight: Any, bias: Any, *settings: Any) -> Tensor:
    """What a convolution gives, once its arguments are found to be of one dtype."""
    x, w, b = floating(name, input), node(name, weight, "weight"), optional(name, bias, "bias")
    alike(name, x, weight=w, bias=b)
    y = getattr(engine, name)(x, w, b, *settings)
    return noted(y, "SqueezeBackward1" if x.data.ndim < w.data.ndim else "Convolution")


@function()
def conv1d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
           dilation: Any = 1, groups: int = 1) -> Tensor:
    """Inner products of windows of an input (N, C, L) with kernels (out, C / groups, k), and a bias."""
    return weighed("conv1d", input, weight, bias, stride, padding, dilation, groups)


@function()
def conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
           dilation: Any = 1, groups: int = 1) -> Tensor:
    """Inner products of windows of an input (N, C, H, W) with kernels (out, C / groups, kh, kw), and a bias."""
    return weighed("conv2d", input, weight, bias, stride, padding, dilation, groups)


@function()
def conv_transpose1d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
                     output_padding: Any = 0, groups: int = 1, dilation: Any = 1) -> Tensor:
    """Each element of an input (N, C, L) times a kernel (C, out / groups, k), added up where they overlap."""
    return weighed("conv_transpose1d", input, weight, bias, stride, padding, output_padding, groups, dilation)


@function()
def conv_transpose2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
                     output_padding: Any = 0, groups: int = 1, dilation: Any = 1) -> Tensor:
    """Each element of an input (N, C, H, W) times a kernel, added up where they overlap."""
    return weighed("conv_transpose2d", input, weight, bias, stride, padding, output_padding, groups, dilation)


# --- poolings ---


def pooled(name: str, kind: str, input: Any, *settings: Any) -> Any:
    """What a pooling gives: a tensor, or with indices a pair."""
    x = floating(name, input)
    y = getattr(engine, name)(x, *settings)
    if isinstance(y, tuple):
        return noted(y[0], kind), wrap(y[1])
    return noted(ops.positive(y) if y is x else y, kind)


@function()
def max_pool1d(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Any:
    """The largest of each window of (N, C, L)."""
    if input.ndim == 2 and not len(input):
        raise RuntimeError(f"max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for "
                           f"input; got shape {[*input.shape]}, which has no channels; give one or more")
    return pooled("max_pool1d", "SqueezeBackward1", input, kernel_size, stride, padding, dilation, ceil_mode,
                  return_indices)


@function()
def max_pool2d(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Any:
    """The largest of each window of (N, C, H, W); also where it was, if `return_indices`."""
    return pooled("max_pool2d", "MaxPool2DWithIndices", input, kernel_size, stride, padding, dilation, ceil_mode,
                  return_indices)


@function()
def avg_pool1d(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
               count_include_pad: bool = True) -> Tensor:
    """The mean of each window of (N, C, L)."""
    return pooled("avg_pool1d", "SqueezeBackward1", input,  # type: ignore[no-any-return]
                  kernel_size, stride, padding, ceil_mode, count_include_pad)


@function()
def avg_pool2d(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
               count_include_pad: bool = True, divisor_override: int | None = None) -> Tensor:
    """The mean of each window of (N, C, H, W)."""
    return pooled("avg_pool2d", "AvgPool2D", input,  # type: ignore[no-any-return]
                  kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@function()
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The means of `output_size` parts of (N, C, L)."""
    return pooled("adaptive_avg_pool1d", "SqueezeBackward1", input, output_size)  # type: ignore[no-any-return]


def planes(name: str, x: Any) -> None:
    """Refuse what has no channels and two axes."""
    if isinstance(x, Tensor) and x.ndim < 3:
        raise Misuse(f"{name}: Input dimension should be at least 3; got shape {[*x.shape]}; expected (N, C, H, W) or "
                     f"(C, H, W); unsqueeze it")


@function()
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The means of `output_size` parts of (N, C, H, W), along both axes."""
    planes("adaptive_avg_pool2d", input)
    return pooled("adaptive_avg_pool2d", "AdaptiveAvgPool2D", input, output_size)  # type: ignore[no-any-return]


@function()
def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of `output_size` parts of (N, C, L)."""
    return pooled("adaptive_max_pool1d", "SqueezeBackward1", input, output_size, return_indices)


@function()
def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of `output_size` parts of (N, C, H, W), along both axes."""
    planes("adaptive_max_pool2d", input)
    return pooled("adaptive_max_pool2d", "AdaptiveMaxPool2D", input, output_size, return_indices)


# --- patches ---


@function("Im2Col")
def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """Every window of (N, C, H, W) as a column: (N, C * kh * kw, windows)."""
    return wrap(engine.unfold(floating("unfold", input), kernel_size, dilation, padding, stride))


@function("Col2Im")
def fold(input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0,
         stride: Any = 1) -> Tensor:
    """Columns of windows added up where they overlap, (N, C, H, W): the adjoint of `unfold`."""
    return wrap(engine.fold(floating("fold", input), output_size, kernel_size, dilation, padding, stride))
