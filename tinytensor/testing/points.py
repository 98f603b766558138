"""Arrays that ops are tested with, the same at every run: values of a domain, special points, memory layouts.

Random draws are in `strategies`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

import numpy as np

from ..core import REAL, Array, Domain, Op, Sample

Layout = Callable[[Array], Array]
GRID, REACH, MARGIN = 16, 3, 1 / 8


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


def special(domain: Domain = REAL) -> tuple[float, ...]:
    """0, 1 and -1, where they are in a domain or at its end, and the finite ends themselves.

    Examples
    --------
    >>> from tinytensor.core import POSITIVE
    >>> from tinytensor.testing.points import special
    >>> special(POSITIVE)
    (0.0, 1.0)
    """
    ends = [end for interval in domain.intervals for end in interval if np.isfinite(end)]
    values = [0.0, 1.0, -1.0, *map(float, ends)]
    return tuple(dict.fromkeys(v for v in values if any(low <= v <= high for low, high in domain.intervals)))


def is_array(op: Op, i: int, x: Any) -> bool:
    """Whether an input of a sample stands for arrays: a shape or a list does, unless the op takes none there."""
    return isinstance(x, tuple | list) and op.rules[i] is not False


def filled(x: Any, make: Callable[[tuple[int, ...]], Any]) -> Any:
    """An input of a sample: what `make` gives for a shape, lists of that for lists of shapes, all else as it is."""
    return make(x) if isinstance(x, tuple) else [filled(part, make) for part in x] if isinstance(x, list) else x


def fixed_inputs(op: Op, sample: Sample, dtype: Any = np.float64, seed: int = 7) -> tuple[Any, ...]:
    """The inputs of a sample where values matter little: in general position, off the grid of `points`.

    Examples
    --------
    >>> from tinytensor.core import REGISTRY
    >>> from tinytensor.testing.points import fixed_inputs
    >>> [x.shape for x in fixed_inputs(REGISTRY["add"], REGISTRY["add"].samples[0])]
    [(2, 3), (3,)]
    """
    rng = np.random.default_rng(seed)

    def values(i: int) -> Callable[[tuple[int, ...]], Any]:
        return lambda shape: np.array(rng.choice(points(op.domain_of(i)), shape) + rng.uniform(0.005, 0.02, shape),
                                      dtype)

    return tuple([explicit(x, dtype) for x in filled_inputs(op, sample, values)])


def filled_inputs(op: Op, sample: Sample, make: Callable[[int], Callable[[tuple[int, ...]], Any]]) -> tuple[Any, ...]:
    """The inputs of a sample, those that stand for arrays made by ``make(i)`` of their shapes."""
    return tuple([filled(x, make(i)) if is_array(op, i, x) else x for i, x in enumerate(sample.inputs)])


def explicit(x: Any, dtype: Any) -> Any:
    """Arrays that a sample gives itself: floating ones in another dtype."""
    return x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def special_inputs(op: Op, sample: Sample) -> Iterator[tuple[Any, ...]]:
    """The inputs of a sample at special points: all elements equal, then all of the points in one array.

    An elementwise op with several inputs is given every combination.
    """
    pools = [special(op.domain_of(i)) if is_array(op, i, x) else () for i, x in enumerate(sample.inputs)]
    n = max(map(len, pools), default=0)
    if op.broadcasts and n and (grid := combinations(op, sample, pools)):
        yield grid
        return
    for k in range(n):
        yield filled_inputs(op, sample, lambda i, k=k: partial(  # type: ignore[misc]
            np.full, fill_value=pools[i][k % len(pools[i])]))
    if n > 1:
        yield filled_inputs(op, sample, lambda i: partial(np.resize, np.array(pools[i])))


def combinations(op: Op, sample: Sample, pools: list[tuple[float, ...]]) -> tuple[Any, ...]:
    """Every combination of the pools, along one axis; nothing where the op is not elementwise."""
    columns = iter(np.array(list(itertools.product(*[pool for pool in pools if pool]))).T.copy())
    grid = tuple([next(columns) if pool else x for pool, x in zip(pools, sample.inputs, strict=True)])
    wide = next(x for pool, x in zip(pools, grid, strict=True) if pool)
    try:
        with np.errstate(all="ignore"):
            return grid if np.shape(op.forward(*grid, **sample.params)) == wide.shape else ()
    except ValueError:
        return ()


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
    """A view whose axes have another order in memory."""
    return np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0)


def contiguous(x: Array) -> Array:
    """A plain copy."""
    return x.copy()


def read_only(layout: Layout) -> Layout:
    """The layout, in a read-only array: a rule may only write into arrays that it has made itself."""

    def frozen(x: Array) -> Array:
        view = (layout(x) if x.ndim else x.copy()).view()  # subtle: without axes, layouts give scalars or gain an axis
        view.flags.writeable = False
        return view

    return frozen


LAYOUTS = tuple([read_only(f) for f in (contiguous, fortran, every_other, backwards, transposed)])
