"""Linear maps, tables and dropout as functions: linear, bilinear, embedding, one_hot, dropout.

They hold no weights: `layers.py` has modules of them.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .... import ops
from ....core import Tensor as Node
from ....nn.dropout import dropout_mask
from ....nn.functional import without_gradient
from ...dtypes import of
from ...tensor import Tensor, clock, new, wrap
from ...writing import assign
from .offered import Misuse, alike, function, node, optional

engine_linear, engine_embedding = ops.linear, ops.embedding


def linear_of(input: Any, weight: Any, bias: Any) -> Tensor:
    """`linear` without checks of its arguments."""
    x, w = input.node, weight.node
    b = None if bias is None else bias.node
    if x.data.dtype is not w.data.dtype:
        mixed(input, weight)
    t: Tensor = new(Tensor)
    t.node = made = engine_linear(x, w, b)
    made.stamp = clock[0]
    return t


def mixed(input: Tensor, weight: Tensor) -> None:
    """Refuse two dtypes."""
    if input.node.data.dtype != weight.node.data.dtype:
        also = f", or the model: model.to({input.dtype})" if input.dtype.is_floating_point else ""
        raise RuntimeError(f"linear: mat1 and mat2 must have the same dtype, but got {input.dtype} and {weight.dtype}; "
                           f"expected one for both; convert the input: x.to({weight.dtype}){also}")


@function()
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``: input (..., in), weight (out, in), bias (out,)."""
    x, w, b = node("linear", input), node("linear", weight, "weight"), optional("linear", bias, "bias")
    if w.data.ndim == 2:
        return linear_of(input, weight, bias)
    mixed(input, weight)
    y = ops.matmul(x, w.T)
    return wrap(y if b is None else y + b)


@function()
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """For each output k, ``input1 @ weight[k] @ input2``, and a bias: inputs (..., in1) and (..., in2)."""
    a, b = node("bilinear", input1, "input1"), node("bilinear", input2, "input2")
    w, c = node("bilinear", weight, "weight"), optional("bilinear", bias, "bias")
    alike("bilinear", a, input2=b, weight=w, bias=c)
    if w.data.ndim != 3 or (a.data.shape[-1:], b.data.shape[-1:]) != (w.data.shape[1:2], w.data.shape[2:]):
        raise RuntimeError(f"bilinear: got inputs of shapes {[*a.data.shape]} and {[*b.data.shape]} for a weight of "
                           f"shape {[*w.data.shape]}; expected (..., in1), (..., in2) and (out, in1, in2); reshape the "
                           f"inputs")
    y = ops.einsum("...i,kij,...j->...k", a, w, b)
    return wrap(y if c is None else y + c)


@function()
def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
              norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False) -> Tensor:
    """The rows of a table: integer indices (...) and weight (V, D) give (..., D).

    The row `padding_idx` gets no gradient.
    """
    if max_norm is not None or scale_grad_by_freq or sparse:
        refuse_extras("embedding", max_norm, scale_grad_by_freq, sparse)
    i, w = node("embedding", input).data, node("embedding", weight, "weight")
    if i.dtype.kind not in "iu":
        raise RuntimeError(f"embedding: expected tensor for argument 'indices' to have scalar type Long or Int; got "
                           f"{of(i.dtype)}; convert it: x.long()")
    if w.data.ndim != 2:
        raise RuntimeError(f"embedding: 'weight' must be 2-D; got shape {[*w.data.shape]}; give a table of rows")
    y = engine_embedding(w, i)
    if padding_idx is not None and y.op is not None:
        rows, padding_idx = len(w.data), int(padding_idx)
        if not -rows <= padding_idx < rows:
            raise RuntimeError(f"embedding: got padding_idx={padding_idx}; expected it to be within num_embeddings, "
                               f"{rows}; give the number of a row")
        y = without_gradient(y, i, padding_idx % rows)
    return wrap(y)


def refuse_extras(name: str, max_norm: Any, scale_grad_by_freq: bool, sparse: bool) -> None:
    """Refuse what only other tables can do."""
    for what, value in (("max_norm", max_norm), ("scale_grad_by_freq", scale_grad_by_freq), ("sparse", sparse)):
        if value:
            raise RuntimeError(f"{name}: got {what}={value!r}, which tinytensor.torch does not have; expected it left "
                               f"out; scale the rows, or their gradients, yourself")


