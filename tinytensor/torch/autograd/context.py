"""What a function of one's own keeps from its forward pass for its backward pass."""

from __future__ import annotations

from typing import Any

from ...core import Op
from ..tensor import Tensor, clock, wrap
from ..versions import changed, stale


class Context:
    """What `forward` leaves for `backward`: tensors by `save_for_backward`, anything else as an attribute."""

    def __init__(self, name: str, needs: tuple[bool, ...]) -> None:
        self.name, self.needs_input_grad = name, needs
        self.kept: list[Any] = []  # what was saved: tensors, None, or the index of an output
        self.plain: set[int] = set()  # outputs without a gradient, by id
        self.dirty: list[Tensor] = []
        self.stamp = 0
        self.y: Any = None
        self.pass_: dict[str, Any] = {"g": None, "found": None, "served": set()}

    def save_for_backward(self, *tensors: Any) -> None:
        """Save tensors, or None: inputs, outputs and what was made on the way."""
        for x in tensors:
            if x is not None and not isinstance(x, Tensor):
                raise TypeError(f"save_for_backward can only save variables, but argument is of type "
                                f"{type(x).__name__}; expected tensors; keep it as an attribute: ctx.name = value")
        self.kept = [x if x is None else (x, x.node) for x in tensors]
        self.stamp = clock[0]

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved; an error where it was written into since."""
        found: list[Any] = []
        for entry in self.kept:
            if entry is None:
                found.append(None)
                continue
            x = self.y(entry) if isinstance(entry, int) else wrap(entry[1])
            if stale(x.node.data, self.stamp):
                raise changed("what save_for_backward was given", Op(self.name, lambda: None, ()), x.node.data)
            found.append(x)
        return tuple(found)

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Say that these outputs have no gradient."""
        self.plain = {id(y) for y in outputs}

    def mark_dirty(self, *inputs: Tensor) -> None:
        """Declare that these inputs were changed in place and are outputs."""
        self.dirty = list(inputs)

    def set_materialize_grads(self, value: bool) -> None:
        """Whether outputs that nothing depends on have zeros for a gradient, which is so here."""
        if not value:
            raise RuntimeError(f"{self.name}: got set_materialize_grads(False); expected True, for a gradient is never "
                               f"None here; leave it out")
