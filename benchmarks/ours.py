"""The tasks in tinytensor: eager, compiled, and compiled with several workers."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinytensor as tt
from tinytensor import models, nn, optim

from . import networks
from .tasks import (
    ADAMW,
    BATCHES,
    LINKS,
    LR,
    MICROGRAD_DECAY,
    MICROGRAD_LR,
    Missing,
    Step,
    Task,
    batches,
    chain,
    corpus,
    micrograd_weights,
    moons,
)


def make(task: Task, sampled: bool = False, workers: int = 0, fast: bool = False) -> Step:
    """The step of a task; with 0 workers it is eager."""
    tt.keep_freed_memory()  # as the examples do
    if workers and not hasattr(tt, "compile"):
        raise Missing("this tinytensor has no compile")
    if task.trains:
        return training(task, sampled, workers, fast)
    makers = {"forward": forward, "both": both, "micrograd": micrograd, "writing": writing}
    return makers[task.kind](task, workers)


def compiled(function: Any, *state: Any, workers: int, fast: bool = False) -> Any:
    """The function itself, or compiled."""
    return tt.compile(function, *state, workers=workers, fast=fast) if workers else function


# --- a training step ---


def network(task: Task) -> Any:
    """The network, with the initial weights of all contenders."""
    tt.manual_seed(0)
    if task.kind == "mlp":
        return networks.mlp(nn, tt.tanh, task)
    if task.kind == "batchnorm":
        return nn.Sequential(networks.batchnorm(nn, task))
    if task.kind == "wavenet":
        return models.WaveNet(task.vocabulary, task.context, task.embedding, task.width, rng=0)
    return models.GPT(task.vocabulary, task.context, task.width, task.depth, task.heads, rng=0)


def state(task: Task) -> dict[str, np.ndarray]:
    """All of the network's weights and running statistics, by name: copies."""
    return {name: a.copy() for name, a in network(task).state_dict().items()}


def training(task: Task, sampled: bool, workers: int, fast: bool) -> Step:
    model = network(task)
    opt: Any = (optim.AdamW(model.parameters(), **ADAMW) if task.kind == "gpt"
                else optim.SGD(model.parameters(), lr=LR))

    def step(x: Any, y: Any) -> Any:
        loss = tt.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    if not sampled:
        X, Y = batches(task)
        given = compiled(step, model, opt, workers=workers, fast=fast)
        return lambda i: float(given(X[i % BATCHES], Y[i % BATCHES]))

    X, Y = corpus(task)
    rng = np.random.default_rng(0)

    def draws() -> Any:
        ix = rng.integers(0, len(X), (task.batch,))
        return step(tt.take(X, ix, 0), tt.take(Y, ix, 0))

    drawing = compiled(draws, model, opt, rng, workers=workers, fast=fast)
    return lambda _: float(drawing())


# --- the rest ---


def links(h: Any, w: Any, b: Any) -> Any:
    for _ in range(LINKS):
        h = tt.tanh(h * w + b)
    return h


def forward(task: Task, workers: int) -> Step:
    if workers:
        arrays, run = chain(), compiled(links, workers=workers)
        return lambda _: run(*arrays)
    tensors = [tt.tensor(a, requires_grad=True) for a in chain()]  # the eager chain records
    return lambda _: links(*tensors)


def both(task: Task, workers: int) -> Step:
    ones = np.ones(8, np.float32)

    def gradients(h: Any, w: Any, b: Any) -> Any:
        xs = [tt.Tensor(a, requires_grad=True) for a in (h, w, b)]
        links(*xs).backward(ones)
        return [x.grad for x in xs]

    arrays, run = chain(), compiled(gradients, workers=workers)
    return lambda _: run(*arrays)


def micrograd(task: Task, workers: int) -> Step:
    weights = micrograd_weights()
    first, *rest = (nn.Linear(W.shape[1], W.shape[0]) for W, _ in weights)
    model = nn.Sequential(first, *(part for layer in rest for part in (nn.ReLU(), layer)))
    for p, a in zip(model.parameters(), (a for pair in weights for a in pair), strict=True):
        p.data[...] = a
    opt = optim.SGD(model.parameters(), lr=MICROGRAD_LR)
    X, Y = moons(task.batch)

    def step(x: Any, y: Any) -> Any:
        loss = tt.relu(1 - y * model(x).reshape(-1)).mean()
        loss = loss + MICROGRAD_DECAY * sum((p * p).sum() for p in model.parameters())
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    run = compiled(step, model, opt, workers=workers)
    return lambda _: float(run(X, Y))


def writing(task: Task, workers: int) -> Step:
    model, rng = network(task).eval(), tt.Generator(1)
    return lambda i: list(model.generate([[i % 20]], task.context - 1, rng))
