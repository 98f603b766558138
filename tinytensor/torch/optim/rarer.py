"""Adadelta, Adamax, RAdam and Rprop: optimisers that PyTorch has and `tinytensor.optim` has not.

Each has its arithmetic here, on the flat vectors of `tinytensor.optim`'s base.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...optim import Optimizer as Flat
from ...optim.check import check_fraction
from ...optim.flat import FlatBlock, apply_decay
from .optimizer import Optimizer


class Engine(Flat):
    """The base of these: all settings are given, by the class in front."""

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, {})

    def check(self, group: Mapping[str, Any]) -> None:
        super().check(group)
        for i, beta in enumerate(group.get("betas", ())):
            check_fraction(f"betas[{i}]", beta)


class AdadeltaEngine(Engine):
    state = ("square_avg", "acc_delta")
    nonnegative = ("lr", "eps", "weight_decay")

    def check(self, group: Mapping[str, Any]) -> None:
        super().check(group)
        if not 0 <= group["rho"] <= 1:
            raise ValueError(f"rho: got {group['rho']!r}; expected a number from 0 to 1; write rho=0.9")

    def update(self, group: Mapping[str, Any], block: FlatBlock, g: Any) -> None:
        squares, moves = map(block.vector, self.state)
        rho, eps = group["rho"], group["eps"]
        block.t += 1
        apply_decay(g, block.theta, group["maximize"], group["weight_decay"])
        squares *= rho
        squares += (1 - rho) * g * g
        delta = np.sqrt(moves + eps) / np.sqrt(squares + eps) * g
        moves *= rho
        moves += (1 - rho) * delta * delta
        block.theta -= group["lr"] * delta


class AdamaxEngine(Engine):
    state = ("exp_avg", "exp_inf")
    nonnegative = ("lr", "eps", "weight_decay")

    def update(self, group: Mapping[str, Any], block: FlatBlock, g: Any) -> None:
        m, top = map(block.vector, self.state)
        beta1, beta2 = group["betas"]
        block.t += 1
        apply_decay(g, block.theta, group["maximize"], group["weight_decay"])
        m += (g - m) * (1 - beta1)
        top *= beta2
        np.maximum(top, np.abs(g) + group["eps"], out=top)
        block.theta -= group["lr"] / (1 - beta1**block.t) * m / top


class RAdamEngine(Engine):
    state = ("exp_avg", "exp_avg_sq")
    nonnegative = ("lr", "eps", "weight_decay")

    def update(self, group: Mapping[str, Any], block: FlatBlock, g: Any) -> None:
        m, v = map(block.vector, self.state)
        (beta1, beta2), theta, decoupled = group["betas"], block.theta, group["decoupled_weight_decay"]
        block.t += 1
        t = block.t
        if decoupled and group["weight_decay"]:
            theta *= 1 - group["lr"] * group["weight_decay"]
        apply_decay(g, theta, group["maximize"], 0 if decoupled else group["weight_decay"])
        m += (g - m) * (1 - beta1)
        v *= beta2
        v += (1 - beta2) * g * g
        unbias = 1 - beta2**t
        most = 2 / (1 - beta2) - 1
        length = most - 2 * t * beta2**t / unbias  # of the average of the squares
        rate = group["lr"] / (1 - beta1**t)
        if length > 5:
            rate *= ((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)) ** 0.5 * unbias**0.5
            theta -= rate * m / (np.sqrt(v) + group["eps"])
        else:  # too few squares to divide by
            theta -= rate * m


class RpropEngine(Engine):
    state = ("prev", "step_size")
    nonnegative = ("lr",)

    def check(self, group: Mapping[str, Any]) -> None:
        super().check(group)
        less, more = group["etas"]
        if not 0 < less < 1 < more:
            raise ValueError(f"etas: got {group['etas']!r}; expected one number from 0 to 1 and one above 1; write "
                             f"etas=(0.5, 1.2)")

    def vectors(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"prev": 0.0, "step_size": group["lr"]}

    def update(self, group: Mapping[str, Any], block: FlatBlock, g: Any) -> None:
        before, size = map(block.vector, self.state)
        less, more = group["etas"]
        block.t += 1
        apply_decay(g, block.theta, group["maximize"], 0)
        agreement = g * before
        size *= np.where(agreement > 0, more, np.where(agreement < 0, less, 1)).astype(size.dtype)
        np.clip(size, *group["step_sizes"], out=size)
        g[...] = np.where(agreement < 0, 0, g)  # the sign has changed: no step, and it is forgotten
        block.theta -= np.sign(g) * size
        before[...] = g


class Adadelta(Optimizer):
    """Steps in the proportion of past steps to past gradients (Zeiler 2012)."""

    engine = AdadeltaEngine
    settings = ("lr", "rho", "eps", "weight_decay", "maximize")

    def __init__(self, params: Any, lr: Any = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0,
                 foreach: Any = None, *, capturable: bool = False, maximize: bool = False,
                 differentiable: bool = False) -> None:
        super().__init__(params, {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable})


class Adamax(Optimizer):
    """Adam with a decaying maximum of the gradients instead of the mean square (Kingma and Ba 2014)."""

    engine = AdamaxEngine
    settings = ("lr", "betas", "eps", "weight_decay", "maximize")

    def __init__(self, params: Any, lr: Any = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, foreach: Any = None, *, maximize: bool = False, differentiable: bool = False,
                 capturable: bool = False) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable})


class RAdam(Optimizer):
    """Adam that divides by the squares only once there are enough of them (Liu et al. 2019)."""

    engine = RAdamEngine
    settings = ("lr", "betas", "eps", "weight_decay", "maximize", "decoupled_weight_decay")

    def __init__(self, params: Any, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, decoupled_weight_decay: bool = False, *, foreach: Any = None,
                 maximize: bool = False, capturable: bool = False, differentiable: bool = False) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable})


class Rprop(Optimizer):
    """Steps by the sign of the gradient, each longer while the sign stays (Riedmiller and Braun 1993)."""

    engine = RpropEngine
    settings = ("lr", "etas", "step_sizes", "maximize")

    def __init__(self, params: Any, lr: Any = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
                 step_sizes: tuple[float, float] = (1e-6, 50), *, capturable: bool = False, foreach: Any = None,
                 maximize: bool = False, differentiable: bool = False) -> None:
        super().__init__(params, {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable})
