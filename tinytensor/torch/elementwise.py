"""Functions of each element of one tensor: exponentials, logarithms, angles, rounding, signs.

A row each, by the engine's op of it. Those of two tensors are in `pairwise.py`, those that choose between values in
`limits.py`, those of probability and the gamma function in `special.py`, arithmetic in `operators.py`.
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
from .operators import as_dtype, quiet
from .tensor import Tensor, of_array, wrap

Function = Callable[..., Any]


# --- the dtypes that a function takes ---


def tensor_node(name: str, x: Any, argument: str = "input") -> Any:
    """The node of an argument that must be a tensor."""
    if isinstance(x, Tensor):
        return x.node
    raise TypeError(f"{name}(): argument '{argument}' must be Tensor, not {type(x).__name__}; got {x!r}; write "
                    f"torch.tensor({x!r})")


def floats(name: str, x: Any) -> Any:
    """The node of a tensor; integers and booleans become floats of the default dtype."""
    node = tensor_node(name, x)
    return node if node.data.dtype.kind == "f" else node.astype(default[0].numpy)


def refuse(name: str, node: Any, kinds: str = "b") -> None:
    """Refuse tensors whose dtype is of one of these kinds."""
    if node.data.dtype.kind in kinds:
        what, advice = ("numbers", "x.int()") if kinds == "b" else ("floats", "x.float()")
        kind = {"b": RuntimeError}.get(node.data.dtype.kind, NotImplementedError)
        raise kind(f"{name}: not implemented for {of(node.data.dtype)}; expected {what}; convert first: {advice}")


def torch_op(name: str, forward: Function, *rules: Function) -> Function:
    """An op of this layer alone: NumPy's function has another value or gradient somewhere, or there is none."""
    record = Op(name, forward, rules, broadcasts=len(rules) == 2, samples=(S(*[(2, 3)] * len(rules)),))
    return unary(record) if len(rules) == 1 else binary(record)


# --- of one tensor, in floats ---


def floating(name: str, function: Function) -> Function:
    """A function whose values are floats, whatever it is given."""
    def compute(input: Tensor) -> Tensor:
        if type(input) is Tensor and input.node.data.dtype.kind == "f":  # the usual call
            return wrap(function(input.node))
        return wrap(function(floats(name, input)))

    compute.__name__ = name
    compute.__doc__ = f"`{name}` of each element; of integers a float."
    return compute


@quiet
def rsqrt(x: Any) -> Any:
    return ops.reciprocal(ops.sqrt(x))


def erf(x: Any) -> Any:
    """The engine's erf, of float16 in float32, as float16 cannot hold its powers."""
    return ops.erf(x.astype(np.float32)).astype(np.float16) if x.data.dtype == np.float16 else ops.erf(x)


offer(method=True, in_place=True, note="Erf")(floating("erf", erf))
for names in ("tanh", "sigmoid", "atan arctan", "asinh arcsinh", "deg2rad", "rad2deg"):
    first, *aliases = names.split()
    offer(first, *aliases, method=True, in_place=True)(floating(first, getattr(ops, aliases[0] if aliases else first)))

for names in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "reciprocal", "sin", "cos", "tan",
              "sinh", "cosh", "asin arcsin", "acos arccos", "acosh arccosh", "atanh arctanh"):
    first, *aliases = names.split()
    offer(first, *aliases, method=True, in_place=True)(
        floating(first, quiet(getattr(ops, aliases[0] if aliases else first))))

for name, function in (("rsqrt", rsqrt), ("sinc", quiet(ops.sinc)), ("i0", quiet(ops.i0))):
    offer(name, method=True, in_place=True, note=name.title())(floating(name, function))


logit_of = torch_op("logit", lambda p: np.log(p / (1 - p)),
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
    x = tensor_node("abs", input)
    refuse("abs", x)
    return wrap(ops.absolute(x))


def rounding(name: str, function: Function) -> Function:
    def compute(input: Tensor) -> Tensor:
        x = tensor_node(name, input)
        refuse(name, x)
        return wrap(function(x) if x.data.dtype.kind == "f" else kept(x))

    compute.__name__ = name
    compute.__doc__ = f"`{name}` of each element; the gradient is 0, and integers stay what they are."
    return compute


for names in ("floor", "ceil", "trunc fix"):
    first, *aliases = names.split()
    offer(first, *aliases, method=True, in_place=True)(rounding(first, getattr(ops, first)))


@offer("round", method=True, in_place=True)
def round_(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest whole number, the even one of two; `decimals` keeps so many digits behind the point.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.tensor([0.5, 1.5, 2.5]).round()
    tensor([0., 2., 2.])
    """
    x = tensor_node("round", input)
    refuse("round", x)
    if x.data.dtype.kind == "f":
        return wrap(ops.round(x, decimals) if decimals else ops.rint(x))
    if decimals:
        refuse("round with decimals", x, "iu")
    return wrap(kept(x))


@offer(method=True, in_place=True, note="Frac")
@quiet
def frac(input: Tensor) -> Tensor:
    """The part behind the point, with the number's sign."""
    x = tensor_node("frac", input)
    refuse("frac", x, "biu")
    return wrap(ops.subtract(x, ops.trunc(x)))


def signs(name: str) -> Function:
    of_floats = torch_op(name, lambda x: np.sign(np.where(x != x, 0, x)), lambda g, y, x: np.zeros_like(g))

    def compute(input: Tensor) -> Tensor:
        x = tensor_node(name, input)
        return wrap(of_floats(x) if x.data.dtype.kind == "f" else kept(x) if x.data.dtype.kind == "b" else ops.sign(x))

    compute.__name__ = name
    compute.__doc__ = "-1, 0 or 1, and 0 of nan; the gradient is 0."
    return compute


for name in ("sign", "sgn"):
    offer(name, method=True, in_place=True)(signs(name))


@offer(method=True, in_place=True)
@quiet
def square(input: Tensor) -> Tensor:
    """``input ** 2``."""
    x = tensor_node("square", input)
    return wrap(ops.square(as_dtype(x, np.dtype(np.int64)) if x.data.dtype.kind == "b" else x))


@offer(method=True, in_place=True)
def relu(input: Tensor) -> Tensor:
    """``max(input, 0)``; its gradient at 0 is 0."""
    x = tensor_node("relu", input)
    refuse("relu", x)
    return wrap(ops.relu(x))


@offer(method=True)
def positive(input: Tensor) -> Tensor:
    """The tensor itself."""
    refuse("positive", tensor_node("positive", input))
    return input


@offer("conj", "conj_physical", "resolve_conj", "resolve_neg", method=True)
@offer("real")
def real(input: Tensor) -> Tensor:
    """The tensor itself, which is real."""
    tensor_node("real", input)
    return input


setattr(Tensor, "conj_physical_", real)


@offer()
def imag(input: Tensor) -> Tensor:
    """Refused: there are no complex numbers here."""
    raise RuntimeError(f"imag is not implemented for tensors with non-complex dtypes; got {input.dtype}; expected a "
                       f"complex tensor, which is not here; real tensors have no imaginary part")


offer("angle", method=True)(floating("angle", torch_op(
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
    x = tensor_node("frexp", input)
    if x.data.dtype.kind != "f":
        raise RuntimeError(f"frexp: torch.frexp() only supports floating-point dtypes; got {input.dtype}; expected a "
                           f"float; convert first: x.float()")
    mantissa, exponent = ops.frexp(x)
    found = wrap(mantissa)
    found.note = "FrexpBackward0"
    return return_types.frexp((found, of_array(np.asarray(exponent.data, np.int32))))
