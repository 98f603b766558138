"""Seeing faults: detect_anomaly forward and backward, and guard, which makes what the graph needs read-only."""

import threading
import warnings
from contextlib import nullcontext

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import compose, define, guarding, modes, nn, optim
from tinytensor.apply import PUBLIC
from tinytensor.core import NUMPY, REGISTRY, S, Tensor
from tinytensor.define import VariadicRules
from tinytensor.models import GPT
from tinytensor.testing.strategies import fixed_inputs

RULED = [op for op in REGISTRY.values() if (isinstance(op.rules, VariadicRules) or any(op.rules)) and op.name in PUBLIC]


def leaf(*values):
    return tt.tensor(np.array(values, np.float32), requires_grad=True)


# --- detect_anomaly ---


def log(x):
    return np.log(x)  # named by messages


@pytest.mark.parametrize("f, text", [
    (lambda: log(leaf(1.0, 0.0)), r"anomaly: at test_faults.py:\d+ `return np.log\(x\)  # named by messages`, "
     r"log returned -inf at index \(1,\), in 1 of 2 elements; input 0 is float32 \(2,\) from 0 to 1; keep the inputs .*"
     r"where\(x > 0, x, 1\)\)"),
    (lambda: log(leaf(-1.0)), r"log returned nan at index \(0,\)"),
    (lambda: log(tt.tensor([-1.0])), r"log returned nan"),  # where nothing is recorded too
    (lambda: leaf(1.0) / np.zeros(1, np.float32), r"divide returned inf .*; input 1 is float32 \(1,\) from 0"),
    (lambda: np.exp(leaf(500.0)), "exp returned inf"),
    (lambda: leaf(1.0, 2.0) * tt.tensor([np.nan, 1.0]), r"multiply got nan in input 1: input 0 .* 1 to 2; "
     r"input 1 is float32 \(2,\) from 1 to 1, 1 nan; expected numbers; check where this input comes from"),
    (lambda: leaf(1.0) * np.float32(np.inf) - leaf(1.0) * np.float32(np.inf), "subtract returned nan"),
    (lambda: tt.linear(leaf(1.0), tt.full((2, 1), 3e38)) * 9, "multiply returned inf"),
])
def test_the_forward_pass_is_looked_at(f, text):
    with warnings.catch_warnings(), pytest.raises(FloatingPointError, match=text):
        warnings.simplefilter("ignore")
        with tt.detect_anomaly():
            f()
    assert not modes.active_watchers and modes.state.watchers == () and modes.state.anomaly is None


def test_what_is_no_anomaly():
    """Infinities that a mask brings, or that lead nowhere; nan that a function is for."""
    x, holes = leaf(1.0, 2.0, 3.0), np.array([1.0, np.nan, 3.0], np.float32)
    with tt.detect_anomaly(), np.errstate(divide="ignore"):
        scores = tt.where(np.array([True, False, True]), x, -np.inf)
        tt.softmax(scores).sum().backward()
        np.log(tt.zeros(2))
        assert np.isnan(tt.tensor(holes)).tolist() == [False, True, False]
        tt.where(np.isnan(holes), 0, x).sum().backward()


def test_a_nan_behind_a_branch_that_is_not_taken_is_explained():
    x = leaf(0.0, 4.0)
    y = tt.where(x > 0, np.sqrt(x) * 2, 0.0).sum()
    text = (r"the rule of sqrt for input 0 returned nan at index \(0,\), where the input is 0.0, and so for 1 of 2 .*; "
            r"the incoming gradient there is 0: mask the input before the op, .*: a branch of `where` that is not")
    with tt.detect_anomaly(), pytest.raises(FloatingPointError, match=text):
        y.backward(retain_graph=True)
    with tt.detect_anomaly(), pytest.raises(FloatingPointError, match="check the hooks, and gradient="):
        y.backward(np.float32(np.nan))


def test_the_line_of_the_forward_pass_is_named_by_the_backward_pass():
    text = r"at test_faults.py:\d+ `y = np.sqrt\(leaf\(0.0\)\)"
    with tt.detect_anomaly(), pytest.raises(FloatingPointError, match=text):
        y = np.sqrt(leaf(0.0))
        (y * 3).sum().backward()


@pytest.mark.parametrize("block", [tt.detect_anomaly, tt.guard])
def test_no_op_is_accused_at_good_points_nor_writes_into_what_is_saved(block):
    """Every op, at first and second order."""
    for op in RULED:
        for sample in op.samples[:2]:
            args = [Tensor(a, True) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
                    for a in fixed_inputs(op, sample)]
            leaves = [a for a in args if isinstance(a, Tensor)]
            with block(), np.errstate(all="ignore"):
                y = PUBLIC[op.name](*args, **sample.params)
                if y.requires_grad:
                    slopes = tt.grad(y, leaves, tt.ones(y.shape, dtype=y.dtype), create_graph=True, allow_unused=True)
                    found = [g for g in slopes if g.requires_grad]
                    tt.grad(found, leaves, [tt.ones(g.shape, dtype=g.dtype) for g in found], allow_unused=True)
            assert all(a.data.flags.writeable for a in leaves), op.name
    assert not guarding.locks and not modes.active_watchers


def test_compositions_are_looked_at_as_a_whole():
    def plain(a):
        return a[0] * np.float32(0.5)

    try:
        @compose.composed(plain)
        def halved(a):
            """Half of the first."""
            return np.where(False, np.log(a * 0).sum(), a[0] / 2)  # an infinity on the way

        with tt.detect_anomaly(), np.errstate(all="ignore"):
            assert halved(leaf(1.0, 0.0)).item() == 0.5
            for x in (leaf(np.nan), tt.tensor([np.nan])):
                with pytest.raises(FloatingPointError, match="halved got nan in input 0: input 0 is float32"):
                    halved(x)
    finally:
        for table in (compose.COMPOSED, PUBLIC):
            table.pop("halved", None)
        NUMPY.pop(plain, None)


