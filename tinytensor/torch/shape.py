"""The same elements in another shape, or with axes in another order: views, each of which sees writes into the other.

What stretches them is in `stretching.py`, what shows a part in `parts.py`, what copies in `turning.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..core import REGISTRY, record
from ..core import Tensor as Node
from ..modes import recording
from .dtypes import INTEGERS, dtype, shape_of
from .offer import offer
from .tensor import Tensor, owner
from .writing import as_view, preserve, records, refuse_leaf

# --- arguments ---


def axis_at(name: str, dim: Any, n: int) -> int:
    """The axis that a `dim` means among n; where there is none, 0 and -1 are allowed."""
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(f"{name}: got dim={dim!r}; expected an integer; see help(torch.{name})")
    i, n = int(dim), max(n, 1)
    if not -n <= i < n:
        raise IndexError(f"{name}: Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {i}); "
                         f"count from 0, or from -1 backwards")
    return i % n


def axes_at(name: str, dims: Any, n: int) -> list[int]:
    """The axes that several dims mean, each once."""
    given = [dims] if not isinstance(dims, tuple | list) else dims
    found = [axis_at(name, d, n) for d in given]
    if len({*found}) < len(found):
        raise RuntimeError(f"{name}: got dim {[*given]}, where one appears more than once; expected each once; leave "
                           f"one out")
    return found


def sizes_of(name: str, sizes: tuple[Any, ...], named: dict[str, Any], *keys: str) -> tuple[int, ...]:
    """Integers passed one by one, in a tuple, or by one of these names."""
    for key in named:
        if key in keys and not sizes:
            sizes = (named[key],)
        elif key != "memory_format":
            raise TypeError(f"{name}: got an unexpected keyword argument {key!r}; expected {keys[0]}, once; leave it "
                            f"out")
    if not sizes:
        raise TypeError(f"{name}: got no {keys[0]}; expected integers; write x.{name}(-1), for example")
    return shape_of(sizes)


# --- another shape ---


RESHAPE = REGISTRY["reshape"]


def reshaped(name: str, x: Any, shape: tuple[int, ...]) -> Node:
    """The node in another shape."""
    product, size = math.prod(shape), x.data.size
    if (product == size and -1 not in shape) or (product < 0 and shape.count(-1) == 1 and not size % product):
        a = x.data  # as `ops.reshape`, which would check its arguments once more
        return record(RESHAPE, a.reshape(shape), [x if x._requires_grad else None], [a],
                      {"order": "C", "copy": None, "shape": shape}, x._requires_grad)
    known = 1
    for n in shape:
        if n < -1:
            raise RuntimeError(f"{name}: invalid shape dimension {n}; expected sizes of 0 or more, or one -1")
        known *= n if n != -1 else 1
    free = shape.count(-1)
    if free > 1:
        raise RuntimeError(f"{name}: only one dimension can be inferred; got {[*shape]}; expected one -1; give the "
                           f"other size")
    if free and not known:
        raise RuntimeError(f"{name}: cannot reshape tensor of {size} elements into shape {[*shape]}, because the "
                           f"unspecified dimension size -1 can be any value; expected sizes above 0 beside it; give it")
    if (not free and known != size) or (free and size % known):
        raise RuntimeError(f"{name}: shape '{[*shape]}' is invalid for input of size {size}; expected sizes whose "
                           f"product is {size}; the tensor has shape {[*x.data.shape]}")
    if free and not size:  # subtle: NumPy can't tell
        shape = tuple([n if n != -1 else 0 for n in shape])
    return ops.reshape(x, shape)


@offer(function=False, method=True)
def view(input: Tensor, *sizes: Any, dtype: Any = None, **named: Any) -> Tensor:
    """The same memory in another shape, or read as another dtype; refused where it would have to be copied.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> x = torch.zeros(2, 3)
    >>> x.view(-1)[4] = 1
    >>> x
    tensor([[0., 0., 0.],
            [0., 1., 0.]])
    """
    if dtype is not None or (len(sizes) == 1 and isinstance(sizes[0], Dtype)):
        return other_dtype(input, dtype or sizes[0])
    x = input.node
    usual = sizes and not named and INTEGERS.issuperset(map(type, sizes))
    node = reshaped("view", x, sizes if usual else sizes_of("view", sizes, named, "size", "shape"))
    a, b = x.data, node.data
    if type(a) is np.ndarray and b.base is not a and a.size and owner(a) is not owner(b):
        raise RuntimeError(f"view: view size is not compatible with input tensor's size and stride (at least one "
                           f"dimension spans across two contiguous subspaces); got {[*a.shape]}, expected a tensor "
                           f"that lies in memory as its shape says; use .reshape(...) instead, or .contiguous() first")
    return as_view(input, node)


Dtype = dtype


def other_dtype(x: Tensor, wanted: dtype) -> Tensor:
    """The same memory read as another dtype."""
    a = x.node.data
    if a.itemsize != wanted.itemsize and (not a.ndim or a.strides[-1] != a.itemsize or (
            a.shape[-1] * a.itemsize % wanted.itemsize)):
        raise RuntimeError(f"view: got {wanted}, whose elements are of another size; expected a tensor whose last axis "
                           f"is contiguous, and has whole elements of it; use x.to({wanted}) for converted values")
    if a.dtype == wanted.numpy:
        return as_view(x, ops.getitem(x.node, Ellipsis))
    return as_view(x, Node(a.view(wanted.numpy)))


@offer(method=True)
def reshape(input: Tensor, *shape: Any, **named: Any) -> Tensor:
    """The same elements in another shape: a view where there can be one, else a copy."""
    return as_view(input, reshaped("reshape", input.node, sizes_of("reshape", shape, named, "shape")))


@offer(function=False, method=True)
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """The same memory in the shape of another tensor."""
    return view(input, other.node.data.shape)


@offer(function=False, method=True)
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """The same elements in the shape of another tensor."""
    return reshape(input, other.node.data.shape)


@offer(method=True)
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from one to another made one."""
    shape = input.node.data.shape
    start, end = (axis_at("flatten", d, len(shape)) for d in (start_dim, end_dim))
    if start > end:
        raise RuntimeError(f"flatten: start_dim cannot come after end_dim; got {start_dim} and {end_dim}; exchange "
                           f"them")
    if shape and start == end:
        return input
    return reshape(input, *shape[:start], int(np.prod(shape[start : end + 1])), *shape[end + 1 :])


