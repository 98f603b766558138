"""The rules by which the placements of a step's values are found, call by call.

A rule gets the placements and the call, and returns the placement of its result. Calls without a rule are mixed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Call, Program, Value
from ..primitives import FILL, PUT
from . import products  # noqa: F401 (its rules register themselves)
from .elementwise import ELEMENTWISE, elementwise, even
from .layouts import EXTREME, REDUCE, reduced
from .placement import COUNT, LINEAR, MIXED, NOISE, RULES, SAME, SUM, WHOLE, Placement, Placements, Shard, rule

SHAPED = {"reshape", "ravel", "T", "mT", "transpose", "swapaxes", "[]", "squeeze", "expand_dims"}
KEEPING = {".astype", "np.copy", ".reshape", "np.reshape"}


def propagate(program: Program, private: set[int]) -> Placements:
    """The placements of all values of a program that was traced on one worker's part of the batch."""
    placements = Placements(program, private)
    for call in program.calls:
        placements.note(call, placed(placements, call))
    return placements


def placed(p: Placements, call: Call) -> Any:
    """The placement of the result of a call."""
    if call.name.startswith("group."):
        return collective(p, call)
    if call.primitive.kind == "draw":
        return NOISE if isinstance(call.result, Value) and call.result.is_array else MIXED
    kinds = {p.of(v) for v in call.inputs()}
    if kinds <= WHOLE:
        return SAME if kinds != {COUNT} or call.name not in KEEPING else COUNT
    if MIXED in kinds and call.name != "gathered":
        return MIXED
    name = call.name.rpartition(".")[2]
    if kinds - WHOLE == {NOISE} and name in SHAPED:
        return NOISE
    if call.elementwise or call.name in ELEMENTWISE or call.primitive is FILL:
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


def collective(p: Placements, call: Call) -> Placement:
    """Collectives; of parts that can't be put together there is no sum either."""
    if call.name == "group.scatter":
        return Shard(1, call.result.array.shape[0])
    if call.name == "group.local_shard":
        return MIXED
    if call.name == "group.all_reduce_mean" and len(call.args) > 2:
        return SAME  # gradients: the values that they belong to are checked
    if p.of(call.args[0]) not in LINEAR | WHOLE:
        return MIXED
    return COUNT if call.name == "group.all_reduce_mean" else SAME


@rule("put")
def updated(p: Placements, call: Call) -> Placement:
    """An array with a new part, which all of its rows have."""
    base, part = call.args
    if call.primitive is not PUT or call.region is None or call.region.call is None:
        return MIXED
    own, new = p.of(base), p.of(part)
    region = call.region.call
    if isinstance(own, Shard):
        probe = Call(region.primitive, (base, *region.args[1:]), region.kwargs, False, region.info)
        probe.result = call.region
        there = placed(p, probe)
        if not isinstance(there, Shard):
            return MIXED
        return own if there == new or (new in WHOLE and even(part, there, call.region.array.shape)) else MIXED
    return MIXED
