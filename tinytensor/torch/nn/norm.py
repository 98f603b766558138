"""Layers that normalise: LayerNorm and RMSNorm, BatchNorm, GroupNorm and InstanceNorm.

What they compute is in `functions/norm.py`; the batch's kin keep running statistics, and decide which ones are used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import default, numpy_dtype, on_cpu
from ..tensor import Tensor, of_array, wrap
from ..versions import note
from .arguments import size
from .functions import norm as F
from .functions.offered import node
from .module import Module
from .parameter import Parameter, made


def filled(value: float, shape: Any, dtype: Any = None, device: Any = None) -> Parameter:
    """A parameter of one value."""
    on_cpu(device)
    return made(Parameter, np.full(shape, value, numpy_dtype(dtype, default[0].numpy)), True)


def shape_of(layer: str, normalized_shape: Any) -> tuple[int, ...]:
    """The shape that is meant by 5, by (5,) or by [2, 5]."""
    given = normalized_shape if isinstance(normalized_shape, tuple | list) else (normalized_shape,)
    return tuple([size(layer, "normalized_shape", n) for n in given])


class LayerNorm(Module):
    """Normalise over the last axes to mean 0 and variance 1; then scale and shift."""

    weight: Parameter | None
    bias: Parameter | None

    def __init__(self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True,
                 device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        shape = shape_of(type(self).__name__, normalized_shape)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        self.register_parameter("weight", filled(1, shape, dtype, device) if elementwise_affine else None)
        self.register_parameter("bias", filled(0, shape, dtype, device) if elementwise_affine and bias else None)

    def reset_parameters(self) -> None:
        """The weight becomes ones, the bias zeros."""
        reset(self)

    def forward(self, input: Tensor) -> Tensor:
        own = self._parameters
        return F.layer_norm(input, self.normalized_shape, own["weight"], own["bias"], self.eps)

    def extra_repr(self) -> str:
        return (f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
                f"bias={self.bias is not None}")


def reset(module: Any) -> None:
    """Ones for a weight, zeros for a bias, the start of running statistics."""
    for name, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1),
                        ("num_batches_tracked", 0)):
        if (x := getattr(module, name, None)) is not None:
            x.node.data[...] = value
            note(x.node.data)


class RMSNorm(Module):
    """Divide by the root of the mean square over the last axes; then scale."""

    weight: Parameter | None

    def __init__(self, normalized_shape: Any, eps: float | None = None, elementwise_affine: bool = True,
                 device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        shape = shape_of(type(self).__name__, normalized_shape)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        self.register_parameter("weight", filled(1, shape, dtype, device) if elementwise_affine else None)

    def reset_parameters(self) -> None:
        """The weight becomes ones."""
        reset(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """The channels of each example normalised together in groups; then each scaled and shifted."""

    weight: Parameter | None
    bias: Parameter | None

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, device: Any = None,
                 dtype: Any = None, *, bias: bool = True) -> None:
        super().__init__()
        num_groups, num_channels = size("GroupNorm", "num_groups", num_groups, 1), size(
            "GroupNorm", "num_channels", num_channels)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_channels ({num_channels}) must be divisible by num_groups "
                             f"({num_groups}); got a remainder; choose a divisor")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.register_parameter("weight", filled(1, num_channels, dtype, device) if affine else None)
        self.register_parameter("bias", filled(0, num_channels, dtype, device) if affine and bias else None)

    def reset_parameters(self) -> None:
        """The weight becomes ones, the bias zeros."""
        reset(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
                f"bias={self.bias is not None}")


# --- with running statistics ---


class Running(Module):
    """What BatchNorm and InstanceNorm share: weights, running statistics, and the axes that are expected."""

    axes: tuple[int, ...]  # how many axes an input may have
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    momentum: Any

    def __init__(self, num_features: int, eps: float, momentum: float | None, affine: bool, track_running_stats: bool,
                 device: Any, dtype: Any, bias: bool) -> None:
        super().__init__()
        num_features = size(type(self).__name__, "num_features", num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", filled(1, num_features, dtype, device) if affine else None)
        self.register_parameter("bias", filled(0, num_features, dtype, device) if affine and bias else None)
        kind = numpy_dtype(dtype, default[0].numpy)
        zeros, ones = np.zeros(num_features, kind), np.ones(num_features, kind)
        for name, array in (("running_mean", zeros), ("running_var", ones), ("num_batches_tracked", np.array(0))):
            self.register_buffer(name, of_array(array) if track_running_stats else None)

    def reset_running_stats(self) -> None:
        """Start the running statistics anew."""
        if self.track_running_stats:
            for name, value in (("running_mean", 0), ("running_var", 1), ("num_batches_tracked", 0)):
                x = self._buffers[name]
                x.node.data[...] = value
                note(x.node.data)

    def reset_parameters(self) -> None:
        """Start weights and statistics anew."""
        reset(self)

    def _check(self, input: Any) -> None:
        ndim = node(type(self).__name__, input).data.ndim
        if ndim not in self.axes:
            raise ValueError(f"{type(self).__name__}: expected {' or '.join(f'{n}D' for n in self.axes)} input (got "
                             f"{ndim}D input); the shape is {[*input.shape]}, of which axis 1 should be the channels; "
                             f"reshape it")

    def extra_repr(self) -> str:
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
                f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}")


class BatchNorm(Running):
    """Each channel normalised over the batch in training, by running statistics in `eval()`; then scaled and shifted.

    The biased variance normalises, the unbiased one is stored; a new value has the weight `momentum`, or, for None,
    the same as each one before.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, device: Any = None, dtype: Any = None, *, bias: bool = True) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        own, kept = self._parameters, self._buffers
        mean, var, share = kept["running_mean"], kept["running_var"], self.momentum
        if self.training and self.track_running_stats and kept["num_batches_tracked"] is not None:
            count = kept["num_batches_tracked"].node.data
            count += 1
            note(count)
            share = 1 / count if share is None else share
        training = self.training or mean is None
        if self.training and not self.track_running_stats:
            mean = var = None
        return F.batch_norm(input, mean, var, own["weight"], own["bias"], training, 0.0 if share is None else share,
                            self.eps)


