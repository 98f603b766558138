"""Scaled dot-product attention of any queries, keys and values, composed of ops: masks, dropout, and the weights.

It projects nothing (`nn.MultiheadAttention` does), and the causal self-attention of GPT is one op (`ops/attention.py`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import Array, Tensor, as_array
from ..names import also_generator
from ..names.calls import explained
from ..ops.fused import softmax
from ..ops.limits import where
from ..ops.shape import swapaxes
from .dropout import dropout


@also_generator
@explained
def scaled_dot_product_attention(query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
                                 is_causal: bool = False, scale: float | None = None, rng: Any = None) -> Tensor:
    """softmax(query key' * scale + mask) value: for each query a weighted mean of the values.

    Parameters
    ----------
    query, key, value : (..., L, E), (..., S, E), (..., S, V)
    attn_mask : broadcast to (..., L, S), optional
        Boolean: True where a query may attend to a key. Or floating: added to the scores.
    dropout_p : float
        The probability that a weight is dropped. It always applies: pass 0 outside of training.
    is_causal : bool
        Whether query i attends to keys 0 to i only.
    scale : float, optional
        1 / sqrt(E) if left out.
    rng
        Where dropout draws from: see `nn.Dropout`.

    Returns
    -------
    (..., L, V); 0 for a query that may attend to no key.

    Raises
    ------
    ValueError
        If shapes do not fit, or both a mask and is_causal are given.
    TypeError
        If the three are not of one dtype, or a mask is of integers.

    References
    ----------
    Vaswani et al. 2017, "Attention Is All You Need".

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> q, k, v = tt.ones(2, 4, 8), tt.ones(2, 6, 8), tt.ones(2, 6, 3)
    >>> F.scaled_dot_product_attention(q, k, v).shape
    (2, 4, 3)
    """
    name = "scaled_dot_product_attention"
    query, key, value = (x if isinstance(x, Tensor | np.ndarray) else as_array(x) for x in (query, key, value))
    check_dtypes(name, query, key, value)
    shapes = f"query {query.shape}, key {key.shape} and value {value.shape}"
    if (min(query.ndim, key.ndim, value.ndim) < 2 or query.shape[-1] != key.shape[-1]
            or key.shape[-2] != value.shape[-2]):
        raise ValueError(f"{name}: got {shapes}; expected (..., L, E), (..., S, E) and (..., S, V); exchange axes "
                         f"with x.swapaxes, or add a batch axis with x[None]")
    if is_causal and attn_mask is not None:
        raise ValueError(f"{name}: got is_causal and attn_mask; expected one of the two; leave is_causal out, and "
                         f"combine it with the mask")
    mask = np.tri(query.shape[-2], key.shape[-2], dtype=bool) if is_causal else attn_mask
    bias = None if mask is None else as_bias(name, mask, query.dtype, blocked=False)
    return attend(query, key, value, bias, dropout_p, scale, rng)[0]


def attend(query: Any, key: Any, value: Any, bias: Any = None, drop: float = 0.0, scale: float | None = None,
           rng: Any = None) -> tuple[Any, Any]:
    """The output and the attention weights (..., L, S); `bias` is added to the scores."""
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
    scores = query * scale @ swapaxes(key, -1, -2)  # (..., L, S)
    if bias is None:
        p = softmax(scores)
    else:
        blind = np.equal(as_array(bias), -np.inf).all(-1, keepdims=True)  # subtle: their softmax would be even
        p = where(blind, 0, softmax(scores + bias))
    p = dropout(p, drop, True, rng)
    return p @ value, p


def as_bias(name: str, mask: Any, dtype: Any, blocked: bool) -> Any:
    """What is added to scores for a mask: -inf where a boolean one is `blocked`, else 0; a floating one as it is."""
    mask = mask if isinstance(mask, Tensor) else as_array(mask)
    if mask.dtype.kind not in "bf":
        raise TypeError(f"{name}: got a mask of dtype {mask.dtype}; expected booleans, or floats that are added to "
                        f"the scores; convert it: mask.astype(bool)")
    if mask.dtype.kind == "f":
        return mask if mask.dtype == dtype else mask.astype(dtype)
    table: Array = np.array([-np.inf, 0] if not blocked else [0, -np.inf], dtype)
    return table.take(as_array(mask).view(np.uint8))


def check_dtypes(name: str, query: Any, key: Any, value: Any) -> None:
    if not query.dtype == key.dtype == value.dtype or query.dtype.kind != "f":
        raise TypeError(f"{name}: got query, key and value of dtypes {query.dtype}, {key.dtype} and {value.dtype}; "
                        f"expected one floating dtype for all; convert them with x.astype")
