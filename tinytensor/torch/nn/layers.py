"""The plain layers: Linear, Bilinear, Embedding, Identity, those that reshape, and Dropout.

They compute nothing themselves: that is `functional`.
"""

from __future__ import annotations

import math
from operator import index
from typing import Any

import numpy as np

from ...nn import init
from ..dtypes import default, numpy_dtype, on_cpu
from ..tensor import Tensor
from ..writing import as_view
from .arguments import probability, size
from .functions import dense
from .functions.dense import linear_of, refuse_extras
from .functions.offered import node
from .module import Module
from .parameter import Parameter, made


def weights(*shape: int, dtype: Any = None, device: Any = None) -> Parameter:
    """A parameter of a shape, whose numbers are yet to be drawn."""
    on_cpu(device)
    return made(Parameter, np.empty(shape, numpy_dtype(dtype, default[0].numpy)), True)


def uniform(p: Any, bound: float) -> None:
    """Fill a parameter with numbers within a bound, if there is one."""
    if p is not None:
        init.uniform_(p.node, -bound, bound)


class Linear(Module):
    """``x @ weight.T + bias``; both are uniform within 1 / sqrt(in_features) at first.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> layer = torch.nn.Linear(3, 2)
    >>> layer(torch.ones(5, 3)).shape, layer
    (torch.Size([5, 2]), Linear(in_features=3, out_features=2, bias=True))
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: Any = None,
                 dtype: Any = None) -> None:
        super().__init__()
        self.in_features = size("Linear", "in_features", in_features)
        self.out_features = size("Linear", "out_features", out_features)
        self.weight = weights(self.out_features, self.in_features, dtype=dtype, device=device)
        self.register_parameter("bias", weights(self.out_features, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw first weights."""
        if self.weight.node.data.size:
            init.kaiming_uniform_(self.weight.node, a=math.sqrt(5))
        uniform(self.bias, 1 / math.sqrt(self.in_features) if self.in_features else 0)

    def forward(self, input: Tensor) -> Tensor:
        own = self._parameters
        try:
            return linear_of(input, own["weight"], own["bias"])
        except (KeyError, AttributeError):  # a weight that is no parameter any more, an input that is no tensor
            return dense.linear(input, self.weight, self.bias)
        except ValueError as error:
            raise RuntimeError(*error.args) from None

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class NonDynamicallyQuantizableLinear(Linear):
    """A `Linear`, under the name that PyTorch prints inside of MultiheadAttention."""


