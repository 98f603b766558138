"""Lets `import torch` mean this package: in a notebook by `install()`, for a script by ``python -m tinytensor.torch``.

The real PyTorch is never shadowed by accident: where it is imported already, `install` refuses.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

HERE = __name__.rpartition(".")[0]
MODULES = ("autograd", "autograd.functional", "backends", "cuda", "distributed", "func", "linalg", "nn",
           "nn.functional", "nn.init", "nn.modules", "nn.parallel", "nn.parameter", "nn.utils", "nn.utils.rnn",
           "optim", "optim.lr_scheduler", "random", "return_types", "special", "testing", "types", "utils",
           "utils.data", "utils.data.dataloader", "utils.data.dataset", "utils.data.sampler", "utils.tensorboard",
           "version")


class Guard:
    """Refuses `import torch.name` where this package has no such module; else Python would search its folder."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        if fullname.startswith("torch."):
            raise ModuleNotFoundError(f"{fullname}: tinytensor.torch has no such module; expected one of torch, torch."
                                      f"{', torch.'.join(sorted(own()))}; see examples/guides/from_pytorch.md for what "
                                      f"is not here, and what to use instead", name=fullname)
        return None


GUARD = Guard()


def own() -> dict[str, ModuleType]:
    """The modules of this package under PyTorch's names for them, without the "torch." in front."""
    found = {}
    for name in MODULES:
        module: Any = sys.modules[HERE]
        try:
            for part in name.split("."):
                module = getattr(module, part)
        except AttributeError:
            continue
        found[name] = module
    return found


def install() -> None:
    """Let `import torch` and its submodules mean this package, in this process, from now on; twice is as once.

    Raises
    ------
    RuntimeError
        Where the real PyTorch is imported already.

    Examples
    --------
    >>> import tinytensor.torch
    >>> tinytensor.torch.install()
    >>> import torch.nn.functional as F
    >>> F.relu.__module__.startswith("tinytensor")
    True
    >>> tinytensor.torch.uninstall()
    """
    here = import_module(HERE)
    there = sys.modules.get("torch", here)
    if there is not here:
        raise RuntimeError(f"install: the real PyTorch, {getattr(there, '__version__', 'torch')}, is imported already; "
                           f"expected a process without it; start a new one, and call install() before `import torch`")
    sys.modules["torch"] = here
    for name, module in own().items():
        sys.modules[f"torch.{name}"] = module
    if GUARD not in sys.meta_path:
        sys.meta_path.insert(0, GUARD)


def uninstall() -> None:
    """Let `import torch` mean the real PyTorch again; what was imported meanwhile stays as it is."""
    if sys.modules.get("torch") is sys.modules[HERE]:
        for name in [n for n in sys.modules if n == "torch" or n.startswith("torch.")]:
            del sys.modules[name]
    if GUARD in sys.meta_path:
        sys.meta_path.remove(GUARD)
