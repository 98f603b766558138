"""Placement rules of calls that reduce, move or index axes: rows, and parts of sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Call, Value
from .elementwise import aligned, uniform
from .placement import EXTREMES, LINEAR, MAX, MEAN, MIN, MIXED, SUM, WHOLE, Placement, Placements, Shard, rule

EXTREME: dict[Any, str] = {np.maximum: MAX, np.minimum: MIN, np.fmax: MAX, np.fmin: MIN, np.logical_or: MAX,
                           np.logical_and: MIN}
REDUCE = {"sum": SUM, "count_nonzero": SUM, "mean": MEAN, "max": MAX, "amax": MAX, "any": MAX, "min": MIN,
          "amin": MIN, "all": MIN}


def axes_of(call: Call, default: Any) -> tuple[int, ...] | None:
    """The axes that a function reduces; None if it has parameters that are not known here."""
    known = {"axis", "keepdims", "dtype", "ddof", "correction", "kind", "stable", "out"}
    axis = call.kwargs.get("axis", call.args[1] if len(call.args) > 1 else default)
    ndim = call.args[0].array.ndim
    if len(call.args) > 2 or not call.kwargs.keys() <= known or isinstance(axis, Value):
        return None
    return tuple(range(ndim)) if axis is None else tuple(
        k % ndim for k in (axis if isinstance(axis, tuple | list) else (axis,)) if ndim)


def reduced(p: Placements, call: Call, kind: str, default: Any) -> Placement:
    """A sum, mean, maximum or minimum over some axes; "" for what is none."""
    own, x, axes = p.of(call.args[0]), call.args[0], axes_of(call, default)
    if axes is None or [v for v in call.inputs() if v is not x]:
        return MIXED
    if own in LINEAR:
        return own if kind in (SUM, MEAN) else MIXED
    if own in EXTREMES:
        return own if kind == own else MIXED
    assert isinstance(own, Shard)
    touched = own.touched(x.array.shape)
    if not set(touched) & set(axes):
        gone = 0 if call.result.array.ndim == x.array.ndim else sum(k < touched[0] for k in axes) if touched else 0
        return own.moved(x.array.shape, call.result.array.shape, touched[0] - gone if touched else -1)
    return (kind or MIXED) if set(touched) <= set(axes) and touched else MIXED


@rule("argmax", "argmin", "var", "std", "prod", "nanmax", "nanmin", "nanmean", "nansum", "median", "ptp")
def reduced_rows(p: Placements, call: Call) -> Placement:
    return reduced(p, call, "", None)


@rule("cumsum", "cumprod", "sort", "argsort", "flip", "roll", "repeat", "diff", "pad")
def along(p: Placements, call: Call) -> Placement:
    """Calls along one axis, which keep the rows if these are along another."""
    own, x = p.of(call.args[0]), call.args[0]
    name = call.name.rpartition(".")[2]
    if name in ("roll", "repeat", "pad"):
        axis = call.kwargs.get("axis", call.args[2] if len(call.args) > 2 else None)
        axes: tuple[int, ...] | None = None if axis is None or isinstance(axis, tuple) else (axis % x.array.ndim,)
        if name == "pad":
            axes = tuple(k for k in range(x.array.ndim) if call.result.array.shape[k] != x.array.shape[k])
    else:
        axes = axes_of(call, -1 if name in ("sort", "argsort", "diff") else None)
    if axes is None or not isinstance(own, Shard) or call.inputs() != (x,):
        return MIXED
    touched = own.touched(x.array.shape)
    return MIXED if not touched or set(touched) & set(axes) else own.moved(
        x.array.shape, call.result.array.shape, touched[0])


@rule("tril", "triu", "inv", "det", "slogdet", "cholesky", "eigh", "eigvalsh", "svd", "qr", "solve", "matrix_power")
def matrices(p: Placements, call: Call) -> Any:
    """Calls that treat each matrix separately."""
    operands = [v for v in call.inputs() if v.is_array]
    if any(p.of(v) not in WHOLE and not isinstance(p.of(v), Shard) for v in operands):
        return MIXED
    found = {}
    for v in call.outputs():
        x = operands[0]
        lead = len(np.broadcast_shapes(*[w.array.shape[:-2] for w in operands]))
        shape = (*v.array.shape[:lead], 1, 1)
        found[v.number] = aligned(p, operands, shape, 2) if x.array.ndim >= 2 else MIXED
        own = found[v.number]
        if isinstance(own, Shard):
            found[v.number] = own.moved(shape, v.array.shape, own.touched(shape)[0])
    return found


# --- shapes ---


@rule("reshape", "ravel", "flatten", "squeeze", "expand_dims", "atleast_1d", "atleast_2d")
def reshaped(p: Placements, call: Call) -> Placement:
    return MIXED if call.kwargs.get("order", "C") != "C" or "F" in call.args[1:] else p.of(call.args[0])


@rule("T", "mT", "transpose", "swapaxes", "moveaxis", "transposed_by_blocks", "rollaxis")
def transposed(p: Placements, call: Call) -> Placement:
    own, x = p.of(call.args[0]), call.args[0]
    if not isinstance(own, Shard):
        return own
    small = np.empty(tuple(range(2, 2 + x.array.ndim)), np.bool_)  # every axis with another length
    flipped = small.T if call.name == "transposed_by_blocks" else call.target(small, *call.args[1:], **call.kwargs)
    order = [n - 2 for n in flipped.shape]
    axes = own.touched(x.array.shape)
    if not axes or axes[0] not in order or order[(k := order.index(axes[0])) : k + len(axes)] != list(axes):
        return MIXED
    return own.moved(x.array.shape, call.result.array.shape, k)


@rule("concatenate", "stack")
def joined(p: Placements, call: Call) -> Placement:
    """Joins along another axis than the rows."""
    shape = call.result.array.shape
    arrays, stacked = list(call.args[0]), call.name == "np.stack"
    kinds = [p.of(v) for v in arrays]
    axis = call.kwargs.get("axis", call.args[1] if len(call.args) > 1 else 0)
    if any(k in LINEAR | EXTREMES for k in kinds):
        others = set(kinds) - WHOLE
        return others.pop() if len(others) == 1 and (set(kinds).isdisjoint(WHOLE) or others <= EXTREMES | {MEAN}) \
            else MIXED
    if axis is None or not all(isinstance(v, Value) for v in arrays):
        return MIXED
    axis, found = axis % len(shape), set[Placement]()
    for v, own in zip(arrays, kinds, strict=True):
        if isinstance(own, Shard):
            touched = own.touched(v.array.shape)
            if not touched or (axis in touched and not stacked) or touched[0] < axis < touched[-1]:
                return MIXED
            found.add(own.moved(v.array.shape, shape, touched[0] + (stacked and axis <= touched[0])))
    if len(found) > 1 or MIXED in found:
        return MIXED
    rows = found.pop()
    assert isinstance(rows, Shard)
    for v, own in zip(arrays, kinds, strict=True):
        touched = rows.touched(shape)
        axes = [k - (stacked and axis < k) for k in touched]
        if own in WHOLE and not uniform(v, axes):
            return MIXED
    return rows


@rule("split", "array_split")
def parts(p: Placements, call: Call) -> Any:
    own, x = p.of(call.args[0]), call.args[0]
    axis = call.kwargs.get("axis", call.args[2] if len(call.args) > 2 else 0) % x.array.ndim
    if not isinstance(own, Shard):
        return own
    touched = own.touched(x.array.shape)
    return MIXED if not touched or axis in touched else {
        v.number: own.moved(x.array.shape, v.array.shape, touched[0]) for v in call.outputs()}


@rule("window_view")
def windows(p: Placements, call: Call) -> Placement:
    own, x, axis = p.of(call.args[0]), call.args[0], call.args[2] % call.args[0].array.ndim
    touched = own.touched(x.array.shape) if isinstance(own, Shard) else range(0)
    return own.moved(x.array.shape, call.result.array.shape, touched[0]) if (  # type: ignore[union-attr]
        touched and axis not in touched) else MIXED


# --- by index ---


@rule("[]")
def indexed(p: Placements, call: Call) -> Placement:
    x, key = call.args[0], call.args[1]
    keys = list(key) if isinstance(key, tuple) else [key]
    own, by = p.of(x), [k for k in keys if isinstance(k, Value | np.ndarray | list)]
    if by:
        return by_arrays(p, call, x, keys)
    if not isinstance(own, Shard):
        return own
    touched = own.touched(x.array.shape)
    used = sum(k is not None and k is not Ellipsis for k in keys)
    at = next((i for i, k in enumerate(keys) if k is Ellipsis), len(keys))
    keys[at : at + 1] = [slice(None)] * (x.array.ndim - used)
    if not touched or any(isinstance(k, bool) for k in keys):
        return MIXED
    axis = place = 0
    for k in keys:
        if k is None:
            place += 1
            if touched[0] < axis <= touched[-1]:
                return MIXED
            continue
        if axis == touched[0]:
            start = place
        if axis in touched and k != slice(None):
            return MIXED
        axis, place = axis + 1, place + isinstance(k, slice)
    return own.moved(x.array.shape, call.result.array.shape, start)


def by_arrays(p: Placements, call: Call, x: Value, keys: list[Any]) -> Placement:
    """x[i] of a table by rows of indices; x[range(n), i] of rows by their own indices."""
    shape = call.result.array.shape
    if p.of(x) in WHOLE and len(keys) == 1 and isinstance(keys[0], Value) and isinstance(p.of(keys[0]), Shard):
        own: Any = p.of(keys[0])
        index = keys[0].array
        return own.moved(index.shape, shape, own.touched(index.shape)[0]) if index.dtype.kind in "iu" else MIXED
    n = x.array.shape[0] if x.array.ndim else 0
    first = keys[0].array if isinstance(keys[0], Value) and keys[0].kind == "constant" else keys[0]
    if p.of(x) == Shard(1, n) and isinstance(first, np.ndarray | list) and np.array_equal(first, np.arange(n)) and all(
            isinstance(k, int) or (isinstance(k, Value) and (p.of(k) == Shard(1, n) and k.array.ndim == 1
                                                             and k.array.dtype.kind in "iu")) for k in keys[1:]):
        return Shard(1, n)
    return MIXED


@rule("gathered", "take")
def gathered(p: Placements, call: Call) -> Placement:
    x, index = call.args[:2]
    axis = call.kwargs.get("axis", call.args[2] if len(call.args) > 2 else None)
    if set(call.kwargs) - {"axis"} or len(call.args) > 3:
        return MIXED
    table, chosen, shape = p.of(x), p.of(index), call.result.array.shape
    lead = 0 if axis is None else axis % max(1, x.array.ndim)
    if table in WHOLE and isinstance(chosen, Shard):
        touched = chosen.touched(index.array.shape)
        return chosen.moved(index.array.shape, shape, lead + touched[0]) if touched else MIXED
    if isinstance(table, Shard) and chosen in WHOLE and axis is not None:
        touched = table.touched(x.array.shape)
        more = (index.array.ndim if isinstance(index, Value) else np.ndim(index)) - 1
        return table.moved(x.array.shape, shape, touched[0] + more * (touched[0] > lead)) if (
            touched and lead not in touched) else MIXED
    return own_element(p, x, index) if isinstance(table, Shard) else MIXED


def own_element(p: Placements, x: Value, index: Value) -> Placement:
    """Contiguous rows, of each the element at its own index: the start of the row plus that index."""
    call, n = index.call, index.array.size if isinstance(index, Value) else 0
    if call is not None and call.target is np.add and n and x.array.ndim == 1 and x.array.size % n == 0:
        for a, b in (call.args, call.args[::-1]):
            if (isinstance(a, Value) and a.kind == "constant" and p.of(x) == p.of(b)
                    and np.array_equal(a.array, np.arange(0, x.array.size, x.array.size // n))):
                return p.of(b)
    return MIXED


@rule("take_along_axis")
def taken(p: Placements, call: Call) -> Placement:
    x, index = call.args[:2]
    axis = call.kwargs.get("axis", call.args[2] if len(call.args) > 2 else -1) % x.array.ndim
    found = [p.of(v) for v in (x, index)]
    if not all(isinstance(f, Shard) for f in found):
        return MIXED
    touched = [f.touched(v.array.shape) for f, v in zip(found, (x, index), strict=True)]  # type: ignore[union-attr]
    if touched[0] != touched[1] or not touched[0] or axis in touched[0]:
        return MIXED
    moved = [f.moved(v.array.shape, call.result.array.shape, touched[0][0])  # type: ignore[union-attr]
             for f, v in zip(found, (x, index), strict=True)]
    return moved[0] if moved[0] == moved[1] else MIXED
