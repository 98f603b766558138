"""Polynomials as arrays of coefficients, highest power first: NumPy's functions, with gradients by composition."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..apply import operand
from ..compose import composed
from ..core import S, as_array
from .like import zeros_like
from .limits import astype

P, Q = S((4,), (2,)), S((2,), (4,))


def as_vector(p: Any) -> Any:
    """The coefficients as an array of one axis."""
    p = p if hasattr(p, "ndim") else np.stack(p) if isinstance(p, list | tuple) and len(p) else as_array(p)
    return np.reshape(p, -1) if not p.ndim else p


def zeros(n: int, like: Any) -> Any:
    return np.zeros(n, like.dtype)


def plain_values(p: Any) -> Any:
    """The coefficients as a plain array, to see which are 0."""
    return np.asarray(operand(p))


@composed(np.polyval, "p x", samples=(S((4,), (2, 3)), S((1,), (2,)), S((3,), ())))
def polyval(p: Any, x: Any) -> Any:
    """The value at x of the polynomial with n coefficients p: p[0] * x**(n - 1) + ... + p[n - 1].

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.polyval(tt.tensor([1.0, 0.0, -1.0]), tt.tensor([2.0, 3.0]))
    tensor([3., 8.])
    """
    y = zeros_like(x if hasattr(x, "dtype") else as_array(x))
    for c in p:
        y = y * x + c
    return y


def pad_to_equal(a1: Any, a2: Any) -> tuple[Any, Any]:
    """Both, the shorter one with zeros in front, so that they have equally many coefficients."""
    a, b = as_vector(a1), as_vector(a2)
    n = max(len(a), len(b))
    a, b = (np.concatenate([zeros(n - len(p), p), p]) if len(p) < n else p for p in (a, b))
    return a, b


@composed(np.polyadd, "a1 a2", samples=(P, Q, S((3,), (3,))))
def polyadd(a1: Any, a2: Any) -> Any:
    """The sum of two polynomials.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.polyadd(tt.tensor([1.0, 2.0]), tt.tensor([3.0]))
    tensor([1., 5.])
    """
    a, b = pad_to_equal(a1, a2)
    return a + b


@composed(np.polysub, "a1 a2", samples=(P, Q))
def polysub(a1: Any, a2: Any) -> Any:
    """The difference of two polynomials.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.polysub(tt.tensor([1.0, 2.0]), tt.tensor([3.0]))
    tensor([ 1., -1.])
    """
    a, b = pad_to_equal(a1, a2)
    return a - b


def trim_leading_zeros(p: Any) -> Any:
    """The coefficients from the first nonzero one on; those before it get no gradient, for the result lacks them."""
    p = as_vector(p)
    nonzero = np.flatnonzero(plain_values(p))
    return p[nonzero[0] if len(nonzero) else len(p) - 1 :] if len(p) else zeros(1, p)


@composed(np.polymul, "a1 a2", samples=(P, Q))
def polymul(a1: Any, a2: Any) -> Any:
    """The product of two polynomials. Leading zeros are dropped, so its length depends on their values.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.polymul(tt.tensor([1.0, 1.0]), tt.tensor([1.0, -1.0]))
    tensor([ 1.,  0., -1.])
    """
    a, b = trim_leading_zeros(a1), trim_leading_zeros(a2)
    n, m = len(a), len(b)
    table = np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))  # row i is to be shifted right by i
    rows = np.concatenate([table, np.zeros((n, n), table.dtype)], axis=1).reshape(-1)[: n * (n + m - 1)]
    return rows.reshape(n, n + m - 1).sum(axis=0)


@composed(np.polydiv, "u v", samples=(S((4,), np.array([2.0, 1.0])), S((2,), np.array([2.0, 1.0, 3.0]))))
def polydiv(u: Any, v: Any) -> Any:
    """Quotient and remainder of two polynomials. The remainder has no leading zeros, so its length depends on values.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.polydiv(tt.tensor([1.0, 0.0, 1.0]), tt.tensor([1.0, 1.0]))
    (tensor([ 1., -1.]), tensor([2.]))
    """
    a, b = as_vector(u), as_vector(v)
    remainder_size = len(np.polydiv(plain_values(a), plain_values(b))[1])
    quotient = []
    for k in range(len(a) - len(b) + 1):
        c = a[k] / b[0]
        quotient.append(c)
        a = a - np.concatenate([zeros(k, b), c * b, zeros(len(a) - len(b) - k, b)])
    return np.stack(quotient) if quotient else np.zeros(1, a.dtype), a[len(a) - remainder_size :]


@composed(np.polyder, samples=(S((4,)), S((4,), m=2), S((2,), m=3), S((3,), m=0)))
def polyder(p: Any, m: int = 1) -> Any:
    """The m-th derivative of a polynomial.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.polyder(tt.tensor([1.0, 2.0, 3.0]))
    tensor([2., 2.], dtype=float64)
    """
    for _ in range(m):
        p = p[:-1] * np.arange(len(p) - 1, 0, -1)
    return p


@composed(np.polyint, "p k", samples=(S((3,)), S((3,), m=2), S((3,), m=2, k=[1.0, 2.0]), S((3,), m=0)))
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The m-th antiderivative of a polynomial, with integration constants k (0): one for each, or one for all.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.polyint(tt.tensor([2.0, 2.0]))
    tensor([1., 2., 0.], dtype=float64)
    """
    if not m:
        return p
    p = as_vector(p)
    k = np.zeros(m, p.dtype) if k is None else as_vector(k)
    for i in range(m):
        constant = k[i if len(k) > 1 else 0]
        p = np.concatenate([p / np.arange(len(p), 0, -1), np.reshape(constant, 1)])
    return p


