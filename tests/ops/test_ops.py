"""What must hold for every op in the registry: it is the NumPy function, and its gradient is right.

A new op is tested by being registered: its domain and samples are all that these tests need. An op without them, or
without a docstring, fails at collection. The checks at fixed points are those of `tinytensor.testing`, which users
have too; here are the references, and what is drawn at random.
"""
import math
import operator
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import tinytensor as tt
from tinytensor.apply import PUBLIC
from tinytensor.compose import COMPOSED as MADE_OF_OPS
from tinytensor.compose import NONDIFFERENTIABLE
from tinytensor.core import NUMPY, REGISTRY, Op, Sample, Tensor
from tinytensor.define import public
from tinytensor.testing import checks, gradcheck
from tinytensor.testing.cases import case_of
from tinytensor.testing.ops import check_definition, check_gradient, has_differences
from tinytensor.testing.strategies import arrays, broadcast_inputs, inputs

# --- the registry, as cases ---


def complete(op: Op) -> Op:
    """The op, if it says of itself what the tests need."""
    assert "Examples" in (case_of(op).function.__doc__ or ""), f"{op.name}: a docstring with an example is missing"
    assert op.samples, f"{op.name}: samples are missing"
    assert op.domain and all(d.intervals for d in op.domain), f"{op.name}: a domain is missing"
    return op


def named(ops: Any) -> list[Any]:
    return [pytest.param(op, id=op.name) for op in ops]


OPS = [complete(op) for op in REGISTRY.values()]
ROWS = [op for op in OPS if isinstance(op.forward, np.ufunc)]
SMOOTH = [op for op in OPS if case_of(op).differentiable]
FLOAT_PAIRS = [op for op in ROWS if op.forward.nin == 2 and "dd->" in "".join(f"{t} " for t in op.forward.types)]
PAIRS = [op for op in [*FLOAT_PAIRS, REGISTRY["power"], REGISTRY["float_power"]] if case_of(op).differentiable]
SOME = settings(max_examples=max(settings().max_examples // 2, 1))


def checked(f: Any, *args: Any, order: int) -> None:
    """gradcheck, unless the drawn point is all kinks."""
    try:
        gradcheck(f, *args, order=order)
    except ValueError as error:
        if "kink" not in str(error):
            raise
        reject()


# --- the forward pass is NumPy's ---


def softmax(x: Any, axis: int = -1) -> Any:
    e = np.exp(x - np.max(x, axis=axis, keepdims=True, initial=-np.inf))
    return e / np.sum(e, axis=axis, keepdims=True)


def written_at(x: Any, v: Any, index: Any) -> Any:
    z, numbers = x.copy(), np.arange(x.size).reshape(x.shape)[index]
    np.put(z, numbers, np.zeros(numbers.shape, x.dtype) + np.reshape(v, np.shape(v)[-numbers.ndim or None :]))
    return z


def scattered(x: Any, index: Any, shape: Any) -> Any:
    z = np.zeros(shape, x.dtype)
    np.add.at(z, index, x)
    return z


def cross_entropy(logits: Any, targets: Any, reduction: str = "mean", ignore_index: Any = None) -> Any:
    keep = targets != ignore_index
    losses = -np.log(np.take_along_axis(softmax(logits), targets[..., None] % logits.shape[-1], -1)[..., 0])
    return np.where(keep, losses, 0) if reduction == "none" else getattr(np, reduction)(losses[keep])


def attention(qkv: Any, keep: Any = 1, heads: int = 1, causal: bool = True) -> Any:
    b, t, _ = qkv.shape
    q, k, v = np.split(qkv, 3, axis=-1)
    q, k, v = (x.reshape(b, t, heads, -1) for x in (q, k, v))
    scores = np.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
    p = softmax(np.where(np.tri(t, dtype=bool) | (not causal), scores, -np.inf)) * keep
    return np.einsum("bhij,bjhd->bihd", p, v).reshape(b, t, -1)


def batch_norm(x: Any, weight: Any = 1, bias: Any = None, mean: Any = None, var: Any = None, axis: int = -1,
               eps: float = 1e-5, correction: int = 0) -> Any:
    z = np.moveaxis(x, axis, -1)
    others = tuple(range(x.ndim - 1))
    mean, var = (z.mean(others), z.var(others, ddof=correction)) if mean is None else (mean, var)
    y = (z - mean) / np.sqrt(var + eps) * weight
    return np.moveaxis(y if bias is None else y + bias, -1, axis)


def layer_norm(x: Any, weight: Any = 1, bias: Any = 0, axes: int = 1, eps: float = 1e-5) -> Any:
    return rms_norm(x - x.mean(tuple(range(-axes, 0)), keepdims=True), weight, axes, eps) + bias


def rms_norm(x: Any, weight: Any = 1, axes: int = 1, eps: Any = None) -> Any:
    eps = np.finfo(x.dtype).eps if eps is None else eps
    return x / np.sqrt(np.square(x).mean(tuple(range(-axes, 0)), keepdims=True) + eps) * weight


def gelu(x: Any, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi).astype(x.dtype) * (x + 0.044715 * x**3)))
    return (x * np.vectorize(math.erfc, "d")(-x / 2**0.5) / 2).astype(x.dtype)


