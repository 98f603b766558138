"""`torch.linalg`: what `matrices.py` and `systems.py` give, and norms, Vandermonde's matrix, products along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import linalg, ops
from ..names import Missing, refusal
from . import factored, systems  # noqa: F401 (which offer their functions)
from .dtypes import numpy_dtype, of
from .matrices import LINALG, solving
from .offer import offer
from .operators import as_dtype, matmul
from .parts import diagonal as diagonal_of
from .products import crossed, in_best_order, nodes
from .reduce import axes, keeps, one_axis
from .tensor import Tensor, as_node, wrap

LINALG["matmul"] = matmul

# --- norms ---


def computed(name: str, x: Any, dtype: Any) -> tuple[Any, Any]:
    """The node of floats to compute a norm of, and the dtype of the result; float16 is computed in float32."""
    node = as_node(x, name)
    wanted = numpy_dtype(dtype, node.data.dtype)
    if node.data.dtype.kind != "f" or wanted.kind != "f":
        raise RuntimeError(f"linalg.{name}: got {of(wanted if node.data.dtype.kind == 'f' else node.data.dtype)}; "
                           f"expected a floating point tensor as input, and a floating dtype; convert it first: "
                           f"x.float()")
    return as_dtype(node, np.dtype(np.float32) if wanted == np.float16 else wanted), wanted


@offer("vector_norm", into=LINALG, note="LinalgVectorNorm")
def vector_norm(x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The norm of vectors: of all elements, or along `dim`."""
    node, wanted = computed("vector_norm", x, dtype)
    axis = axes("vector_norm", node, dim)
    y = solving("vector_norm", linalg.vector_norm, node, axis=None if axis == () else axis,
                keepdims=keeps(node, keepdim), ord=ord)
    return wrap(as_dtype(y, wanted))


@offer("matrix_norm", into=LINALG)
def matrix_norm(A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *,
                dtype: Any = None) -> Tensor:
    """The norm of matrices, which stand in two axes."""
    node, wanted = computed("matrix_norm", A, dtype)
    if node.data.ndim < 2 or not isinstance(dim, tuple | list) or len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: got {node.data.ndim} axes and dim={dim}; the input tensor A must have "
                           f"at least 2 dimensions, and dim name two; use vector_norm for vectors")
    axis = axes("matrix_norm", node, tuple(dim))
    return wrap(as_dtype(solving("matrix_norm", linalg.norm, node, ord, axis, keepdim), wanted))


@offer("norm", into=LINALG)
def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The norm of a vector or matrix, as `ord` and `dim` say."""
    if isinstance(ord, str) or (ord is not None and dim is None and A.ndim == 2) or (
            ord is not None and isinstance(dim, tuple | list) and len(dim) == 2):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if ord is not None and dim is None and A.ndim > 2:
        raise RuntimeError(f"linalg.norm: got {A.ndim} axes and ord={ord}; if dim is not specified but ord is, the "
                           f"input must be 1D or 2D; give dim")
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


# --- others ---


@offer("cross", into=LINALG, note="LinalgCross")
def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product along an axis of size 3."""
    return crossed("linalg.cross", input, other, dim)


@offer("vecdot", into=LINALG)
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The products of vectors along `dim`."""
    a, b = nodes("linalg.vecdot", x, y)
    product = solving("vecdot", ops.multiply, a, b)
    return wrap(as_dtype(ops.sum(product, one_axis("linalg.vecdot", product, dim)), a.data.dtype))


@offer("multi_dot", into=LINALG)
def multi_dot(tensors: Any) -> Tensor:
    """The product of several matrices, in the order that takes the fewest steps."""
    return in_best_order("multi_dot", tensors)


@offer("diagonal", into=LINALG)
def linalg_diagonal(A: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices, as a view."""
    return diagonal_of(A, offset, dim1, dim2)


def powers(name: str, x: Any, n: Any) -> Any:
    """The powers of elements from 0 to n - 1, along a new last axis."""
    if n is not None and n < 0:
        raise RuntimeError(f"{name}: N must be non-negative; got {n}; give the number of columns")
    n = x.data.shape[-1] if n is None else n
    if x.data.dtype.kind != "f":
        x = as_dtype(x, np.dtype(np.int64))
    rows = ops.broadcast_to(ops.expand_dims(x, -1), (*x.data.shape, max(n - 1, 0)))
    first = np.ones((*x.data.shape, min(n, 1)), x.data.dtype)
    return ops.concatenate([first, ops.cumprod(rows, -1)], -1)


@offer("vander", into=LINALG)
def linalg_vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """The powers of elements from 0 on, along a new last axis."""
    node = as_node(x, "linalg.vander")
    if (not node.data.ndim and N is None) or node.data.dtype == np.bool_:
        raise RuntimeError(f"linalg.vander: got {of(node.data.dtype)} with {node.data.ndim} axes; expected numbers "
                           f"with at least one dimension; reshape it")
    return wrap(powers("linalg.vander", ops.reshape(node, (1,)) if not node.data.ndim else node, N))


@offer("vander")
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of a vector's elements as columns, from the highest; or, `increasing`, from 0 on."""
    node = as_node(x, "vander")
    if node.data.ndim != 1:
        raise RuntimeError(f"vander: got {node.data.ndim} axes; x must be a one-dimensional tensor; flatten it")
    y = powers("vander", node, N)
    return wrap(y if increasing else ops.flip(y, -1))


globals().update(LINALG)


def __getattr__(name: str) -> Any:
    raise Missing(refusal, "linalg", name, lambda: LINALG)
