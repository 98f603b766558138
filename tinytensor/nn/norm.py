"""LayerNorm, RMSNorm and BatchNorm1d, and folding the last into the Linear before it.

The computation is in the ops of `ops/norm.py`; BatchNorm1d keeps the running statistics and decides which are used.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import numpy as np

from ..advice import a_type
from ..core import Tensor
from ..names.calls import explained
from ..ops.norm import batch_norm
from . import functional as F
from .arguments import check_size, dtype_error
from .containers import Sequential
from .layers import Linear
from .module import Module
from .parameter import Parameter

M = TypeVar("M", bound=Module)


class BatchNorm1d(Module):
    """Normalise each channel over the batch in training, by running statistics in `eval()`; then scale and shift.

    PyTorch's rules (Ioffe and Szegedy 2015): the biased variance normalises, the unbiased one is stored, and a new
    value has the weight `momentum`.

    Parameters
    ----------
    num_features : int
        How many channels.
    eps : float
        Added to the variance.
    momentum : float or None
        The weight of a batch's statistics in the running ones; None for the mean over all batches so far.
    affine, bias : bool
        Whether there are `weight` and `bias`; without `affine` there is neither.
    track_running_stats : bool
        Whether running statistics are kept; without them, `eval()` normalises over the batch too.
    axis : int
        The channels' axis: 1 for (N, C) and (N, C, L) as in PyTorch, -1 for (B, T, C). All others are averaged over.
    unbiased : bool
        The lecture's variant: the unbiased variance is used for normalising too.
    dtype : dtype
        float32 or float64.

    Shapes
    ------
    weight, bias, running_mean, running_var (C,), num_batches_tracked (); input and output alike

    Raises
    ------
    ValueError
        If the channels are not `num_features`, or a channel has one value only while statistics come from the batch.
    TypeError
        If the input's dtype is not the weight's.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> layer = nn.BatchNorm1d(2)
    >>> layer(tt.tensor([[1.0, 20.0], [3.0, 60.0]]))
    tensor([[-1., -1.],
            [ 1.,  1.]], op=batch_norm)
    >>> layer.running_mean, layer.running_var
    (tensor([0.2, 4. ]), tensor([ 1.1, 80.9]))
    """

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Any  # these three are Tensors, or None
    running_var: Any
    num_batches_tracked: Any

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, *, axis: int = 1, unbiased: bool = False, bias: bool = True,
                 dtype: Any = np.float32) -> None:
        super().__init__()
        self.num_features = check_size("BatchNorm1d", "num_features", num_features)
        if axis not in (1, -1):
            raise ValueError(f"BatchNorm1d: got axis={axis!r}; expected 1, or -1 for the last; move the channels: "
                             f"np.moveaxis(x, {axis!r}, 1)")
        self.eps, self.momentum, self.axis, self.unbiased = eps, momentum, axis, unbiased
        self.weight = Parameter(np.ones(num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_features, dtype)) if affine and bias else None
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if track_running_stats else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", np.array(0) if track_running_stats else None)

    def forward(self, x: Any) -> Tensor:
        own = self.weight if self.weight is not None else self.running_mean
        if own is not None and getattr(x, "dtype", None) != own.data.dtype:
            raise dtype_error("batch_norm", x, own)
        shape = x.shape if hasattr(x, "shape") else np.shape(x)
        if len(shape) < 2 or shape[self.axis] != self.num_features:
            raise self._misfit(shape)
        mean, var, observe = None, None, None
        if self.running_mean is not None and self.running_var is not None:
            if self.training:
                observe = self._observe
            else:
                mean, var = self.running_mean.data, self.running_var.data
        return batch_norm(x, self.weight, self.bias, mean, var, self.axis, self.eps, int(self.unbiased), observe)

    def _observe(self, mean: Any, var: Any, n: int) -> None:
        """Update the running statistics by those of a batch of n values for each channel."""
        count = self.num_batches_tracked.data
        count += 1
        new = 1 / count if self.momentum is None else self.momentum
        of_var = new if self.unbiased else new * (n / (n - 1))
        weight: Any
        for running, value, weight in ((self.running_mean.data, mean, new), (self.running_var.data, var, of_var)):
            old: Any = 1 - new
            if self.momentum is None:  # subtle: a NumPy float64 would promote them
                old, weight = old.astype(running.dtype), weight.astype(running.dtype)
            running *= old
            running += value * weight

    def _misfit(self, shape: tuple[int, ...]) -> ValueError:
        channels = self.num_features
        elsewhere = next((a for a in (1, -1) if len(shape) > 1 and shape[a] == channels), None)
        advice = (f"for channels along axis {elsewhere}: BatchNorm1d({channels}, axis={elsewhere})" if elsewhere
                  else "make the layer for its size, or reshape x")
        return ValueError(f"batch_norm: got x of shape {shape}; expected two axes or more, with {channels} channels "
                          f"along axis {self.axis}; {advice}")

    def extra_repr(self) -> str:
        extra = (f", axis={self.axis}" if self.axis != 1 else "") + (", unbiased=True" if self.unbiased else "")
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.weight is not None}, "
                f"bias={self.bias is not None}, track_running_stats={self.running_mean is not None}{extra}")


# --- over the last axes ---


def as_shape(layer: str, normalized_shape: Any) -> tuple[int, ...]:
    """The shape, from an integer or a sequence."""
    sizes = (normalized_shape,) if np.ndim(normalized_shape) == 0 else normalized_shape
    return tuple([check_size(layer, "normalized_shape", n) for n in sizes])


class RMSNorm(Module):
    """Divide each position by its root mean square over the channels, then scale (Zhang and Sennrich 2019).

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The last axes of the input: the channels.
    eps : float or None
        Added to the mean square; None for the machine epsilon of the dtype.
    elementwise_affine : bool
        Whether there is a `weight`, initially ones.
    dtype : dtype
        float32 or float64.

    Shapes
    ------
    weight normalized_shape; input and output (..., *normalized_shape)

    Raises
    ------
    ValueError
        If the input's last axes are not `normalized_shape`.
    TypeError
        If the input's dtype is not the weight's.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.RMSNorm(2)(tt.tensor([[30.0, 40.0]]))
    tensor([[0.8485, 1.1314]], op=rms_norm)
    """

    weight: Parameter | None

    def __init__(self, normalized_shape: Any, eps: float | None = None, elementwise_affine: bool = True, *,
                 dtype: Any = np.float32) -> None:
        super().__init__()
        self.normalized_shape, self.eps = as_shape("RMSNorm", normalized_shape), eps
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None

    def forward(self, x: Any) -> Tensor:
        if self.weight is not None and getattr(x, "dtype", None) != self.weight.data.dtype:
            raise dtype_error("rms_norm", x, self.weight)
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None}"


class LayerNorm(Module):
    """Normalise each position over its channels to mean 0 and variance 1, then scale and shift.

    The variance is the biased one (Ba et al. 2016).

    Parameters
    ----------
    normalized_shape, elementwise_affine, dtype
        As in `RMSNorm`.
    eps : float
        Added to the variance.
    bias : bool
        Whether there is a `bias` beside the `weight`, initially zeros.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.LayerNorm(2)(tt.tensor([[1.0, 3.0], [20.0, 60.0]]))
    tensor([[-1.,  1.],
            [-1.,  1.]], op=layer_norm)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True, *,
                 dtype: Any = np.float32) -> None:
        super().__init__()
        self.normalized_shape, self.eps = as_shape("LayerNorm", normalized_shape), eps
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(self.normalized_shape, dtype)) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Tensor:
        if self.weight is not None and getattr(x, "dtype", None) != self.weight.data.dtype:
            raise dtype_error("layer_norm", x, self.weight)
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None}, "
                f"bias={self.bias is not None}")


