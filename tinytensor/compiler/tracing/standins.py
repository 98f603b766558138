"""Chooses the stand-in of an object that a traced step can reach: a tracer, a Hidden, or the object itself."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import numpy as np

from ...random import Generator
from .closure import FIXED, STREAMS, WRAPPERS
from .opaque import CACHES, Cached, Hidden, is_bound_builtin, is_hidden
from .rng import noted_draw_of_numpy, undeclared
from .source_info import LEGACY
from .tracer import ArrayTracer, ScalarTracer

if TYPE_CHECKING:
    from .patched import Patched

LEFT = (*WRAPPERS, types.FunctionType, types.MethodType, type, types.CellType)


def stand_in(patched: Patched, x: Any, name: str) -> Any:
    """What stands for x."""
    if isinstance(x, ArrayTracer | ScalarTracer):
        return x
    if isinstance(x, np.ndarray):
        if isinstance(x, np.matrix | np.ma.MaskedArray):  # with its own arithmetic
            return Hidden(patched.trace, x, name)
        return patched.undeclared(x, name) if x.dtype.kind in "biufc" else x
    if isinstance(x, np.random.Generator) and any(x is rng for rng in patched.state.streams):
        return patched.stream(x)
    if isinstance(x, STREAMS):
        return Hidden(patched.trace, x, name, undeclared)
    if isinstance(x, types.MethodType) and isinstance(x.__self__, (*STREAMS, Generator)):
        if x.__self__ is LEGACY:
            return noted_draw_of_numpy(patched.trace, x)
        owner = patched.known(x.__self__, name)
        return Hidden(patched.trace, x, name, undeclared) if type(owner) is Hidden else getattr(owner, x.__name__)
    if isinstance(x, tuple):
        return rebuilt(patched, x, name)
    if isinstance(x, CACHES):
        return Cached(patched.trace, x, name)
    if is_bound_builtin(x):
        owner = patched.known(x.__self__, name)
        if type(owner) is Hidden:
            return Hidden(patched.trace, x, name)
        return x if owner is x.__self__ else getattr(owner, x.__name__)
    if isinstance(x, (*FIXED, *LEFT)) or not is_hidden(x):
        return x
    return Hidden(patched.trace, x, name)


def rebuilt(patched: Patched, x: Any, name: str) -> Any:
    """A tuple of any kind, with stand-ins for its parts; itself if it needs none."""
    fields = getattr(type(x), "_fields", None)
    parts = [patched.known(y, f"{name}.{fields[i]}" if fields else f"{name}[{i}]") for i, y in enumerate(x)]
    if all(a is b for a, b in zip(parts, x, strict=True)):
        return x
    if not hasattr(x, "__dict__"):
        return tuple.__new__(type(x), parts)
    other = tuple.__new__(type(x), parts)
    vars(other).update(vars(x))
    return other
