"""Poolings, borders, patches and rearranged pixels as modules.

They compute nothing themselves: each calls its function.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..tensor import Tensor
from .arguments import sizes
from .functions.attention import pad
from .module import Module
from .wrapped import NEEDED, Wrapped

# --- poolings ---


class Pool(Wrapped):
    """What the poolings share: a stride that is left out is the size of the window."""

    kernel_size: Any
    stride: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stride = self.kernel_size if self.stride is None else self.stride


MAX = {"kernel_size": NEEDED, "stride": None, "padding": 0, "dilation": 1, "return_indices": False, "ceil_mode": False}


class MaxPool1d(Pool, function="max_pool1d", takes=MAX):
    """The largest of each window of (N, C, L)."""

    def extra_repr(self) -> str:
        return shown(self)


class MaxPool2d(Pool, function="max_pool2d", takes=MAX):
    """The largest of each window of (N, C, H, W).

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.nn.MaxPool2d(2)(torch.ones(4, 6, 24, 24)).shape
    torch.Size([4, 6, 12, 12])
    """

    def extra_repr(self) -> str:
        return shown(self)


def shown(pool: Any) -> str:
    """What a max pooling shows."""
    return ", ".join(f"{name}={getattr(pool, name)}"
                     for name in ("kernel_size", "stride", "padding", "dilation", "ceil_mode"))


class AvgPool1d(Pool, function="avg_pool1d", takes={"kernel_size": NEEDED, "stride": None, "padding": 0,
                                                    "ceil_mode": False, "count_include_pad": True}):
    """The mean of each window of (N, C, L)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("kernel_size", "stride", "padding"):
            setattr(self, name, sizes("AvgPool1d", name, getattr(self, name), 1))

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Pool, function="avg_pool2d", takes={"kernel_size": NEEDED, "stride": None, "padding": 0,
                                                    "ceil_mode": False, "count_include_pad": True,
                                                    "divisor_override": None}):
    """The mean of each window of (N, C, H, W)."""

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class Adaptive(Wrapped):
    """What the adaptive poolings share: what they show."""

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(Adaptive, function="adaptive_avg_pool1d", takes={"output_size": NEEDED}):
    """The means of `output_size` parts of (N, C, L)."""


class AdaptiveAvgPool2d(Adaptive, function="adaptive_avg_pool2d", takes={"output_size": NEEDED}):
    """The means of `output_size` parts of (N, C, H, W), along both axes."""


class AdaptiveMaxPool1d(Adaptive, function="adaptive_max_pool1d",
                        takes={"output_size": NEEDED, "return_indices": False}):
    """The maxima of `output_size` parts of (N, C, L)."""


class AdaptiveMaxPool2d(Adaptive, function="adaptive_max_pool2d",
                        takes={"output_size": NEEDED, "return_indices": False}):
    """The maxima of `output_size` parts of (N, C, H, W), along both axes."""


# --- borders ---


class Border(Module):
    """What the borders share: their widths, two for each axis, the last axis first."""

    axes: ClassVar[int]
    mode: ClassVar[str] = "constant"
    value: float | None = None

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = sizes(type(self).__name__, "padding", padding, 2 * self.axes, least=-(2**31))

    def forward(self, input: Tensor) -> Tensor:
        return pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return str(self.padding)


class ConstantBorder(Border):
    """A border of one value."""

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ZeroBorder(Border):
    """A border of zeros."""

    value = 0.0


class ReflectionBorder(Border):
    """A border in which the values beside the edge stand in a mirror."""

    mode = "reflect"


class ReplicationBorder(Border):
    """A border of copies of the edge."""

    mode = "replicate"


class CircularBorder(Border):
    """A border with the values of the opposite end."""

    mode = "circular"


class ConstantPad1d(ConstantBorder):
    """`ConstantBorder` along the last axis."""

    axes = 1


class ConstantPad2d(ConstantBorder):
    """`ConstantBorder` along the last two axes."""

    axes = 2


class ConstantPad3d(ConstantBorder):
    """`ConstantBorder` along the last three axes."""

    axes = 3


class ZeroPad1d(ZeroBorder):
    """`ZeroBorder` along the last axis."""

    axes = 1


class ZeroPad2d(ZeroBorder):
    """`ZeroBorder` along the last two axes."""

    axes = 2


class ZeroPad3d(ZeroBorder):
    """`ZeroBorder` along the last three axes."""

    axes = 3


class ReflectionPad1d(ReflectionBorder):
    """`ReflectionBorder` along the last axis."""

    axes = 1


class ReflectionPad2d(ReflectionBorder):
    """`ReflectionBorder` along the last two axes."""

    axes = 2


class ReflectionPad3d(ReflectionBorder):
    """`ReflectionBorder` along the last three axes."""

    axes = 3


class ReplicationPad1d(ReplicationBorder):
    """`ReplicationBorder` along the last axis."""

    axes = 1


class ReplicationPad2d(ReplicationBorder):
    """`ReplicationBorder` along the last two axes."""

    axes = 2


class ReplicationPad3d(ReplicationBorder):
    """`ReplicationBorder` along the last three axes."""

    axes = 3


class CircularPad1d(CircularBorder):
    """`CircularBorder` along the last axis."""

    axes = 1


class CircularPad2d(CircularBorder):
    """`CircularBorder` along the last two axes."""

    axes = 2


class CircularPad3d(CircularBorder):
    """`CircularBorder` along the last three axes."""

    axes = 3


# --- rearrangements ---


class Unfold(Wrapped, function="unfold", takes={"kernel_size": NEEDED, "dilation": 1, "padding": 0, "stride": 1}):
    """Every window of (N, C, H, W) as a column."""


class Fold(Wrapped, function="fold", takes={"output_size": NEEDED, "kernel_size": NEEDED, "dilation": 1, "padding": 0,
                                            "stride": 1}):
    """Columns of windows added up where they overlap."""


class PixelShuffle(Wrapped, function="pixel_shuffle", takes={"upscale_factor": NEEDED}):
    """(..., C * r * r, H, W) rearranged to (..., C, H * r, W * r)."""


class PixelUnshuffle(Wrapped, function="pixel_unshuffle", takes={"downscale_factor": NEEDED}):
    """(..., C, H * r, W * r) rearranged to (..., C * r * r, H, W)."""
