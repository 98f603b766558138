"""What a step may change: the arrays, numbers and random streams of what was declared, and stand-ins in their place.

While a step is traced the stand-ins stand in its modules, optimisers and generators; afterwards all is as before, and
what they came to stand for is written into the real arrays at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter, is_, itemgetter
from typing import Any

import numpy as np

from ..core import Tensor
from ..nn.module import Module
from ..optim.flat import Block, Optimizer
from ..random import Generator, default_generator
from .program import CompileError, Value
from .sharing import SHARED, SharedBlock
from .trace import Number, Trace, Tracer

DATA, NEEDS, TRAINING, THETA, STATE = map(attrgetter, ("data", "needs", "training", "theta", "state"))
DRAWS = ("rand", "randn", "randint", "randperm", "bernoulli", "multinomial", "random63")
INTEGERS = ("randint", "randperm", "integers", "permutation", "choice")  # draws of examples, which workers share
FILLS = ("uniform_", "normal_", "exponential_")
NUMPY_DRAWS = ("random", "standard_normal", "normal", "uniform", "integers", "permutation", "choice", "binomial",
               "standard_exponential", "exponential", "poisson", "gamma", "beta")


class Slot:
    """A declared number: where it stands, and how it is read and written."""

    def __init__(self, name: str, get: Callable[[], Any], put: Callable[[Any], None]) -> None:
        self.name, self.get, self.put = name, get, put


class State:
    """All that was declared: Modules, Optimizers, Generators, Tensors and arrays.

    Attributes
    ----------
    tensors : dict
        Parameters and buffers by path.
    """

    def __init__(self, things: tuple[Any, ...], step: Callable[..., Any]) -> None:
        self.step = step
        self.modules = [x for x in things if isinstance(x, Module)]
        self.optimizers = [x for x in things if isinstance(x, Optimizer)]
        self.generators = [x for x in things if isinstance(x, Generator)]
        self.streams = [x for x in things if isinstance(x, np.random.Generator)]
        self.arrays = [x for x in things if isinstance(x, np.ndarray)]
        loose = [x for x in things if isinstance(x, Tensor)]
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
                self.paths.setdefault(id(module), f"{lead}{path}")
                for key, rng in vars(module).items():
                    if isinstance(rng, Generator) and not any(rng is g for g in self.generators):
                        self.generators.append(rng)
                    if isinstance(rng, np.random.Generator) and not any(rng is g for g in self.streams):
                        self.streams.append(rng)
            self.tensors.update((f"{lead}{name}", p) for name, p in model.named_parameters())
            self.tensors.update((f"{lead}{name}", b) for name, b in model.named_buffers())
        seen = {id(t) for t in self.tensors.values()}
        others = [p for opt in self.optimizers for block in opt.blocks for p in block.params]
        for i, t in enumerate([*loose, *others]):
            if id(t) not in seen and isinstance(t, Tensor):
                seen.add(id(t))
                self.tensors[f"p{i}"] = t
        self.generators.append(default_generator())

    def prepare(self) -> None:
        """Let optimisers make their state now, and bind parameters that were given other arrays."""
        for opt in self.optimizers:
            opt.prepare()

    def watch(self) -> Callable[[], bool]:
        """A quick look at what a program holds on to, at each call: whether the arrays are those of now, and what is
        fixed in a program (modes, settings of optimisers) is as it is now."""
        tensors = list(self.tensors.values())
        modules = [m for model in self.modules for m in model.modules()]
        blocks = [block for opt in self.optimizers for block in opt.blocks]
        states = [block.state for block in blocks if block.state]
        groups = [group for opt in self.optimizers for group in opt.param_groups]
        fixed = [itemgetter(*[k for k in group if k not in ("lr", "params")]) for group in groups]
        optimizers = self.optimizers

        def modes() -> list[Any]:
            return [*map(TRAINING, modules), *map(NEEDS, tensors),
                    *[get(group) for get, group in zip(fixed, groups, strict=True)]]

        arrays, thetas, before = [*map(DATA, tensors)], [*map(THETA, blocks)], modes()
        vectors = [v for state in states for v in state.values()]

        def unchanged() -> bool:
            return (all(map(is_, map(DATA, tensors), arrays)) and all(map(is_, map(THETA, blocks), thetas))
                    and modes() == before and [block for opt in optimizers for block in opt.blocks] == blocks
                    and (not states or all(map(is_, [v for state in map(STATE, blocks) for v in state.values()],
                                               vectors))))

        return unchanged

    @contextmanager
    def replaced(self, trace: Trace) -> Iterator[Standing]:
        """Inside, stand-ins stand in the place of everything."""
        standing = Standing(self, trace)
        try:
            standing.enter()
            yield standing
        except BaseException:
            standing.rewind()
            raise
        finally:
            standing.leave()


class Standing:
    """Stand-ins, while they stand."""

    def __init__(self, state: State, trace: Trace) -> None:
        self.state, self.trace = state, trace
        self.undo: list[Callable[[], None]] = []
        self.arrays: list[tuple[Value, Callable[[], Any]]] = []  # a source, and what stands there in the end
        self.numbers: list[tuple[Value, Callable[[], Any], Slot]] = []
        self.streams: list[Value] = []
        self.saved: list[Callable[[], None]] = []  # puts random streams back
        self.gradients: list[tuple[Tensor, Value]] = []

    def swap(self, owner: Any, name: str, new: Any) -> None:
        old = getattr(owner, name)
        self.undo.append(lambda: setattr(owner, name, old))
        setattr(owner, name, new)

    def array(self, array: Any, name: str, now: Callable[[], Any] | None = None) -> Tracer:
        """A stand-in for a declared array."""
        value = self.trace.source(array, "state", name)
        tracer = Tracer(self.trace, value)
        self.arrays.append((value, now or (lambda: tracer)))
        return tracer

    def number(self, slot: Slot) -> Number:
        number = Number(self.trace, self.trace.source(slot.get(), "number", slot.name))
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
            if t.needs:
                self.swap(t, "grad", None if t.grad is None else Stale(self.trace))
        for i, a in enumerate(self.state.arrays):
            self.trace.constants[id(a)] = self.array(a, f"a{i}").current()
        for i, rng in enumerate(self.state.generators):
            self.generator(rng, f"rng{i or ''}")
        for model in self.state.modules:
            for module in model.modules():
                for key, rng in vars(module).items():
                    if isinstance(rng, np.random.Generator):
                        self.swap_vars(module, key, self.stream(rng))
        self.closed_over()

    def closed_over(self) -> None:
        """Stand-ins for NumPy's generators where the step's own code knows them by name."""
        function = self.state.step
        for cell in getattr(function, "__closure__", None) or ():
            if any(cell.cell_contents is rng for rng in self.state.streams):
                self.swap(cell, "cell_contents", self.stream(cell.cell_contents))
        known = getattr(function, "__globals__", {})
        for name in getattr(getattr(function, "__code__", None), "co_names", ()):
            if any(known.get(name) is rng for rng in self.state.streams):
                old, known[name] = known[name], self.stream(known[name])
                self.undo.append(lambda name=name, old=old: known.update({name: old}))  # type: ignore[misc]

    def swap_vars(self, module: Module, key: str, new: Any) -> None:
        old = vars(module)[key]
        self.undo.append(lambda: vars(module).update({key: old}))
        vars(module)[key] = new

    def vectors(self, block: Block, end: str) -> tuple[Tracer, Tracer, dict[str, Tracer]]:
        """Stand-ins for theta, for what of it an update moves, and for the state vectors beside that."""
        if self.trace.sharing is None:
            theta = self.array(block.theta, f"theta{end}", lambda b=block: b.theta)  # type: ignore[misc]
            return theta, theta, {name: self.array(v, f"{name}{end}", lambda b=block, n=name: b.state[n])  # type: ignore[misc]
                                  for name, v in block.state.items()}
        shares = self.trace.sharing.shares
        whole = self.array(shares.padded[id(block)]["theta"], f"theta{end}")
        own = {name: self.array(v, f"own_{name}{end}") for name, v in shares.own[id(block)].items()}
        SHARED[id(block)] = self.trace.sharing
        self.trace.sharing.blocks.append(block)
        self.swap(block, "__class__", SharedBlock)
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
                self.swap(p, "data", view)
                view.current().name = names.get(id(p), "")
                if not isinstance(p, Tensor):
                    self.swap(p, "grad", p.grad)
            self.swap(block, "state", vectors)
            slot = Slot(f"t{end}", lambda b=block: b.t, lambda v, b=block: setattr(b, "t", v))  # type: ignore[misc]
            self.swap(block, "t", self.number(slot))
        for i, group in enumerate(opt.param_groups):
            end = str(i) if len(opt.param_groups) > 1 else ""
            slot = Slot(f"lr{end}", lambda g=group: g["lr"], lambda v, g=group: g.update(lr=v))  # type: ignore[misc]
            number, old = self.number(slot), group["lr"]
            self.undo.append(lambda g=group, old=old: g.update(lr=old))  # type: ignore[misc]
            group["lr"] = number
        self.swap(opt, "blocks", list(opt.blocks))

    def generator(self, rng: Generator, name: str) -> None:
        """A generator whose draws are noted: for a while it is of a class that does so."""
        kept = rng.get_state()
        self.saved.append(lambda: rng.set_state(kept) and None)
        value = self.trace.source(rng, "stream", name)
        self.streams.append(value)
        self.swap(rng, "__class__", NotedGenerator)
        NOTED[id(rng)] = (self.trace, value)
        self.undo.append(lambda: NOTED.pop(id(rng), None) and None)

    def stream(self, rng: np.random.Generator) -> NotedStream:
        """What stands for one of NumPy's generators."""
        value = next((v for v in self.streams if v.array is rng), None)
        if value is None:
            kept = rng.bit_generator.state
            self.saved.append(lambda: setattr(rng.bit_generator, "state", kept))
            value = self.trace.source(rng, "stream", f"rng{len(self.streams) or ''}")
            self.streams.append(value)
        return NotedStream(self.trace, value)

    def finals(self) -> list[tuple[Value, Value]]:
        """Each declared array and number, and what it has become; read while the stand-ins stand."""
        found = []
        for source, now in self.arrays:
            x = now()
            found.append((source, x.current() if isinstance(x, Tracer) else self.trace.constant(x)))
        for source, now, _ in self.numbers:
            x = now()
            found.append((source, x.value if isinstance(x, Number) else self.plain(source, x)))
        for t in self.state.tensors.values():
            if isinstance(t.grad, Tracer):
                self.gradients.append((t, t.grad.current()))
        return found

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
        for t in self.state.tensors.values():
            if t.needs:
                t.grad = None

    def leave(self) -> None:
        for undo in reversed(self.undo):
            undo()

    def rewind(self) -> None:
        """Put the random streams back to where they were."""
        for restore in self.saved:
            restore()


