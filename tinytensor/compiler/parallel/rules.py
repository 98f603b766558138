"""What becomes of rows and of parts of sums in each kind of call: the rules that `placement.py` goes by.

A rule gets the placements, the call, and gives the placement of its result. What has none is mixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir import Call, Program, Value, filled, put, values
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

Rule = Callable[[Placements, Call], Any]
RULES: dict[str, Rule] = {}
RISING = {np.exp, np.log, np.sqrt, np.tanh, np.floor, np.ceil, np.rint, np.log1p, np.expm1, np.positive, np.arctan}
EXTREME: dict[Any, str] = {np.maximum: MAX, np.minimum: MIN, np.fmax: MAX, np.fmin: MIN, np.logical_or: MAX,
                           np.logical_and: MIN}
BITS: dict[Any, str] = {np.bitwise_or: MAX, np.bitwise_and: MIN}
REDUCE = {"sum": SUM, "count_nonzero": SUM, "mean": MEAN, "max": MAX, "amax": MAX, "any": MAX, "min": MIN,
          "amin": MIN, "all": MIN}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Let a function be the rule of calls of these names."""
    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def propagate(program: Program, private: set[int]) -> Placements:
    """The placements of all values of a program that was traced on one worker's part of the batch."""
    placements = Placements(program, private)
    for call in program.calls:
        placements.note(call, placed(placements, call))
    return placements


def placed(p: Placements, call: Call) -> Any:
    """The placement of what a call gives."""
    if call.name.startswith("group."):
        return collective(call)
    if call.effect and call.name.startswith("."):
        return NOISE if isinstance(call.result, Value) and call.result.is_array else MIXED
    kinds = {p.of(v) for v in call.inputs()}
    if kinds <= WHOLE:
        return SAME if kinds != {COUNT} or call.name not in KEEPING else COUNT
    if MIXED in kinds and call.name != "gathered":
        return MIXED
    name = call.name.rpartition(".")[2]
    if kinds - WHOLE == {NOISE} and name in SHAPED:
        return NOISE
    if call.ufunc is not None or call.name in ELEMENTWISE or call.target is filled:
        return elementwise(p, call)
    if NOISE in kinds:
        return MIXED
    if name == "reduce":
        ufunc = getattr(call.target, "__self__", None)
        return reduced(p, call, SUM if ufunc is np.add else EXTREME.get(ufunc, ""), 0)
    if name in REDUCE and call.name.count(".") == 1:
        return reduced(p, call, REDUCE[name], None)
    if call.name in RULES or (call.name.startswith((".", "np.")) and name in RULES):
        return RULES[call.name if call.name in RULES else name](p, call)
    return MIXED


def collective(call: Call) -> Placement:
    if call.name == "group.all_reduce_mean":
        return SAME if len(call.args) > 2 else COUNT
    if call.name == "group.scatter":
        return Shard(1, call.result.array.shape[0])
    return SAME if call.name == "group.all_reduce_sum" else MIXED


# --- element by element ---

ELEMENTWISE = {"np.where", "np.clip", ".clip", ".astype", "np.copy", "np.copyto", "np.broadcast_to", "np.round",
               ".round", "np.nan_to_num", "np.zeros_like", "np.ones_like", "np.full_like", "np.isclose", "np.real",
               "np.imag", ".conj", ".conjugate", "np.around", "np.sinc"}
SHAPED = {"reshape", "ravel", "T", "mT", "transpose", "swapaxes", "[]", "squeeze", "expand_dims"}
KEEPING = {".astype", "np.copy", ".reshape", "np.reshape"}


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
    """Whether an operand that all workers have gives every row the same: it has no such axis, or is constant along."""
    lead = len(shape) - v.array.ndim
    return uniform(v, [k - lead for k in rows.touched(shape) if k >= lead])


