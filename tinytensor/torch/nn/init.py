"""`torch.nn.init`: first weights, filled in place with the numbers that PyTorch draws from the same seed.

It makes no tensors and records nothing: that is `tinytensor.nn.init`, with PyTorch's names for what it takes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...advice import a_type
from ...names import Missing as _Missing
from ...names import refusal as _refusal
from ...nn import init as engine
from ...random import as_generator
from ..tensor import Tensor
from ..versions import note

calculate_gain = engine.calculate_gain


def array(name: str, tensor: Any) -> Any:
    """The array to fill."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name}: got {a_type(tensor)}; expected a tensor, which is filled in place; write "
                        f"torch.empty(...)")
    return tensor.node.data


def rng(generator: Any) -> Any:
    """The engine's generator of one of PyTorch's, or of None."""
    return as_generator(getattr(generator, "stream", generator))


def filled(tensor: Tensor) -> Tensor:
    """The tensor, after counting the write into it."""
    note(tensor.node.data)
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with numbers uniform in [a, b).

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> w = torch.nn.init.uniform_(torch.empty(2), 5, 6)
    >>> bool((w >= 5).all())
    True
    """
    engine.uniform_(array("uniform_", tensor), a, b, rng(generator))
    return filled(tensor)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with normal numbers."""
    engine.normal_(array("normal_", tensor), mean, std, rng(generator))
    return filled(tensor)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    array("constant_", tensor)[...] = val
    return filled(tensor)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity."""
    a = array("eye_", tensor)
    if a.ndim != 2:
        raise ValueError(f"eye_: only tensors with 2 dimensions are supported; got shape {[*a.shape]}; fill its parts "
                         f"one by one")
    a[...] = np.eye(*a.shape)
    return filled(tensor)


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a kernel (out, in, ...) so that a convolution with it gives its inputs back."""
    a = array("dirac_", tensor)
    if a.ndim not in (3, 4, 5) or a.shape[0] % groups:
        raise ValueError(f"dirac_: only tensors with 3, 4, or 5 dimensions are supported, and dim 0 must be divisible "
                         f"by groups; got shape {[*a.shape]} and groups={groups}; use eye_ for matrices")
    a[...] = 0
    each = a.shape[0] // groups
    for g in range(groups):
        for d in range(min(each, a.shape[1])):
            a[(g * each + d, d, *(n // 2 for n in a.shape[2:]))] = 1
    return filled(tensor)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill uniformly, with a standard deviation of gain * sqrt(2 / (fan_in + fan_out))."""
    engine.xavier_uniform_(array("xavier_uniform_", tensor), gain, rng(generator))
    return filled(tensor)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with normal numbers, of a standard deviation of gain * sqrt(2 / (fan_in + fan_out))."""
    engine.xavier_normal_(array("xavier_normal_", tensor), gain, rng(generator))
    return filled(tensor)


def kaiming_uniform_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                     generator: Any = None) -> Tensor:
    """Fill uniformly, with a standard deviation of gain / sqrt(fan)."""
    if 0 not in array("kaiming_uniform_", tensor).shape:
        engine.kaiming_uniform_(tensor.node.data, a, mode, nonlinearity, rng(generator))
    return filled(tensor)


def kaiming_normal_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                    generator: Any = None) -> Tensor:
    """Fill with normal numbers, of a standard deviation of gain / sqrt(fan)."""
    if 0 not in array("kaiming_normal_", tensor).shape:
        engine.kaiming_normal_(tensor.node.data, a, mode, nonlinearity, rng(generator))
    return filled(tensor)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Fill a matrix (axes after the first are one) with orthonormal rows or columns, times gain (Saxe et al. 2013)."""
    a = array("orthogonal_", tensor)
    if a.ndim < 2:
        raise ValueError(f"orthogonal_: only tensors with 2 or more dimensions are supported; got shape {[*a.shape]}; "
                         f"use normal_ for vectors")
    if a.size:
        engine.orthogonal_(a, gain, rng(generator))
    return filled(tensor)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Fill a matrix with normal numbers, and set this part of each column to 0."""
    a = array("sparse_", tensor)
    if a.ndim != 2:
        raise ValueError(f"sparse_: only tensors with 2 dimensions are supported; got shape {[*a.shape]}; use normal_")
    engine.normal_(a, 0, std, rng(generator))
    for column in range(a.shape[1]):
        a[rng(None).randperm(len(a))[: math.ceil(sparsity * len(a))], column] = 0
    return filled(tensor)


def trunc_normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
                  generator: Any = None) -> Tensor:
    """Fill with normal numbers, of which none is below a or above b: those that are get drawn anew.

    Where most would be, candidates are uniform, and stay with a probability as their density.
    """
    x = array("trunc_normal_", tensor)
    engine.trunc_normal_(x, mean, std, a, b, rng(generator))
    return filled(tensor)

if not TYPE_CHECKING:  # a checker is to find what is not there

    def __getattr__(name: str) -> Any:
        raise _Missing(_refusal, "init", name, lambda: [n for n in globals() if n.endswith("_")])
