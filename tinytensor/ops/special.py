"""Elementwise functions whose rules do not fit into one row: powers, ldexp, sinc and i0."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compose import composed
from ..core import POSITIVE, REAL, S
from ..define import op

NUMBERS = (int, float, bool)

# --- powers ---


@op(lambda g, y, a, b: g * dpow_dbase(a, b),
    lambda g, y, a, b: g * dpow_dexponent(y, a, b),
    numpy=(np.power,), method=True, aliases=("pow",), broadcasts=True, domain=(POSITIVE, REAL), analytic=True,
    samples=(S((2, 3), (3,)), S((2, 1), (1, 3)), S((2, 3), 2), S((3,), 3), S((3,), 0.5), S((3,), -1), S((3,), 0),
             S((3,), 1), S((3,), 2.5), S(2.0, (3,))))
def power(a: Any, b: Any) -> Any:
    """Raise a to the power b, elementwise; inputs broadcast.

    Exponents that are Python numbers are fastest: 2, 3, 0.5 and -1 become multiplications, a square root and a
    division. At ``0 ** 0`` both gradients are 0; for a base of 0 and a negative exponent the gradient of a is infinite;
    for a negative base the gradient of b is nan.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([1.0, 2.0, 3.0]) ** 2
    tensor([1., 4., 9.])
    """
    return np.power(a, b) if getattr(a, "dtype", REAL) is REAL or a.dtype.kind != "f" else scalar_power(a, b)


def scalar_power(a: Any, b: Any) -> Any:
    """a ** b for floating a; for a Python number b in -1, 0, 0.5, 1, 2, 3 without the slow `np.power`."""
    if type(b) not in NUMBERS or b not in (-1, 0, 0.5, 1, 2, 3):
        return np.power(a, b)
    if b == 2 or b == 3:
        return a * a if b == 2 else a * a * a
    return np.sqrt(a) if b == 0.5 else 1 / a if b == -1 else np.ones_like(a) * 1 if b == 0 else a * 1


def dpow_dbase(a: Any, b: Any) -> Any:
    """The derivative of a ** b by a: b * a ** (b - 1); subtle: 0 at 0 ** 0, although the power is infinite there."""
    if type(b) in NUMBERS:
        return b * scalar_power(a, b - 1) if b else np.zeros_like(a)
    if b.dtype.kind == "b":
        return b * np.ones_like(a)
    if b.dtype.kind != "f":  # subtle: of unsigned integers, 0 - 1 would wrap around
        return b * np.power(a, np.where(b == 0, 1, b) - 1)
    return b * np.power(a, np.where((a == 0) & (b == 0), 1, b - 1))


def dpow_dexponent(y: Any, a: Any, b: Any) -> Any:
    """The derivative of y = a ** b by b: y * log(a), and 0 where a is 0 and b is not negative."""
    return y * np.log(np.where((a == 0) & (b >= 0), np.ones_like(y), a))


@op(lambda g, y, a, b: g * dpow_dbase(a, b),
    lambda g, y, a, b: g * dpow_dexponent(y, a, b),
    numpy=(np.float_power,), broadcasts=True, domain=(POSITIVE, REAL), analytic=True,
    samples=(S((2, 3), (3,)), S((2, 1), (1, 3))))
def float_power(a: Any, b: Any) -> Any:
    """Raise a to the power b, computed in float64 or wider; see `power`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.float_power(tt.tensor([1, 2, 3]), -1).dtype
    dtype('float64')
    """
    return np.float_power(a, b)


@op(lambda g, y, x, i: np.ldexp(g, i), None, numpy=(np.ldexp,), broadcasts=True,
    samples=(S((2, 3), np.array([-1, 0, 2])),))
def ldexp(x: Any, i: Any) -> Any:
    """x * 2**i, elementwise, for integers i; inputs broadcast.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ldexp(tt.tensor([1.0, 3.0]), 2)
    tensor([ 4., 12.])
    """
    return np.ldexp(x, i)


# --- functions whose formula is 0 / 0 at some point, differentiated through another formula ---

NODES, WEIGHTS = (a / 2 for a in np.polynomial.legendre.leggauss(16))  # Gauss-Legendre quadrature on (0, 1)
NODES = NODES + 0.5


@composed(np.sinc, samples=(S((2, 3)), S(()), S(np.array([0.0, 1.0, -1.0, 0.5]))))
def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), elementwise, and 1 at 0. Derivatives of every order are right at 0 too.

    For abs(x) < 1 it is differentiated as the integral of cos(pi x t) over t from 0 to 1, by Gauss-Legendre quadrature.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.sinc(tt.tensor([0.0, 0.5, 1.5]))
    tensor([ 1.    ,  0.6366, -0.2122])
    """
    near, z = np.abs(x) < 1, x * math.pi
    inner, outer = np.where(near, z, 0), np.where(near, 1, z)
    dtype = np.result_type(z.dtype, np.float32)
    integral = np.cos(np.expand_dims(inner, -1) * NODES.astype(dtype)) @ WEIGHTS.astype(dtype)
    return np.where(near, integral, np.sin(outer) / outer)


COSINES = np.cos((np.arange(64) + 0.5) * math.pi / 128)


@composed(np.i0, samples=(S((2, 3)), S(()), S(np.array([0.0, 1.0, -1.0, 30.0]))))
def i0(x: Any) -> Any:
    """The modified Bessel function of the first kind of order 0, elementwise.

    It is differentiated as the mean of cosh(x cos t) over t (Abramowitz and Stegun 9.6.16), by the midpoint rule, which
    for a periodic function is exact to rounding, up to where i0 overflows. The first derivative is the Bessel function
    i1.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor([0.0, 1.0], requires_grad=True)
    >>> np.i0(x).sum().backward()
    >>> x.grad
    array([0.       , 0.5651591], dtype=float32)
    """
    dtype = np.result_type(x.dtype, np.float32)
    return np.mean(np.cosh(np.expand_dims(x, -1) * COSINES.astype(dtype)), axis=-1)
