"""Tensors of another dtype, copies, fillers, tensors like another, and what a tensor says of its memory.

The device is the cpu; any other is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..core import Tensor as Node
from . import creation
from .dtypes import ALIASES, DTYPES, Size, numpy_dtype, of, on_cpu
from .dtypes import dtype as Dtype
from .elementwise import given, imag, kept, quiet
from .offer import offer
from .operators import NUMBERS
from .tensor import Tensor, as_node, new, of_array, owner, wrap
from .writing import assign, version, write

# --- dtypes ---


@quiet
def cast(x: Tensor, dtype: Any, copy: bool = False) -> Tensor:
    """The tensor in NumPy's dtype: itself, if it has it."""
    node = x.node
    if node.data.dtype == dtype:
        return clone(x) if copy else x
    y = node.astype(dtype)
    return wrap(y if np.dtype(dtype).kind == "f" else Node(y.data))


def caster(name: str, dtype: Any) -> Callable[..., Tensor]:
    def convert(self: Tensor) -> Tensor:
        return cast(self, dtype)

    convert.__name__ = name
    convert.__doc__ = f"The tensor as {of(dtype)}: itself, if it is."
    return convert


for name, meant in {**ALIASES, "char": "int8", "byte": "uint8", "bool": "bool"}.items():
    offer(name, function=False, method=True)(caster(name, DTYPES[meant].numpy))

TYPES = {"FloatTensor": "float32", "DoubleTensor": "float64", "HalfTensor": "float16", "LongTensor": "int64",
         "IntTensor": "int32", "ShortTensor": "int16", "CharTensor": "int8", "ByteTensor": "uint8",
         "BoolTensor": "bool"}
TYPE_OF = {DTYPES[name].numpy: f"torch.{kind}" for kind, name in TYPES.items()}


@offer("to", function=False, method=True)
def to(self: Tensor, *args: Any, device: Any = None, dtype: Any = None, non_blocking: bool = False,
       copy: bool = False, memory_format: Any = None) -> Tensor:
    """The tensor in a dtype, on the cpu, or as another tensor is: itself, if it is so already.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.tensor([1.7]).to("cpu", torch.int64)
    tensor([1])
    """
    wanted = dtype
    for i, x in enumerate(args):
        if isinstance(x, Tensor):
            wanted = x.dtype
        elif isinstance(x, bool):  # non_blocking, then copy
            copy = x if i == len(args) - 1 and any(isinstance(y, bool) for y in args[:i]) else copy
        elif type(x) is Dtype or x in (float, int, bool):
            wanted = x
        elif x is not None:
            on_cpu(f"cuda:{x}" if isinstance(x, int) else x)
    on_cpu(device)
    return cast(self, self.node.data.dtype if wanted is None else numpy_dtype(wanted), copy)


@offer("type", function=False, method=True)
def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The tensor in a dtype, which may be called "torch.FloatTensor"; without one, that name of its own dtype."""
    if dtype is None:
        return TYPE_OF[self.node.data.dtype]
    if type(dtype) is Dtype:
        return cast(self, dtype.numpy)
    kind = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", repr(dtype))
    meant = TYPES.get(kind.rpartition(".")[2])
    if meant is None or ".cuda." in kind:
        raise ValueError(f"type: got {dtype!r}; expected a dtype such as torch.float32, or a name such as "
                         f"'torch.FloatTensor'; write x.to(torch.float32)")
    return cast(self, DTYPES[meant].numpy)


@offer("type_as", function=False, method=True)
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor in another's dtype."""
    return cast(self, given("type_as", other, "other").data.dtype)


@offer("cpu", function=False, method=True)
def cpu(self: Tensor) -> Tensor:
    """The tensor itself: here is no other device."""
    return self


