"""Conv1d: one Linear layer for every window along an axis.

It has no rule of its own: windows are one op, what weighs them is `linear`. Groups are not supported.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ops.padding import pad
from ..ops.windows import sliding_window_view
from ..random import as_generator
from . import functional as F
from . import init
from .layers import dtype_error, size
from .module import Module, Parameter


class Conv1d(Module):
    """Inner products of windows of the input with learned kernels, and a bias. A kernel sees all channels: no groups.

    Parameters
    ----------
    in_channels, out_channels, kernel_size : int
    stride : int
        How far apart windows start.
    padding : int
        How many zeros stand before and after the input.
    dilation : int
        How far apart the elements of a window are.
    bias, dtype, rng
        As in `Linear`; the first weights are those of PyTorch's Conv1d from the same seed.

    Shapes
    ------
    weight (out, in, k), bias (out,); input (N, in, L), output (N, out, M), where
    M = (L + 2 * padding - dilation * (k - 1) - 1) // stride + 1

    Raises
    ------
    ValueError
        If the input does not have these axes, or is shorter than a window.
    TypeError
        If the input's dtype is not the weight's.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.Conv1d(3, 5, kernel_size=2, dilation=4)(tt.ones(32, 3, 8)).shape
    (32, 5, 4)
    """

    bias: Parameter | None

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0,
                 dilation: int = 1, bias: bool = True, dtype: Any = np.float32, rng: init.Rng = None) -> None:
        super().__init__()
        self.in_channels = size("Conv1d", "in_channels", in_channels)
        self.out_channels = size("Conv1d", "out_channels", out_channels)
        self.kernel_size = size("Conv1d", "kernel_size", kernel_size)
        self.stride = size("Conv1d", "stride", stride)
        self.padding = size("Conv1d", "padding", padding, least=0)
        self.dilation = size("Conv1d", "dilation", dilation)
        rng, shape = as_generator(rng), (self.out_channels, self.in_channels, self.kernel_size)
        self.weight = init.kaiming_uniform_(Parameter(np.empty(shape, dtype)), a=math.sqrt(5), rng=rng)
        self.bias = None
        if bias:
            bound = 1 / math.sqrt(self.in_channels * self.kernel_size)
            self.bias = init.uniform_(Parameter(np.empty(self.out_channels, dtype)), -bound, bound, rng)

    def forward(self, x: Any) -> Any:
        if getattr(x, "dtype", None) != self.weight.data.dtype:
            raise dtype_error("conv1d", x, self.weight)
        if x.ndim != 3 or x.shape[1] != self.in_channels:
            raise ValueError(f"conv1d: x of shape {x.shape} came; expected (N, {self.in_channels}, L), channels before "
                             f"positions; exchange axes with x.swapaxes(1, 2), a batch axis comes from x[None]")
        span = self.dilation * (self.kernel_size - 1) + 1
        if x.shape[2] + 2 * self.padding < span:
            raise ValueError(f"conv1d: x of shape {x.shape} came; expected {span - 2 * self.padding} positions and up, "
                             f"as a window spans {span}; give longer inputs, or padding={-(-(span - x.shape[2]) // 2)}")
        if self.padding:
            x = pad(x, ((0, 0), (0, 0), (self.padding, self.padding)))  # (N, in, L)
        x = x.swapaxes(1, 2)  # (N, L, in)
        x = sliding_window_view(x, self.kernel_size, 1, stride=self.stride, dilation=self.dilation)  # (N, M, in, k)
        x, weight = x.swapaxes(2, 3), self.weight.swapaxes(1, 2)  # (N, M, k, in), (out, k, in): copied in longer runs
        x = x.reshape((*x.shape[:2], self.kernel_size * self.in_channels))  # (N, M, k * in)
        return F.linear(x, weight.reshape(self.out_channels, -1), self.bias).swapaxes(1, 2)  # (N, out, M)

    def extra_repr(self) -> str:
        optional = {"stride": (self.stride, 1), "padding": (self.padding, 0), "dilation": (self.dilation, 1),
                    "bias": (self.bias is not None, True)}
        extra = "".join(f", {name}={value}" for name, (value, default) in optional.items() if value != default)
        return f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}{extra}"
