"""Gradient checks by finite differences; where a gradient is wrong, the op at fault is found.

It draws no test inputs (that is `strategies`) and knows no other framework (that is `oracles`).
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..autograd import grad
from ..core import Array, Tensor, record
from ..modes import no_grad
from .lines import HERE, lines_of

EPS = float(np.finfo(np.float64).eps)
STEP = EPS ** (1 / 3)  # balances the truncation error of a central difference and its rounding error
Leaves = dict[str, Tensor]  # the leaves that are checked, by their names in error messages
WRONG = ("the gradient of", "the second gradient of", "the rule of")  # how errors about gradients begin
F = TypeVar("F", bound=Callable[..., Any])


def from_outside(check: F) -> F:
    """Cut a check's own frames off its errors' tracebacks, which start at the caller's line or in the caller's f."""

    @wraps(check)
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True  # for pytest
        try:
            return check(*args, **kwargs)
        except Exception as error:
            frame = error.__traceback__
            while frame is not None and frame.tb_frame.f_code.co_filename.startswith(HERE):
                frame = frame.tb_next
            raise error.with_traceback(frame)  # noqa: B904 (it is the same error)

    return call  # type: ignore[return-value]


# --- gradcheck ---


@from_outside
def gradcheck(f: Callable[..., Any], *inputs: Any, order: int = 1, rtol: float = 1e-5, step: float = STEP,
              seed: int = 0) -> bool:
    """Check the gradient of `f` by finite differences, in float64 whatever the dtype of the inputs.

    All elements are checked at once, along one random direction and in one random projection of the output (the
    values in an error are of that projection, where the output is not a scalar). Only if that fails, the elements are
    checked one by one, to say which is wrong. Elements at a kink or a jump (`abs` at 0), where the one-sided
    differences do not agree, have no derivative and are left out.

    Parameters
    ----------
    f : callable
        Takes the inputs as Tensors and returns a Tensor of any shape. Of a module (with `astype` and
        `named_parameters`) a float64 copy is checked, with respect to its parameters too.
    *inputs : array or Tensor
        Floating arrays, and Tensors that require grad, are checked; everything else is constant.
    order : {1, 2}
        2 also checks second derivatives, with respect to the inputs and to the gradient of the output.
    rtol : float
        The relative difference allowed.
    step : float
        The step of the differences, relative to elements above 1 and absolute below.
    seed : int
        Of the random direction and projection.

    Returns
    -------
    bool
        Always True: a wrong gradient raises.

    Raises
    ------
    AssertionError
        A gradient is wrong: the worst element, its gradient and the central difference; then the first op on the way
        whose own rule is wrong, and the line that applied it.
    ValueError, TypeError
        Nothing could be checked: no gradient flows, the output is not float64 or not finite, the values of `f`
        change from call to call, or every element is at a kink.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.testing import gradcheck
    >>> gradcheck(lambda x, w: np.tanh(x @ w), np.eye(3), np.full((3, 2), 0.5), order=2)
    True
    """
    if order not in (1, 2):
        raise ValueError(f"gradcheck: got order={order!r}; expected 1, or 2 to check second derivatives too")
    if hasattr(f, "named_parameters"):
        f = copy.deepcopy(f).astype(np.float64)  # type: ignore[attr-defined]
    args = [leaf_of(x) for x in inputs]
    try:
        return agrees(f, args, order, rtol, step, seed)
    except (AssertionError, RuntimeError) as error:
        text = str(error).removeprefix("gradcheck: ")
        if not text.startswith(WRONG):  # an error of f itself
            raise
        found = re.sub(r"; \w+ the rule$", "", text)  # the engine's own advice
        raise AssertionError(f"gradcheck: {found}; {culprit(lambda: f(*args), order, rtol, step, seed)}") from None


def agrees(f: Callable[..., Any], args: list[Any], order: int, rtol: float, step: float, seed: int) -> bool:
    """`gradcheck` of float64 leaves and constants, without a search for the op at fault."""
    leaves = {f"input {i}": x for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad}
    if hasattr(f, "named_parameters"):
        leaves |= {f"parameter {name}": p for name, p in f.named_parameters()}
    y = checkable(f(*args), leaves)
    rng = np.random.default_rng(seed)
    w = Tensor(rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape))

    def terms() -> Array:  # the projection of f is their sum
        with no_grad():
            return np.ravel(w.data * f(*args).data)

    if not np.array_equal(terms(), np.ravel(w.data * y.data)):
        raise ValueError("gradcheck: f returned other values at the same point, so differences mean nothing; expected "
                         "the same; seed its random draws, or switch them off (module.eval())")
    found = grad(y, leaves.values(), w, allow_unused=True)
    verify("gradient", terms, leaves, found, rtol, step, rng, shown=w.item() if w.size == 1 else 1)
    if order == 2:
        second_order(f, args, leaves, w, rtol, step, rng)
    return True


def second_order(f: Callable[..., Any], args: list[Any], leaves: Leaves, w: Tensor, rtol: float, step: float,
                 rng: np.random.Generator) -> None:
    """Check the gradient of a random projection of the gradient; `w`, the gradient of f, is one more input."""
    w.requires_grad = True
    directions = [rng.uniform(-1, 1, x.shape) for x in leaves.values()]

    def slopes(create_graph: bool) -> list[Any]:
        found = grad(f(*args), leaves.values(), w, create_graph=create_graph, allow_unused=True)
        return [d * g for d, g in zip(directions, found, strict=True)]

    def terms() -> Array:  # subtle: these use the fast rules, which are so compared with definitions
        return np.concatenate([s.data.reshape(-1) for s in slopes(create_graph=False)])

    everything = {**leaves, "the gradient of the output": w}
    total = Tensor(0.0).astype(np.float64)
    for s in slopes(create_graph=True):
        total = total + s.sum()
    if total.requires_grad:
        found = [*grad(total, everything.values(), allow_unused=True)]
    else:  # the gradient is constant: then the differences must be 0
        found = [Tensor(np.zeros(x.shape)) for x in everything.values()]
    verify("second gradient", terms, everything, found, rtol, step, rng)


def leaf_of(x: Any, dtype: Any = np.float64) -> Any:
    """An input as a check passes it to f: a new leaf in the dtype of the check, or a constant as it is."""
    if isinstance(x, Tensor):
        return Tensor(x.data.astype(dtype), x.requires_grad) if x.dtype.kind == "f" else x
    if isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "f":
        return Tensor(np.array(x, dtype), requires_grad=True)
    return x


def checkable(y: Any, leaves: Leaves) -> Tensor:
    """The output; raises if its gradient can't be checked."""
    if not sum(x.size for x in leaves.values()):
        raise ValueError("gradcheck: got no input that requires grad, so nothing would be checked; expected floating "
                         "arrays (not Python numbers), or Tensors with requires_grad=True, of one element or more; "
                         "pass one")
    if not isinstance(y, Tensor):
        raise TypeError(f"gradcheck: f returned {type(y).__name__}; expected a Tensor; compute with ops on its "
                        f"arguments")
    if y.dtype != np.float64:
        raise TypeError(f"gradcheck: f returned dtype {y.dtype}; expected float64, as its inputs have, since "
                        "differences need the precision; remove the conversion from f")
    if not y.requires_grad:
        raise ValueError("gradcheck: the output of f does not require grad, so no rule would be checked; expected one "
                         "that does; compute it from the arguments of f, with ops that have a gradient")
    if not y.size or not np.isfinite(y.data).all():
        raise ValueError(f"gradcheck: the output of shape {y.shape} is empty, or contains nan or infinity; expected "
                         "finite values; move the inputs inside of the domain")
    return y


