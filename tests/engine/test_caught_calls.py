"""What mutants of how NumPy's calls reach the ops changed and no other test saw: each test here caught some."""

import inspect
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import define
from tinytensor.compose import (
    COMPOSED,
    NONDIFFERENTIABLE,
    as_constants,
    cast_numbers,
    collect,
    differentiated,
    holds_arrays,
    like_sequence,
    with_numpy_values,
)
from tinytensor.core import NUMPY, REGISTRY, Tensor
from tinytensor.define import NAMESPACES, VariadicRules, is_ours, public, user_signature
from tinytensor.dispatch import (
    NEAREST,
    as_python,
    full_name,
    numpy_input_names,
    parameters_of,
    unsupported,
    with_numpy_signature,
)

R = np.random.default_rng(0)


def leaf(*shape: int, dtype: Any = np.float64) -> Tensor:
    return Tensor(R.uniform(0.1, 0.9, shape).astype(dtype), requires_grad=True)


# --- parameters ---


@pytest.mark.parametrize("key, value, expected", [
    ("axis", np.int64(1), 1), ("axis", np.array(1), 1), ("axis", np.array([0, 1]), (0, 1)), ("axis", [np.int8(1)], [1]),
    ("axis", (np.int8(1), 0), (1, 0)), ("axis", tt.tensor([0, 1]), (0, 1)), ("axis", tt.tensor(1), 1),
    ("ddof", np.array(1.5), 1.5), ("ddof", np.float64(1.5), 1.5), ("ddof", np.float32(0.5), 0.5),
    ("flag", np.True_, True), ("flag", np.array(True), True),
    ("axis", ((np.int8(1), 2), [np.int16(3)]), ((1, 2), [3])), ("axis", None, None), ("axis", "x", "x"),
])
def test_parameters_are_plain(key: str, value: Any, expected: Any) -> None:
    found = as_python(key, value)
    assert type(found) is type(expected) and found == expected
    if isinstance(found, tuple | list):
        assert [type(x) for x in found] == [type(x) for x in expected]


@pytest.mark.parametrize("key, value", [("index", np.array(1)), ("values", np.array([1, 2])), ("x", np.complex64(1)),
                                        ("x", np.longdouble(1)), ("x", np.array("a")), ("axis", (1, 2)), ("axis", [1]),
                                        ("axis", (1, np.array([2]))), ("axis", range(2)),
                                        ("axis", (slice(1), None, ..., int))])
def test_parameters_that_are_plain_stay_the_same_object(key: str, value: Any) -> None:
    assert as_python(key, value) is value


def test_parameters_of_a_mixed_sequence_keep_arrays() -> None:
    a = np.array(3)
    assert as_python("axis", [np.int8(1), a])[1] is a and as_python("x", tt.tensor([1, 2])).dtype == np.int64
    with pytest.raises(TypeError, match=r"^got a tensor that requires grad as parameter 'q'.*pass q.detach\(\)"):
        as_python("q", leaf(2))


@pytest.mark.parametrize("key", ["shape", "newshape", "new_shape", "axes", "axis", "reps", "shift", "source",
                                 "destination", "dims", "ord", "window_shape"])
def test_arrays_of_sizes_are_tuples(key: str) -> None:
    assert as_python(key, np.array([2, 1])) == (2, 1)


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
    assert numpy_input_names(theirs, mine, 1) == {"a": "x"} and numpy_input_names(None, mine, 1) == {}
    assert numpy_input_names(theirs, theirs, 2) == {}
    assert numpy_input_names(lambda b, a: None, lambda a, b: None, 2) == {}


@pytest.mark.parametrize("args, kwargs, expected", [
    ((1,), {}, (1, None, False)), ((1, 2), {}, (1, 2, False)), ((1, 2, None), {}, (1, 2, False)),
    ((1, 2, None, True), {}, (1, 2, True)), ((1, 2, None, False), {"where": True}, (1, 2, False)),
    ((), {"a": 1, "axis": 2}, (1, 2, False)), ((1,), {"out": None, "keepdims": True}, (1, None, True)),
    ((), {"x": 1, "keepdims": True}, (1, None, True)),
])
def test_calls_are_read_as_numpy_reads_them(args: Any, kwargs: Any, expected: Any) -> None:
    answer = with_numpy_signature(mine, theirs)
    assert answer(*args, **kwargs) == expected == answer(*args, **kwargs)
    assert answer.__name__ == "mine" and answer.__wrapped__ is mine


