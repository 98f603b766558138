"""The tasks by hand in plain NumPy: the lecture's MLP of by_hand.py, the tiny chain, and optimisers.

The optimisers are those of the frameworks that have none: written as their users would, on a dict of arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .by_hand import BATCH, LectureMLP
from .ours import state
from .tasks import ADAMW, BATCHES, LINKS, LR, TASKS, Missing, Step, Task, batches, chain, corpus


def make(task: Task, sampled: bool = False) -> Step:
    """The step of a task."""
    if task.kind == "forward":
        return forward(task)
    if task.kind == "both":
        return both(task)
    if task != TASKS["mlp"]:
        raise Missing("written for the lecture's MLP and the tiny chain only")
    return mlp(task, sampled)


def mlp(task: Task, sampled: bool) -> Step:
    model, s = LectureMLP(), state(task)
    layers = ("embed.weight", "hidden.weight", "hidden.bias", "skip.weight", "output.weight", "output.bias")
    for array, name in zip(model.p.values(), layers, strict=True):
        array[...] = s[name]
    X, Y = corpus(task) if sampled else batches(task)
    if not sampled:
        return lambda i: model.step(X[i % BATCHES], Y[i % BATCHES], LR)
    rng = np.random.default_rng(0)

    def draws(_: int) -> float:
        ix = rng.integers(0, len(X), BATCH)
        return model.step(X.take(ix, 0), Y.take(ix, 0), LR)

    return draws


# --- the chain of 600 tiny ops ---


def forward(task: Task) -> Step:
    x, w, b = chain()

    def step(_: int) -> Any:
        h = x
        for _ in range(LINKS):
            h = np.tanh(h * w + b)
        return h

    return step


def both(task: Task) -> Step:
    x, w, b = chain()

    def step(_: int) -> Any:
        h, tape = x, []
        for _ in range(LINKS):
            y = np.tanh(h * w + b)
            tape.append((h, y))
            h = y
        g = np.ones_like(x)
        d_w, d_b = np.zeros_like(x), np.zeros_like(x)
        for h, y in reversed(tape):
            g = g * (1 - y * y)
            d_b, d_w = d_b + g, d_w + g * h
            g = g * w
        return g, d_w, d_b

    return step


# --- optimisers ---


class Optimiser:
    """Gradient descent, or AdamW for a GPT, on arrays by name, in place."""

    def __init__(self, task: Task, p: dict[str, np.ndarray]) -> None:
        self.p, self.adamw, self.t = p, task.kind == "gpt", 0
        self.m, self.v = ({name: np.zeros_like(a) for name, a in p.items()} for _ in range(2))

    def step(self, grads: dict[str, np.ndarray]) -> None:
        self.t += 1
        (keep, keep_square), lr = ADAMW["betas"], ADAMW["lr"]
        for name, a in self.p.items():
            g, m, v = grads[name], self.m[name], self.v[name]
            if not self.adamw:
                a -= LR * g
                continue
            a *= 1 - lr * ADAMW["weight_decay"]
            m += (1 - keep) * (g - m)
            v += (1 - keep_square) * (g * g - v)
            a -= lr / (1 - keep**self.t) * m / (np.sqrt(v) / (1 - keep_square**self.t) ** 0.5 + 1e-8)
