"""Optimisers with an adaptive step length for each number, with PyTorch's arithmetic, names and defaults.

Each is a few lines on flat vectors (`flat.py`), in place on a copy of the gradient and one scratch vector. Sparse
gradients are left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from .check import Array, check_fraction
from .flat import FlatBlock, apply_decay
from .optimizer import Optimizer

CHUNK = 2**16  # elements of each vector at a time, so that they stay in cache during an update


def chunks(*vectors: Array) -> Iterator[list[Array]]:
    """Equally long vectors in chunks that fit the cache; tracers whole, since the compiler tiles loops itself."""
    if type(vectors[0]) is not np.ndarray:
        yield [*vectors]
        return
    for start in range(0, len(vectors[0]), CHUNK):
        yield [vector[start : start + CHUNK] for vector in vectors]


class Adam(Optimizer):
    """Steps by the mean of the gradients over the root of the mean of their squares: `lr * m / (sqrt(v) + eps)`.

    Parameters
    ----------
    params : iterable of parameters or of groups
    lr : float
        Learning rate: about how far a number moves in a step while its gradients agree.
    betas : (float, float)
        Decay rates of the running means of the gradient and of its square. Both are bias-corrected.
    eps : float
        Added to the root, against division by 0. In float16, where 1e-8 is 0, use 1e-4.
    weight_decay : float
        Adds `weight_decay * theta` to the gradient.
    amsgrad : bool
        Divide by the root of the largest mean square so far.
    maximize : bool
        Maximise: use the negative gradient.
    decoupled_weight_decay : bool
        Subtract `lr * weight_decay * theta` from theta instead of adding to the gradient: AdamW.

    Notes
    -----
    Kingma and Ba (2015), "Adam: A Method for Stochastic Optimization"; amsgrad: Reddi, Kale, Kumar (2018), "On the
    Convergence of Adam and Beyond".

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w = SimpleNamespace(data=np.array([1.0, 2.0]), grad=np.array([2.0, -0.01]))
    >>> opt = Adam([w], lr=0.25)
    >>> opt.step()
    >>> w.data.round(4)
    array([0.75, 2.25])
    """

    state = ("exp_avg", "exp_avg_sq")
    optional_state = ("max_exp_avg_sq",)
    nonnegative = ("lr", "eps", "weight_decay")

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, amsgrad: bool = False, maximize: bool = False, decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "amsgrad": amsgrad, "maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay,
        })

    def check(self, group: Mapping[str, Any]) -> None:
        super().check(group)
        if not isinstance(betas := group["betas"], tuple | list) or len(betas) != 2:
            raise TypeError(f"betas: got {betas!r}; expected two numbers; write betas=(0.9, 0.999)")
        for i, beta in enumerate(betas):
            check_fraction(f"betas[{i}]", beta)

    def vectors(self, group: Mapping[str, Any]) -> dict[str, float]:
        return dict.fromkeys((*self.state, *(self.optional_state if group["amsgrad"] else ())), 0.0)

    def update(self, group: Mapping[str, Any], block: FlatBlock, g: Array) -> None:
        (beta1, beta2), lr, decoupled = group["betas"], group["lr"], group["decoupled_weight_decay"]
        block.t += 1
        # (sqrt(v / unbias**2) + eps) * unbias = sqrt(v) + eps * unbias: the correction needs no pass over v.
        unbias = (1 - beta2**block.t) ** 0.5
        rate, vectors = lr * unbias / (1 - beta1**block.t), map(block.vector, self.vectors(group))
        for theta, g, m, v, *top in chunks(block.theta, g, *vectors):  # noqa: B020 (g chunk by chunk)
            if decoupled:
                theta *= 1 - lr * group["weight_decay"]
            apply_decay(g, theta, group["maximize"], 0 if decoupled else group["weight_decay"])
            s = g - m
            s *= 1 - beta1
            m += s
            v *= beta2
            g *= g
            g *= 1 - beta2
            v += g
            np.sqrt(np.maximum(v, top[0], out=top[0]) if top else v, out=s)
            s += group["eps"] * unbias
            np.divide(m, s, out=s)
            s *= rate
            theta -= s


class AdamW(Adam):
    """Adam with decoupled weight decay: it subtracts `lr * weight_decay * theta`, and the gradient has no part of it.

    Parameters
    ----------
    params, lr, betas, eps, weight_decay, amsgrad, maximize
        As Adam's; weight_decay is 0.01 by default.

    Notes
    -----
    Loshchilov and Hutter (2019), "Decoupled Weight Decay Regularization".

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w = SimpleNamespace(data=np.array([8.0]), grad=np.zeros(1))
    >>> AdamW([w], lr=0.5, weight_decay=0.25).step()
    >>> w.data
    array([7.])
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize, decoupled_weight_decay=True)


