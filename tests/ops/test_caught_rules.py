"""What mutants of the rules changed and no other test saw: each test here caught some."""

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import define
from tinytensor.compose import (
    COMPOSED,
    NONDIFFERENTIABLE,
    make_nondifferentiable,
)
from tinytensor.core import NUMPY, REGISTRY, Tensor
from tinytensor.define import NAMESPACES
from tinytensor.dispatch import with_numpy_signature
from tinytensor.testing import gradcheck

R = np.random.default_rng(0)


def leaf(*shape: int, dtype: Any = np.float64) -> Tensor:
    return Tensor(R.uniform(0.1, 0.9, shape).astype(dtype), requires_grad=True)


# --- powers, sinc ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_powers_are_products(dtype: Any) -> None:
    a = R.uniform(0.1, 5, 50).astype(dtype)
    for b, expected in {-1: 1 / a, 0: a / a, 0.5: np.sqrt(a), 1: a, 2: a * a, 3: a * a * a, 2.5: a**2.5}.items():
        y = tt.power(a, b)
        assert y.dtype == dtype and y.tolist() == expected.tolist() and y is not a
    assert tt.power(3, 2) == 9 and tt.power(np.array([2, 3]), 3).tolist() == [8, 27]


def test_slopes_of_powers_at_special_points() -> None:
    a = Tensor(np.array([0.0, 0.0, np.inf, 2.0, 3.0]), requires_grad=True)
    for kind in np.int64, np.uint8, np.float64:
        b = np.array([0, 1, 0, 1, 2]).astype(kind)
        expected = [0, 1, 0 if kind is not np.float64 else np.nan, 1, 6]
        found = tt.grad(np.power(a, b), a, np.ones(5)).data
        np.testing.assert_array_equal(found[[0, 1, 3, 4]], np.array(expected)[[0, 1, 3, 4]])
        assert kind is np.float64 or found[2] == 0
    assert tt.grad(np.power(a, np.array([True, False] * 2 + [True])), a, np.ones(5)).tolist() == [1, 0, 1, 0, 1]


def test_slopes_of_sinc_far_away() -> None:
    x = Tensor(np.array([50.5, -50.5, 0.0]), requires_grad=True)
    np.testing.assert_allclose(tt.grad(np.sinc(x), x, np.ones(3)).data,
                               [-1 / np.pi / 50.5**2, 1 / np.pi / 50.5**2, 0], rtol=1e-12, atol=1e-15)


# --- indices ---


def test_indices_that_are_refused() -> None:
    x = leaf(3, 2)
    for index in "a", "", 1.0, [1.5], (0, [0.5]):
        with pytest.raises(IndexError, match=r"^getitem: got an index of dtype .*; expected integers, booleans or sl"):
            x[index]
    with pytest.raises(TypeError, match=r"^take: got indices of dtype bool; expected integers; for a mask write"):
        np.take(x, np.array([True]))
    with pytest.raises(ValueError, match=r"^take: got mode='odd'; expected 'raise', 'wrap' or 'clip'"):
        np.take(x, [0], mode="odd")  # type: ignore[call-overload]
    with pytest.raises(IndexError, match=r"^take: got 1 indices for an axis of size 0"):
        np.take(leaf(0, 2), [0], axis=0, mode="wrap")
    assert np.take(leaf(0, 2), np.zeros(0, int), axis=0, mode="wrap").shape == (0, 2)
    assert x[[True, False, True]].tolist() == x.data[[0, 2]].tolist()
    assert x[[]].shape == (0, 2) and x[(None, True, ...)].shape == (1, 1, 3, 2) and x[np.int64(1)].shape == (2,)


