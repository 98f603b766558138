"""What the processes that share a compiled step do together: sums and means over all of them, and how many they are.

Where one process makes the step, a sum over all is what it is given. Nothing is sent here: a trace records these calls,
and the compiler gives them processes.
"""

from __future__ import annotations

from typing import Any

from .core import primitive
from .modes import state


def world_size() -> int:
    """How many processes share the step being traced; 1 outside of `tt.compile(..., workers=)`."""
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
        Whose gradients the xs are, if they are such.
    loss : tuple of arrays
        What they are the gradients of, and the gradient that the pass began with.
    """
    if state.gradients is not None and leaves:
        state.gradients(dict(zip(leaves, xs, strict=True)))
    return xs
