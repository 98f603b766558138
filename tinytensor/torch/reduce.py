"""Reductions: sums, means, spreads, truth, norms, along `dim` or over all elements.

The largest and smallest elements are in `extremes.py`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import linalg, ops
from ..core import Tensor as Node
from .dtypes import default, numpy_dtype, of, shape_of
from .offer import offer
from .operators import as_dtype
from .tensor import Tensor, as_node, wrap


def axes(name: str, x: Any, dim: Any) -> Any:
    """The axes that a `dim` means: None for all of them; a tensor without axes has one to name."""
    if dim is None:
        return None
    n = x.data.ndim
    if type(dim) is int and -n <= dim < n:  # the usual call
        return dim + n if dim < 0 else dim
    n = max(n, 1)
    given = tuple(dim) if isinstance(dim, tuple | list) else (dim,)
    found = []
    for d in given:
        if not hasattr(d, "__index__"):
            raise TypeError(f"{name}: got dim={dim!r}; expected integers; see help(torch.{name})")
        d = d.__index__()
        if not -n <= d < n:
            raise IndexError(f"{name}: Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got "
                             f"{d}); count from 0, or from -1 backwards")
        found.append(d % n)
    if len({*found}) < len(found):
        raise RuntimeError(f"{name}: got dim={given}, where one appears multiple times; expected each once; leave one "
                           f"out")
    if not x.data.ndim:
        return None
    return found[0] if not isinstance(dim, tuple | list) else tuple(found)


def one_axis(name: str, x: Any, dim: Any) -> int | None:
    """The axis that a `dim` means, where one is expected; None for a tensor without axes."""
    if isinstance(dim, tuple | list) or dim is None or isinstance(dim, bool):
        raise TypeError(f"{name}: got dim={dim!r}; expected one integer; give one axis")
    return axes(name, x, dim)  # type: ignore[no-any-return]


def keeps(x: Any, keepdim: bool) -> bool:
    """Whether reduced axes stay; a tensor without axes has none."""
    if keepdim is False:
        return False
    if keepdim is not True:
        raise TypeError(f"keepdim: got {keepdim!r}; expected True or False; write several axes as a tuple, dim=(0, 1)")
    return bool(x.data.ndim)


def some(name: str, x: Any, axis: Any) -> None:
    """Refuse to pick an element where there is none."""
    shape = x.data.shape
    if not x.data.size and (axis is None or not shape[axis]):
        raise (IndexError if axis is not None else RuntimeError)(
            f"{name}: Expected reduction dim {'to be specified for input.numel() == 0' if axis is None else axis} "
            f"with one element or more; got a tensor of shape {[*shape]}; give it elements")


# --- sums and means ---


def summed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that adds or multiplies: integers and booleans become int64."""
    def reduce(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        x = as_node(input)
        axis = axes(name, x, dim)
        if dtype is not None:
            x = as_dtype(x, numpy_dtype(dtype))
        elif x.data.dtype.kind != "f":
            x = as_dtype(x, np.dtype(np.int64))
        y = function(x, None if axis == () else axis, keepdims=keeps(x, keepdim))
        return wrap(as_dtype(y, x.data.dtype))

    reduce.__name__ = name
    reduce.__doc__ = f"The {name} of all elements, or along `dim`; of integers and booleans an int64."
    return reduce


offer("sum", method=True)(summed("sum", ops.sum))
offer("nansum", method=True, note="Nansum")(summed("nansum", ops.nansum))


@offer("sum_to_size", function=False, method=True)
def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """The sum over the axes along which a tensor of this size would be expanded to this one's shape."""
    x, shape = self.node, shape_of(size)
    old = x.data.shape
    lead = len(old) - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, old[lead:], strict=True)):
        raise RuntimeError(f"sum_to_size: size {[*shape]} is not expandable to size {[*old]}; expected one that is; "
                           f"sum along dim=, with keepdim=True")
    axis = (*range(lead), *[lead + i for i, n in enumerate(shape) if n == 1 != old[lead + i]])
    if not axis and shape:
        return self
    x = x if x.data.dtype.kind == "f" else as_dtype(x, np.dtype(np.int64))
    return wrap(ops.reshape(ops.sum(x, axis), shape))


