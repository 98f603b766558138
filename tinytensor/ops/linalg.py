"""The ops of linear algebra: matmul for every rank, einsum, norm, and the products composed of them."""

from __future__ import annotations

from string import ascii_letters
from typing import Any

import numpy as np

from ..core import S, Tensor
from ..define import expose, op
from .elementwise import nonzero
from .reduce import regrown
from .shape import alike


def mismatch(a: Any, b: Any) -> ValueError:
    """What is wrong with the shapes of a matmul, and what would be right."""
    shapes = f"matmul: shapes {np.shape(a)} and {np.shape(b)}"
    if not np.ndim(a) or not np.ndim(b):
        return ValueError(f"{shapes}: a number has no matrix product; expected one axis or more on both sides; use *")
    rows = "last" if b.ndim == 1 else "second-last"
    if a.shape[-1] != b.shape[-1 if b.ndim == 1 else -2]:
        return ValueError(f"{shapes}: the last axis of a ({a.shape[-1]}) must equal the {rows} of b "
                          f"({b.shape[-1 if b.ndim == 1 else -2]}); transpose or reshape one of them")
    return ValueError(f"{shapes}: the axes before the last two do not broadcast; they must be equal or 1")


def left(g: Any, a: Any, b: Any) -> Any:
    """The gradient of a, with the axes that broadcasting added still there."""
    if b.ndim == 1:
        return g * b if a.ndim == 1 else np.expand_dims(g, -1) * b
    return (b @ np.expand_dims(g, -1))[..., 0] if a.ndim == 1 else g @ b.mT


def right(g: Any, a: Any, b: Any) -> Any:
    """The gradient of b, with the axes that broadcasting added still there."""
    if a.ndim == 1:
        return g * a if b.ndim == 1 else np.expand_dims(a, -1) * np.expand_dims(g, -2)
    if b.ndim == 1:
        return (a.mT @ np.expand_dims(g, -1))[..., 0]
    if b.ndim == 2 and a.ndim > 2:  # one product of tall matrices, in the place of many small ones and a sum
        return a.reshape(-1, a.shape[-1]).T @ g.reshape(-1, g.shape[-1])
    return a.mT @ g


@op(lambda g, y, a, b: left(g, a, b), lambda g, y, a, b: right(g, a, b), numpy=(np.matmul,), method=True,
    broadcasts=True, analytic=True,
    samples=(S((2, 3), (3, 4)), S((3,), (3,)), S((2, 3), (3,)), S((3,), (3, 4)), S((5, 2, 3), (3, 4)),
             S((5, 2, 3), (5, 3, 4)), S((5, 1, 2, 3), (6, 3, 4)), S((3,), (5, 3, 4)), S((5, 2, 3), (3,)),
             S((0, 3), (3, 4)), S((2, 0), (0, 4))))
def matmul(a: Any, b: Any) -> Any:
    """The matrix product ``a @ b`` of the last two axes; axes before them broadcast, one axis alone is a vector.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([[1.0, 2.0]]) @ tt.tensor([[3.0], [4.0]])
    tensor([[11.]])
    """
    try:
        return np.matmul(a, b)
    except ValueError:
        raise mismatch(a, b) from None


setattr(Tensor, "__matmul__", matmul)
setattr(Tensor, "__rmatmul__", lambda b, a: matmul(a, b))


# --- einsum ---


def letters(subscripts: str, ndims: list[int]) -> tuple[list[str], str]:
    """The subscripts of each operand and of the output, with the ellipsis spelled out and the output explicit."""
    text = subscripts.replace(" ", "")
    inputs, arrow, output = text.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: {subscripts!r} has {len(terms)} terms for {len(ndims)} operands; give one for each")
    fresh = [c for c in ascii_letters if c not in text]
    spread = [ndim - len(term.replace("...", "")) if "..." in term else 0
              for term, ndim in zip(terms, ndims, strict=True)]
    dots = "".join(fresh[: max([0, *spread])])
    terms = [term.replace("...", dots[len(dots) - n :]) for term, n in zip(terms, spread, strict=True)]
    if arrow:
        return terms, output.replace("...", dots)
    once = sorted(c for c in set("".join(terms)) - set(dots) if "".join(terms).count(c) == 1)
    return terms, dots + "".join(once)


def contraction(g: Any, i: int, operands: tuple[Any, ...], subscripts: str) -> Any:
    """The gradient of operand i: g and the other operands contracted to its subscripts.

    A letter that stands twice in the term is a diagonal: an identity matrix joins the two. A letter that stands
    nowhere else was summed over: a row of ones spreads the gradient along it.
    """
    terms, output = letters(subscripts, [x.ndim for x in operands])
    factors = [(output, g), *((terms[j], x) for j, x in enumerate(operands) if j != i)]
    known = set("".join(term for term, _ in factors))
    unused = iter([c for c in ascii_letters if c not in "".join([*terms, output])])
    target = ""
    for c, n in zip(terms[i], operands[i].shape, strict=True):
        if c in target:
            twin = next(unused)
            factors.append((c + twin, np.eye(n, dtype=g.dtype)))
            c = twin
        elif c not in known:
            factors.append((c, np.ones(n, g.dtype)))
        target += c
    return np.einsum(",".join(term for term, _ in factors) + "->" + target, *(x for _, x in factors), optimize=True)