@composed(np.vander, samples=(S((3,)), S((3,), N=2), S((3,), N=4, increasing=True), S((3,), N=0)))
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The Vandermonde matrix: its N columns are the powers of x, highest first unless `increasing`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.vander(tt.tensor([2.0, 3.0]), 3)
    tensor([[4., 2., 1.],
            [9., 3., 1.]], dtype=float64)
    """
    n = len(x) if N is None else N
    columns = [astype(x**i, x.dtype) for i in range(n)]
    return np.stack(columns if increasing else columns[::-1], axis=1) if n else np.zeros((len(x), 0), x.dtype)


@composed(np.polyfit, "x y w", samples=(S(np.arange(5.0), (5,), 2), S(np.arange(4.0), (4, 2), 1),
                                    S(np.arange(4.0), (4,), 1, w=np.array([1.0, 2.0, 1.0, 0.5]))))
def polyfit(x: Any, y: Any, deg: int, rcond: float | None = None, full: bool = False, w: Any = None,
            cov: Any = False) -> Any:
    """The coefficients of the polynomial of degree `deg` that fits the points (x, y) best, by weighted least squares.

    Parameters
    ----------
    x : (n,)
    y : (n,) or (n, k)
    deg : int
    rcond : float, optional
        As in `pinv`.
    full, cov : bool
        Further results, which are refused where a gradient is wanted.
    w : (n,), optional
        Each difference is multiplied by its weight before it is squared.

    Returns
    -------
    (deg + 1,) or (deg + 1, k), float64

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.polyfit(np.array([0.0, 1.0, 2.0]), tt.tensor([1.0, 3.0, 5.0]), 1).round(3)
    tensor([2., 1.], dtype=float64)
    """
    if full or cov:
        raise TypeError("polyfit: got full or cov where a gradient is wanted; expected neither, for no gradient flows "
                        "through them; fit without, and again with x.detach() and y.detach() for them")
    x, y = astype(as_vector(x), np.float64), astype(as_vector(y), np.float64)
    weight = np.ones(len(x)) if w is None else astype(as_vector(w), np.float64)
    table = np.vander(x, deg + 1) * np.expand_dims(weight, 1)
    scale = np.sqrt(np.sum(np.square(table), axis=0))
    rcond = len(x) * np.finfo(np.float64).eps if rcond is None else rcond
    inverse = np.linalg.pinv(table / scale, rcond)
    return (inverse * weight / np.expand_dims(scale, 1)) @ y
