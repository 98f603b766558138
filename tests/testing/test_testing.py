"""The checks check: gradcheck finds what is wrong and never passes by accident, the strategies give what they say."""
import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st

import tinytensor as tt
from tinytensor.core import NONZERO, POSITIVE, REGISTRY, Domain, S, Tensor
from tinytensor.ops.elementwise import UNIT
from tinytensor.testing import compare, complex_step, gradcheck, strategies

X = np.array([[0.3, -1.2, 2.0], [0.7, 1.5, -0.4]])


@contextlib.contextmanager
def rule(name: str, *rules: Any) -> Any:
    """An op with other rules, for a while."""
    op = REGISTRY[name]
    before, op.rules = op.rules, rules
    try:
        yield
    finally:
        op.rules = before


# --- gradcheck finds ---


def test_it_names_the_element_the_input_and_both_values() -> None:
    def off_in_one_place(g: Any, y: Any, a: Any, b: Any) -> Any:
        return g * a * np.where(b == 1.5, 1.01, 1.0)

    with rule("multiply", lambda g, y, a, b: g * b, off_in_one_place), pytest.raises(AssertionError) as caught:
        gradcheck(lambda a, b: (a * b).sum(), X + 2, X)
    text = str(caught.value)
    assert text.startswith("gradcheck: the gradient of input 1 is ")
    assert "at element (1, 1), where the value is 1.5; expected " in text
    assert "(1 of 12 elements are wrong, 0 at kinks were left out); fix the rule of multiply for input 1 (" in text
    wrong, right = float(text.split(" is ")[1].split()[0]), float(text.split("expected ")[1].split(",")[0])
    assert wrong == pytest.approx(1.01 * right, rel=1e-6)


def test_the_worst_element_is_the_one_that_is_named() -> None:
    error = np.array([0.01, 0.5, 0.1])
    text = r"input 0 .* at element \(1,\).*\(3 of 3"
    with rule("exp", lambda g, y, x: g * y + error), pytest.raises(AssertionError, match=text):
        gradcheck(np.exp, np.ones(3))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 0.0])
def test_it_finds_what_is_not_finite_or_missing(wrong: float) -> None:
    text = "the gradient of input 0 is"
    with rule("exp", lambda g, y, x: np.full_like(g, wrong)), pytest.raises(AssertionError, match=text):
        gradcheck(np.exp, np.ones(2))


def test_order_2_finds_what_order_1_can_not() -> None:
    with rule("sin", lambda g, y, x: g * np.cos(x.data if isinstance(x, Tensor) else x)):
        assert gradcheck(np.sin, X)
        with pytest.raises(AssertionError, match="gradcheck: the second gradient of input 0 is"):
            gradcheck(np.sin, X, order=2)
    with rule("sin", lambda g, y, x: np.cos(x) * (g.data if isinstance(g, Tensor) else g)):
        assert gradcheck(np.sin, X)
        with pytest.raises(AssertionError, match="gradcheck: the second gradient of the gradient of the output is"):
            gradcheck(np.sin, X, order=2)


def test_an_input_that_is_not_used_has_gradient_0() -> None:
    assert gradcheck(lambda a, b: a * 2, X, X, order=2)


def test_float32_and_python_numbers() -> None:
    """Inputs of any floating dtype are cast; numbers, integers and Tensors that require no grad are constants."""
    i, c = np.array([1, 1]), tt.tensor([2.0, 3.0])
    assert gradcheck(lambda x, k, i, c: (x**k)[i] * c, np.float32([1.5, 2.5]), 3, i, c, order=2)
    assert gradcheck(np.exp, Tensor(np.float32([1.0]), requires_grad=True))
    assert gradcheck(np.exp, np.float16(0.5))


def test_inputs_stay_as_they_are() -> None:
    x = Tensor(X.copy(), requires_grad=True)
    before = x.data
    gradcheck(lambda x: np.tanh(x) @ X.T, x, order=2)
    with pytest.raises(AssertionError), rule("tanh", lambda g, y, x: g):
        gradcheck(np.tanh, x)
    assert x.data is before and np.array_equal(before, X) and x.grad is None


# --- kinks ---