def uniform(v: Value, axes: list[int]) -> bool:
    """Whether a value is the same all along some axes, whatever comes: a constant, or made of such."""
    axes = [k for k in axes if v.array.shape[k] > 1]
    if not axes or (v.kind == "constant" and not v.mutable):
        return not axes or constant_along(v.array, axes)
    call, ndim = v.call, v.array.ndim
    if call is None:
        return False
    operands = [x for x in values((call.args, call.kwargs)) if x.is_array]
    if call.ufunc is not None or call.name in ELEMENTWISE:
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
    """Of parts of sums, and of maxima: what is linear, and what keeps their order."""
    kinds = [p.of(x) for x in call.args]
    target, parts = call.target, [k for k in kinds if k not in WHOLE]
    if len(set(parts)) > 1 and not set(parts) <= LINEAR:
        return MIXED
    kind = parts[0] if len(set(parts)) == 1 else MEAN if MEAN in parts else SCALED
    if call.name in (".astype", "np.copy", "np.copyto", "np.broadcast_to") or target in (np.positive, filled):
        to, was = call.result.array.dtype.kind, call.args[0].array.dtype.kind
        return MIXED if kind in LINEAR and to != was and to not in "fc" and was not in "b" else kind
    if call.ufunc is None:
        return MIXED
    other = kinds[1] if len(kinds) > 1 and kinds[0] in parts else kinds[0]
    if target in (np.add, np.subtract):
        return sums(target, kinds, kind, call.result.array.dtype)
    if target is np.negative:
        return turned(kind)
    if target in (np.multiply, np.divide) and other in WHOLE:
        return products(p, call, kinds, kind)
    if kind in EXTREMES:
        if target in RISING or EXTREME.get(target) == kind:
            return kind
        if target is np.logical_not or (target is np.invert and call.result.array.dtype == bool):
            return turned(kind)
        if call.result.array.dtype == bool and BITS.get(target) == kind:
            return kind
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
    """A part times, or divided by, what all workers have."""
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


# --- reductions and other functions of an axis ---


def axes_of(call: Call, default: Any) -> tuple[int, ...] | None:
    """The axes that a function goes along; None if it has parameters that are not known here."""
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
    """What goes along one axis, and leaves the rows as they are if they are along another."""
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
    """What is made of each matrix by itself."""
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


@rule("T", "mT", "transpose", "swapaxes", "moveaxis", "turned_by_blocks", "rollaxis")
def transposed(p: Placements, call: Call) -> Placement:
    own, x = p.of(call.args[0]), call.args[0]
    if not isinstance(own, Shard):
        return own
    small = np.empty(tuple(range(2, 2 + x.array.ndim)), np.bool_)  # every axis of a length of its own
    flipped = small.T if call.name == "turned_by_blocks" else call.target(small, *call.args[1:], **call.kwargs)
    order = [n - 2 for n in flipped.shape]
    axes = own.touched(x.array.shape)
    if not axes or axes[0] not in order or order[(k := order.index(axes[0])) : k + len(axes)] != list(axes):
        return MIXED
    return own.moved(x.array.shape, call.result.array.shape, k)


@rule("concatenate", "stack")
def joined(p: Placements, call: Call) -> Placement:
    """Arrays behind or above each other, not along the rows."""
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


@rule("windowed")
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
    """x[i] of a table by rows of indices; x[range(n), i] of rows by their own."""
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
    """Of rows in one piece, each row's element at an index of its own: where the row begins, plus that."""
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


@rule("put")
def updated(p: Placements, call: Call) -> Placement:
    """An array with a new part, which all of its rows have."""
    base, part = call.args
    if call.target is not put or call.region is None or call.region.call is None:
        return MIXED
    own, new = p.of(base), p.of(part)
    region = call.region.call
    if isinstance(own, Shard):
        probe = Call(region.target, region.name, (base, *region.args[1:]), region.kwargs, False, region.info)
        probe.result = call.region
        there = placed(p, probe)
        if not isinstance(there, Shard):
            return MIXED
        return own if there == new or (new in WHOLE and even(part, there, call.region.array.shape)) else MIXED
    return MIXED


# --- products of matrices ---


