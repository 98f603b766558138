"""What happens backwards: the pass over the nodes, `backward()` and `grad()`.

It knows no op: every rule is called in the same way, whatever it is the rule of. The order is `order.py`'s.
"""

from __future__ import annotations

from _thread import _count as other_threads
from collections.abc import Collection, Iterable, Sequence
from contextlib import nullcontext
from threading import RLock
from typing import Any, overload

import numpy as np

from .broadcasting import unbroadcast, unit_gradient
from .collectives import all_reduce_mean
from .core import RELEASED, Tensor, TracerBase, as_array, keep_grad, ndarray
from .hooks import run_hooks
from .modes import recording, state
from .order import count_consumers, expand_definitions, nodes_between, operands

accumulating = RLock()  # held while gradients are added to leaves, if there are other threads: it takes 0.4 us

# --- a gradient fits its tensor ---


def unbroadcast_and_cast(g: Any, x: Tensor, node: Tensor) -> Any:
    """The gradient `g` of `x`, an input of `node`, un-broadcast and un-promoted; anything else is the rule's fault."""
    shape, dtype = x.data.shape, x.data.dtype
    if g.shape != shape and node.op is not None and node.op.broadcasts:
        g = unbroadcast(g, shape)
    if g.dtype != dtype and (node.data.dtype != dtype or g.dtype == dtype.newbyteorder("=")):
        g = cast_like(g, x)
    if g.shape != shape or g.dtype != dtype:
        raise RuntimeError(f"{rule_of(x, node)} gave a gradient of shape {g.shape} and dtype {g.dtype}; "
                           f"expected {shape} and {dtype}, those of the input; mend the rule")
    return g


def cast_like(g: Any, x: Tensor) -> Any:
    """The gradient of `x` in its dtype and byte order; subtle: what NumPy computes has the machine's byte order."""
    dtype = x.data.dtype
    if g.dtype == dtype:
        return g
    scalar = isinstance(g, np.generic) and not isinstance(g, TracerBase)  # which has no other byte order
    return np.array(g, dtype) if scalar else g.astype(dtype)


def rule_of(x: Tensor, node: Tensor) -> str:
    """The name, for error messages, of the rule that makes the gradient of `x`, an input of `node`."""
    i = next(i for i, input in enumerate(node.inputs) if input is x)
    return f"the rule of {node.op.name if node.op else 'a leaf'} for input {i}"


# --- the pass ---


@np.errstate(all="ignore")
def gradients(roots: dict[Tensor, Any], wanted: Collection[Tensor] = (), create_graph: bool = False,
              release: bool = True, hooks: bool = True) -> dict[Tensor, Any]:
    """The gradients of every leaf and of the `wanted`, or of the `wanted` alone, given the gradients of the roots.

    Without `hooks`, those of leaves are left to the caller.
    """
    if create_graph:
        with recording(True), state.anomaly.inside() if state.anomaly else nullcontext():
            expand_definitions(roots)
            return backward_pass(roots, wanted, create_graph, release, hooks)
    return backward_pass(roots, wanted, create_graph, release, hooks)


def backward_pass(roots: dict[Tensor, Any], wanted: Collection[Tensor], create_graph: bool, release: bool,
         hooks: bool) -> dict[Tensor, Any]:
    """The pass. A node's turn comes when all that use it have had theirs: then its gradient is complete."""
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
        for x, rule in zip(node.inputs, op.rules):  # type: ignore[union-attr]  # noqa: B905 (a variadic op has no end)
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
    """The outputs, and the gradient of each by itself: 1 for a scalar, else what the user gives."""
    if isinstance(ys, Tensor):
        return {ys: initial_gradient(ys, gradient, caller)}
    if not isinstance(ys, list | tuple):
        raise TypeError(f"{caller}: the output is a {type(ys).__name__}; expected a Tensor, or a list of Tensors; only "
                        f"what Tensors were computed to has gradients")
    given = [None] * len(ys) if gradient is None else gradient
    if not isinstance(given, list | tuple) or len(given) != len(ys):
        count = len(given) if isinstance(given, list | tuple) else f"a {type(given).__name__}"
        raise ValueError(f"{caller}: {len(ys)} outputs, but gradient= has {count}; expected a list with one for each "
                         f"output; None stands for the 1 of a scalar")
    roots: dict[Tensor, Any] = {}
    for y, g in zip(ys, given, strict=True):
        own = initial_gradient(y, g, caller)
        roots[y] = roots[y] + own if y in roots else own
    return roots


