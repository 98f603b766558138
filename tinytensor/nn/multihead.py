"""MultiheadAttention: attention of one sequence to another, or to itself, with PyTorch's names, layout and defaults.

It has no `add_bias_kv` and no `add_zero_attn`. GPT's layer is `CausalSelfAttention`, which is faster.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..random import as_generator, seeded
from . import functional as F
from . import init
from .arguments import check_heads, check_size, dtype_error
from .dot_product import as_bias, attend
from .dropout import check_probability
from .layers import Linear
from .module import Module
from .parameter import Parameter


class MultiheadAttention(Module):
    """Multi-head attention of any queries, keys and values (Vaswani et al. 2017), in PyTorch's layout.

    Parameters
    ----------
    embed_dim, num_heads : int
        Width of a query and of the output, and how many heads share it.
    dropout : float
        Dropout probability of the attention weights, in training.
    bias : bool
        Whether the projections have biases.
    kdim, vdim : int, optional
        Widths of keys and values, embed_dim if left out.
    batch_first : bool
        Whether the batch is the first axis instead of the second.
    dtype, rng
        As in `Linear`: the numbers are those of PyTorch's MultiheadAttention from the same seed.
    dropout_rng : Generator, int, numpy.random.Generator or None
        Where dropout draws its masks from; see `Dropout`.

    Shapes
    ------
    E is embed_dim. in_proj_weight (3 E, E) or, with kdim or vdim, q_proj_weight (E, E), k_proj_weight (E, kdim) and
    v_proj_weight (E, vdim); in_proj_bias (3 E,), out_proj.weight (E, E), out_proj.bias (E,)

    Raises
    ------
    ValueError
        If the heads do not divide the width.

    References
    ----------
    Vaswani et al. 2017, "Attention Is All You Need".

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> layer, x = nn.MultiheadAttention(12, 3, batch_first=True), tt.ones(2, 5, 12)
    >>> y, weights = layer(x, x, x)
    >>> y.shape, weights.shape
    ((2, 5, 12), (2, 5, 5))
    """

    in_proj_bias: Parameter | None

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True,
                 kdim: int | None = None, vdim: int | None = None, batch_first: bool = False,
                 dtype: Any = np.float32, rng: init.Rng = None, dropout_rng: Any = None) -> None:
        super().__init__()
        name = "MultiheadAttention"
        self.embed_dim = check_size(name, "embed_dim", embed_dim)
        self.num_heads = check_size(name, "num_heads", num_heads)
        self.kdim = self.embed_dim if kdim is None else check_size(name, "kdim", kdim)
        self.vdim = self.embed_dim if vdim is None else check_size(name, "vdim", vdim)
        check_heads(name, embed_dim, num_heads)
        self.dropout, self.batch_first = check_probability(name, dropout), batch_first
        self.dropout_rng = seeded(dropout_rng)
        e, rng = self.embed_dim, as_generator(rng)
        out = Linear(e, e, bias, dtype, rng)  # drawn first, and last among the parameters, as in PyTorch
        same = self.kdim == self.vdim == e
        widths = {"in_proj_weight": (3 * e, e)} if same else {
            "q_proj_weight": (e, e), "k_proj_weight": (e, self.kdim), "v_proj_weight": (e, self.vdim)}
        for key, shape in widths.items():
            setattr(self, key, init.xavier_uniform_(Parameter(np.empty(shape, dtype)), rng=rng))
        self.in_proj_bias = Parameter(np.zeros(3 * e, dtype)) if bias else None
        self.out_proj = out
        if out.bias is not None:
            init.zeros_(out.bias)

    def forward(self, query: Any, key: Any, value: Any, key_padding_mask: Any = None, need_weights: bool = True,
                attn_mask: Any = None, average_attn_weights: bool = True, is_causal: bool = False) -> tuple[Any, Any]:
        """The output, and the weights, or None for them.

        Parameters
        ----------
        query, key, value : (L, N, E), (S, N, kdim), (S, N, vdim)
            (N, L, E) and so on if batch_first; or without the axis N.
        key_padding_mask : (N, S) or (S,), optional
            Boolean: True at keys to ignore. Or floating: added to the scores.
        need_weights, average_attn_weights : bool
            Whether to return the weights, and whether as their mean over heads, (N, L, S), or as (N, heads, L, S).
        attn_mask : (L, S) or (N * heads, L, S), optional
            As key_padding_mask. Subtle: in `scaled_dot_product_attention` True is the opposite, as in PyTorch.
        is_causal : bool
            A hint that attn_mask is causal, as in PyTorch: it changes nothing, and requires the mask.

        Returns
        -------
        (L, N, E) or as the query; a query that may attend to no key gets the output's bias and weights of 0, where
        PyTorch returns nan unless need_weights is False.
        """
        self._check(query, key, value)
        if is_causal and attn_mask is None:
            raise ValueError("got is_causal without attn_mask; expected both, as it only says what the mask is; pass "
                             "attn_mask=~np.tri(L, S, dtype=bool)")
        batched = query.ndim == 3
        if not batched:
            query, key, value = (x.reshape(1, *x.shape) for x in (query, key, value))
        order, back = ((1, 2, 0, 3), (2, 0, 1, 3)) if batched and not self.batch_first else ((0, 2, 1, 3),) * 2
        q, k, v = (F.linear(x, w, b) for x, (w, b) in zip((query, key, value), self._projections(), strict=True))
        q, k, v = (x.reshape(*x.shape[:2], self.num_heads, -1).transpose(*order) for x in (q, k, v))  # (N, H, L, D)
        bias = self._bias(key_padding_mask, attn_mask, (*q.shape[:3], k.shape[2]), q.dtype)
        y, weights = attend(q, k, v, bias, self.dropout if self.training else 0.0, rng=self.dropout_rng)
        y = self.out_proj(y.transpose(*back).reshape(*query.shape[:2], self.embed_dim))
        if need_weights and average_attn_weights:
            weights = weights.mean(1)  # (N, L, S)
        return (y if batched else y[0]), (None if not need_weights else weights if batched else weights[0])

    def _projections(self) -> list[tuple[Any, Any]]:
        """Weight and bias of queries, keys and values."""
        e, own = self.embed_dim, vars(self)
        parts = [slice(0, e), slice(e, 2 * e), slice(2 * e, None)]
        weights = ([own["in_proj_weight"][part] for part in parts] if "in_proj_weight" in own else
                   [own[f"{name}_proj_weight"] for name in "qkv"])
        bias = self.in_proj_bias
        return list(zip(weights, [None if bias is None else bias[part] for part in parts], strict=True))

    def _bias(self, padding: Any, mask: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        """Both masks as one array to add to the scores, broadcastable to (N, H, L, S)."""
        n, heads, queries, keys = shape
        of_keys = {(n, keys): (n, 1, 1, keys)} | ({(keys,): (1, 1, 1, keys)} if n == 1 else {})
        of_pairs = {(queries, keys): (1, 1, queries, keys), (n * heads, queries, keys): shape}
        bias = None
        for name, given, fits in (("key_padding_mask", padding, of_keys), ("attn_mask", mask, of_pairs)):
            if given is None:
                continue
            if np.shape(given) not in fits:
                raise ValueError(f"got {name} of shape {np.shape(given)}; expected {' or '.join(map(str, fits))}; pass "
                                 f"it with the keys as its last axis")
            added = as_bias(name, given, dtype, blocked=True).reshape(fits[np.shape(given)])
            bias = added if bias is None else bias + added
        return bias

    def _check(self, query: Any, key: Any, value: Any) -> None:
        for x in (query, key, value):
            if getattr(x, "dtype", None) != self.out_proj.weight.dtype:
                raise dtype_error("attention", x, self.out_proj.weight)
        shapes, widths = [x.shape for x in (query, key, value)], (self.embed_dim, self.kdim, self.vdim)
        batch = 0 if self.batch_first else 1
        if (len({len(shape) for shape in shapes}) > 1 or len(shapes[0]) not in (2, 3)
                or tuple(shape[-1] for shape in shapes) != widths or shapes[1][:-1] != shapes[2][:-1]
                or (len(shapes[0]) == 3 and shapes[0][batch] != shapes[1][batch])):
            wanted = ", ".join(f"({'N, ' * self.batch_first}{a}{', N' * (not self.batch_first)}, {w})"
                               for a, w in zip("LSS", widths, strict=True))
            raise ValueError(f"got query, key and value of shapes {', '.join(map(str, shapes))}; expected {wanted}, "
                             f"all with N or all without; exchange axes with x.swapaxes, or set batch_first")

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, num_heads={self.num_heads}"
