"""Generates the type stubs of the ops, for editors and type checkers.

    python -m tinytensor.ops            write them
    python -m tinytensor.ops --check    say whether those in the package are current; exit status 1 if not

The reference page is written by `python -m tinytensor.reference`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..apply import PUBLIC
from ..core import Tensor

PACKAGE = Path(__file__).resolve().parents[1]
HEAD = "# Written by `python -m tinytensor.ops` from the ops' records: change those, not this file.\n\n"
TENSORS = ("T", "mT", "real", "imag", "flat")  # properties
RETURNS = {"backward": "None", "retain_grad": "None", "register_hook": "Handle", "split": "list[Tensor]", "item": "Any",
           "tobytes": "bytes"}


def signature(name: str, function: Callable[..., Any], method: bool) -> str:
    """One line of a stub."""
    parameters = []
    for i, p in enumerate(inspect.signature(function).parameters.values()):
        if method and i == 0:
            parameters.append("self" if p.kind is not p.VAR_POSITIONAL else f"self, *{p.name}: Any")
            continue
        star = "*" if p.kind is p.VAR_POSITIONAL else "**" if p.kind is p.VAR_KEYWORD else ""
        if p.kind is p.KEYWORD_ONLY and not any(text.startswith("*") or ", *" in text for text in parameters):
            parameters.append("*")
        parameters.append(f"{star}{p.name}: Any" + ("" if p.default is p.empty else " = ..."))
    return f"def {name}({', '.join(parameters)}) -> {RETURNS.get(name, 'Tensor')}: ..."


def methods() -> str:
    """The stub of the methods and properties that the ops attach to Tensor."""
    lines = [HEAD + "# ruff: noqa: E501\n\nfrom typing import Any\n", "from .core import Tensor",
             "from .hooks import Handle\n", "class Methods:"]
    elsewhere = ("tinytensor.core", "tinytensor.dispatch")
    own = {name for name in vars(Tensor) if getattr(vars(Tensor)[name], "__module__", "") not in elsewhere}
    for name in sorted(own):
        value = vars(Tensor)[name]
        if isinstance(value, property) and getattr(value.fget, "__module__", "").startswith("tinytensor.ops"):
            kind = "Tensor" if name in TENSORS else "Any"
            lines += ["    @property", f"    def {name}(self) -> {kind}: ..."]
        elif inspect.isfunction(value):
            ignore = "  # type: ignore[override]" if name in ("__eq__", "__ne__") else ""
            lines.append(f"    {signature(name, value, method=True)}{ignore}")
    return "\n".join(lines) + "\n"


def functions() -> str:
    """The stub of the functions that `tinytensor` offers."""
    lines = [HEAD + "# ruff: noqa: E501\n\nfrom typing import Any\n", "from ..core import Tensor\n"]
    lines += [signature(name, function, method=False) for name, function in sorted(PUBLIC.items())]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    stale = []
    for path, text in (PACKAGE / "_methods.pyi", methods()), (PACKAGE / "ops" / "__init__.pyi", functions()):
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(path.relative_to(PACKAGE.parent).as_posix())
            if "--check" not in arguments:
                path.write_text(text, "utf-8")
    if "--check" in arguments:
        print(f"stale: {', '.join(stale)}; run python -m tinytensor.ops" if stale else "stubs current")
        return 1 if stale else 0
    print(f"written: {', '.join(stale)}" if stale else "all current")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
