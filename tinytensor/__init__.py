"""tinytensor: deep learning in NumPy, small enough to read whole. The public names; nothing is defined here."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import inplace, linalg, random
from .anomaly import detect_anomaly
from .autograd import grad
from .core import Tensor
from .data import Minibatches
from .guarding import guard
from .machine import get_num_threads, keep_freed_memory, set_num_threads
from .modes import enable_grad, no_grad
from .names import Missing as _Missing
from .names import elsewhere as _elsewhere
from .ops import *
from .random import Generator, manual_seed
from .recomputing import recompute
from .transforms import hessian, hvp, jacobian, jvp, value_and_grad, vjp

if TYPE_CHECKING:  # for editors and type checkers; at run time each is loaded when it is first named
    from . import checkpoint, compiler, diagnostics, models, nn, optim, testing, text
    from .compiler import CompileError, compile

__version__ = "0.1.0"

COMPILER = ("CompileError", "compile")
LATER = ("checkpoint", "compiler", "diagnostics", "models", "nn", "optim", "testing", "text")


def __getattr__(name: str) -> Any:
    if name in LATER:
        return import_module(f"{__name__}.{name}")
    if name in COMPILER:
        return getattr(import_module(f"{__name__}.compiler"), name)
    if name == "torch":
        raise AttributeError("tinytensor.torch is not imported yet: write import tinytensor.torch")
    raise _Missing(_elsewhere, "torch", name, lambda: [*globals(), *LATER, *COMPILER])
