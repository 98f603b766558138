"""Is this gradient right? Checks of rules, of whole networks, and of gradients derived by hand.

It draws no test inputs: that is `strategies`, which needs Hypothesis; this file needs NumPy only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..autograd import grad
from ..core import Array, Tensor
from ..modes import no_grad

EPS = float(np.finfo(np.float64).eps)
STEP = EPS ** (1 / 3)  # where a central difference loses as much by its step as by rounding
Leaves = dict[str, Tensor]  # what is checked, by the name that an error gives it


# --- gradcheck ---


def gradcheck(f: Callable[..., Any], *inputs: Any, order: int = 1, rtol: float = 1e-5, step: float = STEP,
              seed: int = 0) -> bool:
    """Hold the gradient of `f` against differences of `f` itself, in float64 whatever the dtype of the inputs.

    All elements are checked at once, along one random direction and in one random projection of the output. Only
    where that fails does it go element by element, to say which is wrong. Elements at a kink or a jump (`abs` at 0),
    where the one-sided differences do not agree, have no derivative and are left out.

    Parameters
    ----------
    f : callable
        Takes the inputs as Tensors and returns a Tensor of any shape. Of a module (with `astype` and
        `named_parameters`) a float64 copy is checked, with respect to its parameters too.
    *inputs : array or Tensor
        Floating arrays, and Tensors that require grad, are checked; all else is constant.
    order : {1, 2}
        With 2 the gradient's own gradient is checked as well, with respect to the inputs and to the gradient of `f`.
    rtol : float
        The relative difference allowed.
    step : float
        The step of the differences, relative to elements above 1 and absolute below.
    seed : int
        Of the random direction and projection.

    Returns
    -------
    bool
        True; what is wrong is raised.

    Raises
    ------
    AssertionError
        A gradient is wrong: the worst element, its gradient and the central difference.
    ValueError, TypeError
        Nothing could be checked: no gradient flows, the output is not float64 or not finite, the values of `f`
        change from call to call, or every element stands at a kink.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.testing import gradcheck
    >>> gradcheck(lambda x, w: np.tanh(x @ w), np.eye(3), np.full((3, 2), 0.5), order=2)
    True
    """
    if order not in (1, 2):
        raise ValueError(f"gradcheck: order={order!r} came; expected 1, or 2 for the gradient's gradient too")
    if hasattr(f, "named_parameters"):
        f = copy.deepcopy(f).astype(np.float64)  # type: ignore[attr-defined]
    args = [promoted(x) for x in inputs]
    leaves = {f"input {i}": x for i, x in enumerate(args) if isinstance(x, Tensor) and x.needs}
    if hasattr(f, "named_parameters"):
        leaves |= {f"parameter {name}": p for name, p in f.named_parameters()}
    y = checkable(f(*args), leaves)
    rng = np.random.default_rng(seed)
    w = Tensor(rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape))

    def terms() -> Array:  # the projection of f is their sum
        with no_grad():
            return np.ravel(w.data * f(*args).data)

    if not np.array_equal(terms(), np.ravel(w.data * y.data)):
        raise ValueError("gradcheck: f gave other values at the same point, so differences mean nothing; fix the seed "
                         "of what it draws, or switch it off (module.eval())")
    verify("gradient", terms, leaves, grad(y, leaves.values(), w, allow_unused=True), rtol, step, rng)
    if order == 2:
        second_order(f, args, leaves, w, rtol, step, rng)
    return True


def second_order(f: Callable[..., Any], args: list[Any], leaves: Leaves, w: Tensor, rtol: float, step: float,
                 rng: np.random.Generator) -> None:
    """Check the gradient of a random projection of the gradient; `w`, the gradient of f, is one more input."""
    w.requires_grad = True
    directions = [rng.uniform(-1, 1, x.shape) for x in leaves.values()]

    def slopes(create_graph: bool) -> list[Tensor]:
        found = grad(f(*args), leaves.values(), w, create_graph=create_graph, allow_unused=True)
        return [d * g for d, g in zip(directions, found, strict=True)]

    def terms() -> Array:  # subtle: the differences are of the fast rules, which thereby are held against definitions
        return np.concatenate([s.data.reshape(-1) for s in slopes(create_graph=False)])

    everything = {**leaves, "the gradient of the output": w}
    total = Tensor(0.0).astype(np.float64)
    for s in slopes(create_graph=True):
        total = total + s.sum()
    if total.needs:
        found = grad(total, everything.values(), allow_unused=True)
    else:  # the rule gave constants: then the differences must be 0
        found = [Tensor(np.zeros(x.shape)) for x in everything.values()]
    verify("second gradient", terms, everything, found, rtol, step, rng)


def promoted(x: Any) -> Any:
    """An input as `gradcheck` gives it to f: a float64 leaf of its own, or the constant that it is."""
    if isinstance(x, Tensor):
        return Tensor(x.data.astype(np.float64), x.needs) if x.dtype.kind == "f" else x
    if isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "f":
        return Tensor(np.array(x, np.float64), requires_grad=True)
    return x


def checkable(y: Any, leaves: Leaves) -> Tensor:
    """The output, once it is found to be one whose gradient can be checked."""
    if not sum(x.size for x in leaves.values()):
        raise ValueError("gradcheck: no input has a gradient, so nothing would be checked; give floating arrays (not "
                         "Python numbers), or Tensors with requires_grad=True, of one element or more")
    if not isinstance(y, Tensor):
        raise TypeError(f"gradcheck: f returned {type(y).__name__}; expected a Tensor; compute with ops on its "
                        f"arguments")
    if y.dtype != np.float64:
        raise TypeError(f"gradcheck: f returned dtype {y.dtype}; expected float64, which its inputs are, for "
                        f"differences need the precision; take the conversion out of f")
    if not y.needs:
        raise ValueError("gradcheck: the output of f does not require grad, so no rule would be checked; compute it "
                         "from the arguments of f, with ops that have a gradient")
    if not y.size or not np.isfinite(y.data).all():
        raise ValueError(f"gradcheck: the output of shape {y.shape} is empty, or holds nan or infinity; expected "
                         f"finite values; move the inputs inside of the domain")
    return y


def verify(what: str, terms: Callable[[], Array], leaves: Leaves, found: Sequence[Tensor], rtol: float, step: float,
           rng: np.random.Generator) -> None:
    """Raise unless the gradients `found` of ``terms().sum()`` agree with its differences."""
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
    with np.errstate(invalid="ignore"):  # a gradient may hold infinities: they are found below
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
            if settled(sides, g, noise / h):
                wrong.append((abs(numeric - g), f"{what} of {name} is {g:.8g} at element {at}, where the value is "
                              f"{x.data[at]:.8g}; expected {numeric:.8g}, the central difference"))
            else:
                kinks += 1
    if wrong:
        raise AssertionError(f"gradcheck: the {max(wrong)[1]} ({len(wrong)} of {elements} elements are wrong, {kinks} "
                             f"at kinks were left out); mend the rule of an op on the way")
    if kinks == elements:
        raise ValueError(f"gradcheck: each of the {elements} elements stands at a kink, a jump or the end of the "
                         f"domain, so no {what} could be checked; move the inputs")


def settled(sides: list[float], g: float, noise: float) -> bool:
    """Whether one-sided differences, with whole and half steps, agree on a derivative; at a jump they grow, at a kink
    left and right differ. The gradient `g` only helps to say what is small."""
    size = max(map(abs, [*sides, g] if np.isfinite(g) else sides))
    return max(sides) - min(sides) <= 0.01 * size + noise and bool(np.isfinite(sides).all())


# --- gradients by hand ---


class Comparison(NamedTuple):
    """How near a gradient derived by hand comes; `str()` is one line."""

    name: str
    exact: bool
    close: bool
    largest: float

    def __str__(self) -> str:
        exact, close = (str(answer).ljust(5) for answer in (self.exact, self.close))
        return f"{self.name:<15} | exact: {exact} | close: {close} | largest difference: {self.largest:.3g}"


def compare(name: str, mine: Any, tensor: Any) -> Comparison:
    """Print how near a gradient derived by hand comes to the engine's, and return it.

    Parameters
    ----------
    name : str
        What it is the gradient of, for the printed line.
    mine : array_like
        The gradient derived by hand.
    tensor : Tensor or array_like
        The tensor whose `grad` is the engine's, after `backward()` (and `retain_grad()`, if it is not a leaf); or that
        gradient itself.

    Returns
    -------
    Comparison
        `exact`: equal in every bit of every element, `close`: within 1e-5 relative and 1e-8 absolute, `largest`: the
        largest absolute difference.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.testing import compare
    >>> x = tt.tensor([1.0, 2.0], requires_grad=True)
    >>> (x**2).sum().backward()
    >>> result = compare("x", 2 * x.detach(), x)
    x               | exact: True  | close: True  | largest difference: 0
    >>> result.exact
    True
    """
    mine = np.asarray(mine.data if isinstance(mine, Tensor) else mine)
    engine = np.asarray(tensor._grad if isinstance(tensor, Tensor) else tensor)
    if engine.dtype == object:
        raise ValueError(f"compare: {name} has no gradient yet; call .backward() on the loss first, and before it "
                         f".retain_grad() on a tensor that is not a leaf")
    if mine.shape != engine.shape:
        raise ValueError(f"compare: the gradient of {name} by hand has shape {mine.shape}; expected {engine.shape}, "
                         f"that of the tensor; sum over the axes that were broadcast")
    largest = float(np.max(np.abs(mine - engine), initial=0))
    line = Comparison(name, bool(np.array_equal(mine, engine)), bool(np.allclose(mine, engine)), largest)
    print(line)
    return line


# --- the complex step ---


def complex_step(f: Callable[..., Any], inputs: Sequence[Any], directions: Sequence[Any]) -> Array:
    """The derivative of an analytic function of arrays along a direction, exact to rounding.

    A step along the imaginary axis needs no difference, so nothing cancels: ``f(x + ih d).imag / h``, for h of 1e-30
    (Squire and Trapp 1998, "Using Complex Variables to Estimate Derivatives of Real Functions").

    Parameters
    ----------
    f : callable
        Takes and returns arrays, complex ones too.
    inputs : sequence of array
        The point; real.
    directions : sequence of array or None
        One for each input; None for an input that stays.

    Examples
    --------
    >>> from tinytensor.testing import complex_step
    >>> print(f"{complex_step(np.sin, [np.array(0.5)], [1.0]):.12f} {np.cos(0.5):.12f}")
    0.877582561890 0.877582561890
    """
    h = 1e-30
    y = f(*(x if d is None else x + 1j * h * d for x, d in zip(inputs, directions, strict=True)))
    if not np.iscomplexobj(y):
        raise TypeError(f"complex_step: f gave dtype {np.asarray(y).dtype} for complex inputs; expected complex "
                        f"numbers; check a function that is not analytic with gradcheck")
    return np.asarray(np.imag(y) / h)
