"""`torch.special`: the error function's kin, the gamma function's, and what else of it is made of a few lines.

Bessel functions, but for i0 and i1, the incomplete gamma functions and orthogonal polynomials are not here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..core import Tensor as Node
from ..names import Missing, refusal
from ..ops.activation import FAR, erf_float64, polynomial
from .dtypes import default
from .elementwise import Function, floating, floats, own
from .offer import FUNCTIONS, offer
from .operators import quiet
from .pairwise import of_two
from .tensor import Tensor, wrap

SPECIAL: dict[str, Callable[..., Any]] = {}
ROOT_PI = math.sqrt(math.pi)


def in_float64(function: Function) -> Function:
    """A function of an array that computes in float64 and gives the array's dtype."""
    def compute(x: Any) -> Any:
        return function(x.astype(np.float64)).astype(x.dtype)

    return compute


# --- the error function's kin; the tables of W. J. Cody (1969), as in `ops/activation.py` ---

TAIL = ((1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
         1.60837851487422766e-2, 6.58749161529837803e-4),
        (1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2,
         2.33520497626869185e-3))


def scaled(a: Any) -> Any:
    """exp(a**2) erfc(a) for a from 0.46875 on."""
    near, far = np.minimum(a, 4), np.maximum(a, 4)
    z = 1 / (far * far)
    tail = (1 / ROOT_PI - z * polynomial(z, *TAIL[0]) / polynomial(z, *TAIL[1])) / far
    return np.where(a <= 4, polynomial(near, *FAR[0]) / polynomial(near, *FAR[1]), tail)


def complement(x: Any) -> Any:
    a = np.maximum(np.abs(x), 0.46875)
    tail = np.exp(-a * a) * scaled(a)
    return np.where(np.abs(x) < 0.46875, 1 - erf_float64(x), np.where(x < 0, 2 - tail, tail))


def scaled_complement(x: Any) -> Any:
    a = np.maximum(np.abs(x), 0.46875)
    tail = scaled(a)
    return np.where(np.abs(x) < 0.46875, np.exp(x * x) * (1 - erf_float64(x)),
                    np.where(x < 0, 2 * np.exp(x * x) - tail, tail))


def solved(inside: Any, rest: Any) -> Any:
    """The y for which erf(y) is `inside` and erfc(y) is `rest`, which is 1 - inside; both are exact, from 0 to 1.

    Winitzki's formula; from there Halley's steps to erf, or, in the tail, Newton's to the logarithm of erfc.
    """
    half = np.log(rest * (1 + inside)) / 2
    first = 2 / (math.pi * 0.147) + half
    y = np.sqrt(np.maximum(np.sqrt(first * first - 2 * half / 0.147) - first, 0))
    near = inside < 0.5
    tail = np.where(near, 1, y)
    for _ in range(3):
        step = (erf_float64(y) - inside) * np.exp(np.where(near, y * y, 0)) * (ROOT_PI / 2)
        y = np.where(near, y - step / (1 + y * step), y)
        value = scaled(tail)
        tail = tail + (np.log(value) - tail * tail - np.log(rest)) * value * (ROOT_PI / 2)
    return np.where(near, y, np.where(rest == 0, np.inf, tail))


def inverse(x: Any) -> Any:
    """The inverse of erf."""
    a = np.abs(x)
    return np.copysign(np.where(a <= 1, solved(np.minimum(a, 1), np.maximum(1 - a, 0)), np.nan), x)


def quantile(p: Any) -> Any:
    """The inverse of `ndtr`."""
    a = np.minimum(p, 1 - p)
    y = math.sqrt(2) * solved(np.maximum(1 - 2 * a, 0), np.maximum(2 * a, 0))
    return np.where(a < 0, np.nan, np.where(p < 0.5, -y, y))


erfc_of = own("erfc", in_float64(complement), lambda g, y, x: -2 / ROOT_PI * g * np.exp(-x * x))
erfcx_of = own("erfcx", in_float64(scaled_complement), lambda g, y, x: g * (2 * x * y - 2 / ROOT_PI))
erfinv_of = own("erfinv", in_float64(inverse), lambda g, y, x: ROOT_PI / 2 * g * np.exp(y * y))


def log_below(x: Any) -> Any:
    """The logarithm of the probability that a standard normal is below x."""
    low, high = np.minimum(x, -1), np.maximum(x, -1)
    return np.where(x < -1, np.log(scaled_complement(low * -math.sqrt(0.5)) / 2) - low * low / 2,
                    np.log1p(complement(high * math.sqrt(0.5)) / -2))


log_ndtr_of = own("log_ndtr", in_float64(log_below),
                  lambda g, y, x: g * np.exp(-x * x / 2 - y) / math.sqrt(2 * math.pi))


def ndtr_of(x: Any) -> Any:
    return ops.multiply(erfc_of(ops.multiply(x, -math.sqrt(0.5))), 0.5)