class Bilinear(Module):
    """For each output k, ``x1 @ weight[k] @ x2 + bias[k]``."""

    weight: Parameter
    bias: Parameter | None

    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, device: Any = None,
                 dtype: Any = None) -> None:
        super().__init__()
        self.in1_features = size("Bilinear", "in1_features", in1_features, 1)
        self.in2_features = size("Bilinear", "in2_features", in2_features)
        self.out_features = out_features = size("Bilinear", "out_features", out_features)
        self.weight = weights(out_features, in1_features, in2_features, dtype=dtype, device=device)
        self.register_parameter("bias", weights(out_features, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw first weights."""
        bound = 1 / math.sqrt(self.in1_features)
        uniform(self.weight, bound)
        uniform(self.bias, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return dense.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
                f"out_features={self.out_features}, bias={self.bias is not None}")


class Embedding(Module):
    """A row of a trained table for each integer; the row `padding_idx` is 0 at first, and is not trained.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.nn.Embedding(27, 2)(torch.tensor([[0, 5, 13]])).shape
    torch.Size([1, 3, 2])
    """

    weight: Parameter

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None,
                 max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
                 sparse: bool = False, _weight: Tensor | None = None, _freeze: bool = False, device: Any = None,
                 dtype: Any = None) -> None:
        super().__init__()
        refuse_extras("Embedding", max_norm, scale_grad_by_freq, sparse)
        self.num_embeddings = size("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = size("Embedding", "embedding_dim", embedding_dim)
        num_embeddings, embedding_dim = self.num_embeddings, self.embedding_dim
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise AssertionError(f"Embedding: padding_idx must be within num_embeddings; got {padding_idx} for "
                                 f"{num_embeddings} rows; give the number of a row")
        self.padding_idx = padding_idx if padding_idx is None else padding_idx % num_embeddings
        self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse = max_norm, norm_type, False, False
        if _weight is None:
            self.weight = weights(num_embeddings, embedding_dim, dtype=dtype, device=device)
            self.weight.requires_grad = not _freeze
            self.reset_parameters()
        else:
            if [*_weight.shape] != [num_embeddings, embedding_dim]:
                raise AssertionError(f"Embedding: shape of weight does not match num_embeddings and embedding_dim; got "
                                     f"{[*_weight.shape]}; expected {[num_embeddings, embedding_dim]}; give its sizes")
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self) -> None:
        """Draw the table anew: standard normal numbers."""
        init.normal_(self.weight.node)
        if self.padding_idx is not None:
            self.weight.node.data[self.padding_idx] = 0

    def forward(self, input: Tensor) -> Tensor:
        return dense.embedding(input, self.weight, self.padding_idx)

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None,
                        **other: Any) -> Embedding:
        """An Embedding of a given table, which is not trained unless `freeze` is False."""
        if embeddings.ndim != 2:
            raise AssertionError(f"from_pretrained: embeddings parameter is expected to be 2-dimensional; got "
                                 f"{[*embeddings.shape]}; reshape it to (rows, columns)")
        rows, columns = embeddings.shape
        return cls(rows, columns, padding_idx=padding_idx, _weight=embeddings, _freeze=freeze, **other)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class Identity(Module):
    """Returns its input; the arguments of the constructor are ignored, so that it can replace any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


# --- reshaping ---


def reshaped(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The tensor in another shape: a view where that is possible."""
    return as_view(x, x.node.reshape(shape))


class Flatten(Module):
    """The axes from `start_dim` to `end_dim`, both included, become one.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.nn.Flatten()(torch.ones(32, 3, 10)).shape
    torch.Size([32, 30])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = index(start_dim), index(end_dim)

    def forward(self, input: Tensor) -> Tensor:
        shape = node("flatten", input).data.shape
        n = len(shape)
        if not n:
            return reshaped(input, (1,))
        for d in (self.start_dim, self.end_dim):
            if not -n <= d < n:
                raise IndexError(f"flatten: Dimension out of range (expected to be in range of [{-n}, {n - 1}], but "
                                 f"got {d}); got an input of shape {[*shape]}; add a batch axis: x.unsqueeze(0)")
        first, last = self.start_dim % n, self.end_dim % n
        if first > last:
            raise RuntimeError(f"flatten: start_dim cannot come after end_dim; got {self.start_dim} and {self.end_dim} "
                               f"for shape {[*shape]}; exchange them")
        return reshaped(input, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One axis becomes several, of these sizes; one of them may be -1."""

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        if isinstance(dim, str) or not isinstance(unflattened_size, tuple | list):
            raise TypeError(f"Unflatten: got dim={dim!r} and unflattened_size={unflattened_size!r}; expected an "
                            f"integer and a tuple of integers, for names of axes are not here; give both")
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        shape = node("unflatten", input).data.shape
        sizes, d = tuple(self.unflattened_size), self.dim % max(len(shape), 1)
        known = math.prod(n for n in sizes if n != -1)
        sizes = tuple(shape[d] // max(known, 1) if n == -1 else n for n in sizes)
        if math.prod(sizes) != shape[d]:
            raise RuntimeError(f"unflatten: provided sizes {[*self.unflattened_size]} don't multiply up to the size of "
                               f"dim {self.dim} ({shape[d]}) in the input; got shape {[*shape]}; give others, or -1")
        return reshaped(input, (*shape[:d], *sizes, *shape[d + 1 :]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


# --- dropout ---


class Dropout(Module):
    """In training, each element is set to 0 with probability p, the others are divided by 1 - p."""

    compute = staticmethod(dense.dropout)

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p, self.inplace = probability(type(self).__name__, p), inplace

    def forward(self, input: Tensor) -> Tensor:
        return input if not self.training else self.compute(input, self.p, True, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout1d(Dropout):
    """`Dropout` of whole channels: (N, C, L) or (C, L)."""

    compute = staticmethod(dense.dropout1d)


class Dropout2d(Dropout):
    """`Dropout` of whole channels: (N, C, H, W)."""

    compute = staticmethod(dense.dropout2d)


class Dropout3d(Dropout):
    """`Dropout` of whole channels: (N, C, D, H, W) or (C, D, H, W)."""

    compute = staticmethod(dense.dropout3d)
