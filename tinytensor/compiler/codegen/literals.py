"""Arrays as text: where one stands in memory, a constant that can be written out, and what it may be called."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..layout import compact

# Functions that a source brings along, where it goes through arrays piece by piece.
HELPERS = {
    "pieces": ["def pieces(a, rows):  # views of so many rows each",
               "    return [a[i : i + rows] for i in range(0, len(a), rows)]"],
    "again": ["def again(a, total, rows):  # one piece of memory for every piece of rows",
              "    return [a[: min(rows, total - i)] for i in range(0, total, rows)]"],
}


def place(a: Any, memory: str, offset: int) -> str:
    """An array of this shape, dtype and order of axes, somewhere in memory."""
    strides = "" if compact(a) else f", {a.strides}"
    return f"np.ndarray({a.shape}, np.{a.dtype.name}, {memory}, {offset}{strides})"


def spelling(a: Any) -> str:
    """A constant as an expression, if it is one of the plain ones."""
    if not isinstance(a, np.ndarray) or a.size > 2**16 or not a.size or not compact(a) or a.dtype.kind not in "fiu":
        return ""
    dtype = f"np.{a.dtype.name}"
    shape = a.shape[0] if a.ndim == 1 else a.shape
    flat = a.reshape(-1)
    if (flat == 1).all():
        return f"np.ones({shape}, {dtype})"
    if a.dtype.kind == "f" and (flat == flat[0]).all():
        return f"np.full({shape}, {float(flat[0])!r}, {dtype})"
    if a.ndim == 2 and a.shape[0] == a.shape[1] and np.array_equal(a, np.eye(len(a), dtype=a.dtype)):
        return f"np.eye({len(a)}, dtype={dtype})"
    if a.ndim == 1 and a.dtype == np.int64 and len(a) > 1 and a[1] != a[0]:
        start, step = int(a[0]), int(a[1] - a[0])
        if np.array_equal(a, np.arange(start, start + step * len(a), step)):
            plain = not start and step == 1
            return f"np.arange({len(a)})" if plain else f"np.arange({start}, {start + step * len(a)}, {step})"
    return ""


def contents(a: Any) -> str:
    """What a constant may be called."""
    text = spelling(a)
    kind = text.partition("(")[0].removeprefix("np.")
    sizes = "x".join(map(str, np.shape(a)))
    return {"ones": f"ones_{sizes}", "full": f"shares_{sizes}", "eye": f"one_hot_{len(a)}" if np.ndim(a) else "",
            "arange": "starts" if "," in text else "counting"}.get(kind, f"constant_{sizes}")
