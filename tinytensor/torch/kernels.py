"""Functions of `torch.nn.functional` that `torch` offers, too: torch.conv2d, torch.cosine_similarity, torch.dropout.

Those that mean something else under one name, as the losses, are there alone.
"""

from __future__ import annotations

from typing import Any

from .later import DROPPING, KERNELS
from .nn.functions.offered import FUNCTIONS as THERE
from .offer import FUNCTIONS
from .tensor import Tensor


def dropping(name: str, inplace: bool) -> Any:
    """A dropout whose flag is called `train`."""
    def call(input: Tensor, p: float, train: bool) -> Any:
        return THERE[name](input, p, train, inplace)

    call.__name__ = call.__qualname__ = f"{name}{'_' * inplace}"
    call.__doc__ = f"`torch.nn.functional.{name}`{', in place' * inplace}."
    return call


def embedding(weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False,
              sparse: bool = False) -> Any:
    """`torch.nn.functional.embedding`, the table first; a `padding_idx` of -1 is none."""
    row = None if padding_idx < 0 else padding_idx
    return THERE["embedding"](indices, weight, row, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


FUNCTIONS.update({name: THERE[name] for name in KERNELS}, embedding=embedding)
FUNCTIONS.update({f"{name}{'_' * on}": dropping(name, on) for name in DROPPING for on in (False, True)})
