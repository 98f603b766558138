"""PyTorch's `torch.utils`: the loading of data, numbers for TensorBoard, and more. Nothing is defined here."""

from importlib import import_module
from typing import Any

from . import data

__all__ = ["data"]


def __getattr__(name: str) -> Any:
    if name in ("checkpoint", "tensorboard"):  # loaded when first named
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"torch.utils.{name} is not here; expected data, checkpoint or tensorboard; leave it out")
