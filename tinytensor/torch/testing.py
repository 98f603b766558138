"""`torch.testing`: whether two results are close enough, as PyTorch's tests ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .creation import as_tensor
from .tensor import Tensor

# rtol and atol for each dtype, those of PyTorch
TOLERANCES = {"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


def assert_close(actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None,
                 atol: float | None = None, equal_nan: bool = False, check_device: bool = True,
                 check_dtype: bool = True, check_layout: bool = True, check_stride: bool = False,
                 msg: Any = None) -> None:
    """Raise an AssertionError unless tensors, numbers, or lists and dicts of them, agree.

    Two elements agree where ``abs(actual - expected) <= atol + rtol * abs(expected)``.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.testing.assert_close(torch.tensor([1.0]), torch.tensor([1.0 + 1e-7]))
    """
    if (rtol is None) != (atol is None):
        raise ValueError(f"assert_close: got rtol={rtol} and atol={atol}; expected both, or none; give the other, 0.0 "
                         f"perhaps")
    try:
        compare(actual, expected, rtol, atol, equal_nan, check_dtype, check_stride, "")
    except AssertionError as error:
        if msg is None:
            raise
        raise AssertionError(msg(str(error)) if callable(msg) else msg) from None


def compare(actual: Any, expected: Any, rtol: float | None, atol: float | None, equal_nan: bool, check_dtype: bool,
            check_stride: bool, where: str) -> None:
    """`assert_close`, of a part that stands at a place."""
    rest = (rtol, atol, equal_nan, check_dtype, check_stride)
    if isinstance(expected, Mapping):
        if not isinstance(actual, Mapping) or actual.keys() != expected.keys():
            raise AssertionError(f"The keys of the mappings{where} do not match")
        for key in expected:
            compare(actual[key], expected[key], *rest, f"{where}[{key!r}]")
        return
    if isinstance(expected, list | tuple):
        if not isinstance(actual, list | tuple) or len(actual) != len(expected):
            raise AssertionError(f"The length of the sequences{where} mismatch")
        for i, (a, b) in enumerate(zip(actual, expected, strict=True)):
            compare(a, b, *rest, f"{where}[{i}]")
        return
    numbers = not isinstance(actual, Tensor) or not isinstance(expected, Tensor)
    x, y = as_tensor(actual), as_tensor(expected)
    if x.shape != y.shape:
        raise AssertionError(f"The values for attribute 'shape'{where} do not match: {x.shape} != {y.shape}.")
    if check_dtype and not numbers and x.dtype != y.dtype:
        raise AssertionError(f"The values for attribute 'dtype'{where} do not match: {x.dtype} != {y.dtype}.")
    if check_stride and not numbers and x.stride() != y.stride():
        raise AssertionError(f"The values for attribute 'stride()'{where} do not match: {x.stride()} != {y.stride()}.")
    names = [d.name for d in (x.dtype, y.dtype)]
    known = [TOLERANCES.get("float64" if numbers and n.startswith("float") else n, (0.0, 0.0)) for n in names]
    r, t = (max(v) for v in zip(*known, strict=True))
    r, t = (r, t) if rtol is None or atol is None else (rtol, atol)
    a, b = (v.node.data.astype(np.float64) if v.dtype.is_floating_point else v.node.data for v in (x, y))
    close = np.isclose(a, b, r, t, equal_nan)
    if not close.all():
        wrong = np.count_nonzero(~close)
        far = np.nanmax(np.abs(np.where(close, 0, np.asarray(a, np.float64) - b)))
        raise AssertionError(f"Tensor-likes are not close{where}!\n\nMismatched elements: {wrong} / {close.size} "
                             f"({100 * wrong / close.size:.1f}%)\nGreatest absolute difference: {far} (up to {t} "
                             f"allowed, and {r} of the expected value)")
