"""Parameters whose memory somebody else holds: `p.data` taken before, an array, a tensor that they are a part of.

The engine's optimisers move parameters into a vector of their own; these are moved back after each step, so that
whoever holds the memory sees the step. No optimiser is known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from sys import getrefcount
from typing import Any

import numpy as np

from ...core import Tensor as Node
from ..versions import note


def holders(node: Any) -> int:
    """How many hold the memory of a node, or a part of it: a number to compare with `ALONE`."""
    a = node.data
    most = getrefcount(a)
    while type(a.base) is np.ndarray:
        a = a.base
        most = max(most, getrefcount(a))
    return 0 if isinstance(a.base, bytearray) else most  # of an optimiser: its vector, which all its tensors hold


ALONE = holders(Node(np.zeros((2, 2))))


def shared(nodes: Iterable[Any]) -> list[tuple[Any, Any]]:
    """The nodes whose memory others hold too, each with its array."""
    found = []
    for node in nodes:
        if type(node.data) is np.ndarray and holders(node) > ALONE:
            found.append((node, node.data))
    return found


def give_back(moved: Iterable[tuple[Any, Any]]) -> None:
    """Let the nodes have their own arrays again, with the values that they have now."""
    for node, array in moved:
        np.copyto(array, node.data)
        node.data = array
        note(array)