def rnn(a: Any, weight: Any, h: Any, nonlinearity: str = "tanh") -> Any:
    states = [h]
    for step in a:
        z = step + np.einsum("bj,ij->bi", states[-1], weight)
        states.append(np.tanh(z) if nonlinearity == "tanh" else z * (z > 0))
    return np.array(states[1:])


def gru(a: Any, weight: Any, h: Any, bias: Any = 0) -> Any:
    states = [h]
    for step in a:
        u = np.einsum("bj,ij->bi", states[-1], weight) + bias
        (ar, az, an), (ur, uz, un) = np.split(step, 3, -1), np.split(u, 3, -1)
        z, n = 1 / (1 + np.exp(-az - uz)), np.tanh(an + un / (1 + np.exp(-ar - ur)))
        states.append((1 - z) * n + z * states[-1])
    return np.array(states[1:])


def lstm(a: Any, weight: Any, h: Any, c: Any) -> Any:
    states = [h]
    for step in a:
        i, f, g, o = np.split(step + np.einsum("bj,ij->bi", states[-1], weight), 4, -1)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        states.append(np.tanh(c) / (1 + np.exp(-o)))
    return np.array([*states[1:], c])


def overlap_add(x: Any, size: int, axis: int = -1, stride: int = 1, dilation: int = 1) -> Any:
    windows = np.moveaxis(x, axis % max(x.ndim - 1, 1), -2)  # (..., windows, elements)
    z = np.zeros((*windows.shape[:-2], size), x.dtype)
    for i in range(windows.shape[-2]):
        for k in range(windows.shape[-1]):
            z[..., i * stride + k * dilation] += windows[..., i, k]
    return np.moveaxis(z, -1, axis)


def patches(x: Any, kernel: Any, stride: Any, dilation: Any, windows: Any) -> Any:
    """Every window over the last axes, (..., *kernel, *windows), element by element."""
    n, y = len(kernel), np.empty((*x.shape[: x.ndim - len(kernel)], *kernel, *windows), x.dtype)
    for place in np.ndindex(*kernel, *windows):
        y[(..., *place)] = x[(..., *[k * d + i * s for k, d, i, s in zip(place[:n], dilation, place[n:], stride,
                                                                        strict=True)])]
    return y


def rows_of_patches(x: Any, kernel: Any, **sliding: Any) -> Any:
    """The same with the places of a window in one axis, the first."""
    z = np.moveaxis(patches(x, kernel, **sliding), range(x.ndim - len(kernel), x.ndim), range(len(kernel)))
    return z.reshape(-1, *z.shape[len(kernel) :])


