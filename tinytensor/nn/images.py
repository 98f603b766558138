"""Norms of images and sequences: BatchNorm2d, GroupNorm, InstanceNorm1d and 2d, and their functions.

The computation is in the ops of `ops/norm.py`; the other norms are in `norm.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor, as_array
from ..names.calls import explained
from ..ops.norm import batch_norm as normalised
from ..ops.norm import layer_norm
from .arguments import check_integer, check_size, dtype_error
from .module import Module
from .norm import BatchNorm1d
from .parameter import Parameter

__all__ = ["batch_norm", "group_norm", "instance_norm"]


def scale_channels(y: Any, weight: Any, bias: Any) -> Any:
    """y (N, C, ...) with each channel multiplied by a weight and shifted by a bias, if there are any."""
    shape = (-1,) + (1,) * (y.ndim - 2)
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def update_running(running: Any, value: Any, momentum: float) -> None:
    """Update running statistics in place, by an exponential moving average."""
    array = running.data if isinstance(running, Tensor) else running
    array *= 1 - momentum
    array += value * momentum


@explained
def batch_norm(x: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
               training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    """Normalise each channel, axis 1, over the batch in training, and by running statistics otherwise.

    In training the running statistics are updated in place.

    Parameters
    ----------
    x : (N, C, ...), floating
    running_mean, running_var : (C,), optional
        The statistics to normalise with outside training.
    weight, bias : (C,), optional
    momentum : float
        The weight of the batch's statistics in the running ones.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.batch_norm(tt.tensor([[1.0, 20.0], [3.0, 60.0]]), training=True)
    tensor([[-1., -1.],
            [ 1.,  1.]])
    """
    x = x if isinstance(x, Tensor | np.ndarray) else as_array(x)
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: got no running statistics outside of training; expected running_mean and "
                             "running_var; pass both, or training=True")
        mean, var = (as_array(a) for a in (running_mean, running_var))
        return normalised(x, weight, bias, mean, var, 1, eps)

    def observe(mean: Any, var: Any, n: int) -> None:
        for running, value in ((running_mean, mean), (running_var, var * (n / (n - 1)))):
            if running is not None:
                update_running(running, value, momentum)

    return normalised(x, weight, bias, None, None, 1, eps, 0, observe)


class BatchNorm2d(BatchNorm1d):
    """`BatchNorm1d` for images: each channel normalised over the batch, height and width.

    Raises
    ------
    ValueError
        If the input is not (N, C, H, W), or a channel has one value only while statistics come from the batch.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.BatchNorm2d(3)(tt.ones(4, 3, 8, 8)).shape
    (4, 3, 8, 8)
    """

    def forward(self, x: Any) -> Tensor:
        if np.ndim(x) != 4:
            raise ValueError(f"batch_norm: got x of shape {np.shape(x)}; expected (N, C, H, W), four axes; use "
                             f"BatchNorm1d, or add a batch axis: x[None]")
        return super().forward(x)


# --- over groups of channels, of each sample by itself ---


@explained
def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """Normalise groups of channels, axis 1, of each sample, over all other axes too (Wu and He 2018).

    Parameters
    ----------
    x : (N, C, ...), floating
    num_groups : int
        How many groups the channels are divided into.
    weight, bias : (C,), optional

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.group_norm(tt.tensor([[1.0, 3.0, 20.0, 60.0]]), 2)
    tensor([[-1.,  1., -1.,  1.]])
    """
    x = x if isinstance(x, Tensor | np.ndarray) else as_array(x)
    check_integer("group_norm", "num_groups", num_groups)
    if x.ndim < 2 or num_groups < 1 or x.shape[1] % num_groups:
        raise ValueError(f"group_norm: got x of shape {x.shape} and num_groups={num_groups}; expected (N, C, ...), "
                         f"with C a multiple of the groups; change the groups, or add a batch axis: x[None]")
    shape = x.shape
    depth = x.size // max(1, shape[0] * num_groups)
    y = layer_norm(x.reshape((shape[0], num_groups, depth)), None, None, 1, eps).reshape(shape)
    return scale_channels(y, weight, bias)


class GroupNorm(Module):
    """Normalise groups of channels of each sample, then scale and shift: see `functional.group_norm`.

    Parameters
    ----------
    num_groups, num_channels : int
    eps : float
        Added to the variance, which is the biased one.
    affine, bias : bool
        Whether there is a `weight`, initially ones, and a `bias`, initially zeros; without `affine` there is neither.
    dtype : dtype
        float32 or float64.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.GroupNorm(2, 6)(tt.ones(4, 6, 8, 8)).shape
    (4, 6, 8, 8)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, *,
                 bias: bool = True, dtype: Any = np.float32) -> None:
        super().__init__()
        self.num_groups = check_size("GroupNorm", "num_groups", num_groups)
        self.num_channels, self.eps = check_size("GroupNorm", "num_channels", num_channels), eps
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: got num_groups={num_groups} and num_channels={num_channels}; expected a "
                             f"multiple of the groups; change one of them")
        self.weight = Parameter(np.ones(num_channels, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, dtype)) if affine and bias else None

    def forward(self, x: Any) -> Tensor:
        if self.weight is not None and getattr(x, "dtype", None) != self.weight.data.dtype:
            raise dtype_error("group_norm", x, self.weight)
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ValueError(f"group_norm: got x of shape {x.shape}; expected (N, {self.num_channels}, ...), channels "
                             f"along axis 1; move them: np.moveaxis(x, -1, 1)")
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.weight is not None}, "
                f"bias={self.bias is not None}")


