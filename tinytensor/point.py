"""One call of a function that is differentiated: its arguments as tensors of its own, what it gave, and its gradients.

It is what the functions in `transforms.py` have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from .autograd import grad
from .core import Tensor, as_array, needs_grad
from .modes import recording, state
from .trees import children, describe, keep_module, tree_leaves, tree_map, tree_unflatten, tree_zip

Function = Callable[..., Any]


@contextmanager
def differentiating() -> Iterator[None]:
    """Inside, ops are recorded, and so are the results of functions of functions."""
    state.depth += 1
    try:
        with recording(True):
            yield
    finally:
        state.depth -= 1


class Point:
    """One call of a function, with tensors of its own in the place of the arguments that are differentiated.

    Attributes
    ----------
    xs : list of Tensor
        What it is differentiated with respect to.
    y, aux
        What the function gave.
    recorded : bool
        Whether the derivatives are recorded in their turn: as those of any op, if a Tensor that requires grad came.
    """

    def __init__(self, name: str, f: Function, args: Sequence[Any], kwargs: dict[str, Any], argnums: Any,
                 has_aux: bool = False, create_graph: bool | None = None) -> None:
        if not callable(f):
            raise TypeError(f"{name}: got {describe(f)}; expected a function of arrays; pass it uncalled: f, not f(x)")
        argnums = argnums.item() if isinstance(argnums, np.generic) else argnums
        self.name, self.argnums, self.xs = name, argnums, list[Tensor]()
        self.recorded = create_graph or False
        if create_graph is None:
            given = tree_leaves((args, kwargs), keep_module)
            self.recorded = state.recording and (state.depth > 0 or any(map(needs_grad, given)))
        self.chosen = positions(name, argnums, len(args))
        self.parts, given = [args[i] for i in self.chosen], list(args)
        for i in self.chosen:
            given[i] = tree_map(partial(self.own, i), args[i], self.parameters)
        with differentiating():
            y = f(*given, **kwargs)
        if has_aux and not (isinstance(y, tuple) and len(y) == 2):
            raise TypeError(f"{name}: has_aux is True, and the function gave {describe(y)}; expected two things, "
                            f"(output, aux); return both, or leave has_aux out")
        self.y: Any = y[0] if has_aux else y
        self.aux: Any = y[1] if has_aux else None

    def own(self, i: int, x: Any, path: str) -> Tensor:
        """A tensor with the values of a part of argument i, and nothing recorded before it unless that is needed."""
        a = x.data if isinstance(x, Tensor) else as_array(x)
        if a.dtype.kind != "f":
            raise TypeError(f"{self.name}: argument {i}{path} has dtype {a.dtype}; expected a floating one, for others "
                            f"have no derivatives; convert it, x.astype(np.float32), or do not differentiate by it")
        tracked: Any = np.positive(x) if self.recorded and needs_grad(x) else Tensor(a, True)
        self.xs.append(tracked)
        return tracked  # type: ignore[no-any-return]

    def parameters(self, module: Any) -> Any:
        """The Module itself, for its parameters are tensors of its own."""
        self.xs += [p for _, p in children(module) or ()]
        return module

    def outputs(self) -> list[Tensor]:
        """The leaves of the output, all of which must have derivatives; plain floating arrays are constants."""
        self.y = tree_map(self.output, self.y)
        return tree_leaves(self.y)

    def output(self, y: Any, path: str) -> Tensor:
        if isinstance(y, float | np.floating | np.ndarray):
            y = Tensor(y)
        if not isinstance(y, Tensor) or y.dtype.kind != "f":
            got = f"{y.dtype} of shape {y.shape}" if isinstance(y, Tensor) else describe(y)
            raise TypeError(f"{self.name}: the function gave {got}{path and ' at ' + path}; expected Tensors of a "
                            f"floating dtype; compute it by ops of its arguments, or give it as aux, with has_aux=True")
        return y

    def scalar(self) -> Tensor:
        """The output, which must be one number that depends on something."""
        if not isinstance(self.y, Tensor) or self.y.size != 1:
            raise ValueError(f"{self.name}: the function gave {describe(self.y)}; expected a scalar Tensor; reduce "
                             f"it (.sum(), .mean()), or use tt.jacobian")
        if not self.y._requires_grad:
            raise ValueError(f"{self.name}: the function's output depends on nothing that requires grad; expected it "
                             f"to be computed from the arguments; don't detach them, and don't convert them to arrays")
        return self.y

    def gradients(self, ys: Any, gs: Any = None, create_graph: bool = False, **options: Any) -> Any:
        """Of outputs with respect to all xs; zeros for those that they do not depend on."""
        return grad(ys, self.xs, gs, create_graph=create_graph or self.recorded, allow_unused=True, **options)

    def directions(self, values: Any, what: str) -> list[Any]:
        """A value for each x, from the structure of the arguments that are differentiated."""
        pairs = tree_zip(tuple(self.parts), values, what)
        return [as_like(x, v, where) for x, (_, v, where) in zip(self.xs, pairs, strict=True)]

    def structure(self, values: Any) -> Any:
        """One value for each x, in the structure of the arguments."""
        rest = iter(values)
        found = tuple([tree_unflatten(part, rest) for part in self.parts])
        return found[0] if isinstance(self.argnums, int) else found

    def result(self, x: Any) -> Any:
        """What the function gave, as it leaves: with no graph, unless the derivatives are recorded too."""
        if self.recorded:
            return x
        return tree_map(lambda y, _: y.detach() if isinstance(y, Tensor) else y, x, keep_module)


def positions(name: str, argnums: Any, n: int) -> list[int]:
    """The positions of the arguments that are differentiated."""
    found = list(argnums) if np.iterable(argnums) else [argnums]
    found = [i.item() if isinstance(i, np.generic) else i for i in found]
    if not found or not all(type(i) is int and -n <= i < n for i in found) or len({i % n for i in found}) < len(found):
        raise ValueError(f"{name}: argnums={argnums!r} for {n} positional arguments; expected positions from 0 to "
                         f"{n - 1}, each once; arguments by keyword are not differentiated")
    return [i % n for i in found]


def as_like(x: Tensor, value: Any, where: str) -> Any:
    """A Tensor or array of the shape and dtype of x."""
    v = value if isinstance(value, Tensor) else as_array(value)
    if v.shape != x.shape:
        raise ValueError(f"{where} has shape {v.shape}; expected {x.shape}; give one of the same shape")
    return v if v.dtype == x.dtype else v.astype(x.dtype)
