"""`fast=True`: a learning rate multiplies the loss's factor in the gradients' place, within rounding, where it may."""

import sys

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import models, nn, optim
from tinytensor.compiler.audit import equal

BATCHES = [(rng.integers(0, 27, (8, 4)), rng.integers(0, 27, 8)) for rng in map(np.random.default_rng, range(12))]


def network(*middle):
    return nn.Sequential(nn.Embedding(27, 8, rng=1), nn.Flatten(), nn.Linear(32, 16, rng=2), *middle,
                         nn.Linear(16, 27, rng=3))


NETWORKS = {
    "tanh": lambda: network(nn.Tanh()),
    "batch norm, relu": lambda: network(nn.BatchNorm1d(16), nn.ReLU()),
    "layer norm, gelu": lambda: network(nn.LayerNorm(16), nn.GELU()),
    "sigmoid, silu": lambda: network(nn.Sigmoid(), nn.Linear(16, 16, rng=4), nn.SiLU()),
    "wavenet": lambda: models.WaveNet(27, 4, 6, 16, 2, rng=0),
    "attention": lambda: nn.Sequential(models.GPT(27, 4, 16, 1, 2, rng=1), nn.Flatten(), nn.Linear(4 * 27, 27, rng=2)),
}


def descent(model, **settings):
    return optim.SGD(model.parameters(), lr=0.1, **settings)


class Bent(optim.SGD):
    """Steps by something that is made of the gradient."""

    def __init__(self, params, of_gradient):
        super().__init__(params, lr=0.1)
        self.of_gradient = of_gradient

    def update(self, group, block, g):
        block.t += 1
        block.theta -= group["lr"] * self.of_gradient(g)


def stepping(model, opt, clip=False, extra=None):
    def step(x, y):
        loss = tt.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        if clip:
            optim.clip_grad_norm_(model.parameters(), 0.1)
        opt.step()
        return (loss, extra(model)) if extra else loss

    return step


def trained(make, optimizer=descent, clip=False, extra=None, **options):
    """A network after a dozen compiled steps with a falling rate, what they gave, and the compiled step."""
    model = make()
    opt = optimizer(model)
    step, given = tt.compile(stepping(model, opt, clip, extra), model, opt, **options), []
    for x, y in BATCHES:
        for group in opt.param_groups:
            group["lr"] *= 0.9
        given.append(step(x, y))
    return model.state_dict(), given, step


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="workers are forked on Linux only"))])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_rate_multiplies_the_loss_in_the_gradients_place(name, workers):
    exact, losses, _ = trained(NETWORKS[name], workers=workers)
    fast, others, step = trained(NETWORKS[name], workers=workers, fast=True)
    np.testing.assert_allclose([x.item() for x in others], [x.item() for x in losses], rtol=2e-6)
    for path, a in exact.items():
        np.testing.assert_allclose(fast[path], a, rtol=0, atol=2e-6 * max(1, np.abs(a).max()), err_msg=path)
    before, _, update = step.source.partition("# --- update ---")
    assert " * lr, out=" in before and "lr, out=" not in update


@pytest.mark.parametrize("settings", [
    {"optimizer": lambda m: descent(m, momentum=0.9)}, {"optimizer": lambda m: descent(m, weight_decay=0.01)},
    {"optimizer": lambda m: optim.AdamW(m.parameters(), lr=1e-3)}, {"clip": True},
    {"extra": lambda m: np.multiply(next(iter(m.parameters())).grad, 2)},
    {"optimizer": lambda m: optim.SGD([{"params": [p], "lr": 0.1 / (i + 1)} for i, p in enumerate(m.parameters())])},
    {"optimizer": lambda m: Bent(m.parameters(), lambda g: g * g)},
    {"optimizer": lambda m: Bent(m.parameters(), lambda g: np.where(np.arange(g.size) % 2, g, 1))},
    {"optimizer": lambda m: Bent(m.parameters(), lambda g: np.concatenate([g[9:], np.ones(9, g.dtype)]))},
    {"optimizer": lambda m: Bent(m.parameters(), lambda g: g + 1)},
], ids=["momentum", "decay", "adamw", "clipping", "given back", "two rates", "squared", "chosen",
        "joined", "shifted"])
