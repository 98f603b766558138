"""What happens backwards: the order of the nodes, un-broadcasting, the pass, `backward()` and `grad()`.

It knows no op: every rule is called in the same way, whatever it is the rule of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from .collectives import all_reduce_mean
from .core import NO_PARAMS, RELEASED, Array, Tensor, TracerBase, as_array, ndarray, recording, state

# --- which nodes ---


def uses(y: Tensor, needed: Collection[Tensor] | None) -> dict[Tensor, int]:
    """How often each output of an op behind `y` is used there; with `needed`, by these and of these alone."""
    times = {y: 0}
    for node in (reached := [y]):
        if node.op is RELEASED:
            raise released(node)
        for x in node.inputs:
            if x is not None and x.op is not None and (needed is None or x in needed):
                if x in times:
                    times[x] += 1
                else:
                    times[x] = 1
                    reached.append(x)
    return times


def between(y: Tensor, wanted: Collection[Tensor]) -> set[Tensor]:
    """All that lies on a way from `y` to one of the `wanted`, both ends included."""
    users: dict[Tensor, list[Tensor]] = {y: []}
    for node in (reached := [y]):
        for x in opened(node):
            if x not in users:
                users[x] = []
                reached.append(x)
            users[x].append(node)
    on_the_way = [x for x in wanted if x in users]
    found = set(on_the_way)
    for x in on_the_way:
        fresh = [user for user in users[x] if user not in found]
        found.update(fresh)
        on_the_way += fresh
    return found


def expand(y: Tensor) -> None:
    """Let every fused node behind `y` become the graph of its definition, which has derivatives of every order."""
    seen = {y}
    for node in (reached := [y]):
        while node.op is not None and node.op.definition is not None:
            become_definition(node, node.op.definition)
        fresh = {x for x in opened(node) if x not in seen}
        seen |= fresh
        reached += fresh


def opened(node: Tensor) -> list[Tensor]:
    """The inputs of a node that gradients flow to."""
    if node.op is RELEASED:
        raise released(node)
    return [x for x in node.inputs if x is not None]


def released(node: Tensor) -> RuntimeError:
    return RuntimeError(f"backward: this graph was released by an earlier pass (a tensor of shape {node.shape} in it "
                        f"no longer knows its inputs); compute the loss again, or pass retain_graph=True to the "
                        f"earlier pass")


def become_definition(node: Tensor, definition: Callable[..., Any]) -> None:
    """Record the definition of a fused node on the node's own inputs, and let the node take the place of its output.

    Nobody is misled by that: the node keeps its value, which is the definition's too, and only the way to it changes.
    """
    params = {key: value for key, value in node.params.items() if key != "extras"}
    y = definition(*operands(node), **params)
    node.op, node.inputs, node.saved, node.params = y.op, y.inputs, y.saved, y.params


def operands(node: Tensor) -> list[Any]:
    """What the op was given: the tensors that need a gradient, and the arrays of the other inputs."""
    return [a if x is None else x for x, a in zip(node.inputs, node.saved, strict=True)]


# --- a gradient fits its tensor ---


MANY = 8192  # rows of ones that are longer are made anew, not kept
BLOCK = 256  # rows that are summed by one product


@lru_cache(maxsize=64)
def ones(n: int, dtype: Any, each: float = 1) -> Array:
    """A constant row of ones, or of `each`; cached, so that a compiled step sees one constant."""
    a = np.full(n, each, dtype)
    a.flags.writeable = False
    return a


@lru_cache(maxsize=64)
def unit(shape: tuple[int, ...], dtype: Any) -> Array:
    """The gradient of a loss by itself; cached, as `ones`."""
    a = np.ones(shape, dtype)
    a.flags.writeable = False
    return a


def sum_rows(g: Any, each: float = 1) -> Any:
    """The sum over the first of two axes, times `each`, as a product with ones: twice as fast as NumPy's sum.

    Many rows are summed block by block, then the blocks' sums in the same way: a float32 loses no more by that than in
    NumPy's pairwise sum, where one product over a million rows would lose a hundred times as much.
    """
    n = g.shape[0]
    if n <= 2 * BLOCK or state.workers > 1:  # workers add up what each has of one product
        return (ones(n, g.dtype, each) if n <= MANY else np.full(n, each, g.dtype)) @ g
    blocks, rest = divmod(n, BLOCK)
    whole = n - rest
    y = sum_rows(ones(BLOCK, g.dtype) @ g[:whole].reshape(blocks, BLOCK, g.shape[1]), each)
    return y + ones(rest, g.dtype, each) @ g[whole:] if rest else y


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum `g` over the axes that broadcasting added to, or stretched in, an array of `shape`."""
    lead = g.ndim - len(shape)
    if lead and shape and shape == g.shape[lead:] and g.size:
        return sum_rows(g.reshape(-1, math.prod(shape))).reshape(shape)
    axes = tuple(i for i, n in enumerate((0,) * lead + shape) if i < lead or n != g.shape[i])
    return np.add.reduce(g, axis=axes, keepdims=True).reshape(shape)


