"""tinytensor: deep learning in NumPy, small enough to read whole. The public names; nothing is defined here."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# `as` says to type checkers that a name is public
from . import inplace
from . import linalg as linalg
from . import random as random
from .anomaly import detect_anomaly as detect_anomaly
from .autograd import grad as grad
from .core import Tensor as Tensor
from .data import Minibatches
from .guarding import guard as guard
from .machine import get_num_threads as get_num_threads
from .machine import keep_freed_memory as keep_freed_memory
from .machine import set_num_threads as set_num_threads
from .modes import enable_grad as enable_grad
from .modes import no_grad as no_grad
from .names import Missing as _Missing
from .names import elsewhere as _elsewhere
from .ops import *
from .random import Generator as Generator
from .random import manual_seed as manual_seed
from .recomputing import recompute as recompute
from .transforms import hessian as hessian
from .transforms import hvp as hvp
from .transforms import jacobian as jacobian
from .transforms import jvp as jvp
from .transforms import value_and_grad as value_and_grad
from .transforms import vjp as vjp

if TYPE_CHECKING:  # for editors and type checkers; at run time each is loaded when it is first named
    from . import checkpoint as checkpoint
    from . import compiler as compiler
    from . import diagnostics as diagnostics
    from . import models as models
    from . import nn as nn
    from . import optim as optim
    from . import testing as testing
    from . import text as text
    from .compiler import CompileError as CompileError
    from .compiler import compile as compile

__version__ = "0.1.0"

COMPILER = ("CompileError", "compile")
LATER = ("checkpoint", "compiler", "diagnostics", "models", "nn", "optim", "testing", "text")


if not TYPE_CHECKING:  # a checker is to find what is not there

    def __getattr__(name: str) -> Any:
        if name in LATER:
            return import_module(f"{__name__}.{name}")
        if name in COMPILER:
            return getattr(import_module(f"{__name__}.compiler"), name)
        if name == "torch":
            raise AttributeError("tinytensor.torch is not imported yet: write import tinytensor.torch")
        raise _Missing(_elsewhere, "torch", name, lambda: [*globals(), *LATER, *COMPILER])
