"""Break-it labs: classic mistakes of an autograd engine, to put in by one flag and see which check catches them.

    python -m tinytensor.testing.breaks                  all of them, one after another
    python -m tinytensor.testing.breaks "= for +="       this one
    pytest -p tinytensor.testing.plugin --break "= for +="    your own tests, with the mistake in the engine
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from threading import get_ident
from typing import Any, NamedTuple

import numpy as np

from ..core import REGISTRY
from ..define import rule_source
from ..nn.norm import BatchNorm1d
from .gradcheck import gradcheck
from .invariants import assert_float32_kept, assert_no_leak
from .oracles import against, named

__all__ = ["BREAKS", "Break", "Line", "Rule", "breaking", "installed"]

Function = Callable[..., Any]
Undo = list[tuple[Any, str, Any]]  # what was patched, under which name, and what was there
X = np.random.default_rng(3).uniform(0.2, 1.5, (3, 3))
BATCH = np.random.default_rng(4).normal(size=(4, 3))


# --- how a mistake is put in ---


class Line(NamedTuple):
    """A change of one line in a function of the package."""

    place: str
    before: str
    after: str

    def install(self) -> Undo:
        """Put the change in, wherever the package refers to the function."""
        module, _, path = self.place.partition(":")
        owner: Any = import_module(f"tinytensor.{module}")
        for name in path.split(".")[:-1]:
            owner = getattr(owner, name)
        original = getattr(owner, path.split(".")[-1])
        broken = here(mutated(original, self.before, self.after), original)
        places = [owner] if inspect.isclass(owner) else [
            m for name, m in list(sys.modules.items()) if name.partition(".")[0] == "tinytensor"]
        undo = [(place, key, original) for place in places for key, value in list(vars(place).items())
                if value is original]
        for place, key, _ in undo:
            setattr(place, key, broken)
        return undo

    def shown(self) -> str:
        return f"{self.place.replace(':', '.')}: `{self.before}` becomes `{self.after}`"


class Rule(NamedTuple):
    """A change of one rule of an op."""

    op: str
    input: int
    after: Function

    def install(self) -> Undo:
        """Put the rule into the op's record."""
        op = REGISTRY[self.op]
        rules = list(op.rules)
        rules[self.input] = here(self.after, rules[self.input])
        undo = [(op, "rules", op.rules)]
        op.rules = tuple(rules)
        return undo

    def shown(self) -> str:
        return (f"the rule of {self.op}: `{rule_source(REGISTRY[self.op].rules[self.input])}` becomes "
                f"`{rule_source(self.after)}`")


def mutated(function: Function, before: str, after: str) -> Function:
    """The function, compiled from its source with one piece replaced; the piece must occur once."""
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(before) != 1:
        raise ValueError(f"mutated: {before!r} occurs {source.count(before)} times in {function.__qualname__}; "
                         "expected it once; update the mistake to the engine")
    space: dict[str, Any] = {}
    exec(compile(source.replace(before, after), f"<{function.__qualname__}, broken>", "exec"), function.__globals__,
         space)
    return space[function.__name__]  # type: ignore[no-any-return]


def here(broken: Function, original: Function) -> Function:
    """The broken function in this thread, the original in all others."""
    thread = get_ident()

    @wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        return (broken if get_ident() == thread else original)(*args, **kwargs)

    return call


@contextmanager
def installed(change: Line | Rule) -> Iterator[None]:
    """Put a change in, for this block."""
    undo = change.install()
    try:
        yield
    finally:
        for owner, key, original in undo:
            setattr(owner, key, original)


# --- the mistakes ---


def batch_norm(x: Any) -> Any:
    """Evaluate x with the running statistics of one batch."""
    layer = BatchNorm1d(3, momentum=1.0).astype(np.float32 if x.dtype == np.float32 else np.float64)
    layer(BATCH.astype(x.dtype))
    return layer.eval()(x)


def batch_norm_by_numpy(x: Any) -> Any:
    return (x - BATCH.mean(0)) / np.sqrt(BATCH.var(0, ddof=1) + 1e-5)


class Break(NamedTuple):
    """A mistake: what it is, how it is put in, a function that shows it, and the checks that catch it."""

    what: str
    change: Line | Rule
    f: Function | tuple[Function, Function]  # f(np, x); or ours and NumPy's, of x alone
    caught_by: frozenset[str]


def caught(*names: str) -> frozenset[str]:
    return frozenset(names)


