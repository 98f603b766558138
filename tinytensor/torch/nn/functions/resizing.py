"""Images in another size, or sampled at other positions: interpolate, upsample, grid_sample, affine_grid.

Most are products with a matrix of weights along each axis. Smoothing before an image is made smaller is not here.
"""

from __future__ import annotations

import math
import warnings
from functools import reduce
from itertools import product
from typing import Any

import numpy as np

from .... import ops
from ....core import Tensor as Node
from ....nn import functional as engine
from ...tensor import Tensor
from .conv import adaptive_avg_pool1d, adaptive_avg_pool2d
from .losses import noted
from .offered import floating, function, node

KINDS = {"linear": (3, "UpsampleLinear1D"), "bilinear": (4, "UpsampleBilinear2D"),
         "trilinear": (5, "UpsampleTrilinear3D"), "bicubic": (4, "UpsampleBicubic2D")}
BENT = -0.75  # the parameter of the cubic


def new_sizes(x: Any, size: Any, scale_factor: Any) -> tuple[list[int], list[Any]]:
    """The new size of each of the last axes, and the factor that was passed for it, or None."""
    old = x.data.shape[2:]
    if (size is None) is (scale_factor is None):
        raise ValueError(f"interpolate: got size={size!r} and scale_factor={scale_factor!r}; expected only one of size "
                         f"or scale_factor to be defined; give size, the new sizes")
    given = scale_factor if size is None else size
    several = list(given) if isinstance(given, tuple | list) else [given] * len(old)
    if len(several) != len(old):
        raise ValueError(f"interpolate: got {given!r}; expected a number, or one for each axis of the input behind "
                         f"(N, C): {len(old)}; give as many")
    if size is None:
        return [math.floor(n * f) for n, f in zip(old, several, strict=True)], several
    return [int(n) for n in several], [None] * len(old)


def places(n: int, new: int, factor: Any, align_corners: bool) -> Any:
    """The position of each new element among the old ones."""
    if align_corners:
        return np.arange(new) * ((n - 1) / (new - 1) if new > 1 else 0.0)
    return (np.arange(new) + 0.5) * (1 / factor if factor else n / new) - 0.5


def linear_weights(n: int, at: Any) -> Any:
    """A matrix (new, old) by which each new element is a mean of its two neighbours."""
    at = np.maximum(at, 0)
    low = np.minimum(np.floor(at).astype(np.int64), n - 1)
    part, rows, w = at - low, np.arange(len(at)), np.zeros((len(at), n))
    np.add.at(w, (rows, low), 1 - part)
    np.add.at(w, (rows, np.minimum(low + 1, n - 1)), part)
    return w


def cubic_weights(n: int, at: Any) -> Any:
    """A matrix (new, old) of cubic interpolation: each new element from its four neighbours."""
    low = np.floor(at).astype(np.int64)
    part, rows, w = at - low, np.arange(len(at)), np.zeros((len(at), n))
    for k in range(-1, 3):
        np.add.at(w, (rows, np.clip(low + k, 0, n - 1)), cubic(np.abs(part - k)))
    return w


def cubic(d: Any) -> Any:
    """The weight of a neighbour at a distance up to 2."""
    near = ((BENT + 2) * d - (BENT + 3)) * d * d + 1
    return np.where(d <= 1, near, ((BENT * d - 5 * BENT) * d + 8 * BENT) * d - 4 * BENT)


def part_means(n: int, new: int) -> Any:
    """A matrix (new, old) of means of as many parts as there are new elements."""
    low, high = np.arange(new) * n // new, -(-(np.arange(new) + 1) * n // new)
    inside = (low[:, None] <= np.arange(n)) & (np.arange(n) < high[:, None])
    return inside / inside.sum(1, keepdims=True)


