"""`torch.autograd.Variable`: what older programs wrap around a tensor. It is the tensor itself, as in PyTorch."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor


class Variation(type):
    """The class of `Variable`: every tensor is an instance."""

    def __instancecheck__(cls, x: object) -> bool:
        return isinstance(x, Tensor)


class Variable(metaclass=Variation):
    """The values of a tensor as a leaf, which requires grad if wanted.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.autograd.Variable(torch.ones(2), requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    """

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: bool | None = None) -> Any:
        return Tensor().requires_grad_(requires_grad) if data is None else data.detach().requires_grad_(requires_grad)
