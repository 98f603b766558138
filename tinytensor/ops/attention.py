"""Self-attention of many heads as one op: a fast forward and a fast rule, beside the slow definition.

The projections before and behind it are layers: `nn.CausalSelfAttention`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..autograd import ones, unbroadcast
from ..core import S
from ..define import op
from .fused import softmax
from .shape import reshape, swapaxes


@lru_cache(maxsize=64)
def future(t: int, dtype: Any) -> Any:
    """What is added to scores (T keys, T queries): -inf where the key comes after the query, else 0; cached."""
    a = np.tril(np.full((t, t), -np.inf, dtype), -1)
    a.flags.writeable = False
    return a


def headed(qkv: Any, heads: int) -> Any:
    """Queries, keys and values of each head, all views: (B, T, 3 C) gives (3, B, H, T, D), where H D is C."""
    b, t, width = qkv.shape
    return qkv.reshape(b, t, 3, heads, width // (3 * heads)).transpose(2, 0, 3, 1, 4)


def by_head(g: Any, heads: int) -> Any:
    """(B, T, C) gives (B, H, T, D), a view."""
    b, t, _ = g.shape
    return g.reshape(b, t, heads, -1).swapaxes(1, 2)


def upright(x: Any, factor: float) -> Any:
    """The transposed matrices of x times a factor, copied row by row: BLAS multiplies by them a third faster."""
    return np.multiply(x.mT, factor, order="C")


def highest(p: Any) -> Any:
    """The maximum along the second-last axis, which stays, by halves: for short ones half the time of NumPy's."""
    while (n := p.shape[-2]) > 1:
        half = (n + 1) // 2
        p = np.maximum(p[..., :half, :], p[..., n - half :, :])
    return p


def composed(qkv: Any, keep: Any = None, heads: int = 1, causal: bool = True) -> Any:
    b, t, width = qkv.shape
    q, k, v = headed(qkv, heads)  # (B, H, T, D) each
    scores = q @ swapaxes(k, -1, -2) / math.sqrt(q.shape[-1])  # (B, H, T, T)
    p = softmax(scores + future(t, qkv.dtype).T if causal else scores)
    p = p if keep is None else p * keep
    return reshape(swapaxes(p @ v, 1, 2), (b, t, width // 3))  # the heads side by side


def of_qkv(g: Any, qkv: Any, keep: Any, heads: int, p: Any) -> Any:
    q, k, v = headed(qkv, heads)  # (B, H, T, D) each
    g = by_head(g, heads)
    gv = (p if keep is None else p * keep.swapaxes(-1, -2)) @ g
    gs = v @ upright(g, 1 / math.sqrt(q.shape[-1]))  # (B, H, T, T), keys before queries as in p
    if keep is not None:
        gs *= keep.swapaxes(-1, -2)
    gs *= p
    gs -= p * (ones(len(p[0, 0]), gs.dtype) @ gs)[..., None, :]
    return np.stack((gs.mT @ k, gs @ q, gv)).transpose(1, 3, 0, 2, 4).reshape(qkv.shape)


def of_keep(g: Any, qkv: Any, keep: Any, heads: int, p: Any) -> Any:
    return unbroadcast(by_head(g, heads) @ headed(qkv, heads)[2].mT * p.mT, keep.shape)


@op(lambda g, y, qkv, keep, *, heads, extras, **_: of_qkv(g, qkv, keep, heads, extras),
    lambda g, y, qkv, keep, *, heads, extras, **_: of_keep(g, qkv, keep, heads, extras), definition=composed,
    samples=(S((2, 3, 12), (2, 2, 3, 3), heads=2), S((2, 3, 12), (3, 3), heads=2), S((2, 3, 12), heads=2),
             S((2, 3, 12), heads=2, causal=False), S((1, 4, 6))))
def attention(qkv: Any, keep: Any = None, heads: int = 1, causal: bool = True) -> Any:
    """Scaled dot-product self-attention: each place takes from all places up to its own (Vaswani et al. 2017).

    For each head softmax(Q K' / sqrt(D)) V, with D = C / heads; the heads' outputs stand side by side.

    Parameters
    ----------
    qkv : (B, T, 3 C)
        Queries, keys and values side by side, each with its heads side by side.
    keep : broadcast to (B, heads, T, T), optional
        What the weights are multiplied by after the softmax: a dropout mask.
    heads : int
    causal : bool
        Whether a place is kept from looking at those that come after it.

    Returns
    -------
    (B, T, C)

    Raises
    ------
    ValueError
        If the heads do not divide C, or shapes do not fit.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.attention(tt.ones(2, 8, 3 * 12), heads=4).shape
    (2, 8, 12)
    """
    if qkv.ndim != 3 or qkv.shape[2] % (3 * heads):
        raise ValueError(f"attention: qkv of shape {qkv.shape} came for {heads} heads; expected (B, T, 3 C), with C a "
                         f"multiple of {heads}; choose a width that the number of heads divides")
    q, k, v = headed(qkv, heads)  # (B, H, T, D) each
    b, t, _ = qkv.shape
    p = k @ upright(q, 1 / math.sqrt(q.shape[-1]))  # (B, H, T, T), keys before queries: the maximum is 4 times faster
    if causal:
        p += future(t, p.dtype)
    p -= highest(p)
    np.exp(p, out=p)
    p /= (ones(t, p.dtype) @ p)[..., None, :]
    y = (p if keep is None else p * keep.swapaxes(-1, -2)).mT @ v
    return y.swapaxes(1, 2).reshape(b, t, -1), p
