"""The conventions at the edges, one test for each row of the design's table: PyTorch's, unless it says otherwise."""
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.core import REGISTRY, Tensor

INF, NAN = np.inf, np.nan


def grads(f: Callable[..., Any], *inputs: Any) -> Any:
    """The gradient of the sum of f with respect to each input, as lists; of the one input, if there is one."""
    leaves = [Tensor(np.array(x, np.float64), requires_grad=True) for x in inputs]
    with np.errstate(all="ignore"):
        y = f(*leaves)
        found = [g.tolist() for g in tt.grad(y, leaves, np.ones(y.shape), allow_unused=True)]
    return found[0] if len(found) == 1 else found


def values(f: Callable[..., Any], *inputs: Any) -> Any:
    """The values, with a warning being an error."""
    return f(*[Tensor(np.array(x, np.float64)) for x in inputs]).tolist()


def anomaly(f: Callable[..., Any], *inputs: Any) -> str:
    """What anomaly mode says."""
    leaves = [Tensor(np.array(x, np.float64), requires_grad=True) for x in inputs]
    with np.errstate(all="ignore"), tt.detect_anomaly(), pytest.raises(FloatingPointError) as caught:
        f(*leaves).sum().backward()
    return str(caught.value)


# --- kinks, ties and bounds ---


@pytest.mark.parametrize("f", [np.abs, np.fabs, np.sign, tt.relu])
def test_abs_sign_and_relu_at_0(f: Callable[..., Any]) -> None:
    assert grads(f, [0.0, -0.0]) == [0, 0]


@pytest.mark.parametrize("f", [tt.max, tt.min])
def test_ties_of_max_and_min_are_split_evenly(f: Callable[..., Any]) -> None:
    assert grads(f, [2.0, 2.0, 2.0, 2.0]) == [0.25] * 4
    assert grads(lambda x: f(x, axis=1), [[3.0, 3.0], [5.0, 7.0]])[0] == [0.5, 0.5]
    assert grads(lambda x: f(x, axis=(0, 1)), [[INF, INF]]) == [[0.5, 0.5]]


@pytest.mark.parametrize("f", [np.maximum, np.minimum, np.fmax, np.fmin])
def test_ties_of_maximum_and_minimum_are_split_evenly(f: Callable[..., Any]) -> None:
    assert grads(f, [2.0, INF], [2.0, INF]) == [[0.5, 0.5], [0.5, 0.5]]
    assert grads(lambda a: f(a, a), [3.0]) == [1]
    assert grads(f, [2.0, 2.0], [[2.0], [2.0]]) == [[1, 1], [[1], [1]]]


@pytest.mark.parametrize("f, other", [(np.fmax, -1.0), (np.fmin, -1.0)])
def test_fmax_and_fmin_pass_a_nan_by(f: Callable[..., Any], other: float) -> None:
    assert grads(f, [NAN, other], [other, NAN]) == [[0, 1], [1, 0]]


def test_clip_at_its_bounds() -> None:
    assert grads(lambda x: x.clip(-1, 2), [-1.5, -1.0, 0.0, 2.0, 2.5]) == [0, 1, 1, 1, 0]
    assert grads(lambda x: x.clip(None, 2), [-9.0, 2.0, 3.0]) == [1, 1, 0]


def test_the_branch_not_taken_gets_exactly_0() -> None:
    def safe(x: Tensor) -> Tensor:
        return tt.where(x > 0, x, -x * 2)

    assert grads(safe, [1.0, -1.0, 0.0]) == [1, -2, -2]
    c = np.array([True, False])
    assert grads(lambda a, b: tt.where(c, a, b), [1.0, NAN], [INF, 2.0]) == [[1, 0], [0, 1]]


def test_a_nan_behind_where_is_explained_by_anomaly_mode() -> None:
    def unsafe(x: Tensor) -> Tensor:
        return tt.where(x > 0, np.sqrt(x), 0.0)

    assert np.isnan(grads(unsafe, [0.0, 4.0])[0])  # 0 times the infinite slope of the root
    told = anomaly(unsafe, [0.0, 4.0])
    assert ("the rule of sqrt for input 0 returned nan at index (0,), where the input is 0.0, and so for 1 of 2 "
            "elements; the input is float64 (2,) from 0 to 4; the incoming gradient there is 0: mask the input before "
            "the op, as in np.log(np.where(x > 0, x, 1)): a branch of `where` that is not taken has gradient 0") in told


