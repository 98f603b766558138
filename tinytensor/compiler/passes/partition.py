"""One trace as two programs: the forward pass, and the backward pass of its results.

What the second needs of the first is handed over: what a call has made is saved, views are made again.
"""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple

from ..ir import Call, Program, Value
from ..primitives import COPY
from .rewrite import clone


class Recorded(NamedTuple):
    """The backward pass of one output, in a trace.

    Attributes
    ----------
    output : int
        Which of the step's results it is of.
    leaves : list
        The tensors that its gradients belong to; for an argument, its stand-in.
    cotangent : Value
        The gradient of the output.
    gradients : list of Value
        Those of the leaves.
    """

    output: int
    leaves: list[Any]
    cotangent: Value
    gradients: list[Value]


class Backward(NamedTuple):
    """The program of the backward pass of one output.

    Attributes
    ----------
    output : int
    program : Program
        Its inputs are the gradient of the output, and what is saved.
    leaves : list
    saved : list of int
        Which of the forward program's results are saved for it.
    """

    output: int
    program: Program
    leaves: list[Any]
    saved: list[int]


def separated(program: Program, first: int, recorded: list[Recorded]) -> tuple[Program, list[Backward]]:
    """The forward program, which also gives what is saved, and a program for each backward pass.

    `first`: how many calls the forward pass has.
    """
    cotangents = {r.cotangent.number for r in recorded}
    forward = Forward(program, first, [v for v in program.sources if v.number not in cotangents])
    passes = [BackwardBuilder(forward, r, program.calls[first:]).build() for r in recorded]
    return program._replace(calls=forward.calls, result=forward.result, sources=forward.sources), passes


class Forward:
    """The forward program, which grows by what is saved."""

    def __init__(self, program: Program, first: int, sources: list[Value]) -> None:
        self.calls, self.result, self.sources = program.calls[:first], list(program.result), sources
        self.changed = {source.number for source, final in program.state if final is not source}
        self.places = {v.number: i for i, v in reversed([*enumerate(program.result)])}
        self.numbers = program.fresh_numbers()

    def stays(self, v: Value) -> bool:
        """Whether a source is there at the backward pass as it is: a constant, or state that the step leaves alone."""
        return v.call is None and (v.kind == "constant" or (v.kind == "state" and v.number not in self.changed))

    def save(self, v: Value) -> int:
        """Return a value too; its position among the results."""
        if v.kind == "state":  # it is another one after the step
            call = Call(COPY, (v,), {"order": "K"}, False, self.calls[0].info)
            call.result = v = Value(v.array, call, None, "", "", next(self.numbers))
            self.calls.append(call)
        if v.number not in self.places:
            self.places[v.number] = len(self.result)
            self.result.append(v)
        return self.places[v.number]


class BackwardBuilder:
    """The backward program of one output, while it is built of clones of the trace's calls."""

    def __init__(self, forward: Forward, recorded: Recorded, calls: list[Call]) -> None:
        self.forward, self.recorded, self.calls = forward, recorded, needed(calls, recorded.gradients)
        self.made = {v.number for call in self.calls for v in (*call.outputs(), *regions(call))}
        self.clones: dict[int, Any] = {}
        self.inputs: list[Value] = [clone(recorded.cotangent, self.clones)]
        self.saved: list[int] = []
        self.views: dict[int, Call] = {}  # calls of the forward pass that are made again

    def build(self) -> Backward:
        gradients = self.recorded.gradients
        for v in (*[v for call in self.calls for v in reads(call)], *gradients):
            self.need(v)
        calls = [clone(call, self.clones) for call in (*self.views.values(), *self.calls)]
        used = {v.base.number for v in (*[v for call in calls for v in call.inputs()], *gradients)}
        sources = [clone(v, self.clones) for v in self.forward.sources if v.number in used and self.forward.stays(v)]
        program = Program(calls, self.inputs, [clone(v, self.clones) for v in gradients],
                          [(v, v) for v in sources if v.kind == "state"], [*self.inputs, *sources])
        return Backward(self.recorded.output, program, self.recorded.leaves, self.saved)

    def need(self, v: Value) -> None:
        """Make a value available before the backward pass."""
        if v.number in self.made or id(v) in self.clones or self.forward.stays(v):
            return
        if v.call is not None and v.call.makes_view:
            for w in v.call.inputs():
                self.need(w)
            self.views[id(v.call)] = v.call
            return
        place, new = self.forward.save(v), copy(v)
        new.call, new.base, new.kind = None, new, "input" if v.is_array else "number"
        self.clones[id(v)] = new
        self.inputs.append(new)
        self.saved.append(place)


def needed(calls: list[Call], gradients: list[Value]) -> list[Call]:
    """The calls that gradients are made of."""
    wanted, kept = {w.number for v in gradients for w in (v, v.base)}, list[Call]()
    for call in reversed(calls):
        if call.effect or any(v.number in wanted for v in call.outputs()):
            kept.append(call)
            wanted |= {w.number for v in reads(call) for w in (v, v.base)}
    return kept[::-1]


def reads(call: Call) -> list[Value]:
    """What a call reads, and what the region of an update is found by."""
    own = [v for r in regions(call) if r.call is not None for v in r.call.inputs() if v is not call.result]
    return [*call.inputs(), *own]


def regions(call: Call) -> list[Value]:
    return [] if call.region is None else [call.region]
