"""Functions of channels, of bags of embeddings, and of noise: local_response_norm, embedding_bag, alpha_dropout.

And powers that are pooled, channels that are shuffled, distances within one list.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .... import linalg, ops
from ....core import Tensor as Node
from ...dtypes import default
from ...operators import as_dtype
from ...tensor import Tensor, wrap
from ...writing import assign
from .activation import in_place, leaky_relu
from .conv import avg_pool1d, avg_pool2d
from .dense import probability, refuse_extras
from .losses import noted
from .offered import FUNCTIONS, Misuse, alike, as_floats, floating, function, node, optional

# --- channels ---


@function()
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """(N, C, ...) with the channels of so many groups dealt out in turn."""
    x = node("channel_shuffle", input)
    shape = x.data.shape
    if len(shape) < 3 or groups < 1 or shape[1] % groups:
        raise RuntimeError(f"channel_shuffle: got an input of shape {[*shape]} and groups={groups}; expected (N, C, "
                           f"...) with C divisible by groups; choose a divisor of {shape[1] if len(shape) > 1 else 0}")
    parts = ops.reshape(x, (shape[0], groups, shape[1] // groups, *shape[2:]))
    return noted(ops.reshape(ops.swapaxes(parts, 1, 2), shape), "ChannelShuffle")


@function()
def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Each element divided by a power of k + alpha times the mean of the squares of `size` channels around it."""
    x = node("local_response_norm", input)
    if x.data.ndim < 3:
        raise Misuse(f"local_response_norm: Expected 3D or higher dimensionality input (got {x.data.ndim} "
                     f"dimensions); expected (N, C, ...); add the batch axis")
    if not x.data.size:
        return input
    n, before = x.data.shape[1], size // 2
    squares = ops.pad(ops.square(x), [(0, 0), (before, (size - 1) // 2), *[(0, 0)] * (x.data.ndim - 2)])
    total = squares[:, :n]
    for i in range(1, size):
        total = total + squares[:, i : i + n]
    if total.data.dtype.kind != "f":
        total = as_dtype(ops.floor_divide(total, size), default[0].numpy) * size  # subtle: their mean is an integer
    return wrap(ops.divide(as_floats("local_response_norm", input), ops.power(total * (alpha / size) + k, beta)))


# --- pooled powers ---


def rooted(powers: Tensor, count: int, p: float) -> Tensor:
    """The p-th roots of sums, of which the means are given, with PyTorch's care for signs."""
    y: Tensor = (powers.sign() * powers.abs().relu()).mul(count).pow(1.0 / p)
    return y


@function()
def lp_pool1d(input: Tensor, norm_type: float, kernel_size: int, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The p-norm of each window of (N, C, L)."""
    powers = avg_pool1d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return rooted(powers, kernel_size, norm_type)


@function()
def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The p-norm of each window of (N, C, H, W)."""
    window = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
    powers = avg_pool2d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return rooted(powers, math.prod(window), norm_type)


@function("Pdist")
def pdist(input: Tensor, p: float = 2) -> Tensor:
    """The distances between the rows of (N, M), each pair once: (N * (N - 1) / 2,)."""
    x = floating("pdist", input)
    if x.data.ndim != 2:
        raise RuntimeError(f"pdist: pdist only supports 2D tensors, got: {x.data.ndim}D; expected (N, M); reshape it")
    if p < 0:
        raise RuntimeError(f"pdist: pdist only supports non-negative p values; got {p}; write 2")
    i, j = np.triu_indices(len(x.data), 1)
    return wrap(linalg.vector_norm(ops.subtract(x[i], x[j]), axis=-1, ord=p))


# --- bags ---


@function()
def embedding_bag(input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None,
                  norm_type: float = 2, scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False,
                  per_sample_weights: Tensor | None = None, include_last_offset: bool = False,
                  padding_idx: int | None = None) -> Tensor:
    """The sum, mean or maximum of the rows of a table for each bag of integers.

    Parameters
    ----------
    input : (B, N), or (N,) with `offsets` (B,)
        Bags of one size, or one after another, each from its offset on.
    per_sample_weights : as input, optional
        What each row is multiplied with, in the mode "sum".
    padding_idx : int, optional
        The row that does not count.
    """
    name = "embedding_bag"
    refuse_extras(name, max_norm, scale_grad_by_freq, sparse)
    if isinstance(input, Tensor) and input.node.data.dtype.kind == "f" and node(
            name, weight, "weight").data.dtype == np.int64:
        warnings.warn("Argument order of nn.functional.embedding_bag was changed. Usage `embedding_bag(weight, input, "
                      "...)` is deprecated, and should now be `embedding_bag(input, weight, ...)`.", stacklevel=3)
        input, weight = weight, input
    i, w, s = (node(name, input).data, node(name, weight, "weight"),
               optional(name, per_sample_weights, "per_sample_weights"))
    if mode not in ("sum", "mean", "max"):
        raise Misuse(f"{name}: got mode={mode!r}; expected mode has to be one of sum, mean or max; leave it out for "
                     f"the mean")
    if s is not None and (mode != "sum" or s.data.shape != i.shape):
        raise NotImplementedError(f"{name}: got per_sample_weights of shape {[*s.data.shape]} with mode={mode!r}; "
                                  f"expected mode='sum', and the input's shape, {[*i.shape]}; multiply yourself")
    if s is not None:
        alike(name, w, per_sample_weights=s)
    starts, sizes = bags(i, offsets, include_last_offset)
    real = np.ones(i.shape, bool) if padding_idx is None else i != padding_idx % len(w.data)
    bag = np.repeat(np.arange(len(sizes)), sizes)
    column = np.arange(i.size) - np.repeat(starts, sizes)
    most = int(sizes.max(initial=0))
    table, known = np.zeros((len(sizes), most), np.int64), np.zeros((len(sizes), most), bool)
    table[bag, column], known[bag, column] = i.reshape(-1), real.reshape(-1)
    rows = ops.take(w, table, axis=0)  # (B, most, D)
    if s is not None:
        rows = rows * ops.expand_dims(ops.reshape(s, (-1,))[np.where(known, starts[:, None] + np.arange(most), 0)], -1)
    zero = np.zeros((), w.data.dtype)
    if mode == "max":
        empty = np.logical_not(known.any(axis=1, keepdims=True))
        if not most:
            return wrap(Node(np.zeros((len(sizes), w.data.shape[1]), w.data.dtype)))
        filled = ops.where(known[..., None], rows, np.asarray(-np.inf, w.data.dtype))
        first = np.argmax(filled.data, axis=1, keepdims=True)
        return noted(ops.where(empty, zero, ops.squeeze(ops.take_along_axis(rows, first, 1), 1)), "EmbeddingBag")
    total = ops.sum(ops.where(known[..., None], rows, zero), 1)
    if mode == "mean":
        total = total / np.maximum(known.sum(1), 1).astype(w.data.dtype)[:, None]
    return noted(total, "EmbeddingBag")


def bags(i: Any, offsets: Any, include_last: bool) -> tuple[Any, Any]:
    """Where each bag begins in the flattened input, and how many it holds."""
    if i.ndim == 2:
        if offsets is not None:
            raise Misuse("embedding_bag: got a 2D input and offsets; expected offsets to be None, as input is treated "
                         "as a mini-batch of bags; leave them out")
        return np.arange(len(i)) * i.shape[1], np.full(len(i), i.shape[1])
    if i.ndim != 1 or not isinstance(offsets, Tensor) or offsets.node.data.ndim != 1:
        raise Misuse(f"embedding_bag: got an input of shape {[*i.shape]}; expected (B, N), or (N,) with offsets (B,) "
                     f"that are a 1D Tensor; give offsets")
    starts = offsets.node.data
    if len(starts) and (starts[0] != 0 or starts[-1] > len(i) or (np.diff(starts) < 0).any()):
        raise RuntimeError(f"embedding_bag: offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to "
                           f"start from position 0, and they grow up to the length of the input, {len(i)}; got "
                           f"{starts.tolist()}; compute them by cumsum of the lengths")
    ends = np.append(starts[1:], len(i))
    return (starts[:-1], np.diff(starts)) if include_last else (starts, ends - starts)


# --- noise ---

ALPHA = 1.7580993408473766  # of selu: its scale times its alpha


def alpha_dropped(name: str, input: Any, p: float, training: bool, inplace: bool, by_feature: bool) -> Tensor:
    """Dropout that keeps mean and variance of `selu`'s output: dropped elements become its lowest value."""
    x = node(name, input)
    probability(name, p)
    if not training or not p or not x.data.size:
        return input  # type: ignore[no-any-return]
    floating(name, input)
    if p == 1:
        return assign(f"{name}_", input, lambda n: n * 0) if inplace else wrap(x * 0)
    shape = (*x.data.shape[:2], *(1,) * (x.data.ndim - 2)) if by_feature else x.data.shape
    noise: Any = wrap(Node(np.empty(shape, x.data.dtype))).bernoulli_(1 - p).node.data
    a = 1 / math.sqrt((ALPHA * ALPHA * p + 1) * (1 - p))
    shift = (noise - 1) * (ALPHA * a) + ALPHA * a * p

    def compute(n: Any) -> Any:
        return ops.add(ops.multiply(n, noise * a), shift)

    return assign(f"{name}_", input, compute) if inplace else wrap(compute(x))


@function()
def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout for networks of `selu`, which keeps the mean and variance of its input."""
    return alpha_dropped("alpha_dropout", input, p, training, inplace, False)


@function()
def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels: (N, C, ...)."""
    return alpha_dropped("feature_alpha_dropout", input, p, training, inplace, True)


@function()
def rrelu(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False,
          inplace: bool = False) -> Tensor:
    """The input where it is positive, elsewhere times a number drawn from lower to upper, or their mean."""
    x = floating("rrelu", input)
    if lower > upper:
        raise RuntimeError(f"rrelu: Lower bound should be less than or equal to the upper bound; got {lower} and "
                           f"{upper}; exchange them")
    if not training:
        y = leaky_relu(input, (lower + upper) / 2, inplace)
        return y if inplace else noted(y.node, "RreluWithNoise")
    below = x.data <= 0
    slopes = np.ones(x.data.shape, x.data.dtype)
    drawn = wrap(Node(np.empty(int(below.sum())))).uniform_(lower, upper)
    slopes[below] = drawn.node.data

    def compute(n: Any) -> Any:
        return ops.multiply(n, slopes)

    return assign("rrelu_", input, compute) if inplace else noted(compute(x), "RreluWithNoise")


FUNCTIONS["rrelu_"] = in_place("rrelu")
