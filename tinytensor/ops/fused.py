"""Fused ops: linear, softmax, cross-entropy and embedding, each a fast forward and a fast rule for several steps.

First derivatives use the rule. Higher derivatives differentiate the rule itself where it consists of ops, else the
slow `definition`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..broadcasting import MANY, ones_row, sum_rows
from ..collectives import all_reduce_mean
from ..core import REGISTRY, S, Tensor, TracerBase, primitive, record
from ..define import op
from .index import FEW_ROWS, gathered, one_hot_table, put_into_zeros, scatter_rows, take
from .products import as_rows, product, times_transposed, transposed_times
from .reduce import softmax_pair

INT64, UINT64 = np.dtype(np.int64), np.dtype(np.uint64)
LABELS = np.array([0, 2, 1, 2])


# --- linear ---


@op(lambda g, y, a, b: b @ g.T if isinstance(g, Tensor) else times_transposed(b, g), lambda g, y, a, b: product(a, g),
    analytic=True, samples=(S((4, 3), (4, 2)), S((1, 2), (1, 1))))
def matmul_tn(a: Any, b: Any) -> Any:
    """``a.T @ b`` of two matrices, such as the gradient of a weight. Gradients have the memory order of a and b.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.matmul_tn(tt.ones((4, 3)), tt.ones((4, 2))).shape
    (3, 2)
    """
    if np.ndim(a) != 2 or np.ndim(b) != 2 or len(a) != len(b):
        raise ValueError(f"matmul_tn: got shapes {np.shape(a)} and {np.shape(b)}; expected two matrices with equally "
                         f"many rows; write a.mT @ b for others")
    return transposed_times(a, b)


@op(lambda g, y, x, weight, bias: product(g, weight) if g.ndim == 2 else product(as_rows(g), weight).reshape(x.shape),
    lambda g, y, x, weight, bias: (matmul_tn if isinstance(g, Tensor) else transposed_times)(as_rows(g), as_rows(x)),
    lambda g, y, x, weight, bias: sum_rows(as_rows(g)),
    analytic=True,
    samples=(S((2, 3), (4, 3), (4,)), S((2, 3), (4, 3)), S((5, 2, 3), (4, 3), (4,)), S((3,), (4, 3), (4,))))
def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """x @ weight.T + bias, with the weight in PyTorch's layout (out, in).

    Parameters
    ----------
    x : (..., in)
    weight : (out, in)
    bias : (out,), optional

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.linear(tt.ones((2, 3)), tt.ones((4, 3)), tt.zeros(4)).shape
    (2, 4)
    """
    if x.shape[-1:] != weight.shape[1:]:
        raise ValueError(f"linear: got x of shape {np.shape(x)} and weight of shape {np.shape(weight)}; expected the "
                         f"last axis of x to equal the last of weight (out, in); reshape x, or make the layer for its "
                         f"size")
    flat = as_rows(x)
    y = times_transposed(flat, weight)
    if bias is None:
        return y if flat is x else y.reshape(*x.shape[:-1], len(weight))
    if bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: got a bias of shape {bias.shape} for a weight of shape {weight.shape}; expected "
                         f"{weight.shape[:1]}; give one number for each output")
    y = np.add(y, bias, out=y) if y.dtype == bias.dtype else y + bias
    return y if flat is x else y.reshape(*x.shape[:-1], len(weight))


# --- softmax ---


@op(lambda g, y, x, *, axis: y * (g - np.add.reduce(g * y, axis=axis, keepdims=True)), method=True,
    samples=(S((2, 3)), S((2, 3), axis=0), S((2, 3, 2), axis=1)))
def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) along an axis: probabilities from logits, without overflow.

    Elements that are inf share the whole probability. The result has the shape of x.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([0.0, 1e4, 1e4]).softmax()
    tensor([0. , 0.5, 0.5])
    """
    return softmax_pair(x, axis)[0]


@op(lambda g, y, x, *, axis: g - np.exp(y) * np.add.reduce(g, axis=axis, keepdims=True), method=True,
    samples=(S((2, 3)), S((2, 3), axis=0), S((2, 3, 2), axis=1)))