def test_calls_that_can_not_be_answered() -> None:
    answer = with_numpy_signature(mine, theirs)
    with pytest.raises(TypeError, match="out"):
        answer(1, 2, "somewhere")
    with pytest.raises(TypeError, match="where"):
        answer(1, where=False)


def test_answers_to_functions_of_many_arguments() -> None:
    assert with_numpy_signature(spread, many)(1, 2, 3) == (1, (2, 3))
    assert with_numpy_signature(spread, many)(1) == (1, ())
    assert with_numpy_signature(alone, theirs)(1, 2) == (1, 2), "by position in NumPy, by keyword here"
    assert with_numpy_signature(alone, theirs)(1, 2, None) == (1, 2)
    assert with_numpy_signature(mine, 5)(*range(3)) == (0, 1, 2)  # type: ignore[arg-type]


def test_inputs_have_their_positions_whatever_they_are_called() -> None:
    def ours(x: Any, y: Any, axis: Any = 0, **names: Any) -> Any:
        return x, y, axis, names

    setattr(ours, "arity", 2)
    answer = with_numpy_signature(ours, lambda a, b, axis=0, out=None: None)
    assert answer(1, 2, 3) == answer(1, 2, 3, None) == (1, 2, 3, {})

    def op(x: Any = 5, **names: Any) -> Any:
        return x, names

    setattr(op, "arity", 1)
    assert with_numpy_signature(op, theirs)(out=None, a=1) == (5, {"a": 1}), "an op translates its own inputs"
    assert with_numpy_signature(lambda x, a=5: (x, a), theirs)(out=None, a=1, x=2) == (2, 1)
    assert with_numpy_signature(lambda x, keepdims=False, axis=None: (x, keepdims, axis), theirs)(1, 2) == (1, False, 2)


def test_what_is_numpys_default_may_not_be_ours() -> None:
    answer = with_numpy_signature(lambda x, axis=1: (x, axis), theirs)
    assert answer(1, axis=None, out=None) == (1, None) and answer(1, out=None) == (1, 1)


def test_a_reduction_with_options_is_the_op() -> None:
    assert np.add.reduce(leaf(2), keepdims=True).op.name == "sum" == np.sum(leaf(2), keepdims=True).op.name
    assert np.exp(leaf(2), dtype=np.float64).op.name == "exp"


def test_full_names() -> None:
    assert [full_name(f) for f in (np.linalg.eig, np.sum, np.exp, np.random.default_rng)] == [
        "np.linalg.eig", "np.sum", "np.exp", "np.random.default_rng"]
    assert full_name(inspect.signature) == "inspect.signature"

    def bare() -> None: ...

    bare.__module__ = None  # type: ignore[assignment]
    assert full_name(bare) == "bare"


# --- the two protocols ---


def test_what_has_no_answer_is_refused_by_its_full_name() -> None:
    with pytest.raises(TypeError, match=r"^np.linalg.eig does not take a Tensor: it has no derivative here; "):
        np.linalg.eig(leaf(2, 2))
    assert str(unsupported(inspect.signature, "at")).startswith(
        "inspect.signature.at does not take a Tensor: it has no d")
    assert str(unsupported(inspect.signature)).endswith(
        "; use functions that have one, or pass x.detach().numpy() where no gradient is wanted")
    for key, advice in NEAREST.items():
        if callable(key) and key not in NUMPY:
            assert str(unsupported(key)).endswith(f"it has no derivative here; {advice}")
    assert NEAREST.get("numpy.fft", "") in str(unsupported(np.fft.fft))


def test_out_is_refused() -> None:
    x, out = leaf(2), np.ones(2)
    with pytest.raises(TypeError, match=r"^np.add: got out=, perhaps by `array op= tensor`.* write y = np.add\(...\)$"):
        np.add(x, 1.0, out=out)
    with pytest.raises(TypeError, match="^np.add: got out="):
        out += x
    assert np.add(x, 1.0, out=None).tolist() == (x.data + 1).tolist()
    assert np.add.reduce(x, out=None).tolist() == x.data.sum()
    assert np.add(x, 1.0, dtype=np.float32).dtype == np.float32
    assert np.multiply.outer(x, out).shape == (2, 2) and np.subtract.reduce(x).item() == x.data[0] - x.data[1]


# --- compositions ---


class Pair(NamedTuple):
    """As NumPy's named tuples of results."""

    first: Any
    second: Any


