"""Functions of each element of one tensor, and of two: exponentials, angles, rounding, logic, powers.

A row each, by the engine's op of it. Those that choose between values are in `limits.py`, those of probability and the
gamma function in `special.py`, arithmetic and comparisons in `operators.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..apply import binary, unary
from ..core import Op, S
from ..core import Tensor as Node
from . import return_types
from .dtypes import default, of
from .offer import offer
from .operators import NUMBERS, as_dtype, check_divisor, pair, sub
from .tensor import Tensor, of_array, wrap

Function = Callable[..., Any]


# --- the dtypes that a function takes ---


def given(name: str, x: Any, argument: str = "input") -> Any:
    """The node of an argument that must be a tensor."""
    if isinstance(x, Tensor):
        return x.node
    raise TypeError(f"{name}(): argument '{argument}' must be Tensor, not {type(x).__name__}; got {x!r}; write "
                    f"torch.tensor({x!r})")


def floats(name: str, x: Any) -> Any:
    """The node of a tensor; integers and booleans become floats of the default dtype."""
    node = given(name, x)
    return node if node.data.dtype.kind == "f" else node.astype(default[0].numpy)


def refuse(name: str, node: Any, kinds: str = "b") -> None:
    """Refuse tensors whose dtype is of one of these kinds."""
    if node.data.dtype.kind in kinds:
        what, advice = ("numbers", "x.int()") if kinds == "b" else ("floats", "x.float()")
        kind = {"b": RuntimeError}.get(node.data.dtype.kind, NotImplementedError)
        raise kind(f"{name}: not implemented for {of(node.data.dtype)}; expected {what}; convert first: {advice}")


def no_numbers(name: str, *nodes: Any) -> None:
    """Refuse Python's numbers where PyTorch takes tensors alone."""
    for x in nodes:
        if not isinstance(x, Tensor):
            given(name, x, "other")


def own(name: str, forward: Function, *rules: Function) -> Function:
    """An op of this layer alone: NumPy's function has another value or gradient somewhere, or there is none."""
    record = Op(name, forward, rules, broadcasts=len(rules) == 2, samples=(S(*[(2, 3)] * len(rules)),))
    return unary(record) if len(rules) == 1 else binary(record)


# --- of one tensor, in floats ---


def floating(name: str, function: Function) -> Function:
    """A function whose values are floats, whatever it is given."""
    def compute(input: Tensor) -> Tensor:
        return wrap(function(floats(name, input)))

    compute.__name__ = name
    compute.__doc__ = f"`{name}` of each element; of integers a float."
    return compute


def quiet(function: Function) -> Function:
    """The function without NumPy's warnings: PyTorch's log(0) is -inf, and no more is said."""
    return np.errstate(all="ignore")(function)


@quiet
def rsqrt(x: Any) -> Any:
    return ops.reciprocal(ops.sqrt(x))


for names in ("tanh", "sigmoid", "erf", "atan arctan", "asinh arcsinh", "deg2rad", "rad2deg", "sinc", "i0"):
    first, *aliases = names.split()
    offer(first, *aliases, method=True, in_place=True)(floating(first, getattr(ops, aliases[0] if aliases else first)))

for names in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "reciprocal", "sin", "cos", "tan",
              "sinh", "cosh", "asin arcsin", "acos arccos", "acosh arccosh", "atanh arctanh"):
    first, *aliases = names.split()
    offer(first, *aliases, method=True, in_place=True)(
        floating(first, quiet(getattr(ops, aliases[0] if aliases else first))))

offer(method=True, in_place=True, note="Rsqrt")(floating("rsqrt", rsqrt))


logit_of = own("logit", lambda p: np.log(p / (1 - p)),
               lambda g, y, p: np.where((p < 0) | (p > 1), math.nan, g / (p * (1 - p))))


@offer(method=True, in_place=True, note="Logit")
@quiet
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """``log(p / (1 - p))``, the inverse of `sigmoid`; `eps` first limits p to [eps, 1 - eps]."""
    p = floats("logit", input)
    return wrap(logit_of(p if eps is None else ops.clip(p, eps, 1 - eps)))


# --- of one tensor, in its own dtype ---


def kept(node: Any) -> Any:
    """The same values in memory of their own, recorded."""
    return ops.positive(node) if node.data.dtype.kind == "f" else Node(node.data.copy())


@offer("abs", "absolute", method=True, in_place=True)
def absolute(input: Tensor) -> Tensor:
    """The absolute value; its gradient at 0 is 0."""
    x = given("abs", input)
    refuse("abs", x)
    return wrap(ops.absolute(x))


def rounding(name: str, function: Function) -> Function:
    def compute(input: Tensor) -> Tensor:
        x = given(name, input)
        refuse(name, x)
        return wrap(function(x) if x.data.dtype.kind == "f" else kept(x))

    compute.__name__ = name
    compute.__doc__ = f"`{name}` of each element; the gradient is 0, and integers stay what they are."
    return compute


