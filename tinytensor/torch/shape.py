"""The same elements in another shape, or with axes in another order: views, each of which sees writes into the other.

What shows a part of the elements is in `parts.py`, what copies them in `turning.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..core import Tensor as Node
from ..modes import recording
from .dtypes import Size, dtype, shape_of
from .offer import offer
from .tensor import Tensor, as_node
from .writing import as_view, owner, records, refuse_leaf

# --- arguments ---


def axis_at(name: str, dim: Any, n: int) -> int:
    """The axis that a `dim` means among n; where there is none, 0 and -1 are allowed."""
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(f"{name}: got dim={dim!r}; expected an integer; see help(torch.{name})")
    dim, n = dim.__index__(), max(n, 1)
    if not -n <= dim < n:
        raise IndexError(f"{name}: Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim}); "
                         f"count from 0, or from -1 backwards")
    return dim % n  # type: ignore[no-any-return]


def axes_at(name: str, dims: Any, n: int) -> list[int]:
    """The axes that several dims mean, each once."""
    given = [dims] if not isinstance(dims, tuple | list) else dims
    found = [axis_at(name, d, n) for d in given]
    if len({*found}) < len(found):
        raise RuntimeError(f"{name}: got dim {[*given]}, where one appears more than once; expected each once; leave "
                           f"one out")
    return found


def sizes_of(name: str, sizes: tuple[Any, ...], named: dict[str, Any], *keys: str) -> tuple[int, ...]:
    """Integers that came one by one, in a tuple, or by one of these names."""
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


def reshaped(name: str, x: Any, shape: tuple[int, ...]) -> Node:
    """The node in another shape."""
    known, size = 1, x.data.size
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
    return ops.reshape(x, shape)  # type: ignore[no-any-return]


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
    node = reshaped("view", x, sizes_of("view", sizes, named, "size", "shape"))
    a, b = x.data, node.data
    if type(a) is np.ndarray and a.size and owner(a) is not owner(b):
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
    sizes = shape_of((sizes,) if not hasattr(sizes, "__index__") else (sizes,))
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
    return ops.reshape(x, tuple([n for a, n in enumerate(shape) if a not in drop]))  # type: ignore[no-any-return]


@offer(method=True, note="Unsqueeze")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new axis of size 1 at a place."""
    return as_view(input, ops.expand_dims(input.node, axis_at("unsqueeze", dim, input.node.data.ndim + 1)))


# --- axes in another order ---


@offer(method=True, note="Permute")
def permute(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """The axes in another order."""
    order = sizes_of("permute", dims or ((),) * (not named), named, "dims", "axes")
    n = input.node.data.ndim
    if len(order) != n:
        raise RuntimeError(f"permute: number of dimensions in the tensor input does not match the length of the desired "
                           f"ordering of dimensions; got {[*order]} for {n} axes; name each once")
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
    """Axes moved to other places; the others keep their order."""
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
setattr(Tensor, "H", property(lambda x: adjoint(x) if x.node.data.ndim == 2 else t(x)))
setattr(Tensor, "mT", property(adjoint))
setattr(Tensor, "mH", property(adjoint))


# --- stretched ---


def stretched(name: str, x: Any, shape: tuple[int, ...]) -> Node:
    """The node stretched to a shape, in which -1 stands for the size that there is."""
    old = x.data.shape
    lead = len(shape) - len(old)
    if lead < 0 or -1 in shape[:lead]:
        raise RuntimeError(f"{name}: the number of sizes provided ({len(shape)}) must be greater or equal to the number "
                           f"of dimensions in the tensor ({len(old)}), and new ones can't be -1; got {[*shape]} for "
                           f"{[*old]}; give sizes for all axes")
    shape = tuple([old[i - lead] if n == -1 else n for i, n in enumerate(shape)])
    for a, b in zip(shape[lead:], old, strict=True):
        if a != b and b != 1:
            raise RuntimeError(f"{name}: The expanded size of the tensor ({a}) must match the existing size ({b}); "
                               f"target sizes: {[*shape]}; tensor sizes: {[*old]}; only axes of size 1 can be expanded")
    node = ops.broadcast_to(x, shape)
    if type(node.data) is np.ndarray and x.data.flags.writeable:
        node.data.flags.writeable = True  # subtle: NumPy forbids writes; `fitting` refuses those that would do harm
    return node  # type: ignore[no-any-return]


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


# --- in place: the tensor itself gets another shape ---


def reshaping(name: str, function: Callable[..., Any]) -> None:
    """The method that gives the tensor itself the shape, or order of axes, of a view."""
    def change(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if records(self.node):
            refuse_leaf(self)
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
