"""guard: arrays that a graph still needs are read-only, so that to overwrite one is an error and no wrong gradient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import numpy as np

from .core import Op, Tensor, refuse_traced
from .modes import active_watchers, state

locking = RLock()  # held while flags are changed; subtle: a graph may die, and unlock, at any allocation


class Lock:
    """An array that is read-only for now: how many nodes need it, and views of it that are to be freed with it."""

    def __init__(self, array: Any) -> None:
        self.array, self.count, self.views = array, 0, list[Any]()


locks: dict[int, Lock] = {}  # by the array's id


def can_be_freed(base: Any) -> bool:
    """Whether NumPy would let an array of this memory be written again, once it was read-only."""
    try:
        return base is None or not memoryview(base).readonly
    except TypeError:
        return False  # memory of another library's


def lock(array: Any) -> list[Lock]:
    """Make an array read-only, and the arrays that it is a view of; what is so already by others' will stays so."""
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
    """One node less needs it; the last one frees it, or leaves that to the array that it is a view of."""
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
    """The nodes of one `guard()`, and what is locked for each."""

    def __init__(self) -> None:
        self.held: dict[int, list[Lock]] = {}

    def __call__(self, node: Tensor, op: Op, arrays: Any) -> None:
        """Lock what the rules of a new node may read: inputs, output, and what the op has kept besides."""
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
        """Free all that is still locked."""
        with locking:
            for key in list(self.held):
                self.free(key)


class Saved(tuple[Any, ...]):
    """The arrays that a node has saved: when the node is released, or dies, this dies, and frees them."""

    keeper: Keeper

    def __del__(self) -> None:
        if hasattr(self, "keeper"):
            self.keeper.free(id(self))


@contextmanager
def guard() -> Iterator[None]:
    """Make the arrays of every op that is recorded inside read-only until its node is released by a backward pass.

    A write between forward and backward, through `p.data`, an optimiser's step, or an array that a Tensor shares, is
    then NumPy's error, where the gradient would have been wrong. Arrays can be written again after the pass, when the
    graph dies, or at the end of the block. Subtle: a view that was made of an array before it was locked has a flag of
    its own. Steps that are compiled run uncompiled inside.

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
    refuse_traced("guard", "makes arrays read-only, and a program has none of the step's own")
    if any(isinstance(w, Keeper) for w in state.watchers):
        yield
        return
    keeper = Keeper()
    state.watchers = (*state.watchers, keeper)
    active_watchers.append(keeper)
    try:
        yield
    finally:
        active_watchers.remove(keeper)
        state.watchers = tuple(w for w in state.watchers if w is not keeper)
        keeper.end()
