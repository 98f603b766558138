"""What a mutant changed and no test saw (`python -m tests.mutants`), now seen: each test here caught some.

They stand apart since they hold corners that no reader would look for: blocks, caches, long inputs, mixed dtypes.
"""

import array
import asyncio
import copy
import math
import operator
import re
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import autograd
from tinytensor.broadcasting import BLOCK, MANY, ones, sum_rows, unbroadcast, unit
from tinytensor.core import NUMPY, REGISTRY, Tensor, as_array, first_tracer
from tinytensor.modes import recording, state
from tinytensor.ops.attention import future, spans
from tinytensor.ops.fused import starts
from tinytensor.ops.index import one_hot_table
from tinytensor.ops.norm import first
from tinytensor.testing import gradcheck

R = np.random.default_rng(0)


def leaf(*shape: int, dtype: Any = np.float64) -> Tensor:
    return Tensor(R.uniform(-1, 1, shape).astype(dtype), requires_grad=True)


def both_ways(name: str, *inputs: Any, **params: Any) -> None:
    """An op's value and gradients are those of its definition."""
    op = REGISTRY[name]
    y, z = getattr(tt, name)(*inputs, **params), op.definition(*inputs, **params)
    np.testing.assert_allclose(y.data, z.data, rtol=1e-9, atol=1e-12)
    xs = [x for x in inputs if isinstance(x, Tensor) and x.needs]
    g = R.uniform(-1, 1, y.shape)
    for a, b in zip(tt.grad(y, xs, g), tt.grad(z, xs, g), strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-8, atol=1e-11)


# --- what is kept between calls can't be written ---


@pytest.mark.parametrize("cached", [
    lambda: ones(3, np.float32), lambda: unit((2,), np.float32), lambda: future(4, np.float32),
    lambda: starts(2, 3), lambda: one_hot_table(3, np.float32), lambda: first(np.float32)])
def test_cached_arrays_can_not_be_written(cached: Callable[[], Any]) -> None:
    assert cached() is cached()
    with pytest.raises(ValueError, match="read-only"):
        cached()[...] = 0


# --- attention in blocks ---


def test_long_causal_attention_goes_in_four_blocks() -> None:
    assert spans(256, True) == [(0, 64), (64, 128), (128, 192), (192, 256)]
    for t, causal in (255, True), (258, True), (252, True), (256, False):
        assert spans(t, causal) == [(0, t)]


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
    (lambda: tt.batch_norm(leaf(2, 3), leaf(3), leaf(4)), r"batch_norm: bias of shape \(4,\)"),
    (lambda: tt.layer_norm(leaf(2, 3), leaf(3), leaf(4)), r"layer_norm: bias of shape \(4,\)"),
    (lambda: tt.gelu(leaf(3), approximate="erf"), "gelu: approximate 'erf' came"),
    (lambda: tt.linear(leaf(2, 3), leaf(4, 2)), r"linear: x of shape \(2, 3\) and weight of shape \(4, 2\): the last"),
    (lambda: tt.linear(leaf(2, 3), leaf(4, 3), leaf(3)), r"linear: bias of shape \(3,\) for a weight"),
    (lambda: tt.cross_entropy(leaf(), np.array(0)), r"cross_entropy: logits of shape \(\) and targets"),
    (lambda: tt.cross_entropy(leaf(2, 3), np.array([0])), r"cross_entropy: logits of shape \(2, 3\) and targets"),
    (lambda: tt.cross_entropy(leaf(2, 3), np.array([0.0, 1.0])), "cross_entropy: targets of dtype float64"),
    (lambda: tt.embedding(leaf(5, 2), np.array([0.0, 1.0])), "embedding: indices of dtype float64"),
    (lambda: tt.embedding(leaf(5, 2), [7, 1, -2]), "embedding: index 7 came"),
    (lambda: tt.embedding(leaf(5, 2, 2), np.array([0])), r"embedding: a weight of shape \(5, 2, 2\) came"),
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
    knows = {y.needs, y.op is not None, bool(y.inputs), bool(y.saved)}
    assert len(knows) == 1, "it knows half of how it was made"
    return y.needs


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
    with pytest.raises(TypeError, match=rf"^{name}: .* \(given bool \(2,\)(, bool \(2,\))?\); convert the inputs"):
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
    (lambda x: tt.softmax(x, 0, 1), "softmax: 2 parameters came by position, but 1 can; expected softmax(x, "),
    (lambda x: tt.softmax(x, 0, axis=0), "softmax: parameter 'axis' came twice; expected softmax(x, "),
    (lambda x: tt.softmax(x, colour=0), "softmax: there is no parameter 'colour'; expected softmax(x, "),
    (lambda x: tt.softmax(x, dim=0), "softmax: there is no parameter 'dim'; it is 'axis' here; expected softmax(x, "),
    (lambda x: tt.swapaxes(x, 0), "swapaxes: parameter 'axis2' is missing; expected swapaxes(x, axis1, axis2)"),
    (lambda x: tt.linear(x), "linear: input weight is missing; expected linear(x, weight, bias=None)"),
    (lambda x: tt.stack(5.0), "stack: float came in the place of a sequence of arrays; expected stack("),
], ids=lambda f: "" if callable(f) else f.partition(";")[0])
def test_calls_that_do_not_fit(f: Callable[[Any], Any], text: str) -> None:
    with pytest.raises(TypeError) as error:
        f(leaf(2, 3))
    assert str(error.value).startswith(text)


