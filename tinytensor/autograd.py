"""The backward pass over the nodes of a graph, `backward()` and `grad()`.

It knows no op: all rules are called alike. The order of the nodes is found in `order.py`.
"""

from __future__ import annotations

from _thread import _count as other_threads
from collections.abc import Collection, Iterable, Sequence
from contextlib import nullcontext
from threading import RLock
from typing import Any, overload

import numpy as np

from .advice import a_type
from .broadcasting import unbroadcast, unit_gradient
from .collectives import all_reduce_mean
from .core import RELEASED, Tensor, TracerBase, as_array, keep_grad, ndarray
from .hooks import run_hooks
from .modes import recording, state
from .order import count_consumers, expand_definitions, nodes_between, operands

accumulating = RLock()  # held while gradients are added to leaves if other threads run; costs 0.4 us

# --- shape and dtype of a gradient ---


def unbroadcast_and_cast(g: Any, x: Tensor, node: Tensor) -> Any:
    """The gradient `g` of `x`, an input of `node`, summed to its shape, cast to its dtype, and checked."""
    shape, dtype = x.data.shape, x.data.dtype
    if g.shape != shape and node.op is not None and node.op.broadcasts:
        g = unbroadcast(g, shape)
    if g.dtype != dtype and (node.data.dtype != dtype or g.dtype == dtype.newbyteorder("=")):
        g = cast_like(g, x)
    if g.shape != shape or g.dtype != dtype:
        raise RuntimeError(f"{rule_of(x, node)}: got a gradient of shape {g.shape} and dtype {g.dtype}; "
                           f"expected {shape} and {dtype}, those of the input; correct the rule")
    return g


def cast_like(g: Any, x: Tensor) -> Any:
    """The gradient of `x` in its dtype and byte order; subtle: NumPy computes in the machine's byte order."""
    dtype = x.data.dtype
    if g.dtype == dtype:
        return g
    scalar = isinstance(g, np.generic) and not isinstance(g, TracerBase)  # it has no byte order
    return np.array(g, dtype) if scalar else g.astype(dtype)


def rule_of(x: Tensor, node: Tensor) -> str:
    """For error messages: the rule that computes the gradient of `x`, an input of `node`."""
    i = next(i for i, input in enumerate(node.inputs) if input is x)
    return f"the rule of {node.op.name if node.op else 'a leaf'} for input {i}"


# --- the backward pass ---


@np.errstate(all="ignore")
def gradients(roots: dict[Tensor, Any], wanted: Collection[Tensor] = (), create_graph: bool = False,
              release: bool = True, hooks: bool = True) -> dict[Tensor, Any]:
    """The gradients of every leaf and of the `wanted`, or of the `wanted` alone, given the gradients of the roots.

    With `hooks=False` the hooks of leaves are not run: the caller does that.
    """
    if create_graph:
        with recording(True), state.anomaly.inside() if state.anomaly else nullcontext():
            expand_definitions(roots)
            return backward_pass(roots, wanted, create_graph, release, hooks)
    return backward_pass(roots, wanted, create_graph, release, hooks)


def backward_pass(roots: dict[Tensor, Any], wanted: Collection[Tensor], create_graph: bool, release: bool,
                  hooks: bool) -> dict[Tensor, Any]:
    """The backward pass: a node is visited once all its consumers have been, when its gradient is complete."""
    needed, watch = nodes_between(roots, wanted) if wanted else None, state.anomaly
    waiting = count_consumers(roots, needed)
    if state.visit is not None:
        state.visit(waiting)
    coming, arrived, ready = roots.copy(), {}, []
    for y in roots:
        if y.op is not None and not waiting[y] and (needed is None or y in needed):
            ready.append(y)
    while ready:
        node = ready.pop()
        g, op, params = coming.pop(node), node.op, node.params
        if node.hooks:
            g = run_hooks(node, cast_like(g, node))
        if node in wanted:
            arrived[node] = cast_like(g, node)
        args = (g, node, *operands(node)) if create_graph else (g, node.data, *node.saved)
        for x, rule in zip(node.inputs, op.rules):  # type: ignore[union-attr]  # noqa: B905 (of a variadic op: endless)
            if x is not None and (needed is None or x in needed):
                gx = rule(*args, **params)
                like = x.data
                if gx.dtype is not like.dtype or gx.shape != like.shape or watch:
                    gx = unbroadcast_and_cast(gx, x, node)
                    if watch:
                        watch.examine(gx, g, x, node, rule_of(x, node))
                coming[x] = coming[x] + gx if x in coming else gx
                if x.op is not None:
                    waiting[x] -= 1
                    if not waiting[x]:
                        ready.append(x)
        if release:
            node.op = RELEASED
            node.inputs, node.saved, node.params = (), (), op.released  # type: ignore[union-attr]
    for leaf, g in coming.items():
        if g.dtype is not leaf.data.dtype:
            coming[leaf] = g = cast_like(g, leaf)
        if leaf.hooks and hooks:
            coming[leaf] = run_hooks(leaf, g)
    if not wanted:
        return coming
    coming.update(arrived)
    return {x: g for x, g in coming.items() if x in wanted}


