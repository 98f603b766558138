"""Padding of the last axes, with PyTorch's order of widths, as a function and modules; nearest-neighbour resizing.

It is NumPy's `pad`; `tinytensor.pad` takes widths in the order of the axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor, as_array
from ..names.calls import explained
from ..ops.arrange import repeat
from ..ops.index import take
from ..ops.padding import pad as pad_all
from .arguments import check_size, per_axis
from .module import Module

__all__ = ["interpolate", "pad"]

MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # PyTorch's names and NumPy's


@explained
def pad(x: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """Pad x: `pad` is (before, after) for the last axis, then for the one before it, and so on.

    Parameters
    ----------
    x : (...)
    pad : sequence of int
        Two for each axis, the last axis first. Negative widths cut off.
    mode : {"constant", "reflect", "replicate", "circular"}
        Pad with a number, with the input mirrored at its ends, with its end elements, or with its opposite end.
    value : float, optional
        The number, for "constant"; 0 if left out.

    Raises
    ------
    ValueError
        If widths are not pairs, or larger than what the mode can fill.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.pad(tt.ones(1, 2), (1, 2, 0, 1))
    tensor([[0., 1., 1., 0., 0.],
            [0., 0., 0., 0., 0.]])
    """
    x = x if isinstance(x, Tensor | np.ndarray) else as_array(x)
    widths = [check_size("pad", "pad", width, least=-max(x.shape, default=0)) for width in pad]
    n = len(widths) // 2
    if len(widths) % 2 or n > x.ndim:
        raise ValueError(f"pad: got {len(widths)} widths for x of shape {x.shape}; expected pairs for {x.ndim} axes at "
                         f"most; pass (before, after) for the last axis, then for the one before it")
    if mode != "constant" and mode not in MODES:
        raise ValueError(f"pad: got mode={mode!r}; expected 'constant', {', '.join(map(repr, MODES))}; choose one")
    if mode != "constant" and value:
        raise ValueError(f"pad: got mode={mode!r} and value={value!r}; expected a value for 'constant' alone; leave it "
                         f"out")
    pairs = [(0, 0)] * (x.ndim - n) + [(widths[2 * i], widths[2 * i + 1]) for i in reversed(range(n))]
    for (before, after), length in zip(pairs, x.shape, strict=True):
        most = {"reflect": length - 1, "circular": length}.get(mode, max(before, after))
        if max(before, after) > max(most, 0) or before + after + length < 0 or (
                mode == "replicate" and not length and (before or after)):
            raise ValueError(f"pad: got widths {before} and {after} for an axis of {length}, mode={mode!r}; expected "
                             f"{max(most, 0)} at most, and no more cut off than there is; use smaller widths")
    more = tuple([(max(a, 0), max(b, 0)) for a, b in pairs])
    if mode == "circular":  # what is cut off does not come back at the other end
        x = cut(x, pairs)
    if any(map(any, more)):
        x = pad_all(x, more, constant_values=value or 0) if mode == "constant" else pad_all(x, more, MODES[mode])
    return x if mode == "circular" else cut(x, pairs)


def cut(x: Any, pairs: Any) -> Any:
    """x cut by the negative widths."""
    if all(width >= 0 for pair in pairs for width in pair):
        return x
    return x[tuple([slice(max(0, -a), n + min(0, b)) for (a, b), n in zip(pairs, x.shape, strict=True)])]


@explained
def interpolate(x: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest") -> Tensor:
    """Resize the axes after the first two: each new element is the nearest old one (rounded down).

    Parameters
    ----------
    x : (N, C, L), (N, C, H, W) or more axes
    size : int or tuple of int, optional
        The new sizes.
    scale_factor : float or tuple of float, optional
        Or the factors by which the sizes grow.
    mode : {"nearest"}

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.interpolate(tt.tensor([[[1.0, 2.0]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    x = x if isinstance(x, Tensor | np.ndarray) else as_array(x)
    n = x.ndim - 2
    if not isinstance(mode, str) or mode != "nearest":
        raise ValueError(f"interpolate: got mode={mode!r}; expected 'nearest', the only one here; multiply by a "
                         f"matrix of weights for others")
    if n < 1 or (size is None) is (scale_factor is None):
        raise ValueError(f"interpolate: got x of shape {x.shape}, size={size!r} and scale_factor={scale_factor!r}; "
                         f"expected (N, C, L) or more axes, and one of the two; pass size, the new sizes")
    if size is None:
        scales = tuple(scale_factor) if isinstance(scale_factor, tuple | list) else (scale_factor,) * n
        if len(scales) != n:
            raise ValueError(f"interpolate: got scale_factor={scale_factor!r}; expected a number, or one for each of "
                             f"the last {n} axes; pass {n} numbers")
        sizes = per_axis("interpolate", "size", [int(m * s) for m, s in zip(x.shape[2:], scales, strict=True)], n)
    else:
        sizes = per_axis("interpolate", "size", size, n)
        scales = (None,) * n
    for axis, (new, scale) in enumerate(zip(sizes, scales, strict=True), 2):
        old = x.shape[axis]
        if new % old == 0 and (scale is None or scale == new // old):
            x = repeat(x, new // old, axis)
        else:
            step = np.float32(old / new if scale is None else 1 / scale)
            x = take(x, np.minimum((np.arange(new, dtype=np.float32) * step).astype(np.int64), old - 1), axis)
    return x


class Padding(Module):
    """The base of the padding modules: widths as in `pad`, or one for all sides."""

    axes = 2
    mode, value = "constant", 0.0

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = tuple(padding) if isinstance(padding, tuple | list) else (padding,) * (2 * self.axes)

    def forward(self, x: Any) -> Tensor:
        return pad(x, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return str(self.padding)


class ZeroPad2d(Padding):
    """Pad the last two axes with zeros: one width, or (left, right, top, bottom).

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.ZeroPad2d(1)(tt.ones(1, 1, 4, 4)).shape
    (1, 1, 6, 6)
    """


class ZeroPad1d(Padding):
    """Pad the last axis with zeros: one width, or (before, after)."""

    axes = 1


class ConstantPad1d(Padding):
    """Pad the last axis with a number: one width, or (before, after)."""

    axes = 1

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad2d(ConstantPad1d):
    """Pad the last two axes with a number: one width, or (left, right, top, bottom)."""

    axes = 2


class ReflectionPad1d(Padding):
    """Pad the last axis with its mirror image."""

    axes, mode = 1, "reflect"


class ReflectionPad2d(Padding):
    """Pad the last two axes with their mirror images."""

    mode = "reflect"


class ReplicationPad1d(Padding):
    """Pad the last axis by repeating its end elements."""

    axes, mode = 1, "replicate"


class ReplicationPad2d(Padding):
    """Pad the last two axes by repeating their end elements."""

    mode = "replicate"


class CircularPad1d(Padding):
    """Pad the last axis with its opposite end."""

    axes, mode = 1, "circular"


class CircularPad2d(Padding):
    """Pad the last two axes with their opposite ends."""

    mode = "circular"


class Upsample(Module):
    """Resize the axes after the first two, by the nearest neighbour only: see `functional.interpolate`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.Upsample(scale_factor=2)(tt.ones(1, 1, 4, 4)).shape
    (1, 1, 8, 8)
    """

    def __init__(self, size: Any = None, scale_factor: Any = None, mode: str = "nearest") -> None:
        super().__init__()
        self.size, self.scale_factor, self.mode = size, scale_factor, mode

    def forward(self, x: Any) -> Tensor:
        return interpolate(x, self.size, self.scale_factor, self.mode)

    def extra_repr(self) -> str:
        scale = self.scale_factor
        scale = float(scale) if isinstance(scale, int) else scale
        given = f"scale_factor={scale}" if self.size is None else f"size={self.size}"
        return f"{given}, mode={self.mode!r}"
