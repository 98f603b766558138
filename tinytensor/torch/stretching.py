"""Tensors stretched along axes of size 1, or given more axes, to fit others: views.

What repeats elements in memory of its own is in `turning.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..core import Tensor as Node
from .dtypes import Size, shape_of
from .offer import offer
from .shape import reshape, sizes_of
from .tensor import Tensor, as_node
from .writing import as_view


def stretched(name: str, x: Any, shape: tuple[int, ...]) -> Node:
    """The node stretched to a shape, in which -1 keeps the size."""
    old = x.data.shape
    lead = len(shape) - len(old)
    if lead < 0 or -1 in shape[:lead]:
        raise RuntimeError(f"{name}: the number of sizes provided ({len(shape)}) must be greater or equal to the "
                           f"number of dimensions in the tensor ({len(old)}), and new ones can't be -1; got {[*shape]} "
                           f"for {[*old]}; give sizes for all axes")
    shape = tuple([old[i - lead] if n == -1 else n for i, n in enumerate(shape)])
    for a, b in zip(shape[lead:], old, strict=True):
        if a != b and b != 1:
            raise RuntimeError(f"{name}: The expanded size of the tensor ({a}) must match the existing size ({b}); "
                               f"target sizes: {[*shape]}; tensor sizes: {[*old]}; only axes of size 1 can be expanded")
    node = ops.broadcast_to(x, shape)
    if type(node.data) is np.ndarray and x.data.flags.writeable:
        node.data.flags.writeable = True  # subtle: NumPy forbids writes; `fitting` refuses those that would do harm
    return node


@offer(function=False, method=True, note="Expand")
def expand(input: Tensor, *sizes: Any, **named: Any) -> Tensor:
    """Axes of size 1 stretched, in front also new ones; a view. -1 leaves a size as it is."""
    return as_view(input, stretched("expand", input.node, sizes_of("expand", sizes, named, "size", "shape")))


@offer(function=False, method=True)
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Stretched to the shape of another tensor."""
    return expand(input, other.node.data.shape)


@offer(method=True, note="Expand")
def broadcast_to(input: Tensor, *size: Any, **named: Any) -> Tensor:
    """Stretched to a shape; a view."""
    return as_view(input, stretched("broadcast_to", input.node, sizes_of("broadcast_to", size, named, "size",
                                                                                  "shape")))


@offer()
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Tensors stretched to the shape that they have together."""
    xs = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
    shape = broadcast_shapes(*[x.node.data.shape for x in xs])
    return tuple([expand(x, shape) for x in xs])


@offer()
def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that these have together."""
    given = [shape_of((shape,)) for shape in shapes]
    try:
        return Size(np.broadcast_shapes(*given))
    except ValueError as error:
        raise RuntimeError(f"broadcast_shapes: Shape mismatch: {error}; expected sizes that are equal, or 1, aligned "
                           f"at the right") from None


def at_least(n: int, form: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Callable[..., Any]:
    """The function that gives tensors of n axes or more."""
    def apply(*tensors: Any) -> Any:
        if len(tensors) == 1 and isinstance(tensors[0], tuple | list):
            return tuple([apply(x) for x in tensors[0]])
        if len(tensors) != 1:
            return tuple([apply(x) for x in tensors])
        x = tensors[0]
        shape = as_node(x, f"atleast_{n}d").data.shape
        return x if len(shape) >= n else reshape(x, form(shape))

    apply.__name__ = f"atleast_{n}d"
    apply.__doc__ = f"With new axes of size 1 where there are fewer than {n}; of several tensors a tuple."
    return apply


offer("atleast_1d")(at_least(1, lambda shape: (1,)))
offer("atleast_2d")(at_least(2, lambda shape: (1, *(shape or (1,)))))
offer("atleast_3d")(at_least(3, lambda shape: (*shape, 1) if len(shape) == 2 else (1, *(shape or (1,)), 1)))
