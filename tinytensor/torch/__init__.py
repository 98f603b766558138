"""PyTorch's names, with PyTorch's meaning, on tinytensor: ``import tinytensor.torch as torch``.

The public names; nothing is defined here. What `torch` itself offers is listed by `offer`, at each function:
``help(torch.cat)`` says what one does, and a name that is not here says what to use instead. A script with plain
``import torch`` runs by ``python -m tinytensor.torch SCRIPT.py``; in a notebook ``install()`` comes first.
"""

from importlib import import_module
from math import e, inf, nan, pi
from typing import Any

from ..names import Missing as _Missing
from ..names import refusal as _refusal
from . import (
    asking,
    casting,
    creation,
    cuda,
    elementwise,
    extremes,
    filling,
    gathering,
    grad_fn,
    gradients,
    index,
    joining,
    legacy,
    limits,
    linalg,
    memory,
    operators,
    order,
    parts,
    products,
    random,
    ranges,
    reduce,
    return_types,
    running,
    samples,
    searching,
    selecting,
    settings,
    shape,
    special,
    stretching,
    turning,
)
from . import later as _later
from .dtypes import ALIASES as _ALIASES
from .dtypes import (
    DTYPES,
    Size,
    bfloat16,
    can_cast,
    device,
    dtype,
    finfo,
    get_default_dtype,
    iinfo,
    layout,
    memory_format,
    promote_types,
    result_type,
    set_default_dtype,
    strided,
)
from .importing import install, uninstall
from .offer import FUNCTIONS
from .printing import set_printoptions
from .random import Generator, default_generator
from .recorded import enable_grad, inference_mode, no_grad, set_grad_enabled
from .tensor import Tensor
from .version import __version__ as __version__

for _shown in (Tensor, Size, dtype, device, finfo, iinfo, Generator):
    _shown.__module__ = __name__  # what `type(x)` shows
globals().update(FUNCTIONS, **DTYPES)
globals().update({alias: DTYPES[name] for alias, name in _ALIASES.items()})
newaxis = None
contiguous_format, preserve_format, channels_last, channels_last_3d = map(memory_format, (
    "contiguous_format", "preserve_format", "channels_last", "channels_last_3d"))


def __getattr__(name: str) -> Any:
    if name in _later.MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _later.FROM:
        module = import_module(f"{__name__}.{_later.FROM[name]}")
        globals()[name] = FUNCTIONS[name] if name in FUNCTIONS else getattr(module, name)
        return globals()[name]
    raise _Missing(_refusal, "torch", name, lambda: [*globals(), *_later.MODULES, *_later.FROM])


def __dir__() -> list[str]:
    return sorted({*globals(), *_later.MODULES, *_later.FROM})
