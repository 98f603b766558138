"""Several processes that share a step: as one would do it, and what happens when one of them dies."""

import gc
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn, optim
from tinytensor.compiler.parallel import process_group
from tinytensor.models import GPT
from tinytensor.nn import functional as F

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are forked on Linux only")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def training(model, opt, clip=None, ignore=None):
    def step(x, y):
        loss = tt.cross_entropy(model(x), y, ignore_index=ignore)
        opt.zero_grad()
        loss.backward()
        if clip:
            optim.clip_grad_norm_(model.parameters(), clip)
        opt.step()
        return loss

    return step


def mlp():
    return nn.Sequential(nn.Embedding(27, 8, rng=1), nn.Flatten(), nn.Linear(24, 32, rng=2), nn.Tanh(),
                         nn.Linear(32, 27, rng=3))


def with_batch_norm(unbiased=False):
    return nn.Sequential(nn.Embedding(27, 8, rng=1), nn.Flatten(), nn.Linear(24, 32, rng=2),
                         nn.BatchNorm1d(32, unbiased=unbiased), nn.Tanh(), nn.Linear(32, 27, rng=3), nn.BatchNorm1d(27))


def batches(n, shape, high=27, seed=0):
    rng = np.random.default_rng(seed)
    return [(rng.integers(0, high, shape), rng.integers(0, high, shape if len(shape) > 2 else shape[:1]))
            for _ in range(n)]


CASES = {
    "sgd": (mlp, lambda p: optim.SGD(p, lr=0.1), {}, (8, 3)),
    "momentum": (mlp, lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3), {}, (8, 3)),
    "clipped": (mlp, lambda p: optim.AdamW(p, lr=1e-3), {"clip": 0.1}, (8, 3)),
    "batch norm": (with_batch_norm, lambda p: optim.SGD(p, lr=0.1), {}, (8, 3)),
    "unbiased": (lambda: with_batch_norm(True), lambda p: optim.SGD(p, lr=0.1), {}, (8, 3)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [2, 3])
def test_workers_do_what_one_does(case, size):
    make, optimizer, options, shape = CASES[case]
    one, many = make(), make()
    opts = [optimizer(model.parameters()) for model in (one, many)]
    eager = training(one, opts[0], **options)
    shared = tt.compile(training(many, opts[1], **options), many, opts[1], workers=size)
    for x, y in batches(20, (4 * size, *shape[1:])):
        opts[0].lr = opts[1].lr = opts[0].lr * 0.9
        assert abs(eager(x, y).item() - shared(x, y).item()) < 1e-5
    for name, a in one.state_dict().items():
        np.testing.assert_allclose(many.state_dict()[name], a, rtol=0, atol=1e-5, err_msg=name)


def test_a_gpt_whose_targets_do_not_all_count():
    models = [GPT(27, 8, 16, 2, 2, rng=1) for _ in range(2)]
    opts = [optim.AdamW(m.parameters(), lr=1e-3) for m in models]
    eager = training(models[0], opts[0], ignore=0)
    shared = tt.compile(training(models[1], opts[1], ignore=0), models[1], opts[1], workers=2)
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.integers(0, 27, (2, 4, 8))
        y[:, 5:] *= rng.random((4, 3)) < 0.5
        assert abs(eager(x, y).item() - shared(x, y).item()) < 1e-5


def test_batches_that_are_drawn_inside_are_dealt_out_and_masks_are_each_workers_own():
    X, Y = (np.concatenate(a) for a in zip(*batches(10, (10, 3)), strict=True))
    rng, noise = np.random.default_rng(5), np.random.default_rng(6)
    model = nn.Sequential(mlp(), nn.Dropout(0.5, rng=noise))
    opt = optim.SGD(model.parameters(), lr=0.1)

    def step():
        ix = rng.integers(0, len(X), (8,))
        return training(model, opt)(tt.take(X, ix, 0), tt.take(Y, ix, 0)), ix

    shared, like = tt.compile(step, model, opt, rng, workers=2), np.random.default_rng(5)
    for _ in range(6):
        loss, ix = shared()
        np.testing.assert_array_equal(ix, like.integers(0, len(X), (8,)))
        assert np.isfinite(loss.item())
    assert like.bit_generator.state == rng.bit_generator.state


