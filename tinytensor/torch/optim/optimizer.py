"""What all optimisers share: groups of PyTorch's tensors, in front of an optimiser of the engine or of one's own step.

The engine's optimiser keeps all parameters of a group in one flat vector: `p.data` comes to be a part of it, but for
those whose memory somebody else holds (`sharing.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from operator import is_
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from ...core import Tensor as Node
from ...core import op_name
from ...modes import recording
from ...optim import Optimizer as Inner
from ..tensor import Tensor, deep, of_array
from ..versions import note
from .groups import Group, options, ordered, plain
from .sharing import give_back, shared


class Optimizer:
    """PyTorch's interface: `param_groups` of tensors, `step`, `zero_grad`, `state_dict`.

    A subclass of one's own gives a `step`, which reads `self.param_groups` and keeps what it likes in
    ``self.state[p]``.

    Parameters
    ----------
    params : iterable of tensors, of (name, tensor) pairs, or of dicts
    defaults : dict
        The settings of a group that doesn't give its own.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> class Descent(torch.optim.Optimizer):
    ...     def __init__(self, params, lr):
    ...         super().__init__(params, {"lr": lr})
    ...     @torch.no_grad()
    ...     def step(self):
    ...         for group in self.param_groups:
    ...             for p in group["params"]:
    ...                 p -= group["lr"] * p.grad
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> Descent([w], lr=0.25).step()
    >>> w
    tensor([0.5000, 1.0000], requires_grad=True)
    """

    engine: ClassVar[Callable[..., Inner] | None] = None  # the class of tinytensor.optim that computes
    settings: ClassVar[tuple[str, ...]] = ()  # the settings that it takes
    counted: ClassVar[bool] = True  # whether PyTorch's state has the number of steps
    inner: Inner | None = None
    _opt_called = False  # whether there was a step; schedules ask

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in vars(cls):
            setattr(cls, "step", noticed(vars(cls)["step"]))

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError("params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                            "a tensor; write [p]")
        groups = list(params) if isinstance(params, set) else ordered(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list; expected one tensor or more; keep layers in "
                             "nn.ModuleList, not in a list, and read a generator but once")
        groups = groups if isinstance(groups[0], dict) else [{"params": groups}]
        self.defaults: dict[str, Any] = dict(defaults)
        self.param_groups: list[Any] = []
        self._state: Any = defaultdict(dict)
        for group in groups:
            self.param_groups.append(self.completed(group))
        self.bind()

    def bind(self) -> None:
        """Make the engine's optimiser, and tie the groups to its groups."""
        if self.engine is None:
            return
        held = shared(p.node for group in self.param_groups for p in group["params"])
        try:
            self.inner = self.engine([self.engine_group(group) for group in self.param_groups])
        except (TypeError, ValueError) as error:
            raise type(error)(f"{type(self).__name__}: {error}") from None
        for own, group in zip(self.param_groups, self.inner.param_groups, strict=True):
            own.inner, own.bound = group, tuple(own["params"])
        give_back(held)

    def rebind(self) -> Inner:
        """Make the engine's optimiser anew, after the user has changed what is in a group; state stays with tensors."""
        inner: Any = self.inner
        saved, before = inner.state_dict()["state"], [p for group in inner.param_groups for p in group["params"]]
        entries = {id(p): saved[i] for i, p in enumerate(before) if i in saved}
        self.bind()
        now, inner = [p.node for group in self.param_groups for p in group["params"]], self.inner
        inner.load_state_dict({"state": {i: entries[id(p)] for i, p in enumerate(now) if id(p) in entries},
                               "param_groups": inner.state_dict()["param_groups"]})
        return inner  # type: ignore[no-any-return]

    def completed(self, group: Any) -> Group:
        """A group with all its settings, and its tensors in a list."""
        name = type(self).__name__
        if not isinstance(group, dict):
            raise TypeError(f"{name}: param_group must be a dict, but got {type(group).__name__}; write "
                            f"{{'params': [...], 'lr': 0.1}}")
        given = group["params"]
        params = [given] if isinstance(given, Tensor) else ordered(given)
        names: list[Any] = [p[0] for p in params if isinstance(p, tuple)]
        if names and len(names) != len(params):
            raise ValueError(f"{name}: all optimizer params should be with/without names; got {len(names)} names for "
                             f"{len(params)} tensors; pass model.named_parameters()")
        params = [p[1] for p in params] if names else params
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"{name}: optimizer can only optimize Tensors, but one of the params is a "
                                f"{type(p).__name__}; pass model.parameters()")
            if p.node.op is not None:
                raise ValueError(f"{name}: can't optimize a non-leaf Tensor; got the output of {op_name(p.node)}; "
                                 f"pass what it was made of, or x.detach().requires_grad_()")
        here, taken = set(map(id, params)), {id(p) for other in self.param_groups for p in other["params"]}
        if len(here) < len(params):
            raise ValueError(f"{name}: got a parameter group with duplicate parameters, which PyTorch would update "
                             f"twice; expected each once; pass list(dict.fromkeys(params))")
        if here & taken:
            raise ValueError(f"{name}: some parameters appear in more than one parameter group; expected each in one; "
                             f"leave it out of the others")
        rest = {**group, **{key: value for key, value in self.defaults.items() if key not in group}}
        del rest["params"]
        options(name, rest)
        return Group({"params": params, **rest, **({"param_names": names} if names else {})})

    def engine_group(self, group: dict[str, Any]) -> dict[str, Any]:
        """A group as the engine's optimiser takes it."""
        own = {key: plain(value) for key, value in group.items() if key in self.settings}
        return {**own, "params": [p.node for p in group["params"]]}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add tensors with settings of their own."""
        group = self.completed(param_group)
        if self.inner is not None:
            held = shared(p.node for p in group["params"])
            self.inner.add_param_group(self.engine_group(group))
            group.inner, group.bound = self.inner.param_groups[-1], tuple(group["params"])
            give_back(held)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set every `grad` to None, or to zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                node = p.node
                if set_to_none:
                    node._grad = None
                elif (g := node._grad) is not None:  # in place, as PyTorch: other references to it see it
                    if isinstance(g, Node):
                        node._grad = np.zeros_like(g.data)
                    else:
                        g[...] = 0

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every tensor that has a gradient; with a closure, which computes the loss, call it first."""
        inner = self.inner
        if inner is None:
            raise NotImplementedError(f"{type(self).__name__}: got no step; expected a method that updates the "
                                      f"parameters; define step(self)")
        loss = None
        if closure is not None:
            with recording(True):
                loss = closure()
        for group in self.param_groups:
            if not all(map(is_, group["params"], group.bound)) or len(group["params"]) != len(group.bound):
                inner = self.rebind()
            if isinstance(group["lr"], Tensor):  # which may have been written into
                group["lr"] = group["lr"]
            if deep[0]:
                for p in group["params"]:
                    if isinstance(p.node._grad, Node):  # of a pass with create_graph=True
                        p.node._grad = p.node._grad.data
        moved = [p for block in inner.blocks if not block.is_bound()
                 for p, view in block.bindings if p.data is not view]
        held = shared(moved) if moved else ()
        try:
            inner.step()
        except RuntimeError as error:
            if "newer" not in str(error):
                raise
            inner.reclaim()  # several optimisers may take turns at a parameter, as in PyTorch
            inner.step()
        for block in inner.blocks:
            if block.params[0].grad is not None:
                note(block.theta)
        if held:
            give_back(held)
        if not self._opt_called:
            self._opt_called = True
        return loss

    # --- saving ---

    @property
    def state(self) -> Any:
        """What is kept for each tensor: for a user's own optimiser a dict to write into, else read-only views."""
        if self.inner is None:
            return self._state
        tensors = [p for group in self.param_groups for p in group["params"]]
        found: Any = defaultdict(lambda: MappingProxyType({}))
        for block in self.inner.blocks:
            views = {name: block.views(vector) for name, vector in block.state.items()} if block.t else {}
            for k, i in enumerate(block.indices if block.t else ()):
                found[tensors[i]] = MappingProxyType(self.faced({"step": block.t, **{n: v[k] for n, v in
                                                                                   views.items()}}))
        return MappingProxyType(found)

    @state.setter
    def state(self, value: Any) -> None:
        if self.inner is not None:
            raise AttributeError(f"{type(self).__name__}.state: got a new one; expected none, for the engine keeps it; "
                                 f"use load_state_dict, or make a new optimizer")
        self._state = value

    def faced(self, entry: dict[str, Any]) -> dict[str, Any]:
        """The state of one tensor, as PyTorch has it: the number of steps is a float32."""
        return {k: of_array(np.array(v, np.float32) if k == "step" else v) for k, v in entry.items()
                if k != "step" or self.counted}

    def state_dict(self) -> dict[str, Any]:
        """Settings and state in PyTorch's layout."""
        start, groups = 0, []
        for group in self.param_groups:
            end = start + len(group["params"])
            groups.append({**{k: v for k, v in group.items() if k != "params"}, "params": list(range(start, end))})
            start = end
        if self.inner is not None:
            saved = self.inner.state_dict()["state"]
            return {"state": {i: self.faced(entry) for i, entry in saved.items()}, "param_groups": groups}
        number = {p: i for i, p in enumerate(p for group in self.param_groups for p in group["params"])}
        return {"state": {number.get(p, p): entry for p, entry in self._state.items()}, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load settings and state from the result of `state_dict`."""
        groups, name = state_dict["param_groups"], type(self).__name__
        if len(groups) != len(self.param_groups):
            raise ValueError(f"{name}: loaded state dict has a different number of parameter groups, {len(groups)}; "
                             f"expected {len(self.param_groups)}; build the same groups")
        if [len(g["params"]) for g in groups] != [len(g["params"]) for g in self.param_groups]:
            raise ValueError(f"{name}: loaded state dict contains a parameter group that doesn't match the size of "
                             f"optimizer's group; got {[len(g['params']) for g in groups]} parameters; expected "
                             f"{[len(g['params']) for g in self.param_groups]}; build the same groups")
        tensors = [p for group in self.param_groups for p in group["params"]]
        numbers = {n: i for i, n in enumerate(n for group in groups for n in group["params"])}
        state = {numbers.get(n, n): entry for n, entry in state_dict["state"].items()}
        if self.inner is None:
            self._state = defaultdict(dict, {tensors[i] if isinstance(i, int) else i: copied(entry)
                                             for i, entry in state.items()})
        else:
            arrays = {i: {k: unfaced(v) for k, v in entry.items()} for i, entry in state.items()}
            fitting = [{**own, **{k: plain(v) for k, v in group.items() if k in self.settings},
                        "params": [numbers[n] for n in group["params"]]}
                       for own, group in zip(self.inner.param_groups, groups, strict=True)]
            self.inner.load_state_dict({"state": arrays, "param_groups": fitting})
        for own, group in zip(self.param_groups, groups, strict=True):
            own.update({k: v for k, v in group.items() if k != "params"})

    def __getstate__(self) -> dict[str, Any]:
        own = {k: v for k, v in vars(self).items() if k != "inner"}
        return {**own, "saved": self.inner.state_dict() if self.inner is not None else None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        saved = state.pop("saved")
        vars(self).update(state)
        self.bind()
        if self.inner is not None:
            self.inner.load_state_dict(saved)

    def __repr__(self) -> str:
        groups = ["\n".join([f"Parameter Group {i}", *(f"    {k}: {v}" for k, v in sorted(group.items())
                                                      if k != "params")]) for i, group in enumerate(self.param_groups)]
        return f"{type(self).__name__} (\n" + "\n\n".join(groups) + "\n)"


def noticed(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step of one's own, which schedules hear of."""
    @wraps(step)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        self._opt_called = True
        return step(self, *args, **kwargs)

    return call


def copied(x: Any) -> Any:
    """State of one's own, with tensors of their own."""
    if isinstance(x, Tensor):
        return of_array(x.node.data.copy())
    return {k: copied(v) for k, v in x.items()} if isinstance(x, dict) else x


def unfaced(x: Any) -> Any:
    """The array of a tensor; also of one of PyTorch itself."""
    return x.node.data if isinstance(x, Tensor) else x.numpy() if hasattr(x, "numpy") else x
