"""Lets `import torch` mean this package: in a notebook by `install()`, for a script by ``python -m tinytensor.torch``.

The real PyTorch is never shadowed by accident: where it is imported already, `install` refuses.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from ..names import reason, table

HERE = __name__.rpartition(".")[0]
MODULES = ("accelerator", "amp", "autograd", "autograd.functional", "autograd.variable", "backends", "backends.cpu",
           "backends.cuda", "backends.cudnn", "backends.mkl", "backends.mkldnn", "backends.mps", "backends.openmp",
           "cuda", "cuda.amp", "distributed", "distributions", "distributions.bernoulli", "distributions.categorical",
           "distributions.distribution", "distributions.exponential", "distributions.independent", "distributions.kl",
           "distributions.laplace", "distributions.normal", "distributions.uniform", "func", "linalg", "mps", "mtia",
           "nn", "nn.functional", "nn.init", "nn.modules", "nn.modules.module", "nn.parallel", "nn.parameter",
           "nn.utils", "nn.utils.rnn", "optim", "optim.lr_scheduler", "optim.optimizer", "random", "return_types",
           "serialization", "special", "testing", "types", "utils", "utils.checkpoint", "utils.data",
           "utils.data.dataloader", "utils.data.dataset", "utils.data.sampler", "utils.tensorboard", "version", "xpu")
FILES = {  # PyTorch's files whose names programs import from there, and the module that has them here
    "nn.modules": ("activation", "batchnorm", "container", "conv", "dropout", "flatten", "instancenorm", "linear",
                   "loss", "normalization", "padding", "pooling", "rnn", "sparse", "transformer"),
    "optim": ("adam", "adamw", "sgd", "rmsprop")}
COMPANIONS = {  # packages that are built on PyTorch itself, and how a program does without
    "torchvision": "read images by NumPy, as np.load of a file of arrays, and give them to torch.from_numpy",
    "torchaudio": "read sounds by scipy.io.wavfile, and give the array to torch.from_numpy",
    "torchtext": "read the file by open(...).read(), and number its characters or words",
    "pytorch_lightning": "write the loop over batches: zero_grad, backward, step",
    "lightning": "write the loop over batches: zero_grad, backward, step"}
HOMES = {f"{home}.{file}": home for home, files in FILES.items() for file in files}


class Guard:
    """Finds `torch.name` in this package when it is first imported, and refuses it where there is no such module.

    Without it Python would search this package's folder, and import a file a second time.
    """

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        if fullname in COMPANIONS and path is None:
            return self.companion(fullname)
        if not fullname.startswith("torch."):
            return None
        name = fullname.removeprefix("torch.")
        module = found(HOMES.get(name, name)) if name in MODULES or name in HOMES else None
        if module is None:
            raise ModuleNotFoundError(f"{fullname}: tinytensor.torch has no such module; {advice(name)}", name=fullname)
        return ModuleSpec(fullname, Here(module))

    def companion(self, name: str) -> Any:
        """Refuse a package that is built on PyTorch itself: with this one it would only fail later."""
        raise ModuleNotFoundError(f"{name}: it needs PyTorch itself, for which tinytensor.torch stands in; "
                                  f"expected a program without it; {COMPANIONS[name]}", name=name)


class Here(Loader):
    """Gives a module that is loaded already, as it is."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # which Python has set to that of its other name


GUARD = Guard()


def advice(name: str) -> str:
    """What to do about a module that is not here: the table's word on it, the nearest name, or where to read."""
    entry = table("torch").get(name.partition(".")[0])
    if entry is not None and entry.status == "no":
        return reason(entry)
    near = import_module("difflib").get_close_matches(name, [n for n in MODULES if found(n) is not None], 1, 0.75)
    return f"the nearest is torch.{near[0]}" if near else "see examples/guides/from_pytorch.md for what to use instead"


def found(name: str) -> ModuleType | None:
    """The module of this package under PyTorch's name for it, without the "torch." in front, or None."""
    module: Any = sys.modules[HERE]
    try:
        for part in name.split("."):
            module = getattr(module, part)
    except AttributeError:
        return None
    return module  # type: ignore[no-any-return]


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
    if GUARD not in sys.meta_path:
        sys.meta_path.insert(0, GUARD)


def uninstall() -> None:
    """Let `import torch` mean the real PyTorch again; what was imported meanwhile stays as it is."""
    if sys.modules.get("torch") is sys.modules[HERE]:
        for name in [n for n in sys.modules if n == "torch" or n.startswith("torch.")]:
            del sys.modules[name]
    if GUARD in sys.meta_path:
        sys.meta_path.remove(GUARD)
