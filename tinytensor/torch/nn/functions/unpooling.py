"""Unpooling: the maxima that a pooling returned, at the positions that they were taken from; elsewhere zeros."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .... import ops
from ...tensor import Tensor, of_array, wrap
from .losses import noted
from .offered import function, node


def unpooled(name: str, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any,
             n: int) -> Tensor:
    """The values where the indices say, zeros elsewhere."""
    x, i = node(name, input), node(name, indices, "indices").data
    if x.data.ndim not in (n + 1, n + 2) or i.shape != x.data.shape or i.dtype != np.int64:
        raise RuntimeError(f"{name}: got an input of shape {[*x.data.shape]} and {indices.dtype} indices of shape "
                           f"{[*i.shape]}; expected (N, C, ...), and int64 indices of its shape; take what the pooling "
                           f"gave with return_indices=True")
    window, step, border = ([*v] if isinstance(v, tuple | list) else [v] * n
                            for v in (kernel_size, kernel_size if stride is None else stride, padding))
    old = x.data.shape[-n:]
    new = [(old[k] - 1) * step[k] + window[k] - 2 * border[k] for k in range(n)]
    if output_size is not None:
        asked = [*output_size][-n:]
        if any(not new[k] - step[k] < asked[k] < new[k] + step[k] for k in range(n)):
            raise ValueError(f"{name}: invalid output_size {[*output_size]}; expected sizes near {new}, less than a "
                             f"stride away; leave it out")
        new = asked
    lead, count = x.data.shape[:-n], math.prod(new)
    flat, where = ops.reshape(x, (math.prod(lead), -1)), i.reshape(math.prod(lead), -1)
    if where.size and not (where.min() >= 0 and where.max() < count):
        raise RuntimeError(f"{name}: found an invalid max index: {where.max()}; expected indices into a volume of "
                           f"{count}; give the output_size that was pooled")
    base = of_array(np.zeros((len(where), count), x.data.dtype))
    y = base.scatter(1, of_array(where), wrap(flat))
    return noted(ops.reshape(y.node, (*lead, *new)), "SqueezeBackward1" if n == 1 else "MaxUnpool2D")


@function()
def max_unpool1d(input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
                 output_size: Any = None) -> Tensor:
    """The inverse of `max_pool1d`: the maxima at their positions in (N, C, L), zeros elsewhere."""
    return unpooled("max_unpool1d", input, indices, kernel_size, stride, padding, output_size, 1)


@function()
def max_unpool2d(input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
                 output_size: Any = None) -> Tensor:
    """The inverse of `max_pool2d`: the maxima at their positions in (N, C, H, W), zeros elsewhere."""
    return unpooled("max_unpool2d", input, indices, kernel_size, stride, padding, output_size, 2)
