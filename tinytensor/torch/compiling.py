"""`torch.compile`: tinytensor's compiler for a function or module in PyTorch's spelling.

What the function changes is found, not declared: parameters, buffers, optimisers and generators that it can reach.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numpy as np

from .. import compiler
from ..compiler import CompileError
from ..compiler.ir import mapped
from ..compiler.tracing.closure import ClosureScan
from ..core import Tensor as Node
from ..optim.flat import Optimizer
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
        raise TypeError(f"compile: got a {type(model).__name__}; expected a function or a module; pass the function")
    if hasattr(model, "named_parameters"):
        return compiled_module(model, fullgraph)
    return update_wrapper(Compiled(model, fullgraph), model)


def compiled_module(module: Any, fullgraph: bool) -> Any:
    """The module itself, whose `forward` is compiled from now on."""
    object.__setattr__(module, "forward", Compiled(module.forward, fullgraph))
    return module


class Compiled:
    """A function that was compiled; what it can reach is looked at when it is first called."""

    def __init__(self, function: Callable[..., Any], fullgraph: bool) -> None:
        self.function, self.fullgraph = function, fullgraph
        self.step: Any = None
        self.given_up = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.given_up:
            return self.function(*args, **kwargs)
        if self.step is None:
            self.step = self.prepared()
        try:
            if kwargs:
                y = self.step(*mapped(given, args), **mapped(given, kwargs))
            else:
                y = self.step(*[x.node.data if type(x) is Tensor and not x.node.needs else mapped(given, x)
                                for x in args])
        except CompileError as error:
            if self.fullgraph:
                raise
            warnings.warn(f"torch.compile: {error}; it runs as it is, uncompiled, from now on", stacklevel=2)
            self.given_up = True
            return self.function(*args, **kwargs)
        return wrap(y) if type(y) is Node else mapped(face, y)

    def prepared(self) -> Any:
        """The engine's compiled step of a function on nodes and arrays."""
        function = self.function

        def step(*args: Any, **kwargs: Any) -> Any:
            return mapped(bare, function(*mapped(face, args), **mapped(face, kwargs)))

        step.__name__ = step.__qualname__ = getattr(function, "__name__", type(function).__name__)
        setattr(step, "__signature__", inspect.signature(function))
        return compiler.compile(step, *changing(function))

    @property
    def source(self) -> str:
        """The NumPy code that was made."""
        return str(self.step.source) if self.step is not None else ""


def given(x: Any) -> Any:
    """An argument as the engine's step takes it."""
    if isinstance(x, Tensor):
        return x.node if x.node.needs else x.node.data
    return x


def face(x: Any) -> Any:
    """PyTorch's face of what the engine computes with."""
    if isinstance(x, Node):
        return wrap(x)
    return of_array(x) if isinstance(x, np.ndarray) else x


def bare(x: Any) -> Any:
    """A result as the engine knows it."""
    return x.node if isinstance(x, Tensor) else x


def changing(function: Callable[..., Any]) -> list[Any]:
    """What a function can reach and may change: leaves that require grad, buffers, optimisers, generators."""
    found: dict[int, Any] = {}
    for x in list(ClosureScan([function]).seen.values()):
        if isinstance(x, KINDS) or (isinstance(x, Node) and x.needs and x.op is None):
            found[id(x)] = x
        elif hasattr(type(x), "named_buffers"):
            for b in x.buffers():
                found[id(b.node)] = b.node
    return list(found.values())
