"""Inverses, linear systems, determinants, matrix powers and chained products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compose import composed, nondifferentiable
from ..core import REGISTRY, S, Tensor, primitive
from ..define import op
from .decompositions import diagonals, is_negligible
from .reduce import product_of_others

REGULAR = np.array([[2.0, 1.0, 0.0], [0.5, 3.0, -1.0], [1.0, 0.25, 1.5]])
SEVERAL = np.stack([REGULAR[:2, :2], REGULAR[1:, 1:]])

MAX_NULLITY = 6  # up to this many singular values of 0 are treated exactly; with more, lower derivatives are 0 anyway

# --- inverse and solution ---


@op(lambda g, y, a: -(y.mT @ g @ y.mT), numpy=(np.linalg.inv,), namespace="linalg", analytic=True,
    samples=(S(REGULAR), S(SEVERAL), S(np.zeros((2, 0, 0)))))
def inv(a: Any) -> Any:
    """The inverses of square matrices, (..., n, n). Raises LinAlgError if one is singular.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.inv(tt.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5 , 0.  ],
            [0.  , 0.25]])
    """
    return np.linalg.inv(a)


def solve_grad_b(g: Any, a: Any, b: Any) -> Any:
    """The gradient of b in `solve`; subtle: b is one vector if it has one axis, and otherwise matrices."""
    return np.linalg.solve(a.mT, g[..., None])[..., 0] if b.ndim == 1 else np.linalg.solve(a.mT, g)


def solve_grad_a(g: Any, y: Any, a: Any, b: Any) -> Any:
    gb = solve_grad_b(g, a, b)
    return -(gb[..., None] * y[..., None, :]) if b.ndim == 1 else -(gb @ y.mT)


@op(lambda g, y, a, b: solve_grad_a(g, y, a, b), lambda g, y, a, b: solve_grad_b(g, a, b), numpy=(np.linalg.solve,),
    namespace="linalg", broadcasts=True, analytic=True,
    samples=(S(REGULAR, (3,)), S(REGULAR, (3, 2)), S(SEVERAL, (2,)), S(SEVERAL, (3, 1, 2, 1)), S(REGULAR, (2, 3, 1)),
             S(np.zeros((0, 0)), (0, 2)), S(REGULAR, (3, 0))))
def solve(a: Any, b: Any) -> Any:
    """The solution x of ``a @ x == b``.

    Parameters
    ----------
    a : (..., n, n)
    b : (n,) or (..., n, k)

    Returns
    -------
    x, with the shape of b, broadcast against the leading axes of a.

    Raises
    ------
    LinAlgError
        If a matrix is singular.


    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.solve(tt.tensor([[2.0, 0.0], [0.0, 4.0]]), tt.tensor([2.0, 2.0]))
    tensor([1. , 0.5])
    """
    try:
        return np.linalg.solve(a, b)
    except ValueError as error:
        raise type(error)(f"linalg.solve: got shapes {np.shape(a)} and {np.shape(b)}: {error}; expected a regular a, "
                          f"(..., n, n), and b, (n,) or (..., n, k); reshape them, or use np.linalg.lstsq for a "
                          f"singular a") from None


@composed(np.linalg.tensorinv, namespace="linalg", samples=(S(REGULAR.reshape(3, 3, 1), ind=1),))
def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of a as a linear map from its axes after the first `ind` to the first `ind` axes.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.tensorinv(tt.eye(6).reshape(2, 3, 6), ind=2).shape
    (6, 2, 3)
    """
    rows = math.prod(a.shape[ind:])
    return inv(a.reshape(rows, -1)).reshape(*a.shape[ind:], *a.shape[:ind])


@composed(np.linalg.tensorsolve, "a b", namespace="linalg",
          samples=(S(REGULAR.reshape(3, 3, 1), (3,)), S(REGULAR.reshape(3, 1, 3), (3,), axes=(1,))))
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """The solution x of ``tensordot(a, x, x.ndim) == b``; the `axes` of a are first moved to its end.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.tensorsolve(tt.eye(6).reshape(2, 3, 6), tt.ones((2, 3))).shape
    (6,)
    """
    order = list(range(a.ndim))
    for k in axes or ():
        order.remove(k)
        order.insert(a.ndim, k)
    a = np.transpose(a, order)
    shape = a.shape[-(a.ndim - np.ndim(b)):]
    n = math.prod(shape)
    return solve(a.reshape(n, n), b.reshape(n)).reshape(shape)


# --- determinants ---


@primitive
def cofactors(a: Any) -> Any:
    """The cofactor matrices, which are the derivative of the determinant; for singular ones from the SVD."""
    try:
        inverse = np.linalg.inv(a)
        condition = np.linalg.norm(a, 1, (-2, -1)) * np.linalg.norm(inverse, 1, (-2, -1))
        if not np.any(condition * np.finfo(inverse.dtype).eps > 0.01):
            return np.linalg.det(a)[..., None, None] * inverse.mT
    except np.linalg.LinAlgError:
        pass
    u, s, vh = np.linalg.svd(a)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return (u * product_of_others(sign[..., None], s, -1)[..., None, :]) @ vh


