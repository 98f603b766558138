"""Tensors of numbers in a row: arange, linspace, logspace; to PyTorch's last digit, but for logspace."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..advice import a_type
from .creation import made
from .dtypes import default, numpy_dtype
from .offer import offer
from .tensor import Tensor

LONG = np.longdouble  # subtle: PyTorch multiplies and adds with one rounding, which this imitates


def number(name: str, x: Any) -> Any:
    """A Python number, which may come as a tensor."""
    x = x.item() if isinstance(x, Tensor | np.generic) else x
    if not isinstance(x, int | float):
        raise TypeError(f"{name}: got {a_type(x)}; expected numbers; convert it first")
    return x


@offer()
def arange(start: Any = None, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
           requires_grad: bool = False) -> Tensor:
    """Numbers from start up to end, which does not count; of integers int64, else floats.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.arange(3), torch.arange(1, 2, 0.5)
    (tensor([0, 1, 2]), tensor([1.0000, 1.5000]))
    """
    if end is None:
        start, end = 0, start
    start, end, step = (number("arange", x) for x in (0 if start is None else start, end, step))
    whole = not any(isinstance(x, float) for x in (start, end, step))
    wanted = numpy_dtype(dtype, np.dtype(np.int64) if whole else default[0].numpy)
    if wanted.kind in "iu":
        start, end, step = int(start), int(end), int(step)
    if not step:
        raise RuntimeError("arange: step must be nonzero; got 0; give another")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"arange: unsupported range: {start} -> {end}; expected finite numbers; give bounds")
    if (end - start) * step < 0:
        raise RuntimeError(f"arange: upper bound and lower bound inconsistent with step sign; got {start}, {end}, "
                           f"{step}; exchange them, or change the sign")
    return made(counted(start, step, math.ceil((end - start) / step), wanted), requires_grad, device)


def counted(start: Any, step: Any, n: int, dtype: Any) -> Any:
    """``start + i * step`` for n of them, rounded as PyTorch rounds: in blocks of 32 bytes, two at a time."""
    i = np.arange(n)
    if dtype.kind != "f" or dtype.itemsize < 4 or (isinstance(start, int) and isinstance(step, int)):
        return (start + i * step).astype(dtype)
    block = 32 // dtype.itemsize
    head = i[: n // (2 * block) * 2 * block]
    y = once_rounded(start, step, i).astype(dtype)
    first = once_rounded(start, step, head // block * block).astype(dtype)
    y[: head.size] = once_rounded(first, step, head % block).astype(dtype)
    return y


def once_rounded(a: Any, step: Any, k: Any) -> Any:
    """``a + step * k`` in float64."""
    return (np.asarray(a, LONG) + LONG(step) * k).astype(np.float64)


@offer("range")
def range_(start: Any = 0, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
           requires_grad: bool = False) -> Tensor:
    """As `arange`, but that the end counts, and that they are floats; PyTorch advises against it."""
    start, end, step = (number("range", x) for x in (start, end, step))
    if not step or (end - start) * step < 0:
        raise RuntimeError(f"range: upper bound and lower bound inconsistent with step sign, or step is 0; got "
                           f"{start}, {end}, {step}; change the sign")
    n = math.floor((end - start) / step) + 1
    return made((start + np.arange(n) * step).astype(numpy_dtype(dtype, default[0].numpy)), requires_grad, device)


@offer()
def linspace(start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False) -> Tensor:
    """So many numbers at even distances, from start to end, which counts."""
    wanted = numpy_dtype(dtype, default[0].numpy)
    return made(even("linspace", start, end, steps, wanted), requires_grad, device)


def even(name: str, start: Any, end: Any, n: Any, dtype: Any) -> Any:
    """Numbers at even distances; the second half is counted from the end."""
    if not hasattr(n, "__index__") or n < 0:
        raise (RuntimeError if hasattr(n, "__index__") else TypeError)(
            f"{name}: number of steps must be non-negative; got {n!r}; give how many")
    n = n.__index__()
    kind: Any
    wide: Any
    kind, wide = (dtype.type, LONG) if dtype.kind == "f" else (np.float64, np.float64)
    i: Any = np.arange(n)
    a, b = (kind(number(name, x) if dtype.kind == "f" else int(number(name, x))) for x in (start, end))
    if n == 1:
        return np.array([a]).astype(dtype)
    step: Any = wide((b - a) / kind(max(n - 1, 1)))
    y = np.where(i < n // 2, wide(a) + step * i.astype(wide), wide(b) - step * (n - 1 - i).astype(wide))
    return y.astype(kind).astype(dtype)


@offer()
def logspace(start: Any, end: Any, steps: int, base: Any = 10.0, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False) -> Tensor:
    """The base to the power of numbers at even distances."""
    wanted = numpy_dtype(dtype, default[0].numpy)
    with np.errstate(all="ignore"):
        start, end = (x if wanted.kind == "f" else int(number("logspace", x)) for x in (start, end))
        values = np.power(float(base), even("logspace", start, end, steps, np.dtype(np.float64)))
    return made(values.astype(wanted), requires_grad, device)
