"""PyTorch's `torch.testing`: assert_close, for tests of one's own.

Gradients are checked by `torch.autograd.gradcheck`. Its makers of samples (make_tensor) are not here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .dtypes import result_dtype
from .tensor import Tensor

__all__ = ["assert_close"]

TOLERANCES = {"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}  # PyTorch's, by dtype


def assert_close(actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None,
                 atol: float | None = None, equal_nan: bool = False, check_device: bool = True,
                 check_dtype: bool = True, check_layout: bool = True, check_stride: bool = False,
                 msg: Any = None) -> None:
    """Raise an AssertionError unless two tensors are close: ``|actual - expected| <= atol + rtol * |expected|``.

    Parameters
    ----------
    actual, expected : Tensor, number, array, or a sequence or mapping of these
        What is compared, place by place.
    rtol, atol : float, optional
        Both or none. The default goes by dtype: 1.3e-6 and 1e-5 for float32, 1e-7 for float64, 0 for integers.
    equal_nan : bool
        Whether nan equals nan.
    check_dtype, check_stride : bool
        Whether dtypes, and strides, must be equal. Devices and layouts always are.
    msg : str or callable, optional
        The error's text, or what makes it of the text that stands here.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.testing.assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.000001]))
    >>> torch.testing.assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1]))
    Traceback (most recent call last):
    AssertionError: Tensor-likes are not close! got 1 of 2 elements off, by 0.0999999 at (1,); expected at most 1.27e-05
    """
    if (rtol is None) != (atol is None):
        raise ValueError(f"assert_close: rtol and atol must both be specified or both be unspecified; got rtol={rtol}, "
                         f"atol={atol}; give both")
    fault = difference(actual, expected, rtol, atol, equal_nan, check_dtype, check_stride)
    if fault:
        raise AssertionError(fault if msg is None else msg(fault) if callable(msg) else msg)


def difference(a: Any, b: Any, rtol: float | None, atol: float | None, equal_nan: bool, check_dtype: bool,
               check_stride: bool) -> str:
    """What is wrong with the first place that differs, or an empty text."""
    how = (rtol, atol, equal_nan, check_dtype, check_stride)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if a.keys() != b.keys():
            return f"The keys of the mappings do not match: got {[*a]}; expected {[*b]}"
        return next((f"{fault}; it is item {key!r}" for key in b if (fault := difference(a[key], b[key], *how))), "")
    if isinstance(a, Sequence) and isinstance(b, Sequence) and not isinstance(a, str):
        if len(a) != len(b):
            return f"The length of the sequences mismatch: got {len(a)}; expected {len(b)}"
        return next((f"{fault}; it is item {i}" for i, (x, y) in enumerate(zip(a, b, strict=True))
                     if (fault := difference(x, y, *how))), "")
    if a is None or b is None:
        return "" if a is b else f"None mismatch: got {a}; expected {b}"
    kind = next((kind for kind in (Tensor, np.ndarray, int | float | np.generic) if isinstance(a, kind)), None)
    if kind is None or not isinstance(b, kind):
        raise TypeError(f"assert_close: got a {type(a).__name__} and a {type(b).__name__}; expected two tensors, two "
                        f"numbers, two arrays, or sequences or mappings of them; write torch.tensor(...) around the "
                        f"other")
    strides = [x.stride() if isinstance(x, Tensor) else () for x in (a, b)]
    x, y = (n.node.data if isinstance(n, Tensor) else np.asarray(n) for n in (a, b))
    if x.shape != y.shape:
        return f"The values for attribute 'shape' do not match: got {x.shape}; expected {y.shape}"
    if check_dtype and x.dtype != y.dtype:
        return f"The values for attribute 'dtype' do not match: got {x.dtype}; expected {y.dtype}"
    if check_stride and strides[0] != strides[1]:
        return f"The values for attribute 'stride()' do not match: got {strides[0]}; expected {strides[1]}"
    return off(x, y, rtol, atol, equal_nan)


def off(x: Any, y: Any, rtol: float | None, atol: float | None, equal_nan: bool) -> str:
    """How far the values are apart, where that is too far."""
    kinds = [TOLERANCES.get(n.dtype.name, (0.0, 0.0)) for n in (x, y)]
    rtol = max(kinds)[0] if rtol is None else rtol
    atol = max(kind[1] for kind in kinds) if atol is None else atol
    dtype = result_dtype(x, y) if x.dtype != y.dtype else x.dtype
    x, y = x.astype(dtype), y.astype(dtype)
    with np.errstate(all="ignore"):
        close = np.isclose(x, y, rtol, atol, equal_nan) if dtype.kind == "f" or rtol or atol else x == y
        if np.all(close):
            return ""
        apart = np.where(close, 0, np.abs(x.astype(np.float64) - y.astype(np.float64)))
        place = np.unravel_index(int(np.argmax(apart)), apart.shape)
        bound = atol + rtol * abs(float(y[place]))
    return (f"Tensor-likes are not close! got {np.count_nonzero(~close)} of {close.size} elements off, by "
            f"{apart[place]:.6g} at {tuple(map(int, place))}; expected at most {bound:.3g}")
