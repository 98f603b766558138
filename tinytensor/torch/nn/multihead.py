"""MultiheadAttention, through the engine's layer, which is given the parameters before each call.

It has no `add_bias_kv` and no `add_zero_attn`.
"""

from __future__ import annotations

from typing import Any

from ... import nn as engine
from ..tensor import Tensor, wrap
from .arguments import probability, size
from .functions.offered import alike, named, node, optional
from .layers import NonDynamicallyQuantizableLinear
from .module import Module
from .parameter import Parameter, made
from .recurrent import dtype_of


class MultiheadAttention(Module):
    """Each query takes from values, by how well it fits their keys; heads do so each for a part of the width.

    Inputs are (L, N, E), (S, N, kdim), (S, N, vdim), or with the batch first, or without it. A query that may look at
    no key gets the output's bias.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> layer, x = torch.nn.MultiheadAttention(12, 3, batch_first=True), torch.ones(2, 5, 12)
    >>> y, weights = layer(x, x, x)
    >>> y.shape, weights.shape
    (torch.Size([2, 5, 12]), torch.Size([2, 5, 5]))
    """

    in_proj_bias: Parameter | None

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True,
                 add_bias_kv: bool = False, add_zero_attn: bool = False, kdim: int | None = None,
                 vdim: int | None = None, batch_first: bool = False, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        for name, value in (("add_bias_kv", add_bias_kv), ("add_zero_attn", add_zero_attn)):
            if value:
                raise ValueError(f"MultiheadAttention: got {name}=True; expected False, for there are no keys here "
                                 f"besides those given; put one more in front of keys and values")
        size("MultiheadAttention", "embed_dim", embed_dim)
        size("MultiheadAttention", "num_heads", num_heads)
        if embed_dim <= 0 or num_heads <= 0 or embed_dim % num_heads:
            raise AssertionError(f"MultiheadAttention: embed_dim must be divisible by num_heads; got {embed_dim} and "
                                 f"{num_heads}; choose another of the two")
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = (
            embed_dim, num_heads, probability("MultiheadAttention", dropout), batch_first)
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == self.vdim == embed_dim
        self.head_dim, kind = embed_dim // num_heads, dtype_of(device, dtype)
        inner = engine.MultiheadAttention(embed_dim, num_heads, dropout, bias, kdim, vdim, batch_first, dtype=kind)
        object.__setattr__(self, "_inner", inner)
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_bias"):
            self.register_parameter(name, adopted(vars(inner).get(name)))
        self.out_proj = out = NonDynamicallyQuantizableLinear.__new__(NonDynamicallyQuantizableLinear)
        Module.__init__(out)
        out.in_features = out.out_features = embed_dim
        out.register_parameter("weight", adopted(inner.out_proj.weight))
        out.register_parameter("bias", adopted(inner.out_proj.bias))

    def forward(self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
                need_weights: bool = True, attn_mask: Tensor | None = None, average_attn_weights: bool = True,
                is_causal: bool = False) -> tuple[Tensor, Tensor | None]:
        """The output, and the weights (N, L, S), or None for them; in masks, True marks the keys to ignore."""
        name, inner = "MultiheadAttention", self._inner
        q, k, v = node(name, query, "query"), node(name, key, "key"), node(name, value, "value")
        masks = [None if m is None else m.data for m in (optional(name, key_padding_mask, "key_padding_mask"),
                                                         optional(name, attn_mask, "attn_mask"))]
        lend(inner, self._parameters)
        lend(inner.out_proj, self.out_proj._parameters)
        inner.training = self.training
        alike(name, inner.out_proj.weight, query=q, key=k, value=v)
        try:
            y, weights = inner.forward(q, k, v, masks[0], need_weights, masks[1], average_attn_weights, is_causal)
        except ValueError as error:
            raise named(error) from None
        return wrap(y), None if weights is None else wrap(weights)


def adopted(x: Any) -> Parameter | None:
    """A parameter of the engine's node, or None."""
    if x is None:
        return None
    p: Parameter = made(Parameter, x.data, True)
    p.node = x
    return p


def lend(inner: Any, parameters: dict[str, Any]) -> None:
    """Give a layer of the engine the parameters as they are now."""
    for name, p in parameters.items():
        if p is not None:
            vars(inner)[name] = p.node
