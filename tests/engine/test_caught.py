"""What a mutant changed and no test saw (`python -m tests.support.mutants`), now seen: each test here caught some.

They stand apart since they hold corners that no reader would look for: blocks, caches, long inputs, mixed dtypes.
"""

import copy
import math
import operator
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.broadcasting import MANY, ones_row, unit_gradient
from tinytensor.core import NUMPY, REGISTRY, Tensor
from tinytensor.modes import recording
from tinytensor.ops.attention import causal_mask, query_blocks
from tinytensor.ops.fused import row_starts
from tinytensor.ops.index import one_hot_table
from tinytensor.ops.norm import one_and_zero
from tinytensor.testing import gradcheck

R = np.random.default_rng(0)


def leaf(*shape: int, dtype: Any = np.float64) -> Tensor:
    return Tensor(R.uniform(-1, 1, shape).astype(dtype), requires_grad=True)


def both_ways(name: str, *inputs: Any, **params: Any) -> None:
    """An op's value and gradients are those of its definition."""
    op = REGISTRY[name]
    y, z = getattr(tt, name)(*inputs, **params), op.definition(*inputs, **params)
    np.testing.assert_allclose(y.data, z.data, rtol=1e-9, atol=1e-12)
    xs = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
    g = R.uniform(-1, 1, y.shape)
    for a, b in zip(tt.grad(y, xs, g), tt.grad(z, xs, g), strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-8, atol=1e-11)


# --- what is kept between calls can't be written ---


@pytest.mark.parametrize("cached", [
    lambda: ones_row(3, np.float32), lambda: unit_gradient((2,), np.float32), lambda: causal_mask(4, np.float32),
    lambda: row_starts(2, 3), lambda: one_hot_table(3, np.float32), lambda: one_and_zero(np.float32)])
def test_cached_arrays_can_not_be_written(cached: Callable[[], Any]) -> None:
    assert cached() is cached()
    with pytest.raises(ValueError, match="read-only"):
        cached()[...] = 0


# --- attention in blocks ---


def test_long_causal_attention_goes_in_four_blocks() -> None:
    assert query_blocks(256, True) == [(0, 64), (64, 128), (128, 192), (192, 256)]
    for t, causal in (255, True), (258, True), (252, True), (256, False):
        assert query_blocks(t, causal) == [(0, t)]


@pytest.mark.parametrize("mask", [None, (256,), (256, 1), (1, 256), (256, 256), (2, 256, 256), (3, 1, 256, 1)])
def test_blocks_lose_nothing(mask: Any) -> None:
    """Every block takes from all that came before it, its mask is its part of the mask, and so are the gradients."""
    both_ways("attention", leaf(3, 256, 12), *([leaf(*mask)] if mask else []), heads=2)


def test_lengths_that_four_does_not_divide() -> None:
    both_ways("attention", leaf(1, 258, 3))


# --- a bias of another dtype ---


@pytest.mark.parametrize("f, inputs", [
    (tt.linear, lambda: (leaf(2, 3), leaf(4, 3), leaf(4))),
    (tt.batch_norm, lambda: (leaf(5, 3), leaf(3), leaf(3))),
    (tt.layer_norm, lambda: (leaf(2, 3), leaf(3), leaf(3))),
    (lambda *xs: tt.layer_norm(*xs, axes=2), lambda: (leaf(4, 2, 3), leaf(2, 3), leaf(2, 3))),
], ids=["linear", "batch_norm", "layer_norm", "layer_norm of two axes"])
def test_a_bias_of_a_wider_dtype_promotes(f: Any, inputs: Any) -> None:
    x, weight, bias = inputs()
    narrow = [Tensor(t.data.astype(np.float32)) for t in (x, weight)]
    y = f(*narrow, bias)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y.data, f(x, weight, bias).data, atol=1e-5)
    assert np.any(y.data != y.data.astype(np.float32))  # the sum itself is not rounded
    assert f(*narrow, bias.detach().astype(np.float32)).dtype == np.float32


# --- norms along other axes ---


@pytest.mark.parametrize("shape, axis", [((4, 3), 0), ((4, 3), 1), ((4, 3), -1), ((3, 4, 2), 0), ((2, 3, 4), 2),
                                         ((2, 4, 3), -2)])
def test_channels_of_a_batch_norm_on_any_axis(shape: tuple[int, ...], axis: int) -> None:
    n = shape[axis]
    both_ways("batch_norm", leaf(*shape), leaf(n), leaf(n), axis=axis)


def test_a_layer_norm_over_all_axes() -> None:
    both_ways("layer_norm", leaf(3, 4), leaf(3, 4), leaf(3, 4), axes=2)
    both_ways("rms_norm", leaf(3, 4), leaf(3, 4), axes=2, eps=0.1)
    both_ways("layer_norm", leaf(9, 4), leaf(4), leaf(4))  # more rows than an outer product is broadcast for


