"""Einstein summation: einsum in all of NumPy's forms. Its gradient is an einsum again."""

from __future__ import annotations

from string import ascii_letters, ascii_uppercase
from typing import Any

import numpy as np

from ..compose import nondifferentiable
from ..core import S, as_array
from ..define import composite, op
from .join import promote_numbers


def parse_subscripts(subscripts: str, ndims: list[int]) -> tuple[list[str], str]:
    """The subscripts of each operand, and of the output, with letters for the ellipsis and an explicit output."""
    text = subscripts.replace(" ", "")
    inputs, arrow, output = text.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: got {len(terms)} terms in {subscripts!r} for {len(ndims)} operands; expected one "
                         f"for each; add or remove terms")
    unused = [c for c in ascii_letters if c not in text]
    hidden_axes = [ndim - len(term.replace("...", "")) if "..." in term else 0
              for term, ndim in zip(terms, ndims, strict=True)]
    ellipsis = "".join(unused[: max([0, *hidden_axes])])
    terms = [term.replace("...", ellipsis[len(ellipsis) - n :]) for term, n in zip(terms, hidden_axes, strict=True)]
    if arrow:
        return terms, output.replace("...", ellipsis)
    output_letters = sorted(c for c in set("".join(terms)) - set(ellipsis) if "".join(terms).count(c) == 1)
    return terms, ellipsis + "".join(output_letters)


def operand_grad(g: Any, i: int, operands: tuple[Any, ...], subscripts: str) -> Any:
    """The gradient of operand i: g and the other operands, contracted to its subscripts.

    A letter that occurs twice in its term takes a diagonal: the gradient is put there, with 0 off the diagonal. A
    letter whose size is found nowhere else was summed or broadcast: a vector of ones repeats the gradient along it.
    """
    terms, output = parse_subscripts(subscripts, [np.ndim(x) for x in operands])
    factors = [(output, g), *((terms[j], x) for j, x in enumerate(promote_numbers(operands)) if j != i)]
    sizes: dict[str, int] = {}
    for term, x in factors:
        for c, n in zip(term, np.shape(x), strict=True):
            sizes[c] = max(n, sizes.get(c, 0)) if n else 0
    target = "".join(dict.fromkeys(terms[i]))
    for c in target:
        n = operands[i].shape[terms[i].index(c)]
        if sizes.get(c, -1) in (-1, 1) and sizes.get(c) != n:
            factors.append((c, np.ones(n, g.dtype)))
    y = np.einsum(",".join(term for term, _ in factors) + "->" + target, *(x for _, x in factors), optimize=True)
    for k, c in enumerate(terms[i]):
        first = terms[i].index(c)
        if first < k:  # subtle: not a product with the identity, for 0 * inf is nan
            n, y = operands[i].shape[k], np.expand_dims(y, k)
            shape = [n if axis in (first, k) else 1 for axis in range(y.ndim)]
            y = np.where(np.eye(n, dtype=np.bool_).reshape(shape), y, 0)
    return y


@op(lambda g, y, i, *operands, subscripts, **_: operand_grad(g, i, operands, subscripts), variadic=True,
    broadcasts=True, spread=True, analytic=True, samples=(S((2, 3), (3, 4), subscripts="ij,jk->ik"),
    S((2, 3), subscripts="ij->j"),
    S((3, 3), subscripts="ii->i"), S((3, 3), subscripts="ii"), S((2, 3), (2, 3), subscripts="ij,ij"),
    S((5, 2, 3), (3, 4), subscripts="...ij,jk->...ik"), S((3,), (4,), (3, 4), subscripts="i,j,ij->"),
    S((2, 3, 3), (3,), subscripts="bii,i->bi"), S((2, 3), subscripts="ij->ji"), S((4, 3), (2,), subscripts="ij,k->k"),
    S((2, 1), (3, 2), subscripts="ij,jk->ik"), S((1,), (4,), subscripts="i,i"),
    S((1, 3), (2, 1), subscripts="ij,ij->j")))
