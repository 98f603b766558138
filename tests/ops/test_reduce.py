"""NumPy's functions that reduce, scan and describe, in every form: the values are NumPy's, the gradients right."""

import warnings
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.broadcasting import sum_rows
from tinytensor.compose import COMPOSED
from tinytensor.core import Tensor
from tinytensor.testing import gradcheck

RNG = np.random.default_rng(3)
X, W, V = RNG.uniform(0.5, 2, (3, 4)), RNG.uniform(0.5, 2, (3, 4)), RNG.uniform(0.5, 2, 4)
N = np.array([[np.nan, 1.5, -0.5, 2.0], [0.3, np.nan, 1.0, -1.0], [np.nan, 0.7, np.nan, np.nan]])
M, P, K = W > 1, np.array([0.0, 1.0, 1.5, 3.0]), np.array([0, 2, 1, 2])
PLAIN = {"np": np, "m": M, "p": P, "i": K, "ddof": np.int64(1), "axes": np.array([0, 1]), "nan": np.nan, "inf": np.inf}

# Calls of x (3, 4), w (3, 4) and v (4,), through which gradients flow; m is a mask, p are positions, i integers.
CALLS = """
np.sum(x) | np.sum(a=x) | np.sum(x, 0, np.float64) | np.sum(x, (0, -1), keepdims=True)
np.sum(x, 1, None, None, True) | np.sum(x, axis=(), initial=2) | np.sum(x, where=m)
np.sum(x, 0, where=m, initial=1.5) | np.sum(x, np.int64(1)) | x.sum(0, np.float64) | x.sum(axis=-1, keepdims=True)
np.sum(x, axis=1, dtype="float64", out=None, where=True) | np.mean(x) | np.mean(x, 0, np.float64)
np.mean(x, (0, 1), None, None, True) | np.mean(x, where=m) | x.mean(1, "d") | np.mean(x, 0, where=m, keepdims=True)
np.mean(x, axis=()) | np.mean(x, 0, where=m[:, :1]) | np.prod(x) | np.prod(x, 0, np.float64)
np.prod(x, 1, initial=2.0) | np.prod(x, where=m) | x.prod(0, None, None, True) | np.max(x) | np.max(x, 0)
np.max(x, 1, None, True) | np.max(x, initial=1.0) | np.max(x, 0, initial=1.1, where=m) | np.min(x) | np.amin(x, 0)
np.amax(x, (0, 1), keepdims=True) | np.min(x, 1, initial=1.0, where=m) | x.max(1, None, True) | np.var(x)
np.var(x, 0, None, None, 1) | np.var(x, ddof=ddof) | np.var(x, 1, correction=1) | np.var(x, 0, where=m)
np.var(x, 0, mean=np.mean(x, 0, keepdims=True)) | np.var(x, 1, mean=w[:, :1])
np.var(x, (0, 1), np.float64, ddof=0.5) | np.std(x) | np.std(x, 0, None, None, 1, True) | np.std(x, ddof=ddof)
np.std(x, 1, correction=1) | np.std(x, where=m) | np.std(x, mean=np.mean(x, keepdims=True)) | x.std(0, np.float64)
x.var(1, None, None, 1, True) | np.any(x) | np.all(x, 0) | np.any(x > 1, 1, None, True) | np.all(x > 1, where=m)
x.any(0, keepdims=True) | np.argmax(x) | np.argmax(x, 0, None) | np.argmin(x, 1, keepdims=True) | x.argmin(axis=-1)
np.argmax(x, axis=np.int64(0)) | np.nansum(x) | np.nansum(x, 0, np.float64) | np.nansum(x, 1, where=m, initial=1.0)
np.nanprod(x, (0, 1), keepdims=True) | np.nanmean(x, 0) | np.nanmean(x, where=m) | np.nanvar(x, 0, ddof=1)
np.nanvar(x, where=m) | np.nanstd(x, 1, correction=1) | np.nanmax(x) | np.nanmax(x, 0, None, True)
np.nanmin(x, 1, initial=1.0, where=m) | np.nanprod(x, 1, where=m) | np.nancumsum(x) | np.nancumsum(x, 0, np.float64)
np.nancumprod(x, axis=1) | np.nanargmax(x, 0) | np.nanargmin(x) | np.nanstd(x, mean=np.mean(x, keepdims=True))
np.nanvar(x, 0, mean=w[:1]) | np.ptp(x) | np.ptp(x, 0) | np.ptp(x, axis=(0, 1), keepdims=True)
np.ptp(a=x, axis=-1, out=None) | np.average(x) | np.average(x, 0) | np.average(x, weights=w) | np.average(x, 1, v)
np.average(x, 1, v, keepdims=True) | np.average(x, (1, 0), weights=w.T, returned=True)
np.average(x, 0, returned=True) | np.average(x, -1, w, True) | np.median(x) | np.median(x, 0)
np.median(x, (0, 1), keepdims=True) | np.median(x, axis=1, overwrite_input=True) | np.nanmedian(x, 1)
np.quantile(x, 0.3) | np.quantile(x, p / 3, 1) | np.percentile(x, q=p * 20, axis=0, keepdims=True)
np.quantile(x, 0.4, method="hazen") | np.quantile(x, 0.4, 0, method="inverted_cdf", weights=m[:, 0] + 1.0)
np.quantile(x, 0.4, 1, method="nearest") | np.nanquantile(x, p / 4, 1) | np.nanpercentile(x, 35.0)
np.quantile(x, v / 3, 0) | np.percentile(x, v * 10, 1, method="weibull") | np.quantile(x[0], p.reshape(2, 2) / 3)
np.cumsum(x) | np.cumsum(x, 0, np.float64) | x.cumsum(1, np.float64) | np.cumprod(x) | np.cumprod(x, 1, np.float64)
x.cumprod(0) | np.cumulative_sum(v) | np.cumulative_sum(x, axis=1, include_initial=True, dtype=np.float64)
np.cumulative_prod(v) | np.cumulative_prod(x, axis=-2, include_initial=True) | np.diff(x) | np.diff(x, 2, 0)
np.diff(x, 0) | np.diff(x, prepend=w[:1, :1] + x[:, :1]) | np.diff(x, axis=0, append=v[None])
np.diff(v, append=w[0], prepend=w[0, 0]) | np.diff(v, 2, prepend=w[0, :2]) | np.ediff1d(x) | np.ediff1d(x, 1.0, v)
np.ediff1d(v, to_begin=w) | np.ediff1d(x[0, :1]) | np.gradient(v) | np.gradient(x) | np.gradient(x, axis=1)
np.gradient(x, 2.0, v, edge_order=2) | np.gradient(x, v, axis=1) | np.gradient(x, p, axis=-1, edge_order=2)
np.gradient(v, 0.5) | np.gradient(x, axis=(1, 0)) | np.gradient(v, w[0, 0]) | np.trapezoid(x) | np.trapezoid(x, p)
np.trapezoid(x, w, axis=0) | np.trapezoid(x, dx=0.5, axis=0) | np.trapezoid(y=v, x=p) | np.interp(x, p, v)
np.interp(x, np.cumsum(v), w[0]) | np.interp(x * 2, p, v, left=w[0, 0], right=5.0)
np.interp(x * 3, v * 5, p, period=2.0) | np.interp(1.2, p, v) | np.interp([0.1, 9.0], p, v)
np.interp(x, v[:1], w[0, :1]) | np.convolve(v, w[0]) | np.convolve(v, x[0, :2], "same")
np.convolve(x[0, :3], v, "same") | np.convolve(v, p, mode="valid") | np.correlate(v, w[0])
np.correlate(v, x[0, :3], "same") | np.correlate(x[0, :2], v, "same") | np.correlate(v, p, "full")
np.correlate(x[0, :3], v, "full") | np.correlate(x[0, :2], v, "valid") | np.convolve(a=x[0, :2], v=v, mode="valid")
np.cov(x) | np.cov(v) | np.cov(x, v) | np.cov(x, rowvar=False) | np.cov(x, bias=True)
np.cov(x, ddof=0, dtype=np.float64) | np.cov(x, aweights=v) | np.cov(x, fweights=i + 1, aweights=v)
np.cov(x, fweights=i + 1, ddof=2) | np.cov(v, w) | np.corrcoef(x) | np.corrcoef(v, w) | np.corrcoef(x, rowvar=False)
np.corrcoef(v) | np.unwrap(x * 4) | np.unwrap(x, axis=0, period=1.0) | np.unwrap(v, 0.1) | np.bincount(i, v)
np.bincount(i, weights=v, minlength=5) | np.bincount(i) | np.histogram(x, 3) | np.histogram(x, 3, density=True)
np.histogram(x, p, weights=w) | np.histogram(v, 2, (0, 3)) | np.histogram_bin_edges(x)
np.histogram_bin_edges(x, "sturges") | np.histogram(v, [0, 1, 2], weights=w[0], density=True) | np.add.reduce(x)
np.add.reduce(x, 1, np.float64) | np.add.reduce(x, None, keepdims=True) | np.add.reduce(x, where=m)
np.multiply.reduce(x, 1, initial=2.0) | np.maximum.reduce(x, (0, 1)) | np.minimum.reduce(x, initial=1.0, where=m)
np.subtract.reduce(x) | np.divide.reduce(x, 1) | np.logaddexp.reduce(x, None) | np.logaddexp2.reduce(x, (1, 0))
np.hypot.reduce(x, 0, keepdims=True) | np.fmax.reduce(x) | np.fmin.reduce(x, 1) | np.power.reduce(x)
np.arctan2.reduce(x) | np.subtract.reduce(x, initial=1.0, where=m) | np.hypot.reduce(x, where=m)
np.logaddexp.reduce(x, initial=1.0) | np.add.accumulate(x) | np.multiply.accumulate(x, 1) | np.maximum.accumulate(x)
np.subtract.accumulate(x, 1) | np.divide.accumulate(x) | np.logaddexp.accumulate(x, 1) | np.power.accumulate(x[:2])
np.fmin.accumulate(x, axis=-1) | np.add.reduceat(x, [0, 2, 1], 1) | np.multiply.reduceat(x, [1, 0])
np.subtract.reduceat(x, (0, 2), axis=-1) | np.multiply.outer(v, x) | np.subtract.outer(x, v) | np.hypot.outer(v, p)
np.maximum.outer(v, w[0]) | np.add(x, w, dtype=np.float64) | np.multiply(x, v, order="F", subok=True)
np.exp(x, dtype="d") | np.tanh(x, casting="no") | np.divide(x, w, signature="dd->d")
np.add(x, 1, out=None, where=True) | np.power(x, 2, dtype=np.float64) | np.greater.outer(v, v)
np.logical_and.reduce(x) | np.logical_xor.accumulate(x, 1) | np.histogramdd(x, 2) | np.histogram2d(v, w[0], 3)
"""
CASES = [call for line in CALLS.strip().splitlines() for call in line.split(" | ")]
DTYPES = "?bhilBIefd" + "g"


