"""The methods of ufuncs (`np.add.reduce(x)`, `np.add.outer(x, y)`), and calls with options (`np.add(x, y, dtype=)`).

As in `compose.py`, NumPy computes the values; here stand the compositions that gradients flow through.
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
from .masked import NOTHING, cast, flag, kept
from .reduce import last, logsumexp
from .scan import along, scanned

TREES = {np.add, np.multiply, np.maximum, np.minimum, np.fmax, np.fmin, np.logaddexp, np.logaddexp2, np.hypot}
FIRST = {np.subtract: np.add, np.divide: np.multiply}  # the first, less (or by) what the others give together
MEANT = {"where": True, "dtype": None, "casting": "same_kind", "order": "K", "subok": True}  # options as if not given


def answer_of(ufunc: np.ufunc, method: str) -> Function:
    """The op of a ufunc, which its methods are made of."""
    if ufunc not in NUMPY:
        raise unsupported(ufunc, method)
    return NUMPY[ufunc]


# --- a call with options ---


def call(ufunc: np.ufunc, answer: Function | None, *inputs: Any, **options: Any) -> Any:
    """A ufunc with `dtype=`, `casting=`, ...: NumPy's value; the gradient is that of inputs cast to its dtype."""
    answer = answer or answer_of(ufunc, "__call__")
    if options.get("where", True) is not True:
        raise TypeError(f"np.{ufunc.__name__}: where= leaves the other elements undefined; expected a call without it; "
                        f"write np.where(condition, np.{ufunc.__name__}(...), other)")
    options = {key: x for key, x in options.items() if key not in MEANT or x != MEANT[key]}
    own = {key: options.pop(key) for key in ("axis", "axes", "keepdims") if key in options}
    if not options:
        return answer(*inputs, **own)
    tensors: list[Tensor] = []
    collect(inputs, tensors)
    arrays = [arrays_of(x) if isinstance(x, Tensor) else operand(x) for x in inputs]
    try:
        y = ufunc(*arrays, **options, **own)
    except FAULTS as error:
        raise op_error(Op(ufunc.__name__, ufunc, ()), error, [a for a in arrays if isinstance(a, ndarray)]) from None
    if not any(x._requires_grad for x in tensors) or (no_grad_blocks and not state.recording):
        return as_constants(y)
    dtype = (y[0] if isinstance(y, tuple) else y).dtype
    with np.errstate(all="ignore"):
        return with_numpy_values(ufunc.__name__, y, answer(*[floated(x, dtype) for x in inputs], **own), tensors)


def floated(x: Any, dtype: Any) -> Any:
    """A floating input in the floating dtype that the ufunc computes in."""
    return x.astype(dtype) if dtype.kind == "f" and hasattr(x, "dtype") and x.dtype.kind == "f" else x


# --- reduce ---


def folded(ufunc: np.ufunc, rows: Any) -> Any:
    """The ufunc between all elements along the first axis, from the first to the last."""
    n = rows.shape[0]
    if ufunc in FIRST and n > 1:
        return ufunc(rows[0], FIRST[ufunc].reduce(rows[1:], axis=0))
    if ufunc not in TREES:
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
def reducing(ufunc: np.ufunc) -> Function:
    """`ufunc.reduce`; those of add, multiply, maximum and minimum are ops, in `reduce.py`."""

    def composition(array: Any, axis: Any = 0, dtype: Any = None, out: None = None, keepdims: Any = False,
                    initial: Any = NOTHING, where: Any = True) -> Any:
        x = cast(array, dtype)
        if ufunc is np.logaddexp and where is True and initial is NOTHING:
            return logsumexp(x, axis, keepdims=flag(keepdims))
        started = initial is not NOTHING and initial is not None
        neutral = ufunc.identity if ufunc.identity is not None else initial
        rows = np.moveaxis(last(x, axis)[0], -1, 0)
        shape = rows.shape[1:]
        if where is not True:
            mask = np.moveaxis(last(np.broadcast_to(where, x.shape), axis)[0], -1, 0)
            if ufunc not in TREES:
                return apart(masked_fold(ufunc, rows, mask, initial), x, axis, keepdims)
            rows = kept(rows, mask, neutral)
        if started or not rows.shape[0]:
            begin = initial if started else neutral
            rows = np.concatenate([np.full((1, *shape), begin, rows.dtype), rows])
        return apart(folded(ufunc, rows), x, axis, keepdims)

    return differentiated(f"{ufunc.__name__}.reduce", ufunc.reduce, composition)


