"""`torch.compile`: tinytensor's compiler for a function or module in PyTorch's spelling.

What the function changes is found, not declared: parameters, buffers, optimisers and generators that it can reach.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import update_wrapper
from threading import get_ident
from types import MethodType
from typing import Any

import numpy as np

from .. import compiler
from ..advice import a_type
from ..compiler import CompileError
from ..compiler.ir import mapped
from ..compiler.tracing.closure import ClosureScan
from ..compiler.tracing.containers import Mapping
from ..core import RELEASED, tracing
from ..core import Tensor as Node
from ..optim import Optimizer
from ..random import Generator
from .offer import offer
from .tensor import Tensor, of_array, wrap

KINDS = (Optimizer, Generator, np.random.Generator)


@offer("compile")
def compile_(model: Any = None, *, fullgraph: bool = False, dynamic: bool | None = None, backend: Any = "inductor",
             mode: str | None = None, options: Any = None, disable: bool = False) -> Any:
    """A function, or module, that does the same as flat NumPy code; see `tinytensor.compile`.

    The first two calls run the function itself and write it down. What can't be compiled, as a choice by values, runs
    as it is, with a warning; with `fullgraph` it is an error. Modes and backends make no difference here, but for
    "eager", which compiles nothing.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> @torch.compile
    ... def f(x):
    ...     return (x * x).sum()
    >>> [f(torch.tensor([1.0, 2.0])) for _ in range(3)]
    [tensor(5.), tensor(5.), tensor(5.)]
    """
    if model is None:
        return lambda f: compile_(f, fullgraph=fullgraph, backend=backend, disable=disable)
    if disable or backend == "eager":
        return model
    if not callable(model):
        raise TypeError(f"compile: got {a_type(model)}; expected a function or a module; pass the function")
    if hasattr(model, "named_parameters"):
        return compiled_module(model, fullgraph)
    return recompiled(model, fullgraph)


def compiled_module(module: Any, fullgraph: bool) -> Any:
    """The module itself, whose `forward` is compiled from now on."""
    object.__setattr__(module, "forward", recompiled(module.forward, fullgraph))
    return module


def recompiled(function: Any, fullgraph: bool) -> Any:
    return update_wrapper(Compiled(function, fullgraph), function)


Place = tuple[int, Any]  # of an attribute: which owner, and the name


class Travels(CompileError):
    """The function sets other attributes to tensors than was known: it is written down again."""

    def __init__(self, read: list[Place], set: list[Place]) -> None:
        super().__init__("compile: attributes travel")
        self.read, self.set = read, set


class Travelling(Tensor):
    """What an attribute is before the function sets it; it knows whether it was read."""

    __slots__ = ("array", "made", "touched")

    array: Any
    made: Node
    touched: bool

    def __new__(cls, array: Any) -> Travelling:
        t: Travelling = object.__new__(cls)
        t.array, t.touched = array, False
        return t

    @property
    def node(self) -> Node:  # type: ignore[override]
        if self.array is None:
            raise CompileError("compile: an attribute is read that was only set before; expected the same at each "
                               "call; set it to a tensor before the first call")
        if not self.touched:
            self.touched = True
            self.made = self.array if isinstance(self.array, Node) else Node(self.array)
        return self.made


class Compiled:
    """A function that was compiled; its modules and tensors are found when it is first called.

    Attributes that it sets to tensors, as `self.out` and `self.running_mean`, travel through the program: what they
    become are results, and those that it reads are arguments. A call that finds one of them to be no tensor, as a cache
    that is None at first, runs the function itself.
    """

    _compiled = True  # of what it holds, a compiled program depends on the function alone

    def __init__(self, function: Callable[..., Any], fullgraph: bool) -> None:
        self.function, self.fullgraph = function, fullgraph
        self.step: Any = None
        self.owners: list[dict[Any, Any]] = []  # of attributes: those of all objects that the function can reach
        self.read: list[Place] = []  # attributes that travel in and out
        self.places: list[Place] = []  # these, and those that only travel out
        self.left: list[tuple[int, Any, Tensor]] = []  # where an error came after it: what was set until then
        self.given_up = False
        self.waited = False  # for an optimiser to move its parameters into its own memory
        self.name = ""  # in the class in whose body it is defined

    def __set_name__(self, cls: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, cls: type | None = None) -> Any:
        """The method of an instance, compiled for it alone; it stays among what the instance holds."""
        if instance is None:
            return self
        method = MethodType(self.function, instance)
        held = getattr(instance, "__dict__", None)
        if self.traced() or held is None or not self.name:
            return method
        return held.setdefault(self.name, recompiled(method, self.fullgraph))

    @staticmethod
    def traced() -> bool:
        """Whether it belongs to the trace that is being recorded."""
        return any(trace.thread == get_ident() for trace in tracing)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.given_up or (tracing and self.traced()):
            return self.function(*args, **kwargs)
        if self.step is None:
            self.step = self.prepared()
        if self.step is None:
            return self.function(*args, **kwargs)
        places = self.places
        if places and not all(type(self.owners[i].get(key)) is Tensor for i, key in places):
            return self.function(*args, **kwargs)
        kept, self.left = [self.owners[i].pop(key) for i, key in places], []
        try:
            given = [argument(x) for x in kept[:len(self.read)]]
            given += [x.node.data if type(x) is Tensor and not x.node.requires_grad else mapped(argument, x)
                      for x in args]
            y = self.step(*given, **mapped(argument, kwargs)) if kwargs else self.step(*given)
        except BaseException as error:
            for (i, key), x in zip(places, kept, strict=True):
                self.owners[i][key] = x
            if isinstance(error, Travels):
                self.read, self.places, self.step = error.read, [*error.read, *error.set], None
                return self(*args, **kwargs)
            if not isinstance(error, CompileError):
                for i, key, x in self.left:
                    self.owners[i][key] = x
            if not isinstance(error, CompileError) or self.fullgraph:
                raise
            text = str(error).replace("np.where(", "torch.where(")
            warnings.warn(f"torch.compile: {text}; it runs as it is, uncompiled, from now on", stacklevel=2)
            self.given_up = True
            return self.function(*args, **kwargs)
        if places:
            y, values = y
            for (i, key), value in zip(places, values, strict=True):
                self.owners[i][key] = face(value)
        return wrap(y) if type(y) is Node else mapped(face, y)

    def prepared(self) -> Any:
        """The engine's compiled step: a function on nodes and arrays, those of attributes first; None: not yet."""
        function, read, places = self.function, self.read, self.places
        scan = ClosureScan([function])
        if not places:
            self.owners = [scope.owner for scope in scan.scopes if isinstance(scope, Mapping)]
        owners, n = self.owners, len(read)

        def step(*given: Any, **kwargs: Any) -> Any:
            for (i, key), x in zip(read, given[:n], strict=True):
                owners[i][key] = Travelling(x)
            for i, key in places[n:]:
                owners[i][key] = Travelling(None)
            before = [dict(owner) for owner in owners]
            try:
                y = function(*mapped(face, given[n:]), **mapped(face, kwargs))
                values = [bare_attribute(owners[i][key]) for i, key in places]
                fresh = [*set_places(owners, before, places)]
                if fresh or any(not before[i][key].touched for i, key in read):
                    touched = [(i, key) for i, key in read if before[i][key].touched]
                    existing = [(i, key) for i, key in fresh if type(before[i].get(key)) is Tensor]
                    raise Travels([*touched, *existing], [p for p in (*places, *fresh) if p not in touched + existing])
            except CompileError:
                raise
            except Exception:
                self.left = [(i, key, owners[i][key]) for i, key in set_places(owners, before, ())
                             if type(owners[i][key].node.data) is np.ndarray]
                raise
            finally:
                for i, key in places:
                    before[i].pop(key, None)
                for owner, old in zip(owners, before, strict=True):
                    restore(owner, old)
            return (mapped(bare, y), values) if places else mapped(bare, y)

        step.__name__ = step.__qualname__ = getattr(function, "__name__", type(function).__name__)
        setattr(step, "__signature__", with_places(inspect.signature(function), n))
        things = changing(scan)
        if not all(block.is_bound() for x in things if isinstance(x, Optimizer) for block in x.blocks):
            if self.waited:
                warnings.warn("torch.compile: somebody else holds the memory of a parameter that an optimiser updates, "
                              "as `p.data` does; expected nobody; it runs as it is, uncompiled", stacklevel=3)
                self.given_up = True
            self.waited = True
            return None
        return compiler.compile(step, *things)

    def __reduce__(self) -> Any:  # a copy looks anew at what it can reach
        return recompiled, (self.function, self.fullgraph)

    @property
    def source(self) -> str:
        """The NumPy code that was made."""
        return str(self.step.source) if self.step is not None else ""