def run(call: str, x: Any, w: Any, v: Any) -> list[Any]:
    """The results of a call: one, or several."""
    return flat(eval(call, {**PLAIN, "x": x, "w": w, "v": v}))


def flat(y: Any) -> list[Any]:
    return [z for part in y for z in flat(part)] if isinstance(y, list | tuple) else [y]


def attempt(call: str, *inputs: Any) -> Any:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return run(call, *inputs)
        except Exception as error:
            return error


def data(y: Any) -> Any:
    return np.asarray(y.data if isinstance(y, Tensor) else y)


def agree(call: str, *arrays: Any) -> None:
    """The same values, dtypes and shapes as NumPy's, or an error of the same kind."""
    wanted, found = attempt(call, *arrays), attempt(call, *map(Tensor, arrays))
    if isinstance(wanted, Exception):
        kind = TypeError if isinstance(wanted, TypeError) else type(wanted)
        assert isinstance(found, kind), (call, wanted, found)
        assert str(found).strip() and type(found) is not RecursionError
        return
    assert not isinstance(found, Exception), (call, found)
    for mine, theirs in zip(found, wanted, strict=True):
        mine, theirs = data(mine), np.asarray(theirs)
        assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape), call
        np.testing.assert_array_equal(mine, theirs, err_msg=call)


