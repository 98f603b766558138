"""The function `compile` and what it returns: finds the program for a call, or traces the step twice and makes one.

The state that a step may change is kept by `tracing/state.py`; a single trace is made by `tracing/record.py`.
"""

from __future__ import annotations

import copy
import math
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from operator import is_
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

import numpy as np

from .. import modes
from ..advice import a_type
from ..core import Tensor, tracing
from ..names import calls
from ..nn.module import Module
from ..optim import EMA, Optimizer
from ..random import Generator
from .audit import UNDECIDED, audited, next_audit
from .codegen.profile import Explanation, explained
from .copies import copied_step
from .differentiable import alone, node_of
from .executable import Executable
from .ir import CompileError, Program, mapped
from .parallel.collectives import ShardedState
from .parallel.process_group import refuse, uninterrupted
from .tracing.aliasing import short
from .tracing.closure import ClosureScan, Roots, unreached
from .tracing.guards import Place
from .tracing.record import Recorder, TraceResult, by_number, nested
from .tracing.signature import (
    ById,
    Fixed,
    abstractify,
    arrays,
    assert_same_trace,
    defaults,
    describe_changes,
    fixed,
    inspect_step,
    unfixed,
)
from .tracing.state import DeclaredState

KINDS = (Module, Optimizer, EMA, Generator, np.random.Generator, np.ndarray, Tensor)
TRACING = threading.RLock()  # one trace at a time
P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
MIN_TRACES = 4  # this many traces in a row without a program that fits are no error
float_errors = getattr(getattr(np, "_core", np).umath, "_extobj_contextvar", None)  # the object that np.seterr replaces


class Decorator(Protocol):
    """What `compile` without a step returns."""

    def __call__(self, step: Callable[P, R], /) -> CompiledStep[P, R]: ...


@overload
def compile(step: Callable[P, R], *declared: Any, workers: int = 1, check: bool | None = None,
            fast: bool = False, max_programs: int = 8, static_argnames: Sequence[str] = ()) -> CompiledStep[P, R]: ...


@overload
def compile(step: None = None, *, workers: int = 1, check: bool | None = None, fast: bool = False,
            max_programs: int = 8, static_argnames: Sequence[str] = ()) -> Decorator: ...


