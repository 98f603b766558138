"""`np.pad`: a border around an array, of constants or of values derived from the array."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compose import composed
from ..core import S
from ..define import composite, op
from .arrange import rearranged
from .join import concatenate, stack_nested

STATISTICS = {"maximum": np.max, "minimum": np.min, "mean": np.mean, "median": np.median}


def width_pairs(pad_width: Any, ndim: int) -> list[list[int]]:
    """The widths before and after each axis, from any of NumPy's spellings."""
    pairs = np.zeros((ndim, 2), np.int64)
    if isinstance(pad_width, dict):
        for axis, width in pad_width.items():
            pairs[axis] = width
    else:
        pairs[...] = pad_width
    return pairs.tolist()


def crop(g: Any, pad_width: Any, shape: tuple[int, ...]) -> Any:
    """g without its border, of the shape of what was padded."""
    return g[tuple([slice(a, a + n) for (a, _), n in zip(width_pairs(pad_width, len(shape)), shape, strict=True)])]


@op(lambda g, y, x, *, pad_width, constant_values: crop(g, pad_width, x.shape), analytic=True,
    samples=(S((2, 3), pad_width=1), S((2, 3), pad_width=((0, 1), (2, 0))), S((3,), pad_width=(1, 2))))
def pad_(x: Any, pad_width: Any, *, constant_values: Any = 0) -> Any:
    """A border of one number."""
    return np.pad(x, pad_width, constant_values=constant_values)


UNEQUAL = ((4, 1), (1, 5))


@composed(np.pad, "array constant_values end_values", samples=(
    S((2, 3), pad_width=((1, 2), (0, 3)), mode="edge"), S((2, 3), pad_width=1, mode="reflect"),
    S((2, 3), pad_width=UNEQUAL, mode="reflect"), S((3,), pad_width=2, mode="symmetric"),
    S((3, 2), pad_width=UNEQUAL, mode="wrap"), S((2, 3), pad_width=UNEQUAL, mode="reflect", reflect_type="odd"),
    S((1, 3), pad_width=2, mode="reflect", reflect_type="odd"),
    S((2, 3), pad_width=UNEQUAL, mode="symmetric", reflect_type="odd"), S((3, 2), pad_width=1, mode="mean"),
    S((3, 4), pad_width=1, mode="median"), S((3, 4), pad_width=2, mode="minimum"),
    S((3, 4), pad_width=((1, 0), (2, 1)), mode="maximum", stat_length=((1, 2), (3, 2))),
    S((3, 4), pad_width=UNEQUAL, mode="linear_ramp", end_values=((1.0, 2.0), (3.0, 4.0))),
    S((2,), pad_width=2, mode="linear_ramp"), S((3,), pad_width={0: (2, 1)}, mode="edge"),
    S((2, 3), pad_width=1, constant_values=np.array([[1.0, 2.0], [3.0, 4.0]]))))
def pad__(array: Any, pad_width: Any, mode: str = "constant", *, stat_length: Any = None, constant_values: Any = 0,
          end_values: Any = 0, reflect_type: str = "even") -> Any:
    """A border that depends on the array, or arrays of constants."""
    if mode == "constant":
        values = value_pairs(constant_values, array)
        return rearranged(lambda a, v: np.pad(a, pad_width, constant_values=v), array, values)
    if mode == "empty":
        return pad_(array, pad_width)
    if mode in ("edge", "wrap") or (mode in ("reflect", "symmetric") and reflect_type == "even"):
        return rearranged(lambda a: np.pad(a, pad_width, mode), array)  # type: ignore[call-overload]
    if not isinstance(mode, str):
        raise TypeError("pad: got a function as mode, which writes into arrays, so no gradient flows; expected the "
                        "name of a mode; put the border there with tt.concatenate")
    ends, lengths = value_pairs(end_values, array), np.broadcast_to(stat_length, (array.ndim, 2))
    for axis, (before, after) in enumerate(width_pairs(pad_width, array.ndim)):
        if mode in STATISTICS:
            array = pad_statistic(array, axis, before, after, lengths[axis], STATISTICS[mode])
        elif mode == "linear_ramp":
            array = pad_ramp(array, axis, before, after, ends[axis])
        else:
            array = pad_odd_reflection(array, axis, before, after, edge=mode == "symmetric")
    return array


