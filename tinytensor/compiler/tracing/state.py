"""What a step may change: the arrays, numbers and random streams of what was declared.

Their stand-ins while a step is traced are made by `patched.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from ...core import Tensor
from ...modes import state as recording
from ...nn.module import Module
from ...optim import EMA, Optimizer
from ...random import Generator, default_generator
from .aliasing import coalesce_buffers
from .closure import ClosureScan, Roots
from .containers import Mapping
from .guards import Guards, Place
from .scopes import Members, Scope, Settings, Term


class Cell:
    """A declared number: its name, and how it is read and written."""

    def __init__(self, name: str, get: Callable[[], Any], put: Callable[[Any], None],
                 where: Place | None = None) -> None:
        self.name, self.get, self.put, self.place = name, get, put, where


def layer_name(model: Module, path: str) -> str:
    """A path that starts with a name: a layer that has only a number gets its class in front, as in linear0."""
    first, dot, rest = path.partition(".")
    return f"{type(getattr(model, first)).__name__.lower()}{first}{dot}{rest}" if first.isdigit() else path


class DeclaredState:
    """Everything that was declared: Modules, Optimizers, Generators, Tensors and arrays.

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
                self.paths.setdefault(id(module), f"{lead}{layer_name(model, path)}")
                for rng in vars(module).values():
                    if isinstance(rng, Generator) and not any(rng is g for g in self.generators):
                        self.generators.append(rng)
                    if isinstance(rng, np.random.Generator) and not any(rng is g for g in self.streams):
                        self.streams.append(rng)
            parts: list[tuple[str, Tensor]] = [*model.named_parameters(), *model.named_buffers()]
            self.tensors.update((f"{lead}{layer_name(model, name)}", t) for name, t in parts)
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
        """Declare the averages of an EMA: their arrays, and the number of steps."""
        if not any(ema is x for x in self.averages):
            self.averages.append(ema)
            self.arrays += ema.average
            self.declared |= {id(a) for a in ema.average}

    def scan(self, objects: Iterable[Any] = (), more: Roots | None = None, ran: set[CodeType] | None = None
             ) -> ClosureScan:
        """What the step, and arguments that are objects, can reach; declared Tensors are handled here."""
        params = [p for opt in self.optimizers for block in opt.blocks for p in block.params]
        hooks = [hook for t in self.tensors.values() for hook in t.hooks or ()]
        known = [*self.optimizers, *self.tensors.values(), *params]
        scan = ClosureScan([self.step, *objects, *self.modules, *self.averages, *hooks], known, more, ran)
        for opt in self.optimizers:
            scan.declared_optimizer(opt)
        for name, t in self.tensors.items():
            scan.add(Members(t, name, ("_requires_grad", "hooks")))
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
        """Guards that check at each call that a program's arrays are still in use, and that what is baked into it is
        unchanged: modes, settings of optimisers, and all else that the step can reach."""
        fixed: list[Scope] = [Members(t, name, ("data",)) for name, t in self.tensors.items()]
        for opt in self.optimizers:
            fixed.append(Blocks(opt, "blocks"))
            for block in opt.blocks:
                fixed += [Members(block, "block", ("theta",)), Mapping(block.state, "block.state")]
        for scope in fixed:
            scope.declared = True
        return Guards([*fixed, Members(recording, "tt", ("recording",)), *scan.scopes], varying)

    def prepare_optimizers(self) -> None:
        """Let optimisers allocate their state and bind parameters whose data was replaced; move small buffers next to
        each other."""
        for opt in self.optimizers:
            opt.rebind_and_allocate()
            needs = [[getattr(p, "requires_grad", True) for p in block.params] for block in opt.blocks]
            if any(len(set(keys)) > 1 for keys in needs):  # frozen parameters have a separate block, as after a step
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
