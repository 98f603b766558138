"""Statistics of data: weighted means, ranges, covariances, counts and histograms."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..apply import operand
from ..compose import arrays_of, composed
from ..core import S, Tensor
from .index import scatter
from .masked import keeps_dims

# --- means and ranges ---


@composed(np.ptp, samples=(S((2, 3)), S((2, 3), axis=0), S((2, 3), axis=1, keepdims=True)))
def ptp(a: Any, axis: Any = None, out: None = None, keepdims: Any = False) -> Any:
    """The largest value minus the smallest ("peak to peak") over the axes. Ties share the gradient.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ptp(tt.tensor([1.0, 5.0, 2.0]))
    tensor(4.)
    """
    over = {"axis": axis, "keepdims": keeps_dims(keepdims)}
    return np.maximum.reduce(a, **over) - np.minimum.reduce(a, **over)


@composed(np.average, "a weights", samples=(
    S((2, 3)), S((2, 3), axis=0, weights=np.array([1.0, 3.0])), S((2, 3), weights=np.full((2, 3), 0.5)),
    S((2, 3, 2), axis=(2, 0), weights=np.arange(1.0, 5.0).reshape(2, 2), keepdims=True)))
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False) -> Any:
    """The weighted mean over the axes: sum(a * weights) / sum(weights). Gradients flow to a and to the weights.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        All axes if left out.
    weights : array_like, optional
        With the shape of a, or of its averaged axes. Left out, all weights are 1.
    returned : bool
        Whether to return (average, sum of weights).
    keepdims : bool

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.average(tt.tensor([1.0, 2.0, 6.0]), weights=tt.tensor([1.0, 1.0, 2.0]))
    tensor(3.75)
    """
    over = {"axis": axis, "keepdims": keeps_dims(keepdims)}
    if weights is None:
        y = np.mean(a, **over)
        count = a.size // (y.size or 1)
    else:
        if weights.shape != a.shape:
            axes = [i % a.ndim for i in (axis if isinstance(axis, tuple) else (axis,))]
            transposed = np.transpose(weights, np.argsort(axes).tolist())
            weights = np.reshape(transposed, [n if i in axes else 1 for i, n in enumerate(a.shape)])
        count = np.add.reduce(weights, **over)
        y = np.add.reduce(a * weights, **over) / count
    return (y, np.zeros(y.shape, y.dtype) + count) if returned else y


# --- covariances ---


def variable_rows(m: Any, rowvar: Any) -> Any:
    """The data with one row for each variable."""
    if m.ndim < 2:
        return np.reshape(m, (1, -1))
    return m if rowvar else np.transpose(m)


COV_SAMPLES = (S((3, 5)), S((5,)), S((5, 2), rowvar=False), S((2, 5), (5,)))


@composed(np.cov, "m y aweights", samples=(
    *COV_SAMPLES, S((2, 4), bias=True), S((2, 4), ddof=0, fweights=np.array([1, 2, 1, 3])),
    S((2, 4), aweights=np.array([0.5, 1.0, 2.0, 1.5]))))
def cov(m: Any, y: Any = None, rowvar: Any = True, bias: Any = False, ddof: int | None = None, fweights: Any = None,
        aweights: Any = None, *, dtype: Any = None) -> Any:
    """The covariance matrix of variables, which are the rows of m; float64 unless `dtype` says otherwise, as in NumPy.

    Parameters
    ----------
    m, y : (variables, observations) or (observations,)
        `y` has further variables for the same observations.
    rowvar : bool
        Whether rows are variables; if False, columns are.
    bias : bool
        Whether to divide by n instead of n - 1.
    ddof : int, optional
        Divide by n - ddof, whatever `bias` is.
    fweights : (observations,), integer, optional
        How many times each observation is counted.
    aweights : (observations,), optional
        The weight of each observation; gradients flow to it.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.cov(tt.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]), dtype=np.float32)
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    x = variable_rows(m, rowvar)
    if y is not None:
        more = np.reshape(y, (1, -1)) if y.ndim < 2 else y
        x = np.concatenate([x, more if rowvar or more.shape[0] == 1 else np.transpose(more)])
    x = x.astype(dtype or np.result_type(x.dtype, np.float64))
    ddof = ddof if ddof is not None else 0 if bias else 1
    if fweights is None and aweights is None:
        d = x - np.mean(x, axis=1, keepdims=True)
        return np.squeeze(d @ np.transpose(d) * (1 / max(x.shape[1] - ddof, 0) if x.shape[1] > ddof else np.inf))
    w = aweights if fweights is None else operand(fweights).astype(x.dtype)
    if fweights is not None and aweights is not None:
        w = w * aweights
    total = np.add.reduce(w)
    d = x - np.add.reduce(x * w, axis=1, keepdims=True) / total
    correction = ddof if aweights is None else ddof * np.add.reduce(w * aweights) / total
    return np.squeeze((d * w) @ np.transpose(d) / (total - correction))


