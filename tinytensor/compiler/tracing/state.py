"""What a step may change: the arrays, numbers and random streams of what was declared, and stand-ins in their place.

While a step is traced the stand-ins stand in its modules, optimisers and generators; afterwards all is as before, and
what they came to stand for is written into the real arrays at once.
"""

from __future__ import annotations

import builtins
import inspect
import random
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType
from typing import Any

import numpy as np

from ...core import Tensor, tracing
from ...core import state as recording
from ...nn.module import Module
from ...optim import EMA
from ...optim.flat import Block, Optimizer
from ...random import Generator, default_generator
from ..ir import CompileError, Value
from ..parallel.collectives import SHARED, ShardedBlock
from .aliasing import coalesce_buffers, reject_alias, reject_overlaps, short
from .closure import ClosureScan, Roots
from .gradients import USED, Gradients, OldGradient
from .guards import Guards, Place, place, reader
from .interrupts import undisturbed
from .rng import TRACED, TracedGenerator, TracedStream, position
from .scopes import Mapping, Members, Scope, Settings, Term
from .standins import stand_in
from .threads import ArrayTracer, ScalarTracer
from .trace import Trace

FUNCTIONS = (FunctionType, BuiltinFunctionType, type(np.sum))


class Cell:
    """A declared number: where it stands, and how it is read and written."""

    def __init__(self, name: str, get: Callable[[], Any], put: Callable[[Any], None]) -> None:
        self.name, self.get, self.put = name, get, put


def spoken(model: Module, path: str) -> str:
    """A path that can be a name: of a layer that is known by its number only, its kind and that."""
    first, dot, rest = path.partition(".")
    return f"{type(getattr(model, first)).__name__.lower()}{first}{dot}{rest}" if first.isdigit() else path


class DeclaredState:
    """All that was declared: Modules, Optimizers, Generators, Tensors and arrays.

    Attributes
    ----------
    tensors : dict
        Parameters and buffers by path.
    """

    def __init__(self, things: tuple[Any, ...], step: Callable[..., Any]) -> None:
        self.step, self.where = step, ""
        code = getattr(inspect.unwrap(getattr(step, "__func__", step)), "__code__", None)
        if code is not None:
            self.where = f"{Path(code.co_filename).name}:{code.co_firstlineno}"
        self.modules = [x for x in things if isinstance(x, Module)]
        self.optimizers = [x for x in things if isinstance(x, Optimizer)]
        self.generators = [x for x in things if isinstance(x, Generator)]
        self.streams = [x for x in things if isinstance(x, np.random.Generator)]
        self.arrays = [x for x in things if isinstance(x, np.ndarray)]
        tensors = [x for x in things if isinstance(x, Tensor)]
        self.averages: list[EMA] = []
        self.paths: dict[int, str] = {}
        self.tensors: dict[str, Tensor] = {}
        for i, model in enumerate(self.modules):
            lead = f"model{i}." if i else ""
            for path, module in model.named_modules():
                self.paths.setdefault(id(module), f"{lead}{spoken(model, path)}")
                for rng in vars(module).values():
                    if isinstance(rng, Generator) and not any(rng is g for g in self.generators):
                        self.generators.append(rng)
                    if isinstance(rng, np.random.Generator) and not any(rng is g for g in self.streams):
                        self.streams.append(rng)
            parts: list[tuple[str, Tensor]] = [*model.named_parameters(), *model.named_buffers()]
            self.tensors.update((f"{lead}{spoken(model, name)}", t) for name, t in parts)
        seen = {id(t) for t in self.tensors.values()}
        others = [p for opt in self.optimizers for block in opt.blocks for p in block.params]
        for i, t in enumerate([*tensors, *others]):
            if id(t) not in seen and isinstance(t, Tensor):
                seen.add(id(t))
                self.tensors[f"p{i}"] = t
        self.generators.append(default_generator())
        self.declared = {id(x) for x in (*self.arrays, *self.tensors.values())}
        self.plain = {f"p{i}": p for i, p in enumerate(others) if not isinstance(p, Tensor)}
        for x in things:
            if isinstance(x, EMA):
                self.adopt(x)

    def adopt(self, ema: EMA) -> None:
        """Let averages of weights be declared: their arrays, and how many steps they are of."""
        if not any(ema is x for x in self.averages):
            self.averages.append(ema)
            self.arrays += ema.average
            self.declared |= {id(a) for a in ema.average}

    def scan(self, objects: Iterable[Any] = (), more: Roots | None = None, ran: set[CodeType] | None = None
             ) -> ClosureScan:
        """What the step, and arguments that are objects, can reach; declared Tensors are looked after here."""
        params = [p for opt in self.optimizers for block in opt.blocks for p in block.params]
        hooks = [hook for t in self.tensors.values() for hook in t.hooks or ()]
        known = [*self.optimizers, *self.tensors.values(), *params]
        scan = ClosureScan([self.step, *objects, *self.modules, *self.averages, *hooks], known, more, ran)
        for opt in self.optimizers:
            scan.declared_optimizer(opt)
        for name, t in self.tensors.items():
            scan.add(Members(t, name, ("needs", "hooks")))
        scan.walk()
        own = set(map(id, params)) | {id(t) for t in self.tensors.values()}
        for ema in scan.averages:
            if all(id(p) in own for p in ema.params):
                self.adopt(ema)
        counted = {id(vars(ema)) for ema in self.averages}
        scan.scopes = [Settings(s.owner, s.name, ("steps",), False) if id(s.owner) in counted else s
                       for s in scan.scopes]
        scan.before = scan.expected = scan.now()
        return scan

    def guards(self, scan: ClosureScan, varying: Collection[Place]) -> Guards:
        """Compares, at each call, what a program holds on to: whether the arrays are those of now, and what is fixed in
        a program (modes, settings of optimisers, all that the step can reach) is as it is now."""
        fixed: list[Scope] = [Members(t, name, ("data",)) for name, t in self.tensors.items()]
        for opt in self.optimizers:
            fixed.append(Blocks(opt, "blocks"))
            for block in opt.blocks:
                fixed += [Members(block, "block", ("theta",)), Mapping(block.state, "block.state")]
        for scope in fixed:
            scope.declared = True
        return Guards([*fixed, Members(recording, "tt", ("recording",)), *scan.scopes], varying)

    def prepare(self) -> None:
        """Let optimisers make their state now, and bind parameters that were given other arrays; small buffers come to
        stand side by side."""
        for opt in self.optimizers:
            opt.prepare()
            needs = [[getattr(p, "needs", True) for p in block.params] for block in opt.blocks]
            if any(len(set(keys)) > 1 for keys in needs):  # what is frozen has a block of its own, as after its step
                opt.blocks = [b for block, keys in zip(opt.blocks, needs, strict=True) for b in block.split(keys)]
        coalesce_buffers(t for model in self.modules for _, t in model.named_buffers())