def verify(what: str, terms: Callable[[], Array], leaves: Leaves, found: Sequence[Tensor], rtol: float, step: float,
           rng: np.random.Generator, shown: float = 1) -> None:
    """Raise unless the gradients `found` of ``terms().sum()`` agree with differences; errors divide both by `shown`."""
    here = terms()
    noise = 16 * EPS * float(np.sum(np.abs(here)))
    gradients = dict(zip(leaves, [g.data for g in found], strict=True))
    steps = {name: step * np.maximum(1, np.abs(x.data)) for name, x in leaves.items()}

    def change(moves: dict[str, Array]) -> float:
        before = {name: leaves[name].data for name in moves}
        try:
            for name, move in moves.items():
                leaves[name].data = before[name] + move
            with np.errstate(all="ignore"):  # a step may leave the domain
                return float(np.sum(terms() - here))
        finally:
            for name, data in before.items():
                leaves[name].data = data

    moves = {name: rng.uniform(-1, 1, h.shape) * h for name, h in steps.items()}
    with np.errstate(invalid="ignore"):  # a gradient may contain infinities: they are found below
        along = np.concatenate([np.ravel(gradients[name] * move) for name, move in moves.items()])
        predicted, size = float(np.sum(along)), float(np.sum(np.abs(along)))
    seen = (change(moves) - change({name: -move for name, move in moves.items()})) / 2
    if abs(seen - predicted) <= rtol * size + noise < np.inf:  # False for nan and infinity
        return

    wrong: list[tuple[float, str]] = []
    kinks = elements = 0
    for name, x in leaves.items():
        for at in np.ndindex(x.shape):
            g, h, unit = float(gradients[name][at]), float(steps[name][at]), np.zeros(x.shape)
            unit[at] = 1
            sides = [change({name: k * h * unit}) / (k * h) for k in (1, -1)]
            numeric, elements = sum(sides) / 2, elements + 1
            if abs(numeric - g) <= rtol * abs(g) + noise / h < np.inf:
                continue
            sides += [change({name: k * h * unit}) / (k * h) for k in (0.5, -0.5)]
            if sides_agree(sides, g, noise / h):
                wrong.append((abs(numeric - g), f"{what} of {name} is {g / shown:.8g} at element {at}, where the value "
                              f"is {x.data[at]:.8g}; expected {numeric / shown:.8g}, the central difference"))
            else:
                kinks += 1
    if wrong:
        raise AssertionError(f"gradcheck: the {max(wrong)[1]} ({len(wrong)} of {elements} elements are wrong, {kinks} "
                             f"at kinks were left out)")
    if kinks == elements:
        raise ValueError(f"gradcheck: every one of the {elements} elements is at a kink, a jump or the end of the "
                         f"domain, so no {what} could be checked; expected smooth points; move the inputs")


