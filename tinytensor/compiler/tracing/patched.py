"""Replaces everything that a step may change or reach by stand-ins while it is traced.

Afterwards everything is restored, and the final values are written into the real arrays at once.
"""

from __future__ import annotations

import builtins
import io
import random
import re
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

from ...core import Tensor, tracing
from ...optim import Optimizer
from ...optim.flat import FlatBlock
from ...random import Generator
from ..ir import CompileError, Value
from ..parallel.collectives import ShardedBlock
from .aliasing import reject_alias, reject_overlaps, short
from .closure import ClosureScan
from .gradients import USED, Gradients, OldGradient
from .guards import Place, place, reader
from .interrupts import undisturbed
from .rng import TRACED, TracedGenerator, TracedStream, draws_of_numpy, noted_draw_of_numpy, position
from .scopes import Scope
from .standins import stand_in
from .state import Cell, DeclaredState
from .threads import ArrayTracer, ScalarTracer
from .trace import Trace

FUNCTIONS = (FunctionType, BuiltinFunctionType, type(np.sum))


class Patched:
    """The replacements of one trace."""

    def __init__(self, state: DeclaredState, trace: Trace, scan: ClosureScan, varying: Collection[Place]) -> None:
        self.state, self.trace, self.closure, self.varying = state, trace, scan, varying
        self.undo: list[Callable[[], None]] = [scan.restore]
        self.arrays: list[tuple[Value, Callable[[], Any]]] = []  # a source, and its final value
        self.numbers: list[tuple[Value, Callable[[], Any], Cell]] = []
        self.streams: list[Value] = []
        self.bound: list[tuple[Any, Any]] = []  # parameters, and their tracers as views of flat vectors
        self.blocks: list[tuple[Optimizer, list[FlatBlock]]] = []
        self.saved: list[Callable[[], Any]] = []  # puts random streams back
        self.gradients = Gradients([*state.tensors.values(), *state.plain.values()])
        self.tracers: dict[int, ArrayTracer] = {}  # id(array) -> its tracer: of those declared or known by name
        self.old: dict[int, Any] = {}  # gradients of earlier steps, by the tensor's id
        self.hidden: list[tuple[str, Callable[[], Any], Any]] = []  # streams of whole modules, and their positions
        self.committed = False  # whether the final values are written
        self.alone = threading.active_count() == 1  # no other thread draws from these

    def swap(self, owner: Any, name: str, new: Any) -> None:
        old = getattr(owner, name)
        self.undo.append(lambda: setattr(owner, name, old))
        setattr(owner, name, new)

    def array(self, array: Any, name: str, now: Callable[[], Any] | None = None) -> ArrayTracer:
        """A stand-in for a declared array."""
        value = self.trace.source(array, "state", name)
        tracer = ArrayTracer(self.trace, value)
        self.arrays.append((value, now or (lambda: tracer)))
        return tracer

    def number(self, slot: Cell) -> ScalarTracer:
        number = ScalarTracer(self.trace, self.trace.source(slot.get(), "number", slot.name))
        self.numbers.append((number.value, slot.get, slot))
        return number

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, everything is replaced by stand-ins; an error there leaves nothing changed."""
        try:
            with undisturbed():
                self.enter()
            yield
        finally:
            with undisturbed():
                self.leave()

    # --- each kind ---

    def enter(self) -> None:
        names = {id(t): name for name, t in self.state.tensors.items()}
        bound: set[int] = set()
        for i, opt in enumerate(self.state.optimizers):
            self.optimizer(opt, f"opt{i}." if i else "opt.", names, bound)
        for name, t in self.state.tensors.items():
            if id(t) not in bound:
                tracer = self.array(t.data, name, lambda t=t: t.data)  # type: ignore[misc]
                self.swap(t, "data", tracer)
            self.gradient(name, t)
        for name, p in self.state.plain.items():
            self.gradient(name, p)
        for i, a in enumerate(self.state.arrays):
            self.tracers[id(a)] = self.array(a, f"a{i}" if len(self.state.arrays) > 1 else "a")
            self.trace.constants[id(a)] = self.tracers[id(a)].current()
        if self.trace.collectives is None:
            reject_overlaps(self.arrays)
        for i, rng in enumerate(self.state.generators):
            self.generator(rng, f"rng{i or ''}")
        for ema in self.state.averages:
            slot = Cell("ema_steps", lambda e=ema: e.steps, lambda v, e=ema: setattr(e, "steps", v))  # type: ignore[misc]
            self.swap(ema, "steps", self.number(slot))
        for rng in self.closure.generators:
            if id(rng) not in TRACED:
                self.swap(rng, "__class__", TracedGenerator)
                TRACED[id(rng)] = (self.trace, None)
                self.undo.append(lambda rng=rng: TRACED.pop(id(rng), None) and None)  # type: ignore[misc]
        legacy, python = np.random.get_state(), random.getstate()
        self.saved += [lambda: self.drew("np.random") and np.random.set_state(legacy),
                       lambda: self.drew("random") and random.setstate(python)]
        self.hidden = [("np.random", position, position()), ("random", random.getstate, python)]
        self.swap(builtins, "print", self.print)
        for owner in (builtins, io):
            self.swap(owner, "open", self.file)
        for name, f in draws_of_numpy():
            self.swap(np.random, name, noted_draw_of_numpy(self.trace, f))
        self.closure.replace(self.known, self.trace.creation)
        self.trace.open = True
        tracing.append(self.trace)

    def print(self, *args: Any, real: Any = print, **kwargs: Any) -> None:
        """A stand-in for print: other threads may print."""
        if threading.get_ident() != self.trace.thread:
            real(*args, **kwargs)
            return
        raise self.trace.refusal("print would be called at the first steps only", "no side effects", "return what is "
                                       "to be printed, and print it outside of the step")

    def file(self, *args: Any, real: Any = open, **kwargs: Any) -> Any:
        """A stand-in for open: other threads may open files."""
        if threading.get_ident() != self.trace.thread:
            return real(*args, **kwargs)
        raise self.trace.refusal("open would be called at the first steps only", "no side effects", "use it outside of "
                                 "the step, and pass the result as an argument")

    def drew(self, name: str) -> bool:
        """Whether this thread drew from a stream of a whole module, where it moved."""
        return (self.alone and threading.active_count() == 1) or name in self.trace.source_info.drew

    def argument(self, x: Tensor, data: Any, name: str) -> Tensor:
        """A stand-in for a Tensor that is an argument."""
        if x.requires_grad and x.op is not None and self.trace.collectives is not None:
            raise CompileError(f"compile: {name} is the output of {x.op.name}, and gradients would flow out of the "
                               f"step; expected leaves as arguments; compute it in the step, or pass {name}.detach()")
        t = Tensor(data, x.requires_grad)
        t.grad = None if x._grad is None else StaleGradient(self.trace)
        return t

    def gradient(self, name: str, t: Any) -> None:
        """An old gradient may be cleared, read, or added to; several workers may only clear it."""
        old = t.grad
        if type(old) is np.ndarray and self.trace.collectives is None:
            self.old[id(t)] = OldGradient(self.trace, old, name)
            self.swap(t, "grad", self.old[id(t)].tracer)
            return
        if old is not None:
            self.old[id(t)] = old if old is USED else StaleGradient(self.trace)
        self.swap(t, "grad", self.old.get(id(t)))

    def known(self, x: Any, name: str, scope: Scope | None = None, key: Any = None) -> Any:
        """The stand-in of an object that the step can reach."""
        if type(x) is float:
            if scope is None or place(scope, key) not in self.varying:
                return x
            text = key if isinstance(key, str) and key else re.sub(r"\W+", "_", name).strip("_")
            return self.number(Cell(text, reader(scope.terms(key)), partial(scope.put, key), place(scope, key)))
        if self.trace.creation and isinstance(x, FUNCTIONS) and (instead := self.trace.creation.get(x)) is not None:
            return instead
        return stand_in(self, x, name)

    def undeclared(self, x: Any, name: str) -> Any:
        """The stand-in of an array that the step can reach, or that was declared."""
        if id(x) not in self.tracers:
            value = self.trace.constant(x)
            value.name, value.mutable = value.name or name, True
            self.tracers[id(x)] = ArrayTracer(self.trace, value)
        elif any(x is a for a in self.state.arrays):
            self.tracers[id(x)].current().name = name
        return self.tracers[id(x)]

    def vectors(self, block: FlatBlock, end: str) -> tuple[ArrayTracer, ArrayTracer, dict[str, ArrayTracer]]:
        """Stand-ins for theta, for the part of it that an update changes, and for the state vectors of that part."""
        if self.trace.collectives is None:
            theta = self.array(block.theta, f"theta{end}", lambda b=block: b.theta)  # type: ignore[misc]
            return theta, theta, {name: self.array(v, f"{name}{end}", lambda b=block, n=name: b.state[n])  # type: ignore[misc]
                                  for name, v in block.state.items()}
        shares = self.trace.collectives.shares
        whole = self.array(shares.padded[id(block)]["theta"], f"theta{end}")
        own = {name: self.array(v, f"own_{name}{end}") for name, v in shares.own[id(block)].items()}
        vars(block)["collectives"] = self.trace.collectives
        self.undo.append(lambda: vars(block).pop("collectives", None))
        self.trace.collectives.thetas[id(block)] = whole
        self.trace.collectives.blocks.append(block)
        self.swap(block, "__class__", ShardedBlock)
        return whole, own.pop("theta"), own

    def optimizer(self, opt: Optimizer, lead: str, names: dict[int, str], bound: set[int]) -> None:
        """Flat vectors, their views as the parameters' data, counts of steps, learning rates."""
        many = len(opt.blocks) > 1
        for i, block in enumerate(opt.blocks):
            end = str(i) if many else ""
            theta, own, vectors = self.vectors(block, end)
            self.swap(block, "theta", own)
            views = block.views(theta)  # type: ignore[arg-type]
            self.swap(block, "theta_views", views)
            self.swap(block, "bindings", list(zip(block.params, views, strict=True)))
            for p, view in zip(block.params, views, strict=True):
                bound.add(id(p))
                self.bound.append((p, view))
                self.swap(p, "data", view)
                view.current().name = names.get(id(p), "")  # type: ignore[attr-defined]
            self.swap(block, "state", vectors)
            slot = Cell(f"t{end}", lambda b=block: b.t, lambda v, b=block: setattr(b, "t", v))  # type: ignore[misc]
            self.swap(block, "t", self.number(slot))
        for i, group in enumerate(opt.param_groups):
            end = str(i) if len(opt.param_groups) > 1 else ""
            slot = Cell(f"lr{end}", lambda g=group: g["lr"], lambda v, g=group: g.update(lr=v))  # type: ignore[misc]
            number, old = self.number(slot), group["lr"]
            self.undo.append(lambda g=group, old=old: g.update(lr=old))  # type: ignore[misc]
            group["lr"] = number
        self.swap(opt, "blocks", list(opt.blocks))
        self.blocks.append((opt, list(opt.blocks)))

    def generator(self, rng: Generator, name: str) -> None:
        """A generator whose draws are noted: for a while it is of a class that does so."""
        kept = rng.get_state()
        value = self.trace.source(rng, "stream", name)
        self.saved.append(lambda: value.number in self.trace.drawn and rng.set_state(kept))
        self.streams.append(value)
        self.swap(rng, "__class__", TracedGenerator)
        TRACED[id(rng)] = (self.trace, value)
        self.undo.append(lambda: TRACED.pop(id(rng), None) and None)

    def stream(self, rng: np.random.Generator) -> TracedStream:
        """The stand-in of one of NumPy's generators."""
        value = next((v for v in self.streams if v.array is rng), None)
        if value is None:
            kept = rng.bit_generator.state
            value = source = self.trace.source(rng, "stream", f"rng{len(self.streams) or ''}")

            def back() -> None:
                if source.number in self.trace.drawn:
                    rng.bit_generator.state = kept

            self.saved.append(back)
            self.streams.append(value)
        return TracedStream(self.trace, value)

    def finals(self) -> list[tuple[Value, Value]]:
        """Each declared array and number with its final value; read before the stand-ins are removed."""
        found = []
        for p, view in self.bound:
            if p.data is not view:  # a parameter whose data was replaced: the next step would copy it back
                view[...] = p.data
        for source, now in self.arrays:
            x = now()
            final = x.current() if isinstance(x, ArrayTracer) else self.trace.constant(x)
            found.append((source, source if final.kind == "updated" else final))  # by the workers, each its own part
        for source, now, _ in self.numbers:
            x = now()
            found.append((source, x.value if isinstance(x, ScalarTracer) else self.plain(source, x)))
        return found

    def name_gradients(self) -> None:
        """Name the gradient in every `grad` after its tensor."""
        for name, t in {**self.state.tensors, **self.state.plain}.items():
            if type(t.grad) is ArrayTracer and (v := t.grad.current()).kind == "":
                v.name = v.name or f"d_{name}"

    def verify(self, finals: list[tuple[Value, Value]], given_back: list[Value]) -> None:
        """Raise for effects on Python objects and undeclared streams: a program would not repeat them."""
        where = f"{self.state.where}: " if self.state.where else ""
        for opt, blocks in self.blocks:
            if list(map(id, opt.blocks)) != list(map(id, blocks)):
                lacking = [n for n, t in {**self.state.tensors, **self.state.plain}.items() if t.grad is None
                           and any(t is p for block in opt.blocks for p in block.params)
                           and getattr(t, "requires_grad", True)]
                raise CompileError(f"compile: {where}{' and '.join(lacking)} had no gradient at the optimiser's step; "
                                   "expected one for each parameter that requires grad; leave it out of the optimiser, "
                                   "or set its requires_grad to False")
        used = {v.base.number for call in self.trace.calls for v in call.inputs()} | {v.base.number for v in given_back}
        changed = [source.array for source, final in finals if source.is_array and final is not source]
        for v in self.trace.sources:
            own = any(v.array is a for a in changed)
            if (v.kind == "input" and v.is_array and not own) or (v.kind == "constant" and v.number in used):
                reject_alias(v.array, v.name or "an array", changed)
        for name, now, before in self.hidden:
            if name in self.trace.source_info.drew or (now() != before and self.drew(name)):
                raise CompileError(f"compile: {where}a draw from {name} itself, or a seed, would repeat at every call; "
                                   "expected draws from declared Generators; write rng = np.random.default_rng(seed), "
                                   "and pass it to tt.compile")
        for name, a, b in self.closure.differences():
            if type(a) is ArrayTracer:
                raise CompileError(f"compile: {where}{name} is another array after the step, which a program would not "
                                   f"repeat; expected writes into the array; write {name}[...] = value")
            raise CompileError(f"compile: {where}{name} was {short(a)} before the step and is {short(b)} after it, "
                               "which a program would not repeat; expected no side effects on Python objects; return "
                               "the value, count outside of the step, or make it a declared array")

    def plain(self, source: Value, x: Any) -> Value:
        """The value of a number that the step has set."""
        return source if x is source.array else Value(x, None, None, "plain", "", -1)

    def commit(self, state: list[tuple[Value, Value]]) -> None:
        """Write all final values; they are copied first, since one may be another's array."""
        where = f"{self.state.where}: " if self.state.where else ""
        for source, final in state:
            if source.is_array and (a := source.array) is not final.array and (
                    (a.shape, a.dtype) != (final.array.shape, final.array.dtype)):
                name = f"{source.name}.data" if source.name in self.state.tensors else source.name
                raise CompileError(f"compile: {where}{name} is {final.array.dtype} of shape {final.array.shape} after "
                                   f"the step; expected {a.dtype} of shape {a.shape}, as before it; write "
                                   f"{name}[...] = value")
        slots = {source.number: slot for source, _, slot in self.numbers}
        changed = [(source, np.copy(final.array) if final.is_array else final.array)
                   for source, final in state if final is not source]
        leave = self.gradients.commit()
        with undisturbed():
            for source, value in changed:
                if source.is_array:
                    np.copyto(source.array, value)
                else:
                    slots[source.number].put(value)
            leave()
            self.committed = True

    def leave(self) -> None:
        """Restore everything, even if some of it fails."""
        self.trace.open = False
        if self.trace in tracing:
            tracing.remove(self.trace)
        errors = []
        for undo in reversed(self.undo):
            try:
                undo()
            except BaseException as error:
                errors.append(error)
                undo()
        if errors:
            raise errors[0]

    def rewind(self) -> None:
        """Rewind the random streams, except those that only other threads drew from."""
        with undisturbed():
            for restore in self.saved:
                restore()


# --- gradients of earlier steps ---


class StaleGradient:
    """A stand-in for a gradient of an earlier step: it may be set to None, but not read."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def refuse(self, *_: Any, **__: Any) -> Any:
        raise self.trace.refusal("a gradient of an earlier step is used or added to", "gradients of this step",
                                       "call opt.zero_grad(), or write p.grad = None, in the step, "
                                 "before backward()")

    __array_ufunc__ = __array_function__ = __array__ = __getattr__ = refuse