TABLES = [(1, 3), (4, 1), (128, 3), (129, 3), (300, 1)]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("n, width", TABLES)
def test_scatter_adds_what_is_picked_twice(n: int, width: int, dtype: Any) -> None:
    for rows in np.array([0, n - 1, -1, 0]), np.array([[0, n - 1]], np.uint8 if n < 256 else np.uint16), np.array([-n]):
        x = R.integers(1, 9, (*rows.shape, width)).astype(dtype)
        z = np.zeros((n, width), dtype)
        np.add.at(z, rows, x)
        y = tt.scatter(x, rows, (n, width))
        assert y.dtype == dtype and y.tolist() == z.tolist()
    for rows in np.array([-1, 0, -1], np.int8), np.array([0, n - 1], np.uint64):
        z = np.zeros((n, width), dtype)
        np.add.at(z, rows.astype(int), np.ones((rows.size, width), dtype))
        assert tt.scatter(np.ones((rows.size, width), dtype), rows, (n, width)).tolist() == z.tolist()
    for rows in np.array([0, n]), np.array([0, -n - 1]):
        with pytest.raises(IndexError, match="out of bounds"):
            tt.scatter(np.ones((2, width), dtype), rows, (n, width))


@pytest.mark.parametrize("n, width", TABLES)
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_row_that_is_not_finite_touches_no_other(n: int, width: int, bad: float) -> None:
    x = np.ones((3, width))
    x[1] = bad
    with np.errstate(invalid="ignore"):
        y = tt.scatter(x, np.array([0, n - 1, 0]), (n, width))
    assert n == 1 or (y[0].tolist() == [2] * width and not np.isfinite(y[-1]).any())
    assert not y[1:-1].any()


@pytest.mark.parametrize("mode", ["raise", "wrap", "clip"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, 2])
def test_take_is_numpys_and_gives_back(axis: Any, mode: Any) -> None:
    x = leaf(2, 3, 4)
    indices = np.array([1, 0, -1, 1]) if mode == "raise" else np.array([-30, 1, 31, 1])
    y = np.take(x, indices, axis, mode=mode)
    assert y.tolist() == np.take(x.data, indices, axis, mode=mode).tolist()
    g = R.integers(1, 9, y.shape).astype(float)
    picked = np.take(np.arange(24).reshape(2, 3, 4), indices, axis, mode=mode)
    assert tt.grad(y, x, g).ravel().tolist() == np.bincount(picked.ravel(), g.ravel(), 24).tolist()


def test_scatter_adds_integers_exactly() -> None:
    x = np.array([2**60 + 1, 1, 2**53 + 1])
    assert tt.scatter(x, np.array([0, 0, 2]), (3,)).tolist() == [2**60 + 2, 0, 2**53 + 1]
    assert tt.scatter(np.ones(2), np.array([True, False, True]), (3,)).tolist() == [1, 0, 1]
    assert tt.scatter(np.ones((2, 2)), (slice(None), np.array([0, 0])), (2, 2)).tolist() == [[2, 0], [2, 0]]
    assert tt.scatter(np.ones(2), np.array(1), (3, 2)).tolist() == [[0, 0], [1, 1], [0, 0]]


def test_take_from_a_number() -> None:
    x = leaf()
    for axis in None, 0, -1:
        assert tt.grad(np.take(x, [0, 0], axis), x, np.ones(2)).tolist() == 2
    assert np.take(x, [5], mode="clip").tolist() == np.take(x, [5], 0, mode="clip").tolist() == [x.item()]
    with pytest.raises(TypeError, match=r"^take_along_axis: got indices of dtype bool; expected integers"):
        np.take_along_axis(leaf(2), np.array([True]), 0)


def test_transposes_of_matrices() -> None:
    assert leaf(2, 3, 4).mT.shape == (2, 4, 3) and leaf(2, 3).mT.shape == (3, 2)


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_take_along_axis_gives_back(axis: Any) -> None:
    x = leaf(2, 3, 2)
    indices = np.array([3, 3, 0]) if axis is None else R.integers(-2, 2, (2, 3, 2))
    y = np.take_along_axis(x, indices, axis)
    assert y.tolist() == np.take_along_axis(x.data, indices, axis).tolist()
    picked = np.take_along_axis(np.arange(12).reshape(2, 3, 2), indices, axis)
    g = R.integers(1, 9, y.shape).astype(float)
    assert tt.grad(y, x, g).ravel().tolist() == np.bincount(picked.ravel(), g.ravel(), 12).tolist()


# --- reductions ---