@composed(np.corrcoef, "x y", samples=COV_SAMPLES[:1] + COV_SAMPLES[2:])
def corrcoef(x: Any, y: Any = None, rowvar: Any = True, *, dtype: Any = None) -> Any:
    """The matrix of Pearson correlation coefficients of variables, which are the rows of x; as `cov`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.corrcoef(tt.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]), dtype=np.float32)
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    c = cov(x, y, rowvar, dtype=dtype)
    if not c.ndim:
        return c / c
    n = c.shape[0]
    scale = np.sqrt(c[np.arange(n), np.arange(n)])
    return c / np.reshape(scale, (n, 1)) / scale


# --- counts ---


@composed(np.bincount, "x weights", samples=(S(np.array([0, 2, 2, 1]), (4,)), S(np.array([1, 1]), (2,), minlength=4)))
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """The number of times that each of the integers 0, 1, ... occurs in x; or, with weights, the sum of its weights.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.bincount(np.array([0, 2, 2]), weights=tt.tensor([1.0, 2.0, 3.0]))
    tensor([1., 0., 5.], dtype=float64)
    """
    bins = np.asarray(arrays_of(x)).astype(np.int64)
    size = max(int(bins.max()) + 1 if bins.size else 0, minlength)
    return scatter(weights.astype(np.float64), bins, (size,))


@composed(np.histogram_bin_edges, samples=(S((7,)), S((7,), 3), S((7,), bins="sturges")))
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """The edges of a histogram's bins, from the smallest value to the largest. Gradients flow to these two.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.histogram_bin_edges(tt.tensor([0.0, 1.0, 4.0]), bins=4)
    tensor([0., 1., 2., 3., 4.])
    """
    edges = np.histogram_bin_edges(arrays_of(a), bins, range, weights)
    if range is not None or not a.size or not (isinstance(bins, str) or np.ndim(bins) == 0):
        return edges
    low, high = np.minimum.reduce(a, axis=None), np.maximum.reduce(a, axis=None)
    fraction = (np.arange(len(edges)) / (len(edges) - 1)).astype(a.dtype)
    return low + (high - low) * fraction


@composed(np.histogram, "a weights", samples=(S((7,), 3, density=True), S((7,), 3, weights=np.arange(1.0, 8.0))))
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """The counts of values in bins, and the edges of the bins.

    Counts have no derivative. Gradients flow to `weights` through their sums, and to the smallest and the largest value
    of `a` through the edges, unless `range` or the edges are given; and so through the widths that a density is
    divided by.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.histogram(tt.tensor([0.0, 1.0, 4.0]), bins=2)
    (tensor([2, 1]), tensor([0., 2., 4.]))
    """
    edges = histogram_bin_edges(a, bins, range, arrays_of(weights))
    counts: Any = np.histogram(arrays_of(a), arrays_of(edges))[0]
    if isinstance(weights, Tensor):
        values, bin_edges = np.ravel(arrays_of(a)), arrays_of(edges)
        inside = (values >= bin_edges[0]) & (values <= bin_edges[-1])
        bin_of = np.clip(np.searchsorted(bin_edges, values, side="right") - 1, 0, len(bin_edges) - 2)
        counts = scatter(np.where(inside, np.ravel(weights), 0), bin_of, (len(bin_edges) - 1,))
    elif weights is not None:
        counts = np.histogram(arrays_of(a), arrays_of(edges), weights=weights)[0]
    if density:
        counts = counts / (edges[1:] - edges[:-1]) / np.add.reduce(counts)
    return counts, edges


@composed(np.histogramdd, samples=(S((7, 2), 3), S([(7,), (7,)], [2, 3], density=True)))
def histogramdd(sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """The counts of points in D-dimensional bins, and a list of the edges along each axis.

    `sample` is an array of points, (N, D), or a list of D coordinates, (N,) each.

    Gradients flow to the sample through the edges, as in `histogram`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.histogramdd(tt.tensor([[0.0, 0.0], [1.0, 4.0]]), bins=1)[1]
    [tensor([0., 1.]), tensor([0., 4.])]
    """
    if hasattr(sample, "ndim"):
        sample = np.moveaxis(sample.reshape(-1, 1) if sample.ndim < 2 else sample, -1, 0)
    columns = list(sample)
    sizes = [bins] * len(columns) if np.ndim(bins) == 0 else bins
    ranges = [None] * len(columns) if range is None else range
    edges = [histogram_bin_edges(*options) for options in zip(columns, sizes, ranges, strict=True)]
    counts = np.histogramdd([arrays_of(c) for c in columns], arrays_of(edges), weights=weights)[0]
    if density:
        counts = counts / np.add.reduce(counts, axis=None)
        for i, e in enumerate(edges):
            counts = counts / (e[1:] - e[:-1]).reshape([-1 if i == k else 1 for k, _ in enumerate(edges)])
    return counts, edges


@composed(np.histogram2d, "x y", samples=(S((7,), (7,), 3),))
def histogram2d(x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """The counts of points (x, y) in rectangular bins, and the edges along x and along y; see `histogramdd`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.histogram2d(tt.tensor([0.0, 1.0]), tt.tensor([0.0, 4.0]), bins=1)
    (tensor([[2.]], dtype=float64), tensor([0., 1.]), tensor([0., 4.]))
    """
    bins = bins if np.ndim(bins) == 0 or len(bins) == 2 else [bins[0] if len(bins) == 1 else bins] * 2
    counts, edges = histogramdd([x, y], bins, range, density, weights)
    return counts, *edges
