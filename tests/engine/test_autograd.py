"""Recording and the pass: in-place updates, no_grad everywhere, hooks, threads, several outputs; and recompute."""

import asyncio
import gc
import threading
import tracemalloc
import warnings

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import broadcasting, core, define, nn, optim
from tinytensor.apply import PUBLIC
from tinytensor.core import REGISTRY, S, Tensor
from tinytensor.define import VariadicRules
from tinytensor.testing import gradcheck
from tinytensor.testing.strategies import fixed_inputs


def leaf(*values, dtype=np.float32):
    return tt.tensor(np.array(values, dtype), requires_grad=True)


def records():
    return (leaf(1.0) * 2).requires_grad


# --- in-place operators ---

SQUARE = np.array([[2.0, 1.0], [0.5, 3.0]], np.float32)
IN_PLACE = {"+": lambda p, v: p.__iadd__(v), "-": lambda p, v: p.__isub__(v), "*": lambda p, v: p.__imul__(v),
            "/": lambda p, v: p.__itruediv__(v), "//": lambda p, v: p.__ifloordiv__(v),
            "%": lambda p, v: p.__imod__(v), "**": lambda p, v: p.__ipow__(v), "@": lambda p, v: p.__imatmul__(v)}


@pytest.mark.parametrize("symbol", IN_PLACE)
@pytest.mark.parametrize("value", [SQUARE, Tensor(SQUARE), leaf(2.0, 1.5), 2.0, np.float64(2), [3.0, 2.0]], ids=str)
def test_an_update_is_in_place_under_no_grad_and_refused_elsewhere(symbol, value):
    plain = value.data if isinstance(value, Tensor) else value
    if symbol == "@":
        plain = value = SQUARE
    expected = eval(f"a {symbol} v", {"a": SQUARE, "v": np.asarray(plain, np.float32)})
    p = before = tt.tensor(SQUARE, requires_grad=True)
    memory = p.data
    with tt.no_grad():
        exec(f"p {symbol}= value", space := {"p": p, "value": value})
    assert space["p"] is before and p.data is memory and p.is_leaf and p.requires_grad and p.dtype == np.float32
    np.testing.assert_array_equal(p.data, expected)
    with pytest.raises(TypeError, match="=: got a leaf that requires grad on the left.*tt.no_grad"):
        exec(f"p {symbol}= value", {"p": p, "value": value})
    np.testing.assert_array_equal(p.data, expected)


def test_all_else_is_rebound():
    x, loss = leaf(1.0, 2.0), 0.0
    for _ in range(2):
        loss += (x * x).sum()
    loss.backward()
    assert x.grad.tolist() == [4, 8]
    frozen = before = tt.ones(2)
    frozen += x
    assert frozen is not before and frozen.requires_grad and before.tolist() == [1, 1]
    with tt.no_grad():
        frozen = before
        frozen *= 3
        y = leaf(1.0) * 2
        y -= 1
    assert frozen is not before and before.tolist() == [1, 1] and y.is_leaf


@pytest.mark.parametrize("value, kind, text", [
    (np.ones((3, 2), np.float32), ValueError, r"-=: got a leaf of float32 \(2,\) and float32 \(3, 2\): "),
    (np.ones(3), ValueError, "expected a value that broadcasts to the leaf's shape"),
    (1j, TypeError, "complex"), ("a", TypeError, "real numbers")])
def test_an_update_that_does_not_fit_is_refused(value, kind, text):
    p = leaf(1.0, 2.0)
    with tt.no_grad(), pytest.raises(kind, match=text):
        p -= value
    assert p.tolist() == [1, 2]


def test_views_of_an_optimiser_stay_bound():
    layer = nn.Linear(2, 2, rng=0)
    opt = optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    for _ in range(2):
        opt.zero_grad()
        layer(SQUARE).sum().backward()
        opt.step()
        with tt.no_grad():
            for p in layer.parameters():
                p *= 0.5
    assert all(np.shares_memory(p.data, opt.blocks[0].theta) for p in layer.parameters())


def test_a_step_by_hand_compiles():
    def train(compiled):
        layer = nn.Linear(2, 3, rng=0)

        def step(x, y):
            loss = tt.cross_entropy(layer(x), y)
            layer.zero_grad()
            loss.backward()
            with tt.no_grad():
                for p in layer.parameters():
                    p -= 0.1 * p.grad
                    p *= 0.99
            return loss

        step = tt.compile(step, layer) if compiled else step
        losses = [step(SQUARE, np.array([0, 2])).item() for _ in range(5)]
        return losses, [p.tolist() for p in layer.parameters()], len(step.programs) if compiled else 1

    assert train(True) == train(False)


