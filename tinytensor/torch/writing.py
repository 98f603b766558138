"""Writes in place: into a tensor's memory, and into the graph where gradients flow; and views, which see them.

That a write would harm a backward pass is found there: `versions.py`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import cache
from threading import get_ident
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..advice import a_type
from ..core import NO_PARAMS, Op, ndarray, new, tracing
from ..core import Tensor as Node
from ..modes import no_grad_blocks, state
from ..ops import index_put, positive
from .dtypes import RANK, of
from .tensor import Tensor, clock, owner, wrap
from .versions import note

# --- views ---

base_of, views_of = (Tensor.__dict__[name].__get__ for name in ("base", "views"))  # quicker than getattr, if unset


def as_view(x: Tensor, node: Node) -> Tensor:
    """A tensor that shares the memory of another: each sees what is written into the other."""
    t = wrap(node)
    a, b = x.node.data, node.data
    if not tracing and b.base is not a and (b.base is None or (b.base is not a.base and owner(b) is not owner(a))):
        return t
    try:
        base = base_of(x)
    except AttributeError:
        base = x
    t.base = base
    try:
        views = views_of(base)
        if len(views) > 8 and len(views) & (len(views) - 1) == 0:  # now and then: forget those that are no more
            views[:] = [v for v in views if v() is not None]
    except AttributeError:
        base.views = views = []
    views.append(weakref.ref(t))
    return t


def places(base: Any, view: Any) -> Any:
    """For each element of a view, its number among those of its base."""
    for trace in tracing:
        if trace.thread == get_ident():
            raise trace.refusal("a tensor is written into that has views, or is one, where gradients flow",
                                "writes into tensors without views", "write x = x + ... for a new tensor")
    numbers = np.empty_like(base, np.int64)
    numbers[...] = np.arange(base.size).reshape(base.shape)
    gaps = any(n > 1 and s * base.itemsize != z * numbers.itemsize
               for n, s, z in zip(base.shape, numbers.strides, base.strides, strict=True))
    if gaps or view.dtype != base.dtype:
        raise RuntimeError("in place: got a view of memory with gaps, or of another dtype, through which a gradient "
                           "would flow; expected a view of a contiguous tensor; write into a copy, x.clone()")
    start = (view.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // base.itemsize
    flat = as_strided(numbers, (base.size,), (numbers.itemsize,))
    if not view.size:
        return np.zeros(view.shape, np.int64)
    return as_strided(flat[start:], view.shape, [s // base.itemsize * numbers.itemsize for s in view.strides])


def following(base: Tensor) -> list[tuple[Tensor, Any]]:
    """The views that still share a tensor's memory, with their positions in it."""
    found = []
    for ref in getattr(base, "views", ()):
        view = ref()
        if view is None or not shows(base, view):
            continue
        if view.node._requires_grad and view.node.op is None:
            raise RuntimeError("in place: got a tensor of which a view is a leaf that requires grad; expected a write "
                               "that changes no leaf; detach() the view before it requires grad")
        found.append((view, places(base.node.data, view.node.data)))
    return found


def shows(base: Tensor, view: Tensor) -> bool:
    """Whether a view still shares its base's memory: `x.data = ...` separates them."""
    a, b = base.node.data, view.node.data
    return type(a) is not ndarray or type(b) is not ndarray or owner(a) is owner(b)


def renew(base: Tensor, views: list[tuple[Tensor, Any]]) -> None:
    """Let the views of a tensor follow its graph, which has changed."""
    for view, numbers in views:
        array = view.node.data
        view.node = node = base.node.reshape(-1)[numbers]
        node.data, node.stamp = array, clock[0]
        view.note = "AsStridedBackward0"


# --- writing ---


def records(*nodes: Any) -> bool:
    """Whether an op on these would be recorded."""
    for n in nodes:
        if isinstance(n, Node) and n._requires_grad:
            return not no_grad_blocks or state.recording
    return False


def enters_graph(x: Tensor, *others: Any) -> bool:
    """Whether a write into x must be recorded in the graph; an error if it is not allowed."""
    try:
        base: Any = base_of(x)
    except AttributeError:
        base = None
    recording = records(x.node, *others) if base is None else records(x.node, base.node, *others)
    if not recording:
        return False
    refuse_leaf(x)
    if base is not None and not shows(base, x):
        raise RuntimeError("in place: got a view of a tensor whose data was replaced, by x.data = ...; expected one "
                           "that shows its base; make it anew, or write into x.clone()")
    if base is not None and base.node._requires_grad and not x.node._requires_grad:
        raise RuntimeError("in place: a view was created in no_grad mode and is being modified inplace with grad mode "
                           "enabled, and its base is in the graph; expected a view that gradients flow through; make "
                           "it outside of no_grad, or write into x.clone()")
    return True


def refuse_leaf(x: Tensor) -> None:
    """Refuse a write into a leaf that requires grad, or into a view of one."""
    base = getattr(x, "base", x)
    if any(t.node._requires_grad and t.node.op is None for t in (base, x)):
        raise RuntimeError(f"in place: a {'' if base is x else 'view of a '}leaf Variable that requires grad is being "
                           f"used in an in-place operation; expected it inside of torch.no_grad(); write "
                           f"x = x + ... for a new tensor, or x.data")


def apart(x: Tensor, other: Any) -> Any:
    """The other inputs of a write into x; copied where the write would overwrite them."""
    if not isinstance(other, Tensor) or not records(x.node, other.node):
        return other
    a, b = x.node.data, other.node.data
    if type(a) is not ndarray or type(b) is not ndarray or owner(a) is not owner(b):
        return other
    return wrap(positive(other.node) if other.node._requires_grad else Node(b.copy()))


