"""`detect_anomaly` as PyTorch has it: an error where a backward rule gives nan, with the line that made its op.

The forward pass is not looked at, nor are infinities; `tinytensor.detect_anomaly` does both.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

import numpy as np

from ...anomaly import Anomaly, users_line
from ...core import Tensor as Node
from ...core import refuse_traced
from ...modes import active_watchers, state
from ..backward_names import backward_name


class Nans(Anomaly):
    """What is checked inside of one block."""

    def forward(self, node: Any, op: Any, arrays: Any) -> None:
        """Keep the line in which a node is made."""
        if node.op is not None and not self.quiet:
            key = id(node)
            self.lines[key] = (ref(node, lambda _: self.lines.pop(key, None) and None), users_line())

    def examine(self, gx: Any, g: Any, x: Any, node: Any, rule: str) -> None:
        """Raise if a gradient has nan in it."""
        if not np.isnan(gx.data if isinstance(gx, Node) else gx).any():
            return
        i = next(i for i, one in enumerate(node.inputs) if one is x)
        try:
            super().examine(gx, g, x, node, rule)
        except FloatingPointError as error:
            name = backward_name(node.op.name, node.params, [getattr(a, "shape", None) for a in node.saved])
            raise RuntimeError(f"Function '{name}' returned nan values in its {i}th output; {error}") from None


class detect_anomaly:
    """Stop where a backward rule gives nan, inside of the block; with `check_nan=False` nothing is checked.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> x = torch.tensor([0.0], requires_grad=True)
    >>> with torch.autograd.detect_anomaly():
    ...     (x.sqrt() * 0).sum().backward()
    Traceback (most recent call last):
    RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output; ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.look = check_nan
        self.anomaly: Nans | None = None

    def __enter__(self) -> None:
        refuse_traced("detect_anomaly", "checks values, which a compiled step does not")
        self.before = state.anomaly, state.watchers
        state.anomaly, others = None, tuple(w for w in state.watchers if not of_anomaly(w))
        state.watchers = others
        if self.look:
            state.anomaly = self.anomaly = Nans()
            state.watchers = (*others, self.anomaly.forward)
            active_watchers.append(self.anomaly)

    def __exit__(self, *_: object) -> None:
        if self.anomaly is not None:
            active_watchers.remove(self.anomaly)
            self.anomaly = None
        state.anomaly, state.watchers = self.before


def of_anomaly(watcher: Any) -> bool:
    return isinstance(getattr(watcher, "__self__", None), Anomaly)


class set_detect_anomaly(detect_anomaly):
    """Look for nan from now on, or no longer; as a block, until its end."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        super().__init__(bool(mode) and check_nan)
        super().__enter__()

    def __enter__(self) -> None: ...
