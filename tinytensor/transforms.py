"""Functions of functions: value_and_grad, vjp, jvp, jacobian, hessian and hvp, as in JAX.

They take functions of any number of arguments, each an array, a Tensor, a Module, or nested lists, tuples and dicts of
these, and give derivatives in the same structure. They compose, and are recorded like any op.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any, Literal, overload

import numpy as np

from .autograd import grad
from .core import Tensor
from .point import Function, Point, as_like
from .trees import describe, tree_map, tree_unflatten, tree_zip


def arguments(name: str, primals: Any, tangents: Any) -> None:
    if not isinstance(primals, list | tuple) or not isinstance(tangents, list | tuple):
        raise TypeError(f"{name}: primals is {describe(primals)} and tangents {describe(tangents)}; expected a tuple "
                        f"of arguments and one of their directions; write (x,) and (v,) for one")


@overload
def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: Literal[False] = False, *,
                   create_graph: bool | None = None) -> Callable[..., tuple[Tensor, Any]]: ...
@overload
def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, *, has_aux: Literal[True],
                   create_graph: bool | None = None) -> Callable[..., tuple[tuple[Tensor, Any], Any]]: ...
@overload
def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False, *,
                   create_graph: bool | None = None) -> Callable[..., tuple[Any, Any]]: ...
def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False, *,
                   create_graph: bool | None = None) -> Function:
    """A function that gives what `f` gives, a scalar, and its gradient with respect to some arguments.

    Parameters
    ----------
    f : callable
        Its arguments may be arrays, Tensors, Modules (for their parameters), or nested lists, tuples and dicts.
    argnums : int or sequence of int
        Which positional arguments; for a sequence the gradients are a tuple.
    has_aux : bool
        Whether `f` gives a pair: the scalar, and something else that comes out too.
    create_graph : bool, optional
        Record the gradient's own computation. If left out, that is so where an argument is a Tensor that requires grad,
        as for any op, and inside of another of these functions. Subtle: a Module's parameters, and what `f` closes
        over, do not count, so that a training step records nothing in vain; pass True to train by a gradient's size.

    Returns
    -------
    callable
        ``(value, gradients)``, or ``((value, aux), gradients)``. The gradients have the structure of the arguments,
        and are zeros where the value does not depend on one; a Module's are a dict by the parameters' names.

    Examples
    --------
    >>> import tinytensor as tt
    >>> def loss(p, x):
    ...     return ((p["w"] * x + p["b"]) ** 2).sum()
    >>> value, slopes = tt.value_and_grad(loss)({"w": np.float32(2.0), "b": np.float32(1.0)}, 3.0)
    >>> value, slopes
    (tensor(49.), {'w': tensor(42.), 'b': tensor(14.)})
    """
    @wraps(f, updated=())
    def both(*args: Any, **kwargs: Any) -> Any:
        at = Point("value_and_grad", f, args, kwargs, argnums, has_aux, create_graph)
        slopes = at.structure(at.gradients(at.scalar()))
        value = at.result(at.y)
        return ((value, at.result(at.aux)), slopes) if has_aux else (value, slopes)

    return both


def vjp(f: Function, *primals: Any, has_aux: bool = False) -> Any:
    """The output of `f`, and a function from a gradient of that to the gradients of the arguments, called often or not.

    Returns
    -------
    (output, pull) or (output, pull, aux)
        ``pull(g)``, for a g of the output's structure, gives a tuple with a gradient for each argument.

    Examples
    --------
    >>> import tinytensor as tt
    >>> y, pull = tt.vjp(lambda a, b: a * b, np.float32([1, 2]), np.float32([3, 4]))
    >>> pull(np.float32([1, 10]))
    (tensor([ 3., 40.]), tensor([ 1., 20.]))
    """
    at = Point("vjp", f, primals, {}, range(len(primals)), has_aux)
    ys = at.outputs()

    def pull(g: Any) -> Any:
        gs = [as_like(y, v, where) for y, v, where in tree_zip(at.y, g, "vjp: the gradient of the output")]
        return at.structure(at.gradients(ys, gs, retain_graph=True))

    y = at.result(at.y)
    return (y, pull, at.result(at.aux)) if has_aux else (y, pull)


def jvp(f: Function, primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """The output of `f`, and its derivative in one direction: how it moves when the arguments move along `tangents`.

    A pass backwards, and one through that: a gradient is linear in the gradient that it begins with, and the
    derivative of the one by the other is the product with the Jacobian (Townsend 2017, "A new trick for calculating
    Jacobian vector products").

    Parameters
    ----------
    primals : tuple
        The arguments.
    tangents : tuple
        Of the same structure, a dict by names for a Module.

    Returns
    -------
    (output, tangent) or (output, tangent, aux)
        The tangent has the output's structure.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.jvp(lambda x: x ** 3, (np.float32([1, 2]),), (np.float32([1, 10]),))
    (tensor([1., 8.]), tensor([  3., 120.]))
    """
    arguments("jvp", primals, tangents)
    at = Point("jvp", f, primals, {}, range(len(primals)), has_aux)
    ys, vs = at.outputs(), at.directions(tuple(tangents), "jvp: tangents")
    starts = [Tensor(np.zeros(y.shape, y.dtype), requires_grad=True) for y in ys]
    slopes = at.gradients(ys, starts, create_graph=True)
    moves = grad(slopes, starts, vs, create_graph=at.recorded, allow_unused=True)
    y, tangent = at.result(at.y), tree_unflatten(at.y, iter(moves))
    return (y, tangent, at.result(at.aux)) if has_aux else (y, tangent)


def jacobian(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False, *,
             create_graph: bool | None = None) -> Function:
    """A function that gives the derivative of every element of the output of `f` by every element of some arguments.

    It takes one pass backwards for each element of the output. Parameters are those of `value_and_grad`.

    Returns
    -------
    callable
        The Jacobian has the structure of the output, and in each place of it that of the arguments, with arrays of
        ``output.shape + argument.shape``; with `has_aux` it comes as ``(jacobian, aux)``.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.jacobian(lambda x: x * x.sum())(np.float32([1, 2]))
    tensor([[4., 1.],
            [2., 5.]])
    """
    @wraps(f, updated=())
    def all_slopes(*args: Any, **kwargs: Any) -> Any:
        at = Point("jacobian", f, args, kwargs, argnums, has_aux, create_graph)
        at.outputs()

        def of_output(y: Tensor, _: str) -> Any:
            columns = list(zip(*[at.gradients(y, g, retain_graph=True) for g in one_hot(y)], strict=True))
            return at.structure(np.stack(column).reshape(y.shape + x.shape) if y.size else
                                Tensor(np.zeros(y.shape + x.shape, x.dtype))
                                for x, column in zip(at.xs, columns or [()] * len(at.xs), strict=True))

        found = tree_map(of_output, at.y)
        return (found, at.result(at.aux)) if has_aux else found

    return all_slopes


def one_hot(y: Tensor) -> Iterator[Any]:
    """For each element, in order, an array of the shape of y that is 1 there and else 0."""
    for k in range(math.prod(y.shape)):
        g = np.zeros(y.size, y.dtype)
        g[k] = 1
        yield g.reshape(y.shape)


def hessian(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False, *,
            create_graph: bool | None = None) -> Function:
    """A function that gives all second derivatives of `f`, a scalar, by some arguments.

    It is the Jacobian of the gradient, one pass backwards for each of its elements: for products with a vector `hvp`
    is much cheaper. Parameters are those of `value_and_grad`.

    Returns
    -------
    callable
        The Hessian has the structure of the arguments, and in each place of it that structure again, with arrays of
        ``argument.shape + argument.shape``; with `has_aux` it comes as ``(hessian, aux)``.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.hessian(lambda x: (x ** 3).sum() + x[0] * x[1])(np.float32([1, 2]))
    tensor([[ 6.,  1.],
            [ 1., 12.]])
    """
    @wraps(f, updated=())
    def slope(*args: Any, **kwargs: Any) -> Any:
        at = Point("hessian", f, args, kwargs, argnums, has_aux)
        slopes = at.structure(at.gradients(at.scalar()))
        return (slopes, at.aux) if has_aux else slopes

    return jacobian(slope, argnums, has_aux, create_graph=create_graph)


def hvp(f: Function, primals: Any, tangents: Any) -> Any:
    """The Hessian of `f`, a scalar, times a vector: how the gradient moves when the arguments move along `tangents`.

    Two passes backwards, as long as two or three gradients, and the Hessian is never made (Pearlmutter 1994).

    Parameters
    ----------
    primals : tuple
        The arguments, all of which are differentiated.
    tangents : tuple
        Of the same structure, a dict by names for a Module.

    Returns
    -------
    tuple
        A product for each argument, in its structure.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.hvp(lambda x: (x ** 3).sum(), (np.float32([1, 2]),), (np.float32([1, 10]),))
    (tensor([  6., 120.]),)
    """
    arguments("hvp", primals, tangents)
    at = Point("hvp", f, primals, {}, range(len(primals)))
    vs = at.directions(tuple(tangents), "hvp: tangents")
    slopes = at.gradients(at.scalar(), create_graph=True)
    return at.structure(at.gradients(slopes, vs))
