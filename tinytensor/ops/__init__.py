"""The table of calculus: every op and its rules, by family. A new op goes into its family's file, and nowhere else."""

from ..apply import PUBLIC
from . import (  # ops
    activation,
    attention,
    contract,
    create,
    einstein,
    elementwise,
    fused,
    index,
    like,
    limits,
    linalg,
    norm,
    operators,
    polynomial,
    recurrent,
    reduce,
    refused,
    rounding,
    shape,
    special,
)

globals().update(PUBLIC)
__all__ = sorted(PUBLIC)
