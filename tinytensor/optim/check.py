"""What may be a parameter, a setting or a list of parameters: plain numbers, and errors that say what came.

It knows no optimiser.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Parameter(Protocol):
    """What an optimiser needs of a parameter. Parameters are compared by identity only."""

    data: Any  # a float array; may be rebound
    grad: Any  # None, or an array of the same shape and dtype


def kind(x: Any) -> str:
    """Shape and dtype, for an error; the type of what has none."""
    return f"{x.shape} {x.dtype}" if hasattr(x, "dtype") else f"of type {type(x).__name__}"


def plain(value: Any) -> Any:
    """NumPy's numbers as Python's: np.float64 would compute with float32 vectors in double precision."""
    if isinstance(value, tuple | list):
        return type(value)(map(plain, value))
    return value.item() if getattr(value, "shape", None) == () else value


def check_rate(name: str, value: Any) -> None:
    """Refuse what is no number or below 0; a compiler's stand-in for a number, with arithmetic but no order, passes."""
    if not hasattr(value, "__neg__") or getattr(value, "shape", ()) != ():
        raise TypeError(f"{name} is {value!r}: a number is expected; of a schedule take schedule(i)")
    if type(value) in (int, float) and not value >= 0:
        hint = " (maximize=True climbs)" if name == "lr" else ""
        raise ValueError(f"{name} is {value!r}: 0 or more is expected; leave out the sign{hint}")


def check_share(name: str, value: Any) -> None:
    """Refuse what is no share that a running mean can keep of itself: from 0 to below 1."""
    check_rate(name, value)
    if type(value) in (int, float) and not value < 1:
        raise ValueError(f"{name} is {value!r}: below 1 is expected, the share that a running mean keeps of itself")


def has_grad(x: Any) -> bool:
    """Whether x has a place for a gradient; a Tensor that is no leaf would warn if it was read."""
    return hasattr(type(x), "grad") or hasattr(x, "grad")


def unique_parameters(params: Any) -> dict[int, Any]:
    """What is listed, each once, by identity; a TypeError if it is no list, or holds what is no parameter."""
    unique = {id(p): p for p in listed(params)}
    for p in unique.values():
        if not hasattr(getattr(p, "data", None), "dtype") or not has_grad(p):
            raise TypeError(f"a {type(p).__name__} is no parameter: data and grad are expected; pass Tensors")
    return unique


def listed(params: Any) -> list[Any]:
    """The items in their order; a TypeError or ValueError if there is none to rely on."""
    if isinstance(params, (str, set, frozenset, Mapping, np.ndarray)) or has_grad(params):
        raise TypeError(f"params is of type {type(params).__name__}: a list is expected, in order; write [p, q]")
    if not (items := list(params)):
        raise ValueError("there are no parameters: at least one is expected; was a generator used up before?")
    return items
