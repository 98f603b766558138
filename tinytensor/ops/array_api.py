"""The array API's functions in np.linalg: products, diagonals and traces, composed of other ops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compose import composed
from ..core import S
from ..define import publish
from .linalg import matmul

publish(matmul, "matmul", False, (np.linalg.matmul,), (), "linalg")


@composed(np.linalg.outer, "x1 x2", namespace="linalg", samples=(S((2,), (3,)),))
def outer(x1: Any, x2: Any, /) -> Any:
    """The outer product of two vectors: every element of x1 times every element of x2.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.outer(tt.tensor([1.0, 2.0]), tt.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    return x1[:, None] * x2


@composed(np.linalg.vecdot, "x1 x2", namespace="linalg", samples=(S((2, 3), (3,)), S((3, 2), (3, 1), axis=0)))
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The dot products of vectors along an axis; other axes broadcast.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.vecdot(tt.ones((2, 3)), tt.tensor([1.0, 2.0, 3.0]))
    tensor([6., 6.])
    """
    return np.sum(np.moveaxis(x1, axis, -1) * np.moveaxis(x2, axis, -1), -1)


@composed(np.linalg.cross, "x1 x2", namespace="linalg", samples=(S((3,), (2, 3)), S((3, 2), (3, 1), axis=0)))
def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross products of vectors of three elements along an axis; other axes broadcast.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.cross(tt.tensor([1.0, 0.0, 0.0]), tt.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    a, b = np.moveaxis(x1, axis, 0), np.moveaxis(x2, axis, 0)
    return np.stack([a[i - 2] * b[i - 1] - a[i - 1] * b[i - 2] for i in range(3)], axis)


@composed(np.linalg.tensordot, "x1 x2", namespace="linalg",
          samples=(S((2, 3), (3, 4), axes=1), S((2, 3), (3, 2), axes=((0, 1), (1, 0))), S((2,), (3,), axes=0)))
def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """The sum of products over pairs of axes: the last n of x1 and the first n of x2, or those given for each.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.tensordot(tt.ones((2, 3, 4)), tt.ones((3, 4, 5))).shape
    (2, 5)
    """
    left, right = (range(-axes, 0), range(axes)) if isinstance(axes, int) else axes
    (a, rows), (b, columns) = as_matrix(x1, left), as_matrix(x2, right)
    return (a @ b.mT).reshape((*rows, *columns))


def as_matrix(x: Any, axes: Any) -> tuple[Any, list[int]]:
    """x as a matrix whose columns run over the given axes; and the sizes of its other axes."""
    joined = [a % x.ndim for a in ([axes] if isinstance(axes, int) else axes)]
    kept = [a for a in range(x.ndim) if a not in joined]
    sizes = [x.shape[a] for a in kept]
    return np.transpose(x, (*kept, *joined)).reshape(math.prod(sizes), math.prod([x.shape[a] for a in joined])), sizes


@composed(np.linalg.diagonal, namespace="linalg", samples=(S((2, 3, 3)), S((3, 4), offset=-1), S((3, 2), offset=5)))
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonals of matrices, (..., m, n): the main one, or one `offset` above it (below, if negative).

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.diagonal(tt.tensor([[1.0, 2.0], [3.0, 4.0]]), offset=1)
    tensor([2.])
    """
    m, n = x.shape[-2:]
    rows = np.arange(max(-offset, 0), max(min(m, n - offset), max(-offset, 0)))
    return x[..., rows, rows + offset]


@composed(np.linalg.trace, namespace="linalg", samples=(S((2, 3, 3)), S((3, 4), offset=1)))
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sums of the diagonals of matrices, (..., m, n).

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.trace(tt.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    return np.sum(np.linalg.diagonal(x, offset=offset), -1)


@composed(np.linalg.matrix_transpose, namespace="linalg", samples=(S((2, 3)), S((2, 3, 4))))
def matrix_transpose(x: Any, /) -> Any:
    """Exchange the last two axes.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.matrix_transpose(tt.ones((2, 3, 4))).shape
    (2, 4, 3)
    """
    return np.swapaxes(x, -1, -2)
