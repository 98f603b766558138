"""The tasks in scalar engines: micrograd, and `tinytensor.value`, on micrograd's own demo.

A network 2-16-16-1 of relu tells two moons apart; the loss is a hinge, with the weights' squares added.
"""

from __future__ import annotations

import importlib
from random import Random
from typing import Any

from .tasks import (
    MICROGRAD_DECAY,
    MICROGRAD_LR,
    MICROGRAD_SIZES,
    Missing,
    Step,
    Task,
    micrograd_weights,
    moons,
)


def network(package: str) -> Any:
    """A function of an input, its parameters, and the class of its numbers."""
    if package == "micrograd":
        try:
            model = importlib.import_module("micrograd.nn").MLP(MICROGRAD_SIZES[0], list(MICROGRAD_SIZES[1:]))
        except ImportError as error:
            raise Missing("not installed") from error
        rows = [(n.w, n.b) for layer in model.layers for n in layer.neurons]
    else:
        value = importlib.import_module(package)
        layers = zip(MICROGRAD_SIZES, MICROGRAD_SIZES[1:], (value.Value.relu, value.Value.relu, None), strict=False)
        model = value.MLP(MICROGRAD_SIZES[0], [1], Random(0), None)
        model.layers = [value.Layer(a, b, Random(0), activation) for a, b, activation in layers]
        rows = [(n.weights, n.bias) for layer in model.layers for n in layer.neurons]
    given = [(w, b) for W, offsets in micrograd_weights() for w, b in zip(W.tolist(), offsets.tolist(), strict=True)]
    for (weights, bias), (w, b) in zip(rows, given, strict=True):
        bias.data = b
        for one, number in zip(weights, w, strict=True):
            one.data = number
    return model


def make(task: Task, sampled: bool = False, package: str = "micrograd") -> Step:
    """The step of a task: gradient descent on all of the data."""
    if task.kind != "micrograd":
        raise Missing("written for micrograd's network only")
    model = network(package)
    X, Y = (a.tolist() for a in moons(task.batch))

    def step(_: int) -> float:
        loss = sum((1 + -y * model(x)).relu() for x, y in zip(X, Y, strict=True)) * (1 / len(X))
        loss = loss + MICROGRAD_DECAY * sum(p * p for p in model.parameters())
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= MICROGRAD_LR * p.grad
        return float(loss.data)

    return step