def test_kinks_are_left_out_and_the_rest_is_checked() -> None:
    x = np.array([0.0, 1.0, -2.0])
    assert gradcheck(tt.relu, x, order=2)
    assert gradcheck(np.floor, np.array([1.0, 1.5]), order=2)
    assert gradcheck(lambda x: tt.max(x * np.ones(3)), np.array(2.0), order=2)
    assert gradcheck(lambda x: tt.max(x), np.array([2.0, 2.0, 1.0]))
    text = r"\(1 of 3 .*, 1 at kinks"
    with rule("relu", lambda g, y, x: np.where(x > 0, 1.01 * g, 0)), pytest.raises(AssertionError, match=text):
        gradcheck(tt.relu, x)


@pytest.mark.parametrize("f, x", [(np.sign, 0.0), (tt.relu, 0.0), (np.floor, 3.0), (np.sqrt, 0.0), (np.cbrt, 0.0)])
def test_nothing_but_kinks_is_an_error(f: Any, x: float) -> None:
    text = ("gradcheck: every one of the 2 elements is at a kink, a jump or the end of the domain, so no gradient "
            "could be checked; expected smooth points; move the inputs")
    with pytest.raises(ValueError, match=text):
        gradcheck(f, np.array([x, x]))


def test_a_steep_curve_is_no_kink() -> None:
    with rule("exp", lambda g, y, x: g * y * 1.01), pytest.raises(AssertionError):
        gradcheck(lambda x: np.exp(20 * x), np.array([0.5]))
    with rule("square", lambda g, y, x: 2 * g * x + 0.01), pytest.raises(AssertionError):
        gradcheck(np.square, np.zeros(2))  # both one-sided differences are next to nothing here


# --- never true by accident ---


@pytest.mark.parametrize("f, args, error, text", [
    (np.exp, (2.0,), ValueError, "got no input that requires grad, so nothing would be checked; expected floating"),
    (np.exp, (np.array([1, 2]),), ValueError, "got no input that requires grad"),
    (np.exp, (np.zeros((0, 3)),), ValueError, "got no input that requires grad"),
    (lambda x: x.detach(), (X,), ValueError, "the output of f does not require grad, so no rule would be checked"),
    (lambda x: x > 0, (X,), TypeError, "f returned dtype bool; expected float64"),
    (lambda x: x.argmax(), (X,), TypeError, "f returned dtype int64; expected float64"),
    (lambda x: x.astype(np.float32), (X,), TypeError, "f returned dtype float32; expected float64"),
    (lambda x: [x], (X,), TypeError, "f returned list; expected a Tensor; compute with ops on its arguments"),
    (lambda x: x.detach().numpy(), (X,), TypeError, "f returned ndarray; expected a Tensor"),
    (lambda x: x[:0], (X,), ValueError, r"the output of shape \(0, 3\) is empty, or contains nan or infinity"),
    (lambda x: x / 0.0, (X,), ValueError, r"the output of shape \(2, 3\) is empty, or contains nan or infinity"),
])
def test_what_can_not_be_checked_is_an_error(f: Any, args: Any, error: Any, text: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(error, match=f"^gradcheck: {text}"):
        gradcheck(f, *args)


def test_order_is_1_or_2() -> None:
    with pytest.raises(ValueError, match="gradcheck: got order=3; expected 1, or 2"):
        gradcheck(np.exp, X, order=3)


def test_chance_is_an_error() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"gradcheck: f returned other values at the same point, .* seed its random"):
        gradcheck(lambda x: x * rng.random(), X)


# --- modules ---


class Layer:
    """What gradcheck asks of a module, and no more."""

    def __init__(self) -> None:
        self.w, self.b = tt.ones((2, 3), requires_grad=True), tt.zeros(2, requires_grad=True)

    def named_parameters(self) -> Any:
        return [("w", self.w), ("b", self.b)]

    def astype(self, dtype: Any) -> "Layer":
        for p in (self.w, self.b):
            p.data = p.data.astype(dtype)
        return self

    def __call__(self, x: Any) -> Any:
        return np.tanh(tt.linear(x, self.w, self.b))


def test_a_module_is_checked_with_its_parameters_on_a_copy() -> None:
    layer = Layer()
    weights = layer.w.data
    assert gradcheck(layer, X)
    assert layer.w.data is weights and weights.dtype == np.float32 and layer.w.grad is None
    rules, text = REGISTRY["linear"].rules[:2], r"gradcheck: the gradient of parameter b is .* at element \(\d,\)"
    with rule("linear", *rules, lambda g, y, x, w, b: 1.01 * g.sum(0)), pytest.raises(AssertionError, match=text):
        gradcheck(layer, X)


