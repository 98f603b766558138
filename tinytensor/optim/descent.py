"""Stochastic gradient descent on flat vectors (`flat.py`), with PyTorch's arithmetic, names and defaults."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .check import Array
from .flat import FlatBlock, apply_decay
from .optimizer import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum: `m = momentum * m + g`, then `theta -= lr * m`.

    Parameters
    ----------
    params : iterable of parameters or of groups
    lr : float
        Learning rate.
    momentum, dampening : float
        With both, `m = momentum * m + (1 - dampening) * g`. The first step has no dampening: `m = g`.
    weight_decay : float
        Adds `weight_decay * theta` to the gradient.
    nesterov : bool
        Step by `g + momentum * m`; needs momentum and no dampening.
    maximize : bool
        Maximise: use the negative gradient.

    Notes
    -----
    Sutskever, Martens, Dahl, Hinton (2013), "On the importance of initialization and momentum in deep learning"; as in
    PyTorch, the learning rate multiplies the buffer and is not part of it.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w = SimpleNamespace(data=np.array([1.0, 2.0]), grad=np.array([2.0, -2.0]))
    >>> opt = SGD([w], lr=0.25)
    >>> opt.step()
    >>> w.data
    array([0.5, 2.5])
    """

    state = ("momentum_buffer",)
    nonnegative = ("lr", "momentum", "weight_decay")

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0, dampening: float = 0,
        weight_decay: float = 0, nesterov: bool = False, maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening,
            "weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize,
        })

    def check(self, group: Mapping[str, Any]) -> None:
        super().check(group)
        momentum, dampening = group["momentum"], group["dampening"]
        if group["nesterov"] and not (momentum > 0 and dampening == 0):
            raise ValueError(f"nesterov: got momentum {momentum} and dampening {dampening}; expected momentum above 0 "
                             "and dampening 0; set momentum=0.9, or leave nesterov out")

    def vectors(self, group: Mapping[str, Any]) -> dict[str, float]:
        return super().vectors(group) if group["momentum"] else {}

    def update(self, group: Mapping[str, Any], block: FlatBlock, g: Array) -> None:
        theta, direction = block.theta, g
        apply_decay(g, theta, group["maximize"], group["weight_decay"])
        if momentum := group["momentum"]:
            m = block.vector("momentum_buffer")
            m *= momentum
            m += (1 - group["dampening"] * (block.t > 0)) * g if group["dampening"] else g
            block.t += 1
            if group["nesterov"]:
                g += momentum * m
            else:
                direction = m
        change = np.multiply(direction, group["lr"], out=g)
        theta -= change
