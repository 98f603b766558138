"""Incremental decoding of a GPT with a key/value cache: only new tokens are computed.

It is the network's forward pass on plain arrays; nothing is recorded, and nothing is drawn: `GPT.generate` does that.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import Array
from ..nn.rotary import rotary_tables, rotate_qk
from ..ops.attention import split_heads
from ..ops.fused import embedding, linear
from ..ops.norm import layer_norm


def apply_linear(layer: Any, x: Array) -> Array:
    """An `nn.Linear` on an array."""
    y: Any = linear(x, layer.weight.data, None if layer.bias is None else layer.bias.data)
    return y


def apply_layer_norm(layer: Any, x: Array) -> Array:
    """An `nn.LayerNorm` on an array."""
    y: Any = layer_norm(x, layer.weight.data, None if layer.bias is None else layer.bias.data, 1, layer.eps)
    return y


class KVCache:
    """Feed texts to a GPT a few tokens at a time; returns the logits of the model itself, in `eval()`.

    The weights are read at each call. Keys and values of earlier tokens stay as they were computed.

    Parameters
    ----------
    model : GPT

    Attributes
    ----------
    length : int
        How many positions are cached, at most the model's context.

    Examples
    --------
    >>> from tinytensor.models import GPT, KVCache
    >>> model, tokens = GPT(27, rng=42).eval(), np.array([[1, 2, 3]])
    >>> cache = KVCache(model)
    >>> parts = [cache(tokens[:, :2]), cache(tokens[:, 2:])]
    >>> bool(np.allclose(np.concatenate(parts, axis=1), model(tokens).data, atol=1e-5))
    True
    """

    def __init__(self, model: Any) -> None:
        self.model, self.length = model, 0
        self.keys: list[Array] = []  # of each Block (B, heads, context, D)
        self.values: list[Array] = []

    def __call__(self, tokens: Any) -> Array:
        """The logits (B, t, V) of new tokens (B, t), integer.

        Raises
        ------
        ValueError
            If they do not fit in the context, or the batch has another size than in the calls before.
        """
        model, shape = self.model, np.shape(tokens)
        model.check_tokens(shape, self.length)
        if self.keys and len(self.keys[0]) != shape[0]:
            raise ValueError(f"KVCache: got {shape[0]} texts after {len(self.keys[0])}; expected as many in every "
                             f"call; start a new KVCache")
        x: Any = embedding(model.wte.weight.data, np.asarray(tokens))  # (B, t, C)
        if model.wpe is not None:
            x = x + model.wpe.weight.data[self.length : self.length + shape[1]]
        for i, block in enumerate(model.h):
            attn, mlp = block.attn, block.mlp
            qkv = apply_linear(attn.c_attn, apply_layer_norm(block.ln_1, x))
            x = x + apply_linear(attn.c_proj, self.attend(i, qkv, attn))
            x = x + apply_linear(mlp.c_proj, mlp.act(apply_linear(mlp.c_fc, apply_layer_norm(block.ln_2, x))))
        self.length += shape[1]
        return apply_linear(model.lm_head, apply_layer_norm(model.ln_f, x))

    def attend(self, i: int, qkv: Array, attn: Any) -> Array:
        """Attention in Block i: new positions (B, t, 3 C) attend to all cached ones and to themselves; (B, t, C)."""
        end = self.length + qkv.shape[1]
        if attn.rotary:
            cos, sin = rotary_tables(self.model.context, attn.embed_dim // attn.num_heads, qkv.dtype)
            qkv = rotate_qk(qkv, attn.num_heads, cos[self.length : end], sin[self.length : end])
        q, k, v = split_heads(qkv, attn.num_heads)  # (B, H, t, D) each
        b, h, t, d = q.shape
        if i == len(self.keys):
            room = b, h, self.model.context, d
            self.keys.append(np.empty(room, qkv.dtype))
            self.values.append(np.empty(room, qkv.dtype))
        self.keys[i][:, :, self.length : end], self.values[i][:, :, self.length : end] = k, v
        scores = q @ self.keys[i][:, :, :end].mT  # (B, H, t, T)
        scores *= 1 / math.sqrt(d)
        if t > 1:
            scores += np.triu(np.full((t, end), -np.inf, qkv.dtype), 1 + self.length)
        scores -= np.maximum.reduce(scores, axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= np.add.reduce(scores, axis=-1, keepdims=True)
        y: Array = scores @ self.values[i][:, :, :end]
        return y.swapaxes(1, 2).reshape(b, t, h * d)