# --- compare ---


def test_compare_prints_a_line_and_returns_it(capsys: pytest.CaptureFixture[str]) -> None:
    x = tt.tensor([1.0, 2.0], requires_grad=True)
    np.exp(x).sum().backward()
    exact = compare("x", np.exp(np.float32([1, 2])), x)
    close = compare("logits", x.grad + np.float32([0, 1e-6]), x)
    wrong = compare("emb", [2.0, 2.0], x.grad)
    assert capsys.readouterr().out.splitlines() == [str(exact), str(close), str(wrong)] == [
        "x               | exact: True  | close: True  | largest difference: 0",
        "logits          | exact: False | close: True  | largest difference: 9.54e-07",
        "emb             | exact: False | close: False | largest difference: 5.39",
    ]
    assert (wrong.name, wrong.exact, wrong.close) == ("emb", False, False)


def test_compare_is_never_true_by_accident() -> None:
    x = tt.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match=r"compare: got no gradient of x; expected one; call .backward"):
        compare("x", [1.0, 2.0], x)
    x.sum().backward()
    with pytest.raises(ValueError, match=r"compare: got a gradient of x of shape \(1,\); expected \(2,\), .* sum over"):
        compare("x", np.ones(1), x)
    assert not compare("x", [1.0, np.nan], x).close
    assert not compare("x", [np.nan, np.nan], np.array([np.nan, np.nan])).exact


# --- the complex step ---


def test_the_complex_step_is_exact_where_differences_are_not() -> None:
    x = np.array([1e-3, 0.5, 3.0])
    np.testing.assert_allclose(complex_step(np.exp, [x], [np.ones(3)]), np.exp(x), rtol=1e-15)
    product = complex_step(lambda a, b: a * b, [x, x[::-1]], [np.ones(3), None])
    np.testing.assert_allclose(product, x[::-1], rtol=1e-15)
    with pytest.raises(TypeError, match="complex_step: f returned dtype float64 for complex inputs; expected complex"):
        complex_step(np.abs, [x], [np.ones(3)])


# --- strategies ---


@pytest.mark.parametrize("domain", [d for op in REGISTRY.values() for d in op.domain])
def test_points_are_clear_of_the_ends(domain: Domain) -> None:
    points = strategies.points(domain)
    assert len(points) > 10
    for x in points:
        assert any(low + 0.1 <= x <= high - 0.1 for low, high in domain.intervals)
        assert np.float16(x) == x


@given(st.data())
def test_layouts_keep_values_and_can_not_be_written(data: st.DataObject) -> None:
    x = data.draw(strategies.arrays(data.draw(strategies.shapes())))
    y = data.draw(strategies.layouts())(x)
    np.testing.assert_array_equal(x, y)
    assert y.dtype == x.dtype and not y.flags.writeable


def test_layouts_are_awkward() -> None:
    x = np.arange(6.0).reshape(2, 3)

    def some(wanted: Any) -> Any:
        return find(strategies.layouts(), lambda layout: wanted(layout(x)))

    assert some(lambda y: min(y.strides) < 0)
    assert some(lambda y: y.flags.f_contiguous)
    assert some(lambda y: not y.flags.f_contiguous and not y.flags.c_contiguous)
    assert some(lambda y: y.flags.c_contiguous)


@pytest.mark.parametrize("wanted", [lambda s: s == (), lambda s: 0 in s, lambda s: s == (1,), lambda s: len(s) == 3])
def test_shapes_hold_the_awkward_ones(wanted: Any) -> None:
    assert wanted(find(strategies.shapes(), wanted))


@given(strategies.broadcastable(3))
def test_shapes_broadcast(shapes: Any) -> None:
    assert len(shapes) == 3 and len(np.broadcast_shapes(*shapes)) <= 3


@given(st.data())
def test_inputs_of_a_sample(data: st.DataObject) -> None:
    op, index = REGISTRY["divide"], np.array([1, 2])
    a, b, i, k = data.draw(strategies.inputs(op, S((2, 3), (50,), index, 3), np.float32))
    assert a.shape == (2, 3) and b.shape == (50,) and a.dtype == b.dtype == np.float32 and i is index and k == 3
    assert (b != 0).all() and op.domain_of(1) is NONZERO
    assert (data.draw(strategies.arrays((40,), POSITIVE)) > 0.1).all()
    assert (abs(data.draw(strategies.arrays((3,), UNIT))) < 0.9).all()