def masked_fold(ufunc: np.ufunc, rows: Any, mask: Any, initial: Any) -> Any:
    y = np.full(rows.shape[1:], initial, rows.dtype)
    for i in range(rows.shape[0]):
        y = np.where(mask[i], ufunc(y, rows[i]), y)
    return y


def apart(y: Any, x: Any, axis: Any, keepdims: Any) -> Any:
    """y in the shape of x after its reduction."""
    return np.reshape(y, np.add.reduce(arrays_of(x), axis=axis, keepdims=flag(keepdims)).shape)


# --- accumulate, reduceat ---


@cache
def accumulating(ufunc: np.ufunc) -> Function:
    def composition(array: Any, axis: Any = 0, dtype: Any = None, out: None = None) -> Any:
        x, axis = along(cast(array, dtype), axis)
        if ufunc is np.add:
            return np.cumsum(x, axis)
        if ufunc in TREES:
            return scanned(ufunc, x, axis)
        rows = np.swapaxes(x, 0, axis)
        if ufunc in FIRST and len(rows):
            rest = FIRST[ufunc].accumulate(rows[1:], axis=0)
            return np.swapaxes(np.concatenate([rows[:1], ufunc(rows[:1], rest)]), 0, axis)
        ys = list(rows[:1])
        for i in range(1, len(rows)):
            ys.append(ufunc(ys[-1], rows[i]))
        return np.swapaxes(np.stack(ys), 0, axis) if ys else x

    return differentiated(f"{ufunc.__name__}.accumulate", ufunc.accumulate, composition)


@cache
def reducing_at(ufunc: np.ufunc) -> Function:
    def composition(array: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: None = None) -> Any:
        rows = np.swapaxes(cast(array, dtype), 0, axis)
        starts = np.asarray(indices).tolist()
        stops = [*starts[1:], rows.shape[0]][: len(starts)]
        parts = [folded(ufunc, rows[i : max(j, i + 1)]) for i, j in zip(starts, stops, strict=True)]
        return np.swapaxes(np.stack(parts), 0, axis) if parts else np.swapaxes(rows[:0], 0, axis)

    return differentiated(f"{ufunc.__name__}.reduceat", ufunc.reduceat, composition)


def method(name: str, made: Callable[[np.ufunc], Function]) -> Function:
    def answer(ufunc: np.ufunc, _: Function | None, *inputs: Any, **options: Any) -> Any:
        answer_of(ufunc, name)
        return made(ufunc)(*inputs, **options)

    return answer


# --- outer, at ---


def outer(ufunc: np.ufunc, _: Function | None, a: Any, b: Any, **options: Any) -> Any:
    """The ufunc between every element of a and every element of b."""
    answer_of(ufunc, "outer")
    if ufunc.nin != 2 or ufunc.signature:
        raise ValueError(f"np.{ufunc.__name__}.outer: got a function that takes no two numbers; expected one that "
                         f"does, such as np.multiply; call np.{ufunc.__name__} itself")
    a, b = [x if hasattr(x, "ndim") else np.asarray(operand(x)) for x in (a, b)]
    return ufunc(np.reshape(a, (*a.shape, *(1,) * b.ndim)), b, **options)


def at(ufunc: np.ufunc, *_: Any, **__: Any) -> Any:
    raise TypeError(f"np.{ufunc.__name__}.at writes into its first argument, so the gradient would be lost; expected "
                    f"a function that gives a new array; write np.{ufunc.__name__}(a, tt.scatter(b, indices, a.shape)) "
                    f"where repeated indices add up, or use x.data outside of any graph")


NUMPY |= {"__call__": call, "outer": outer, "at": at, "reduce": method("reduce", reducing),
          "accumulate": method("accumulate", accumulating), "reduceat": method("reduceat", reducing_at)}
