"""How a network is doing, in numbers: its activations, their gradients, its weights, and how far each step moves them.

It observes a network through hooks, which are removed when the block ends: a network that is not watched pays nothing.
It draws nothing (that is `plot`) and judges nothing: the third lecture explains which numbers are healthy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from ..advice import a_type
from ..core import Array, Tensor
from ..nn import Module, ReLU, Sigmoid, Tanh

__all__ = ["SATURATED", "Activation", "Updates", "Weights", "parameters", "table", "watch"]

# Where an activation is so flat that hardly any gradient passes; you can add a class of your own.
SATURATED: dict[type[Module], Callable[[Any, float], Any]] = {
    Tanh: lambda y, limit: np.abs(y) > limit,
    Sigmoid: lambda y, limit: np.abs(2 * y - 1) > limit,
    ReLU: lambda y, limit: y <= 0,
}
STUCK = SATURATED  # its old name


class Activation(NamedTuple):
    """The outputs of one layer and their gradient. `saturated` and `dead` are nan if the layer can't saturate."""

    layer: str
    kind: str
    mean: float
    std: float  # unbiased, as PyTorch's
    saturated: float  # fraction of the outputs where the function is flat
    dead: float  # fraction of the units, along the last axis, that are saturated for every example
    grad_mean: float  # nan without a gradient
    grad_std: float


class Weights(NamedTuple):
    """The values of one parameter, and their gradient."""

    parameter: str
    shape: tuple[int, ...]
    std: float
    grad_mean: float  # nan without a gradient
    grad_std: float
    ratio: float  # grad_std / std


FORMATS = {"mean": "+.4f", "std": ".4f", "saturated": ".2%", "dead": ".2%", "grad_mean": "+.2e", "grad_std": ".4e",
           "ratio": ".4e"}


@np.errstate(invalid="ignore", over="ignore")  # a network that has diverged contains inf and nan
def std(a: Any) -> float:
    """The unbiased standard deviation, in double precision; 0 for one number, nan for none."""
    return float(np.std(a, ddof=min(1, a.size - 1), dtype=np.float64)) if a.size else math.nan


@np.errstate(invalid="ignore", over="ignore")
def mean(a: Any) -> float:
    return float(np.mean(a, dtype=np.float64)) if a.size else math.nan


def safe_ratio(part: float, whole: float) -> float:
    """part / whole; if whole is 0, inf for a positive part and nan otherwise."""
    return part / whole if whole else math.inf if part > 0 else math.nan


