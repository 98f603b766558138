"""What mutants of the engine changed and no test saw, now seen: the pass, hooks, blocks, what a tensor reads and says.

Its sister `tests/engine/test_caught.py` holds those of the ops.
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
from tinytensor.broadcasting import BLOCK, MANY, ones_row, sum_rows, unbroadcast
from tinytensor.core import Tensor, as_array, first_tracer
from tinytensor.modes import state

R = np.random.default_rng(0)


def leaf(*shape: int, dtype: Any = np.float64) -> Tensor:
    return Tensor(R.uniform(-1, 1, shape).astype(dtype), requires_grad=True)


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
        (lambda: tt.grad([y, z], x, np.ones(2)), "grad: got 2 outputs and gradient= of an ndarray"),
        (lambda: tt.grad([y, z], x, [None], allow_unused=True), "grad: got 2 outputs and gradient= of 1"),
        (lambda: tt.grad([y, 3.0], x, allow_unused=True), "grad: got an output that does not require grad"),
        (lambda: tt.grad([y, 3.0], x), "grad: got an output that does not require grad"),
        (lambda: tt.grad(y, [x, 3.0]), "grad: got element 1 of xs that does not require grad"),
        (lambda: x.detach().sum().backward(), "backward: got an output that does not require grad"),
        (lambda: y.backward(inputs=[3.0]), "backward: got element 0 of inputs that does not require grad"),
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
    with pytest.raises(RuntimeError, match="^backward: got a graph that an earlier pass has released"):
        tt.grad(z, x, allow_unused=True)


@pytest.mark.parametrize("n, workers, rows", [
    (2 * BLOCK, 1, 1), (2 * BLOCK + 1, 1, 3), (4 * BLOCK, 1, 2), (2 * BLOCK + 1, 2, 1), (MANY, 2, 1), (MANY + 1, 2, 0)])
def test_many_rows_are_summed_in_blocks(n: int, workers: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By as many cached rows of ones; by one product, where workers share it."""
    g = R.uniform(0, 1, (n, 2)).astype(np.float32)
    monkeypatch.setattr(state, "workers", workers)
    ones_row.cache_clear()
    y = sum_rows(g, 0.5)
    assert y.dtype == np.float32 and ones_row.cache_info().currsize == rows
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
    with pytest.raises(TypeError, match=f"^{block.__name__}: got 3; .* `with tt.{block.__name__}"):
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
        with tt.enable_grad(), pytest.raises(TypeError, match="^-=: got a leaf that requires grad on the left"):
            p -= 1.0
        p.data.flags.writeable = False
        with pytest.raises(ValueError, match="^output array is read-only"):
            p -= 1.0


@pytest.mark.parametrize("name, symbol", [("iadd", "+"), ("isub", "-"), ("imul", "*"), ("itruediv", "/"),
                                          ("ifloordiv", "//"), ("imod", "%"), ("ipow", "**"), ("imatmul", "@")])
def test_what_is_refused_in_place_is_named(name: str, symbol: str) -> None:
    with pytest.raises(TypeError, match=re.escape(f"p {symbol}= ...`")) as error:
        getattr(operator, name)(leaf(2), np.ones(2))
    assert str(error.value).startswith(f"{symbol}=: got a leaf that requires grad on the left")
    assert getattr(Tensor, f"__{name}__").__name__ == f"__{name}__"


# --- what a tensor says of itself ---


def test_what_has_no_gradient_can_be_told_to_take_none() -> None:
    x = tt.tensor([1, 2])
    x.requires_grad = False
    with pytest.raises(TypeError, match="^requires_grad: got dtype int64; expected a floating one"):
        x.requires_grad = True
    with pytest.raises(ValueError, match="^requires_grad: got the output of multiply"):
        (leaf(2) * 2.0).requires_grad = False


def test_a_warning_of_no_gradient_is_at_the_users_line() -> None:
    y = leaf(2) * 2.0
    with pytest.warns(UserWarning, match="^grad: got the output of multiply") as seen:
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
    with pytest.raises(ValueError, match=r"^item: got shape \(1, 2\), of 2 elements"):
        x.item()
    with pytest.raises(TypeError, match="^iteration: got a 0-d tensor"):
        iter(x[0, 0])
    with pytest.raises(TypeError, match=r"^x\[i\] = v: got a Tensor"):
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
    (lambda: as_array([1j]), TypeError, "got a list of dtype complex128; expected real numbers"),
    (lambda: as_array(np.array([1j])), TypeError, "got an ndarray of dtype complex128"),
    (lambda: as_array("a"), TypeError, "got a str of dtype <U1"),
    (lambda: as_array([[1], [1, 2]]), ValueError, "setting an array element .*; expected numbers in an array"),
    (lambda: as_array([300], np.uint8), OverflowError, "Python integer 300 .*; expected numbers that the dtype"),
    (lambda: as_array([2**63], np.int64), OverflowError, "Python int.* too large"),
    (lambda: as_array(np.ma.ones(2)), TypeError, "got a masked array"),
    (lambda: as_array(Unreadable()), TypeError, "got a Unreadable: no array; expected what NumPy can read"),
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
    for wrong, text in [(np.array([1j, 2]), "got a complex number beside"),
                        (np.complex64(1), "got a complex number beside"),
                        (1j, "got a complex number beside"),
                        (np.array(["2020"], "M8[Y]"), r"got dtype datetime64\[Y\]")]:
        for f in (lambda w: x + w, lambda w: w + x):
            with pytest.raises(TypeError, match=text):
                f(wrong)


@pytest.mark.parametrize("f, error, text", [
    (lambda: tt.exp("a"), TypeError, ""), (lambda: tt.add("a", "b"), TypeError, ""),
    (lambda: tt.add(np.ones(2), np.ones(3)), ValueError, r"add: got shapes \(2,\) and \(3,\), which do not broadcast"),
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
