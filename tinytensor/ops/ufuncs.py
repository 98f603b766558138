"""Methods of ufuncs, such as `np.add.outer(x, y)`, and calls of ufuncs with options, such as `np.add(x, y, dtype=)`.

As in `compose.py`, NumPy computes the values, and compositions of ops the gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..apply import FAULTS, op_error, operand
from ..compose import arrays_of, as_constants, collect, differentiated, with_numpy_values
from ..core import NUMPY, Op, Tensor, ndarray
from ..dispatch import Function, unsupported
from ..modes import no_grad_blocks, state
from .masked import NO_VALUE, cast, fill_outside, keeps_dims
from .reduce import logsumexp, reduced_axes_last
from .scan import associative_scan, flatten_if_none

ASSOCIATIVE = {np.add, np.multiply, np.maximum, np.minimum, np.fmax, np.fmin, np.logaddexp, np.logaddexp2, np.hypot}
REST_UFUNC = {np.subtract: np.add, np.divide: np.multiply}  # a - b - c is a - (b + c), a / b / c is a / (b * c)
CALL_DEFAULTS = {"where": True, "dtype": None, "casting": "same_kind", "order": "K", "subok": True}


def implementation(ufunc: np.ufunc, method: str) -> Function:
    """The op of a ufunc, of which its methods are composed."""
    if ufunc not in NUMPY:
        raise unsupported(ufunc, method)
    return NUMPY[ufunc]


# --- a call with options ---


def call(ufunc: np.ufunc, op: Function | None, *inputs: Any, **options: Any) -> Any:
    """A ufunc with `dtype=`, `casting=`, ...: NumPy's value, with the gradient of inputs cast to its dtype."""
    op = op or implementation(ufunc, "__call__")
    if options.get("where", True) is not True:
        raise TypeError(f"np.{ufunc.__name__}: got where=, which leaves the other elements undefined; expected a call "
                        f"without it; write np.where(condition, np.{ufunc.__name__}(...), other)")
    options = {key: x for key, x in options.items() if key not in CALL_DEFAULTS or x != CALL_DEFAULTS[key]}
    axis_options = {key: options.pop(key) for key in ("axis", "axes", "keepdims") if key in options}
    if not options:
        return op(*inputs, **axis_options)
    tensors: list[Tensor] = []
    collect(inputs, tensors)
    arrays = [arrays_of(x) if isinstance(x, Tensor) else operand(x) for x in inputs]
    try:
        y = ufunc(*arrays, **options, **axis_options)
    except FAULTS as error:
        raise op_error(Op(ufunc.__name__, ufunc, ()), error, [a for a in arrays if isinstance(a, ndarray)]) from None
    if not any(x._requires_grad for x in tensors) or (no_grad_blocks and not state.recording):
        return as_constants(y, ufunc.__name__)
    dtype = (y[0] if isinstance(y, tuple) else y).dtype
    with np.errstate(all="ignore"):
        z = op(*[cast_floating(x, dtype) for x in inputs], **axis_options)
        return with_numpy_values(ufunc.__name__, y, z, tensors)


def cast_floating(x: Any, dtype: Any) -> Any:
    """A floating input cast to the floating dtype that the ufunc computes in."""
    return x.astype(dtype) if dtype.kind == "f" and hasattr(x, "dtype") and x.dtype.kind == "f" else x


# --- reduce ---


def fold(ufunc: np.ufunc, rows: Any) -> Any:
    """The rows combined by the ufunc, from the first to the last; associative ones by halving."""
    n = rows.shape[0]
    if ufunc in REST_UFUNC and n > 1:
        return ufunc(rows[0], REST_UFUNC[ufunc].reduce(rows[1:], axis=0))
    if ufunc not in ASSOCIATIVE:
        y = rows[0]
        for i in range(1, n):
            y = ufunc(y, rows[i])
        return y
    while n > 1:
        half = n // 2
        rows = np.concatenate([ufunc(rows[:half], rows[half : 2 * half]), rows[2 * half :]])
        n -= half
    return rows[0]


