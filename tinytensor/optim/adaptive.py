"""The optimisers that give each number a step length of its own, with PyTorch's arithmetic, names and defaults.

Each is a few lines on flat vectors (`flat.py`), which work in place on the gradient's copy and one scratch vector.
Sparse gradients are left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from .check import Array, check_share
from .flat import Block, Optimizer, prepare

PIECE = 2**16  # numbers of each vector at a time: they stay in the processor's cache, from the first call to the last


def pieces(*vectors: Array) -> Iterator[list[Array]]:
    """The vectors, which are equally long, piece by piece; a compiler, which plans its own, sees them whole."""
    if type(vectors[0]) is not np.ndarray:
        yield [*vectors]
        return
    for start in range(0, len(vectors[0]), PIECE):
        yield [vector[start : start + PIECE] for vector in vectors]


class Adam(Optimizer):
    """Steps by the mean of the gradients over the root of the mean of their squares: `lr * m / (sqrt(v) + eps)`.

    Parameters
    ----------
    params : iterable of parameters or of groups
    lr : float
        Step length: about how far a number moves in a step while its gradients agree.
    betas : (float, float)
        The running means of the gradient and of its square keep so much of themselves. Both start at 0 and are divided
        by what is missing to 1.
    eps : float
        Added to the root. For float16, where 1e-8 is 0, take 1e-4.
    weight_decay : float
        Adds `weight_decay * theta` to the gradient.
    amsgrad : bool
        Divide by the largest mean square so far.
    maximize : bool
        Climb: use the negative gradient.
    decoupled_weight_decay : bool
        Take `lr * weight_decay * theta` from theta in the place of adding to the gradient: AdamW.

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
    extra = ("max_exp_avg_sq",)
    rates = ("lr", "eps", "weight_decay")

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
            raise TypeError(f"betas is {betas!r}: two numbers are expected; write betas=(0.9, 0.999)")
        for i, beta in enumerate(betas):
            check_share(f"betas[{i}]", beta)

    def vectors(self, group: Mapping[str, Any]) -> dict[str, float]:
        return dict.fromkeys((*self.state, *(self.extra if group["amsgrad"] else ())), 0.0)

    def update(self, group: Mapping[str, Any], block: Block, g: Array) -> None:
        (keep, keep_square), lr, decoupled = group["betas"], group["lr"], group["decoupled_weight_decay"]
        block.t += 1
        # sqrt(v / unbias**2) + eps, times unbias: so the correction is one number, and no pass over v.
        unbias = (1 - keep_square**block.t) ** 0.5
        rate, vectors = lr * unbias / (1 - keep**block.t), map(block.vector, self.vectors(group))
        for theta, g, m, v, *top in pieces(block.theta, g, *vectors):  # noqa: B020 (g piece by piece)
            if decoupled:
                theta *= 1 - lr * group["weight_decay"]
            prepare(g, theta, group["maximize"], 0 if decoupled else group["weight_decay"])
            s = g - m
            s *= 1 - keep
            m += s
            v *= keep_square
            g *= g
            g *= 1 - keep_square
            v += g
            np.sqrt(np.maximum(v, top[0], out=top[0]) if top else v, out=s)
            s += group["eps"] * unbias
            np.divide(m, s, out=s)
            s *= rate
            theta -= s


class AdamW(Adam):
    """Adam whose weight decay takes `lr * weight_decay * theta` from theta, apart from the gradient.

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
        Step length.
    alpha : float
        The running mean of the squares keeps so much of itself.
    eps : float
        Added to the root.
    weight_decay : float
        Adds `weight_decay * theta` to the gradient.
    momentum : float
        Steps by a buffer that keeps `momentum` of itself and takes the divided gradient.
    centered : bool
        Divide by the deviation: take the square of the gradients' mean from the mean of the squares.
    maximize : bool
        Climb: use the negative gradient.

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
    extra = ("momentum_buffer", "grad_avg")
    rates = ("lr", "eps", "weight_decay", "momentum")

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
        check_share("alpha", group["alpha"])

    def vectors(self, group: Mapping[str, Any]) -> dict[str, float]:
        used = {"momentum_buffer": group["momentum"], "grad_avg": group["centered"]}
        return dict.fromkeys((*self.state, *(name for name in self.extra if used[name])), 0.0)

    def update(self, group: Mapping[str, Any], block: Block, g: Array) -> None:
        v, alpha = block.vector("square_avg"), group["alpha"]
        block.t += 1
        prepare(g, block.theta, group["maximize"], group["weight_decay"])
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
            v = np.maximum(s, 0, out=s)  # rounding may leave less than nothing, and the root would be nan
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
        Step length, at step t (counted from 0) divided by `1 + t * lr_decay`.
    lr_decay : float
    weight_decay : float
        Adds `weight_decay * theta` to the gradient.
    initial_accumulator_value : float
        Where the sum starts.
    eps : float
        Added to the root.
    maximize : bool
        Climb: use the negative gradient.

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
    rates = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

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

    def update(self, group: Mapping[str, Any], block: Block, g: Array) -> None:
        total = block.vector("sum")
        lr = group["lr"] / (1 + block.t * group["lr_decay"])
        block.t += 1
        prepare(g, block.theta, group["maximize"], group["weight_decay"])
        s = g * g
        total += s
        np.sqrt(total, out=s)
        s += group["eps"]
        g /= s
        g *= lr
        block.theta -= g