def test_ddof_has_one_name_at_a_time() -> None:
    for name in "var", "std":
        with pytest.raises(ValueError, match=f"^{name}: got ddof=1 and correction=1, .*; expected one of"):
            getattr(tt, name)(leaf(3), ddof=1, correction=1)
        assert getattr(tt, name)(leaf(3), correction=0).shape == getattr(tt, name)(leaf(3), ddof=0, correction=1).shape


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), (-1, 1), ()])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "max", "min", "prod", "logsumexp"])
def test_reductions_of_every_axis(name: str, keepdims: bool, axis: Any) -> None:
    if name in ("std", "logsumexp") and axis == ():
        return
    f, x = getattr(tt, name), leaf(2, 3, 2)
    y = f(x, axis=axis, keepdims=keepdims)
    expected = (np.log(np.exp(x.data).sum(axis, keepdims=keepdims)) if name == "logsumexp" else
                getattr(np, name)(x.data, axis=axis, keepdims=keepdims))
    np.testing.assert_allclose(y.data, expected, rtol=1e-12)
    assert gradcheck(lambda x: f(x, axis=axis, keepdims=keepdims), x.data, order=2)


def test_extremes_of_ties_and_nans() -> None:
    x = Tensor(np.array([[1.0, 3, 3], [np.nan, 2, 5]]), requires_grad=True)
    for f, rows in (tt.max, [[0, 0.5, 0.5], [1, 0, 0]]), (tt.min, [[1, 0, 0], [1, 0, 0]]):
        assert tt.grad(f(x, axis=1), x, np.ones(2)).tolist() == rows
        assert tt.grad(f(x), x).tolist() == [[0, 0, 0], [1, 0, 0]]
        assert tt.grad(f(x, axis=1), x, np.ones(2), create_graph=True).tolist() == rows


def test_logsumexp_of_what_is_not_finite() -> None:
    rows = np.array([[np.inf, 0.0], [-np.inf, -np.inf], [-np.inf, 3.0], [1e4, 1e4]])
    x = Tensor(rows, requires_grad=True)
    with np.errstate(divide="ignore"):
        y = tt.logsumexp(x, axis=1)
    assert y.tolist() == [np.inf, -np.inf, 3, 1e4 + np.log(2)]
    assert tt.grad(y, x, np.ones(4)).tolist() == [[1, 0], [0.5, 0.5], [0, 1], [0.5, 0.5]]
    for shape, axis in ((0, 2), 0), ((2, 0), 1), ((0,), None):
        assert np.all(np.isneginf(tt.logsumexp(np.ones(shape), axis=axis)))
    assert tt.logsumexp(np.ones((2, 0)), axis=1, keepdims=True).shape == (2, 1)


def test_users_may_answer_for_what_has_no_answer() -> None:
    def mine_(x: Any) -> Any:
        return x

    define.refuse_taken(mine_, "mine_", True, (np.roots,), ())
    for name, method, aliases in ("exp", False, ()), ("shape", True, ()), ("mine_", False, ("exp",)):
        with pytest.raises(ValueError, match="^define: got the name .*, which a function of tinytensor has"):
            define.refuse_taken(mine_, name, method, (), aliases)
    define.refuse_taken(mine_, "shape", False, (), ())
    for answer, taken in (with_numpy_signature(mine_, np.roots), False), (with_numpy_signature(tt.exp, np.roots), True):
        NUMPY[np.roots] = answer
        try:
            with pytest.raises(ValueError, match="^define: got numpy=roots, which") if taken else nullcontext():
                define.refuse_taken(mine_, "mine_", True, (np.roots,), ())
        finally:
            del NUMPY[np.roots]


@pytest.mark.parametrize("n, width", TABLES)
def test_slopes_of_picked_rows_compile(n: int, width: int) -> None:
    def slope(table: Any, rows: Any) -> Any:
        table = tt.tensor(table, requires_grad=True)
        return tt.grad((tt.take(table, rows, 0) ** 2).sum(), table), tt.grad((table[rows] ** 2).sum(), table)

    table, step = R.uniform(0.1, 0.9, (n, width)), tt.compile(slope)
    for last in 0, n - 1, -1:
        for a, b in zip(step(table, np.array([0, last, 0])), slope(table, np.array([0, last, 0])), strict=True):
            np.testing.assert_allclose(a.data, b.data, rtol=1e-12)


