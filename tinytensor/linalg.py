"""The functions of linear algebra under NumPy's names: ``tt.linalg.det(x)`` is ``np.linalg.det(x)``."""

from typing import TYPE_CHECKING, Any

from . import ops  # noqa: F401 (they offer what stands here)
from .define import NAMESPACES

if TYPE_CHECKING:
    def __getattr__(name: str) -> Any: ...

globals().update(NAMESPACES["linalg"])
__all__ = sorted(NAMESPACES["linalg"])