def with_places(signature: inspect.Signature, n: int) -> inspect.Signature:
    """The signature with n arguments more in front."""
    front = [inspect.Parameter(f"attribute_{i}", inspect.Parameter.POSITIONAL_ONLY) for i in range(n)]
    return signature.replace(parameters=[*front, *signature.parameters.values()])


def set_places(owners: Sequence[dict[Any, Any]], before: Sequence[dict[Any, Any]],
               known: Sequence[Place]) -> Iterator[Place]:
    """Where the function has set an attribute to another tensor."""
    for i, (owner, old) in enumerate(zip(owners, before, strict=True)):
        for key, x in owner.items():
            if type(x) is Tensor and x is not old.get(key) and (i, key) not in known:
                yield i, key


def restore(owner: dict[Any, Any], old: dict[Any, Any]) -> None:
    """Let tensors among the attributes be as they were; the rest is the engine's to judge."""
    for key in [k for k, x in owner.items() if type(x) in (Tensor, Travelling) and x is not old.get(k)]:
        if key in old:
            owner[key] = old[key]
        else:
            del owner[key]


def bare_attribute(x: Tensor) -> Any:
    """An attribute as the engine's step gives it; of what keeps its gradient too, that would not be all."""
    if isinstance(x, Travelling):  # it was set at other calls, but not at this one
        return bare_value(x)
    if x.node.hooks:
        raise CompileError("compile: an attribute that the function sets retains its gradient, or has a hook; expected "
                           "values alone; leave retain_grad() out of what is compiled")
    return bare_value(x)


