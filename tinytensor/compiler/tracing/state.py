"""What a step may change: the arrays, numbers and random streams of what was declared, and stand-ins in their place.

While a step is traced the stand-ins stand in its modules, optimisers and generators; afterwards all is as before, and
what they came to stand for is written into the real arrays at once.
"""

from __future__ import annotations

import builtins
import inspect
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import is_
from pathlib import Path
from typing import Any

import numpy as np

from ...core import Tensor, tracing
from ...nn.module import Module
from ...optim.flat import Block, Optimizer
from ...random import Generator, default_generator
from ..ir import CompileError, Value
from ..parallel.collectives import ShardedBlock
from .aliasing import coalesce_buffers, reject_alias, reject_overlaps, short
from .closure import ClosureScan, Term
from .rng import TRACED, TracedGenerator, TracedStream, Undeclared, position
from .trace import Trace
from .tracer import ArrayTracer, ScalarTracer


class Cell:
    """A declared number: where it stands, and how it is read and written."""

    def __init__(self, name: str, get: Callable[[], Any], put: Callable[[Any], None]) -> None:
        self.name, self.get, self.put = name, get, put


def spoken(model: Module, path: str) -> str:
    """A path that can be a name: of a layer that is known by its number only, its kind and that."""
    first, dot, rest = path.partition(".")
    return f"{type(getattr(model, first)).__name__.lower()}{first}{dot}{rest}" if first.isdigit() else path


class State:
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
        permuted = [x for x in things if isinstance(x, Tensor)]
        known = (Module, Optimizer, Generator, np.random.Generator, np.ndarray, Tensor)
        for x in things:
            if not isinstance(x, known):
                raise TypeError(f"compile: a {type(x).__name__} came among what is declared; expected Modules, "
                                f"Optimizers, Generators, Tensors or arrays; pass those that it holds")
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
        for i, t in enumerate([*permuted, *others]):
            if id(t) not in seen and isinstance(t, Tensor):
                seen.add(id(t))
                self.tensors[f"p{i}"] = t
        self.generators.append(default_generator())
        self.declared = {id(x) for x in (*self.arrays, *self.tensors.values())}
        self.plain = {f"p{i}": p for i, p in enumerate(others) if not isinstance(p, Tensor)}

    def around(self, objects: Iterable[Any] = ()) -> ClosureScan:
        """What the step, and arguments that are objects, know by name; declared Tensors are looked after here."""
        params = [p for opt in self.optimizers for block in opt.blocks for p in block.params]
        hooks = [hook for t in self.tensors.values() for hook in t.hooks or ()]
        known = [*self.optimizers, *self.tensors.values(), *params]
        around = ClosureScan([self.step, *objects, *self.modules, *hooks], known)
        for opt in self.optimizers:
            around.declared_optimizer(opt)
        for name, t in self.tensors.items():
            around.object(t, name, ("needs", "hooks"), watched=False)
        around.before = around.expected = around.now()
        return around

    def prepare(self) -> None:
        """Let optimisers make their state now, and bind parameters that were given other arrays; small buffers come to
        stand side by side."""
        for opt in self.optimizers:
            opt.prepare()
            needs = [[getattr(p, "needs", True) for p in block.params] for block in opt.blocks]
            if any(len(set(keys)) > 1 for keys in needs):  # what is frozen has a block of its own, as after its step
                opt.blocks = [b for block, keys in zip(opt.blocks, needs, strict=True) for b in block.split(keys)]
        coalesce_buffers(t for model in self.modules for _, t in model.named_buffers())

    def watch(self, around: ClosureScan) -> Callable[[], bool]:
        """A quick look at what a program holds on to, at each call: whether the arrays are those of now, and what is
        fixed in a program (modes, settings of optimisers) is as it is now."""
        more: list[Term] = [("", t, name) for t in self.tensors.values() for name in (".data", ".needs", ".hooks")]
        for opt in self.optimizers:
            more.append(("*", opt, ".blocks"))
            for block in opt.blocks:
                more += [("", block, ".theta"), ("*", block, ".state.values()")]
            more += [("", group, f"[{key!r}]") for group in opt.param_groups for key in group if key != "lr"]
        return around.watch(more)

    @contextmanager
    def replaced(self, trace: Trace, around: ClosureScan) -> Iterator[Patched]:
        """Inside, stand-ins stand in the place of everything."""
        standing = Patched(self, trace, around)
        try:
            standing.enter()
            yield standing
        except BaseException:
            standing.leave()
            standing.rewind()
            raise
        standing.leave()


