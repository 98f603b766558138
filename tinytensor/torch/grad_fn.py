"""`x.grad_fn`: what made a tensor, as PyTorch shows it. It computes nothing."""

from __future__ import annotations

from functools import cache
from typing import Any

from .tensor import Tensor, name_of, wrap


class GradFn:
    """What made a tensor, with PyTorch's name for it as the name of its class; where one op here is several there, or
    several one, what comes next is as the engine has it.
    """

    __slots__ = ("node",)

    def __init__(self, node: Any) -> None:
        self.node = node

    def name(self) -> str:
        """PyTorch's name."""
        return type(self).__name__

    @property
    def next_functions(self) -> tuple[tuple[GradFn | None, int], ...]:
        """What made the inputs, each with a 0; of a leaf, what adds to its gradient."""
        return tuple([(None if x is None or not x._requires_grad else grad_fn_of(x), 0) for x in self.node.inputs])

    @property
    def variable(self) -> Tensor:
        """The leaf, of what adds to a gradient."""
        if self.node.op is not None:
            raise AttributeError(f"variable: got {self.name()}; expected AccumulateGrad; follow next_functions to it")
        return wrap(self.node)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self.node):#x}>"


@cache
def grad_fn_class(name: str) -> type[GradFn]:
    """The class of the function that made a tensor, under PyTorch's name."""
    return type(name, (GradFn,), {"__slots__": (), "__module__": "builtins"})


def grad_fn_of(node: Any, name: str = "") -> GradFn:
    """What made a node; of a leaf, what adds to its gradient."""
    return grad_fn_class("AccumulateGrad" if node.op is None else name or name_of(node))(node)


setattr(Tensor, "grad_fn", property(
    lambda x: None if x.node.op is None else grad_fn_of(x.node, x.backward_name()),
    doc="What made this tensor, where a gradient flows through it; else None."))
