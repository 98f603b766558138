"""Tensor: a tensor as PyTorch spells it, around one of the engine, its `node`.

The engine's tensors speak NumPy, and its rules count on that; what PyTorch means by a name stands on this class alone.
Functions and most methods are attached by the families (`offer.py`); writes in place are `writing.py`'s.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..advice import a_type
from ..core import NO_PARAMS, RELEASED, TracerBase, op_name
from ..core import Tensor as Node
from ..names import Missing, refusal
from .backward_names import backward_name
from .dtypes import CPU, OF, Size, default, dtype, of, on_cpu, shape_of
from .printing import tensor_text

new = object.__new__
UNSET = frozenset(("base", "note", "views"))  # slots that most tensors leave so
deep = [False]  # whether there was a gradient that has a graph, by create_graph=True or set by the user
BARE = -1  # the stamp of what `x.data` gives: it has no graph, and is no view of anything
clock = [0]  # writes in place so far; every node is stamped with it, so that `writing.py` finds what was saved before


class Retains:
    """Stands among a tensor's hooks where `retain_grad` was called."""


class Tensor:
    """A tensor with PyTorch's names and meanings; `torch.tensor` makes one of Python's numbers.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> x = torch.tensor([[1.0, 2.0]], requires_grad=True)
    >>> x.view(-1).std()
    tensor(0.7071, grad_fn=<StdBackward0>)
    """

    # base: what this tensor is a view of; views: weak references to those of this one; note: the name of its grad_fn,
    # where that is not its op's. All three are unset on most tensors.
    __slots__ = ("__weakref__", "base", "node", "note", "views")

    node: Node
    base: Tensor
    note: str
    views: list[Any]

    if TYPE_CHECKING:  # methods and operators are attached by the families
        def __getattr__(self, name: str) -> Any: ...
        def operate(self, *others: Any) -> Tensor: ...
        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __neg__ = operate
        __pow__ = __rpow__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __matmul__ = __rmatmul__ = operate
        __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __lshift__ = __rshift__ = __invert__ = operate
        __gt__ = __lt__ = __ge__ = __le__ = __abs__ = __pos__ = __getitem__ = operate
        def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __setitem__(self, index: Any, value: Any) -> None: ...
    else:
        def __getattr__(self, name: str) -> Any:  # reached where nothing else has the name
            if name in UNSET:
                raise AttributeError(name)
            raise Missing(refusal, "Tensor", name, lambda: dir(type(self)))

    _compared = ("node",)  # what of it a compiled program depends on; the rest says how it is told, and who shows it
    __array_priority__ = 1000
    __hash__ = object.__hash__

    def __new__(cls, *given: Any, device: Any = None) -> Tensor:
        on_cpu(device)
        if len(given) == 1 and isinstance(given[0], Tensor):
            return wrap(given[0].detach().node)
        if len(given) == 1 and isinstance(given[0], float):
            raise TypeError(f"Tensor: data must be a sequence; got {given[0]}; expected sizes, or a list of numbers; "
                            f"write torch.tensor({given[0]})")
        if len(given) == 1 and not isinstance(given[0], int | Size) and not (
                hasattr(given[0], "__index__") and not hasattr(given[0], "ndim")):
            return wrap(Node(np.array(given[0], default[0].numpy)))
        return wrap(Node(np.zeros(shape_of(given) if given else (0,), default[0].numpy)))

    # --- what it says of itself ---

    @property
    def shape(self) -> Size:
        """Its size along each axis."""
        return Size(self.node.data.shape)

    @property
    def dtype(self) -> dtype:
        """The kind of its numbers."""
        d = self.node.data.dtype
        return OF.get(d) or of(d)

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return self.node.data.ndim  # type: ignore[no-any-return]

    @property
    def device(self) -> Any:
        """The cpu."""
        return CPU

    @property
    def itemsize(self) -> int:
        """How many bytes an element has."""
        return self.node.data.itemsize  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        """How many bytes its elements have."""
        return self.node.data.nbytes  # type: ignore[no-any-return]

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user, or needs no gradient."""
        return self.node.op is None

    # --- gradients ---

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it."""
        return self.node._requires_grad

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        node = self.node
        if node.op is not None and not on:
            raise RuntimeError("requires_grad: you can only change requires_grad flags of leaf variables; got the "
                               f"output of {op_name(node)}; use x.detach() for values without a gradient")
        if node.op is None:
            if on and node.data.dtype.kind != "f":
                raise RuntimeError(f"requires_grad: only tensors of floating point dtype can require gradients; got "
                                   f"{self.dtype}; convert first: x.float()")
            node._requires_grad = bool(on)

    @property
    def grad(self) -> Tensor | None:
        """What `backward()` has left here, or None."""
        g = self.node._grad
        if g is None:
            if self.node.op is not None and not self.retains_grad:
                warnings.warn(f"grad: The .grad attribute of a Tensor that is not a leaf Tensor is being accessed; got "
                              f"the output of {op_name(self.node)}, and backward() leaves no gradient there; expected "
                              f"a leaf; call .retain_grad() on it before backward()", UserWarning, stacklevel=2)
            return None
        return wrap(g) if isinstance(g, Node) else of_array(g)

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"grad: got {a_type(value)}; expected a tensor, or None; write "
                                f"torch.tensor(value)")
            data = value.node.data
            if data.shape != self.node.data.shape or data.dtype != self.node.data.dtype:
                raise RuntimeError(f"grad: got {value.dtype} of shape {[*data.shape]}; expected {self.dtype} of shape "
                                   f"{[*self.node.data.shape]}, as the tensor's; reshape or convert it first")
            if value is self:
                raise RuntimeError("grad: can't assign Variable as its own grad; got the tensor itself; expected "
                                   "another; write x.grad = x.detach().clone()")
            deep[0] = deep[0] or value.node._requires_grad
            value = data if not value.node._requires_grad else value.node
        self.node._grad = value

    @property
    def retains_grad(self) -> bool:
        """Whether passes leave a gradient here, though it is no leaf."""
        hooks = self.node.hooks
        return self.node.op is not None and any(isinstance(h, Retains) for h in hooks or ())

    def backward_name(self) -> str:
        """What PyTorch calls the node that made this tensor."""
        return self.note if hasattr(self, "note") else name_of(self.node)

    @property
    def data(self) -> Tensor:
        """The values, as a tensor that shares memory and records nothing."""
        t = of_array(self.node.data)
        t.node.stamp = BARE
        return t

    def detach(self) -> Tensor:
        """The values, as a tensor that shares memory and takes no gradient."""
        return of_array(self.node.data)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Let gradients flow to this leaf, or no longer."""
        self.requires_grad = requires_grad
        return self

    # --- out of the graph ---

    def item(self) -> Any:
        """The one element as a Python number."""
        data = self.node.data
        if data.size != 1:
            raise RuntimeError(f"item: a Tensor with {data.size} elements cannot be converted to Scalar; expected one "
                               f"element; reduce it first, or use x.tolist()")
        return data.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python's numbers; of a tensor without axes, the number."""
        return self.node.data.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """The values as an array that shares memory; `force` also of a tensor that requires grad."""
        if self.node._requires_grad and not force:
            raise RuntimeError("numpy: can't call numpy() on Tensor that requires grad; expected one that needs none; "
                               "use tensor.detach().numpy() instead")
        return self.node.data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Tensor:
        return of_array(array.astype(np.uint8) if array.dtype == np.bool_ else array)  # np.sin(x) is a tensor

    def __float__(self) -> float:
        return float(self.single().item())

    def __int__(self) -> int:
        return int(self.single().item())

    def single(self) -> Tensor:
        """The tensor, where it has one element."""
        if self.node.data.size != 1:
            raise ValueError(f"float: only one element tensors can be converted to Python scalars; got a tensor of "
                             f"shape {[*self.node.data.shape]}; reduce it first, or use x.tolist()")
        return self

    def __bool__(self) -> bool:
        data = self.node.data
        if data.size != 1:
            raise RuntimeError(f"bool: Boolean value of Tensor with {data.size} values is ambiguous; expected one "
                               f"element; use x.any() or x.all()")
        return bool(data.item() if not isinstance(data, TracerBase) else data)

    def __index__(self) -> int:
        data = self.node.data
        if data.size != 1 or data.dtype.kind not in "iub":
            raise TypeError(f"index: only integer tensors of a single element can be converted to an index; got "
                            f"{self.dtype} of shape {[*data.shape]}; convert with x.long() or x.item()")
        return int(data.item())

    def __len__(self) -> int:
        if not self.node.data.ndim:
            raise TypeError("len: len() of a 0-d tensor; expected one axis or more; use x.item() for the number")
        return len(self.node.data)

    def __iter__(self) -> Iterator[Tensor]:
        if not self.node.data.ndim:
            raise TypeError("iter: iteration over a 0-d tensor; expected one axis or more; use x.item() for the number")
        return (self[i] for i in range(len(self.node.data)))

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self.node.data == (value.node.data if isinstance(value, Tensor) else value)))

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        node = self.node
        if isinstance(node.data, TracerBase):
            return f"tensor({node.data!r})"
        fn = None if node.op is None else self.backward_name()
        return tensor_text(node.data, grad_fn=fn, requires_grad=node._requires_grad, dtype_name=self.dtype.name,
                           default_dtype_name=default[0].name)

    def __format__(self, spec: str) -> str:
        if self.node.data.ndim:
            if spec:
                raise TypeError(f"format: unsupported format string {spec!r} passed to a tensor of shape "
                                f"{[*self.node.data.shape]}; expected no axes; write f'{{x.item():{spec}}}' of one "
                                f"element")
            return repr(self)
        return format(self.node.data.item(), spec) if spec or not self.node._requires_grad else repr(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) not in memo:
            if self.node.op is not None:
                raise RuntimeError("deepcopy: only Tensors created explicitly by the user (graph leaves) support the "
                                   "deepcopy protocol; got the output of an op; copy x.detach().clone()")
            other = new(type(self))
            other.node = node = Node(self.node.data.copy(), self.node._requires_grad)
            node._grad = None if self.node._grad is None else np.array(self.node._grad)
            memo[id(self)] = other
        return memo[id(self)]  # type: ignore[no-any-return]

    def __reduce__(self) -> Any:
        return rebuilt, (type(self), self.node.data, self.node._requires_grad and self.node.op is None)

    def __setstate__(self, state: Any) -> None: ...


