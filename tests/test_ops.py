"""What must hold for every op in the registry: it is the NumPy function, and its gradient is right.

A new op is tested by being registered: its domain and samples are all that these tests need. An op without them, or
without a docstring, fails at collection.
"""
import doctest
import math
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import tinytensor as tt
from tinytensor import autograd, compose, core, define
from tinytensor.apply import PUBLIC
from tinytensor.autograd import gradients
from tinytensor.core import NUMPY, REGISTRY, Op, Sample, Tensor
from tinytensor.define import public
from tinytensor.dispatch import full_name
from tinytensor.testing import complex_step, gradcheck
from tinytensor.testing.strategies import LAYOUTS, arrays, broadcast_inputs, fixed_inputs, inputs, shapes

# --- the registry, as cases ---


def complete(op: Op) -> Op:
    """The op, if it says of itself what the tests need."""
    assert "Examples" in (public(op.name).__doc__ or ""), f"{op.name}: a docstring with an example is missing"
    assert op.samples, f"{op.name}: samples are missing"
    assert op.domain and all(d.intervals for d in op.domain), f"{op.name}: a domain is missing"
    return op


def named(ops: Any) -> list[Any]:
    return [pytest.param(op, id=op.name) for op in ops]


def calls(ops: Any) -> list[Any]:
    return [pytest.param(op, s, id=f"{op.name}-{i}") for op in ops for i, s in enumerate(op.samples)]


def differentiable(op: Op) -> bool:
    return isinstance(op.rules, define.Every) or any(op.rules)


