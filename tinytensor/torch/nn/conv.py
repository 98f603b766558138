"""Convolutions, poolings, borders and the resizing of images as modules.

They compute nothing themselves: each calls its function.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ...nn import init
from ..tensor import Tensor
from .arguments import size, sizes
from .functions.attention import pad
from .functions.offered import FUNCTIONS
from .layers import uniform, weights
from .module import Module
from .parameter import Parameter

MODES = ("zeros", "reflect", "replicate", "circular")


class Convolution(Module):
    """What all convolutions share: the sizes, the first weights, and what they show."""

    axes: ClassVar[int]
    transposed: ClassVar[bool] = False
    weight: Parameter
    bias: Parameter | None
    padding: Any

    def _build(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any,
               output_padding: Any, dilation: Any, groups: int, bias: bool, padding_mode: str, device: Any,
               dtype: Any) -> None:
        super().__init__()
        name, n = type(self).__name__, self.axes
        in_channels = size(name, "in_channels", in_channels, 1)
        out_channels, groups = size(name, "out_channels", out_channels, 1), size(name, "groups", groups, 1)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"{name}: in_channels and out_channels must be divisible by groups; got {in_channels}, "
                             f"{out_channels} and {groups}; choose a divisor of both")
        if padding_mode not in MODES or (self.transposed and padding_mode != "zeros"):
            raise ValueError(f"{name}: padding_mode must be one of {', '.join(MODES[: 1 if self.transposed else 4])}, "
                             f"but got padding_mode={padding_mode!r}; leave it out for zeros")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"{name}: invalid padding string {padding!r}, should be one of 'same', 'valid'; give one "
                             f"of them, or numbers")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = sizes(name, "kernel_size", kernel_size, n, 1)
        self.stride, self.dilation = sizes(name, "stride", stride, n, 1), sizes(name, "dilation", dilation, n, 1)
        if padding == "same" and any(s != 1 for s in self.stride):
            raise ValueError(f"{name}: padding='same' is not supported for strided convolutions; got "
                             f"stride={stride!r}; give the padding as a number")
        self.padding = padding if isinstance(padding, str) else sizes(name, "padding", padding, n)
        self.output_padding, self.padding_mode = sizes(name, "output_padding", output_padding, n), padding_mode
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = weights(first, second // groups, *self.kernel_size, dtype=dtype, device=device)
        self.register_parameter("bias", weights(out_channels, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw first weights."""
        init.kaiming_uniform_(self.weight.node, a=math.sqrt(5))
        uniform(self.bias, 1 / math.sqrt(math.prod(self.weight.shape[1:])))

    def _widths(self) -> list[int]:
        """The padding in the order of `functional.pad`."""
        if self.padding == "valid":
            return [0] * (2 * self.axes)
        if self.padding == "same":
            spans = [d * (k - 1) for k, d in zip(self.kernel_size, self.dilation, strict=True)]
            return [width for span in spans[::-1] for width in (span // 2, span - span // 2)]
        return [p for p in self.padding[::-1] for _ in range(2)]

    def forward(self, input: Tensor) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = pad(input, self._widths(), self.padding_mode), 0
        return FUNCTIONS[f"conv{self.axes}d"](  # type: ignore[no-any-return]
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        none, one = (0,) * self.axes, (1,) * self.axes
        optional: dict[str, tuple[Any, Any]] = {
            "padding": (self.padding, none), "dilation": (self.dilation, one),
            "output_padding": (self.output_padding, none), "groups": (self.groups, 1),
            "bias": (self.bias is not None, True), "padding_mode": (self.padding_mode, "zeros")}
        more = [f", {name}={value}" for name, (value, default) in optional.items() if value != default]
        return (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
                + "".join(more))


class Straight(Convolution):
    """What Conv1d and Conv2d share: how they are made."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros",
                 device: Any = None, dtype: Any = None) -> None:
        self._build(in_channels, out_channels, kernel_size, stride, padding, 0, dilation, groups, bias, padding_mode,
                    device, dtype)


class Conv1d(Straight):
    """Inner products of windows of (N, C, L) with learned kernels, and a bias.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.nn.Conv1d(3, 5, kernel_size=2, dilation=4)(torch.ones(32, 3, 8)).shape
    torch.Size([32, 5, 4])
    """

    axes = 1


class Conv2d(Straight):
    """Inner products of windows of (N, C, H, W) with learned kernels, and a bias.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.nn.Conv2d(1, 6, 5)(torch.ones(4, 1, 28, 28)).shape
    torch.Size([4, 6, 24, 24])
    """

    axes = 2


class Transposed(Convolution):
    """What ConvTranspose1d and ConvTranspose2d share: each input times a kernel, added up where they overlap."""

    transposed = True

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1,
                 padding_mode: str = "zeros", device: Any = None, dtype: Any = None) -> None:
        self._build(in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation, groups, bias,
                    padding_mode, device, dtype)

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        more = self.output_padding if output_size is None else self._more(input, output_size)
        return FUNCTIONS[f"conv_transpose{self.axes}d"](  # type: ignore[no-any-return]
            input, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation)

    def _more(self, input: Any, output_size: Any) -> tuple[int, ...]:
        """How much larger than the least the output has to be."""
        wanted = tuple(output_size)[-self.axes :]
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in zip(
            input.shape[-self.axes :], self.stride, self.padding, self.dilation, self.kernel_size, strict=True)]
        more = tuple([w - n for w, n in zip(wanted, least, strict=True)])
        if any(not 0 <= m < s for m, s in zip(more, self.stride, strict=True)):
            raise ValueError(f"{type(self).__name__}: requested an output size of {wanted}, but valid sizes range from "
                             f"{least} to less than a stride more; got an input of shape {[*input.shape]}; choose "
                             f"another")
        return more


class ConvTranspose1d(Transposed):
    """Each element of (N, C, L) times a learned kernel, added up where they overlap."""

    axes = 1


class ConvTranspose2d(Transposed):
    """Each element of (N, C, H, W) times a learned kernel, added up where they overlap."""

    axes = 2