def log_softmax(x: Any, axis: int = -1) -> Any:
    """log(softmax(x)) along an axis, precise for small probabilities too.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([0.0, 0.0]).log_softmax()
    tensor([-0.6931, -0.6931])
    """
    return softmax_pair(x, axis)[1]


# --- cross entropy ---


@primitive
def check_range(indices: Any, n: int, what: str, of: str) -> None:
    """Raise IndexError unless all int64 indices are in [0, n); `what` is such as "embedding: index", `of` the whole.

    Subtle: viewed as unsigned, negative indices become huge, so one comparison suffices; argmax is faster than max.
    """
    if indices.size and (unsigned := indices.view(UINT64)).item(unsigned.argmax()) >= n:
        index = indices[(indices < 0) | (indices >= n)].reshape(-1)[0]
        name, _, kind = what.partition(": ")
        raise IndexError(f"{name}: got {kind} {index} for {of}; expected 0 to {n - 1}; check the vocabulary, or the "
                         f"size of the layer")


@lru_cache(maxsize=64)
def row_starts(rows: int, columns: int) -> Any:
    """The index at which each row of a flattened matrix starts; cached, so that a compiled step sees one constant."""
    a = np.arange(0, rows * columns, columns)
    a.flags.writeable = False
    return a


def cross_entropy_grad(g: Any, logits: Any, reduction: str, extras: Any) -> Any:
    """The gradient of cross-entropy: (softmax - one_hot) * g."""
    e, total, t, counted, count = extras
    d = e / total.reshape(-1, 1)
    if isinstance(logits, Tensor):  # for higher orders, record these numbers as the softmax of the logits
        d = record(REGISTRY["softmax"], d.reshape(logits.shape), [logits], [logits.data], {"axis": -1}, True)
        d = d.reshape(e.shape)
        use_table, at = d.shape[-1] <= FEW_ROWS, (np.arange(t.size), t)
        d = d - (gathered(one_hot_table(d.shape[-1], d.dtype), t, 0) if use_table else
                 put_into_zeros(ones_row(t.size, d.dtype), at, d.shape))
    elif d.shape[-1] <= FEW_ROWS:
        d -= gathered(one_hot_table(d.shape[-1], d.dtype), t, 0)
    else:
        d[np.arange(t.size), t] -= 1
    scale = g / count if reduction == "mean" else g
    if counted is not None:
        scale = np.where(counted, scale.reshape(-1), 0)
    d *= scale.reshape(-1, 1) if scale.ndim else scale
    return d if logits.ndim == 2 else d.reshape(logits.shape)


@op(lambda g, y, logits, targets, *, reduction, extras, **_: cross_entropy_grad(g, logits, reduction, extras), None,
    samples=(S((4, 3), LABELS), S((4, 3), LABELS, reduction="sum"),
    S((4, 3), LABELS, reduction="none"), S((2, 2, 3), LABELS.reshape(2, 2)), S((4, 200), 60 * LABELS),
    S((4, 3), LABELS - 1, ignore_index=-1), S((4, 3), LABELS, reduction="none", ignore_index=2)))
