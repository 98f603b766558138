"""Reshaping: reshape, transpose and other changes of axes, and broadcasting.

The gradient of `broadcast_to` is summed by the engine, like that of every op that broadcasts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compose import composed
from ..core import S, Tensor
from ..define import composite, op
from ..names.calls import explained

# --- shapes and orders of axes ---


@op(lambda g, y, x, *, shape, order, copy: g.reshape(x.shape) if order == "C" else np.reshape(
        g, x.shape, order=resolve_order(x, order)), numpy=(np.reshape,), method=True, spread=True, analytic=True,
    samples=(S((2, 3), shape=(3, 2)), S((2, 3), shape=-1), S((), shape=(1, 1)), S((0, 3), shape=(3, 0)),
             S((2, 3, 2), shape=(4, 3), order="F", copy=True)))
def reshape(x: Any, shape: Any, order: Any = "C", *, copy: bool | None = None) -> Any:
    """The same elements in another shape.

    Parameters
    ----------
    x : array_like
    shape : int or tuple of int
        One size may be -1: it is worked out from the others.
    order : {"C", "F", "A"}
        Whether the last index runs fastest, the first, or the one that runs fastest in the memory of x.
    copy : bool, optional
        Left out, the result is a view if there can be one. True always copies; False never does, and raises
        ValueError where a copy would be needed.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return x.reshape(shape) if order == "C" and copy is None else np.reshape(x, shape, order=order, copy=copy)


def resolve_order(x: Any, order: str) -> Any:
    """The order "A" resolved to "C" or "F"."""
    if order != "A":
        return order
    flags = (x.data if isinstance(x, Tensor) else x).flags
    return "F" if flags.f_contiguous and not flags.c_contiguous else "C"


@composite(np.ravel, method=True, aliases=("flatten",))
@explained
def ravel(x: Any, order: str = "C") -> Any:
    """The elements as a vector. `order` is as in `reshape`, or "K": in the order of memory.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.arange(4).reshape(2, 2).ravel("F")
    tensor([0, 2, 1, 3])
    """
    if not isinstance(order, str):
        raise TypeError(f"ravel: got order={order!r}; expected 'C', 'F', 'A' or 'K'; to keep the first axis, write "
                        f"x.reshape(len(x), -1)")
    if order == "K":
        steps = np.abs(x.strides if hasattr(x, "strides") else np.asarray(x).strides)
        return reshape(transpose(x, np.argsort(-steps, kind="stable").tolist()), -1)
    return reshape(x, -1, order=order)


@op(lambda g, y, x, *, axes: g.transpose(None if axes is None else np.argsort([a % x.ndim for a in axes]).tolist()),
    numpy=(np.transpose,), method=True, aliases=("permute_dims",), spread=True, analytic=True,
    samples=(S((2, 3)), S((2, 3, 4), axes=(2, 0, 1)), S((2, 3, 4), axes=(0, -1, 1)), S(())))
def transpose(x: Any, axes: Any = None) -> Any:
    """Permute the axes; reverse them if `axes` is left out.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ones((2, 3, 4)).transpose(2, 0, 1).shape
    (4, 2, 3)
    """
    return x.transpose(axes)


