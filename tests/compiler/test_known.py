"""What a step knows beside its arguments may change between its steps: nothing is baked in, or an error says what."""

import itertools
import sys
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from steps import TWICE

import tinytensor as tt
from tinytensor.compiler import passes
from tinytensor.compiler.audit import equal

X = np.arange(6, dtype=np.float32).reshape(2, 3)
IX = np.array([0, 1, 1])

# --- what two traces show, and what changes between steps ---


def test_two_calls_that_differ() -> None:
    step, before = tt.compile(lambda x: x * sys.getrecursionlimit()), sys.getrecursionlimit()
    step(X)
    sys.setrecursionlimit(before + 1)
    try:
        with pytest.raises(tt.CompileError) as error:
            step(X)
    finally:
        sys.setrecursionlimit(before)
    assert str(error.value).endswith(f"np.multiply got {before} in one trace and {before + 1} in the other, {TWICE}")


NUMBER, TABLE = 1.0, np.arange(3.0)


def scaled(x: Any) -> Any:
    return x * NUMBER


def known_things() -> dict[str, Any]:
    """Steps that read what is not declared, and functions that change it."""
    holder = SimpleNamespace(scale=2.0, table=np.ones(3), deep={"a": [np.ones(3), 3.0]}, one=np.ones(1))
    factor = 1.0
    numbers, mask, pair, tensor = [1.0, 2.0], np.ones((2, 3)), (np.ones(3), 2.0), tt.ones(3)

    class Settings:
        scale = 1.0

    class Slots:
        __slots__ = ("scale",)

    slots = Slots()
    slots.scale = 1.0
    default = np.ones(3)

    def with_default(x: Any, a: Any = default) -> Any:
        return x * a

    def write_global() -> None:
        global NUMBER
        NUMBER += 1

    def write_nonlocal() -> None:
        nonlocal factor
        factor += 1

    def decorated(x: Any) -> Any:
        return x * holder.scale

    return {
        "number of an object": (lambda x: x * holder.scale, lambda: setattr(holder, "scale", holder.scale + 1)),
        "array of an object": (lambda x: x * holder.table, lambda: holder.table.__iadd__(1)),
        "another array of an object": (lambda x: x * holder.table, lambda: setattr(holder, "table", holder.table + 1)),
        "made of an array": (lambda x: x * (mask * 2).sum(0), lambda: mask.__iadd__(1)),
        "array in a dict": (lambda x: x * holder.deep["a"][0], lambda: holder.deep["a"][0].__iadd__(1)),
        "number in a dict": (lambda x: x * holder.deep["a"][1], lambda: holder.deep["a"].__setitem__(1, 7.0)),
        "number in a list": (lambda x: x * numbers[0], lambda: numbers.__setitem__(0, numbers[0] + 1)),
        "length of a list": (lambda x: x * len(numbers), lambda: numbers.append(1.0)),
        "array in a tuple": (lambda x: x * pair[0], lambda: pair[0].__iadd__(1)),
        "tensor": (lambda x: tensor * x, lambda: tensor.data.__iadd__(1)),
        "class": (lambda x: x * Settings.scale, lambda: setattr(Settings, "scale", Settings.scale + 1)),
        "slots": (lambda x: x * slots.scale, lambda: setattr(slots, "scale", slots.scale + 1)),
        "default": (with_default, lambda: default.__iadd__(1)),
        "global": (scaled, write_global),
        "variable around": (lambda x: x * factor, write_nonlocal),
        "array of one number": (lambda x: x * holder.one, lambda: setattr(holder, "one", holder.one[None])),
        "global array": (lambda x: x + TABLE, lambda: TABLE.__iadd__(1)),
        "partial": (partial(lambda a, x: x * a.sum(), default), lambda: default.__iadd__(1)),
        "decorated": (tt.no_grad()(decorated), lambda: setattr(holder, "scale", holder.scale + 1)),
        "row by an index": (lambda x: x * mask[IX].sum(0), lambda: mask.__iadd__(1)),
    }


@pytest.mark.parametrize("name", known_things())
def test_nothing_is_baked_in(name: str) -> None:
    step, change = known_things()[name]
    compiled = tt.compile(step)
    for i in range(9):
        assert equal(compiled(X), step(X)), i
        if i in (3, 4, 7):
            change()


@pytest.mark.parametrize("values", [*itertools.permutations([1, 1.0, np.float64(1), True], 2)])
def test_equal_numbers_of_two_types(values: Any) -> None:
    settings = SimpleNamespace(number=values[0])
    step = tt.compile(lambda x: x * len(type(settings.number).__name__))
    for _ in range(3):
        step(X)
    settings.number = values[1]
    assert equal(step(X), X * len(type(values[1]).__name__))


def test_a_variable_that_is_deleted() -> None:
    class Slots:
        __slots__ = ("scale",)

    slots, settings = Slots(), SimpleNamespace(scale=3.0)
    slots.scale = 2.0
    step = tt.compile(lambda x: x * getattr(slots, "scale", 5.0) * getattr(settings, "scale", 7.0))
    for _ in range(3):
        assert equal(step(X), X * 2.0 * 3.0)
    del slots.scale
    assert equal(step(X), X * 5.0 * 3.0)
    del settings.scale
    assert equal(step(X), X * 5.0 * 7.0)