class BatchNorm1d(BatchNorm):
    """`BatchNorm` of (N, C) or (N, C, L).

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> layer = torch.nn.BatchNorm1d(2)
    >>> y = layer(torch.tensor([[1.0, 20.0], [3.0, 60.0]]))
    >>> layer.running_mean
    tensor([0.2000, 4.0000])
    """

    axes = (2, 3)


class BatchNorm2d(BatchNorm):
    """`BatchNorm` of (N, C, H, W)."""

    axes = (4,)


class BatchNorm3d(BatchNorm):
    """`BatchNorm` of (N, C, D, H, W)."""

    axes = (5,)


class InstanceNorm(Running):
    """Each channel of each example normalised over its positions; then scaled and shifted, if it is affine."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
                 track_running_stats: bool = False, device: Any = None, dtype: Any = None, *,
                 bias: bool = True) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        alone = input.node.data.ndim == self.axes[0]
        x = input.node[None] if alone else input.node
        y = F.instance_norm(wrap(x), self.running_mean, self.running_var, self.weight, self.bias,
                            self.training or not self.track_running_stats, self.momentum, self.eps)
        return wrap(y.node[0]) if alone else y


class InstanceNorm1d(InstanceNorm):
    """`InstanceNorm` of (N, C, L) or (C, L)."""

    axes = (2, 3)


class InstanceNorm2d(InstanceNorm):
    """`InstanceNorm` of (N, C, H, W) or (C, H, W)."""

    axes = (3, 4)


class InstanceNorm3d(InstanceNorm):
    """`InstanceNorm` of (N, C, D, H, W) or (C, D, H, W)."""

    axes = (4, 5)
