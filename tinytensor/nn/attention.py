"""Attention as layers: CausalSelfAttention for networks like GPT, and the Block that they are made of.

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
from .arguments import size
from .dropout import Dropout, dropout_mask
from .layers import GELU, Linear
from .module import Module
from .norm import LayerNorm


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

    def forward(self, x: Any) -> Tensor:  # (B, T, C)
        drop, keep = self.resid_dropout, None
        if drop.p and self.training:
            keep = dropout_mask((x.shape[0], self.num_heads, x.shape[1], x.shape[1]), drop.p, x.dtype, drop.rng)
        y = attention(self.c_attn(x), keep, self.num_heads)  # (B, T, 3 C) -> (B, T, C)
        return drop(self.c_proj(y))

    def weights(self, x: Any) -> Array:
        """How much each place takes from each, (B, heads, T, T): for pictures. Rows add up to 1."""
        q, k, _ = headed(self.c_attn(x).data, self.num_heads)  # (B, H, T, D) each
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        y: Any = softmax(np.where(np.tri(scores.shape[-1], dtype=bool), scores, -np.inf))
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

    def forward(self, x: Any) -> Tensor:  # (B, T, C)
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

    def forward(self, x: Any) -> Tensor:  # (B, T, C)
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))