@explained
def instance_norm(x: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
                  use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    """Each channel of each sample normalised over the other axes (Ulyanov et al. 2016); parameters as in `batch_norm`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.instance_norm(tt.tensor([[[1.0, 3.0], [20.0, 60.0]]]))
    tensor([[[-1.,  1.],
             [-1.,  1.]]])
    """
    x = x if isinstance(x, Tensor | np.ndarray) else as_array(x)
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    if x.ndim < 3 or x.size == x.shape[0] * x.shape[1]:
        raise ValueError(f"instance_norm: got x of shape {x.shape}; expected (N, C, ...), with more than one value for "
                         f"each channel; one has no variance")
    samples, channels = x.shape[:2]

    def observe(mean: Any, var: Any, n: int) -> None:
        for running, value in ((running_mean, mean), (running_var, var * (n / (n - 1)))):
            if running is not None:
                update_running(running, value.reshape((samples, channels)).mean(0), momentum)

    joined = x.reshape((1, samples * channels, *x.shape[2:]))
    y = normalised(joined, None, None, None, None, 1, eps, 0, observe)
    return scale_channels(y.reshape(x.shape), weight, bias)


class InstanceNorm1d(Module):
    """Normalise each channel of each sample, of (N, C, L) or (C, L): see `functional.instance_norm`.

    Parameters
    ----------
    num_features : int
        How many channels.
    eps : float
        Added to the variance, which is the biased one.
    momentum : float
        The weight of a batch's statistics in the running ones.
    affine, bias : bool
        Whether there is a `weight`, initially ones, and a `bias`, initially zeros; without `affine` there is neither.
    track_running_stats : bool
        Whether running statistics are kept, which normalise in `eval()`.
    dtype : dtype
        float32 or float64.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.InstanceNorm1d(2)(tt.tensor([[[1.0, 3.0], [20.0, 60.0]]]))
    tensor([[[-1.,  1.],
             [-1.,  1.]]])
    """

    axes = 1
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Any
    running_var: Any

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
                 track_running_stats: bool = False, *, bias: bool = True, dtype: Any = np.float32) -> None:
        super().__init__()
        self.num_features = check_size(type(self).__name__, "num_features", num_features)
        self.eps, self.momentum = eps, momentum
        self.weight = Parameter(np.ones(num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_features, dtype)) if affine and bias else None
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if track_running_stats else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", np.array(0) if track_running_stats else None)

    def forward(self, x: Any) -> Tensor:
        own = self.weight if self.weight is not None else self.running_mean
        if own is not None and getattr(x, "dtype", None) != own.data.dtype:
            raise dtype_error("instance_norm", x, own)
        if x.ndim not in (self.axes + 1, self.axes + 2) or x.shape[-self.axes - 1] != self.num_features:
            raise ValueError(f"instance_norm: got x of shape {x.shape}; expected (N, {self.num_features}, "
                             f"{'L' if self.axes == 1 else 'H, W'}), or that without N; move the channels: "
                             f"np.moveaxis(x, -1, 1)")
        single = x.ndim == self.axes + 1
        y = instance_norm(x[None] if single else x, self.running_mean, self.running_var, self.weight, self.bias,
                          self.training or self.running_mean is None, self.momentum, self.eps)
        return y[0] if single else y

    def extra_repr(self) -> str:
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.weight is not None}, "
                f"bias={self.bias is not None}, track_running_stats={self.running_mean is not None}")


class InstanceNorm2d(InstanceNorm1d):
    """Normalise each channel of each image, of (N, C, H, W) or (C, H, W); parameters as in `InstanceNorm1d`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.InstanceNorm2d(3)(tt.ones(4, 3, 8, 8)).shape
    (4, 3, 8, 8)
    """

    axes = 2