@calls.explained
def compile(step: Callable[..., Any] | None = None, *declared: Any, workers: int = 1, check: bool | None = None,
            fast: bool = False, max_programs: int = 8, static_argnames: Sequence[str] = ()) -> Any:
    """Compile a training step to flat NumPy source; results are bit-identical, and it takes 50 to 90 % of the time.

    The first two calls run `step` itself and trace it: they record every NumPy call that it makes. If both traces
    agree, a program is made of them, and later calls run the program. `step` is any function of arrays: forward pass,
    loss, backward pass, clipping and the optimiser's update, or some of these.

    Parameters
    ----------
    step : callable
        Array arguments (or Tensors) and floats may have other values at each call. Ints, strings, other objects, and
        floats left at their defaults are baked in: a new value triggers a recompile. Arrays that the step can reach
        are read at each call. If anything else that it can reach changes (a setting, a mode, a function), another
        program is made and kept beside the first; a float that changes (a momentum by a schedule) is read at each call
        from then on. Objects that can't be compared, such as iterators, are refused when they are used. Random numbers
        must come from Generators that are declared or belong to a Module. Without a step, a decorator is returned:
        `@tt.compile(workers=2)`. A decorated method is compiled for each instance, which keeps it; declared are the
        instance, if it is a Module, else the Modules among its attributes, and the Optimizers, Generators and EMAs
        among them.
    *declared : Module, Optimizer, EMA, Generator, numpy.random.Generator, Tensor or array
        What `step` may change. A learning rate is read at each call. Small buffers of Modules are moved next to each
        other in memory, and parameters into the optimiser's vector, so `data` may be another array than before.
    workers : int
        The number of processes that share each step: every array argument is split along its first axis, and gradients
        are averaged. Arrays of 1 MiB or more that the step knows by name must not change then, unless declared.
    check : bool, optional
        When a program is audited: its effect is compared with that of `step` itself, from a copy of the state, to the
        last bit, and an error names the first value that differs. By default at its calls 3, 10, 30, 100, 300, ...:
        twelve to eighteen more steps in the first 1,000 (as much as tracing takes), below 1 % of a longer run. True:
        at calls 3, 4 and 5 too; False: never, except for the first call that workers share. With `fast` or workers,
        values may differ by 1e-5 of their size. Undeclared arrays of 1 MiB or more are not compared. After a
        difference the state is as before the call, and the program is not used again.
    fast : bool
        Allow other rounding where that is faster: a step may differ by a millionth of its size. At present this means
        one thing: a learning rate that multiplies all gradients, and nothing else, is folded into the factor 1 / n of
        `cross_entropy` or another loss. The source shows whether it is.
    max_programs : int
        How many programs are kept, for other shapes, modes and settings; the least recently used is dropped.
    static_argnames : sequence of str
        Arguments whose floats are baked in too, for code that needs them as numbers, such as `math.cos(x)`.

    Returns
    -------
    CompiledStep
        Called like `step`. It returns copies. Gradients are left as by the step itself, except those that an optimiser
        in the step consumed. An error in a program, such as an index out of range, is raised to the caller: a `try`
        in the step does not see it. Numbers, such as a count of steps, are then as before the call, while arrays keep
        what the program had written. See `source`, `program` and `explain()`.

    Raises
    ------
    CompileError
        At the first or second call, if `step` does something that a program can't: control flow that depends on array
        values, a number taken out of an array, a write to an array that was not declared, a draw from a Generator that
        was not declared. It names the line, and what to write.

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
    static = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    options: dict[str, Any] = {"workers": workers, "check": check, "fast": fast, "max_programs": max_programs,
                               "static_argnames": static}
    if step is None:
        return partial(CompiledStep, declared=declared, **options)
    return CompiledStep(step, declared, **options)


class CompiledStep(Generic[P, R]):
    """A compiled function; see `compile`. It prints its name, the number of its programs, and its options."""

    step: Callable[..., Any]

    def __init__(self, step: Callable[P, R], declared: tuple[Any, ...], workers: int, check: bool | None,
                 fast: bool, max_programs: int, static_argnames: tuple[str, ...]) -> None:
        self.title, self.first_args, self.first_kwargs = getattr(step, "__name__", type(step).__name__), (), {}
        self.options: dict[str, Any] = {"workers": workers, "check": check, "fast": fast, "max_programs": max_programs,
                                        "static_argnames": static_argnames}
        self.whole = step
        if isinstance(step, partial):  # its own arguments are bound like any other
            self.first_args, self.first_kwargs, step = step.args, step.keywords, step.func
            self.title = getattr(step, "__name__", self.title)
        for x in declared:
            if not isinstance(x, KINDS):
                raise TypeError(f"compile: got {a_type(x)} to declare; expected Modules, Optimizers, EMAs, "
                                "Generators, Tensors or arrays; pass those that it contains")
        if not isinstance(max_programs, int) or max_programs < 1:
            raise ValueError(f"compile: got max_programs={max_programs!r}; expected an int, 1 or more; leave it out "
                             "for 8")
        self.step, self.workers, self.check, self.fast = step, workers, check, fast
        self.__wrapped__ = step
        refuse(workers)
        self.declared, self.shares = declared, ShardedState(workers)
        self.state = DeclaredState(declared, step)
        self.static, self.max_programs, self.lock = static_argnames, max_programs, threading.RLock()
        self.inspect()
        if unknown := [name for name in static_argnames if name not in self.parameters]:
            raise ValueError(f"compile: got {unknown[0]!r} in static_argnames; expected names of {self.title}'s "
                             f"arguments, {', '.join(self.parameters)}; write one of these")
        self.programs: list[Executable] = []  # in order of last use
        self.traces: list[TraceResult] = []  # those waiting for a second one
        self.cleared: dict[Any, dict[int, bool]] = {}  # by key: whether the step clears a tensor's old gradient
        self.varying: set[Place] = set()  # floats that changed, and are read at each call
        self.unproven: set[Place] = set()  # of these, those that no program has read yet
        self.constant: set[Place] = set()  # floats that are baked in: the step needs their values
        self.more: Roots = {}  # code that ran but can't be reached from the step
        self.fresh: list[Any] = []  # keys of the traces since a program was last used
        self.ran: Executable | None = None  # the program of the last call
        self.creates = False  # whether arrays that the step makes itself are traced too
        self.float_errors: Any = None  # the handling of floating-point errors last seen
        self.attribute: tuple[Any, str] | None = None  # of a method: the instance, and the name there
        self.given: tuple[Any, ...] = declared  # what was declared for all instances

    def inspect(self) -> None:
        """Read the step's signature, which changes when its defaults do."""
        self.defaults = defaults(self.step)
        self.signature, self.parameters, self.keywords = inspect_step(self.step)
        quick = not (self.first_args or self.first_kwargs or self.static)
        self.count = len(self.parameters) if quick else -1

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What the step does, by a program where there is one."""
        if kwargs or len(args) != self.count:
            args = self.bound(args, kwargs)
        if tracing and any(t.thread == threading.get_ident() for t in tracing):  # inside of another step's trace
            return self.invoke(args)
        if (modes.state.watchers or float_errors is None or float_errors.get() is not self.float_errors) and (
                self.is_watched()):
            return self.invoke(args)
        with self.lock:
            given: Sequence[Any] = args
            program = self.ran
            if program is None or not program.takes(*args) or not program.fits(
                    given := args if program.plain else arrays(args)):
                with TRACING:
                    found = self.find(args)
                    if found is None:
                        return self.first(args)
                program, given = found
            program.calls += 1
            if program.calls >= program.audit:
                return self.audited(program, args, given)
            return program(given, args)

    if TYPE_CHECKING:  # the step's own signature
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    else:
        __call__ = call

    def audited(self, program: Executable, args: tuple[Any, ...], given: Sequence[Any]) -> Any:
        """A call at which the program is compared with the step itself."""
        if not program.audited:
            program.audit = next_audit(program.calls, self.check, self.workers > 1)
        result = audited(self.title, partial(self.invoke, args), partial(program, given, args), program, self.state,
                         self.around(args))
        if getattr(program.run, "undecided", False) and program.calls < UNDECIDED:
            program.audit = program.calls + 1
        return result

    def is_watched(self) -> bool:
        """Whether ops or floating-point errors are observed: then the step itself runs, and not a program."""
        if modes.state.watchers or {*np.geterr().values()} - {"ignore", "warn"}:
            return True
        self.float_errors = None if float_errors is None else float_errors.get()
        return False

    def bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """All arguments in the order of the signature, with those passed by keyword and the defaults."""
        args, kwargs = (*self.first_args, *args), {**self.first_kwargs, **kwargs}
        if self.signature is None:
            if kwargs:
                raise TypeError(f"compile: {self.title} has no signature, and got {', '.join(kwargs)} by keyword; "
                                "expected arguments by position; leave out the names")
            return args
        now = defaults(self.step)
        if len(now) != len(self.defaults) or not all(map(is_, self.defaults, now)):
            self.inspect()
        found = self.signature.bind(*args, **kwargs)
        given = set(found.arguments)
        found.apply_defaults()
        if unknown := found.kwargs.keys() - set(self.keywords):
            raise TypeError(f"compile: {self.title} got {', '.join(sorted(unknown))} for **; expected arguments that "
                            "its signature names; write them out, or pass a dict")
        for name, x in found.arguments.items():
            if name in self.static:
                found.arguments[name] = fixed(name, x)
            elif name not in given and type(x) is float:
                found.arguments[name] = Fixed(x)
        return (*found.args, *(found.kwargs[k] for k in self.keywords))

    def invoke(self, args: tuple[Any, ...]) -> Any:
        """Call the step itself."""
        args = tuple(map(unfixed, args))
        if not self.keywords:
            return self.step(*args)
        n = len(args) - len(self.keywords)
        return self.step(*args[:n], **dict(zip(self.keywords, args[n:], strict=True)))

    def cache_key(self, args: tuple[Any, ...]) -> Any:
        """The key of a program: the kinds of its arguments, and which of them are declared."""
        key, declared = tuple([abstractify(a) for a in args]), self.state.declared
        own = [i for i, a in enumerate(args) if id(a) in declared]
        return (*key, tuple([(i, ById(args[i])) for i in own])) if own else key

    def around(self, args: tuple[Any, ...]) -> ClosureScan:
        """Scan what the step can reach, by name or through an argument that is an object."""
        return self.state.scan(nested(args), self.more)

    # --- which program ---

    def find(self, args: tuple[Any, ...]) -> tuple[Executable, Sequence[Any]] | None:
        """The program that fits these arguments and all that the step can reach, with its inputs; None without one."""
        if self.attribute is not None and not self.traces and not self.programs:
            self.gather(self.attribute[0])
        given = arrays(args)
        for prepared in (False, True):
            if prepared:
                self.state.prepare_optimizers()  # binds parameters whose data was replaced
            key = self.cache_key(args)
            for program in reversed(self.programs):
                if program.key == key and program.unchanged() and (program.choose is None or program.choose(given)):
                    if not program.fits(given):  # it was traced with other gradients
                        continue
                    program.check_memory(given, self.title)
                    self.programs.remove(program)
                    self.programs.append(program)
                    self.ran = program
                    return program, args if program.plain else given
        return None

    def first(self, args: tuple[Any, ...]) -> Any:
        """Trace the step while it runs; the second time compare the traces, and make the program."""
        self.ran, given, key = None, arrays(args), self.cache_key(args)
        before = self.waiting(key, given)
        if before is None:
            self.begin(key)
            key = self.cache_key(args)
        state, recorder = self.state, self.recorder(args)
        found = None
        try:
            found = self.trace(recorder, args, before is not None)
        except Exception as error:
            if not recorder.undone or (isinstance(error, CompileError) and not self.unproven):
                raise
        if found is None:  # subtle: outside of `except`, so that this error is not the context of the next
            if not self.unproven:
                return self.failed(args)
            needed = recorder.needed & self.unproven or self.unproven  # the step needs the value of one of them
            self.constant |= needed
            self.varying -= needed
            self.unproven -= needed
            self.traces.clear()
            return self.first(args)
        traced, result = found
        traced.key = key
        self.cleared.setdefault(key, {}).update(traced.gradients.ignores)
        if before is not None and not traced.gradients.agree(before.gradients):
            before = None  # it started with other gradients: another program
        if before in self.traces:
            self.traces.remove(before)
        if self.has_more(traced):
            traced.program.end()
            return result
        if before is None or not self.same_state(before, traced):
            self.traces.append(traced)
            for old in self.traces[: -self.max_programs]:
                self.drop_trace(old)
            return result
        assert_same_trace(before.program, traced.program)
        before.program.end()
        self.unproven.clear()
        self.programs.append(Executable(traced, self.title, state, args, self.shares, self.check,
                                        self.cleared[key]))
        for program in self.programs[: -self.max_programs]:
            self.drop(program)
        return result

    def failed(self, args: tuple[Any, ...]) -> Any:
        """Run the step again after an error in its trace, which was undone: as in NumPy, what it did before stays."""
        fresh = len(self.fresh)
        try:
            return self.invoke(args)
        except Exception:
            del self.fresh[fresh - 1:]  # a call that fails is not counted as a trace
            raise

    def waiting(self, key: Any, given: Any) -> TraceResult | None:
        """The trace to compare the next one with, if possible one that started with the same gradients."""
        fitting = [t for t in self.traces if t.fits(key, given)]
        alike = [t for t in fitting if t.gradients.pattern == tuple([p.grad is not None for p in t.gradients.tensors])]
        return next(iter([*alike, *fitting]), None)

    def begin(self, key: Any) -> None:
        """Prepare a new trace: find out why no program fits, and raise if that happens all the time."""
        if any(program.used for program in self.programs):
            self.fresh.clear()
        for program in self.programs:
            program.used = False
        like = [t for t in [*self.traces, *[p.traced for p in self.programs]] if t.key == key]
        for t in reversed(like):
            new = {*t.guards.floats()} - self.constant - self.varying
            if new and not t.looks_at_types():
                self.varying |= new
                self.unproven |= new
                for old in list(self.traces):
                    self.drop_trace(old)
                break
        for program in [p for p in self.programs if p.guards.is_stale()]:
            self.drop(program)
        self.fresh.append(key)
        if len(self.fresh) > max(self.max_programs, MIN_TRACES):
            keys = [*self.fresh]
            self.fresh.clear()
            self.refuse(keys, like)
        if self.traces or self.programs or len(self.fresh) > 1:
            self.state = DeclaredState(self.declared, self.step)
        self.state.prepare_optimizers()

    def refuse(self, keys: list[Any], like: list[TraceResult]) -> None:
        """Raise an error that names what differs at each call, so that no program is used twice."""
        if not like or len(set(keys)) > len(keys) // 2:
            raise CompileError(f"compile: {self.title} got {describe_changes(keys, self.parameters)}, and no program "
                               f"was used twice; expected at most {self.max_programs} kinds of arguments; cut or pad "
                               "arrays to one shape, pass numbers that vary as floats, or raise max_programs")
        what, a, b = next(((scope.called(k), a, b) for scope, k, a, b in like[-1].guards.changes()),
                          ("something that was declared", "one thing", "another"))
        where = f"{self.state.where}: " if self.state.where else ""
        raise CompileError(f"compile: {where}{what} has a different value at every call, {short(a)} and then "
                           f"{short(b)}, so the step would be recompiled each time; expected it to stay the same; pass "
                           "it as an argument, a number as a float")

    def has_more(self, traced: TraceResult) -> bool:
        """Whether code ran that was not scanned; the next trace scans it."""
        found = unreached(traced.scan, dict(traced.ran.values()) if traced.ran else {})
        self.more.update(found)
        return bool(found) or any(name in sys.modules for name in traced.scan.lacking)

    def drop(self, program: Executable) -> None:
        """Drop a program and its memory."""
        self.programs.remove(program)
        if self.ran is program:
            self.ran = None
        program.program.end()

    def drop_trace(self, traced: TraceResult) -> None:
        self.traces.remove(traced)
        traced.program.end()

    # --- tracing ---

    def recorder(self, args: tuple[Any, ...]) -> Recorder:
        """A recorder with everything that is known before a trace."""
        objects = [x for x in nested(args) if type(x) is not Fixed]
        return Recorder(partial(node_of, self.title), self.invoke, self.parameters, self.state, objects, self.more,
                        self.varying, self.shares if self.workers > 1 else None, self.creates, self.fast)

    def trace(self, recorder: Recorder, args: tuple[Any, ...], named: bool) -> tuple[TraceResult, Any]:
        """Trace the step. With several workers, trace the part of one, and run the whole step here as usual."""
        if self.workers == 1:
            found = recorder.run(args, named)
            self.creates = recorder.creates
            return found
        with uninterrupted():
            self.shares.move(self.state)
            modes.state.workers = self.workers
            try:
                traced, _ = recorder.run(args, named)
            finally:
                modes.state.workers = 1
            result = self.invoke(args)
            self.shares.whole_shapes(by_number(traced.out_tree, result)[:-1])
            for t in self.state.tensors.values():
                t.grad = None
            traced.guards = recorder.guards(traced)
        return traced, mapped(partial(alone, self.title), result)

    def same_state(self, before: TraceResult, now: TraceResult) -> bool:
        """Whether two traces saw the same declared arrays; if not, another trace is needed."""
        a, b = ([s.array for s, _ in t.program.state if s.is_array] for t in (before, now))
        return len(a) == len(b) and all(map(is_, a, b))

    # --- methods and copies ---

    def __set_name__(self, owner: type, name: str) -> None:
        self.title = name

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self: CompiledStep[Concatenate[Any, Q], R], instance: object,
                owner: Any = None) -> CompiledStep[Q, R]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Compile the method for an instance, and keep it as the instance's attribute."""
        if instance is None:
            return self
        own, name = getattr(instance, "__dict__", None), self.title
        if own is None:
            raise TypeError(f"compile: {name} is a method of {a_type(instance)}, which has no __dict__ to "
                            f"keep its program in; expected instances that have one; leave out __slots__")
        own[name] = self.bound_to(instance, self.declared)
        return own[name]

    def bound_to(self, instance: Any, declared: tuple[Any, ...]) -> CompiledStep[..., Any]:
        """The same method, of an instance."""
        method: Callable[..., Any] = getattr(self.step, "__func__", self.step).__get__(instance)
        step = CompiledStep(method, declared, **self.options)
        step.title, step.attribute, step.given = self.title, (instance, self.title), declared
        return step

    def gather(self, instance: Any) -> None:
        """Declare what a method may change: the instance, if it is a Module, else the Modules among its attributes, and
        the optimisers, averages and generators there."""
        things: list[Any] = [instance] if isinstance(instance, Module) else []
        kinds = (Optimizer, EMA, Generator, np.random.Generator) + (() if things else (Module,))
        things += [x for x in vars(instance).values() if isinstance(x, kinds)]
        self.declared = (*self.given, *things)
        self.state = DeclaredState(self.declared, self.step)

    def __copy__(self) -> CompiledStep[..., Any]:
        return CompiledStep(self.whole, self.declared, **self.options)

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledStep[..., Any]:
        """Compile the step again, for copies of the declared objects."""
        if self.attribute is not None:
            return self.bound_to(copy.deepcopy(self.attribute[0], memo), copy.deepcopy(self.given, memo))
        step, declared = copied_step(self.whole, self.declared, self.title, memo)
        return CompiledStep(step, declared, **self.options)

    def __reduce__(self) -> Any:
        if self.attribute is not None:
            return getattr, self.attribute
        raise TypeError(f"compile: {self.title}, a compiled step, can't be pickled; expected what it was made of; "
                        f"pickle the model and the optimiser, and call tt.compile after loading, or decorate a method")

    # --- the program ---

    def __repr__(self) -> str:
        options = {"programs": len(self.programs), **self.options}
        return f"CompiledStep({self.title}, {', '.join(f'{name}={value!r}' for name, value in options.items())})"

    @property
    def latest(self) -> Executable:
        if not self.programs:
            raise CompileError(f"compile: {self.title} was called {'once' if self.fresh else 'never'}; expected two "
                               "calls, which are compared; call it twice before reading its source")
        return self.programs[-1]

    @property
    def program(self) -> Program:
        """The program of the last call, as it was traced; printed, it has one call per line."""
        ran = self.ran if self.ran in self.programs else None
        return (ran or self.latest).program

    @property
    def source(self) -> str:
        """The step as NumPy code; it runs on its own with the variables in `inputs`."""
        return self.latest.source.text

    def explain(self, *args: Any, steps: int = 20) -> Explanation:
        """A table of the lines of the source: shape, thousands of operations, kilobytes, microseconds, share of time.

        With arguments, `steps` steps are run with them and each line is timed; without, there are no times.
        """
        source = self.latest.source
        if args and self.workers > 1:
            raise CompileError(f"compile: explain got arguments, but {self.workers} workers share the step; expected "
                               "none, since a worker can't be timed alone; compile it with workers=1 for times, or "
                               "write explain() for a table without them")
        if not args:
            return explained(source, [math.nan] * len(source.lines))
        args = self.bound(args, {})
        found = self.find(args)
        if found is None:
            raise CompileError(f"compile: explain got arguments for which {self.title} has no program; expected those "
                               "of earlier calls; call it twice with such arguments first")
        program, given = found
        took = program.profile(list(given), steps)
        return explained(program.source, took)

    @property
    def inputs(self) -> dict[str, Any]:
        """The variables of the source: declared arrays, Generators, constants, helpers."""
        return self.latest.source.inputs
