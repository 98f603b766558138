"""`torch.utils.checkpoint`: functions that PyTorch computes twice to save memory; here once, with the same results.

For less memory there is `tinytensor.recompute`, of functions of the engine's own tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SETTINGS = ("preserve_rng_state", "context_fn", "determinism_check", "debug", "early_stop")  # they change no result


def checkpoint(function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None, **kwargs: Any) -> Any:
    """``function(*args, **kwargs)``: the values and gradients that PyTorch gives, and no memory is saved.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> from tinytensor.torch.utils.checkpoint import checkpoint
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> checkpoint(lambda x: x * x, x, use_reentrant=False).backward()
    >>> x.grad
    tensor(6.)
    """
    return function(*args, **{key: value for key, value in kwargs.items() if key not in SETTINGS})


def checkpoint_sequential(functions: Any, segments: int, input: Any, use_reentrant: bool | None = None,
                          **kwargs: Any) -> Any:
    """The functions, or modules, one after another, each applied to the output of the one before."""
    for function in functions.children() if hasattr(functions, "children") else functions:
        input = function(input)
    return input
