"""Which nodes lie behind an output, how often each is used, and which of them lead to the tensors that are asked for.

No gradient is computed here: `autograd.py` does that, in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from .core import RELEASED, Tensor


def count_consumers(roots: Iterable[Tensor], needed: Collection[Tensor] | None) -> dict[Tensor, int]:
    """How often each output of an op behind the roots is used there; with `needed`, by these and of these alone."""
    times = dict.fromkeys(roots, 0)
    for node in (reached := list(times)):
        if node.op is RELEASED:
            raise released_error(node)
        for x in node.inputs:
            if x is not None and x.op is not None and (needed is None or x in needed):
                if x in times:
                    times[x] += 1
                else:
                    times[x] = 1
                    reached.append(x)
    return times


def nodes_between(roots: Iterable[Tensor], wanted: Collection[Tensor]) -> set[Tensor]:
    """All that lies on a way from a root to one of the `wanted`, both ends included."""
    users: dict[Tensor, list[Tensor]] = {y: [] for y in roots}
    for node in (reached := list(users)):
        for x in differentiable_inputs(node):
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


def leaves_of(y: Tensor) -> list[Tensor] | None:
    """The leaves that gradients of y flow to, each once; None if a part of the graph was released."""
    seen, found = {id(y)}, list[Tensor]()
    for node in (reached := [y]):
        if node.op is RELEASED:
            return None
        if node.op is None:
            found.append(node)
        for x in node.inputs:
            if x is not None and id(x) not in seen:
                seen.add(id(x))
                reached.append(x)
    return found


def expand_definitions(roots: Iterable[Tensor]) -> None:
    """Let every fused node behind the roots become the graph of its definition, which has derivatives of any order."""
    seen = dict.fromkeys(roots)
    for node in (reached := list(seen)):
        while node.op is not None and node.op.definition is not None:
            become_definition(node, node.op.definition)
        for x in differentiable_inputs(node):
            if x not in seen:
                seen[x] = None
                reached.append(x)


def differentiable_inputs(node: Tensor) -> list[Tensor]:
    """The inputs of a node that gradients flow to."""
    if node.op is RELEASED:
        raise released_error(node)
    return [x for x in node.inputs if x is not None]


def released_error(node: Tensor) -> RuntimeError:
    return RuntimeError(f"backward: this graph was released by an earlier pass (a tensor of shape {node.shape} in it "
                        f"no longer knows its inputs); compute the loss again, or pass retain_graph=True to the "
                        f"earlier pass")


def become_definition(node: Tensor, definition: Callable[..., Any]) -> None:
    """Replace a fused node by the graph of its definition, recorded on the node's own inputs.

    Its value stays, which is the definition's too; only the recorded history differs.
    """
    params = {key: value for key, value in node.params.items() if key != "extras"}
    y = definition(*operands(node), **params)
    node.op, node.inputs, node.saved, node.params = y.op, y.inputs, y.saved, y.params


def operands(node: Tensor) -> list[Any]:
    """What the op was given: the tensors that need a gradient, and the arrays of the other inputs."""
    return [a if x is None else x for x, a in zip(node.inputs, node.saved, strict=True)]
