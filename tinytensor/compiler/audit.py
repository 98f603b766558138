"""`check=True`: a step made both ways, by its program and by the function itself, from the same state, and compared.

It finds what two traces can't: a program that is wrong, and Python code that a program leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..core import Tensor
from .ir import CompileError, Program
from .tracing.aliasing import short
from .tracing.closure import ClosureScan
from .tracing.state import Cell, DeclaredState

STEPS = 3  # so many are checked


class Copy:
    """Declared arrays, numbers and random streams as they are now."""

    def __init__(self, program: Program, slots: dict[int, Cell]) -> None:
        self.arrays = [(s.name, s.array, s.array.copy()) for s, _ in program.state if s.is_array]
        self.numbers = [(slot, slot.get()) for slot in slots.values()]
        self.streams = [(s.name, s.array, stands(s.array)) for s in program.sources if s.kind == "stream"]

    def restore(self) -> None:
        """Let all be as it was."""
        for _, array, before in self.arrays:
            np.copyto(array, before)
        for slot, value in self.numbers:
            slot.put(value)
        for _, rng, where in self.streams:
            put(rng, where)

    def differences(self, other: Copy) -> Iterator[tuple[str, Any, Any]]:
        """What is not the same in another copy: its name, and the values."""
        for (name, _, a), (_, _, b) in zip(self.arrays, other.arrays, strict=True):
            if not equal(a, b):
                yield name, a, b
        for (slot, x), (_, y) in zip(self.numbers, other.numbers, strict=True):
            if not equal(x, y):
                yield slot.name, x, y
        for (name, _, before), (_, _, after) in zip(self.streams, other.streams, strict=True):
            if repr(before) != repr(after):
                yield f"the random stream {name}", "at one place", "at another"


def stands(rng: Any) -> Any:
    """Where a random stream stands."""
    return rng.bit_generator.state if isinstance(rng, np.random.Generator) else rng.get_state()


def put(rng: Any, where: Any) -> None:
    if isinstance(rng, np.random.Generator):
        rng.bit_generator.state = where
    else:
        rng.set_state(where)


def equal(a: Any, b: Any) -> bool:
    """Whether results are the same to the last bit; of a nan it doesn't matter which one."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return equal(a.data, b.data)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray | np.generic) and isinstance(b, np.ndarray | np.generic):
        a, b = np.asarray(a), np.asarray(b)
        return bool(a.dtype == b.dtype and a.shape == b.shape
                    and (a.tobytes() == b.tobytes() or np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")))
    return type(a) is type(b) and (a is b or repr(a) == repr(b))


def kept(x: Any) -> Any:
    """Copies of results, for their memory may be written again."""
    if isinstance(x, Tensor):
        return x.data.copy()
    if isinstance(x, list | tuple):
        return [kept(y) for y in x]
    return {k: kept(y) for k, y in x.items()} if isinstance(x, dict) else np.copy(x) if isinstance(x, np.ndarray) else x


def checked(title: str, step: Callable[[], Any], program: Callable[[], Any], copy: Callable[[], Copy],
            state: DeclaredState, around: ClosureScan) -> Any:
    """What the program gives, once the step itself gave the same from the same state."""
    before, tensors = copy(), [*state.tensors.values(), *state.plain.values()]
    grads = [(t, t.grad) for t in tensors]
    arrays = {name: (a, a.copy()) for a, name in around.arrays() if id(a) not in state.declared}
    try:
        expected, after = kept(step()), copy()
        effects = [*around.differences()]
        effects += [(name, was, a.copy()) for name, (a, was) in arrays.items() if not equal(a, was)]
    finally:
        around.restore()
        before.restore()
        for t, g in grads:
            t.grad = g
        for a, was in arrays.values():
            if a.flags.writeable:
                np.copyto(a, was)
    for name, was, now in effects:
        raise CompileError(f"compile: {title}: the step itself changes {name}, from {short(was)} to {short(now)}, and "
                           f"its program does not; expected no side effects on Python objects; give the value back, "
                           f"count outside of the step, or let it be a declared array")
    result = program()
    wrong = [] if equal(expected, kept(result)) else [("the result", expected, result)]
    for name, a, b in [*wrong, *after.differences(copy())]:
        before.restore()
        raise CompileError(f"compile: {title}: {name} is {short(a)} by the step itself and {short(b)} by its program; "
                           f"expected the same; report this, with the step, and go on without tt.compile")
    return result
