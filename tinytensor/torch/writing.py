"""Writes in place: into a tensor's memory, and into the graph where gradients flow; found at backward where they harm.

PyTorch counts versions. Here every node is stamped with the number of writes before it, and every array that was
written into is known with the number of its last write: what a node saved is no longer what it was if the latter is
larger. That harms only if the node's rule reads it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..core import Op, ndarray, tracing
from ..core import Tensor as Node
from ..modes import paused, state
from ..ops import index_put, positive
from .dtypes import RANK, of
from .tensor import Tensor, clock, owner, wrap

# --- which arrays were written into, and when ---


class Writes:
    """The writes into one array that owns its memory."""

    __slots__ = ("array", "count", "last")

    def __init__(self, array: Any, key: int) -> None:
        self.array = weakref.ref(array, lambda _: written.pop(key, None))
        self.count = self.last = 0


written: dict[int, Writes] = {}


def note(a: Any) -> None:
    """Note a write into an array's memory."""
    if type(a) is not ndarray:  # stands for an array, in a trace
        return
    a = owner(a)
    found = written.get(id(a))
    if found is None:
        found = written[id(a)] = Writes(a, id(a))
    clock[0] += 1
    found.count += 1
    found.last = clock[0]


def version(x: Tensor) -> int:
    """How many writes there were into the memory of a tensor."""
    found = written.get(id(owner(x.node.data)))
    return 0 if found is None else found.count


def stale(a: Any, stamp: int) -> bool:
    """Whether an array was written into after a node saved it."""
    if type(a) is not ndarray:
        return False
    found = written.get(id(owner(a)))
    return found is not None and found.last > stamp


def check(root: Node) -> None:
    """Raise if the backward pass would read what was written into after it was saved."""
    if not written:
        return
    now, seen = clock[0], {id(root)}
    waiting = [(root, getattr(root, "stamp", now))]
    while waiting:
        node, stamp = waiting.pop()
        if stamp < now:
            look(node, stamp)
        for x in node.inputs:
            if x is not None and x.op is not None and id(x) not in seen:
                seen.add(id(x))
                waiting.append((x, getattr(x, "stamp", stamp)))


def look(node: Any, stamp: int) -> None:
    """Raise if a rule of a node reads an array that is stale."""
    places = [i for i, a in enumerate(node.saved) if stale(a, stamp)]
    if stale(node.data, stamp):
        places.append(-1)
    for place in places:
        for i, x in enumerate(node.inputs):
            if x is not None and reads(node.op, i, place, len(node.saved)):
                a = node.data if place < 0 else node.saved[place]
                known = written[id(owner(a))]
                what = "the output" if place < 0 else f"input {place}"
                raise RuntimeError(
                    f"backward: one of the variables needed for gradient computation has been modified by an inplace "
                    f"operation: {what} of {node.op.name}, {of(a.dtype)} {[*a.shape]}, is at version {known.count}; "
                    f"expected it as it was; write into a copy, x.clone(), or give the result a new name")


@cache
def reads(op: Op, i: int, place: int, count: int) -> bool:
    """Whether the rule of input number `i` reads the input at a place, or, for -1, the output: found by trying.

    The op's own samples are computed, and again with other values at that place; if any gradient differs, it reads.
    """
    tried, rng = 0, np.random.default_rng(0)
    for sample in op.samples:
        arrays = [rng.uniform(0.3, 2, a) if isinstance(a, tuple) else a for a in sample.inputs]
        arrays = list(arrays[0]) if len(arrays) == 1 and isinstance(arrays[0], list) else arrays
        if max(i, place) >= len(arrays):
            continue
        try:
            params = sample.params
            y = op.forward(*arrays, **params)
            if type(y) is tuple:
                y, params = y[0], {**params, "extras": y[1]}
            g, rule = rng.uniform(1, 2, np.shape(y)), list(zip(range(len(arrays)), op.rules, strict=False))[i][1]
            values = [y if place < 0 else arrays[place]]
            values += [np.full_like(values[0], v) for v in (-1.5, 0, 0.4, 3, np.nan)]
            found = [rule(g, v if place < 0 else y, *[v if n == place else a for n, a in enumerate(arrays)], **params)
                     for v in values]
        except Exception:
            return True
        tried += 1
        if any(not np.array_equal(found[0], other, equal_nan=True) for other in found[1:]):
            return True
    return not tried


# --- views ---