@pytest.mark.parametrize("f, text", [
    (lambda: tt.batch_norm(leaf(2, 3), leaf(3), leaf(4)), r"batch_norm: got bias of shape \(4,\)"),
    (lambda: tt.layer_norm(leaf(2, 3), leaf(3), leaf(4)), r"layer_norm: got bias of shape \(4,\)"),
    (lambda: tt.gelu(leaf(3), approximate="erf"), "gelu: got approximate='erf'; expected"),
    (lambda: tt.linear(leaf(2, 3), leaf(4, 2)), r"linear: got x of shape \(2, 3\) and weight of shape \(4, 2\); "),
    (lambda: tt.linear(leaf(2, 3), leaf(4, 3), leaf(3)), r"linear: got a bias of shape \(3,\) for a weight"),
    (lambda: tt.cross_entropy(leaf(), np.array(0)), r"cross_entropy: got logits of shape \(\) and targets"),
    (lambda: tt.cross_entropy(leaf(2, 3), np.array([0])), r"cross_entropy: got logits of shape \(2, 3\) and targets"),
    (lambda: tt.cross_entropy(leaf(2, 3), np.array([0.0, 1.0])), "cross_entropy: got targets of dtype float64"),
    (lambda: tt.embedding(leaf(5, 2), np.array([0.0, 1.0])), "embedding: got indices of dtype float64"),
    (lambda: tt.embedding(leaf(5, 2), [7, 1, -2]), "embedding: got index 7 for"),
    (lambda: tt.embedding(leaf(5, 2, 2), np.array([0])), r"embedding: got a weight of shape \(5, 2, 2\)"),
])
def test_refusals_say_what_came(f: Callable[[], Any], text: str) -> None:
    with pytest.raises((ValueError, TypeError, IndexError), match=f"^{text}"):
        f()


@pytest.mark.parametrize("f", [tt.layer_norm, tt.rms_norm])
def test_norms_of_no_channels(f: Any) -> None:
    x = leaf(2, 0)
    assert tt.grad(f(x, leaf(0)), x, np.ones((2, 0))).shape == (2, 0)


# --- classes, indices ---


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64, np.int64])
def test_classes_and_indices_of_any_integer_dtype(dtype: Any) -> None:
    whole = np.array([0, 2, 1])
    z, table = leaf(3, 3), leaf(3, 2)
    assert tt.cross_entropy(z, whole.astype(dtype)).item() == tt.cross_entropy(z, whole).item()
    np.testing.assert_array_equal(tt.embedding(table, whole.astype(dtype)).data, table.data[whole])


def test_indices_in_a_list() -> None:
    table = leaf(3, 2)
    np.testing.assert_array_equal(tt.embedding(table, [[0, 2], [1, 0]]).data, table.data[[[0, 2], [1, 0]]])
    assert tt.grad(tt.take(table, [2, 2], 0).sum(), table).tolist() == [[0, 0], [0, 0], [2, 2]]
    assert table[[]].shape == (0, 2)


@pytest.mark.parametrize("rows, classes", [(1, 3), (2, 200), (MANY, 3), (MANY + 1, 3)])
def test_cross_entropy_of_many_rows(rows: int, classes: int) -> None:
    z, targets = leaf(rows, classes), R.integers(0, classes, rows)
    e = np.exp(z.data)
    p, observed = e / e.sum(1, keepdims=True), np.eye(classes)[targets]
    loss = tt.cross_entropy(z, targets)
    np.testing.assert_allclose(loss.item(), -np.log(p[observed == 1]).mean(), rtol=1e-12)
    np.testing.assert_allclose(tt.grad(loss, z).data, (p - observed) / rows, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
@pytest.mark.parametrize("index", [np.array([2, 0, 2]), np.array(1), np.zeros(0, np.int64), np.array([[0, 1], [3, 3]])])
def test_scatter_is_add_at(index: Any, dtype: Any) -> None:
    x = R.integers(1, 9, (*index.shape, 2)).astype(dtype)
    z = np.zeros((4, 2), dtype)
    np.add.at(z, index, x)
    y = tt.scatter(x, index, (4, 2))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, z)


# --- reductions of nothing ---


@pytest.mark.parametrize("shape, axis", [((0, 3), 1), ((3, 0), 0), ((0,), None), ((3, 0), 1)])
@pytest.mark.parametrize("name", ["mean", "var", "std", "prod"])
@pytest.mark.filterwarnings("ignore")  # NumPy's own of empty slices
def test_reductions_of_nothing_have_gradients(name: str, shape: tuple[int, ...], axis: Any) -> None:
    x = leaf(*shape)
    y = getattr(tt, name)(x, axis=axis)
    np.testing.assert_array_equal(y.data, getattr(np, name)(x.data, axis=axis))
    for create_graph in (False, True):
        assert tt.grad(y, x, np.ones(y.shape), create_graph=create_graph, retain_graph=True).shape == shape


