"""Control flow on numbers that vary: a program fits only numbers that take the same branches as in its trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir import Value


def choices(found: dict[int, tuple[Value, bool]], inputs: Sequence[Value], getters: dict[int, Callable[[], Any]]
            ) -> Callable[[Sequence[Any]], bool] | None:
    """Whether the numbers by which a step chose, computed of what it is given, choose the same; None if there are none.

    Parameters
    ----------
    found : dict
        Of each number that was asked for its truth: the value, and the answer.
    inputs : sequence of Value
        What the step is given, in order.
    getters : dict
        How other numbers are read, by the number of the source.
    """
    if not found:
        return None
    known: dict[str, Any] = {}
    lines: list[str] = []
    done: set[int] = set()
    at = {v.number: i for i, v in enumerate(inputs)}

    def text_of(x: Any) -> str:
        if not isinstance(x, Value):
            known[f"c{len(known)}"] = x
            return f"c{len(known) - 1}"
        if x.number not in done:
            done.add(x.number)
            if x.number in at:
                lines.append(f"v{x.number} = given[{at[x.number]}]")
            elif x.number in getters:
                known[f"get{x.number}"] = getters[x.number]
                lines.append(f"v{x.number} = get{x.number}()")
            else:
                assert x.call is not None
                known[f"f{x.number}"] = x.call.target
                given = ", ".join(map(text_of, x.call.args))
                lines.append(f"v{x.number} = f{x.number}({given})")
        return f"v{x.number}"

    tests = [f"bool({text_of(v)}) is {truth}" for v, truth in found.values()]
    body = "\n        ".join([*lines, f"return {' and '.join(tests)}"])
    exec(f"def choose(given):\n    try:\n        {body}\n    except ArithmeticError:\n        return False\n", known)
    chosen: Callable[[Sequence[Any]], bool] = known["choose"]
    return chosen


def is_number(value: Value) -> bool:
    """Whether a value is a number made of numbers: it can be computed before a step runs."""
    if value.is_array:
        return False
    if value.call is None:
        return value.kind == "number"
    own = value.call.name.startswith("number ") or value.call.name == "abs"
    return own and all(map(is_number, value.call.read))
