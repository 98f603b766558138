"""The plain layers: Linear, Embedding, Flatten, FlattenConsecutive and Identity, and the activations as modules.

They compute nothing themselves (that is `functional`), and keep nothing from one call to the next.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import Tensor
from ..random import as_generator
from . import functional as F
from . import init
from .arguments import check_integer, check_size, dtype_error
from .module import Module
from .parameter import Parameter


class Linear(Module):
    """x @ weight.T + bias.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    dtype : dtype
        float32 or float64.
    rng : Generator, int or None
        Where the first weights come from: a generator, a seed, or the default generator. Weight and bias are uniform
        within 1 / sqrt(in_features), the numbers those of PyTorch's Linear from the same seed.

    Shapes
    ------
    weight (out, in), bias (out,); input (..., in), output (..., out)

    Raises
    ------
    TypeError
        If the input's dtype is not the weight's.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> layer = nn.Linear(3, 2, rng=42)
    >>> layer.weight
    Parameter([[ 0.4414,  0.4792, -0.1353],
               [ 0.5304, -0.1265,  0.1165]])
    >>> layer(tt.ones(5, 3)).shape
    (5, 2)
    """

    bias: Parameter | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True, dtype: Any = np.float32,
                 rng: init.Rng = None) -> None:
        super().__init__()
        self.in_features = check_size("Linear", "in_features", in_features)
        self.out_features = check_size("Linear", "out_features", out_features)
        rng, shape = as_generator(rng), (self.out_features, self.in_features)
        self.weight = init.kaiming_uniform_(Parameter(np.empty(shape, dtype)), a=math.sqrt(5), rng=rng)
        self.bias = None
        if bias:
            bound = 1 / math.sqrt(self.in_features)
            self.bias = init.uniform_(Parameter(np.empty(self.out_features, dtype)), -bound, bound, rng)

    def forward(self, x: Any) -> Tensor:
        if getattr(x, "dtype", None) != self.weight.data.dtype:
            raise dtype_error("linear", x, self.weight)
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Embedding(Module):
    """A table of trained rows, indexed by integers.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        Rows of the table, and their length.
    padding_idx : int, optional
        A row that starts as zeros and gets no gradient, for tokens that only pad; a negative one counts from the end.
    dtype, rng
        As in `Linear`; the table is standard normal.

    Shapes
    ------
    weight (num, dim); input (...), integer, in [0, num), output (..., dim)

    Examples
    --------
    >>> from tinytensor import nn
    >>> nn.Embedding(27, 2)([[0, 5, 13]]).shape
    (1, 3, 2)
    >>> nn.Embedding(3, 2, padding_idx=0).weight[0].tolist()
    [0.0, 0.0]
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None,
                 dtype: Any = np.float32, rng: init.Rng = None) -> None:
        super().__init__()
        self.num_embeddings = check_size("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = check_size("Embedding", "embedding_dim", embedding_dim)
        table = np.empty((self.num_embeddings, self.embedding_dim), dtype)
        self.weight = init.normal_(Parameter(table), rng=rng)
        self.padding_idx = None if padding_idx is None else F.row_number(padding_idx, self.num_embeddings, "Embedding")
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def forward(self, indices: Any) -> Tensor:
        return F.embedding(indices, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class Flatten(Module):
    """Reshape the axes from `start_dim` to `end_dim`, both included, to one.

    Raises
    ------
    IndexError
        If the input does not have these axes, or not in this order.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.Flatten()(tt.ones(32, 3, 10)).shape
    (32, 30)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = (check_integer("Flatten", "start_dim", start_dim),
                                         check_integer("Flatten", "end_dim", end_dim))

    def forward(self, x: Any) -> Tensor:
        shape, n = x.shape, len(x.shape)
        first, last = (d + n if d < 0 else d for d in (self.start_dim, self.end_dim))
        if not 0 <= first <= last < n:
            raise IndexError(f"flatten: got start_dim={self.start_dim} and end_dim={self.end_dim} for x of shape "
                             f"{shape}; expected the first not after the last, both among its {n} axes; add a batch "
                             f"axis with x[None]")
        return x.reshape((*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class FlattenConsecutive(Module):
    """Concatenate every `n` neighbours along axis 1: (B, T, C) becomes (B, T // n, n * C), and (B, n * C) if T is n.

    Several of them, each followed by a layer, join a long context as a tree (van den Oord et al. 2016, WaveNet).

    Parameters
    ----------
    n : int

    Raises
    ------
    ValueError
        If the input does not have three axes, or T is not a multiple of n.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.FlattenConsecutive(2)(tt.ones(32, 8, 10)).shape, nn.FlattenConsecutive(8)(tt.ones(32, 8, 10)).shape
    ((32, 4, 20), (32, 80))
    """

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = check_size("FlattenConsecutive", "n", n)

    def forward(self, x: Any) -> Tensor:
        if len(x.shape) != 3 or x.shape[1] % self.n or not x.shape[1]:
            raise ValueError(f"flatten_consecutive: got x of shape {x.shape}; expected (B, T, C), with T a multiple "
                             f"of {self.n}; choose a context length that n divides")
        b, t, c = x.shape
        return x.reshape((b, self.n * c) if t == self.n else (b, t // self.n, self.n * c))

    def extra_repr(self) -> str:
        return str(self.n)


class Identity(Module):
    """Returns its input. Its arguments are ignored, so that it can replace any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Any) -> Tensor:
        return x


# --- activations ---


class Tanh(Module):
    """The hyperbolic tangent of each element."""

    def forward(self, x: Any) -> Tensor:
        return F.tanh(x)


class ReLU(Module):
    """max(x, 0) of each element."""

    def forward(self, x: Any) -> Tensor:
        return F.relu(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x)) of each element."""

    def forward(self, x: Any) -> Tensor:
        return F.sigmoid(x)


class SiLU(Module):
    """x * sigmoid(x) of each element."""

    def forward(self, x: Any) -> Tensor:
        return F.silu(x)


class GELU(Module):
    """x times the probability that a standard normal is below x, of each element; `approximate` as in `gelu`."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, x: Any) -> Tensor:
        return F.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Softmax(Module):
    """exp(x) / sum(exp(x)) along the axis `dim`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = check_integer(type(self).__name__, "dim", dim)

    def forward(self, x: Any) -> Tensor:
        return F.softmax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """The logarithm of `Softmax`."""

    def forward(self, x: Any) -> Tensor:
        return F.log_softmax(x, self.dim)