@pytest.mark.parametrize("name", ["max", "min", "sum", "mean", "var", "std", "prod"])
def test_slopes_of_reductions_compile(name: str) -> None:
    def slope(x: Any) -> Any:
        x = tt.tensor(x, requires_grad=True)
        return tt.grad(getattr(tt, name)(x), x)

    x = R.uniform(0.1, 0.9, (2, 3))
    step = tt.compile(slope)
    for _ in range(3):
        assert step(x).tolist() == slope(x).tolist()


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "max", "min", "prod", "logsumexp", "any", "argmax"])
def test_reductions_of_a_number_along_an_axis(name: str) -> None:
    x, f = leaf(), getattr(tt, name)
    for axis in (None,) if name in ("mean", "var", "std") else (0, -1, None):  # to NumPy, it has none for these
        y = f(x, axis=axis)
        assert y.shape == () and f(x.data, axis=axis) == y.item()
        if y.requires_grad:
            expected = 0 if name in ("var", "std") else 1
            assert tt.grad(f(x, axis=axis), x).tolist() == expected
            assert tt.grad(f(x, axis=axis), x, create_graph=True).tolist() == expected


def test_softmaxes_of_nothing() -> None:
    for shape, axis in ((0, 2), 0), ((2, 0), 1), ((0, 3), 1):
        for f in tt.softmax, tt.log_softmax, tt.logsumexp:
            x = leaf(*shape)
            y = f(x, axis=axis)
            assert tt.grad(y, x, np.ones(y.shape)).shape == shape and (f is tt.logsumexp or y.shape == shape)


def test_flags_of_reductions_without_a_derivative() -> None:
    x = np.arange(6).reshape(2, 3)
    for name in "any", "all", "argmax", "argmin":
        for how in {"axis": 1, "keepdims": True}, {"axis": 0}, {}:
            f = REGISTRY[name].forward
            assert f(x, **how).tolist() == getattr(np, name)(x, **how).tolist()
    for name in "var", "std":
        y, centred = REGISTRY[name].forward(x, 1, keepdims=True)
        assert y.shape == (2, 1) and centred.tolist() == [[-1, 0, 1]] * 2
        with pytest.raises(ValueError, match=f"^{name}: got ddof=1 and"):
            REGISTRY[name].forward(x, ddof=1, correction=1)


def test_docs_and_names_of_compositions() -> None:
    assert (tt.diff.__doc__ or "").startswith(COMPOSED["diff"].function.__wrapped__.__doc__)  # type: ignore[attr-defined]
    assert tt.diff.__module__.startswith("tinytensor.ops") and tt.linalg.svd.__name__ == "svd"
    assert sorted(NAMESPACES) == ["", "linalg"] and NONDIFFERENTIABLE["np.searchsorted"].__name__ == "searchsorted"
    doc = NONDIFFERENTIABLE["np.searchsorted"].__doc__ or ""
    assert doc == ("Find indices where elements should be inserted to maintain order.\n\n"
                   "NumPy's `searchsorted`. It has no derivative.")


def test_docs_of_functions_without_a_derivative() -> None:
    def function(x: Any) -> Any:
        """function(x)

        What it does,
        in two lines.

        More.
        """
        return x

    before = set(NONDIFFERENTIABLE)
    try:
        assert (make_nondifferentiable(function).__doc__ or "").startswith(
            "What it does, in two lines.\n\nNumPy's `function`. ")
        function.__doc__ = None
        assert (make_nondifferentiable(function).__doc__ or "").startswith(
            "\n\nNumPy's `function`. It has no derivative.")
        assert make_nondifferentiable(function).__name__ == make_nondifferentiable(function).__qualname__ == "function"
    finally:
        for name in set(NONDIFFERENTIABLE) - before:
            del NONDIFFERENTIABLE[name]
