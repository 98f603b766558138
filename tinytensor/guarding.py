"""guard: arrays that a graph still needs are read-only, so that overwriting one is an error, not a wrong gradient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import numpy as np

from .core import Op, Tensor, refuse_traced
from .modes import state, watching

locking = RLock()  # held while flags change; subtle: a graph may be freed, and so unlock, at any allocation


class Lock:
    """An array that is read-only for now, the number of nodes that need it, and views to be unlocked with it."""

    def __init__(self, array: Any) -> None:
        self.array, self.count, self.views = array, 0, list[Any]()


locks: dict[int, Lock] = {}  # id of an array -> its lock


def can_be_freed(base: Any) -> bool:
    """Whether NumPy lets an array of this memory become writeable again."""
    try:
        return base is None or not memoryview(base).readonly
    except TypeError:
        return False  # memory of another library


def lock(array: Any) -> list[Lock]:
    """Make an array and its bases read-only; arrays that others have made read-only are left alone."""
    chain = [array]
    while isinstance(chain[-1].base, np.ndarray):
        chain.append(chain[-1].base)
    if not can_be_freed(chain[-1].base):
        return []
    found = []
    for a in reversed(chain):
        if id(a) not in locks and a.flags.writeable:
            a.flags.writeable = False
            locks[id(a)] = Lock(a)
        if id(a) in locks:
            locks[id(a)].count += 1
            found.append(locks[id(a)])
    return found


def unlock(held: Lock) -> None:
    """Release it for one node. After the last, make it writeable, or leave that to its base if that is locked."""
    held.count -= 1
    if held.count:
        return
    del locks[id(held.array)]
    if (whole := locks.get(id(held.array.base))) is not None:
        whole.views.append(held.array)
        return
    for a in (held.array, *held.views):
        a.flags.writeable = True


class Keeper:
    """The nodes of one `guard()`, and the locks of each."""

    def __init__(self) -> None:
        self.held: dict[int, list[Lock]] = {}

    def __call__(self, node: Tensor, op: Op, arrays: Any) -> None:
        """Lock what the rules of a new node may read: its inputs, output and extras."""
        if node.op is None:
            return
        extras = node.params.get("extras", ())
        needed = [*node.saved, node.data, *(extras if isinstance(extras, tuple) else (extras,))]
        node.saved = saved = Saved(node.saved)
        with locking:
            self.held[id(saved)] = [held for a in needed if isinstance(a, np.ndarray) for held in lock(a)]
        saved.keeper = self

    def free(self, key: int) -> None:
        with locking:
            for held in self.held.pop(key, ()):
                unlock(held)

    def end(self) -> None:
        """Unlock everything that is still locked."""
        with locking:
            for key in list(self.held):
                self.free(key)


class Saved(tuple[Any, ...]):
    """A node's saved arrays: freed with the node, or when it is released, and then unlocks them."""

    keeper: Keeper

    def __del__(self) -> None:
        if hasattr(self, "keeper"):
            self.keeper.free(id(self))


@contextmanager
def guard() -> Iterator[None]:
    """Make the arrays of every op that is recorded inside read-only until its node is released by a backward pass.

    A write between forward and backward, through `p.data`, an optimiser's step, or an array that a Tensor shares, then
    raises NumPy's error instead of making the gradient wrong. Arrays become writeable again after the pass, when the
    graph is freed, or at the end of the block. Subtle: a view that was taken before its array was locked stays
    writeable. Compiled steps run uncompiled inside.

    Examples
    --------
    >>> import tinytensor as tt
    >>> w = tt.tensor([2.0], requires_grad=True)
    >>> with tt.guard():
    ...     loss = (w * w).sum()
    ...     w.data[0] = 5
    Traceback (most recent call last):
    ValueError: assignment destination is read-only
    """
    refuse_traced("guard", "makes arrays read-only, and a compiled step has its own")
    if any(isinstance(w, Keeper) for w in state.watchers):
        yield
        return
    keeper = Keeper()
    try:
        with watching(keeper):
            yield
    finally:
        keeper.end()
