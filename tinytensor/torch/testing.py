"""`torch.testing`: `assert_close`, which compares tensors, numbers and structures of them, as PyTorch does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .dtypes import of
from .tensor import Tensor

__all__ = ["assert_close"]
TOLERANCES = {"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


def assert_close(actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None,
                 atol: float | None = None, equal_nan: bool = False, check_device: bool = True,
                 check_dtype: bool = True, check_layout: bool = True, check_stride: bool = False,
                 msg: str | Callable[[str], str] | None = None) -> None:
    """Raise an AssertionError unless all elements are equal up to ``atol + rtol * abs(expected)``.

    Parameters
    ----------
    actual, expected : tensor, array, number, or sequence or mapping of them
    rtol, atol : float, optional
        Both or none; by default those of the dtype: for float32 1.3e-6 and 1e-5, for integers 0.
    check_dtype, check_stride : bool
        Whether dtypes, and strides, must be the same.
    msg : str or callable
        What the error says, or what makes it of the text that it would have.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.testing.assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.5]))
    Traceback (most recent call last):
    AssertionError: Tensor-likes are not close!...
    """
    found = difference(actual, expected, (rtol, atol), (equal_nan, check_dtype, check_stride), "")
    if found:
        raise AssertionError(msg(found) if callable(msg) else msg or found)


def difference(a: Any, b: Any, tolerances: tuple[Any, Any], switches: tuple[bool, bool, bool], path: str) -> str:
    """In what two values differ, in words; empty if in nothing."""
    where = f"\n\nThe failure occurred for item {path}" if path else ""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if a.keys() != b.keys():
            return (f"The keys of the mappings do not match:\nMissing keys in the actual mapping: "
                    f"{sorted(b.keys() - a.keys())}\nMissing keys in the expected mapping: "
                    f"{sorted(a.keys() - b.keys())}{where}")
        parts = [(key, a[key], b[key]) for key in a]
    elif isinstance(a, Sequence) and isinstance(b, Sequence) and not isinstance(a, str):
        if len(a) != len(b):
            return f"The length of the sequences mismatch: {len(a)} != {len(b)}{where}"
        parts = list(zip(range(len(a)), a, b, strict=True))
    else:
        return (text + where) if (text := unlike(a, b, tolerances, switches)) else ""
    found = (difference(x, y, tolerances, switches, f"{path}[{key!r}]") for key, x, y in parts)
    return next((text for text in found if text), "")


def array_of(x: Any) -> Any:
    """The array of a tensor, an array or a number."""
    if isinstance(x, Tensor):
        return x.node.data
    if isinstance(x, np.ndarray | np.generic | bool | int | float):
        return np.asarray(x)
    raise TypeError(f"assert_close: No comparison pair was able to handle inputs of type {type(x).__name__}; expected "
                    f"tensors, arrays, numbers, or sequences and mappings of them; convert it first")


def unlike(x: Any, y: Any, tolerances: tuple[Any, Any], switches: tuple[bool, bool, bool]) -> str:
    """In what two tensors or numbers differ, in words."""
    a, b = array_of(x), array_of(y)
    if (tolerances[0] is None) != (tolerances[1] is None):
        raise ValueError(f"assert_close: rtol and atol must both be specified or both be unspecified; got rtol and "
                         f"atol {tolerances}; give the other, too")
    equal_nan, check_dtype, check_stride = switches
    numbers = not isinstance(x, Tensor | np.ndarray) and not isinstance(y, Tensor | np.ndarray)
    if a.shape != b.shape:
        return f"The values for attribute 'shape' do not match: {of_shape(a)} != {of_shape(b)}."
    if check_dtype and not numbers and a.dtype != b.dtype:
        return f"The values for attribute 'dtype' do not match: {of(a.dtype)} != {of(b.dtype)}."
    if check_stride and a.strides != b.strides:
        return f"The values for attribute 'stride()' do not match: {strides(a)} != {strides(b)}."
    pairs = [TOLERANCES.get(d.name, (0.0, 0.0)) for d in (a.dtype, b.dtype)]
    rtol, atol = (max(p[i] for p in pairs) if t is None else t for i, t in enumerate(tolerances))
    a, b = (v.astype(np.float64) if v.dtype.kind in "fb" else v for v in (a, b))
    with np.errstate(all="ignore"):
        close = np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)
        if close.all():
            return ""
        absolute = np.abs(a.astype(np.float64) - b)
        relative = absolute / np.abs(b)
    equal = rtol == 0 and atol == 0
    title = f"{'Scalars' if numbers else 'Tensor-likes'} are not {'equal' if equal else 'close'}!\n\n"
    if numbers:
        return (f"{title}Expected {y} but got {x}.\nAbsolute difference: {absolute.item()} (up to {atol} allowed)\n"
                f"Relative difference: {relative.item()} (up to {rtol} allowed)")
    wrong = int((~close).sum())
    lines = [f"{title}Mismatched elements: {wrong} / {a.size} ({wrong / a.size:.1%})"]
    for name, values, allowed in (("absolute", absolute, atol), ("relative", relative, rtol)):
        values = np.where(close, 0, values)
        at = np.unravel_index(int(np.argmax(values)), a.shape)
        bound = "" if equal else f" (up to {allowed} allowed)"
        lines.append(f"Greatest {name} difference: {values[at].item()} at index {tuple(map(int, at))}{bound}")
    return "\n".join(lines)


def of_shape(a: Any) -> str:
    return f"torch.Size({[*a.shape]})"


def strides(a: Any) -> tuple[int, ...]:
    return tuple(s // a.itemsize for s in a.strides)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"torch.testing.{name} is not here; expected assert_close; use it, or compare by "
                         f"torch.allclose")