BREAKS = {
    "no topological order": Break(
        "A node passes its gradient on before all of its consumers have added theirs: the rest is lost.",
        Line("autograd:count_consumers", "times[x] += 1", "pass"),
        lambda np, x: (lambda y: np.exp(y) * y)(np.sin(x)),
        caught("gradcheck", "against")),
    "= for +=": Break(
        "A tensor that is used twice keeps the gradient of one use only.",
        Line("autograd:backward_pass", "coming[x] + gx", "gx"),
        lambda np, x: x * np.exp(x),
        caught("gradcheck", "against")),
    "no un-broadcasting": Break(
        "The gradient of a broadcast input is not summed back to its shape. The engine's own check sees it.",
        Line("autograd:unbroadcast_and_cast", "g = unbroadcast(g, shape)", "pass"),
        lambda np, x: np.ones((5, 3, 3), np.float32) * x,
        caught("gradcheck", "against", "assert_float32_kept")),
    "a wrong factor": Break(
        "The factor 2 of x squared is missing: the direction is right, and training works, only slower.",
        Rule("square", 0, lambda g, y, x: g * x),
        lambda np, x: np.square(x),
        caught("gradcheck", "against")),
    "a wrong axis": Break(
        "The gradient of a sum is spread along the first axis, whatever the axis was. Square matrices hide it.",
        Line("ops.reduce:restore_axes", "index[i] = None", "index[0] = None"),
        lambda np, x: np.square(np.sum(np.exp(x), axis=1)),
        caught("gradcheck", "against")),
    "a biased variance": Break(
        "BatchNorm keeps the variance divided by n, where it should be n - 1. The gradient is right, of the wrong "
        "function: only another implementation can tell.",
        Line("nn.norm:BatchNorm1d._observe", "new * (n / (n - 1))", "new"),
        (batch_norm, batch_norm_by_numpy),
        caught("against")),
    "a leaked cycle": Break(
        "Each node keeps a closure that names the node itself, as micrograd's do: memory waits for the collector.",
        Line("core:record", "return t", "t.hooks = [lambda g: (t, None)[1]]; return t"),
        lambda np, x: np.sum(np.exp(x)),
        caught("assert_no_leak")),
    "float64 creeping in": Break(
        "A constant of a rule is an array, not a Python number: the gradient of float32 becomes float64.",
        Rule("tanh", 0, lambda g, y, x: g * (np.asarray(1.0) - y * y)),
        lambda np, x: np.tanh(x),
        caught("assert_float32_kept")),
}


@contextmanager
def breaking(name: str) -> Iterator[Break]:
    """Put one of the `BREAKS` into the engine, for this thread and block.

    Examples
    --------
    >>> from tinytensor.testing import gradcheck
    >>> from tinytensor.testing.breaks import breaking
    >>> with breaking("= for +="):
    ...     gradcheck(lambda x: x * x, np.array(3.0))
    Traceback (most recent call last):
    AssertionError: gradcheck: the gradient of input 0 is 3 at element (), where the value is 3; expected 6, ...
    >>> gradcheck(lambda x: x * x, np.array(3.0))
    True
    """
    if name not in BREAKS:
        raise ValueError(f"breaking: got {name!r}; expected one of {', '.join(map(repr, BREAKS))}")
    with installed(BREAKS[name].change):
        yield BREAKS[name]


# --- which check catches it ---


def examined(f: Function | tuple[Function, Function]) -> dict[str, str]:
    """The error of each check of a function of the labs; empty where it passes."""
    ours = f[0] if isinstance(f, tuple) else named(f, np)
    checks: dict[str, Callable[[], Any]] = {
        "gradcheck": lambda: gradcheck(ours, X),
        "against": lambda: against(f, "numpy", X),
        "assert_float32_kept": lambda: assert_float32_kept(ours, X),
        "assert_no_leak": lambda: assert_no_leak(ours, X),
    }
    found = {}
    for name, check in checks.items():
        try:
            check()
            found[name] = ""
        except (AssertionError, RuntimeError) as error:
            found[name] = str(error)
    return found


def main(names: list[str]) -> int:
    """Put in each mistake, and print which checks catch it and their errors."""
    for name in names:
        if name not in BREAKS:
            print(f"breaks: got {name!r}; expected any of {', '.join(map(repr, BREAKS))}", file=sys.stderr)
            return 2
    for name in names or BREAKS:
        with breaking(name) as mistake:
            found = examined(mistake.f)
        print(f"{name}\n  {mistake.what}\n  {mistake.change.shown()}")
        for check, text in found.items():
            print(f"  {check:<20} {'catches it: ' + text if text else 'passes'}")
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
