"""The table of calculus: every op and its rules, by family. A new op goes into its family's file, and nowhere else."""

from ..apply import PUBLIC
from . import (  # ops
    activation,
    attention,
    create,
    decompositions,
    elementwise,
    fused,
    index,
    least_squares,
    linalg,
    norm,
    norms,
    recurrent,
    reduce,
    shape,
    spectra,
    spellings,
    systems,
)

globals().update(PUBLIC)
__all__ = sorted(PUBLIC)