class Patched:
    """Stand-ins, while they stand."""

    def __init__(self, state: State, trace: Trace, around: ClosureScan) -> None:
        self.state, self.trace, self.around = state, trace, around
        self.undo: list[Callable[[], None]] = [around.restore]
        self.arrays: list[tuple[Value, Callable[[], Any]]] = []  # a source, and what stands there in the end
        self.numbers: list[tuple[Value, Callable[[], Any], Cell]] = []
        self.streams: list[Value] = []
        self.bound: list[tuple[Any, Any]] = []  # parameters, and their stand-ins as views of flat vectors
        self.blocks: list[tuple[Optimizer, list[Block]]] = []
        self.saved: list[Callable[[], Any]] = []  # puts random streams back
        self.gradients: list[tuple[Any, Value]] = []
        self.tracers: dict[int, ArrayTracer] = {}  # id(array) -> its tracer: of those declared or known by name
        self.old: dict[str, Any] = {}  # gradients of earlier steps, by the tensor's name: what stands for them
        self.touched: list[Any] = []  # tensors whose gradients the step made or cleared
        self.hidden: list[tuple[str, Callable[[], Any], Any]] = []  # streams of whole modules, and where they stood

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
        for rng in self.around.generators:
            if id(rng) not in TRACED:
                self.swap(rng, "__class__", TracedGenerator)
                TRACED[id(rng)] = (self.trace, None)
                self.undo.append(lambda rng=rng: TRACED.pop(id(rng), None) and None)  # type: ignore[misc]
        legacy, python = np.random.get_state(), random.getstate()
        self.saved += [lambda: np.random.set_state(legacy), lambda: random.setstate(python)]
        self.hidden = [("np.random", position, position()), ("random", random.getstate, python)]
        self.swap(builtins, "print", self.refused_print)
        self.around.replace(self.known)
        self.trace.open = True
        tracing.append(self.trace)

    def refused_print(self, *_: Any, **__: Any) -> None:
        raise self.trace.refusal("print would be called at the first steps only", "no side effects", "give back "
                                       "what is to be printed, and print it outside of the step")

    def argument(self, x: Tensor, data: Any, name: str) -> Tensor:
        """A stand-in for a Tensor that came as an argument."""
        if x.needs and x.op is not None:
            raise CompileError(f"compile: {name} is the output of {x.op.name}, and gradients would flow out of the "
                               f"step; expected leaves as arguments; compute it in the step, or pass {name}.detach()")
        t = Tensor(data, x.needs)
        t.grad = None if x.grad is None else StaleGradient(self.trace)
        return t

    def gradient(self, name: str, t: Any) -> None:
        """An old gradient may be cleared, and not looked at."""
        if t.grad is not None:
            self.old[name] = StaleGradient(self.trace)
        self.swap(t, "grad", self.old.get(name))

    def known(self, x: Any, name: str) -> Any:
        """What stands for a thing that the step knows by name."""
        if isinstance(x, ArrayTracer | ScalarTracer):
            return x
        if isinstance(x, np.ndarray) and x.dtype.kind in "biufc":
            if id(x) not in self.tracers:
                value = self.trace.constant(x)
                value.name, value.mutable = value.name or name, True
                self.tracers[id(x)] = ArrayTracer(self.trace, value)
            elif any(x is a for a in self.state.arrays):
                self.tracers[id(x)].current().name = name
            return self.tracers[id(x)]
        if isinstance(x, np.random.Generator) and any(x is rng for rng in self.state.streams):
            return self.stream(x)
        if isinstance(x, np.random.Generator | np.random.RandomState):
            return Undeclared(self.trace)
        if type(x) is tuple:
            parts = [self.known(y, f"{name}[{i}]") for i, y in enumerate(x)]
            return x if all(map(is_, parts, x)) else tuple(parts)
        return x

    def vectors(self, block: Block, end: str) -> tuple[ArrayTracer, ArrayTracer, dict[str, ArrayTracer]]:
        """Stand-ins for theta, for what of it an update moves, and for the state vectors beside that."""
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
        self.saved.append(partial(rng.set_state, kept))
        value = self.trace.source(rng, "stream", name)
        self.streams.append(value)
        self.swap(rng, "__class__", TracedGenerator)
        TRACED[id(rng)] = (self.trace, value)
        self.undo.append(lambda: TRACED.pop(id(rng), None) and None)

    def stream(self, rng: np.random.Generator) -> TracedStream:
        """What stands for one of NumPy's generators."""
        value = next((v for v in self.streams if v.array is rng), None)
        if value is None:
            kept = rng.bit_generator.state
            self.saved.append(lambda: setattr(rng.bit_generator, "state", kept))
            value = self.trace.source(rng, "stream", f"rng{len(self.streams) or ''}")
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
        for name, t in {**self.state.tensors, **self.state.plain}.items():
            if isinstance(t.grad, ArrayTracer):
                self.gradients.append((t, t.grad.current()))
            if t.grad is not self.old.get(name):
                self.touched.append(t)
        return found

    def cleared(self) -> dict[int, bool]:
        """Of each tensor that had an old gradient, by id: whether the step cleared it."""
        everyone = {**self.state.tensors, **self.state.plain}
        return {id(everyone[name]): any(everyone[name] is t for t in self.touched) for name in self.old}

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
            if now() != before:
                raise CompileError(f"compile: {where}a draw from {name} itself, which is not declared, would be the "
                                   f"same for ever; expected draws from declared Generators; write rng = "
                                   f"np.random.default_rng(seed), and name it among what is given to tt.compile")
        for name, a, b in self.around.differences():
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
        for source, value in changed:
            if source.is_array:
                np.copyto(source.array, value)
            else:
                slots[source.number].put(value)
        for t in self.touched:
            t.grad = None

    def leave(self) -> None:
        self.trace.open = False
        if self.trace in tracing:
            tracing.remove(self.trace)
        for undo in reversed(self.undo):
            undo()

    def rewind(self) -> None:
        """Put the random streams back to where they were."""
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
