"""Conv1d, Conv2d and their transposes: learned kernels that slide over the last axes.

They compute nothing themselves: each calls its function in `convolution.py`. The first weights are PyTorch's.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ..core import Tensor
from ..random import as_generator
from . import convolution as C
from . import init
from .arguments import Sizes, check_size, dtype_error, per_axis
from .borders import MODES, pad
from .module import Module
from .parameter import Parameter


class Convolution(Module):
    """The base of these modules: sizes for each axis, and the first weights."""

    axes: ClassVar[int]
    transposed: ClassVar[bool] = False
    bias: Parameter | None
    padding: Any

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
                 groups: int, bias: bool, padding_mode: str, dtype: Any, rng: init.Rng) -> None:
        super().__init__()
        name, n = type(self).__name__, self.axes
        self.in_channels = check_size(name, "in_channels", in_channels)
        self.out_channels = check_size(name, "out_channels", out_channels)
        self.kernel_size = per_axis(name, "kernel_size", kernel_size, n)
        self.stride, self.dilation = per_axis(name, "stride", stride, n), per_axis(name, "dilation", dilation, n)
        self.padding = padding if isinstance(padding, str) else per_axis(name, "padding", padding, n, least=0)
        self.groups, self.padding_mode = check_size(name, "groups", groups), padding_mode
        for what, channels in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise ValueError(f"{name}: got {what}={channels} and groups={groups}; expected a multiple of the "
                                 f"groups; change one of them")
        if padding_mode not in ("zeros", *MODES):
            raise ValueError(f"{name}: got padding_mode={padding_mode!r}; expected 'zeros', "
                             f"{', '.join(map(repr, MODES))}; 'zeros' is usual")
        self.pairs = C.padding_pairs(name, self.padding, self.kernel_size, self.stride, self.dilation)
        rng = as_generator(rng)
        first, second = self.out_channels, self.in_channels // self.groups
        if self.transposed:
            first, second = self.in_channels, self.out_channels // self.groups
        shape = (first, second, *self.kernel_size)
        self.weight = init.kaiming_uniform_(Parameter(np.empty(shape, dtype)), a=math.sqrt(5), rng=rng)
        self.bias = None
        if bias:
            bound = 1 / math.sqrt(second * math.prod(self.kernel_size))
            self.bias = init.uniform_(Parameter(np.empty(self.out_channels, dtype)), -bound, bound, rng)

    def pad_input(self, x: Any) -> tuple[Any, Any]:
        """The input with its border, where that is not of zeros, and the padding that is left to do."""
        if getattr(x, "dtype", None) != self.weight.data.dtype:
            raise dtype_error(f"conv{self.axes}d", x, self.weight)
        if self.padding_mode == "zeros":
            return x, self.padding
        return pad(x, [width for pair in reversed(self.pairs) for width in pair], self.padding_mode), 0

    def extra_repr(self) -> str:
        none: Sizes = (0,) * self.axes
        optional = {"padding": (self.padding, none), "dilation": (self.dilation, (1,) * self.axes),
                    "output_padding": (getattr(self, "output_padding", none), none), "groups": (self.groups, 1),
                    "bias": (self.bias is not None, True), "padding_mode": (self.padding_mode, "zeros")}
        extra = "".join(f", {name}={value}" for name, (value, default) in optional.items() if value != default)
        return (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
                f"stride={self.stride}{extra}")


class Conv1d(Convolution):
    """Inner products of windows of the input with learned kernels, plus a bias.

    Parameters
    ----------
    in_channels, out_channels, kernel_size : int
    stride : int
        Distance between the starts of windows.
    padding : int, "same" or "valid"
        Number of zeros before and after the input; "same" keeps its length.
    dilation : int
        Distance between the elements of a window.
    groups : int
        Number of groups of channels; an output depends on the inputs of its own group only.
    bias, dtype, rng
        As in `Linear`; the first weights are those of PyTorch's Conv1d from the same seed.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What to pad with: zeros, or what `functional.pad` does in this mode.

    Shapes
    ------
    weight (out, in / groups, k), bias (out,); input (N, in, L) or (in, L), output (N, out, M) or (out, M), where
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

    axes = 1

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros",
                 dtype: Any = np.float32, rng: init.Rng = None) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
                         dtype, rng)

    def forward(self, x: Any) -> Tensor:
        x, padding = self.pad_input(x)
        return C.conv1d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv2d(Conv1d):
    """Inner products of windows of images with learned kernels, plus a bias.

    Parameters are those of `Conv1d`; sizes are integers or pairs, of height and width.

    Shapes
    ------
    weight (out, in / groups, kh, kw), bias (out,); input (N, in, H, W) or (in, H, W), output (N, out, H', W')

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> layer = nn.Conv2d(3, 6, 5, padding="same")
    >>> layer
    Conv2d(3, 6, kernel_size=(5, 5), stride=(1, 1), padding=same)
    >>> layer(tt.ones(4, 3, 32, 32)).shape
    (4, 6, 32, 32)
    """

    axes = 2

    def forward(self, x: Any) -> Tensor:
        x, padding = self.pad_input(x)
        return C.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class ConvTranspose1d(Convolution):
    """Each element times a learned kernel, summed where they overlap (the adjoint of `Conv1d`), plus a bias.

    Parameters are those of `Conv1d`; `padding` is cut off at both ends, `output_padding` is added at the end.
    padding_mode can only be "zeros".

    Shapes
    ------
    weight (in, out / groups, k), bias (out,); input (N, in, L) or (in, L), output (N, out, M) or (out, M), where
    M = (L - 1) * stride - 2 * padding + dilation * (k - 1) + output_padding + 1

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.ConvTranspose1d(3, 5, 4, stride=2, padding=1)(tt.ones(32, 3, 8)).shape
    (32, 5, 16)
    """

    axes, transposed = 1, True

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1,
                 padding_mode: str = "zeros", dtype: Any = np.float32, rng: init.Rng = None) -> None:
        name = type(self).__name__
        if padding_mode != "zeros" or isinstance(padding, str):
            raise ValueError(f"{name}: got padding={padding!r} and padding_mode={padding_mode!r}; expected integers "
                             f"and 'zeros', as padding is cut off here; leave padding_mode out")
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
                         dtype, rng)
        self.output_padding = per_axis(name, "output_padding", output_padding, self.axes, least=0)

    def forward(self, x: Any) -> Tensor:
        return C.conv_transpose1d(self.pad_input(x)[0], self.weight, self.bias, self.stride, self.padding,
                                  self.output_padding, self.groups, self.dilation)


class ConvTranspose2d(ConvTranspose1d):
    """Each element times a learned kernel, summed where they overlap (the adjoint of `Conv2d`), plus a bias.

    Parameters are those of `ConvTranspose1d`; sizes are integers or pairs, of height and width.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1)(tt.ones(2, 3, 8, 8)).shape
    (2, 5, 16, 16)
    """

    axes = 2

    def forward(self, x: Any) -> Tensor:
        return C.conv_transpose2d(self.pad_input(x)[0], self.weight, self.bias, self.stride, self.padding,
                                  self.output_padding, self.groups, self.dilation)
