"""Facts about a public function, found by calling it: the cells of the reference page.

It needs NumPy only; comparisons with NumPy's own functions are in `beside.py`.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..autograd import grad
from ..compose import NONDIFFERENTIABLE
from ..core import REGISTRY, Array, Sample, Tensor
from ..define import VariadicRules
from .beside import NO, WRONG, YES, broadcasting, compiled, other_dtypes, without_axes, without_elements
from .subjects import MADE, REFUSALS, UNCALLED, Function, Subject, filled, flat, leaves, subject, total

NEAR = 1e-6  # how far the points beside a special one are
STEP = 2e-4  # of a difference with four points: its error is STEP ** 4


# --- gradients ---


def slopes(subject: Subject, sample: Sample, point: Any, moves: Sequence[Array], order: int) -> tuple[float, float]:
    """The derivative of some order, by the engine, along a direction; and the size of its terms."""
    args = leaves(point)
    xs = list(flat(args))
    xs = [x for x in xs if x.requires_grad]
    s, size = total(subject.call(subject.function, args, sample.params)), 0.0
    for k in range(order):
        if s is None or not s.requires_grad:
            return 0.0, 0.0
        found = grad(s, xs, create_graph=k + 1 < order, allow_unused=True)
        terms = [(g * d).sum() for g, d in zip(found, moves, strict=True)]
        s, size = sum(terms[1:], terms[0]), sum(abs(float(np.sum(np.abs(t.data)))) for t in terms)
    return (0.0 if s is None else float(s.data)), size


def order_of(subject: Subject, sample: Sample) -> int:
    """The highest order, up to 3, at which gradients agree with differences of the order below; -1: there are none."""
    point = filled(sample, subject.domain)
    arrays = [x for x in flat(point, np.ndarray) if x.dtype == np.float64]
    s = total(subject.call(subject.function, leaves(point), sample.params))
    if s is None or s.dtype != np.float64 or not sum(x.size for x in arrays) or not np.isfinite(s.data):
        return -1
    rng = np.random.default_rng(11)
    moves = [np.asarray(rng.uniform(-1, 1, x.shape)) for x in arrays]

    def moved(t: float) -> list[Any]:
        by = iter(moves)

        def move(x: Any) -> Any:
            if isinstance(x, list):
                return [move(part) for part in x]
            return np.asarray(x + t * next(by)) if isinstance(x, np.ndarray) and x.dtype == np.float64 else x

        return [move(x) for x in point]

    for order in (1, 2, 3):
        found, size = slopes(subject, sample, point, moves, order)
        ahead, back, far, farther = (slopes(subject, sample, moved(k * STEP), moves, order - 1)[0]
                                     for k in (1, -1, 2, -2))
        seen = (8 * (ahead - back) - (far - farther)) / (12 * STEP)
        if not abs(found - seen) <= 1e-6 * (1 + size + abs(ahead)):
            return order - 1
    return 3


def orders(subject: Subject) -> str:
    """The orders at which the gradient agrees with differences."""
    found = [n for sample in subject.samples if (n := order_of(subject, sample)) >= 0]
    return NO if not found else "1 2 3"[: 2 * min(found) - 1] if min(found) else WRONG


def float32_kept(subject: Subject) -> str:
    """Whether values and gradients, at order 2 as well, are float32 where the inputs are; else what they are."""
    dtypes = set()
    for sample in subject.samples:
        args = leaves(filled(sample, subject.domain, np.float32))
        xs = [x for x in flat(args) if x.requires_grad]
        narrow = {k: v.astype(np.float32) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v
                  for k, v in sample.params.items()}
        y = subject.call(subject.function, args, narrow)
        parts = [p for p in flat(y) if p.dtype.kind == "f"]
        if "dtype" in sample.params or not parts or not xs:
            continue
        dtypes |= {p.dtype for p in parts}
        s = total(y)
        found = grad(s, xs, create_graph=True, allow_unused=True) if s is not None else ()
        dtypes |= {g.dtype for g in found}
        second = [g.sum() for g in found if g.requires_grad]
        if second:
            dtypes |= {g.dtype for g in grad(sum(second[1:], second[0]), xs, allow_unused=True)}
    return NO if not dtypes else YES if dtypes == {np.dtype(np.float32)} else str(max(dtypes))


# --- where conventions differ ---


def gradient_at(subject: Subject, sample: Sample, point: list[Any], weigh: bool = False) -> tuple[Any, list[Array]]:
    """The value at a point, and the gradients of its sum."""
    args = leaves(point)
    xs = [x for x in flat(args) if x.requires_grad]
    y = subject.call(subject.function, args, sample.params)
    s = total(y) if weigh else sum((p.sum() for p in flat(y) if p.requires_grad), Tensor(0.0))
    if s is None or not s.requires_grad:
        return y, [np.zeros(x.shape) for x in xs]
    return y, [g.data for g in grad(s, xs, allow_unused=True)]


def ties(subject: Subject) -> str:
    """How the gradient is shared where all elements are equal; nothing to say where the function is smooth there."""
    for sample in subject.samples:
        point = filled(sample, subject.domain)
        first = next(flat(point, np.ndarray), None)
        if first is None or not first.size or first.dtype.kind != "f":
            continue
        middle = float(abs(first.flat[0])) or 0.5
        tied = [equalled(x, middle) for x in point]
        arrays = [x for x in flat(tied, np.ndarray) if x.dtype.kind == "f"]
        rng = np.random.default_rng(2)
        moves = [rng.uniform(-1, 1, x.shape) for x in arrays]
        sides = []
        try:
            for h in (1e-5, -1e-5):
                by = iter(moves)
                _, near = gradient_at(subject, sample, [shifted(x, by, h) for x in tied], weigh=True)
                sides.append(sum(float(np.sum(g * d)) for g, d in zip(near, moves, strict=True)))
        except REFUSALS:
            continue
        if not np.isfinite(sides).all() or abs(sides[0] - sides[1]) <= 1e-3 * (1 + abs(sides[0])):
            continue
        _, found = gradient_at(subject, sample, tied)
        if len(found) > 1:
            shares = [float(np.sum(g)) for g in found]
            return "split" if np.allclose(shares, shares[0]) else "first" if shares[0] else "second"
        return "split" if np.allclose(found[0], found[0].flat[0]) else "one"
    return NO


def equalled(x: Any, value: float) -> Any:
    if isinstance(x, list):
        return [equalled(part, value) for part in x]
    return np.full_like(x, value) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def shifted(x: Any, moves: Iterator[Array], h: float) -> Any:
    if isinstance(x, list):
        return [shifted(part, moves, h) for part in x]
    return np.asarray(x + h * next(moves)) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def nan(subject: Subject) -> str:
    """What happens to a nan: value and gradient show it, it is skipped, or it gets a gradient of 0."""
    cells = set()
    for sample in subject.samples:
        for i, x in enumerate(sample.inputs):
            if not isinstance(x, tuple) or not math.prod(x):
                continue
            point = filled(sample, subject.domain)
            if not isinstance(point[i], np.ndarray):
                continue
            usual = gradient_at(subject, sample, point, weigh=True)[1]
            k = sum(1 for a in flat(point[:i], np.ndarray) if a.dtype.kind == "f")
            point[i].flat[0] = np.nan
            try:
                y, found = gradient_at(subject, sample, point, weigh=True)
            except REFUSALS:
                continue
            if k < len(found) and usual[k].any():
                hidden = not any(np.isnan(p.data).any() for p in flat(y) if p.dtype.kind == "f")
                cells.add("skipped" if hidden else YES if found[k].flat[0] != 0 else "0")
    return next((c for c in ("0", "skipped", YES) if c in cells), NO)


def special(subject: Subject) -> str:
    """The gradient at 0, 1, -1 and the ends of the domain, where it is not that of the points beside them."""
    for sample in subject.samples:
        if sample.params or not all(isinstance(x, tuple) for x in sample.inputs) or len(sample.inputs) > 2:
            continue
        n, intervals = len(sample.inputs), [subject.domain[min(i, len(subject.domain) - 1)].intervals for i in (0, 1)]
        ends = {end for pair in intervals[0] for end in pair if math.isfinite(end)} if n == 1 else set()
        points = np.array(sorted({0.0, 1.0, -1.0} | ends)) if n == 1 else np.zeros(1)
        sides = [np.array(h) * NEAR for h in itertools.product((-1, 1), repeat=n)]
        try:
            y, at = gradient_at(subject, sample, [points] * n)
            beside = [gradient_at(subject, sample, [points + h for h in side])[1] for side in sides]
        except REFUSALS:
            continue
        if not isinstance(y, Tensor) or y.shape != points.shape or len(at) != n:
            continue
        said: dict[str, str] = {}
        for k, p in enumerate(points):
            inside = [[g[k] for g in found] for found, side in zip(beside, sides, strict=True)
                      if all(any(low < p + h < high for low, high in d) for h, d in zip(side, intervals, strict=False))]
            if not all(abs(v - g[k]) <= 1e-3 * (1 + abs(g[k])) < np.inf for found in inside
                       for v, g in zip(found, at, strict=True)):
                said[", ".join([shown(p)] * n)] = ", ".join(shown(g[k]) for g in at)
        for text in [text for text, g in said.items() if said.get(f"-{text}") == g]:
            said[f"±{text}"] = said.pop(text)
            del said[f"-{text}"]
        return "; ".join(f"{g} at {text}" for text, g in said.items()) or NO
    return NO


def shown(x: float) -> str:
    """A number in few digits; very large ones as infinite."""
    return f"{'-' if x < 0 else ''}inf" if abs(x) > 1e6 else f"{x + 0:.3g}"


# --- a row ---


def differentiable(name: str) -> bool:
    """Whether a function has a rule, or is composed of functions that have."""
    op = REGISTRY.get(name)
    if name in NONDIFFERENTIABLE or name in MADE:
        return False
    return op is None or isinstance(op.rules, VariadicRules) or any(op.rules)


def facts(name: str, compiler: Function | None = None) -> dict[str, Any]:
    """The facts about a function, by the headings of the reference page; and its faults, under ``wrong``.

    Parameters
    ----------
    name : str
        As `tinytensor` has it: ``"exp"``, ``"linalg.det"``; ``"np.searchsorted"`` for what is only observed.
    compiler : callable, optional
        `tinytensor.compile`, if the function is to be compiled too.

    Examples
    --------
    >>> from tinytensor.testing.facts import facts
    >>> found = facts("maximum")
    >>> found["orders"], found["ties"], found["broadcasts"], found["wrong"]
    ('1 2 3', 'split', '✓', [])
    """
    this, wrong = subject(name), list[str]()
    cells: dict[str, Any] = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if differentiable(name):
            cells["orders"] = attempted(lambda: orders(this), wrong, "orders")
            if cells["orders"] == WRONG:
                wrong.append("orders: the gradient is not that of differences")
            cells["float32"] = attempted(lambda: float32_kept(this), wrong, "float32")
        cells["broadcasts"] = attempted(lambda: broadcasting(this, wrong), wrong, "broadcasts")
        cells["0-d"] = without_axes(this, wrong)
        cells["empty"] = without_elements(this, wrong)
        cells["dtypes"] = other_dtypes(this, wrong)
        if differentiable(name):
            cells["ties"] = attempted(lambda: ties(this), wrong, "ties")
            cells["nan"] = attempted(lambda: nan(this), wrong, "nan")
            cells["at 0, ±1, ends"] = attempted(lambda: special(this), wrong, "special points")
        if compiler is not None:
            cells["compiled"] = compiled(this, compiler, wrong)
    if not this.samples and name not in UNCALLED:
        wrong.append("no samples: nothing was checked")
    return {**cells, "wrong": wrong}


def attempted(check: Callable[[], str], wrong: list[str], of: str) -> str:
    """The cell; an error of the check itself is a fault too."""
    try:
        return check()
    except Exception as error:
        wrong.append(f"{of}: {type(error).__name__}: {error}")
        return WRONG
