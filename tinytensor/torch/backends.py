"""`torch.backends`: the switches of CUDA's and of Apple's libraries, which programs set; there are none here.

They can be set and read, and change nothing: NumPy computes on the cpu, in full precision, always in the same way.
"""

from __future__ import annotations

from typing import Any


class Switches:
    """Named switches, with the values that PyTorch begins with on the cpu; others are refused."""

    def __init__(self, name: str, **switches: Any) -> None:
        vars(self).update(switches, _name=name)

    def __setattr__(self, key: str, value: Any) -> None:
        if key not in vars(self):
            refuse(self._name, key)
        vars(self)[key] = value

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__") or key == "_name":
            raise AttributeError(key)
        return refuse(self._name, key)


def refuse(name: str, key: str) -> Any:
    raise AttributeError(f"torch.backends.{name}.{key} is not here: tinytensor computes with NumPy, on the cpu; leave "
                         f"it out")


def absent() -> bool:
    """False: it is not there."""
    return False


cudnn = Switches("cudnn", enabled=True, benchmark=False, deterministic=False, allow_tf32=True, benchmark_limit=10,
                 is_available=absent, version=lambda: None)
cuda = Switches("cuda", matmul=Switches("cuda.matmul", allow_tf32=False, fp32_precision="none"), is_built=absent,
                flash_sdp_enabled=absent, mem_efficient_sdp_enabled=absent, math_sdp_enabled=lambda: True)
mps = Switches("mps", is_available=absent, is_built=absent)
mkl = Switches("mkl", is_available=absent)
mkldnn = Switches("mkldnn", is_available=absent, enabled=False)
openmp = Switches("openmp", is_available=absent)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise AttributeError(f"torch.backends.{name} is not here: tinytensor computes with NumPy, on the cpu; leave it out")
