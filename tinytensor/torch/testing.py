"""`torch.testing`: whether tensors are close enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .tensor import Tensor

TOLERANCES = {"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


def assert_close(actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None,
                 atol: float | None = None, equal_nan: bool = False, check_device: bool = True,
                 check_dtype: bool = True, check_layout: bool = True, check_stride: bool = False,
                 msg: Any = None) -> None:
    """Raise an AssertionError unless tensors, numbers, or lists and dicts of them are close enough.

    Parameters
    ----------
    rtol, atol : float, optional
        Both or neither: ``abs(actual - expected) <= atol + rtol * abs(expected)``; by themselves as the dtype allows.
    msg : str or callable, optional
        What is said instead, or is made of what would be said.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.testing.assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-7]))
    >>> torch.testing.assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1]))
    Traceback (most recent call last):
    AssertionError: Tensor-likes are not close!...
    """
    if (rtol is None) is not (atol is None):
        raise ValueError(f"assert_close: rtol and atol must both be specified or both be unspecified; got rtol={rtol} "
                         f"and atol={atol}; give the other one, too")
    wrong = difference(actual, expected, rtol, atol, equal_nan, check_dtype, check_stride)
    if wrong:
        raise AssertionError(msg(wrong) if callable(msg) else wrong if msg is None else msg)


def difference(a: Any, b: Any, rtol: Any, atol: Any, *settings: bool) -> str:
    """In what two things differ, or nothing."""
    if isinstance(b, Mapping) and isinstance(a, Mapping):
        if a.keys() != b.keys():
            return f"The keys of the mappings do not match: got {[*a]}, expected {[*b]}"
        parts = [(key, a[key], b[key]) for key in b]
    elif isinstance(b, Sequence) and isinstance(a, Sequence) and not isinstance(b, str):
        if len(a) != len(b):
            return f"The length of the sequences mismatch: {len(a)} != {len(b)}"
        parts = [(i, *pair) for i, pair in enumerate(zip(a, b, strict=True))]
    else:
        return of_tensors(a, b, rtol, atol, *settings)
    for key, x, y in parts:
        wrong = difference(x, y, rtol, atol, *settings)
        if wrong:
            return f"{wrong}\n\nThe failure occurred for item [{key}]"
    return ""


def of_tensors(a: Any, b: Any, rtol: Any, atol: Any, equal_nan: bool, check_dtype: bool, check_stride: bool) -> str:
    """In what two tensors, or numbers, differ, or nothing."""
    if type(a) is not type(b) and not (isinstance(a, Tensor) and isinstance(b, Tensor)):
        return f"No comparison of a {type(a).__name__} and a {type(b).__name__}; expected two of one kind"
    kind, x, y = "Scalars", np.asarray(a) if not isinstance(a, Tensor) else a.node.data, np.asarray(
        b) if not isinstance(b, Tensor) else b.node.data
    if isinstance(a, Tensor):
        kind = "Scalars" if not x.ndim else "Tensor-likes"
        if x.shape != y.shape:
            return f"The values for attribute 'shape' do not match: {a.shape} != {b.shape}."
        if check_dtype and x.dtype != y.dtype:
            return f"The values for attribute 'dtype' do not match: {a.dtype} != {b.dtype}."
        if check_stride and a.stride() != b.stride():
            return f"The values for attribute 'stride()' do not match: {a.stride()} != {b.stride()}."
    if rtol is None:
        found = [TOLERANCES.get(z.dtype.name, (0.0, 0.0)) for z in (x, y)]
        rtol, atol = (max(pair) for pair in zip(*found, strict=True))
    if x.dtype.kind == "b" or y.dtype.kind == "b":
        x, y = (z.astype(np.int64) for z in (x, y))
    fine = np.isclose(x, y, rtol, atol, equal_nan)
    if fine.all():
        return ""
    with np.errstate(all="ignore"):
        gap = np.abs(np.where(fine, 0, x.astype(np.float64) - y))
        ratio = gap / np.abs(y)
    exact = "equal" if not rtol and not atol else "close"
    count = f"\n\nMismatched elements: {(~fine).sum()} / {fine.size} ({(~fine).mean():.1%})" * (kind != "Scalars")
    said = (f"{count}\nGreatest absolute difference: {greatest(gap)} (up to {atol} allowed)\n"
            f"Greatest relative difference: {greatest(ratio)} (up to {rtol} allowed)")
    if kind == "Scalars":
        said = f"\n\nExpected {y} but got {x}.\nAbsolute difference: {float(gap)}\nRelative difference: {float(ratio)}"
    return f"{kind} are not {exact}!{said}"


def greatest(gap: Any) -> str:
    """The largest of some differences, and where it stands."""
    at = np.unravel_index(np.where(np.isnan(gap), -1, gap).argmax(), gap.shape)
    return f"{gap[at]} at index {tuple(map(int, at))}"
