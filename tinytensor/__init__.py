"""tinytensor: deep learning on NumPy, written to be read. The public names; nothing is defined here.

    tensor, Tensor          an array that records how it was computed: NumPy's functions and operators take it
    exp, sum, matmul, ...   NumPy's functions under NumPy's names, also as methods of a Tensor; `linalg`
    x.backward(), grad      gradients; value_and_grad, vjp, jvp, jacobian, hessian, hvp for functions
    nn, optim, models       layers, optimisers and the networks of the lectures, with PyTorch's names
    compile                 a training step as flat NumPy source with the same results
    random, manual_seed     PyTorch's random streams
    Minibatches, text       shuffled minibatches of arrays; vocabularies and tokenizers
    checkpoint              files of weights and of all that a run needs to go on
    testing, diagnostics    checks of your own gradients and layers; a look into a network, figures
    define, value, machine  your own ops; the scalar engine of the first lecture; threads and memory

`import tinytensor.torch` offers all of it under PyTorch's names.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# `as` says to type checkers that a name is public
from . import define as define
from . import inplace as _inplace
from . import linalg as linalg
from . import machine as machine
from . import ops as _ops
from . import random as random
from .anomaly import detect_anomaly as detect_anomaly
from .autograd import grad as grad
from .core import Tensor as Tensor
from .data import Minibatches as Minibatches
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
    from . import value as value
    from .compiler import CompileError as CompileError
    from .compiler import compile as compile

__version__ = "0.1.0"

# The namespaces; those that are not imported above are loaded when they are first named.
_NAMESPACES = ("checkpoint", "define", "diagnostics", "linalg", "machine", "models", "nn", "optim", "random", "testing",
              "text", "value")
_COMPILER = ("CompileError", "compile")

if not TYPE_CHECKING:  # so that type checkers report missing names
    __all__ = sorted([
        *_ops.__all__, *_NAMESPACES, *_COMPILER, "Generator", "Minibatches", "Tensor", "detect_anomaly",
        "enable_grad", "get_num_threads", "grad", "guard", "hessian", "hvp", "jacobian", "jvp", "keep_freed_memory",
        "manual_seed", "no_grad", "recompute", "set_num_threads", "value_and_grad", "vjp"])

    def __dir__() -> list[str]:
        return [*__all__, "__version__"]

    def __getattr__(name: str) -> Any:
        if name in _NAMESPACES or name == "compiler":
            return import_module(f"{__name__}.{name}")
        if name in _COMPILER:
            return getattr(import_module(f"{__name__}.compiler"), name)
        if name == "torch":
            raise AttributeError("tinytensor.torch is not imported yet: write import tinytensor.torch")
        raise _Missing(_elsewhere, "torch", name, __dir__)