def test_errors_are_worded_once() -> None:
    """An error that an op words itself passes through; others say what NumPy said, and only broadcasting broadcasts."""
    with pytest.raises(ValueError, match="^einsum: "):
        tt.contract(leaf(2, 3), leaf(2, 3), subscripts="ij,jk")
    with pytest.raises(ValueError, match="^concatenate: all the input array dimensions"):
        tt.concatenate([leaf(2, 3), leaf(4, 5)])
    with pytest.raises(ValueError, match=r"^add: shapes \(2,\) and \(3,\) do not broadcast"):
        leaf(2) + leaf(3)
    with pytest.raises(TypeError, match="^subtract: numpy boolean subtract"):
        BOOLS - np.ones(3, bool)


# --- a tensor as Python and NumPy see it ---


def test_conversions() -> None:
    x = tt.tensor([1.5, 2.5])
    assert repr(REGISTRY["exp"]) == "<op exp>"
    assert np.asarray(x, dtype=np.float64).dtype == np.float64 and np.asarray(x).dtype == np.float32
    assert operator.index(tt.tensor(True)) == 1 and operator.index(tt.tensor(3)) == 3
    assert [f(tt.tensor([2.5])) for f in (float, int, bool)] == [2.5, 2, True]
    for f in float, int, bool:
        with pytest.raises(ValueError, match=rf"^{f.__name__}: a tensor of shape \(2,\) has 2 elements"):
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
    with pytest.raises(ValueError, match=r"^attention: qkv of shape \(2, 3, 0\) came for 1 heads"):
        tt.attention(leaf(2, 3, 0))


# --- the pass ---


@pytest.mark.parametrize("shape", [(3,), ()])
@pytest.mark.parametrize("f", [lambda x: x[...], lambda x: x[...] + x[...], lambda x: x.sum(), lambda x: x * 2.0 + x,
                               lambda x: (y := x.reshape(-1)) * y])
def test_gradients_of_the_other_byte_order(f: Callable[[Any], Any], shape: tuple[int, ...]) -> None:
    """What reaches the leaf once, and what is a sum, which NumPy makes in the machine's order."""
    z = leaf(*shape)
    x = Tensor(z.data.astype(">f8"), requires_grad=True)
    g, expected = (tt.grad(f(t), t, np.ones(f(t).shape)) for t in (x, z))
    assert g.dtype.str == ">f8" and g.tolist() == expected.tolist()


def test_an_output_that_does_not_lead_to_what_is_asked_for_keeps_its_graph() -> None:
    x, other = leaf(2), leaf(2)
    z = (other * other).sum()
    tt.grad([(x * x).sum(), z], x)
    z.backward()
    np.testing.assert_allclose(other.grad, 2 * other.data)


def test_what_passes_are_asked_for_and_given_is_checked() -> None:
    x = leaf(2)
    y, z = (x * x).sum(), x.sum()
    for f, text in [
        (lambda: tt.grad([y, z], x, np.ones(2)), "grad: 2 outputs, but gradient= has a ndarray"),
        (lambda: tt.grad([y, z], x, [None], allow_unused=True), "grad: 2 outputs, but gradient= has 1"),
        (lambda: tt.grad([y, 3.0], x, allow_unused=True), "grad: the output does not require grad"),
        (lambda: tt.grad([y, 3.0], x), "grad: the output does not require grad"),
        (lambda: tt.grad(y, [x, 3.0]), "grad: number 1 of xs does not require grad"),
        (lambda: x.detach().sum().backward(), "backward: the output does not require grad"),
        (lambda: y.backward(inputs=[3.0]), "backward: number 0 of inputs does not require grad"),
    ]:
        with pytest.raises(ValueError, match=f"^{text}"):
            f()


