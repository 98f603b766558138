"""Storages: the memory that a tensor and its views share, as one row of numbers, or of bytes; and maps over elements.

A storage can be read and written, not made, resized or shared with another process.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .dtypes import CPU, device, dtype, of
from .offer import offer
from .tensor import Tensor, of_array, owner
from .versions import note
from .writing import write


class Storage:
    """What both kinds have: a row of elements in the order of memory."""

    device: device = CPU
    is_cuda = is_sparse = False

    def __init__(self, array: Any) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.array.tolist())

    def __setitem__(self, index: Any, value: Any) -> None:
        self.array[index] = value
        note(self.array)

    def __repr__(self) -> str:
        numbers = "\n ".join(map(str, self.array.tolist()))
        return f" {numbers}\n[torch.storage.{self.title()} of size {len(self)}]"

    def title(self) -> str:
        return f"{type(self).__name__}(device=cpu)"

    def size(self) -> int:
        """How many elements it has."""
        return len(self.array)

    def nbytes(self) -> int:
        """How many bytes it has."""
        return self.array.nbytes  # type: ignore[no-any-return]

    def element_size(self) -> int:
        """How many bytes an element has."""
        return self.array.itemsize  # type: ignore[no-any-return]

    def data_ptr(self) -> int:
        """The address of its first byte."""
        return self.array.__array_interface__["data"][0]  # type: ignore[no-any-return]

    def tolist(self) -> list[Any]:
        """Its elements as Python's numbers."""
        return self.array.tolist()  # type: ignore[no-any-return]


class TypedStorage(Storage):
    """The memory of a tensor as a row of its numbers: what `Tensor.storage` gives.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.tensor([[1.0, 2.0], [3.0, 4.0]])[1].storage()
     1.0
     2.0
     3.0
     4.0
    [torch.storage.TypedStorage(dtype=torch.float32, device=cpu) of size 4]
    """

    @property
    def dtype(self) -> dtype:
        return of(self.array.dtype)

    def title(self) -> str:
        return f"TypedStorage(dtype={self.dtype}, device=cpu)"

    def __getitem__(self, index: Any) -> Any:
        if not hasattr(index, "__index__"):
            raise RuntimeError(f"storage: slices are only supported in an untyped storage; got {index!r}; expected an "
                               f"integer; write x.storage().tolist()[{index!r}]")
        try:
            return self.array[index.__index__()].item()
        except IndexError:
            raise IndexError(f"storage: index {index} out of range for storage of size {len(self)}; expected less; "
                             f"count from 0") from None

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage(self.array.view(np.uint8))


class UntypedStorage(Storage):
    """The memory of a tensor as a row of bytes: what `Tensor.untyped_storage` gives."""

    def __getitem__(self, index: Any) -> Any:
        return UntypedStorage(self.array[index]) if isinstance(index, slice) else self.array[index].item()


def row(a: Any) -> Any:
    """The memory that an array shows a part of, as a row of its dtype."""
    whole = owner(a).ravel(order="K")
    return whole if whole.dtype == a.dtype else whole.view(a.dtype)


@offer("storage", function=False, method=True)
def storage(self: Tensor) -> TypedStorage:
    """The memory that this tensor and its views share, as a row of numbers."""
    return TypedStorage(row(self.node.data))


@offer("untyped_storage", function=False, method=True)
def untyped_storage(self: Tensor) -> UntypedStorage:
    """The memory that this tensor and its views share, as a row of bytes."""
    return UntypedStorage(row(self.node.data).view(np.uint8))


@offer()
def is_storage(obj: Any) -> bool:
    """Whether it is a storage."""
    return isinstance(obj, Storage)


# --- functions of Python's numbers ---


def mapped(name: str, function: Any, first: Tensor, *others: Tensor) -> Tensor:
    """Write what a function of Python's numbers gives, element by element."""
    if first.node._requires_grad:
        raise RuntimeError(f"{name}: can't call {name}() on a tensor that requires grad; expected one that needs none; "
                           f"use x.detach().{name}() instead")
    arrays = np.broadcast_arrays(*[x.node.data for x in (first, *others)])
    numbers = [function(*xs) for xs in zip(*[a.reshape(-1).tolist() for a in arrays], strict=True)]
    write(first.node.data, np.array(numbers).astype(first.node.data.dtype).reshape(first.node.data.shape))
    return first


@offer("apply_", function=False, method=True)
def apply_(self: Tensor, callable: Any) -> Tensor:
    """Give each element to a function of Python's numbers, and keep what it returns; slow: a loop in Python."""
    return mapped("apply_", callable, self)


@offer("map_", function=False, method=True)
def map_(self: Tensor, tensor: Tensor, callable: Any) -> Tensor:
    """As `apply_`, of a function of two numbers: this tensor's and another's."""
    return mapped("map_", callable, self, tensor)


@offer("map2_", function=False, method=True)
def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Any) -> Tensor:
    """As `apply_`, of a function of three numbers: this tensor's and two others'."""
    return mapped("map2_", callable, self, x, y)


@offer("nonzero_static", method=True)
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """As `nonzero`, of so many rows: cut, or filled up."""
    found = np.argwhere(input.node.data)[:size]
    return of_array(np.concatenate([found, np.full((size - len(found), found.shape[1]), fill_value, np.int64)]))
