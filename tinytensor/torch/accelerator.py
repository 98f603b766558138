"""`torch.accelerator`: what programs ask of a device that computes faster; there is none here, and all goes on."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from .cuda import device_count, empty_cache, is_available, manual_seed, manual_seed_all, synchronize

__all__ = ["current_accelerator", "device_count", "empty_cache", "is_available", "synchronize"]


def current_accelerator(check_available: bool = False) -> None:
    """None: tensors are on the cpu."""


def absent(name: str) -> ModuleType:
    """The module of a device that is not there, such as `torch.mps`: it says so when it is called."""
    def missing(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise AttributeError(f"torch.{name}.{attribute}: tinytensor computes with NumPy, on the cpu; expected a "
                             f"program that asks torch.{name}.is_available() first; leave it out")

    module = ModuleType(f"{__name__.rpartition('.')[0]}.{name}", f"`torch.{name}`: a device that is not here.")
    vars(module).update(is_available=is_available, device_count=device_count, empty_cache=empty_cache,
                        synchronize=synchronize, manual_seed=manual_seed, manual_seed_all=manual_seed_all,
                        seed=manual_seed_all, __getattr__=missing)
    return module


mps, xpu, mtia = absent("mps"), absent("xpu"), absent("mtia")
