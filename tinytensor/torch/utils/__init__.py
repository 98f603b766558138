"""PyTorch's `torch.utils`: the loading of data, and numbers for TensorBoard. Nothing is defined here."""

from importlib import import_module
from typing import Any

from . import data

__all__ = ["data"]


def __getattr__(name: str) -> Any:
    if name == "tensorboard":  # loaded when first named
        return import_module(f"{__name__}.tensorboard")
    raise AttributeError(f"torch.utils.{name} is not here; expected data or tensorboard; leave it out")