# --- what users call ---


def initial_gradients(ys: Any, gradient: Any, caller: str) -> dict[Tensor, Any]:
    """The outputs, each with the gradient that the pass starts from: 1 for a scalar, else the one that was passed."""
    if isinstance(ys, Tensor):
        return {ys: initial_gradient(ys, gradient, caller)}
    if not isinstance(ys, list | tuple):
        raise TypeError(f"{caller}: got an output of type {type(ys).__name__}; expected a Tensor, or a list of "
                        f"Tensors; compute it from Tensors")
    given = [None] * len(ys) if gradient is None else gradient
    if not isinstance(given, list | tuple) or len(given) != len(ys):
        count = len(given) if isinstance(given, list | tuple) else a_type(given)
        raise ValueError(f"{caller}: got {len(ys)} outputs and gradient= of {count}; expected a list with one for each "
                         f"output; None means the 1 of a scalar")
    roots: dict[Tensor, Any] = {}
    for y, g in zip(ys, given, strict=True):
        own = initial_gradient(y, g, caller)
        roots[y] = roots[y] + own if y in roots else own
    return roots


def initial_gradient(y: Any, gradient: Any, caller: str) -> Any:
    """The gradient of one output that the pass starts from."""
    if not isinstance(y, Tensor) or not y._requires_grad:
        raise ValueError(f"{caller}: got an output that does not require grad, of which nothing was recorded; expected "
                         f"one that does; create an input with requires_grad=True, and compute the output outside of "
                         f"tt.no_grad()")
    if gradient is None:
        if y.data.size != 1:
            raise ValueError(f"{caller}: got an output of shape {y.shape}; expected a scalar; reduce it (.sum(), "
                             f".mean()), or pass gradient= of the same shape")
        return unit_gradient(y.shape, y.dtype)
    g: Any = gradient if isinstance(gradient, Tensor) else as_array(gradient)
    if g.shape != y.shape:
        raise ValueError(f"{caller}: got gradient= of shape {g.shape}; expected {y.shape}, that of the output; pass "
                         f"one of that shape")
    return g.astype(y.dtype)


def differentiated_tensors(xs: Any, caller: str, name: str) -> list[Tensor]:
    """The tensors to differentiate with respect to, as a list."""
    targets = [xs] if isinstance(xs, Tensor) else list(xs)
    for i, x in enumerate(targets):
        if not isinstance(x, Tensor) or not x._requires_grad:
            raise ValueError(f"{caller}: got element {i} of {name} that does not require grad; expected only "
                             f"Tensors that do; create it with requires_grad=True")
    return targets


def backward(y: Tensor, gradient: Any = None, retain_graph: bool = False, inputs: Any = None) -> None:
    """Add the gradient of this tensor to the `grad` of every leaf that it depends on.

    Parameters
    ----------
    gradient : array_like, optional
        The gradient to start from, of this tensor's shape; 1 if left out, for a scalar.
    retain_graph : bool
        Keep the graph for another pass. Otherwise it is released, and a second pass is an error. Subtle: a second pass
        after an optimiser's step reads the parameters as that step has changed them.
    inputs : Tensor or sequence of Tensor, optional
        Only these get a gradient, and only what leads to them is computed; they may be intermediate tensors.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x, w = tt.tensor(3.0, requires_grad=True), tt.tensor(2.0, requires_grad=True)
    >>> (w * x * x).backward(inputs=[x])
    >>> x.grad, w.grad
    (array(12., dtype=float32), None)
    """
    start = initial_gradient(y, gradient, "backward")
    start = start.data if isinstance(start, Tensor) else start
    wanted: Collection[Tensor] = ()
    if inputs is not None and not (wanted := frozenset(differentiated_tensors(inputs, "backward", "inputs"))):
        raise ValueError("backward: got an empty inputs=; expected tensors, for else nothing gets a gradient; leave it "
                         "out for all leaves")
    found = gradients({y: start}, wanted, release=not retain_graph)
    means, taken = all_reduce_mean(*found.values(), leaves=found, loss=(y.data, start)), {id(start)}
    lock = accumulating if other_threads() else None
    if lock:
        lock.acquire()
    try:
        for leaf, g in zip(found, means, strict=True):
            if (old := leaf._grad) is None:
                # a leaf owns its gradient: a view, a NumPy scalar, or an array that is used elsewhere is copied
                leaf._grad = g if type(g) is ndarray and g.base is None and id(g) not in taken else np.copy(g)
            elif isinstance(g, TracerBase) and type(old) is ndarray:  # while a step is traced
                leaf._grad = old + g
            elif leaf.op is None or keep_grad not in (leaf.hooks or ()):  # else it is in place already
                np.add(old, g, out=old)
            taken.add(id(g))
    finally:
        if lock:
            lock.release()


