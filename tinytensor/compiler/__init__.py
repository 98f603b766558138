"""`compile`: a function of arrays, such as a training step, as flat NumPy source that is faster than the function."""

from .compiled import CompiledStep, compile
from .ir import CompileError

__all__ = ["CompileError", "CompiledStep", "compile"]
