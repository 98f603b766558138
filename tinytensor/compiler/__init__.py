"""`compile`: a function of arrays, such as a training step, as flat NumPy source that is faster than the function.

README.md beside this file goes from a step to its source, pass by pass, and says how to add a primitive, a pass or a
guard.
"""

from .compiled import CompiledStep, compile
from .ir import CompileError

__all__ = ["CompileError", "CompiledStep", "compile"]
