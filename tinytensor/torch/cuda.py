"""What programs ask of CUDA before they use it: there is none here."""

from types import ModuleType
from typing import Any

from . import amp as _amp

__path__: list[str] = []  # `import torch.cuda.amp` is one of a package


def is_available() -> bool:
    """False: tinytensor computes with NumPy, on the cpu."""
    return False


def device_count() -> int:
    """0."""
    return 0


def is_initialized() -> bool:
    """False."""
    return False


def manual_seed(seed: int) -> None:
    """Nothing: there is no generator to seed."""


manual_seed_all = manual_seed


def synchronize(device: Any = None) -> None:
    """Nothing: there is nothing to wait for."""


def empty_cache() -> None:
    """Nothing: there is no memory to give back."""


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False: there is no such dtype here."""
    return False


def memory_allocated(device: Any = None) -> int:
    """0: tensors are in the memory of the process."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing: there is nothing to count."""


class _autocast(_amp.autocast):
    """`torch.autocast` of CUDA, which is not there: it warns, and changes nothing."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


class _GradScaler(_amp.GradScaler):
    """`torch.amp.GradScaler` of CUDA, which is not there: it warns, and changes nothing."""

    def __init__(self, init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5,
                 growth_interval: int = 2000, enabled: bool = True) -> None:
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


amp = ModuleType(f"{__name__}.amp", "`torch.cuda.amp`: mixed precision on a device that is not here.")
vars(amp).update(autocast=_autocast, GradScaler=_GradScaler)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise AttributeError(f"torch.cuda.{name}: tinytensor computes with NumPy, on the cpu; expected a program that asks "
                         f"torch.cuda.is_available() first; leave CUDA out")
