"""The graph behind an output: its nodes, how many nodes consume each, and which lead to given tensors.

It computes no gradient: `autograd.py` does, in the order that is found here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from .core import RELEASED, Tensor, op_name


def count_consumers(roots: Iterable[Tensor], needed: Collection[Tensor] | None) -> dict[Tensor, int]:
    """How many nodes consume each node that is reachable from the roots, restricted to `needed` if given."""
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
    """All nodes on a path from a root to one of the `wanted`, both ends included."""
    users: dict[Tensor, list[Tensor]] = {y: [] for y in roots}
    for node in (reached := list(users)):
        for x in differentiable_inputs(node):
            if x not in users:
                users[x] = []
                reached.append(x)
            users[x].append(node)
    on_path = [x for x in wanted if x in users]
    found = set(on_path)
    for x in on_path:
        fresh = [user for user in users[x] if user not in found]
        found.update(fresh)
        on_path += fresh
    return found


def leaves_of(y: Tensor) -> list[Tensor] | None:
    """The leaves that gradients of y flow to, each once; None if part of the graph was released."""
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
    """Replace every fused node behind the roots by the graph of its definition, which has derivatives of any order."""
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
    return RuntimeError(f"backward: got a graph that an earlier pass has released, at the output of {op_name(node)}, "
                        f"of shape {node.shape}; expected a graph for each pass; compute the loss again, or pass "
                        f"retain_graph=True to the earlier pass")


def become_definition(node: Tensor, definition: Callable[..., Any]) -> None:
    """Replace a fused node by the graph of its definition, recorded on the node's own inputs.

    Its value stays the same; only the recorded history differs.
    """
    params = {key: value for key, value in node.params.items() if key != "extras"}
    y = definition(*operands(node), **params)
    node.op, node.inputs, node.saved, node.params = y.op, y.inputs, y.saved, y.params


def operands(node: Tensor) -> list[Any]:
    """The op's inputs: the tensors that require grad, and the arrays of the others."""
    return [a if x is None else x for x, a in zip(node.inputs, node.saved, strict=True)]