def test_gradients_are_arrays_of_their_own() -> None:
    """Also where the pass began with a Tensor, and where one array comes to two leaves."""
    a, b = leaf(2), leaf(2)
    np.exp(a + b).backward(Tensor(np.ones(2)))
    assert type(a.grad) is np.ndarray and not np.shares_memory(a.grad, b.grad)


def test_leaves_are_added_to_under_the_lock() -> None:
    x = leaf(2)
    with autograd.accumulating:
        thread = threading.Thread(target=(x * x).sum().backward)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive() and x.grad is None
    thread.join()
    np.testing.assert_allclose(x.grad, 2 * x.data)


def test_a_pass_is_told_by_leaf(monkeypatch: pytest.MonkeyPatch) -> None:
    x, found = leaf(2), {}
    monkeypatch.setattr(state, "gradients", found.update)
    tt.grad((y := x * 2.0).sum(), [x, y], create_graph=True)
    tt.grad((y := x * 2.0).sum(), y)
    assert not found
    tt.grad((x * 2.0).sum(), x)
    assert found[x].tolist() == [2, 2]
    (x * 3.0).sum().backward()
    assert found[x].tolist() == [3, 3]


def test_a_compiled_pass_adds_to_a_gradient_that_was_there() -> None:
    x = leaf(2)

    @tt.compile
    def step(v: Any) -> Any:
        x.grad = np.ones(2)
        for _ in range(2):
            (x * v).sum().backward()
        g, x.grad = x.grad, None
        return g

    for k in 2.0, 3.0, 4.0:
        np.testing.assert_array_equal(step(np.full(2, k)), np.full(2, 1 + 2 * k))


def test_nothing_asked_for_leaves_the_graph() -> None:
    x = leaf(2)
    y = (x * x).sum()
    assert tt.grad(y, []) == ()
    y.backward()


def test_a_node_of_many_ways_is_visited_once() -> None:
    """There are 2**40 ways to the leaf."""
    x = y = leaf()
    for _ in range(40):
        y = y + y
    assert tt.grad(y, x, create_graph=True).item() == 2.0**40


def test_what_another_pass_released_is_not_unused() -> None:
    x = leaf(2)
    h = x * x
    y, z = h.sum(), h.sum()
    y.backward()
    with pytest.raises(RuntimeError, match="^backward: this graph was released"):
        tt.grad(z, x, allow_unused=True)


@pytest.mark.parametrize("n, workers, rows", [
    (2 * BLOCK, 1, 1), (2 * BLOCK + 1, 1, 3), (4 * BLOCK, 1, 2), (2 * BLOCK + 1, 2, 1), (MANY, 2, 1), (MANY + 1, 2, 0)])