def fit(g: Any, x: Tensor, node: Tensor) -> Any:
    """The gradient `g` of `x`, an input of `node`, un-broadcast and un-promoted; anything else is the rule's fault."""
    shape, dtype = x.data.shape, x.data.dtype
    if g.shape != shape and node.op is not None and node.op.broadcasts:
        g = unbroadcast(g, shape)
    if g.dtype != dtype and node.data.dtype != dtype:
        g = g.astype(dtype)
    if g.shape != shape or g.dtype != dtype:
        raise RuntimeError(f"{rule_of(x, node)} gave a gradient of shape {g.shape} and dtype {g.dtype}; "
                           f"expected {shape} and {dtype}, those of the input; mend the rule")
    if state.anomaly:
        examine(g, x, node)
    return g


def rule_of(x: Tensor, node: Tensor) -> str:
    """The name, for error messages, of the rule that makes the gradient of `x`, an input of `node`."""
    i = next(i for i, input in enumerate(node.inputs) if input is x)
    return f"the rule of {node.op.name if node.op else 'a leaf'} for input {i}"


# --- the pass ---


@np.errstate(all="ignore")
def gradients(y: Tensor, g: Any, wanted: Collection[Tensor] = (), create_graph: bool = False,
              release: bool = True) -> dict[Tensor, Any]:
    """The gradients of every leaf and of the `wanted`, given the gradient `g` of `y`."""
    if create_graph:
        with recording(True):
            expand(y)
            return flow(y, g, wanted, create_graph, release)
    return flow(y, g, wanted, create_graph, release)


def flow(y: Tensor, g: Any, wanted: Collection[Tensor], create_graph: bool, release: bool) -> dict[Tensor, Any]:
    """The pass. A node's turn comes when all that use it have had theirs: then its gradient is complete."""
    needed, watch = between(y, wanted) if wanted else None, state.anomaly
    waiting = uses(y, needed)
    coming, arrived, ready = {y: g}, {}, [y] if y.op is not None and (needed is None or y in needed) else []
    while ready:
        node = ready.pop()
        g, op, params = coming.pop(node), node.op, node.params
        if node.hooks:
            g = hooked(node, g)
        if node in wanted:
            arrived[node] = g
        args = (g, node, *operands(node)) if create_graph else (g, node.data, *node.saved)
        for x, rule in zip(node.inputs, op.rules):  # type: ignore[union-attr]  # noqa: B905 (a variadic op has no end)
            if x is not None and (needed is None or x in needed):
                gx = rule(*args, **params)
                like = x.data
                if gx.dtype is not like.dtype or gx.shape != like.shape or watch:
                    gx = fit(gx, x, node)
                coming[x] = coming[x] + gx if x in coming else gx
                if x.op is not None:
                    waiting[x] -= 1
                    if not waiting[x]:
                        ready.append(x)
        if release:
            node.op = RELEASED
            node.inputs, node.saved, node.params = (), (), NO_PARAMS
    for leaf, g in coming.items():
        if leaf.hooks:
            coming[leaf] = hooked(leaf, g)
    return {**coming, **arrived} if arrived else coming