class Stale:
    """Stands for a gradient of an earlier step: it may be set to None, and not be looked at."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def refuse(self, *_: Any, **__: Any) -> Any:
        raise self.trace.sites.refusal("a gradient of an earlier step is used or added to", "gradients of this step",
                                       "call opt.zero_grad() in the step, before backward()")

    __array_ufunc__ = __array_function__ = __array__ = __getattr__ = refuse


# --- random streams ---

NOTED: dict[int, tuple[Trace, Value]] = {}  # id(generator): the trace that notes its draws


class NotedGenerator(Generator):
    """A Generator whose draws are calls of the step."""


def noted_draw(name: str) -> Callable[..., Any]:
    plain = getattr(Generator, name)

    def draw(self: Any, *args: Any, **kwargs: Any) -> Any:
        if id(self) not in NOTED:
            return plain(self, *args, **kwargs)
        trace, value = NOTED[id(self)]

        def drawn(rng: Any, *args: Any, **kwargs: Any) -> Any:
            rng.__class__ = Generator
            try:
                return plain(rng, *args, **kwargs)
            finally:
                rng.__class__ = NotedGenerator

        return note(trace, value, drawn, name, args, kwargs)

    return draw


def note(trace: Trace, rng: Value, drawn: Callable[..., Any], name: str, args: Any, kwargs: Any) -> Any:
    """A draw, as a call of the step: in its place, and never left out."""
    if trace.sharing is not None and name in INTEGERS:
        return trace.sharing.dealt(rng, drawn, name, args, kwargs)
    result = trace.call(drawn, f".{name}", (rng, *args), kwargs, effect=True)
    return trace.lifted(result, ())


def refused_fill(name: str) -> Callable[..., Any]:
    def fill(self: Any, *args: Any, **kwargs: Any) -> Any:
        if id(self) not in NOTED:
            return getattr(Generator, name)(self, *args, **kwargs)
        raise NOTED[id(self)][0].sites.refusal(f"{name} fills an array", "draws that give a new one",
                                               "write rng.rand(shape), rng.randn(shape) or rng.bernoulli(p, shape)")

    return fill


for name in DRAWS:
    setattr(NotedGenerator, name, noted_draw(name))
for name in FILLS:
    setattr(NotedGenerator, name, refused_fill(name))


class NotedStream:
    """Stands for one of NumPy's generators; its draws are calls of the step."""

    def __init__(self, trace: Trace, value: Value) -> None:
        self._trace, self._value = trace, value

    @property
    def __class__(self) -> Any:
        return np.random.Generator

    def __getattr__(self, name: str) -> Any:
        if name not in NUMPY_DRAWS:
            raise self._trace.sites.refusal(f"rng.{name} of a random stream", "one of " + ", ".join(NUMPY_DRAWS),
                                            "draw with one of those")
        drawn = getattr(np.random.Generator, name)
        return lambda *args, **kwargs: note(self._trace, self._value, drawn, name, args, kwargs)