def owner(a: Any) -> Any:
    """The array whose memory an array shows."""
    while (base := a.base) is not None:
        if type(base) is not np.ndarray:
            base = getattr(base, "base", None)  # subtle: `as_strided` puts another object in between
            if type(base) is not np.ndarray:
                break
        a = base
    return a


def name_of(node: Any) -> str:
    """What PyTorch calls what made a node."""
    if node.op is RELEASED:
        return backward_name(node.params["op"].name)
    return backward_name(node.op.name, node.params, [getattr(a, "shape", None) for a in node.saved],
                         copied=node.op.name == "reshape" and owner(node.data) is not owner(node.saved[0]))


stamp_of = vars(Node)["stamp"].__get__  # quicker than hasattr, which would list all names where one is missing


def wrap(node: Any) -> Tensor:
    """Wrap a tensor of the engine in PyTorch's class."""
    t: Tensor = new(Tensor)
    t.node = node
    if node.op is None:
        node.stamp = clock[0]
    else:
        try:
            stamp_of(node)  # subtle: the stamp of what was saved earlier stays
        except AttributeError:
            node.stamp = clock[0]
    return t


def of_array(a: Any) -> Tensor:
    """A tensor of an array, which it shares; quicker than the engine's constructor, which checks its argument."""
    node = new(Node)
    node.data, node._grad, node.hooks, node._requires_grad, node.op = a, None, None, False, None
    node.inputs, node.saved, node.params, node.stamp = (), (), NO_PARAMS, clock[0]
    t: Tensor = new(Tensor)
    t.node = node
    return t


def unwrap(x: Any) -> Any:
    """The engine's tensor of one of PyTorch's; anything else as it is."""
    return x.node if isinstance(x, Tensor) else x


def rebuilt(cls: type[Tensor], data: Any, requires_grad: bool) -> Tensor:
    """A tensor from what was pickled or copied."""
    t = new(cls)
    t.node = Node(data.copy(), requires_grad)
    return t


def as_node(x: Any, what: str = "input") -> Any:
    """The engine's tensor of an argument that must be a tensor; Python's numbers, too, for functions of numbers."""
    if isinstance(x, Tensor):
        return x.node
    if isinstance(x, bool | int | float):
        d = default[0].numpy if isinstance(x, float) else np.int64 if not isinstance(x, bool) else np.bool_
        return Node(np.array(x, d))
    raise TypeError(f"{what}: got {a_type(x)}; expected a tensor; write torch.tensor(...) around it")
