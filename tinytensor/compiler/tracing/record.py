"""Runs a step once, on stand-ins for everything that it gets or may change, and records the result."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from ...advice import a_type
from ...core import NO_PARAMS, RELEASED, Tensor, ndarray, record
from ...random import Generator
from ..ir import CompileError, Program, Value, mapped
from ..parallel.collectives import Collectives, ShardedState, finish
from ..passes.partition import separated
from .backward import held, is_live, record_backward
from .choices import choices
from .closure import ClosureScan, Roots
from .code import global_names, is_user_code
from .creation import creating
from .gradients import Gradients
from .guards import Guards, Place
from .opaque import Hidden
from .patched import Patched
from .signature import Fixed, flat
from .source_info import SourceTracker, ours
from .state import Cell, DeclaredState
from .trace import Trace
from .tracer import ArrayTracer, ScalarTracer

# the words of an error that a tracer caused, and what is said instead
TRACER_NAMES = {"ArrayTracer": "array of the step", "ScalarTracer": "number of the step",
            "Supplied output array": "supplied output array", "type float is not JSON": "type float is not JSON"}


class OutLeaf:
    """A leaf in the result of a step: which of its values it is, and whether it is returned as a Tensor."""

    def __init__(self, number: int, tensor: bool, is_scalar: bool) -> None:
        self.number, self.tensor, self.is_scalar = number, tensor, is_scalar
        self.op: Any = None  # of a Tensor that gradients can flow through: the op that made it

    def materialise(self, outputs: Any, args: tuple[Any, ...] = ()) -> Any:
        """The value there now: a copy, since the step's memory will be overwritten."""
        x = outputs[self.number]
        x = x[()] if self.is_scalar else x.copy("K") if isinstance(x, ndarray) else x
        if self.op is not None:
            return self.op.node(x, outputs, args)
        return record(RELEASED, x, [], [], NO_PARAMS, False) if self.tensor else x


class TraceResult:
    """The record of a step that was run once.

    Attributes
    ----------
    program : Program
    out_tree : object
        Its result, with OutLeafs instead of arrays and numbers.
    cells : dict
        Of the numbers that are read, and may be written, at each call; by the number of the source.
    guards : Guards
        Whether everything that the step can reach is as it was.
    choose : callable or None
        Whether the numbers by which the step chose choose the same for these arguments.
    scan : ClosureScan
        What was reached before the step ran.
    ran : dict
        The code that ran, by its id, and the variables of its module.
    gradients : Gradients
        The gradients that the step reads from every `grad`, and those that it leaves there.
    """

    key: Any = None
    guards: Guards

    def __init__(self, program: Program, out_tree: Any, cells: dict[int, Cell], scan: ClosureScan,
                 source_info: SourceTracker, gradients: Gradients, choose: Any) -> None:
        self.program, self.out_tree, self.cells, self.scan = program, out_tree, cells, scan
        self.ran, self.gradients, self.choose = source_info.ran, gradients, choose

    def looks_at_types(self) -> bool:
        """Whether the user's code checks types: then no float may be replaced by a stand-in."""
        return self.ran is None or any("type" in global_names(c) for c, _ in self.ran.values() if is_user_code(c))

    def fits(self, key: Any, given: Any) -> bool:
        """Whether the step would do the same with these arguments."""
        return bool(self.key == key and self.guards.hold() and (self.choose is None or self.choose(given)))


