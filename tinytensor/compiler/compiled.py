"""The function `compile` and what it gives: traces a step twice, compares, and then runs what was written of it.

What may change from step to step, and how it is kept, is `state.py`'s.
"""

from __future__ import annotations

import builtins
import linecache
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from operator import is_
from typing import Any, NamedTuple

import numpy as np

from .. import core
from ..core import NO_PARAMS, RELEASED, Tensor, ndarray, record, tracing
from ..random import Generator
from .audit import STEPS, Copy, checked
from .codegen.profile import Explanation, explained, profiled
from .codegen.source import Source
from .codegen.writer import write_source
from .ir import CompileError, Program, Value, mapped
from .parallel.collectives import Collectives, ShardedState, finish
from .parallel.process_group import refuse
from .parallel.runner import ShardedRunner
from .passes import optimized
from .tracing.aliasing import reject_alias, short
from .tracing.closure import ClosureScan
from .tracing.signature import ById, argument_guard, arrays, compare, describe_changes, inspect_step, kind
from .tracing.source_info import SourceTracker
from .tracing.state import Cell, State
from .tracing.trace import Trace
from .tracing.tracer import ArrayTracer, ScalarTracer

SIGNATURES = 4  # so many programs at most: more would mean that shapes change all the time


def compile(step: Callable[..., Any], *declared: Any, workers: int = 1, check: bool = False,
            fast: bool = False) -> CompiledStep:
    """A function that does what `step` does, to the last bit, as flat NumPy code: in half to nine tenths of the time.

    The first two calls run `step` itself and write down every NumPy call that it makes; when both agree, a program is
    made of them, and later calls run that. `step` is any function of arrays: forward, loss, backward, clipping and the
    optimiser's update, or one of these alone.

    Parameters
    ----------
    step : callable
        Its array arguments (or Tensors) and floats may be others at each call. Whole numbers, texts and other objects
        are part of the program. Arrays that it knows by name are read at each step; when anything else that it knows
        has changed (a setting, a mode, a function), the program is made anew. Its random numbers come from Generators
        that are declared, or belong to a Module.
    *declared : Module, Optimizer, Generator, numpy.random.Generator, Tensor or array
        What `step` may change. A learning rate is read at each call. Small buffers of Modules come to stand side by
        side in memory, and parameters in the optimiser's vector: `data` may be another array than before.
    workers : int
        So many processes share each step: every array argument is cut along its first axis, gradients are averaged.
        Arrays of a MiB or more that the step knows by name have to stay as they are then, unless they are declared.
    check : bool
        Run the first steps both ways, and compare.
    fast : bool
        Round at other places where that is faster: a step may differ by a millionth of its size. So far this is one
        thing: a learning rate that multiplies all gradients, and nothing else, multiplies the factor 1 / n of
        `cross_entropy` or another loss in their place. The source shows whether it does.

    Returns
    -------
    Compiled
        Called like `step`. It gives copies. After a step the parameters' `grad` is None. See `source`,
        `program` and `explain()`.

    Raises
    ------
    CompileError
        At the first or second call, if `step` does what a program can't do for it: a choice by values, a number taken
        out, a write to what was not declared, a draw from what was not declared. It names the line, and what to write.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn, optim
    >>> model = nn.Linear(3, 2, rng=1)
    >>> opt = optim.SGD(model.parameters(), lr=0.1)
    >>> def step(x, y):
    ...     loss = tt.cross_entropy(model(x), y)
    ...     opt.zero_grad()
    ...     loss.backward()
    ...     opt.step()
    ...     return loss
    >>> step = tt.compile(step, model, opt)
    >>> x, y = np.ones((4, 3), np.float32), np.array([0, 1, 1, 1])
    >>> [f"{step(x, y):.4f}" for _ in range(3)]
    ['0.5924', '0.5828', '0.5764']
    """
    return CompiledStep(step, declared, workers, check, fast)


class OutLeaf:
    """A place in what a step gives back: which of its values stands there, and whether as a Tensor."""

    def __init__(self, number: int, tensor: bool, is_scalar: bool) -> None:
        self.number, self.tensor, self.is_scalar = number, tensor, is_scalar

    def given(self, outputs: Any) -> Any:
        """What stands there now: a copy, for the step's own memory is written again."""
        x = outputs[self.number]
        x = x[()] if self.is_scalar else x.copy("K") if isinstance(x, ndarray) else x
        return record(RELEASED, x, [], [], NO_PARAMS, False) if self.tensor else x


