"""Collective operations of the processes that share a compiled step: sums and means over all of them.

In a single process they return their arguments. Nothing is communicated here: a trace records these calls, and the
compiler runs them in several processes.
"""

from __future__ import annotations

from typing import Any

from .core import primitive
from .modes import state


def world_size() -> int:
    """The number of processes that share the step being traced; 1 outside of `tt.compile(..., workers=)`."""
    return state.workers


@primitive
def all_reduce_sum(*xs: Any) -> Any:
    """Sum each x over all workers; the identity without workers."""
    return xs


@primitive
def all_reduce_mean(*xs: Any, leaves: Any = (), loss: Any = None) -> Any:
    """Average each x over all workers; the identity without workers.

    Parameters
    ----------
    leaves : iterable of Tensor
        The leaves whose gradients the xs are, if they are gradients.
    loss : tuple of arrays
        The loss that they are the gradients of, and the gradient that the pass started from.
    """
    if state.gradients is not None and leaves:
        state.gradients(dict(zip(leaves, xs, strict=True)))
    return xs
