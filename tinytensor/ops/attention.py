"""Multi-head self-attention as one op: a fast forward and a fast rule, beside the slow definition.

The projections before and after it belong to layers: `nn.CausalSelfAttention`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..broadcasting import ones_row, unbroadcast
from ..core import S
from ..define import op
from .fused import softmax
from .shape import reshape, swapaxes

BLOCKED_FROM = 256  # the shortest sequence whose queries are handled in blocks


@lru_cache(maxsize=64)
def causal_mask(t: int, dtype: Any, before: int = 0) -> Any:
    """A mask to add to scores (before + t keys, t queries): -inf where the key comes after the query, else 0; cached.

    `before` is the number of keys before the first query.
    """
    a = np.tril(np.full((before + t, t), -np.inf, dtype), -1 - before)
    a.flags.writeable = False
    return a


def query_blocks(t: int, causal: bool) -> list[tuple[int, int]]:
    """Start and stop of each block of queries. A block attends to all keys before its stop.

    Four blocks skip 3/8 of the scores: those of keys that come after all queries of a block.
    """
    if not causal or t < BLOCKED_FROM or t % 4:
        return [(0, t)]
    return [(start, start + t // 4) for start in range(0, t, t // 4)]


def split_heads(qkv: Any, heads: int) -> Any:
    """Queries, keys and values of each head, as views: (B, T, 3 C) to (3, B, H, T, D), where H * D is C."""
    b, t, width = qkv.shape
    return qkv.reshape(b, t, 3, heads, width // (3 * heads)).transpose(2, 0, 3, 1, 4)


def heads_first(g: Any, heads: int) -> Any:
    """(B, T, C) to (B, H, T, D), a view."""
    b, t, width = g.shape
    return g.reshape(b, t, heads, width // heads).swapaxes(1, 2)


def contiguous_transpose(x: Any, factor: float) -> Any:
    """A copy of the transposed matrices of x, times a factor, with contiguous rows: a third faster in products."""
    return np.multiply(x.mT, factor, order="C")


def column_maxima(p: Any) -> Any:
    """The maximum along the second-last axis, which is kept, by halving: twice as fast as NumPy's if it is short."""
    while (n := p.shape[-2]) > 1:
        half = (n + 1) // 2
        p = np.maximum(p[..., :half, :], p[..., n - half :, :])
    return p


