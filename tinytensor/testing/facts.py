"""What is true of a public function, found by calling it: the cells of the reference page.

Each check runs the function on its samples, beside NumPy's own where it answers for one. It needs NumPy only.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from ..autograd import grad
from ..compose import COMPOSED, OBSERVED
from ..core import NUMPY, REAL, REGISTRY, Array, Domain, S, Sample, Tensor
from ..define import NAMESPACES, Every

Function = Callable[..., Any]
REFUSALS = (ValueError, TypeError, IndexError, OverflowError)  # AxisError and LinAlgError are ValueErrors
FROM_NUMPY = (*REFUSALS, ZeroDivisionError, AttributeError)
YES, NO, WRONG = "✓", "–", "✗"
DTYPES = ("?", "i1", "i2", "i4", "i8", "u1", "f2", ">f4", ">f8")
STEP = 2e-4  # of a difference with four points: its error is STEP ** 4

M, V = (2, 3), (3,)
CALLS: dict[str, tuple[Sample, ...]] = {  # of functions that have no samples of their own
    "ravel": (S(M),), "sort": (S(M), S(M, 0)), "cumprod": (S(M, 1), S(V)), "split": (S(M, 3, 1), S(V, [1])),
    "dot": (S(V, V), S(M, V)), "outer": (S(V, V),), "vecdot": (S(M, V),), "matvec": (S(M, V),),
    "vecmat": (S(V, (3, 2)),), "einsum": (S("ij,jk", M, (3, 2)), S("ij->j", M)),
}
MADE = frozenset(("tensor", "zeros", "ones", "full", "eye", "arange", "rand", "randn", "randint"))  # take no Tensor


# --- what is checked ---


class Subject(NamedTuple):
    """A function, what it answers for, and the calls that it is checked by."""

    name: str
    function: Function
    numpy: tuple[Any, ...]
    samples: Sequence[Sample]
    domain: tuple[Domain, ...]
    variadic: bool = False

    def call(self, function: Function, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """Call ours, or NumPy's in the same way."""
        return function(list(args), **params) if self.variadic else function(*args, **params)


def subject(name: str) -> Subject:
    """What is known of a function: ``"exp"``, ``"linalg.det"``, or ``"np.searchsorted"`` for what is observed."""
    if name in OBSERVED:
        function = OBSERVED[name]
        numpy = tuple(key for key, answer in NUMPY.items() if stands_for(answer, function))
        return Subject(name, function, numpy, observable(numpy[0]), (REAL,))
    namespace, _, short = name.rpartition(".")
    function = NAMESPACES[namespace][short]
    numpy = tuple(key for key, answer in NUMPY.items() if stands_for(answer, function))
    if name in COMPOSED:
        known = COMPOSED[name]
        return Subject(name, function, (known.numpy, *(k for k in numpy if k is not known.numpy)), known.samples,
                       known.domain)
    if name in REGISTRY:
        op = REGISTRY[name]
        return Subject(name, function, numpy, op.samples, op.domain, isinstance(op.rules, Every) and name != "contract")
    return Subject(name, function, numpy, CALLS.get(name, ()), (REAL,))


def stands_for(answer: Any, function: Function) -> bool:
    """Whether what NumPy's protocols call is this function, or was made of it."""
    while answer is not None and answer is not function:
        answer = getattr(answer, "__wrapped__", None)
    return answer is not None


def observable(numpy: Function) -> Sequence[Sample]:
    """Calls that one of NumPy's functions takes."""
    whole = np.array([2, 0, 1])
    for sample in (S(M), S(whole), S(V, V), S(whole, whole), S([V, V]), S(V, V, V)):
        try:
            with np.errstate(all="ignore"):
                numpy(*filled(sample, (REAL,)))
        except FROM_NUMPY:
            continue
        return (sample,)
    return ()


# --- arguments ---


def filled(sample: Sample, domain: tuple[Domain, ...], dtype: Any = np.float64, seed: int = 5,
           shape: Callable[[tuple[int, ...]], tuple[int, ...]] = lambda shape: shape) -> list[Any]:
    """The inputs of a sample: arrays in general position in the place of shapes, whose shape may be changed."""
    rng = np.random.default_rng(seed)

    def fill(x: Any, here: Domain) -> Any:
        if isinstance(x, list) and x and all(isinstance(part, tuple) for part in x):
            return [fill(part, here) for part in x]
        if isinstance(x, tuple) and all(isinstance(n, int) for n in x):
            return drawn(rng, shape(x), here, np.dtype(dtype))
        if isinstance(x, np.ndarray) and x.ndim and x.shape != shape(x.shape):
            return x[tuple(slice(n) for n in shape(x.shape))] if len(shape(x.shape)) == x.ndim else x
        return x

    return [fill(x, domain[min(i, len(domain) - 1)]) for i, x in enumerate(sample.inputs)]