def patches_added(x: Any, size: Any, kernel: Any, **sliding: Any) -> Any:
    z = np.zeros((*x.shape[: x.ndim - 2 * len(kernel)], *size), x.dtype)
    at = patches(np.arange(math.prod(size)).reshape(size), kernel, **sliding)
    for i in np.ndindex(at.shape):
        z.reshape(*z.shape[: z.ndim - len(size)], -1)[..., at[i]] += x[(..., *i)]
    return z


def scattered_in_windows(x: Any, which: Any, size: Any, kernel: Any, **sliding: Any) -> Any:
    places = np.arange(math.prod(kernel)).reshape(*kernel, *(1,) * len(kernel))
    n = len(kernel)
    lead, last = x.shape[: x.ndim - n], x.shape[x.ndim - n :]
    spread = np.where(which.reshape(*lead, *(1,) * n, *last) == places, x.reshape(*lead, *(1,) * n, *last), 0)
    return patches_added(spread, size, kernel, **sliding)


def packed(a: Any, *parts: Any) -> Any:
    return np.concatenate([x.reshape(*a.shape[:-2], math.prod(x.shape[a.ndim - 2 :])) for x in parts], -1)


PLAIN = {  # what ops that NumPy has no function for compute, written the plain way
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: x * (x > 0),
    "erf": lambda x: np.vectorize(math.erf, "d")(x).astype(x.dtype),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": gelu,
    "getitem": lambda x, index: x[index],
    "scatter": scattered,
    "index_put": written_at,
    "logsumexp": lambda x, **how: np.log(np.sum(np.exp(x), **how)),
    "linear": lambda x, weight, bias=0: np.einsum("...i,oi->...o", x, weight) + bias,
    "matmul_tn": lambda a, b: a.T @ b,
    "softmax": softmax,
    "log_softmax": lambda x, axis=-1: np.log(softmax(x, axis)),
    "cross_entropy": cross_entropy,
    "embedding": lambda weight, indices: weight[indices],
    "attention": attention,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "overlap_add": overlap_add,
    "leaky_relu": lambda x, negative_slope=0.01: np.where(x > 0, x, x * negative_slope),
    "bernoulli_cross_entropy": lambda x, t: -t * np.log(np.clip(x, math.exp(-100), None)) - (1 - t) * np.maximum(
        np.log(np.maximum(1 - x, 1e-300)), -100),
    "extract_patches": patches,
    "add_patches": patches_added,
    "max_pool": lambda x, **how: rows_of_patches(x, **how).max(0),
    "sum_pool": lambda x, **how: rows_of_patches(x, dilation=(1,) * len(how["kernel"]), **how).sum(0),
    "pool_index": lambda x, **how: rows_of_patches(x, **how).argmax(0).astype(np.uint8),
    "pool_gather": lambda x, which, **how: np.take_along_axis(rows_of_patches(x, **how), which[None], 0)[0],
    "pool_scatter": scattered_in_windows,
    "rnn": rnn,
    "gru": gru,
    "lstm": lstm,
    "linalg.packed_qr": lambda a, mode="reduced": packed(a, *np.linalg.qr(a, mode)),
    "linalg.packed_eigh": lambda a, UPLO="L": packed(a, *np.linalg.eigh(a, UPLO)),
    "linalg.packed_eig": lambda a: packed(a, *np.linalg.eig(a)),
    "linalg.packed_svd": lambda a, full_matrices=True: packed(a, *np.linalg.svd(a, full_matrices)),
    "linalg.logabsdet": lambda a: np.linalg.slogdet(a)[1],
    "contract": lambda *operands, subscripts: np.einsum(subscripts, *operands),
}


def references(op: Op) -> list[Any]:
    """What an op is held to: the NumPy functions that it answers for, and the plain formula."""
    if op.name == "sliding_window_view":
        return [partial(apart, np.lib.stride_tricks.sliding_window_view)]
    return [*case_of(op).references, *([PLAIN[op.name]] if op.name in PLAIN else [])]


