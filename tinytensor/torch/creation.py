"""Tensors of Python's numbers, of NumPy's arrays, and of one value."""

from __future__ import annotations

from typing import Any

import numpy as np

from .dtypes import default, numpy_dtype, of, on_cpu, shape_of
from .offer import offer
from .tensor import Tensor, of_array


def made(array: Any, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A leaf of an array."""
    on_cpu(device)
    t = of_array(array)
    if requires_grad:
        t.requires_grad = True
    return t


def read(data: Any, dtype: Any = None) -> Any:
    """The array of nested lists of numbers, tensors and arrays: a copy."""
    wanted = numpy_dtype(dtype)
    if isinstance(data, Tensor):
        return np.array(data.node.data, wanted)
    if isinstance(data, np.ndarray | np.generic):
        return np.array(data, of(data.dtype).numpy if wanted is None else wanted)
    try:
        array = np.array(numbers(data) if isinstance(data, list | tuple) else data)
    except ValueError as error:
        raise ValueError(f"tensor: {error}; expected numbers, or even lists of them; pad the short ones") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"tensor: got {type(data).__name__} of dtype {array.dtype}; expected real numbers, or lists of "
                        f"them; convert it first")
    if wanted is None:
        wanted = default[0].numpy if (array.dtype.kind == "f" and not strong(data)) or not array.size else array.dtype
    return array.astype(wanted)


def numbers(data: Any) -> Any:
    """Nested lists, with arrays in the place of tensors."""
    if isinstance(data, list | tuple):
        return [numbers(x) for x in data]
    return data.detach().numpy() if isinstance(data, Tensor) else data


def strong(data: Any) -> bool:
    """Whether NumPy's numbers are in the lists, whose dtype counts."""
    if isinstance(data, list | tuple):
        return any(strong(x) for x in data)
    return isinstance(data, np.ndarray | np.generic)


@offer()
def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
           pin_memory: bool = False) -> Tensor:
    """A tensor of numbers, of lists of numbers, or of an array, which is copied.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    return made(read(data, dtype), requires_grad, device)


@offer("as_tensor", "asarray")
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """As `tensor`, but what is a tensor or an array already is shared."""
    wanted = numpy_dtype(dtype)
    if isinstance(data, Tensor) and (wanted is None or data.node.data.dtype == wanted):
        return data
    if isinstance(data, np.ndarray) and (wanted is None or data.dtype == wanted):
        return from_numpy(data)
    return made(read(data, dtype), False, device)


@offer()
def from_numpy(ndarray: Any) -> Tensor:
    """A tensor that shares an array's memory."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected np.ndarray (got {type(ndarray).__name__}); write torch.tensor(x)")
    of(ndarray.dtype)
    return made(ndarray)


@offer()
def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of a shape: ``zeros(2, 3)`` or ``zeros((2, 3))``."""
    return made(np.zeros(shape_of(size), numpy_dtype(dtype, default[0].numpy)), requires_grad, device)


@offer()
def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of a shape."""
    return made(np.ones(shape_of(size), numpy_dtype(dtype, default[0].numpy)), requires_grad, device)


@offer()
def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of a shape, whose values are yet to be written; here they are zeros."""
    return zeros(*size, dtype=dtype, device=device, requires_grad=requires_grad)
