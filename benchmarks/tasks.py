"""What is measured: for each task and each contender, a function that does it once.

Every contender does the same arithmetic on the same shapes, written as its users write it. It times nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import gpt
from .by_hand import BATCH, CLASSES, CONTEXT, EMBEDDING, HIDDEN, WIDTH, LectureMLP

Step = Callable[[int], Any]
LINKS = 200  # of the tiny chain: h = tanh(h * w + b), three ops each
LR = 0.1


def windows() -> tuple[np.ndarray, np.ndarray]:
    """A hundred batches of random windows: (100, 64, 3) and (100, 64)."""
    rng = np.random.default_rng(1)
    return rng.integers(0, CLASSES, (100, BATCH, CONTEXT)), rng.integers(0, CLASSES, (100, BATCH))


def chain() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The start, the factor and the offset of the tiny chain: 8 numbers each."""
    return np.full(8, 0.1, np.float32), np.full(8, 0.9, np.float32), np.full(8, 0.1, np.float32)


# --- the lecture's MLP: one training step, batch 64, 3 x 16, 200, skip, SGD ---


def mlp_by_hand() -> Step:
    X, Y = windows()
    model = LectureMLP()
    return lambda i: model.step(X[i % 100], Y[i % 100], LR)


def network(nn: Any, tanh: Any) -> Any:
    """The MLP, made of tinytensor's or of PyTorch's `nn`: they have the same names."""

    class MLP(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.hidden = nn.Embedding(CLASSES, EMBEDDING), nn.Linear(WIDTH, HIDDEN)
            self.output, self.skip = nn.Linear(HIDDEN, CLASSES), nn.Linear(WIDTH, CLASSES, bias=False)

        def forward(self, x: Any) -> Any:
            e = self.embed(x).reshape(len(x), -1)
            return self.output(tanh(self.hidden(e))) + self.skip(e)

    return MLP()


def training(model: Any, opt: Any, cross_entropy: Any, X: Any, Y: Any) -> Step:
    """A step of the eager frameworks."""

    def step(i: int) -> float:
        loss = cross_entropy(model(X[i % 100]), Y[i % 100])
        opt.zero_grad()
        loss.backward()
        opt.step()
        return float(loss.item())

    return step


def mlp_tinytensor() -> Step:
    import tinytensor as tt
    from tinytensor import nn, optim

    model = network(nn, tt.tanh)
    return training(model, optim.SGD(model.parameters(), lr=LR), tt.cross_entropy, *windows())


def mlp_torch() -> Step:
    import torch
    from torch import nn

    model = network(nn, torch.tanh)
    opt = torch.optim.SGD(model.parameters(), lr=LR)
    return training(model, opt, nn.functional.cross_entropy, *map(torch.from_numpy, windows()))


def parameters() -> dict[str, np.ndarray]:
    """The MLP's weights for the frameworks that differentiate functions of arrays."""
    rng, f = np.random.default_rng(0), np.float32
    shapes = {"C": (CLASSES, EMBEDDING), "W1": (WIDTH, HIDDEN), "b1": (HIDDEN,), "W2": (HIDDEN, CLASSES),
              "b2": (CLASSES,), "S": (WIDTH, CLASSES)}
    return {name: (0.1 * rng.standard_normal(shape)).astype(f) for name, shape in shapes.items()}


def mlp_jax() -> Step:
    import jax
    import jax.numpy as jnp

    def loss(p: Any, x: Any, y: Any) -> Any:
        e = p["C"][x].reshape(len(x), -1)
        logits = jnp.tanh(e @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"] + e @ p["S"]
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()

    @jax.jit
    def update(p: Any, x: Any, y: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(p, x, y)
        return value, jax.tree.map(lambda a, g: a - LR * g, p, grads)

    X, Y = windows()
    state = [jax.tree.map(jnp.asarray, parameters())]

    def step(i: int) -> float:
        value, state[0] = update(state[0], X[i % 100], Y[i % 100])
        return float(value)

    return step


def mlp_autograd() -> Step:
    import autograd
    import autograd.numpy as anp

    def loss(p: Any, x: Any, y: Any) -> Any:
        e = p["C"][x].reshape(len(x), -1)
        logits = anp.dot(anp.tanh(anp.dot(e, p["W1"]) + p["b1"]), p["W2"]) + p["b2"] + anp.dot(e, p["S"])
        logits = logits - anp.max(logits, axis=1, keepdims=True)
        logp = logits - anp.log(anp.sum(anp.exp(logits), axis=1, keepdims=True))
        return -anp.mean(logp[anp.arange(len(y)), y])

    X, Y = windows()
    p, both = parameters(), autograd.value_and_grad(loss)

    def step(i: int) -> float:
        value, grads = both(p, X[i % 100], Y[i % 100])
        for name in p:
            p[name] = p[name] - LR * grads[name].astype(np.float32)
        return float(value)

    return step


def mlp_mygrad() -> Step:
    import mygrad as mg
    from mygrad.nnet.losses import softmax_crossentropy

    X, Y = windows()
    p = {name: mg.tensor(a) for name, a in parameters().items()}

    def step(i: int) -> float:
        e = p["C"][X[i % 100]].reshape(BATCH, -1)
        logits = mg.matmul(mg.tanh(mg.matmul(e, p["W1"]) + p["b1"]), p["W2"]) + p["b2"] + mg.matmul(e, p["S"])
        loss = softmax_crossentropy(logits, Y[i % 100])
        loss.backward()
        for a in p.values():
            a.data -= LR * a.grad
        return float(loss)

    return step


# --- the chain of 600 tiny ops ---


def forward_by_hand() -> Step:
    x, w, b = chain()

    def step(_: int) -> Any:
        h = x
        for _ in range(LINKS):
            h = np.tanh(h * w + b)
        return h

    return step


def forward_tinytensor() -> Step:
    import tinytensor as tt

    x, w, b = (tt.tensor(a, requires_grad=True) for a in chain())

    def step(_: int) -> Any:
        h = x
        for _ in range(LINKS):
            h = (h * w + b).tanh()
        return h

    return step


def forward_torch() -> Step:
    import torch

    x, w, b = (torch.from_numpy(a).requires_grad_() for a in chain())

    def step(_: int) -> Any:
        h = x
        for _ in range(LINKS):
            h = torch.tanh(h * w + b)
        return h

    return step


def both_by_hand() -> Step:
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


def both_tinytensor() -> Step:
    forward, gradient = forward_tinytensor(), np.ones(8, np.float32)
    return lambda i: forward(i).backward(gradient)


def both_torch() -> Step:
    import torch

    forward, gradient = forward_torch(), torch.ones(8)
    return lambda i: forward(i).backward(gradient)


# --- who takes part ---

# contender: (the suffix of its functions above, threads)
CONTENDERS = {"by hand": ("by_hand", 1), "tinytensor": ("tinytensor", 1), "tinytensor, 2 threads": ("tinytensor", 2),
              "PyTorch, 1 thread": ("torch", 1), "PyTorch, 2 threads": ("torch", 2), "JAX jit": ("jax", 1),
              "MyGrad": ("mygrad", 1), "autograd": ("autograd", 1)}
BOTH = ("tinytensor", "tinytensor, 2 threads", "PyTorch, 1 thread", "PyTorch, 2 threads")
TASKS = {
    "mlp": ("Training step of the lecture's MLP", ("by hand", "tinytensor", "PyTorch, 1 thread", "PyTorch, 2 threads",
                                                   "JAX jit", "MyGrad", "autograd")),
    "forward": ("Chain of 600 tiny ops, forward", ("by hand", "tinytensor", "PyTorch, 1 thread")),
    "both": ("Chain of 600 tiny ops, forward and backward", ("by hand", "tinytensor", "PyTorch, 1 thread")),
    "names": ("Training step of the names GPT: 32 x 16 tokens, width 64, 4 blocks, AdamW", BOTH),
    "shakespeare": ("Training step of the Shakespeare GPT: 12 x 64 tokens, width 128, 4 blocks, AdamW", BOTH),
    "writing": ("63 tokens written one by one by the Shakespeare GPT, with a cache", BOTH),
}


def make(task: str, contender: str) -> Step:
    """The function that does the task once, for the contender."""
    suffix, threads = CONTENDERS[contender]
    if suffix == "torch":
        import torch

        torch.set_num_threads(threads)
    name = f"{task}_{suffix}"
    step: Step = (globals().get(name) or getattr(gpt, name))()
    return step
