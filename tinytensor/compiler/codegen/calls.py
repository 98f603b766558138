"""The lines of a source: how each kind of call writes its result where the plan stores it."""

from __future__ import annotations

import numpy as np

from ..buffers import Buffer, BufferPlan
from ..ir import Call, SourceInfo, Value
from ..layout import compact
from ..passes.buffer_assignment import joined_at
from ..primitives import FILL, PUT
from .expressions import Expressions, reshaped
from .peephole import CallText, quick
from .source import Line


class Calls(Expressions):
    """Writes the lines of calls."""

    def __init__(self, plan: BufferPlan) -> None:
        super().__init__(plan)
        self.body: list[Line] = []

    def add(self, line: CallText | str, call: Call | None, info: SourceInfo | None = None) -> None:
        """Append a line to the step."""
        code = line if isinstance(line, str) else quick(line, self.names)
        self.body.append(Line(str(line), code, call, info or call.info))  # type: ignore[union-attr]

    def write(self, call: Call) -> None:
        """The line of a call, or none where the plan has made it needless."""
        v = call.result
        if not isinstance(v, Value):
            self.add_named(call, list(call.outputs()))
        elif not v.is_array:
            if call.primitive.kind != "scalar" or self.use_counts.get(v.number, 0) > 1:
                self.add_named(call, [v])
        elif v.base is not v:
            if not self.plan.preallocated(v):
                self.add_named(call, [v])
        elif self.plan.buffers[v.number].kind == "external":
            self.add_named(call, [v])
        elif call.primitive.kind == "update":
            self.update(call)
        elif call.primitive.kind == "join":
            self.join(call)
        elif not self.made_in_place(call):
            self.add(self.into(call, self.ref(v)), call)

    def add_named(self, call: Call, outputs: list[Value]) -> None:
        """A call whose results (several, one or none) get names."""
        expression = self.expression(call)
        self.defined.update(v.number for v in outputs if v.is_array)
        names = ", ".join(map(self.names.of, outputs)) + "," * (len(outputs) == 1 and call.result is not outputs[0])
        if isinstance(expression, CallText):
            self.add(expression._replace(result=names), call)
        else:
            self.add(f"{names} = {expression}", call)

    def made_in_place(self, call: Call) -> bool:
        """Whether the operand that a call would copy was already made in its result."""
        source = call.args[0] if call.args else None
        buffer = self.plan.buffers.get(source.base.number) if isinstance(source, Value) and source.is_array else None
        return buffer is not None and buffer.permuted and buffer.parent is self.plan.buffers[call.result.number]

    def into(self, call: Call, out: str) -> CallText:
        """A call that writes into an array."""
        if call.primitive.kind in ("copy", "layout") and call.name != "transposed_by_blocks":
            return self.copy(call, out)
        expression = self.expression(call)
        assert isinstance(expression, CallText)
        clip = {"mode": '"clip"'} if call.name == "gathered" else {}
        return expression._replace(keywords={**expression.keywords, "out": out, **clip})

    def copy(self, call: Call, out: str) -> CallText:
        """A call that only copies, or converts."""
        source = call.args[0]
        a, b = call.result.array, source.array if isinstance(source, Value) and source.is_array else None
        if b is not None and b.shape != a.shape and b.size == a.size and call.primitive is not FILL:
            out = reshaped(out, b.shape)
        safe = a.dtype.kind in "fc" if b is None else np.can_cast(b.dtype, a.dtype, "same_kind")
        return copied(self.text(source), out, safe)

    def update(self, call: Call) -> None:
        """A write into an array: a copy of the old one first where that is needed, the new part where it is not made
        in its region."""
        old, new = call.args[0], call.result
        out = self.ref(new)
        if self.plan.buffers.get(old.number) is not self.plan.buffers[new.number]:
            self.add(copied(self.ref(old), out), call)
        if call.name == "[]=":
            self.add(f"{out}[{self.index(call.args[1])}] = {self.text(call.args[2])}", call)
            return
        if call.primitive is not PUT:
            keywords = {k: self.text(x) for k, x in call.kwargs.items()}
            self.add(CallText(self.function(call), [out, *map(self.text, call.args[1:])], keywords), call)
            return
        part, region = call.args[1], call.region
        buffer = self.plan.buffers.get(part.number) if isinstance(part, Value) else None
        if buffer is None or buffer.region is not region:
            assert region is not None
            self.add(copied(self.text(part), self.ref(region)), call)

    def join(self, call: Call) -> None:
        """Joined arrays: copied only where they were not made in place."""
        whole, out = call.result, self.ref(call.result)
        buffer, row = self.plan.buffers[whole.number], 0
        if buffer.permuted:
            for i, v in enumerate(call.args[0]):
                own = self.plan.buffers.get(v.number)
                if own is None or own.parent is not buffer or own.view != i:  # it may occur more than once
                    self.add(copied(self.ref(v), f"{out}[{i}]", casts(v, whole)), call)
            return
        made = [self.made_at(v, buffer, offset) for v, offset in joined_at(call)] if compact(whole.array) else []
        if not any(made):
            self.add(self.into(call, out), call)
            return
        for v, done in zip(call.args[0], made, strict=True):
            rows = 1 if call.target is np.stack else len(v.array)
            if not done:
                place = f"{row}, ..." if call.target is np.stack else f"{row}:{row + rows}"
                self.add(copied(self.ref(v), f"{out}[{place}]", casts(v, whole)), call)
            row += rows

    def made_at(self, v: Value, buffer: Buffer, offset: int) -> bool:
        """Whether a value is made at an offset of a buffer."""
        own = self.plan.buffers.get(v.base.number)
        return (own is not None and own.parent is not None and own.parent is buffer and own.offset == offset
                and compact(v.array) and v.array.size == v.base.array.size)


def copied(source: str, out: str, safe: bool = True) -> CallText:
    """A copy; `safe`: NumPy allows it without `casting`."""
    return CallText("np.copyto", [out, source], {} if safe else {"casting": "'unsafe'"})


def casts(v: Value, out: Value) -> bool:
    """Whether NumPy converts one dtype to another without `casting`."""
    return bool(np.can_cast(v.array.dtype, out.array.dtype, "same_kind"))
