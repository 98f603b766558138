"""Python objects and arrays as text that evaluates to the same, given `np`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..layout import compact

BUILTINS = {bool: "bool", int: "int", float: "float", complex: "complex", str: "str", bytes: "bytes", object: "object"}
LONG = 4000  # bits: Python refuses to print longer integers in decimal


def literal(x: Any) -> str:
    """An expression that evaluates to an equal object of the same type, to the last bit; "" for what has none.

    A dtype is written as its scalar type, which NumPy takes in its place, where that says all.

    Examples
    --------
    >>> literal((np.float32(0.1), float("-inf"), slice(None, 2), ...))
    '(np.float32(0.10000000149011612), -float("inf"), slice(None, 2, None), ...)'
    """
    kind = type(x)
    if x is None or kind is bool:
        return repr(x)
    if x is Ellipsis:
        return "..."
    if kind is int:
        return repr(x) if x.bit_length() < LONG else hex(x)
    if kind is float:
        return float_literal(x)
    if kind is complex:
        return f"complex({float_literal(x.real)}, {float_literal(x.imag)})"
    if kind is str:
        return f'"{x}"' if x.isascii() and x.isprintable() and '"' not in x and "\\" not in x else repr(x)
    if kind is bytes:
        return repr(x)
    if kind in (list, tuple, set, frozenset, dict, slice, range):
        return container_literal(x)
    if isinstance(x, np.generic):
        return scalar_literal(x)
    if isinstance(x, np.dtype):
        return dtype_literal(x)
    return type_literal(x) if isinstance(x, type) else ""


def float_literal(x: float) -> str:
    """A float; the one nan that is written so is NumPy's and Python's own, others are built of their bits."""
    if math.isfinite(x):
        return repr(x)
    sign = "-" * (math.copysign(1, x) < 0)
    if not math.isnan(x) or np.float64(x).tobytes() == np.float64(math.copysign(math.nan, x)).tobytes():
        return f'{sign}float("{"nan" if math.isnan(x) else "inf"}")'
    return f"np.uint64({int(np.float64(x).view(np.uint64))}).view(np.float64).item()"


def container_literal(x: Any) -> str:
    if isinstance(x, range):
        return repr(x)
    if isinstance(x, dict):
        pairs = [(literal(k), literal(y)) for k, y in x.items()]
        return f"{{{', '.join([f'{k}: {y}' for k, y in pairs])}}}" if all(k and y for k, y in pairs) else ""
    items = [literal(y) for y in ((x.start, x.stop, x.step) if isinstance(x, slice) else x)]
    if not all(items):
        return ""
    text = ", ".join(items)
    if isinstance(x, tuple):
        return f"({text}{',' * (len(items) == 1)})"
    if isinstance(x, slice | frozenset):
        return f"slice({text})" if isinstance(x, slice) else f"frozenset([{text}])"
    return f"[{text}]" if isinstance(x, list) else f"{{{text}}}" if items else "set()"


def scalar_literal(x: np.generic) -> str:
    """One of NumPy's scalars: its type called with a Python number, or, where that would not be exact, its bytes."""
    name, item = type_literal(type(x)), x.item() if x.dtype.kind in "biufc" else None
    if type(x) in (np.str_, np.bytes_):
        plain = "".join(x) if isinstance(x, np.str_) else bytes(x)  # type: ignore[call-overload]
        return f"{name}({literal(plain)})"  # subtle: str(x) would lose zeros at its end
    if name and item is not None and not isinstance(item, np.generic):
        text = f"{name}({literal(item)})"
        with np.errstate(all="ignore"):
            same = type(x)(item)
        if same.tobytes() == x.tobytes() and same.dtype == x.dtype:
            return text
    if x.dtype.hasobject or x.dtype.fields or not x.dtype.itemsize:
        return ""
    return f"np.frombuffer({x.tobytes()!r}, {dtype_literal(x.dtype)})[0]"


def dtype_literal(x: np.dtype[Any]) -> str:
    name = type_literal(x.type)
    if name and np.dtype(x.type) == x and x.isnative:
        return name
    return f'np.dtype("{x.str}")' if x.fields is None and x.subdtype is None and x.kind in "biufcUSmMV" else ""


def type_literal(x: type) -> str:
    """The name of a type that this namespace knows."""
    if x in BUILTINS:
        return BUILTINS[x]
    return f"np.{x.__name__}" if issubclass(x, np.generic) and getattr(np, x.__name__, None) is x else ""


# --- arrays ---


def constant_literal(a: Any) -> str:
    """A constant array as a call that makes it, if it is one of the simple ones."""
    if not isinstance(a, np.ndarray) or a.size > 2**16 or not a.size or not compact(a) or a.dtype.kind not in "fiu":
        return ""
    text = simple_constant(a, literal(a.dtype))
    if not text:
        return ""
    same = eval(text, {"np": np})
    return text if same.dtype == a.dtype and same.shape == a.shape and same.tobytes() == a.tobytes() else ""


def simple_constant(a: Any, dtype: str) -> str:
    """The kind of a constant, up to the signs of zeros."""
    shape, flat = a.shape[0] if a.ndim == 1 else a.shape, a.reshape(-1)
    if (flat == 1).all():
        return f"np.ones({shape}, {dtype})"
    if a.dtype.kind == "f" and ((flat == flat[0]) | (np.isnan(flat) & np.isnan(flat[0]))).all():
        return f"np.full({shape}, {literal(float(flat[0]))}, {dtype})"
    if a.ndim == 2 and a.shape[0] == a.shape[1] and np.array_equal(a, np.eye(len(a), dtype=a.dtype)):
        return f"np.eye({len(a)}, dtype={dtype})"
    if a.ndim == 1 and a.dtype == np.int64 and len(a) > 1 and a[1] != a[0]:
        start, step = int(a[0]), int(a[1]) - int(a[0])
        stop = start + step * len(a)
        if np.array_equal(a, np.arange(start, stop, step)) and -(2**62) < stop < 2**62:
            return f"np.arange({len(a)})" if not start and step == 1 else f"np.arange({start}, {stop}, {step})"
    return ""


def constant_name(a: Any) -> str:
    """A name for a constant."""
    text = constant_literal(a)
    maker = text.partition("(")[0].removeprefix("np.")
    shape = "x".join(map(str, np.shape(a)))
    return {"ones": f"ones_{shape}", "full": f"shares_{shape}", "eye": f"one_hot_{len(a)}" if np.ndim(a) else "",
            "arange": "starts" if "," in text else "counting"}.get(maker, f"constant_{shape}")
