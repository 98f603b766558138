"""The activations as modules, with PyTorch's names and defaults.

They compute nothing themselves: each calls its function.
"""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from .arguments import size
from .functions import activation as F
from .functions.offered import node
from .module import Module
from .norm import filled
from .wrapped import NEEDED, Wrapped


class Plain(Module):
    """An activation without settings; arguments are ignored, as in PyTorch."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()


class Tanh(Plain):
    """The hyperbolic tangent of each element."""

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class Sigmoid(Plain):
    """1 / (1 + exp(-x)) of each element."""

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class Softsign(Plain):
    """x / (1 + abs(x)) of each element."""

    def forward(self, input: Tensor) -> Tensor:
        return F.softsign(input)


class Tanhshrink(Plain):
    """x - tanh(x) of each element."""

    def forward(self, input: Tensor) -> Tensor:
        return F.tanhshrink(input)


class LogSigmoid(Plain):
    """log(sigmoid(x)) of each element."""

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


class ReLU(Module):
    """max(x, 0) of each element."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class GELU(Wrapped, function="gelu", takes={"approximate": "none"}):
    """x times the probability that a standard normal is below x; "tanh" for the approximation that GPT-2 uses."""


class SiLU(Wrapped, function="silu", takes={"inplace": False}):
    """x * sigmoid(x) of each element."""


class Mish(Wrapped, function="mish", takes={"inplace": False}):
    """x * tanh(softplus(x)) of each element."""


class ELU(Wrapped, function="elu", takes={"alpha": 1.0, "inplace": False}):
    """x where it is positive, else alpha * (exp(x) - 1)."""


class CELU(Wrapped, function="celu", takes={"alpha": 1.0, "inplace": False}):
    """`ELU`, with a slope of 1 at 0 for every alpha."""


class SELU(Wrapped, function="selu", takes={"inplace": False}):
    """`ELU`, scaled so that mean 0 and variance 1 are kept."""


class LeakyReLU(Wrapped, function="leaky_relu", takes={"negative_slope": 0.01, "inplace": False}):
    """x where it is positive, else negative_slope * x."""


class ReLU6(Wrapped, function="relu6", takes={"inplace": False}):
    """x, but not below 0 and not above 6."""


class Hardtanh(Wrapped, function="hardtanh", takes={"min_val": -1.0, "max_val": 1.0, "inplace": False}):
    """x, but not below min_val and not above max_val."""


class Hardsigmoid(Wrapped, function="hardsigmoid", takes={"inplace": False}):
    """x / 6 + 1 / 2, but not below 0 and not above 1."""

    def extra_repr(self) -> str:
        return ""


class Hardswish(Wrapped, function="hardswish", takes={"inplace": False}):
    """x * hardsigmoid(x)."""

    def extra_repr(self) -> str:
        return ""


class Hardshrink(Wrapped, function="hardshrink", takes={"lambd": 0.5}):
    """x, but 0 within lambd of 0."""

    def extra_repr(self) -> str:
        return str(self.lambd)


class Softshrink(Wrapped, function="softshrink", takes={"lambd": 0.5}):
    """x moved towards 0 by lambd, and 0 within it."""

    def extra_repr(self) -> str:
        return str(self.lambd)


class Softplus(Wrapped, function="softplus", takes={"beta": 1.0, "threshold": 20.0}):
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x is above the threshold."""


class Threshold(Wrapped, function="threshold", takes={"threshold": NEEDED, "value": NEEDED, "inplace": False}):
    """x where it is above the threshold, else the value."""


class GLU(Wrapped, function="glu", takes={"dim": -1}):
    """The first half along an axis, times the sigmoid of the second."""


class PReLU(Module):
    """x where it is positive, else weight * x, with one trained weight, or one for each channel (axis 1)."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters, self.init = size("PReLU", "num_parameters", num_parameters, 1), init
        self.weight = filled(init, num_parameters, dtype, device)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


# --- along an axis ---


class Softmax(Wrapped, function="softmax", takes={"dim": None}):
    """exp(x) / sum(exp(x)) along the axis `dim`."""


class LogSoftmax(Wrapped, function="log_softmax", takes={"dim": None}):
    """The logarithm of `Softmax`."""


class Softmin(Wrapped, function="softmin", takes={"dim": None}):
    """`Softmax` of -x."""


class Softmax2d(Module):
    """`Softmax` over the channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        if node("Softmax2d", input).data.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D; got {input.ndim}D instead; reshape it to "
                             f"(N, C, H, W)")
        return F.softmax(input, -3)
