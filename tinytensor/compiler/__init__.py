"""`compile`: a function of arrays, such as a training step, as flat NumPy source that is faster than the function.

Traced (`trace.py`), planned (`plan.py`), written as text (`emit.py`), and run in the function's place.
"""

from .program import CompileError
from .step import Compiled, compile

__all__ = ["CompileError", "Compiled", "compile"]
