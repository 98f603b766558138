"""Rotary position embeddings: queries and keys are rotated by angles that grow with their position (Su et al. 2021).

Nothing is learned here, and no attention is computed: `CausalSelfAttention` and `models.KVCache` do that.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..core import Array

BASE = 10000.0  # the slowest pair turns by about one radian in this many positions (RoFormer, section 3.2.2)


@lru_cache(maxsize=64)
def rotary_tables(length: int, width: int, dtype: Any = np.float32, base: float = BASE) -> tuple[Array, Array]:
    """Cosines and sines of the angles of all positions below `length`, for heads of an even width; cached.

    Pair i turns by base ** (-2 i / width) from each position to the next.

    Returns
    -------
    cos, sin : (length, 1, width / 2)
        The second axis broadcasts over heads.

    Examples
    --------
    >>> cos, sin = rotary_tables(8, 16)
    >>> cos.shape, cos[0, 0, 0], sin[0, 0, 0]
    ((8, 1, 8), np.float32(1.0), np.float32(0.0))
    """
    angles = np.arange(length)[:, None, None] * base ** (-2 * np.arange(width // 2) / width)
    cos, sin = np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)
    cos.flags.writeable = sin.flags.writeable = False
    return cos, sin


def rotate(x: Any, cos: Any, sin: Any) -> Any:
    """Rotate queries or keys (..., T, H, D) by the angles of T positions; their lengths stay.

    A pair is an element of the first half of D and the one at the same index of the second half, as in GPT-NeoX and
    Llama; the paper pairs neighbours, which is the same up to the order of the channels.

    The product of a rotated query and a rotated key depends on how far apart their positions are, and not on where:

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> q, k = rng.standard_normal((2, 1, 1, 16))  # one position, one head
    >>> cos, sin = rotary_tables(50, 16, np.float64)
    >>> at = lambda x, t: rotate(x, cos[t : t + 1], sin[t : t + 1])[0, 0]
    >>> bool(np.isclose(at(q, 7) @ at(k, 3), at(q, 44) @ at(k, 40)))
    True
    """
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def rotate_qk(qkv: Any, heads: int, cos: Any, sin: Any) -> Any:
    """Rotate the queries and keys in (B, T, 3 C), whose heads stand side by side; the values stay."""
    b, t, width = qkv.shape
    c = width // 3
    qk = rotate(qkv[:, :, : 2 * c].reshape(b, t, 2 * heads, c // heads), cos, sin)
    return np.concatenate([qk.reshape(b, t, 2 * c), qkv[:, :, 2 * c :]], -1)