def test_arrays_in_nested_sequences() -> None:
    x, y = leaf(2), np.ones(2, np.float32)
    tensors: list[Tensor] = []
    dtypes: list[Any] = []
    collect([x, (y, [x]), 1.0], tensors, dtypes)
    assert all(t is x for t in tensors) and len(tensors) == 2 and dtypes == [x.dtype, y.dtype, x.dtype]
    collect([x, y], tensors)
    assert len(tensors) == 3 and len(dtypes) == 3
    assert holds_arrays([1, (2, y)]) and not holds_arrays([1, (2, 3)]) and holds_arrays(x) and not holds_arrays([])


@pytest.mark.parametrize("x, dtype, expected", [
    (1.5, None, None), (1.5, np.float64, np.float64), (1, np.float32, np.float32), ([1.0, 2], np.float64, np.float64),
    ([], np.float32, None), ([1, 2], None, np.int64), ((1.0, 2.0), None, np.float32),
    (np.ones(2, np.float16), np.float64, np.float16)])
def test_numbers_take_the_dtype_beside_them(x: Any, dtype: Any, expected: Any) -> None:
    found = cast_numbers(x, dtype and np.dtype(dtype))
    assert (found is x) if expected is None else found.dtype == expected


def test_numbers_beside_arrays_in_a_list() -> None:
    y = leaf(2)
    found = cast_numbers([y, [1.0, y]], y.dtype)
    assert type(found) is list and found[0] is y and type(found[1]) is list and found[1][0].dtype == np.float64
    assert type(cast_numbers((y, 1.0), y.dtype)) is tuple


def test_results_keep_their_kind() -> None:
    y = np.ones(2)
    assert like_sequence(Pair(1, 2), [3, 4]) == Pair(3, 4) and like_sequence([1], [2]) == [2]
    assert like_sequence((1,), [2]) == (2,)
    found = as_constants(Pair(y, [np.float32(1), "text"]), "pair")
    assert type(found) is Pair and type(found.first) is Tensor and not found.first.requires_grad
    assert type(found.second[0]) is Tensor and found.second[0].dtype == np.float32 and found.second[1] == "text"
    with pytest.raises(TypeError, match="complex"):
        as_constants(np.ones(2) * 1j, "pair")


def made(numpy: Any, composition: Any, inputs: str = "") -> Any:
    return differentiated("made", numpy, composition, inputs)


def twice(a: Any, k: Any = 2.0) -> Any:
    return a * k


def test_a_composition_is_called_where_a_gradient_is_wanted() -> None:
    calls: list[Any] = []

    def composition(a: Any, k: Any = 2.0) -> Any:
        calls.append(a)
        return a * k

    f = made(twice, composition)
    x = leaf(2)
    assert type(f(x.data)) is np.ndarray and not f(x.detach()).requires_grad
    assert not f(Tensor(np.arange(2))).requires_grad
    with tt.no_grad():
        y = f(x)
        assert type(y) is Tensor and not y.requires_grad
    assert not calls
    assert tt.grad(f(x, 3.0).sum(), x).tolist() == [3, 3] and len(calls) == 1 and calls[0] is x
    empty = f(leaf(0))
    assert len(calls) == 1 and empty.requires_grad and empty.shape == (0,)
    assert f.__name__ == f.__qualname__ == "made"
    assert str(inspect.signature(f)) == "(a, k=2.0)"


def test_a_composition_that_reads_numpys_value() -> None:
    def half(a: Any) -> Any:
        return a / 2

    def composition(a: Any, *, value: Any) -> Any:
        assert type(value) is np.ndarray
        return a * (value / a.data)

    f, x = made(half, composition), leaf(2)
    np.testing.assert_allclose(tt.grad(f(x).sum(), x).data, 0.5)
    assert "value" not in inspect.signature(f).parameters


def test_values_are_numpys_to_the_bit() -> None:
    x = leaf(3)
    y = made(lambda a: a + 0.25, lambda a: a + 0.5)(x)
    assert y.tolist() == (x.data + 0.25).tolist() and y.requires_grad
    narrow = made(lambda a: (a * 2).astype(np.float32), lambda a: a * 2)(x)
    assert narrow.dtype == np.float32 and tt.grad(narrow.sum(), x).dtype == np.float64
    assert made(lambda a: a, lambda a: a)(x) is x
    assert not made(lambda a: a > 0, lambda a: a)(x).requires_grad
    first, second = made(lambda a: (a, a > 0), lambda a: (a * 1.0, a > 0))(x)
    assert first.requires_grad and not second.requires_grad
    with pytest.raises(RuntimeError, match=r"^made: got shape \(3, 1\) from its composition; expected \(3,\)"):
        made(lambda a: a, lambda a: a[:, None])(x)
    assert with_numpy_values("made", x.data, x.data, [x]).requires_grad is False


