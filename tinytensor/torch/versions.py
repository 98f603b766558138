"""Version counters of memory, and whether a backward pass would read values that were overwritten.

PyTorch counts versions. Here every node is stamped with the number of writes before it, and every array that was
written into is known with the number of its last write: what a node saved is no longer what it was if the latter is
larger. That harms only if the node's rule reads it. Nothing is written here: that is `writing.py`.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

import numpy as np

from ..apply import PUBLIC
from ..core import Op, ndarray
from ..core import Tensor as Node
from ..modes import recording
from ..ops import positive
from .dtypes import of
from .tensor import Tensor, clock, owner

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
    if type(a) is not ndarray:  # a tracer, in place of an array
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


def check_nodes(nodes: Collection[Any]) -> None:
    """`check`, of all nodes of a pass: the usual one has none that is older than the last write."""
    now = clock[0]
    try:
        if min([node.stamp for node in nodes]) >= now:
            return
    except AttributeError:  # a node inside of a function has the stamp of what uses it
        pass
    check(next(iter(nodes)))


def check(root: Node, create_graph: bool = False) -> None:
    """Raise if the backward pass would read what was written into after it was saved."""
    if not written:
        return
    now, seen, older = clock[0], {id(root)}, []
    waiting = [(root, getattr(root, "stamp", now))]
    for node, stamp in waiting:
        if stamp < now:
            older.append((node, stamp))
        for x in node.inputs:
            if x is not None and x.op is not None and id(x) not in seen:
                seen.add(id(x))
                waiting.append((x, getattr(x, "stamp", stamp)))
    lowest = min((stamp for _, stamp in older), default=now)
    everything = written.copy()  # subtle: what the collector frees meanwhile leaves `written`
    recent = {key: writes.last for key, writes in everything.items() if writes.last > lowest}
    if recent:
        for node, stamp in older:
            look(node, stamp, recent, create_graph)


def look(node: Any, stamp: int, recent: dict[int, int], create_graph: bool) -> None:
    """Raise if a rule of a node reads an array that is stale; `recent` are the writes that may have made it so."""
    op, count = node.op, len(node.saved)
    if type(op) is not Op:  # of a Function of the user's own, which looks itself at what it has saved
        return
    for place, a in enumerate((*node.saved, node.data)):
        if type(a) is ndarray and recent.get(id(a if a.base is None else owner(a)), 0) > stamp:
            place = place if place < count else -1
            if (create_graph and op.definition is not None) or any(
                    x is not None and reads(op, i, place, count) for i, x in enumerate(node.inputs)):
                raise changed("the output" if place < 0 else f"input {place}", op, a)
    if node.params:
        for a in arrays_in(node.params):
            if stale(a, stamp):
                raise changed("an index", op, a)


def arrays_in(x: Any) -> Iterator[Any]:
    """The arrays in nested parameters: indices, most of all."""
    if type(x) is ndarray:
        yield x
    elif type(x) is tuple or type(x) is list:
        for part in x:
            yield from arrays_in(part)
    elif type(x) is dict:
        for part in x.values():
            yield from arrays_in(part)


def changed(what: str, op: Op, a: Any) -> RuntimeError:
    """The error for what was written into, and is needed as it was."""
    return RuntimeError(
        f"backward: one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"{what} of {op.name}, {of(a.dtype)} {[*a.shape]}, is at version {written[id(owner(a))].count}; expected it as "
        f"it was; write into a copy, x.clone(), or give the result a new name")


@cache
def reads(op: Op, i: int, place: int, count: int) -> bool:
    """Whether the rule of input number `i` reads the input at an index, or, for -1, the output: found by trying.

    The op's own samples are computed, and their rules again with other values at that place; if any gradient differs,
    or the rule can't do with them, it reads.
    """
    if op.forward is positive:  # what was written in place
        return False
    tried, rng = 0, np.random.default_rng(0)
    for sample in op.samples:
        try:
            node = computed(op, sample, rng)
            n = len(node.saved)
            k, at = (i, place) if n == count else (0, place if place < 0 else int(place != i))  # of any number
            if k >= n or at >= n or node.op is not op or node.saved[k] is None or (at >= 0 and node.saved[at] is None):
                continue
            rule = next(rule for m, rule in enumerate(op.rules) if m == k)
            y, arrays, g = node.data, node.saved, rng.uniform(1, 2, node.data.shape)
            old = y if at < 0 else arrays[at]
            found = [rule(g, v if at < 0 else y, *[v if m == at else a for m, a in enumerate(arrays)], **node.params)
                     for v in (old, *(np.full_like(old, v) for v in (-1.5, 0, 0.4, 3, np.nan)))]
        except Exception:
            return True
        tried += 1
        if any(not np.array_equal(found[0], other, equal_nan=True) for other in found[1:]):
            return True
    return not tried


def computed(op: Op, sample: Any, rng: Any) -> Any:
    """The node of one of an op's samples."""
    def given(x: Any) -> Any:
        if isinstance(x, list) or x is None:
            return x if x is None else [given(part) for part in x]
        a = rng.uniform(0.3, 2, x) if isinstance(x, tuple) else np.asarray(x)
        return Node(a, a.dtype.kind == "f")

    with recording(True), np.errstate(all="ignore"):
        inputs = [given(x) for x in sample.inputs]
        function = PUBLIC[op.name]
        try:
            return function(*inputs, **sample.params)
        except TypeError:
            return function(inputs, **sample.params)
