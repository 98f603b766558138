"""Compiled steps equal eager ones to the last bit: results, parameters, buffers, optimisers' state, random streams."""

from typing import Any

import numpy as np
import pytest
from steps import NETWORKS, V, W, World, Y, follow, rate, sgd, small, training, vectors, world

import tinytensor as tt
from tinytensor import nn, optim
from tinytensor.compiler.audit import equal
from tinytensor.nn import functional as F


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str) -> None:
    follow(lambda: world(NETWORKS[name]()))


# --- optimisers ---


def two_groups(model: Any) -> Any:
    return optim.Adam([{"params": model[0].parameters(), "weight_decay": 0.1}, {"params": model[2].parameters()}])


OPTIMIZERS = {
    "SGD": lambda m: optim.SGD(m.parameters(), lr=0.1),
    "momentum": sgd,
    "nesterov": lambda m: optim.SGD(m.parameters(), momentum=0.9, nesterov=True),
    "dampening": lambda m: optim.SGD(m.parameters(), momentum=0.9, dampening=0.3, weight_decay=0.1),
    "maximize": lambda m: optim.SGD(m.parameters(), weight_decay=0.1, maximize=True),
    "Adam": lambda m: optim.Adam(m.parameters()),
    "amsgrad": lambda m: optim.Adam(m.parameters(), amsgrad=True, weight_decay=0.1),
    "AdamW": lambda m: optim.AdamW(m.parameters(), betas=(0.8, 0.9)),
    "RMSprop": lambda m: optim.RMSprop(m.parameters()),
    "RMSprop, all": lambda m: optim.RMSprop(m.parameters(), momentum=0.9, centered=True, weight_decay=0.1),
    "Adagrad": lambda m: optim.Adagrad(m.parameters(), lr_decay=0.1, initial_accumulator_value=0.5),
    "two groups": two_groups,
    "decay groups": lambda m: optim.AdamW(optim.decay_groups(m.named_parameters(), 0.1)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name: str) -> None:
    follow(lambda: world(small(), vectors, OPTIMIZERS[name]))


@pytest.mark.parametrize("clip", [lambda ps: optim.clip_grad_norm_(ps, 0.2),
                                  lambda ps: optim.clip_grad_norm_(ps, 0.2, norm_type=np.inf),
                                  lambda ps: optim.clip_grad_value_(ps, 0.01)])
def test_clipping(clip: Any) -> None:
    follow(lambda: world(small(), vectors, clip=clip))


def test_frozen_parameters() -> None:
    def make() -> World:
        model = small()
        model[0].requires_grad_(False)
        return world(model, vectors)

    follow(make)


def test_tied_weights() -> None:
    def make() -> World:
        model = nn.Sequential(nn.Linear(6, 6, rng=1), nn.Tanh(), nn.Linear(6, 6, rng=2))
        model[2].weight = model[0].weight
        return world(model, vectors)

    follow(make)


def test_two_steps_on_one_model() -> None:
    plain, mine = small(), small()
    eager = [training(plain, sgd(plain)), lambda x: plain(x).sum()]
    opt = sgd(mine)
    step, evaluate = tt.compile(training(mine, opt), mine, opt), tt.compile(lambda x: mine(x).sum(), mine)
    for i in range(8):
        assert equal(eager[0](*vectors(i)), step(*vectors(i)))
        assert equal(eager[1](V[:5]), evaluate(V[:5]))


# --- losses ---

LOSSES = {
    "mse": lambda y, t: F.mse_loss(y, W[: len(y)]),
    "l1": lambda y, t: F.l1_loss(y, W[: len(y)], reduction="sum"),
    "huber": lambda y, t: F.huber_loss(y, W[: len(y)], delta=0.5),
    "smooth l1": lambda y, t: F.smooth_l1_loss(y, W[: len(y)], beta=0.5),
    "bce": lambda y, t: F.binary_cross_entropy_with_logits(y, W[: len(y)], pos_weight=np.ones(4, np.float32) * 2),
    "kl": lambda y, t: F.kl_div(F.log_softmax(y, -1), W[: len(y)], reduction="batchmean"),
    "nll": lambda y, t: F.nll_loss(F.log_softmax(y, -1), t),
    "cross entropy": lambda y, t: F.cross_entropy(y, t, weight=np.arange(1, 5, dtype=np.float32)),
    "smoothed": lambda y, t: F.cross_entropy(y, t, label_smoothing=0.1),
    "dropout": lambda y, t: F.cross_entropy(F.dropout(y, 0.2), t),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    follow(lambda: world(small(), vectors, loss=LOSSES[name]), steps=6)


# --- batches drawn inside ---

numpy_stream, our_stream = np.random.default_rng(7), tt.Generator(7)


def test_batches_from_a_closed_over_stream() -> None:
    def make() -> World:
        model, rng = small(), np.random.default_rng(7)
        opt = sgd(model)
        inner = training(model, opt)

        def step(lr: float) -> Any:
            ix = rng.integers(0, len(V), 8)
            return inner(tt.take(V, ix, 0), tt.take(Y, ix, 0) % 4, lr), ix

        return World(step, [model, opt, rng], lambda i: (rate(i),))

    follow(make)


def test_batches_from_our_generator() -> None:
    def make() -> World:
        model, rng = small(), tt.Generator(7)
        opt = sgd(model)
        inner = training(model, opt)

        def step(lr: float) -> Any:
            ix = rng.randint(0, len(V), (8,))
            return inner(tt.take(V, ix, 0), tt.take(Y, ix, 0) % 4, lr), rng.randn(3), rng.randperm(4)

        return World(step, [model, opt, rng], lambda i: (rate(i),))

    follow(make)


@pytest.mark.parametrize("stream", ["numpy_stream", "our_stream"])
def test_batches_from_a_global_stream(stream: str) -> None:
    def by_numpy() -> Any:
        return tt.take(V, numpy_stream.integers(0, len(V), 5), 0)

    def by_ours() -> Any:
        return tt.take(V, our_stream.randint(0, len(V), (5,)), 0)

    step, rng = (by_numpy, numpy_stream) if stream == "numpy_stream" else (by_ours, our_stream)
    compiled = tt.compile(step, rng)
    found = [compiled() for _ in range(6)]
    again = np.random.default_rng(7) if stream == "numpy_stream" else tt.Generator(7)
    draw = again.integers if stream == "numpy_stream" else again.randint
    assert equal(found, [V[draw(0, len(V), (5,))] for _ in range(6)])


def test_a_compiled_step_prints_its_name_programs_and_options():
    def step(x):
        return x * 2

    compiled = tt.compile(step, max_programs=3)
    text = "CompiledStep(step, programs={}, workers=1, check=None, fast=False, max_programs=3, static_argnames=())"
    assert repr(compiled) == text.format(0)
    for n in (2, 2, 3, 3):
        compiled(np.ones(n))
    assert repr(compiled) == text.format(2)


def test_a_stream_of_numpy_s_has_the_attributes_of_a_generator_in_a_trace():
    rng = np.random.default_rng(0)

    def step(x):
        return x * rng.random(3) if hasattr(rng, "integers") and not hasattr(rng, "__index__") else x

    compiled = tt.compile(step, rng)
    got = [compiled(np.ones(3)) for _ in range(3)]
    again = np.random.default_rng(0)
    np.testing.assert_array_equal(got, [again.random(3) for _ in range(3)])