def test_inputs_of_a_composition() -> None:
    f = made(lambda a, b=1.0, q=0.0: a * b + q, lambda a, b=1.0, q=0.0: a * b + q, "a b")
    x, narrow = leaf(2), leaf(2, dtype=np.float32)
    assert [g.tolist() for g in tt.grad(f(x, x).sum(), [x])] == [(2 * x.data).tolist()]
    assert f(narrow, 2.5).dtype == np.float32 and f(narrow, [1.5, 2.5]).dtype == np.float32
    assert f(x, [1.1, 2.0]).tolist() == (x.data * [1.1, 2.0]).tolist(), "lists beside float64 are float64"
    with pytest.raises(TypeError, match=r"^made: got a tensor that requires grad as parameter 'q'.*pass q.detach\(\)"):
        f(x, 1.0, leaf())
    assert f(x, q=tt.tensor(1.0)).tolist() == (x.data + 1).tolist()
    got = "^made: got unknown parameters 'dim', 'keepdim'; expected "
    with pytest.raises(TypeError, match=got + r"made\(a, b=1.0, q=0.0\)"):
        f(x, dim=1, keepdim=True)
    along = made(lambda a, axis=0, keepdims=False: a, lambda a, axis=0, keepdims=False: a)
    with pytest.raises(TypeError, match=got + r"made\(a, .*(; write '\w+', as NumPy does){2}$"):
        along(x, dim=1, keepdim=True)
    with pytest.raises(OverflowError, match="^made: int too large"):
        f(x, 10**400)
    assert f(x, tt.tensor(2.0)).requires_grad and tt.grad(f(x, b=tt.tensor(2.0)).sum(), x).tolist() == [2, 2]
    assert type(f(x.data, q=tt.tensor(1.0))) is Tensor, "a Tensor in any parameter"
    by = made(lambda a, *, k: a * k, lambda a, *, k: a * k)
    assert tt.grad(by(x, k=3.0).sum(), x).tolist() == [3, 3]


def test_python_s_numbers_are_weak_where_numpys_are() -> None:
    def kinds(a: Any, b: Any, q: Any) -> Any:
        return str([getattr(x, "dtype", type(x)) for x in (a, b, q)])

    f, x = made(kinds, kinds, "a b q"), leaf(2, dtype=np.float32)
    assert f(x, 2.0, 0.5) == "[dtype('float32'), dtype('float32'), <class 'float'>]"
    assert f(x, 2, [0.5]) == "[dtype('float32'), dtype('float32'), dtype('float32')]"


@pytest.mark.parametrize("name", ["a", "x", "y", "m", "v", "p", "f", "ary", "arr", "xp", "fp", "weights", "arrays"])
def test_lists_of_tensors_are_joined_where_an_array_is_meant(name: str) -> None:
    def composition(given: Any) -> Any:
        assert isinstance(given, list) == (name == "arrays")
        return given[0] * given[1]

    parameter = inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    setattr(composition, "__signature__", inspect.Signature([parameter]))
    x = leaf()
    assert tt.grad(made(lambda given: given[0] * given[1], composition)([x, Tensor(np.array(3.0))]), x).item() == 3


def fails(a: Any, b: Any = None) -> Any:
    raise AssertionError("no gradient is wanted")


@pytest.mark.parametrize("numpy, inputs", [
    (lambda a, b: np.ones(2), (leaf(0), 1.0)), (lambda a, b: np.ones(2), (leaf(0), Tensor(np.ones(2)))),
    (lambda a, b: a[:0], (leaf(2), 1.0)), (lambda a, b: np.ones(2, np.float32), (leaf(0), leaf(0)))])
def test_where_no_element_has_a_gradient_nothing_is_composed(numpy: Any, inputs: Any) -> None:
    y = made(numpy, fails, "a b")(*inputs)
    expected = numpy(*(x.data if isinstance(x, Tensor) else x for x in inputs))
    assert y.requires_grad and y.dtype == expected.dtype and y.tolist() == expected.tolist()
    assert tt.grad(y, inputs[0], np.ones(y.shape, y.dtype)).tolist() == np.zeros(inputs[0].shape).tolist()