# --- folding ---


@explained
def fold_batchnorm(model: M) -> M:
    """A copy of the model for inference, with each BatchNorm1d folded into the Linear right before it.

    In `eval()` its outputs are those of the model, up to rounding, without the time of the norms. Only neighbours in a
    Sequential, at any depth, are certain to follow each other; other norms stay. A norm with axis=1 is assumed to be
    used on (N, C). The copied Linear has a bias: weight * (b - mean) / sqrt(var + eps) + bias.

    Raises
    ------
    ValueError
        If no BatchNorm1d follows a Linear of its size, or one that does has no running statistics.

    Examples
    --------
    >>> from tinytensor import nn
    >>> nn.fold_batchnorm(nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Tanh()))
    Sequential(
      (0): Linear(in_features=3, out_features=4, bias=True)
      (1): Tanh()
    )
    """
    model = copy.deepcopy(model)
    rows = [(path, row) for path, row in model.named_modules() if type(row).forward is Sequential.forward]
    if not sum([fold_sequential(row, path) for path, row in rows]):
        raise ValueError(f"fold_batchnorm: got {a_type(model)} without a BatchNorm1d after a Linear of "
                         f"its size; expected such neighbours in a Sequential; put them next to each other in one, or "
                         f"use the model as it is, in eval()")
    return model


def fold_sequential(row: Module, path: str) -> int:
    """Fold all pairs in one Sequential, in place; returns the number of norms removed."""
    parts, kept = row._own(Module), dict[str, Module]()
    for name, module in parts.items():
        before, linear = next(reversed(kept.items()), ("", None))
        if type(linear) is Linear and type(module) is BatchNorm1d and module.num_features == linear.out_features:
            kept[before] = fold_pair(linear, module, f"{path}.{name}".lstrip("."))
        else:
            kept[name] = module
    for name in parts:
        delattr(row, name)
    numbered = list(parts) == [str(i) for i in range(len(parts))]
    for i, (name, module) in enumerate(kept.items()):
        row.add_module(str(i) if numbered else name, module)
    return len(parts) - len(kept)


def fold_pair(linear: Linear, norm: BatchNorm1d, path: str) -> Linear:
    """A new Linear that computes what both do in eval(); the old one may be used elsewhere too."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError(f"fold_batchnorm: got {path} (BatchNorm1d) without running statistics; expected those that "
                         f"eval() normalises with; build it with track_running_stats=True, and train")
    scale = 1 / np.sqrt(norm.running_var.data.astype(np.float64) + norm.eps)
    scale = scale if norm.weight is None else scale * norm.weight.data
    shift = -norm.running_mean.data * scale
    shift = shift if linear.bias is None else shift + linear.bias.data * scale
    shift = shift if norm.bias is None else shift + norm.bias.data
    new, dtype = copy.deepcopy(linear), linear.weight.dtype
    new.weight = Parameter((linear.weight.data * scale[:, None]).astype(dtype), linear.weight.requires_grad)
    new.bias = Parameter(shift.astype(dtype), linear.weight.requires_grad)
    return new
