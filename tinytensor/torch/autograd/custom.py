"""Functions whose gradient the user writes: `torch.autograd.Function`, as one op of the engine, made at each call."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ...core import Op, record
from ...core import Tensor as Node
from ...modes import no_grad_blocks, recording, state
from ...ops import concatenate
from ..tensor import Tensor, clock, of_array, wrap
from ..versions import note
from .context import Context


class Custom(Op):
    """The op of one call."""

    __slots__ = ()


class Function:
    """The base of functions that give their gradient: a subclass has the static methods `forward` and `backward`.

    ``forward(ctx, *args)`` computes, with nothing recorded, and ``backward(ctx, *grads)`` gives a gradient, or None,
    for each argument. Instead, `forward` may do without `ctx`, and ``setup_context(ctx, inputs, output)`` saves.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> class Cube(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         x, = ctx.saved_tensors
    ...         return 3 * x**2 * grad
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        refuse(type(self).__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        refuse(type(self).__name__)

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute; by the subclass."""
        raise NotImplementedError("Function: You must implement the forward function for custom autograd.Function; got "
                                  "none; expected a static method; define forward(ctx, *args)")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Save what `backward` needs; by the subclass, where its `forward` takes no `ctx`."""
        raise NotImplementedError("Function: setup_context is not implemented")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Give the gradients of the arguments; by the subclass."""
        raise NotImplementedError("Function: You must implement either the backward or vjp method for your custom "
                                  "autograd.Function to use it with backward; got none; define backward(ctx, *grads)")

    vjp = backward

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Call the function."""
        tracked = tracks(args)
        needs = tuple([tracked and isinstance(x, Tensor) and x.node._requires_grad for x in args])
        ctx = Context(cls.__name__, needs)
        before = [x.node for x in args if isinstance(x, Tensor)]  # subtle: forward may give a tensor another node
        with recording(False):
            if cls.setup_context is Function.setup_context:
                y = cls.forward(ctx, *args)
            else:
                y = cls.forward(*args)
                cls.setup_context(ctx, args, y)
        several = isinstance(y, tuple)
        outputs: list[Any] = list(y) if several else [y]
        for out in outputs:
            if out is not None and not isinstance(out, Tensor) and not several:
                raise TypeError(f"{cls.__name__}: expected Variable or None, got {type(out).__name__} from forward; "
                                f"expected a tensor or a tuple of them; return a tensor")
        if any(needs):
            outputs = connected(cls, ctx, args, before, outputs)
        return tuple(outputs) if several else outputs[0]


def refuse(name: str) -> NoReturn:
    raise RuntimeError(f"{name}: Legacy autograd function with non-static forward method is deprecated; got an "
                       f"instance that is called; expected static methods; write {name}.apply(x)")


def tracks(args: Any) -> bool:
    """Whether the call is to be recorded."""
    return (not no_grad_blocks or state.recording) and any(
        isinstance(x, Tensor) and x.node._requires_grad for x in args)


def connected(cls: type[Function], ctx: Context, args: Any, before: list[Node], outputs: list[Any]) -> list[Any]:
    """The outputs of a call, in the graph."""
    tensors = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
    flowing = [k for k, y in enumerate(outputs) if isinstance(y, Tensor) and id(y) not in ctx.plain
               and y.node.data.dtype.kind == "f"]
    if not flowing:
        return outputs
    places = {id(outputs[k]): n for n, k in enumerate(flowing)}
    arrays = [outputs[k].node.data for k in flowing]
    single = len(flowing) == 1
    ctx.kept = [places.get(id(entry[0]), entry) if entry is not None else None for entry in ctx.kept]
    rest = {k: (y.node.data.shape, y.node.data.dtype) for k, y in enumerate(outputs)
            if isinstance(y, Tensor) and k not in flowing}
    shape = Outputs(len(outputs), flowing, [(a.shape, a.dtype) for a in arrays], rest)
    op = Custom(cls.__name__, cls.forward, [rule_of(cls, ctx, len(args), tensors, n, shape)
                                            for n in range(len(tensors))])
    inputs = [node if node._requires_grad else None for node in before]
    saved = [node.data for node in before]
    if single:
        whole = record(op, arrays[0], inputs, saved, {}, True)
        parts: list[Any] = [whole]
    else:  # one node for all outputs, end to end, of which each is a part: so `backward` is called once
        dtype = np.result_type(*arrays)
        flat = concatenate([np.reshape(a, -1).astype(dtype) for a in arrays])
        whole = record(op, getattr(flat, "data", flat) if isinstance(flat, Node) else flat, inputs, saved, {}, True)
        with recording(True):
            parts, at = [], 0
            for a in arrays:
                part = whole[at : at + a.size].reshape(a.shape)
                parts.append(part if a.dtype == dtype else part.astype(a.dtype))
                at += a.size
    given = {id(args[i]) for i in tensors}
    for n, k in enumerate(flowing):
        out, dirty = outputs[k], any(outputs[k] is x for x in ctx.dirty)
        if dirty:
            if (out.node.op is None and out.node._requires_grad) or hasattr(out, "base") or hasattr(out, "views"):
                raise RuntimeError(f"{cls.__name__}: a leaf Variable that requires grad, or a view, was marked dirty; "
                                   f"expected a tensor of its own memory, which is no leaf; write into a clone")
            parts[n].data = arrays[n]
            note(arrays[n])
            out.node = parts[n]
            parts[n].stamp = clock[0]
        elif id(out) in given:  # an input that comes out as it went in
            parts[n].data = arrays[n].copy()
            outputs[k] = wrap(parts[n])
        else:
            if not single:
                parts[n].data = arrays[n]
            outputs[k] = wrap(parts[n])
        outputs[k].note = f"{cls.__name__}Backward"
    ctx.stamp = clock[0]
    return outputs


class Outputs(NamedTuple):
    """What a call returned: how many outputs, which of them have a gradient, and the shapes and dtypes of those and of
    others."""

    number: int
    flowing: list[int]
    kinds: list[Any]
    rest: dict[int, Any]

    def parts(self, whole: Any) -> list[Any]:
        """The outputs that have a gradient, or these, of what holds them end to end."""
        if len(self.kinds) == 1:
            return [whole]
        found, at = [], 0
        for shape, dtype in self.kinds:
            size = math.prod(shape)
            found.append(whole[at : at + size].reshape(shape).astype(dtype))
            at += size
        return found

    def gradients(self, g: Any) -> list[Any]:
        """The gradient of every output: zeros for those that have none."""
        found: list[Any] = [None] * self.number
        for k, part in zip(self.flowing, self.parts(g), strict=True):
            found[k] = face(part)
        for k, (shape, dtype) in self.rest.items():
            found[k] = of_array(np.zeros(shape, dtype))
        return found


def rule_of(cls: type[Function], ctx: Context, n: int, tensors: list[int], k: int, outputs: Outputs) -> Any:
    """The rule of tensor number k: the first that is called in a pass calls `backward`, for all."""
    kept = ctx.pass_

    def rule(g: Any, y: Any, *inputs: Any, **_: Any) -> Any:
        if kept["g"] is not g or k in kept["served"]:
            deep = isinstance(g, Node)
            ctx.y = lambda i: face(outputs.parts(y)[i])
            with recording(deep):
                found = (cls.vjp if cls.backward is Function.backward else cls.backward)(ctx, *outputs.gradients(g))
            ctx.y = None
            kept.update(g=g, found=checked(cls.__name__, found, n), served=set())
        kept["served"].add(k)
        found = kept["found"][tensors[k]]
        if len(kept["served"]) == sum(ctx.needs_input_grad):
            kept.update(g=None, found=None, served=set())
        return fitted(cls.__name__, found, inputs[k], tensors[k], isinstance(g, Node))

    return rule


def face(x: Any) -> Tensor:
    return wrap(x) if isinstance(x, Node) else of_array(x)


def checked(name: str, given: Any, n: int) -> list[Any]:
    """The gradients that `backward` returned, one for each argument."""
    found = list(given) if isinstance(given, tuple | list) else [given]
    if len(found) > n and all(g is None for g in found[n:]):
        found = found[:n]
    if len(found) != n:
        raise RuntimeError(f"function {name}Backward returned an incorrect number of gradients (expected {n}, got "
                           f"{len(found)}); give one for each argument of forward, None where there is none")
    return found


def fitted(name: str, g: Any, like: Any, i: int, deep: bool) -> Any:
    """A gradient in the shape and dtype of its input; zeros for None."""
    if g is None:
        zeros = np.zeros(like.shape, like.dtype)
        return Node(zeros) if deep else zeros
    if not isinstance(g, Tensor):
        raise TypeError(f"{name}: expected Variable or None (got {type(g).__name__}) from backward; return a tensor "
                        f"for argument {i}")
    value: Any = g.node if deep else g.node.data
    if value.shape != like.shape:
        try:
            fits = np.broadcast_shapes(value.shape, like.shape) == value.shape
        except ValueError:
            fits = False
        if not fits:
            raise RuntimeError(f"Function {name}Backward returned an invalid gradient at index {i} - got "
                               f"{[*value.shape]} but expected shape compatible with {[*like.shape]}; mend backward")
        extra = value.ndim - len(like.shape)
        axes = tuple(a for a in range(value.ndim) if a < extra or like.shape[a - extra] != value.shape[a])
        value = value.sum(axis=axes, keepdims=True).reshape(like.shape)
    return value if value.dtype == like.dtype else value.astype(like.dtype)


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a `backward` record nothing: its result has no gradient, and to ask for it is an error."""
    @wraps(function)
    def call(ctx: Any, *grads: Any) -> Any:
        with recording(False):
            found = function(ctx, *grads)
        if not any(isinstance(g, Tensor) and g.node._requires_grad for g in grads):
            return found
        several = isinstance(found, tuple)
        made = tuple([Once.apply(g.requires_grad_()) if isinstance(g, Tensor) else g
                      for g in (found if several else (found,))])
        return made if several else made[0]

    return call


class Once(Function):
    """A result of `once_differentiable`: it can't be differentiated again."""

    @staticmethod
    def forward(ctx: Any, g: Tensor) -> Any:
        return g.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError("once_differentiable: trying to differentiate twice a function that was marked with "
                           "@once_differentiable; got a second pass; expected one; leave the mark out")
