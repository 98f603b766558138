"""What all optimisers share: parameters as views of one flat vector, the checks that make this safe, and state_dict.

It computes no gradients and knows a parameter only by its `data` and `grad`. The layout of a state_dict is PyTorch's;
its closures, hooks, and foreach and fused switches are left out.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from itertools import accumulate, groupby, pairwise
from operator import attrgetter, is_, methodcaller
from typing import Any, ClassVar
from weakref import WeakValueDictionary

import numpy as np

from .check import Array, Parameter, check_rate, kind, listed, plain, unique_parameters

# What a step looks up of every parameter, as functions that `map` calls without Python's own loop.
DATA, GRADIENT, GRADIENT_SHAPE = attrgetter("data"), attrgetter("grad"), attrgetter("grad.shape")
FLAT = methodcaller("ravel")
LINE = 64  # bytes of a line of the cache


def prepare(g: Array, theta: Array, maximize: bool, weight_decay: float) -> None:
    """The gradient turned round to climb, and the decay added, in place."""
    if maximize:
        np.negative(g, out=g)
    if weight_decay:
        g += weight_decay * theta


# --- flat storage ---


def lined_up(x: Array) -> Array:
    """A copy of x that begins with a line of the cache; x itself if it only stands for an array, in a trace."""
    if type(x) is not np.ndarray:
        return x
    memory = bytearray(x.nbytes + LINE)  # subtle: no array, so that the base of what is cut from y is y
    y: Array = np.ndarray(x.shape, x.dtype, memory, -np.frombuffer(memory, np.uint8).ctypes.data % LINE)
    np.copyto(y, x)
    return y


class Block:
    """Parameters of one group, dtype and history as views of one vector, `theta`; a vector of `state` is as long.

    `t` counts the steps that made use of the state. `numbers` are the parameters' places in the state_dict. Those of
    whole lines of the cache stand first, so that each of them begins with one: matrix products of them are faster.
    """

    def __init__(self, group: dict[str, Any], params: dict[int, Parameter]) -> None:
        params = dict(sorted(params.items(), key=lambda item: item[1].data.nbytes % LINE > 0))
        self.group, self.numbers, self.params, self.t = group, list(params), list(params.values()), 0
        self.shapes = [p.data.shape for p in self.params]
        self.cuts = [slice(*ab) for ab in pairwise(accumulate((p.data.size for p in self.params), initial=0))]
        self.theta = lined_up(np.concatenate([p.data.ravel() for p in self.params]))
        self.state: dict[str, Array] = {}
        self.bind()

    def vector(self, name: str, start: float = 0.0) -> Array:
        """A state vector, which is made, all of one value, when it is first asked for."""
        if name not in self.state:
            self.state[name] = np.full_like(self.theta, start)
        return self.state[name]

    def views(self, vector: Array) -> list[Array]:
        """Its part of a flat vector for each parameter, in its shape."""
        return [vector[cut].reshape(shape) for cut, shape in zip(self.cuts, self.shapes, strict=True)]

    def bind(self) -> None:
        """Make every parameter a view of `theta`."""
        self.own = self.views(self.theta)
        self.bound = list(zip(self.params, self.own, strict=True))
        for p, view in self.bound:
            p.data = view

    def in_place(self) -> bool:
        """Whether every parameter's data still is its view."""
        return all(map(is_, map(DATA, self.params), self.own))

    def split(self, keys: list[Any]) -> "list[Block]":
        """Smaller blocks of neighbours with equal keys, or itself if all are equal."""
        spans = pairwise(accumulate((len(list(same)) for _, same in groupby(keys)), initial=0))
        if len(pieces := [slice(*ab) for ab in spans]) == 1:
            return [self]
        blocks = []
        for piece in pieces:
            params = dict(zip(self.numbers[piece], self.params[piece], strict=True))
            blocks.append(block := Block(self.group, params))
            cut = slice(self.cuts[piece.start].start, self.cuts[piece.stop - 1].stop)
            block.t, block.state = self.t, {name: vector[cut] for name, vector in self.state.items()}
        return blocks

    def ready(self) -> "list[Block]":
        """Itself, or, if only some parameters have a gradient, smaller blocks in which all have one or none has."""
        try:
            if list(map(GRADIENT_SHAPE, self.params)) == self.shapes:
                return [self]
        except AttributeError:  # a gradient is None, or no array
            pass
        self.check()
        return self.split([p.grad is None for p in self.params])

    def gradient(self) -> Array | None:
        """The gradients as a new flat vector, or None if there are none."""
        if self.params[0].grad is None:
            return None
        try:
            return np.concatenate(list(map(FLAT, map(GRADIENT, self.params))), dtype=self.theta.dtype, casting="no")
        except TypeError:  # of another dtype
            self.check()
            raise

    def check(self) -> None:
        """Refuse a gradient that is not like its parameter."""
        for number, p in zip(self.numbers, self.params, strict=True):
            if p.grad is not None and kind(p.grad) != kind(p.data):
                raise ValueError(
                    f"the gradient of parameter {number} is {kind(p.grad)}: {kind(p.data)} is expected, like its "
                    "data; set p.grad to such an array, or to None"
                ) from None