@pytest.mark.parametrize("shape, how", [((2, 0), {"axis": 1}), ((2, 5), {"keepdims": True}), ((7,), {}), ((0,), {}),
                                        ((2, 3), {"axis": 0, "keepdims": True})])
def test_products_are_their_definition(shape: tuple[int, ...], how: dict[str, Any]) -> None:
    both_ways("prod", leaf(*shape), **how)


def test_one_value_has_no_variance_with_a_correction() -> None:
    for freedom in (1, 2):
        x = leaf(1)
        with np.errstate(all="ignore"), pytest.warns(RuntimeWarning):
            y = tt.var(x, ddof=freedom)
        assert np.isnan(tt.grad(y, x).item())


# --- values ---


def test_erf_in_float32_at_both_ends() -> None:
    x = np.linspace(-6, 6, 2001, dtype=np.float32)
    np.testing.assert_allclose(tt.erf(x), [math.erf(v) for v in x], rtol=3e-7, atol=0)


def test_a_constant_beside_a_pad() -> None:
    x = leaf(2)
    y = tt.pad(x, 1, constant_values=2.0)
    np.testing.assert_array_equal(y.data, np.pad(x.data, 1, constant_values=2.0))
    assert gradcheck(lambda x: tt.pad(x, (1, 2), constant_values=-1.0) ** 2, x.data, order=2)


def test_copysign_at_0() -> None:
    a, b = (Tensor(np.array([0.0, -0.0]), requires_grad=True) for _ in range(2))
    assert [g.tolist() for g in tt.grad(np.copysign(a, b), [a, b], np.ones(2))] == [[0, 0], [0, 0]]


# --- what is recorded ---

APPLIED: dict[str, Callable[[Any], Any]] = {  # one function for each way of applying
    "unary": np.exp, "binary, left": lambda x: x * 2.0, "binary, right": lambda x: 2.0 * x,
    "binary, both": lambda x: x * x,
    "binary, array left": lambda x: np.ones(3) - x, "binary, array right": lambda x: x - np.ones(3),
    "general": lambda x: np.sum(x, axis=0), "variadic": lambda x: np.stack([x, x]), "indexed": lambda x: x[1:],
    "fused": lambda x: tt.softmax(x), "composed": lambda x: np.diff(x) if np.diff in NUMPY else np.sort(x),
}


def recorded(y: Tensor) -> bool:
    """Whether a tensor knows how it was made, in every way that it should or should not."""
    knows = {y.requires_grad, y.op is not None, bool(y.inputs), bool(y.saved)}
    assert len(knows) == 1, "it knows half of how it was made"
    return y.requires_grad


@pytest.mark.parametrize("f", APPLIED.values(), ids=APPLIED)
def test_only_what_needs_a_gradient_is_recorded(f: Callable[[Any], Any]) -> None:
    x, constant = leaf(3), Tensor(np.ones(3))
    assert recorded(f(x)) and not recorded(f(constant))
    with tt.no_grad():
        assert not recorded(f(x))
        with tt.no_grad():
            assert not recorded(f(x))
        assert not recorded(f(x))
        with recording(True):
            assert recorded(f(x)) and not recorded(f(constant))
        assert not recorded(f(x))
    assert recorded(f(x)) and not recorded(f(constant))
    assert not recorded(f(x.detach()))


@pytest.mark.parametrize("f", APPLIED.values(), ids=APPLIED)
def test_another_threads_no_grad_is_not_ours(f: Callable[[Any], Any]) -> None:
    inside, done = threading.Event(), threading.Event()

    def elsewhere() -> None:
        with tt.no_grad():
            inside.set()
            done.wait()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    inside.wait()
    try:
        assert recorded(f(leaf(3))) and not recorded(f(Tensor(np.ones(3))))
    finally:
        done.set()
        thread.join()


BOOLS = Tensor(np.array([True, False]))


@pytest.mark.parametrize("f, name", [(lambda: -BOOLS, "negative"), (lambda: BOOLS - BOOLS, "subtract"),
                                     (lambda: np.ones(2, bool) - BOOLS, "subtract")])
def test_numpys_refusals_are_in_the_ops_name(f: Callable[[], Any], name: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name}: got bool \(2,\)(, bool \(2,\))?; .*, use the"):
        f()


