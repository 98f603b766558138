"""Gradients in PyTorch's spelling: `backward`, `torch.autograd.grad` and hooks."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import autograd
from ..advice import a_type
from ..core import RELEASED
from ..core import Tensor as Node
from ..hooks import Handle, register_hook
from ..modes import recording, state
from ..order import leaves_of
from .tensor import Retains, Tensor, deep, wrap
from .versions import check, check_nodes, note, version

AGAIN = ("backward: Trying to backward through the graph a second time; expected a graph that was not used yet, for "
         "the first pass has freed what it saved; pass retain_graph=True to that one")

# --- what a pass starts from ---


def start(y: Any, gradient: Any, i: int = 0) -> Any:
    """The node of an output, and the gradient that the pass starts with: None for the 1 of a scalar."""
    if not isinstance(y, Tensor):
        raise TypeError(f"backward: got {a_type(y)}; expected a tensor; write torch.tensor(...) around it")
    node = y.node
    if not node._requires_grad:
        raise RuntimeError(f"backward: element {i} of tensors does not require grad and does not have a grad_fn; "
                           f"expected what was computed from a tensor with requires_grad=True, outside of no_grad; set "
                           f"requires_grad=True before")
    if node.op is RELEASED:
        raise RuntimeError(AGAIN)
    if gradient is None:
        if node.data.size != 1:
            raise RuntimeError(f"backward: grad can be implicitly created only for scalar outputs; got shape "
                               f"{[*node.data.shape]}; reduce it, .sum() or .mean(), or pass gradient=")
        return None
    if not isinstance(gradient, Tensor):
        raise TypeError(f"backward: gradients can be either Tensors or None, but got {type(gradient).__name__}; write "
                        f"torch.tensor(...) around it")
    g = gradient.node
    if g.data.shape != node.data.shape:
        raise RuntimeError(f"backward: Mismatch in shape: grad_output[{i}] has a shape of {[*g.data.shape]} and "
                           f"output[{i}] has a shape of {[*node.data.shape]}; expected the same; reshape it")
    return g


def passed(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What the engine's function gives; its errors are PyTorch's."""
    try:
        return function(*args, **kwargs)
    except ValueError as error:
        if str(error).startswith(("hook: ", "backward: ", "grad: ")):
            raise RuntimeError(str(error)) from None
        raise
    except RuntimeError as error:
        if "released by an earlier pass" in str(error):
            raise RuntimeError(AGAIN) from None
        raise


def listed(xs: Any) -> list[Any]:
    return [xs] if isinstance(xs, Tensor) else list(xs)


def wanted_nodes(inputs: Any) -> list[Any] | None:
    """The nodes of `inputs=`; None means all leaves."""
    if inputs is None:
        return None
    nodes = [x.node for x in listed(inputs)]
    if not nodes:
        raise RuntimeError("backward: 'inputs' argument to backward cannot be empty; expected tensors; leave it out "
                           "for all leaves")
    for i, node in enumerate(nodes):
        if not node._requires_grad:
            raise RuntimeError(f"backward: One of the differentiated Tensors does not require grad: number {i} of "
                               f"inputs; expected those that do; leave it out")
    return nodes


def backward(self: Tensor, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
             inputs: Any = None) -> None:
    """Add the gradient of this tensor to `grad` of every leaf that it depends on."""
    node = self.node
    g = start(self, gradient)
    keep = create_graph if retain_graph is None else retain_graph
    wanted = wanted_nodes(inputs)
    if create_graph or deep[0]:
        check(node, create_graph)
        passed(into_graph, node, g, keep, create_graph, wanted)
        return
    state.visit = check_nodes
    try:
        passed(autograd.backward, node, g, keep, wanted)
    finally:
        state.visit = None


def into_graph(node: Any, gradient: Any, keep: bool, create_graph: bool, wanted: Any) -> None:
    """`backward`, where gradients have, or get, a graph of their own."""
    deep[0] = True
    leaves = wanted if wanted is not None else leaves_of(node)
    if leaves is None:
        raise RuntimeError(AGAIN)
    found = autograd.grad(node, leaves, gradient, create_graph=create_graph, retain_graph=keep, allow_unused=True)
    for leaf, g in zip(leaves, found, strict=True):
        old = leaf._grad
        held = old.data if isinstance(old, Node) else old
        if type(held) is np.ndarray and type(g.data) is np.ndarray and not create_graph:  # its graph stays, if any
            held += g.data
            note(held)
            continue
        if old is not None:
            with recording(create_graph):
                g = (old if isinstance(old, Node) else Node(old)) + g
        leaf._grad = g if g._requires_grad else np.copy(g.data)


def backward_of(tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
                inputs: Any = None) -> None:
    """Add the gradients of one tensor or several, in one pass, to `grad` of every leaf that they depend on."""
    ys = listed(tensors)
    given = [None] * len(ys) if grad_tensors is None else listed(grad_tensors)
    if len(given) != len(ys):
        raise RuntimeError(f"backward: got {len(ys)} tensors and {len(given)} gradients; expected as many; give None "
                           f"for a scalar")
    if not ys:
        return
    if len(ys) == 1:
        backward(ys[0], given[0], retain_graph, create_graph, inputs)
        return
    gs = [start(y, g, i) for i, (y, g) in enumerate(zip(ys, given, strict=True))]
    with recording(True), np.errstate(all="ignore"):  # of this sum, each tensor has the gradient that was given
        parts: list[Any] = [(y.node if g is None else y.node * g).sum() for y, g in zip(ys, gs, strict=True)]
        dtype = np.result_type(*[part.data for part in parts])
        total = sum(part if part.data.dtype == dtype else part.astype(dtype) for part in parts)
    backward(wrap(total), None, retain_graph, create_graph, inputs)


