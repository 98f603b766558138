"""PyTorch's names, with PyTorch's meaning, on tinytensor: ``import tinytensor.torch as torch``.

The public names; nothing is defined here. What `torch` itself offers is listed by `offer`, at each function.
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
    promote_types,
    result_type,
    set_default_dtype,
)
from .importing import install, uninstall
from .offer import FUNCTIONS
from .printing import set_printoptions
from .random import Generator, default_generator
from .recorded import enable_grad, inference_mode, no_grad, set_grad_enabled
from .tensor import Tensor
from .version import __version__ as __version__

globals().update(FUNCTIONS, **DTYPES)
globals().update({alias: DTYPES[name] for alias, name in _ALIASES.items()})
newaxis = None
strided, contiguous_format, preserve_format = "torch.strided", "torch.contiguous_format", "torch.preserve_format"
channels_last, channels_last_3d = "torch.channels_last", "torch.channels_last_3d"

# Loaded when first named: modules, and what stands in one.
LATER = ("accelerator", "amp", "autograd", "backends", "func", "nn", "optim", "serialization", "testing", "utils", "version")
LATER_FROM = {"compile": "compiling", "load": "serialization", "save": "serialization", "__version__": "version",
              "autocast": "amp", "mps": "accelerator", "mtia": "accelerator", "xpu": "accelerator"}
LATER_FROM.update(dict.fromkeys(  # what `torch.nn.functional` has as well
    """adaptive_avg_pool1d alpha_dropout alpha_dropout_ avg_pool1d bilinear celu celu_ channel_shuffle conv1d conv2d
    conv_transpose1d conv_transpose2d cosine_similarity dropout dropout_ embedding feature_alpha_dropout
    feature_alpha_dropout_ group_norm hardshrink layer_norm max_pool1d max_pool2d pairwise_distance pdist pixel_shuffle
    pixel_unshuffle prelu rms_norm rrelu rrelu_ selu selu_ threshold threshold_""".split(), "kernels"))


def __getattr__(name: str) -> Any:
    if name in LATER:
        return import_module(f"{__name__}.{name}")
    if name in LATER_FROM:
        module = import_module(f"{__name__}.{LATER_FROM[name]}")
        globals()[name] = FUNCTIONS[name] if name in FUNCTIONS else getattr(module, name)
        return globals()[name]
    raise _Missing(_refusal, "torch", name, lambda: [*globals(), *LATER, *LATER_FROM])


def __dir__() -> list[str]:
    return sorted({*globals(), *LATER, *LATER_FROM})