@function()
def interpolate(input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
                align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
                antialias: bool = False) -> Tensor:
    """(N, C, ...) in another size: each element the nearest old one, a mean of its neighbours, or on a cubic.

    Parameters
    ----------
    mode : {"nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "area"}
    align_corners : bool, optional
        Whether the outermost elements stay where they are, and not the edges.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.nn.functional.interpolate(torch.tensor([[[1.0, 3.0]]]), scale_factor=2, mode="linear")
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    x = node("interpolate", input)
    if mode not in ("nearest", "nearest-exact") or x.data.dtype != np.uint8:
        floating("interpolate", input)
    if antialias:
        raise NotImplementedError("interpolate: got antialias=True; expected False, for it is not here; use "
                                  "F.avg_pool2d before, or mode='area'")
    if mode in ("nearest", "nearest-exact", "area") and align_corners is not None:
        raise ValueError(f"interpolate: align_corners option can only be set with the interpolating modes: "
                         f"{' | '.join(KINDS)}; got it with {mode!r}; leave it out")
    sizes, factors = new_sizes(x, size, scale_factor)
    if recompute_scale_factor:
        factors = [None] * len(factors)
    if mode == "nearest" and not recompute_scale_factor:
        return noted(engine.interpolate(x, size, scale_factor, mode), f"UpsampleNearest{x.data.ndim - 2}D")
    if mode in ("nearest", "nearest-exact"):
        return nearest(x, sizes, factors, mode == "nearest-exact")
    if mode == "area" and x.data.ndim in (3, 4):
        return (adaptive_avg_pool1d if x.data.ndim == 3 else adaptive_avg_pool2d)(input, tuple(sizes))
    if mode == "area" and x.data.ndim == 5:
        return noted(weighed(x, [part_means(n, new) for n, new in zip(x.data.shape[2:], sizes, strict=True)]),
                     "AdaptiveAvgPool3D")
    if mode not in KINDS or KINDS[mode][0] != x.data.ndim:
        raise NotImplementedError(f"interpolate: got {x.data.ndim}D input and mode={mode!r}; expected nearest, "
                                  f"nearest-exact, area, and linear of 3D, bilinear and bicubic of 4D, trilinear of 5D "
                                  f"inputs; choose the one of your axes")
    weights = cubic_weights if mode == "bicubic" else linear_weights
    return noted(weighed(x, [weights(n, places(n, new, factor, bool(align_corners))) for n, new, factor in zip(
        x.data.shape[2:], sizes, factors, strict=True)]), KINDS[mode][1])


def weighed(x: Any, matrices: list[Any]) -> Any:
    """The product with a matrix (new, old) along each axis behind (N, C)."""
    for i, w in enumerate(matrices):
        x = ops.moveaxis(ops.matmul(ops.moveaxis(x, 2 + i, -1), w.T.astype(x.data.dtype)), -1, 2 + i)
    return x


def nearest(x: Any, sizes: list[int], factors: list[Any], exact: bool) -> Tensor:
    """Each new element a copy of an old one: of that before its left edge, or, if `exact`, its middle."""
    y = x
    for i, (new, factor) in enumerate(zip(sizes, factors, strict=True)):
        old = x.data.shape[2 + i]
        at = (np.arange(new) + 0.5 * exact) * np.float32(1 / factor if factor else old / new)
        y = ops.take(y, np.minimum(np.floor(at).astype(np.int64), old - 1), axis=2 + i)
    return noted(y, f"UpsampleNearest{'Exact' * exact}{x.data.ndim - 2}D")


@function()
def upsample(input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
             align_corners: bool | None = None) -> Tensor:
    """`interpolate` under its old name."""
    old("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


@function()
def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode="nearest" under its old name."""
    old("upsample_nearest")
    return interpolate(input, size, scale_factor)