class TraceResult(NamedTuple):
    """A step that was run once and written down."""

    program: Program
    out_tree: Any  # what it gave, with Leafs in the place of arrays and numbers
    slots: dict[int, Cell]  # of the declared numbers
    unchanged: Callable[[], bool]  # whether all that the step knows is as it was
    around: ClosureScan


class Lines(Sequence[str]):
    """A source's lines, for errors: made when they are told."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source.text.splitlines())

    def __getitem__(self, i: Any) -> Any:
        return self.source.text.splitlines(True)[i]


class Executable:
    """A program that is ready to run: `run(*arrays and floats, *declared numbers)`."""

    def __init__(self, traced: TraceResult, title: str, state: State, key: Any, args: tuple[Any, ...],
                 shares: ShardedState) -> None:
        self.program, self.out_tree, slots, self.key = *traced[:2], traced.slots, key
        program = optimized(self.program)
        self.source, (numbers, changed) = write_source(program, title)
        self.get = [slots[v.number].get for v in numbers]
        self.put = [slots[v.number].put for v in changed]
        name, text, namespace = f"<{title}>", self.source.code, {**self.source.inputs, **self.source.named}
        linecache.cache[name] = (len(text), None, Lines(self.source), name)  # type: ignore[assignment]
        self.unchanged, self.slots, self.checks, self.used = traced.unchanged, slots, 0, False
        self.tensors = [*state.tensors.values(), *state.plain.values()]
        grads = " is ".join([*[f"t{i}.grad" for i in range(len(self.tensors))], "None"])
        self.no_gradients = eval(f"lambda: {grads}", {f"t{i}": t for i, t in enumerate(self.tensors)})
        self.changed = [s.array for s, final in self.program.state if s.is_array and s is not final]
        self.roots = {id(a if a.base is None else a.base) for a in self.changed}
        self.takes = argument_guard(args, state.declared | self.roots)
        if shares.size > 1:
            crew = ShardedRunner(program, self.source, numbers, arrays(args), shares)
            self.run: Callable[..., Any] = crew
            unchanged, self.unchanged = self.unchanged, lambda: crew.well and unchanged()
        else:
            exec(builtins.compile(text, name, "exec"), namespace)
            self.run = namespace["step"]

    def clean(self, known: dict[int, bool]) -> bool:
        """Clear gradients that were left by others, where the step does so; False if nobody knows whether it does."""
        left = [t for t in self.tensors if t.grad is not None]
        for t in left:
            if known.get(id(t)):
                t.grad = None
        return all(id(t) in known for t in left)

    def check_memory(self, given: Sequence[Any], title: str) -> None:
        """Refuse arguments that are part of what the step changes."""
        for x in given:
            if type(x) is ndarray and id(x if x.base is None else x.base) in self.roots:
                for y in given:
                    if isinstance(y, ndarray) and not any(y is a for a in self.changed):
                        reject_alias(y, f"an argument of {title}", self.changed)

    def __call__(self, given: Sequence[Any]) -> Any:
        self.used = True
        for get in self.get:
            given = (*given, get())
        try:
            outputs = self.run(*given)
        except RuntimeError as error:
            if "cannot enter context" in str(error):
                raise RuntimeError("compile: a step was called while it runs; expected one call at a time, for its "
                                   "arrays are made once; compile a step for each thread") from None
            raise
        if self.put:
            self.store(outputs)
        if type(self.out_tree) is OutLeaf:
            return self.out_tree.given(outputs)
        return mapped(lambda x: x.given(outputs) if isinstance(x, OutLeaf) else x, self.out_tree)

    def store(self, outputs: Any) -> None:
        """Put the declared numbers, which stand last, where they belong."""
        for put, value in zip(reversed(self.put), reversed(outputs), strict=False):
            put(value)

    def profile(self, given: list[Any], steps: int) -> Any:
        """The seconds of each line, the least of so many steps."""
        def arguments(outputs: Any) -> list[Any]:
            self.store(outputs or ())
            return [*given, *[get() for get in self.get]]

        took, outputs = profiled(self.source, steps, arguments)
        self.store(outputs)
        return took


class CompiledStep:
    """A function that was compiled; see `compile`."""

    def __init__(self, step: Callable[..., Any], declared: tuple[Any, ...], workers: int, check: bool,
                 fast: bool) -> None:
        self.title, self.first_args, self.first_kwargs = getattr(step, "__name__", type(step).__name__), (), {}
        if isinstance(step, partial):  # what it holds are arguments like any other
            self.first_args, self.first_kwargs, step = step.args, step.keywords, step.func
            self.title = getattr(step, "__name__", self.title)
        if check and fast:
            raise ValueError("compile: check=True and fast=True came; expected one of them, for a check is to the last "
                             "bit, and what is fast is rounded otherwise; check the step first, then let it be fast")
        self.step, self.workers, self.check, self.fast = step, workers, check, fast
        self.__wrapped__ = step
        refuse(workers)
        self.declared, self.state, self.shares = declared, State(declared, step), ShardedState(workers)
        self.signature, self.parameters, self.keywords = inspect_step(step)
        self.count = -1 if self.first_args or self.first_kwargs else len(self.parameters)
        self.traces: dict[Any, TraceResult] = {}
        self.programs: dict[Any, Executable] = {}
        self.known: dict[Any, dict[int, bool]] = {}  # of each key: whether the step clears a tensor's old gradient
        self.restarts = 0
        self.ran: Executable | None = None  # the program of the last call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != self.count:
            args = self.bound(args, kwargs)
        if tracing:  # a part of another step, which is being written down
            return self.invoke(args)
        given: Sequence[Any] = args
        program = self.ran
        if program is None or not program.takes(*args):
            program = self.programs.get(key := self.key(args))
            if program is None or not self.fits(program, key):
                return self.first(args, key)
            given = arrays(args)
            program.check_memory(given, self.title)
            self.ran = program
        elif not self.fits(program, key := program.key):
            return self.first(args, key)
        if self.check and program.checks < STEPS:
            program.checks += 1
            return checked(self.title, partial(self.invoke, args), partial(program, given),
                           partial(Copy, program.program, program.slots), self.state, self.around(args))
        return program(given)

    def bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Arguments in the order of the step's own: those by keyword and those left out too."""
        args, kwargs = (*self.first_args, *args), {**self.first_kwargs, **kwargs}
        if self.signature is None:
            if kwargs:
                raise TypeError(f"compile: {self.title} has no signature, and {', '.join(kwargs)} came by keyword; "
                                f"expected arguments by position")
            return args
        found = self.signature.bind(*args, **kwargs)
        found.apply_defaults()
        if unknown := found.kwargs.keys() - set(self.keywords):
            raise TypeError(f"compile: {self.title} takes {', '.join(sorted(unknown))} by **; expected arguments that "
                            f"its signature names; write them out, or pass a dict")
        return (*found.args, *(found.kwargs[k] for k in self.keywords))

    def invoke(self, args: tuple[Any, ...]) -> Any:
        """Call the step itself."""
        if not self.keywords:
            return self.step(*args)
        n = len(args) - len(self.keywords)
        return self.step(*args[:n], **dict(zip(self.keywords, args[n:], strict=True)))

    def key(self, args: tuple[Any, ...]) -> Any:
        """What a program is known by: the kinds of its arguments, and which of them are declared."""
        key, declared = tuple([kind(a) for a in args]), self.state.declared
        own = [i for i, a in enumerate(args) if id(a) in declared]
        return (*key, tuple([(i, ById(args[i])) for i in own])) if own else key

    def around(self, args: tuple[Any, ...]) -> ClosureScan:
        """What the step knows, by name or as an argument that is an object."""
        objects: list[Any] = []
        mapped(lambda x: objects.append(x) if not isinstance(x, Tensor | np.ndarray) else None, args)
        return self.state.around(objects)

    def fits(self, program: Executable, key: Any) -> bool:
        """Whether all is where it was; parameters that were given other arrays are bound again."""
        if not program.unchanged():
            self.state.prepare()
            if not program.unchanged():
                return False
        return program.no_gradients() or program.clean(self.known[key])

    def first(self, args: tuple[Any, ...], key: Any) -> Any:
        """Run the step itself, written down; at the second time compare, and make the program."""
        program, before, self.ran = self.programs.pop(key, None), self.traces.get(key), None
        if program is not None and program.used:
            self.restarts = 0
        self.state.prepare()
        if before is not None and not before.unchanged():
            self.changed(before)
            del self.traces[key]
        if key not in self.traces and len(self.traces) >= SIGNATURES:
            raise CompileError(f"compile: {self.title} came with "
                               f"{describe_changes([*self.traces, key], self.parameters)}; "
                               f"expected at most {SIGNATURES} kinds of arguments; cut or pad arrays to one shape, and "
                               f"pass numbers that vary as floats")
        traced, result = (self.trace if self.workers == 1 else self.trace_shared)(args, key in self.traces)
        before = self.traces.pop(key, None)
        if before is not None and self.same_state(before, traced):
            compare(before.program, traced.program)
            if program is None:  # nobody has it
                before.program.end()
            self.programs[key] = Executable(traced, self.title, self.state, key, args, self.shares)
        self.traces[key] = traced
        return result

    def changed(self, before: TraceResult) -> None:
        """Something that the step knows is another one than at its last call: all begins again, but not for ever."""
        self.state = State(self.declared, self.step)
        self.state.prepare()
        self.restarts += 1
        if self.restarts > SIGNATURES:
            self.restarts = 0
            what, a, b = next(before.around.changes(), ("something that was declared", "one thing", "another"))
            where = f"{self.state.where}: " if self.state.where else ""
            raise CompileError(f"compile: {where}{what} changes all the time, {short(a)} and {short(b)}, and the step "
                               f"reads it; expected it to stay as it is; pass it as an argument, a number as a float")

    def trace_shared(self, args: tuple[Any, ...], named: bool) -> tuple[TraceResult, Any]:
        """Write down one worker's part of the step; the step itself is made as ever, by this process alone."""
        self.shares.move(self.state)
        core.state.workers = self.workers
        try:
            traced, _ = self.trace(args, named)
        finally:
            core.state.workers = 1
        result = self.invoke(args)
        for t in self.state.tensors.values():
            t.grad = None
        return traced, mapped(lambda x: x.detach() if isinstance(x, Tensor) else x, result)

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

    def same_state(self, before: TraceResult, now: TraceResult) -> bool:
        """Whether two traces saw the same declared arrays; if not, another trace is needed."""
        a, b = ([s.array for s, _ in t.program.state if s.is_array] for t in (before, now))
        return len(a) == len(b) and all(map(is_, a, b))

    def trace(self, args: tuple[Any, ...], named: bool) -> tuple[TraceResult, Any]:
        """Run the step on stand-ins for all that it is given or may change, then write down what came of that."""
        source_info = SourceTracker(self.state.paths)
        trace = Trace(source_info)
        if self.workers > 1:
            trace.collectives = Collectives(trace, self.shares)
        around = self.around(args)
        unchanged = self.state.watch(around)
        with self.state.replaced(trace, around) as standing:
            inputs: list[Value] = []
            tensors: list[tuple[str, Tensor]] = []

            def stand_in(x: Any, name: str) -> Any:
                if id(x) in self.state.declared:  # subtle: its place among the arguments is kept, and not used
                    array = x if isinstance(x, np.ndarray) else x.data.now()
                    inputs.append(trace.source(array, "input", name))
                    return standing.tracers.get(id(x), x)
                if isinstance(x, Tensor):
                    tensors.append((name, standing.argument(x, stand_in(x.data, name), name)))
                    return tensors[-1][1]
                if isinstance(x, np.ndarray | np.generic):
                    is_scalar = isinstance(x, np.generic)
                    x = x if trace.collectives is None else trace.collectives.cut(np.ascontiguousarray(x), name)
                    inputs.append(trace.source(np.asarray(x), "input", name))
                    return ArrayTracer(trace, inputs[-1], is_scalar=is_scalar)
                if type(x) is float:
                    inputs.append(trace.source(x, "number", name))
                    return ScalarTracer(trace, inputs[-1])
                if isinstance(x, Generator):
                    standing.generator(x, name)
                return standing.stream(x) if isinstance(x, np.random.Generator) else x

            given = [mapped(partial(stand_in, name=name), a)
                     for a, name in zip(args, [*self.parameters, *["x"] * len(args)], strict=False)]
            with source_info.watching() if named else nullcontext():  # names take as long as all else
                result = self.unrefused(tuple(given), source_info)
            found: list[Value] = []

            def leaf(x: Any) -> Any:
                tensor, x = isinstance(x, Tensor), x.data if isinstance(x, Tensor) else x
                if isinstance(x, ArrayTracer | ScalarTracer | np.ndarray):
                    found.append(trace.value(x))
                    return OutLeaf(len(found) - 1, tensor, isinstance(x, ArrayTracer) and x.is_scalar)
                if any(isinstance(y, ArrayTracer | ScalarTracer | Tensor) for y in getattr(x, "__dict__", {}).values()):
                    raise CompileError(f"compile: {self.state.where}: a {type(x).__name__} came back; expected arrays, "
                                       f"numbers, and tuples, lists and dicts of them")
                return x

            out_tree = mapped(leaf, result)
            for name, x in tensors:
                if isinstance(x.grad, ArrayTracer) and x.grad.current() not in found:
                    raise CompileError(f"compile: {self.state.where}: the gradient of {name}, an argument, would be "
                                       f"lost; expected what the step makes to be given back; return {name}.grad")
            state = standing.finals()
            standing.verify(state, found)
            trace.check_constants()
            trace.pin([*found, *[final for _, final in state]])
        self.known.setdefault(self.key(args), {}).update(standing.cleared())
        for t, v in standing.gradients:
            name = next(name for name, x in {**self.state.tensors, **self.state.plain}.items() if x is t)
            v.name = v.name or f"d_{name}"
        source_info.assign_names([v for call in trace.calls for v in call.outputs()] + trace.sources)
        source_info.assign_phases(trace.calls, {final.number for _, final in state})
        program = Program(trace.calls, inputs, found, state, trace.sources, self.fast)
        traced = TraceResult(program, out_tree, {source.number: slot for source, _, slot in standing.numbers},
                        unchanged, around)
        outputs = [v.array for v in found]
        result = mapped(lambda x: x.given(outputs) if isinstance(x, OutLeaf) else x, out_tree)
        if trace.collectives is None:
            standing.commit(state)
        else:
            standing.rewind()
            finish(trace.calls, found)
        trace.forget()
        # subtle: it knows itself and, like `expected`, the trace, which would live until garbage is collected
        stand_in, around.expected = None, around.before  # type: ignore[assignment]
        return traced, result

    # --- what was written ---

    @property
    def latest(self) -> Executable:
        if not self.programs:
            raise CompileError(f"compile: {self.title} was called {'once' if self.traces else 'never'}; expected two "
                               f"calls, which are compared; call it before its source is looked at")
        return next(reversed(self.programs.values()))

    @property
    def program(self) -> Program:
        """The program of the last call, as it was traced; print it to read it, a call a line."""
        ran = self.ran if self.ran in self.programs.values() else None
        return (ran or self.latest).program

    @property
    def source(self) -> str:
        """The step as NumPy code that runs by itself, given `inputs`."""
        return self.latest.source.text

    def explain(self, *args: Any, steps: int = 20) -> Explanation:
        """A table of the step's lines: shape, thousands of operations and bytes, microseconds, share.

        Given arguments, so many steps are made with them, and each line is timed; without, there are no times.
        """
        source = self.latest.source
        if args and self.workers > 1:
            raise CompileError(f"compile: explain came with arguments where {self.workers} workers share the step; "
                               f"expected none, for a worker can't be timed alone; compile it with workers=1 for "
                               f"times, or write explain() for all but these")
        if not args:
            return explained(source, [math.nan] * len(source.lines))
        program = self.programs[self.key(args)]
        took = program.profile(arrays(args), steps)
        return explained(program.source, took)

    @property
    def inputs(self) -> dict[str, Any]:
        """What the source needs: declared arrays, random streams, constants, helpers."""
        return self.latest.source.inputs