def test_results_where_no_element_has_a_gradient() -> None:
    x = leaf(0)
    found = made(lambda a: Pair(np.ones(2), np.ones(2, int)), fails)(x)
    assert type(found) is Pair and found.first.requires_grad and not found.second.requires_grad
    assert found.first.tolist() == [1, 1] and found.second.dtype == int
    assert made(lambda a: np.arange(2), fails)(leaf(2)).tolist() == [0, 1]
    assert made(lambda a: "text", fails)(x) == made(lambda a: "text", fails)(leaf(2)) == "text"
    assert made(lambda a, b: a * 1.0, lambda a, b: a * 1.0, "a b")(leaf(2), x).op.name == "multiply"
    assert made(lambda a, b: b * 1.0, lambda a, b: b * 1.0, "a b")([], leaf(2)).requires_grad


def test_what_a_composition_may_give() -> None:
    x, other, constant = leaf(2), leaf(2), Tensor(np.zeros(2))
    y = made(lambda a: a + 1, lambda a: constant)(x)
    assert not y.requires_grad and constant.tolist() == [0, 0] and y.tolist() == (x.data + 1).tolist()
    first, second = made(lambda a: (a + 1, a > 0), lambda a: (a * 1.0, a * 2.0))(x)
    assert first.tolist() == (x.data + 1).tolist() and second.dtype == bool and not second.requires_grad
    before = x.data
    assert made(lambda a, b: a.copy(), lambda a, b: a, "a b")(x, other) is x and x.data is before
    assert made(lambda a: (a * 2).astype(np.float32), lambda a: a * 2)(x).op.name == "astype"
    with pytest.raises(ValueError, match="shorter"):
        made(lambda a: (a, a), lambda a: (a * 1.0,))(x)
    assert made(lambda a: a * 1.0, lambda a: a / 0.0)(x).requires_grad, "NumPy has warned, or had no reason to"


def test_anomaly_mode_looks_at_compositions() -> None:
    broken = made(lambda a: (a * 1.0, a * np.nan), lambda a: (a * 1.0, a * 2.0))
    with tt.detect_anomaly():
        for x in leaf(2), leaf(2).detach():
            with pytest.raises(FloatingPointError, match=r"anomaly: at .*, made returned nan.*; input 0 is float64"):
                broken(x)
        with pytest.raises(FloatingPointError, match=r"made returned nan"):
            made(lambda a: a * np.nan, twice)(leaf(2))
        assert made(lambda a: a * 1.0, lambda a: (a * np.nan) * 0.0 + a)(leaf(2)).requires_grad, "the result counts"
        assert made(lambda a: ("text", a), lambda a: ("", a))(leaf(2))[0] == "text"


def test_what_would_write_is_refused_or_kept_from_it() -> None:
    x = leaf(4)
    before = x.data.copy()
    with pytest.raises(TypeError, match=r"^median: got out=; .*; write y = median\(...\)$"):
        np.median(x, out=np.ones(()))
    np.median(x, overwrite_input=True)
    assert x.data.tolist() == before.tolist()
    assert np.median(x, out=None).requires_grad


def test_numpys_errors_are_in_the_functions_name() -> None:
    def failing(error: BaseException) -> Any:
        def numpy(a: Any) -> Any:
            raise error

        return made(numpy, lambda a: a)

    with pytest.raises(RuntimeError, match=r"^made: odd; see help\(made\)$"):
        failing(RuntimeError("odd"))(leaf(2))
    with pytest.raises(tt.CompileError, match="^its own words"):
        failing(tt.CompileError("its own words"))(leaf(2))
    for error in ValueError, TypeError, IndexError, np.linalg.LinAlgError:
        with pytest.raises(error, match=r"^made: got float64 \(2,\); odd$"):
            failing(error("odd"))(leaf(2))


def test_functions_without_a_derivative() -> None:
    x = leaf(4)
    assert type(np.argwhere(x)) is Tensor and type(NONDIFFERENTIABLE["np.searchsorted"](x.data, 1.0)) is not Tensor
    assert np.searchsorted(np.sort(x.data), x).tolist() == np.searchsorted(np.sort(x.data), x.data).tolist()
    assert np.searchsorted(a=x.data, v=x, side="right").dtype == np.int64
    with pytest.raises(ValueError, match="^digitize: got .*; bins must be monotonic"):
        np.digitize(x, np.array([1.0, 3.0, 2.0]))
    assert "It has no derivative." in (NONDIFFERENTIABLE["np.searchsorted"].__doc__ or "")
    assert list(inspect.signature(NONDIFFERENTIABLE["np.searchsorted"]).parameters)[:2] == ["a", "v"]


