"""Tensors from nothing: constants, counters and random values. No input, so no rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import random
from ..core import Tensor, as_array, dtypes_in
from ..define import composite
from ..dispatch import as_python
from ..names import also_generator
from .like import full_like


def as_shape(shape: tuple[Any, ...]) -> Any:
    """A shape given as several integers, or as one tuple, array or Tensor of them."""
    return as_python("shape", shape[0] if len(shape) == 1 else shape)


def default_dtype(values: Any) -> Any:
    """The dtype of what Python's numbers make: float32 for floats; NumPy's scalars bring theirs."""
    dtype = np.result_type(*values)
    return np.dtype(np.float32) if dtype == np.float64 and not dtypes_in(list(values)) else dtype


@composite()
def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor with a copy of the data: numbers, nested lists, arrays or Tensors.

    Python floats become float32, integers int64; an array keeps its dtype.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([[1, 2], [3, 4.5]])
    tensor([[1. , 2. ],
            [3. , 4.5]])
    """
    return Tensor(as_array(data, dtype, copy=True), requires_grad)


@composite()
def zeros(*shape: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Zeros of a shape.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.zeros(2, 3).shape
    (2, 3)
    """
    return Tensor(np.zeros(as_shape(shape), dtype), requires_grad)


@composite()
def ones(*shape: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Ones of a shape.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ones(3)
    tensor([1., 1., 1.])
    """
    return Tensor(np.ones(as_shape(shape), dtype), requires_grad)


@composite()
def empty(*shape: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A shape whose values are whatever stood in that memory.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.empty(2, 3).shape
    (2, 3)
    """
    return Tensor(np.empty(as_shape(shape), dtype), requires_grad)


@composite()
def full(shape: Any, fill_value: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """One value everywhere, in its own dtype unless another is given; an array is broadcast.

    A gradient flows to a `fill_value` that is a Tensor.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.full(2, 7.0)
    tensor([7., 7.])
    """
    if not isinstance(fill_value, Tensor) and dtype is None:
        fill_value = as_array(fill_value)
    y = np.empty(as_shape((shape,)), fill_value.dtype if dtype is None else dtype)
    filled: Tensor = full_like(Tensor(y), fill_value)
    if requires_grad:
        filled.requires_grad = True
    return filled


@composite()
def eye(N: Any, M: Any = None, k: Any = 0, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Ones on diagonal k, zeros elsewhere.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return Tensor(np.eye(N, M, k, dtype), requires_grad)


@composite()
def identity(n: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """The identity matrix of n rows.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.identity(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return Tensor(np.identity(n, dtype), requires_grad)


@composite()
def tri(N: Any, M: Any = None, k: Any = 0, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Ones at and below diagonal k, zeros above.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tri(2)
    tensor([[1., 0.],
            [1., 1.]])
    """
    return Tensor(np.tri(N, M, k, dtype), requires_grad)


@composite()
def arange(*bounds: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Numbers from start (0) to stop, which is left out, by step (1): integers give int64, floats float32.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.arange(2, 8, 2)
    tensor([2, 4, 6])
    """
    numbers = [as_python("arange", bound) for bound in bounds]
    if dtype is None and any(isinstance(number, float) for number in numbers):
        dtype = default_dtype([bound.data if isinstance(bound, Tensor) else bound for bound in bounds])
    return Tensor(np.arange(*numbers, dtype=dtype), requires_grad)


# --- random ---


@composite()
@also_generator
def rand(*shape: Any, dtype: Any = np.float32, rng: Any = None, requires_grad: bool = False) -> Tensor:
    """Uniform in [0, 1), from PyTorch's stream; `rng` is a Generator, a seed, or None for the default generator.

    PyTorch's name for it, `generator`, may be written instead, here and wherever tinytensor has an `rng`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> p = tt.rand(3, rng=2147483647)
    >>> p / p.sum()  # the first lecture's probabilities
    tensor([0.6064, 0.3033, 0.0903])
    """
    return Tensor(random.as_generator(rng).rand(*shape, dtype=dtype), requires_grad)


@composite()
@also_generator
def randn(*shape: Any, dtype: Any = np.float32, rng: Any = None, requires_grad: bool = False) -> Tensor:
    """Normal with mean 0 and variance 1, from PyTorch's stream; `rng` as in `rand`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.randn(2, 2, rng=0).shape
    (2, 2)
    """
    return Tensor(random.as_generator(rng).randn(*shape, dtype=dtype), requires_grad)


@composite()
@also_generator
def randint(low: int, high: int | None = None, size: Any = (), rng: Any = None) -> Tensor:
    """Integers from low (0) to high, which is left out, from PyTorch's stream; `rng` as in `rand`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.randint(0, 27, (2, 3), rng=0).shape
    (2, 3)
    """
    return Tensor(random.as_generator(rng).randint(low, high, size))


@composite()
@also_generator
def randperm(n: int, rng: Any = None) -> Tensor:
    """The integers from 0 to n - 1 in an order drawn from PyTorch's stream; `rng` as in `rand`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.randperm(5, rng=42)
    tensor([2, 4, 3, 0, 1])
    """
    return Tensor(random.as_generator(rng).randperm(n))


@composite()
@also_generator
def multinomial(p: Any, num_samples: int = 1, replacement: bool = False, rng: Any = None) -> Tensor:
    """Indices drawn in proportion to the weights p, from PyTorch's stream; `rng` as in `rand`.

    Weights (C,) give (num_samples,), and (B, C) give (B, num_samples). The indices have no gradient.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.multinomial(tt.tensor([0.6, 0.3, 0.1]), 5, replacement=True, rng=2147483647)
    tensor([1, 1, 1, 0, 0])
    """
    return Tensor(random.as_generator(rng).multinomial(p, num_samples, replacement))
