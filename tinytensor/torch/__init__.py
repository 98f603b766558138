"""PyTorch's names, with PyTorch's meaning, on tinytensor: ``import tinytensor.torch as torch``.

The public names; nothing is defined here. What `torch` itself offers is listed by `offer`, at each function:
``help(torch.cat)`` says what one does, and a name that is not here says what to use instead. A script with plain
``import torch`` runs by ``python -m tinytensor.torch SCRIPT.py``; in a notebook ``install()`` comes first.
"""

from importlib import import_module
from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi
from typing import TYPE_CHECKING, Any

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
from .dtypes import DTYPES
from .dtypes import Size as Size
from .dtypes import bfloat16 as bfloat16
from .dtypes import can_cast as can_cast
from .dtypes import device as device
from .dtypes import dtype as dtype
from .dtypes import finfo as finfo
from .dtypes import get_default_dtype as get_default_dtype
from .dtypes import iinfo as iinfo
from .dtypes import layout as layout
from .dtypes import memory_format as memory_format
from .dtypes import promote_types as promote_types
from .dtypes import result_type as result_type
from .dtypes import set_default_dtype as set_default_dtype
from .dtypes import strided as strided
from .importing import install as install
from .importing import uninstall as uninstall
from .offer import FUNCTIONS
from .printing import set_printoptions as set_printoptions
from .random import Generator as Generator
from .random import default_generator as default_generator
from .recorded import enable_grad as enable_grad
from .recorded import inference_mode as inference_mode
from .recorded import no_grad as no_grad
from .recorded import set_grad_enabled as set_grad_enabled
from .tensor import Tensor as Tensor
from .version import __version__ as __version__

if TYPE_CHECKING:  # for editors and type checkers; at run time each is loaded when it is first named
    from . import amp as amp
    from . import autograd as autograd
    from . import distributions as distributions
    from . import func as func
    from . import nn as nn
    from . import optim as optim
    from . import testing as testing
    from . import utils as utils
    from .creation import tensor as tensor
    from .serialization import load as load
    from .serialization import save as save

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
