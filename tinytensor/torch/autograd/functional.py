"""`torch.autograd.functional`: Jacobians, Hessians and products with them, of functions of tensors.

Forward-mode strategies and vectorised passes are left out: a row of a Jacobian is a pass backwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...advice import a_type
from ...modes import recording
from ..gradients import grad
from ..joining import stack
from ..tensor import Tensor, of_array

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
Function = Callable[..., Any]


def tensors(name: str, what: str, xs: Any) -> tuple[Tensor, ...]:
    """A tensor, or a tuple of them, as a tuple."""
    found = xs if isinstance(xs, tuple | list) else (xs,)
    for i, x in enumerate(found):
        if not isinstance(x, Tensor):
            where = f" at index {i}" if isinstance(xs, tuple | list) else ""
            raise TypeError(f"{name}: The {what} given to {name} must be either a Tensor or a tuple of Tensors but got "
                            f"{a_type(x)}{where}; expected tensors; write torch.tensor(...) around it")
    return tuple(found)


def alike(found: Any, given: Any) -> Any:
    """A tuple where a tuple was given, else the one value."""
    return tuple(found) if isinstance(given, tuple | list) else found[0]


class Call:
    """One call of a function, with separate inputs."""

    def __init__(self, name: str, func: Function, inputs: Any, create_graph: bool, strict: bool) -> None:
        self.name, self.given, self.deep, self.strict = name, inputs, create_graph, strict
        with recording(True):
            self.xs = tuple([x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_()
                             for x in tensors(name, "inputs", inputs)])
            self.raw = func(*self.xs)
        self.ys = tensors(name, "outputs of the user-provided function", self.raw)
        for i, y in enumerate(self.ys):
            if strict and not y.requires_grad:
                raise RuntimeError(f"{name}: Output {i} of the user-provided function does not require gradients. The "
                                   f"outputs must be computed in a differentiable manner from the input when running "
                                   f"in strict mode; expected a result of the inputs; or leave strict out")

    def scalar(self) -> Tensor:
        """The only output, which is one number."""
        if isinstance(self.raw, tuple) or self.raw.numel() != 1:
            raise RuntimeError(f"{self.name}: The Tensor returned by the function given to {self.name} should contain "
                               f"a single element; got {self.raw!r}; reduce it: .sum()")
        return self.ys[0]

    def gradients(self, ys: Any, gs: Any, deep: bool) -> list[Any]:
        """With respect to the inputs; zeros for those that no output depends on."""
        pairs = [(y, g) for y, g in zip(ys, gs, strict=True) if y.requires_grad]
        found: Any = [None] * len(self.xs)
        if pairs:
            with recording(True):
                found = grad([y for y, _ in pairs], self.xs, [g for _, g in pairs], retain_graph=True,
                             create_graph=deep, allow_unused=True)
        for i, g in enumerate(found):
            if self.strict and (g is None or (self.deep and not g.requires_grad)):
                raise RuntimeError(f"{self.name}: The output of the user-provided function is independent of input "
                                   f"{i}. This is not allowed in strict mode; expected one that depends on it; or "
                                   f"leave strict out")
        return [x.detach() * 0 if g is None else g for x, g in zip(self.xs, found, strict=True)]

    def vectors(self, v: Any, like: tuple[Tensor, ...], given: Any) -> list[Tensor]:
        """The vector of a product; 1 where there is but one number."""
        if v is None:
            if len(like) != 1 or like[0].numel() != 1:
                raise RuntimeError(f"{self.name}: The vector v can only be None if the user-provided function has a "
                                   f"single number there; got {[[*y.shape] for y in like]}; give v")
            return [of_array(np.ones_like(like[0].node.data))]
        vs = tensors(self.name, "v", v)
        if len(vs) != len(like):
            raise RuntimeError(f"{self.name}: v is a tuple of invalid length: should be {len(like)} but got {len(vs)}; "
                               f"give one for each tensor")
        for i, (one, x) in enumerate(zip(vs, like, strict=True)):
            if one.shape != x.shape:
                raise RuntimeError(f"{self.name}: Entry {i} in v has invalid size: should be {x.shape} but got "
                                   f"{one.shape}; give one of the same shape")
        return list(vs)

    def out(self, found: Any) -> Any:
        """A result for the caller: with a graph only if create_graph is set."""
        return found if self.deep else tuple([x.detach() for x in found])


def vjp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """The output, and a vector v of its shape times the Jacobian."""
    call = Call("vjp", func, inputs, create_graph, strict)
    found = call.gradients(call.ys, call.vectors(v, call.ys, call.raw), create_graph)
    return alike(call.out(call.ys), call.raw), alike(call.out(found), inputs)


def jvp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """The output, and the Jacobian times a vector v of the inputs' shape: two passes backwards.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.autograd.functional.jvp(lambda x: x**2, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    call = Call("jvp", func, inputs, create_graph, strict)
    vs = call.vectors(v, call.xs, inputs)
    starts = [of_array(np.zeros_like(y.node.data)).requires_grad_() for y in call.ys]
    slopes = call.gradients(call.ys, starts, True)
    pairs = [(g, one) for g, one in zip(slopes, vs, strict=True) if g.requires_grad]
    found: Any = [None] * len(starts)
    if pairs:
        with recording(True):
            found = grad([g for g, _ in pairs], starts, [one for _, one in pairs], create_graph=create_graph,
                         allow_unused=True)
    moves = [y.detach() * 0 if g is None else g for y, g in zip(call.ys, found, strict=True)]
    return alike(call.out(call.ys), call.raw), alike(call.out(moves), call.raw)


