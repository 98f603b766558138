"""Dead code elimination: calls whose results are not read are left out."""

from __future__ import annotations

from ..ir import Call, Program, values


def eliminate_dead_code(program: Program) -> Program:
    """The program without calls that neither have an effect nor contribute to its results or its state."""
    live = {v.number for v in values(program.result)}
    live |= {final.number for source, final in program.state if final is not source}
    kept: list[Call] = []
    for call in reversed(program.calls):
        if call.effect or any(v.number in live for v in call.outputs()):
            kept.append(call)
            live.update(v.number for v in call.inputs())
            if call.region is not None and call.region.call is not None:
                live.update(v.number for v in call.region.call.inputs() if v is not call.result)
    return program._replace(calls=kept[::-1])