# --- ends of domains ---


def test_roots_logarithms_and_reciprocals_at_0() -> None:
    assert grads(np.sqrt, [0.0]) == grads(lambda x: x**0.5, [0.0]) == [INF]
    assert grads(np.log, [0.0]) == [INF]
    assert grads(lambda x: x**-1, [0.0]) == grads(lambda x: x**-2.0, [0.0]) == [-INF]
    assert grads(np.power, [0.0], [-1.0])[0] == [-INF]


@pytest.mark.parametrize("f, name", [(np.sqrt, "sqrt"), (np.log, "log"), (lambda x: x**-1, "power"),
                                     (lambda x: x**-2.5, "power")])
def test_anomaly_mode_names_the_op(f: Callable[..., Any], name: str) -> None:
    told = anomaly(f, [1.0, 0.0])
    made = {"sqrt": "the rule of sqrt for input 0 returned inf", "log": "log returned -inf"}.get(
        name, f"{name} returned inf")
    assert f"{made} at index (1,), " in told and "1 of 2 elements" in told and "from 0 to 1" in told


def test_norms_of_nothing() -> None:
    assert grads(tt.norm, [0.0, 0.0]) == [0, 0]
    assert grads(lambda x: tt.norm(x, axis=1), [[0.0, 0.0], [3.0, 4.0]]) == [[0, 0], pytest.approx([0.6, 0.8])]
    assert grads(tt.std, [2.0, 2.0, 2.0]) == [0, 0, 0]
    assert grads(lambda x: tt.std(x, ddof=1), [2.0, 2.0]) == [0, 0]
    assert grads(np.hypot, [0.0], [0.0]) == [[0], [0]]
    assert grads(np.arctan2, [0.0], [0.0]) == [[0], [0]]


@pytest.mark.parametrize("f", [np.power, np.float_power])
def test_powers_of_0_and_of_negative_numbers(f: Callable[..., Any]) -> None:
    assert grads(f, [0.0], [0.0]) == [[0], [0]]
    assert grads(lambda x: x**0, [0.0, 2.0]) == [0, 0]
    assert grads(f, [0.0], [2.0]) == [[0], [0]]
    a, b = grads(f, [-2.0], [2.0])
    assert a == [-4] and np.isnan(b[0])
    assert grads(f, [-2.0], [3.0])[0] == [12]


def test_powers_with_exponent_0_have_their_second_derivatives() -> None:
    """d/db of d(a ** b)/da is a ** (b - 1) * (1 + b log a): 1 / a at b = 0."""
    a, b = (Tensor(np.array(x), requires_grad=True) for x in ([0.5, 4.0], [0.0, 0.0]))
    slope, _ = tt.grad(np.power(a, b), [a, b], np.ones(2), create_graph=True)
    assert slope.tolist() == [0, 0]
    assert tt.grad(slope.sum(), b).tolist() == [2, 0.25]


# --- remainders ---


@pytest.mark.parametrize("f", [np.remainder, np.fmod])
def test_remainders(f: Callable[..., Any]) -> None:
    quotient = np.floor if f is np.remainder else np.trunc
    a, b = np.array([5.5, -5.5, 5.5, -5.5, 1.0]), np.array([2.0, 2.0, -2.0, -2.0, 3.0])
    assert grads(f, a, b) == [[1] * 5, (-quotient(a / b)).tolist()]


def test_remainders_at_jumps_take_the_one_sided_value() -> None:
    assert grads(np.remainder, [4.0, 0.0], [2.0, 2.0]) == [[1, 1], [-2, 0]]
    assert grads(np.fmod, [-4.0], [2.0]) == [[1], [2]]
    a = np.arange(1, 200) * 0.1  # a quotient that is nearly whole must agree with the remainder that came out
    assert grads(np.remainder, a, np.full(199, 0.1))[1] == (-np.rint((a - np.remainder(a, 0.1)) / 0.1)).tolist()


# --- products ---


