"""Parameter and Buffer: the tensors that a module finds by their names; of a lazy layer, before they have a size.

They compute as every other tensor does.
"""

from __future__ import annotations

from typing import Any, Self, TypeVar

import numpy as np

from ...advice import a_type
from ...nn import Parameter as Node
from ..dtypes import numpy_dtype, on_cpu
from ..tensor import Tensor, new

T = TypeVar("T", bound=Tensor)


def required(name: str, data: Any) -> Any:
    """The array of what has to be a tensor; nothing of None."""
    if data is None:
        return np.zeros(0, np.float32)
    if not isinstance(data, Tensor):
        raise TypeError(f"{name}: got {a_type(data)}; expected a tensor, or None; write "
                        f"torch.tensor(...) around it")
    return data.node.data


class Parameter(Tensor):
    """A tensor that a module finds and an optimiser trains; it shares the memory of the tensor that is given.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    Parameter containing:
    tensor([1., 2.], requires_grad=True)
    """

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Self:
        array = required("Parameter", data)
        if requires_grad and array.dtype.kind != "f":
            raise RuntimeError(f"Parameter: only tensors of floating point dtype can require gradients; got "
                               f"{data.dtype}; convert it: x.float(), or give requires_grad=False")
        return made(cls, array, requires_grad)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"Parameter containing:\n{super().__repr__()}"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = made(type(self), self.node.data.copy(), self.node._requires_grad)  # without grad
        return memo[id(self)]

    def __reduce__(self) -> Any:
        return made, (type(self), self.node.data, self.node._requires_grad), vars(self)

    def __setstate__(self, state: Any) -> None:
        vars(self).update(state)


def made(cls: type[T], array: Any, requires_grad: bool) -> T:
    """A parameter, of this class, that holds an array."""
    t = new(cls)
    t.node = Node(array, requires_grad)
    return t


class Buffer(Tensor):
    """A tensor that is a buffer of the module whose attribute it becomes; `state_dict` has it if it is persistent."""

    persistent: bool

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        t = new(cls)
        required("Buffer", data)
        t.node = Tensor(0).node if data is None else data.node
        t.persistent = persistent
        return t


# --- of a lazy layer, before its first input ---


class Uninitialized(Tensor):
    """What a lazy layer has where its numbers will be: it has no size yet, and can't be computed with."""

    wanted: Any  # NumPy's dtype of its numbers, where one was passed
    trains: bool
    is_leaf = True

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        on_cpu(device)
        t = new(cls)
        t.wanted, t.trains = numpy_dtype(dtype), requires_grad
        return t

    @property
    def node(self) -> Any:  # type: ignore[override]
        raise ValueError("uninitialized parameter: it has no shape and no values before its lazy layer has seen an "
                         "input; got a use of it; expected a first forward pass; call the model once, on a batch")

    @property
    def grad(self) -> None:
        """None."""

    @grad.setter
    def grad(self, value: Any) -> None: ...

    @property
    def requires_grad(self) -> bool:
        """Whether gradients will flow to it."""
        return self.trains

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        self.trains = on

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = t = new(type(self))
            t.wanted, t.trains = self.wanted, self.trains
        return memo[id(self)]

    def __reduce__(self) -> Any:
        return type(self), (), vars(self)

    def __setstate__(self, state: Any) -> None:
        vars(self).update(state)

    def become(self, other: Tensor) -> None:
        """Be what another tensor is, from now on."""
        trains, parameter = self.trains, isinstance(other, Parameter)
        vars(self).clear()
        setattr(self, "__class__", Parameter if parameter else Buffer)
        setattr(self, "node", other.node)
        if parameter:
            self.requires_grad = trains
        else:
            vars(self)["persistent"] = True


class UninitializedParameter(Uninitialized, Parameter):  # type: ignore[misc]
    """A parameter of a lazy layer, before its first input."""


class UninitializedBuffer(Uninitialized, Buffer):
    """A buffer of a lazy layer, before its first input."""