@pytest.mark.parametrize("call", CASES)
def test_every_call_is_numpys(call: str) -> None:
    for dtype in DTYPES:
        agree(call, *[a.astype(dtype) for a in (X, W, V)])
    agree(call, *[a.astype(">f8") for a in (X, W, V)])
    agree(call, N, W, N[0])
    for empty in ((0, 4), (3, 0), (0, 0)):
        agree(call, np.zeros(empty), np.zeros(empty), np.zeros(empty[1]))
    agree(call, np.array(2.0), np.array(0.5), np.array(1.5))


def total(call: str, *inputs: Any) -> Tensor:
    """One number of all results of a call."""
    return weighed(run(call, *inputs))


def weighed(results: Any) -> Tensor:
    """The sum of results, each element with a factor of its own; integers have no gradient."""
    parts = [y for y in flat(results) if isinstance(y, Tensor) and y.dtype.kind == "f"]
    return sum((k + 1) * (y * np.cos(np.arange(y.size)).reshape(y.shape)).sum() for k, y in enumerate(parts))


SMOOTH = [call for call in CASES if isinstance(y := total(call, *[Tensor(a, requires_grad=True) for a in (X, W, V)]),
                                               Tensor) and y.requires_grad]


def test_most_calls_have_a_gradient() -> None:
    without = set(CASES) - set(SMOOTH)
    assert all(any(name in call for name in ("any", "all", "arg", "bincount(i)", "greater", "logical", "histogram"))
               for call in without) and len(without) < 20, without


