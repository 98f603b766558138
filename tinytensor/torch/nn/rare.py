"""Layers that few models need: of channels, pooled powers, poolings undone, noise, and bags of embeddings.

They compute nothing themselves: each calls its function.
"""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from .functions import channels
from .layers import Dropout, Embedding
from .wrapped import NEEDED, Wrapped

# --- channels and sizes ---


class ChannelShuffle(Wrapped, function="channel_shuffle", takes={"groups": NEEDED}):
    """(N, C, ...) with the channels of so many groups dealt out in turn."""


class LocalResponseNorm(Wrapped, function="local_response_norm",
                        takes={"size": NEEDED, "alpha": 1e-4, "beta": 0.75, "k": 1.0}):
    """Each element divided by a power of what `size` channels around it hold."""

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


POWERS = {"norm_type": NEEDED, "kernel_size": NEEDED, "stride": None, "ceil_mode": False}


class LPPool1d(Wrapped, function="lp_pool1d", takes=POWERS):
    """The p-norm of each window of (N, C, L)."""


class LPPool2d(Wrapped, function="lp_pool2d", takes=POWERS):
    """The p-norm of each window of (N, C, H, W)."""


class MaxUnpool(Wrapped):
    """What the undone poolings share: they are given where the largest elements were."""

    axes = 0
    kernel_size: Any
    stride: Any
    padding: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stride = self.kernel_size if self.stride is None else self.stride
        for name, value in (("kernel_size", self.kernel_size), ("stride", stride), ("padding", self.padding)):
            setattr(self, name, value if isinstance(value, tuple) else (value,) * self.axes)

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Any:
        return super().forward(input, indices, output_size=output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(MaxUnpool, function="max_unpool1d", takes={"kernel_size": NEEDED, "stride": None, "padding": 0}):
    """The inverse of `MaxPool1d`: the maxima at their positions, zeros elsewhere."""

    axes = 1


class MaxUnpool2d(MaxUnpool, function="max_unpool2d", takes={"kernel_size": NEEDED, "stride": None, "padding": 0}):
    """The inverse of `MaxPool2d`: the maxima at their positions, zeros elsewhere."""

    axes = 2


class Upsample(Wrapped, function="interpolate", takes={"size": None, "scale_factor": None, "mode": "nearest",
                                                       "align_corners": None, "recompute_scale_factor": None}):
    """(N, C, ...) in another size: see `torch.nn.functional.interpolate`."""

    scale_factor: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        factor = self.scale_factor
        if factor is not None:
            self.scale_factor = tuple(map(float, factor)) if isinstance(factor, tuple) else float(factor)

    def extra_repr(self) -> str:
        size = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{size}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` with mode="nearest"."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor)


class UpsamplingBilinear2d(Upsample):
    """`Upsample` with mode="bilinear" and align_corners=True."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "bilinear", True)


# --- noise ---


class AlphaDropout(Dropout):
    """Dropout for networks of `SELU`, which keeps the mean and variance of its input."""

    compute = staticmethod(channels.alpha_dropout)


class FeatureAlphaDropout(Dropout):
    """`AlphaDropout` of whole channels: (N, C, ...)."""

    compute = staticmethod(channels.feature_alpha_dropout)


class RReLU(Wrapped, function="rrelu", takes={"lower": 1.0 / 8, "upper": 1.0 / 3, "inplace": False}):
    """The input where it is positive, elsewhere times a number drawn from lower to upper; in evaluation their mean."""

    def forward(self, input: Tensor) -> Tensor:
        return channels.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}{', inplace=True' if self.inplace else ''}"


# --- bags ---


class EmbeddingBag(Embedding):
    """The sum, mean or maximum of the rows of a trained table for each bag of integers.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> bag = torch.nn.EmbeddingBag(10, 3, mode="sum")
    >>> bag(torch.tensor([1, 2, 4, 5, 4]), torch.tensor([0, 2])).shape
    torch.Size([2, 3])
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, max_norm: float | None = None, norm_type: float = 2.0,
                 scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False,
                 _weight: Tensor | None = None, include_last_offset: bool = False, padding_idx: int | None = None,
                 device: Any = None, dtype: Any = None, _freeze: bool = False) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse,
                         _weight, _freeze, device, dtype)
        self.mode, self.include_last_offset = mode, include_last_offset

    def forward(self, input: Tensor, offsets: Tensor | None = None,
                per_sample_weights: Tensor | None = None) -> Tensor:
        return channels.embedding_bag(input, self.weight, offsets, mode=self.mode, padding_idx=self.padding_idx,
                                      per_sample_weights=per_sample_weights,
                                      include_last_offset=self.include_last_offset)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}, mode={self.mode!r}{padding}"


