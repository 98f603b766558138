"""The tasks in PyTorch: eager with its fused layers and optimisers, and with `torch.compile`."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from . import networks
from .gpt import torch_gpt
from .ours import state
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


def set_threads(n: int) -> None:
    torch.set_num_threads(n)


def make(task: Task, sampled: bool = False, compiled: bool = False) -> Step:
    """The step of a task."""
    if task.trains:
        return training(task, sampled, compiled)
    if compiled:
        raise Missing("not asked for")
    return {"forward": forward, "both": both, "micrograd": micrograd, "writing": writing}[task.kind](task)


# --- a training step ---


class FlattenConsecutive(nn.Module):
    """(B, T, C) to (B, T / 2, 2 C), and at the last level to (B, 2 C)."""

    def forward(self, x: Any) -> Any:
        b, t, c = x.shape
        return x.view(b, 2 * c) if t == 2 else x.view(b, t // 2, 2 * c)


class ChannelsLast(nn.BatchNorm1d):
    """BatchNorm1d over all but the last axis, flattened for PyTorch's fused batch norm."""

    def forward(self, x: Any) -> Any:
        return super().forward(x.flatten(0, -2)).view(x.shape)


def network(task: Task) -> Any:
    """The network, with the initial weights of all contenders."""
    if task.kind == "mlp":
        model: Any = networks.mlp(nn, torch.tanh, task)
    elif task.kind == "batchnorm":
        model = nn.Sequential(OrderedDict(networks.batchnorm(nn, task)))
    elif task.kind == "wavenet":
        layers: list[Any] = [nn.Embedding(task.vocabulary, task.embedding)]
        for level in range(task.depth):
            layers += [FlattenConsecutive(),
                       nn.Linear(2 * (task.width if level else task.embedding), task.width, bias=False),
                       ChannelsLast(task.width), nn.Tanh()]
        model = nn.Sequential(*layers, nn.Linear(task.width, task.vocabulary))
    else:
        model = torch_gpt(task.vocabulary, task.context, task.width, task.depth, task.heads)
    model.load_state_dict({name: torch.from_numpy(a) for name, a in state(task).items()})
    return model


def training(task: Task, sampled: bool, compiled: bool) -> Step:
    torch.manual_seed(0)
    model = network(task)
    opt: Any = (torch.optim.AdamW(model.parameters(), fused=True, **ADAMW) if task.kind == "gpt"
                else torch.optim.SGD(model.parameters(), lr=LR, fused=True))

    def forward(x: Any, y: Any) -> Any:
        logits = model(x)
        return F.cross_entropy(logits.flatten(0, -2), y.flatten())

    criterion = torch.compile(forward) if compiled else forward

    def step(x: Any, y: Any) -> float:
        loss = criterion(x, y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return float(loss.item())

    X, Y = map(torch.from_numpy, corpus(task) if sampled else batches(task))
    if not sampled:
        return lambda i: step(X[i % BATCHES], Y[i % BATCHES])

    def draws(_: int) -> float:
        ix = torch.randint(0, len(X), (task.batch,))
        return step(X[ix], Y[ix])

    return draws


# --- the rest ---


def links(h: Any, w: Any, b: Any) -> Any:
    for _ in range(LINKS):
        h = torch.tanh(h * w + b)
    return h


def forward(task: Task) -> Step:
    tensors = [torch.from_numpy(a).requires_grad_() for a in chain()]
    return lambda _: links(*tensors)


def both(task: Task) -> Step:
    tensors, ones = [torch.from_numpy(a).requires_grad_() for a in chain()], torch.ones(8)
    return lambda _: torch.autograd.grad(links(*tensors), tensors, ones)


def micrograd(task: Task) -> Step:
    layers: list[Any] = []
    for W, b in micrograd_weights():
        layers += [nn.Linear(*reversed(W.shape)), nn.ReLU()]
        with torch.no_grad():
            layers[-2].weight.copy_(torch.from_numpy(W))
            layers[-2].bias.copy_(torch.from_numpy(b))
    model = nn.Sequential(*layers[:-1])
    opt = torch.optim.SGD(model.parameters(), lr=MICROGRAD_LR, fused=True)
    X, Y = map(torch.from_numpy, moons(task.batch))

    def step(_: int) -> float:
        loss = F.relu(1 - Y * model(X).reshape(-1)).mean()
        loss = loss + MICROGRAD_DECAY * sum((p * p).sum() for p in model.parameters())
        opt.zero_grad()
        loss.backward()
        opt.step()
        return float(loss.item())

    return step


def writing(task: Task) -> Step:
    """Generate text token by token, with a key/value cache."""
    model = network(task).eval()

    @torch.inference_mode()
    def step(i: int) -> Any:
        token, caches, written = torch.tensor([[i % 20]]), [[] for _ in model.h], []
        for _ in range(task.context - 1):
            p = torch.softmax(model(token, caches)[:, -1], -1)
            token = torch.multinomial(p, 1)
            written.append(token)
        return written

    return step