@offer(method=True)
def ravel(input: Tensor) -> Tensor:
    """All elements along one axis."""
    return reshape(input, -1) if input.node.data.ndim != 1 else input


@offer(method=True)
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """An axis made several."""
    shape = input.node.data.shape
    axis = axis_at("unflatten", dim, len(shape))
    sizes = shape_of((sizes,))
    if not sizes:
        raise RuntimeError("unflatten: unflattened sizes must be non-empty; got none; expected sizes; write (-1,)")
    known = int(np.prod([n for n in sizes if n != -1]))
    if sizes.count(-1) > 1 or (shape[axis] % known if -1 in sizes and known else known != shape[axis]):
        raise RuntimeError(f"unflatten: Provided sizes {[*sizes]} don't multiply up to the size of dim {dim} "
                           f"({shape[axis]}) in the input tensor; expected sizes that do; one may be -1")
    return view(input, *shape[:axis], *sizes, *shape[axis + 1 :])


# --- axes of one element ---


@offer(method=True, note="Squeeze")
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without axes of size 1: all of them, or those of the given that have it."""
    y = as_view(input, squeezed(input.node, dim))
    if dim is not None and y.node.op is not None:
        y.note = f"SqueezeBackward{2 if isinstance(dim, tuple | list) else 1}"
    return y


def squeezed(x: Any, dim: Any) -> Node:
    shape = x.data.shape
    found = range(len(shape)) if dim is None else axes_at("squeeze", dim, len(shape))
    drop = [a for a in found if shape and shape[a] == 1]
    return ops.reshape(x, tuple([n for a, n in enumerate(shape) if a not in drop]))


@offer(method=True, note="Unsqueeze")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new axis of size 1 at a position."""
    return as_view(input, ops.expand_dims(input.node, axis_at("unsqueeze", dim, input.node.data.ndim + 1)))