# --- no_grad ---


def test_every_kind_of_op_obeys_no_grad():
    """Unary, binary and general ops, and those of many inputs."""
    for name, op in REGISTRY.items():
        if (function := PUBLIC.get(name)) is None or not (isinstance(op.rules, VariadicRules) or any(op.rules)):
            continue
        sample = op.samples[0]
        args = [Tensor(a, True) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
                for a in fixed_inputs(op, sample)]
        with tt.no_grad():
            assert not function(*args, **sample.params).requires_grad, name
            with tt.enable_grad():
                y = function(*args, **sample.params)
                assert y.requires_grad or y.dtype.kind != "f", name


def test_the_end_of_a_nested_block_does_not_record():
    with tt.no_grad():
        with tt.no_grad():
            pass
        assert not records()
        with tt.enable_grad():
            assert records()
            with tt.no_grad():
                assert not records()
            assert records()
        assert not records()
    assert records()


def test_a_decorated_generator_records_nothing_whenever_it_goes_on():
    seen = []

    @tt.no_grad
    def steps(n):
        try:
            for _ in range(n):
                try:
                    got = yield records()
                    seen.append((got, records()))
                except KeyError:
                    seen.append(("thrown", records()))
                    yield "caught"
            return "end"
        finally:
            seen.append(("closed", records()))

    it = steps(2)
    assert next(it) is False and records()
    assert it.send("hello") is False and records()
    assert it.throw(KeyError) == "caught" and records()
    with pytest.raises(StopIteration, match="end"):
        next(it)
    other = steps(5)
    next(other)
    other.close()
    assert seen == [("hello", False), ("thrown", False), ("closed", False), ("closed", False)] and records()


def test_decorated_coroutines_and_async_generators():
    @tt.no_grad()
    async def inner():
        first = records()
        await asyncio.sleep(0)
        return first, records()

    @tt.no_grad
    async def stream():
        for _ in range(2):
            await asyncio.sleep(0)
            yield records()

    async def outer():
        seen = [records()]
        task = asyncio.ensure_future(inner())
        for _ in range(3):
            seen.append(records())
            await asyncio.sleep(0)
        async for x in stream():
            seen += [x, records()]
        return seen, await task

    assert asyncio.run(outer()) == ([True] * 4 + [False, True] * 2, (False, False)) and records()


def test_methods_and_what_is_no_function():
    class Model:
        @tt.no_grad
        def plain(self):
            return records()

        @tt.no_grad()
        @staticmethod
        def static():
            return records()

        @tt.no_grad()
        @classmethod
        def of_class(cls):
            return cls.__name__, records()

        @tt.enable_grad
        def on(self):
            return records()

    with tt.no_grad():
        assert Model().on()
    assert (Model().plain(), Model.static(), Model.of_class()) == (False, False, ("Model", False)) and records()
    for thing in (Model, 3, property(lambda self: 1)):
        with pytest.raises(TypeError, match="no_grad: got .*; expected a function or a method; decorate single"):
            tt.no_grad()(thing)


def test_blocks_of_generators_may_end_in_any_order():
    def generator():
        with tt.no_grad():
            yield

    a, b = generator(), generator()
    next(a), next(b)
    a.close()
    assert not records()
    b.close()
    assert records()
    c = generator()
    next(c)
    thread = threading.Thread(target=c.close)  # ends in another thread: here, all the same
    thread.start()
    thread.join()
    assert records() and not core.no_grad_blocks


# --- the pass ---


def test_retain_grad_sees_what_later_hooks_make():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    assert y.grad.tolist() == [10, 10] and x.grad.tolist() == [30, 30]


def test_threads_that_share_a_leaf_lose_nothing():
    w, rounds, workers = tt.zeros(20_000, requires_grad=True), 60, 4  # large: NumPy lets other threads run meanwhile
    start = threading.Barrier(workers)

    def work():
        start.wait()
        for _ in range(rounds):
            (w * 1.0).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (w.grad == rounds * workers).all()


def test_backward_of_some_inputs():
    a, b = leaf(2.0), leaf(3.0)
    h = a * b
    y = (h * b).sum()
    y.backward(inputs=[b], retain_graph=True)
    assert a.grad is None and b.grad.tolist() == [12]
    y.backward(inputs=h, retain_graph=True)
    y.backward(inputs=[h], retain_graph=True)  # accumulates there too, as in PyTorch
    assert h.grad.tolist() == [6] and a.grad is None and b.grad.tolist() == [12]
    h.retain_grad()
    y.backward(inputs=[h])
    assert h.grad.tolist() == [3]
    with pytest.raises(ValueError, match="got an empty inputs="):
        (a * 2).sum().backward(inputs=[])
    with pytest.raises(ValueError, match="got element 0 of inputs that does not require grad"):
        (a * 2).sum().backward(inputs=[tt.ones(1)])
    unused = leaf(1.0)
    (a * 2).sum().backward(inputs=[unused])
    assert unused.grad is None and a.grad is None


