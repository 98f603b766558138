"""Transformations of functions: value_and_grad, vjp, jvp, jacobian, hessian and hvp, as in JAX.

They take functions of any number of arguments, each an array, a Tensor, a Module, or nested lists, tuples and dicts of
these, and return derivatives in the same structure. They compose, and are recorded like any op.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any, Literal, overload

import numpy as np

from .autograd import grad
from .core import Tensor
from .names.calls import explained
from .point import Function, Point, as_like
from .trees import describe, tree_map, tree_unflatten, tree_zip


def check_tuples(name: str, primals: Any, tangents: Any) -> None:
    """Raise unless the arguments and the directions are each a tuple or list."""
    if not isinstance(primals, list | tuple) or not isinstance(tangents, list | tuple):
        raise TypeError(f"{name}: got {describe(primals)} as primals and {describe(tangents)} as tangents; expected "
                        f"a tuple of arguments and one of directions; write (x,) and (v,) for a single argument")


def named(function: Function, name: str, f: Function) -> Function:
    """The function that a transformation returns, whose repr says which one, and of what."""
    function.__qualname__ = f"{name}({getattr(f, '__qualname__', type(f).__name__)})"
    return function


@overload
def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: Literal[False] = False, *,
                   create_graph: bool | None = None) -> Callable[..., tuple[Tensor, Any]]: ...
@overload
def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, *, has_aux: Literal[True],
                   create_graph: bool | None = None) -> Callable[..., tuple[tuple[Tensor, Any], Any]]: ...
@overload
def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False, *,
                   create_graph: bool | None = None) -> Callable[..., tuple[Any, Any]]: ...
@explained
def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False, *,
                   create_graph: bool | None = None) -> Function:
    """A function that returns the scalar that `f` returns, and its gradient with respect to some arguments.

    Parameters
    ----------
    f : callable
        Its arguments may be arrays, Tensors, Modules (for their parameters), or nested lists, tuples and dicts.
    argnums : int or sequence of int
        The positional arguments to differentiate; for a sequence the gradients are a tuple.
    has_aux : bool
        Whether `f` returns a pair: the scalar, and something else that is passed through.
    create_graph : bool, optional
        Record the computation of the gradient. By default only if an argument is a Tensor that requires grad, as for
        any op, or inside of another of these transformations. Subtle: a Module's parameters, and what `f` closes over,
        do not count, so that a training step records nothing in vain; pass True for a loss that contains a gradient.

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

    return named(both, "value_and_grad", f)


@explained
def vjp(f: Function, *primals: Any, has_aux: bool = False) -> Any:
    """The output of `f`, and a function from a gradient of the output to the gradients of the arguments.

    Returns
    -------
    (output, pull) or (output, pull, aux)
        ``pull(g)``, for a g of the output's structure, returns a tuple with a gradient for each argument. It may be
        called any number of times.

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

    y, pull = at.result(at.y), named(pull, "vjp", f)
    return (y, pull, at.result(at.aux)) if has_aux else (y, pull)


@explained
def jvp(f: Function, primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """The output of `f`, and its directional derivative: how it changes when the arguments move along `tangents`.

    Computed by two backward passes: the result of the first is linear in the gradient that it starts from, and its
    derivative with respect to that is the product with the Jacobian (Townsend 2017, "A new trick for calculating
    Jacobian vector products").

    Parameters
    ----------
    primals : tuple
        The arguments.
    tangents : tuple
        Of the same structure; for a Module a dict by the parameters' names.

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
    check_tuples("jvp", primals, tangents)
    at = Point("jvp", f, primals, {}, range(len(primals)), has_aux)
    ys, vs = at.outputs(), at.directions(tuple(tangents), "jvp: tangents")
    starts = [Tensor(np.zeros(y.shape, y.dtype), requires_grad=True) for y in ys]
    slopes = at.gradients(ys, starts, create_graph=True)
    moves = grad(slopes, starts, vs, create_graph=at.recorded, allow_unused=True)
    y, tangent = at.result(at.y), tree_unflatten(at.y, iter(moves))
    return (y, tangent, at.result(at.aux)) if has_aux else (y, tangent)


@explained
def jacobian(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False, *,
             create_graph: bool | None = None) -> Function:
    """A function that returns the derivative of each element of the output of `f` by each element of some arguments.

    It takes one backward pass for each element of the output. Parameters are those of `value_and_grad`.

    Returns
    -------
    callable
        The Jacobian has the structure of the output, with that of the arguments in place of each leaf, and Tensors of
        shape ``output.shape + argument.shape``; with `has_aux` the result is ``(jacobian, aux)``.

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

    return named(all_slopes, "jacobian", f)


def one_hot(y: Tensor) -> Iterator[Any]:
    """For each element of y, in order, an array of its shape that is 1 there and 0 elsewhere."""
    for k in range(math.prod(y.shape)):
        g = np.zeros(y.size, y.dtype)
        g[k] = 1
        yield g.reshape(y.shape)


@explained
def hessian(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False, *,
            create_graph: bool | None = None) -> Function:
    """A function that returns all second derivatives of `f`, which returns a scalar, by some arguments.

    It is the Jacobian of the gradient, with one backward pass for each of its elements: for products with a vector
    `hvp` is much cheaper. Parameters are those of `value_and_grad`.

    Returns
    -------
    callable
        The Hessian has the structure of the arguments, with that structure again in place of each leaf, and Tensors of
        shape ``argument.shape + argument.shape``; with `has_aux` the result is ``(hessian, aux)``.

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

    return named(jacobian(slope, argnums, has_aux, create_graph=create_graph), "hessian", f)


@explained
def hvp(f: Function, primals: Any, tangents: Any) -> Any:
    """The Hessian of `f` times a vector: how the gradient changes when the arguments move along `tangents`.

    It takes two backward passes, the time of two or three gradients, and never builds the Hessian (Pearlmutter 1994).

    Parameters
    ----------
    primals : tuple
        The arguments, all of which are differentiated.
    tangents : tuple
        Of the same structure; for a Module a dict by the parameters' names.

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
    check_tuples("hvp", primals, tangents)
    at = Point("hvp", f, primals, {}, range(len(primals)))
    vs = at.directions(tuple(tangents), "hvp: tangents")
    slopes = at.gradients(at.scalar(), create_graph=True)
    return at.structure(at.gradients(slopes, vs))
