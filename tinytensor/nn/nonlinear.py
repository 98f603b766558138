"""Activations as modules, with PyTorch's names and defaults, and PReLU with learned slopes.

They compute nothing themselves: each calls its function. The most used are in `layers.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor
from . import activations as A
from . import smooth as S
from .arguments import check_number, check_size
from .layers import Softmax
from .module import Module
from .parameter import Parameter

__all__ = ["CELU", "ELU", "GLU", "SELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU",
           "LogSigmoid", "Mish", "PReLU", "ReLU6", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanhshrink",
           "Threshold"]


class Activation(Module):
    """The base of these modules: the numbers that their function takes are attributes, and are shown."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = tuple(options)
        for name, value in options.items():
            setattr(self, name, value)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.options)


class LeakyReLU(Activation):
    """x above 0, elsewhere negative_slope * x: see `functional.leaky_relu`.

    Examples
    --------
    >>> from tinytensor import nn
    >>> nn.LeakyReLU(0.2)
    LeakyReLU(negative_slope=0.2)
    """

    negative_slope: float

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__(negative_slope=negative_slope)

    def forward(self, x: Any) -> Tensor:
        return A.leaky_relu(x, self.negative_slope)


class PReLU(Module):
    """`functional.prelu` with slopes that are trained: one, or `num_parameters`, one for each channel.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.PReLU()(tt.tensor([-1.0, 2.0])).tolist()
    [-0.25, 2.0]
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: Any = np.float32) -> None:
        super().__init__()
        self.weight = Parameter(np.full(check_size("PReLU", "num_parameters", num_parameters), init, dtype))

    def forward(self, x: Any) -> Tensor:
        return A.prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.weight.size}"


class Hardtanh(Activation):
    """x clipped to [min_val, max_val]: see `functional.hardtanh`."""

    min_val: float
    max_val: float

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        super().__init__(min_val=min_val, max_val=max_val)
        check_number("Hardtanh", "min_val", min_val)
        check_number("Hardtanh", "max_val", max_val)
        if min_val > max_val:
            raise ValueError(f"Hardtanh: got min_val={min_val!r} and max_val={max_val!r}; expected the first not above "
                             f"the second; exchange them")

    def forward(self, x: Any) -> Tensor:
        return A.hardtanh(x, self.min_val, self.max_val)


class ReLU6(Module):
    """x clipped to [0, 6]: see `functional.relu6`."""

    def forward(self, x: Any) -> Tensor:
        return A.relu6(x)


class Hardsigmoid(Module):
    """x / 6 + 1 / 2 clipped to [0, 1]: see `functional.hardsigmoid`."""

    def forward(self, x: Any) -> Tensor:
        return A.hardsigmoid(x)


class Hardswish(Module):
    """x * hardsigmoid(x): see `functional.hardswish`."""

    def forward(self, x: Any) -> Tensor:
        return A.hardswish(x)


class Threshold(Activation):
    """x above the threshold, elsewhere the value: see `functional.threshold`."""

    threshold: float
    value: float

    def __init__(self, threshold: float, value: float) -> None:
        super().__init__(threshold=threshold, value=value)

    def forward(self, x: Any) -> Tensor:
        return A.threshold(x, self.threshold, self.value)


class Hardshrink(Activation):
    """0 from -lambd to lambd, elsewhere x: see `functional.hardshrink`."""

    lambd: float

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__(lambd=lambd)

    def forward(self, x: Any) -> Tensor:
        return A.hardshrink(x, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Softshrink(Activation):
    """x moved towards 0 by lambd, and 0 up to lambd: see `functional.softshrink`."""

    lambd: float

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__(lambd=A.check_lambd("Softshrink", lambd))

    def forward(self, x: Any) -> Tensor:
        return A.softshrink(x, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class ELU(Activation):
    """x above 0, elsewhere alpha * (exp(x) - 1): see `functional.elu`."""

    alpha: float

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha=alpha)

    def forward(self, x: Any) -> Tensor:
        return S.elu(x, self.alpha)


class CELU(ELU):
    """x above 0, elsewhere alpha * (exp(x / alpha) - 1): see `functional.celu`."""

    def forward(self, x: Any) -> Tensor:
        return S.celu(x, self.alpha)


class SELU(Module):
    """`ELU`, scaled to keep mean 0 and variance 1: see `functional.selu`."""

    def forward(self, x: Any) -> Tensor:
        return S.selu(x)


class Softplus(Activation):
    """log(1 + exp(beta * x)) / beta, a smooth ReLU: see `functional.softplus`."""

    beta: float
    threshold: float

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__(beta=beta, threshold=threshold)

    def forward(self, x: Any) -> Tensor:
        return S.softplus(x, self.beta, self.threshold)


class LogSigmoid(Module):
    """log(sigmoid(x)): see `functional.logsigmoid`."""

    def forward(self, x: Any) -> Tensor:
        return S.logsigmoid(x)


class Softsign(Module):
    """x / (1 + |x|): see `functional.softsign`."""

    def forward(self, x: Any) -> Tensor:
        return S.softsign(x)


class Tanhshrink(Module):
    """x - tanh(x): see `functional.tanhshrink`."""

    def forward(self, x: Any) -> Tensor:
        return S.tanhshrink(x)


class Mish(Module):
    """x * tanh(softplus(x)): see `functional.mish`."""

    def forward(self, x: Any) -> Tensor:
        return S.mish(x)


class GLU(Activation):
    """The first half along the axis `dim` times the sigmoid of the second: see `functional.glu`."""

    dim: int

    def __init__(self, dim: int = -1) -> None:
        super().__init__(dim=dim)

    def forward(self, x: Any) -> Tensor:
        return A.glu(x, self.dim)


class Softmin(Softmax):
    """exp(-x) / sum(exp(-x)) along the axis `dim`."""

    def forward(self, x: Any) -> Tensor:
        return A.softmin(x, self.dim)