def seed(y: Tensor, gradient: Any, caller: str) -> Any:
    """The gradient of `y` itself: 1 for a scalar, else what the user gives."""
    if not isinstance(y, Tensor) or not y.needs:
        raise ValueError(f"{caller}: the output does not require grad, so nothing was recorded; create an input with "
                         f"requires_grad=True, and compute the output outside of tt.no_grad()")
    if gradient is None:
        if y.data.size != 1:
            raise ValueError(f"{caller}: the output has shape {y.shape}, and only a scalar has one gradient; reduce it "
                             f"(.sum(), .mean()), or pass gradient= of the same shape")
        return unit(y.shape, y.dtype)
    g: Any = gradient if isinstance(gradient, Tensor) else as_array(gradient)
    if g.shape != y.shape:
        raise ValueError(f"{caller}: gradient= has shape {g.shape}, but the output has {y.shape}; they must be equal")
    return g.astype(y.dtype)


def backward(y: Tensor, gradient: Any = None, retain_graph: bool = False) -> None:
    """Add the gradient of this tensor to `grad` of every leaf that it depends on.

    Parameters
    ----------
    gradient : array_like, optional
        The gradient of this tensor, of its shape; may be left out for a scalar.
    retain_graph : bool
        Keep the graph for another pass. Otherwise it is released, and a second pass is an error. Subtle: a second pass
        after parameters were changed in place (by an optimiser's step) reads the changed values.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor(3.0, requires_grad=True)
    >>> (x * x + x).backward()
    >>> x.grad
    array(7., dtype=float32)
    """
    start = seed(y, gradient, "backward")
    start = start.data if isinstance(start, Tensor) else start
    taken, found = {id(start)}, gradients(y, start, release=not retain_graph)
    for leaf, g in zip(found, all_reduce_mean(*found.values(), leaves=found, loss=(y.data, start)), strict=True):
        if isinstance(g, TracerBase) and type(leaf.grad) is ndarray:  # while a step is traced: a constant, until now
            leaf.grad = leaf.grad + g
        elif leaf.grad is not None:
            np.add(leaf.grad, g, out=leaf.grad)
        elif type(g) is ndarray and g.base is None and id(g) not in taken:
            leaf.grad = g
        else:  # a leaf owns its gradient: one that is a view, a NumPy scalar, or known to others is copied
            leaf.grad = np.copy(g)
        taken.add(id(g))


def grad(y: Tensor, xs: Any, gradient: Any = None, *, create_graph: bool = False, retain_graph: bool | None = None,
         allow_unused: bool = False) -> Any:
    """The gradient of `y` with respect to `xs`, as a value; no tensor's `grad` changes.

    Parameters
    ----------
    y : Tensor
        A scalar, or any shape with `gradient`.
    xs : Tensor or sequence of Tensor
        Leaves or intermediate tensors.
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
    """
    targets = [xs] if isinstance(xs, Tensor) else list(xs)
    if allow_unused and not y.needs:
        zeros = [Tensor(np.zeros(x.shape, x.dtype)) for x in targets]
        return zeros[0] if isinstance(xs, Tensor) else tuple(zeros)
    g = seed(y, gradient, "grad")
    if isinstance(g, Tensor) != create_graph:
        g = Tensor(g) if create_graph else g.data
    for i, x in enumerate(targets):
        if not isinstance(x, Tensor) or not x.needs:
            raise ValueError(f"grad: number {i} of xs does not require grad; create it with requires_grad=True")
    keep = create_graph if retain_graph is None else retain_graph
    found = gradients(y, g, frozenset(targets), create_graph, release=not keep)
    if not create_graph and (leaves := [x for x in targets if x in found and x.is_leaf]):
        means = all_reduce_mean(*[found[x] for x in leaves], leaves=leaves, loss=(y.data, g))
        found = {**found, **dict(zip(leaves, means, strict=True))}
    results = []
    for i, x in enumerate(targets):
        if x not in found and not allow_unused:
            raise ValueError(f"grad: the output does not depend on number {i} of xs, of shape {x.shape}; "
                             f"pass allow_unused=True if its gradient is to be zeros")
        found_g = found.get(x, np.zeros(x.shape, x.dtype))
        results.append(found_g if isinstance(found_g, Tensor) else Tensor(np.copy(found_g)))
    return results[0] if isinstance(xs, Tensor) else tuple(results)


