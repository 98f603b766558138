"""Invariants of any function of Tensors: float32 stays float32, and no graph outlives its use.

Values and gradients are checked by `gradcheck` and `oracles`.
"""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CellType, FrameType, FunctionType
from typing import Any

import numpy as np

from ..advice import a_type
from ..autograd import grad
from ..core import RELEASED, Tensor
from .gradcheck import from_outside, in_order, leaf_of
from .lines import Line, Watch, lines_of

FLOAT32 = np.dtype(np.float32)
NAMED = ("the global", "the variable", "the attribute", "the class")


# --- float32 ---


@from_outside
def assert_float32_kept(f: Callable[..., Any], *inputs: Any) -> bool:
    """Raise unless every value and gradient of `f` is float32 when its inputs are, at first and second order.

    Parameters
    ----------
    f : callable
        Takes the inputs as Tensors and returns one, or several. Of a module a float32 copy is checked, with its
        parameters.
    *inputs : array or Tensor
        Floating ones are cast to float32 leaves; everything else is passed on as it is.

    Raises
    ------
    AssertionError
        An op, or the rule of one, returned another floating dtype. It is named, with its inputs and line.

    Examples
    --------
    >>> from tinytensor.testing import assert_float32_kept
    >>> assert_float32_kept(lambda x: np.tanh(0.5 * x).mean(), np.ones(3))
    True
    >>> assert_float32_kept(lambda x: x * np.array([0.5]), np.ones(3))
    Traceback (most recent call last):
    AssertionError: assert_float32_kept: multiply returned float64 of shape (3,), from float32 (3,) and float64 ...
    """
    if hasattr(f, "named_parameters"):
        f = copy.deepcopy(f).astype(np.float32)  # type: ignore[attr-defined]
    args = [leaf_of(x, np.float32) for x in inputs]
    given, lines = lines_of(lambda: f(*args))
    outputs = given if isinstance(given, tuple | list) else [given]
    for y in outputs:
        if not isinstance(y, Tensor):
            raise TypeError(f"assert_float32_kept: f returned {type(y).__name__}; expected a Tensor, or several; "
                            f"compute with ops on its arguments")
        check_node_dtypes(y, lines, "")
    leaves = [x for x in args if isinstance(x, Tensor) and x.requires_grad]
    if hasattr(f, "parameters"):
        leaves += list(f.parameters())
    for y in outputs:
        if not y.requires_grad:
            continue
        g = np.ones(y.shape, y.dtype)
        try:
            grad(y, leaves, g, retain_graph=True, allow_unused=True)
            found, lines = lines_of(lambda y=y, g=g: grad(  # type: ignore[misc]
                y, leaves, g, create_graph=True, allow_unused=True))
        except RuntimeError as error:  # the engine's own check
            raise AssertionError(f"assert_float32_kept: {error}") from None
        for slope in found:
            check_node_dtypes(slope, lines, " in a rule")
    return True


def check_node_dtypes(y: Tensor, lines: dict[Tensor, Line | None], where: str) -> None:
    """Raise at the first node behind y, or at y, that has another floating dtype."""
    for node in [*in_order(y), y]:
        if node.dtype.kind == "f" and node.dtype != FLOAT32:
            made = node.op.name if node.op else "a constant"
            given = " and ".join(f"{a.dtype} {a.shape}" if hasattr(a, "dtype") else repr(a) for a in node.saved)
            raise AssertionError(
                f"assert_float32_kept: {made} returned {node.dtype} of shape "
                f"{node.shape}{where}{', from ' + given if given else ''}{at(lines.get(node))}; expected float32; make "
                "constant arrays float32 (np.float32(...), .astype), or plain Python numbers")


def at(line: Line | None) -> str:
    return f", at {line}" if line else ""


# --- leaks ---


