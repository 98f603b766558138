"""The table of calculus: every op and its rules, by family. A new op goes into its family's file, and nowhere else."""

from ..apply import PUBLIC
from . import (  # each registers its ops
    activation,
    arrange,
    attention,
    choice,
    contract,
    create,
    einstein,
    elementwise,
    fused,
    index,
    join,
    like,
    limits,
    linalg,
    nan,
    norm,
    operators,
    order,
    padding,
    polynomial,
    quantiles,
    query,
    recurrent,
    reduce,
    refused,
    rounding,
    scan,
    shape,
    signal,
    special,
    statistics,
    turn,
    ufuncs,
    windows,
)

globals().update(PUBLIC)
__all__ = sorted(PUBLIC)