@offer(method=True)
def prod(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product of all elements, or along `dim`; of integers and booleans an int64."""
    x = as_node(input)
    axis = None if dim is None else one_axis("prod", x, dim)
    x = as_dtype(x, numpy_dtype(dtype, x.data.dtype if x.data.dtype.kind == "f" else np.dtype(np.int64)))
    return wrap(as_dtype(ops.prod(x, axis, keepdims=keeps(x, keepdim)), x.data.dtype))


def floating(name: str, x: Any, dtype: Any = None) -> Any:
    """A node of floating dtype; integers are refused, as they have no mean."""
    x = as_dtype(x, numpy_dtype(dtype, x.data.dtype))
    if x.data.dtype.kind != "f":
        raise RuntimeError(f"{name}: could not infer output dtype: input dtype must be floating point; got "
                           f"{of(x.data.dtype).name}; convert first: x.float().{name}()")
    return x


def averaged(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A mean; of nothing it is nan."""
    def reduce(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        x = floating(name, as_node(input), dtype)
        axis = axes(name, x, dim)
        axis, keep = None if axis == () else axis, keeps(x, keepdim)
        if x.data.size and name == "mean":
            return wrap(function(x, axis, keepdims=keep))
        return wrap(quietly(function, x, axis, keepdims=keep))

    reduce.__name__ = name
    reduce.__doc__ = f"The {name} of all elements, or along `dim`; floating dtypes only."
    return reduce


offer("mean", method=True)(averaged("mean", ops.mean))
offer("nanmean", method=True)(averaged("nanmean", ops.nanmean))


def quietly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a function gives, without NumPy's warnings of means of nothing."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(*args, **kwargs)


def spread(name: str, function: Callable[..., Any], input: Any, dim: Any, unbiased: Any, keepdim: bool,
           correction: Any) -> Any:
    """A variance or standard deviation: unbiased, unless it is said otherwise."""
    x = floating(name, as_node(input))
    if isinstance(dim, bool):  # x.std(False)
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError(f"{name}: got both unbiased and correction; expected one of them; leave unbiased out")
    if unbiased is not None and not isinstance(unbiased, bool):
        raise TypeError(f"{name}: got unbiased={unbiased!r}; expected True or False; write several axes as a tuple, "
                        f"dim=(0, 1)")
    correction = correction if correction is not None else 1 if unbiased is None or unbiased else 0
    axis = axes(name, x, dim)
    axis = None if axis == () else axis
    shape = x.data.shape
    if x.data.dtype == np.float16:  # whose squares would overflow
        wide = spread(name, function, wrap(as_dtype(x, np.dtype(np.float32))), dim, None, keepdim, correction)
        return wrap(as_dtype(wide.node, x.data.dtype))
    n = x.data.size if axis is None else shape[axis] if type(axis) is int else math.prod([shape[a] for a in axis])
    if n - correction <= 0:
        warnings.warn(f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction "
                      f"factor (input numel divided by output numel).", stacklevel=4)
        return wrap(quietly(function, x, axis, correction=correction, keepdims=keeps(x, keepdim)))
    return wrap(function(x, axis, correction=correction, keepdims=keeps(x, keepdim)))


@offer(method=True, note="Std")
def std(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Tensor:
    """The standard deviation, with Bessel's correction unless ``unbiased=False`` or `correction` says otherwise."""
    return spread("std", ops.std, input, dim, unbiased, keepdim, correction)  # type: ignore[no-any-return]


@offer(method=True, note="Var")
def var(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Tensor:
    """The variance, with Bessel's correction unless ``unbiased=False`` or `correction` says otherwise."""
    return spread("var", ops.var, input, dim, unbiased, keepdim, correction)  # type: ignore[no-any-return]


@offer()
def std_mean(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
             correction: Any = None) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean."""
    mean = averaged("mean", ops.mean)(input, None if isinstance(dim, bool) else dim, keepdim)
    return spread("std", ops.std, input, dim, unbiased, keepdim, correction), mean


@offer()
def var_mean(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
             correction: Any = None) -> tuple[Tensor, Tensor]:
    """The variance and the mean."""
    mean = averaged("mean", ops.mean)(input, None if isinstance(dim, bool) else dim, keepdim)
    return spread("var", ops.var, input, dim, unbiased, keepdim, correction), mean


@offer(method=True)
def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Tensor:
    """``log(sum(exp(x)))`` along `dim`, without overflow."""
    x = as_node(input)
    x = as_dtype(x, x.data.dtype if x.data.dtype.kind == "f" else default[0].numpy)
    axis = axes("logsumexp", x, dim)
    return wrap(ops.logsumexp(x, None if axis == () else axis, keepdims=keeps(x, keepdim)))


# --- truth and counts ---


def truth(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
        x = input.node
        axis = axes(name, x, dim)
        y = function(x, axis, keepdims=keeps(x, keepdim))
        return wrap(y if x.data.dtype != np.uint8 else y.astype(np.uint8))

    reduce.__name__ = name
    reduce.__doc__ = f"Whether {name} element{'s are' if name == 'all' else ' is'} true, along `dim` or of the whole."
    return reduce


offer("all", method=True)(truth("all", ops.all))
offer("any", method=True)(truth("any", ops.any))


@offer(method=True)
def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many elements are not zero."""
    x = input.node
    return wrap(Node(np.asarray(np.count_nonzero(x.data, axis=axes("count_nonzero", x, dim)))))


# --- norms ---


@offer(method=True, note="LinalgVectorNorm")
def norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The norm of the vector of all elements, or along `dim`: p is 2 or "fro", a number, inf, or "nuc" of matrices."""
    x = floating("norm", as_node(input), dtype)
    axis = axes("norm", x, dim)
    if p == "nuc":
        axis = tuple(range(x.data.ndim)) if axis is None else axis
        return wrap(linalg.norm(x, "nuc", axis, keeps(x, keepdim)))
    order = 2 if p in ("fro", None) else p
    return wrap(linalg.vector_norm(x, axis=None if axis == () else axis, keepdims=keeps(x, keepdim), ord=order))


@offer(method=True, note="Dist")
def dist(input: Tensor, other: Tensor, p: Any = 2) -> Tensor:
    """The p-norm of the difference."""
    y = norm(input - other, p)
    return wrap(y.node)


@offer(method=True, in_place=True)
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Each slice along `dim`, scaled down where its p-norm is larger than `maxnorm`."""
    x = floating("renorm", input.node)
    axis = one_axis("renorm", x, dim)
    if x.data.ndim < 2 or axis is None or p <= 0 or maxnorm < 0:
        raise RuntimeError(f"renorm: got {x.data.ndim} axes, p={p}, maxnorm={maxnorm}; expected a positive p, maxnorm "
                           f"from 0 on, and an input with at least 2 dimensions; use norm for vectors")
    others = tuple(i for i in range(x.data.ndim) if i != axis)
    size = linalg.vector_norm(x, axis=others, keepdims=True, ord=p)
    scale = ops.divide(float(maxnorm), ops.add(size, 1e-7))
    return wrap(ops.multiply(x, ops.where(size.data > maxnorm, scale, np.ones((), x.data.dtype))))
