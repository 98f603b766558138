"""`torch.backends`: which libraries are available, and settings for some of them.

None is there but OpenMP's and BLAS's threads inside of NumPy: the switches are kept, and change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from types import ModuleType
from typing import Any

__path__: list[str] = []  # `import torch.backends.cudnn` is one of a package


def no() -> bool:
    """False."""
    return False


def yes() -> bool:
    """True."""
    return True


def backend(name: str, **has: Any) -> ModuleType:
    """A module of switches and of functions that answer."""
    module = ModuleType(f"{__name__}.{name}", f"`torch.backends.{name}`: switches that change nothing here.")
    vars(module).update(has)
    return module


def switch(name: str, at_first: bool) -> dict[str, Callable[..., Any]]:
    """A pair of functions: one sets, the other tells."""
    state = [at_first]

    def enable(enabled: bool) -> None:
        state[0] = bool(enabled)

    def enabled() -> bool:
        return state[0]

    return {f"enable_{name}": enable, f"{name}_enabled": enabled}


def ignored(*args: Any, **kwargs: Any) -> nullcontext[None]:
    """A block that changes nothing."""
    return nullcontext()


matmul = backend("cuda.matmul", allow_tf32=False, allow_fp16_reduced_precision_reduction=True,
                 allow_bf16_reduced_precision_reduction=True, fp32_precision="none")
cuda = backend("cuda", is_built=no, matmul=matmul, sdp_kernel=ignored, **switch("flash_sdp", True),
               **switch("mem_efficient_sdp", True), **switch("math_sdp", True), **switch("cudnn_sdp", True))
cudnn = backend("cudnn", is_available=no, version=lambda: None, enabled=True, benchmark=False, deterministic=False,
                allow_tf32=True, benchmark_limit=10, fp32_precision="none", flags=ignored)
mps = backend("mps", is_available=no, is_built=no)
mkl = backend("mkl", is_available=no)
mkldnn = backend("mkldnn", is_available=no, enabled=True, deterministic=False, flags=ignored)
openmp = backend("openmp", is_available=no)
opt_einsum = backend("opt_einsum", is_available=no, enabled=False, strategy=None)
cpu = backend("cpu", get_cpu_capability=lambda: "DEFAULT")
fp32_precision = "none"
