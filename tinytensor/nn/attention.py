"""Attention as layers: CausalSelfAttention for networks like GPT, its cache of keys and values, and their Block.

The computation is one op, `attention`; a Transformer's embeddings and its head are the models' (`models/gpt.py`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import Array, Tensor
from ..ops.attention import attention, headed
from ..ops.fused import softmax
from . import init
from .dropout import Dropout, dropout_mask
from .layers import GELU, Linear, size
from .module import Module
from .norm import LayerNorm


class KeyValues:
    """What one attention layer has seen of a text: keys and values of up to `capacity` places, (B, H, T, D) each.

    With it, a text grows by some places at a time, and nothing is computed twice. It records no gradients.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity, self.length = capacity, 0
        self.keys: Array | None = None
        self.values: Array | None = None

    def attend(self, qkv: Array, heads: int) -> Array:
        """The attention of new places (B, t, 3 C) to all seen and to themselves, (B, t, C); they count as seen then.

        Raises
        ------
        ValueError
            If there is no room for them, or they are of another number of texts.
        """
        q, k, v = headed(qkv, heads)  # (B, H, t, D) each
        b, h, t, d = q.shape
        if self.keys is not None and len(self.keys) != b:
            raise ValueError(f"cache: {b} texts came after {len(self.keys)}; expected as many in every call; start a "
                             f"new cache")
        seen, self.length = self.length, self.length + t
        if self.length > self.capacity:
            self.length = seen
            raise ValueError(f"cache: {t} places came after {seen}; expected at most {self.capacity} in all, the "
                             f"model's context; start a new cache with the end of the text")
        if self.keys is None or self.values is None:
            self.keys, self.values = (np.empty((b, h, self.capacity, d), qkv.dtype) for _ in range(2))
        self.keys[:, :, seen : self.length], self.values[:, :, seen : self.length] = k, v
        keys, values = self.keys[:, :, : self.length], self.values[:, :, : self.length]
        scores = q @ keys.mT  # (B, H, t, T)
        scores *= 1 / math.sqrt(d)
        if t > 1:
            scores += np.triu(np.full((t, self.length), -np.inf, qkv.dtype), 1 + seen)
        scores -= np.maximum.reduce(scores, axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= np.add.reduce(scores, axis=-1, keepdims=True)
        y: Array = scores @ values
        return y.swapaxes(1, 2).reshape(b, t, h * d)


class CausalSelfAttention(Module):
    """Each place takes from all places up to its own, by many heads (Vaswani et al. 2017; GPT-2's layout and names).

    Parameters
    ----------
    embed_dim, num_heads : int
        Width of a place, and how many heads share it.
    dropout : float
        Of the attention weights, and of the output.
    bias : bool
        Whether the two projections have one.
    dtype, rng
        As in `Linear`.
    noise : Generator, numpy.random.Generator or None
        Where dropout draws from; see `Dropout`.

    Shapes
    ------
    c_attn.weight (3 C, C), c_proj.weight (C, C); input and output (B, T, C)

    Raises
    ------
    ValueError
        If the heads do not divide the width.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.CausalSelfAttention(12, 3)(tt.ones(2, 5, 12)).shape
    (2, 5, 12)
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True,
                 dtype: Any = np.float32, rng: init.Rng = None, noise: Any = None) -> None:
        super().__init__()
        self.embed_dim = size("CausalSelfAttention", "embed_dim", embed_dim)
        self.num_heads = size("CausalSelfAttention", "num_heads", num_heads)
        if self.embed_dim % self.num_heads:
            raise ValueError(f"CausalSelfAttention: {num_heads} heads came for a width of {embed_dim}; expected a "
                             f"number that divides it, each head gets as much; choose another of the two")
        self.c_attn = Linear(embed_dim, 3 * embed_dim, bias, dtype, rng)
        self.c_proj = Linear(embed_dim, embed_dim, bias, dtype, rng)
        self.resid_dropout = Dropout(dropout, noise)

    def forward(self, x: Any, cache: KeyValues | None = None) -> Any:  # (B, T, C)
        qkv = self.c_attn(x)  # (B, T, 3 C)
        if cache is None:
            drop, keep = self.resid_dropout, None
            if drop.p and self.training:
                keep = dropout_mask((x.shape[0], self.num_heads, x.shape[1], x.shape[1]), drop.p, x.dtype, drop.rng)
            y = attention(qkv, keep, self.num_heads)
        elif qkv.requires_grad:
            raise ValueError("a cache came while gradients are recorded; expected none, it has no gradients; put `with "
                             "tt.no_grad():` around the call, or leave the cache out")
        else:
            y = Tensor(cache.attend(qkv.data, self.num_heads))
        return self.resid_dropout(self.c_proj(y))

    def weights(self, x: Any) -> Array:
        """How much each place takes from each, (B, heads, T, T): for pictures. Rows add up to 1."""
        q, k, _ = headed(self.c_attn(x).data, self.num_heads)  # (B, H, T, D) each
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        y: Array = softmax(np.where(np.tri(scores.shape[-1], dtype=bool), scores, -np.inf))
        return y

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, num_heads={self.num_heads}"


class MLP(Module):
    """What a Block does with each place alone: four times as wide, GELU, and back (GPT-2's layout and names)."""

    def __init__(self, embed_dim: int, dropout: float = 0.0, bias: bool = True, dtype: Any = np.float32,
                 rng: init.Rng = None, noise: Any = None) -> None:
        super().__init__()
        self.c_fc = Linear(embed_dim, 4 * embed_dim, bias, dtype, rng)
        self.act = GELU("tanh")
        self.c_proj = Linear(4 * embed_dim, embed_dim, bias, dtype, rng)
        self.dropout = Dropout(dropout, noise)

    def forward(self, x: Any) -> Any:  # (B, T, C)
        return self.dropout(self.c_proj(self.act(self.c_fc(x))))


class Block(Module):
    """A layer of a Transformer: places take from each other, then each thinks; both are added to what came in.

    Each of the two sees its input normalised (Radford et al. 2019, GPT-2), so that the way from the loss to the
    embeddings is a sum.

    Parameters
    ----------
    embed_dim, num_heads, dropout, bias, dtype, rng, noise
        As in `CausalSelfAttention`.

    Shapes
    ------
    input and output (B, T, C)

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.Block(12, 3)(tt.ones(2, 5, 12)).shape
    (2, 5, 12)
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True,
                 dtype: Any = np.float32, rng: init.Rng = None, noise: Any = None) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(embed_dim, bias=bias, dtype=dtype)
        self.attn = CausalSelfAttention(embed_dim, num_heads, dropout, bias, dtype, rng, noise)
        self.ln_2 = LayerNorm(embed_dim, bias=bias, dtype=dtype)
        self.mlp = MLP(embed_dim, dropout, bias, dtype, rng, noise)

    def forward(self, x: Any, cache: KeyValues | None = None) -> Any:  # (B, T, C)
        x = x + self.attn(self.ln_1(x), cache)
        return x + self.mlp(self.ln_2(x))