def contract(*operands: Any, subscripts: str, optimize: Any = None, order: str = "K") -> Any:
    """`einsum` with the operands first and the subscripts as a parameter.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.contract(tt.ones((2, 3)), subscripts="ij->j")
    tensor([2., 2., 2.])
    """
    layout: dict[str, Any] = {} if order == "K" else {"order": order}
    try:
        optimize = len(operands) > 1 if optimize is None else optimize
        return np.einsum(subscripts, *promote_numbers(operands), optimize=optimize, **layout)
    except ValueError as error:
        parse_subscripts(subscripts, [np.ndim(x) for x in operands])  # has a better message for a wrong number of terms
        raise ValueError(f"einsum: got {subscripts!r} for shapes {', '.join(str(np.shape(x)) for x in operands)}: "
                         f"{error}; expected a letter for each axis, and equal sizes, or 1, for equal letters; change "
                         f"the subscripts") from None


AXIS_LETTERS = ascii_uppercase + ascii_uppercase.lower()  # NumPy's letters for the axes 0, 1, ... in lists


def subscripts_of(axes: Any) -> str:
    """The subscripts for a list of integers, which may contain an Ellipsis."""
    try:
        return "".join("..." if a is Ellipsis else AXIS_LETTERS[range(52)[a.__index__()]] for a in axes)
    except (TypeError, AttributeError, IndexError):
        raise TypeError(f"einsum: got {axes!r} for the axes of an operand; expected a list of integers from 0 to 51; "
                        f"write einsum(x, [0, 1], y, [1, 2], [0, 2])") from None


@composite(np.einsum)
def einsum(*operands: Any, optimize: Any = None, dtype: Any = None, order: str = "K", casting: Any = "safe") -> Any:
    """Sums of products in Einstein's notation, as `np.einsum`: each letter names an axis.

    Products are summed over the letters that are not in the output. The subscripts come first,
    ``einsum("ij,jk->ik", a, b)``, or as a list of integers after each operand,
    ``einsum(a, [0, 1], b, [1, 2], [0, 2])``. An axis of size 1 broadcasts against the other axes with its letter.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.einsum("ij,j->i", tt.ones((2, 3)), tt.tensor([1.0, 2.0, 3.0]))
    tensor([6., 6.])
    """
    if len(operands) < 2:
        raise ValueError(f"einsum: got {len(operands)} arguments; expected subscripts and operands; write "
                         f"einsum('ij,jk->ik', a, b)")
    subscripts, *arrays = operands
    if not isinstance(subscripts, str):
        arrays, lists = list(operands[:-1:2]), list(operands[1::2])
        subscripts = ",".join(map(subscripts_of, lists))
        if len(operands) % 2:
            subscripts += "->" + subscripts_of(operands[-1])
    if dtype is not None:
        for x in arrays:
            if not np.can_cast(np.result_type(x), dtype, casting):
                raise TypeError(f"einsum: got dtype={np.dtype(dtype)} for an operand of {np.result_type(x)}; expected "
                                f"one that it can be cast to by casting={casting!r}; pass another casting")
        arrays = [np.astype(x if hasattr(x, "dtype") else as_array(x), dtype) for x in arrays]
    if any(0 in np.shape(x) for x in arrays):
        check_empty(subscripts, [np.shape(x) for x in arrays])
    return contract(*arrays, subscripts=subscripts, optimize=optimize, order=order)


def check_empty(subscripts: str, shapes: list[tuple[int, ...]]) -> None:
    """Raise if one letter names axes of size 0 and another; for diagonals NumPy would read beyond the array."""
    terms, _ = parse_subscripts(subscripts, [len(shape) for shape in shapes])
    for term, shape in zip(terms, shapes, strict=True):
        sizes: dict[str, int] = {}
        for c, n in zip(term, shape):  # noqa: B905 (too many letters are NumPy's to refuse)
            if n != sizes.setdefault(c, n) and 0 in (n, sizes[c]):
                raise ValueError(f"einsum: got {subscripts!r} for shape {shape}, where {c} names axes of sizes "
                                 f"{sizes[c]} and {n}; expected equal sizes; slice the array first")


nondifferentiable(np.einsum_path)