def test_records_of_compositions() -> None:
    assert COMPOSED["diff"].numpy is np.diff and COMPOSED["diff"].inputs and COMPOSED["linalg.svd"].name == "linalg.svd"
    assert public("linalg.svd") is NAMESPACES["linalg"]["svd"] and public("diff") is tt.diff
    assert tt.divmod is COMPOSED["divmod"].function and tt.divmod.__name__ == tt.divmod.__qualname__ == "divmod"


# --- definitions ---


def test_what_a_users_op_needs_is_there() -> None:
    assert sorted(define.__all__) == ["Domain", "NONZERO", "POSITIVE", "REAL", "S", "composite", "op", "ufunc_op"]
    assert all(hasattr(define, name) for name in define.__all__)

    @define.composite()
    def of_my_own_(x: Any) -> Any:
        return x

    assert of_my_own_.__name__ == of_my_own_.__qualname__ == "of_my_own" and not hasattr(Tensor, "of_my_own")
    assert not is_ours(of_my_own_) and is_ours(tt.exp) and "of_my_own" not in NAMESPACES[""]


def test_methods_are_those_that_say_so() -> None:
    mine = set(NAMESPACES[""]) | {name for names in NAMESPACES.values() for name in names}
    none = {"median", "argwhere", "einsum", "compress_", "piecewise", "vecdot", "pad", "diff", "where", "concatenate",
            "stack", "isin", "digitize", "linspace", "array_split", "svd", "det", "interp", "one_hot", "linear"}
    assert none & mine > {"median", "pad"} and not [name for name in none if hasattr(Tensor, name)]
    assert all(hasattr(Tensor, name) for name in ("split", "flatten", "ravel", "argmax", "searchsorted", "trace"))
    assert tt.concat is tt.concatenate and tt.pow is tt.power and tt.abs is tt.absolute


def test_reduce_goes_along_the_first_axis() -> None:
    x = leaf(2, 3)
    assert np.add.reduce(x).shape == (3,) and np.sum(x).shape == () and np.add.reduce(x, 1, None).shape == (2,)
    assert np.maximum.reduce(x, axis=None).shape == ()


def kinds(f: Any) -> list[str]:
    return [f"{'*' if p.kind is p.VAR_POSITIONAL else '=' if p.kind is p.KEYWORD_ONLY else ''}{p.name}"
            for p in inspect.signature(f).parameters.values()]


def test_signatures_are_those_of_a_call() -> None:
    assert kinds(tt.reshape) == ["x", "*shape", "=order", "=copy"] and kinds(tt.transpose) == ["x", "*axes"]
    assert kinds(tt.concatenate) == ["arrays", "axis", "dtype", "casting"] and kinds(tt.exp) == ["x"]
    assert kinds(tt.softmax) == ["x", "axis"] and kinds(tt.add) == ["a", "b"]
    assert [p.default for p in user_signature(lambda x, *, k=3, m=4: None, False).parameters.values()][1:] == [3, 4]
    assert [kind.name for kind in (
        p.kind for p in user_signature(lambda x, *, k=3: None, False).parameters.values())] == [
        "POSITIONAL_OR_KEYWORD"] * 2


def test_a_rule_for_every_input() -> None:
    rules = VariadicRules(lambda g, y, i, *inputs: (g, i))
    assert [rule(1, None) for rule, _ in zip(rules, range(3), strict=False)] == [(1, 0), (1, 1), (1, 2)]
    assert len(rules) == 1 and REGISTRY["stack"].rules[5] is not None


def test_records_of_ops() -> None:
    power, stack, halving = REGISTRY["power"], REGISTRY["stack"], REGISTRY["prod"]
    assert power.broadcasts and power.analytic and len(power.domain) == 2 and len(power.samples) > 5
    assert not stack.broadcasts and not REGISTRY["max"].analytic and power.definition is None and halving.definition
    assert (tt.linear.arity, tt.power.arity, tt.stack.arity) == (3, 2, 1)  # type: ignore[attr-defined]
    assert tt.sum.__name__ == tt.sum.__qualname__ == "sum" and "The sum" in (tt.sum.__doc__ or "")
    assert kinds(tt.sum) == ["a", "axis", "dtype", "out", "keepdims", "initial", "where"]
    assert NUMPY[np.sum] is tt.sum, "it has NumPy's parameters"
