"""Linear systems: inverses, determinants, solutions, powers, and what is composed of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compose import composed, observed
from ..core import S, Tensor
from ..define import op
from .decompositions import diagonal_of, symmetric
from .reduce import product_of_others

REGULAR = np.array([[2.0, 1.0, 0.0], [0.5, 3.0, -1.0], [1.0, 0.25, 1.5]])
SEVERAL = np.stack([REGULAR[:2, :2], REGULAR[1:, 1:]])

# --- inverse and solution ---


@op(lambda g, y, a: -(y.mT @ g @ y.mT), numpy=(np.linalg.inv,), namespace="linalg", analytic=True,
    samples=(S(REGULAR), S(SEVERAL), S(np.zeros((2, 0, 0)))))
def inv(a: Any) -> Any:
    """The inverses of square matrices, (..., n, n); LinAlgError for one that is singular.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.inv(tt.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5 , 0.  ],
            [0.  , 0.25]])
    """
    return np.linalg.inv(a)


def adjoint(g: Any, a: Any, b: Any) -> Any:
    """The gradient of b; subtle: NumPy takes b for one vector if it has one axis, and for matrices else."""
    return np.linalg.solve(a.mT, g[..., None])[..., 0] if b.ndim == 1 else np.linalg.solve(a.mT, g)


def of_matrix(g: Any, y: Any, a: Any, b: Any) -> Any:
    gb = adjoint(g, a, b)
    return -(gb[..., None] * y[..., None, :]) if b.ndim == 1 else -(gb @ y.mT)


@op(lambda g, y, a, b: of_matrix(g, y, a, b), lambda g, y, a, b: adjoint(g, a, b), numpy=(np.linalg.solve,),
    namespace="linalg", broadcasts=True, analytic=True,
    samples=(S(REGULAR, (3,)), S(REGULAR, (3, 2)), S(SEVERAL, (2,)), S(SEVERAL, (3, 1, 2, 1)), S(REGULAR, (2, 3, 1)),
             S(np.zeros((0, 0)), (0, 2)), S(REGULAR, (3, 0))))
def solve(a: Any, b: Any) -> Any:
    """The x of ``a @ x == b``, for square a, (..., n, n), and b, (n,) or (..., n, k); LinAlgError for a singular a.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.solve(tt.tensor([[2.0, 0.0], [0.0, 4.0]]), tt.tensor([2.0, 2.0]))
    tensor([1. , 0.5])
    """
    try:
        return np.linalg.solve(a, b)
    except ValueError as error:
        raise type(error)(f"linalg.solve: shapes {np.shape(a)} and {np.shape(b)}: {error}; expected a regular a, "
                          f"(..., n, n), and b, (n,) or (..., n, k); see help() of the function") from None


@composed(np.linalg.tensorinv, namespace="linalg", samples=(S(REGULAR.reshape(3, 3, 1), ind=1),))
def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of a as a linear map from its axes after the first `ind` to these.

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
    """The x of ``tensordot(a, x, x.ndim) == b``; `axes` of a are moved to its end before.

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


