"""The elementwise ops: one row for each NumPy ufunc, with its derivatives.

Inputs broadcast. The engine sums the gradients back to the inputs' shapes, so no rule does. Elementwise functions with
parameters are in `special.py`, `rounding.py` and `limits.py`, Python's operators in `operators.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import NONZERO, POSITIVE, REAL, Domain, S
from ..define import op, ufunc_op

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

add         = ufunc_op(np.add,         lambda g, y, a, b: g,            lambda g, y, a, b: g,             analytic=True)
subtract    = ufunc_op(np.subtract,    lambda g, y, a, b: g,            lambda g, y, a, b: -g,            analytic=True)
multiply    = ufunc_op(np.multiply,    lambda g, y, a, b: g * b,        lambda g, y, a, b: g * a,         analytic=True)
divide      = ufunc_op(np.divide,      lambda g, y, a, b: g / b,        lambda g, y, a, b: -g * y / b,    analytic=True,
                       domain=(REAL, NONZERO), aliases=("true_divide",))
negative    = ufunc_op(np.negative,    lambda g, y, x: -g,                                                analytic=True)
positive    = ufunc_op(np.positive,    lambda g, y, x: g,                                                 analytic=True)
square      = ufunc_op(np.square,      lambda g, y, x: 2 * g * x,                                         analytic=True)
reciprocal  = ufunc_op(np.reciprocal,  lambda g, y, x: -g * y * y,      domain=NONZERO,                   analytic=True)
sqrt        = ufunc_op(np.sqrt,        lambda g, y, x: 0.5 * g / y,     domain=POSITIVE,                  analytic=True)
cbrt        = ufunc_op(np.cbrt,        lambda g, y, x: g / (3 * y * y), domain=NONZERO)
conjugate   = ufunc_op(np.conjugate,   lambda g, y, x: g,               aliases=("conj",))

# --- exponentials and logarithms ---

exp         = ufunc_op(np.exp,         lambda g, y, x: g * y,                                             analytic=True)
exp2        = ufunc_op(np.exp2,        lambda g, y, x: g * y * LN2,                                       analytic=True)
expm1       = ufunc_op(np.expm1,       lambda g, y, x: g * (y + 1),                                       analytic=True)
log         = ufunc_op(np.log,         lambda g, y, x: g / x,           domain=POSITIVE,                  analytic=True)
log2        = ufunc_op(np.log2,        lambda g, y, x: g / (x * LN2),   domain=POSITIVE,                  analytic=True)
log10       = ufunc_op(np.log10,       lambda g, y, x: g / (x * LN10),  domain=POSITIVE,                  analytic=True)
log1p       = ufunc_op(np.log1p,       lambda g, y, x: g / (x + 1),     domain=ABOVE_MINUS_ONE,           analytic=True)
logaddexp   = ufunc_op(np.logaddexp,   lambda g, y, a, b: g * sigmoid(inf_safe_diff(a, b)),
                                       lambda g, y, a, b: g * sigmoid(inf_safe_diff(b, a)))
logaddexp2  = ufunc_op(np.logaddexp2,  lambda g, y, a, b: g * sigmoid(inf_safe_diff(a, b) * LN2),
                                       lambda g, y, a, b: g * sigmoid(inf_safe_diff(b, a) * LN2))

# --- trigonometric and hyperbolic ---

sin         = ufunc_op(np.sin,         lambda g, y, x: g * np.cos(x),                                     analytic=True)
cos         = ufunc_op(np.cos,         lambda g, y, x: -g * np.sin(x),                                    analytic=True)
tan         = ufunc_op(np.tan,         lambda g, y, x: g * (1 + y * y), domain=HALF_TURN,                 analytic=True)
arcsin      = ufunc_op(np.arcsin,      lambda g, y, x: g / np.sqrt((1 - x) * (1 + x)),  domain=UNIT,      analytic=True)
arccos      = ufunc_op(np.arccos,      lambda g, y, x: -g / np.sqrt((1 - x) * (1 + x)), domain=UNIT,      analytic=True)
arctan      = ufunc_op(np.arctan,      lambda g, y, x: g / (1 + x * x),                                   analytic=True)
sinh        = ufunc_op(np.sinh,        lambda g, y, x: g * np.cosh(x),                                    analytic=True)
cosh        = ufunc_op(np.cosh,        lambda g, y, x: g * np.sinh(x),                                    analytic=True)
tanh        = ufunc_op(np.tanh,        lambda g, y, x: g * (1 - y * y),                                   analytic=True)
arcsinh     = ufunc_op(np.arcsinh,     lambda g, y, x: g / np.sqrt(x * x + 1),                            analytic=True)
arccosh     = ufunc_op(np.arccosh,     lambda g, y, x: g / np.sqrt((x - 1) * (x + 1)),  domain=ABOVE_ONE, analytic=True)
arctanh     = ufunc_op(np.arctanh,     lambda g, y, x: g / ((1 - x) * (1 + x)),         domain=UNIT,      analytic=True)
deg2rad     = ufunc_op(np.deg2rad,     lambda g, y, x: g * DEGREE)
radians     = ufunc_op(np.radians,     lambda g, y, x: g * DEGREE)
rad2deg     = ufunc_op(np.rad2deg,     lambda g, y, x: g / DEGREE)
degrees     = ufunc_op(np.degrees,     lambda g, y, x: g / DEGREE)
arctan2     = ufunc_op(np.arctan2,     lambda g, y, a, b: g * over_squared_norm(b, a),
                                       lambda g, y, a, b: -g * over_squared_norm(a, b), domain=NONZERO)
hypot       = ufunc_op(np.hypot,       lambda g, y, a, b: g * a / safe_denominator(y),
                                       lambda g, y, a, b: g * b / safe_denominator(y), domain=NONZERO)

BOTH = "At a tie each input gets g / 2. Where the output is nan both get g, as in PyTorch: a nan is never hidden."
OTHER = "At a tie, and where both are nan, each input gets g / 2. Where one is nan the other gets g."

# --- kinks and jumps: a tie splits the gradient, a jump has gradient 0, a nan passes it on ---

absolute    = ufunc_op(np.absolute,    lambda g, y, x: g * np.sign(x), aliases=("abs",))
fabs        = ufunc_op(np.fabs,        lambda g, y, x: g * np.sign(x))
maximum     = ufunc_op(np.maximum,     lambda g, y, a, b: tie_split_grad(g, a, b, a < b),
                                       lambda g, y, a, b: tie_split_grad(g, b, a, b < a), note=BOTH)
minimum     = ufunc_op(np.minimum,     lambda g, y, a, b: tie_split_grad(g, a, b, a > b),
                                       lambda g, y, a, b: tie_split_grad(g, b, a, b > a), note=BOTH)
fmax        = ufunc_op(np.fmax,        lambda g, y, a, b: chosen_grad(g, y, a, b),
                                       lambda g, y, a, b: chosen_grad(g, y, b, a), note=OTHER)
fmin        = ufunc_op(np.fmin,        lambda g, y, a, b: chosen_grad(g, y, a, b),
                                       lambda g, y, a, b: chosen_grad(g, y, b, a), note=OTHER)
remainder   = ufunc_op(np.remainder,   lambda g, y, a, b: g, lambda g, y, a, b: -g * np.rint((a - y) / b),
                                       domain=(REAL, NONZERO), aliases=("mod",))
fmod        = ufunc_op(np.fmod,        lambda g, y, a, b: g, lambda g, y, a, b: -g * np.rint((a - y) / b),
                                       domain=(REAL, NONZERO))
copysign    = ufunc_op(np.copysign,    lambda g, y, a, b: np.where(a == 0, 0, sign_flipped_grad(g, y, a)),
                                       lambda g, y, a, b: np.zeros_like(g), domain=NONZERO)
heaviside   = ufunc_op(np.heaviside,   lambda g, y, a, b: np.zeros_like(g), lambda g, y, a, b: np.where(a == 0, g, 0))
nextafter   = ufunc_op(np.nextafter,   lambda g, y, a, b: g,           lambda g, y, a, b: np.zeros_like(g))
sign        = ufunc_op(np.sign,        lambda g, y, x: np.zeros_like(g))
floor       = ufunc_op(np.floor,       lambda g, y, x: np.zeros_like(g))
ceil        = ufunc_op(np.ceil,        lambda g, y, x: np.zeros_like(g))
trunc       = ufunc_op(np.trunc,       lambda g, y, x: np.zeros_like(g))
rint        = ufunc_op(np.rint,        lambda g, y, x: np.zeros_like(g))
floor_divide = ufunc_op(np.floor_divide, lambda g, y, a, b: np.zeros_like(g), lambda g, y, a, b: np.zeros_like(g),
                                       domain=(REAL, NONZERO))

# --- comparisons and logic: no derivative ---

equal, not_equal = ufunc_op(np.equal), ufunc_op(np.not_equal)
less, less_equal = ufunc_op(np.less), ufunc_op(np.less_equal)
greater, greater_equal = ufunc_op(np.greater), ufunc_op(np.greater_equal)
logical_and, logical_or = ufunc_op(np.logical_and), ufunc_op(np.logical_or)
logical_xor, logical_not = ufunc_op(np.logical_xor), ufunc_op(np.logical_not)
isnan, isinf, isfinite, signbit = ufunc_op(np.isnan), ufunc_op(np.isinf), ufunc_op(np.isfinite), ufunc_op(np.signbit)
bitwise_and, bitwise_or = ufunc_op(np.bitwise_and), ufunc_op(np.bitwise_or)
bitwise_xor, invert = ufunc_op(np.bitwise_xor), ufunc_op(np.invert)
left_shift, right_shift = ufunc_op(np.left_shift), ufunc_op(np.right_shift)
gcd, lcm = ufunc_op(np.gcd), ufunc_op(np.lcm)
bitwise_count = ufunc_op(np.bitwise_count) if hasattr(np, "bitwise_count") else None
