"""The table of calculus: every op and its rules, by family. A new op goes into its family's file, and nowhere else."""

from ..apply import PUBLIC
from . import activation, attention, create, elementwise, fused, index, linalg, norm, recurrent, shape  # ops
from . import nan, quantiles, reduce, scan, signal, statistics, ufuncs  # reductions

globals().update(PUBLIC)
__all__ = sorted(PUBLIC)