@pytest.mark.parametrize("call", SMOOTH)
def test_gradients_of_both_orders(call: str) -> None:
    gradcheck(lambda *inputs: total(call, *inputs), X, W, V, order=2)


@pytest.mark.parametrize("call", SMOOTH)
def test_gradients_have_the_dtype_of_the_input(call: str) -> None:
    leaves = [Tensor(a.astype(np.float32), requires_grad=True) for a in (X, W, V)]
    for y in run(call, *leaves):
        if isinstance(y, Tensor) and y.requires_grad:
            g = tt.grad(y, leaves, np.ones(y.shape), allow_unused=True, retain_graph=True)
            assert all(a.dtype == np.float32 and a.shape == x.shape for a, x in zip(g, leaves, strict=True))


VARYING = ("bincount", "histogram")  # how much they give depends on values, so that no program can hold them
ONE_EACH = {call.partition("(")[0].strip(): call for call in SMOOTH if not any(name in call for name in VARYING)}


@pytest.mark.parametrize("call", ONE_EACH.values())
def test_compiled_calls_are_the_eager_ones(call: str) -> None:
    f = eval(f"lambda x, w, v: {call}", {**PLAIN})  # subtle: a step that calls eval reaches all that is loaded

    def step(*arrays: Any) -> Any:
        leaves = [Tensor(a, requires_grad=True) for a in arrays]
        y = weighed(f(*leaves))
        return y, *tt.grad(y, leaves, allow_unused=True)

    for a, b in zip(tt.compile(step)(X, W, V), step(X, W, V), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


# --- gradients where there is something to say about them ---


def slope(f: Any, *arrays: Any) -> Any:
    """The gradient of the sum of f with respect to its first input."""
    x = Tensor(np.array(arrays[0], np.float64), requires_grad=True)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        tt.sum(f(x, *arrays[1:])).backward()
    return x.grad


nan, inf = np.nan, np.inf
KINKS = [  # ties share, and a nan is never hidden
    (lambda x: x.max(), [1, nan, 2], [0, 1, 0]),
    (lambda x: x.min(), [nan, nan, 2], [0.5, 0.5, 0]),
    (lambda x: np.max(x, 1), [[2, 2], [nan, 1]], [[0.5, 0.5], [1, 0]]),
    (lambda x: np.maximum.reduce(x), [3, 3, 3, 0], [1 / 3, 1 / 3, 1 / 3, 0]),
    (lambda x: np.max(x, initial=2), [1, 2], [0, 0.5]),
    (lambda x: np.max(x, initial=5, where=[True, False]), [1, 9], [0, 0]),
    (lambda x: np.max(x, initial=nan), [1, 2], [0, 1]),
    (lambda x: np.ptp(x), [1, nan], [0, 0]),
    (lambda x: np.nanmax(x), [1, nan, 3, 3], [0, 0, 0.5, 0.5]),
    (lambda x: np.nanmin(x), [nan, nan], [0.5, 0.5]),
    (lambda x: np.nansum(x), [1, nan, inf], [1, 0, 1]),
    (lambda x: np.nanmean(x), [1, nan, 3], [0.5, 0, 0.5]),
    (lambda x: np.nanmean(x), [nan, nan], [0.5, 0.5]),
    (lambda x: np.nanprod(x), [2, nan, 0, 3], [0, 0, 6, 0]),
    (lambda x: np.median(x), [1, nan, 3], [0, 1, 0]),
    (lambda x: np.nanmedian(x), [1, nan, 3], [0.5, 0, 0.5]),
    (lambda x: np.quantile(x, 0.5), [3, inf, 1], [1, 0, 0]),
    (lambda x: np.std(x, where=[True, True, False]), [2, 2, 9], [0, 0, 0]),
    (lambda x: np.std(x), [2, 2], [0, 0]),
    (lambda x: np.var(x, ddof=2), [1, 2], [nan, nan]),
    (lambda x: np.cumprod(x), [2, 0, 3], [1, 8, 0]),
    (lambda x: np.multiply.reduce(x, initial=2), [0, 3], [6, 0]),
    (lambda x: np.sum(x, where=[True, False]), [inf, nan], [1, 0]),
    (lambda x: np.mean(x, axis=0), np.zeros((0, 3)), np.zeros((0, 3))),
    (lambda x: np.mean(x), [], []),
    (lambda x: np.median(x, 0), np.zeros((0, 3)), np.zeros((0, 3))),
    (lambda x: np.var(x, axis=1), np.zeros((2, 0)), np.zeros((2, 0))),
    (lambda x: np.max(x, 1), np.zeros((0, 3)), np.zeros((0, 3))),
    (lambda x: np.max(x, 0, initial=1), np.zeros((0, 3)), np.zeros((0, 3))),
    (lambda x: np.prod(x, 0), np.zeros((0, 3)), np.zeros((0, 3))),
    (lambda x: x.sum(axis=0), 2, 1), (lambda x: x.max(-1), 2, 1), (lambda x: x.prod(0), 2, 1),
    (lambda x: x.sum(()), 2, 1), (lambda x: np.cumsum(x), 2, 1), (lambda x: np.cumprod(x, 0), 2, 1),
    (lambda x: np.interp(x, [0, 1, 2], [0, 10, 30]), [-1, 0, 1, 1.5, 2, 3], [0, 10, 20, 20, 20, 0]),
    (lambda x: np.maximum.accumulate(x), [1, 3, 2], [1, 2, 0]),
]


@pytest.mark.parametrize("i", range(len(KINKS)))
def test_kinks_nans_and_nothing(i: int) -> None:
    f, x, wanted = KINKS[i]
    np.testing.assert_allclose(slope(f, x), wanted)


@pytest.mark.parametrize("method", ["inverted_cdf", "averaged_inverted_cdf", "closest_observation", "linear", "hazen",
                                    "interpolated_inverted_cdf", "weibull", "median_unbiased", "normal_unbiased",
                                    "lower", "higher", "midpoint", "nearest"])
def test_every_method_of_quantiles(method: str) -> None:
    q = np.array([0.13, 0.52, 0.97])
    gradcheck(lambda x: np.quantile(x, q, axis=1, method=method), X, order=2)
    gradcheck(lambda x: np.nanpercentile(np.where(M, x, np.nan), 100 * q, axis=1, method=method), X)
    if method not in ("lower", "higher", "midpoint", "nearest", "closest_observation") and "ed_cdf" not in method[:21]:
        gradcheck(lambda x, q: np.quantile(x, q, axis=(0, 1), method=method), X, q, order=2)


@pytest.mark.parametrize("call", ["np.sum(x, out=w)", "np.median(x, out=w)", "np.cumprod(x, out=w)", "x.max(0, w)"])
def test_out_is_refused(call: str) -> None:
    with pytest.raises(TypeError, match="got out=; expected none, for the gradient would be lost; write y = "):
        eval(call, {"np": np, "x": Tensor(X), "w": np.zeros((3, 4))})


REFUSALS = {
    "np.add(x, x, where=m)": r"np.add: got where=, which leaves the other elements undefined.*write np.where",
    "np.add.at(x, [0], 1.0)": r"np.add.at: got a Tensor, whose gradient a write would lose.*tt.scatter",
    "x.sum(dim=0)": r"^sum: got an unknown parameter 'dim'; expected sum\(a, axis=None, .*\); write 'axis', as NumPy",
    "np.sum(x, where=x)": "got a tensor that requires grad as parameter 'where'",
    "x.var(ddof=1, correction=1)": "expected one of them",
    "tt.nanmean(x, dim=0)": "; write 'axis', as NumPy does$",
    "np.quantile(x, 0.5, method='inverted_cdf', weights=x)": "got a tensor that requires grad as parameter 'weights'",
    "np.nanquantile(x, np.ones((2, 2)) / 2)": "expected a number or one axis",
    "np.add.reduce(x, axis=5)": "axis 5 is out of bounds",
}


@pytest.mark.parametrize("call", REFUSALS)
def test_refusals_say_what_to_write(call: str) -> None:
    with pytest.raises((TypeError, ValueError), match=REFUSALS[call]):
        eval(call, {"np": np, "tt": tt, "x": Tensor(X, requires_grad=True), "m": M})


def test_python_numbers_and_lists_of_them_do_not_promote() -> None:
    x, v = Tensor(X.astype(np.float32)), Tensor(V.astype(np.float32))
    for y in (np.quantile(x, [0.1, 0.7], 1), np.percentile(x, 30.0), np.diff(x, prepend=0.0), np.ediff1d(v, to_end=1.5),
              np.average(x, 1, [0.1, 0.2, 0.3, 0.4]), np.trapezoid(v, [0.0, 1.0, 1.5, 3.0]), np.gradient(v, 0.5),
              np.hypot.outer(v, [1.0, 2.0]), np.convolve(v, [0.5, 0.5]), np.sum(x, initial=0.5),
              np.add(x, 0.5, order="F")):
        assert y.dtype == np.float32


def test_lists_of_tensors_are_the_array_that_they_make() -> None:
    x, v = Tensor(X, requires_grad=True), Tensor(V, requires_grad=True)
    for f in (tt.median, tt.diff, tt.cumprod, tt.nansum, tt.ptp, tt.cov, lambda x: tt.average(x, weights=x)):
        y = f([x[0], v])
        np.testing.assert_array_equal(y.data, f(np.stack([X[0], V])))
        assert tt.grad(y.sum(), v).shape == v.shape
    assert np.add.reduceat(v, []).shape == (0,)


def test_median_leaves_its_input_alone() -> None:
    x = Tensor(X.copy(), requires_grad=True)
    np.median(x, axis=1, overwrite_input=True)
    np.testing.assert_array_equal(x.data, X)


def test_nothing_is_recorded_without_grad() -> None:
    x = Tensor(X, requires_grad=True)
    with tt.no_grad():
        assert not any(f(x).requires_grad for f in (np.median, np.nansum, np.cumprod, np.add.accumulate))
    assert not np.add(x.detach(), 1, dtype=np.float64).requires_grad
    assert type(np.bincount(Tensor(K))) is Tensor


def test_a_composition_gives_the_value_that_numpy_gives(monkeypatch: Any) -> None:
    """NumPy's value takes its place, so only here a composition that is off by a constant is seen."""
    seen: list[Any] = []
    adopt = tt.compose.with_numpy_values
    monkeypatch.setattr(tt.compose, "with_numpy_values", lambda name, y, z, tensors: seen.append(
        (name, y, z.data.copy() if isinstance(z, Tensor) else y)) or adopt(name, y, z, tensors))
    for call in SMOOTH:
        attempt(call, *[Tensor(a, requires_grad=True) for a in (X, W, V)])
    assert len(seen) > 150
    for name, y, z in seen:
        if not isinstance(y, list | tuple) and name not in ("unwrap", "sum", "nansum", "add.reduce"):
            np.testing.assert_allclose(z, y, rtol=1e-12, err_msg=name)


# --- many rows ---


@pytest.mark.parametrize("n", [0, 1, 100, 512, 513, 1024, 5000, 200_000])
def test_a_sum_over_many_rows_loses_no_more_than_a_pairwise_one(n: int) -> None:
    g = np.random.default_rng(n).random((n, 3), dtype=np.float32)
    exact = g.sum(0, dtype=np.float64)
    pairwise = [float(np.ascontiguousarray(g[:, j]).sum()) for j in range(3)]
    allowed = np.abs(pairwise - exact) + 4e-7 * exact
    for each in (1, 0.5):
        assert (np.abs(sum_rows(g, each) / each - exact) <= allowed).all()
    w = Tensor(np.ones(3, np.float32), requires_grad=True)
    (tt.tensor(g) * w).sum().backward()
    assert (np.abs(w.grad - exact) <= allowed).all()
    if n:
        b = Tensor(np.ones(3, np.float32), requires_grad=True)
        y = tt.layer_norm(tt.tensor(g), b)
        y.backward(g)
        d = g - g.mean(1, keepdims=True, dtype=np.float64)
        d *= g / np.sqrt((d * d).mean(1, keepdims=True) + 1e-5)
        np.testing.assert_allclose(b.grad, d.sum(0), rtol=1e-5, atol=1e-6 * np.abs(d).sum(0).max())


# --- networks of size 0 ---

NOTHING: list[tuple[Any, Any, tuple[Any, ...]]] = [
    *[(lambda tt, F, x, a=a: tt.softmax(x, a), lambda torch, F, x, a=a: F.softmax(x, a), (s,))
      for s in ((5, 0), (0, 5), (0,), (2, 0, 3), ()) for a in (0, -1)],
    *[(lambda tt, F, x, a=a: tt.log_softmax(x, a), lambda torch, F, x, a=a: F.log_softmax(x, a), (s,))
      for s in ((5, 0), (0, 5), ()) for a in (0, -1)],
    *[(lambda tt, F, x, a=a, k=k: tt.logsumexp(x, a, keepdims=k),
       lambda torch, F, x, a=a, k=k: torch.logsumexp(x, a, k), (s,))
      for s in ((5, 0), (0, 5), ()) for a in (0, -1) for k in (False, True)],
    *[(lambda tt, F, x, w, b: tt.linear(x, w, b), lambda torch, F, x, w, b: F.linear(x, w, b), (s, (o, s[-1]), (o,)))
      for s in ((0, 3), (5, 0, 3), (2, 0), (5, 2, 0), (0,), (3,)) for o in (4, 0)],
    *[(lambda tt, F, x, w, b: tt.layer_norm(x, w, b), lambda torch, F, x, w, b: F.layer_norm(x, w.shape, w, b),
       (s, s[-1:], s[-1:])) for s in ((0, 3), (2, 0, 3), (2, 0), (3, 2, 0), (0,))],
    *[(lambda tt, F, x, w: tt.rms_norm(x, w), lambda torch, F, x, w: F.rms_norm(x, w.shape, w), (s, s[-1:]))
      for s in ((0, 3), (2, 0, 3), (2, 0), (0,))],
    *[(lambda tt, F, x: tt.attention(x), lambda torch, F, x: F.scaled_dot_product_attention(
        *[y[:, None] for y in x.chunk(3, -1)], is_causal=True)[:, 0], (s,))
      for s in ((0, 3, 6), (2, 0, 6), (0, 256, 6))],
    *[(lambda tt, F, x, t, r=r: tt.cross_entropy(x, t, r),
       lambda torch, F, x, t, r=r: F.cross_entropy(x, t, reduction=r), (s, np.zeros(0, np.int64)))
      for s in ((0, 3), (0, 200)) for r in ("mean", "sum", "none")],
    *[(lambda tt, F, w, i: tt.embedding(w, i), lambda torch, F, w, i: F.embedding(i, w), (s, np.zeros(n, np.int64)))
      for s, n in (((5, 2), 0), ((0, 2), 0), ((5, 0), 3), ((200, 2), 0))],
]


@pytest.mark.peer
@pytest.mark.parametrize("i", range(len(NOTHING)))
def test_networks_of_size_0_are_pytorchs(i: int) -> None:
    torch = pytest.importorskip("torch")
    mine, theirs, given = NOTHING[i]
    arrays = [RNG.random(a, dtype=np.float32) if isinstance(a, tuple) else a for a in given]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        ours = [Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        y = mine(tt, None, *ours)
        y.sum().backward()
        peers = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        z = theirs(torch, torch.nn.functional, *peers)
        z.sum().backward()
    np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=1e-5)
    for a, b in zip(ours, peers, strict=True):
        if a.requires_grad:
            assert a.grad is not None and a.grad.shape == a.shape
            np.testing.assert_allclose(a.grad, np.zeros(a.shape) if b.grad is None else b.grad.numpy(), rtol=1e-4)


@pytest.mark.parametrize("x", [(2, 3, 0), (2, 3, 5)])
def test_attention_of_no_channels_is_refused(x: Any) -> None:
    with pytest.raises(ValueError, match="expected .B, T, 3 C., with C a multiple"):
        tt.attention(tt.ones(*x))


# --- peers ---

JAX = """np.median(x) | np.quantile(x, 0.3, axis=1) | np.percentile(x, 40.0) | np.nanmedian(x, 1)
np.average(x, 1, v) | np.interp(x, p, v) | np.convolve(v, w[0]) | np.correlate(v, w[0], "full") | np.cov(x)
np.corrcoef(x) | np.gradient(x, axis=1) | np.trapezoid(x, w) | np.diff(x, 2) | np.ediff1d(x)
np.unwrap(x * 4) | np.nanstd(x, 0) | np.nanvar(x) | np.nanprod(x, 1) | np.cumprod(x, 1)
np.cumulative_sum(x, axis=1, include_initial=True) | np.ptp(x, 0) | np.max(x, initial=1.0, where=m)
np.var(x, 0, where=m) | np.std(x, where=m) | np.prod(x, where=m) | np.nanmax(x, 1) | np.nancumsum(x, 0)
np.logaddexp.reduce(x) | np.subtract.accumulate(x) | np.multiply.outer(v, w[0])""".replace("\n", " | ").split(" | ")


@pytest.mark.peer
def test_gradients_are_those_of_jax() -> None:
    jax = pytest.importorskip("jax")

    def f(x: Any, w: Any, v: Any) -> Any:  # the sum of all calls, each with a weight of its own: compiled once
        given = {**PLAIN, "np": jax.numpy, "x": x, "w": w, "v": v}
        parts = [eval(call, given) for call in JAX]
        return sum((k + 1) * (y * np.cos(np.arange(y.size)).reshape(y.shape)).sum() for k, y in enumerate(parts))

    leaves = [Tensor(a, requires_grad=True) for a in (X, W, V)]
    total(f"[{', '.join(JAX)}]", *leaves).backward()
    with jax.enable_x64(True):
        wanted = jax.jit(jax.grad(f, (0, 1, 2)))(X, W, V)
    for mine, theirs in zip(leaves, wanted, strict=True):
        np.testing.assert_allclose(mine.grad, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.peer
@pytest.mark.parametrize("name", ["amax", "amin", "max", "min", "median", "nanmedian", "nanmean", "nansum"])
def test_nans_and_ties_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    for x in ([1.0, 3.0, 2.0], [nan, 3.0, 2.0], [1.0, 3.0, 3.0], [1.0, 1.0, 4.0]):
        if name in ("amax", "amin") and nan in x:
            continue  # there PyTorch gives nan to all elements
        z = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        getattr(torch, name)(z).backward()
        wanted = z.grad.numpy()
        if "median" in name and len({v for v in x if v == v}) < 3:
            continue  # of equal elements any may be the one
        if name == "nanmedian" and nan in x:
            continue  # PyTorch's median of two is the lower one
        np.testing.assert_allclose(slope(getattr(tt, name), x), wanted, err_msg=f"{name} {x}")


def test_every_composition_here_has_calls() -> None:
    rooms = {f"tinytensor.ops.{room}" for room in ("nan", "quantiles", "scan", "signal", "statistics")}
    for name, made in COMPOSED.items():
        if made.function.__module__ in rooms:
            assert any(f"np.{name}(" in call for call in CASES), name
            assert made.samples and "Examples" in (made.function.__doc__ or ""), name
