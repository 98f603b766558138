"""Rewriting: a pass never changes the traced program, which later traces are compared with; it builds another one."""

from __future__ import annotations

from copy import copy
from typing import Any

from ..ir import Call, Program, Value, mapped, values


def rebuilt(program: Program, calls: list[Call], clones: dict[int, Any]) -> Program:
    """A program of cloned calls, with clones of everything else; see `clone`."""
    inputs, result, sources = (list(clone(tuple(x), clones)) for x in (program.inputs, program.result, program.sources))
    state = [clone(pair, clones) for pair in program.state]
    return program._replace(calls=calls, inputs=inputs, result=result, state=state, sources=sources)


def clone(x: Any, clones: dict[int, Any]) -> Any:
    """A copy of a value or call, and of all that it refers to; arrays are shared.

    `clones` has what was cloned, by the id of the original. To replace a value in all calls that are cloned later, let
    ``clones[id(value)]`` be the clone of another.
    """
    if isinstance(x, tuple):
        return tuple([clone(y, clones) for y in x])
    if id(x) in clones or not isinstance(x, Value | Call):
        return clones.get(id(x), x)
    new: Any = copy(x)
    clones[id(x)] = new
    if isinstance(x, Value):
        new.base, new.call = clone(x.base, clones), clone(x.call, clones)
        return new
    new.args, new.kwargs, new.result = (mapped(lambda y: clone(y, clones), y) for y in (x.args, x.kwargs, x.result))
    new.region, new.read = clone(x.region, clones), (*values(new.args), *values(new.kwargs))
    return new
