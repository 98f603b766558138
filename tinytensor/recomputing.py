"""recompute: keep only the inputs of a function, and compute the rest again in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import get_ident
from types import FunctionType, MethodType
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .advice import a_type
from .autograd import gradients
from .core import Op, Tensor, needs_grad, record, tracing
from .define import VariadicRules
from .modes import recording, state, watching
from .random import Generator, default_generator
from .trees import is_module, keep_module, tree_leaves, tree_map

Function = Callable[..., Any]
P = ParamSpec("P")
R = TypeVar("R")


# --- random streams and buffers that a function uses ---


def reachable(*things: Any) -> Iterator[Any]:
    """The Modules and random generators that a function can reach: in closures, globals, bound objects, containers."""
    seen: dict[int, Any] = {}
    waiting = list(things)
    while waiting:
        x = waiting.pop()
        if id(x) in seen:
            continue
        seen[id(x)] = x
        if is_module(x):
            yield x
            waiting += [v for module in x.modules() for v in vars(module).values()]
        elif isinstance(x, Generator | np.random.Generator | np.random.RandomState):
            yield x
        elif isinstance(x, FunctionType):
            if x.__module__.startswith(("tinytensor.", "numpy.")):
                continue
            waiting += [cell.cell_contents for cell in x.__closure__ or () if is_filled(cell)]
            waiting += [x.__globals__.get(name) for name in x.__code__.co_names]
            waiting += [*(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values()]
        elif isinstance(x, MethodType):
            waiting += [x.__self__, x.__func__]
        elif isinstance(x, partial):
            waiting += [x.func, *x.args, *x.keywords.values()]
        elif isinstance(x, list | tuple):
            waiting += x
        elif isinstance(x, dict):
            waiting += x.values()
        elif callable(x) and hasattr(x, "__dict__") and not isinstance(x, type):
            waiting += vars(x).values()


def is_filled(cell: Any) -> bool:
    """Whether a closure's cell has a value other than None."""
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


class Surroundings:
    """The random streams and buffers that a function can reach, with their states when this was created."""

    def __init__(self, *things: Any) -> None:
        found = [default_generator(), *reachable(*things)]
        self.buffers = [b for m in found if is_module(m) for _, b in m.named_buffers()]
        self.streams = [x for x in found if not is_module(x)]
        self.before = self.now()

    def now(self) -> list[Any]:
        """Their current states."""
        streams = [rng.bit_generator.state if isinstance(rng, np.random.Generator) else rng.get_state()
                   for rng in self.streams]
        return [np.random.get_state(), *streams, *[b.data.copy() for b in self.buffers]]

    def restore(self, values: list[Any]) -> None:
        np.random.set_state(values[0])
        for rng, v in zip(self.streams, values[1:], strict=False):
            if isinstance(rng, np.random.Generator):
                rng.bit_generator.state = v
            else:
                rng.set_state(v)
        for b, v in zip(self.buffers, values[1 + len(self.streams):], strict=True):
            if not np.array_equal(b.data, v, equal_nan=True):
                b.data[...] = v

    @contextmanager
    def again(self) -> Iterator[None]:
        """Inside the block they have their first states; after it, the current ones again."""
        now = self.now()
        self.restore(self.before)
        try:
            yield
        finally:
            self.restore(now)


# --- a call that can be repeated ---


