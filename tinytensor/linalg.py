"""The functions of linear algebra under NumPy's names: ``tt.linalg.det(x)`` is ``np.linalg.det(x)``."""

from . import ops  # noqa: F401 (they offer what stands here)
from .define import NAMESPACES

globals().update(NAMESPACES["linalg"])
__all__ = sorted(NAMESPACES["linalg"])
