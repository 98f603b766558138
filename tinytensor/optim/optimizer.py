"""The base of all optimisers: parameter groups, the checks that make flat storage safe, and state_dict.

It computes no update itself. The layout of a state_dict is PyTorch's; closures, hooks and PyTorch's switches `foreach`
and `fused` are left out.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from weakref import WeakValueDictionary

import numpy as np

from ..names.calls import explained
from .check import Array, Parameter, as_list, check_nonnegative, describe, to_python, unique_parameters
from .flat import FlatBlock

_owner: "WeakValueDictionary[int, Optimizer]" = WeakValueDictionary()  # id(parameter): who bound it last


class Optimizer(ABC):
    """The base of all optimisers: parameter groups, flat storage, `step`, `state_dict`.

    A subclass lists its state vectors in `state`, those that only some settings need in `optional_state`, its settings
    that must be 0 or more in `nonnegative`, and defines `update`.
    `p.data` becomes a view of the flat vector: an array that was taken from it before is not updated.

    Parameters
    ----------
    params : iterable of parameters, or of groups
        A group is a dict: `{"params": [p, q], "lr": 0.01}` has its own lr, and `defaults` for all other settings; a
        "name" may label it. A parameter that is given twice (tied weights) counts once. One whose grad is None, such as
        a frozen one, is skipped by `step`.
    defaults : dict
        Every setting, with the value for groups that don't set it.

    Raises
    ------
    TypeError, ValueError
        No parameters; something that is not a parameter; a parameter in two groups; parameters that share memory; a
        setting that is unknown or out of range.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w, b = (SimpleNamespace(data=np.zeros(shape), grad=None) for shape in [(3, 2), (2,)])
    >>> from tinytensor.optim import SGD
    >>> SGD([{"params": [w], "weight_decay": 0.1}, {"params": [b]}], lr=0.5)
    SGD (
    Parameter Group 0
        dampening: 0
        lr: 0.5
        maximize: False
        momentum: 0
        nesterov: False
        params: 1 tensor, 6 numbers
        weight_decay: 0.1
    <BLANKLINE>
    Parameter Group 1
        dampening: 0
        lr: 0.5
        maximize: False
        momentum: 0
        nesterov: False
        params: 1 tensor, 2 numbers
        weight_decay: 0
    )
    """

    state: ClassVar[tuple[str, ...]] = ()
    optional_state: ClassVar[tuple[str, ...]] = ()
    nonnegative: ClassVar[tuple[str, ...]] = ("lr", "weight_decay")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls) and cls.__module__.startswith("tinytensor."):  # a user's own stays as it is
            type.__setattr__(cls, "__init__", explained(cls.__init__))
        for old, new in (("extra", "optional_state"), ("rates", "nonnegative")):  # their names in earlier versions
            if old in vars(cls):
                setattr(cls, new, vars(cls)[old])

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults, self.param_groups, self.blocks = defaults, list[dict[str, Any]](), list[FlatBlock]()
        items = as_list(params)
        self._add(map(self._known, items) if isinstance(items[0], Mapping) else [{"params": items}])

    @abstractmethod
    def update(self, group: Mapping[str, Any], block: FlatBlock, g: Array) -> None:
        """Step `block.theta` in place by its gradient `g`, which may be overwritten; update its state and `block.t`."""

    def vectors(self, group: Mapping[str, Any]) -> dict[str, float]:
        """The state vectors of a group with these settings, each with the value that it starts from."""
        return dict.fromkeys(self.state, 0.0)

    def rebind_and_allocate(self) -> None:
        """Bind parameters whose data was replaced, and make the state vectors: all of a step but its arithmetic."""
        if not all(block.is_bound() for block in self.blocks):
            self._rebind([(p, view) for block in self.blocks for p, view in block.bindings if p.data is not view])
        for block in self.blocks:
            for name, start in self.vectors(block.group).items():
                block.vector(name, start)

    def check(self, group: Mapping[str, Any]) -> None:
        """Raise for a setting of a group that is out of range."""
        for name in self.nonnegative:
            check_nonnegative(name, group[name])

    @explained
    def step(self) -> None:
        """Update every parameter that has a gradient. An error is raised before any parameter is changed.

        Raises
        ------
        RuntimeError
            A parameter now belongs to a newer optimiser.
        ValueError
            The shape or dtype of a parameter has changed, or its gradient has another.
        """
        self.rebind_and_allocate()
        self.blocks = [piece for block in self.blocks for piece in block.split_by_gradient()]
        for block, g in [(block, block.gradient()) for block in self.blocks]:
            if g is not None:
                self.update(block.group, block, g)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set every `grad` to None."""
        if not set_to_none:
            raise ValueError("zero_grad: got set_to_none=False; expected True, as a gradient is None or up to date; "
                             "write p.grad = np.zeros_like(p.data)")
        for block in self.blocks:
            for p in block.params:
                p.grad = None

    @property
    def lr(self) -> float:
        """The learning rate of all groups, to read and to set: `opt.lr = schedule(i)`. ValueError if groups differ."""
        first: float
        first, *others = (group["lr"] for group in self.param_groups)
        if any(lr is not first and lr != first for lr in others):
            raise ValueError(f"opt.lr: got groups with lr {[first, *others]}; expected one for all; read "
                             "opt.param_groups[i]['lr']")
        return first

    @lr.setter
    def lr(self, value: float) -> None:
        check_nonnegative("lr", value := to_python(value))
        for group in self.param_groups:
            group["lr"] = value

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters with their own settings: `{"params": [p, q], "lr": 0.01}`."""
        self._add([self._known(group)])

    def _known(self, group: Any) -> Any:
        """The group; a TypeError if it has a setting that nothing would read."""
        names = {"params", "name", *self.defaults}
        if self.defaults and isinstance(group, Mapping) and (unknown := [key for key in group if key not in names]):
            raise TypeError(f"a group of {type(self).__name__}: got the setting {unknown[0]!r}; expected some of "
                            f"{', '.join(self.defaults)}; to label a group, write 'name'")
        return group

    def _add(self, groups: Iterable[Mapping[str, Any]]) -> None:
        first = sum(len(group["params"]) for group in self.param_groups)
        taken, memory, made = {id(p) for group in self.param_groups for p in group["params"]}, set[int](), []
        for given in groups:  # subtle: check all before binding any, so that an error leaves everything as it was
            if not isinstance(given, Mapping) or "params" not in given:
                raise TypeError(f"a group: got {given!r}; expected a dict; write {{'params': [p, q], 'lr': 0.1}}")
            unique = unique_parameters(given["params"])
            for p in unique.values():
                got = f"a parameter: got {describe(p.data)}"
                if not getattr(p, "is_leaf", True):
                    raise TypeError(f"{got}, the output of an op, which gets no gradient; expected a leaf; pass what "
                                    "it was computed from, or a detached copy")
                if p.data.dtype.kind != "f":
                    raise TypeError(f"{got}; expected floats; convert it, or leave it out")
                if id(p) in taken:
                    raise ValueError(f"{got} in two groups; expected it in one; leave it out of the other")
                if p.data.size and p.data.ctypes.data in memory:
                    raise ValueError(f"{got}, which shares memory with another; expected its own array; copy one, or "
                                     "use one Tensor in both places")
                memory.add(p.data.ctypes.data)
            taken |= unique.keys()
            settings = {name: to_python(value) for name, value in {**self.defaults, **given}.items()}
            made.append(settings | {"params": tuple(unique.values())})
            self.check(made[-1])
        for group in made:
            numbered = dict(enumerate(group["params"], first))
            for dtype in dict.fromkeys(p.data.dtype for p in group["params"]):
                same = {i: p for i, p in numbered.items() if p.data.dtype == dtype}
                self.blocks.append(FlatBlock(group, same))
            _owner.update((id(p), self) for p in group["params"])
            self.param_groups.append(group)
            first += len(numbered)

    def reclaim(self) -> None:
        """Take all parameters back from newer optimisers: the next step binds them, with the values they have then."""
        _owner.update((id(p), self) for block in self.blocks for p in block.params)

    def _rebind(self, moved: list[tuple[Parameter, Array]]) -> None:
        """Copy the data of parameters that now have other arrays into the flat vectors, and bind them again."""
        indices = {id(p): i for block in self.blocks for i, p in zip(block.indices, block.params, strict=True)}
        for p, view in moved:
            where, owner = f"{type(self).__name__}: parameter {indices[id(p)]}", _owner.get(id(p), self)
            if owner is not self:
                raise RuntimeError(f"{where}: got one that now belongs to a newer {type(owner).__name__}; expected one "
                                   "optimiser; go on with the newer one, or delete it, and this one takes it back")
            if describe(p.data) != describe(view):
                raise ValueError(f"{where}: got {describe(p.data)}; expected {describe(view)}, as before; convert the "
                                 "new data, or make a new optimiser")
        values = [p.data.copy() for p, _ in moved]  # subtle: copy all first, since two may have swapped views
        for (p, view), value in zip(moved, values, strict=True):
            view[...], p.data, _owner[id(p)] = value, view, self

    # --- saving ---

    def state_dict(self) -> dict[str, Any]:
        """Copies of settings and state: `{"state": {i: {"step": t, name: array}}, "param_groups": [{"lr": ...}]}`.

        The layout is PyTorch's: a group's "params" are the numbers i, and a parameter without a step has no state.
        """
        state: dict[int, dict[str, Any]] = {}
        for block in filter(lambda block: block.t, self.blocks):
            state.update((i, {"step": block.t}) for i in block.indices)
            for name, vector in block.state.items():
                for i, view in zip(block.indices, block.views(vector), strict=True):
                    state[i][name] = view.copy()
        number = {id(p): i for i, p in enumerate(p for group in self.param_groups for p in group["params"])}
        groups = [{**group, "params": [number[id(p)] for p in group["params"]]} for group in self.param_groups]
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load settings and state that `state_dict` returned, or PyTorch's, with its tensors converted to arrays.

        Raises
        ------
        ValueError
            It is of other parameters or of another class of optimiser. Nothing is changed then.
        """
        saved = [{name: to_python(value) for name, value in group.items()} for group in state_dict["param_groups"]]
        sizes, own = ([len(group["params"]) for group in groups] for groups in (saved, self.param_groups))
        if sizes != own:
            raise ValueError(f"load_state_dict: got groups of {sizes} parameters; expected {own}; build the same "
                             "groups")
        for group in saved:
            if lacking := sorted(self.defaults.keys() - group.keys()):
                raise ValueError(f"load_state_dict: got a group without {', '.join(lacking)}; expected the settings of "
                                 f"{type(self).__name__}; load the state of the same class")
            self.check(group)
        given = [state_dict["state"].get(i) or {} for group in saved for i in group["params"]]
        vectors = [{name: v for name, v in entry.items() if v is not None and name != "step"} for entry in given]
        steps = [int(entry.get("step", bool(own))) for entry, own in zip(given, vectors, strict=True)]
        for block in self.blocks:
            for i, shape in zip(block.indices, block.shapes, strict=True):
                shapes = {name: np.shape(v) for name, v in vectors[i].items()}
                want = dict.fromkeys((*self.state, *(name for name in self.optional_state if name in shapes)), shape)
                if steps[i] and shapes != want:
                    raise ValueError(f"load_state_dict: got {shapes} for parameter {i}; expected {want}; load the "
                                     "state of the same parameters and class")
        for block in self.blocks:
            names = {name: None for i in block.indices if steps[i] for name in vectors[i]}
            block.state = {name: block.vector(name) for name in names}
            for name, vector in block.state.items():
                for i, view in zip(block.indices, block.views(vector), strict=True):
                    view[...] = vectors[i].get(name, 0) if steps[i] else 0
        self.blocks = [piece for block in self.blocks for piece in block.split([steps[i] for i in block.indices])]
        for block in self.blocks:
            block.t = steps[block.indices[0]]
        for group, new in zip(self.param_groups, saved, strict=True):
            group.update({**new, "params": group["params"]})

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "groups": self.param_groups, "saved": self.state_dict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Bind the parameters of a deepcopy or pickle, whose arrays are no longer views."""
        self.defaults, self.param_groups, self.blocks = state["defaults"], [], []
        self._add(state["groups"])
        self.load_state_dict(state["saved"])

    def __repr__(self) -> str:
        groups = []
        for i, group in enumerate(self.param_groups):
            n, size = len(params := group["params"]), sum(p.data.size for p in params)
            shown = {**group, "params": f"{n} tensor{'s' * (n != 1)}, {size:,} number{'s' * (size != 1)}"}
            groups.append(f"Parameter Group {i}\n" + "".join(f"    {k}: {shown[k]}\n" for k in sorted(shown)))
        return f"{type(self).__name__} (\n" + "\n".join(groups) + ")"