@op(lambda g, y, i, *operands, subscripts: contraction(g, i, operands, subscripts), variadic=True, broadcasts=True,
    spread=True, analytic=True, samples=(S((2, 3), (3, 4), subscripts="ij,jk->ik"),
    S((2, 3), subscripts="ij->j"),
    S((3, 3), subscripts="ii->i"), S((3, 3), subscripts="ii"), S((2, 3), (2, 3), subscripts="ij,ij"),
    S((5, 2, 3), (3, 4), subscripts="...ij,jk->...ik"), S((3,), (4,), (3, 4), subscripts="i,j,ij->"),
    S((2, 3, 3), (3,), subscripts="bii,i->bi"), S((2, 3), subscripts="ij->ji"), S((4, 3), (2,), subscripts="ij,k->k")))
def contract(*operands: Any, subscripts: str) -> Any:
    """`einsum` with its operands first, as ops have them.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.contract(tt.ones((2, 3)), subscripts="ij->j")
    tensor([2., 2., 2.])
    """
    try:
        return np.einsum(subscripts, *alike(operands), optimize=len(operands) > 1)
    except ValueError as error:
        letters(subscripts, [np.ndim(x) for x in operands])  # says it better if the terms are too many or too few
        raise ValueError(f"einsum: {subscripts!r} for shapes {', '.join(str(np.shape(x)) for x in operands)}: {error}; "
                         f"a letter must name axes of one size, and an operand needs as many letters as axes") from None


@expose(np.einsum)
def einsum(subscripts: str, *operands: Any, optimize: Any = True) -> Any:
    """Sums of products by Einstein's convention, as `np.einsum`: letters name axes, those not in the output are summed.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.einsum("ij,j->i", tt.ones((2, 3)), tt.tensor([1.0, 2.0, 3.0]))
    tensor([6., 6.])
    """
    return contract(*operands, subscripts=subscripts)


# --- norm, and products of vectors ---


@op(lambda g, y, x, *, ord, axis, keepdims: regrown(g / nonzero(y), x, axis) * x,
    numpy=(np.linalg.norm,), method=True,
    samples=(S((2, 3)), S((2, 3), axis=1), S((2, 3), axis=0, keepdims=True), S((3,))))
def norm(x: Any, ord: Any = None, axis: Any = None, *, keepdims: Any = False) -> Any:
    """The Euclidean norm over the axes (of a matrix without `axis`: Frobenius).

    The gradient at the zero vector is 0. `ord` is None: it stands there because NumPy's does.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([3.0, 4.0]).norm()
    tensor(5.)
    """
    if ord is not None:
        raise ValueError(f"norm: ord {ord!r} came; expected None, the Euclidean norm; write others with sum, max, abs")
    return np.sqrt(np.add.reduce(np.square(x), axis=axis, keepdims=keepdims))


@expose(np.dot, method=True)
def dot(a: Any, b: Any) -> Any:
    """The product of two vectors, matrices or numbers, as `np.dot` for up to two axes.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([1.0, 2.0]).dot(tt.tensor([3.0, 4.0]))
    tensor(11.)
    """
    if not np.ndim(a) or not np.ndim(b):
        return np.multiply(a, b)
    if np.ndim(a) > 2 or np.ndim(b) > 2:
        raise ValueError(f"dot: shapes {np.shape(a)} and {np.shape(b)}; expected two axes at most; use @ or einsum")
    return matmul(a, b)


@expose(np.outer)
def outer(a: Any, b: Any) -> Any:
    """Every element of a times every element of b, both flattened.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.outer(tt.tensor([1.0, 2.0]), tt.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    return np.multiply(np.reshape(a, (-1, 1)), np.reshape(b, (1, -1)))


@expose(np.vecdot)
def vecdot(a: Any, b: Any) -> Any:
    """The dot products of the vectors along the last axes; the axes before them broadcast.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.vecdot(tt.ones((2, 3)), tt.tensor([1.0, 2.0, 3.0]))
    tensor([6., 6.])
    """
    return np.sum(np.multiply(a, b), axis=-1)


@expose(*([np.matvec] if hasattr(np, "matvec") else []))
def matvec(a: Any, b: Any) -> Any:
    """Matrices (..., n, k) times vectors (..., k); the axes before them broadcast.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.matvec(tt.ones((2, 3)), tt.tensor([1.0, 2.0, 3.0]))
    tensor([6., 6.])
    """
    return matmul(a, np.expand_dims(b, -1))[..., 0]


@expose(*([np.vecmat] if hasattr(np, "vecmat") else []))
def vecmat(a: Any, b: Any) -> Any:
    """Vectors (..., n) times matrices (..., n, k); the axes before them broadcast.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.vecmat(tt.tensor([1.0, 2.0]), tt.ones((2, 3)))
    tensor([3., 3., 3.])
    """
    return matmul(np.expand_dims(a, -2), b)[..., 0, :]
