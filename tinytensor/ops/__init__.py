"""The table of calculus: every op and its rules, by family. A new op goes into its family's file, and nowhere else."""

from ..apply import PUBLIC
from . import (  # ops
    activation,
    attention,
    create,
    elementwise,
    fused,
    index,
    linalg,
    nan,
    norm,
    quantiles,
    recurrent,
    reduce,
    scan,
    shape,
    signal,
    statistics,
    ufuncs,
)

globals().update(PUBLIC)
__all__ = sorted(PUBLIC)
