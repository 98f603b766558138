"""Hooks of modules: functions that see, and may replace, what goes into a module and what comes out, both ways.

A module without hooks never gets here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from ...core import Tensor as Node
from ...hooks import register_hook
from ...ops import positive
from ..tensor import Tensor, wrap
from ..writing import records

Hook = Callable[..., Any]
numbers = count()


class RemovableHandle:
    """What registering a hook gives back; `remove()` takes the hook away, and so does the end of its block."""

    def __init__(self, hooks: dict[int, Any], hook: Any, prepend: bool = False) -> None:
        self.hooks, self.id = hooks, next(numbers)
        hooks[self.id] = hook
        if prepend:
            for key in [key for key in hooks if key != self.id]:
                hooks[key] = hooks.pop(key)

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self.hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def called(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a module that has hooks gives."""
    own = vars(module)
    for hook, with_kwargs in list(own["_forward_pre_hooks"].values()):
        found = hook(module, args, kwargs) if with_kwargs else hook(module, args)
        if found is not None and with_kwargs:
            if not isinstance(found, tuple) or len(found) != 2:
                raise RuntimeError(f"forward_pre_hook: got {type(found).__name__} from a hook; expected None, or a "
                                   f"pair (args, kwargs); return both")
            args, kwargs = found
        elif found is not None:
            args = found if isinstance(found, tuple) else (found,)
    watch = Backward(module) if own["_backward_hooks"] or own["_backward_pre_hooks"] else None
    if watch is not None:
        args = watch.inputs(args)
    always = {key: kept for key, kept in own["_forward_hooks"].items() if kept[2]}
    y: Any = None
    try:
        y = module.forward(*args, **kwargs)
        for key, (hook, with_kwargs, _) in list(own["_forward_hooks"].items()):
            always.pop(key, None)
            found = hook(module, args, kwargs, y) if with_kwargs else hook(module, args, y)
            y = y if found is None else found
    except Exception:
        for hook, with_kwargs, _ in always.values():
            hook(module, args, *([kwargs] if with_kwargs else []), y)
        raise
    return y if watch is None else watch.outputs(y)


class Backward:
    """One call of a module, whose gradients its backward hooks are shown."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.into: list[Any] = []  # gradients of the inputs, as they come
        self.out: list[Any] = []  # and of the outputs
        self.waited: set[int] = set()  # which inputs' gradients are yet to come

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, through nodes of their own that are watched."""
        self.into = [None] * len(args)
        self.expected = {i for i, x in enumerate(args) if isinstance(x, Tensor) and records(x.node)}
        self.waited = set(self.expected)
        return tuple([self.watched(x, partial(self.came, i)) if i in self.expected else x for i, x in enumerate(args)])

    def outputs(self, y: Any) -> Any:
        """The outputs, through nodes of their own that are watched."""
        ys = y if isinstance(y, tuple | list) else (y,)
        self.out = [None] * len(ys)
        found = [self.watched(t, partial(self.left, i)) if isinstance(t, Tensor) and records(t.node) else t
                 for i, t in enumerate(ys)]
        return type(y)(found) if isinstance(y, tuple | list) else found[0]

    def watched(self, x: Tensor, act: Callable[[Any], Any]) -> Tensor:
        """A tensor whose gradient is shown to a function."""
        def hook(g: Any) -> Any:
            found = act(wrap(g if isinstance(g, Node) else Node(g)))
            return None if found is None else found.node if isinstance(g, Node) else found.node.data

        node = positive(x.node)
        register_hook(node, hook)
        return wrap(node)

    def left(self, i: int, g: Any) -> Any:
        """Called with an output's gradient; the hooks before the pass may replace it."""
        self.out[i] = g
        for hook in list(vars(self.module)["_backward_pre_hooks"].values()):
            found = hook(self.module, tuple(self.out))
            if found is not None:
                self.out = list(found) if isinstance(found, tuple) else [found]
        if not self.expected:
            self.show()
        return self.out[i]

    def came(self, i: int, g: Any) -> Any:
        """Called with an input's gradient; the module's hooks run when all are there."""
        self.into[i] = g
        self.waited.discard(i)
        if self.waited:
            return None
        self.waited = set(self.expected)
        found = self.show()
        if found is not None and len(self.expected) > 1:
            raise RuntimeError(f"full_backward_hook: a hook of {type(self.module).__name__} replaced the gradients of "
                               f"{len(self.expected)} inputs; expected one input that requires grad, where they are to "
                               f"be replaced; use x.register_hook on the inputs themselves")
        return None if found is None else found[i]

    def show(self) -> Any:
        """Call the hooks; the gradients that they return to replace the inputs', or None."""
        result = None
        for hook in list(vars(self.module)["_backward_hooks"].values()):
            found = hook(self.module, tuple(self.into), tuple(self.out))
            if found is not None:
                result = found if isinstance(found, tuple) else (found,)
                self.into = list(result)
        return result