def cross_entropy(logits: Any, targets: Any, reduction: str = "mean", ignore_index: int | None = None) -> Any:
    """The negative log-likelihood of the target classes, in nats, under softmax(logits).

    Parameters
    ----------
    logits : (..., C), floating
    targets : (...), integer, in [0, C)
    reduction : {"mean", "sum", "none"}
        "none" for the loss of each target, (...).
    ignore_index : int, optional
        Targets of this value, in [0, C) or not, have loss 0 and are left out of the mean, which is nan if all are.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.cross_entropy(tt.zeros((1, 27)), np.array([3]))  # log(27): all classes are equally likely
    tensor(3.2958)
    """
    z, t, counted = check_targets(logits, targets, ignore_index)
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"cross_entropy: got reduction={reduction!r}; expected 'mean', 'sum' or 'none'; 'mean' is "
                         f"usual")
    top = row_maxima(z)
    z = z - top.reshape(-1, 1)
    e = np.exp(z)
    total = e @ ones_row(z.shape[1], z.dtype)  # (N,); a product with ones is twice as fast as a sum along the last axis
    first = row_starts(*z.shape) if len(z) <= MANY else np.arange(0, z.size, z.shape[1])
    losses = np.log(total) - gathered(z.reshape(-1), first + t, None)
    count: Any = t.size
    if counted is not None:
        losses, count = np.where(counted, losses, 0), np.add.reduce(counted, dtype=losses.dtype)
        count = all_reduce_mean(count)[0] if reduction == "mean" else count  # the mean over all workers' targets
    extras = e, total, t, counted, count
    if reduction == "none":
        return losses.reshape(targets.shape), extras
    if reduction == "mean" and counted is None and 0 < count <= MANY:
        return losses @ ones_row(count, losses.dtype, 1 / count), extras  # one call instead of a sum and a division
    loss = np.add.reduce(losses)
    return (loss / count if reduction == "mean" else loss), extras


def row_maxima(z: Any) -> Any:
    """The maximum of each row, (N, C) to (N,). Short rows are transposed first: NumPy is faster along columns."""
    if z.shape[1] > 64:
        return np.maximum.reduce(z, axis=1)
    columns = z.T.copy()
    return np.maximum.reduce(columns, axis=0)


def check_targets(logits: Any, targets: Any, ignore_index: int | None) -> tuple[Any, Any, Any]:
    """Raise unless logits and targets fit; return logits (N, C), targets (N,), and a mask of the targets that count.

    The mask is None if all count. Targets that do not count become 0.
    """
    if logits.ndim < 1 or logits.shape[:-1] != targets.shape:
        raise ValueError(f"cross_entropy: got logits of shape {np.shape(logits)} and targets of shape "
                         f"{np.shape(targets)}; expected logits (..., C) and targets (...); give one target for each "
                         f"row of logits")
    if targets.dtype is not INT64 and targets.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: got targets of dtype {targets.dtype}; expected integer classes; convert "
                        f"them: targets.astype(np.int64)")
    t, classes = targets if targets.ndim == 1 else targets.reshape(-1), logits.shape[-1]
    t, counted = t if t.dtype is INT64 else t.astype(INT64), None
    if ignore_index is not None:
        counted = t != ignore_index
        t = t * counted
    check_range(t, classes, "cross_entropy: target", f"{classes} classes")
    return as_rows(logits), t, counted


# --- embedding ---


@op(lambda g, y, weight, indices: scatter_rows(g.reshape(indices.size, weight.shape[1]), indices.reshape(-1),
                                               weight.shape[0]), None, analytic=True,
    definition=lambda weight, indices: take(weight, indices, 0),
    samples=(S((5, 2), np.array([[0, 4], [4, 1]])), S((200, 2), np.array([3, 199, 3]))))
def embedding(weight: Any, indices: Any) -> Any:
    """The rows of a table at integer indices. Gradients of repeated rows add up.

    Parameters
    ----------
    weight : (V, D)
    indices : (...), integer, in [0, V)

    Returns
    -------
    (..., D)

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.embedding(tt.ones((27, 2)), np.array([[0, 1, 5]])).shape
    (1, 3, 2)
    """
    if not isinstance(indices, np.ndarray | TracerBase):
        indices = np.asarray(indices)
    if indices.dtype is not INT64 and indices.dtype.kind not in "iu":
        raise TypeError(f"embedding: got indices of dtype {indices.dtype}; expected integers; convert them: "
                        f"indices.astype(np.int64)")
    as_int64 = indices if indices.dtype is INT64 else indices.astype(INT64)
    check_range(as_int64, len(weight), "embedding: index", f"a table of {len(weight)} rows")
    if weight.ndim != 2:
        raise ValueError(f"embedding: got a weight of shape {weight.shape}; expected (V, D); for another table write "
                         f"weight[indices]")
    return gathered(weight, indices, 0)