def test_grad_of_several_outputs():
    x, v = leaf(1.0, 2.0), np.array([1.0, 10.0], np.float32)
    h = x * x
    assert tt.grad([h.sum(), h * x], x, [None, v], retain_graph=True).tolist() == [2 + 3, 4 + 120]
    assert tt.grad((h, h), [x], [v, v], retain_graph=True)[0].tolist() == [4, 80]  # one output twice
    for ys, gs in (([h, (h * x).sum()], [v, None]), ([(h * x).sum(), h], [None, v])):  # an output behind another
        assert tt.grad(ys, [h, x], gs, retain_graph=True)[1].tolist() == [2 + 3, 40 + 12]
    slope = tt.grad([(x**3).sum(), x.sum()], x, create_graph=True)
    assert tt.grad([slope.sum()], [x])[0].tolist() == [6, 12]
    assert tt.grad([x.sum(), tt.ones(1)], x, allow_unused=True).tolist() == [1, 1]
    for ys, gs, kind, text in (([x.sum(), x], [None], ValueError, "got 2 outputs and gradient= of 1; expected a list"),
                               ([x.sum(), tt.ones(1)], None, ValueError, "does not require grad"),
                               ([x.sum()], v, ValueError, "gradient= of an ndarray"),
                               (3.0, None, TypeError, "grad: got an output of type float; expected a Tensor")):
        with pytest.raises(kind, match=text):
            tt.grad(ys, x, gs)


def test_grad_gives_arrays_of_ones_own():
    x, y, g = leaf(1.0, 2.0), leaf(3.0, 4.0), np.ones(2, np.float32)
    a, b = tt.grad(x + y, [x, y], g)
    a.data += 5
    assert b.tolist() == [1, 1] and g.tolist() == [1, 1]
    scalar = leaf(1.0)
    own = tt.grad(scalar, scalar)
    own.data += 1
    assert tt.grad(scalar, scalar).tolist() == [1]
    h, kept = x * 1.0, []
    h.register_hook(kept.append)
    of_h, of_x = tt.grad(h, [h, x], g)
    of_h.data += 7
    assert kept[0].tolist() == [1, 1] and of_x.tolist() == [1, 1] and g.tolist() == [1, 1]


def test_constants_that_are_kept_cannot_be_written():
    from tinytensor.ops import fused, index, products

    for a in (broadcasting.ones_row(3, np.float32), broadcasting.unit_gradient((2,), np.float64),
              broadcasting.unit_gradient((), np.float32), index.one_hot_table(3, np.float32),
              fused.row_starts(3, 4), products.identity(np.dtype("f4"))):
        with pytest.raises(ValueError, match="read-only"):
            a[...] = 5
    found = [f for m in (broadcasting, fused, index, products) for f in vars(m).values()
             if hasattr(f, "cache_info") and f.__module__ == m.__name__ and "Any" in str(f.__annotations__["return"])]
    assert len(found) <= 5, "another function keeps arrays: add it to the list above"


def test_definitions_are_expanded_to_the_last_level():
    """An op whose definition is an op with a definition: both rules are right at first order, and lose the graph."""
    def lost(g, y, x):
        return np.asarray((g.data if isinstance(g, Tensor) else g) * 3 * (x.data if isinstance(x, Tensor) else x) ** 2)

    def cube(x):
        """x**3."""
        return x * x * x

    try:
        inner = define.op(lost, definition=lambda x: x * x * x, samples=(S((2,)),))(cube)
        outer = define.op(lost, definition=lambda x: inner(x), samples=(S((2,)),))(cube)
        beside = define.op(lost, definition=lambda x: inner(x) * 1.0, samples=(S((2,)),))(cube)
        for f in (inner, outer, beside):
            assert gradcheck(lambda x, f=f: (f(x) * f(x)).sum(), np.array([0.5, 1.5]), order=2)
    finally:
        REGISTRY.pop("cube", None)


