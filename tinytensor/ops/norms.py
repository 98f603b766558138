"""Norms of vectors and matrices, of every order that NumPy has, and condition numbers.

The gradient is 0 at the zero vector, and for a singular value of 0. Where several elements (or rows, columns, singular
values) are the largest, they share the gradient evenly.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compose import composed
from ..core import S
from ..define import op, publish
from .elementwise import safe_denominator
from .reduce import extremum_grad, restore_axes
from .systems import REGULAR, SEVERAL


def vector_norm_grad(g: Any, y: Any, x: Any, ord: Any, axis: Any) -> Any:
    """The gradient of a norm of vectors."""
    if ord in (math.inf, -math.inf):
        return extremum_grad(g, y, np.abs(x), axis) * np.sign(x)
    g, y = restore_axes(g, x, axis), restore_axes(y, x, axis)
    if ord is None or ord in ("fro", "f") or ord == 2:
        return g / safe_denominator(y) * x
    if ord == 0:
        return np.zeros_like(x)
    if ord == 1:
        return g * np.sign(x)
    if ord > 1:
        return g * np.sign(x) * (np.abs(x) / safe_denominator(y)) ** (ord - 1)
    return g * np.sign(x) * (y / safe_denominator(np.abs(x))) ** (1 - ord)


def largest_grad(g: Any, x: Any, axis: Any, ord: Any) -> Any:
    """g where x is largest (ord > 0) or smallest; subtle: the norm itself is rounded, and may equal no element."""
    return extremum_grad(g, (np.max if ord > 0 else np.min)(x, axis=axis, keepdims=True), x, axis)


def matrix_norm_grad(g: Any, x: Any, ord: Any, axis: tuple[int, ...]) -> Any:
    """The gradient of a norm of matrices along two axes."""
    lead = np.delete(x.shape, axis).tolist()
    x, g = np.moveaxis(x, axis, (-2, -1)), g.reshape(*lead, 1, 1)
    if ord in (1, -1, math.inf, -math.inf):
        sums = np.sum(np.abs(x), -2 if abs(ord) == 1 else -1, keepdims=True)
        gx = largest_grad(g, sums, (-2, -1), ord) * np.sign(x)
    else:
        u, s, vh = np.linalg.svd(x, full_matrices=False)
        weight = (g[..., 0] if ord == "nuc" else largest_grad(g[..., 0], s, -1, ord)) * np.sign(s)
        gx = (u * weight[..., None, :]) @ vh
    return np.moveaxis(gx, (-2, -1), axis)


def norm_grad(g: Any, y: Any, x: Any, ord: Any, axis: Any) -> Any:
    if not x.size:
        return np.zeros_like(x)
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis := int(axis),)
    if len(axes) != 2 or ord is None or ord in ("fro", "f"):
        return vector_norm_grad(g, y, x, ord, axis)
    return matrix_norm_grad(g, x, ord, axes)


@op(lambda g, y, x, *, ord, axis, **_: norm_grad(g, y, x, ord, axis), numpy=(np.linalg.norm,), method=True,
    samples=(S((2, 3)), S((2, 3), axis=1), S((2, 3), axis=0, keepdims=True), S((3,)), S((2, 3), ord=1),
             S((2, 3), ord=3, axis=1), S((2, 3), ord=math.inf, axis=0), S(REGULAR, ord=2), S(REGULAR, ord="nuc"),
             S(SEVERAL, ord=-math.inf, axis=(2, 0))))
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    """The norm of vectors (one axis) or of matrices (two axes); without `axis` and `ord`, that of the flattened x.

    Parameters
    ----------
    x : any shape
    ord : number, "fro" or "nuc", optional
        Of vectors: None or 2, the Euclidean norm; inf and -inf, the largest and the smallest absolute value; 0, the
        number of nonzero elements; any other p, ``sum(abs(x)**p)**(1/p)``.
        Of matrices: None or "fro", the Frobenius norm; "nuc", the sum of the singular values; 2 and -2, the largest
        and the smallest of them; 1 and -1 (inf and -inf), the largest and the smallest sum of absolute values of a
        column (of a row).
    axis : int or pair of int, optional
        One axis for vectors, two for matrices. Left out, x itself is the vector or matrix.
    keepdims : bool

    Notes
    -----
    The gradient at the zero vector is 0.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([3.0, 4.0]).norm()
    tensor(5.)
    >>> tt.norm(tt.tensor([[1.0, -2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    return np.linalg.norm(x, ord, axis, keepdims)


publish(norm, "norm", False, (), (), "linalg")


@composed(np.linalg.vector_norm, namespace="linalg",
          samples=(S((2, 3)), S((2, 3, 2), axis=(0, 2), ord=3, keepdims=True), S((2, 3), axis=-1, ord=1)))
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """The norm of vectors that run over all axes, or over those given; see `norm` for `ord`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.vector_norm(tt.ones((2, 2)))
    tensor(2.)
    """
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    reduced = [a % x.ndim for a in axes]
    kept = [a for a in range(x.ndim) if a not in reduced]
    sizes = [x.shape[a] for a in kept]
    rows = np.transpose(x, (*kept, *reduced)).reshape(*sizes, math.prod(x.shape[a] for a in reduced))
    y = norm(rows, ord, -1)
    return y.reshape([1 if a in reduced else n for a, n in enumerate(x.shape)]) if keepdims else y


@composed(np.linalg.matrix_norm, namespace="linalg",
          samples=(S((2, 3)), S(REGULAR, ord="nuc"), S((2, 2, 3), ord=1, keepdims=True)))
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norms of matrices, (..., m, n); see `norm` for `ord`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.matrix_norm(tt.ones((2, 2)), ord=1)
    tensor(2.)
    """
    return norm(x, ord, (-2, -1), keepdims)


@composed(np.linalg.cond, namespace="linalg", samples=(S(REGULAR), S(SEVERAL, p=1), S(REGULAR, p="fro"), S((2, 3))))
def cond(x: Any, p: Any = None, *, value: Any) -> Any:
    """The condition numbers of matrices, (..., n, n): ``norm(x, p) * norm(inv(x), p)``. p=None means 2.

    For p None, 2 and -2 the matrices need not be square. The gradient is nan where the condition number is infinite.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.cond(tt.tensor([[3.0, 0.0], [0.0, 2.0]]))
    tensor(1.5)
    """
    if p is None or p in (2, -2):
        s = np.linalg.svd(x, compute_uv=False)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    x = x + (value * 0)[..., None, None]  # nan where the condition number is infinite, so that inv does not raise
    return norm(x, p, (-2, -1)) * norm(np.linalg.inv(x), p, (-2, -1))