def bare_value(x: Tensor) -> Any:
    """A node where gradients may still flow to a tensor, else its values."""
    return x.node if x.node._requires_grad and x.node.op is not RELEASED else x.node.data


def argument(x: Any) -> Any:
    """An argument as the engine's step takes it."""
    if isinstance(x, Tensor):
        return x.node if x.node._requires_grad else x.node.data
    return x


def face(x: Any) -> Any:
    """Wrap the engine's tensors in PyTorch's class."""
    if isinstance(x, Node):
        return wrap(x)
    return of_array(x) if isinstance(x, np.ndarray) else x


def bare(x: Any) -> Any:
    """A result as the engine knows it."""
    return x.node if isinstance(x, Tensor) else x


def changing(scan: ClosureScan) -> list[Any]:
    """What a function can reach and may change: leaves that require grad, buffers, optimisers, generators."""
    found: dict[int, Any] = {}
    for x in list(scan.seen.values()):
        if hasattr(type(x), "_opt_called"):
            x._opt_called = True  # subtle: else its first step would set it, inside of the program
        if isinstance(x, KINDS) or (isinstance(x, Node) and x._requires_grad and x.op is None):
            found[id(x)] = x
        elif hasattr(type(x), "named_buffers"):
            for _, b in x.named_buffers():
                found[id(bare(b))] = bare(b)
    return list(found.values())