def jacobian(func: Function, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
             strategy: str = "reverse-mode") -> Any:
    """The derivative of each element of the outputs by each of the inputs, of ``output.shape + input.shape``.

    `vectorize` and `strategy` change no result, and nothing here: there is a pass backwards for each element.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.autograd.functional.jacobian(lambda x: x * x.sum(), torch.tensor([1.0, 2.0]))
    tensor([[4., 1.],
            [2., 5.]])
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(f"jacobian: Expected strategy to be either 'forward-mode' or 'reverse-mode'; got "
                         f"{strategy!r}; leave it out")
    call = Call("jacobian", func, inputs, create_graph, strict)
    whole = []
    for y in call.ys:
        rows = []
        for i in range(y.numel()):
            one = np.zeros(y.numel(), y.node.data.dtype)
            one[i] = 1
            rows.append(call.gradients([y], [of_array(one.reshape(y.node.data.shape))], create_graph))
        whole.append(alike(call.out([stacked([row[k] for row in rows], y, x) for k, x in enumerate(call.xs)]), inputs))
    return alike(whole, call.raw)


def stacked(rows: list[Any], y: Tensor, x: Tensor) -> Any:
    """The rows of a Jacobian, in its shape."""
    shape = (*y.shape, *x.shape)
    if not rows:
        return of_array(np.zeros(shape, x.node.data.dtype))
    with recording(True):
        return stack(rows).reshape(shape)


def hessian(func: Function, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
            outer_jacobian_strategy: str = "reverse-mode") -> Any:
    """All second derivatives of a function that gives one number, by all inputs."""
    def slope(*xs: Tensor) -> Any:
        call = Call("hessian", func, xs, True, strict)
        return tuple(call.gradients([call.scalar()], [None], True))

    found = jacobian(slope, tensors("hessian", "inputs", inputs), create_graph, strict)
    return found if isinstance(inputs, tuple | list) else found[0][0]


def hvp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """What a function gives, one number, and its Hessian times a vector of the inputs' shape."""
    call = Call("hvp", func, inputs, create_graph, strict)
    y = call.scalar()
    vs = call.vectors(v, call.xs, inputs)
    found = call.gradients(call.gradients([y], [None], True), vs, create_graph)
    return alike(call.out([y]), None), alike(call.out(found), inputs)


def vhp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """As `hvp`, the vector in front: the same numbers, for a Hessian is symmetric."""
    return hvp(func, inputs, v, create_graph, strict)
