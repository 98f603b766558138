"""Tensors from nothing: constants, counters and random values. No input, so no rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import random
from ..compose import composed
from ..core import S, Tensor, as_array
from ..define import expose, op


def shaped(shape: tuple[Any, ...]) -> Any:
    """A shape given as several integers or as one tuple."""
    return shape[0] if len(shape) == 1 else shape


@expose()
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


@expose()
def zeros(*shape: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Zeros of a shape.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.zeros(2, 3).shape
    (2, 3)
    """
    return Tensor(np.zeros(shaped(shape), dtype), requires_grad)


@expose()
def ones(*shape: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Ones of a shape.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ones(3)
    tensor([1., 1., 1.])
    """
    return Tensor(np.ones(shaped(shape), dtype), requires_grad)


@expose()
def full(shape: Any, fill_value: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """One value everywhere, in its own dtype unless another is given.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.full(2, 7.0)
    tensor([7., 7.])
    """
    if isinstance(fill_value, Tensor) and fill_value.needs:
        raise TypeError("full: fill_value is a tensor that requires grad, and its gradient would be lost; expected a "
                        "number; write tt.broadcast_to(value, shape)")
    value = as_array(fill_value, dtype)
    return Tensor(np.full(shape, value, value.dtype), requires_grad)


@expose()
def eye(n: int, m: int | None = None, k: int = 0, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Ones on diagonal k, zeros elsewhere.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return Tensor(np.eye(n, m, k, dtype), requires_grad)


@expose()
def arange(*bounds: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Numbers from start (0) to stop, which is left out, by step (1): integers give int64, floats float32.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.arange(2, 8, 2)
    tensor([2, 4, 6])
    """
    if dtype is None and any(isinstance(bound, float) for bound in bounds):
        dtype = np.float32
    return Tensor(np.arange(*bounds, dtype=dtype), requires_grad)


@expose()
def linspace(start: float, stop: float, num: int = 50, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """`num` numbers in equal steps from start to stop, both included.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.linspace(0, 1, 3)
    tensor([0. , 0.5, 1. ])
    """
    return Tensor(np.linspace(start, stop, num, dtype=dtype), requires_grad)


# --- random ---


@expose()
def rand(*shape: Any, dtype: Any = np.float32, rng: Any = None, requires_grad: bool = False) -> Tensor:
    """Uniform in [0, 1), from PyTorch's stream; `rng` is a Generator, a seed, or None for the default generator.

    Examples
    --------
    >>> import tinytensor as tt
    >>> p = tt.rand(3, rng=2147483647)
    >>> p / p.sum()  # the first lecture's probabilities
    tensor([0.6064, 0.3033, 0.0903])
    """
    return Tensor(random.as_generator(rng).rand(*shape, dtype=dtype), requires_grad)


@expose()
def randn(*shape: Any, dtype: Any = np.float32, rng: Any = None, requires_grad: bool = False) -> Tensor:
    """Normal with mean 0 and variance 1, from PyTorch's stream; `rng` as in `rand`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.randn(2, 2, rng=0).shape
    (2, 2)
    """
    return Tensor(random.as_generator(rng).randn(*shape, dtype=dtype), requires_grad)


@expose()
def randint(low: int, high: int | None = None, size: Any = (), rng: Any = None) -> Tensor:
    """Integers from low (0) to high, which is left out, from PyTorch's stream; `rng` as in `rand`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.randint(0, 27, (2, 3), rng=0).shape
    (2, 3)
    """
    return Tensor(random.as_generator(rng).randint(low, high, size))


# --- like another ---


@op(None, numpy=(np.zeros_like,), samples=(S((2, 3)), S((2, 3), dtype=np.float64)))
def zeros_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    """Zeros of the shape and dtype of a, or of others that are given.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.zeros_like(tt.ones(2))
    tensor([0., 0.])
    """
    return np.zeros_like(a, dtype=dtype, order=order, shape=shape)  # type: ignore[call-overload]


@op(None, numpy=(np.ones_like,), samples=(S((2, 3)), S((2, 3), dtype=np.float64)))
def ones_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    """Ones of the shape and dtype of a, or of others that are given.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ones_like(tt.zeros(2))
    tensor([1., 1.])
    """
    return np.ones_like(a, dtype=dtype, order=order, shape=shape)  # type: ignore[call-overload]


@composed(np.full_like, "a fill_value", samples=(S((2, 3), 2.0), S((2, 3), (3,)), S((3,), (), shape=(2, 2))))
def full_like(a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True,
              shape: Any = None) -> Any:
    """One value everywhere, in the shape and dtype of a, or in others that are given.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.full_like(tt.zeros(2), 7.0)
    tensor([7., 7.])
    """
    return np.broadcast_to(fill_value, np.shape(a) if shape is None else shape)
