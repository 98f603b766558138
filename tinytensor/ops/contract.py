"""Products of arrays and vectors that sum over chosen axes: tensordot, dot, inner, outer, kron, vecdot, cross.

The gradient of each is a product of the same kind. `matmul` is in `linalg.py`, `einsum` in `einstein.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compose import composed
from ..core import S, as_array
from ..define import composite, op
from . import linalg
from .join import promote_numbers

# --- tensordot, of which the others are special cases ---


def summed_axes(axes: Any, a: Any, b: Any) -> tuple[list[int], list[int]]:
    """The axes of a and of b that are summed over, as lists of integers from 0, for any of tensordot's spellings."""
    if np.ndim(axes) == 0 and not isinstance(axes, list | tuple):
        n = int(axes)
        return list(range(np.ndim(a) - n, np.ndim(a))), list(range(n))
    first, second = ([axis] if np.ndim(axis) == 0 else list(axis) for axis in axes)
    return [int(i) % np.ndim(a) for i in first], [int(i) % np.ndim(b) for i in second]


def tensordot_grad_a(g: Any, a: Any, b: Any, summed: tuple[list[int], list[int]]) -> Any:
    """The gradient of a in a tensordot over the axes `summed`."""
    summed_a, summed_b = summed
    a, b = promote_numbers((a, b))
    free_a = [i for i in range(a.ndim) if i not in summed_a]
    free_b = [i for i in range(b.ndim) if i not in summed_b]
    z = np.tensordot(g, b, (list(range(len(free_a), g.ndim)), free_b))
    return z.transpose(np.argsort(free_a + [summed_a[summed_b.index(i)] for i in sorted(summed_b)]).tolist())


def tensordot_grad_b(g: Any, a: Any, b: Any, summed: tuple[list[int], list[int]]) -> Any:
    """The gradient of b in a tensordot over the axes `summed`."""
    summed_a, summed_b = summed
    a, b = promote_numbers((a, b))
    free_b = [i for i in range(b.ndim) if i not in summed_b]
    free_a = [i for i in range(a.ndim) if i not in summed_a]
    z = np.tensordot(a, g, (free_a, list(range(len(free_a)))))
    return z.transpose(np.argsort([summed_b[summed_a.index(i)] for i in sorted(summed_a)] + free_b).tolist())


