"""The backward pass of what a step gives back, where its graph is still there: recorded after the step itself.

`fast = tt.compile(model, model)` under an eager loss: the calls of the forward pass make one program, those of the
backward pass another, and what the second needs of the first is handed over.
"""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple

from ...autograd import gradients
from ...core import RELEASED, Tensor
from ..ir import Call, CompileError, Program, Value, concrete, mapped, values
from ..primitives import COPY
from .trace import Trace
from .tracer import ArrayTracer


class Recorded(NamedTuple):
    """The backward pass of one output, in a trace.

    Attributes
    ----------
    output : int
        Which of the step's results it is of.
    leaves : list of Tensor
        Where its gradients go; of an argument it is what stood for it.
    cotangent : Value
        The gradient of the output.
    gradients : list of Value
        Those of the leaves.
    """

    output: int
    leaves: list[Tensor]
    cotangent: Value
    gradients: list[Value]


def is_live(x: Any) -> bool:
    """Whether a gradient can flow through a result: it was recorded, and no pass has released its graph."""
    return isinstance(x, Tensor) and x.needs and x.op is not None and x.op is not RELEASED


def leaves_of(y: Tensor) -> list[Tensor]:
    """The leaves that gradients of y flow to, each once."""
    seen, found = {id(y)}, list[Tensor]()
    for node in (reached := [y]):
        if node.op is RELEASED:
            raise CompileError("compile: a result depends on a graph that the step has released; expected one backward "
                               "pass for each graph; write loss.backward(retain_graph=True), or give back y.detach()")
        if node.op is None:
            found.append(node)
        for x in node.inputs:
            if x is not None and id(x) not in seen:
                seen.add(id(x))
                reached.append(x)
    return found


def record_backward(trace: Trace, output: int, y: Tensor) -> Recorded:
    """Record the backward pass of a result; hooks of leaves are left to whoever runs it."""
    leaves = leaves_of(y)
    source = trace.source(y.data.now(), "input", f"d_output{output or ''}")
    hooks = [leaf.hooks for leaf in leaves]
    for leaf in leaves:
        leaf.hooks = None
    try:
        found = gradients(y, ArrayTracer(trace, source), release=False)
    finally:
        for leaf, own in zip(leaves, hooks, strict=True):
            leaf.hooks = own
    leaves = [leaf for leaf in leaves if leaf in found]
    return Recorded(output, leaves, source, [trace.value(found[leaf]) for leaf in leaves])


def held(calls: list[Call]) -> list[Value]:
    """The values that calls read, and those that these are views of."""
    return [w for call in calls for v in call.inputs() for w in (v, v.base) if concrete(w) is not None]


class Backward(NamedTuple):
    """The program of the backward pass of one output.

    Attributes
    ----------
    output : int
    program : Program
        Its inputs are the gradient of the output, and what is saved.
    leaves : list of Tensor
    saved : list of int
        Which of the forward program's results are saved for it.
    """

    output: int
    program: Program
    leaves: list[Tensor]
    saved: list[int]


def separated(program: Program, first: int, recorded: list[Recorded]) -> tuple[Program, list[Backward]]:
    """The forward program, which also gives what is saved, and a program for each backward pass.

    `first`: how many calls the forward pass has.
    """
    calls, result = program.calls[:first], list(program.result)
    changed = {source.number for source, final in program.state if final is not source}
    after, places, passes = program.calls[first:], dict[int, int](), []
    for i, v in enumerate(program.result):
        places.setdefault(v.number, i)
    cotangents = {r.cotangent.number for r in recorded}
    number = max([v.number for v in (*program.sources, *outputs(program.calls))], default=0)
    for r in recorded:
        wanted, kept = {v.base.number for v in r.gradients} | {v.number for v in r.gradients}, list[Call]()
        for call in reversed(after):
            if call.effect or any(v.number in wanted for v in call.outputs()):
                kept.append(call)
                read = [*call.inputs()]
                if call.region is not None and call.region.call is not None:
                    read += [v for v in call.region.call.inputs() if v is not call.result]
                wanted |= {v.number for v in read} | {v.base.number for v in read}
        twins: dict[int, Any] = {}
        inputs, saved, made = [twin(r.cotangent, twins)], list[int](), {v.number for v in outputs(kept)}
        front: dict[int, Call] = {}

        def need(v: Value, made: set[int] = made, twins: dict[int, Any] = twins, inputs: list[Value] = inputs,
                 saved: list[int] = saved, front: dict[int, Call] = front) -> None:
            """Let a value be there before the backward pass: made again if it is a view, else saved."""
            nonlocal number
            if v.number in made or id(v) in twins:
                return
            if v.call is not None and v.is_array and v.base is not v:
                for w in v.call.inputs():
                    need(w)
                front[id(v.call)] = v.call
                return
            if v.call is None and (v.kind in ("constant", "stream") or (v.kind == "state" and v.number not in changed)):
                return
            kept_value = v
            if v.kind == "state":  # it is another one after the step
                number += 1
                call = Call(COPY, (v,), {"order": "K"}, False, program.calls[0].info)
                call.result = kept_value = Value(v.array, call, None, "", "", number)
                calls.append(call)
            if kept_value.number not in places:
                places[kept_value.number] = len(result)
                result.append(kept_value)
            new = copy(v)
            new.call, new.base, new.kind = None, new, "input" if v.is_array else "number"
            twins[id(v)] = new
            inputs.append(new)
            saved.append(places[kept_value.number])

        for call in reversed(kept):
            for v in (*call.inputs(), *(call.region.call.inputs() if call.region and call.region.call else ())):
                need(v)
        for v in r.gradients:
            need(v)
        whole = [twin(call, twins) for call in (*front.values(), *reversed(kept))]
        used = {v.base.number for call in whole for v in call.inputs()} | {v.base.number for v in r.gradients}
        sources = [w for v in program.sources if v.number in used and v.number not in cotangents
                   and (w := twin(v, twins)).kind in ("constant", "state")]
        state = [(v, v) for v in sources if v.kind == "state"]
        given = [twin(v, twins) for v in r.gradients]
        passes.append(Backward(r.output, Program(whole, inputs, given, state, [*inputs, *sources]), r.leaves, saved))
    sources = [v for v in program.sources if v.number not in cotangents]
    return program._replace(calls=calls, result=result, sources=sources), passes


def outputs(calls: list[Call]) -> list[Value]:
    return [v for call in calls for v in (*call.outputs(), *([call.region] if call.region else []))]


def twin(x: Any, twins: dict[int, Any]) -> Any:
    """A copy of a value or call, and of all that it knows; arrays stay what they are."""
    if isinstance(x, tuple):
        return tuple([twin(y, twins) for y in x])
    if id(x) in twins or not isinstance(x, Value | Call):
        return twins.get(id(x), x)
    new: Any = copy(x)
    twins[id(x)] = new
    if isinstance(x, Value):
        new.base, new.call = twin(x.base, twins), twin(x.call, twins)
        return new
    new.args, new.kwargs, new.result = (mapped(lambda y: twin(y, twins), y) for y in (x.args, x.kwargs, x.result))
    new.region, new.read = twin(x.region, twins), (*values(new.args), *values(new.kwargs))
    return new