def attention_definition(qkv: Any, dropout_mask: Any = None, heads: int = 1, causal: bool = True) -> Any:
    b, t, width = qkv.shape
    q, k, v = split_heads(qkv, heads)  # (B, H, T, D) each
    scores = q @ swapaxes(k, -1, -2) / math.sqrt(q.shape[-1])  # (B, H, T, T)
    p = softmax(scores + causal_mask(t, qkv.dtype).T if causal else scores)
    p = p if dropout_mask is None else p * dropout_mask
    return reshape(swapaxes(p @ v, 1, 2), (b, t, width // 3))  # the heads concatenated


def block_mask(dropout_mask: Any, queries: slice, keys: int) -> Any:
    """The part of a dropout mask for a block of weights, transposed to (..., keys, queries) as they are."""
    dropout_mask = dropout_mask if dropout_mask.ndim > 1 else dropout_mask.reshape(1, -1)
    rows = dropout_mask if dropout_mask.shape[-2] == 1 else dropout_mask[..., queries, :]
    return (rows if rows.shape[-1] == 1 else rows[..., :keys]).swapaxes(-1, -2)


def grad_qkv(g: Any, qkv: Any, dropout_mask: Any, heads: int, ps: list[Any]) -> Any:
    q, k, v = split_heads(qkv, heads)  # (B, H, T, D) each
    g, size = heads_first(g, heads), ps[0].shape[-1]
    gq, gk, gv = list[Any](), list[Any](), list[Any]()  # one entry for each block
    for i, p in enumerate(ps):  # (B, H, keys, queries)
        keys, queries = p.shape[-2], slice(i * size, (i + 1) * size)
        gi, qi = g[:, :, queries], q[:, :, queries]
        mask = None if dropout_mask is None else block_mask(dropout_mask, queries, keys)
        gs = v[:, :, :keys] @ contiguous_transpose(gi, 1 / math.sqrt(q.shape[-1]))  # as p
        if mask is not None:
            gs *= mask
        gs *= p
        gs -= p * (ones_row(keys, gs.dtype) @ gs)[..., None, :]
        weights = p if mask is None else p * mask
        blocks = [slice(j, j + size) for j in range(0, keys, size or 1)]
        gq.append(gs.mT @ k[:, :, :keys])
        gk = add_lists(gk, [gs[:, :, block] @ qi for block in blocks])
        gv = add_lists(gv, [weights[:, :, block] @ gi for block in blocks])
    if len(ps) == 1:
        return np.stack((*gq, *gk, *gv)).transpose(1, 3, 0, 2, 4).reshape(qkv.shape)
    return np.stack([np.stack(x) for x in (gq, gk, gv)]).transpose(2, 1, 4, 0, 3, 5).reshape(qkv.shape)


def add_lists(some: list[Any], more: list[Any]) -> list[Any]:
    """The sums of the arrays of two lists, position by position; the rest of the longer list `more` is kept."""
    return [a + b for a, b in zip(some, more, strict=False)] + more[len(some) :]


def grad_dropout_mask(g: Any, qkv: Any, dropout_mask: Any, heads: int, ps: list[Any]) -> Any:
    v = split_heads(qkv, heads)[2]
    return unbroadcast(heads_first(g, heads) @ v.mT * full_weights(ps).mT, dropout_mask.shape)


def full_weights(ps: list[Any]) -> Any:
    """The weights of all blocks as (B, H, T keys, T queries), with 0 for the keys that a block skipped."""
    t = ps[-1].shape[-2]
    return np.concatenate([p if p.shape[-2] == t else np.concatenate(
        [p, np.zeros((*p.shape[:2], t - p.shape[-2], p.shape[-1]), p.dtype)], -2) for p in ps], -1)


@op(lambda g, y, qkv, mask, *, heads, extras, **_: grad_qkv(g, qkv, mask, heads, extras),
    lambda g, y, qkv, mask, *, heads, extras, **_: grad_dropout_mask(g, qkv, mask, heads, extras),
    definition=attention_definition,
    samples=(S((2, 3, 12), (2, 2, 3, 3), heads=2), S((2, 3, 12), (3, 3), heads=2), S((2, 3, 12), heads=2),
             S((2, 3, 12), heads=2, causal=False), S((1, 4, 6))))
def attention(qkv: Any, dropout_mask: Any = None, heads: int = 1, causal: bool = True) -> Any:
    """Multi-head scaled dot-product self-attention (Vaswani et al. 2017).

    For each head it is softmax(Q K' / sqrt(D)) V, with D = C / heads. The heads' outputs are concatenated.

    Parameters
    ----------
    qkv : (B, T, 3 C)
        Queries, keys and values concatenated, each of them its heads concatenated.
    dropout_mask : broadcastable to (B, heads, T, T), optional
        Multiplies the attention weights, after the softmax.
    heads : int
        The number of heads, which must divide C.
    causal : bool
        Whether each position attends only to itself and to earlier positions.

    Returns
    -------
    (B, T, C)

    Raises
    ------
    ValueError
        If `heads` does not divide C, or shapes do not fit.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.attention(tt.ones(2, 8, 3 * 12), heads=4).shape
    (2, 8, 12)
    """
    if qkv.ndim != 3 or not qkv.shape[2] or qkv.shape[2] % (3 * heads):
        raise ValueError(f"attention: got qkv of shape {qkv.shape} for {heads} heads; expected (B, T, 3 C), with C a "
                         f"multiple of {heads}; choose a width that the number of heads divides")
    q, k, v = split_heads(qkv, heads)  # (B, H, T, D) each
    b, t, width = qkv.shape
    if dropout_mask is not None and (dropout_mask.ndim > 4 or any(
            n not in (1, m) for n, m in zip(dropout_mask.shape[::-1], (t, t, heads, b), strict=False))):
        raise ValueError(f"attention: got a dropout mask of shape {dropout_mask.shape}; expected one that broadcasts "
                         f"to (B, heads, T, T), {(b, heads, t, t)}; give it axes of these sizes, or of size 1")
    ys, ps = [], []
    for start, stop in query_blocks(t, causal):  # p is (B, H, keys, queries): the maximum is 4 times faster so
        p = k[:, :, :stop] @ contiguous_transpose(q[:, :, start:stop], 1 / math.sqrt(q.shape[-1]))
        if causal:
            p += causal_mask(stop - start, p.dtype, start)
        p -= column_maxima(p)
        np.exp(p, out=p)
        p /= (ones_row(stop, p.dtype) @ p)[..., None, :]
        weights = p if dropout_mask is None else p * block_mask(dropout_mask, slice(start, stop), stop)
        ys.append(weights.mT @ v[:, :, :stop])
        ps.append(p)
    if len(ys) == 1:
        return ys[0].swapaxes(1, 2).reshape(b, t, width // 3), ps
    return np.stack(ys).transpose(1, 0, 3, 2, 4).reshape(b, t, width // 3), ps