class Call:
    """A function and its arguments; `inputs` are the tensors among them that require grad."""

    def __init__(self, f: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.f, self.given = f, (args, kwargs)
        self.inputs = [x for x in tree_leaves(self.given, keep_module) if needs_grad(x)]
        self.captured: list[Tensor] = []  # leaves that are not arguments, such as a Module's parameters
        self.value: Any = None  # of the first run
        self.alias = False  # whether the function returns one of its inputs
        self.surroundings = Surroundings(f, args, kwargs)
        self.found: tuple[Any, dict[int, Any]] = (None, {})  # a gradient of the output, and those of the inputs for it

    def run(self, inputs: Sequence[Tensor]) -> Any:
        """Call the function with these inputs, and record everything."""
        rest = iter(inputs)
        args, kwargs = tree_map(lambda x, _: next(rest) if needs_grad(x) else x, self.given, keep_module)
        with recording(True):
            return self.f(*args, **kwargs)

    def first(self) -> Any:
        """The output of the first run, as outputs of one node whose rule runs the function again."""
        made: set[int] = set()

        def watcher(node: Tensor, *_: Any) -> None:
            made.add(id(node))

        zs = [Tensor(x.data, requires_grad=True) for x in self.inputs]
        with watching(watcher):
            result = self.run(zs)
            ys = [y for y in tree_leaves(result, keep_module) if needs_grad(y)]
            if not ys:
                return result
            self.alias = len(ys) == 1 and id(ys[0]) not in made
            y = self.joined(result)
        self.captured, self.value = self.boundary(y, zs, made), y.data
        inputs = [*self.inputs, *self.captured]
        node = record(RECOMPUTE, y.data, [*inputs], [x.data for x in inputs], {"call": self}, True)
        parts = iter([node] if len(ys) == 1 else split_flat(node, [y.shape for y in ys]))
        return tree_map(lambda x, _: next(parts) if needs_grad(x) else x, result, keep_module)

    def joined(self, result: Any) -> Any:
        """The outputs that require grad as one tensor."""
        ys = [y for y in tree_leaves(result, keep_module) if needs_grad(y)]
        if len(ys) == 1:
            return np.positive(ys[0]) if self.alias else ys[0]
        if len({y.dtype for y in ys}) > 1:
            raise TypeError(f"recompute: got outputs of dtypes {', '.join(str(y.dtype) for y in ys)} from the "
                            f"function; expected one dtype for all; convert them with .astype")
        return np.concatenate([y.reshape(-1) for y in ys])

    def boundary(self, y: Tensor, zs: list[Tensor], made: set[int]) -> list[Tensor]:
        """The leaves behind y that are not inputs; other tensors that were computed before are an error."""
        own, seen, found = set(map(id, zs)), {id(y)}, list[Tensor]()
        for node in (nodes := [y]):
            for x in node.inputs:
                if x is None or id(x) in seen or id(x) in own:
                    continue
                seen.add(id(x))
                if x.op is None:
                    found.append(x)
                elif id(x) in made:
                    nodes.append(x)
                else:
                    raise ValueError(f"recompute: got a function that uses a tensor of shape {x.shape}, the output "
                                     f"of {x.op.name}, which was computed outside of it; expected such tensors as "
                                     f"arguments; write tt.recompute(f, x, ...)")
        return found

    def again(self, inputs: Sequence[Tensor]) -> Any:
        """The output computed once more, with the same random draws, and compared with the first."""
        y = self.value
        with self.surroundings.again():
            z = self.joined(self.run(inputs[: len(self.inputs)]))
        slack = 16 * float(np.finfo(y.dtype).eps)
        if z.shape != y.shape or not np.allclose(z.data, y, rtol=slack, equal_nan=True, atol=slack * float(
                np.max(np.abs(y), initial=0, where=np.isfinite(y)))):
            raise RuntimeError("recompute: got other values when the function was computed again; expected the same; "
                               "step the optimiser after the backward pass, let the function change nothing, and let "
                               "it draw from the default generator or from one that it refers to by name")
        return z

    def gradient(self, g: Any, i: int) -> Any:
        """The gradient of input i; the first rule that asks computes those of all inputs."""
        if self.found[0] is not g or i not in self.found[1]:
            zs = [Tensor(x.data, requires_grad=True) for x in self.inputs]
            wanted = [*zs, *self.captured]
            found = gradients({self.again(zs): g}, frozenset(wanted), hooks=False)
            self.found = g, {k: found[x] if x in found else np.zeros_like(x.data) for k, x in enumerate(wanted)}
        return self.found[1].pop(i)


def split_flat(y: Any, shapes: list[tuple[int, ...]]) -> Iterator[Any]:
    """Split a flat tensor into tensors of these shapes."""
    start = 0
    for shape in shapes:
        size = int(np.prod(shape))
        yield y[start : start + size].reshape(shape)
        start += size


RECOMPUTE = Op("recompute", lambda *_: None, VariadicRules(lambda g, y, i, *inputs, call: call.gradient(g, i)),
               definition=lambda *inputs, call: call.again(inputs))


def recompute(f: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call ``f(*args, **kwargs)`` and keep only its inputs: the backward pass computes the rest again.

    Also known as gradient checkpointing (Chen et al. 2016). It costs one more forward pass; of a deep network, memory
    then holds only the inputs of the layers and all values of one layer. The second run repeats the random draws from
    the default generator and from those that `f` refers to by name; buffers, such as running statistics, are updated
    once. It is an error if the values of the second run differ.

    Parameters
    ----------
    f : callable
        A function or a Module; parameters that it uses get their gradients.
    *args, **kwargs
        Anything; tensors may be in nested lists, tuples and dicts. Tensors that were computed outside of `f` must be
        passed here, not by closure.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor([1.0, 2.0], requires_grad=True)
    >>> y = tt.recompute(lambda x: np.exp(x) * np.sin(x), x)
    >>> y.sum().backward()
    >>> x.grad.round(3)
    array([3.756, 3.644], dtype=float32)
    """
    if not callable(f):
        raise TypeError(f"recompute: got {a_type(f)}; expected a function or a Module; pass it uncalled, and "
                        f"its arguments after it: tt.recompute(f, x)")
    if not state.recording or any(trace.thread == get_ident() for trace in tracing):  # compiled: kept as needed
        return f(*args, **kwargs)
    y: R = Call(f, args, kwargs).first()
    return y
