"""The passes that a traced program goes through before it is written as source, in order.

A pass is a function from program to program. Those after `eliminate_dead_code` leave the calls alone: they
decide where values are stored, and note it in the program's `plan`.
"""

from __future__ import annotations

from collections.abc import Callable

from ..ir import Program
from .buffer_assignment import assign_buffers, pack_arena
from .dce import eliminate_dead_code
from .fold_scale import fold_scale
from .horizontal_fusion import fuse_updates
from .tiling import form_tiled_loops

PASSES: tuple[Callable[[Program], Program], ...] = (
    fold_scale, fuse_updates, eliminate_dead_code, assign_buffers, form_tiled_loops, pack_arena)


def optimized(program: Program, verify: bool = False) -> Program:
    """The program after all passes; `verify` checks it after each pass, as the tests do."""
    for run in PASSES:
        program = run(program)
        if verify:
            program.verify()
    return program
