"""Gradients as PyTorch asks for them: `backward`, `torch.autograd.grad`, hooks, and whether ops are recorded."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import autograd
from ..core import RELEASED
from ..core import Tensor as Node
from ..hooks import Handle, register_hook, retain_grad
from ..modes import paused, recording, state
from .offer import offer
from .tensor import Tensor, deep, unwrap, wrap
from .writing import check



def backward(self: Tensor, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
             inputs: Any = None) -> None:
    """Add the gradient of this tensor to `grad` of every leaf that it depends on."""
    node = self.node
    check(node, create_graph)
    if node.op is not None and node.op is not RELEASED:
        self.note = self.backward_name()
    keep = create_graph if retain_graph is None else retain_graph
    wanted = None if inputs is None else [unwrap(x) for x in ([inputs] if isinstance(inputs, Tensor) else inputs)]
    try:
        if create_graph or deep[0]:
            into_graph(node, unwrap(gradient), keep, create_graph, wanted)
        else:
            autograd.backward(node, unwrap(gradient), keep, wanted)
    except ValueError as error:
        raise RuntimeError(str(error)) from None


def into_graph(node: Any, gradient: Any, keep: bool, create_graph: bool, wanted: Any) -> None:
    """`backward`, where gradients have, or get, a graph of their own."""
    deep[0] = True
    leaves = wanted if wanted is not None else leaves_of(node)
    found = autograd.grad(node, leaves, gradient, create_graph=create_graph, retain_graph=keep, allow_unused=True)
    for leaf, g in zip(leaves, found, strict=True):
        old = leaf._grad
        if old is not None:
            g = (old if isinstance(old, Node) else Node(old)) + g
        leaf._grad = g if g.needs else np.copy(g.data)


def leaves_of(root: Any) -> list[Any]:
    """The leaves that a tensor depends on, and what retains its gradient."""
    seen, found = {id(root)}, []
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.op is RELEASED:
            raise RuntimeError("backward: trying to backward through the graph a second time; expected a graph that "
                               "was not used yet; pass retain_graph=True to the first pass")
        if node.op is None or node.hooks:
            found.append(node)
        for x in node.inputs:
            if x is not None and id(x) not in seen:
                seen.add(id(x))
                waiting.append(x)
    return found


def hook(self: Tensor, function: Any) -> Handle:
    """Call ``function(grad)`` with this tensor's gradient in every pass; what it returns, if not None, replaces it."""
    def called(g: Any) -> Any:
        given = wrap(g if isinstance(g, Node) else Node(g))
        y = function(given)
        return None if y is None else y.node if isinstance(g, Node) else y.node.data

    try:
        return register_hook(self.node, called)
    except ValueError:
        raise RuntimeError("register_hook: cannot register a hook on a tensor that doesn't require gradient; expected "
                           "one that does; set requires_grad=True") from None


def retain(self: Tensor) -> None:
    """Let every pass leave this tensor's gradient in `grad`, though it is no leaf."""
    if not self.node.needs:
        raise RuntimeError("retain_grad: can't retain_grad on Tensor that has requires_grad=False; expected one that "
                           "requires grad; set requires_grad=True")
    retain_grad(self.node)


for name, method in (("backward", backward), ("register_hook", hook), ("retain_grad", retain)):
    setattr(Tensor, name, method)
setattr(Tensor, "retains_grad", property(lambda self: self.node.op is not None and bool(self.node.hooks)))


# --- whether ops are recorded ---


class no_grad(recording):
    """Record nothing inside of the block, or of the function that it decorates."""

    def __new__(cls, function: Any = None) -> Any:
        made = object.__new__(cls)
        if function is None:
            return made
        recording.__init__(made, cls.records)
        return recording.__call__(made, function)

    records = False

    def __init__(self, function: Any = None) -> None:
        super().__init__(self.records)


class enable_grad(no_grad):
    """Record inside of the block, though it stands in one of `no_grad`."""

    records = True


class inference_mode(recording):
    """As `no_grad`: here tensors made inside may be used in graphs later."""

    def __new__(cls, mode: Any = True) -> Any:
        made = object.__new__(cls)
        if callable(mode):
            recording.__init__(made, False)
            return recording.__call__(made, mode)
        return made

    def __init__(self, mode: Any = True) -> None:
        super().__init__(not mode)


class set_grad_enabled(recording):
    """Record from now on, or do not; as a block, until its end."""

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self.__enter__()

    def __enter__(self) -> None:
        if not self.entered:
            super().__enter__()


@offer()
def is_grad_enabled() -> bool:
    """Whether ops are recorded in this thread."""
    return state.recording if paused else True


def grad(outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None,
         create_graph: bool = False, allow_unused: bool | None = None, is_grads_batched: bool = False,
         materialize_grads: bool = False) -> tuple[Tensor | None, ...]:
    """The gradients of outputs with respect to inputs, as a tuple; no leaf's `grad` changes.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> torch.autograd.grad(x**3, x)
    (tensor(12.),)
    """
    if is_grads_batched:
        raise RuntimeError("grad: got is_grads_batched=True; expected False; call it once for each gradient")
    ys = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    xs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    given = grad_outputs if grad_outputs is None or isinstance(grad_outputs, list | tuple) else [grad_outputs]
    for y in ys:
        check(y.node, create_graph)
    nodes = [x.node for x in xs]
    try:
        found = autograd.grad([y.node for y in ys], nodes, None if given is None else [unwrap(g) for g in given],
                              create_graph=create_graph, retain_graph=retain_graph, allow_unused=True)
    except ValueError as error:
        raise RuntimeError(str(error)) from None
    return tuple([wrap(g) for g in found])
