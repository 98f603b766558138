"""The table of calculus: every op and its rules, by family. A new op goes into its family's file, and nowhere else."""

from ..apply import PUBLIC
from . import (  # each registers its ops
    activation,
    arrange,
    attention,
    choice,
    create,
    elementwise,
    fused,
    index,
    join,
    linalg,
    nan,
    norm,
    order,
    padding,
    quantiles,
    query,
    recurrent,
    reduce,
    scan,
    shape,
    signal,
    statistics,
    turn,
    ufuncs,
    windows,
)

globals().update(PUBLIC)
__all__ = sorted(PUBLIC)
