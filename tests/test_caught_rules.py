"""What mutants of the dispatch and of the rules changed and no other test saw: each test here caught some."""

import inspect
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.compose import COMPOSED, OBSERVED, adopted, apart, collect, differentiated, held, holds_arrays, typed
from tinytensor.core import NUMPY, REGISTRY, Tensor
from tinytensor.define import NAMESPACES, Every, as_called, ours, public
from tinytensor.dispatch import NEAREST, answering, full_name, parameters_of, plain, spelled, unknown

R = np.random.default_rng(0)


def leaf(*shape: int, dtype: Any = np.float64) -> Tensor:
    return Tensor(R.uniform(0.1, 0.9, shape).astype(dtype), requires_grad=True)


# --- parameters ---


@pytest.mark.parametrize("key, value, expected", [
    ("axis", np.int64(1), 1), ("axis", np.array(1), 1), ("axis", np.array([0, 1]), (0, 1)), ("axis", [np.int8(1)], [1]),
    ("axis", (np.int8(1), 0), (1, 0)), ("axis", tt.tensor([0, 1]), (0, 1)), ("axis", tt.tensor(1), 1),
    ("ddof", np.array(1.5), 1.5), ("ddof", np.float32(0.5), 0.5), ("flag", np.True_, True), ("flag", np.array(True), True),
    ("axis", ((np.int8(1), 2), [np.int16(3)]), ((1, 2), [3])), ("axis", None, None), ("axis", "x", "x"),
])
def test_parameters_are_plain(key: str, value: Any, expected: Any) -> None:
    found = plain(key, value)
    assert type(found) is type(expected) and found == expected
    if isinstance(found, tuple | list):
        assert [type(x) for x in found] == [type(x) for x in expected]


@pytest.mark.parametrize("key, value", [("index", np.array(1)), ("values", np.array([1, 2])), ("x", np.complex64(1)),
                                        ("x", np.longdouble(1)), ("x", np.array("a")), ("axis", (1, 2)), ("axis", [1]),
                                        ("axis", (1, np.array([2]))), ("axis", (slice(1), None, ..., int))])
def test_parameters_that_are_plain_stay_the_same_object(key: str, value: Any) -> None:
    assert plain(key, value) is value


def test_parameters_of_a_mixed_sequence_keep_arrays() -> None:
    a = np.array(3)
    assert plain("axis", [np.int8(1), a])[1] is a and plain("x", tt.tensor([1, 2])).dtype == np.int64
    with pytest.raises(TypeError, match=r"^parameter 'q' is a tensor that requires grad.*give q.detach\(\)"):
        plain("q", leaf(2))


# --- names ---


def theirs(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True) -> None:
    """As NumPy writes it."""


def mine(x: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return x, axis, keepdims


def spread(x: Any, *shape: Any) -> Any:
    return x, shape


def many(a: Any, *rest: Any) -> None:
    """Takes any number."""


def alone(x: Any, *, axis: Any = None) -> Any:
    return x, axis


def test_names_of_parameters() -> None:
    assert list(parameters_of(theirs)) == ["a", "axis", "out", "keepdims", "where"]
    assert parameters_of(np.datetime64) == {} or inspect.signature(np.datetime64)
    assert parameters_of(5) == {}  # type: ignore[arg-type]
    assert spelled(theirs, mine, 1) == {"a": "x"} and spelled(None, mine, 1) == {}
    assert spelled(theirs, theirs, 2) == {} and spelled(lambda b, a: None, lambda a, b: None, 2) == {}


@pytest.mark.parametrize("args, kwargs, expected", [
    ((1,), {}, (1, None, False)), ((1, 2), {}, (1, 2, False)), ((1, 2, None), {}, (1, 2, False)),
    ((1, 2, None, True), {}, (1, 2, True)), ((1, 2, None, False), {"where": True}, (1, 2, False)),
    ((), {"a": 1, "axis": 2}, (1, 2, False)), ((1,), {"out": None, "keepdims": True}, (1, None, True)),
    ((), {"x": 1, "keepdims": True}, (1, None, True)),
])
def test_calls_are_read_as_numpy_reads_them(args: Any, kwargs: Any, expected: Any) -> None:
    answer = answering(mine, theirs)
    assert answer(*args, **kwargs) == expected == answer(*args, **kwargs)
    assert answer.__name__ == "mine" and getattr(answer, "__wrapped__") is mine


def test_calls_that_numpy_refuses() -> None:
    answer = answering(mine, theirs)
    with pytest.raises(TypeError, match=r"theirs: 6 arguments came; expected 5 at most; see its signature \(a: "):
        answer(1, 2, None, False, True, 6)
    with pytest.raises(TypeError, match=r"theirs: parameter 'keepdims' came twice; expected it once"):
        answer(1, 2, None, False, keepdims=True)
    with pytest.raises(TypeError, match="out"):
        answer(1, 2, "somewhere")
    with pytest.raises(TypeError, match="where"):
        answer(1, where=False)


def test_answers_to_functions_of_many_arguments() -> None:
    assert answering(spread, many)(1, 2, 3) == (1, (2, 3)) and answering(spread, many)(1) == (1, ())
    assert answering(alone, theirs)(1, 2) == (1, 2), "by position in NumPy, by keyword here"
    assert answering(alone, theirs)(1, 2, None) == (1, 2)


def test_full_names() -> None:
    assert [full_name(f) for f in (np.linalg.eig, np.sum, np.exp, np.random.default_rng)] == [
        "np.linalg.eig", "np.sum", "np.exp", "np.random.default_rng"]
    assert full_name(inspect.signature) == "inspect.signature"

    def bare() -> None: ...

    bare.__module__ = None  # type: ignore[assignment]
    assert full_name(bare) == "bare"


# --- the two protocols ---


def test_what_has_no_answer_is_refused_by_its_full_name() -> None:
    with pytest.raises(TypeError, match=r"^np.linalg.eig does not take a Tensor: it has no rule; "):
        np.linalg.eig(leaf(2, 2))
    assert str(unknown(inspect.signature, "at")).startswith("inspect.signature.at does not take a Tensor: it has no r")
    assert str(unknown(inspect.signature)).endswith("; compose it of functions that have one, or give it "
                                                    "x.detach().numpy() where no gradient is wanted")
    for key, advice in NEAREST.items():
        if callable(key) and key not in NUMPY:
            assert str(unknown(key)).endswith(f"it has no rule; {advice}")
    assert NEAREST.get("numpy.fft", "") in str(unknown(np.fft.fft))


def test_out_is_refused() -> None:
    x, out = leaf(2), np.ones(2)
    with pytest.raises(TypeError, match=r"^np.add: out= \(or `array add= tensor`.* write y = np.add\(...\) without out"):
        np.add(x, 1.0, out=out)
    with pytest.raises(TypeError, match="^np.add: out="):
        out += x
    assert np.add(x, 1.0, out=None).tolist() == (x.data + 1).tolist()
    assert np.add.reduce(x, out=None).tolist() == x.data.sum()
    assert np.add(x, 1.0, dtype=np.float32).dtype == np.float32
    assert np.multiply.outer(x, out).shape == (2, 2) and np.subtract.reduce(x).item() == x.data[0] - x.data[1]