ndtri_of = own("ndtri", in_float64(quantile), lambda g, y, p: g * np.exp(y * y / 2) * math.sqrt(2 * math.pi))

# --- the gamma function's ---

BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)


def hurwitz(s: Any, q: Any) -> Any:
    """The sum of (q + k)**-s over k from 0 on, for s > 1 and q > 0: Euler and Maclaurin's formula from the 12th on."""
    y = sum((q + k) ** -s for k in range(12))
    z = q + 12
    y = y + z ** (1 - s) / (s - 1) + z**-s / 2
    factor = s * z ** (-s - 1) / 2
    for j, b in enumerate(BERNOULLI, 1):
        y = y + b * factor
        factor = factor * (s + 2 * j - 1) * (s + 2 * j) / ((2 * j + 1) * (2 * j + 2) * z * z)
    return y


def log_gamma(x: Any) -> Any:
    """log(abs(gamma(x))): Stirling's formula at x + 8, and the reflection for negative x."""
    reflected = x < 0.5
    z = np.where(reflected, 1 - x, x)
    product, w = np.ones_like(z), np.where(z < 8, z, 1.0)
    for k in range(8):
        product = product * (w + k)
    w = np.where(z < 8, z + 8, z)
    series = sum(b / (2 * j * (2 * j - 1) * w ** (2 * j - 1)) for j, b in enumerate(BERNOULLI, 1))
    y = (w - 0.5) * np.log(w) - w + math.log(2 * math.pi) / 2 + series - np.where(z < 8, np.log(product), 0)
    near = np.abs(np.sin(math.pi * (x - np.rint(x))))
    y = np.where(reflected, math.log(math.pi) - np.log(near) - y, np.where(z == np.inf, np.inf, y))
    return np.where((x <= 0) & (x == np.rint(x)) | np.isinf(x), np.inf, y)


def digamma_array(x: Any) -> Any:
    """The derivative of log(gamma(x))."""
    reflected = x < 0.5
    z = np.where(reflected, 1 - x, x)
    w = np.where(z < 8, z + 8, z)
    y = np.log(w) - 0.5 / w - sum(b / (2 * j * w ** (2 * j)) for j, b in enumerate(BERNOULLI, 1))
    small = np.where(z < 8, z, 1.0)
    y = y - np.where(z < 8, sum(1 / (small + k) for k in range(8)), 0)
    turned = math.pi / np.tan(math.pi * (x - np.rint(x)))
    y = np.where(reflected, y - turned, y)
    return np.where((x == np.rint(x)) & (x <= 0), np.where(x == 0, np.copysign(np.inf, -x), np.nan), y)


def polygamma_array(n: int, x: Any) -> Any:
    """The n-th derivative of digamma, n from 1 on, for negative x by the recurrence up to where x is positive."""
    sign = -1.0 if n % 2 == 0 else 1.0
    return sign * math.factorial(n) * zeta_array(np.float64(n + 1), x)


def zeta_array(s: Any, q: Any) -> Any:
    """Hurwitz's zeta function; q below 0 is shifted above 0 by a separate sum."""
    s, q = np.broadcast_arrays(s, q)
    shift = np.where(np.isfinite(q) & (q <= 0), np.ceil(-q), 0)
    y = hurwitz(s, np.where(q <= 0, q + shift, q))
    for k in range(int(np.max(shift, initial=0))):
        y = y + np.where(k < shift, (q + k) ** -s, 0)
    pole = (q <= 0) & (q == np.floor(q))
    y = np.where(pole, np.inf, np.where((q < 0) & (s != np.rint(s)), np.nan, y))
    return np.where(s == 1, np.inf, np.where(s < 1, np.nan, y))


def polygamma_op(n: int) -> Function:
    """The n-th derivative of digamma as an op, whose own derivative is the next."""
    if n not in POLYGAMMA:
        POLYGAMMA[n] = own("polygamma", in_float64(lambda x: polygamma_array(n, x)),
                           lambda g, y, x: g * polygamma_op(n + 1)(x))
    return POLYGAMMA[n]


POLYGAMMA: dict[int, Function] = {0: own("digamma", in_float64(digamma_array), lambda g, y, x: g * polygamma_op(1)(x))}
lgamma_of = own("lgamma", in_float64(log_gamma), lambda g, y, x: g * POLYGAMMA[0](x))


@offer(method=True, in_place=True, note="Mvlgamma")
@quiet
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension p."""
    x = floats("mvlgamma", input)
    y = sum((lgamma_of(ops.subtract(x, j / 2)) for j in range(1, p)), lgamma_of(x))
    return wrap(ops.add(y, p * (p - 1) / 4 * math.log(math.pi)))


@quiet
def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of `digamma`."""
    if not hasattr(n, "__index__") or n.__index__() < 0:
        raise RuntimeError(f"polygamma: got n={n!r}; expected an integer from 0 on; polygamma(0, x) is digamma(x)")
    return wrap(polygamma_op(n.__index__())(floats("polygamma", input)))