@function()
def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode="bilinear" and align_corners=True under its old name."""
    old("upsample_bilinear")
    return interpolate(input, size, scale_factor, "bilinear", True)


def old(name: str) -> None:
    warnings.warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=4)


# --- images sampled at other positions ---


@function()
def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """Places for `grid_sample` by affine maps theta (N, 2, 3), for images of size (N, C, H, W): (N, H, W, 2)."""
    t = floating("affine_grid", theta, "theta")
    n = len(size)
    if n not in (4, 5) or t.data.shape != (size[0], n - 2, n - 1):
        raise RuntimeError(f"affine_grid: got theta of shape {[*t.data.shape]} for size {[*size]}; expected a batch of "
                           f"2D affine matrices of shape Nx2x3 for size (N, C, H, W), or Nx3x4 for 5 sizes; reshape it")
    lines = [np.linspace(-1, 1, k) * (1 if align_corners else (k - 1) / k) if k > 1 else np.zeros(1) for k in size[2:]]
    grids = np.meshgrid(*lines, indexing="ij")
    base = np.stack([*grids[::-1], np.ones(grids[0].shape)], -1).reshape(-1, n - 1).astype(t.data.dtype)
    y = ops.matmul(base, ops.matrix_transpose(t))
    return noted(ops.reshape(y, (*size[:1], *size[2:], n - 2)), "AffineGridGenerator" if n == 4 else "View")


@function()
def grid_sample(input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
                align_corners: bool | None = None) -> Tensor:
    """Images (N, C, H, W) at the positions grid (N, H', W', 2) of x and y from -1 to 1: (N, C, H', W'); or volumes.

    Parameters
    ----------
    mode : {"bilinear", "nearest", "bicubic"}
    padding_mode : {"zeros", "border", "reflection"}
        What is seen outside of an image.
    """
    x, g = floating("grid_sample", input), node("grid_sample", grid, "grid")
    n = x.data.ndim - 2
    if n not in (2, 3) or g.data.ndim != n + 2 or g.data.shape[-1] != n or x.data.shape[0] != g.data.shape[0]:
        raise RuntimeError(f"grid_sample: got an input of shape {[*x.data.shape]} and a grid of shape "
                           f"{[*g.data.shape]}; expected (N, C, H, W) and (N, H', W', 2), or one axis and one place "
                           f"more; reshape them")
    if padding_mode not in ("zeros", "border", "reflection") or mode not in ("bilinear", "nearest", "bicubic")[:5 - n]:
        raise ValueError(f"grid_sample: got mode={mode!r} and padding_mode={padding_mode!r}; expected 'bilinear', "
                         f"'nearest' or, of images, 'bicubic', and 'zeros', 'border' or 'reflection'; choose among "
                         f"these")
    sizes, corners, kind = x.data.shape[2:], bool(align_corners), f"GridSampler{n}D"
    axes = [among(g[..., n - 1 - i], size, corners) for i, size in enumerate(sizes)]
    if mode != "bicubic":
        axes = [moved(at, size, padding_mode, corners) for at, size in zip(axes, sizes, strict=True)]
    if mode == "nearest":
        return noted(seen(x, [np.rint(at.data) for at in axes]), kind)
    steps = range(-1, 3) if mode == "bicubic" else range(2)
    lows = [np.floor(at.data) for at in axes]
    parts = [ops.subtract(at, low) for at, low in zip(axes, lows, strict=True)]
    y = None
    for step in product(steps, repeat=n):
        near = [low + k for low, k in zip(lows, step, strict=True)]
        if mode == "bicubic":
            near = [moved(at, size, padding_mode, corners) for at, size in zip(near, sizes, strict=True)]
            weights = [bent(p - k, abs(k - 0.5) < 1) for p, k in zip(parts, step, strict=True)]
        else:
            weights = [p if k else 1 - p for p, k in zip(parts, step, strict=True)]
        part = seen(x, near) * ops.expand_dims(reduce(ops.multiply, weights), 1)
        y = part if y is None else y + part
    return noted(y, kind)


def bent(d: Any, near: bool) -> Any:
    """`cubic` of a distance with a sign, of which it is known whether it is up to 1."""
    d = ops.absolute(d)
    if near:
        return ((BENT + 2) * d - (BENT + 3)) * d * d + 1
    return ((BENT * d - 5 * BENT) * d + 8 * BENT) * d - 4 * BENT


def among(g: Any, n: int, align_corners: bool) -> Any:
    """Positions from -1 to 1 as positions among n elements."""
    return (g + 1) * ((n - 1) / 2) if align_corners else ((g + 1) * n - 1) * 0.5


def moved(at: Any, n: int, padding_mode: str, align_corners: bool) -> Any:
    """Places among n elements, those outside moved inside as the mode says."""
    if padding_mode == "reflection":
        low, high = (0.0, n - 1.0) if align_corners else (-0.5, n - 0.5)
        span = high - low
        if not span:
            return at * 0
        away = ops.absolute(at - low)
        turns = np.floor((away.data if isinstance(away, Node) else away) / span)
        rest = away - turns * span
        at = ops.where(turns % 2 == 0, rest + low, high - rest)
    return at if padding_mode == "zeros" else ops.clip(at, 0, n - 1)


def seen(x: Any, places: list[Any]) -> Any:
    """The elements of images (N, C, ...) at positions along each axis, (N, ...) each, and 0 outside: (N, C, ...)."""
    inside = reduce(np.logical_and, [(at >= 0) & (at < n) for at, n in zip(places, x.data.shape[2:], strict=True)])
    found = [np.where(inside, at, 0).astype(np.int64) for at in places]
    batch = np.arange(len(x.data)).reshape((-1,) + (1,) * (inside.ndim - 1))
    y = ops.moveaxis(ops.moveaxis(x, 1, -1)[(batch, *found)], -1, 1)
    return ops.where(inside[:, None], y, np.zeros((), x.data.dtype))
