"""The ops that act on each element: a NumPy ufunc and its derivatives, a row each; then the few that need more.

Inputs broadcast; the engine sums gradients back, so no rule knows of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import NONZERO, POSITIVE, REAL, Domain, S, Tensor, as_array
from ..define import op, row

UNIT, ABOVE_ONE, ABOVE_MINUS_ONE = Domain(((-1, 1),)), Domain(((1, np.inf),)), Domain(((-1, np.inf),))
HALF_TURN = Domain(((-math.pi / 2, math.pi / 2),))
NUMBERS = (int, float, bool)
LN2, LN10, DEGREE = math.log(2), math.log(10), math.pi / 180

# --- what the rows below use ---


def nonzero(x: Any) -> Any:
    """x, but 1 where it is 0: a denominator whose numerator is 0 there, so that the gradient is."""
    return np.where(x == 0, 1, x)


def turn(a: Any, b: Any) -> Any:
    """a / (a**2 + b**2), without the square, which would underflow or overflow."""
    length = nonzero(np.hypot(a, b))
    return a / length / length


def winner(g: Any, y: Any, x: Any, other: Any) -> Any:
    """g where x was chosen as y, half of it where both were."""
    return np.where(y == x, np.where(x == other, 0.5 * g, g), 0)


def gap(a: Any, b: Any) -> Any:
    """a - b, but 0 where both are the same infinity."""
    return np.where(np.isinf(a) & (a == b), 0, a - b)


@op(lambda g, y, x: g * y * (1 - y), method=True, samples=(S((2, 3)), S(())))
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), elementwise, without overflow for any x and with full precision in both tails.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([-1e4, 0.0, 1e4]).sigmoid()
    tensor([0. , 0.5, 1. ])
    """
    y, total = np.exp(np.minimum(x, 0)), np.exp(-np.abs(x))  # no choice by the sign: that would take thrice as long
    total += 1
    y /= total
    return y


# --- arithmetic ---

add         = row(np.add,         lambda g, y, a, b: g,            lambda g, y, a, b: g,             analytic=True)
subtract    = row(np.subtract,    lambda g, y, a, b: g,            lambda g, y, a, b: -g,            analytic=True)
multiply    = row(np.multiply,    lambda g, y, a, b: g * b,        lambda g, y, a, b: g * a,         analytic=True)
divide      = row(np.divide,      lambda g, y, a, b: g / b,        lambda g, y, a, b: -g * y / b,    analytic=True,
                  domain=(REAL, NONZERO), aliases=("true_divide",))
negative    = row(np.negative,    lambda g, y, x: -g,                                                analytic=True)
positive    = row(np.positive,    lambda g, y, x: g,                                                 analytic=True)
square      = row(np.square,      lambda g, y, x: 2 * g * x,                                         analytic=True)
reciprocal  = row(np.reciprocal,  lambda g, y, x: -g * y * y,      domain=NONZERO,                   analytic=True)
sqrt        = row(np.sqrt,        lambda g, y, x: 0.5 * g / y,     domain=POSITIVE,                  analytic=True)
cbrt        = row(np.cbrt,        lambda g, y, x: g / (3 * y * y), domain=NONZERO)
conjugate   = row(np.conjugate,   lambda g, y, x: g,               aliases=("conj",))

# --- exponentials and logarithms ---

exp         = row(np.exp,         lambda g, y, x: g * y,                                             analytic=True)
exp2        = row(np.exp2,        lambda g, y, x: g * y * LN2,                                       analytic=True)
expm1       = row(np.expm1,       lambda g, y, x: g * (y + 1),                                       analytic=True)
log         = row(np.log,         lambda g, y, x: g / x,           domain=POSITIVE,                  analytic=True)
log2        = row(np.log2,        lambda g, y, x: g / (x * LN2),   domain=POSITIVE,                  analytic=True)
log10       = row(np.log10,       lambda g, y, x: g / (x * LN10),  domain=POSITIVE,                  analytic=True)
log1p       = row(np.log1p,       lambda g, y, x: g / (x + 1),     domain=ABOVE_MINUS_ONE,           analytic=True)
logaddexp   = row(np.logaddexp,   lambda g, y, a, b: g * sigmoid(gap(a, b)),
                                  lambda g, y, a, b: g * sigmoid(gap(b, a)))
logaddexp2  = row(np.logaddexp2,  lambda g, y, a, b: g * sigmoid(gap(a, b) * LN2),
                                  lambda g, y, a, b: g * sigmoid(gap(b, a) * LN2))

# --- trigonometric and hyperbolic ---