def test_what_a_rule_itself_leaves_out_is_no_anomaly():
    try:
        @define.op(lambda g, y, x: tt.where(x == 0, 0, g * 2 * y / tt.where(x > 9, 1, x)), samples=(S((2,)),))
        def squared(x):
            """x**2."""
            return x * x

        x = leaf(0.0, 3.0)
        with tt.detect_anomaly(), np.errstate(all="ignore"):  # 0 / 0, in ops that are recorded
            assert tt.grad(squared(x).sum(), x, create_graph=True).tolist() == [0, 6]
    finally:
        REGISTRY.pop("squared", None)


def test_compiled_steps_run_uncompiled_and_blocks_inside_are_refused():
    layer = nn.Linear(2, 2, rng=0)

    def step(x):
        return np.log(layer(x) * 0)

    compiled = tt.compile(step, layer)
    x = np.ones((1, 2), np.float32)
    with np.errstate(all="ignore"):
        for _ in range(3):
            compiled(x)
        with tt.detect_anomaly(), pytest.raises(FloatingPointError, match="log returned -inf"):
            compiled(x)
        for block in (tt.detect_anomaly, tt.guard):
            def inside(x, block=block):
                with block():
                    return layer(x)

            with pytest.raises(tt.CompileError, match=f"{block.__name__} .*; expected steps that compute; open `with"):
                tt.compile(inside, layer)(x)


# --- guard ---


def test_a_write_between_forward_and_backward_is_an_error():
    a = np.ones(3, np.float32)
    x, w = Tensor(a), leaf(1.0, 2.0, 3.0)
    writes = [lambda: a.__setitem__(0, 5), lambda: w.data.__imul__(2), lambda: h.data.fill(0), lambda: update()]

    def update():
        with tt.no_grad():
            nonlocal w
            w -= 1

    with tt.guard():
        h = np.exp(x * w)
        loss = h.sum()
        for write in writes:
            with pytest.raises(ValueError, match="read-only"):
                write()
        loss.backward()
        for write in writes:
            write()
    assert a[0] == 5 and w.grad.tolist() == np.exp(np.float32([1, 2, 3])).tolist()


def test_an_optimiser_s_step_before_backward_is_an_error():
    layer = nn.Linear(3, 2, rng=0)
    opt = optim.SGD(layer.parameters(), lr=0.1)
    opt.zero_grad()
    layer(np.ones((1, 3), np.float32)).sum().backward()
    with tt.guard():
        loss = (layer(np.ones((1, 3), np.float32)) ** 2).sum()
        with pytest.raises(ValueError, match="read-only"):
            opt.step()
        loss.backward()
        opt.step()
    opt.step()
    assert not guarding.locks


def test_arrays_are_free_after_a_death_an_exit_and_an_error_and_only_then():
    a = np.ones((2, 3), np.float32)
    view = a[0]
    x, v, w = Tensor(a), Tensor(view), leaf(1.0, 2.0, 3.0)

    def flags():
        return a.flags.writeable, view.flags.writeable

    with tt.guard():
        y, z = x * w, v * w
        assert flags() == (False, False)
        del y
        assert flags() == (False, False)  # z needs the view, and so the whole
        z.sum().backward()
        assert flags() == (True, True)
        z, y = v * w, x * w
        z.sum().backward(retain_graph=True)
        assert flags() == (False, False)
        del z
        assert flags() == (False, False)
        del y
        assert flags() == (True, True)
        with tt.guard():
            y = x * w
        assert flags()[0] is False
    assert flags() == (True, True) and y.requires_grad
    with pytest.raises(KeyError), tt.guard():
        y = x * w
        raise KeyError
    assert flags() == (True, True)
    a.flags.writeable = False
    with tt.guard():
        (x * w).sum().backward()
    assert not a.flags.writeable and not guarding.locks and not modes.active_watchers  # as the user has set it


def test_guards_of_threads_that_share_an_array():
    w, inside, leave = leaf(1.0, 2.0), threading.Barrier(2), threading.Event()

    def other():
        with tt.guard():
            y = w * w
            inside.wait()
            leave.wait()
            y.sum().backward()

    thread = threading.Thread(target=other)
    thread.start()
    with tt.guard():
        y = w * 3.0
        inside.wait()
        y.sum().backward()
    assert not w.data.flags.writeable
    leave.set()
    thread.join()
    assert w.data.flags.writeable and not guarding.locks


@pytest.mark.parametrize("make", [
    lambda: (nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(12, 6), nn.BatchNorm1d(6), nn.ReLU(),
                           nn.Dropout(0.3), nn.LayerNorm(6), nn.Linear(6, 5)), (7,)),
    lambda: (GPT(5, context=3, layers=1, heads=2, width=8), (7, 3))], ids=["sequential", "gpt"])
def test_a_guarded_step_is_the_step(make):
    def train(block):
        tt.manual_seed(1)
        model, shape = make()
        opt, losses = optim.AdamW(model.parameters(), lr=0.01), []
        x = np.arange(21).reshape(7, 3) % 5
        for _ in range(3):
            with block():
                opt.zero_grad()
                logits = model(x)
                loss = tt.cross_entropy(logits, np.arange(np.prod(shape)).reshape(shape) % 5)
                loss.backward()
                opt.step()
            losses.append(loss.item())
        return losses

    assert train(tt.guard) == train(nullcontext) == train(tt.detect_anomaly)
