"""What all optimisers of the layer share: groups of PyTorch's tensors in front of an optimiser of the engine.

The engine's optimiser keeps all parameters of a group in one flat vector: `p.data` comes to be a part of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core import Tensor as Node
from ...modes import recording
from ...optim.flat import Optimizer as Inner
from ..tensor import Tensor, of_array
from ..versions import note

WITHOUT_EFFECT = ("foreach", "fused")  # how PyTorch computes the same
REFUSED = ("capturable", "differentiable")


def options(name: str, given: dict[str, Any]) -> None:
    """Refuse switches that would change a result."""
    for key, value in given.items():
        if key in REFUSED and value:
            raise ValueError(f"{name}: got {key}={value!r}; expected False, for it is not offered here; leave it out")
        if key not in (*WITHOUT_EFFECT, *REFUSED):
            raise TypeError(f"{name}: got an unexpected keyword argument {key!r}; see help(torch.optim.{name}); leave "
                            f"it out")


def plain(value: Any) -> Any:
    """A setting as the engine's optimiser takes it."""
    return value.item() if isinstance(value, Tensor) else value


class Group(dict[str, Any]):
    """The settings of a group; those that the engine's optimiser has too are set there as well."""

    inner: dict[str, Any] = {}  # noqa: RUF012 (each has its own, once the engine's optimiser is made)

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if key in self.inner and key != "params":
            self.inner[key] = plain(value)

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def __reduce__(self) -> Any:
        return dict, (dict(self),)


class Optimizer:
    """PyTorch's interface: `param_groups` of tensors, `step`, `zero_grad`, `state_dict`.

    Parameters
    ----------
    params : iterable of tensors, of (name, tensor) pairs, or of dicts
    defaults : dict
        The settings of a group that doesn't give its own.
    inner : class of tinytensor.optim
        What computes.
    """

    def __init__(self, params: Any, defaults: dict[str, Any], inner: Callable[..., Inner]) -> None:
        name = type(self).__name__
        if isinstance(params, Tensor):
            raise TypeError("params: argument given to the optimizer should be an iterable of Tensors or dicts, but "
                            "got a tensor; write [p]")
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list; expected one tensor or more; was a generator used "
                             "up before?")
        groups = groups if isinstance(groups[0], dict) else [{"params": groups}]
        self.defaults: dict[str, Any] = dict(defaults)
        self.param_groups: list[Group] = [self.completed(name, group) for group in groups]
        try:
            self.inner = inner([self.engine_group(group) for group in self.param_groups])
        except TypeError as error:
            raise (ValueError if "leaf" in str(error) else TypeError)(f"{name}: {error}") from None
        for own, group in zip(self.param_groups, self.inner.param_groups, strict=True):
            own.inner = group

    def completed(self, name: str, group: dict[str, Any]) -> Group:
        """A group with all its settings, and its tensors in a list."""
        given = group["params"]
        params = [given] if isinstance(given, Tensor) else list(given)
        if params and isinstance(params[0], tuple):
            group, params = {**group, "param_names": [n for n, _ in params]}, [p for _, p in params]
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"{name}: optimizer can only optimize Tensors, but one of the params is a "
                                f"{type(p).__name__}; pass model.parameters()")
            if p.node.op is not None:
                raise ValueError(f"{name}: can't optimize a non-leaf Tensor; got the output of {p.node.op.name}; "
                                 f"pass what it was made of, or x.detach().requires_grad_()")
        for key, value in self.defaults.items():
            group = group if key in group else {**group, key: value}
        rest = {key: value for key, value in group.items() if key != "params"}
        options(name, {key: value for key, value in rest.items() if key not in self.defaults and key in REFUSED})
        return Group({"params": params, **rest})

    def engine_group(self, group: dict[str, Any]) -> dict[str, Any]:
        """A group as the engine's optimiser takes it."""
        own = {key: plain(value) for key, value in group.items() if key in self.settings}
        return {**own, "params": [p.node for p in group["params"]]}

    settings: tuple[str, ...] = ("lr", "weight_decay", "maximize")

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add tensors with settings of their own."""
        group = self.completed(type(self).__name__, param_group)
        self.inner.add_param_group(self.engine_group(group))
        group.inner = self.inner.param_groups[-1]
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set every `grad` to None, or to zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                g = p.node._grad
                if g is not None:
                    p.node._grad = None if set_to_none else np.zeros_like(g.data if isinstance(g, Node) else g)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every tensor that has a gradient; with a closure, which computes the loss, call it first."""
        loss = None
        if closure is not None:
            with recording(True):
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if isinstance(p.node._grad, Node):  # of a pass with create_graph=True
                    p.node._grad = p.node._grad.data
        self.inner.step()
        for block in self.inner.blocks:
            note(block.theta)
        return loss

    @property
    def state(self) -> Any:
        """The state of each tensor that made a step: arrays are copies."""
        saved = self.inner.state_dict()["state"]
        tensors = [p for group in self.param_groups for p in group["params"]]
        found: Any = defaultdict(dict)
        for i, entry in saved.items():
            found[tensors[i]] = faced(entry)
        return found

    def state_dict(self) -> dict[str, Any]:
        """Settings and state in PyTorch's layout."""
        saved, start, groups = self.inner.state_dict()["state"], 0, []
        for group in self.param_groups:
            end = start + len(group["params"])
            groups.append({**{k: v for k, v in group.items() if k != "params"}, "params": list(range(start, end))})
            start = end
        return {"state": {i: faced(entry) for i, entry in saved.items()}, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take settings and state from what `state_dict` gave."""
        state = {i: {k: v.node.data if isinstance(v, Tensor) else v for k, v in entry.items()}
                 for i, entry in state_dict["state"].items()}
        groups = state_dict["param_groups"]
        fitting = [{**{k: plain(v) for k, v in group.items() if k in self.settings}, "params": group["params"]}
                   for group in groups]
        inner = [{**own, **group} for own, group in zip(self.inner.param_groups, fitting, strict=False)]
        self.inner.load_state_dict({"state": state, "param_groups": inner if len(inner) == len(groups) else fitting})
        for own, group in zip(self.param_groups, groups, strict=True):
            own.update({k: v for k, v in group.items() if k != "params"})

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines += [f"Parameter Group {i}"] + [f"    {k}: {v}" for k, v in sorted(group.items()) if k != "params"]
        return "\n".join([*lines, ")"])


def faced(entry: dict[str, Any]) -> dict[str, Any]:
    """The state of one tensor, as PyTorch has it: the number of steps is a float32."""
    return {k: of_array(np.array(v, np.float32) if k == "step" else v) for k, v in entry.items()}
