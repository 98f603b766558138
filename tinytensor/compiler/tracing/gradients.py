"""Gradients in `p.grad`: those that a step finds, those that it leaves, and those that its optimiser consumed.

As in an eager step, gradients that are left are in `p.grad` afterwards, and are added to those that were there. Only
gradients that an optimiser in the step has consumed are not kept: `USED` is there, and says so when it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core import ndarray
from ..ir import Call, CompileError, Value
from ..layout import same_layout
from .trace import Trace
from .tracer import ArrayTracer


class UsedGradient:
    """Stands in `p.grad` for a gradient that a compiled step made, used for its update, and did not keep."""

    def refuse(self, *_: Any, **__: Any) -> Any:
        raise CompileError("compile: this gradient was used up by the optimiser of a compiled step, which does not "
                           "keep it; expected zero_grad() before the next backward(); to read it, return p.grad from "
                           "the step; to use it outside, call the optimiser's step there")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.refuse()

    def __repr__(self) -> str:
        return "<gradient used up by a compiled step>"

    def __reduce__(self) -> str:
        return "USED"


OPERATORS = """array array_ufunc array_function bool len iter getitem setitem float int add radd iadd sub rsub isub mul
    rmul imul truediv rtruediv itruediv neg abs pow matmul rmatmul lt le gt ge"""
for name in OPERATORS.split():
    setattr(UsedGradient, f"__{name}__", UsedGradient.refuse)
USED = UsedGradient()


class Gradients:
    """What a traced step does with the gradients of its tensors.

    Attributes
    ----------
    pattern : tuple of bool
        Which tensors had a gradient before.
    reads : list of (tensor, Value)
        Old gradients that the step reads or adds to; they are given to it at each call.
    writes : list of (tensor, int, bool)
        Gradients that it leaves: where among its results, and whether they are added in place to what was there.
    used, cleared, others : list of tensor
        Those that an optimiser of the step used up; those that are None afterwards.
    ignores : dict
        Of a tensor that had a gradient, by id: True if the step cleared it unseen, False if it did not touch it.
    """

    def __init__(self, tensors: list[Any]) -> None:
        self.tensors = tensors
        self.pattern = tuple([t.grad is not None for t in tensors])
        self.reads: list[tuple[Any, Value]] = []
        self.writes: list[tuple[Any, int, bool]] = []
        self.used: list[Any] = []
        self.cleared: list[Any] = []
        self.others: list[Any] = []
        self.ignores: dict[int, bool] = {}
        self.left: list[tuple[Any, Any, bool]] = []  # of the traced step: a tensor, its gradient, whether it is added

    def find(self, trace: Trace, old: dict[int, Any], blocks: list[Any], found: list[Value]) -> None:
        """Read every `grad` at the end of a step, and append the gradients to `found`, its results."""
        read = {v.base.number for call in trace.calls for v in call.inputs()} | {v.base.number for v in found}
        spent = {id(p) for block in blocks if moved(block) for p in block.params}
        update = [call for call in trace.calls if call.info.phase == "update" and call.primitive.kind == "join"]
        added_to = set[int]()
        for t in self.tensors:
            before, now = old.get(id(t)), t.grad
            source, tracer = (before.value, before.tracer) if type(before) is OldGradient else (None, before)
            value = trace.value(now) if type(now) in (ArrayTracer, ndarray) else None  # plain: the same at each step
            added = source is not None and value is not None and now is tracer
            if source is not None and (source.number in read or (added and value is not source)
                                       or (value is not None and value.base is source and not added)):
                self.reads.append((t, source))
                added_to.add(id(t))
            elif before is not None:
                self.ignores[id(t)] = now is not tracer
            if value is None:
                if now is None and before is not None:
                    self.cleared.append(t)
                    self.left.append((t, None, False))
            elif value is source:
                continue  # as it was
            elif id(t) in spent and id(t) not in added_to and (
                    trace.collectives is not None or used_by(update, value)):
                self.used.append(t)
                clears = before is not None  # else that is not known yet, and it is kept
                self.left.append((t, USED if clears else value, False))
            elif trace.collectives is not None:
                raise CompileError("compile: a gradient is left in p.grad by a step that several workers share; "
                                   "expected the optimiser's step in the step; call opt.step() there, or leave "
                                   "workers out")
            else:
                self.writes.append((t, len(found), added))
                found.append(value)
                self.left.append((t, value, added))

    def agree(self, other: Gradients) -> bool:
        """Whether two traces, which may have started with other gradients, treat gradients alike."""
        return not (self.reads or other.reads) or self.pattern == other.pattern

    def fits(self, known: dict[int, bool]) -> bool:
        """Whether every `grad` now is as it was in the trace, or is cleared without being read."""
        layouts, self.others = {id(t): v.array for t, v in self.reads}, []
        for t, had in zip(self.tensors, self.pattern, strict=True):
            g = t.grad
            if id(t) in layouts:
                if type(g) is not ndarray or not same_layout(g, layouts[id(t)]):
                    return False
            elif (g is not None) != had:
                if id(t) not in known:
                    return False
                if g is not None and known[id(t)]:
                    self.others.append(t)
        return True

    def given(self) -> list[Any]:
        """The old gradients that the step reads."""
        return [t.grad for t, _ in self.reads]

    def steady(self) -> Callable[[], bool]:
        """A quick check whether every `grad` is as the step left it: consumed, or None."""
        if self.writes or self.reads:
            return lambda: False
        spent = set(map(id, self.used))
        used, others = ([t for t in self.tensors if (id(t) in spent) == known] for known in (True, False))
        names = {f"t{i}": t for i, t in enumerate([*used, *others])}
        chains = [" is ".join([*[f"t{i}.grad" for i in part], end]) for part, end in
                  ((range(len(used)), "USED"), (range(len(used), len(names)), "None")) if part]
        check: Callable[[], bool] = eval(f"lambda: {' and '.join(chains) or 'True'}", {**names, "USED": USED})
        return check

    def store(self, outputs: Any) -> None:
        """Set every `grad` as the step itself would."""
        for t in (*self.cleared, *self.others):
            t.grad = None
        for t in self.used:
            t.grad = USED
        for t, i, added in self.writes:
            if added:
                np.copyto(t.grad, outputs[i])
            else:
                t.grad = outputs[i].copy("K")

    def values(self) -> list[Value]:
        """The gradients that the traced step leaves."""
        return [g for _, g, _ in self.left if isinstance(g, Value)]

    def commit(self) -> Callable[[], None]:
        """What leaves in every `grad` what the traced step would leave, once all else is written."""
        copies = [(t, np.copy(g.array, "K") if isinstance(g, Value) else g, added) for t, g, added in self.left]
        self.left.clear()

        def leave() -> None:
            for t, g, added in copies:
                if added:
                    np.copyto(t.grad, g)
                else:
                    t.grad = g

        return leave


class OldGradient:
    """A gradient that a tensor has before the step, its value, and the tracer that stands for it."""

    def __init__(self, trace: Trace, array: Any, name: str) -> None:
        # subtle: numbered below zero, so that all others have the numbers that they have without old gradients
        self.value = Value(array, None, None, "input", f"{name}_grad", -2 - len(trace.old_gradients))
        trace.old_gradients.append(self.value)
        trace.sources.append(self.value)
        self.tracer = ArrayTracer(trace, self.value)
        self.tracer.fresh = True  # it may be added to


def moved(block: Any) -> bool:
    """Whether an optimiser took a step with a block of parameters."""
    return type(block.theta) is ArrayTracer and block.theta.current().call is not None


def used_by(update: list[Call], value: Value) -> bool:
    """Whether an optimiser read a gradient, or a view of it."""
    return bool([v for call in update for v in call.inputs() if v.base is value.base])