def drawn(rng: np.random.Generator, shape: tuple[int, ...], domain: Domain, dtype: np.dtype[Any]) -> Array:
    """Numbers of a domain, clear of its ends and of each other."""
    if dtype.kind in "iub":
        return np.asarray(rng.integers(1, 4, shape)).astype(dtype)
    ends = [(max(low + 1 / 8, min(-2.0, high - 3)), min(high - 1 / 8, max(2.0, low + 3))) for low, high in domain.intervals]
    low, high = np.array(ends)[rng.integers(0, len(ends), shape)].T if shape else np.array(ends[-1])
    steps = rng.permutation(math.prod(shape)).reshape(shape) + rng.uniform(0.3, 0.7, shape)
    return np.asarray(low.T + (high - low).T * steps / max(math.prod(shape), 1)).astype(dtype)


def leaves(args: Any) -> list[Any]:
    """The arguments, each floating array among them as a leaf."""
    if isinstance(args, list):
        return [leaves(x) if isinstance(x, list) else leaf(x) for x in args]
    return args  # type: ignore[no-any-return]


def leaf(x: Any) -> Any:
    """An array as a Tensor, which requires grad if it can; all else as it is."""
    if not isinstance(x, np.ndarray):
        return x
    return Tensor(x, requires_grad=x.dtype.kind == "f")


def flat(x: Any, kind: Any = Tensor) -> Iterator[Any]:
    """The arrays in nested sequences."""
    if isinstance(x, kind):
        yield x
    elif isinstance(x, list | tuple):
        for part in x:
            yield from flat(part, kind)


def weights(parts: Sequence[Any]) -> list[Array]:
    """What each part of a result is weighed by where one number is to be made of all."""
    rng = np.random.default_rng(3)
    return [np.asarray(rng.uniform(0.5, 1.5, p.shape)) for p in parts]


def total(y: Any) -> Any:
    """One number of all that a gradient flows from; None if there is nothing."""
    parts = [p for p in flat(y) if p.needs]
    terms = [(p * w.astype(p.dtype)).sum() for p, w in zip(parts, weights(parts), strict=True)]
    return sum(terms[1:], terms[0]) if terms else None


# --- gradients ---


def slopes(subject: Subject, sample: Sample, point: Any, moves: Sequence[Array], order: int) -> tuple[float, float]:
    """The derivative of some order, by the engine, along a direction; and the size of its terms."""
    args = leaves(point)
    xs = list(flat(args))
    xs = [x for x in xs if x.needs]
    s, size = total(subject.call(subject.function, args, sample.params)), 0.0
    for k in range(order):
        if s is None or not s.needs:
            return 0.0, 0.0
        found = grad(s, xs, create_graph=k + 1 < order, allow_unused=True)
        terms = [(g * d).sum() for g, d in zip(found, moves, strict=True)]
        s, size = sum(terms[1:], terms[0]), sum(abs(float(np.sum(np.abs(t.data)))) for t in terms)
    return (0.0 if s is None else float(s.data)), size


def order_of(subject: Subject, sample: Sample) -> int:
    """The highest order, up to 3, at which the gradient is that of differences of the order below; -1: no differences."""
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
        ahead, back, far, farther = (slopes(subject, sample, moved(k * STEP), moves, order - 1)[0] for k in (1, -1, 2, -2))
        seen = (8 * (ahead - back) - (far - farther)) / (12 * STEP)
        if not abs(found - seen) <= 1e-6 * (1 + size + abs(ahead)):
            return order - 1
    return 3


def orders(subject: Subject) -> str:
    """At which orders the gradient is that of differences."""
    found = [n for sample in subject.samples if (n := order_of(subject, sample)) >= 0]
    return NO if not found else "1 2 3"[: 2 * min(found) - 1] if min(found) else WRONG


