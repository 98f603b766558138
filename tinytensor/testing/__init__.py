"""Checks for your own layers, ops and gradients; the tests of this package use the same.

`strategies` draws inputs for them and needs Hypothesis; `breaks` has mistakes for exercises. All else needs NumPy only.
"""

from .compare import Comparison, compare
from .gradcheck import gradcheck
from .invariants import assert_float32_kept, assert_no_leak
from .ops import check_op, checks
from .oracles import against, complex_step

__all__ = ["Comparison", "against", "assert_float32_kept", "assert_no_leak", "check_op", "checks", "compare",
           "complex_step", "gradcheck"]


def __dir__() -> list[str]:
    return __all__