polygamma_function = offer("polygamma")(polygamma)


@offer("polygamma", function=False, method=True, in_place=True)
def polygamma_method(self: Tensor, n: int) -> Tensor:
    """The n-th derivative of `digamma`."""
    return polygamma_function(n, self)  # type: ignore[no-any-return]


SPECIAL["polygamma"] = polygamma_function

# --- with logarithms ---

xlogy_of = own("xlogy", lambda a, b: np.where(b != b, b, np.where(a == 0, 0, a * np.log(np.where(a == 0, 1, b)))),
               lambda g, y, a, b: g * np.where((a == 0) & (b <= 0), 0, np.log(b)),
               lambda g, y, a, b: g * a / b)
xlog1py_of = own("xlog1py", lambda a, b: np.where(b != b, b, np.where(a == 0, 0, a * np.log1p(np.where(a == 0, 0, b)))),
                 lambda g, y, a, b: g * np.where((a == 0) & (b <= -1), 0, np.log1p(b)),
                 lambda g, y, a, b: g * a / (b + 1))
entr_of = own("entr", lambda x: np.where(x < 0, -np.inf, np.where(x == 0, 0, -x * np.log(np.where(x == 0, 1, x)))),
              lambda g, y, x: g * (-np.log(x) - 1))


def both(name: str, function: Function) -> Function:
    """xlogy or xlog1py, which take a number on either side, and compute in floats."""
    def compute(input: Any, other: Any) -> Tensor:
        return arrays(input, other)  # type: ignore[no-any-return]

    arrays = of_two(name, lambda a, b: function(*[x if isinstance(x, Node) else Node(np.array(x, (
        b if x is a else a).data.dtype)) for x in (a, b)]), True, numbers=True)
    compute.__name__, compute.__doc__ = name, f"`{name}` of each pair of elements, 0 where the first is 0."
    return compute


# --- Bessel ---

COSINES = np.cos((np.arange(64) + 0.5) * math.pi / 128)
i1_of = own("i1", in_float64(lambda x: np.mean(np.sinh(x[..., None] * COSINES) * COSINES, -1)),
            lambda g, y, x: g * np.where(x == 0, 0.5, np.i0(x) - y / np.where(x == 0, 1, x)))

# --- the table ---

for name, function in (("erfc", erfc_of), ("erfinv", erfinv_of), ("lgamma", lgamma_of), ("digamma", POLYGAMMA[0])):
    SPECIAL[name] = offer(name, method=True, in_place=True)(floating(name, quiet(function)))
for name, function in (("erfcx", erfcx_of), ("log_ndtr", log_ndtr_of), ("ndtr", ndtr_of), ("ndtri", ndtri_of),
                       ("entr", entr_of), ("i1", i1_of)):
    offer(name, into=SPECIAL, note="Mul" if name == "ndtr" else f"Special{name.title().replace('_', '')}")(
        floating(name, quiet(function)))
SPECIAL["xlogy"] = offer("xlogy", method=True, in_place=True, note="Xlogy")(both("xlogy", quiet(xlogy_of)))
offer("xlog1py", into=SPECIAL, note="SpecialXlog1Py")(both("xlog1py", quiet(xlog1py_of)))


@offer(into=SPECIAL)
@quiet
def zeta(input: Any, other: Any) -> Tensor:
    """Hurwitz's zeta function: the sum of ``(other + k) ** -input`` over k from 0 on; without a gradient."""
    a, b = (x.node.data if isinstance(x, Tensor) else np.asarray(x) for x in (input, other))
    tensors = [x for x in (input, other) if isinstance(x, Tensor)]
    if any(x.node._requires_grad for x in tensors):
        raise RuntimeError("zeta: got a tensor that requires grad; expected none, for zeta has no derivative here; "
                           "detach() it")
    dtype = np.result_type(*[x.node.data.dtype for x in tensors])
    dtype = dtype if dtype.kind == "f" else default[0].numpy
    return wrap(Node(np.asarray(zeta_array(a.astype(np.float64), b.astype(np.float64))).astype(dtype)))


SPECIAL |= {name: FUNCTIONS[name] for name in (
    "erf", "exp2", "expm1", "log1p", "logit", "sinc", "i0", "round", "softmax", "log_softmax", "logsumexp")
    if name in FUNCTIONS}
SPECIAL |= {"expit": FUNCTIONS["sigmoid"], "gammaln": SPECIAL["lgamma"], "psi": SPECIAL["digamma"],
            "multigammaln": FUNCTIONS["mvlgamma"]}
globals().update(SPECIAL)


def __getattr__(name: str) -> Any:
    raise Missing(refusal, "special", name, lambda: [*SPECIAL])