def test_a_gradient_that_is_used_otherwise_stays_as_it_is(settings):
    exact, fast = (trained(NETWORKS["tanh"], **settings, fast=fast) for fast in (False, True))
    assert equal(exact[0], fast[0]) and equal(exact[1], fast[1])


ONES = np.ones((4, 3), np.float32)
UPDATES = {
    "a rate is added": lambda w, g, lr: lr * (g + lr),
    "a rate is chosen": lambda w, g, lr: lr * np.where(w > 0, g, lr),
    "chosen by it": lambda w, g, lr: lr * np.where(g, w, 0),
    "joined with a list": lambda w, g, lr: lr * np.concatenate([g[1:], [[1.0, 2.0, 3.0]]]),
    "stacked with a list": lambda w, g, lr: lr * np.stack([g[0], [1.0, 2.0, 3.0], g[1], g[2]]),
    "a sum that begins": lambda w, g, lr: lr * np.add.reduce(g, axis=0, initial=1.0),
    "half a product": lambda w, g, lr: np.multiply(g, lr, dtype=np.float16),
    "half in between": lambda w, g, lr: lr * np.multiply(g, 1.0, dtype=np.float16),
    "a view of the end": lambda w, g, lr: (lr * g.T).T,
    "a part of the end": lambda w, g, lr: (lr * g[:, ::-1])[:, ::-1],
    "another number": lambda w, g, lr: abs(lr) * g,
    "a made number": lambda w, g, lr: (2 * lr + 1) / 3 * g,
    "twice": lambda w, g, lr: lr * (lr * g),
    "einsum": lambda w, g, lr: lr * np.einsum("ij,ij->ij", g, ONES),
    "into an array": lambda w, g, lr: np.multiply(g, lr, out=np.stack([w, w]) * 0).sum(0),
}


def updated(update, fast):
    w = tt.tensor(np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3), requires_grad=True)

    def step(x, y, lr):
        w.grad = None
        loss = tt.cross_entropy(x @ w, y)
        loss.backward()
        w.data -= update(w.data, w.grad, lr)
        return loss

    step = tt.compile(step, w, fast=fast)
    for i in range(5):
        step(np.random.default_rng(i).standard_normal((8, 4), np.float32), np.arange(8) % 3, 0.1 * 0.9**i)
    return w.data


@pytest.mark.parametrize("name", UPDATES)
def test_whatever_the_update_is_only_rounding_differs(name):
    exact = updated(UPDATES[name], fast=False)
    np.testing.assert_allclose(updated(UPDATES[name], fast=True), exact, rtol=0, atol=1e-6)


def test_a_rate_that_is_drawn_stays_where_it_is():
    def trained(fast):
        w, rng = tt.ones(4, 3, requires_grad=True), np.random.default_rng(0)

        def step(x):
            w.grad = None
            tt.cross_entropy(x @ w, np.arange(8) % 3).backward()
            w.data -= rng.random() * w.grad

        step = tt.compile(step, w, rng, fast=fast)
        for i in range(5):
            step(np.random.default_rng(i).standard_normal((8, 4), np.float32))
        return w.data

    np.testing.assert_array_equal(trained(fast=True), trained(fast=False))


def test_a_step_that_changes_is_written_down_again():
    """The program that two traces are compared by stays as it was traced."""
    model = NETWORKS["tanh"]()
    opt = descent(model)
    step = tt.compile(stepping(model, opt), model, opt, fast=True)
    for batch in (8, 4, 8):
        for x, y in BATCHES:
            assert np.isfinite(step(x[:batch], y[:batch]).item())
        model.train(batch == 4)


@pytest.mark.parametrize("fast", [False, True])
def test_what_is_fast_is_audited_within_its_rounding(fast):
    trained(NETWORKS["batch norm, relu"], fast=fast, check=True)
    for gap, fits in ((1e-6, fast), (1e-4, False)):
        step = tt.compile(lambda x: x * 2, fast=fast)
        step(ONES), step(ONES)
        run = step.latest.run
        step.latest.run = lambda *given, run=run, gap=gap: tuple([x * np.float32(1 + gap) for x in run(*given)])
        if fits:
            step(ONES)
        else:
            with pytest.raises(tt.CompileError, match=r"the result\[0, 0\] is 2.0 by the step itself and 2.0"):
                step(ONES)