def value_pairs(values: Any, x: Any) -> Any:
    """The values before and after each axis, from any of NumPy's spellings, in the dtype of x."""
    return np.broadcast_to(stack_nested(values), (x.ndim, 2)).astype(x.dtype)


def axis_slice(x: Any, axis: int, start: int | None, stop: int | None) -> Any:
    """A slice along an axis."""
    return x[(*[slice(None)] * axis, slice(start, stop))]


def pad_statistic(x: Any, axis: int, before: int, after: int, lengths: Any, statistic: Any) -> Any:
    """x with a statistic of its first elements before it, and the same of its last elements after it."""
    n = x.shape[axis]
    a, b = (n if length is None else min(int(length), n) for length in lengths)
    ends = axis_slice(x, axis, 0, a), axis_slice(x, axis, n - b, n)
    first, last = (np.repeat(statistic(end, axis=axis, keepdims=True), width, axis)
                   for end, width in zip(ends, (before, after), strict=True))
    return concatenate([first, x, last], axis)


def pad_ramp(x: Any, axis: int, before: int, after: int, ends: Any) -> Any:
    """x with linear ramps from ends[0] to its first element, and from its last element to ends[1]."""
    shape = (-1,) + (1,) * (x.ndim - axis - 1)
    up, down = (np.reshape((np.arange(n) / max(n, 1)).astype(x.dtype), shape) for n in (before, after))
    down = np.flip(down, 0)
    first = ends[0] * (1 - up) + axis_slice(x, axis, 0, 1) * up
    return concatenate([first, x, ends[1] * (1 - down) + axis_slice(x, axis, -1, None) * down], axis)


def pad_odd_reflection(x: Any, axis: int, before: int, after: int, edge: bool) -> Any:
    """x with its odd reflections, 2 * edge - x, on both sides, as often as needed; `edge`: they include the edge."""
    n = x.shape[axis]
    if n == 1:
        return concatenate([np.repeat(x, before, axis), x, np.repeat(x, after, axis)], axis)
    while before or after:
        size, skip = x.shape[axis], 0 if edge else 1
        most = (size - skip) // (n - skip) * (n - skip)
        a, b = min(most, before), min(most, after)
        first = 2 * axis_slice(x, axis, 0, 1) - np.flip(axis_slice(x, axis, skip, skip + a), axis)
        end = np.flip(axis_slice(x, axis, size - skip - b, size - skip), axis)
        last = 2 * axis_slice(x, axis, size - 1, size) - end
        x, before, after = concatenate([first, x, last], axis), before - a, after - b
    return x


@composite(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", *, stat_length: Any = None, constant_values: Any = None,
        end_values: Any = None, reflect_type: str | None = None) -> Any:
    """Put a border around an array, as `np.pad`.

    Parameters
    ----------
    array : array_like
    pad_width : int, pair, sequence of pairs, or dict
        The widths before and after: one number, one pair, a pair for each axis, or pairs by axis.
    mode : str
        "constant" (of `constant_values`, 0), "edge", "reflect", "symmetric", "wrap", "linear_ramp" (to `end_values`,
        0), "maximum", "mean", "median" or "minimum" (of `stat_length` elements), or "empty".
    reflect_type : {"even", "odd"}
        For "reflect" and "symmetric": whether to mirror, or to mirror and turn upside down.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.pad(tt.ones(2), (1, 2))
    tensor([0., 1., 1., 0., 0.])
    >>> tt.pad(tt.tensor([1.0, 2.0, 3.0]), 2, mode="reflect")
    tensor([3., 2., 1., 2., 3., 2., 1.])
    """
    options = {"stat_length": stat_length, "constant_values": constant_values, "end_values": end_values,
               "reflect_type": reflect_type}
    options = {key: value for key, value in options.items() if value is not None}
    if mode == "constant" and options.keys() <= {"constant_values"} and (
            type(constant_values) in (int, float) or constant_values is None):
        return pad_(array, pad_width, **options)
    return pad__(array, pad_width, mode, **options)