sin         = row(np.sin,         lambda g, y, x: g * np.cos(x),                                     analytic=True)
cos         = row(np.cos,         lambda g, y, x: -g * np.sin(x),                                    analytic=True)
tan         = row(np.tan,         lambda g, y, x: g * (1 + y * y), domain=HALF_TURN,                 analytic=True)
arcsin      = row(np.arcsin,      lambda g, y, x: g / np.sqrt(1 - x * x),  domain=UNIT,              analytic=True)
arccos      = row(np.arccos,      lambda g, y, x: -g / np.sqrt(1 - x * x), domain=UNIT,              analytic=True)
arctan      = row(np.arctan,      lambda g, y, x: g / (1 + x * x),                                   analytic=True)
sinh        = row(np.sinh,        lambda g, y, x: g * np.cosh(x),                                    analytic=True)
cosh        = row(np.cosh,        lambda g, y, x: g * np.sinh(x),                                    analytic=True)
tanh        = row(np.tanh,        lambda g, y, x: g * (1 - y * y),                                   analytic=True)
arcsinh     = row(np.arcsinh,     lambda g, y, x: g / np.sqrt(x * x + 1),                            analytic=True)
arccosh     = row(np.arccosh,     lambda g, y, x: g / np.sqrt(x * x - 1),  domain=ABOVE_ONE,         analytic=True)
arctanh     = row(np.arctanh,     lambda g, y, x: g / (1 - x * x), domain=UNIT,                      analytic=True)
deg2rad     = row(np.deg2rad,     lambda g, y, x: g * DEGREE)
radians     = row(np.radians,     lambda g, y, x: g * DEGREE)
rad2deg     = row(np.rad2deg,     lambda g, y, x: g / DEGREE)
degrees     = row(np.degrees,     lambda g, y, x: g / DEGREE)
arctan2     = row(np.arctan2,     lambda g, y, a, b: g * turn(b, a),
                                  lambda g, y, a, b: -g * turn(a, b), domain=NONZERO)
hypot       = row(np.hypot,       lambda g, y, a, b: g * a / nonzero(y),
                                  lambda g, y, a, b: g * b / nonzero(y), domain=NONZERO)

# --- with kinks and jumps: at a tie the gradient is split, at a jump it is 0 ---

absolute    = row(np.absolute,    lambda g, y, x: g * np.sign(x), aliases=("abs",))
fabs        = row(np.fabs,        lambda g, y, x: g * np.sign(x))
maximum     = row(np.maximum,     lambda g, y, a, b: winner(g, y, a, b), lambda g, y, a, b: winner(g, y, b, a))
minimum     = row(np.minimum,     lambda g, y, a, b: winner(g, y, a, b), lambda g, y, a, b: winner(g, y, b, a))
fmax        = row(np.fmax,        lambda g, y, a, b: winner(g, y, a, b), lambda g, y, a, b: winner(g, y, b, a))
fmin        = row(np.fmin,        lambda g, y, a, b: winner(g, y, a, b), lambda g, y, a, b: winner(g, y, b, a))
remainder   = row(np.remainder,   lambda g, y, a, b: g, lambda g, y, a, b: -g * np.rint((a - y) / b),
                                  domain=(REAL, NONZERO), aliases=("mod",))
fmod        = row(np.fmod,        lambda g, y, a, b: g, lambda g, y, a, b: -g * np.rint((a - y) / b),
                                  domain=(REAL, NONZERO))
copysign    = row(np.copysign,    lambda g, y, a, b: np.where(a == 0, 0, np.where(y == a, g, -g)),
                                  lambda g, y, a, b: np.zeros_like(g), domain=NONZERO)
heaviside   = row(np.heaviside,   lambda g, y, a, b: np.zeros_like(g), lambda g, y, a, b: np.where(a == 0, g, 0))
sign        = row(np.sign,        lambda g, y, x: np.zeros_like(g))
floor       = row(np.floor,       lambda g, y, x: np.zeros_like(g))
ceil        = row(np.ceil,        lambda g, y, x: np.zeros_like(g))
trunc       = row(np.trunc,       lambda g, y, x: np.zeros_like(g))
rint        = row(np.rint,        lambda g, y, x: np.zeros_like(g))
floor_divide = row(np.floor_divide, lambda g, y, a, b: np.zeros_like(g), lambda g, y, a, b: np.zeros_like(g),
                                  domain=(REAL, NONZERO))

# --- comparisons and logic: no derivative ---

equal, not_equal = row(np.equal), row(np.not_equal)
less, less_equal = row(np.less), row(np.less_equal)
greater, greater_equal = row(np.greater), row(np.greater_equal)
logical_and, logical_or = row(np.logical_and), row(np.logical_or)
logical_xor, logical_not = row(np.logical_xor), row(np.logical_not)
isnan, isinf, isfinite, signbit = row(np.isnan), row(np.isinf), row(np.isfinite), row(np.signbit)
bitwise_and, bitwise_or = row(np.bitwise_and), row(np.bitwise_or)
bitwise_xor, invert = row(np.bitwise_xor), row(np.invert)


# --- with parameters, or without a ufunc ---


@op(lambda g, y, a, b: g * slope(a, b),
    lambda g, y, a, b: g * growth(y, a, b),
    numpy=(np.power,), method=True, aliases=("pow",), broadcasts=True, domain=(POSITIVE, REAL), analytic=True,
    samples=(S((2, 3), (3,)), S((2, 1), (1, 3)), S((2, 3), 2), S((3,), 3), S((3,), 0.5), S((3,), -1), S((3,), 0),
             S((3,), 1), S((3,), 2.5), S(2.0, (3,))))
