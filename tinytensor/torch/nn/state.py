"""What a module saves and loads: `state_dict` and `load_state_dict`; and its conversion to another dtype.

Nothing is written to a file here: that is `torch.save`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import device as device_of
from ..dtypes import dtype as dtype_class
from ..dtypes import float16, float32, float64, numpy_dtype, on_cpu
from ..tensor import Tensor, of_array, wrap
from ..writing import write
from .parameter import Parameter, Uninitialized

EXTRA = "_extra_state"


class IncompatibleKeys(NamedTuple("_IncompatibleKeys", [("missing_keys", list[str]), ("unexpected_keys", list[str])])):
    """What `load_state_dict` has not found, and what it could not use."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


def state_dict(self: Any, *, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
    """Parameters and persistent buffers by path, detached, as an OrderedDict; they share the module's memory.

    Examples
    --------
    >>> from tinytensor.torch import nn
    >>> {name: x.shape for name, x in nn.Linear(3, 2).state_dict().items()}
    {'weight': torch.Size([2, 3]), 'bias': torch.Size([2])}
    """
    found = OrderedDict() if destination is None else destination
    for name, x in own_state(self).items():
        found[prefix + name] = x if keep_vars else x.detach()
    if has_extra(self):
        found[prefix + EXTRA] = self.get_extra_state()
    for name, module in self._modules.items():
        if module is not None:
            module.state_dict(destination=found, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
    return found


def own_state(module: Any) -> dict[str, Any]:
    """What a module itself saves."""
    own = {**module._parameters, **module._buffers}
    return {name: x for name, x in own.items() if x is not None and name not in module._non_persistent_buffers_set}


def has_extra(module: Any) -> bool:
    return hasattr(type(module), "get_extra_state")


def load_state_dict(self: Any, state_dict: Mapping[str, Any], strict: bool = True,
                    assign: bool = False) -> IncompatibleKeys:
    """Write the values of a `state_dict` into parameters and buffers, in place, or replace them by its tensors.

    Parameters
    ----------
    state_dict : mapping
        Tensors, or NumPy's arrays, by path.
    strict : bool
        Whether missing and unexpected names are an error; a shape that does not fit always is. Nothing
        is written then.
    assign : bool
        Whether the tensors themselves become the module's.

    Examples
    --------
    >>> from tinytensor.torch import nn
    >>> nn.Linear(3, 2).load_state_dict(nn.Linear(3, 2).state_dict())
    <All keys matched successfully>
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"load_state_dict: expected state_dict to be dict-like; got {type(state_dict)}; pass what "
                        f"state_dict() or torch.load() gives")
    places = {f"{path}.{name}" if path else name: (module, name)
              for path, module in self.named_modules(remove_duplicate=False)
              for name in (*own_state(module), *([EXTRA] if has_extra(module) else []))}
    missing = [name for name in places if name not in state_dict]
    unexpected = [name for name in state_dict if name not in places]
    problems = []
    if strict and unexpected:
        problems.append("Unexpected key(s) in state_dict: " + ", ".join(f'"{name}"' for name in unexpected) + ".")
    if strict and missing:
        problems.append("Missing key(s) in state_dict: " + ", ".join(f'"{name}"' for name in missing) + ".")
    fitting: list[tuple[Any, str, Any, Any]] = []
    for path, (module, name) in places.items():
        if path not in state_dict:
            continue
        value, x = state_dict[path], None if name == EXTRA else getattr(module, name)
        if x is not None:
            problem, value = fitted(path, x, value)
            problems += problem
        fitting.append((module, name, x, value))
    if problems:
        raise RuntimeError(f"load_state_dict: Error(s) in loading state_dict for {type(self).__name__}:\n\t"
                           + "\n\t".join(problems) + "\nnothing was written; build the model as it was saved, or allow "
                           "missing and unexpected names by strict=False")
    for module, name, x, value in fitting:
        if x is None:
            module.set_extra_state(value)
        elif assign:
            setattr(module, name, Parameter(value, x.requires_grad) if isinstance(x, Parameter) else value)
        else:
            write(x.node.data, value.node.data)
    return IncompatibleKeys(missing, unexpected)


def fitted(path: str, x: Any, value: Any) -> tuple[list[str], Any]:
    """What is wrong with a value for an entry, if anything, and the value as a tensor."""
    if isinstance(value, np.ndarray | np.generic):
        value = of_array(np.asarray(value))
    if not isinstance(value, Tensor):
        return [f'While copying the parameter named "{path}", expected torch.Tensor or Tensor-like object from '
                f"checkpoint but received {type(value)}"], value
    if not x.ndim and value.ndim == 1 and len(value) == 1:  # as old versions saved them
        value = wrap(value.node[0])
    if value.shape != x.shape:
        return [f"size mismatch for {path}: copying a param with shape {value.shape} from checkpoint, the shape in "
                f"current model is {x.shape}."], value
    return [], value


# --- conversion ---


def convert(module: Any, dtype: Any, all_kinds: bool = False) -> None:
    """Let floating parameters, with their gradients, and buffers of a module have another dtype."""
    for x in (*module.parameters(), *module.buffers()):
        if isinstance(x, Uninitialized):
            x.wanted = dtype
        elif (x.node.data.dtype.kind == "f" or all_kinds) and x.node.data.dtype != dtype:
            x.node.data = x.node.data.astype(dtype)
            if (g := x.node._grad) is not None:
                x.node._grad = (g if isinstance(g, np.ndarray) else g.data).astype(dtype)


def to(self: Any, *args: Any, device: Any = None, dtype: Any = None, non_blocking: bool = False,
       memory_format: Any = None) -> Any:
    """Convert floating parameters and buffers to a dtype; a device may be named, if it is "cpu".

    Called as ``to(dtype)``, ``to(device)``, ``to(device, dtype)`` or ``to(tensor)``, for a tensor's dtype.
    """
    for given in (*args, device, dtype):
        if isinstance(given, str | device_of):
            on_cpu(given)
        elif given is not None and not isinstance(given, bool):
            wanted = given.dtype if isinstance(given, Tensor) else given
            if not isinstance(wanted, dtype_class) or not wanted.is_floating_point:
                raise TypeError(f"to: nn.Module.to only accepts floating point dtypes; got {given!r}; expected "
                                f"torch.float32 or torch.float64, or a device; convert single tensors by x.to(...)")
            convert(self, wanted.numpy)
    return self


def to_type(self: Any, dst_type: Any) -> Any:
    """Convert all parameters and buffers to a dtype."""
    convert(self, numpy_dtype(dst_type), all_kinds=True)
    return self


def cpu(self: Any) -> Any:
    """The module itself, for it is there."""
    return self


def compile_(self: Any, *args: Any, **kwargs: Any) -> None:
    """Let calls of this module run compiled, as `torch.compile` does."""
    import_module("...compiling", __name__).compile_(self, *args, **kwargs)


CONVERSIONS = {"to": to, "type": to_type, "cpu": cpu, "compile": compile_, "float": lambda self: to(self, float32),
               "double": lambda self: to(self, float64), "half": lambda self: to(self, float16)}
