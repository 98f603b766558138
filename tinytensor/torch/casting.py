"""Tensors of another dtype, copies, and what fills a tensor: `to`, `float`, `clone`, `fill_`, `copy_`.

The device is the cpu; any other is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..core import Tensor as Node
from . import limits, special  # noqa: F401 (their methods)
from .dtypes import ALIASES, DTYPES, numpy_dtype, of, on_cpu
from .dtypes import dtype as Dtype
from .elementwise import given, kept
from .offer import FUNCTIONS, offer
from .operators import quiet
from .tensor import Tensor, as_node, of_array, wrap
from .writing import assign, enters_graph, preserve, separate, write

# --- dtypes ---


astype = quiet(ops.astype)


def cast(x: Tensor, dtype: Any, copy: bool = False) -> Tensor:
    """The tensor in NumPy's dtype: itself, if it has it."""
    node = x.node
    if node.data.dtype == dtype:
        return wrap(kept(node)) if copy else x
    y = astype(node, dtype)
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
        elif isinstance(x, Dtype) or x in (float, int, bool):
            wanted = x
        elif isinstance(x, type | np.dtype):
            numpy_dtype(x)  # which refuses it
        elif x is not None:
            on_cpu(f"cuda:{x}" if isinstance(x, int) else x)
    on_cpu(device)
    return cast(self, self.node.data.dtype if wanted is None else numpy_dtype(wanted), copy)


@offer("type", function=False, method=True)
def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The tensor in a dtype, which may be called "torch.FloatTensor"; without one, such a name of its own dtype."""
    if dtype is None:
        return TYPE_OF[self.node.data.dtype]
    if isinstance(dtype, Dtype):
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
    y = of_array(np.ascontiguousarray(a))
    if self.node.requires_grad:
        y = wrap(ops.reshape(self.node, a.shape, copy=True))
    y.note = "CloneBackward0"
    return y


offer("detach")(Tensor.detach)


@offer("detach_", method=True)
def detach_(input: Tensor) -> Tensor:
    """Let the tensor be a leaf, which takes no gradient."""
    if hasattr(input, "base"):
        raise RuntimeError("detach_: can't detach views in-place; got a view; expected a tensor of its own; use "
                           "detach() instead")
    gradient = input.node._grad
    input.node = Node(input.node.data)
    input.node._grad = gradient
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
    if isinstance(value, bool | int | float) and not enters_graph(self):
        separate(name, array)
        preserve(self)
        write(array, source.data.astype(array.dtype))
        return self
    never = Node(np.zeros((), np.bool_))
    assign(name, self, lambda node: ops.where(never, node, converted(source, array.dtype, array.shape)), source)
    return noted(self, "Zero0" if name == "zero_" else "Fill3" if isinstance(value, Tensor) else "Fill2")


def noted(x: Tensor, name: str) -> Tensor:
    """The tensor, whose graph says by what name PyTorch calls the function that wrote it."""
    if x.node.op is not None:
        x.note = f"{name[:-1]}Backward{name[-1]}"
    return x


@offer("zero_", method=True)
def zero_(input: Tensor) -> Tensor:
    """Every element becomes 0."""
    return filled("zero_", input, 0)


@offer("fill_", method=True)
def fill_(input: Tensor, value: Any) -> Tensor:
    """Every element becomes the value, a number or a tensor of one element and no axes."""
    if isinstance(value, Tensor) and value.node.data.ndim:
        raise RuntimeError(f"fill_: expected a value without axes, but got a tensor with {value.ndim} dimensions; "
                           f"write copy_ for tensors with axes")
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
        return ops.where(never, node, value) if node._requires_grad else value

    return noted(assign("copy_", self, compute, source), "Copys")


# --- methods that write in place, which `torch` has as functions too ---

IN_PLACE = """abs acos acosh arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh ceil clamp clamp_max
clamp_min clip conj_physical cos cosh deg2rad erf erfc exp exp2 expm1 fix floor frac gcd i0 lcm ldexp log log10 log1p
log2 logit nan_to_num neg negative rad2deg reciprocal relu round rsqrt sigmoid sin sinc sinh sqrt square tan tanh trunc
xlogy"""
for name in IN_PLACE.split():
    FUNCTIONS[f"{name}_"] = getattr(Tensor, f"{name}_")