def test_numbers_and_arrays_alone_stay_so() -> None:
    """Without a Tensor an op is NumPy's function: numbers and arrays come out."""
    assert type(tt.exp(np.ones(2))) is np.ndarray and tt.exp([1.0, 2.0]).dtype == np.float32
    assert type(tt.multiply(2.0, 3.0)) is np.float64 and type(tt.multiply(np.ones(2), 2.0)) is np.ndarray
    assert type(tt.sum(np.ones(2))) is np.float64 and type(tt.softmax(np.ones(2))) is np.ndarray


# --- how calls are read ---


def test_inputs_by_keyword() -> None:
    """By our names and by NumPy's, with the optional ones too."""
    x, weight, bias = leaf(2, 3), leaf(4, 3), leaf(4)
    assert tt.linear(x, weight=weight, bias=bias).tolist() == tt.linear(x, weight, bias).tolist()
    assert tt.sum(a=x, axis=0).tolist() == np.sum(a=x, axis=0).tolist() == x.data.sum(0).tolist()
    assert np.flip(m=x).tolist() == x.data[::-1, ::-1].tolist()
    assert tt.concatenate([x, x], np.int64(1)).shape == (2, 6)


@pytest.mark.parametrize("f, text", [
    (lambda x: tt.softmax(x, 0, 1), "softmax: got 2 parameters by position, of which 1 may be; expected softmax(x, "),
    (lambda x: tt.softmax(x, 0, axis=0), "softmax: got parameter 'axis' twice; expected softmax(x, "),
    (lambda x: tt.softmax(x, colour=0), "softmax: got an unknown parameter 'colour'; expected softmax(x, "),
    (lambda x: tt.softmax(x, dim=0), "softmax: got an unknown parameter 'dim'; expected softmax(x, "),
    (lambda x: tt.swapaxes(x, 0), "swapaxes: got no parameter 'axis2'; expected swapaxes(x, axis1, axis2)"),
    (lambda x: tt.linear(x), "linear: got no weight; expected linear(x, weight, bias=None)"),
    (lambda x: tt.stack(5.0), "stack: got a float in place of a sequence of arrays; expected stack("),
], ids=lambda f: "" if callable(f) else f.partition(";")[0])
def test_calls_that_do_not_fit(f: Callable[[Any], Any], text: str) -> None:
    with pytest.raises(TypeError) as error:
        f(leaf(2, 3))
    assert str(error.value).startswith(text)


def test_errors_are_worded_once() -> None:
    """An error that an op words itself passes through; others say what NumPy said, and only broadcasting broadcasts."""
    with pytest.raises(ValueError, match="^einsum: "):
        tt.contract(leaf(2, 3), leaf(2, 3), subscripts="ij,jk")
    with pytest.raises(ValueError, match="^concatenate: got .*; all the input array dimensions"):
        tt.concatenate([leaf(2, 3), leaf(4, 5)])
    with pytest.raises(ValueError, match=r"^add: got shapes \(2,\) and \(3,\), which do not broadcast"):
        leaf(2) + leaf(3)
    with pytest.raises(TypeError, match="^subtract: got .*; numpy boolean subtract"):
        BOOLS - np.ones(3, bool)


# --- a tensor as Python and NumPy see it ---


def test_conversions() -> None:
    x = tt.tensor([1.5, 2.5])
    assert repr(REGISTRY["exp"]) == "<op exp>"
    assert np.asarray(x, dtype=np.float64).dtype == np.float64 and np.asarray(x).dtype == np.float32
    assert operator.index(tt.tensor(True)) == 1 and operator.index(tt.tensor(3)) == 3
    assert [f(tt.tensor([2.5])) for f in (float, int, bool)] == [2.5, 2, True]
    for f in float, int, bool:
        with pytest.raises(ValueError, match=rf"^{f.__name__}: got shape \(2,\), of 2 elements"):
            f(x)
    for wrong in tt.tensor([1]), tt.tensor(1.0):
        with pytest.raises(TypeError, match=r"^index: "):
            operator.index(wrong)
    assert not copy.deepcopy(x).requires_grad and copy.deepcopy(leaf(2)).requires_grad
    assert not copy.deepcopy(leaf(2) * 2).requires_grad


def test_no_grad_passes_arguments_on() -> None:
    @tt.no_grad()
    def scaled(x: Any, by: float, *, plus: float = 0.0) -> Any:
        return x * by + plus

    x = leaf(2)
    assert not recorded(y := scaled(x, 2.0, plus=1.0)) and y.tolist() == (x.data * 2 + 1).tolist()


def test_attention_of_no_places() -> None:
    x = leaf(2, 0, 6)
    assert tt.grad(tt.attention(x, heads=2), x, np.ones((2, 0, 2))).shape == (2, 0, 6)
    with pytest.raises(ValueError, match=r"^attention: got qkv of shape \(2, 3, 0\) for 1 heads"):
        tt.attention(leaf(2, 3, 0))