# --- axes in another order ---


@offer(method=True, note="Permute")
def permute(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """The axes in another order."""
    order = sizes_of("permute", dims or ((),) * (not named), named, "dims", "axes")
    n = input.node.data.ndim
    if len(order) != n:
        raise RuntimeError(f"permute: number of dimensions in the tensor input does not match the length of the "
                           f"desired ordering of dimensions; got {[*order]} for {n} axes; name each once")
    return as_view(input, ops.transpose(input.node, tuple(axes_at("permute", order, n))))


@offer("transpose", "swapaxes", "swapdims", method=True, note="Transpose")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes exchanged."""
    x = input.node
    n = x.data.ndim
    a, b = axis_at("transpose", dim0, n), axis_at("transpose", dim1, n)
    return as_view(input, ops.swapaxes(x, a, b) if n else ops.getitem(x, Ellipsis))


@offer(method=True, note="T")
def t(input: Tensor) -> Tensor:
    """A matrix with its axes exchanged; a vector or number as it is."""
    n = input.node.data.ndim
    if n > 2:
        raise RuntimeError(f"t: t() expects a tensor with <= 2 dimensions, but self is {n}D; use x.mT, or x.permute")
    return as_view(input, ops.transpose(input.node) if n else ops.getitem(input.node, Ellipsis))


@offer("movedim", "moveaxis", method=True, note="Permute")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Axes moved to other positions; the others keep their order."""
    n = input.node.data.ndim
    a, b = axes_at("movedim", source, n), axes_at("movedim", destination, n)
    if len(a) != len(b):
        raise RuntimeError(f"movedim: Invalid source or destination dims: got {len(a)} and {len(b)}; expected as many "
                           f"of both; give each a place")
    return as_view(input, ops.moveaxis(input.node, a, b) if n else ops.getitem(input.node, Ellipsis))


@offer(method=True, note="Transpose")
def adjoint(input: Tensor) -> Tensor:
    """The last two axes exchanged."""
    if input.node.data.ndim < 2:
        raise RuntimeError(f"adjoint: tensor.mT and .adjoint() are only supported on matrices or batches of matrices; "
                           f"got {input.node.data.ndim} axes; expected two or more; use x.T")
    return transpose(input, -2, -1)


def reversed_axes(x: Tensor) -> Tensor:
    """The axes in reverse order."""
    n = x.node.data.ndim
    return permute(x, *range(n)[::-1]) if n else as_view(x, ops.getitem(x.node, Ellipsis))


setattr(Tensor, "T", property(reversed_axes))
setattr(Tensor, "H", property(lambda x: adjoint(x) if x.node.data.ndim == 2 else t(x), doc="The matrix transposed."))
setattr(Tensor, "mT", property(adjoint))
setattr(Tensor, "mH", property(adjoint))


# --- in place: the tensor itself gets another shape ---


def reshaping(name: str, function: Callable[..., Any]) -> None:
    """The method that gives the tensor itself the shape, or order of axes, of a view."""
    def change(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if records(self.node):
            refuse_leaf(self)
        preserve(self)
        with recording(True):  # subtle: what is in the graph stays there, under no_grad, too
            y = function(self, *args, **kwargs)
        if self.node.op is None:
            self.node.data = y.node.data
            return self
        self.node = y.node
        if hasattr(y, "note"):
            self.note = y.note
        return self

    change.__name__ = change.__qualname__ = name
    change.__doc__ = f"As `{name[:-1]}`; the tensor itself has the new shape."
    setattr(Tensor, name, change)


for short, f in (("squeeze", squeeze), ("unsqueeze", unsqueeze), ("transpose", transpose), ("swapaxes", transpose),
                 ("swapdims", transpose), ("t", t)):
    reshaping(f"{short}_", f)