@offer("cuda", function=False, method=True)
def cuda(self: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """Refused: there is no other device than the cpu."""
    raise RuntimeError("cuda: got a call for a GPU; expected the cpu, for tinytensor computes with NumPy; write "
                       "x.to('cuda' if torch.cuda.is_available() else 'cpu')")


# --- copies ---


@offer(method=True, note="Clone")
def clone(input: Tensor) -> Tensor:
    """A copy, through which gradients flow."""
    return wrap(kept(given("clone", input)))


@offer("contiguous", function=False, method=True, note="")
def contiguous(self: Tensor) -> Tensor:
    """The tensor, if its elements lie in memory in their order, else a copy in which they do."""
    a = self.node.data
    if a.flags.c_contiguous:
        return self
    y = wrap(ops.reshape(self.node, a.shape, copy=True)) if self.node.needs else of_array(np.ascontiguousarray(a))
    y.note = "CloneBackward0"
    return y


offer("detach")(Tensor.detach)


@offer("detach_", method=True)
def detach_(input: Tensor) -> Tensor:
    """Let the tensor be a leaf, which takes no gradient."""
    if hasattr(input, "base"):
        raise RuntimeError("detach_: can't detach views in-place; got a view; expected a tensor of its own; use "
                           "detach() instead")
    input.node = Node(input.node.data)
    return input


# --- fillers ---


@quiet
def converted(node: Any, dtype: Any, shape: Any) -> Any:
    """A node of this dtype and shape."""
    if node.data.dtype != dtype:
        node = node.astype(dtype) if np.dtype(dtype).kind == "f" else Node(node.data.astype(dtype))
    return node if node.data.shape == shape else ops.broadcast_to(node, shape)


def filled(name: str, self: Tensor, value: Any) -> Tensor:
    """Every element becomes the value; the old ones get a gradient of 0."""
    source = as_node(value, name)
    array = self.node.data
    if isinstance(value, bool | int | float) and not self.node.needs:
        write(array, source.data.astype(array.dtype))
        return self
    never = Node(np.zeros((), np.bool_))
    return assign(name, self, lambda node: ops.where(never, node, converted(source, array.dtype, array.shape)), source)


@offer("zero_", method=True)
def zero_(input: Tensor) -> Tensor:
    """Every element becomes 0."""
    return filled("zero_", input, 0)


@offer("fill_", method=True)
def fill_(input: Tensor, value: Any) -> Tensor:
    """Every element becomes the value, a number or a tensor of one element and no axes."""
    if isinstance(value, Tensor) and value.node.data.ndim:
        raise RuntimeError(f"fill_: only supports 0-dimension value tensor but got tensor with {value.ndim} "
                           f"dimensions; write copy_ for tensors with axes")
    return filled("fill_", input, value)


@offer()
def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor as `input`, filled with the value."""
    return fill_(clone(input), value)


@offer("copy_", function=False, method=True)
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Every element becomes that of another tensor, converted and broadcast; gradients flow to that tensor."""
    source, array = as_node(src, "copy_"), self.node.data
    try:
        fits = np.broadcast_shapes(source.data.shape, array.shape) == array.shape
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(f"copy_: the size of the source {[*source.data.shape]} must match the size of the tensor "
                           f"{[*array.shape]}; expected one that broadcasts to it; reshape it")
    never = Node(np.zeros((), np.bool_))

    def compute(node: Any) -> Any:
        value = converted(source, array.dtype, array.shape)
        return ops.where(never, node, value) if node.needs else value

    return assign("copy_", self, compute, source)


# --- tensors like another ---


def like(name: str, make: Callable[..., Tensor]) -> None:
    def new_one(self: Tensor, *size: Any, dtype: Any = None, device: Any = None,
                requires_grad: bool = False) -> Tensor:
        return make(*size, dtype=self.dtype if dtype is None else dtype, device=device, requires_grad=requires_grad)

    new_one.__name__ = name
    new_one.__doc__ = f"`{name[4:]}` of the tensor's dtype."
    offer(name, function=False, method=True)(new_one)


for name, make in (("new_zeros", creation.zeros), ("new_ones", creation.ones), ("new_empty", creation.empty),
                   ("new_tensor", creation.tensor)):
    like(name, make)


@offer("new_full", function=False, method=True)
def new_full(self: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False) -> Tensor:
    """A tensor of one value, of the tensor's dtype."""
    t = creation.empty(size, dtype=self.dtype if dtype is None else dtype, device=device)
    t.fill_(fill_value)
    t.requires_grad = requires_grad
    return t


# --- what a tensor says of itself ---


@offer(method=True)
def numel(input: Tensor) -> int:
    """How many elements it has."""
    return given("numel", input).data.size  # type: ignore[no-any-return]


@offer("size", function=False, method=True)
def size(self: Tensor, dim: int | None = None) -> Any:
    """The shape, or the size of one axis."""
    shape = self.node.data.shape
    if dim is None:
        return Size(shape)
    n = max(len(shape), 1)
    if not -n <= dim < n or not shape:
        raise IndexError(f"size: Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim}); "
                         f"the tensor has shape {[*shape]}")
    return shape[dim]


@offer("stride", function=False, method=True)
def stride(self: Tensor, dim: int | None = None) -> Any:
    """How many elements of memory lie between neighbours, along each axis or along one."""
    a = self.node.data
    found = tuple([s // a.itemsize for s in a.strides])
    if a.flags.c_contiguous:  # subtle: NumPy leaves the strides of axes of size 0 and 1 as they came
        sizes, found = [1], ()
        for n in a.shape[:0:-1]:
            sizes.append(sizes[-1] * max(n, 1))
        found = tuple(sizes[::-1]) if a.ndim else ()
    return found if dim is None else found[dim]


def said(*names: str, what: Callable[[Any], Any], function: bool = False) -> None:
    """A question to a tensor's array."""
    def ask(input: Tensor) -> Any:
        return what(given(names[0], input).data)

    ask.__name__ = names[0]
    ask.__doc__ = f"`{names[0]}` of the tensor."
    offer(*names, function=function, method=True)(ask)


said("nelement", what=lambda a: a.size)
said("dim", "ndimension", what=lambda a: a.ndim)
said("element_size", what=lambda a: a.itemsize)
said("data_ptr", what=lambda a: a.__array_interface__["data"][0])
said("storage_offset", what=lambda a: (
    a.__array_interface__["data"][0] - owner(a).__array_interface__["data"][0]) // a.itemsize)
said("is_floating_point", what=lambda a: a.dtype.kind == "f", function=True)
said("is_signed", what=lambda a: a.dtype.kind in "fi", function=True)
for name in ("is_complex", "is_conj", "is_neg", "is_inference"):
    said(name, what=lambda a: False, function=True)
for name in ("is_pinned", "is_shared"):
    said(name, what=lambda a: False)
said("get_device", what=lambda a: -1, function=True)


@offer("is_contiguous", function=False, method=True)
def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Whether its elements lie in memory in their order."""
    return self.node.data.flags.c_contiguous  # type: ignore[no-any-return]


@offer(method=True)
def is_nonzero(input: Tensor) -> bool:
    """Whether its one element is not 0."""
    return bool(input)


@offer(method=True)
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape."""
    return given("is_same_size", input).data.shape == given("is_same_size", other, "other").data.shape  # type: ignore[no-any-return]


@offer()
def is_tensor(obj: Any) -> bool:
    """Whether it is a tensor."""
    return isinstance(obj, Tensor)


for name in ("is_cuda", "is_sparse", "is_quantized", "is_mps", "is_xpu", "is_meta", "is_nested", "is_mkldnn",
             "is_sparse_csr", "is_ipu", "is_maia", "is_mtia", "is_vulkan", "is_xla"):
    setattr(Tensor, name, False)
setattr(Tensor, "is_cpu", True)
setattr(Tensor, "layout", "torch.strided")
setattr(Tensor, "_version", property(version))
setattr(Tensor, "real", property(lambda self: self))
setattr(Tensor, "imag", property(imag))