@pytest.mark.parametrize("x, expected", [
    ([0.0, 2.0, 3.0], [6, 0, 0]), ([0.0, 0.0, 3.0], [0, 0, 0]), ([5.0], [1]), ([0.0], [1]),
    ([2.0, -0.0, 1e300], [-0.0, 2e300, -0.0]),
])
def test_products_with_zeros_are_exact(x: list[float], expected: list[float]) -> None:
    assert grads(tt.prod, x) == expected
    assert grads(lambda x: tt.cumprod(x)[-1], x) == expected
    leaf = Tensor(np.array(x), requires_grad=True)
    assert tt.grad(tt.prod(leaf), leaf, create_graph=True).tolist() == expected


def test_second_derivative_of_a_product_with_zeros() -> None:
    x = Tensor(np.array([0.0, 0.0, 3.0]), requires_grad=True)
    first = tt.grad(tt.prod(x), x, create_graph=True)
    assert tt.grad(first[0], x).tolist() == [0, 3, 0]


def test_running_products_with_zeros() -> None:
    assert grads(tt.cumprod, [2.0, 0.0, 3.0]) == [1, 8, 0]


# --- large values, and the infinite ---


def test_what_is_logistic_never_overflows() -> None:
    far = [-INF, -1e4, 0.0, 1e4, INF]
    assert values(tt.sigmoid, far) == [0, 0, 0.5, 1, 1]
    assert grads(tt.sigmoid, far) == [0, 0, 0.25, 0, 0]
    assert values(lambda x: np.logaddexp(x, 0.0), far) == [0, 0, np.log(2), 1e4, INF]  # softplus
    assert grads(lambda x: np.logaddexp(x, 0.0), far) == [0, 0, 0.5, 1, 1]


@pytest.mark.parametrize("f, ln", [(np.logaddexp, np.log(2)), (np.logaddexp2, 1.0)])
def test_logaddexp_at_infinities(f: Callable[..., Any], ln: float) -> None:
    a, b = [INF, -INF, INF, -INF, 1e4, -1e4], [INF, -INF, 0.0, 0.0, 1e4, -1e4]
    assert values(f, a, b) == [INF, -INF, INF, 0, 1e4 + ln, -1e4 + ln]
    assert grads(f, a, b) == [[0.5, 0.5, 1, 0, 0.5, 0.5], [0.5, 0.5, 0, 1, 0.5, 0.5]]


@pytest.mark.parametrize("x, total, parts", [
    ([1e4, 1e4], 1e4 + np.log(2), [0.5, 0.5]), ([-1e4, -1e4], -1e4 + np.log(2), [0.5, 0.5]), ([-1e4, 1e4], 1e4, [0, 1]),
    ([-INF, 0.0], 0, [0, 1]), ([INF, 0.0], INF, [1, 0]), ([INF, INF], INF, [0.5, 0.5]), ([-INF, INF], INF, [0, 1]),
    ([-INF, -INF], -INF, [0.5, 0.5]),
])
def test_softmax_and_logsumexp_at_infinities(x: list[float], total: float, parts: list[float]) -> None:
    with np.errstate(divide="ignore" if total == -INF else "warn"):  # the logarithm of 0 is NumPy's to speak of
        assert values(tt.logsumexp, x) == total
    assert grads(tt.logsumexp, x) == parts
    assert values(tt.softmax, x) == parts
    assert np.isfinite(grads(lambda x: tt.softmax(x)[0], x)).all()
    assert np.isfinite(grads(lambda x: tt.log_softmax(x)[0], x)).all()


def test_log_softmax_of_a_masked_row() -> None:
    assert values(tt.log_softmax, [1e4, 0.0, -1e4]) == [0, -1e4, -2e4]
    assert grads(lambda x: tt.log_softmax(x)[0], [0.0, 0.0, -INF]) == [0.5, -0.5, 0]
    assert np.isfinite(values(lambda z: tt.cross_entropy(z, np.array([0])), [[1e4, -1e4, 0.0]]))


# --- statistics ---


