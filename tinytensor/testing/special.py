"""The check at special points: 0, 1, -1 and the ends of the domain, where a derivative may exist from one side only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd import grad
from ..core import Sample, Tensor
from .cases import Case, data, same, tensors
from .points import special_inputs


def check_special(case: Case, sample: Sample) -> None:
    """0, 1, -1 and the ends of the domain: NumPy's values, and a gradient that is a derivative from some side."""
    for args in special_inputs(case.op, sample):
        try:
            expected = [reference(*args, **sample.params) for reference in case.references]
        except ValueError:  # a matrix that has no inverse
            continue
        for z in expected:
            same(case.call(sample, *case.leaves(args)), z)
        y = case.flat(sample, *case.leaves(args))
        if isinstance(y, Tensor) and y.requires_grad and y.dtype == np.float64 and (
                (isinstance(args[0], np.ndarray) and y.shape == args[0].shape) or np.isfinite(y.data).all()):
            check_sides(case, sample, args)


def check_sides(case: Case, sample: Sample, args: Sequence[Any]) -> None:
    """Each element of the gradient equals the one-sided derivatives or lies between them, and is not nan.

    A side where the value jumps, or leaves the domain, says nothing. Elements whose output is not finite are left out.
    """
    leaves = case.leaves(args)
    xs, y = tensors(leaves), case.flat(sample, *leaves)
    w = np.linspace(0.5, 1.5, y.size).reshape(y.shape)  # ascending, so that sorted ties lie between their neighbours
    finite = np.isfinite(y.data)
    for i, (x, g) in enumerate(zip(xs, grad(y, xs, w, allow_unused=True), strict=True)):
        for at in np.ndindex(x.shape):
            if x.shape == y.shape and not finite[at]:
                assert not np.isnan(g.data[at]) or np.isnan(y.data[at]), report(case, i, x, at, g, "no nan")
                continue

            def slope(h: float, x: Tensor = x, at: tuple[int, ...] = at) -> float:
                before = x.data
                x.data = before.copy()
                x.data[at] += h
                try:
                    z = data(case.flat(sample, *leaves))
                finally:
                    x.data = before
                return float(np.sum((w * (z - y.data))[finite])) / h if z.shape == y.shape else np.nan

            sides = [s for s in (one_side(slope, 1e-5), one_side(slope, -1e-5)) if not np.isnan(s)]
            low, high, value = min(sides, default=-np.inf), max(sides, default=np.inf), float(g.data[at])
            slack = 1e-4 * (1 + max((abs(s) for s in sides if np.isfinite(s)), default=0))
            assert low - slack <= value <= high + slack, report(case, i, x, at, g, f"from {low:.6g} to {high:.6g}")


def one_side(slope: Callable[[float], float], h: float) -> float:
    """The derivative from one side: infinite where the slope grows as the step shrinks, nan at a jump."""
    whole, half = slope(h), slope(h / 2)
    if not np.isfinite(whole + half):
        return np.nan
    if abs(half) > 1.2 * abs(whole) + 1e-3:
        return np.nan if abs(half) > 1.9 * abs(whole) else float(np.copysign(np.inf, half))
    return 2 * half - whole


def report(case: Case, i: int, x: Tensor, at: tuple[int, ...], g: Tensor, expected: str) -> str:
    return (f"{case.op.name}: the gradient of array {i} is {g.data[at]} at element {at}, where its values are "
            f"{x.data.tolist()}; expected {expected}; decide on the gradient at this point")
