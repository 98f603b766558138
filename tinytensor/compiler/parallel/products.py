"""Placement rules of matrix products: rows and parts of sums are kept along one axis, or added up over it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir import Call, Value
from .elementwise import constant_along, fixed
from .placement import LINEAR, MEAN, MIXED, SCALED, SUM, WHOLE, Placement, Placements, Shard, rule


@rule("matmul", "dot", "vecdot", "inner", "sum_one_hot")
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
