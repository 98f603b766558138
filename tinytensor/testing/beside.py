"""Compare a public function with NumPy's: 0-d, empty, in other dtypes, broadcast, compiled.

Each check returns a cell of the reference page, and appends faults to a list.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import grad
from ..core import NUMPY, Sample, Tensor
from ..define import NAMESPACES
from .subjects import REFUSALS, Function, Subject, filled, flat, leaves, total

YES, NO, WRONG = "✓", "–", "✗"
DTYPES = ("?", "i1", "i2", "i4", "i8", "u1", "f2", ">f4", ">f8")

# --- beside NumPy ---


def theirs(subject: Subject, sample: Sample) -> Function:
    """NumPy's function, if it accepts this call; else ours on arrays, which computes the same without a graph."""
    for key in subject.numpy:
        if not isinstance(key, tuple) and takes(subject, key, sample):
            return key  # type: ignore[no-any-return]
    return subject.function


def takes(subject: Subject, numpy: Function, sample: Sample) -> bool:
    """Whether NumPy's function accepts a sample as it is."""
    try:
        with np.errstate(all="ignore"):
            subject.call(numpy, filled(sample, subject.domain), sample.params)
    except REFUSALS:
        return False
    return True


def beside(subject: Subject, sample: Sample, args: list[Any]) -> tuple[str, str]:
    """A cell and a fault: yes if a call and its gradient are right beside NumPy's; no if both raise; else wrong."""
    numpy = theirs(subject, sample)
    try:
        expected = subject.call(numpy, args, sample.params)
    except Exception as error:
        expected = error
    wrapped = leaves(args)
    try:
        y = subject.call(numpy if numpy in NUMPY else subject.function, wrapped, sample.params)
        s = total(y)
        xs = [x for x in flat(wrapped) if x.requires_grad]
        found = grad(s, xs, allow_unused=True) if s is not None else ()
    except Exception as error:
        if isinstance(expected, Exception) and isinstance(error, (*REFUSALS, type(expected))):
            return (NO, "") if names_function(error) else (WRONG, f"a bare {type(error).__name__}: {error}")
        return WRONG, f"{type(error).__name__}: {error}"
    if isinstance(expected, Exception):
        return WRONG, f"it is not refused, as it is by NumPy: {expected}"
    mine, other = [p.data for p in flat(y)], [np.asarray(p) for p in flat(expected, np.ndarray | np.generic)]
    if len(mine) != len(other):
        return WRONG, f"got {len(mine)} tensors; expected {len(other)}"
    for a, b in zip(mine, other, strict=True):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return WRONG, f"{a.dtype} {a.shape}; expected {b.dtype} {b.shape}"
        near = 1e-5 if b.dtype.itemsize > 2 else 1e-2
        if "empty" not in subject.name and not np.allclose(a, b, rtol=near, atol=1e-6, equal_nan=True):
            return WRONG, "other values than NumPy's"
    for x, g in zip(xs, found, strict=False):
        if g.shape != x.shape or g.dtype != x.dtype:
            return WRONG, f"a gradient of {g.dtype} {g.shape}; expected {x.dtype} {x.shape}"
    return YES, ""


def names_function(error: Exception) -> bool:
    """Whether an error message starts with the name of a public function, or of iteration over a Tensor."""
    name = str(error).partition(":")[0].removeprefix("np.").rpartition(".")[2]
    return any(name in functions for functions in NAMESPACES.values()) or name == "iteration"


def together(results: list[tuple[str, str]], complaints: list[str], of: str) -> str:
    """One cell for several results: a fault counts most, success more than a refusal."""
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
    """Whether two inputs broadcast, with the gradients of inputs that were broadcast before."""
    for sample in subject.samples:
        if sum(isinstance(x, tuple) for x in sample.inputs) != 2 or sample.params:
            continue
        shapes = iter(((2, 1, 3), (2, 4, 1)))
        wide = Sample(tuple(next(shapes) if isinstance(x, tuple) else x for x in sample.inputs), sample.params)
        apart = [i for i, x in enumerate(sample.inputs) if isinstance(x, tuple)]
        args = leaves(filled(wide, subject.domain))
        try:
            y = subject.call(subject.function, args, sample.params)
        except REFUSALS:
            continue
        if not isinstance(y, Tensor) or y.shape != (2, 4, 3):
            continue
        if not y.requires_grad:
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


# --- compiled ---


def compiled(subject: Subject, compiler: Function, complaints: list[str]) -> str:
    """Whether a compiled program returns the same value and gradient, to the last bit."""
    results = []
    for sample in list(subject.samples)[:3]:
        points = [filled(sample, subject.domain, seed=seed) for seed in (1, 2, 3)]
        step, arrays = stepped(subject, sample, points[0])
        try:
            program = compiler(step, check=False)
            for point in points:
                mine = program(*arrays(point))
            expected = step(*arrays(points[-1]))
        except Exception as error:  # a refusal is a CompileError, of a floor above
            refused = type(error).__name__ == "CompileError"
            results.append((NO, "") if refused else (WRONG, f"{type(error).__name__}: {error}"))
            continue
        same = all(a.dtype == b.dtype and np.array_equal(a.data, b.data, equal_nan=a.dtype.kind == "f")
                   for a, b in zip(flat(mine), flat(expected), strict=True))
        results.append((YES, "") if same else (WRONG, "other values than without"))
    return together(results, complaints, "compiled")


def stepped(subject: Subject, sample: Sample, point: list[Any]) -> tuple[Function, Function]:
    """A step that returns the value and gradient of one call, given its arrays; and a function that selects these."""
    where = [i for i, x in enumerate(point) if next(flat(x, np.ndarray), None) is not None]

    def nested(x: Any) -> Any:
        return [nested(part) for part in x] if isinstance(x, list) else Tensor(x, requires_grad=x.dtype.kind == "f")

    def step(*arrays: Any) -> Any:
        args = list(point)
        for i, x in zip(where, arrays, strict=True):
            args[i] = nested(x)
        y = subject.call(subject.function, args, sample.params)
        s = total([p * p for p in flat(y) if p.requires_grad])  # so that its gradient is not constant
        found = grad(s, [x for x in flat(args) if x.requires_grad], allow_unused=True) if s is not None else ()
        return list(flat(y)), list(found)

    return step, lambda point: [point[i] for i in where]
