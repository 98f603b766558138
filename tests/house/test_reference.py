"""The reference page: its checks find what is wrong, every function has a row, and what it says of PyTorch is so."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import reference
from tinytensor.apply import PUBLIC
from tinytensor.core import NUMPY, REAL, REGISTRY, S, Tensor
from tinytensor.define import NAMESPACES
from tinytensor.testing import beside
from tinytensor.testing.facts import facts
from tinytensor.testing.subjects import MADE, Subject, subject


def changed(monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Any], Any]) -> dict[str, Any]:
    """The facts of an op whose rules give something else."""
    op = REGISTRY[name]
    monkeypatch.setattr(op, "rules", tuple(
        (lambda *args, rule=rule, **params: change(rule(*args, **params))) if rule else None for rule in op.rules))
    return facts(name)


FAULTS: dict[str, tuple[str, Callable[[Any], Any], str, str]] = {  # op, fault, column, cell
    "a factor": ("exp", lambda g: g * 1.001, "orders", "✗"),
    "no graph": ("sin", lambda g: g.detach() if isinstance(g, Tensor) else g, "orders", "1"),
    "one of two ties": ("max", lambda g: np.where(np.cumsum(g != 0, axis=-1) == 1, g * 2, 0), "ties", "one"),
    "another shape": ("tanh", lambda g: g[None], "0-d", "✗"),
    "a nan hidden": ("tanh", lambda g: np.nan_to_num(g) if isinstance(g, np.ndarray) else g, "nan", "0"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, change, column, expected = FAULTS[fault]
    assert facts(name)[column] != expected
    found = changed(monkeypatch, name, change)
    assert found[column] == expected
    assert bool(found["wrong"]) or expected != "✗"


WORSE: dict[str, tuple[Callable[[Any], Any], Callable[..., str], str]] = {  # not NumPy's sum: by which check it is seen
    "another dtype": (lambda x: tt.sum(x).astype(np.float64), beside.other_dtypes, "expected int64 ()"),
    "another value": (lambda x: tt.sum(x) + (x.dtype.kind == "i"), beside.other_dtypes, "other values than NumPy's"),
    "no axes refused": (lambda x: tt.sum(tt.swapaxes(x, 0, -1)), beside.without_axes, "AxisError: swapaxes: "),
    "an error from inside": (lambda x: tt.sum(x) * (1 / x.size), beside.without_elements, "ZeroDivisionError: "),
}


@pytest.mark.parametrize("fault", WORSE)
def test_what_is_not_numpys_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, check, complaint = WORSE[fault]
    complaints: list[str] = []
    assert check(subject("sum"), []) != "–"
    monkeypatch.setitem(NUMPY, np.sum, function)
    assert check(Subject("sum", function, (np.sum,), (S((2, 3)),), (REAL,)), complaints) == "✗"
    assert complaint in "\n".join(complaints)


def test_compiled_functions_are_compared() -> None:
    exp = subject("exp")

    def sloppy(step: Any, check: bool) -> Any:
        return lambda *arrays: [[y * 1.0001 for y in part] for part in step(*arrays)]

    def failing(step: Any, check: bool) -> Any:
        raise AttributeError("'float' object has no attribute 'shape'")

    complaints: list[str] = []
    assert beside.compiled(exp, tt.compile, complaints) == "✓" and not complaints
    assert [beside.compiled(exp, compiler, complaints) for compiler in (sloppy, failing)] == ["✗", "✗"]
    assert complaints[:2] == ["compiled: other values than without",
                              "compiled: AttributeError: 'float' object has no attribute 'shape'"]
    counting = iter(range(99))
    varies = Subject("varies", lambda x: x if x.data.sum() > next(counting) else -x, (), (S((3,)),), (REAL,))
    assert beside.compiled(varies, tt.compile, complaints) == "–"


def test_every_function_has_a_row() -> None:
    rows = {reference.function_of(name) for name in reference.names()}
    missing = {f"{space}.{name}" for space, functions in NAMESPACES.items() for name, f in functions.items()
               if f not in rows and f.__name__ not in MADE}
    assert not missing


def test_a_row() -> None:
    assert reference.gradient("arctan2") == "`g * over_squared_norm(b, a)`<br>`-g * over_squared_norm(a, b)`"
    assert reference.implemented("matmul") == "`np.matmul` `np.linalg.matmul`"
    assert "`np.add.reduce`" in reference.implemented("sum") and "`np.sum`" in reference.implemented("sum")
    assert reference.called("absolute") == "`absolute` `abs` `x.absolute()`"
    assert reference.family("relu").__name__ == "tinytensor.ops.activation"


def test_differences_are_of_functions() -> None:
    assert reference.DIFFERENCES.keys() <= set(reference.names())


TORCH: dict[str, tuple[list[Any], Any]] = {  # a point, and what PyTorch gives there
    "absolute": ([[0.0]], [[0]]), "arctan2": ([[0.0], [0.0]], [[0], [0]]),
    "hypot": ([[0.0], [0.0]], [[np.nan], [np.nan]]),
    "maximum": ([[1.0], [1.0]], [[0.5], [0.5]]), "minimum": ([[1.0], [1.0]], [[0.5], [0.5]]),
    "fmax": ([[1.0], [1.0]], [[1], [0]]), "fmin": ([[1.0], [1.0]], [[1], [0]]), "amax": ([[1.0, 1.0]], [[0.5, 0.5]]),
    "amin": ([[1.0, 1.0]], [[0.5, 0.5]]), "max": ([[1.0, 1.0]], [[0.5, 0.5]]), "std": ([[1.0, 1.0]], [[0, 0]]),
    "norm": ([[0.0, 0.0]], [[0, 0]]), "power": ([[0.0, -2.0], [0.0, 2.0]], [[0, -4], [0, np.nan]]),
    "copysign": ([[0.0], [1.0]], [[0], [0]]), "relu": ([[0.0]], [[0]]), "remainder": ([[4.0], [2.0]], [[1], [-2]]),
}
SPELLED = {"power": "pow"}
OTHERWISE = {"hypot": [[0], [0]], "fmax": [[0.5], [0.5]], "fmin": [[0.5], [0.5]]}  # what we give, on purpose


@pytest.mark.peer
@pytest.mark.parametrize("name", TORCH)
def test_what_the_page_says_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    point, expected = TORCH[name]
    theirs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in point]
    getattr(torch, SPELLED.get(name, name))(*theirs).sum().backward()
    np.testing.assert_array_equal([x.grad for x in theirs], expected)
    ours = [Tensor(np.array(x), requires_grad=True) for x in point]
    PUBLIC[name](*ours).sum().backward()
    np.testing.assert_array_equal([x.grad for x in ours], OTHERWISE.get(name, expected))