class Recorder:
    """Everything that is known before a step is traced.

    Parameters
    ----------
    node : callable
        Makes the op of an output that gradients can flow through, of its backward pass (`differentiable.py`).
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
    creates : bool
        Whether arrays that the step makes itself are traced too (`creation.py`).
    fast : bool
        Whether passes may change the rounding.
    """

    def __init__(self, node: Callable[..., Any], invoke: Callable[[tuple[Any, ...]], Any], names: list[str],
                 state: DeclaredState, objects: list[Any], more: Roots, varying: Collection[Place],
                 shares: ShardedState | None, creates: bool = False, fast: bool = False) -> None:
        self.node, self.invoke, self.names, self.state, self.shares = node, invoke, names, state, shares
        self.objects, self.more, self.varying = objects, more, varying
        self.creates, self.fast = creates, fast
        self.undone = False  # whether a trace failed and was undone
        self.needed: set[Any] = set()  # the places of numbers whose values a failed trace needed

    def run(self, args: tuple[Any, ...], named: bool) -> tuple[TraceResult, Any]:
        """The record of the step, and its result; where traced values met arrays that the step makes itself, it is
        run once more with these traced too."""
        try:
            return self.record(args, named)
        except CompileError as error:
            if self.creates or not error.needs_creation:
                raise
        self.creates, self.undone = True, False
        try:
            return self.record(args, named)
        except CompileError:
            self.creates = False
            raise

    def record(self, args: tuple[Any, ...], named: bool) -> tuple[TraceResult, Any]:
        """One run; names of values are looked for, which takes time, if `named`."""
        source_info = SourceTracker(self.state.paths)
        trace = Trace(source_info)
        if self.shares is not None:
            trace.collectives = Collectives(trace, self.shares)
        scan = self.state.scan(self.objects, self.more)
        patched = Patched(self.state, trace, scan, self.varying)
        try:
            return self.traced(args, named, trace, patched)
        except BaseException:
            if not patched.committed:
                patched.rewind()
                self.undone = True
            self.needed = {cell.place for source, _, cell in patched.numbers if source.number in trace.needed}
            raise
        finally:  # subtle: the functions that restore refer to it, and would keep it alive
            patched.undo.clear()
            patched.saved.clear()

    def traced(self, args: tuple[Any, ...], named: bool, trace: Trace, patched: Patched) -> tuple[TraceResult, Any]:
        """Trace the step: its record, and its result."""
        source_info, scan = trace.source_info, patched.closure
        inputs: list[Value] = []
        tensors: list[tuple[str, Tensor]] = []
        found: list[Value] = []
        live: list[tuple[OutLeaf, Tensor]] = []
        arguments = [x for x in flat(args) if isinstance(x, Tensor) and id(x) not in self.state.declared]
        with creating(trace) if self.creates else nullcontext(), patched.in_place():
            given = [mapped(partial(self.stand_in, trace, patched, inputs, tensors, name), a)
                     for a, name in zip(args, [*self.names, *["x"] * len(args)], strict=False)]
            with source_info.watching(named):
                result = self.invoke_or_raise(tuple(given), source_info)
            out_tree = mapped(partial(self.leaf, trace, found, live), result)
            for (name, x), own in zip(tensors, arguments, strict=True):
                if isinstance(x._grad, ArrayTracer) and (own.op is not None or x._grad.current() not in found):
                    raise CompileError(f"compile: {self.state.where}: the gradient of {name}, an argument, would be "
                                       f"lost; expected the step to return it; return {name}.grad")
            state = patched.finals()
            gradients = patched.gradients
            blocks = [block for opt in self.state.optimizers for block in opt.blocks]
            gradients.find(trace, patched.old, blocks, found)
            patched.name_gradients()
            first, trace.kept = len(trace.calls), []
            passes = [record_backward(trace, leaf.number, y) for leaf, y in live] if trace.collectives is None else []
            patched.verify(state, found)
            trace.check_constants()
            trace.pin([*found, *[final for _, final in state], *gradients.values(), *held(trace.calls[first:]),
                       *[v for r in passes for v in r.gradients]])
            trace.kept = None
        source_info.assign_names([v for call in trace.calls for v in call.outputs()] + trace.sources)
        source_info.assign_phases(trace.calls, {final.number for _, final in state})
        cells = {source.number: cell for source, _, cell in patched.numbers}
        choose = choices(trace.choices, inputs, {n: cell.get for n, cell in cells.items()})
        whole = [*inputs, *[v for _, v in gradients.reads]]
        program = Program(trace.calls, whole, found, state, trace.sources, self.fast)
        program, backward = separated(program, first, passes)
        positions = {id(x): i for i, (_, x) in enumerate(tensors)}
        for i, (leaf, _) in enumerate(live):
            done = backward[i] if backward else None
            ends = [positions.get(id(x), x) for x in done.leaves] if done else []
            again = None if impure(program) else partial(self.again, out_tree, leaf.number)
            leaf.op = self.node(done, ends, again)
        found = program.result
        traced = TraceResult(program, out_tree, cells, scan, source_info, gradients, choose)
        outputs = [v.array for v in found]
        result = mapped(lambda x: x.materialise(outputs, args) if isinstance(x, OutLeaf) else x, out_tree)
        if trace.collectives is None:
            patched.commit(state)
        else:
            patched.rewind()
            finish(program, trace.collectives)
        trace.forget()
        scan.expected = scan.before  # subtle: it refers to stand-ins, which would keep everything that was made
        traced.guards = self.guards(traced)
        return traced, result

    def guards(self, traced: TraceResult) -> Guards:
        """The guards of everything that the code that ran can reach."""
        if traced.ran is None:
            return self.state.guards(traced.scan, self.varying)
        ran: set[CodeType] = {code for code, _ in traced.ran.values()}
        return self.state.guards(self.state.scan(self.objects, self.more, ran), self.varying)

    def stand_in(self, trace: Trace, patched: Patched, inputs: list[Value], tensors: list[tuple[str, Tensor]],
                 name: str, x: Any) -> Any:
        """The stand-in of one argument."""
        again = partial(self.stand_in, trace, patched, inputs, tensors, name)
        if id(x) in self.state.declared:  # subtle: its position among the arguments is kept, and not used
            array = x if isinstance(x, np.ndarray) else x.data.now()
            inputs.append(trace.source(array, "input", name))
            return patched.tracers.get(id(x), x)
        if isinstance(x, Tensor):
            tensors.append((name, patched.argument(x, again(x.data), name)))
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
            patched.generator(x, name)
        return patched.stream(x) if isinstance(x, np.random.Generator) else patched.known(x, name)

    def leaf(self, trace: Trace, found: list[Value], live: list[tuple[OutLeaf, Tensor]], x: Any) -> Any:
        """The leaf in the tree of results for one result of the step."""
        if type(x) is Hidden:
            raise CompileError(f"compile: {self.state.where}: the step returned an object whose state can't be "
                               "compared from call to call; expected arrays, numbers, and tuples, lists and dicts of "
                               "them; leave it out of the result")
        tensor, t, x = isinstance(x, Tensor), x, x.data if isinstance(x, Tensor) else x
        if isinstance(x, ArrayTracer | ScalarTracer | np.ndarray):
            found.append(trace.value(x))
            leaf = OutLeaf(len(found) - 1, tensor, isinstance(x, ArrayTracer) and x.is_scalar)
            if is_live(t):
                live.append((leaf, t))
            return leaf
        if any(isinstance(y, ArrayTracer | ScalarTracer | Tensor) for y in getattr(x, "__dict__", {}).values()):
            raise CompileError(f"compile: {self.state.where}: the step returned {a_type(x)}; expected arrays, "
                               "numbers, and tuples, lists and dicts of them; return a dict of what it contains")
        return x

    def again(self, out_tree: Any, number: int, args: tuple[Any, ...]) -> Any:
        """One of the results of the step itself."""
        return at(out_tree, self.invoke(args), number)

    def invoke_or_raise(self, given: tuple[Any, ...], source_info: SourceTracker) -> Any:
        """Call the step itself; raise an error even if NumPy or the step has caught it."""
        try:
            result = self.invoke(given)
        except Exception as error:
            if source_info.refused is None and (isinstance(error, TypeError | AttributeError | ValueError)
                                                and any(name in str(error) for name in TRACER_NAMES)):
                raise self.wrapped(error) from error
            if source_info.refused is None or error is source_info.refused:
                raise
            raise source_info.refused from error
        if source_info.refused is not None:
            raise source_info.refused
        return result

    def wrapped(self, error: Exception) -> CompileError:
        """The error for code that can't use a stand-in."""
        place, what = f"{self.state.where}: ", str(error)
        for frame, number in traceback.walk_tb(error.__traceback__):
            file = frame.f_code.co_filename
            if not ours(file) and not file.endswith(".pyx"):
                place = f"{Path(file).name}:{number}: {linecache.getline(file, number).strip()!r}: "
        for name, words in TRACER_NAMES.items():
            what = what.replace(name, words)
        return CompileError(f"compile: {place}an array or a number of the step was passed to something that does not "
                            f"accept it ({what}); expected NumPy's functions and the usual methods; do it outside of "
                            "the step")


