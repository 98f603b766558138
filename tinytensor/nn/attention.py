"""Attention as layers: CausalSelfAttention for networks like GPT, and the Block that they are made of.

The computation is one op, `attention`; a Transformer's embeddings and its head are the models' (`models/gpt.py`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import Array, Tensor
from ..ops.attention import attention, split_heads
from ..ops.fused import softmax
from ..random import as_generator, seeded
from . import init
from .arguments import check_heads, check_size
from .dropout import Dropout, dropout_mask
from .layers import GELU, Linear
from .module import Module
from .norm import LayerNorm
from .rotary import rotary_tables, rotate_qk


class CausalSelfAttention(Module):
    """Multi-head self-attention of each position to itself and earlier ones (Vaswani et al. 2017; GPT-2's layout).

    Parameters
    ----------
    embed_dim, num_heads : int
        Width of the input, and how many heads share it.
    dropout : float
        Dropout probability, of the attention weights and of the output.
    bias : bool
        Whether the two projections have biases.
    dtype, rng
        As in `Linear`.
    dropout_rng : Generator, int, numpy.random.Generator or None
        Where dropout draws its masks from; see `Dropout`.
    rotary : bool
        Whether queries and keys are rotated by their positions: see `nn.rotary`. Heads then have an even width.

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
                 dtype: Any = np.float32, rng: init.Rng = None, dropout_rng: Any = None, *,
                 rotary: bool = False) -> None:
        super().__init__()
        self.embed_dim = check_size("CausalSelfAttention", "embed_dim", embed_dim)
        self.num_heads = check_size("CausalSelfAttention", "num_heads", num_heads)
        check_heads("CausalSelfAttention", embed_dim, num_heads)
        if rotary and embed_dim // num_heads % 2:
            raise ValueError(f"CausalSelfAttention: got heads of width {embed_dim // num_heads}, with rotary=True; "
                             f"expected an even width, for pairs are rotated; choose another embed_dim or num_heads")
        self.rotary = rotary
        rng = as_generator(rng)
        self.c_attn = Linear(embed_dim, 3 * embed_dim, bias, dtype, rng)
        self.c_proj = Linear(embed_dim, embed_dim, bias, dtype, rng)
        self.resid_dropout = Dropout(dropout, dropout_rng)

    def forward(self, x: Any) -> Tensor:  # (B, T, C)
        drop, keep = self.resid_dropout, None
        if drop.p and self.training:
            keep = dropout_mask((x.shape[0], self.num_heads, x.shape[1], x.shape[1]), drop.p, x.dtype, drop.rng)
        y = attention(self._qkv(x), keep, self.num_heads)  # (B, T, 3 C) -> (B, T, C)
        return drop(self.c_proj(y))

    def _qkv(self, x: Any) -> Any:  # (B, T, C) -> (B, T, 3 C)
        qkv = self.c_attn(x)
        if not self.rotary:
            return qkv
        return rotate_qk(qkv, self.num_heads, *rotary_tables(x.shape[1], self.embed_dim // self.num_heads, x.dtype))

    def weights(self, x: Any) -> Array:
        """The attention weights (B, heads, T, T), for pictures: rows sum to 1."""
        q, k, _ = split_heads(self._qkv(x).data, self.num_heads)  # (B, H, T, D) each
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        y: Any = softmax(np.where(np.tri(scores.shape[-1], dtype=bool), scores, -np.inf))
        return y

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, num_heads={self.num_heads}" + ", rotary=True" * self.rotary


class MLP(Module):
    """The feed-forward part of a Block, at each position: four times as wide, GELU, and back (GPT-2's names)."""

    def __init__(self, embed_dim: int, dropout: float = 0.0, bias: bool = True, dtype: Any = np.float32,
                 rng: init.Rng = None, dropout_rng: Any = None) -> None:
        super().__init__()
        rng = as_generator(rng)
        self.c_fc = Linear(embed_dim, 4 * embed_dim, bias, dtype, rng)
        self.act = GELU("tanh")
        self.c_proj = Linear(4 * embed_dim, embed_dim, bias, dtype, rng)
        self.dropout = Dropout(dropout, dropout_rng)

    def forward(self, x: Any) -> Tensor:  # (B, T, C)
        return self.dropout(self.c_proj(self.act(self.c_fc(x))))


class Block(Module):
    """A pre-norm Transformer block: x + attention(norm(x)), then x + mlp(norm(x)) (Radford et al. 2019, GPT-2).

    Parameters
    ----------
    embed_dim, num_heads, dropout, bias, dtype, rng, dropout_rng, rotary
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
                 dtype: Any = np.float32, rng: init.Rng = None, dropout_rng: Any = None, *,
                 rotary: bool = False) -> None:
        super().__init__()
        rng, dropout_rng = as_generator(rng), seeded(dropout_rng)  # one stream for both parts
        self.ln_1 = LayerNorm(embed_dim, bias=bias, dtype=dtype)
        self.attn = CausalSelfAttention(embed_dim, num_heads, dropout, bias, dtype, rng, dropout_rng, rotary=rotary)
        self.ln_2 = LayerNorm(embed_dim, bias=bias, dtype=dtype)
        self.mlp = MLP(embed_dim, dropout, bias, dtype, rng, dropout_rng)

    def forward(self, x: Any) -> Tensor:  # (B, T, C)
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))