def test_variances_divide_by_n_as_numpy_does() -> None:
    x = [1.0, 2.0, 3.0, 6.0]
    assert values(tt.var, x) == np.var(x) == 3.5
    assert values(lambda x: x.var(correction=1), x) == values(lambda x: x.var(ddof=1), x) == np.var(x, ddof=1)
    assert values(lambda x: x.std(correction=1), x) == np.std(x, ddof=1)
    assert grads(tt.var, x) == [-1, -0.5, 0, 1.5]
    with pytest.raises(TypeError, match=r"^var: got an unknown parameter 'unbiased'; .*; write 'correction'"):
        tt.ones(3).var(unbiased=True)


# --- empty arrays ---


@pytest.mark.parametrize("name", ["max", "min"])
def test_the_largest_of_nothing_is_numpys_error(name: str) -> None:
    text = f"^{name}: got .*; zero-size array to reduction operation {name}imum which has no id"
    with pytest.raises(ValueError, match=text):
        getattr(tt, name)(tt.ones((0, 3)))
    assert getattr(tt, name)(tt.ones((0, 3)), axis=1).shape == (0,)


@pytest.mark.parametrize("shape, axis", [((0,), None), ((0, 3), 0), ((0, 3), 1), ((2, 0), None), ((2, 0), (0, 1))])
@pytest.mark.parametrize("name", ["sum", "prod"])
def test_sums_of_nothing(name: str, shape: tuple[int, ...], axis: Any) -> None:
    x = tt.zeros(shape, requires_grad=True)
    y = getattr(tt, name)(x, axis)
    assert np.array_equal(y.detach().numpy(), getattr(np, name)(np.zeros(shape), axis))
    for create_graph in (False, True):
        assert tt.grad(y, x, np.ones(y.shape), create_graph=create_graph, retain_graph=True).shape == shape


# --- repeated indices ---


@pytest.mark.parametrize("rows", [5, 200])  # a one-hot product, and sorted sums
def test_gradients_of_repeated_rows_add_up(rows: int) -> None:
    index = np.array([[1, 1], [4, 1], [-1, rows - 1]])
    expected = np.zeros((rows, 2))
    np.add.at(expected, index, 1)
    table = np.zeros((rows, 2))
    assert grads(lambda x: x[index], table) == expected.tolist()
    assert grads(lambda x: x[tt.tensor(index)], table) == expected.tolist()
    assert grads(lambda x: tt.take(x, index, 0), table) == expected.tolist()
    assert grads(lambda x: tt.embedding(x, index % rows), table) == expected.tolist()


def test_gradients_of_repeated_elements_add_up() -> None:
    assert grads(lambda x: x[[0, 0], [1, 1]], [[1.0, 2.0]]) == [[0, 2]]
    assert grads(lambda x: tt.take(x, [2, 2, 0]), [[1.0, 2.0, 3.0]]) == [[1, 0, 2]]
    assert grads(lambda x: tt.take_along_axis(x, np.array([[1, 1, 0]]), 1), [[1.0, 2.0]]) == [[1, 2]]


# --- names ---


def test_pytorchs_names_are_pointed_to_numpys() -> None:
    for torchs, numpys in ("dim", "axis"), ("keepdim", "keepdims"):
        with pytest.raises(TypeError, match=f"^sum: got an unknown parameter '{torchs}'; .*; write '{numpys}'"):
            tt.ones(3).sum(**{torchs: 0})
    assert tt.ones((2, 3)).sum(1, keepdims=True).shape == (2, 1)
    assert tt.sort(tt.tensor([3.0, 1.0])).tolist() == [1, 3]  # values alone, as NumPy, not (values, indices)
    assert (tt.tensor([1, 2]) / 2).dtype == np.float64  # NumPy's promotion


@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "rint", "sign", "floor_divide"])
def test_steps_have_gradient_0_everywhere(name: str) -> None:
    points = [-1.5, -1.0, 0.0, 0.5, 1.0]
    n = REGISTRY[name].forward.nin
    found = grads(getattr(tt, name), points, *[[0.5] * 5] * (n - 1))
    assert found == ([0] * 5 if n == 1 else [[0] * 5] * 2)


def test_the_backward_pass_warns_of_nothing() -> None:
    x = tt.tensor([0.0, 1.0], requires_grad=True)
    y = np.sqrt(x).sum()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y.backward()
    assert x.grad.tolist() == [INF, 0.5]