@rule("matmul", "dot", "vecdot", "inner")
def matmul(p: Placements, call: Call) -> Placement:
    a, b = call.args[:2]
    if call.kwargs.keys() - {"axis"} or len(call.args) > 2 or not all(isinstance(v, Value) for v in (a, b)):
        return MIXED
    if call.name != "np.matmul" and (call.kwargs or (max(a.array.ndim, b.array.ndim) > 2 and call.name != "np.vecdot")):
        return MIXED
    if (a.array.ndim, b.array.ndim) != (1, 1) and call.name in ("np.inner",):
        return MIXED
    if any(p.of(v) not in WHOLE and not isinstance(p.of(v), Shard) for v in (a, b)):
        return times_part(p, call)
    letters = "abcdefghijklmnop"
    if call.name == "np.vecdot" or (a.array.ndim, b.array.ndim) == (1, 1):
        names = [letters[16 - v.array.ndim :] for v in (a, b)]
        return contracted(p, (a, b), names, letters[16 - max(a.array.ndim, b.array.ndim) : -1], call)
    lead = max(a.array.ndim, b.array.ndim, 2) - 2
    own = [letters[lead - (v.array.ndim - 2) : lead] for v in (a, b)]
    names = [(own[0] + "yx")[-max(2, a.array.ndim) :] if a.array.ndim > 1 else "x",
             own[1] + "xz" if b.array.ndim > 1 else "x"]
    out = letters[:lead] + "y" * (a.array.ndim > 1) + "z" * (b.array.ndim > 1)
    return contracted(p, (a, b), names, out, call)


def times_part(p: Placements, call: Call) -> Placement:
    """A part of a sum times a matrix that all workers have."""
    kinds = [p.of(v) for v in call.inputs()]
    parts = [k for k in kinds if k not in WHOLE]
    if len(parts) != 1 or parts[0] not in LINEAR:
        return MIXED
    return SCALED if any(p.of(v) in WHOLE and fixed(v) for v in call.inputs()) else parts[0]


@rule("einsum")
def einsum(p: Placements, call: Call) -> Placement:
    text, *operands = call.args
    if not isinstance(text, str) or "->" not in text or "." in text or set(call.kwargs) - {"optimize"}:
        return MIXED
    if any(p.of(v) not in WHOLE and not isinstance(p.of(v), Shard) for v in operands):
        return times_part(p, call)
    ins, out = text.replace(" ", "").split("->")
    return contracted(p, operands, ins.split(","), out, call)


def contracted(p: Placements, operands: Any, names: list[str], out: str, call: Call) -> Placement:
    """A sum of products over what is not in `out`; each axis of the operands has a letter."""
    shards = [(v, p.of(v), letters) for v, letters in zip(operands, names, strict=True) if isinstance(p.of(v), Shard)]
    found, along = set(), set()
    for v, own, letters in shards:
        axes = own.touched(v.array.shape)  # type: ignore[union-attr]
        key = "".join(letters[k] for k in axes)
        inner = own.before // max(1, math.prod(v.array.shape[: axes[0]])) if axes else 0  # type: ignore[union-attr]
        found.add((key, inner, own.n))  # type: ignore[union-attr]
        along |= set(key)
        if not key:
            return MIXED
        if key in out:
            found.add((key, inner, own.n))  # type: ignore[union-attr]
    if len(found) != 1:
        return MIXED
    key = found.pop()[0]
    kind: Placement = SUM
    for v, letters in zip(operands, names, strict=True):
        if p.of(v) in WHOLE and (axes := [k for k, letter in enumerate(letters) if letter in along]):
            if v.kind != "constant" or v.mutable or not constant_along(v.array, axes):
                return MIXED
            n = math.prod(v.array.shape[k] for k in axes)
            kind = kind if (v.array == 1).all() else MEAN if kind == SUM and np.allclose(v.array * n, 1) else SCALED
    if key in out and call.result.is_array:
        v, own, _ = shards[0]
        return own.moved(v.array.shape, call.result.array.shape, out.index(key))  # type: ignore[union-attr]
    return kind if not set(key) & set(out) else MIXED

