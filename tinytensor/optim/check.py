"""Checks of parameters and settings: what an optimiser accepts, and the errors that name what it got.

It knows no optimiser.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..advice import a_type

Array = npt.NDArray[Any]


class Parameter(Protocol):
    """What an optimiser needs of a parameter. Parameters are compared by identity only."""

    data: Any  # a float array; may be rebound
    grad: Any  # None, or an array of the same shape and dtype


def describe(x: Any) -> str:
    """Shape and dtype, for an error message; the type of what has none."""
    return f"{x.shape} {x.dtype}" if hasattr(x, "dtype") else a_type(x)


def to_python(value: Any) -> Any:
    """Convert NumPy's scalars to Python's: np.float64 would compute with float32 vectors in double precision."""
    if isinstance(value, tuple | list):
        return type(value)(map(to_python, value))
    return value.item() if getattr(value, "shape", None) == () else value


def check_number(name: str, value: Any) -> None:
    """Raise TypeError unless value is a number. A compiler's tracer of one has arithmetic but no order, and passes."""
    numeric = not isinstance(value, complex) and getattr(getattr(value, "dtype", None), "kind", "f") in "fiub"
    if not numeric or not hasattr(value, "__neg__") or getattr(value, "shape", ()) != ():
        advice = "call the schedule, as in schedule(i)" if callable(value) else "pass a float"
        raise TypeError(f"{name}: got {value!r}; expected a number; {advice}")


def check_nonnegative(name: str, value: Any) -> None:
    """Raise unless value is a number, 0 or more."""
    check_number(name, value)
    if type(value) in (int, float) and not value >= 0:
        hint = " (maximize=True climbs)" if name == "lr" else ""
        advice = f"leave out the sign{hint}" if value < 0 else "look where the nan comes from"
        raise ValueError(f"{name}: got {value!r}; expected 0 or more; {advice}")


def check_fraction(name: str, value: Any) -> None:
    """Raise unless 0 <= value < 1."""
    check_number(name, value)
    if type(value) in (int, float, bool) and not 0 <= value < 1:
        raise ValueError(f"{name}: got {value!r}; expected 0 or more and below 1; write 0.9, for example")


def as_metric(name: str, value: Any) -> float:
    """A metric as a float, from a number, or an array or Tensor of one element."""
    item = getattr(value, "item", None)
    if isinstance(value, str) or (item is None and not hasattr(value, "__float__")) or getattr(value, "size", 1) != 1:
        got = f"shape {value.shape}" if hasattr(value, "shape") else repr(value)
        raise TypeError(f"{name}: got {got}; expected a number, or an array or Tensor of one element; pass the mean")
    return float(value if item is None else item())


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless value is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name}: got {value!r}; expected {' or '.join(map(repr, choices))}; choose one")


def has_grad(x: Any) -> bool:
    """Whether x has an attribute `grad`. It is not read: a Tensor that is not a leaf would warn."""
    return hasattr(type(x), "grad") or hasattr(x, "grad")


def unique_parameters(params: Any) -> dict[int, Any]:
    """The parameters by id, each once, in order; a TypeError if one of them is not a parameter."""
    unique = {id(p): p for p in as_list(params)}
    for p in unique.values():
        if not hasattr(getattr(p, "data", None), "dtype") or not has_grad(p):
            if hasattr(p, "parameters"):
                advice = "write model.parameters()"
            elif isinstance(p, tuple):
                advice = "leave out the names, as model.parameters() does"
            elif isinstance(p, Mapping):
                advice = "pass groups alone, each a dict, or parameters alone"
            else:
                advice = "pass nn.Parameter(x), or model.parameters()"
            raise TypeError(f"params: got {a_type(p)} among them; expected Tensors, which have data and grad; {advice}")
    return unique


def as_list(params: Any) -> list[Any]:
    """The items of params in order; a TypeError or ValueError if it is not iterable, has no order, or is empty."""
    advice = None
    if has_grad(params):
        advice = "write [p]"
    elif isinstance(params, set | frozenset):
        advice = "write a list: a set has another order in each run"
    elif isinstance(params, Mapping):
        advice = f"write {'[group]' if 'params' in params else '[*params.values()]'}"
    elif isinstance(params, str | np.ndarray) or not isinstance(params, Iterable):
        called = callable(params) and not hasattr(params, "parameters")
        advice = "call it, as in model.parameters()" if called else "write model.parameters(), or [p, q]"
    if advice:
        raise TypeError(f"params: got {a_type(params)}; expected a list of parameters; {advice}")
    if not (items := list(params)):
        raise ValueError("params: got none; expected one parameter or more; keep layers in nn.ModuleList, not in a "
                         "plain list, and read a generator only once")
    return items
