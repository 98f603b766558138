"""Hooks: functions that get a tensor's gradient in every backward pass and may replace it; and `retain_grad`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .core import Tensor, keep_grad


class Handle:
    """Returned by `register_hook`; `remove()` removes the hook."""

    def __init__(self, hooks: list[Callable[..., Any]], hook: Callable[..., Any]) -> None:
        self.hooks, self.hook = hooks, hook

    def __repr__(self) -> str:
        there = self.hook in self.hooks
        return f"Handle({getattr(self.hook, '__qualname__', self.hook)}{'' if there else ', removed'})"

    def remove(self) -> None:
        """Remove the hook; a second call does nothing."""
        if self.hook in self.hooks:
            self.hooks.remove(self.hook)


def register_hook(x: Tensor, hook: Callable[[Any], Any]) -> Handle:
    """Call ``hook(g)`` with this tensor's complete gradient in every pass; a result other than None replaces it.

    Hooks run in the order in which they were registered.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> handle = y.register_hook(lambda g: 10 * g)
    >>> y.backward()
    >>> x.grad
    array(60., dtype=float32)
    """
    if not x._requires_grad:
        raise ValueError("register_hook: got a tensor that does not require grad; expected one that gets a gradient; "
                         "create it, or an input of it, with requires_grad=True")
    x.hooks = x.hooks or []
    x.hooks.append(hook)
    return Handle(x.hooks, hook)


def retain_grad(x: Tensor) -> None:
    """Let every pass store this intermediate tensor's gradient in `grad`, anew each time, after all of its hooks.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> y.retain_grad()
    >>> (2 * y).backward()
    >>> y.grad
    array(2., dtype=float32)
    """
    if x.op is not None and keep_grad not in (x.hooks or ()):
        register_hook(x, keep_grad)


def run_hooks(node: Tensor, g: Any) -> Any:
    """The gradient after the node's hooks have run."""
    hooks = tuple(node.hooks or ())
    for hook in hooks:
        if hook is keep_grad:
            continue
        replaced = hook(g if isinstance(g, Tensor) else g.copy())  # a copy, for a hook may keep it or write into it
        if replaced is not None:
            if getattr(replaced, "shape", None) != node.shape:
                raise ValueError(f"hook: got a result of type {type(replaced).__name__} and shape "
                                 f"{getattr(replaced, 'shape', None)}; expected a gradient of shape {node.shape}; "
                                 f"return such a one, or None to keep it as it is")
            g = replaced.astype(node.dtype)
    if keep_grad in hooks:
        node.grad = np.array(g.data if isinstance(g, Tensor) else g)
    return g


for function in (register_hook, retain_grad):
    setattr(Tensor, function.__name__, function)
