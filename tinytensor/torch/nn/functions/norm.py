"""Normalisation as functions: layer_norm, rms_norm, batch_norm, group_norm, instance_norm, normalize.

Running statistics are tensors that are given, and written into.
"""

from __future__ import annotations

import math
from typing import Any

from .... import ops
from ....nn import functional as engine
from ...tensor import Tensor, wrap
from ...versions import note
from .offered import Misuse, alike, floating, function, optional

engine_layer_norm, engine_batch_norm = ops.layer_norm, ops.batch_norm


def sizes(name: str, x: Any, normalized_shape: Any) -> int:
    """How many axes `normalized_shape` has, once it is sure that x ends with them."""
    shape = normalized_shape if type(normalized_shape) is tuple else tuple(normalized_shape)
    if not shape or x.data.shape[-len(shape):] != shape:
        raise RuntimeError(f"{name}: given normalized_shape={[*shape]}, expected input with shape [*, "
                           f"{', '.join(map(str, shape))}], but got input of size {[*x.data.shape]}; make the layer "
                           f"for its size, or reshape the input")
    return len(shape)


@function()
def layer_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None,
               eps: float = 1e-05) -> Tensor:
    """Normalise over the last axes to mean 0 and variance 1; then scale and shift."""
    x = floating("layer_norm", input)
    w, b = optional("layer_norm", weight, "weight"), optional("layer_norm", bias, "bias")
    alike("layer_norm", x, weight=w, bias=b)
    return wrap(engine_layer_norm(x, w, b, sizes("layer_norm", x, normalized_shape), eps))


@function()
def rms_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """The input divided by the root of the mean of squares over the last axes; then scaled."""
    x, w = floating("rms_norm", input), optional("rms_norm", weight, "weight")
    alike("rms_norm", x, weight=w)
    return wrap(ops.rms_norm(x, w, sizes("rms_norm", x, normalized_shape), eps))


@function()
def batch_norm(input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
               bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-05) -> Tensor:
    """Each channel (axis 1) normalised: over the batch in training, when the running statistics move towards it.

    Outside of training, the running statistics normalise. The biased variance normalises, the unbiased one is stored.
    """
    return normalised(input, running_mean, running_var, weight, bias, training, momentum, eps)


def normalised(input: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, training: bool,
               momentum: Any, eps: float) -> Tensor:
    """`batch_norm`, of which the errors are still the engine's."""
    x = floating("batch_norm", input)
    w, b = optional("batch_norm", weight, "weight"), optional("batch_norm", bias, "bias")
    mean, var = optional("batch_norm", running_mean, "running_mean"), optional("batch_norm", running_var, "running_var")
    alike("batch_norm", x, weight=w, bias=b)
    if x.data.ndim < 2:
        raise RuntimeError(f"batch_norm: got an input of shape {[*x.data.shape]}; expected at least 2 dimensions, for "
                           f"axis 1 is that of the channels; unsqueeze it")
    channels = x.data.shape[1]
    for what, t in (("running_mean", mean), ("running_var", var), ("weight", w), ("bias", b)):
        if t is not None and t.data.shape != (channels,):
            raise RuntimeError(f"batch_norm: {what} should contain {channels} elements not {t.data.size}; got an input "
                               f"of shape {[*x.data.shape]}; make the layer for as many channels as axis 1 has")
    if not training:
        if mean is None or var is None:
            raise RuntimeError("batch_norm: expected running_mean and running_var to be defined when training=False; "
                               "got None; give both, or training=True")
        return wrap(engine_batch_norm(x, w, b, mean.data, var.data, 1, eps))
    if x.data.size // max(channels, 1) == 1:
        raise Misuse(f"batch_norm: expected more than 1 value per channel when training, got input size "
                     f"{[*x.data.shape]}; give a larger batch, or use model.eval()")

    def observe(m: Any, v: Any, n: int) -> None:
        for running, value, share in ((mean, m, momentum), (var, v, momentum * (n / (n - 1)))):
            if running is not None:
                moved(running.data, value, momentum, share)

    return wrap(engine_batch_norm(x, w, b, None, None, 1, eps, 0, observe))


def moved(a: Any, value: Any, momentum: Any, share: Any) -> None:
    """Move a running statistic towards a new value, by this share of it."""
    old = 1 - momentum
    if hasattr(old, "dtype"):  # subtle: a float64 of NumPy's own would let all be float64
        old, share = old.astype(a.dtype), share.astype(a.dtype)
    a *= old
    a += value * share
    note(a)


@function("NativeGroupNorm")
def group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
               eps: float = 1e-05) -> Tensor:
    """The channels (axis 1) of each example normalised together in groups; then each scaled and shifted."""
    x = floating("group_norm", input)
    w, b = optional("group_norm", weight, "weight"), optional("group_norm", bias, "bias")
    alike("group_norm", x, weight=w, bias=b)
    if x.data.ndim < 2:
        raise RuntimeError(f"group_norm: Expected at least 2 dimensions for input tensor but received {x.data.ndim}; "
                           f"got shape {[*x.data.shape]}; unsqueeze it")
    if x.data.size == num_groups:
        raise Misuse(f"group_norm: expected more than 1 value per channel when training, got input size "
                     f"{[*x.data.shape]} for {num_groups} groups; choose fewer groups")
    return wrap(engine.group_norm(x, num_groups, w, b, eps))


@function("View")
def instance_norm(input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None,
                  weight: Tensor | None = None, bias: Tensor | None = None, use_input_stats: bool = True,
                  momentum: float = 0.1, eps: float = 1e-05) -> Tensor:
    """Each channel of each example normalised over its positions; running statistics are those of the batch's mean."""
    x = floating("instance_norm", input)
    if use_input_stats and (x.data.ndim < 3 or math.prod(x.data.shape[2:]) < 2):
        raise Misuse(f"instance_norm: expected more than 1 spatial element when training, got input size "
                     f"{[*x.data.shape]}; use layer_norm or batch_norm for inputs without positions")
    w, b, mean, var = (optional("instance_norm", t, what) for t, what in (
        (weight, "weight"), (bias, "bias"), (running_mean, "running_mean"), (running_var, "running_var")))
    alike("instance_norm", x, weight=w, bias=b)
    y = engine.instance_norm(x, mean, var, w, b, use_input_stats, momentum, eps)
    for running in (mean, var):
        if running is not None and use_input_stats:
            note(running.data)
    return wrap(y)


@function("Div")
def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """The input divided by its norm along an axis, or by eps where that is larger."""
    x = floating("normalize", input)
    axis = tuple(dim) if isinstance(dim, list) else dim
    if not x.data.ndim:
        return wrap(x / ops.maximum(ops.absolute(x), eps))
    return wrap(engine.normalize(x, p, axis, eps))
