"""The lectures' networks as functions of arrays, for frameworks that differentiate those: JAX, HIPS autograd, MyGrad.

`F` has a framework's tanh, gelu, cross_entropy and so on; everything else is NumPy's interface. Weights are those of
tinytensor's state_dict, by name, with a Linear's matrix as (in, out). `seen` collects batch norm's statistics.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .ours import state
from .tasks import EPS, Task

KEEP = 0.9  # decay of batch norm's running statistics


def weights(task: Task) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The trainable weights, and the running statistics."""
    trained, running = {}, {}
    for name, a in state(task).items():
        if "running" in name:
            running[name] = a
        elif not name.endswith(("num_batches_tracked", "lm_head.weight")):  # the head shares the embedding's weights
            table = "embed" in name or "wte" in name or "wpe" in name or (task.kind == "wavenet" and name == "0.weight")
            trained[name] = np.ascontiguousarray(a.T) if a.ndim == 2 and not table else a
    return trained, running


def loss(F: Any, task: Task, p: Any, x: Any, y: Any, seen: dict[str, Any]) -> Any:
    """The mean loss of a batch."""
    network = {"mlp": mlp, "batchnorm": batchnorm, "wavenet": wavenet, "gpt": gpt}[task.kind]
    logits = network(F, task, p, x, seen)
    return F.cross_entropy(logits.reshape(-1, task.vocabulary), y.reshape(-1))


def linear(p: Any, name: str, x: Any) -> Any:
    y = x @ p[name + ".weight"]
    return y + p[name + ".bias"] if name + ".bias" in p else y


def normal(F: Any, x: Any, axis: Any) -> tuple[Any, Any, Any]:
    """x with mean 0 and variance 1, and its own mean and variance."""
    mean = F.mean(x, axis=axis, keepdims=True)
    d = x - mean
    var = F.mean(d * d, axis=axis, keepdims=True)
    return d / F.sqrt(var + EPS), mean, var


def layer_norm(F: Any, p: Any, name: str, x: Any) -> Any:
    return normal(F, x, -1)[0] * p[name + ".weight"] + p[name + ".bias"]


def batch_norm(F: Any, p: Any, name: str, x: Any, seen: dict[str, Any]) -> Any:
    axes, n = tuple(range(x.ndim - 1)), x.size // x.shape[-1]
    y, mean, var = normal(F, x, axes)
    seen[name + ".running_mean"], seen[name + ".running_var"] = F.value(mean), F.value(var) * (n / (n - 1))
    return y * p[name + ".weight"] + p[name + ".bias"]


def observe(running: Any, seen: Any) -> Any:
    """The running statistics after a step."""
    return {name: KEEP * a + (1 - KEEP) * seen[name].reshape(-1) for name, a in running.items()}


# --- the networks ---


def mlp(F: Any, task: Task, p: Any, x: Any, seen: dict[str, Any]) -> Any:
    e = p["embed.weight"][x].reshape(len(x), -1)
    return linear(p, "output", F.tanh(linear(p, "hidden", e))) + linear(p, "skip", e)


def batchnorm(F: Any, task: Task, p: Any, x: Any, seen: dict[str, Any]) -> Any:
    h = p["embed.weight"][x].reshape(len(x), -1)
    for i in range(1, task.depth + 1):
        h = F.tanh(batch_norm(F, p, f"norm{i}", linear(p, f"linear{i}", h), seen))
    return batch_norm(F, p, f"norm{task.depth + 1}", linear(p, f"linear{task.depth + 1}", h), seen)


def wavenet(F: Any, task: Task, p: Any, x: Any, seen: dict[str, Any]) -> Any:
    h = p["0.weight"][x]  # (B, T, D)
    for level in range(task.depth):
        b, t, c = h.shape
        h = h.reshape(b, 2 * c) if t == 2 else h.reshape(b, t // 2, 2 * c)
        h = F.tanh(batch_norm(F, p, str(4 * level + 3), linear(p, str(4 * level + 2), h), seen))
    return linear(p, str(4 * task.depth + 1), h)


def gpt(F: Any, task: Task, p: Any, x: Any, seen: dict[str, Any]) -> Any:
    (b, t), width = x.shape, task.width
    h = p["wte.weight"][x] + p["wpe.weight"]
    for i in range(task.depth):
        block = f"h.{i}."
        qkv = linear(p, block + "attn.c_attn", layer_norm(F, p, block + "ln_1", h))
        q, k, v = (qkv[..., j * width : (j + 1) * width].reshape(b, t, task.heads, -1) for j in range(3))
        h = h + linear(p, block + "attn.c_proj", F.attention(q, k, v).reshape(b, t, width))
        m = F.gelu(linear(p, block + "mlp.c_fc", layer_norm(F, p, block + "ln_2", h)))
        h = h + linear(p, block + "mlp.c_proj", m)
    return layer_norm(F, p, "ln_f", h) @ F.transposed(p["wte.weight"])