def float32_kept(subject: Subject) -> str:
    """Whether values and gradients, at order 2 as well, are float32 where the inputs are; else what they are."""
    dtypes = set()
    for sample in subject.samples:
        args = leaves(filled(sample, subject.domain, np.float32))
        xs = [x for x in flat(args) if x.needs]
        y = subject.call(subject.function, args, sample.params)
        parts = [p for p in flat(y) if p.dtype.kind == "f"]
        if "dtype" in sample.params or not parts or not xs:
            continue
        dtypes |= {p.dtype for p in parts}
        s = total(y)
        found = grad(s, xs, create_graph=True, allow_unused=True) if s is not None else ()
        dtypes |= {g.dtype for g in found}
        second = [g.sum() for g in found if g.needs]
        if second:
            dtypes |= {g.dtype for g in grad(sum(second[1:], second[0]), xs, allow_unused=True)}
    return NO if not dtypes else YES if dtypes == {np.dtype(np.float32)} else str(max(dtypes))


# --- beside NumPy ---


def theirs(subject: Subject, sample: Sample) -> Function:
    """NumPy's function, if it takes this call; else ours on arrays, which computes the same without a graph."""
    for key in subject.numpy:
        if not isinstance(key, tuple) and takes(subject, key, sample):
            return key  # type: ignore[no-any-return]
    return subject.function


def takes(subject: Subject, numpy: Function, sample: Sample) -> bool:
    """Whether NumPy's function takes a sample as it is."""
    try:
        with np.errstate(all="ignore"):
            subject.call(numpy, filled(sample, subject.domain), sample.params)
    except REFUSALS:
        return False
    return True


def beside(subject: Subject, sample: Sample, args: list[Any]) -> tuple[str, str]:
    """Whether a call equals NumPy's, with a gradient that fits: yes; refused by both: no; or what is wrong."""
    numpy = theirs(subject, sample)
    try:
        expected = subject.call(numpy, args, sample.params)
    except FROM_NUMPY as error:
        expected = error
    wrapped = leaves(args)
    try:
        y = subject.call(numpy if numpy in NUMPY else subject.function, wrapped, sample.params)
        s = total(y)
        xs = [x for x in flat(wrapped) if x.needs]
        found = grad(s, xs, allow_unused=True) if s is not None else ()
    except Exception as error:
        if isinstance(error, REFUSALS) and isinstance(expected, Exception):
            return (NO, "") if spoken(error) else (WRONG, f"a bare {type(error).__name__}: {error}")
        return WRONG, f"{type(error).__name__}: {error}"
    if isinstance(expected, Exception):
        return WRONG, f"it is not refused, as it is by NumPy: {expected}"
    mine, other = [p.data for p in flat(y)], [np.asarray(p) for p in flat(expected, np.ndarray | np.generic)]
    if len(mine) != len(other):
        return WRONG, f"{len(mine)} tensors came; expected {len(other)}"
    for a, b in zip(mine, other, strict=True):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return WRONG, f"{a.dtype} {a.shape}; expected {b.dtype} {b.shape}"
        if "empty" not in subject.name and not np.allclose(a, b, rtol=1e-5 if b.dtype.itemsize > 2 else 1e-2, atol=1e-6, equal_nan=True):
            return WRONG, "other values than NumPy's"
    for x, g in zip(xs, found, strict=False):
        if g.shape != x.shape or g.dtype != x.dtype:
            return WRONG, f"a gradient of {g.dtype} {g.shape}; expected {x.dtype} {x.shape}"
    return YES, ""


def spoken(error: Exception) -> bool:
    """Whether an error opens with the name of a public function."""
    name = str(error).partition(":")[0].removeprefix("np.").rpartition(".")[2]
    return any(name in functions for functions in NAMESPACES.values())


def together(results: list[tuple[str, str]], complaints: list[str], of: str) -> str:
    """One cell of several results: what is wrong counts most, what works more than what is refused."""
    complaints += dict.fromkeys(f"{of}: {why}" for cell, why in results if cell == WRONG)
    cells = {cell for cell, _ in results}
    return WRONG if WRONG in cells else YES if YES in cells else NO


def without_axes(subject: Subject, complaints: list[str]) -> str:
    """0-d inputs."""
    return together([beside(subject, s, filled(s, subject.domain, shape=lambda _: ())) for s in subject.samples],
                    complaints, "0-d")


