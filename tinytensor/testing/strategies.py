"""Hypothesis strategies for arrays that ops can be tested with: values, shapes, memory layouts, calls.

It checks nothing: that is `tinytensor.testing`. Hypothesis must be installed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ..core import REAL, Array, Domain, Op, Sample

Layout = Callable[[Array], Array]
GRID, REACH, MARGIN = 16, 3, 1 / 8
DRAWN_ONE_BY_ONE = 32  # elements; larger arrays are drawn by one seed, for a draw of Hypothesis takes some 20 us


# --- values ---


@lru_cache
def points(domain: Domain = REAL) -> tuple[float, ...]:
    """Numbers of a domain where differences are well conditioned: multiples of 1/16 up to 3, clear of its ends.

    Exact in every floating dtype, so that two that are not equal are never near. Those near 1/2 come first.

    Examples
    --------
    >>> from tinytensor.core import POSITIVE
    >>> from tinytensor.testing.strategies import points
    >>> min(points(POSITIVE)), max(points(POSITIVE))
    (0.125, 3.0)
    """
    grid = [k / GRID for k in range(-REACH * GRID, REACH * GRID + 1)]
    inside = [v for v in grid if any(low + MARGIN <= v <= high - MARGIN for low, high in domain.intervals)]
    return tuple(sorted(inside, key=lambda v: (abs(v - 0.5), v)))


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


def fortran(x: Array) -> Array:
    """The first axis runs fastest."""
    return np.asfortranarray(x)


def every_other(x: Array) -> Array:
    """Every second element of a larger array, along each axis."""
    wide = np.full([2 * n for n in x.shape], np.nan if x.dtype.kind == "f" else 0, x.dtype)
    view = wide[(slice(None, None, 2),) * x.ndim]
    view[...] = x
    return view


def backwards(x: Array) -> Array:
    """Negative strides along each axis."""
    return np.flip(np.flip(x).copy())


def transposed(x: Array) -> Array:
    """A view whose axes stand in another order in memory."""
    return np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0)


def contiguous(x: Array) -> Array:
    """A plain copy."""
    return x.copy()


def read_only(layout: Layout) -> Layout:
    """The layout, in an array that can't be written: what a rule writes into, it must have made itself."""

    def frozen(x: Array) -> Array:
        view = (layout(x) if x.ndim else x.copy()).view()  # subtle: without axes, layouts give scalars or gain an axis
        view.flags.writeable = False
        return view

    return frozen


LAYOUTS = tuple([read_only(f) for f in (contiguous, fortran, every_other, backwards, transposed)])


def layouts() -> st.SearchStrategy[Layout]:
    """Functions that give an array the same values in another, read-only piece of memory."""
    return st.sampled_from(LAYOUTS)


# --- calls of ops ---


@st.composite
def inputs(draw: st.DrawFn, op: Op, sample: Sample, dtype: Any = np.float64) -> tuple[Any, ...]:
    """The array inputs of one of an op's samples: arrays in the op's domain where the sample has a shape."""
    return tuple([draw(arrays(x, op.domain_of(i), dtype)) if isinstance(x, tuple) else x
                  for i, x in enumerate(sample.inputs)])


def fixed_inputs(op: Op, sample: Sample, dtype: Any = np.float64, seed: int = 7) -> tuple[Any, ...]:
    """The same without Hypothesis, where values matter little: in general position, off the grid of `points`.

    Examples
    --------
    >>> from tinytensor.core import REGISTRY
    >>> from tinytensor.testing.strategies import fixed_inputs
    >>> [x.shape for x in fixed_inputs(REGISTRY["add"], REGISTRY["add"].samples[0])]
    [(2, 3), (3,)]
    """
    rng = np.random.default_rng(seed)
    return tuple([np.array(rng.choice(points(op.domain_of(i)), x) + rng.uniform(0.005, 0.02, x), dtype)
                  if isinstance(x, tuple) else explicit(x, dtype) for i, x in enumerate(sample.inputs)])


def explicit(x: Any, dtype: Any) -> Any:
    """What a sample gives itself: a floating array in the wanted dtype, all else as it is."""
    return x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


@st.composite
def broadcast_inputs(draw: st.DrawFn, op: Op, n: int = 2, min_side: int = 0) -> tuple[Any, ...]:
    """n inputs, in the domain of an elementwise op, of shapes that broadcast against each other."""
    drawn = draw(broadcastable(n, min_side))
    return tuple([draw(arrays(shape, op.domain_of(i))) for i, shape in enumerate(drawn)])