def cofactors(a: Any) -> Any:
    """The derivative of the determinant, by singular values: right for singular matrices too, of any rank."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return (u * product_of_others(sign[..., None], s, -1)[..., None, :]) @ vh


def without_division(a: Any) -> Any:
    """The determinant as a polynomial of the elements, which has all derivatives everywhere.

    Bird's algorithm ("A simple division-free algorithm for computing determinants", 2011): n - 1 products. It loses no
    digits for a diagonal matrix of positive numbers; which is what the singular vectors, taken as constants, make of a.
    """
    n = a.shape[-1]
    u, _, vh = np.linalg.svd(a.data if isinstance(a, Tensor) else a, full_matrices=False)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    x = u.mT @ a @ vh.mT
    if not n:
        return np.linalg.det(x)
    unit, after, y = np.eye(n, dtype=a.dtype), np.tri(n, k=-1, dtype=a.dtype), x
    for _ in range(n - 1):
        y = (np.triu(y, 1) - unit * (diagonal_of(y) @ after)[..., None]) @ x
    return sign * y[..., 0, 0] * (-1) ** (n - 1)


@op(lambda g, y, a: g[..., None, None] * cofactors(a), numpy=(np.linalg.det,), namespace="linalg",
    definition=without_division, samples=(S((3, 3)), S((2, 2, 2)), S((1, 1)), S(np.zeros((2, 0, 0)))))
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


def of_logabsdet(g: Any, y: Any, a: Any) -> Any:
    """The transposed inverse; infinite where the determinant is 0, and no inverse is asked for."""
    singular = np.isinf(y)[..., None, None]
    inverse = inv(np.where(singular, np.eye(a.shape[-1], dtype=a.dtype), a)).mT
    return g[..., None, None] * np.where(singular, math.inf, inverse)


@op(lambda g, y, a, *, parts: of_logabsdet(g, y, a), namespace="linalg",
    samples=(S(REGULAR), S(SEVERAL), S(np.zeros((2, 0, 0)))))
def logabsdet(a: Any, *, parts: Any = None) -> Any:
    """The logarithm of the absolute value of the determinant; `parts`: what `slogdet` gives, where that is known.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.linalg.logabsdet(tt.eye(3) * -1.0)
    tensor(0.)
    """
    return np.linalg.slogdet(a)[1] if parts is None else parts[1]


@composed(np.linalg.slogdet, namespace="linalg", samples=(S(REGULAR), S(SEVERAL)))
def slogdet(a: Any, *, value: Any) -> Any:
    """Sign and logarithm of the determinants of square matrices, (..., n, n). The sign has no gradient.

    A singular matrix has a logarithm of -inf, with an infinite gradient.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.slogdet(tt.eye(2) * -1.0)
    SlogdetResult(sign=tensor(1.), logabsdet=tensor(0.))
    """
    return type(value)(value[0], logabsdet(a, parts=value))


# --- least squares ---


def truncation(g: Any, a: Any, rcond: Any) -> Any:
    """What `of_pinv` leaves out where singular values that are not 0 are cut off: it would change with these.

    In the frame of the singular vectors the derivative of 1 / s is a divided difference, of sums for symmetric and of
    differences for antisymmetric changes; here, for each kept s beside each that is not, less what it is were that 0.
    """
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    kept = s > np.asarray(rcond)[..., None] * np.max(s, -1, keepdims=True)
    mixed = kept[..., None, :] != kept[..., :, None]
    low, high = (f(s[..., None, :], s[..., :, None]) for f in (np.minimum, np.maximum))
    factor = np.where(mixed, low / np.where(mixed, high * high, 1), 0)
    turned = (vh @ g @ u).mT
    inner = factor / np.where(mixed, high - low, 1) * symmetric(turned)
    return u @ (inner - factor / np.where(mixed, high + low, 1) * 0.5 * (turned - turned.mT)) @ vh


def of_pinv(g: Any, p: Any, a: Any, rcond: Any, hermitian: bool, rtol: Any) -> Any:
    """Golub and Pereyra, "The differentiation of pseudo-inverses" (1973)."""
    if not a.size:
        return np.zeros_like(a)
    if hermitian:
        a = np.tril(a) + np.tril(a, -1).mT
    left, right = p @ p.mT, p.mT @ p
    second, third = g.mT @ left, right @ g.mT
    ga = second - a @ (p @ second) + third - (third @ p) @ a - p.mT @ g @ p.mT
    cut_off = rcond if rcond is not None else None if rtol is np._NoValue else rtol
    if cut_off is not None:
        ga = ga + truncation(g, a, cut_off)
    return symmetric(ga) if hermitian else ga


@op(lambda g, y, a, *, rcond, hermitian, rtol: of_pinv(g, y, a, rcond, hermitian, rtol), numpy=(np.linalg.pinv,),
    namespace="linalg",
    samples=(S(REGULAR), S(REGULAR[:2]), S(SEVERAL, rcond=0.3), S(REGULAR[:, :2], rtol=0.9), S(np.zeros((0, 3)))))
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    """The pseudo-inverses of matrices, (..., m, n); singular values up to `rcond` times the largest count as 0.

    The gradient is that at constant rank. For a `hermitian` matrix it is the symmetric one.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.pinv(tt.tensor([[2.0, 0.0], [0.0, 0.0]]))
    tensor([[0.5, 0. ],
            [0. , 0. ]])
    """
    return np.linalg.pinv(a, rcond, hermitian, **({} if rtol is np._NoValue else {"rtol": rtol}))


@composed(np.linalg.lstsq, "a b", namespace="linalg",
          samples=(S(REGULAR[:, :2], (3,)), S(REGULAR[:2], (2, 2)), S(REGULAR, (3, 1))))
def lstsq(a: Any, b: Any, rcond: Any = None, *, value: Any) -> Any:
    """The x, (n,) or (n, k), with the least ``norm(b - a @ x)``, for a, (m, n), and b, (m,) or (m, k).

    With it come the squared residuals (if m > n, and a has full rank), the rank, which has no gradient, and the
    singular values of a. As `pinv` for singular values that count as 0.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x, residuals, rank, s = np.linalg.lstsq(tt.tensor([[1.0], [1.0]]), tt.tensor([1.0, 3.0]))
    >>> print(x, residuals, rank)
    tensor([2.]) tensor([2.]) tensor(1, dtype=int32)
    """
    if not a.size:
        return value
    small = max(a.shape) * float(np.finfo(value[0].dtype).eps) if rcond is None else rcond
    x = pinv(a, **({"rcond": small} if rcond is not None else {"rtol": None})) @ b
    residuals = np.sum(np.square(b - a @ x), 0).reshape(value[1].shape) if value[1].size else value[1]
    return x, residuals, value[2], np.linalg.svd(a, compute_uv=False) if isinstance(a, Tensor) else value[3]


# --- products and powers ---


@composed(np.linalg.matrix_power, namespace="linalg",
          samples=(S((3, 3), n=0), S((3, 3), n=1), S((2, 2, 2), n=3), S(REGULAR, n=-2)))
def matrix_power(a: Any, n: int) -> Any:
    """Square matrices, (..., n, n), to the whole power n; a negative one is a power of the inverse.

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


