"""`p -= lr * p.grad` and the like: in place on a parameter inside of no_grad, an error elsewhere.

On all other tensors `x += y` is `x = x + y`: nothing in a graph is ever overwritten.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from .apply import coerce_operand
from .core import Tensor
from .modes import no_grad_blocks, state

OPERATORS = {"iadd": "+", "isub": "-", "imul": "*", "itruediv": "/", "ifloordiv": "//", "imod": "%", "ipow": "**",
             "imatmul": "@"}


def in_place(name: str, symbol: str) -> Callable[[Tensor, Any], Any]:
    """The method of Tensor for one of these operators."""
    operate: Callable[[Any, Any], Any] = getattr(operator, name)

    def assign(p: Tensor, value: Any) -> Any:
        if p.op is not None or not p._requires_grad:
            return NotImplemented  # so that Python assigns p + value to the name
        if not no_grad_blocks or state.recording:
            raise TypeError(f"{symbol}=: got a leaf that requires grad on the left, while ops are recorded; expected "
                            f"an update inside of tt.no_grad(); write `with tt.no_grad(): p {symbol}= ...`, "
                            f"or p = p {symbol} ... for a new tensor")
        value = coerce_operand(value, p, f"{symbol}=")
        try:
            p.data = operate(p.data, value)
        except (ValueError, TypeError) as error:
            if "read-only" in str(error):
                raise
            kind = ValueError if isinstance(error, ValueError) else TypeError
            given = f"{value.dtype} {value.shape}" if hasattr(value, "dtype") else repr(value)
            raise kind(f"{symbol}=: got a leaf of {p.dtype} {p.shape} and {given}: {error}; expected a value "
                       f"that broadcasts to the leaf's shape and casts to its dtype; reduce or convert it first"
                       ) from None
        return p

    assign.__name__ = assign.__qualname__ = f"__{name}__"
    return assign


for name, symbol in OPERATORS.items():
    setattr(Tensor, f"__{name}__", in_place(name, symbol))