def fitting(name: str, x: Tensor, shape: Any, dtype: Any) -> None:
    """Refuse to write what has another shape, or a dtype of a higher kind."""
    data = x.node.data
    if RANK[dtype.kind] > RANK[data.dtype.kind]:
        raise RuntimeError(f"{name}: result type {of(dtype).name} can't be cast to the desired output type "
                           f"{x.dtype.name}; expected a result that the tensor can hold; convert it first: x.float()")
    if shape != data.shape:
        raise RuntimeError(f"{name}: output with shape {[*data.shape]} doesn't match the broadcast shape {[*shape]}; "
                           f"expected a value that broadcasts to the tensor; reshape it, or write a new tensor")
    separate(name, data)


def overlapping(array: Any) -> bool:
    """Whether several elements may share one location in memory."""
    if type(array) is not ndarray or array.flags.forc:
        return False
    reach = 0
    for step, n in sorted((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1):
        if step < reach + array.itemsize:
            return bool(array.size)
        reach += step * (n - 1)
    return False


def separate(name: str, array: Any) -> None:
    """Raise if several elements share one location in memory."""
    if overlapping(array):
        raise RuntimeError(f"{name}: more than one element of the written-to tensor refers to a single memory "
                           f"location; expected a tensor of its own memory; clone() it before the write")


def assign(name: str, x: Tensor, compute: Callable[[Any], Any], *others: Any) -> Tensor:
    """Replace x in place by `compute` of its node; `others` are the other inputs of the computation."""
    node = x.node
    recording = enters_graph(x, *others)
    if recording and node._requires_grad:
        node = positive(node)  # subtle: copy, so that saved values are not overwritten
    elif recording:
        node = Node(node.data.copy())
    y = compute(node)
    y = y if isinstance(y, Node) else Node(y)
    fitting(name, x, y.data.shape, y.data.dtype)
    if not recording:
        preserve(x)
        write(x.node.data, y.data)
        return x
    if y.data.dtype != x.node.data.dtype:
        y = y.astype(x.node.data.dtype)
    become(x, y)
    return x


def write(array: Any, values: Any) -> None:
    """Write values into an array, and note it."""
    if type(array) is ndarray:
        np.copyto(array, values, casting="unsafe")
        note(array)
    else:  # a tracer, in place of an array
        array[...] = values


@cache
def written_op(name: str) -> Op:
    """The op of a write in place: the value's op under its name, with the memory of another."""
    return Op(name, positive, (lambda g, y, x, **_: g,))


def in_memory(y: Any, array: Any) -> Any:
    """A node of a node's value that was written into an array; it reads nothing at backward.

    Subtle: the node itself keeps its own memory, which its rule may read, and no later write harms.
    """
    t: Any = new(Node)
    t.data, t._grad, t.hooks, t.stamp = array, None, None, clock[0]
    t._requires_grad = y._requires_grad
    if y._requires_grad:
        t.op = written_op("clone" if y.op is None else y.op.name)
        t.inputs, t.saved, t.params = (y,), (y.data,), y.params
    else:
        t.op, t.inputs, t.saved, t.params = None, (), (), NO_PARAMS
    return t


KEPT = {"divide", "fmax", "fmin"}  # whose rules read the output, where PyTorch's do not


def preserve(x: Tensor) -> None:
    """Before a write into x: let nodes keep their output, if their rules read it and PyTorch's do not."""
    for t in (getattr(x, "base", x), x):
        node, array = t.node, t.node.data
        if node.op is None or type(array) is not ndarray:
            continue
        if kept(node):
            node.data = np.copy(array)
            t.node = in_memory(node, array)
        memory = owner(array)
        while node.inputs:  # what a function made on its way, and no tensor shows
            below = [n for n in node.inputs if n is not None and type(n.data) is ndarray and owner(n.data) is memory]
            if not below or hasattr(below[0], "stamp"):
                break
            node = below[0]
            if kept(node):
                node.data = np.copy(node.data)


def kept(node: Any) -> bool:
    return node.op is not None and node.op.name in KEPT and node.op.forward is not positive


def become(x: Tensor, y: Any) -> None:
    """Let x have the graph of y, and its values in the memory of x."""
    separate("in place", x.node.data)
    preserve(x)
    base, array = getattr(x, "base", None), x.node.data
    if hasattr(x, "note"):
        del x.note
    if base is None:
        views = following(x)
        write(array, y.data)
        x.node = in_memory(y, array)
        renew(x, views)
        return
    whole = base.node.data
    views = following(base)
    flat = index_put(base.node.reshape(-1), y, places(whole, array))
    write(array, y.data)
    base.node = in_memory(flat.reshape(whole.shape), whole)
    base.note = "CopySlices"
    renew(base, views)


def set_data(x: Tensor, value: Tensor) -> None:
    """``x.data = value``: the same tensor with other memory; saved old values count as overwritten."""
    if type(value) is Tensor and value.node.data is x.node.data:  # after `x.data += ...`
        return
    if not isinstance(value, Tensor):
        raise TypeError(f"data: got {a_type(value)}; expected a tensor; write torch.tensor(...) around it")
    node = x.node
    if type(node.data) is ndarray and node.data is not value.node.data:
        note(node.data)
    if node.op is None:
        node.data = value.node.data
    else:
        x.node = in_memory(node, value.node.data)


setattr(Tensor, "data", Tensor.__dict__["data"].setter(set_data))
