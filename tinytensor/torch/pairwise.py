"""Questions to each element, logic, and functions of two tensors, which broadcast: atan2, fmod, fmax, copysign.

`maximum` and `minimum` stand beside `max` in `reduce.py`, arithmetic and comparisons in `operators.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import ops
from ..core import Tensor as Node
from .elementwise import Function, floats, refuse, tensor_node, torch_op
from .offer import offer
from .operators import NUMBERS, as_dtype, check_divisor, pair, quiet, sub
from .tensor import Tensor, of_array, wrap

# --- questions ---


def question(name: str, function: Function, otherwise: bool) -> Function:
    """A function whose values are booleans; of integers they are all the same."""
    def ask(input: Tensor) -> Tensor:
        x = tensor_node(name, input)
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
    x = tensor_node("signbit", input)
    return wrap(ops.signbit(x) if x.data.dtype.kind == "f" else ops.less(x, 0))


@offer(method=True, in_place=True)
def logical_not(input: Tensor) -> Tensor:
    """Whether the element is 0."""
    return wrap(ops.logical_not(tensor_node("logical_not", input)))


def logical(name: str, function: Function) -> Function:
    def compute(input: Tensor, other: Tensor) -> Tensor:
        return wrap(function(tensor_node(name, input), tensor_node(name, other, "other")))

    compute.__name__ = name
    compute.__doc__ = f"`{name}` of each pair of elements, of which all but 0 are true."
    return compute


for name in ("logical_and", "logical_or", "logical_xor"):
    offer(name, method=True, in_place=True)(logical(name, getattr(ops, name)))


# --- of two tensors ---


def no_numbers(name: str, *nodes: Any) -> None:
    """Refuse Python's numbers where PyTorch takes tensors alone."""
    for x in nodes:
        if not isinstance(x, Tensor):
            tensor_node(name, x, "other")


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


nextafter = torch_op("nextafter", np.nextafter, lambda g, y, a, b: np.where(a == b, 0, g),
                lambda g, y, a, b: np.zeros_like(g))

for names, function, least, refused in (
        ("atan2 arctan2", ops.arctan2, True, ""), ("hypot", ops.hypot, None, "biu"),
        ("logaddexp", ops.logaddexp, None, "biu"), ("logaddexp2", ops.logaddexp2, None, "biu"),
        ("nextafter", nextafter, None, "biu"), ("gcd", ops.gcd, None, "bf"), ("lcm", ops.lcm, None, "bf")):
    first, *aliases = names.split()
    offer(first, *aliases, method=True, in_place=True)(of_two(first, quiet(function), least, refused))
offer("fmod", method=True, in_place=True)(of_two("fmod", quiet(fmod), None, "b", numbers=True))
offer("fmax", method=True, note="Fmax")(of_two("fmax", larger))
offer("fmin", method=True, note="Fmin")(of_two("fmin", smaller))
offer("copysign", method=True, in_place=True)(of_two("copysign", ops.copysign, True, numbers=True))


@offer(method=True, in_place=True)
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 for negative numbers, 1 for positive ones, and `values` at 0."""
    a, b = tensor_node("heaviside", input), tensor_node("heaviside", values, "values")
    if a.data.dtype != b.data.dtype:
        raise RuntimeError(f"heaviside: not implemented for tensors with different dtypes; got {input.dtype} and "
                           f"{values.dtype}; expected one dtype; convert one: values.to(input.dtype)")
    return of_array(np.asarray(np.where(a.data == 0, b.data, a.data > 0)))


@offer(method=True, in_place=True, note="Ldexp")
@quiet
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """``input * 2**other``."""
    a, b = pair("ldexp", input, wrap(ops.exp2(floats("ldexp", other))))
    return wrap(ops.multiply(a, b))


@offer(method=True)
@quiet
def float_power(input: Any, exponent: Any) -> Tensor:
    """``input ** exponent`` in float64."""
    a, b = (x.node if isinstance(x, Tensor) else x for x in (input, exponent))
    for x in (a, b):
        if not isinstance(x, Node) and type(x) not in NUMBERS:
            tensor_node("float_power", x)
    a, b = (as_dtype(x, np.dtype(np.float64)) if isinstance(x, Node) else float(x) for x in (a, b))
    return wrap(ops.power(a, b))


def float_power_(self: Tensor, exponent: Any) -> Tensor:
    """As `torch.float_power`, in place; the tensor must be float64."""
    if self.node.data.dtype != np.float64:
        raise RuntimeError(f"float_power_: got {self.dtype}; expected torch.float64, the dtype of the result; convert "
                           f"first: x.double()")
    return Tensor.pow_(self, exponent)  # type: ignore[no-any-return,attr-defined]


offer("float_power_", function=False, method=True)(float_power_)


@offer(note="Rsub")
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """``other - alpha * input``."""
    return sub(other, input, alpha=alpha)
