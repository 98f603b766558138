"""Indexing as PyTorch means it: ``x[i]`` is a view where NumPy's is one, and ``x[i] = v`` is seen by gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..core import Tensor as Node
from ..core import TracerBase
from .dtypes import of
from .tensor import Tensor, wrap
from .writing import as_view, become, note, records, refuse_leaf

BASIC = (int, slice, type(None), type(Ellipsis), np.integer)


def plain(i: Any) -> tuple[Any, bool]:
    """One part of an index as NumPy takes it, and whether it gives a view."""
    if isinstance(i, Tensor):
        i = i.node.data
        if i.dtype.kind in "iu" and not i.ndim and not isinstance(i, TracerBase):
            return i.item(), True
        if i.dtype == np.uint8:
            i = i.astype(np.bool_)
        elif i.dtype.kind not in "iub":
            raise IndexError(f"index: tensors used as indices must be long, int, byte or bool tensors; got "
                             f"{of(i.dtype)}; convert it: i.long()")
        return i, False
    if isinstance(i, bool) or not isinstance(i, BASIC):
        if isinstance(i, range):
            i = list(i)
        if isinstance(i, list):
            i = np.array([plain(j)[0] for j in i]) if i else np.zeros(0, np.int64)
        if not isinstance(i, bool | np.ndarray | np.bool_):
            raise TypeError(f"index: got a {type(i).__name__}; expected integers, slices, lists or tensors; convert "
                            f"it: int(i), torch.tensor(i)")
        return i, False
    if isinstance(i, slice) and i.step is not None and not int(i.step) > 0:
        raise ValueError(f"index: step must be greater than zero; got {i.step}; use x.flip(0)")
    return i, True


def indices(x: Tensor, index: Any) -> tuple[Any, bool]:
    """The whole index as NumPy takes it, and whether it gives a view."""
    kind = type(index)
    if kind is tuple:
        parts = [plain(i) for i in index]
        basic = all(view for _, view in parts)
        found = tuple([i for i, _ in parts])
        if basic and not any(i is Ellipsis for i in found):
            found = (*found, Ellipsis)  # subtle: so that one element is a view, too
        return found, basic
    found, basic = plain(index)
    return ((found, Ellipsis) if basic and found is not Ellipsis else found), basic


def getitem(self: Tensor, index: Any) -> Tensor:
    """``x[index]``: a view for integers, slices and None, else a copy."""
    node = self.node
    found, view = indices(self, index)
    try:
        if view:
            return as_view(self, ops.getitem(node, found))
        if type(found) is not tuple and getattr(found, "dtype", None) == np.int64:
            return wrap(ops.take(node, found, 0))
        return wrap(ops.getitem(node, found))
    except IndexError as error:
        raise IndexError(f"index: {error}; the tensor has shape {[*node.data.shape]}") from None


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """``x[index] = value``, in place; gradients flow to the value, and not to what it replaces."""
    node = self.node
    found, _ = indices(self, index)
    value = value.node if isinstance(value, Tensor) else value
    array = value.data if isinstance(value, Node) else value
    try:
        if records(node, value):
            refuse_leaf(self)
            if not isinstance(value, Node):
                value = np.asarray(value, node.data.dtype)
            elif value.data.dtype != node.data.dtype:
                value = value.astype(node.data.dtype)
            become(self, ops.index_put(node, value, found))
        else:
            node.data[found] = array
            note(node.data)
    except ValueError as error:
        raise RuntimeError(f"index: {error}; expected a value that broadcasts to what x[index] shows; reshape "
                           f"it") from None


setattr(Tensor, "__getitem__", getitem)
setattr(Tensor, "__setitem__", setitem)
