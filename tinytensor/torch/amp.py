"""`torch.amp`: blocks of mixed precision, and the scaling of losses; both are supported only when switched off.

On a device that is not there PyTorch switches them off with a warning, and so does this. Everything is computed in
the dtype of the tensors.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

from .dtypes import bfloat16, dtype, float16
from .tensor import Tensor

ABSENT = ("cuda", "xpu", "mps", "hpu", "mtia", "xla")


class autocast:
    """A block, or a decorator, in which PyTorch computes in a smaller dtype; here nothing changes in it.

    On the cpu it is refused, unless ``enabled=False``, or the dtype is one that PyTorch switches off as well: results
    would be others.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> with torch.autocast("cpu", enabled=False):
    ...     print(torch.ones(2) @ torch.ones(2))
    tensor(2.)
    """

    def __init__(self, device_type: str, dtype: dtype | None = None, enabled: bool = True,
                 cache_enabled: bool | None = None) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"autocast: Expected `device_type` of type `str`, got: `{type(device_type)}`; expected "
                             f"'cpu'; write x.device.type")
        if enabled and device_type in ABSENT:
            warnings.warn(f"{device_type.upper()} is not available. Disabling autocast.", stacklevel=2)
        elif device_type not in ("cpu", *ABSENT):
            raise RuntimeError(f"autocast: User specified an unsupported autocast device_type '{device_type}'; "
                               f"expected 'cpu'; write x.device.type")
        elif enabled and dtype in (None, bfloat16, float16):
            raise RuntimeError(f"autocast: got dtype={dtype or bfloat16}; expected enabled=False, for there is no "
                               f"mixed precision here; leave autocast out, or switch it off, and compute in float32")
        elif enabled:
            warnings.warn("In CPU autocast, but the target dtype is not supported. Disabling autocast.", stacklevel=2)
        self.device, self.fast_dtype = device_type, dtype

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return call


def is_autocast_available(device_type: str) -> bool:
    """False: there is no mixed precision here."""
    return False


class GradScaler:
    """Scales a loss so that small gradients survive float16; here it is switched off and changes nothing.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> scaler = torch.amp.GradScaler("cpu", enabled=False)
    >>> scaler.scale(torch.tensor(3.0)), scaler.get_scale(), scaler.state_dict()
    (tensor(3.), 1.0, {})
    """

    def __init__(self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0,
                 backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True) -> None:
        if enabled and device in ABSENT:
            warnings.warn(f"torch.{device}.amp.GradScaler is enabled, but {device.upper()} is not available.  "
                          f"Disabling.", stacklevel=2)
        elif enabled:
            raise RuntimeError(f"GradScaler: got enabled=True on {device!r}; expected enabled=False, for float32 needs "
                               f"no scaling; write loss.backward() and optimizer.step()")

    def scale(self, outputs: Any) -> Any:
        """The outputs as they are."""
        if not isinstance(outputs, Tensor | list | tuple):
            raise ValueError(f"GradScaler: outputs must be a Tensor or an iterable of Tensors; got a "
                             f"{type(outputs).__name__}; give the loss")
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Nothing: the gradients are as they should be."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step()``."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Nothing: the scale stays 1."""

    def get_scale(self) -> float:
        """1.0."""
        return 1.0

    def is_enabled(self) -> bool:
        """False."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """Empty, as PyTorch's that is switched off."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing: there is nothing to set."""