OPS = [complete(op) for op in REGISTRY.values()]
ROWS = [op for op in OPS if isinstance(op.forward, np.ufunc)]
SMOOTH = [op for op in OPS if differentiable(op)]
CALLS = [(op, s) for op in OPS for s in op.samples]
FLOAT_PAIRS = [op for op in ROWS if op.forward.nin == 2 and "dd->" in "".join(f"{t} " for t in op.forward.types)]
PAIRS = [op for op in [*FLOAT_PAIRS, REGISTRY["power"], REGISTRY["float_power"]] if differentiable(op)]
FEW = settings(max_examples=max(settings().max_examples // 4, 1))  # for what runs once for each sample


def call(op: Op, sample: Sample, *args: Any) -> Any:
    """The op's public function, with the parameters of a sample."""
    return public(op.name)(*args, **sample.params)


def leaves_of(op: Op, args: Any) -> list[Any]:
    """The arguments, the floating arrays among them as leaves where the op has a rule for them."""
    return [Tensor(x, requires_grad=True) if isinstance(x, np.ndarray) and x.dtype.kind == "f" and op.rules[i] else x
            for i, x in enumerate(args)]


def tensors(args: Any) -> list[Tensor]:
    return [x for x in args if isinstance(x, Tensor)]


def nodes(*roots: Tensor) -> set[Tensor]:
    """Every tensor that these were made of."""
    seen, stack = set(), list(roots)
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            stack += node.inputs
    return seen


def checked(f: Any, *args: Any, order: int) -> None:
    """gradcheck, unless the drawn point is all kinks."""
    try:
        gradcheck(f, *args, order=order)
    except ValueError as error:
        if "kink" not in str(error):
            raise
        reject()


def check_op(op: Op, sample: Sample, args: Any, order: int = 2) -> None:
    """The gradient of one call, with respect to every floating array."""
    checked(lambda *xs: call(op, sample, *xs), *args, order=order)


def has_differences(op: Op, sample: Sample) -> bool:
    """Whether differences can check it: elements go in and come out, in float64."""
    args = [np.ones(x) if isinstance(x, tuple) else x for x in sample.inputs]
    with np.errstate(all="ignore"):
        y = call(op, sample, *args)
    return bool(y.dtype == np.float64 and y.size and sum(x.size for x in args if isinstance(x, np.ndarray)))


# --- the forward pass is NumPy's ---


def softmax(x: Any, axis: int = -1) -> Any:
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


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
    windows = np.moveaxis(x, axis % (x.ndim - 1), -2)  # (..., windows, elements)
    z = np.zeros((*windows.shape[:-2], size), x.dtype)
    for i in range(windows.shape[-2]):
        for k in range(windows.shape[-1]):
            z[..., i * stride + k * dilation] += windows[..., i, k]
    return np.moveaxis(z, -1, axis)


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


def answers(op: Op) -> list[Any]:
    """The NumPy functions, and methods of ufuncs, that an op answers for."""
    _, inside, last = op.name.rpartition(".")
    keys = [key for key, function in NUMPY.items()
            if function.__name__ == last and (not inside or full_name(key) == f"np.{op.name}")]
    return [getattr(key[0], key[1]) if isinstance(key, tuple) else key for key in keys]


def apart(function: Any, x: Any, window_shape: int, axis: int = -1, stride: int = 1, dilation: int = 1) -> Any:
    """NumPy's windows, thinned out: it knows no stride and no dilation."""
    windows = function(x, dilation * (window_shape - 1) + 1, axis=axis)
    return windows[(*[slice(None)] * (axis % x.ndim), slice(None, None, stride), ..., slice(None, None, dilation))]


def by_numpy(function: Any, op: Op, args: Any, params: Any) -> Any:
    """The same call, of NumPy's own function."""
    if function is np.astype:
        return function(*args, *params.values())
    if function is np.lib.stride_tricks.sliding_window_view:
        return apart(function, *args, **params)
    return function(args, **params) if isinstance(op.rules, define.Every) else function(*args, **params)


def same(mine: Any, numpy: Any, exact: bool = False) -> None:
    mine = mine.data if isinstance(mine, Tensor) else mine
    assert mine.dtype == np.asarray(numpy).dtype
    assert mine.shape == np.shape(numpy)
    np.testing.assert_allclose(mine, numpy, rtol=0 if exact else 1e-5 if mine.dtype == np.float32 else 1e-12, atol=1e-6
                               if not exact and mine.dtype == np.float32 else 0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("op, sample", calls(OPS))
def test_forward_is_numpys(op: Op, sample: Sample, dtype: Any) -> None:
    args = fixed_inputs(op, sample, dtype)
    wrapped = [Tensor(x) if isinstance(x, np.ndarray) else x for x in args]
    functions = answers(op)
    assert functions or op.name in PLAIN, "an op needs a NumPy function, or a plain formula in this file, to be held to"
    for function in functions:
        expected = by_numpy(function, op, args, sample.params)
        if function.__name__ != "reduce":  # that of a ufunc goes along the first axis, unless told otherwise
            same(call(op, sample, *args), expected)  # arrays in: an array out
        if wrapped:
            y = by_numpy(function, op, wrapped, sample.params)
            assert type(y) is Tensor and type(y.data) is np.ndarray
            same(y, expected)
    if op.name in PLAIN:
        with np.errstate(all="ignore"):
            same(call(op, sample, *wrapped), np.asarray(PLAIN[op.name](*args, **sample.params)))


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


X, V, M = np.array([[0.5, -1.5, 2.0], [1.0, 0.25, -2.5]]), np.array([3.0, 1.0, 2.0]), np.arange(6.0).reshape(3, 2)
COMPOSED = {  # functions without a rule of their own: a call, and NumPy's
    "ravel": [(tt.ravel, np.ravel, X), (tt.flatten, np.ravel, X)],
    "split": [(lambda x: tt.concatenate(tt.split(x, 3, 1)[::-1], 1), lambda x: x[:, ::-1], X),
              (lambda x: tt.split(x, [1], 1)[1], lambda x: np.split(x, [1], 1)[1], X),
              (lambda x: tt.split(x, [1, 4])[2], lambda x: np.split(x, [1, 4])[2], V)],
    "sort": [(tt.sort, np.sort, X), (lambda x: tt.sort(x, 0), lambda x: np.sort(x, 0), X)],
    "cumprod": [(lambda x, a=a: tt.cumprod(x, a), lambda x, a=a: np.cumprod(x, a), X) for a in (None, 0, 1, -1)],
    "einsum": [(lambda a, b: tt.einsum("ij,jk", a, b), np.matmul, X, M)],
}
MADE = {"tensor", "zeros", "ones", "empty", "full", "eye", "identity", "tri", "arange", "rand", "randn", "randint"}
ARRANGED = {"array_split", "hsplit", "vsplit", "dsplit", "compress", "extract", "piecewise", "apply_along_axis",
            "apply_over_axes", "pad", "sliding_window_view", "where"}  # in test_arrange.py


def test_every_public_function_is_tested() -> None:
    rest = {name for name, function in PUBLIC.items() if function.__name__ not in REGISTRY} - MADE
    elsewhere = {*compose.COMPOSED, *[name.removeprefix("np.") for name in compose.OBSERVED], *ARRANGED}
    assert {PUBLIC[name].__name__ for name in rest} - elsewhere <= set(COMPOSED)


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
        with pytest.raises(TypeError, match=rf"np\.{name} does not take a Tensor: it has no rule; compose it of ops"):
            ufuncs[name](*[tt.ones(2)] * ufuncs[name].nin)


def accepts_floats(ufunc: np.ufunc) -> bool:
    return any(t.partition("->")[0] == "d" * ufunc.nin for t in ufunc.types)


# --- nothing is written, dtypes and shapes are kept ---


@pytest.mark.parametrize("op, sample", calls(OPS))
def test_layouts_are_read_and_nothing_is_written(op: Op, sample: Sample) -> None:
    """Read-only inputs in any layout, a read-only g, two passes over one graph: always the values of plain copies."""
    args = fixed_inputs(op, sample)
    plain = leaves_of(op, args)
    expected = call(op, sample, *plain)
    g = np.random.default_rng(0).uniform(0.5, 1.5, expected.shape).astype(expected.dtype)
    gradient = gradients({expected: g.copy()}) if tensors(plain) else {}
    for layout in LAYOUTS:
        awkward = leaves_of(op, [layout(x) if isinstance(x, np.ndarray) else x for x in args])
        y = call(op, sample, *awkward)
        if not tensors(plain):  # no rule: arrays in, an array out
            np.testing.assert_array_equal(y, expected)
            continue
        np.testing.assert_allclose(y.data, expected.data, rtol=1e-12, atol=1e-13)
        first, again = (gradients({y: layout(g)}, release=False) for _ in range(2))
        for x, p in zip(tensors(awkward), tensors(plain), strict=True):
            np.testing.assert_allclose(first[x], gradient[p], rtol=1e-12, atol=1e-13)
            np.testing.assert_array_equal(first[x], again[x])


@pytest.mark.parametrize("op, sample", calls(SMOOTH))
def test_float32_stays(op: Op, sample: Sample) -> None:
    """In a graph whose arrays are all float32, every value and gradient is float32, at order 2 as well."""
    if op.name == "float_power" or "dtype" in sample.params:
        wanted = np.dtype(sample.params.get("dtype", np.float64))  # they are asked for another dtype
    else:
        wanted = np.dtype(np.float32)
    leaves = leaves_of(op, fixed_inputs(op, sample, np.float32))
    y = call(op, sample, *leaves)
    assert y.dtype == wanted
    xs = tensors(leaves)
    for create_graph in (False, True):
        found = tt.grad(y, xs, np.ones(y.shape, y.dtype), create_graph=create_graph, retain_graph=True)
        for x, g in zip(xs, found, strict=True):
            assert g.dtype == np.float32 and g.shape == x.shape and type(g.data) is np.ndarray
        if wanted == np.float32:
            assert {node.dtype for node in nodes(y, *[g for g in found if g.needs])} == {np.dtype(np.float32)}


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


@pytest.mark.parametrize("op", named(op for op in SMOOTH if list(map(str, op.samples[0].inputs)) == ["(2, 3)"]))
@FEW
@given(data=st.data())
def test_any_shape(op: Op, data: st.DataObject) -> None:
    """No axes, one element, no element: a gradient of the right shape and dtype, or NumPy's own error."""
    shape, dtype = data.draw(shapes()), data.draw(st.sampled_from([np.float32, np.float64]))
    array = data.draw(arrays(shape, op.domain_of(0), dtype))
    params: dict[str, Any] = {key: value for key, value in op.samples[0].params.items() if key != "shape"}
    if op.name in ("reshape", "pad", "softmax", "log_softmax", "tril", "triu") or "axis" in params:
        shape = array.shape or (1,)
        array = array.reshape(shape)
        params = {"shape": -1} if op.name == "reshape" else params
        array = np.stack([array, array]) if op.name in ("tril", "triu") else array
    x = Tensor(array, requires_grad=True)
    try:
        expected = by_numpy(answers(op)[0], op, [array], params) if answers(op) else None
    except ValueError:  # the largest of no elements
        with pytest.raises(ValueError, match=f"^{op.name}: "):
            public(op.name)(x, **params)
        return
    except RuntimeWarning:  # the mean of no elements
        assert not array.size
        return
    if not array.size and op.name in ("softmax", "log_softmax", "logsumexp"):
        return  # nothing to be the largest
    y = public(op.name)(x, **params)
    if expected is not None:
        same(y, expected)
    if y.needs:
        y.backward(np.ones(y.shape))
        assert x.grad.shape == x.shape and x.grad.dtype == (x.dtype)


# --- the gradient is right ---


@pytest.mark.parametrize("op, sample", [p for p in calls(SMOOTH) if has_differences(*p.values)])
@FEW
@given(data=st.data())
def test_gradient(op: Op, sample: Sample, data: st.DataObject) -> None:
    check_op(op, sample, data.draw(inputs(op, sample)))


@pytest.mark.parametrize("op", named(PAIRS))
@given(data=st.data())
def test_gradient_of_what_broadcasts(op: Op, data: st.DataObject) -> None:
    args = data.draw(broadcast_inputs(op, min_side=1))
    checked(public(op.name), *args, order=2)


@pytest.mark.parametrize("op", named([*PAIRS, REGISTRY["where"]]))
@FEW
@given(data=st.data())
def test_shapes_of_what_broadcasts(op: Op, data: st.DataObject) -> None:
    """Also where nothing is left: an axis of no elements against one of size 1."""
    args = data.draw(broadcast_inputs(op, 3 if op.name == "where" else 2))
    if op.name == "where":
        args = (args[0] > 0.5, *args[1:])
    leaves = leaves_of(op, args)
    y = public(op.name)(*leaves)
    assert y.shape == np.broadcast_shapes(*[a.shape for a in args])
    for x, g in zip(tensors(leaves), tt.grad(y, tensors(leaves), np.ones(y.shape)), strict=True):
        assert g.shape == x.shape and (y.size or not g.data.any())


@FEW
@given(data=st.data())
def test_gradient_of_where(data: st.DataObject) -> None:
    condition, a, b = data.draw(broadcast_inputs(REGISTRY["where"], 3, min_side=1))
    gradcheck(lambda a, b: tt.where(condition > 0.5, a, b), a, b, order=2)


@pytest.mark.parametrize("op, sample", calls(op for op in SMOOTH if op.analytic))
def test_complex_step(op: Op, sample: Sample) -> None:
    args = fixed_inputs(op, sample)
    leaves = leaves_of(op, args)
    rng = np.random.default_rng(0)
    moves = [rng.uniform(-1, 1, x.shape) if isinstance(x, Tensor) else None for x in leaves]
    y = call(op, sample, *leaves)
    w = rng.uniform(0.5, 1.5, y.shape)
    exact = np.sum(w * complex_step(lambda *z: op.forward(*z, **sample.params), args, moves))
    found, moves = tt.grad(y, tensors(leaves), w), [d for d in moves if d is not None]
    along = [np.sum(g.data * d) for g, d in zip(found, moves, strict=True)]
    assert exact.size == 1
    np.testing.assert_allclose(sum(along), exact, rtol=1e-10, atol=1e-10 * (1 + sum(map(abs, along))))


@pytest.mark.parametrize("op, sample", calls(op for op in SMOOTH if op.definition))
@FEW
@given(data=st.data())
def test_fast_rules_are_their_definitions(op: Op, sample: Sample, data: st.DataObject) -> None:
    args = data.draw(inputs(op, sample))
    fast, slow = leaves_of(op, args), leaves_of(op, args)
    y, z = call(op, sample, *fast), op.definition(*slow, **sample.params)
    np.testing.assert_allclose(y.data, z.data, rtol=1e-12, atol=1e-13)
    g = data.draw(arrays(y.shape))
    by_rule = tt.grad(y, tensors(fast), g, retain_graph=True)
    by_expansion = tt.grad(y, tensors(fast), g, create_graph=True)
    by_definition = tt.grad(z, tensors(slow), g)
    for a, b, c in zip(by_rule, by_expansion, by_definition, strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(a.data, c.data, rtol=1e-11, atol=1e-12)


# --- what the docstrings show ---

DOCUMENTED = {**{f.__name__: f for f in PUBLIC.values()},
              **{f"{m.__name__}.{k}": v for m in (core, autograd, define) for k, v in vars(m).items()
                 if callable(v) and getattr(v, "__module__", "") == m.__name__}}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_docstring(name: str) -> None:
    finder = doctest.DocTestFinder(exclude_empty=True, recurse=False)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    text: list[str] = []
    for example in finder.find(DOCUMENTED[name], name, module=False, globs={"np": np, "tt": tt}):
        runner.run(example, out=text.append)
    assert not runner.failures, "".join(text)
