"""Checks of the sizes that layers are given: they are integers.

It computes nothing.
"""

from __future__ import annotations

from operator import index
from typing import Any


def size(layer: str, name: str, value: Any, least: int = 0) -> int:
    """A size that a layer was given."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{layer}: got {name}={value!r}; expected an integer; convert it with int(), divide with //")
    if index(value) < least:
        raise RuntimeError(f"{layer}: got {name}={value!r}; expected {least} or more; check how it was computed")
    return index(value)


def probability(layer: str, p: Any) -> Any:
    """The part that a dropout drops."""
    if not isinstance(p, int | float) or not 0 <= p <= 1:
        raise ValueError(f"{layer}: dropout probability has to be between 0 and 1, but got {p!r}; expected the part "
                         f"that is dropped; 0.1 is usual")
    return p


def sizes(layer: str, name: str, value: Any, n: int, least: int = 0) -> tuple[int, ...]:
    """One integer for each of n axes."""
    given = tuple(value) if isinstance(value, tuple | list) else (value,) * n
    if len(given) != n:
        raise ValueError(f"{layer}: got {name}={value!r}; expected an integer, or {n} of them; give as many")
    return tuple([size(layer, name, v, least) for v in given])
