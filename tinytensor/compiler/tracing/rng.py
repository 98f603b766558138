"""Random streams of a step: draws from those that were declared are calls of the step, all others are refused."""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import Any

import numpy as np

from ...random import Generator
from ..ir import CompileError, Value
from ..primitives import Primitive
from .source_info import LEGACY
from .trace import Trace

DRAWS = ("rand", "randn", "randint", "randperm", "bernoulli", "multinomial", "random63")
INTEGERS = ("randint", "randperm", "integers", "permutation", "choice")  # draws of a batch, which workers share
FILLS = ("uniform_", "normal_", "exponential_", "log_normal_", "cauchy_",
         "geometric_", "random_")
NUMPY_DRAWS = ("random", "standard_normal", "normal", "uniform", "integers", "permutation", "choice", "binomial",
               "standard_exponential", "exponential", "poisson", "gamma", "beta")
NOBODY: tuple[Any, Any] = (None, None)
TRACED: dict[int, tuple[Trace, Value | None]] = {}  # id(generator): the trace that notes its draws


class TracedGenerator(Generator):
    """A Generator whose draws are calls of the step."""


def noted_draw(name: str) -> Callable[..., Any]:
    plain = getattr(Generator, name)

    def draw(self: Any, *args: Any, **kwargs: Any) -> Any:
        trace, value = TRACED.get(id(self), NOBODY)
        if trace is None or trace.thread != get_ident():
            return plain(self, *args, **kwargs)
        if value is None:
            raise undeclared(trace)

        def drawn(rng: Any, *args: Any, **kwargs: Any) -> Any:
            rng.__class__ = Generator
            try:
                return plain(rng, *args, **kwargs)
            finally:
                rng.__class__ = TracedGenerator

        return note(trace, value, drawn, name, args, kwargs)

    return draw


def note(trace: Trace, rng: Value, drawn: Callable[..., Any], name: str, args: Any, kwargs: Any) -> Any:
    """Record a draw as a call of the step, in its order and never left out."""
    trace.drawn.add(rng.number)
    if trace.collectives is not None and name in INTEGERS:
        return trace.collectives.scatter(rng, drawn, name, args, kwargs)
    result = trace.call(Primitive(drawn, f".{name}", kind="draw"), (rng, *args), kwargs, effect=True)
    return trace.lifted(result, ())


def undeclared(trace: Trace, *_: Any) -> CompileError:
    """The refusal of a draw."""
    return trace.refusal("a draw from a Generator that was not declared would repeat at every call", "draws from "
                               "declared Generators", "pass the Generator to tt.compile")


def refused_seed(name: str) -> Callable[..., Any]:
    def seed(self: Any, *args: Any, **kwargs: Any) -> Any:
        trace, _ = TRACED.get(id(self), NOBODY)
        if trace is None or trace.thread != get_ident():
            return getattr(Generator, name)(self, *args, **kwargs)
        raise trace.refusal(f"{name} moves a Generator to another position", "draws only",
                                               "seed the Generator outside of the step")

    return seed


def refused_fill(name: str) -> Callable[..., Any]:
    def fill(self: Any, *args: Any, **kwargs: Any) -> Any:
        trace, _ = TRACED.get(id(self), NOBODY)
        if trace is None or trace.thread != get_ident():
            return getattr(Generator, name)(self, *args, **kwargs)
        raise trace.refusal(f"{name} fills an array", "draws that return a new array",
                                               "write rng.rand(shape), rng.randn(shape) or rng.bernoulli(p, shape)")

    return fill


for name in DRAWS:
    setattr(TracedGenerator, name, noted_draw(name))
for name in FILLS:
    setattr(TracedGenerator, name, refused_fill(name))
for name in ("manual_seed", "set_state"):
    setattr(TracedGenerator, name, refused_seed(name))


class TracedStream:
    """Stands for one of NumPy's generators; its draws are calls of the step."""

    def __init__(self, trace: Trace, value: Value) -> None:
        self._trace, self._value = trace, value

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return np.random.Generator

    def __getattr__(self, name: str) -> Any:
        if self._trace.thread != get_ident():
            return getattr(self._value.array, name)
        if not hasattr(np.random.Generator, name):  # as of a Generator: hasattr may ask
            raise AttributeError(f"'numpy.random._generator.Generator' object has no attribute {name!r}")
        if name not in NUMPY_DRAWS:
            raise self._trace.refusal(f"rng.{name} of a Generator", "one of " + ", ".join(NUMPY_DRAWS),
                                      "draw with one of those")
        drawn = getattr(np.random.Generator, name)
        return lambda *args, **kwargs: note(self._trace, self._value, drawn, name, args, kwargs)


def draws_of_numpy() -> list[tuple[str, Any]]:
    """The functions of np.random that move its own stream: methods of it, and a few besides."""
    return [(name, f) for name, f in vars(np.random).items() if name in ("seed", "sample", "ranf") or (
        getattr(f, "__self__", None) is LEGACY and name != "get_state")]


def noted_draw_of_numpy(trace: Trace, f: Callable[..., Any]) -> Callable[..., Any]:
    """One of these, which notes if the thread that traces draws."""
    def draw(*args: Any, **kwargs: Any) -> Any:
        if trace.thread == get_ident():
            trace.source_info.drew.add("np.random")
        return f(*args, **kwargs)

    return draw


def position() -> Any:
    """The position of NumPy's own stream."""
    _, key, *rest = np.random.get_state()
    return np.asarray(key).tobytes(), *rest
