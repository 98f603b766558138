"""Arrays that share memory: refuse those that must not, and move small ones together; and short texts of values."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ...advice import a_type
from ..ir import CompileError, Value
from ..layout import SMALL
from .scopes import Nothing
from .tracer import ArrayTracer, ScalarTracer

ALONE = 2  # references to an array that only a tensor has: the tensor's and the count's own


def bounds(a: Any) -> tuple[int, int]:
    return np.lib.array_utils.byte_bounds(a)


def reject_alias(x: Any, name: str, arrays: Iterable[Any]) -> None:
    """Raise for an array that is part of a declared one, under another name."""
    if any(np.may_share_memory(x, a) for a in arrays):
        raise CompileError(f"compile: {name} shares memory with what the step may change; expected one name for it; "
                           "pass a copy, or use the declared array itself and take views of it in the step")


def reject_overlaps(arrays: list[tuple[Value, Callable[[], Any]]]) -> None:
    """Raise for declared arrays that share memory."""
    end, before = 0, None
    for low, high, _, source in sorted((*bounds(s.array), s.number, s) for s, _ in arrays if s.array.size):
        if before is not None and low < end and np.may_share_memory(before.array, source.array):
            raise CompileError(f"compile: the declared {before.name or 'array'} and {source.name or 'array'} share "
                               "memory; expected separate arrays; declare the whole array, and take the view in the "
                               "step")
        end, before = (high, source) if high > end else (end, before)


def short(x: Any) -> str:
    """A value in few words."""
    if isinstance(x, ArrayTracer | ScalarTracer) or isinstance(getattr(x, "data", None), ArrayTracer):
        return "a value of the step"
    try:
        text = "not there" if x is Nothing else repr(x)
    except Exception:  # of an object that lacks something
        return a_type(x)
    return text if len(text) <= 40 else a_type(x)


def coalesce_buffers(tensors: Iterable[Any]) -> None:
    """Move small arrays of tensors next to each other, by dtype; those that others hold, or that are views, stay."""
    found: dict[Any, list[Any]] = {}
    for t in tensors:
        held = sys.getrefcount(t.data) > ALONE  # subtle: before it has a name here, which some Pythons count
        a = t.data
        if (not held and type(a) is np.ndarray and a.base is None and a.dtype.kind in "fi" and a.flags.c_contiguous
                and 0 < a.nbytes <= SMALL):
            found.setdefault(a.dtype, []).append(t)
    for group in found.values():
        if len(group) > 1:
            whole, at = np.concatenate([t.data.reshape(-1) for t in group]), 0
            for t in group:
                t.data = whole[at : at + t.data.size].reshape(t.data.shape)
                at += t.data.size