@from_outside
def assert_no_leak(f: Callable[..., Any], *inputs: Any, steps: int = 3) -> bool:
    """Raise if a graph that `f` builds outlives the call, with the garbage collector off.

    Parameters
    ----------
    f : callable
        One step of a training loop, a model, or any function of the inputs; what it returns is dropped.
    *inputs : array or Tensor
        Floating arrays become leaves that require grad; everything else is passed on as it is.
    steps : int
        The number of calls.

    Raises
    ------
    AssertionError
        Nodes are alive. It names the newest, the line that made it, and what holds it: a container, a variable, or a
        reference cycle. A released graph holds nothing, so a list of losses leaks only if `backward()` is not called.

    Examples
    --------
    >>> from tinytensor.testing import assert_no_leak
    >>> assert_no_leak(lambda x: np.tanh(x).sum().backward(), np.ones(3))
    True
    >>> losses = []
    >>> assert_no_leak(lambda x: losses.append(np.square(x).mean()), np.ones(3))
    Traceback (most recent call last):
    AssertionError: assert_no_leak: after 3 steps 6 nodes are alive; the newest was made by mean, ...
    """
    args = [Tensor(x, requires_grad=True) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in inputs]
    born: list[tuple[weakref.ref[Tensor], Line | None]] = []
    was_on = gc.isenabled()
    gc.disable()
    try:
        for _ in range(steps):
            with Watch(lambda node, line: born.append((weakref.ref(node), line))):
                f(*args)
        if not (living := alive(born)):
            return True
        count, (newest, line) = len(living), living[-1]
        made, held = newest.op.name if newest.op else "", holder(newest, {id(living), *map(id, living)})
        del living, newest
        gc.collect()
        cycle = not alive(born)
    finally:
        if was_on:
            gc.enable()
    how = ("a reference cycle, until the garbage collector runs: " if cycle else "") + held
    cure = ("don't let a hook or closure refer to the tensor that keeps it" if cycle else
            "keep loss.item() or y.detach() there instead of the tensor, or record nothing (tt.no_grad())")
    raise AssertionError(f"assert_no_leak: after {steps} steps {count} nodes are alive; the newest was made by {made}"
                         f"{at(line)}, and is held by {how}; expected none; {cure}")


def alive(born: list[tuple[weakref.ref[Tensor], Line | None]]) -> list[tuple[Tensor, Line | None]]:
    """The nodes that are alive and keep a graph; a released node keeps none."""
    found = [(ref(), line) for ref, line in born]
    return [(node, line) for node, line in found if node is not None and node.op not in (None, RELEASED)]


def holder(x: Any, seen: set[int], depth: int = 6) -> str:
    """What keeps `x` alive, as a path up to a name: ``a list, the variable losses of step (train.py:12)``.

    `seen` holds the ids of what is on the path already, and of this search's own objects.
    """
    found, best = gc.get_referrers(x), ""
    seen |= {id(x), id(found)}
    while found:  # subtle: an iterator over the list would be found as one that holds it
        by = found.pop()
        if id(by) in seen or (isinstance(by, FrameType) and by.f_code.co_filename == __file__):
            continue
        name, final = link(by, x)
        if final:
            return name
        rest = holder(by, seen, depth - 1) if depth else ""
        path = ", ".join(part for part in (name, rest) if part)
        if any(name in rest for name in NAMED):
            return path
        best = best or path
    return best


def link(by: Any, x: Any) -> tuple[str, bool]:
    """How `by` holds `x`, and whether that is a name in the code."""
    if isinstance(by, dict):
        key = next((k for k, v in by.items() if v is x), None)
        if isinstance(by.get("__name__"), str):
            return f"the global {key} of {by['__name__']}", True
        return f"the key {key!r} of a dict", False
    if isinstance(by, CellType):
        for f in functions_of(by):
            name = f.__code__.co_freevars[[c is by for c in f.__closure__ or ()].index(True)]
            code = f.__code__
            return (f"the variable {name} of {f.__qualname__} "
                    f"({Path(code.co_filename).name}:{code.co_firstlineno})"), True
        return "", False
    if isinstance(by, FrameType):
        key = next((k for k, v in by.f_locals.items() if v is x), "?")
        return f"the variable {key} of {by.f_code.co_qualname}", True
    if isinstance(by, type):
        return f"the class {by.__qualname__}", True
    if type(by).__module__ in ("builtins", "collections"):
        return "" if isinstance(by, tuple) else a_type(by), False
    key = next((k for k in attributes(by) if getattr(by, k, None) is x), None)
    return f"the attribute {key} of {a_type(by)}", not isinstance(by, Tensor)


def functions_of(cell: CellType) -> Iterator[FunctionType]:
    """The functions that close over a cell."""
    for closure in gc.get_referrers(cell):
        for f in gc.get_referrers(closure) if isinstance(closure, tuple) else ():
            if isinstance(f, FunctionType) and f.__closure__ is closure:
                yield f


def attributes(x: Any) -> Iterator[str]:
    """The names of an object's attributes, of slots too."""
    yield from getattr(x, "__dict__", {})
    for kind in type(x).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        yield from [slots] if isinstance(slots, str) else slots