def by_number(out_tree: Any, result: Any) -> list[Any]:
    """The arrays and numbers of a result, in the order of a program's; last, a list of all that it does not make."""
    leaves: list[Any] = []
    found: list[Any] = []
    for x, into in ((out_tree, leaves), (result, found)):
        mapped(into.append, x)
    if len(leaves) != len(found):
        return [None, found]
    pairs = {leaf.number: x.data if isinstance(x, Tensor) else x for leaf, x in zip(leaves, found, strict=True)
             if isinstance(leaf, OutLeaf)}
    return [*[pairs[i] for i in range(len(pairs))], [x for leaf, x in zip(leaves, found, strict=True)
                                                     if not isinstance(leaf, OutLeaf)]]


def impure(program: Program) -> bool:
    """Whether a step changes its state, or draws random numbers."""
    return any(final is not source for source, final in program.state) or any(
        call.primitive.kind == "draw" for call in program.calls)


def at(tree: Any, result: Any, number: int) -> Any:
    """The value in a result at the leaf of a number in its tree."""
    if isinstance(tree, OutLeaf):
        return result if tree.number == number else None
    if not isinstance(tree, tuple | list | dict):
        return None
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree))
    return next((x for x in (at(tree[k], result[k], number) for k in keys) if x is not None), None)


def nested(x: Any) -> Iterator[Any]:
    """The objects among arguments."""
    found: list[Any] = []
    mapped(lambda y: found.append(y) if not isinstance(y, Tensor | np.ndarray) else None, x)
    return iter(found)
