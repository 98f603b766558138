"""Whether ops are recorded: `no_grad`, `enable_grad`, `inference_mode`, `set_grad_enabled`, and questions about it."""

from __future__ import annotations

from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any

from ..modes import no_grad_blocks, recording, state
from .offer import offer


class no_grad(recording):
    """Record nothing inside of the block, or of the function that it decorates."""

    def __new__(cls, function: Any = None) -> Any:
        made = object.__new__(cls)
        if function is None:
            return made
        recording.__init__(made, cls.records)
        return recording.__call__(made, function)

    records = False

    def __init__(self, function: Any = None) -> None:
        super().__init__(self.records)


class enable_grad(no_grad):
    """Record inside of the block, even within one of `no_grad`."""

    records = True


class inference_mode(recording):
    """As `no_grad`: here tensors made inside may be used in graphs later."""

    def __new__(cls, mode: Any = True) -> Any:
        made = object.__new__(cls)
        if callable(mode):
            recording.__init__(made, False)
            return made(mode)
        return made

    def __init__(self, mode: Any = True) -> None:
        super().__init__(not mode)

    def __call__(self, function: Any) -> Any:
        if isgeneratorfunction(function) or iscoroutinefunction(function) or isasyncgenfunction(function):
            return super().__call__(function)
        if not callable(function) or isinstance(function, type):
            return super().__call__(function)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with inference_mode(not self.on):
                return function(*args, **kwargs)

        return call


class set_grad_enabled(recording):
    """Record from now on, or do not; as a block or of a function that it decorates, until the end of that."""

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self.__enter__()

    def __enter__(self) -> None:
        if not self.entered:
            super().__enter__()

    def __call__(self, function: Any) -> Any:
        self.__exit__()
        return recording(self.on)(function)

    def __repr__(self) -> str:
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self.on})"


@offer()
def is_grad_enabled() -> bool:
    """Whether ops are recorded in this thread."""
    return state.recording if no_grad_blocks else True


@offer()
def is_inference_mode_enabled() -> bool:
    """Whether the innermost `inference_mode` around this call is on."""
    modes = [block for block in vars(state).get("blocks", ()) if isinstance(block, inference_mode)]
    return bool(modes) and not modes[-1].on