@op(lambda g, y, x, *, axis1, axis2: g.swapaxes(axis1, axis2), numpy=(np.swapaxes,), method=True, analytic=True,
    samples=(S((2, 3, 4), axis1=0, axis2=-1),))
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Exchange two axes.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ones((2, 3, 4)).swapaxes(0, 2).shape
    (4, 3, 2)
    """
    return x.swapaxes(axis1, axis2)


@op(lambda g, y, x, *, source, destination: np.moveaxis(g, destination, source), numpy=(np.moveaxis,), analytic=True,
    samples=(S((2, 3, 4), source=0, destination=-1), S((2, 3, 4), source=(0, 1), destination=(2, 0))))
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Move axes to other positions; the others keep their order.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.moveaxis(tt.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    return np.moveaxis(x, source, destination)


@op(lambda g, y, x, *, axis: g.reshape(x.shape), numpy=(np.expand_dims,), analytic=True,
    samples=(S((2, 3), axis=1), S((2,), axis=(0, -1)), S((), axis=0)))
def expand_dims(x: Any, axis: Any) -> Any:
    """Insert axes of size 1 at the positions `axis` of the result.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.expand_dims(tt.ones(3), 1).shape
    (3, 1)
    """
    return np.expand_dims(x, axis)


@op(lambda g, y, x, *, axis: g.reshape(x.shape), numpy=(np.squeeze,), method=True, analytic=True,
    samples=(S((1, 3, 1)), S((1, 3, 1), axis=0), S((1, 3, 1), axis=(0, -1))))
def squeeze(x: Any, axis: Any = None) -> Any:
    """Remove axes of size 1: all of them, or those given.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ones((1, 3, 1)).squeeze().shape
    (3,)
    """
    return np.squeeze(x, axis=axis)


@composed(np.rollaxis, samples=(S((2, 3, 4), axis=2), S((2, 3, 4), axis=0, start=3), S((2, 3), axis=-1, start=-1)))
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """Move an axis to before the axis `start`. `moveaxis` is easier to read.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.rollaxis(tt.ones((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    axes = np.rollaxis(np.empty(range(a.ndim)), axis, start).shape  # of an array whose sizes are its axes' numbers
    return np.transpose(a, axes)


@composed(np.matrix_transpose, samples=(S((2, 3)), S((2, 3, 4))))
def matrix_transpose(x: Any) -> Any:
    """Exchange the last two axes, as ``x.mT``.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.matrix_transpose(tt.ones((2, 3, 4))).shape
    (2, 4, 3)
    """
    return np.swapaxes(x, -1, -2)


def map_arrays(function: Any, arrays: Any) -> Any:
    """The results of a function for several arrays, as a tuple; for one array, the result itself."""
    results = tuple(map(function, arrays))
    return results[0] if len(results) == 1 else results


@composed(np.atleast_1d, "arys", samples=(S(()), S((), (2,))))
def atleast_1d(*arys: Any) -> Any:
    """Arrays with at least one axis: numbers become (1,). Several inputs give a tuple.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.atleast_1d(tt.tensor(2.0))
    tensor([2.])
    """
    return map_arrays(lambda x: x if np.ndim(x) else np.reshape(x, 1), arys)


@composed(np.atleast_2d, "arys", samples=(S(()), S((3,)), S((2, 3), (2,))))
def atleast_2d(*arys: Any) -> Any:
    """Arrays with at least two axes: vectors become rows. Several inputs give a tuple.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.atleast_2d(tt.ones(3)).shape
    (1, 3)
    """
    return map_arrays(lambda x: x if np.ndim(x) > 1 else np.reshape(x, (1, -1)), arys)


@composed(np.atleast_3d, "arys", samples=(S(()), S((3,)), S((2, 3), (2, 2, 2))))
def atleast_3d(*arys: Any) -> Any:
    """Arrays with at least three axes: a vector becomes (1, N, 1), a matrix (M, N, 1). Several inputs give a tuple.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.atleast_3d(tt.ones((2, 3))).shape
    (2, 3, 1)
    """
    return map_arrays(lambda x: x if np.ndim(x) > 2 else
                      np.reshape(x, (*(np.shape(x) if np.ndim(x) == 2 else (1, -1)), 1)), arys)


# --- broadcasting ---


@op(lambda g, y, x, *, shape: g, numpy=(np.broadcast_to,), broadcasts=True, analytic=True,
    samples=(S((3,), shape=(2, 3)), S((2, 1), shape=(2, 3)), S((), shape=(2,)), S((1, 3), shape=(0, 3))))
def broadcast_to(x: Any, shape: Any) -> Any:
    """Broadcast to `shape`, by NumPy's rules. The result is a read-only view.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.broadcast_to(tt.tensor([1.0, 2.0]), (2, 2))
    tensor([[1., 2.],
            [1., 2.]])
    """
    return np.broadcast_to(x, shape)


@composed(np.broadcast_arrays, "args", samples=(S((2, 3), (3,)), S((2, 1), (), (1, 2))))
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    """All inputs broadcast against each other, as a tuple.

    Examples
    --------
    >>> import tinytensor as tt
    >>> [x.shape for x in tt.broadcast_arrays(tt.ones((2, 1)), tt.ones(3))]
    [(2, 3), (2, 3)]
    """
    shape = np.broadcast_shapes(*map(np.shape, args))
    return tuple([np.broadcast_to(x, shape) for x in args])


def open_grid(vectors: Any) -> list[Any]:
    """Each of several vectors along its own axis."""
    return [np.reshape(x, (1,) * i + (-1,) + (1,) * (len(vectors) - i - 1)) for i, x in enumerate(vectors)]


@composed(np.meshgrid, "xi", samples=(S((2,), (3,)), S((2,), (3,), indexing="ij"), S((2,), (3,), (2,), sparse=True)))
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """The coordinates of all points of a grid, from the coordinates along each axis, as a tuple of arrays.

    Their shape is (N2, N1, N3, ...) for indexing="xy" and (N1, N2, N3, ...) for "ij"; with `sparse`, all sizes are 1
    but one.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.meshgrid(tt.arange(3), tt.arange(2))[0]
    tensor([[0, 1, 2],
            [0, 1, 2]])
    """
    grids = open_grid(xi)
    if indexing == "xy" and len(grids) > 1:
        grids = [np.swapaxes(x, 0, 1) for x in grids]
    return tuple(grids) if sparse else broadcast_arrays(*grids)


@composed(np.ix_, "args", samples=(S((2,), (3,)),))
def ix_(*args: Any) -> Any:
    """Indices for the cross product of rows and columns, ``x[np.ix_(rows, columns)]``, as a tuple.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.arange(6).reshape(2, 3)[tt.ix_(tt.tensor([0, 1]), [0, 2])]
    tensor([[0, 2],
            [3, 5]])
    """
    return tuple(open_grid(args))


setattr(Tensor, "T", property(lambda x: transpose(x), doc="The tensor with its axes in reverse order."))
setattr(Tensor, "mT", property(lambda x: swapaxes(x, -1, -2), doc="The tensor with its last two axes exchanged."))