def of_factor(g: Any, i: int, arrays: Any) -> Any:
    """The gradient of one factor of a product: g between the transposed factors before it and after it."""
    shapes = [x.shape for x in arrays]
    factors = [arrays[0].reshape(-1, shapes[0][-1]), *arrays[1:-1], arrays[-1].reshape(shapes[-1][0], -1)]
    before, after = [x.mT for x in factors[:i]], [x.mT for x in factors[i + 1 :]]
    g = g.reshape(factors[0].shape[0], factors[-1].shape[1])
    return np.linalg.multi_dot([*before[::-1], g, *after[::-1]]).reshape(shapes[i])


@op(lambda g, y, i, *arrays: of_factor(g, i, arrays), numpy=(np.linalg.multi_dot,), namespace="linalg", variadic=True,
    analytic=True, samples=(S((2, 3), (3, 4), (4, 2)), S((3,), (3, 4), (4, 2), (2,)), S((3,), (3, 2)), S((2, 3), (3,)),
                            S((2, 0), (0, 3), (3, 2))))
def multi_dot(*arrays: Any) -> Any:
    """The product of two or more matrices of one sequence, in the order that takes the fewest multiplications.

    The first and the last may be vectors.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.multi_dot([tt.ones(2), tt.ones((2, 3)), tt.ones(3)])
    tensor(6.)
    """
    return np.linalg.multi_dot(arrays)


observed(np.linalg.matrix_rank, namespace="linalg")