@overload
def grad(y: Tensor | Sequence[Tensor], xs: Tensor, gradient: Any = None, *,  # type: ignore[overload-overlap]
         create_graph: bool = False, retain_graph: bool | None = None,
         allow_unused: bool = False) -> Tensor: ...  # a Tensor is iterable too
@overload
def grad(y: Tensor | Sequence[Tensor], xs: Iterable[Tensor], gradient: Any = None, *, create_graph: bool = False,
         retain_graph: bool | None = None, allow_unused: bool = False) -> tuple[Tensor, ...]: ...
def grad(y: Any, xs: Any, gradient: Any = None, *, create_graph: bool = False, retain_graph: bool | None = None,
         allow_unused: bool = False) -> Any:
    """Return the gradient of `y` with respect to `xs`; no leaf's `grad` changes.

    Parameters
    ----------
    y : Tensor or sequence of Tensor
        A scalar, or of any shape if `gradient` is passed. The gradients of several outputs are added.
    xs : Tensor or sequence of Tensor
        Leaves or intermediate tensors.
    gradient : array_like, or sequence of array_like or None, optional
        The gradient to start from, of the shape of `y`; one for each of several outputs, where None means a scalar's 1.
    create_graph : bool
        Record the computation of the gradient, so that it can be differentiated again.
    retain_graph : bool, optional
        Keep the graph of `y` for another pass; as `create_graph` if left out.
    allow_unused : bool
        Return zeros, not an error, for a tensor that `y` does not depend on.

    Returns
    -------
    Tensor or tuple of Tensor, as `xs`

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor(2.0, requires_grad=True)
    >>> slope = tt.grad(x**3, x, create_graph=True)
    >>> print(slope)
    tensor(12., op=multiply)
    >>> tt.grad(slope, x)
    tensor(12.)
    >>> tt.grad([x * x, 3 * x], x, [None, 2.0])
    tensor(10.)
    """
    if allow_unused:
        y, gradient = only_recorded(y, gradient)
    roots = initial_gradients(y, gradient, "grad")
    for root, g in roots.items():
        if isinstance(g, Tensor) != create_graph:
            roots[root] = Tensor(g) if create_graph else g.data
    targets = differentiated_tensors(xs, "grad", "xs")
    keep = create_graph if retain_graph is None else retain_graph
    found = gradients(roots, frozenset(targets), create_graph, release=not keep) if targets and roots else {}
    if not create_graph and (leaves := [x for x in targets if x in found and x.is_leaf]):
        first, start = next(iter(roots.items()))
        means = all_reduce_mean(*[found[x] for x in leaves], leaves=leaves, loss=(first.data, start))
        found = {**found, **dict(zip(leaves, means, strict=True))}
    results = []
    for i, x in enumerate(targets):
        if x not in found and not allow_unused:
            raise ValueError(f"grad: got element {i} of xs, of shape {x.shape}, that the output does not depend on; "
                             f"expected only what it depends on; pass allow_unused=True for a gradient of zeros")
        own = found[x] if x in found else np.zeros(x.shape, x.dtype)
        results.append(own if isinstance(own, Tensor) else Tensor(np.copy(own)))
    return results[0] if isinstance(xs, Tensor) else tuple(results)


def only_recorded(y: Any, gradient: Any) -> tuple[Any, Any]:
    """Only the outputs that were recorded, with their gradients."""
    ys: Sequence[Any] = [y] if isinstance(y, Tensor) else y
    given = [gradient] if isinstance(y, Tensor) else gradient if isinstance(gradient, list | tuple) else [None] * len(y)
    if len(given) != len(ys):
        return y, gradient
    pairs = [(y, g) for y, g in zip(ys, given, strict=True) if not isinstance(y, Tensor) or y._requires_grad]
    return [y for y, _ in pairs], [g for _, g in pairs]


setattr(Tensor, "backward", backward)
