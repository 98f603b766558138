"""Layers as functions, with PyTorch's argument order and layouts: each is an op, or a few of them.

No derivative is defined here, and no weights are held. Parameters are NumPy's: ``axis``, not ``dim``.
"""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import ops
from ..core import Tensor, as_array
from ..names import Missing as _Missing
from ..names import elsewhere as _elsewhere
from ..names.calls import explained
from ..ops.activation import gelu, relu, silu
from ..ops.elementwise import sigmoid, tanh
from ..ops.fused import check_range, linear, log_softmax, softmax
from ..ops.fused import embedding as gather_rows
from .activations import (
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    prelu,
    relu6,
    softmin,
    softshrink,
    threshold,
)
from .arguments import check_size
from .borders import interpolate, pad
from .convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d, fold, unfold
from .distances import cosine_similarity, normalize, pairwise_distance
from .dot_product import scaled_dot_product_attention
from .dropout import dropout, dropout1d, dropout2d
from .images import batch_norm, group_norm, instance_norm
from .likelihoods import (
    binary_cross_entropy,
    gaussian_nll_loss,
    multilabel_soft_margin_loss,
    poisson_nll_loss,
    soft_margin_loss,
)
from .losses import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from .margins import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    triplet_margin_loss,
)
from .pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    avg_pool1d,
    avg_pool2d,
    max_pool1d,
    max_pool2d,
)
from .smooth import celu, elu, logsigmoid, mish, selu, softplus, softsign, tanhshrink

__all__ = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "avg_pool1d",
           "avg_pool2d", "batch_norm", "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu", "conv1d",
           "conv2d", "conv_transpose1d", "conv_transpose2d", "cosine_embedding_loss", "cosine_similarity",
           "cross_entropy", "dropout", "dropout1d", "dropout2d", "elu", "embedding", "fold", "gaussian_nll_loss",
           "gelu", "glu", "group_norm", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hinge_embedding_loss",
           "huber_loss", "instance_norm", "interpolate", "kl_div", "l1_loss", "layer_norm", "leaky_relu", "linear",
           "log_softmax", "logsigmoid", "margin_ranking_loss", "max_pool1d", "max_pool2d", "mish", "mse_loss",
           "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "nll_loss", "normalize",
           "one_hot", "pad", "pairwise_distance", "poisson_nll_loss", "prelu", "relu", "relu6", "rms_norm",
           "scaled_dot_product_attention", "selu", "sigmoid", "silu", "smooth_l1_loss", "soft_margin_loss", "softmax",
           "softmin", "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold", "triplet_margin_loss",
           "unfold"]


@explained
def embedding(indices: Any, weight: Any, padding_idx: int | None = None) -> Tensor:
    """The rows of a table: integer indices (...) and weight (V, D) give (..., D).

    Parameters
    ----------
    indices : (...), integer, in [0, V)
    weight : (V, D)
    padding_idx : int, optional
        A row that gets no gradient; a negative one counts from the end.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.embedding([2, 0], tt.eye(3))
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    y = gather_rows(weight, indices)
    if padding_idx is None:
        return y
    return without_gradient(y, indices, row_number(padding_idx, len(weight), "embedding"))


def row_number(padding_idx: Any, rows: int, name: str) -> int:
    """`padding_idx` as a row number from 0 on; an error if the table has no such row."""
    if isinstance(padding_idx, bool) or not hasattr(padding_idx, "__index__"):
        raise TypeError(f"{name}: got padding_idx={padding_idx!r}; expected an integer or None; pass a dtype by name, "
                        f"dtype=np.float64")
    if not -rows <= index(padding_idx) < rows:
        raise ValueError(f"{name}: got padding_idx={padding_idx!r}; expected {-rows} to {rows - 1}, a row of the "
                         f"table; make the table longer, or choose another")
    return index(padding_idx) % rows


def without_gradient(y: Any, indices: Any, row: int) -> Any:
    """Rows y that were taken from a table at these indices; no gradient flows through those of one row."""
    return np.where(np.not_equal(indices, row)[..., None], y, y.detach()) if isinstance(y, Tensor) else y


@explained
def layer_norm(x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """Normalise over the last axes, of shape `normalized_shape`, to mean 0 and variance 1, then scale and shift.

    As `tinytensor.layer_norm`, which takes the number of axes.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.layer_norm(tt.tensor([[1.0, 3.0], [20.0, 60.0]]), 2)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    return ops.layer_norm(x, weight, bias, check_normalized_shape("layer_norm", x, normalized_shape), eps)


@explained
def rms_norm(x: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Tensor:
    """Divide by the root mean square over the last axes, of shape `normalized_shape`, then scale.

    As `tinytensor.rms_norm`, which takes the number of axes.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.rms_norm(tt.tensor([[30.0, 40.0]]), (2,))
    tensor([[0.8485, 1.1314]])
    """
    return ops.rms_norm(x, weight, check_normalized_shape("rms_norm", x, normalized_shape), eps)


def check_normalized_shape(name: str, x: Any, normalized_shape: Any) -> int:
    """The number of axes of `normalized_shape`; ValueError if the shape of x does not end with it."""
    given = normalized_shape
    shape = given if type(given) is tuple else (given,) if hasattr(given, "__index__") else tuple(given)
    n = len(shape)
    if not n or (x.shape if hasattr(x, "shape") else np.shape(x))[-n:] != shape:
        raise ValueError(f"{name}: got x of shape {np.shape(x)}; expected (..., {', '.join(map(str, shape))}); make "
                         f"the layer for its size, or reshape x")
    return n


@explained
def one_hot(indices: Any, num_classes: int = -1, dtype: Any = np.int64) -> Tensor:
    """1 at each index, 0 elsewhere: integer indices (...) give (..., num_classes).

    Parameters
    ----------
    indices : (...), integer, in [0, num_classes)
    num_classes : int
        -1 for the largest index plus 1.
    dtype : dtype
        Integer as in PyTorch. Subtle: a product of integers and float32 is float64; pass the dtype of the weights.

    Raises
    ------
    TypeError
        If indices are not integers.
    IndexError
        If an index is not a class.

    Examples
    --------
    >>> from tinytensor.nn import functional as F
    >>> F.one_hot([2, 0])
    tensor([[0, 0, 1],
            [1, 0, 0]])
    """
    i = as_array(indices)
    if i.dtype.kind not in "iu":
        raise TypeError(f"one_hot: got indices of dtype {i.dtype}; expected integers; convert them: "
                        f"indices.astype(np.int64)")
    num_classes = check_size("one_hot", "num_classes", num_classes, least=-1)
    n = num_classes if num_classes != -1 else int(i.max()) + 1 if i.size else 0
    check_range(i.astype(np.int64), n, "one_hot: index", f"{n} classes")
    return Tensor(np.equal(i[..., None], np.arange(n)).astype(dtype))

if not TYPE_CHECKING:  # a checker is to find what is not there

    def __dir__() -> list[str]:
        return __all__

    def __getattr__(name: str) -> Any:
        raise _Missing(_elsewhere, "functional", name, __dir__)