def without_elements(subject: Subject, complaints: list[str]) -> str:
    """Inputs with one axis of size 0."""
    results = []
    for sample in subject.samples:
        sizes = sorted({n for x in flat(filled(sample, subject.domain), np.ndarray) for n in x.shape if n})
        for n in sizes:
            args = filled(sample, subject.domain, shape=lambda shape, n=n: tuple(0 if k == n else k for k in shape))  # type: ignore[misc]
            results.append(beside(subject, sample, args))
    return together(results, complaints, "empty")


def other_dtypes(subject: Subject, complaints: list[str]) -> str:
    """Integers of every size, bools, float16 and big-endian numbers."""
    results = []
    for dtype in DTYPES:
        found = [beside(subject, s, filled(s, subject.domain, dtype)) for s in subject.samples]
        results.append((together(found, complaints, dtype), ""))
    cells = {cell for cell, _ in results}
    return WRONG if WRONG in cells else YES if YES in cells else NO


def broadcasting(subject: Subject, complaints: list[str]) -> str:
    """Whether two inputs broadcast, and their gradients are those of inputs that were broadcast before."""
    for sample in subject.samples:
        if sum(isinstance(x, tuple) for x in sample.inputs) != 2 or sample.params:
            continue
        shapes = iter(((2, 1, 3), (4, 1)))
        wide = Sample(tuple(next(shapes) if isinstance(x, tuple) else x for x in sample.inputs), sample.params)
        apart = [i for i, x in enumerate(sample.inputs) if isinstance(x, tuple)]
        args = leaves(filled(wide, subject.domain))
        try:
            y = subject.call(subject.function, args, sample.params)
        except REFUSALS:
            continue
        if not isinstance(y, Tensor) or y.shape != (2, 4, 3):
            continue
        if not y.needs:
            return YES
        xs = [args[i] for i in apart]
        again = subject.call(subject.function, [np.broadcast_to(x, y.shape) if i in apart else x
                                                for i, x in enumerate(args)], sample.params)
        pairs = zip(grad(total(y), xs, allow_unused=True), grad(total(again), xs, allow_unused=True), strict=True)
        if all(np.allclose(p.data, q.data, equal_nan=True) for p, q in pairs):
            return YES
        complaints.append("broadcasting: another gradient than that of inputs broadcast before")
        return WRONG
    return NO


# --- where there is more than one answer ---


def gradient_at(subject: Subject, sample: Sample, point: list[Any], weigh: bool = False) -> tuple[Any, list[Array]]:
    """The value at a point, and the gradients of its sum."""
    args = leaves(point)
    xs = [x for x in flat(args) if x.needs]
    y = subject.call(subject.function, args, sample.params)
    s = total(y) if weigh else sum((p.sum() for p in flat(y) if p.needs), Tensor(0.0))
    if s is None or not s.needs:
        return y, [np.zeros(x.shape) for x in xs]
    return y, [g.data for g in grad(s, xs, allow_unused=True)]


def ties(subject: Subject) -> str:
    """Who gets the gradient where all elements are equal: nothing to say where the function is smooth there."""
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
        for h in (1e-5, -1e-5):
            by = iter(moves)
            _, near = gradient_at(subject, sample, [shifted(x, by, h) for x in tied], weigh=True)
            sides.append(sum(float(np.sum(g * d)) for g, d in zip(near, moves, strict=True)))
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
    """What becomes of a nan: its value and gradient show it, it is skipped, or it gets a gradient of 0."""
    cells = set()
    for sample in subject.samples:
        for i, x in enumerate(sample.inputs):
            if not isinstance(x, tuple) or not math.prod(x):
                continue
            point = filled(sample, subject.domain)
            if not isinstance(point[i], np.ndarray):
                continue
            usual = gradient_at(subject, sample, point)[1]
            k = sum(1 for a in flat(point[:i], np.ndarray) if a.dtype.kind == "f")
            point[i].flat[0] = np.nan
            try:
                y, found = gradient_at(subject, sample, point)
            except REFUSALS:
                continue
            if k < len(found) and usual[k].any():
                hidden = not any(np.isnan(p.data).any() for p in flat(y) if p.dtype.kind == "f")
                cells.add("skipped" if hidden else YES if found[k].flat[0] != 0 else "0")
    return next((c for c in ("0", "skipped", YES) if c in cells), NO)


