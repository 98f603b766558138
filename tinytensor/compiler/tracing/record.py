"""A step is run once, on stand-ins for all that it is given or may change, and what came of that is written down."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from types import CodeType
from typing import Any

import numpy as np

from ...core import NO_PARAMS, RELEASED, Tensor, ndarray, record
from ...random import Generator
from ..ir import CompileError, Program, Value, mapped
from ..parallel.collectives import Collectives, ShardedState, finish
from .choices import choices
from .closure import ClosureScan, Roots
from .code import global_names, is_user_code
from .guards import Guards, Place
from .opaque import Hidden
from .patched import Patched
from .signature import Fixed
from .source_info import SourceTracker
from .state import Cell, DeclaredState
from .trace import Trace
from .tracer import ArrayTracer, ScalarTracer


class OutLeaf:
    """A place in what a step gives back: which of its values stands there, and whether as a Tensor."""

    def __init__(self, number: int, tensor: bool, is_scalar: bool) -> None:
        self.number, self.tensor, self.is_scalar = number, tensor, is_scalar

    def materialise(self, outputs: Any) -> Any:
        """What stands there now: a copy, for the step's own memory is written again."""
        x = outputs[self.number]
        x = x[()] if self.is_scalar else x.copy("K") if isinstance(x, ndarray) else x
        return record(RELEASED, x, [], [], NO_PARAMS, False) if self.tensor else x


class TraceResult:
    """A step that was run once and written down.

    Attributes
    ----------
    program : Program
    out_tree : object
        What it gave, with OutLeafs in the place of arrays and numbers.
    cells : dict
        Of the numbers that are read, and may be written, at each call; by the number of the source.
    guards : Guards
        Whether all that the step can reach is as it was.
    choose : callable or None
        Whether the numbers by which the step chose choose the same for these arguments.
    scan : ClosureScan
        What was reached before the step ran.
    ran : dict
        The code that ran, by its id, and the variables of its module.
    cleared : dict
        Of tensors that had an old gradient, by id: whether the step cleared it.
    """

    key: Any = None
    guards: Guards

    def __init__(self, program: Program, out_tree: Any, cells: dict[int, Cell], scan: ClosureScan,
                 source_info: SourceTracker, cleared: dict[int, bool], choose: Any) -> None:
        self.program, self.out_tree, self.cells, self.scan = program, out_tree, cells, scan
        self.ran, self.cleared, self.choose = source_info.ran, cleared, choose

    def looks_at_types(self) -> bool:
        """Whether the user's code asks what is of which type: then no stand-in may stand for a float."""
        return self.ran is None or any("type" in global_names(c) for c, _ in self.ran.values() if is_user_code(c))

    def fits(self, key: Any, given: Any) -> bool:
        """Whether it is what the step would do with these arguments."""
        return bool(self.key == key and self.guards.hold() and (self.choose is None or self.choose(given)))