def apart(function: Any, x: Any, window_shape: int, axis: Any = None, stride: int = 1, dilation: int = 1) -> Any:
    """NumPy's windows, thinned out: it knows no stride and no dilation."""
    windows = function(x, dilation * (window_shape - 1) + 1, axis=axis)
    before = [slice(None)] * ((axis or 0) % x.ndim)
    return windows[(*before, slice(None, None, stride), ..., slice(None, None, dilation))]


def same(mine: Any, numpy: Any, exact: bool = False) -> None:
    mine = mine.data if isinstance(mine, Tensor) else mine
    assert mine.dtype == np.asarray(numpy).dtype
    assert mine.shape == np.shape(numpy)
    np.testing.assert_allclose(mine, numpy, rtol=0 if exact else 1e-5 if mine.dtype == np.float32 else 1e-12, atol=1e-6
                               if not exact and mine.dtype == np.float32 else 0)


X, V, M = np.array([[0.5, -1.5, 2.0], [1.0, 0.25, -2.5]]), np.array([3.0, 1.0, 2.0]), np.arange(6.0).reshape(3, 2)
UNLIKE = {  # checks that an op can not pass, and why
    "histogramdd-1-special": "as median, below: the edges are extremes, which equal elements share",
    "overlap_add-shapes": "it refuses windows that an axis of that size does not have",
    **{f"bernoulli_cross_entropy-{i}-special": "PyTorch's gradient, which is 0 for a certainty that is right"
       for i in range(2)},
    "pad-9-special": "as median, below, of which it makes the border",
    "partition-2-special": "of equal elements any may stand at a place: the gradient goes to the one that does",
    "intersect1d-0-special": "the gradient goes to the first of equal elements, without which the others are left",
    **{f"{name}-{i}-special": "of equal elements those in the middle have the gradient; alone, none of them counts"
       for name, n in {"median": 6, "nanmedian": 2, "quantile": 5, "percentile": 5, "nanquantile": 5,
                       "nanpercentile": 1}.items() for i in range(n)},
}
CASES = [*OPS, *(made.function for made in MADE_OF_OPS.values())]


def held_to(op: Any) -> list[Any]:
    return references(op) if isinstance(op, Op) else case_of(op).references


@pytest.mark.parametrize("op", named(OPS))
def test_there_is_a_reference(op: Op) -> None:
    assert references(op), "an op needs a NumPy function, or a plain formula in this file, to be held to"


CHECKS = [check for op in CASES for check in checks(op, *held_to(op))]


@pytest.mark.parametrize("check", [check for check in CHECKS if str(check) not in UNLIKE], ids=str)
def test_op(check: Any) -> None:
    check()


def test_what_can_not_pass_does_not() -> None:
    for check in CHECKS:
        if str(check) in UNLIKE:
            with pytest.raises((AssertionError, ValueError)):
                check()
    assert UNLIKE.keys() <= {str(check) for check in CHECKS}


def test_the_reduce_of_a_ufunc_goes_along_the_first_axis() -> None:
    for ufunc in (np.add, np.multiply, np.maximum, np.minimum, np.logical_or, np.logical_and):
        same(ufunc.reduce(Tensor(X)), ufunc.reduce(X), exact=True)


EDGES = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -1.0, 0.5, -3.7, 1e30, -1e30, 1e-40])


@pytest.mark.parametrize("op", named(ROWS))
def test_a_row_is_the_ufunc_at_edges(op: Op) -> None:
    ufunc = op.forward
    assert NUMPY[ufunc] is public(op.name) and getattr(Tensor, op.name) is public(op.name)
    with np.errstate(all="ignore"):
        kinds = [t for t in (np.float64, np.float32, np.int64, np.bool_) if accepts(ufunc, t)]
        assert kinds
        for dtype in kinds:
            x = EDGES.astype(dtype)
            args = (x,) if ufunc.nin == 1 else (x[:, None], x[None, :])
            expected = ufunc(*args)
            y = ufunc(*map(Tensor, args))
            assert y.dtype == expected.dtype
            np.testing.assert_array_equal(y.data, expected)
            if expected.dtype.kind == "f":
                np.testing.assert_array_equal(np.signbit(y.data), np.signbit(expected))
            if ufunc.nin == 2:  # an array, or a number, on either side
                for a, b in ((Tensor(args[0]), args[1]), (args[0], Tensor(args[1]))):
                    mixed = ufunc(a, b)
                    assert type(mixed) is Tensor
                    np.testing.assert_array_equal(mixed.data, expected)
                for a, b in ((Tensor(x), 2), (2, Tensor(x))):
                    plain = ufunc(*[v.data if isinstance(v, Tensor) else v for v in (a, b)])
                    assert ufunc(a, b).dtype == plain.dtype
                    np.testing.assert_array_equal(ufunc(a, b).data, plain)