def table(rows: Sequence[Any]) -> str:
    """Rows of `Activation` or of `Weights` as lines to print, under the fields' names.

    Examples
    --------
    >>> print(table([Weights("weight", (3, 2), 0.5, 0.0, 0.25, 0.5)]))
    parameter  shape   std     grad_mean  grad_std    ratio
    weight     (3, 2)  0.5000  +0.00e+00  2.5000e-01  5.0000e-01
    """
    def cell(name: str, value: Any) -> str:
        return "-" if value != value else format(value, FORMATS[name]) if name in FORMATS else str(value)

    if not rows:
        return "nothing was seen: call the model inside the block"
    names = rows[0]._fields
    cells = [names, *([cell(*pair) for pair in zip(names, row, strict=True)] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)


# --- activations and their gradients ---


class Seen:
    """What `watch` has recorded: arrays by the layer's path, in the order of the calls.

    Attributes
    ----------
    activations, gradients : dict of str to array
        Outputs, and their gradients after `backward()`; layers that got no gradient are left out.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.modules: dict[str, Module] = {}
        self.activations: dict[str, Array] = {}
        self._gradients: dict[str, Array] = {}  # in the order of the backward pass: the last layer's first

    @property
    def gradients(self) -> dict[str, Array]:
        return {layer: self._gradients[layer] for layer in self.activations if layer in self._gradients}

    def saturated(self, layer: str) -> Array | None:
        """Where the outputs of a layer are saturated, or None for a layer that can't be."""
        rule = next((SATURATED[kind] for kind in type(self.modules[layer]).__mro__ if kind in SATURATED), None)
        return None if rule is None else np.asarray(rule(self.activations[layer], self.limit))

    stuck = saturated  # its old name

    def row(self, layer: str) -> Activation:
        y, g, flat = self.activations[layer], self._gradients.get(layer, np.empty(0)), self.saturated(layer)
        saturated, dead = math.nan, math.nan
        if flat is not None and flat.size:
            saturated = mean(flat)
            dead = mean(flat.reshape(-1, flat.shape[-1] if flat.ndim else 1).all(0))
        return Activation(layer, type(self.modules[layer]).__name__, mean(y), std(y), saturated, dead, mean(g), std(g))

    def report(self) -> list[Activation]:
        """The numbers of each layer; `table` formats them."""
        return [self.row(layer) for layer in self.activations]


@contextmanager
def watch(model: Module, kinds: type[Module] | tuple[type[Module], ...] = (), limit: float = 0.97) -> Iterator[Seen]:
    """Record the outputs of a model's layers inside the block, and the gradients of these outputs.

    Meant for one call of the model and one `backward()`. A layer that is called again gets a number: act, act#2. After
    the block all hooks are removed; what was recorded lives as long as the result.

    Parameters
    ----------
    model : Module
    kinds : class or tuple of classes
        Which modules to watch; left out, all that contain no other modules.
    limit : float
        An output of tanh is saturated above this magnitude; one of sigmoid likewise, on the scale from -1 to 1. An
        output of ReLU is saturated at 0.

    Raises
    ------
    ValueError
        If the model has no module of these kinds.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> model = nn.Sequential(nn.Linear(3, 4, rng=42), nn.Tanh())
    >>> with watch(model, nn.Tanh) as seen:
    ...     y = model(5 * tt.ones(2, 3))
    ...     (y * y).sum().backward()
    >>> print(table(seen.report()))
    layer  kind  mean     std     saturated  dead    grad_mean  grad_std
    1      Tanh  +0.9194  0.1409  75.00%     75.00%  +1.84e+00  2.8183e-01
    """
    wanted = {id(m): path or "model" for path, m in model.named_modules()
              if (isinstance(m, kinds) if kinds else not any(True for _ in m.children()))}
    if not wanted:
        has = ", ".join(sorted({type(m).__name__ for m in model.modules()}))
        names = ", ".join(k.__name__ for k in (kinds if isinstance(kinds, tuple) else (kinds,)))
        raise ValueError(f"watch: got {a_type(model)} without modules of the kinds {names}; expected kinds "
                         f"that it has: {has}; np.tanh and other functions can't be watched, use nn.Tanh()")
    seen, handles = Seen(limit), []

    def see(module: Module, _: tuple[Any, ...], y: Any) -> None:
        if not isinstance(y, Tensor | np.ndarray):
            return
        path, calls = wanted[id(module)], sum(m is module for m in seen.modules.values())
        layer = f"{path}#{calls + 1}" if calls else path
        seen.modules[layer], seen.activations[layer] = module, y.data if isinstance(y, Tensor) else y
        if isinstance(y, Tensor) and y.requires_grad:
            handles.append(y.register_hook(lambda g: keep(layer, g)))

    def keep(layer: str, g: Any) -> None:
        seen._gradients[layer] = g.data if isinstance(g, Tensor) else g

    try:
        handles += [m.register_forward_hook(see) for m in model.modules() if id(m) in wanted]
        yield seen
    finally:
        for handle in handles:
            handle.remove()
        handles.clear()  # subtle: the list and `see` form a reference cycle that would keep all arrays alive


# --- parameters ---


def parameters(model: Module) -> list[Weights]:
    """The values and the current gradient of each parameter: call it after `backward()`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> model = nn.Linear(3, 2, rng=42)
    >>> y = model(tt.ones(4, 3))
    >>> (y * y).sum().backward()
    >>> print(table(parameters(model)))
    parameter  shape   std     grad_mean  grad_std    ratio
    weight     (2, 3)  0.3064  +5.45e+00  1.5563e+00  5.0787e+00
    bias       (2,)    0.4385  +5.45e+00  2.0091e+00  4.5816e+00
    """
    rows = []
    for name, p in model.named_parameters():
        g, size = np.empty(0) if p.grad is None else p.grad, std(p.data)
        rows.append(Weights(name, p.shape, size, mean(g), std(g), safe_ratio(std(g), size)))
    return rows


class Updates:
    """How far steps move the parameters: log10 of std(change) / std(values), for those with two axes or more.

    Use it around `opt.step()`, at every step or now and then; it copies the parameters. It measures the change itself,
    whatever the optimiser: near -3 a network learns at a good pace, says the third lecture.

    Attributes
    ----------
    ratios : dict of str to list of float
        By the parameter's name, one number for each use; -inf if nothing changed or all values changed alike, nan or
        inf if all values were equal.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn, optim
    >>> model = nn.Linear(3, 2, rng=42)
    >>> opt, updates = optim.SGD(model.parameters(), lr=0.001), Updates(model)
    >>> (model.weight * model.weight).sum().backward()
    >>> with updates:
    ...     opt.step()  # each weight shrinks by 0.2 %
    >>> [round(r, 3) for r in updates.ratios["weight"]]
    [-2.699]
    """

    def __init__(self, model: Module) -> None:
        self.watched = {name: p for name, p in model.named_parameters() if p.ndim > 1}
        self.ratios: dict[str, list[float]] = {name: [] for name in self.watched}
        self.before: dict[str, Array] = {}

    def __enter__(self) -> Updates:
        self.before = {name: p.data.copy() for name, p in self.watched.items()}
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for name, was in self.before.items():
            if kind is None:
                with np.errstate(invalid="ignore", over="ignore"):
                    change = self.watched[name].data - was
                ratio = safe_ratio(std(change), std(was))
                self.ratios[name].append(math.log10(ratio) if ratio else -math.inf)
        self.before = {}