# --- hooks ---


def hook(self: Tensor, function: Any) -> Handle:
    """Call ``function(grad)`` with this tensor's gradient in every pass; what it returns, if not None, replaces it."""
    def called(g: Any) -> Any:
        given = wrap(g if isinstance(g, Node) else Node(g))
        before = version(given)
        y = function(given)
        if y is None:
            if version(given) == before:
                return None
            y = given  # it was written into
        if not isinstance(y, Tensor):
            raise TypeError(f"register_hook: a hook returned {a_type(y)}; expected a tensor, or None to leave "
                            f"the gradient; return torch.tensor(...)")
        return y.node if isinstance(g, Node) else y.node.data

    node = self.node
    if not node._requires_grad:
        raise RuntimeError("register_hook: cannot register a hook on a tensor that doesn't require gradient; expected "
                           "one that does; set requires_grad=True")
    handle = register_hook(node, called)
    hooks: list[Any] = handle.hooks
    if len(hooks) > 1 and isinstance(hooks[-2], Retained):  # that one comes last
        hooks[-2], hooks[-1] = hooks[-1], hooks[-2]
    return handle


class Retained(Retains):
    """A hook that adds the gradient to the `grad` of its tensor, which is no leaf."""

    def __init__(self, node: Any) -> None:
        self.node = weakref.ref(node)

    def __call__(self, g: Any) -> None:
        node = self.node()
        if node is not None:
            old = node._grad
            node._grad = g if old is None else old + g
            if isinstance(node._grad, Node) and not node._grad._requires_grad:
                node._grad = node._grad.data


def retain(self: Tensor) -> None:
    """Let every pass add to `grad` of this tensor, though it is no leaf."""
    node = self.node
    if not node._requires_grad:
        raise RuntimeError("retain_grad: can't retain_grad on Tensor that has requires_grad=False; expected one that "
                           "requires grad; set requires_grad=True")
    if node.op is not None and not self.retains_grad:
        register_hook(node, Retained(node))


for name, method in (("backward", backward), ("register_hook", hook), ("retain_grad", retain)):
    setattr(Tensor, name, method)


# --- gradients as values ---


def grad(outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None,
         create_graph: bool = False, allow_unused: bool | None = None, is_grads_batched: bool = False,
         materialize_grads: bool = False) -> tuple[Any, ...]:
    """The gradients of outputs with respect to inputs, as a tuple; no leaf's `grad` changes.

    Parameters
    ----------
    outputs, inputs : tensor or sequence of tensors
        Of several outputs the gradients add up.
    grad_outputs : tensor or sequence, optional
        The gradient of each output; None for the 1 of a scalar.
    allow_unused : bool
        Give None for an input that no output depends on, in the place of an error; with `materialize_grads` zeros.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> torch.autograd.grad(x**3, x)
    (tensor(12.),)
    """
    if is_grads_batched:
        raise RuntimeError("grad: got is_grads_batched=True; expected False; call it once for each gradient")
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
                         "False; leave it out")
    ys, xs = listed(outputs), listed(inputs)
    given = [None] * len(ys) if grad_outputs is None else listed(grad_outputs)
    if len(given) != len(ys):
        raise RuntimeError(f"grad: got {len(ys)} outputs and {len(given)} grad_outputs; expected as many; give None "
                           f"for a scalar")
    roots: dict[Any, Any] = {}
    for i, (y, g) in enumerate(zip(ys, given, strict=True)):
        own = autograd.initial_gradient(y.node, start(y, g, i), "grad")
        check(y.node, create_graph)
        if isinstance(own, Node) != create_graph:
            own = Node(own) if create_graph else own.data
        roots[y.node] = roots[y.node] + own if y.node in roots else own
    nodes = [x.node for x in xs]
    for i, node in enumerate(nodes):
        if not node._requires_grad:
            raise RuntimeError(f"grad: One of the differentiated Tensors does not require grad: number {i} of inputs; "
                               f"expected those that do; set requires_grad=True before the outputs are computed")
    if not nodes:
        raise ValueError("grad: grad requires non-empty inputs; expected a tensor or more; give what is differentiated")
    keep = create_graph if retain_graph is None else retain_graph
    found = passed(autograd.gradients, roots, frozenset(nodes), create_graph, release=not keep)
    results, taken = [], set()
    for i, node in enumerate(nodes):
        g = found.get(node)
        if g is None and not (allow_unused or materialize_grads):
            raise RuntimeError(f"grad: One of the differentiated Tensors appears to not have been used in the graph: "
                               f"number {i} of inputs; expected one that the outputs depend on; Set allow_unused=True "
                               f"if this is the desired behavior")
        if g is None and materialize_grads:
            g = np.zeros(node.data.shape, node.data.dtype)
        if g is not None and not isinstance(g, Node):
            g = Node(g if type(g) is np.ndarray and g.base is None and id(g) not in taken else np.copy(g))
            taken.add(id(g.data))
        results.append(None if g is None else wrap(g))
    return tuple(results)
