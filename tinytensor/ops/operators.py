"""Python's operators and built-in functions on Tensors: ``a + b``, ``divmod(a, b)``, ``round(x)``, ``v in x``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import Tensor
from .elementwise import (
    absolute,
    add,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    divide,
    equal,
    floor_divide,
    greater,
    greater_equal,
    invert,
    left_shift,
    less,
    less_equal,
    multiply,
    negative,
    not_equal,
    positive,
    remainder,
    right_shift,
    subtract,
)
from .rounding import divmod_, round_
from .special import power


def reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    """The operator with its operands exchanged, for ``2 - x`` and ``array / x``."""
    return lambda b, a: function(a, b)


for name, function in {
    "add": add, "sub": subtract, "mul": multiply, "truediv": divide, "pow": power, "mod": remainder,
    "floordiv": floor_divide, "and": bitwise_and, "or": bitwise_or, "xor": bitwise_xor,
    "divmod": divmod_, "lshift": left_shift, "rshift": right_shift,
}.items():
    setattr(Tensor, f"__{name}__", function)
    setattr(Tensor, f"__r{name}__", reflected(function))
for name, function in {"neg": negative, "pos": positive, "abs": absolute, "invert": invert, "lt": less, "gt": greater,
                       "le": less_equal, "ge": greater_equal, "eq": equal, "ne": not_equal}.items():
    setattr(Tensor, f"__{name}__", function)


# --- as a number, as a container ---


def rounded(x: Tensor, ndigits: int | None = None) -> Any:
    """``round(x)``, elementwise."""
    return round_(x, ndigits or 0)


def trunc(x: Tensor) -> int:
    """``math.trunc(x)``: the only element, truncated to an integer."""
    return int(x._single_element("trunc"))


def complex_(x: Tensor) -> complex:
    raise TypeError(f"complex: got a tensor of shape {x.shape}; expected a Python number; write complex(x.item())")


def contains(x: Tensor, value: Any) -> bool:
    """``value in x``: whether any element equals value."""
    return bool(np.any(equal(x, value).data))


for name, method in (("round", rounded), ("trunc", trunc), ("complex", complex_), ("contains", contains)):
    setattr(Tensor, f"__{name}__", method)
for name in ("real", "imag"):
    setattr(Tensor, name, property(getattr(np, name)))
