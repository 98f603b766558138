"""What a tensor says of itself and of its memory, and new tensors of its dtype: `size`, `numel`, `stride`, `new_zeros`.

Its shape, dtype and device are attributes, in `tensor.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import creation
from .dtypes import Size, strided
from .elementwise import imag, tensor_node
from .offer import offer
from .tensor import Tensor, owner
from .versions import version

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
    t: Tensor = creation.empty(size, dtype=self.dtype if dtype is None else dtype, device=device)
    t.fill_(fill_value)
    t.requires_grad = requires_grad
    return t


# --- what a tensor says of itself ---


@offer(method=True)
def numel(input: Tensor) -> int:
    """How many elements it has."""
    return tensor_node("numel", input).data.size  # type: ignore[no-any-return]


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
    found, step = [], 1
    for n, s in zip(a.shape[::-1], a.strides[::-1], strict=True):
        s //= a.itemsize
        if not a.size or (n == 1 and not s):  # subtle: such strides mean nothing, and NumPy leaves 0 there
            s = step
        found.append(s)
        step = max(n, 1) * s
    strides = tuple(found[::-1])
    return strides if dim is None else strides[dim]


def said(*names: str, what: Callable[[Any], Any], function: bool = False) -> None:
    """A question to a tensor's array."""
    def ask(input: Tensor) -> Any:
        return what(tensor_node(names[0], input).data)

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
    return tensor_node("is_same_size", input).data.shape == tensor_node("is_same_size", other, "other").data.shape  # type: ignore[no-any-return]


@offer()
def is_tensor(obj: Any) -> bool:
    """Whether it is a tensor."""
    return isinstance(obj, Tensor)


for name in ("is_cuda", "is_sparse", "is_quantized", "is_mps", "is_xpu", "is_meta", "is_nested", "is_mkldnn",
             "is_sparse_csr", "is_ipu", "is_maia", "is_mtia", "is_vulkan", "is_xla"):
    setattr(Tensor, name, False)
setattr(Tensor, "is_cpu", True)
setattr(Tensor, "layout", strided)
setattr(Tensor, "_version", property(version))
setattr(Tensor, "real", property(lambda self: self, doc="The tensor itself."))
setattr(Tensor, "imag", property(imag))