for names in ("floor", "ceil", "trunc fix"):
    first, *aliases = names.split()
    offer(first, *aliases, method=True, in_place=True)(rounding(first, getattr(ops, first)))


@offer("round", method=True, in_place=True, note="Round")
def round_(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest whole number, the even one of two; `decimals` keeps so many digits behind the point.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.tensor([0.5, 1.5, 2.5]).round()
    tensor([0., 2., 2.])
    """
    x = given("round", input)
    refuse("round", x)
    if x.data.dtype.kind == "f":
        return wrap(ops.round(x, decimals) if decimals else ops.rint(x))
    if decimals:
        refuse("round with decimals", x, "iu")
    return wrap(kept(x))


@offer(method=True, in_place=True, note="Frac")
def frac(input: Tensor) -> Tensor:
    """The part behind the point, with the number's sign."""
    x = given("frac", input)
    refuse("frac", x, "biu")
    return wrap(ops.subtract(x, ops.trunc(x)))


def signs(name: str) -> Function:
    of_floats = own(name, lambda x: np.sign(np.where(x != x, 0, x)), lambda g, y, x: np.zeros_like(g))

    def compute(input: Tensor) -> Tensor:
        x = given(name, input)
        return wrap(of_floats(x) if x.data.dtype.kind == "f" else kept(x) if x.data.dtype.kind == "b" else ops.sign(x))

    compute.__name__ = name
    compute.__doc__ = "-1, 0 or 1, and 0 of nan; the gradient is 0."
    return compute


for name in ("sign", "sgn"):
    offer(name, method=True, in_place=True)(signs(name))


@offer(method=True, in_place=True)
def square(input: Tensor) -> Tensor:
    """``input ** 2``."""
    x = given("square", input)
    return wrap(ops.square(as_dtype(x, np.dtype(np.int64)) if x.data.dtype.kind == "b" else x))


@offer(method=True, in_place=True)
def relu(input: Tensor) -> Tensor:
    """``max(input, 0)``; its gradient at 0 is 0."""
    x = given("relu", input)
    refuse("relu", x)
    return wrap(ops.relu(x))


@offer(method=True)
def positive(input: Tensor) -> Tensor:
    """The tensor itself."""
    refuse("positive", given("positive", input))
    return input


@offer("conj", "resolve_conj", "resolve_neg", method=True)
@offer("real")
def real(input: Tensor) -> Tensor:
    """The tensor itself, which is real."""
    given("real", input)
    return input


@offer(method=True, in_place=True)
def conj_physical(input: Tensor) -> Tensor:
    """A copy: the tensor is real."""
    return wrap(kept(given("conj_physical", input)))


@offer()
def imag(input: Tensor) -> Tensor:
    """Refused: there are no complex numbers here."""
    raise RuntimeError(f"imag is not implemented for tensors with non-complex dtypes; got {input.dtype}; expected a "
                       f"complex tensor, which is not here; real tensors have no imaginary part")


offer("angle", method=True)(floating("angle", own(
    "angle", lambda x: np.where(x != x, x, (x < 0) * x.dtype.type(math.pi)), lambda g, y, x: np.zeros_like(g))))


@offer(method=True)
def frexp(input: Tensor) -> Any:
    """Mantissa and exponent: ``input == mantissa * 2**exponent``.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.frexp(torch.tensor([3.0])).exponent
    tensor([2], dtype=torch.int32)
    """
    x = given("frexp", input)
    if x.data.dtype.kind != "f":
        raise RuntimeError(f"frexp: torch.frexp() only supports floating-point dtypes; got {input.dtype}; expected a "
                           f"float; convert first: x.float()")
    mantissa, exponent = ops.frexp(x)
    mantissa = wrap(mantissa)
    mantissa.note = "FrexpBackward0"
    return return_types.frexp((mantissa, of_array(np.asarray(exponent.data, np.int32))))


# --- questions ---


def question(name: str, function: Function, otherwise: bool) -> Function:
    """A function whose values are booleans; of integers they are all the same."""
    def ask(input: Tensor) -> Tensor:
        x = given(name, input)
        if x.data.dtype.kind != "f":
            return of_array(np.full(x.data.shape, otherwise))
        return wrap(function(x))

    ask.__name__ = name
    ask.__doc__ = f"`{name}` of each element."
    return ask


for name, otherwise in (("isnan", False), ("isinf", False), ("isfinite", True)):
    offer(name, method=True)(question(name, getattr(ops, name), otherwise))
offer("isposinf", method=True)(question("isposinf", lambda x: ops.equal(x, math.inf), False))
offer("isneginf", method=True)(question("isneginf", lambda x: ops.equal(x, -math.inf), False))
offer("isreal", method=True)(question("isreal", lambda x: Node(np.ones(x.data.shape, np.bool_)), True))


@offer(method=True)
def signbit(input: Tensor) -> Tensor:
    """Whether the sign is minus, of -0.0 too."""
    x = given("signbit", input)
    return wrap(ops.signbit(x) if x.data.dtype.kind == "f" else ops.less(x, 0))


@offer(method=True, in_place=True)
def logical_not(input: Tensor) -> Tensor:
    """Whether the element is 0."""
    return wrap(ops.logical_not(given("logical_not", input)))


def logical(name: str, function: Function) -> Function:
    def compute(input: Tensor, other: Tensor) -> Tensor:
        return wrap(function(given(name, input), given(name, other, "other")))

    compute.__name__ = name
    compute.__doc__ = f"`{name}` of each pair of elements, of which all but 0 are true."
    return compute


for name in ("logical_and", "logical_or", "logical_xor"):
    offer(name, method=True, in_place=True)(logical(name, getattr(ops, name)))


# --- of two tensors ---


def of_two(name: str, function: Function, least: Any = None, refused: str = "", numbers: bool = False) -> Function:
    """A function of two tensors in their common dtype; `least` makes integers floats, `refused` kinds are refused."""
    def compute(input: Any, other: Any) -> Tensor:
        if not numbers:
            no_numbers(name, input, other)
        a, b = pair(name, input, other, least)
        if refused:
            refuse(name, a if isinstance(a, Node) else b, refused)
        return wrap(function(a, b))

    compute.__name__ = name
    compute.__doc__ = f"`{name}` of each pair of elements; they broadcast."
    return compute


def fmod(a: Any, b: Any) -> Any:
    """The remainder with the sign of a; integers are not divided by zero."""
    if next(x.data.dtype for x in (a, b) if isinstance(x, Node)).kind != "f":
        check_divisor(b)
    return ops.fmod(a, b)


def larger(a: Any, b: Any) -> Any:
    """The larger one, at a tie the first; beside a nan the other."""
    return ops.where(ops.logical_or(ops.greater_equal(a, b), ops.not_equal(b, b)), a, b)


def smaller(a: Any, b: Any) -> Any:
    return ops.where(ops.logical_or(ops.less_equal(a, b), ops.not_equal(b, b)), a, b)


for names, function, least, refused in (
        ("atan2 arctan2", ops.arctan2, True, ""), ("hypot", ops.hypot, None, "biu"),
        ("logaddexp", ops.logaddexp, None, "biu"), ("logaddexp2", ops.logaddexp2, None, "biu"),
        ("nextafter", ops.nextafter, None, "biu"), ("gcd", ops.gcd, None, "bf"), ("lcm", ops.lcm, None, "bf")):
    first, *aliases = names.split()
    offer(first, *aliases, method=True, in_place=True)(of_two(first, quiet(function), least, refused))
offer("fmod", method=True, in_place=True)(of_two("fmod", quiet(fmod), None, "b", numbers=True))
offer("fmax", method=True, note="Fmax")(of_two("fmax", larger))
offer("fmin", method=True, note="Fmin")(of_two("fmin", smaller))
offer("copysign", method=True, in_place=True)(of_two("copysign", ops.copysign, True, numbers=True))


@offer(method=True, in_place=True)
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 for negative numbers, 1 for positive ones, and `values` at 0."""
    a, b = given("heaviside", input), given("heaviside", values, "values")
    if a.data.dtype != b.data.dtype:
        raise RuntimeError(f"heaviside: not implemented for tensors with different dtypes; got {input.dtype} and "
                           f"{values.dtype}; expected one dtype; convert one: values.to(input.dtype)")
    one, none = np.ones((), a.data.dtype), np.zeros((), a.data.dtype)
    y = np.where(a.data == 0, b.data, np.where(a.data > 0, one, np.where(a.data < 0, none, a.data)))
    return of_array(np.asarray(y))


@offer(method=True, in_place=True, note="Mul")
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """``input * 2**other``."""
    a, b = pair("ldexp", input, wrap(quiet(ops.exp2)(floats("ldexp", other))))
    return wrap(ops.multiply(a, b))


@offer("float_power", method=True, note="Pow")
@quiet
def float_power(input: Any, exponent: Any) -> Tensor:
    """``input ** exponent`` in float64."""
    a, b = (x.node if isinstance(x, Tensor) else x for x in (input, exponent))
    for x in (a, b):
        if not isinstance(x, Node) and type(x) not in NUMBERS:
            given("float_power", x)
    a, b = (as_dtype(x, np.dtype(np.float64)) if isinstance(x, Node) else float(x) for x in (a, b))
    return wrap(ops.power(a, b))


@offer()
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """``other - alpha * input``."""
    return sub(other, input, alpha=alpha)
