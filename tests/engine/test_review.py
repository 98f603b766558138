"""Small calls at the edges that a review found wrong, by kind."""

import numpy as np
import pytest

import tinytensor as tt

X = np.arange(6.0).reshape(2, 3)
MASKED = np.ma.array([0, 1], mask=[0, 1])


def leaf(a, dtype=np.float64):
    return tt.tensor(np.array(a, dtype), requires_grad=True)


def slope(f, a, first=1.0):
    x = leaf(a)
    y = f(x)
    g = np.ones(y.shape)
    g.flat[:1] = first
    y.backward(g)
    return x.grad


@pytest.mark.parametrize("call", [
    lambda x: np.median(x, axis=[0]), lambda x: np.nanmedian(x, axis=[0]), lambda x: np.median(x, axis=[0, 1]),
    lambda x: np.gradient(x, axis=[1]), lambda x: np.average(x, axis=[0]), lambda x: np.average(x, axis=True),
    lambda x: np.cumulative_sum(x, axis=(0,)), lambda x: np.cumulative_prod(x, axis=(1,)),
    lambda x: np.apply_along_axis(lambda v: 1.5, 0, x)])
def test_an_axis_in_every_form_that_numpy_takes(call):
    y = call(leaf(X))
    assert y.dtype == call(X).dtype
    assert np.array_equal(y.data, call(X))


@pytest.mark.parametrize("shift", [True, 10**20, (True, 2)])
def test_roll_by_what_numpy_takes(shift):
    axis = (0, 0) if isinstance(shift, tuple) else None
    assert np.array_equal(slope(lambda x: np.roll(x, shift, axis) * np.arange(3), np.ones(3)),
                          np.roll(np.arange(3), -3 if axis else -(shift % 3)))


def test_percentile_of_one_value_with_its_weight():
    assert slope(lambda x: np.percentile(x, 50, method="inverted_cdf", weights=1.0), 2.0) == 1


@pytest.mark.parametrize(("call", "want"), [
    (lambda x: np.median(x.reshape(2, 2), axis=1), [np.inf, np.inf, 0.5, 0.5]),
    (lambda x: np.quantile(x, [0.0, 1.0]), [np.inf, 0, 0, 1]),
    (lambda x: np.interp([0.0, 2.5], [0.0, 1, 2, 3], x), [np.inf, 0, 0.5, 0.5]),
    (lambda x: np.interp([0.5, 2.0], [0.0, 1, 2, 3], x), [np.inf, np.inf, 1, 0])])
def test_an_infinite_gradient_stays_with_its_elements(call, want):
    assert np.array_equal(slope(call, [1.0, 2, 3, 4], np.inf), want)


def test_interp_compiles_where_x_is_traced():
    step = tt.value_and_grad(lambda x: (np.interp(x, [0.0, 1, 3], [0.0, 1, 4]) ** 2).sum())
    fast = tt.compile(step)
    for x in (X, X / 3, X / 2):
        assert np.array_equal(fast(tt.tensor(x))[1].data, step(tt.tensor(x))[1].data)


@pytest.mark.parametrize("call", [
    lambda: leaf([]) + None, lambda: None * leaf([]), lambda: np.multiply(None, leaf([1.0])), lambda: len(leaf(1.0)),
    lambda: leaf([1.0, 2])[MASKED], lambda: leaf(X)[:, MASKED], lambda: np.take(leaf([1.0, 2]), MASKED),
    lambda: tt.tensor([MASKED, MASKED]), lambda: leaf([1.0, 2]) + [MASKED][0], lambda: tt.tensor([[MASKED]]),
    lambda: np.split(leaf(X), None), lambda: np.split(leaf(X), 1, 5), lambda: np.split(leaf(1.0), 1),
    lambda: np.split(leaf(X), "a"), lambda: np.hsplit(leaf(X), np.nan), lambda: np.array_split(leaf(X), [[1], [1, 2]]),
    lambda: np.einsum("ii->i", leaf(np.zeros((0, 3)))), lambda: np.einsum("ii", leaf(np.zeros((3, 0))))])
def test_what_has_no_meaning_is_refused_with_advice(call):
    with pytest.raises((TypeError, ValueError), match="expected.*;"):
        call()


@pytest.mark.parametrize("call", [
    lambda: tt.value_and_grad(3)(X), lambda: tt.vjp(3, X), lambda: tt.recompute(3, leaf(X)),
    lambda: tt.jacobian(lambda x: x, argnums=1.0)(X), lambda: tt.value_and_grad(np.sum, argnums=None)(leaf(X))])
def test_functions_of_functions_refuse_what_is_none(call):
    with pytest.raises((TypeError, ValueError), match="expected.*;"):
        call()


@pytest.mark.parametrize("argnums", [np.int64(1), np.array([1]), (np.int8(-1),), range(1, 2)])
def test_argnums_of_numpy(argnums):
    g = tt.value_and_grad(lambda x, y: x * y * y, argnums)(2.0, 3.0)[1]
    assert (g if isinstance(argnums, np.generic) else g[0]).item() == 12


@pytest.mark.parametrize(("name", "args"), [
    ("clip", (1, 3, None)), ("round", (1, None)), ("take", ([0], 1, None, "clip")), ("argsort", (0, "stable", None)),
    ("sum", (0, None, None)), ("repeat", (2, 0)), ("cumsum", (0, None, None)),
    ("diagonal", (1, 0, 1)), ("trace", (0, 1, 0, None, None)), ("var", (0, None, None, 1)), ("argmax", (0, None))])
def test_methods_take_the_positions_of_ndarray(name, args):
    assert np.array_equal(getattr(leaf(X), name)(*args).data, getattr(X, name)(*args))


@pytest.mark.parametrize("shape", [(4, 3), (4, 1), (200, 3), (200, 1), (4, 0), (200, 0), (0, 3)])
def test_a_table_of_which_no_row_is_taken_has_a_gradient_of_zeros(shape):
    table = tt.tensor(np.ones(shape), requires_grad=True)
    tt.embedding(table, np.zeros(0, np.int64)).sum().backward()
    assert table.grad.shape == shape and not table.grad.any()
