"""The tasks in JAX: the whole step is jitted, with update and sampling, and its state donated."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp

from . import functional
from .tasks import ADAMW, BATCHES, LINKS, LR, Missing, Step, Task, batches, chain, corpus


def make(task: Task, sampled: bool = False) -> Step:
    """The step of a task."""
    if task.trains:
        return training(task, sampled)
    if task.kind not in ("forward", "both"):
        raise Missing("not asked for")
    return tiny(task)


def cross_entropy(logits: Any, y: Any) -> Any:
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()


def attention(q: Any, k: Any, v: Any) -> Any:
    """Causal attention of (B, T, H, D); on a CPU a little faster than jax.nn.dot_product_attention."""
    t, d = q.shape[1], q.shape[3]
    scores = jnp.einsum("bthd,bshd->bhts", q, k) / d**0.5
    scores = jnp.where(jnp.tril(jnp.ones((t, t), bool)), scores, -jnp.inf)
    return jnp.einsum("bhts,bshd->bthd", jax.nn.softmax(scores), v)


F = SimpleNamespace(tanh=jnp.tanh, sqrt=jnp.sqrt, mean=jnp.mean, gelu=partial(jax.nn.gelu, approximate=True),
                    attention=attention, cross_entropy=cross_entropy, value=lambda x: x, transposed=jnp.transpose)


# --- a training step ---


def descend(p: Any, grads: Any, moments: Any) -> tuple[Any, Any]:
    return jax.tree.map(lambda a, g: a - LR * g, p, grads), moments


def adamw(p: Any, grads: Any, moments: Any) -> tuple[Any, Any]:
    (keep, keep_square), (m, v, t) = ADAMW["betas"], moments
    t = t + 1
    m = jax.tree.map(lambda m, g: keep * m + (1 - keep) * g, m, grads)
    v = jax.tree.map(lambda v, g: keep_square * v + (1 - keep_square) * g * g, v, grads)
    unbias, root = 1 - keep**t, jnp.sqrt(1 - keep_square**t)

    def update(a: Any, m: Any, v: Any) -> Any:
        a = a * (1 - ADAMW["lr"] * ADAMW["weight_decay"])
        return a - ADAMW["lr"] / unbias * m / (jnp.sqrt(v) / root + 1e-8)

    return jax.tree.map(update, p, m, v), (m, v, t)


def training(task: Task, sampled: bool) -> Step:
    trained, running = jax.tree.map(jnp.asarray, functional.weights(task))
    zeros = partial(jax.tree.map, jnp.zeros_like)
    moments = (zeros(trained), zeros(trained), jnp.zeros((), jnp.float32)) if task.kind == "gpt" else ()
    optimise = adamw if task.kind == "gpt" else descend

    def loss(p: Any, x: Any, y: Any) -> Any:
        seen: dict[str, Any] = {}
        return functional.loss(F, task, p, x, y, seen), seen

    def step(state: Any, x: Any, y: Any) -> Any:
        p, running, moments, key = state
        (value, seen), grads = jax.value_and_grad(loss, has_aux=True)(p, x, y)
        p, moments = optimise(p, grads, moments)
        return value, (p, functional.observe(running, seen), moments, key)

    def draws(state: Any, X: Any, Y: Any) -> Any:
        *rest, key = state
        key, now = jax.random.split(key)
        ix = jax.random.randint(now, (task.batch,), 0, len(X))
        return step((*rest, key), X[ix], Y[ix])

    box = [(trained, running, moments, jax.random.key(0))]
    if not sampled:
        given, (X, Y) = jax.jit(step, donate_argnums=0), batches(task)
        X, Y = X.astype("int32"), Y.astype("int32")  # JAX's default integers; it would convert others at each step

        def run(i: int) -> float:
            value, box[0] = given(box[0], X[i % BATCHES], Y[i % BATCHES])
            return float(value)

        return run

    drawing, data = jax.jit(draws, donate_argnums=0), tuple(map(jnp.asarray, corpus(task)))

    def draw(_: int) -> float:
        value, box[0] = drawing(box[0], *data)
        return float(value)

    return draw


# --- the tiny chain ---


def tiny(task: Task) -> Step:
    def links(h: Any, w: Any, b: Any) -> Any:
        for _ in range(LINKS):
            h = jnp.tanh(h * w + b)
        return h

    def gradients(*arrays: Any) -> Any:
        y, back = jax.vjp(links, *arrays)
        return back(jnp.ones_like(y))

    run, arrays = jax.jit(links if task.kind == "forward" else gradients), tuple(map(jnp.asarray, chain()))
    return lambda _: jax.block_until_ready(run(*arrays))
