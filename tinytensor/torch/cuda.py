"""What programs ask of CUDA before they use it: there is none here."""

from typing import Any


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


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise AttributeError(f"torch.cuda.{name}: tinytensor computes with NumPy, on the cpu; expected a program that asks "
                         f"torch.cuda.is_available() first; leave CUDA out")