# --- the base ---

_owner: "WeakValueDictionary[int, Optimizer]" = WeakValueDictionary()  # id(parameter): who bound it last


class Optimizer(ABC):
    """What all optimisers share: groups, flat storage and its safety, state_dict.

    A subclass names its state vectors in `state`, those that only some settings ask for in `extra`, its settings that
    can't be negative in `rates`, and writes `update`.
    `p.data` becomes a view of the flat vector; an array taken from there before is not updated.

    Parameters
    ----------
    params : iterable of parameters, or of dicts with "params" and the settings in which this group differs
        A parameter that is there twice (tied weights) counts once. One whose grad is None is skipped by `step`.
    defaults : dict
        The settings of a group that doesn't give its own.

    Raises
    ------
    TypeError, ValueError
        No parameters; one that is none, is in two groups, or shares memory; a setting out of range.
    """

    state: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[tuple[str, ...]] = ()
    rates: ClassVar[tuple[str, ...]] = ("lr", "weight_decay")

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults, self.param_groups, self.blocks = defaults, list[dict[str, Any]](), list[Block]()
        items = listed(params)
        self._add(items if isinstance(items[0], Mapping) else [{"params": items}])

    @abstractmethod
    def update(self, group: Mapping[str, Any], block: Block, g: Array) -> None:
        """Move `block.theta` in place by its gradient `g`, which may be overwritten; keep its vectors and `block.t`."""

    def vectors(self, group: Mapping[str, Any]) -> dict[str, float]:
        """The state vectors that a group of these settings has, and the value that each starts from."""
        return dict.fromkeys(self.state, 0.0)

    def prepare(self) -> None:
        """Bind parameters that were given other arrays, and make the state vectors."""
        if not all(block.in_place() for block in self.blocks):
            self._rebind([(p, view) for block in self.blocks for p, view in block.bound if p.data is not view])
        for block in self.blocks:
            for name, start in self.vectors(block.group).items():
                block.vector(name, start)

    def check(self, group: Mapping[str, Any]) -> None:
        """Refuse settings that are out of range."""
        for name in self.rates:
            check_rate(name, group[name])

    def step(self) -> None:
        """Update every parameter that has a gradient. What is refused is refused before any parameter moves.

        Raises
        ------
        RuntimeError
            A newer optimiser has bound a parameter.
        ValueError
            A parameter or gradient is not of the shape and dtype that the parameter had.
        """
        self.prepare()
        self.blocks = [piece for block in self.blocks for piece in block.ready()]
        for block, g in [(block, block.gradient()) for block in self.blocks]:
            if g is not None:
                self.update(block.group, block, g)

    def zero_grad(self) -> None:
        """Set every `grad` to None."""
        for block in self.blocks:
            for p in block.params:
                p.grad = None

    @property
    def lr(self) -> float:
        """The learning rate of all groups, as in `opt.lr = schedule(i)`; a ValueError if they differ."""
        first: float
        first, *others = (group["lr"] for group in self.param_groups)
        if any(lr is not first and lr != first for lr in others):
            raise ValueError(f"the groups' lr are {[first, *others]}: one is expected; read opt.param_groups[i]['lr']")
        return first

    @lr.setter
    def lr(self, value: float) -> None:
        check_rate("lr", value := plain(value))
        for group in self.param_groups:
            group["lr"] = value

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters with settings of their own: `{"params": [p, q], "lr": 0.01}`."""
        self._add([group])

    def _add(self, groups: Iterable[Mapping[str, Any]]) -> None:
        number = sum(len(group["params"]) for group in self.param_groups)
        taken, memory, made = {id(p) for group in self.param_groups for p in group["params"]}, set[int](), []
        for given in groups:  # subtle: first look at all, then bind, so that after an error all is as before
            if not isinstance(given, Mapping) or "params" not in given:
                raise TypeError(f"a group is {given!r}: a dict is expected; write {{'params': [p, q], 'lr': 0.1}}")
            unique = unique_parameters(given["params"])
            for p in unique.values():
                if not getattr(p, "is_leaf", True):
                    raise TypeError(f"a parameter {kind(p.data)} is the output of an op: a leaf is expected, or no "
                                    "gradient comes; pass what it was made of, or a detached copy")
                if p.data.dtype.kind != "f":
                    raise TypeError(f"a parameter is {kind(p.data)}: floats are expected; convert it or leave it out")
                if id(p) in taken:
                    raise ValueError(f"a parameter {kind(p.data)} is in two groups: one is expected; leave it in one")
                if p.data.size and p.data.ctypes.data in memory:
                    raise ValueError(f"parameters {kind(p.data)} share memory: copy one, or use one in both places")
                memory.add(p.data.ctypes.data)
            taken |= unique.keys()
            settings = {name: plain(value) for name, value in {**self.defaults, **given}.items()}
            made.append(settings | {"params": tuple(unique.values())})
            self.check(made[-1])
        for group in made:
            numbered = dict(enumerate(group["params"], number))
            for dtype in dict.fromkeys(p.data.dtype for p in group["params"]):
                same = {i: p for i, p in numbered.items() if p.data.dtype == dtype}
                self.blocks.append(Block(group, same))
            _owner.update((id(p), self) for p in group["params"])
            self.param_groups.append(group)
            number += len(numbered)

    def claim(self) -> None:
        """Take parameters back from a newer optimiser, at the next step, with the values that they have then."""
        _owner.update((id(p), self) for block in self.blocks for p in block.params)

    def _rebind(self, moved: list[tuple[Parameter, Array]]) -> None:
        """Copy the data of parameters that were given other arrays into the flat vectors."""
        numbers = {id(p): i for block in self.blocks for i, p in zip(block.numbers, block.params, strict=True)}
        for p, view in moved:
            name, owner = f"{type(self).__name__}: parameter {numbers[id(p)]}, {kind(view)},", _owner.get(id(p), self)
            if owner is not self:
                raise RuntimeError(
                    f"{name} now belongs to a newer {type(owner).__name__}: one optimiser is expected; "
                    "go on with the newer one, or delete it, and this one takes the parameter back"
                )
            if kind(p.data) != kind(view):
                raise ValueError(
                    f"{name} is now {kind(p.data)}: the same shape and dtype are expected; "
                    "convert the new data, or make a new optimiser"
                )
        values = [p.data.copy() for p, _ in moved]  # subtle: all copies first, for two may have swapped their views
        for (p, view), value in zip(moved, values, strict=True):
            view[...], p.data, _owner[id(p)] = value, view, self

    # --- saving ---

    def state_dict(self) -> dict[str, Any]:
        """Copies of settings and state: `{"state": {i: {"step": t, name: array}}, "param_groups": [{"lr": ...}]}`.

        The layout is PyTorch's: a group's "params" are the numbers i, and a parameter that made no step has no state.
        """
        state: dict[int, dict[str, Any]] = {}
        for block in filter(lambda block: block.t, self.blocks):
            state.update((i, {"step": block.t}) for i in block.numbers)
            for name, vector in block.state.items():
                for i, view in zip(block.numbers, block.views(vector), strict=True):
                    state[i][name] = view.copy()
        number = {id(p): i for i, p in enumerate(p for group in self.param_groups for p in group["params"])}
        groups = [{**group, "params": [number[id(p)] for p in group["params"]]} for group in self.param_groups]
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Write settings and state in place; PyTorch's will do too, once its tensors are arrays.

        Raises
        ------
        ValueError
            It comes from other parameters or another class of optimiser; nothing is changed then.
        """
        saved = [{name: plain(value) for name, value in group.items()} for group in state_dict["param_groups"]]
        sizes, own = ([len(group["params"]) for group in groups] for groups in (saved, self.param_groups))
        if sizes != own:
            raise ValueError(f"the state is of groups of {sizes} parameters: {own} are expected; build the same groups")
        for group in saved:
            if lacking := sorted(self.defaults.keys() - group.keys()):
                raise ValueError(f"a saved group lacks {lacking}: is it from another class than {type(self).__name__}?")
            self.check(group)
        given = [state_dict["state"].get(i) or {} for group in saved for i in group["params"]]
        vectors = [{name: v for name, v in entry.items() if v is not None and name != "step"} for entry in given]
        steps = [int(entry.get("step", bool(own))) for entry, own in zip(given, vectors, strict=True)]
        for block in self.blocks:
            for i, shape in zip(block.numbers, block.shapes, strict=True):
                shapes = {name: np.shape(v) for name, v in vectors[i].items()}
                want = dict.fromkeys((*self.state, *(name for name in self.extra if name in shapes)), shape)
                if steps[i] and shapes != want:
                    raise ValueError(f"the state of parameter {i} has {shapes}: {want} is expected; load its own state")
        for block in self.blocks:
            names = {name: None for i in block.numbers if steps[i] for name in vectors[i]}
            block.state = {name: block.vector(name) for name in names}
            for name, vector in block.state.items():
                for i, view in zip(block.numbers, block.views(vector), strict=True):
                    view[...] = vectors[i].get(name, 0) if steps[i] else 0
        self.blocks = [piece for block in self.blocks for piece in block.split([steps[i] for i in block.numbers])]
        for block in self.blocks:
            block.t = steps[block.numbers[0]]
        for group, new in zip(self.param_groups, saved, strict=True):
            group.update({**new, "params": group["params"]})

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "groups": self.param_groups, "saved": self.state_dict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Bind the copied parameters of a deepcopy or pickle, whose arrays are views of nothing any more."""
        self.defaults, self.param_groups, self.blocks = state["defaults"], [], []
        self._add(state["groups"])
        self.load_state_dict(state["saved"])
