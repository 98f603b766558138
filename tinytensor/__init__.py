"""tinytensor: deep learning in NumPy, small enough to read whole. The public names; nothing is defined here."""

from importlib import import_module
from typing import Any

from . import checkpoint, nn, optim, random, text
from .autograd import detect_anomaly, grad
from .core import Tensor, no_grad
from .machine import get_num_threads, keep_freed_memory, set_num_threads
from .ops import *
from .random import Generator, manual_seed

__version__ = "0.1.0"

LATER = ("diagnostics", "testing")  # loaded on first use: few programs need them


def __getattr__(name: str) -> Any:
    if name in LATER:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