def special(subject: Subject) -> str:
    """The gradient at 0, 1, -1 and the ends of the domain, where it is not that of the points beside them."""
    for sample in subject.samples:
        arrays = [i for i, x in enumerate(sample.inputs) if isinstance(x, tuple)]
        if sample.params or len(arrays) != 1 or len(sample.inputs) != 1:
            continue
        domain = subject.domain[0]
        ends = {end for pair in domain.intervals for end in pair if math.isfinite(end)}
        points = np.array(sorted({0.0, 1.0, -1.0} | ends))
        try:
            y, (at,) = gradient_at(subject, sample, [points])
        except REFUSALS:
            continue
        if not isinstance(y, Tensor) or y.shape != points.shape:
            continue
        left, right = (gradient_at(subject, sample, [points + h])[1][0] for h in (-1e-6, 1e-6))
        said = []
        for p, g, a, b in zip(points, at, left, right, strict=True):
            inside = [v for v, h in ((a, -1e-6), (b, 1e-6)) if any(low < p + h < high for low, high in domain.intervals)]
            if inside and not all(abs(v - g) <= 1e-3 * (1 + abs(g)) < np.inf for v in inside):
                said.append((shown(g), shown(p)))
        both = [(g, p) for g, p in said if (g, f"-{p}") in said]
        said = [(g, f"±{p}" if (g, p) in both else p) for g, p in said if (g, p.removeprefix("-")) not in both or (g, p) in both]
        return ", ".join(f"{g} at {p}" for g, p in said) or NO
    return NO


def shown(x: float) -> str:
    """A number of few digits; what is as good as infinite is."""
    return f"{'-' if x < 0 else ''}inf" if abs(x) > 1e6 else f"{x + 0:.3g}"


# --- compiled ---


def compiled(subject: Subject, compiler: Function, complaints: list[str]) -> str:
    """Whether value and gradient come out the same, to the last bit, from a program."""
    results = []
    for sample in list(subject.samples)[:3]:
        points = [filled(sample, subject.domain, seed=seed) for seed in (1, 2, 3)]
        step, arrays = stepped(subject, sample, points[0])
        try:
            program = compiler(step, check=False)
            for point in points:
                mine = program(*arrays(point))
            expected = step(*arrays(points[-1]))
        except Exception as error:
            results.append((WRONG, f"{type(error).__name__}: {error}"))
            continue
        same = all(a.dtype == b.dtype and np.array_equal(a.data, b.data, equal_nan=a.dtype.kind == "f")
                   for a, b in zip(flat(mine), flat(expected), strict=True))
        results.append((YES, "") if same else (WRONG, "other values than without"))
    return together(results, complaints, "compiled")


def stepped(subject: Subject, sample: Sample, point: list[Any]) -> tuple[Function, Function]:
    """A step of the arrays of one call alone, that gives its value and gradient; and what picks them."""
    where = [i for i, x in enumerate(point) if next(flat(x, np.ndarray), None) is not None]

    def step(*arrays: Any) -> Any:
        args = list(point)
        for i, x in zip(where, arrays, strict=True):
            args[i] = [Tensor(part, requires_grad=True) for part in x] if isinstance(x, list) else Tensor(
                x, requires_grad=x.dtype.kind == "f")
        y = subject.call(subject.function, args, sample.params)
        s = total([p * p for p in flat(y) if p.needs])  # so that its gradient is no constant
        return list(flat(y)), list(grad(s, [x for x in flat(args) if x.needs], allow_unused=True)) if s is not None else []

    return step, lambda point: [point[i] for i in where]


# --- a row ---


def differentiable(name: str) -> bool:
    """Whether a function has a rule, or is composed of what has."""
    op = REGISTRY.get(name)
    return name not in OBSERVED and name not in MADE and (op is None or isinstance(op.rules, Every) or any(op.rules))


def facts(name: str, compiler: Function | None = None) -> dict[str, Any]:
    """What is true of a function, by the headings of the reference page; and under ``wrong`` what should not be.

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
    if not this.samples:
        wrong.append("no samples: nothing was checked")
    return {**cells, "wrong": wrong}


def attempted(check: Callable[[], str], wrong: list[str], of: str) -> str:
    """The cell, unless the check itself fails: that is wrong too."""
    try:
        return check()
    except Exception as error:
        wrong.append(f"{of}: {type(error).__name__}: {error}")
        return WRONG