def test_what_changes_all_the_time() -> None:
    settings = SimpleNamespace(i=0)
    step = tt.compile(lambda x: x * (1 if settings.i < 100 else 2))
    with pytest.raises(tt.CompileError) as error:
        for _ in range(12):
            settings.i += 1
            step(X)
    assert str(error.value).endswith("settings.i has a different value at every call, 8 and then 9, so the step would "
                                     "be recompiled each time; expected it to stay the same; pass it as an argument, a "
                                     "number as a float")


def test_arguments_that_share_memory() -> None:
    a = np.zeros(4)

    def step(x: Any) -> Any:
        a[...] = a + 1
        return x * 2

    compiled = tt.compile(step, a)
    for x in (np.ones(3), np.ones(3), np.ones(3)):
        compiled(x)
    with pytest.raises(tt.CompileError) as error:
        compiled(a[1:])
    assert str(error.value) == ("compile: an argument of step shares memory with what the step may change; expected "
                                "one name for it; pass a copy, or use the declared array itself and take views of it "
                                "in the step")
    assert equal(a, np.full(4, 3.0))


# --- check=True ---


def test_check_finds_what_two_traces_do_not() -> None:
    compiled, before = tt.compile(lambda x: x * sys.getrecursionlimit(), check=True), sys.getrecursionlimit()
    for _ in range(3):
        compiled(X)
    sys.setrecursionlimit(before + 1)
    try:
        with pytest.raises(tt.CompileError) as error:
            compiled(X)
    finally:
        sys.setrecursionlimit(before)
    assert str(error.value).startswith("compile: <lambda>: the result[0, 1] is 1001.0 by the step itself and 1000.0 by")


def test_check_finds_a_wrong_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_at_once(program: Any) -> Any:
        program.plan.arena_bytes = max(buffer.root.nbytes() for buffer in program.plan.buffers.values())
        return program

    monkeypatch.setattr(passes, "PASSES", (*passes.PASSES[:-1], all_at_once))
    a = np.ones(2)

    def step(x: Any) -> Any:
        y = x @ np.ones((3, 4), np.float32)
        z = y @ np.ones((4, 2), np.float32)
        a[...] = a + z.sum(0) + (z @ y).sum()
        return y, z

    compiled = tt.compile(step, a, check=True)
    compiled(X)
    compiled(X)
    before = a.copy()
    with pytest.raises(tt.CompileError) as error:
        compiled(X)
    assert "expected the same; report this, with the step, and go on without tt.compile" in str(error.value)
    assert equal(a, before)


# --- methods ---

ARGUMENTS: dict[str, Any] = {
    "reshape": [(3, 2)], "transpose": [(1, 0)], "clip": [0, 3], "repeat": [2], "swapaxes": [0, 1], "take": [IX],
    "astype": [np.float64], "dot": [X.T], "squeeze": [], "argsort": [], "diagonal": [], "round": [],
    "searchsorted": [2.5], "fill": [1], "partition": [1], "put": [0, 1], "choose": [[X, X, X]],
}
REFUSED = {"argpartition", "byteswap", "choose", "compress", "flat", "getfield", "imag", "nonzero", "resize",
           "searchsorted", "setfield", "setflags", "tobytes", "view"}  # by name; NumPy's functions of these names go
IN_PLACE = {"fill", "partition", "put"}  # they give None, and write into the array
ARRAYS = sorted(name for name in dir(tt.Tensor) if not name.startswith("_") and hasattr(np.ndarray, name)
                and name not in ("data", "item", "tolist"))


@pytest.mark.parametrize("name", ARRAYS)
def test_methods_of_tensors_that_arrays_have(name: str) -> None:
    def step(x: Any) -> Any:
        y = x * 2
        found = getattr(y, name)
        return found(*ARGUMENTS.get(name, [])) if callable(found) else found

    compiled = tt.compile(step)
    if name in REFUSED:
        with pytest.raises((tt.CompileError, TypeError, ValueError)):  # searchsorted wants one axis
            compiled(X)
            compiled(X)
        return
    for i in range(4):
        assert equal(compiled(X + i), step(X + i)) or name in IN_PLACE


def test_after_a_change_the_step_itself_runs_twice_and_then_the_program_again(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SimpleNamespace(scale=1.0)

    def double(x: Any) -> Any:
        return x * settings.scale

    step, written_down = tt.compile(double), []
    first = step.first
    monkeypatch.setattr(step, "first", lambda *args: written_down.append(settings.scale) or first(*args))
    for scale in (1.0, 2.0):
        settings.scale = scale
        for _ in range(5):
            np.testing.assert_array_equal(step(np.ones(3)), np.full(3, scale))
    assert written_down == [1.0, 1.0, 2.0, 2.0]
