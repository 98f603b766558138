"""Placement rules of elementwise calls: rows, and parts of sums and maxima."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Call, Value, values
from ..primitives import filled
from .placement import (
    COUNT,
    EXTREMES,
    LIKELY,
    LINEAR,
    MAX,
    MEAN,
    MIN,
    MIXED,
    NOISE,
    SAME,
    SCALED,
    SUM,
    WHOLE,
    Placement,
    Placements,
    Shard,
)

# What keeps the order of all numbers; not np.sqrt: one part's maximum may have no root where the whole's has one.
RISING = {np.exp, np.tanh, np.floor, np.ceil, np.rint, np.expm1, np.positive, np.arctan}
ORDER: dict[Any, str] = {np.maximum: MAX, np.minimum: MIN}
BITS: dict[Any, str] = {np.bitwise_or: MAX, np.logical_or: MAX, np.bitwise_and: MIN, np.logical_and: MIN}
ELEMENTWISE = {"np.where", "np.clip", ".clip", ".astype", "np.copy", "np.copyto", "np.broadcast_to", "np.round",
               ".round", "np.nan_to_num", "np.zeros_like", "np.ones_like", "np.full_like", "np.isclose", "np.real",
               "np.imag", ".conj", ".conjugate", "np.around", "np.sinc"}


def elementwise(p: Placements, call: Call) -> Placement:
    """Where operands are broadcast against each other."""
    operands = [x for x in values((call.args, call.kwargs)) if x.is_array]
    shards = [v for v in operands if isinstance(p.of(v), Shard)]
    if any(p.of(v) in LINEAR | EXTREMES for v in call.inputs()):
        return MIXED if shards else partial(p, call)
    if not isinstance(call.result, Value) or not call.result.is_array:
        return MIXED
    if not shards:
        return NOISE if all(v.array.shape == call.result.array.shape for v in operands if p.of(v) == NOISE) else MIXED
    return aligned(p, operands, call.result.array.shape, 0)


def aligned(p: Placements, operands: list[Value], shape: tuple[int, ...], skip: int) -> Placement:
    """The placement of a result of a `shape`, whose axes, but for the last `skip`, are those of the operands."""
    found: Placement = SAME
    for v in operands:
        own = p.of(v)
        if isinstance(own, Shard):
            axes = own.touched(v.array.shape)
            if axes and axes[-1] >= v.array.ndim - skip:
                return MIXED
            place = axes[0] + len(shape) - v.array.ndim if axes else -1
            now = own.moved(v.array.shape, shape, place)
            if now == MIXED or found not in (SAME, now):
                return MIXED
            found = now
    if isinstance(found, Shard):
        for v in operands:
            if p.of(v) in WHOLE and not even(v, found, shape):
                return MIXED
            lead = len(shape) - v.array.ndim
            if p.of(v) == NOISE and any(k < lead or v.array.shape[k - lead] != shape[k] for k in found.touched(shape)):
                return MIXED  # one number for several rows, and another one for each worker
    return found


def even(v: Value, rows: Shard, shape: tuple[int, ...]) -> bool:
    """Whether an operand that all workers have is the same for every row: without that axis, or constant along it."""
    lead = len(shape) - v.array.ndim
    return uniform(v, [k - lead for k in rows.touched(shape) if k >= lead])


def uniform(v: Value, axes: list[int]) -> bool:
    """Whether a value is always constant along some axes: a constant, or computed from such."""
    axes = [k for k in axes if v.array.shape[k] > 1]
    if not axes or (v.kind == "constant" and not v.mutable):
        return not axes or constant_along(v.array, axes)
    call, ndim = v.call, v.array.ndim
    if call is None:
        return False
    operands = [x for x in values((call.args, call.kwargs)) if x.is_array]
    if call.elementwise or call.name in ELEMENTWISE:
        return all(uniform(x, [k - ndim + x.array.ndim for k in axes if k >= ndim - x.array.ndim]) for x in operands)
    if call.target is np.matmul and axes == [ndim - 2] and all(x.array.ndim > 1 for x in operands):
        return uniform(operands[0], [operands[0].array.ndim - 2])
    if call.name == "[]" and all(isinstance(k, slice) for k in (call.args[1] if isinstance(call.args[1], tuple) else (
            call.args[1],))):
        return uniform(operands[0], axes)
    return False


def constant_along(a: Any, axes: list[int]) -> bool:
    first = a[tuple(slice(0, 1) if k in axes else slice(None) for k in range(a.ndim))]
    return bool(np.array_equal(a, np.broadcast_to(first, a.shape), equal_nan=a.dtype.kind in "fc"))


def fixed(x: Any) -> bool:
    """Whether an operand may have been made of the batch's size: not what comes from outside of the step as it is."""
    return not isinstance(x, Value) or not (x.base.kind in ("state", "number", "input") or x.base.mutable)