# --- hooks and anomalies ---


class Handle:
    """What `register_hook` gives back; `remove()` takes the hook away."""

    def __init__(self, hooks: list[Callable[..., Any]], hook: Callable[..., Any]) -> None:
        self.hooks, self.hook = hooks, hook

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        if self.hook in self.hooks:
            self.hooks.remove(self.hook)


def register_hook(x: Tensor, hook: Callable[[Any], Any]) -> Handle:
    """Call ``hook(g)`` with this tensor's complete gradient in every pass; what it returns, if not None, replaces it.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> handle = y.register_hook(lambda g: 10 * g)
    >>> y.backward()
    >>> x.grad
    array(60., dtype=float32)
    """
    if not x.needs:
        raise ValueError("register_hook: this tensor does not require grad, so no gradient will come; "
                         "create it, or an input of it, with requires_grad=True")
    x.hooks = x.hooks or []
    x.hooks.append(hook)
    return Handle(x.hooks, hook)


def keep_grad(g: Any) -> None:
    """Stands among a tensor's hooks where `retain_grad` was called; `hooked` acts on it."""


def retain_grad(x: Tensor) -> None:
    """Let `backward()` leave this intermediate tensor's gradient in `grad` too; it starts fresh on every pass."""
    if x.op is not None and keep_grad not in (x.hooks or ()):
        register_hook(x, keep_grad)


def hooked(node: Tensor, g: Any) -> Any:
    """The gradient after the node's hooks."""
    for hook in tuple(node.hooks or ()):
        if hook is keep_grad:
            node.grad = np.array(g.data if isinstance(g, Tensor) else g)
            continue
        replaced = hook(g if isinstance(g, Tensor) else g.copy())  # a hook may keep its gradient, or write into it
        if replaced is not None:
            if getattr(replaced, "shape", None) != node.shape:
                raise ValueError(f"hook: it returned {type(replaced).__name__} of shape "
                                 f"{getattr(replaced, 'shape', None)}; expected a gradient of shape {node.shape}, "
                                 f"or None to leave it as it is")
            g = replaced.astype(node.dtype)
    return g


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Stop a backward pass at the first nan or infinity, and name the op and the element that made it.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor([0.0, 4.0], requires_grad=True)
    >>> with tt.detect_anomaly():
    ...     np.sqrt(x).sum().backward()
    Traceback (most recent call last):
    FloatingPointError: anomaly: the rule of sqrt for input 0 gave inf at index (0,), where the input is 0.0; ...
    """
    before, state.anomaly = state.anomaly, True
    try:
        yield
    finally:
        state.anomaly = before


def examine(g: Any, x: Tensor, node: Tensor) -> None:
    """Raise if the gradient `g` of `x`, an input of `node`, is not finite."""
    g = g.data if isinstance(g, Tensor) else g
    wrong = np.argwhere(~np.isfinite(g))
    if len(wrong):
        at = tuple(int(k) for k in wrong[0])
        raise FloatingPointError(f"anomaly: {rule_of(x, node)} gave {g[at]} at index {at}, where the input is "
                                 f"{x.data[at]}; {len(wrong)} of {g.size} elements are so; keep the input inside of "
                                 f"the domain, with tt.clip or tt.where before the op")


for function in (backward, register_hook, retain_grad):
    setattr(Tensor, function.__name__, function)
