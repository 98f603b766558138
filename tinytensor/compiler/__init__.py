"""`compile`: a function of arrays, such as a training step, as flat NumPy source that is faster than the function.

Traced (`trace.py`), planned (`plan.py`), written as text (`emit.py`), and run in the function's place.
"""

from .step import Compiled, compile
from .program import CompileError

__all__ = ["CompileError", "Compiled", "compile"]
