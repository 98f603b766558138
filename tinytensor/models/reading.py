"""A GPT that reads on: what it has seen is kept, only new tokens are computed, and nothing is recorded.

It is the network's forward pass once more, on plain arrays, for which ops compute at once. It draws
nothing: `GPT.generate` does.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import Array
from ..ops.attention import headed
from ..ops.fused import embedding, linear
from ..ops.norm import layer_norm


def affine(layer: Any, x: Array) -> Array:
    """An `nn.Linear` on an array."""
    y: Any = linear(x, layer.weight.data, None if layer.bias is None else layer.bias.data)
    return y


def normed(layer: Any, x: Array) -> Array:
    """An `nn.LayerNorm` on an array."""
    y: Any = layer_norm(x, layer.weight.data, None if layer.bias is None else layer.bias.data, 1, layer.eps)
    return y


class Reader:
    """Reads texts on, some tokens at a time, and gives the logits after each: those of the model itself, in `eval()`.

    It reads the weights as they are at each call; keys and values of what it has seen stay as they were.

    Parameters
    ----------
    model : GPT

    Attributes
    ----------
    length : int
        How many places it has seen, at most the model's context.

    Examples
    --------
    >>> from tinytensor.models import GPT, Reader
    >>> model, tokens = GPT(27, rng=42).eval(), np.array([[1, 2, 3]])
    >>> reader = Reader(model)
    >>> parts = [reader(tokens[:, :2]), reader(tokens[:, 2:])]
    >>> bool(np.allclose(np.concatenate(parts, axis=1), model(tokens).data, atol=1e-5))
    True
    """

    def __init__(self, model: Any) -> None:
        self.model, self.length = model, 0
        self.keys: list[Array] = []  # of each Block (B, heads, context, D)
        self.values: list[Array] = []

    def __call__(self, tokens: Any) -> Array:
        """New tokens (B, t), integer, give logits (B, t, V).

        Raises
        ------
        ValueError
            If they do not fit in the context, or are of another number of texts than those before.
        """
        model, shape = self.model, np.shape(tokens)
        model.fits(shape, self.length)
        if self.keys and len(self.keys[0]) != shape[0]:
            raise ValueError(f"Reader: {shape[0]} texts came after {len(self.keys[0])}; expected as many in every "
                             f"call; start a new Reader")
        x = embedding(model.wte.weight.data, np.asarray(tokens))
        x = x + model.wpe.weight.data[self.length : self.length + shape[1]]  # (B, t, C)
        for i, block in enumerate(model.h):
            attn, mlp = block.attn, block.mlp
            x = x + affine(attn.c_proj, self.attend(i, affine(attn.c_attn, normed(block.ln_1, x)), attn.num_heads))
            x = x + affine(mlp.c_proj, mlp.act(affine(mlp.c_fc, normed(block.ln_2, x))))
        self.length += shape[1]
        return affine(model.lm_head, normed(model.ln_f, x))

    def attend(self, i: int, qkv: Array, heads: int) -> Array:
        """The attention of Block i: new places (B, t, 3 C) to all seen and to themselves, (B, t, C)."""
        q, k, v = headed(qkv, heads)  # (B, H, t, D) each
        b, h, t, d = q.shape
        if i == len(self.keys):
            room = b, h, self.model.context, d
            self.keys.append(np.empty(room, qkv.dtype))
            self.values.append(np.empty(room, qkv.dtype))
        end = self.length + t
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
