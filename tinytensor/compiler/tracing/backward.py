"""The backward pass of a step's results, if their graph is still there: recorded after the step itself.

`fast = tt.compile(model, model)` under an eager loss: `passes/partition.py` separates the two passes.
"""

from __future__ import annotations

from typing import Any

from ...autograd import gradients
from ...core import Tensor
from ...order import leaves_of
from ..ir import Call, Value, concrete
from ..passes.partition import Recorded
from .trace import Trace
from .tracer import ArrayTracer


def is_live(x: Any) -> bool:
    """Whether a gradient can flow through a result: it was recorded, and no pass has released its graph."""
    return isinstance(x, Tensor) and x.requires_grad and x.op is not None and leaves_of(x) is not None


def record_backward(trace: Trace, output: int, y: Tensor) -> Recorded:
    """Record the backward pass of a result; hooks of leaves are left to whoever runs it."""
    leaves = leaves_of(y) or []
    source = trace.source(y.data.now(), "input", f"d_output{output or ''}")
    hooks = [leaf.hooks for leaf in leaves]
    for leaf in leaves:
        leaf.hooks = None
    try:
        found = gradients({y: ArrayTracer(trace, source)}, release=False)
    finally:
        for leaf, own in zip(leaves, hooks, strict=True):
            leaf.hooks = own
    leaves = [leaf for leaf in leaves if leaf in found]
    return Recorded(output, leaves, source, [trace.value(found[leaf]) for leaf in leaves])


def held(calls: list[Call]) -> list[Value]:
    """The values that calls read, and those that these are views of."""
    return [w for call in calls for v in call.inputs() for w in (v, v.base) if concrete(w) is not None]