def det_definition(a: Any) -> Any:
    """The determinant by ops that have all derivatives, for singular matrices too.

    The singular vectors, as constants, turn a into an x that is nearly diagonal. Where singular values are 0, a shift d
    makes x regular: ``det(x) = det(x + d) * det(1 - inv(x + d) @ d)``. In the second factor only the columns of these
    singular values matter, and that small determinant is computed without divisions. If more than `MAX_NULLITY` are 0,
    only so many are treated like this; derivatives below that order are 0 either way.
    """
    values, last = a.data if isinstance(a, Tensor) else a, slice(-min(MAX_NULLITY, a.shape[-1]), None)
    if not a.size:
        return np.sum(a, (-2, -1)) + 1
    u, s, vh = np.linalg.svd(np.where(np.isfinite(values), values, 0))
    largest = np.where(s[..., :1] > 0, s[..., :1], 1)
    shift = np.where(is_negligible(s, largest), largest, 0)
    unit = np.eye(a.shape[-1], dtype=a.dtype)
    x = u.mT @ a @ vh.mT + unit * shift[..., None, :]
    small = unit[last, last] - inv(x)[..., last, last] * shift[..., None, last]
    return np.linalg.det(u) * np.linalg.det(vh) * np.exp(logabsdet(x)) * bird_determinant(small)


def bird_determinant(x: Any) -> Any:
    """The determinant without divisions (Bird, "A simple division-free algorithm for computing determinants", 2011)."""
    n = x.shape[-1]
    unit, after, y = np.eye(n, dtype=x.dtype), np.tri(n, k=-1, dtype=x.dtype), x
    for _ in range(n - 1):
        y = (np.triu(y, 1) - unit * (diagonals(y) @ after)[..., None]) @ x
    return y[..., 0, 0] * (-1) ** (n - 1)


@op(lambda g, y, a: g[..., None, None] * cofactors(a), numpy=(np.linalg.det,), namespace="linalg",
    definition=det_definition, samples=(S((3, 3)), S((2, 2, 2)), S((1, 1)), S(np.zeros((2, 0, 0)))))
def det(a: Any) -> Any:
    """The determinants of square matrices, (..., n, n). The gradient is right for singular matrices too.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    >>> np.linalg.det(x).backward()
    >>> print(x.grad.round(3))
    [[ 4. -2.]
     [-2.  1.]]
    """
    return np.linalg.det(a)


def logabsdet_grad(g: Any, y: Any, a: Any) -> Any:
    """g times the transposed inverse; infinite where the determinant is 0, without an attempt to invert."""
    singular = np.isinf(y)[..., None, None]
    inverse = inv(np.where(singular, np.eye(a.shape[-1], dtype=a.dtype), a)).mT
    return g[..., None, None] * np.where(singular, math.inf, inverse)


@op(lambda g, y, a, *, parts: logabsdet_grad(g, y, a), namespace="linalg",
    samples=(S(REGULAR), S(SEVERAL), S(np.zeros((2, 0, 0)))))
def logabsdet(a: Any, *, parts: Any = None) -> Any:
    """The logarithm of the absolute determinant; `parts` are the results of `slogdet`, if they are already known.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.ops.systems import logabsdet
    >>> logabsdet(tt.eye(3) * -1.0)
    tensor(0.)
    """
    return np.linalg.slogdet(a)[1] if parts is None else parts[1]


@composed(np.linalg.slogdet, namespace="linalg", samples=(S(REGULAR), S(SEVERAL)))
def slogdet(a: Any, *, value: Any) -> Any:
    """The sign and the logarithm of the absolute value of the determinants of square matrices, (..., n, n).

    The sign has no gradient. A singular matrix has the logarithm -inf, with an infinite gradient.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.slogdet(tt.eye(2) * -1.0)
    SlogdetResult(sign=tensor(1.), logabsdet=tensor(0.))
    """
    return type(value)(value[0], logabsdet(a, parts=value))


# --- products and powers ---


@composed(np.linalg.matrix_power, namespace="linalg",
          samples=(S((3, 3), n=0), S((3, 3), n=1), S((2, 2, 2), n=3)))
def matrix_power(a: Any, n: int) -> Any:
    """Square matrices, (..., n, n), to an integer power n; a negative n gives powers of the inverse.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.matrix_power(tt.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    tensor([[1., 5.],
            [0., 1.]])
    """
    if n < 0:
        return matrix_power(inv(a), -n)
    squares, product = a, None
    for digit in reversed(f"{n:b}"):
        if digit == "1":
            product = squares if product is None else product @ squares
        squares = squares @ squares
    return np.sign(a) * 0 if product is None else product  # a constant, whose gradient is 0


def multi_dot_grad(g: Any, i: int, arrays: Any) -> Any:
    """The gradient of factor i: the transposed factors before it, times g, times the transposed factors after it."""
    if len(arrays) == 2:
        return REGISTRY["dot"].rules[i](g, None, *arrays)  # two arrays may have any number of axes
    first, last = arrays[0], arrays[-1]
    rows, columns = math.prod(first.shape[:-1]), math.prod(last.shape[1:])
    factors = [first.reshape(rows, first.shape[-1]), *arrays[1:-1], last.reshape(last.shape[0], columns)]
    transposed = [x.mT for x in reversed(factors)]
    n = len(arrays) - i
    chain = [*transposed[n:], g.reshape(rows, columns), *transposed[: n - 1]]
    return np.linalg.multi_dot(chain).reshape(arrays[i].shape)


@op(lambda g, y, i, *arrays: multi_dot_grad(g, i, arrays), numpy=(np.linalg.multi_dot,), namespace="linalg",
    variadic=True, analytic=True,
    samples=(S((2, 3), (3, 4), (4, 2)), S((3,), (3, 4), (4, 2), (2,)), S((3,), (3, 2)), S((2, 3), (3,)),
             S((2, 0), (0, 3), (3, 2))))
def multi_dot(*arrays: Any) -> Any:
    """The product of a sequence of two or more matrices, in the order that takes the fewest multiplications.

    The first and the last may be vectors.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.multi_dot([tt.ones(2), tt.ones((2, 3)), tt.ones(3)])
    tensor(6.)
    """
    return np.linalg.multi_dot(arrays)


nondifferentiable(np.linalg.matrix_rank, namespace="linalg")