def test_many_rows_are_summed_in_blocks(n: int, workers: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By as many cached rows of ones; by one product, where workers share it."""
    g = R.uniform(0, 1, (n, 2)).astype(np.float32)
    monkeypatch.setattr(state, "workers", workers)
    ones.cache_clear()
    y = sum_rows(g, 0.5)
    assert y.dtype == np.float32 and ones.cache_info().currsize == rows
    np.testing.assert_allclose(y, 0.5 * g.sum(0, dtype=np.float64), rtol=1e-5)


@pytest.mark.parametrize("wide, narrow", [
    ((3, 2, 4), (2, 1)), ((3, 2, 4), (2, 4)), ((3, 2, 4), (1, 1, 4)), ((2, 0, 3), (0, 3)), ((0, 3), (3,)), ((2, 3), ()),
    ((2, 3), (1, 3)), ((2, 3), (2, 3)), ((2, 3), (1,))])
def test_sums_over_what_was_broadcast(wide: tuple[int, ...], narrow: tuple[int, ...]) -> None:
    g, size = R.uniform(-1, 1, wide), math.prod(narrow)
    to = np.broadcast_to(np.arange(size).reshape(narrow), wide)
    expected = np.bincount(to.ravel(), g.ravel(), size).reshape(narrow)
    np.testing.assert_allclose(unbroadcast(g, narrow), expected.astype(float), strict=True)


# --- hooks and blocks ---


def test_gradients_that_are_retained() -> None:
    """A leaf's are kept anyway; two calls are one; a recorded pass leaves values."""
    x = leaf(2)
    x.retain_grad()
    y = x * x
    for _ in range(2):
        y.retain_grad()
    assert x.hooks is None and len(y.hooks or ()) == 1
    tt.grad((y * y).sum(), x, create_graph=True)
    assert type(y.grad) is np.ndarray and y.grad.tolist() == (2 * y.data).tolist()


@pytest.mark.parametrize("block", [tt.no_grad, tt.enable_grad])
def test_blocks_decorate_functions(block: Any) -> None:
    with pytest.raises(TypeError, match=f"^{block.__name__}: it decorates 3; .* `with tt.{block.__name__}"):
        block(3)


def test_generators_and_async_functions_take_what_is_passed_and_thrown() -> None:
    @tt.no_grad
    def steps(n: int, *, by: int) -> Any:
        yield n * by

    @tt.no_grad
    async def wait(n: int, *, by: int) -> int:
        return n * by

    @tt.no_grad
    async def stream(n: int, *, by: int) -> Any:
        try:
            yield n * by
        except KeyError:
            yield "thrown"

    async def use() -> list[Any]:
        several = stream(2, by=3)
        return [await wait(2, by=3), await anext(several), await several.athrow(KeyError())]

    assert list(steps(2, by=3)) == [6]
    assert asyncio.run(use()) == [6, 6, "thrown"]


def test_updates_in_place_where_ops_are_recorded_again() -> None:
    p = leaf(2)
    with tt.no_grad():
        with tt.enable_grad(), pytest.raises(TypeError, match="^-=: the tensor on the left is a leaf"):
            p -= 1.0
        p.data.flags.writeable = False
        with pytest.raises(ValueError, match="^output array is read-only"):
            p -= 1.0


@pytest.mark.parametrize("name, symbol", [("iadd", "+"), ("isub", "-"), ("imul", "*"), ("itruediv", "/"),
                                          ("ifloordiv", "//"), ("imod", "%"), ("ipow", "**"), ("imatmul", "@")])
def test_what_is_refused_in_place_is_named(name: str, symbol: str) -> None:
    with pytest.raises(TypeError, match=re.escape(f"p {symbol}= ...`")) as error:
        getattr(operator, name)(leaf(2), np.ones(2))
    assert str(error.value).startswith(f"{symbol}=: the tensor on the left")
    assert getattr(Tensor, f"__{name}__").__name__ == f"__{name}__"


# --- what a tensor says of itself ---


def test_what_has_no_gradient_can_be_told_to_take_none() -> None:
    x = tt.tensor([1, 2])
    x.requires_grad = False
    with pytest.raises(TypeError, match="^requires_grad: dtype int64 has no gradients"):
        x.requires_grad = True
    with pytest.raises(ValueError, match="^requires_grad: this tensor is the output of multiply"):
        (leaf(2) * 2.0).requires_grad = False


def test_a_warning_of_no_gradient_is_at_the_users_line() -> None:
    y = leaf(2) * 2.0
    with pytest.warns(UserWarning, match="^grad: this tensor is the output of multiply") as seen:
        assert y.grad is None
    assert seen[0].filename == __file__


@pytest.mark.parametrize("x, text", [
    (tt.tensor([1.0, 2.5]), "tensor([1. , 2.5])"), (tt.tensor(1 / 3), "tensor(0.3333)"),
    (tt.tensor([[1], [2]]), "tensor([[1],\n        [2]])"), (tt.tensor([True]), "tensor([ True])"),
    (Tensor(np.ones(1)), "tensor([1.], dtype=float64)"), (Tensor(np.ones(1, np.int8)), "tensor([1], dtype=int8)"),
    (tt.tensor([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
    (tt.tensor([1.0], requires_grad=True) * 2, "tensor([2.], op=multiply)")], ids=repr)
def test_tensors_are_printed(x: Tensor, text: str) -> None:
    assert repr(x) == str(x) == f"{x}" == text


def test_numbers_out_of_tensors() -> None:
    x = tt.tensor([[1.5, 2.5]])
    assert x.item(1) == x.item(0, 1) == 2.5 and f"{x[0, 1]:.2f}" == "2.50" and len(x) == 1
    assert [row.tolist() for row in x] == [[1.5, 2.5]]
    with pytest.raises(ValueError, match=r"^item: a tensor of shape \(1, 2\) has 2 elements"):
        x.item()
    with pytest.raises(TypeError, match="^iteration over a 0-d tensor"):
        iter(x[0, 0])
    with pytest.raises(TypeError, match=r"^x\[i\] = v would overwrite"):
        x[0] = 1.0
    copied = copy.deepcopy(x)
    copied.data[...] = 0
    assert x.tolist() == [[1.5, 2.5]] and not np.shares_memory(np.array(x, copy=True), x.data)
    assert x.__array__(np.float64).dtype == np.float64 and np.shares_memory(x.numpy(), x.data)
    assert np.shares_memory(x.detach().data, x.data)


# --- what becomes an array ---


def test_dtypes_of_what_is_read() -> None:
    f32, f64, i64 = np.float32, np.float64, np.int64
    for x, how, dtype in [
        ([1.0, 2.0], {}, f32), ([1, 2], {}, i64), ([1, 2.0], {}, f32), (1.0, {}, f32), (range(3), {}, i64),
        ([np.float64(1), 2], {}, f64), ([[1.0], np.ones(1)], {}, f64), (np.ones(2), {}, f64), ([True], {}, bool),
        ([1, 2], {"dtype": f64}, f64), (np.ones(2), {"dtype": f32}, f32), ([1.0], {"beside": f64}, f64),
        ([1], {"beside": f64}, f64), (np.ones(1, f32), {"beside": f64}, f32), ([True], {"beside": f64}, bool),
        (tt.tensor([1.0]), {}, f32), ([1.0], {"dtype": np.float16}, np.float16), ([f32(1), 2.0], {"beside": f64}, f32),
        ([np.int8(1), 2], {"beside": f64}, i64), ([array.array("d", [1.0])], {}, f64),
        (np.ones(2, np.float16), {}, np.float16), ((np.float32(1), 2.0), {}, f32),
    ]:
        y = as_array(x, **how)
        assert y.dtype == dtype and y.tolist() == np.asarray(getattr(x, "data", x)).tolist(), (x, how)


def test_copies_of_what_is_read() -> None:
    a = np.ones(2)
    assert as_array(a) is a and as_array(Tensor(a)) is a and as_array(a, np.float64) is a
    for x in a, Tensor(a):
        assert not np.shares_memory(as_array(x, copy=True), a)
        assert not np.shares_memory(as_array(x, np.float64, copy=True), a)


class Exported:
    """An array of a library that knows dlpack alone."""

    array = np.arange(3, dtype=np.float32)

    def __dlpack__(self, **how: Any) -> Any:
        return self.array.__dlpack__(**how)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


class Readable(Exported):
    """One that says by itself what NumPy reads."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.ones(2, np.float16)


class Unreadable:
    """What refuses to be an array."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("no array")


def test_other_libraries_arrays_are_read() -> None:
    assert np.shares_memory(as_array(Exported()), Exported.array)
    assert as_array(Readable()).dtype == np.float16
    assert type(as_array(np.ones(2).view(np.recarray))) is np.ndarray
    assert as_array([1], np.uint8).dtype == np.uint8


@pytest.mark.parametrize("f, error, text", [
    (lambda: as_array([1], np.complex64), TypeError, "got dtype complex64; expected one of real numbers"),
    (lambda: as_array([1j]), TypeError, "list gave dtype complex128; expected real numbers"),
    (lambda: as_array(np.array([1j])), TypeError, "ndarray gave dtype complex128"),
    (lambda: as_array("a"), TypeError, "str gave dtype <U1"),
    (lambda: as_array([[1], [1, 2]]), ValueError, "setting an array element .*; expected numbers, in an array"),
    (lambda: as_array([300], np.uint8), OverflowError, "Python integer 300 .*; expected numbers that the dtype"),
    (lambda: as_array([2**63], np.int64), OverflowError, "Python int.* too large"),
    (lambda: as_array(np.ma.ones(2)), TypeError, "got a masked array"),
    (lambda: as_array(Unreadable()), TypeError, "Unreadable: no array; expected what NumPy reads"),
])
def test_what_can_not_be_read(f: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=f"^tensor: {text}"):
        f()


def test_tracers_are_found_in_what_is_nested() -> None:
    @tt.compile
    def step(x: Any) -> Any:
        nested = x, [1, x], (1, (2, x)), slice(x), slice(0, x), slice(0, 1, x), [slice(x)], (x, 1)
        return x * all(first_tracer(a) is x for a in nested)

    assert step(np.ones(1)).tolist() == [1]
    assert first_tracer((1, [2], slice(3), np.ones(1))) is None


def test_a_compiled_gradient_of_a_narrower_dtype() -> None:
    """Of no axes, so that a number of the trace is converted."""
    w = leaf(dtype=np.float32)
    step = tt.compile(lambda v: tt.grad((w * v).sum(), w))
    for k in 2.0, 3.0:
        g = step(np.full(2, k))
        assert g.dtype == np.float32 and g.item() == 2 * k


def test_arrays_of_a_trace_are_read() -> None:
    """Lists in which they are become arrays; a dtype and a copy are the trace's."""
    @tt.compile
    def step(x: Any) -> Any:
        narrow = as_array(x, np.float32)
        y = as_array(narrow, copy=True)
        return (as_array([x, x]) * 1.0, as_array(Tensor(x)), as_array([x, 2 * x], np.float32), narrow, y,
                as_array(x) is x, y is narrow)

    for k in 2.0, 3.0:
        x = np.full(2, k)
        listed, same, narrow, single, copied, shared, kept = step(x)
        np.testing.assert_array_equal(listed, np.array([x, x]), strict=True)
        np.testing.assert_array_equal(narrow, np.array([x, 2 * x], np.float32), strict=True)
        for y in single, copied:
            np.testing.assert_array_equal(y, x.astype(np.float32), strict=True)
        np.testing.assert_array_equal(same, x, strict=True)
        assert shared and not kept


@pytest.mark.parametrize("f", [np.exp, lambda x: x * 2.0, lambda x: x * x, np.sum, lambda x: tt.where(True, x, x)])
def test_values_without_axes_are_arrays(f: Callable[[Any], Any]) -> None:
    for x in leaf(), Tensor(np.ones(())):
        assert type(f(x).data) is np.ndarray


# --- what ops are given ---


def test_operands_beside_tensors() -> None:
    """Lists take the floating dtype beside them, whatever integers stand there too; what is not real is refused."""
    x, whole, listed = leaf(2, dtype=np.float16), np.array([1, 2]), [1.0, 2.0]
    assert (x + listed).dtype == (listed + x).dtype == tt.maximum(x, [1, 2]).dtype == np.float16
    assert tt.where([True, False], x, [0.5, 1.0]).dtype == np.float16
    assert tt.add(whole, [0.5, 1.0]).dtype == np.float64 and tt.subtract([3.0, 1.0], whole).tolist() == [2, -1]
    for wrong, text in [(np.array([1j, 2]), "a complex number met"), (np.complex64(1), "a complex number met"),
                        (1j, "a complex number met"),
                        (np.array(["2020"], "M8[Y]"), r"values of dtype datetime64\[Y\]")]:
        for f in (lambda w: x + w, lambda w: w + x):
            with pytest.raises(TypeError, match=text):
                f(wrong)


@pytest.mark.parametrize("f, error, text", [
    (lambda: tt.exp("a"), TypeError, ""), (lambda: tt.add("a", "b"), TypeError, ""),
    (lambda: tt.add(np.ones(2), np.ones(3)), ValueError, r"add: shapes \(2,\) and \(3,\) do not broadcast"),
    (lambda: tt.negative(np.ones(2, bool)), TypeError, "negative: "),
])
def test_arrays_alone_are_refused_in_the_same_words(f: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=f"^{text}"):
        f()


def test_sizes_one_by_one_or_in_a_sequence() -> None:
    x = leaf(2, 3)
    for how in (3, 2), ((3, 2),), ([3, 2],), (np.int64(3), np.int64(2)), (np.array([3, 2]),), (-1, 2):
        np.testing.assert_array_equal(x.reshape(*how).data, x.data.reshape(3, 2), strict=True)
    assert tt.reshape(x, -1, "F").tolist() == np.reshape(x.data, -1, "F").tolist()
    assert x.transpose().shape == x.transpose(None).shape == x.transpose(1, 0).shape == (3, 2)
