"""Activation functions: relu, leaky_relu, silu, gelu; and erf, which gelu uses.

Those that are NumPy functions, such as tanh, are in `elementwise.py`; so is sigmoid, which rules there use.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import S
from ..define import op
from ..modes import state
from .elementwise import sigmoid, tanh

# --- erf ---

# Coefficients, highest power first. The first four tables are from W. J. Cody, "Rational Chebyshev Approximations
# for the Error Function", Math. Comp. 23 (1969), as in his program CALERF (netlib.org/specfun).
NEAR = ((1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2,
         3.20937758913846947e3),
        (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3))
FAR = ((2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
        2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
        1.23033935479799725e3),
       (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
        3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3))
# artanh(erf(x)) / x in powers of x**2, for x up to 4; a minimax fit of the relative error of erf
TANH_COEFFICIENTS = (5.42238956e-9, 2.75554871e-8, -4.79440531e-6, 8.45956732e-5, -6.14836206e-4, -1.95290290e-4,
                     1.02769865e-1, 1.12837925)


def polynomial(x: Any, first: float, *rest: float) -> Any:
    """Horner's rule, in one new array."""
    y = x * first
    for c in rest[:-1]:
        y += c
        y *= x
    y += rest[-1]
    return y


def erf_float64(x: Any) -> Any:
    a = np.minimum(np.abs(x), 6)  # beyond 6 erf rounds to 1, as does the second formula
    z = a * a
    near = a * (polynomial(z, *NEAR[0]) / polynomial(z, *NEAR[1]))
    far = 1 - np.exp(-z) * (polynomial(a, *FAR[0]) / polynomial(a, *FAR[1]))
    return np.copysign(np.where(a <= 0.46875, near, far), x)


def erf_float32(x: Any) -> Any:
    a = np.minimum(np.maximum(x, -4), 4)
    return np.tanh(a * polynomial(a * a, *TANH_COEFFICIENTS))


@op(lambda g, y, x: g * np.exp(-x * x) * (2 / math.sqrt(math.pi)), method=True, samples=(S((2, 3)), S(())))
def erf(x: Any) -> Any:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x, elementwise; within 4 ulp.

    float64 uses the rational functions of W. J. Cody (1969); float32 the tanh of a polynomial, four times as fast.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([-1.0, 0.0, 0.5, 6.0]).erf()
    tensor([-0.8427,  0.    ,  0.5205,  1.    ])
    """
    return erf_float32(x) if getattr(x, "dtype", None) == np.float32 else erf_float64(x)


# --- activations ---


@op(lambda g, y, x: np.where(x <= 0, 0, g), method=True, samples=(S((2, 3)), S(())))
def relu(x: Any) -> Any:
    """max(x, 0), elementwise. The gradient is 0 at 0, and g where x is nan, as in PyTorch: a nan is never hidden.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([-1.0, 0.0, 2.0]).relu()
    tensor([0., 0., 2.])
    """
    return np.maximum(x, 0)


@op(lambda g, y, x, *, negative_slope: np.where(x > 0, g, g * negative_slope), samples=(S((2, 3)), S(()),
    S((2, 3), negative_slope=-2.0)))
def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """x if x > 0 else negative_slope * x, elementwise (Maas et al. 2013). The gradient at 0 is negative_slope.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.leaky_relu(tt.tensor([-1.0, 0.0, 2.0]), 0.1)
    tensor([-0.1,  0. ,  2. ])
    """
    low = x * negative_slope
    return np.maximum(x, low) if 0 <= negative_slope <= 1 else np.where(x > 0, x, low)


@op(lambda g, y, x, *, extras: g * (extras + y * (1 - extras)), method=True, definition=lambda x: x * sigmoid(x),
    samples=(S((2, 3)), S(())))
def silu(x: Any) -> Any:
    """x * sigmoid(x), elementwise, also known as swish (Elfwing et al. 2017).

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([-1.0, 0.0, 2.0]).silu()
    tensor([-0.2689,  0.    ,  1.7616])
    """
    s = sigmoid(x)
    return x * s, s


K, CUBIC = math.sqrt(2 / math.pi), 0.044715


def gelu_definition(x: Any, approximate: str = "none") -> Any:
    return x * (1 + (erf(x / math.sqrt(2)) if approximate == "none" else tanh(K * (x + CUBIC * x * x * x)))) * 0.5


@op(lambda g, y, x, *, extras, **_: g * extras, method=True, definition=gelu_definition,
    samples=(S((2, 3)), S(()), S((2, 3), approximate="tanh"), S((), approximate="tanh")))
def gelu(x: Any, approximate: str = "none") -> Any:
    """x times the probability that a standard normal is below x, elementwise (Hendrycks and Gimpel 2016).

    Parameters
    ----------
    x : any shape, floating
    approximate : {"none", "tanh"}
        "none" for (1 + erf(x / sqrt(2))) / 2, "tanh" for GPT-2's (1 + tanh(sqrt(2 / pi) (x + 0.044715 x**3))) / 2,
        which is twice as fast and differs by at most 5e-4.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([-1.0, 0.0, 2.0]).gelu()
    tensor([-0.1587,  0.    ,  1.9545])
    """
    if approximate == "tanh":  # s is the sigmoid of 2 K (x + CUBIC x**3), d the derivative of that
        d = x * x
        d *= K * CUBIC
        d += K
        s = d * x
        s = np.tanh(s, out=s if s.ndim else None)  # subtle: of a 0-d x it is a NumPy scalar
    elif approximate == "none":
        s = erf(x * math.sqrt(0.5))
    else:
        raise ValueError(f"gelu: got approximate={approximate!r}; expected 'none' or 'tanh'; give one of these")
    s *= 0.5
    s += 0.5
    y = x * s
    if not state.recording:
        return y, None
    if approximate == "tanh":  # s' is s (1 - s) d
        d *= 6
        d -= 4 * K
        d *= 1 - s
        d *= y
    else:  # s' is the density of the standard normal
        d = x * x
        d *= -0.5
        d = np.exp(d)
        d *= math.sqrt(0.5 / math.pi)
        d *= x
    d += s
    return y, d  # the derivative s + x s', computed now while its operands are in the cache