@cache
def reduce_of(ufunc: np.ufunc) -> Function:
    """`ufunc.reduce`; those of add, multiply, maximum and minimum are ops, in `reduce.py`."""

    def composition(array: Any, axis: Any = 0, dtype: Any = None, out: None = None, keepdims: Any = False,
                    initial: Any = NO_VALUE, where: Any = True) -> Any:
        x = cast(array, dtype)
        if ufunc is np.logaddexp and where is True and initial is NO_VALUE:
            return logsumexp(x, axis, keepdims=keeps_dims(keepdims))
        started = initial is not NO_VALUE and initial is not None
        neutral = ufunc.identity if ufunc.identity is not None else initial
        rows = np.moveaxis(reduced_axes_last(x, axis)[0], -1, 0)
        shape = rows.shape[1:]
        if where is not True:
            mask = np.moveaxis(reduced_axes_last(np.broadcast_to(where, x.shape), axis)[0], -1, 0)
            if ufunc not in ASSOCIATIVE:
                return reshape_reduced(masked_fold(ufunc, rows, mask, initial), x, axis, keepdims)
            rows = fill_outside(rows, mask, neutral)
        if started or not rows.shape[0]:
            first = initial if started else neutral
            rows = np.concatenate([np.full((1, *shape), first, rows.dtype), rows])
        return reshape_reduced(fold(ufunc, rows), x, axis, keepdims)

    return differentiated(f"{ufunc.__name__}.reduce", ufunc.reduce, composition)


def masked_fold(ufunc: np.ufunc, rows: Any, mask: Any, initial: Any) -> Any:
    y = np.full(rows.shape[1:], initial, rows.dtype)
    for i in range(rows.shape[0]):
        y = np.where(mask[i], ufunc(y, rows[i]), y)
    return y


def reshape_reduced(y: Any, x: Any, axis: Any, keepdims: Any) -> Any:
    """y in the shape that a reduction of x has."""
    return np.reshape(y, np.add.reduce(arrays_of(x), axis=axis, keepdims=keeps_dims(keepdims)).shape)


# --- accumulate, reduceat ---


@cache
def accumulate_of(ufunc: np.ufunc) -> Function:
    def composition(array: Any, axis: Any = 0, dtype: Any = None, out: None = None) -> Any:
        x, axis = flatten_if_none(cast(array, dtype), axis)
        if ufunc is np.add:
            return np.cumsum(x, axis)
        if ufunc in ASSOCIATIVE:
            return associative_scan(ufunc, x, axis)
        rows = np.swapaxes(x, 0, axis)
        if ufunc in REST_UFUNC and len(rows):
            rest = REST_UFUNC[ufunc].accumulate(rows[1:], axis=0)
            return np.swapaxes(np.concatenate([rows[:1], ufunc(rows[:1], rest)]), 0, axis)
        ys = list(rows[:1])
        for i in range(1, len(rows)):
            ys.append(ufunc(ys[-1], rows[i]))
        return np.swapaxes(np.stack(ys), 0, axis) if ys else x

    return differentiated(f"{ufunc.__name__}.accumulate", ufunc.accumulate, composition)


@cache
def reduceat_of(ufunc: np.ufunc) -> Function:
    def composition(array: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: None = None) -> Any:
        rows = np.swapaxes(cast(array, dtype), 0, axis)
        starts = np.asarray(indices).tolist()
        stops = [*starts[1:], rows.shape[0]][: len(starts)]
        parts = [fold(ufunc, rows[i : max(j, i + 1)]) for i, j in zip(starts, stops, strict=True)]
        return np.swapaxes(np.stack(parts), 0, axis) if parts else np.swapaxes(rows[:0], 0, axis)

    return differentiated(f"{ufunc.__name__}.reduceat", ufunc.reduceat, composition)


def method_of(name: str, make: Callable[[np.ufunc], Function]) -> Function:
    def call_method(ufunc: np.ufunc, _: Function | None, *inputs: Any, **options: Any) -> Any:
        implementation(ufunc, name)
        return make(ufunc)(*inputs, **options)

    return call_method


# --- outer, at ---


def outer(ufunc: np.ufunc, _: Function | None, a: Any, b: Any, **options: Any) -> Any:
    """The ufunc of every element of a with every element of b."""
    implementation(ufunc, "outer")
    if ufunc.nin != 2 or ufunc.signature:
        raise ValueError(f"np.{ufunc.__name__}.outer: got a ufunc of {ufunc.nin} inputs, or of vectors; expected one "
                         f"of two numbers, such as np.multiply; call np.{ufunc.__name__} itself")
    a, b = [x if hasattr(x, "ndim") else np.asarray(operand(x)) for x in (a, b)]
    return ufunc(np.reshape(a, (*a.shape, *(1,) * b.ndim)), b, **options)


def at(ufunc: np.ufunc, *_: Any, **__: Any) -> Any:
    raise TypeError(f"np.{ufunc.__name__}.at: got a Tensor, whose gradient a write would lose; expected arrays; "
                    f"write np.{ufunc.__name__}(a, tt.scatter(b, indices, a.shape)), where repeated indices add up, "
                    f"or use x.data outside of any graph")


NUMPY |= {"__call__": call, "outer": outer, "at": at, "reduce": method_of("reduce", reduce_of),
          "accumulate": method_of("accumulate", accumulate_of), "reduceat": method_of("reduceat", reduceat_of)}
