"""What each thread decides for itself: whether ops are recorded, and who looks on while they are.

No op and no tensor is known here.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from types import coroutine
from typing import Any, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])


class State(threading.local):
    """What each thread decides for itself."""

    recording = True
    anomaly: Any = None  # looks at what rules give, inside of detect_anomaly
    watchers: tuple[Callable[..., None], ...] = ()  # are told of every op (`notify_watchers`)
    depth = 0  # functions of functions (value_and_grad, jacobian, ...) that are at work around this call
    workers = 1  # processes that share the step being traced; 1 outside of tt.compile
    visit: Callable[[Any], None] | None = None  # is told of all nodes of a pass, before any rule runs
    gradients: Callable[[Any], None] | None = None  # is told of every pass: a leaf's gradient, by the leaf


state = State()
no_grad_blocks: list[recording] = []  # open in any thread; while it is empty, ops skip the thread-local lookup
active_watchers: list[Any] = []  # watchers of any thread; while it is empty, ops skip them


def notify_watchers(node: Any, op: Any, arrays: Any) -> None:
    """Tell this thread's watchers of a new node, of the op that made it and of the arrays that it was made from."""
    for watcher in state.watchers:
        watcher(node, op, arrays)


def remove_last(things: list[Any], x: Any) -> bool:
    """Take the last x out of a list, if it is there."""
    for i in reversed(range(len(things))):
        if things[i] is x:
            del things[i]
            return True
    return False


class recording:
    """Record ops, or do not, in this thread: inside of a block, or of the function that it decorates.

    Blocks may end in any order, as those of two generators do: the innermost that is still open counts.
    """

    def __init__(self, on: bool) -> None:
        self.on = on
        self.entered: list[dict[str, Any]] = []  # the state of the thread in which each use of this block began

    def __enter__(self) -> None:
        here = vars(state)
        here.setdefault("blocks", []).append(self)
        here["recording"] = self.on
        self.entered.append(here)
        if not self.on:
            no_grad_blocks.append(self)

    def __exit__(self, *_: object) -> None:
        here = vars(state)
        if not remove_last(self.entered, here):  # a generator that another thread ends
            here = self.entered.pop()
        blocks = here["blocks"]
        remove_last(blocks, self)
        here["recording"] = blocks[-1].on if blocks else True
        if not self.on:
            no_grad_blocks.remove(self)

    def __call__(self, function: F) -> F:
        """The function, inside of such a block; generators and coroutines are so whenever they go on."""
        name = "enable_grad" if self.on else "no_grad"
        if isinstance(function, staticmethod | classmethod):
            return type(function)(self(function.__func__))
        if isinstance(function, type) or not callable(function):
            raise TypeError(f"{name}: it decorates {function!r}; expected a function or a method; decorate each method "
                            f"that is meant, or write `with tt.{name}():` inside of them")
        return decorated(function, self.on)  # type: ignore[return-value]


def decorated(function: Callable[..., Any], on: bool) -> Callable[..., Any]:
    """A function of the same kind that runs inside of a block."""
    def resumed(inner: Any) -> Iterator[Any]:
        """A generator or coroutine, each of whose steps is inside of a block, and not what happens between them."""
        step, value = inner.send, None
        while True:
            try:
                with recording(on):
                    result = step(value)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            try:
                step, value = inner.send, (yield result)
            except BaseException as error:  # what is thrown in goes to it, and so does the end: GeneratorExit
                step, value = inner.throw, error

    if isgeneratorfunction(function):
        @wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            return (yield from resumed(function(*args, **kwargs)))
        return generator

    resume: Any = coroutine(resumed)
    if iscoroutinefunction(function):
        @wraps(function)
        async def wait(*args: Any, **kwargs: Any) -> Any:
            return await resume(function(*args, **kwargs))
        return wait

    if isasyncgenfunction(function):
        @wraps(function)
        async def stream(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            inner = function(*args, **kwargs)
            step, value = inner.asend, None
            while True:
                try:
                    result = await resume(step(value))
                except StopAsyncIteration:
                    return
                try:
                    step, value = inner.asend, (yield result)
                except BaseException as error:
                    step, value = inner.athrow, error
        return stream

    @wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        with recording(on):
            return function(*args, **kwargs)
    return inside


@overload
def no_grad() -> recording: ...
@overload
def no_grad(function: F) -> F: ...
def no_grad(function: Any = None) -> Any:
    """Record nothing inside the block: for evaluation, sampling and updates. As a decorator, with brackets or without.

    A generator or an async function that it decorates records nothing whenever it goes on; between its steps the
    caller's own setting holds. Subtle: a block inside of one is the whole thread's from its beginning to its end, so
    prefer the decorator where there is a `yield` or `await` in between.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.ones(3, requires_grad=True)
    >>> with tt.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    >>> @tt.no_grad
    ... def double(x):
    ...     return x * 2
    >>> double(x).requires_grad
    False
    """
    return recording(False) if function is None else recording(False)(function)


@overload
def enable_grad() -> recording: ...
@overload
def enable_grad(function: F) -> F: ...
def enable_grad(function: Any = None) -> Any:
    """Record inside the block, though it stands in one of `no_grad`. As a decorator, with brackets or without.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor(3.0, requires_grad=True)
    >>> with tt.no_grad():
    ...     with tt.enable_grad():
    ...         y = x * x
    >>> y.backward()
    >>> x.grad
    array(6., dtype=float32)
    """
    return recording(True) if function is None else recording(True)(function)
