"""The state of each thread: whether ops are recorded, and what watches them.

It knows no op and no tensor.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from types import coroutine
from typing import Any, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])


class State(threading.local):
    """The state of one thread."""

    recording = True
    anomaly: Any = None  # inspects gradients, inside of detect_anomaly
    watchers: tuple[Callable[..., None], ...] = ()  # called for every op (`watching`)
    depth = 0  # nesting of value_and_grad, jacobian, ... around this call
    workers = 1  # processes that share the step being traced; 1 outside of tt.compile
    visit: Callable[[Any], None] | None = None  # called with all nodes of a backward pass, before it
    gradients: Callable[[Any], None] | None = None  # called after a backward pass with leaf -> gradient


state = State()
no_grad_blocks: list[recording] = []  # open in any thread; while it is empty, ops skip the thread-local lookup
active_watchers: list[Any] = []  # watchers of any thread; while it is empty, ops skip them


def notify_watchers(node: Any, op: Any, arrays: Any) -> None:
    """Call this thread's watchers with a new node, its op and the arrays that it was computed from."""
    for watcher in state.watchers:
        watcher(node, op, arrays)


@contextmanager
def watching(watcher: Callable[..., None]) -> Iterator[None]:
    """Inside the block, call ``watcher(node, op, arrays)`` for every op of this thread."""
    state.watchers = (*state.watchers, watcher)
    active_watchers.append(watcher)
    try:
        yield
    finally:
        active_watchers.remove(watcher)
        state.watchers = tuple(w for w in state.watchers if w is not watcher)


def remove_last(things: list[Any], x: Any) -> bool:
    """Remove the last x from a list; whether it was there."""
    for i in reversed(range(len(things))):
        if things[i] is x:
            del things[i]
            return True
    return False


class recording:
    """A context manager and decorator inside of which this thread records ops, or does not.

    Blocks may end in any order, as those of two generators do: the innermost open block counts.
    """

    def __init__(self, on: bool) -> None:
        self.on = on
        self.entered: list[dict[str, Any]] = []  # for each use of this block, the state of its thread

    def __repr__(self) -> str:
        return "enable_grad()" if self.on else "no_grad()"

    def __enter__(self) -> None:
        here = vars(state)
        here.setdefault("blocks", []).append(self)
        here["recording"] = self.on
        self.entered.append(here)
        if not self.on:
            no_grad_blocks.append(self)

    def __exit__(self, *_: object) -> None:
        here = vars(state)
        if not remove_last(self.entered, here):  # a generator closed by another thread
            here = self.entered.pop()
        blocks = here["blocks"]
        remove_last(blocks, self)
        here["recording"] = blocks[-1].on if blocks else True
        if not self.on:
            no_grad_blocks.remove(self)

    def __call__(self, function: F) -> F:
        """The function, run inside of such a block; of a generator or coroutine, each of its steps."""
        name = "enable_grad" if self.on else "no_grad"
        if isinstance(function, staticmethod | classmethod):
            return type(function)(self(function.__func__))
        if isinstance(function, type) or not callable(function):
            raise TypeError(f"{name}: got {function!r}; expected a function or a method; decorate single methods, "
                            f"or write `with tt.{name}():` inside of them")
        return decorated(function, self.on)  # type: ignore[return-value]


def decorated(function: Callable[..., Any], on: bool) -> Callable[..., Any]:
    """A function of the same kind that runs inside of a block."""
    def resumed(inner: Any) -> Iterator[Any]:
        """A generator or coroutine whose steps run inside of a block; what runs between them does not."""
        step, value = inner.send, None
        while True:
            try:
                with recording(on):
                    result = step(value)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            try:
                step, value = inner.send, (yield result)
            except BaseException as error:  # pass on what is thrown in, GeneratorExit too
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
    """Record nothing inside the block: for evaluation, sampling and updates. Also a decorator, with or without ().

    In a decorated generator or async function nothing is recorded while it runs; between its steps the caller's
    setting holds. Subtle: a `with` block inside of one holds for the whole thread until the block ends, so prefer the
    decorator where the block would contain a `yield` or `await`.

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
    """Record inside the block, even within one of `no_grad`. Also a decorator, with or without ().

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