def accepts(ufunc: np.ufunc, dtype: Any) -> bool:
    try:
        ufunc(*[np.ones(1, dtype)] * ufunc.nin)
    except TypeError:
        return False
    return True


OPERATORS = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power",
             "mod": "remainder", "floordiv": "floor_divide", "matmul": "matmul", "lt": "less", "le": "less_equal",
             "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal", "and_": "bitwise_and",
             "or_": "bitwise_or", "xor": "bitwise_xor"}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_are_the_ops(name: str) -> None:
    f = getattr(operator, name)
    a, b = np.array([[5, 2], [3, 7]]), np.array([[2, 3], [3, 1]])
    if name not in ("and_", "or_", "xor"):
        a, b = a.astype(np.float32), b.astype(np.float32)
    for left, right in ((Tensor(a), Tensor(b)), (a, Tensor(b)), (Tensor(a), b)):
        y = f(left, right)
        assert type(y) is Tensor
        same(y, f(a, b), exact=True)
        assert y.data.tobytes() == PUBLIC[OPERATORS[name]](Tensor(a), Tensor(b)).data.tobytes()
    if name != "matmul":
        same(f(3, Tensor(b)), f(3, b), exact=True)
        same(f(Tensor(a), 3), f(a, 3))


@pytest.mark.parametrize("f", [operator.neg, operator.pos, abs])
def test_operators_of_one_side(f: Any) -> None:
    same(f(Tensor(EDGES)), f(EDGES), exact=True)
    assert (~tt.tensor([True, False])).tolist() == [False, True]


@pytest.mark.parametrize("exponent", [-1, 0, 0.5, 1, 2, 3, 2.5, -2])
def test_fast_exponents_are_powers_at_edges(exponent: float) -> None:
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(tt.power(Tensor(EDGES), exponent).data, EDGES**exponent, rtol=1e-15)


COMPOSED = {  # functions without a rule of their own: a call, and NumPy's
    "ravel": [(tt.ravel, np.ravel, X), (tt.flatten, np.ravel, X)],
    "split": [(lambda x: tt.concatenate(tt.split(x, 3, 1)[::-1], 1), lambda x: x[:, ::-1], X),
              (lambda x: tt.split(x, [1], 1)[1], lambda x: np.split(x, [1], 1)[1], X),
              (lambda x: tt.split(x, [1, 4])[2], lambda x: np.split(x, [1, 4])[2], V)],
    "sort": [(tt.sort, np.sort, X), (lambda x: tt.sort(x, 0), lambda x: np.sort(x, 0), X)],
    "einsum": [(lambda a, b: tt.einsum("ij,jk", a, b), np.matmul, X, M)],
}
MADE = {"tensor", "zeros", "ones", "empty", "full", "eye", "identity", "tri", "arange", "linspace", "rand", "randn",
        "randint", "randperm", "multinomial"}
ARRANGED = {"array_split", "hsplit", "vsplit", "dsplit", "compress", "extract", "piecewise", "apply_along_axis",
            "apply_over_axes", "pad", "sliding_window_view", "where"}  # in tests/ops/test_arrange.py


def test_every_public_function_is_tested() -> None:
    observed = [name.removeprefix("np.") for name in NONDIFFERENTIABLE]
    known = {*REGISTRY, *MADE_OF_OPS, *observed, *MADE, *ARRANGED, *COMPOSED}
    assert {function.__name__ for function in PUBLIC.values()} <= known


