"""Systems whose matrix comes factored, and functions that say in a number whether they failed: cholesky_solve, inv_ex.

LU factors, which NumPy does not have, are not here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..core import Tensor as Node
from . import return_types
from .elementwise import own
from .matrices import LINALG, LinAlgError, cholesky, floating
from .offer import FUNCTIONS, offer
from .products import nodes
from .systems import solve, solve_triangular
from .tensor import Tensor, of_array, wrap

# --- with a factor ---


triangle = own("tril", np.tril, lambda g, y, x: g)  # subtle: PyTorch's gradient goes to both triangles


def product_of(factor: Tensor, upper: bool) -> Tensor:
    """The matrix of which this is Cholesky's factor; its other triangle is ignored."""
    x = factor.node
    turned = ops.matrix_transpose(x)
    low = triangle(turned if upper else x)
    return wrap(ops.matmul(low, ops.matrix_transpose(low)))


@offer(method=True, note="CholeskySolve")
def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """The X of ``L @ L.T @ X = input``; with `upper` of ``L.T @ L @ X = input``."""
    floating("cholesky_solve", input)
    floating("cholesky_solve", L, square=True)
    nodes("cholesky_solve", input, L)
    return solve(product_of(L, upper), input)


@offer(method=True, note="CholeskyInverse")
def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """The inverse of ``L @ L.T``; with `upper` of ``L.T @ L``."""
    floating("cholesky_inverse", L, square=True)
    inverse: Tensor = FUNCTIONS["inverse"](product_of(L, upper))
    return inverse


@offer(method=True)
def triangular_solve(input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False,
                     unitriangular: bool = False) -> Any:
    """The X of ``A @ X = input`` for a triangle of A, and A; PyTorch advises `torch.linalg.solve_triangular`."""
    floating("triangular_solve", input)
    floating("triangular_solve", A, square=True)
    taken = A.mT if transpose else A
    found = solve_triangular(taken, input, upper=upper is not transpose, unitriangular=unitriangular)
    if found.node.op is not None:
        found.note = "TriangularSolveBackward0"
    return return_types.triangular_solve((found, A.clone()))


# --- that say whether they failed ---


def no_pivot(a: Any) -> int:
    """At which step of elimination every pivot is 0, counted from 1."""
    a = a.astype(np.float64)
    for k in range(len(a)):
        i = k + np.abs(a[k:, k]).argmax()
        if not a[i, k]:
            return k + 1
        a[[k, i]] = a[[i, k]]
        a[k + 1 :] -= np.outer(a[k + 1 :, k] / a[k, k], a[k])
    return len(a)


def no_minor(a: Any) -> int:
    """The order of the first leading minor that is not positive definite."""
    return next(k for k in range(1, len(a) + 1) if np.linalg.eigvalsh(a[:k, :k]).min() <= 0 or k == len(a))


def telling(name: str, compute: Callable[..., Tensor], kind: Any, where: Callable[[Any], int]) -> None:
    """Offer a function that gives its result and 0; where there is none nan, and the step at which it failed."""
    def attempt(A: Tensor, *others: Any, check_errors: bool = False, **settings: Any) -> Any:
        shape = floating(name, A, square=True).data.shape
        try:
            found = compute(A, *others, **settings)
        except LinAlgError:
            if check_errors:
                raise
            if len(shape) > 2:
                raise LinAlgError(f"linalg.{name}: got a stack of shape {[*shape]}, one of which has no result; "
                                  f"expected one matrix, or a stack all of which have; try them one by one") from None
            found = wrap(Node(np.full((others[0] if others else A).node.data.shape, np.nan, A.node.data.dtype)))
            return kind((found, of_array(np.array(where(A.node.data), np.int32))))
        if found.node.op is not None:
            found.note = noted
        return kind((found, of_array(np.zeros(shape[:-2], np.int32))))

    noted = f"Linalg{name[:-3].title()}ExBackward0"
    attempt.__name__ = name
    attempt.__doc__ = (f"What `torch.linalg.{name[:-3]}` gives, and 0; where it would raise, nan, and at which step, "
                       f"counted from 1; with `check_errors` it raises.")
    offer(name, into=LINALG)(attempt)


telling("inv_ex", lambda A: FUNCTIONS["inverse"](A), return_types.linalg_inv_ex, no_pivot)
telling("cholesky_ex", cholesky, return_types.linalg_cholesky_ex, no_minor)
telling("solve_ex", solve, return_types.linalg_solve_ex, no_pivot)
