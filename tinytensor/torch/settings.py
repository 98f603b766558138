"""What programs set for the whole process: threads, precision, determinism, and the default device.

Where a setting of PyTorch's changes nothing here, it is kept and told again; where it would have to, it is refused.
"""

from __future__ import annotations

import warnings
from typing import Any

from .. import machine
from .dtypes import CPU, device
from .offer import offer

PRECISIONS = ("highest", "high", "medium")
MODES = ("default", "warn", "error")
held: dict[str, Any] = {"precision": "highest", "deterministic": 0, "warn_always": False, "interop": 1}


# --- threads ---


@offer()
def get_num_threads() -> int:
    """How many threads matrix products may use; without threadpoolctl it can't be known, and is an ImportError."""
    return machine.get_num_threads()


@offer()
def set_num_threads(num: int) -> None:
    """Let matrix products use so many threads; without threadpoolctl they keep theirs, and a warning says so."""
    if not isinstance(num, int) or num < 1:
        raise RuntimeError(f"set_num_threads: set_num_threads expects a positive integer; got {num!r}; write 1 for "
                           f"small networks")
    try:
        machine.set_num_threads(num)
    except ImportError as error:
        warnings.warn(str(error), stacklevel=3)


@offer()
def get_num_interop_threads() -> int:
    """How many ops may run side by side, as it was set; here each waits for the one before."""
    return held["interop"]  # type: ignore[no-any-return]


@offer()
def set_num_interop_threads(num: int) -> None:
    """Stored and returned again: it changes nothing here."""
    held["interop"] = int(num)


# --- precision and determinism ---


@offer()
def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was given; "highest" at first."""
    return held["precision"]  # type: ignore[no-any-return]


@offer()
def set_float32_matmul_precision(precision: str) -> None:
    """Allow products of float32 to be less exact: here they are exact all the same, as on PyTorch's cpu."""
    if precision not in PRECISIONS:
        raise RuntimeError(f"set_float32_matmul_precision: got {precision!r}; expected one of {', '.join(PRECISIONS)}; "
                           f"leave it at 'highest'")
    held["precision"] = precision


@offer()
def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Require deterministic functions: here all are, whatever is set."""
    held["deterministic"] = (1 if warn_only else 2) if mode else 0


@offer()
def are_deterministic_algorithms_enabled() -> bool:
    """Whether `use_deterministic_algorithms` was set."""
    return held["deterministic"] > 0  # type: ignore[no-any-return]


@offer()
def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether it was set with ``warn_only=True``."""
    return held["deterministic"] == 1  # type: ignore[no-any-return]


@offer()
def get_deterministic_debug_mode() -> int:
    """0 for "default", 1 for "warn", 2 for "error"."""
    return held["deterministic"]  # type: ignore[no-any-return]


@offer()
def set_deterministic_debug_mode(debug_mode: Any) -> None:
    """As `use_deterministic_algorithms`, by number or name."""
    level = MODES.index(debug_mode) if debug_mode in MODES else debug_mode
    if level not in (0, 1, 2):
        raise RuntimeError(f"set_deterministic_debug_mode: got {debug_mode!r}; expected one of 0, 1, 2, "
                           f"{', '.join(MODES)}; write 'default'")
    held["deterministic"] = level


@offer()
def set_flush_denormal(mode: bool) -> bool:
    """False: NumPy keeps the numbers next to 0 as they are."""
    return False


@offer()
def set_warn_always(b: bool) -> None:
    """Stored and returned again: warnings follow Python's own filters."""
    held["warn_always"] = bool(b)


@offer()
def is_warn_always_enabled() -> bool:
    """What `set_warn_always` was given."""
    return held["warn_always"]  # type: ignore[no-any-return]


# --- the default device ---


@offer()
def get_default_device() -> device:
    """The cpu."""
    return CPU


@offer()
def set_default_device(device: Any) -> None:
    """The cpu, or None for it; any other is refused."""
    if device is not None:
        type(CPU)(device if not isinstance(device, type(CPU)) else device.type)