def as_view(x: Tensor, node: Node) -> Tensor:
    """A tensor that shows the memory of another: each sees what is written into the other."""
    t = wrap(node)
    if tracing or not (node.data.base is not None and owner(node.data) is owner(x.node.data)):
        return t
    t.base = base = getattr(x, "base", x)
    try:
        views = base.views
        if len(views) > 8 and len(views) & (len(views) - 1) == 0:  # now and then: forget those that are no more
            views[:] = [v for v in views if v() is not None]
    except AttributeError:
        base.views = views = []
    views.append(weakref.ref(t))
    return t


def places(base: Any, view: Any) -> Any:
    """For each element of a view, its number among those of its base."""
    numbers = np.empty_like(base, np.int64)
    numbers[...] = np.arange(base.size).reshape(base.shape)
    if [s * base.itemsize for s in numbers.strides] != [s * numbers.itemsize for s in base.strides] or (
            view.dtype != base.dtype):
        raise RuntimeError("in place: got a view of memory with gaps, or of another dtype, through which a gradient "
                           "would flow; expected a view of a contiguous tensor; write into a copy, x.clone()")
    start = (view.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // base.itemsize
    flat = as_strided(numbers, (base.size,), (numbers.itemsize,))
    return as_strided(flat[start:], view.shape, [s // base.itemsize * numbers.itemsize for s in view.strides])


def renew(base: Tensor) -> None:
    """Let all views of a tensor follow its graph, which has changed."""
    for ref in getattr(base, "views", ()):
        if (view := ref()) is not None:
            array = view.node.data
            view.node = node = base.node.reshape(-1)[places(base.node.data, array)]
            node.data, node.stamp = array, clock[0]


# --- writing ---


def records(*nodes: Any) -> bool:
    """Whether an op on these would be recorded."""
    return any(isinstance(n, Node) and n.needs for n in nodes) and (not paused or state.recording)


def refuse_leaf(x: Tensor) -> None:
    """Refuse a write into a leaf that requires grad, or into a view of one."""
    base = getattr(x, "base", x)
    if base.node.needs and base.node.op is None:
        raise RuntimeError(f"in place: a {'' if base is x else 'view of a '}leaf Variable that requires grad is being "
                           f"used in an in-place operation; expected it inside of torch.no_grad(); write "
                           f"x = x + ... for a new tensor, or x.data")


def fitting(name: str, x: Tensor, shape: Any, dtype: Any) -> None:
    """Refuse to write what has another shape, or a dtype of a higher kind."""
    data = x.node.data
    if RANK[dtype.kind] > RANK[data.dtype.kind]:
        raise RuntimeError(f"{name}: result type {of(dtype).name} can't be cast to the desired output type "
                           f"{x.dtype.name}; expected a result that the tensor can hold; convert it first: x.float()")
    if shape != data.shape:
        raise RuntimeError(f"{name}: output with shape {[*data.shape]} doesn't match the broadcast shape {[*shape]}; "
                           f"expected a value that broadcasts to the tensor; reshape it, or write a new tensor")
    if 0 in data.strides and any(n > 1 and not s for n, s in zip(data.shape, data.strides)):  # noqa: B905 (are equal)
        raise RuntimeError(f"{name}: more than one element of the written-to tensor refers to a single memory "
                           f"location; expected a tensor of its own memory; clone() it before the write")


def assign(name: str, x: Tensor, compute: Callable[[Any], Any], *others: Any) -> Tensor:
    """Let x become what `compute` makes of its node, in place; `others` are what else it is computed from."""
    node = x.node
    recording = records(node, *others)
    if recording:
        refuse_leaf(x)
        node = positive(node)  # subtle: a node of its own memory, so that what is saved of it is not written over
    y = compute(node)
    y = y if isinstance(y, Node) else Node(y)
    fitting(name, x, y.data.shape, y.data.dtype)
    array = x.node.data
    if not recording:
        write(array, y.data)
        return x
    if y.data.dtype != array.dtype:
        y = y.astype(array.dtype)
    become(x, y if y.op is not None and y is not node and not any(y is n for n in others) else positive(y))
    return x


def write(array: Any, values: Any) -> None:
    """Write values into an array, and note it."""
    if type(array) is ndarray:
        np.copyto(array, values, casting="unsafe")
        note(array)
    else:  # stands for an array, in a trace
        array[...] = values


def become(x: Tensor, y: Any) -> None:
    """Let x have the graph of y, and its values in the memory of x."""
    base, array = getattr(x, "base", None), x.node.data
    if base is None:
        write(array, y.data)
        y.data, y.stamp, x.node = array, clock[0], y
        renew(x)
        return
    whole = base.node.data
    numbers = places(whole, array)
    flat = index_put(base.node.reshape(-1), y, numbers)
    write(array, y.data)
    node = flat.reshape(whole.shape)
    node.data, node.stamp, flat.stamp = whole, clock[0], clock[0]
    base.node = node
    renew(base)
