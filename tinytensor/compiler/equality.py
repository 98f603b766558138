"""Compare values, exactly or up to rounding; and find where they differ."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import Tensor
from .tracing.aliasing import short


def equal(a: Any, b: Any, tolerance: float = 0.0) -> bool:
    """Whether results are equal, exactly or within a relative tolerance; a nan equals a nan."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return equal(getattr(a, "data", a), getattr(b, "data", b), tolerance)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(equal(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k], tolerance) for k in a)
    if isinstance(a, np.ndarray | np.generic) and isinstance(b, np.ndarray | np.generic):
        a, b = np.asarray(a), np.asarray(b)
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        if a.dtype.char in "gG":  # there are padding bytes between their numbers
            return np.array_equal(a, b, equal_nan=True)
        return bool(bits(a) == bits(b) or (tolerance and near(a, b, tolerance)))
    if tolerance and type(a) is float and type(b) is float:
        return near(np.array(a), np.array(b), tolerance)
    return type(a) is type(b) and (a is b or repr(a) == repr(b))


def bits(a: Any) -> bytes:
    """The bits of an array, with all nans made equal."""
    found: bytes = a.tobytes()
    return found if a.dtype.kind not in "fc" or not np.isnan(a).any() else np.where(np.isnan(a), np.nan, a).tobytes()


def near(a: Any, b: Any, tolerance: float) -> bool:
    """Whether arrays are equal up to rounding; of integers, such as an argmax, a thousandth may differ."""
    if a.dtype.kind not in "fc":
        if not a.ndim and a.dtype.kind in "iu":
            return abs(int(a) - int(b)) <= 1e-3 * abs(int(a))
        return bool(np.count_nonzero(a != b) <= 1e-3 * a.size)
    good = np.isfinite(a)
    if not np.array_equal(a[~good], b[~good], equal_nan=True):
        return False
    size = float(np.abs(a[good]).max(initial=0))
    return bool((np.abs(a[good] - b[good]) <= tolerance * (size + 1e-2)).all())


def first_gap(a: Any, b: Any, tolerance: float) -> tuple[str, Any, Any]:
    """Where two arrays differ first, and the values there."""
    a, b = (np.asarray(getattr(x, "data", x)) if isinstance(x, Tensor | np.ndarray | np.generic) else x for x in (a, b))
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        return "", short(a), short(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return "", f"of {a.dtype} and shape {a.shape}", f"of {b.dtype} and shape {b.shape}"
    with np.errstate(all="ignore"):
        apart = (a != b) & ~((a != a) & (b != b))
        if tolerance and a.dtype.kind in "fc":
            far = ~(np.abs(a - b) <= tolerance * float(np.nanmax(np.abs(a), initial=0)))
            apart = apart & far if (apart & far).any() else apart
    at = tuple(int(k) for k in np.argwhere(apart)[0]) if apart.any() else (0,) * a.ndim
    return f"[{', '.join(map(str, at))}]" * bool(a.ndim), a[at].item(), b[at].item()


def kept(x: Any) -> Any:
    """Copies of results, since their memory will be overwritten."""
    if isinstance(x, Tensor):
        return x.data.copy()
    if isinstance(x, list | tuple):
        return [kept(y) for y in x]
    return {k: kept(y) for k, y in x.items()} if isinstance(x, dict) else np.copy(x) if isinstance(x, np.ndarray) else x


def apart(a: Any, b: Any) -> float:
    """The largest gap between two values; infinite if they have none."""
    a, b = (np.asarray(getattr(x, "data", x)) if not isinstance(x, np.ndarray) else x for x in (a, b))
    if a.shape != b.shape or a.dtype != b.dtype or a.dtype.kind not in "biufc":
        return math.inf
    with np.errstate(all="ignore"):
        gap = np.abs(a.astype(np.float64) - b)
    return float(np.where((a == b) | ((a != a) & (b != b)), 0, gap).max(initial=0))
