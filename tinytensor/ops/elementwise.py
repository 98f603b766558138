"""The elementwise ops: one row for each NumPy ufunc, with its derivatives.

Inputs broadcast. The engine sums the gradients back to the inputs' shapes, so no rule does. Elementwise functions with
parameters are in `special.py`, `rounding.py` and `limits.py`, Python's operators in `operators.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import NONZERO, POSITIVE, REAL, Domain, S
from ..define import op, row

UNIT, ABOVE_ONE, ABOVE_MINUS_ONE = Domain(((-1, 1),)), Domain(((1, np.inf),)), Domain(((-1, np.inf),))
HALF_TURN = Domain(((-math.pi / 2, math.pi / 2),))
LN2, LN10, DEGREE = math.log(2), math.log(10), math.pi / 180

# --- helpers of the rules below ---


def safe_denominator(x: Any) -> Any:
    """x, with 1 in place of 0: for quotients whose numerator is 0 wherever x is, so that they are 0 there."""
    return np.where(x == 0, 1, x)


def over_squared_norm(a: Any, b: Any) -> Any:
    """a / (a**2 + b**2), without squaring, which could overflow or underflow."""
    length = safe_denominator(np.hypot(a, b))
    return a / length / length


def tie_split_grad(g: Any, x: Any, other: Any, smaller: Any) -> Any:
    """The gradient of x in a maximum (minimum): 0 where x is smaller (larger), g / 2 at a tie, else g.

    Comparisons with nan are False, so where one input is nan, and hence the output, both get g.
    """
    return np.where(smaller, 0, np.where(x == other, 0.5 * g, g))


def chosen_grad(g: Any, y: Any, x: Any, other: Any) -> Any:
    """The gradient of x in fmax or fmin, which ignore a single nan: g where x is the output, g / 2 at a tie, else 0."""
    nan = y != y
    return np.where((y == x) | nan, np.where((x == other) | nan, 0.5 * g, g), 0)


def sign_flipped_grad(g: Any, y: Any, a: Any) -> Any:
    """g where y has the sign of a, else -g."""
    return np.where(np.signbit(y) == np.signbit(a), g, -g)


def inf_safe_diff(a: Any, b: Any) -> Any:
    """a - b, and 0 where both are the same infinity."""
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
    y, total = np.exp(np.minimum(x, 0)), np.exp(-np.abs(x))  # np.where on the sign of x would take thrice as long
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
logaddexp   = row(np.logaddexp,   lambda g, y, a, b: g * sigmoid(inf_safe_diff(a, b)),
                                  lambda g, y, a, b: g * sigmoid(inf_safe_diff(b, a)))
logaddexp2  = row(np.logaddexp2,  lambda g, y, a, b: g * sigmoid(inf_safe_diff(a, b) * LN2),
                                  lambda g, y, a, b: g * sigmoid(inf_safe_diff(b, a) * LN2))

# --- trigonometric and hyperbolic ---

sin         = row(np.sin,         lambda g, y, x: g * np.cos(x),                                     analytic=True)
cos         = row(np.cos,         lambda g, y, x: -g * np.sin(x),                                    analytic=True)
tan         = row(np.tan,         lambda g, y, x: g * (1 + y * y), domain=HALF_TURN,                 analytic=True)
arcsin      = row(np.arcsin,      lambda g, y, x: g / np.sqrt((1 - x) * (1 + x)),  domain=UNIT,       analytic=True)
arccos      = row(np.arccos,      lambda g, y, x: -g / np.sqrt((1 - x) * (1 + x)), domain=UNIT,       analytic=True)
arctan      = row(np.arctan,      lambda g, y, x: g / (1 + x * x),                                   analytic=True)
sinh        = row(np.sinh,        lambda g, y, x: g * np.cosh(x),                                    analytic=True)
cosh        = row(np.cosh,        lambda g, y, x: g * np.sinh(x),                                    analytic=True)
tanh        = row(np.tanh,        lambda g, y, x: g * (1 - y * y),                                   analytic=True)
arcsinh     = row(np.arcsinh,     lambda g, y, x: g / np.sqrt(x * x + 1),                            analytic=True)
arccosh     = row(np.arccosh,     lambda g, y, x: g / np.sqrt((x - 1) * (x + 1)),  domain=ABOVE_ONE,  analytic=True)
arctanh     = row(np.arctanh,     lambda g, y, x: g / ((1 - x) * (1 + x)),         domain=UNIT,       analytic=True)
deg2rad     = row(np.deg2rad,     lambda g, y, x: g * DEGREE)
radians     = row(np.radians,     lambda g, y, x: g * DEGREE)
rad2deg     = row(np.rad2deg,     lambda g, y, x: g / DEGREE)
degrees     = row(np.degrees,     lambda g, y, x: g / DEGREE)
arctan2     = row(np.arctan2,     lambda g, y, a, b: g * over_squared_norm(b, a),
                                  lambda g, y, a, b: -g * over_squared_norm(a, b), domain=NONZERO)
hypot       = row(np.hypot,       lambda g, y, a, b: g * a / safe_denominator(y),
                                  lambda g, y, a, b: g * b / safe_denominator(y), domain=NONZERO)

BOTH = "At a tie each input gets g / 2. Where the output is nan both get g, as in PyTorch: a nan is never hidden."
OTHER = "At a tie, and where both are nan, each input gets g / 2. Where one is nan the other gets g."

# --- kinks and jumps: a tie splits the gradient, a jump has gradient 0, a nan passes it on ---

absolute    = row(np.absolute,    lambda g, y, x: g * np.sign(x), aliases=("abs",))
fabs        = row(np.fabs,        lambda g, y, x: g * np.sign(x))
maximum     = row(np.maximum,     lambda g, y, a, b: tie_split_grad(g, a, b, a < b),
                                  lambda g, y, a, b: tie_split_grad(g, b, a, b < a), note=BOTH)
minimum     = row(np.minimum,     lambda g, y, a, b: tie_split_grad(g, a, b, a > b),
                                  lambda g, y, a, b: tie_split_grad(g, b, a, b > a), note=BOTH)
fmax        = row(np.fmax,        lambda g, y, a, b: chosen_grad(g, y, a, b),
                                  lambda g, y, a, b: chosen_grad(g, y, b, a), note=OTHER)
fmin        = row(np.fmin,        lambda g, y, a, b: chosen_grad(g, y, a, b),
                                  lambda g, y, a, b: chosen_grad(g, y, b, a), note=OTHER)
remainder   = row(np.remainder,   lambda g, y, a, b: g, lambda g, y, a, b: -g * np.rint((a - y) / b),
                                  domain=(REAL, NONZERO), aliases=("mod",))
fmod        = row(np.fmod,        lambda g, y, a, b: g, lambda g, y, a, b: -g * np.rint((a - y) / b),
                                  domain=(REAL, NONZERO))
copysign    = row(np.copysign,    lambda g, y, a, b: np.where(a == 0, 0, sign_flipped_grad(g, y, a)),
                                  lambda g, y, a, b: np.zeros_like(g), domain=NONZERO)
heaviside   = row(np.heaviside,   lambda g, y, a, b: np.zeros_like(g), lambda g, y, a, b: np.where(a == 0, g, 0))
nextafter   = row(np.nextafter,   lambda g, y, a, b: g,           lambda g, y, a, b: np.zeros_like(g))
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
left_shift, right_shift = row(np.left_shift), row(np.right_shift)
gcd, lcm = row(np.gcd), row(np.lcm)
bitwise_count = row(np.bitwise_count) if hasattr(np, "bitwise_count") else None
