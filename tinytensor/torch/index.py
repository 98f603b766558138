"""Indexing as PyTorch means it: ``x[i]`` is a view where NumPy's is one, and ``x[i] = v`` is seen by gradients.

The functions that index by name (`gather`, `index_add`, ...) are in `gathering.py`.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .. import ops
from ..advice import a_type
from ..core import Tensor as Node
from ..core import TracerBase
from .creation import read
from .dtypes import of
from .tensor import Tensor, wrap
from .versions import note
from .writing import as_view, become, enters_graph, overlapping, preserve, separate

BASIC = (int, slice, type(None), type(Ellipsis), np.integer)
WHOLE = slice(None)


def plain(i: Any) -> tuple[Any, bool]:
    """One part of an index as NumPy takes it, and whether it gives a view."""
    if isinstance(i, Tensor):
        return of_tensor(i)
    if isinstance(i, bool | np.bool_) or not isinstance(i, BASIC):
        if isinstance(i, bool | np.bool_):
            return bool(i), False
        if isinstance(i, list | tuple | range):
            i = read(i) if len(i) else np.zeros(0, np.int64)
        if isinstance(i, float):
            raise IndexError(f"index: only integers, slices, ellipsis, None and long or bool tensors are valid "
                             f"indices; got {i}; convert with int(), divide with //")
        if not isinstance(i, np.ndarray):
            raise TypeError(f"index: got {a_type(i)}; expected integers, slices, lists or tensors; convert "
                            f"it: int(i), torch.tensor(i)")
        return of_tensor(wrap(Node(i)))
    if isinstance(i, slice):
        if i.step is not None and not int(i.step) > 0:
            raise ValueError(f"index: step must be greater than zero; got {i.step}; use x.flip(0)")
        for bound in (i.start, i.stop, i.step):
            if bound is not None and not hasattr(bound, "__index__"):
                raise TypeError(f"index: slice indices must be integers or None or have an __index__ method; got a "
                                f"{type(bound).__name__}; convert with int(), divide with //")
        if isinstance(i.start, Tensor) or isinstance(i.stop, Tensor):
            i = slice(*[b.__index__() if isinstance(b, Tensor) else b for b in (i.start, i.stop, i.step)])
    return i, True


def of_tensor(x: Tensor) -> tuple[Any, bool]:
    """A tensor as an index: one integer, positions, or a mask."""
    i = x.node.data
    if i.dtype.kind == "i" and not i.ndim and not isinstance(i, TracerBase):
        return i.item(), True
    if i.dtype == np.uint8:
        i = i.astype(np.bool_)
    elif i.dtype.kind == "b":
        pass
    elif i.dtype.kind != "i" or i.dtype.itemsize < 4:
        raise IndexError(f"index: tensors used as indices must be long, int, byte or bool tensors; got "
                         f"{of(i.dtype)}; convert it: i.long()")
    return i, False


def indices(x: Tensor, index: Any) -> tuple[Any, Any]:
    """The index as NumPy takes it, in two steps: one that gives a view, and one that copies; either may be None.

    Subtle: to NumPy an integer beside an array is an array, too, so that ``x[0, :, i]`` puts the axis of i first.
    """
    if type(index) is list and not all(isinstance(i, int | np.integer | np.bool_) for i in index):
        raise IndexError(f"index: got a list with more than integers in it, {index!r}, of which PyTorch makes an index "
                         f"for each axis, and will not in the future; expected integers; write x[i, j] for several "
                         f"axes, x[torch.tensor(i)] for one")
    if type(index) is not tuple:
        found, basic = plain(index)
        return ((found, Ellipsis) if found is not Ellipsis else found, None) if basic else (None, found)
    parts = [plain(i) for i in index]
    found = [i for i, _ in parts]
    if all(basic for _, basic in parts):
        if not any(i is Ellipsis for i in found):
            found.append(Ellipsis)  # subtle: so that one element is a view, too
        return tuple(found), None
    if not any(basic and (isinstance(i, int | np.integer) or i is None) for i, basic in parts):
        return None, tuple(found)
    first: list[Any] = []
    second: list[Any] = []
    for i, basic in parts:
        if basic:
            first.append(i)
            if not isinstance(i, int | np.integer):
                second.append(i if i is Ellipsis else WHOLE)
        elif isinstance(i, bool):
            second.append(i)
        else:
            first += [WHOLE] * (i.ndim if i.dtype == np.bool_ else 1)
            second.append(i)
    if Ellipsis not in first:
        first.append(Ellipsis)
    return tuple(first), tuple(second)


def getitem(self: Tensor, index: Any) -> Tensor:
    """``x[index]``: a view for integers, slices and None, else a copy."""
    node, kind = self.node, type(index)
    if kind is Tensor and index.node.data.ndim and index.node.data.dtype == np.int64:  # the usual calls
        view, copy = None, index.node.data
    elif kind is int:
        view, copy = (index, Ellipsis), None
    else:
        view, copy = indices(self, index)
    try:
        if view is not None:
            if type(view) is tuple and not node.data.ndim and isinstance(view[0], int | np.integer):
                raise IndexError("invalid index of a 0-dim tensor; use x.item() for the number")
            node = ops.getitem(node, view)
            if copy is None:
                return as_view(self, node)
        if type(copy) is not tuple and node.data.ndim and getattr(copy, "dtype", None) == np.int64:
            y = wrap(ops.take(node, copy, 0))
            if y.node.op is not None:
                y.note = "IndexBackward0"
            return y
        return wrap(ops.getitem(node, copy))
    except IndexError as error:
        raise out_of_place(error, self.node.data.shape) from None


def out_of_place(error: IndexError, shape: tuple[int, ...]) -> IndexError:
    """NumPy's error of an index in PyTorch's words."""
    text = re.sub(r"^(getitem|take): (got .*?; )?", "", str(error))
    text = re.sub(r"for array: array is (\d+)-dimensional, but (\d+) were indexed",
                  r"for tensor of dimension \1; got \2 of them", text)
    text = text.replace("; pass an index from", "; expected one from")
    size = re.search(r"is out of bounds for axis \d+ with size (\d+)$", text)  # an error of NumPy itself
    if size and int(size[1]):
        text += f"; expected one from {-int(size[1])} to {int(size[1]) - 1}"
    for ours, theirs in (("boolean index did not match indexed array", "the mask does not match the tensor"),
                         ("boolean axis", "axis of the mask"), ("arrays", "tensors"), ("axis", "dimension")):
        text = text.replace(ours, theirs)
    return IndexError(f"index: {text}; the tensor has shape {[*shape]}")




def setitem(self: Tensor, index: Any, value: Any) -> None:
    """``x[index] = value``, in place; gradients flow to the value, not to the elements that it replaces."""
    if value is None or isinstance(value, str | list | tuple | np.ndarray):
        raise TypeError(f"index: can't assign {a_type(value)} to a tensor; expected a tensor or a number; "
                        f"write torch.tensor(value)")
    view, copy = indices(self, index)
    if copy is not None and isinstance(value, Tensor) and value.dtype is not self.dtype and not converted(copy, value):
        getitem(self, index)  # whose error comes first
        raise RuntimeError(f"index: Index put requires the source and destination dtypes match; got {value.dtype} for "
                           f"a tensor of {self.dtype}; convert it: value.to(x.dtype)")
    put(self, view, copy, value)


def converted(copy: Any, value: Tensor) -> bool:
    """Whether a value of another dtype is converted: where nothing is gathered, and for one number under a mask."""
    arrays = [i for i in (copy if type(copy) is tuple else (copy,)) if isinstance(i, np.ndarray)]
    mask = len(arrays) == 1 and arrays[0].dtype == np.bool_ and arrays[0].ndim > 0
    return isinstance(copy, bool) or (mask and value.node.data.size == 1)


def put(x: Tensor, view: Any, copy: Any, value: Any) -> None:
    """Write a value at an index that `indices` returned."""
    node = x.node
    value = value.node if isinstance(value, Tensor) else value
    try:
        if enters_graph(x, value):
            if view is not None and (copy is not None or overlapping(node.data)):
                part = as_view(x, ops.getitem(node, view))
                if copy is None:
                    separate("index", part.node.data)
                return put(part, None if copy is not None else Ellipsis, copy, value)
            if not isinstance(value, Node):
                value = np.asarray(value, node.data.dtype)
            elif value.data.dtype != node.data.dtype:
                value = value.astype(node.data.dtype)
            become(x, ops.index_put(node, value, view if copy is None else copy))
            if copy is None:
                x.note = "CopySlices" if not hasattr(x, "base") else "AsStridedBackward0"
            return None
        preserve(x)
        array = x.node.data
        if overlapping(array):
            separate("index", array[view] if view is not None else array)
        if view is not None and copy is not None:
            array = array[view]
        array[view if copy is None else copy] = value.data if isinstance(value, Node) else value
        note(x.node.data)
        return None
    except IndexError as error:
        raise out_of_place(error, node.data.shape) from None
    except (ValueError, TypeError) as error:
        raise RuntimeError(f"index: shape mismatch: {error}; expected a value that broadcasts to what x[index] shows; "
                           f"reshape it") from None


setattr(Tensor, "__getitem__", getitem)
setattr(Tensor, "__setitem__", setitem)