@op(lambda g, y, a, b, *, axes: tensordot_grad_a(g, a, b, summed_axes(axes, a, b)),
    lambda g, y, a, b, *, axes: tensordot_grad_b(g, a, b, summed_axes(axes, a, b)),
    numpy=(np.tensordot,), analytic=True,
    samples=(S((2, 3), (3, 4), axes=1), S((2, 3, 4), (4, 3, 5), axes=((1, 2), (1, 0))), S((2, 3), (3, 2), axes=(0, -1)),
             S((2,), (3,), axes=0), S((2, 3), (2, 3)), S((0, 3), (3, 2), axes=1)))
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The sum of products over pairs of axes of a and b.

    Parameters
    ----------
    a, b : array_like
    axes : int or pair
        A number n for the last n axes of a and the first n of b; or two axes, or two lists of axes, one for a and one
        for b.


    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensordot(tt.ones((2, 3)), tt.ones((4, 3)), axes=(1, 1)).shape
    (2, 4)
    """
    a, b = promote_numbers((a, b))
    return np.tensordot(a, b, axes)


def dot_axes(a: Any, b: Any, last: int) -> tuple[list[int], list[int]]:
    """The axes that `dot` (last=2) and `inner` (last=1) sum over; none if a or b has no axes."""
    if not np.ndim(a) or not np.ndim(b):
        return [], []
    return [np.ndim(a) - 1], [max(np.ndim(b) - last, 0)]


def is_matmul(a: Any, b: Any) -> bool:
    """Whether both are vectors or matrices, for which `dot` is `matmul`, whose rules are faster."""
    return 0 < np.ndim(a) < 3 and 0 < np.ndim(b) < 3


@op(lambda g, y, a, b: linalg.grad_a(g, a, b) if is_matmul(a, b) else tensordot_grad_a(g, a, b, dot_axes(a, b, 2)),
    lambda g, y, a, b: linalg.grad_b(g, a, b) if is_matmul(a, b) else tensordot_grad_b(g, a, b, dot_axes(a, b, 2)),
    numpy=(np.dot,), method=True, analytic=True,
    samples=(S((3,), (3,)), S((2, 3), (3,)), S((2, 3), (3, 4)), S((2, 3, 4), (5, 4, 2)), S((), (3,)), S((2, 3), ()),
             S((3,), (2, 3, 4))))
def dot(a: Any, b: Any) -> Any:
    """The product of two vectors, matrices or numbers; for more axes, summed over the last of a and second-last of b.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([1.0, 2.0]).dot(tt.tensor([3.0, 4.0]))
    tensor(11.)
    """
    return np.dot(*promote_numbers((a, b)))


@op(lambda g, y, a, b: tensordot_grad_a(g, a, b, dot_axes(a, b, 1)),
    lambda g, y, a, b: tensordot_grad_b(g, a, b, dot_axes(a, b, 1)),
    numpy=(np.inner,), analytic=True, samples=(S((3,), (3,)), S((2, 3), (4, 3)), S((2, 3), (3,)), S((), (2, 3))))
def inner(a: Any, b: Any) -> Any:
    """The sum of products over the last axis of a and the last axis of b.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.inner(tt.tensor([1.0, 2.0]), tt.tensor([[3.0, 4.0], [5.0, 6.0]]))
    tensor([11., 17.])
    """
    return np.inner(*promote_numbers((a, b)))


@op(lambda g, y, a, b: (g @ np.reshape(promote_numbers((a, b))[1], -1)).reshape(a.shape),
    lambda g, y, a, b: (np.reshape(promote_numbers((a, b))[0], -1) @ g).reshape(b.shape),
    numpy=(np.outer,), analytic=True, samples=(S((2,), (3,)), S((2, 2), (3,)), S((), (3,)), S((0,), (2,))))
def outer(a: Any, b: Any) -> Any:
    """The outer product: every element of a times every element of b, both flattened.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.outer(tt.tensor([1.0, 2.0]), tt.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    return np.outer(*promote_numbers((a, b)))


@op(lambda g, y, a, b: g * np.reshape(promote_numbers((a, b))[1], a.shape),
    lambda g, y, a, b: g * np.reshape(promote_numbers((a, b))[0], b.shape),
    numpy=(np.vdot,), samples=(S((3,), (3,)), S((2, 3), (3, 2)), S((), ())))
def vdot(a: Any, b: Any) -> Any:
    """The sum of products of two arrays of equal size, both flattened.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.vdot(tt.ones((2, 3)), tt.ones(6))
    tensor(6.)
    """
    return np.vdot(*promote_numbers((a, b)))


def kron_blocks(g: Any, a: Any, b: Any) -> tuple[Any, Any, Any]:
    """g of a Kronecker product reshaped to (a0, b0, a1, b1, ...), and both factors with equally many axes."""
    a, b = promote_numbers((a, b))
    n = max(a.ndim, b.ndim)
    a, b = (np.reshape(x, (1,) * (n - x.ndim) + x.shape) for x in (a, b))
    return g.reshape([size for pair in zip(a.shape, b.shape, strict=True) for size in pair]), a, b


def kron_grad_a(g: Any, a: Any, b: Any) -> Any:
    blocks, _, z = kron_blocks(g, a, b)
    return np.tensordot(blocks, z, (list(range(1, 2 * z.ndim, 2)), list(range(z.ndim)))).reshape(a.shape)


def kron_grad_b(g: Any, a: Any, b: Any) -> Any:
    blocks, z, _ = kron_blocks(g, a, b)
    return np.tensordot(z, blocks, (list(range(z.ndim)), list(range(0, 2 * z.ndim, 2)))).reshape(b.shape)


@op(lambda g, y, a, b: kron_grad_a(g, a, b), lambda g, y, a, b: kron_grad_b(g, a, b), numpy=(np.kron,), analytic=True,
    samples=(S((2,), (3,)), S((2, 3), (3, 2)), S((2,), (2, 3)), S((2, 1, 2), (3,)), S((), (2,)), S((2, 2), ())))
def kron(a: Any, b: Any) -> Any:
    """The Kronecker product: an array of blocks, each of them b times an element of a.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.kron(tt.tensor([1.0, 10.0]), tt.tensor([1.0, 2.0]))
    tensor([ 1.,  2., 10., 20.])
    """
    return np.kron(*promote_numbers((a, b)))


# --- vectors ---


@op(lambda g, y, a, b: np.expand_dims(g, -1) * b, lambda g, y, a, b: np.expand_dims(g, -1) * a,
    broadcasts=True, samples=(S((2, 3), (3,)), S((3,), (3,)), S((2, 1, 3), (4, 3))))
def vecdot_(a: Any, b: Any) -> Any:
    """The op behind `vecdot`, along the last axes.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.vecdot(tt.ones((2, 3)), tt.tensor([1.0, 2.0, 3.0]))
    tensor([6., 6.])
    """
    return np.vecdot(a, b)


@composite(np.vecdot)
def vecdot(x1: Any, x2: Any, axis: int = -1) -> Any:
    """The dot products of vectors along an axis; other axes broadcast.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.vecdot(tt.ones((2, 3)), tt.tensor([1.0, 2.0, 3.0]))
    tensor([6., 6.])
    """
    if axis != -1:
        x1, x2 = (np.moveaxis(x if hasattr(x, "ndim") else as_array(x), axis, -1) for x in (x1, x2))
    return vecdot_(x1, x2)


@op(lambda g, y, a, b: np.expand_dims(g, -1) * np.expand_dims(b, -2), lambda g, y, a, b: vecmat(g, a),
    numpy=(np.matvec,) if hasattr(np, "matvec") else (), broadcasts=True, analytic=True,
    samples=(S((2, 3), (3,)), S((4, 2, 3), (3,)), S((2, 3), (4, 3)), S((0, 3), (3,))))
def matvec(a: Any, b: Any) -> Any:
    """Matrices (..., n, k) times vectors (..., k); the leading axes broadcast.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.matvec(tt.ones((2, 3)), tt.tensor([1.0, 2.0, 3.0]))
    tensor([6., 6.])
    """
    return np.matvec(a, b) if hasattr(np, "matvec") else np.matmul(a, np.expand_dims(b, -1))[..., 0]


@op(lambda g, y, a, b: matvec(b, g), lambda g, y, a, b: np.expand_dims(a, -1) * np.expand_dims(g, -2),
    numpy=(np.vecmat,) if hasattr(np, "vecmat") else (), broadcasts=True,
    samples=(S((2,), (2, 3)), S((2,), (4, 2, 3)), S((4, 2), (2, 3)), S((0,), (0, 3))))
def vecmat(a: Any, b: Any) -> Any:
    """Vectors (..., n) times matrices (..., n, k); the leading axes broadcast.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.vecmat(tt.tensor([1.0, 2.0]), tt.ones((2, 3)))
    tensor([3., 3., 3.])
    """
    return np.vecmat(a, b) if hasattr(np, "vecmat") else np.matmul(np.expand_dims(a, -2), b)[..., 0, :]


@composed(np.cross, "a b", samples=(S((3,), (3,)), S((2, 3), (3,)), S((3, 2), (2, 3), axisa=0, axisc=0),
                                    S((4, 3, 2), (3, 2), axis=-2)))
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The cross product of vectors of three elements (or two, whose third is 0) along an axis; other axes broadcast.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.cross(tt.tensor([1.0, 0.0, 0.0]), tt.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    u, v = np.moveaxis(a, axisa, 0), np.moveaxis(b, axisb, 0)
    p, q = ([*(x[i] for i in range(len(x))), *[None] * (3 - len(x))] for x in (u, v))  # None: a third element, 0

    def minor(i: int, j: int) -> Any:
        first, second = (None if x is None or y is None else x * y for x, y in ((p[i], q[j]), (p[j], q[i])))
        return first if second is None else -second if first is None else first - second

    if p[2] is None and q[2] is None:
        return minor(0, 1)
    return np.stack([minor(1, 2), minor(2, 0), minor(0, 1)], axis=axisc)
