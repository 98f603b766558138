"""Hypothesis strategies for arrays that ops can be tested with: values, shapes, memory layouts, calls.

It checks nothing: that is `tinytensor.testing`. Hypothesis must be installed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ..core import REAL, Array, Domain, Op, Sample
from .points import LAYOUTS, Layout, fixed_inputs, points

__all__ = ["LAYOUTS", "arrays", "broadcast_inputs", "broadcastable", "fixed_inputs", "floats", "inputs", "layouts",
           "points", "shapes"]
DRAWN_ONE_BY_ONE = 32  # elements; larger arrays are drawn by one seed, for a draw of Hypothesis takes some 20 us


# --- values ---


def floats(domain: Domain = REAL) -> st.SearchStrategy[float]:
    """One of the `points` of a domain."""
    return st.sampled_from(points(domain))


def arrays(shape: tuple[int, ...], domain: Domain = REAL, dtype: Any = np.float64) -> st.SearchStrategy[Array]:
    """Arrays of a shape with values from the `points` of a domain, ties among them."""
    if math.prod(shape) > DRAWN_ONE_BY_ONE:
        values = np.array(points(domain), dtype)
        return st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).choice(values, shape))
    return npst.arrays(dtype, shape, elements=floats(domain), fill=st.nothing())


# --- shapes ---


def shapes(max_dims: int = 3, min_side: int = 0, max_side: int = 3) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of arrays: no axes, one element and, unless `min_side` forbids it, no element among them."""
    return npst.array_shapes(min_dims=0, max_dims=max_dims, min_side=min_side, max_side=max_side)


def broadcastable(n: int = 2, min_side: int = 0, max_side: int = 3) -> st.SearchStrategy[tuple[tuple[int, ...], ...]]:
    """n shapes that broadcast against each other, with axes that are stretched and axes that are missing."""
    together = npst.mutually_broadcastable_shapes(num_shapes=n, max_dims=3, min_side=min_side, max_side=max_side)
    return together.map(lambda drawn: drawn.input_shapes)


# --- memory layouts ---


def layouts() -> st.SearchStrategy[Layout]:
    """Functions that give an array the same values in another, read-only piece of memory."""
    return st.sampled_from(LAYOUTS)


# --- calls of ops ---


@st.composite
def inputs(draw: st.DrawFn, op: Op, sample: Sample, dtype: Any = np.float64) -> tuple[Any, ...]:
    """The array inputs of one of an op's samples: arrays in the op's domain where the sample has a shape."""
    return tuple([draw(arrays(x, op.domain_of(i), dtype)) if isinstance(x, tuple) else x
                  for i, x in enumerate(sample.inputs)])


@st.composite
def broadcast_inputs(draw: st.DrawFn, op: Op, n: int = 2, min_side: int = 0) -> tuple[Any, ...]:
    """n inputs, in the domain of an elementwise op, of shapes that broadcast against each other."""
    drawn = draw(broadcastable(n, min_side))
    return tuple([draw(arrays(shape, op.domain_of(i))) for i, shape in enumerate(drawn)])
