"""Parameter: a Tensor that a Module finds and an optimiser trains. It adds nothing to a Tensor but its type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import Tensor
from ..names.calls import explained


class Parameter(Tensor):
    """A Tensor that a Module finds and an optimiser trains; it shares the memory of an array or Tensor given as data.

    Examples
    --------
    >>> from tinytensor import nn
    >>> nn.Parameter([1.0, 2.0])
    Parameter([1., 2.])
    """

    __slots__ = ()
    if not TYPE_CHECKING:
        grad = Tensor._grad  # subtle: the slot itself, five times as fast as the property: it is a leaf for ever

    @explained
    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad)

    def __repr__(self) -> str:
        values = np.array2string(self.data, precision=4, separator=", ", prefix="Parameter(")
        dtype = "" if self.dtype == np.float32 else f", dtype={self.dtype}"
        return f"Parameter({values}{dtype}{'' if self.requires_grad else ', requires_grad=False'})"