def sides_agree(sides: list[float], g: float, noise: float) -> bool:
    """Whether one-sided differences, with whole and half steps, agree on a derivative; at a jump they grow, at a kink
    left and right differ. The gradient `g` only helps to say what is small."""
    size = max(map(abs, [*sides, g] if np.isfinite(g) else sides))
    return max(sides) - min(sides) <= 0.01 * size + noise and bool(np.isfinite(sides).all())


# --- the op at fault ---


def culprit(f: Callable[[], Tensor], order: int, rtol: float, step: float, seed: int) -> str:
    """Advice: the first op behind ``f()`` whose rules disagree with differences of the op alone."""
    y, lines = lines_of(f)
    for node in in_order(y):
        try:
            agrees(*alone(node), order, rtol, step, seed)
        except (AssertionError, RuntimeError) as error:
            at = f", applied at {line}" if (line := lines.get(node)) else ""
            return f"fix {rule_at_fault(node, str(error))}{at}"
        except (TypeError, ValueError):  # at a kink, or in another dtype: it can't be checked
            continue
    return ("every op on the way is right by itself: look for data that leaves the graph (.data, .detach(), "
            "tt.no_grad()), for hooks, and at the backward pass")


def rule_at_fault(node: Tensor, text: str) -> str:
    """Which rule of a node an error is about, and where it is defined."""
    op, live = node.op, [i for i, x in enumerate(node.inputs) if x is not None]
    assert op is not None
    named = [i for k, i in enumerate(live) if f"of input {k} is" in text or f"for input {i}: got" in text]
    if not named:
        return f"the rules of {op.name}"
    code = getattr(inspect.unwrap(op.rules[named[0]]), "__code__", None)
    place = f" ({Path(code.co_filename).name}:{code.co_firstlineno})" if code else ""
    return f"the rule of {op.name} for input {named[0]}{place}"


def in_order(y: Tensor) -> list[Tensor]:
    """The nodes behind y that ops made, each after its inputs."""
    order: list[Tensor] = []
    seen, stack = {y}, [(y, iter(y.inputs))]
    while stack:
        node, inputs = stack[-1]
        x = next(inputs, stack)
        if x is stack:
            stack.pop()
            order += [node] if node.op is not None else []
        elif isinstance(x, Tensor) and x not in seen:
            seen.add(x)
            stack.append((x, iter(x.inputs)))
    return order


def alone(node: Tensor) -> tuple[Callable[..., Any], list[Any]]:
    """One node as a function of its differentiable inputs, and these inputs as leaves."""
    op, params = node.op, {key: value for key, value in node.params.items() if key != "extras"}
    live = [i for i, x in enumerate(node.inputs) if x is not None]
    assert op is not None

    def f(*xs: Tensor) -> Tensor:
        given = dict(zip(live, xs, strict=True))
        arrays = [given[i].data if i in given else a for i, a in enumerate(node.saved)]
        inputs = [given.get(i) for i in range(len(arrays))]
        return record(op, op.forward(*arrays, **params), inputs, arrays, params, True)

    return f, [Tensor(np.array(node.saved[i]), requires_grad=True) for i in live]
