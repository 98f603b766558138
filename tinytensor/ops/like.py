"""Arrays like another, evenly spaced numbers, and the questions about Tensors that NumPy answers from their arrays."""

from __future__ import annotations

from functools import wraps
from typing import Any

import numpy as np

from ..compose import composed, make_nondifferentiable, nondifferentiable
from ..core import NUMPY, POSITIVE, S, Tensor, as_array, dtypes_in
from ..define import op, publish

# --- of the shape of another array ---


def non_default(**params: Any) -> Any:
    """The parameters that differ from NumPy's defaults."""
    return {k: v for k, v in params.items() if not (v is None or v is True or (k == "order" and v == "K"))}


@op(None, numpy=(np.zeros_like,), samples=(S((2, 3)), S((2, 3), dtype=np.float64), S((2, 3), shape=(4,))))
def zeros_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    """Zeros with the shape and dtype of a, unless others are given.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.zeros_like(tt.ones(2))
    tensor([0., 0.])
    """
    return np.zeros_like(a, **non_default(dtype=dtype, order=order, shape=shape))


@op(None, numpy=(np.ones_like,), samples=(S((2, 3)), S((2, 3), dtype=np.float64), S((2, 3), shape=(4,))))
def ones_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    """Ones with the shape and dtype of a, unless others are given.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ones_like(tt.zeros(2))
    tensor([1., 1.])
    """
    return np.ones_like(a, **non_default(dtype=dtype, order=order, shape=shape))


@op(None, lambda g, y, a, fill_value, **_: g, numpy=(np.full_like,), broadcasts=True,
    samples=(S((2, 3), (3,)), S((2, 3), (2, 1)), S((2, 3), (), shape=(4,))))
def full_like(a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True,
              shape: Any = None) -> Any:
    """An array filled with `fill_value`, with the shape and dtype of a, unless others are given.

    `fill_value` may be an array, which is broadcast, or a Tensor, to which gradients flow.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.full_like(tt.zeros(2), 7.0)
    tensor([7., 7.])
    """
    return np.full_like(a, fill_value, **non_default(dtype=dtype, order=order, shape=shape))


nondifferentiable(np.empty_like)


# --- evenly spaced numbers ---


def bounds_and_fractions(start: Any, stop: Any, num: int, endpoint: bool, dtype: Any) -> tuple[Any, Any, Any]:
    """Both bounds, broadcast to one shape, and the fraction between 0 and 1 of each number, along a new first axis."""
    start, stop = (x if hasattr(x, "ndim") else as_array(x) for x in (start, stop))
    shape = np.broadcast_shapes(start.shape, stop.shape)
    intervals = num - 1 if endpoint else num
    fraction = (np.arange(num) / max(intervals, 1)).astype(dtype).reshape((num,) + (1,) * len(shape))
    return np.broadcast_to(start, shape), np.broadcast_to(stop, shape), fraction


def compute_dtype(*bounds: Any) -> Any:
    """The dtype to compute with: that of the bounds, but float32 at least."""
    return np.result_type(np.float32, *[x.dtype for x in bounds if hasattr(x, "dtype")])


@composed(np.linspace, "start stop", samples=(S((), ()), S((2,), (3, 1), num=4), S((2,), (), num=3, axis=-1),
                                              S((), (), num=4, endpoint=False), S((), (), num=1), S((), (), num=0)))
def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None,
             axis: int = 0) -> Any:
    """`num` evenly spaced numbers from start to stop.

    Parameters
    ----------
    start, stop : array_like
        Gradients flow to Tensors.
    num : int
    endpoint : bool
        Whether stop is the last number.
    retstep : bool
        Whether to return (numbers, step).
    dtype : dtype, optional
    axis : int
        Where the axis of the numbers goes if the bounds are arrays.


    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.linspace(0, 1, 3)
    tensor([0. , 0.5, 1. ])
    """
    low, high, fraction = bounds_and_fractions(start, stop, num, endpoint, compute_dtype(start, stop))
    y = np.moveaxis(low * (1 - fraction) + high * fraction, 0, axis)
    intervals = num - 1 if endpoint else num
    return (y, (high - low) / intervals if intervals else (high - low) * np.nan) if retstep else y


@composed(np.logspace, "start stop base", samples=(S((), ()), S((2,), (3, 1), num=4), S((), 2.0, num=3, base=2.5)))
def logspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None,
             axis: int = 0) -> Any:
    """Powers of `base`, with `num` evenly spaced exponents from start to stop; see `linspace`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    wide = compute_dtype(start, stop, base)
    base = base if hasattr(base, "ndim") else np.asarray(base, wide)
    shape = np.broadcast_shapes(np.shape(start), np.shape(stop), base.shape)
    low, high, fraction = bounds_and_fractions(start, stop, num, endpoint, wide)
    exponents = low * (1 - fraction) + high * fraction
    exponents = exponents.reshape((num,) + (1,) * (len(shape) - exponents.ndim + 1) + exponents.shape[1:])
    return np.moveaxis(base**exponents, 0, axis)


@composed(np.geomspace, "start stop", domain=POSITIVE,
          samples=(S((), ()), S((2,), (3, 1), num=4), S((), 2.0, num=3, endpoint=False)))
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """`num` numbers from start to stop with equal ratios; both have the same sign. See `linspace`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.geomspace(1, 100, 3)
    tensor([  1.,  10., 100.])
    """
    low, high, fraction = bounds_and_fractions(start, stop, num, endpoint, compute_dtype(start, stop))
    return np.moveaxis(low * (high / low) ** fraction, 0, axis)


def returns_tensors(function: Any) -> Any:
    """The function as `tinytensor` offers it: it gives Tensors for plain numbers too, float32 for Python's numbers."""

    @wraps(function)
    def create(*args: Any, requires_grad: bool = False, **kwargs: Any) -> Any:
        y = function(*args, **kwargs)
        parts = y if isinstance(y, tuple) else (y,)
        bounds = [*args[:2], *(kwargs[key] for key in ("start", "stop", "base") if key in kwargs)]
        dtype = np.float32 if kwargs.get("dtype") is None and not dtypes_in(bounds) else None
        tensors = [x if isinstance(x, Tensor) else Tensor(as_array(x, dtype)) for x in parts]
        if requires_grad:
            tensors[0].requires_grad = True
        return tuple(tensors) if isinstance(y, tuple) else tensors[0]

    return create


for function in (linspace, logspace, geomspace):
    publish(returns_tensors(function), function.__name__, False, (), ())


# --- without a gradient: answered from the Tensor's array ---

nondifferentiable(np.allclose, np.isclose, np.array_equal, np.array_equiv, np.result_type,
         np.iscomplexobj, np.isrealobj, np.iscomplex, np.isreal, np.isneginf, np.isposinf, np.may_share_memory,
         np.shares_memory, np.can_cast, np.min_scalar_type, np.common_type)
for function in (np.size, np.array_repr, np.array_str, np.array2string, np.save, np.savez, np.savez_compressed,
                 np.savetxt):
    NUMPY[function] = make_nondifferentiable(function)  # not offered as tt.name
NUMPY |= {np.shape: lambda a: a.shape, np.ndim: lambda a: a.ndim}  # fast
