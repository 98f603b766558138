"""The table of calculus: every op and its rules, by family. A new op goes into its family's file, and nowhere else."""

from ..apply import PUBLIC
from . import activation, attention, contract, create, einstein, elementwise, fused, index, like, limits, linalg  # ops
from . import norm, operators, polynomial, recurrent, reduce, refused, rounding, shape, special  # ops

globals().update(PUBLIC)
__all__ = sorted(PUBLIC)