class Recorder:
    """What is known before a step runs on stand-ins.

    Parameters
    ----------
    invoke : callable
        Calls the step, given its arguments as a tuple.
    names : list of str
        What its arguments are called.
    objects : list
        Arguments that are objects, and what they hold.
    more : dict
        Code that ran before and can't be reached from the step.
    varying : set of Place
        Numbers that are read at each call.
    shares : ShardedState or None
        Of several workers.
    """

    def __init__(self, invoke: Callable[[tuple[Any, ...]], Any], names: list[str], state: DeclaredState,
                 objects: list[Any], more: Roots, varying: Collection[Place], shares: ShardedState | None) -> None:
        self.invoke, self.names, self.state, self.shares = invoke, names, state, shares
        self.objects, self.more, self.varying = objects, more, varying
        self.needed: set[Any] = set()  # the places of numbers that a trace which failed needed as they are

    def run(self, args: tuple[Any, ...], named: bool) -> tuple[TraceResult, Any]:
        """The step, written down, and what it gives; names of values are looked for, which takes time, if `named`."""
        source_info = SourceTracker(self.state.paths)
        trace = Trace(source_info)
        if self.shares is not None:
            trace.collectives = Collectives(trace, self.shares)
        scan = self.state.scan(self.objects, self.more)
        standing = Patched(self.state, trace, scan, self.varying)
        try:
            return self.written(args, named, trace, standing)
        except BaseException:
            if not standing.committed:
                standing.rewind()
            self.needed = {cell.place for source, _, cell in standing.numbers if source.number in trace.needed}
            raise

    def written(self, args: tuple[Any, ...], named: bool, trace: Trace, standing: Patched) -> tuple[TraceResult, Any]:
        """What `run` gives."""
        source_info, scan = trace.source_info, standing.closure
        inputs: list[Value] = []
        tensors: list[tuple[str, Tensor]] = []
        found: list[Value] = []
        with standing.in_place():
            given = [mapped(partial(self.stand_in, trace, standing, inputs, tensors, name), a)
                     for a, name in zip(args, [*self.names, *["x"] * len(args)], strict=False)]
            with source_info.watching(named):
                result = self.unrefused(tuple(given), source_info)
            out_tree = mapped(partial(self.leaf, trace, found), result)
            for name, x in tensors:
                if isinstance(x.grad, ArrayTracer) and x.grad.current() not in found:
                    raise CompileError(f"compile: {self.state.where}: the gradient of {name}, an argument, would be "
                                       f"lost; expected what the step makes to be given back; return {name}.grad")
            state = standing.finals()
            standing.verify(state, found)
            trace.check_constants()
            trace.pin([*found, *[final for _, final in state]])
        for t, v in standing.gradients:
            name = next(name for name, x in {**self.state.tensors, **self.state.plain}.items() if x is t)
            v.name = v.name or f"d_{name}"
        source_info.assign_names([v for call in trace.calls for v in call.outputs()] + trace.sources)
        source_info.assign_phases(trace.calls, {final.number for _, final in state})
        cells = {source.number: cell for source, _, cell in standing.numbers}
        choose = choices(trace.choices, inputs, {n: cell.get for n, cell in cells.items()})
        program = Program(trace.calls, inputs, found, state, trace.sources)
        traced = TraceResult(program, out_tree, cells, scan, source_info, standing.cleared(), choose)
        outputs = [v.array for v in found]
        result = mapped(lambda x: x.materialise(outputs) if isinstance(x, OutLeaf) else x, out_tree)
        if trace.collectives is None:
            standing.commit(state)
        else:
            standing.rewind()
            finish(trace.calls, found)
        trace.forget()
        scan.expected = scan.before  # subtle: it knows stand-ins, which would keep all that was made
        traced.guards = self.guards(traced)
        return traced, result

    def guards(self, traced: TraceResult) -> Guards:
        """What is compared at each call: what code that ran can reach."""
        if traced.ran is None:
            return self.state.guards(traced.scan, self.varying)
        ran: set[CodeType] = {code for code, _ in traced.ran.values()}
        return self.state.guards(self.state.scan(self.objects, self.more, ran), self.varying)

    def stand_in(self, trace: Trace, standing: Patched, inputs: list[Value], tensors: list[tuple[str, Tensor]],
                 name: str, x: Any) -> Any:
        """What stands for one thing among the arguments."""
        again = partial(self.stand_in, trace, standing, inputs, tensors, name)
        if id(x) in self.state.declared:  # subtle: its place among the arguments is kept, and not used
            array = x if isinstance(x, np.ndarray) else x.data.now()
            inputs.append(trace.source(array, "input", name))
            return standing.tracers.get(id(x), x)
        if isinstance(x, Tensor):
            tensors.append((name, standing.argument(x, again(x.data), name)))
            return tensors[-1][1]
        if isinstance(x, np.ndarray | np.generic):
            is_scalar = isinstance(x, np.generic)
            x = x if trace.collectives is None else trace.collectives.cut(np.ascontiguousarray(x), name)
            inputs.append(trace.source(np.asarray(x), "input", name))
            return ArrayTracer(trace, inputs[-1], is_scalar=is_scalar)
        if type(x) is Fixed:
            return float(x)
        if type(x) is float:
            inputs.append(trace.source(x, "number", name))
            return ScalarTracer(trace, inputs[-1])
        if isinstance(x, Generator):
            standing.generator(x, name)
        return standing.stream(x) if isinstance(x, np.random.Generator) else standing.known(x, name)

    def leaf(self, trace: Trace, found: list[Value], x: Any) -> Any:
        """What stands in the tree of results for one thing that the step gave."""
        if type(x) is Hidden:
            raise CompileError(f"compile: {self.state.where}: an object came back whose state can't be compared from "
                               f"call to call; expected arrays, numbers, and tuples, lists and dicts of them")
        tensor, x = isinstance(x, Tensor), x.data if isinstance(x, Tensor) else x
        if isinstance(x, ArrayTracer | ScalarTracer | np.ndarray):
            found.append(trace.value(x))
            return OutLeaf(len(found) - 1, tensor, isinstance(x, ArrayTracer) and x.is_scalar)
        if any(isinstance(y, ArrayTracer | ScalarTracer | Tensor) for y in getattr(x, "__dict__", {}).values()):
            raise CompileError(f"compile: {self.state.where}: a {type(x).__name__} came back; expected arrays, "
                               f"numbers, and tuples, lists and dicts of them")
        return x

    def unrefused(self, given: tuple[Any, ...], source_info: SourceTracker) -> Any:
        """Call the step itself; what was refused is raised, even if NumPy or the step took no notice of it."""
        try:
            result = self.invoke(given)
        except Exception as error:
            if source_info.refused is None or error is source_info.refused:
                raise
            raise source_info.refused from error
        if source_info.refused is not None:
            raise source_info.refused
        return result


def nested(x: Any) -> Iterator[Any]:
    """The objects among arguments."""
    found: list[Any] = []
    mapped(lambda y: found.append(y) if not isinstance(y, Tensor | np.ndarray) else None, x)
    return iter(found)