@function()
def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """1 at each index, 0 elsewhere, as int64: indices (...) give (..., num_classes); -1 for the largest and one more.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.nn.functional.one_hot(torch.tensor([2, 0]))
    tensor([[0, 0, 1],
            [1, 0, 0]])
    """
    i = node("one_hot", input).data
    if i.dtype != np.int64:
        raise RuntimeError(f"one_hot: one_hot is only applicable to index tensor of type LongTensor; got "
                           f"{of(i.dtype)}; convert it: x.long()")
    if num_classes == -1:
        if not i.size:
            raise RuntimeError("one_hot: can not infer total number of classes from empty tensor; expected indices, or "
                               "num_classes; give num_classes")
        num_classes = int(i.max()) + 1
    if num_classes < 1 or (i.size and (i.min() < 0 or i.max() >= num_classes)):
        raise RuntimeError(f"one_hot: class values must be non-negative and smaller than num_classes; got "
                           f"{i.min() if i.size else 'none'} to {i.max() if i.size else 'none'} for {num_classes} "
                           f"classes; give a larger num_classes")
    return wrap(Node(np.equal(i[..., None], np.arange(num_classes)).astype(np.int64)))


# --- dropout ---


def dropped(name: str, input: Any, p: float, training: bool, inplace: bool, axes: int | None = None) -> Tensor:
    """The input with elements, or whole channels of `axes` last axes, set to 0 with probability p."""
    x = node(name, input)
    probability(name, p)
    if not training or not p or not x.data.size:
        return input  # type: ignore[no-any-return]
    shape = x.data.shape if axes is None else (*x.data.shape[: x.data.ndim - axes], *(1,) * axes)
    mask = mask_as(x.data, p) if axes is None else dropout_mask(shape, p, x.data.dtype)

    def compute(n: Any) -> Any:
        return ops.multiply(n, mask)

    return assign(f"{name}_", input, compute) if inplace else wrap(compute(x))


def probability(name: str, p: float) -> None:
    """Raise unless the value is a probability."""
    if not 0 <= p <= 1:
        raise Misuse(f"{name}: dropout probability has to be between 0 and 1, but got {p}; expected the part that is "
                     f"dropped; 0.1 is usual")


def mask_as(a: Any, p: float) -> Any:
    """A mask for an array, drawn in the order in which the array lies in memory, as PyTorch's is."""
    if a.ndim < 2 or a.flags.c_contiguous or 0 in a.strides:
        return dropout_mask(a.shape, p, a.dtype)
    order = sorted(range(a.ndim), key=lambda i: -abs(a.strides[i]))
    return dropout_mask(tuple([a.shape[i] for i in order]), p, a.dtype).transpose(np.argsort(order))


@function()
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """The input with each element set to 0 with probability p, the others divided by 1 - p."""
    return dropped("dropout", input, p, training, inplace)


@function()
def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels: (N, C, L) or (C, L)."""
    return by_channel("dropout1d", input, p, training, inplace, 1)


@function()
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels: (N, C, H, W)."""
    return by_channel("dropout2d", input, p, training, inplace, 2)


@function()
def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels: (N, C, D, H, W) or (C, D, H, W)."""
    return by_channel("dropout3d", input, p, training, inplace, 3)


def by_channel(name: str, input: Any, p: float, training: bool, inplace: bool, axes: int) -> Tensor:
    """Dropout of whole channels, once it is clear which axes they have."""
    ndim = node(name, input).data.ndim
    if axes == 2 and ndim == 3:
        warnings.warn("dropout2d: Received a 3D input, which is taken as (N, C, L): channels are axis 1. To use a "
                      "(C, H, W), add the batch axis: x.unsqueeze(0).", stacklevel=4)
        return dropped(name, input, p, training, inplace, 1)
    if ndim not in (axes + 1, axes + 2):
        raise RuntimeError(f"{name}: got an input of shape {[*input.shape]}; expected {axes + 2} axes, (N, C, ...); "
                           f"add the batch axis: x.unsqueeze(0)")
    return dropped(name, input, p, training, inplace, axes)