def initial_gradient(y: Any, gradient: Any, caller: str) -> Any:
    """The gradient of `y` by itself."""
    if not isinstance(y, Tensor) or not y._requires_grad:
        raise ValueError(f"{caller}: the output does not require grad, so nothing was recorded; create an input with "
                         f"requires_grad=True, and compute the output outside of tt.no_grad()")
    if gradient is None:
        if y.data.size != 1:
            raise ValueError(f"{caller}: the output has shape {y.shape}, and only a scalar has one gradient; reduce it "
                             f"(.sum(), .mean()), or pass gradient= of the same shape")
        return unit_gradient(y.shape, y.dtype)
    g: Any = gradient if isinstance(gradient, Tensor) else as_array(gradient)
    if g.shape != y.shape:
        raise ValueError(f"{caller}: gradient= has shape {g.shape}, but the output has {y.shape}; they must be equal")
    return g.astype(y.dtype)


def differentiated_tensors(xs: Any, caller: str, name: str) -> list[Tensor]:
    """The tensors whose gradients a user asks for."""
    targets = [xs] if isinstance(xs, Tensor) else list(xs)
    for i, x in enumerate(targets):
        if not isinstance(x, Tensor) or not x._requires_grad:
            raise ValueError(f"{caller}: number {i} of {name} does not require grad; create it with requires_grad=True")
    return targets


def backward(y: Tensor, gradient: Any = None, retain_graph: bool = False, inputs: Any = None) -> None:
    """Add the gradient of this tensor to `grad` of every leaf that it depends on.

    Parameters
    ----------
    gradient : array_like, optional
        The gradient of this tensor, of its shape; may be left out for a scalar.
    retain_graph : bool
        Keep the graph for another pass. Otherwise it is released, and a second pass is an error. Subtle: a second pass
        after parameters were changed in place (by an optimiser's step) reads the changed values.
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
        raise ValueError("backward: inputs= is empty, so nothing would get a gradient; expected tensors; leave it out "
                         "for all leaves")
    found = gradients({y: start}, wanted, release=not retain_graph)
    means, taken = all_reduce_mean(*found.values(), leaves=found, loss=(y.data, start)), {id(start)}
    lock = accumulating if other_threads() else None
    if lock:
        lock.acquire()
    try:
        for leaf, g in zip(found, means, strict=True):
            if (old := leaf._grad) is None:
                # a leaf owns its gradient: one that is a view, a NumPy scalar, or known to others is copied
                leaf._grad = g if type(g) is ndarray and g.base is None and id(g) not in taken else np.copy(g)
            elif isinstance(g, TracerBase) and type(old) is ndarray:  # while a step is traced: a constant, until now
                leaf._grad = old + g
            elif leaf.op is None or keep_grad not in (leaf.hooks or ()):  # that one is in place already
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
    """The gradient of `y` with respect to `xs`, as a value; no leaf's `grad` changes.

    Parameters
    ----------
    y : Tensor or sequence of Tensor
        A scalar, or any shape with `gradient`. Of several outputs the gradients add up.
    xs : Tensor or sequence of Tensor
        Leaves or intermediate tensors.
    gradient : array_like, or sequence of array_like or None, optional
        The gradient of `y`, of its shape; one for each of several outputs, where None stands for a scalar's 1.
    create_graph : bool
        Record the gradient's own computation, so that it can be differentiated again.
    retain_graph : bool, optional
        Keep the graph of `y` for another pass; as `create_graph` if left out.
    allow_unused : bool
        Give zeros for a tensor that `y` does not depend on, in the place of an error.

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
            raise ValueError(f"grad: the output does not depend on number {i} of xs, of shape {x.shape}; "
                             f"pass allow_unused=True if its gradient is to be zeros")
        own = found[x] if x in found else np.zeros(x.shape, x.dtype)
        results.append(own if isinstance(own, Tensor) else Tensor(np.copy(own)))
    return results[0] if isinstance(xs, Tensor) else tuple(results)


def only_recorded(y: Any, gradient: Any) -> tuple[Any, Any]:
    """Of the outputs those that were recorded, and their gradients."""
    ys: Sequence[Any] = [y] if isinstance(y, Tensor) else y
    given = [gradient] if isinstance(y, Tensor) else gradient if isinstance(gradient, list | tuple) else [None] * len(y)
    if len(given) != len(ys):
        return y, gradient
    pairs = [(y, g) for y, g in zip(ys, given, strict=True) if not isinstance(y, Tensor) or y._requires_grad]
    return [y for y, _ in pairs], [g for _, g in pairs]


setattr(Tensor, "backward", backward)
