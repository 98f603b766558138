"""The table of calculus: every op and its rules, by family. A new op goes into its family's file, and nowhere else."""

from ..apply import PUBLIC
from . import activation, attention, create, decompositions, elementwise, fused, index, linalg, norm, norms, recurrent  # ops
from . import reduce, shape, spellings, systems

globals().update(PUBLIC)
__all__ = sorted(PUBLIC)
