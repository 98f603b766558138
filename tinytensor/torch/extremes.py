"""The largest and smallest elements, along `dim` or of all, and where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..advice import a_type
from ..core import Tensor as Node
from . import return_types
from .offer import offer
from .operators import binary
from .reduce import axes, keeps, one_axis, some
from .tensor import Tensor, wrap


def extreme(name: str, whole: Callable[..., Any], where: Callable[..., Any], pairwise: Callable[..., Any],
            kind: Any) -> Callable[..., Any]:
    """`max` or `min`: of all elements, along `dim` with the indices, or of two tensors."""
    def reduce(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}: got {a_type(input)}; expected a tensor; write torch.tensor(...)")
        if other is not None or isinstance(dim, Tensor):
            return pairwise(input, dim if other is None else other)
        x = input.node
        if dim is None:
            some(name, x, None)
            return wrap(whole(x))
        axis, keepdim = one_axis(name, x, dim), keeps(x, keepdim)
        some(name, x, axis)
        return picked(kind, x, where(x, axis, keepdims=True) if axis is not None else Node(np.array(0)), axis, keepdim)

    reduce.__name__ = name
    reduce.__doc__ = (f"The {name}imum of all elements; with `dim` the {name}ima along it and where they are; with a "
                      f"second tensor, elementwise.")
    return reduce


def picked(kind: Any, x: Any, places: Any, axis: int | None, keepdim: bool) -> Any:
    """The element at one index of each line, and the indices; gradients flow to those elements."""
    if axis is None:
        values, places = ops.copy(ops.reshape(x, ())), Node(np.array(0))
    else:
        values = ops.take_along_axis(x, places.data, axis)
        if not keepdim:
            values, places = ops.squeeze(values, axis), ops.squeeze(places, axis)
    found = wrap(values)
    found.note = f"{kind.__name__.capitalize()}Backward0"
    return kind((found, wrap(places)))


maximum = offer("maximum", method=True)(binary("maximum", ops.maximum))
minimum = offer("minimum", method=True)(binary("minimum", ops.minimum))
offer("max", method=True)(extreme("max", ops.max, ops.argmax, maximum, return_types.max))
offer("min", method=True)(extreme("min", ops.min, ops.argmin, minimum, return_types.min))


def largest(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
        x = input.node
        axis = axes(name, x, dim)
        axis = None if axis == () else axis
        for a in (None,) if axis is None else axis if isinstance(axis, tuple) else (axis,):
            some(name, x, a)
        return wrap(function(x, axis, keepdims=keeps(x, keepdim)))

    reduce.__name__ = name
    reduce.__doc__ = f"The {name[1:]}imum along `dim`, one axis or several; the gradient of ties is split evenly."
    return reduce


amax = offer("amax", method=True, note="Amax")(largest("amax", ops.max))
amin = offer("amin", method=True, note="Amin")(largest("amin", ops.min))


@offer(method=True)
def aminmax(input: Tensor, *, dim: Any = None, keepdim: bool = False) -> Any:
    """The minimum and the maximum."""
    dim = () if dim is None else dim
    return return_types.aminmax((amin(input, dim, keepdim), amax(input, dim, keepdim)))


def place(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
        x = input.node
        if x.data.dtype == np.bool_:
            raise RuntimeError(f"{name}: not implemented for 'Bool'; expected numbers; write x.int().{name}()")
        axis = None if dim is None else one_axis(name, x, dim)
        some(name, x, axis)
        if dim is None and keepdim:
            return wrap(ops.reshape(function(x), (1,) * x.data.ndim))
        return wrap(function(x, axis, keepdims=keeps(x, keepdim)))

    reduce.__name__ = name
    reduce.__doc__ = f"Where the {name[3:]}imum is: the first place of several, along `dim` or in the flattened input."
    return reduce


argmax = offer("argmax", method=True)(place("argmax", ops.argmax))
argmin = offer("argmin", method=True)(place("argmin", ops.argmin))
