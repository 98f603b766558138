"""Attention, padding, and rearrangements of pixels as functions."""

from __future__ import annotations

from typing import Any

from .... import ops
from ....nn import functional as engine
from ....nn.dropout import dropout_mask
from ...tensor import Tensor, wrap
from .losses import with_grad_fn
from .offered import alike, floating, function, node, optional


@function()
def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
                                 dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
                                 enable_gqa: bool = False) -> Tensor:
    """softmax(query key' * scale + mask) value: each query averages the values by how well their keys match it.

    Parameters
    ----------
    query, key, value : (..., L, E), (..., S, E), (..., S, V)
    attn_mask : broadcast to (..., L, S), optional
        Boolean: True where a query may look. Or floating: added to the scores.
    dropout_p : float
        The part of the weights that is dropped, always: give 0 outside of training.
    is_causal : bool
        Whether query i may look at the keys up to i only.
    scale : float, optional
        1 / sqrt(E) if left out.
    enable_gqa : bool
        Whether each head (axis -3) of keys and values serves several of the queries'.
    """
    name = "scaled_dot_product_attention"
    q, k, v = (floating(name, x, what) for x, what in ((query, "query"), (key, "key"), (value, "value")))
    alike(name, q, key=k, value=v)
    if enable_gqa:
        k, v = (x if x.data.shape[-3] == q.data.shape[-3] else
                ops.repeat(x, q.data.shape[-3] // x.data.shape[-3], axis=-3) for x in (k, v))
    mask = optional(name, attn_mask, "attn_mask")
    if mask is None and scale is None and q.data.shape == k.data.shape == v.data.shape and q.data.size:
        y = of_itself(q, k, v, dropout_p, is_causal)
    else:
        y = engine.scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal, scale)
    fused = not dropout_p and q.data.ndim == k.data.ndim == 4 and not (mask is not None and mask._requires_grad)
    return with_grad_fn(y, "ScaledDotProductFlashAttentionForCpu" if fused else "UnsafeView")


def of_itself(q: Any, k: Any, v: Any, dropout_p: float, is_causal: bool) -> Any:
    """Attention of sequences to themselves, in half the time: by one op, for which all heads are sequences."""
    shape = q.data.shape
    t, width = shape[-2:]
    keep = dropout_mask((*shape[:-1], t), dropout_p, q.data.dtype).reshape(-1, 1, t, t) if dropout_p else None
    qkv = ops.concatenate([x.reshape((-1, t, width)) for x in (q, k, v)], -1)
    return ops.attention(qkv, keep, 1, is_causal).reshape(shape)


@function()
def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """The input with borders: ``pad`` has two widths for each axis, the last axis first; negative ones cut.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.nn.functional.pad(torch.tensor([[1, 2]]), (1, 2))
    tensor([[0, 1, 2, 0, 0]])
    """
    x, given = node("pad", input), [int(n) for n in pad]
    if len(given) % 2 or len(given) > 2 * x.data.ndim:
        raise RuntimeError(f"pad: padding length must be divisible by 2 and at most twice the number of dimensions of "
                           f"the input; got {given} for shape {[*x.data.shape]}; give two widths for each axis")
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise NotImplementedError(f"pad: unrecognised padding mode {mode!r}; expected constant, reflect, replicate or "
                                  f"circular; leave it out for zeros")
    kind = {"constant": "ConstantPadNd", "circular": "torch::autograd::CopySlices", "reflect": "ReflectionPad{}D",
            "replicate": "ReplicationPad{}D"}[mode].format(len(given) // 2)
    return with_grad_fn(engine.pad(x, given, mode, value), kind)


@function("PixelShuffle")
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(..., C * r * r, H, W) rearranged to (..., C, H * r, W * r)."""
    x, r = node("pixel_shuffle", input), int(upscale_factor)
    *batch, c, h, w = x.data.shape
    if c % (r * r):
        raise RuntimeError(f"pixel_shuffle: expects its input's 'channel' dimension to be divisible by the square of "
                           f"upscale_factor; got {c} channels and {r}; choose others")
    n = len(batch)
    y = x.reshape((*batch, c // (r * r), r, r, h, w))
    y = y.transpose((*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return wrap(y.reshape((*batch, c // (r * r), h * r, w * r)))


@function("PixelUnshuffle")
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(..., C, H * r, W * r) rearranged to (..., C * r * r, H, W)."""
    x, r = node("pixel_unshuffle", input), int(downscale_factor)
    *batch, c, h, w = x.data.shape
    if h % r or w % r:
        raise RuntimeError(f"pixel_unshuffle: expects height and width to be divisible by downscale_factor; got {h} "
                           f"and {w} for {r}; choose another")
    n = len(batch)
    y = x.reshape((*batch, c, h // r, r, w // r, r))
    y = y.transpose((*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return wrap(y.reshape((*batch, c * r * r, h // r, w // r)))