class RMSprop(Optimizer):
    """Steps by the gradient over the root of the mean of its squares: `lr * g / (sqrt(v) + eps)`.

    Parameters
    ----------
    params : iterable of parameters or of groups
    lr : float
        Learning rate.
    alpha : float
        Decay rate of the running mean of the squares.
    eps : float
        Added to the root, against division by 0.
    weight_decay : float
        Adds `weight_decay * theta` to the gradient.
    momentum : float
        Steps by `m = momentum * m + g / (sqrt(v) + eps)`.
    centered : bool
        Divide by the standard deviation: subtract the square of the mean gradient from the mean square.
    maximize : bool
        Maximise: use the negative gradient.

    Notes
    -----
    Tieleman and Hinton (2012), lecture 6.5 of "Neural Networks for Machine Learning"; centered: Graves (2013),
    "Generating Sequences With Recurrent Neural Networks".

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w = SimpleNamespace(data=np.array([1.0, 2.0]), grad=np.array([2.0, -0.5]))
    >>> RMSprop([w], lr=0.25, alpha=0.75).step()
    >>> w.data.round(4)
    array([0.5, 2.5])
    """

    state = ("square_avg",)
    optional_state = ("momentum_buffer", "grad_avg")
    nonnegative = ("lr", "eps", "weight_decay", "momentum")

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
        weight_decay: float = 0, momentum: float = 0, centered: bool = False, maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay,
            "momentum": momentum, "centered": centered, "maximize": maximize,
        })

    def check(self, group: Mapping[str, Any]) -> None:
        super().check(group)
        check_fraction("alpha", group["alpha"])

    def vectors(self, group: Mapping[str, Any]) -> dict[str, float]:
        used = {"momentum_buffer": group["momentum"], "grad_avg": group["centered"]}
        return dict.fromkeys((*self.state, *(name for name in self.optional_state if used[name])), 0.0)

    def update(self, group: Mapping[str, Any], block: FlatBlock, g: Array) -> None:
        v, alpha = block.vector("square_avg"), group["alpha"]
        block.t += 1
        apply_decay(g, block.theta, group["maximize"], group["weight_decay"])
        s = g * g
        s *= 1 - alpha
        v *= alpha
        v += s
        if group["centered"]:
            m = block.vector("grad_avg")
            np.subtract(g, m, out=s)
            s *= 1 - alpha
            m += s
            np.multiply(m, m, out=s)
            np.subtract(v, s, out=s)
            v = np.maximum(s, 0, out=s)  # rounding may make it negative, and the root nan
        np.sqrt(v, out=s)
        s += group["eps"]
        g /= s
        if group["momentum"]:
            buffer = block.vector("momentum_buffer")
            buffer *= group["momentum"]
            buffer += g
            np.multiply(buffer, group["lr"], out=g)
        else:
            g *= group["lr"]
        block.theta -= g


class Adagrad(Optimizer):
    """Steps by the gradient over the root of the sum of all its squares so far: `lr * g / (sqrt(sum) + eps)`.

    Parameters
    ----------
    params : iterable of parameters or of groups
    lr : float
        Learning rate; at step t (counted from 0) it is divided by `1 + t * lr_decay`.
    lr_decay : float
    weight_decay : float
        Adds `weight_decay * theta` to the gradient.
    initial_accumulator_value : float
        The sum before the first step.
    eps : float
        Added to the root, against division by 0.
    maximize : bool
        Maximise: use the negative gradient.

    Notes
    -----
    Duchi, Hazan, Singer (2011), "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization".

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w = SimpleNamespace(data=np.array([1.0, 2.0]), grad=np.array([3.0, -4.0]))
    >>> Adagrad([w], lr=0.25).step()
    >>> w.data
    array([0.75, 2.25])
    """

    state = ("sum",)
    nonnegative = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    def vectors(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"sum": group["initial_accumulator_value"]}

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
        initial_accumulator_value: float = 0, eps: float = 1e-10, maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "maximize": maximize,
        })

    def update(self, group: Mapping[str, Any], block: FlatBlock, g: Array) -> None:
        total = block.vector("sum")
        lr = group["lr"] / (1 + block.t * group["lr_decay"])
        block.t += 1
        apply_decay(g, block.theta, group["maximize"], group["weight_decay"])
        s = g * g
        total += s
        np.sqrt(total, out=s)
        s += group["eps"]
        g /= s
        g *= lr
        block.theta -= g