@pytest.mark.parametrize("declared", [False, True])
def test_arrays_that_change_between_steps_are_seen_by_all(declared):
    """Those that the step knows by name, and declared ones that it changes itself."""
    scale, models = np.ones(27, np.float32), [mlp(), mlp()]
    opts = [optim.SGD(model.parameters(), lr=0.1) for model in models]
    scales = [scale.copy(), scale.copy()]

    def step_of(model, opt, scale):
        def step(x, y):
            loss = tt.cross_entropy(model(x) * scale, y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            if declared:
                scale[...] = scale * 0.5
            return loss

        return step

    eager = step_of(models[0], opts[0], scales[0])
    step = step_of(models[1], opts[1], scales[1])
    shared = tt.compile(step, models[1], opts[1], *([scales[1]] if declared else []), workers=2)
    for i, (x, y) in enumerate(batches(8, (8, 3))):
        for s in scales:
            s[i] = i
        assert abs(eager(x, y).item() - shared(x, y).item()) < 1e-5, i
    np.testing.assert_array_equal(scales[0], scales[1])


def test_parameters_that_are_looked_at_after_the_gradients_are_refused():
    """Others may have updated their part by then."""
    model = mlp()
    opt = optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        training(model, opt)(x, y)
        return model(x)

    with pytest.raises(tt.CompileError, match=r"return model\(x\)': parameters are read after the optimiser"):
        tt.compile(step, model, opt, workers=2)(*batches(1, (8, 3))[0])


def test_a_batch_that_can_not_be_shared_is_refused():
    model = mlp()
    opt = optim.SGD(model.parameters(), lr=0.1)
    step = tt.compile(training(model, opt), model, opt, workers=2)
    x, y = batches(1, (7, 3))[0]
    with pytest.raises(tt.CompileError, match=r"got x of shape \(7, 3\) for 2 workers; expected arrays whose first"):
        step(x, y)


def test_numbers_of_workers_that_make_no_sense_are_refused():
    for wrong in (0, -1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="got workers=.*; expected an int, 1 or more"):
            tt.compile(lambda x: x, workers=wrong)


def test_where_forking_is_not_safe_it_says_so(monkeypatch):
    monkeypatch.setattr(process_group.sys, "platform", "darwin")
    with pytest.raises(tt.CompileError, match="got workers=2 on darwin .*; expected Linux on x86-64"):
        tt.compile(lambda x: x, workers=2)


def running(step):
    """The workers of a compiled step."""
    return [pid for pid in step.latest.run.group.pids if pid]


def eliminate_dead_code(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_worker_that_fails_ends_all_with_its_error_and_the_next_call_starts_anew():
    model = mlp()
    opt = optim.SGD(model.parameters(), lr=0.1)
    step = tt.compile(training(model, opt), model, opt, workers=2)
    data = batches(5, (8, 3))
    for x, y in data[:3]:
        step(x, y)
    pids, bad = running(step), data[3][0].copy()
    bad[7, 0] = 99  # in the second worker's part
    with pytest.raises(tt.CompileError, match="a worker failed: IndexError: embedding: got index 99 for"):
        step(bad, data[3][1])
    assert not any(map(eliminate_dead_code, pids))
    assert np.isfinite(step(*data[4]).item())
    bad[0, 0] = 99  # in the first one's
    with pytest.raises(IndexError, match="got index 99 for"):
        step(bad, data[3][1])
    assert np.isfinite(step(*data[4]).item())


def test_a_worker_that_is_killed_is_noticed_and_replaced():
    model = mlp()
    opt = optim.SGD(model.parameters(), lr=0.1)
    step = tt.compile(training(model, opt), model, opt, workers=2)
    data = batches(8, (8, 3))
    for x, y in data[:3]:
        step(x, y)
    os.kill(running(step)[0], signal.SIGKILL)
    with pytest.raises(tt.CompileError, match="worker 1 has died, perhaps for lack of memory"):
        for x, y in data[3:]:
            step(x, y)
    assert np.isfinite(step(*data[4]).item())


def test_workers_end_with_the_step():
    model = mlp()
    opt = optim.SGD(model.parameters(), lr=0.1)
    step = tt.compile(training(model, opt), model, opt, workers=3)
    for x, y in batches(4, (6, 3)):
        step(x, y)
    pids = running(step)
    assert len(pids) == 2 and all(map(eliminate_dead_code, pids))
    del step
    gc.collect()
    assert not any(map(eliminate_dead_code, pids))


def test_workers_do_not_outlive_a_parent_that_is_killed():
    code = textwrap.dedent("""
        import os, signal, sys
        import numpy as np, tinytensor as tt
        from tinytensor import nn, optim
        model = nn.Linear(3, 2, rng=1)
        opt = optim.SGD(model.parameters(), lr=0.1)
        def step(x, y):
            loss = tt.cross_entropy(model(x), y)
            opt.zero_grad(); loss.backward(); opt.step()
            return loss
        step = tt.compile(step, model, opt, workers=2)
        for _ in range(4):
            step(np.ones((4, 3), np.float32), np.array([0, 1, 1, 0]))
        print(*step.latest.run.group.pids, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 1, done.stderr
    deadline = time.monotonic() + 10
    while any(map(eliminate_dead_code, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(eliminate_dead_code, pids))


@pytest.mark.parametrize("seed", range(6))
def test_killing_anyone_at_any_time_neither_hangs_nor_leaves_orphans(seed):
    code = textwrap.dedent("""
        import sys
        import numpy as np, tinytensor as tt
        from tinytensor import nn, optim
        model = nn.Sequential(nn.Linear(30, 200, rng=1), nn.BatchNorm1d(200), nn.Tanh(), nn.Linear(200, 9, rng=2))
        opt = optim.AdamW(model.parameters(), lr=1e-3)
        def step(x, y):
            loss = tt.cross_entropy(model(x), y)
            opt.zero_grad(); loss.backward(); opt.step()
            return loss
        step = tt.compile(step, model, opt, workers=2)
        x, y = np.ones((64, 30), np.float32), np.arange(64) % 9
        for _ in range(3):
            step(x, y)
        print(*step.latest.run.group.pids, flush=True)
        while True:
            step(x, y)
    """)
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              cwd=ROOT, env=env)
    pid = int(parent.stdout.readline())
    rng = np.random.default_rng(seed)
    time.sleep(rng.uniform(0, 0.05))
    os.kill(parent.pid if seed % 2 else pid, [signal.SIGKILL, signal.SIGTERM][seed % 4 // 2])
    _, told = parent.communicate(timeout=30)
    assert seed % 2 or "has died" in told
    deadline = time.monotonic() + 10
    while eliminate_dead_code(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not eliminate_dead_code(pid)


def test_what_others_read_is_written_once_in_a_step():
    """Whoever is behind reads it late: no later call may take its memory."""
    model = with_batch_norm()
    model[3].weight.register_hook(lambda g: g * 2)  # of what was added up, read for the last time there
    opt = optim.SGD(model.parameters(), lr=0.1)
    step = tt.compile(training(model, opt), model, opt, workers=2)
    for x, y in batches(3, (8, 3)):
        step(x, y)
    made, _, calls = step.source.partition("def step(")
    names = dict(line.split(" = ", 1) for line in made.splitlines() if " = " in line)
    there = {name for name, text in names.items() if text.startswith("group.parts[")}
    while more := {name for name, text in names.items() if re.split(r"[.[]", text)[0] in there} - there:
        there |= more
    assert len(there) > 7, "sums for two layers and back, and all gradients"
    written = Counter(names[name] if names[name] in there else name for name in there if f"out={name})" in calls)
    assert max(written.values()) == 1, written


def test_what_is_declared_and_private_reaches_the_others():
    """Copies go to and fro of the arrays that something is made of; what becomes only itself may be older there."""
    scale, count, sums = (np.ones(3, np.float32) for _ in range(3))

    def step(x):
        np.add(count, 1, out=count)
        np.multiply(sums, 0.5, out=sums)
        np.add(scale, count, out=scale)
        return x * scale, sums.sum()

    compiled, x = tt.compile(step, scale, count, sums, workers=2), np.ones((4, 3), np.float32)
    for i in range(6):
        if i == 4:
            count[...], sums[...] = 7, 8
        y, total = compiled(x)
        assert (y == scale).all() and total == sums.sum()
    assert count[0] == 9 and sums[0] == 2
    copied = [a for a, _ in compiled.latest.run.mirrored]
    assert len(copied) == 3 and all(any(a is b for b in (scale, count, sums)) for a in copied)

    model = with_batch_norm()  # whose statistics nothing is made of while it learns
    opt = optim.SGD(model.parameters(), lr=0.1)
    learn = tt.compile(training(model, opt), model, opt, workers=2)
    for x, y in batches(3, (8, 3)):
        learn(x, y)
    assert not learn.latest.run.mirrored and "running" in learn.source


def test_what_a_worker_could_fail_of_is_never_old():
    place, table = np.zeros(4, np.int64), np.arange(1, 7)

    def step(x):
        place[...] = tt.take(table, place, 0)
        return x * 2

    compiled = tt.compile(step, place, workers=2)
    for i in range(12):
        if i % 4 == 0:
            place[...] = 0
        compiled(np.ones((2, 3)))
    assert (place == 4).all()


def test_lines_are_timed_where_one_works():
    model = mlp()
    opt = optim.SGD(model.parameters(), lr=0.1)
    step = tt.compile(training(model, opt), model, opt, workers=2)
    for x, y in batches(2, (8, 3)):
        step(x, y)
    assert "lines" in str(step.explain())
    with pytest.raises(tt.CompileError, match="explain got arguments, but 2 workers share the step; expected"):
        step.explain(x, y)


# --- the whole batch's, not the average of its parts' ---

CLASS_WEIGHT = np.array([1, 5, 0.2, 1], np.float32)


def soft(y):
    return (np.arange(4) == y[:, None]).astype(np.float32) * 0.7 + 0.1


LOSSES = {
    "cross_entropy": (F.cross_entropy, [{}, {"weight": CLASS_WEIGHT}, {"ignore_index": 0}, {"label_smoothing": 0.3}, {
        "weight": CLASS_WEIGHT, "ignore_index": 0, "label_smoothing": 0.3}]),
    "tt.cross_entropy": (tt.cross_entropy, [{}, {"ignore_index": 0}]),
    "probabilities": (lambda z, y, *a, **k: F.cross_entropy(z, soft(y), *a, **k), [{}, {"weight": CLASS_WEIGHT}]),
    "nll_loss": (lambda z, y, *a, **k: F.nll_loss(z.log_softmax(1), y, *a, **k),
                 [{}, {"weight": CLASS_WEIGHT}, {"ignore_index": 0}, {"weight": CLASS_WEIGHT, "ignore_index": 0}]),
    "bce": (lambda z, y, *a, **k: F.binary_cross_entropy_with_logits(z, soft(y), *a, **k),
            [{}, {"weight": CLASS_WEIGHT}, {"pos_weight": CLASS_WEIGHT}]),
    "kl_div": (lambda z, y, *a, **k: F.kl_div(z.log_softmax(1), soft(y), *a, **k), [{}, {"reduction": "batchmean"}]),
    "mse_loss": (lambda z, y, reduction: F.mse_loss(z, soft(y), reduction), [{}]),
    "l1_loss": (lambda z, y, reduction: F.l1_loss(z, soft(y), reduction), [{}]),
    "huber_loss": (lambda z, y, *a, **k: F.huber_loss(z, soft(y), *a, **k), [{"delta": 0.2}]),
    "smooth_l1_loss": (lambda z, y, *a, **k: F.smooth_l1_loss(z, soft(y), *a, **k), [{"beta": 0.2}, {"beta": 0.0}]),
}


def learnt(loss, outputs=lambda z, y: (), workers=1, steps=5, **options):
    """What steps gave, whose targets that count are not as many in both halves of a batch, and the weights then."""
    model = nn.Linear(3, 4, rng=1)
    opt, rng, given = optim.SGD(model.parameters(), lr=0.01), np.random.default_rng(0), []

    def step(x, y):
        z = model(x)
        losses = loss(z, y)
        opt.zero_grad()
        (losses.mean() if losses.ndim else losses).backward()
        opt.step()
        return losses, outputs(z.data, y)

    step = step if workers == 1 else tt.compile(step, model, opt, workers=workers, **options)
    for _ in range(steps):
        y = rng.integers(0, 4, 12)
        y[-4:] = 0
        losses, found = step(rng.standard_normal((12, 3)).astype(np.float32), y)
        given.append((losses.data, found))
    return given, model.state_dict()


def same(a, b):
    if isinstance(a, dict):
        a, b = [*a.values()], [*b.values()]
    if isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [2, 3])
def test_losses_divide_by_what_counts_over_all_workers(name, size):
    function, several = LOSSES[name]
    for options in several:
        for reduction in ("mean", "sum", "none"):
            def loss(z, y, options=options, reduction=reduction):
                return function(z, y, **{"reduction": reduction, **options})

            same(learnt(loss), learnt(loss, workers=size))


def plain(z, y):
    return F.cross_entropy(z, y)


def test_what_a_step_gives_back_is_the_whole_batchs():
    def outputs(z, y):
        hits = z.argmax(1) == y
        return {"count": hits.sum(), "rate": hits.mean(), "share": hits.sum() / len(y), "none": (y == 99).sum(),
                "no share": (y == 99).sum() / len(y), "mean": z.mean(0), "sum": z.sum(), "max": z.max(0),
                "min": y.min(), "any": (y == 0).any(), "all": (y >= 0).all(), "rows": z, "turned": z.T,
                "flat": z.T.reshape(-1), "own": np.exp(z.max()), "weights": (CLASS_WEIGHT * 2).sum(), "int": 3}

    same(learnt(plain, outputs), learnt(plain, outputs, workers=2))
    same(learnt(plain, outputs), learnt(plain, outputs, workers=3))


REFUSED = {
    "variance": lambda z, y: z.var(0), "median": lambda z, y: np.median(z, 0), "first": lambda z, y: z[0],
    "norm": lambda z, y: np.sqrt((z * z).sum()), "ranks": lambda z, y: np.sort(z, 0),
    "above": lambda z, y: z > z.mean(),
    "masked mean": lambda z, y: (z[:, 0] * (y == 0)).sum() / (y == 0).sum(), "pairs": lambda z, y: z @ z.T}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_put_together_is_refused_before_anything_is_done(name):
    model = nn.Linear(3, 4, rng=1)
    before = repr(model.state_dict())

    def step(x, y):
        return y.max(), REFUSED[name](model(x).data, y)

    with pytest.raises(tt.CompileError, match=r"test_workers.py:\d+: .*: result 1 can't be put together from the worke"
                                              "rs' parts; expected rows, sums, .*; return rows or sums, and finish"):
        tt.compile(step, model, workers=2)(np.ones((4, 3), np.float32), np.array([0, 1, 2, 0]))
    assert repr(model.state_dict()) == before


def test_a_loss_that_is_no_sum_of_rows_is_refused():
    def masked(z, y):
        return ((z * z).sum(1) * (y == 0)).sum() / (y == 0).sum()

    with pytest.raises(tt.CompileError, match=r"'return .*y == 0\).sum\(\)': the gradient of this loss can't be put to"
                                              r"gether .*; use the library's losses with ignore_index or weight, divi"):
        learnt(masked, workers=2)
    same(learnt(divided := lambda z, y: ((z * z).sum(1) * (y == 0)).sum() / len(y)), learnt(divided, workers=2))


@pytest.mark.parametrize("loss", [
    lambda z, y: (z * z).sum() / 100, lambda z, y: ((z * z) / len(y)).sum(), lambda z, y: (z * z).sum() / len(y),
    lambda z, y: (z * z * 6).sum() / 6, lambda z, y: (z * z).sum() * (z.data.shape[0] / 12 * 0 + 0.01),
    lambda z, y: (z * z).sum() * (1 / y.size), lambda z, y: ((z * z) / y.size).sum() * 0.5])
def test_sums_are_told_from_means_by_what_one_process_makes_of_the_batch(loss):
    """A number that the sum is multiplied by may be 1 / n, or not."""
    for options in ({}, {"fast": True}):
        same(learnt(loss), learnt(loss, workers=2, **options))
    same(learnt(loss), learnt(loss, workers=3))


def test_what_is_no_sum_and_no_mean_after_all_is_refused():
    with pytest.raises(tt.CompileError, match=r"step: the gradient of weight\[0, 0\] is .* for the whole batch and .* "
                                              r"by 2 workers; expected the same but for rounding; .*divide by the b"):
        learnt(lambda z, y: ((z * z) / len(y)).mean(), workers=2)


def test_what_is_drawn_for_each_row_does_not_hide_the_rest():
    """Masks are each worker's own; what does not come of them is compared, and a loss has to be a mean for certain."""
    def dropped(loss, other=lambda y: y.max()):
        model = nn.Sequential(nn.Linear(3, 6, rng=1), nn.Dropout(0.5, rng=2), nn.Linear(6, 4, rng=1))
        opt = optim.SGD(model.parameters(), lr=0.001)

        def step(x, y):
            z = model(x)
            value = loss(z, y)
            opt.zero_grad()
            value.backward()
            opt.step()
            return value, z.argmax(1), other(y)

        step, rng = tt.compile(step, model, opt, workers=2), np.random.default_rng(0)
        for _ in range(12):
            y = rng.integers(0, 4, 8)
            value, best, found = step(rng.standard_normal((8, 3)).astype(np.float32), y)
            assert best.shape == (8,) and found == other(y) and np.isfinite(value.item())

    for fine in (plain, lambda z, y: (z * z).sum(), lambda z, y: (z * z).sum() / len(y), lambda z, y: z.var(1).mean()):
        dropped(fine)
    for wrong in (lambda z, y: (z * z).sum() / 100, lambda z, y: ((z * z) / len(y)).sum()):
        with pytest.raises(tt.CompileError, match=r"can't be checked that the loss is a mean .*; write .mean\(\), di"):
            dropped(wrong)
    with pytest.raises(tt.CompileError, match="the result is 8 for the whole batch and 4 by 2 workers"):
        dropped(plain, len)


@pytest.mark.parametrize("function", [False, True], ids=["backward", "grad"])
def test_gradients_that_are_given_back_are_complete(function):
    def given(workers):
        model = nn.Linear(40, 30, rng=1)
        opt = optim.SGD(model.parameters(), lr=0.1)

        def step(x, y):
            loss = (model(x) ** 2).sum() * 0.01 if function else tt.cross_entropy(model(x), y)
            opt.zero_grad()
            if function:  # of a sum, that is: the gradients by several workers add up
                model.weight.grad, model.bias.grad = (g.data for g in tt.grad(loss, [model.weight, model.bias]))
            else:
                loss.backward()
            opt.step()
            return model.weight.grad, model.bias.grad

        step = tt.compile(step, model, opt, workers=workers) if workers > 1 else step
        rng = np.random.default_rng(0)
        return [step(rng.standard_normal((8, 40)).astype(np.float32), rng.integers(0, 30, 8)) for _ in range(40)]

    same(given(1), given(2))


def test_integers_that_can_not_be_dealt_out_are_refused():
    rng, table = np.random.default_rng(0), np.arange(30)
    for shape in (7, None):
        with pytest.raises(tt.CompileError, match="integers of shape .* are drawn; expected a multiple of 2 rows"):
            tt.compile(lambda shape=shape: tt.take(table, rng.integers(0, 9, shape), 0) * 2, rng, workers=2)()


def test_state_that_is_made_of_a_workers_rows_is_refused():
    count = np.zeros((), np.int64)

    def step(y):
        count[...] = count + (y == 0).sum()
        return y

    with pytest.raises(tt.CompileError, match="the declared count can't be put together from the workers' parts; "
                                              "expected values that all workers have to become declared state; return "
                                              "it and"):
        tt.compile(step, count, workers=2)(np.array([0, 1, 2, 0]))
    assert count == 0


def test_what_does_not_depend_on_the_batch_is_added_to_a_mean_and_not_to_a_sum():
    """It would be added once for each worker."""
    def penalised(z, y, reduction="mean"):
        return F.cross_entropy(z, y, reduction) + 0.1

    same(learnt(penalised), learnt(penalised, workers=2))
    with pytest.raises(tt.CompileError, match="the gradient of this loss can't be put together"):
        learnt(lambda z, y: penalised(z, y, "sum"), workers=2)


class Reader(nn.Module):
    """A network that reads a row from left to right, or looks at it through windows or by attention."""

    def __init__(self, kind, first=True):
        super().__init__()
        self.embedding, self.kind, self.first = nn.Embedding(11, 8, rng=1), kind, first
        self.body = {"conv": lambda: nn.Conv1d(8, 16, 3, rng=2), "attention": lambda: nn.MultiheadAttention(
            8, 2, batch_first=True, rng=2)}.get(kind, lambda: kind(8, 16, 2, rng=2, batch_first=first))()
        self.norm = nn.BatchNorm1d(16) if kind == "conv" else nn.Identity()
        self.head = nn.Linear(8 if kind == "attention" else 16, 11, rng=3)

    def forward(self, x):
        z = self.embedding(x)
        if self.kind == "conv":
            return self.head(tt.gelu(self.norm(self.body(z.swapaxes(1, 2)))).mean(2))
        if self.kind == "attention":
            return self.head(self.body(z, z, z)[0].mean(1))
        found = self.body(z if self.first else z.swapaxes(0, 1))[0]
        return self.head(found[:, -1] if self.first else found[-1])


NETWORKS = {
    "rnn": lambda: Reader(nn.RNN), "gru": lambda: Reader(nn.GRU), "lstm": lambda: Reader(nn.LSTM),
    "lstm, time first": lambda: Reader(nn.LSTM, False), "conv": lambda: Reader("conv"),
    "attention": lambda: Reader("attention"),
    "wide": lambda: nn.Sequential(
        nn.Embedding(11, 8, rng=1), nn.Flatten(), nn.Linear(64, 300, rng=1), nn.LayerNorm(300), nn.GELU(),
        nn.Linear(300, 200, rng=3), nn.RMSNorm(200), nn.Linear(200, 11, rng=4)),
}


@pytest.mark.parametrize("rows", [8, 256])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_all_kinds_are_shared(name, rows):
    """Where a product is cut into pieces, the rows are along two axes."""
    models = [NETWORKS[name]() for _ in range(2)]
    opts = [optim.SGD(m.parameters(), lr=0.05) for m in models]
    eager, step = training(models[0], opts[0]), tt.compile(training(models[1], opts[1]), models[1], opts[1], workers=2)
    rng = np.random.default_rng(0)
    for _ in range(4):
        x, y = rng.integers(0, 11, (rows, 8)), rng.integers(0, 11, rows)
        assert abs(eager(x, y).item() - step(x, y).item()) < 1e-5