def partial(p: Placements, call: Call) -> Placement:
    """The rule of parts: linear functions of sums, monotonic ones of maxima."""
    if not isinstance(call.result, Value) or not call.result.is_array:
        return MIXED
    kinds, dtype = [p.of(x) for x in call.args], call.result.array.dtype
    bools = all(v.array.dtype.kind == "b" for v in call.inputs() if v.is_array)
    target, parts = call.target, [k for k in kinds if k not in WHOLE]
    if len(set(parts)) > 1 and not set(parts) <= LINEAR:
        return MIXED
    kind = parts[0] if len(set(parts)) == 1 else MEAN if MEAN in parts else SCALED
    if call.name in (".astype", "np.copy", "np.copyto", "np.broadcast_to") or target in (np.positive, filled):
        lost = dtype.kind not in "fc" if kind in LINEAR else dtype.kind == "b"
        return MIXED if lost and not bools and dtype.kind != call.args[0].array.dtype.kind else kind
    if not call.elementwise:
        return MIXED
    other = kinds[1] if len(kinds) > 1 and kinds[0] in parts else kinds[0]
    if target in (np.add, np.subtract):
        return sums(target, kinds, kind, dtype)
    if target is np.negative:
        return turned(kind)
    if target in (np.multiply, np.divide) and other in WHOLE:
        return products(p, call, kinds, kind)
    if kind in EXTREMES:
        if target in RISING or (target in ORDER and ORDER[target] == kind) or (bools and BITS.get(target) == kind):
            return kind
        if bools and target in (np.logical_not, np.invert):
            return turned(kind)
    return MIXED


def turned(kind: Placement) -> Placement:
    if kind in EXTREMES:
        return MIN if kind == MAX else MAX
    return kind


def sums(target: Any, kinds: list[Placement], kind: Any, dtype: Any) -> Placement:
    alone = any(k in WHOLE for k in kinds)
    if kind in EXTREMES:
        if not alone or dtype.kind == "b":
            return MIXED
        return turned(kind) if target is np.subtract and kinds[0] in WHOLE else kind
    return (MIXED if kind == SUM else MEAN) if alone else kind


def products(p: Placements, call: Call, kinds: list[Placement], kind: Placement) -> Placement:
    """A part multiplied or divided by a value that all workers have."""
    i = 0 if kinds[1] in WHOLE else 1
    other = call.args[1 - i]
    if call.target is np.divide and i == 1:
        return MIXED
    if kind in EXTREMES:
        sign = float(other) if type(other) in (int, float) or isinstance(other, np.generic) else 0.0
        return turned(kind) if sign < 0 else turned(turned(kind)) if sign > 0 else MIXED
    if kinds[1 - i] == COUNT:
        return MEAN if kind == SUM and call.target is np.divide else SCALED
    if not fixed(other):
        return kind
    return LIKELY if kind == SUM and p.has_size(call) else SCALED
