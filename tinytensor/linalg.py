"""Linear algebra under NumPy's names: ``tt.linalg.det(x)`` is ``np.linalg.det(x)``."""

from typing import TYPE_CHECKING, Any

import numpy as np

from . import ops  # noqa: F401 (importing them registers these functions)
from .define import NAMESPACES

if TYPE_CHECKING:
    def __getattr__(name: str) -> Any: ...

OFFERED = {name: function for name, function in NAMESPACES["linalg"].items() if hasattr(np.linalg, name)}
globals().update(OFFERED)
__all__ = sorted(OFFERED)


def __dir__() -> list[str]:
    return __all__