@pytest.mark.parametrize("name, i", [(name, i) for name, cases in COMPOSED.items() for i in range(len(cases))])
def test_composed_functions(name: str, i: int) -> None:
    mine, numpy, *args = COMPOSED[name][i]
    same(mine(*map(Tensor, args)), numpy(*args))
    checked(mine, *args, order=2) if np.size(numpy(*args)) else None
    for x in args:
        x = Tensor(x.astype(np.float32), requires_grad=True)
        y = mine(*[x if a.shape == x.shape else a.astype(np.float32) for a in args])
        assert y.dtype == np.float32
        y.backward(np.ones(y.shape))
        assert x.grad.dtype == np.float32 and x.grad.shape == x.shape


EXCEPTIONS = {
    "isnat": "for dates",
}


def test_every_float_ufunc_of_numpy_has_an_op() -> None:
    ufuncs = {u.__name__: u for u in vars(np).values() if isinstance(u, np.ufunc) and u.nout == 1 and accepts_floats(u)}
    assert len(ufuncs) > 60
    missing = {name for name, u in ufuncs.items() if u not in NUMPY}
    assert missing == EXCEPTIONS.keys() & ufuncs.keys()
    for name in missing:
        with pytest.raises(TypeError, match=rf"np\.{name} does not take a Tensor: it has no derivative here; use"):
            ufuncs[name](*[tt.ones(2)] * ufuncs[name].nin)


def accepts_floats(ufunc: np.ufunc) -> bool:
    return any(t.partition("->")[0] == "d" * ufunc.nin for t in ufunc.types)


@pytest.mark.parametrize("op", named(PAIRS))
@pytest.mark.parametrize("other", [2.5, 2, np.float32(2.5), np.array(2.5, np.float32), tt.tensor(2.5)], ids=repr)
def test_numbers_do_not_promote(op: Op, other: Any) -> None:
    wanted = np.float64 if op.name == "float_power" else np.float32
    for shape in ((2, 3), ()):
        x = tt.full(shape, 1.5, requires_grad=True)
        for a, b in ((x, other), (other, x)):
            x.grad = None
            y = public(op.name)(a, b)
            assert y.dtype == wanted
            y.sum().backward()
            assert x.grad.dtype == np.float32 and x.grad.shape == shape


# --- the gradient is right ---


def drawn(data: st.DataObject, op: Op) -> tuple[Sample, Any]:
    """One of the op's samples that differences can check, and inputs for it."""
    sample = data.draw(st.sampled_from([s for s in op.samples if has_differences(case_of(op), s)]))
    return sample, data.draw(inputs(op, sample))


@pytest.mark.parametrize("op", named(op for op in SMOOTH if any(has_differences(case_of(op), s) for s in op.samples)))
@SOME
@given(data=st.data())
def test_gradient(op: Op, data: st.DataObject) -> None:
    if not check_gradient(case_of(op), *drawn(data, op)):
        reject()


@pytest.mark.parametrize("op", named(PAIRS))
@given(data=st.data())
def test_gradient_of_what_broadcasts(op: Op, data: st.DataObject) -> None:
    args = data.draw(broadcast_inputs(op, min_side=1))
    checked(public(op.name), *args, order=2)


@SOME
@given(data=st.data())
def test_gradient_of_where(data: st.DataObject) -> None:
    condition, a, b = data.draw(broadcast_inputs(REGISTRY["where"], 3, min_side=1))
    gradcheck(lambda a, b: tt.where(condition > 0.5, a, b), a, b, order=2)


@pytest.mark.parametrize("op", named(op for op in SMOOTH if op.definition))
@SOME
@given(data=st.data())
def test_fast_rules_are_their_definitions(op: Op, data: st.DataObject) -> None:
    (sample, args), case = drawn(data, op), case_of(op)
    check_definition(case, sample, args, data.draw(arrays(case.call(sample, *args).shape)))