def test_reading_grad_where_none_is_kept_warns_once():
    x = leaf(1.0)
    y = x * 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            assert y.grad is None
        assert x.grad is None and tt.ones(1).grad is None and x.detach().grad is None
    assert len(caught) == 1 and caught[0].filename == __file__
    assert str(caught[0].message).startswith("grad: got the output of multiply, where backward() stores no")
    y.retain_grad()
    assert y.grad is None
    y.sum().backward()
    assert y.grad.tolist() == [1] and nn.Parameter([1.0]).grad is None


# --- recompute ---


def network(seed=0):
    return nn.Sequential(nn.Linear(3, 8, rng=seed), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.4),
                         nn.Linear(8, 4, rng=seed + 1))


def outcome(call, x, order=1):
    """The gradients of a loss of a network by everything, its buffers, and where the random stream stands then."""
    model = network()
    tt.manual_seed(5)
    x = tt.tensor(x, requires_grad=True)
    wanted = [x, *model.parameters()]
    loss = (call(model, x * 1.0) ** 2).sum()
    tt.rand(3)
    grads = tt.grad(loss, wanted, create_graph=order == 2, retain_graph=True)
    if order == 2:
        grads = tt.grad(sum((g * g).sum() for g in grads), wanted, retain_graph=True)
    loss.backward()
    return [*(g.data for g in grads), *(w.grad for w in wanted), *(b.data for _, b in model.named_buffers()),
            tt.rand(4).data]


CALLS = {
    "a module": lambda m, x: tt.recompute(m, x),
    "a closure": lambda m, x: tt.recompute(lambda x: m(x), x),
    "a method": lambda m, x: tt.recompute(m.forward, x),
    "nested": lambda m, x: tt.recompute(lambda x: tt.recompute(m, x), x),
    "a dict, by keyword": lambda m, x: tt.recompute(lambda *, given: {"y": [m(given["x"])]}, given={"x": x})["y"][0],
    "two outputs": lambda m, x: np.add(*tt.recompute(lambda x: ((y := m(x)) * 0.25, y * 0.75), x)),
    "an argument": lambda m, x: tt.recompute(lambda m, x: m(x), m, x),
    "in two parts": lambda m, x: tt.recompute(lambda h: m[4](m[3](h)), tt.recompute(lambda x: m[2](m[1](m[0](x))), x)),
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", CALLS)
def test_recompute_changes_nothing_but_memory(name, order):
    x = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    for a, b in zip(outcome(CALLS[name], x, order), outcome(lambda m, x: m(x), x, order), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-6)


def test_recompute_of_several_outputs_and_of_none():
    x = leaf(1.0, 2.0, dtype=np.float64)
    a, (b, c) = tt.recompute(lambda x: (x * x, (x.sum(), np.ones(2))), x)
    (a.sum() + 3 * b + c.sum()).backward()
    assert x.grad.tolist() == [5, 7] and type(c) is np.ndarray
    assert tt.recompute(lambda x: x, x).op.name == "recompute"
    assert tt.recompute(lambda x: x + 1, tt.ones(2)).is_leaf
    with tt.no_grad():
        assert tt.recompute(lambda x: x * 2, x).is_leaf


def test_recompute_keeps_only_inputs():
    def peak(wrap):
        x = tt.ones(100_000, requires_grad=True)

        def block(h):
            for _ in range(10):
                h = np.sin(h)
            return h

        gc.collect()
        tracemalloc.start()
        h = x
        for _ in range(8):
            h = wrap(block, h)
        h.sum().backward()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(tt.recompute) < 0.35 * peak(lambda f, h: f(h))


def test_recompute_refuses_what_would_be_wrong():
    x, noise = leaf(1.0, 2.0), iter([1.0, 2.0])
    h = x * 2
    with pytest.raises(ValueError, match=r"a tensor of shape \(2,\), the output of multiply, which was"):
        tt.recompute(lambda x: x * h, x)
    w = leaf(3.0)
    for f in (lambda x: x * next(noise), lambda x: x * w * w):
        y = tt.recompute(f, x)
        w.data += 1
        with pytest.raises(RuntimeError, match="other values when the function was computed again; expected the same"):
            y.sum().backward()


def test_recompute_runs_hooks_once_and_compiles():
    w = nn.Parameter([2.0])
    w.register_hook(lambda g: g * 10)
    tt.recompute(lambda x: x * w, tt.ones(1)).sum().backward()
    assert w.grad.tolist() == [10]
    layer = nn.Linear(2, 2, rng=0)

    def step(x):
        return tt.grad((tt.recompute(layer, x) ** 2).sum(), list(layer.parameters()))

    compiled = tt.compile(step, layer)
    for _ in range(3):
        for a, b in zip(step(SQUARE), compiled(SQUARE), strict=True):
            np.testing.assert_array_equal(a.data, b.data)
    assert compiled.programs
