"""One call of a function that is differentiated: fresh tensors for its arguments, its output, and gradients.

The transformations in `transforms.py` are built on it.
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
    """Inside, ops are recorded, and so are the results of inner transformations."""
    state.depth += 1
    try:
        with recording(True):
            yield
    finally:
        state.depth -= 1


class Point:
    """One call of a function, with fresh tensors for the arguments that are differentiated.

    Attributes
    ----------
    xs : list of Tensor
        The tensors to differentiate with respect to.
    y, aux
        What the function returned.
    recorded : bool
        Whether the derivatives are recorded too: like any op's, if a Tensor that requires grad was passed.
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
            raise TypeError(f"{name}: got {describe(y)} from the function, with has_aux=True; expected (output, aux); "
                            f"return both, or leave out has_aux")
        self.y: Any = y[0] if has_aux else y
        self.aux: Any = y[1] if has_aux else None

    def own(self, i: int, x: Any, path: str) -> Tensor:
        """A tensor with the values of a part of argument i, without its history unless that is needed."""
        a = x.data if isinstance(x, Tensor) else as_array(x)
        if a.dtype.kind != "f":
            raise TypeError(f"{self.name}: got dtype {a.dtype} for argument {i}{path}; expected a floating one, for "
                            f"others have no derivatives; convert it: x.astype(np.float32), or leave it out of argnums")
        tracked: Any = np.positive(x) if self.recorded and needs_grad(x) else Tensor(a, True)
        self.xs.append(tracked)
        return tracked  # type: ignore[no-any-return]

    def parameters(self, module: Any) -> Any:
        """The Module itself; its parameters are differentiated."""
        self.xs += [p for _, p in children(module) or ()]
        return module

    def outputs(self) -> list[Tensor]:
        """The leaves of the output, all of a floating dtype; plain arrays are constants."""
        self.y = tree_map(self.output, self.y)
        return tree_leaves(self.y)

    def output(self, y: Any, path: str) -> Tensor:
        if isinstance(y, float | np.floating | np.ndarray):
            y = Tensor(y)
        if not isinstance(y, Tensor) or y.dtype.kind != "f":
            got = f"{y.dtype} of shape {y.shape}" if isinstance(y, Tensor) else describe(y)
            raise TypeError(f"{self.name}: got {got} from the function{path and ', at ' + path}; expected Tensors of a "
                            f"floating dtype; compute it from the arguments, or return it as aux, with has_aux=True")
        return y

    def scalar(self) -> Tensor:
        """The output, which must be a scalar that requires grad."""
        if not isinstance(self.y, Tensor) or self.y.size != 1:
            raise ValueError(f"{self.name}: got {describe(self.y)} from the function; expected a scalar Tensor; reduce "
                             f"it (.sum(), .mean()), or use tt.jacobian")
        if not self.y._requires_grad:
            raise ValueError(f"{self.name}: got an output that does not require grad; expected one computed from the "
                             f"arguments; do not detach these or convert them to arrays")
        return self.y

    def gradients(self, ys: Any, gs: Any = None, create_graph: bool = False, **options: Any) -> Any:
        """The gradients of outputs with respect to all xs; zeros for those that they do not depend on."""
        return grad(ys, self.xs, gs, create_graph=create_graph or self.recorded, allow_unused=True, **options)

    def directions(self, values: Any, what: str) -> list[Any]:
        """A value for each x, from a structure like that of the differentiated arguments."""
        pairs = tree_zip(tuple(self.parts), values, what)
        return [as_like(x, v, where) for x, (_, v, where) in zip(self.xs, pairs, strict=True)]

    def structure(self, values: Any) -> Any:
        """One value for each x, in the structure of the arguments."""
        rest = iter(values)
        found = tuple([tree_unflatten(part, rest) for part in self.parts])
        return found[0] if isinstance(self.argnums, int) else found

    def result(self, x: Any) -> Any:
        """A result as it is returned: detached, unless the derivatives are recorded too."""
        if self.recorded:
            return x
        return tree_map(lambda y, _: y.detach() if isinstance(y, Tensor) else y, x, keep_module)


def positions(name: str, argnums: Any, n: int) -> list[int]:
    """The positions in `argnums`, checked and counted from 0."""
    found = list(argnums) if np.iterable(argnums) else [argnums]
    found = [i.item() if isinstance(i, np.generic) else i for i in found]
    if not found or not all(type(i) is int and -n <= i < n for i in found) or len({i % n for i in found}) < len(found):
        raise ValueError(f"{name}: got argnums={argnums!r} for {n} positional arguments; expected positions from 0 to "
                         f"{n - 1}, each once; pass by position what is to be differentiated")
    return [i % n for i in found]


def as_like(x: Tensor, value: Any, where: str) -> Any:
    """A Tensor or array of the shape and dtype of x."""
    v = value if isinstance(value, Tensor) else as_array(value)
    if v.shape != x.shape:
        raise ValueError(f"{where}: got shape {v.shape}; expected {x.shape}; pass one of that shape")
    return v if v.dtype == x.dtype else v.astype(x.dtype)
