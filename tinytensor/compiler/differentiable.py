"""A compiled function as one op: its output is a node whose rule is the compiled backward pass."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

from ..core import Op, Tensor, record
from .codegen.writer import write_source
from .ir import CompileError
from .passes import optimized
from .passes.partition import Backward
from .tracing.backward import is_live
from .tracing.signature import flat

Invoke = Callable[[tuple[Any, ...]], Any]


class Saved:
    """The values that one call of a compiled function saved for its backward pass."""

    def __init__(self, arrays: list[Any], args: tuple[Any, ...]) -> None:
        self.arrays, self.args = arrays, args
        self.g: Any = None  # the gradient that the pass last ran for, and its result
        self.found: list[Any] = []


class CompiledOp:
    """The op of one output of a compiled function.

    Parameters
    ----------
    backward : Backward
    title : str
    positions : list of (Tensor or int)
        Of each leaf: the tensor that the function knows, or the position of an argument.
    again : callable or None
        Returns this output of the function itself for its arguments, where that can be called again: what higher
        orders differentiate.
    """

    def __init__(self, backward: Backward, title: str, positions: list[Any], again: Invoke | None) -> None:
        self.backward, self.title, self.positions, self.again = backward, title, positions, again
        self.run: Callable[..., Any] | None = None
        rules = [self.rule(i) for i in range(len(positions))]
        self.op = Op(f"{title}, compiled", self.forward, rules, definition=self.definition)

    def forward(self, *_: Any) -> Any:
        raise CompileError(f"compile: got a call of the op of {self.title}; expected calls of {self.title}; call it "
                           "instead")

    def node(self, y: Any, outputs: Sequence[Any], args: tuple[Any, ...]) -> Tensor:
        """The output as a tensor of the graph, given the program's results and the arguments."""
        tensors = [x for x in flat(args) if isinstance(x, Tensor)] if args else []
        inputs = [tensors[p] if isinstance(p, int) else p for p in self.positions]
        given = [outputs[i].copy("K") if hasattr(outputs[i], "copy") else outputs[i] for i in self.backward.saved]
        return record(self.op, y, list(inputs), [t.data for t in inputs], {"saved": Saved(given, args)}, True)

    def rule(self, i: int) -> Callable[..., Any]:
        def gradient(g: Any, y: Any, *inputs: Any, saved: Saved) -> Any:
            if saved.g is not g:
                saved.g, saved.found = g, self.backward_pass(g, saved)
            return saved.found[i]

        return gradient

    def backward_pass(self, g: Any, saved: Saved) -> list[Any]:
        """The gradients of all leaves: the program is made when it is first needed."""
        if self.run is None:
            source, _ = write_source(optimized(self.backward.program), f"{self.title}, backward")
            namespace = {**source.inputs, **source.named}
            exec(builtins.compile(source.code, f"<{self.title}, backward>", "exec"), namespace)
            self.run = namespace["step"]
        return [x.copy("K") for x in self.run(g, *saved.arrays)]

    def definition(self, *inputs: Any, saved: Saved) -> Any:
        """The function itself, on the same tensors: for second derivatives."""
        if self.again is None:
            raise CompileError(f"compile: {self.title} changes its state or draws random numbers, so it can't be "
                               "called again for a second derivative; expected a function that can; call tt.grad in "
                               "the step, or leave tt.compile out")
        return self.again(saved.args)


class Shared:
    """The op of a result of several workers; its backward pass raises."""

    def __init__(self, title: str) -> None:
        def refuse(*_: Any, **__: Any) -> Any:
            raise CompileError(f"compile: gradients would flow back into {title}, which several workers share; "
                               "expected backward() in the step; call it there, or leave workers out")

        self.op, self.leaf = Op(f"{title}, compiled", refuse, [refuse], definition=refuse), Tensor(0.0, True)

    def node(self, y: Any, outputs: Sequence[Any], args: tuple[Any, ...]) -> Tensor:
        """The output as a tensor whose backward pass raises."""
        return record(self.op, y, [self.leaf], [self.leaf.data], {}, True)


def alone(title: str, x: Any) -> Any:
    """A result of a shared step: no gradients flow out of it, as at its later calls."""
    if not isinstance(x, Tensor):
        return x
    return Shared(title).node(x.data, (), ()) if is_live(x) else x.detach()


def node_of(title: str, backward: Backward | None, positions: list[Any], again: Invoke | None) -> CompiledOp | Shared:
    """The op of an output: with its backward pass, or, where workers share the step, without."""
    return Shared(title) if backward is None else CompiledOp(backward, title, positions, again)