class Blocks(Scope):
    """The flat vectors of an optimiser: each of its steps makes another list of them."""

    def keys(self) -> list[Any]:
        return list(range(len(self.owner.blocks)))

    def values(self) -> list[Any]:
        return list(self.owner.blocks)

    def whole(self) -> list[Term]:
        return [("*", self.owner, ".blocks")]


class Patched:
    """Stand-ins, while they stand."""

    def __init__(self, state: DeclaredState, trace: Trace, scan: ClosureScan, varying: Collection[Place]) -> None:
        self.state, self.trace, self.closure, self.varying = state, trace, scan, varying
        self.undo: list[Callable[[], None]] = [scan.restore]
        self.arrays: list[tuple[Value, Callable[[], Any]]] = []  # a source, and what stands there in the end
        self.numbers: list[tuple[Value, Callable[[], Any], Cell]] = []
        self.streams: list[Value] = []
        self.bound: list[tuple[Any, Any]] = []  # parameters, and their stand-ins as views of flat vectors
        self.blocks: list[tuple[Optimizer, list[Block]]] = []
        self.saved: list[Callable[[], Any]] = []  # puts random streams back
        self.gradients = Gradients([*state.tensors.values(), *state.plain.values()])
        self.tracers: dict[int, ArrayTracer] = {}  # id(array) -> its tracer: of those declared or known by name
        self.old: dict[int, Any] = {}  # gradients of earlier steps, by the tensor's id
        self.hidden: list[tuple[str, Callable[[], Any], Any]] = []  # streams of whole modules, and where they stood
        self.committed = False  # whether what became of everything is written
        self.alone = threading.active_count() == 1  # so that nobody else draws from these

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
        """Inside, stand-ins stand in the place of everything; what fails there leaves nothing changed."""
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
        self.closure.replace(self.known, self.trace.creation)
        self.trace.open = True
        tracing.append(self.trace)

    def print(self, *args: Any, real: Any = print, **kwargs: Any) -> None:
        """What stands for print: other threads may print."""
        if threading.get_ident() != self.trace.thread:
            real(*args, **kwargs)
            return
        raise self.trace.refusal("print would be called at the first steps only", "no side effects", "give back "
                                       "what is to be printed, and print it outside of the step")

    def drew(self, name: str) -> bool:
        """Whether this thread drew from a stream of a whole module, where it moved."""
        return (self.alone and threading.active_count() == 1) or name in self.trace.source_info.drew

    def argument(self, x: Tensor, data: Any, name: str) -> Tensor:
        """A stand-in for a Tensor that came as an argument."""
        if x.needs and x.op is not None and self.trace.collectives is not None:
            raise CompileError(f"compile: {name} is the output of {x.op.name}, and gradients would flow out of the "
                               f"step; expected leaves as arguments; compute it in the step, or pass {name}.detach()")
        t = Tensor(data, x.needs)
        t.grad = None if x.grad is None else StaleGradient(self.trace)
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
        """What stands for a thing that the step can reach."""
        if type(x) is float:
            if scope is None or place(scope, key) not in self.varying:
                return x
            text = key if isinstance(key, str) and key else re.sub(r"\W+", "_", name).strip("_")
            return self.number(Cell(text, reader(scope.terms(key)), partial(scope.put, key)))
        if self.trace.creation and isinstance(x, FUNCTIONS) and (instead := self.trace.creation.get(x)) is not None:
            return instead
        return stand_in(self, x, name)

    def undeclared(self, x: Any, name: str) -> Any:
        """What stands for an array that the step can reach, or that was declared."""
        if id(x) not in self.tracers:
            value = self.trace.constant(x)
            value.name, value.mutable = value.name or name, True
            self.tracers[id(x)] = ArrayTracer(self.trace, value)
        elif any(x is a for a in self.state.arrays):
            self.tracers[id(x)].current().name = name
        return self.tracers[id(x)]

    def vectors(self, block: Block, end: str) -> tuple[ArrayTracer, ArrayTracer, dict[str, ArrayTracer]]:
        """Stand-ins for theta, for what of it an update moves, and for the state vectors beside that."""
        if self.trace.collectives is None:
            theta = self.array(block.theta, f"theta{end}", lambda b=block: b.theta)  # type: ignore[misc]
            return theta, theta, {name: self.array(v, f"{name}{end}", lambda b=block, n=name: b.state[n])  # type: ignore[misc]
                                  for name, v in block.state.items()}
        shares = self.trace.collectives.shares
        whole = self.array(shares.padded[id(block)]["theta"], f"theta{end}")
        own = {name: self.array(v, f"own_{name}{end}") for name, v in shares.own[id(block)].items()}
        SHARED[id(block)] = self.trace.collectives
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
            self.swap(block, "own", views)
            self.swap(block, "bound", list(zip(block.params, views, strict=True)))
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
        """What stands for one of NumPy's generators."""
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
        """Each declared array and number, and what it has become; read while the stand-ins stand."""
        found = []
        for p, view in self.bound:
            if p.data is not view:  # a parameter that was given another array: the next step would copy it back in
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
        """Call what stands in every `grad` after its tensor."""
        for name, t in {**self.state.tensors, **self.state.plain}.items():
            if type(t.grad) is ArrayTracer and (v := t.grad.current()).kind == "":
                v.name = v.name or f"d_{name}"

    def verify(self, finals: list[tuple[Value, Value]], given_back: list[Value]) -> None:
        """Refuse what the step did to Python's objects, and to streams that nobody declared, for it happened once."""
        where = f"{self.state.where}: " if self.state.where else ""
        for opt, blocks in self.blocks:
            if list(map(id, opt.blocks)) != list(map(id, blocks)):
                lacking = [n for n, t in {**self.state.tensors, **self.state.plain}.items() if t.grad is None
                           and any(t is p for block in opt.blocks for p in block.params) and getattr(t, "needs", True)]
                raise CompileError(f"compile: {where}{' and '.join(lacking)} had no gradient at the optimiser's step; "
                                   f"expected one for each parameter that requires grad; leave it out of the "
                                   f"optimiser, or let its requires_grad be False")
        used = {v.base.number for call in self.trace.calls for v in call.inputs()} | {v.base.number for v in given_back}
        changed = [source.array for source, final in finals if source.is_array and final is not source]
        for v in self.trace.sources:
            own = any(v.array is a for a in changed)
            if (v.kind == "input" and v.is_array and not own) or (v.kind == "constant" and v.number in used):
                reject_alias(v.array, v.name or "an array", changed)
        for name, now, before in self.hidden:
            if now() != before and self.drew(name):
                raise CompileError(f"compile: {where}a draw from {name} itself, which is not declared, would be the "
                                   f"same for ever; expected draws from declared Generators; write rng = "
                                   f"np.random.default_rng(seed), and name it among what is given to tt.compile")
        for name, a, b in self.closure.differences():
            if type(a) is ArrayTracer:
                raise CompileError(f"compile: {where}{name} stands for another array after the step, which would not "
                                   f"happen again; expected writes into the array; write {name}[...] = value")
            raise CompileError(f"compile: {where}{name} was {short(a)} before the step and is {short(b)} after it, "
                               f"which would not happen again; expected no side effects on Python objects; give the "
                               f"value back, count outside of the step, or let it be a declared array")

    def plain(self, source: Value, x: Any) -> Value:
        """The value of a number that the step set to one of its own."""
        return source if x is source.array else Value(x, None, None, "plain", "", -1)

    def commit(self, state: list[tuple[Value, Value]]) -> None:
        """Write what everything has become; all is copied first, for one may have become another."""
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
        """Let everything be as it was; what fails does not keep the rest from it."""
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
        """Put the random streams back to where they were; those that only others drew from stay."""
        with undisturbed():
            for restore in self.saved:
                restore()


# --- gradients of earlier steps ---


class StaleGradient:
    """Stands for a gradient of an earlier step: it may be set to None, and not be looked at."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def refuse(self, *_: Any, **__: Any) -> Any:
        raise self.trace.refusal("a gradient of an earlier step is used or added to", "gradients of this step",
                                       "call opt.zero_grad() in the step, before backward()")

    __array_ufunc__ = __array_function__ = __array__ = __getattr__ = refuse
