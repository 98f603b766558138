"""Poolings as modules, with PyTorch's names and defaults: each calls its function in `pooling.py`.

They compute nothing themselves and have no weights.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..core import Tensor
from . import pooling as P
from .arguments import per_axis
from .module import Module

__all__ = ["AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AvgPool1d", "AvgPool2d",
           "MaxPool1d", "MaxPool2d"]


class MaxPool1d(Module):
    """The maximum of every window along the last axis: see `functional.max_pool1d`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.MaxPool1d(2)(tt.ones(1, 3, 8)).shape
    (1, 3, 4)
    """

    axes: ClassVar[int] = 1

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
                 return_indices: bool = False, ceil_mode: bool = False) -> None:
        super().__init__()
        P.window_sizes(type(self).__name__, self.axes, kernel_size, stride, padding)
        per_axis(type(self).__name__, "dilation", dilation, self.axes)
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, x: Any) -> Tensor:
        return P.max_pool1d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
                            self.return_indices)

    def extra_repr(self) -> str:
        return (f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
                f"dilation={self.dilation}, ceil_mode={self.ceil_mode}")


class MaxPool2d(MaxPool1d):
    """The maximum of every window over the last two axes: see `functional.max_pool2d`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.MaxPool2d(2)(tt.ones(1, 3, 8, 6)).shape
    (1, 3, 4, 3)
    """

    axes = 2

    def forward(self, x: Any) -> Tensor:
        return P.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
                            self.return_indices)


class AvgPool1d(Module):
    """The mean of every window along the last axis: see `functional.avg_pool1d`."""

    axes: ClassVar[int] = 1

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True) -> None:
        super().__init__()
        sizes = P.window_sizes(type(self).__name__, self.axes, kernel_size, stride, padding)
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        if type(self) is AvgPool1d:  # which alone shows tuples, as in PyTorch
            self.kernel_size, self.stride, self.padding = sizes

    def forward(self, x: Any) -> Tensor:
        return P.avg_pool1d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(AvgPool1d):
    """The mean of every window over the last two axes: see `functional.avg_pool2d`."""

    axes = 2

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True, divisor_override: int | None = None) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override

    def forward(self, x: Any) -> Tensor:
        return P.avg_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
                            self.divisor_override)


class AdaptivePool(Module):
    """The base of the adaptive poolings, whose outputs have a given size."""

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(AdaptivePool):
    """The means of windows that cover the last axis: see `functional.adaptive_avg_pool1d`."""

    def forward(self, x: Any) -> Tensor:
        return P.adaptive_avg_pool1d(x, self.output_size)


class AdaptiveAvgPool2d(AdaptivePool):
    """The means of windows that cover the last two axes: see `functional.adaptive_avg_pool2d`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.AdaptiveAvgPool2d((1, 1))(tt.ones(2, 512, 7, 7)).shape
    (2, 512, 1, 1)
    """

    def forward(self, x: Any) -> Tensor:
        return P.adaptive_avg_pool2d(x, self.output_size)


class AdaptiveMaxPool1d(AdaptivePool):
    """The maxima of windows that cover the last axis: see `functional.adaptive_max_pool1d`."""

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, x: Any) -> Tensor:
        return P.adaptive_max_pool1d(x, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(AdaptiveMaxPool1d):
    """The maxima of windows that cover the last two axes: see `functional.adaptive_max_pool2d`."""

    def forward(self, x: Any) -> Tensor:
        return P.adaptive_max_pool2d(x, self.output_size, self.return_indices)