def power(a: Any, b: Any) -> Any:
    """Raise a to the power b, elementwise; inputs broadcast.

    A Python number as exponent is the fast way: 2, 3, 0.5 and -1 are done by multiplication, square root and
    division. The gradient is 0 in a and in b at ``0 ** 0``, infinite in a at 0 for a negative exponent, and nan in b
    for a negative base.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([1.0, 2.0, 3.0]) ** 2
    tensor([1., 4., 9.])
    """
    return np.power(a, b) if getattr(a, "dtype", REAL) is REAL or a.dtype.kind != "f" else raised(a, b)


def raised(a: Any, b: Any) -> Any:
    """a ** b for floating a, without `np.power` where b is a small Python number."""
    if type(b) not in NUMBERS or b not in (-1, 0, 0.5, 1, 2, 3):
        return np.power(a, b)
    if b == 2 or b == 3:
        return a * a if b == 2 else a * a * a
    return np.sqrt(a) if b == 0.5 else 1 / a if b == -1 else np.ones_like(a) if b == 0 else np.positive(a)


def slope(a: Any, b: Any) -> Any:
    """The derivative of a ** b by a; subtle: at 0 ** 0 it is 0, where a ** (b - 1) is infinite."""
    if type(b) in NUMBERS:
        return b * raised(a, b - 1) if b else np.zeros_like(a)
    return b * np.power(a, np.where((a == 0) & (b == 0), 1, b - 1))


def growth(y: Any, a: Any, b: Any) -> Any:
    """The derivative of y = a ** b by b: y log(a), and 0 where a is 0 and y finite."""
    return y * np.log(np.where((a == 0) & (b >= 0), np.ones_like(y), a))


@op(lambda g, y, a, b: g * slope(a, b),
    lambda g, y, a, b: g * growth(y, a, b),
    numpy=(np.float_power,), broadcasts=True, domain=(POSITIVE, REAL), analytic=True,
    samples=(S((2, 3), (3,)), S((2, 1), (1, 3))))
def float_power(a: Any, b: Any) -> Any:
    """Raise a to the power b in float64 at least; see `power`.

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


@op(lambda g, y, x, *, a_min, a_max: np.where(inside(x, a_min, a_max), g, 0), numpy=(np.clip,), method=True,
    broadcasts=True,
    samples=(S((2, 3), a_min=-0.5, a_max=0.5), S((3,), a_min=0.1), S((3,), a_max=0.1)))
def clip(x: Any, a_min: Any = None, a_max: Any = None) -> Any:
    """Limit the values to [a_min, a_max]; None for no limit.

    The gradient is 1 inside and at the limits, 0 outside. No gradient flows to the limits: `minimum` and `maximum`
    have one for both sides.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([-2.0, 0.5, 2.0]).clip(-1, 1)
    tensor([-1. ,  0.5,  1. ])
    """
    return np.clip(x, a_min, a_max)


def inside(x: Any, low: Any, high: Any) -> Any:
    """Whether low <= x <= high, where None is no limit."""
    return (True if low is None else x >= low) & (True if high is None else x <= high)


@op(None, lambda g, y, c, a, b: np.where(c, g, 0), lambda g, y, c, a, b: np.where(c, 0, g), numpy=(np.where,),
    broadcasts=True,
    samples=(S(np.array([True, False, True]), (2, 3), (3,)), S(np.array([[True], [False]]), (2, 3), 0.5)))
def where(condition: Any, a: Any, b: Any) -> Any:
    """a where the condition holds, else b; all three broadcast. The one not taken gets a gradient of exactly 0.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor([-1.0, 2.0])
    >>> tt.where(x > 0, x, 0.1 * x)
    tensor([-0.1,  2. ])
    """
    if type(a) in NUMBERS and type(b) in NUMBERS:
        a = as_array(a)
    return np.where(condition, a, b)


@op(lambda g, y, x, *, dtype: g, numpy=(np.astype,), method=True,
    samples=(S((2, 3), dtype=np.float64), S((2, 3), dtype=np.float32)))
def astype(x: Any, dtype: Any) -> Any:
    """The values as another dtype; the gradient comes back in the first one.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.arange(3).astype(np.float32)
    tensor([0., 1., 2.])
    """
    return x.astype(dtype)


# --- Python's operators ---


def reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    """The operator with its operands exchanged, for ``2 - x`` and ``array / x``."""
    return lambda b, a: function(a, b)


for name, function in {
    "add": add, "sub": subtract, "mul": multiply, "truediv": divide, "pow": power, "mod": remainder,
    "floordiv": floor_divide, "and": bitwise_and, "or": bitwise_or, "xor": bitwise_xor,
}.items():
    setattr(Tensor, f"__{name}__", function)
    setattr(Tensor, f"__r{name}__", reflected(function))
for name, function in {"neg": negative, "pos": positive, "abs": absolute, "invert": invert, "lt": less, "gt": greater,
                       "le": less_equal, "ge": greater_equal, "eq": equal, "ne": not_equal}.items():
    setattr(Tensor, f"__{name}__", function)
