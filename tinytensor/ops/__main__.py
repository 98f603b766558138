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

import numpy as np

from ..apply import PUBLIC
from ..core import Tensor
from ..define import NAMESPACES
from .query import REFUSED

PACKAGE = Path(__file__).resolve().parents[1]
HEAD = "# Written by `python -m tinytensor.ops` from the ops' records: change those, not this file.\n\n"
TENSORS = ("T", "mT", "real", "imag", "flat")  # properties
KINDS = {  # what is returned where it is not a Tensor; Any: by the arguments
    "None": ("backward", "retain_grad"),
    "Handle": ("register_hook",),
    "Self": ("__iadd__", "__ifloordiv__", "__imatmul__", "__imod__", "__imul__", "__ipow__", "__isub__",
             "__itruediv__"),
    "bool": ("__contains__", "allclose", "array_equal", "array_equiv", "can_cast", "iscomplexobj", "isrealobj",
             "may_share_memory", "shares_memory"),
    "bytes": ("tobytes",),
    "complex": ("__complex__",),
    "int": ("__trunc__",),
    "list[Tensor]": ("array_split", "dsplit", "hsplit", "split", "vsplit"),
    "tuple[Tensor, ...]": (
        "__divmod__", "__rdivmod__", "broadcast_arrays", "diag_indices_from", "divmod", "frexp", "histogram",
        "histogram2d", "ix_", "linalg.lstsq", "linalg.slogdet", "linalg.eigh", "meshgrid", "modf", "nonzero", "polydiv",
        "tril_indices_from", "triu_indices_from", "unravel_index", "unstack"),
    "Any": ("atleast_1d", "atleast_2d", "atleast_3d", "average", "common_type", "einsum_path", "gradient",
            "histogramdd", "item", "linalg.qr", "linalg.svd", "min_scalar_type", "result_type", "unique", "unique_all",
            "unique_counts", "unique_inverse"),
}
RETURNS = {name: kind for kind, names in KINDS.items() for name in names}


def signature(name: str, function: Callable[..., Any], method: bool, namespace: str = "") -> str:
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
    return f"def {name}({', '.join(parameters)}) -> {RETURNS.get(namespace + name, 'Tensor')}: ..."


def methods() -> str:
    """The stub of the methods and properties that the ops attach to Tensor."""
    lines = [HEAD + "# ruff: noqa: E501\n\nfrom typing import Any, Self\n", "from .core import Tensor",
             "from .hooks import Handle\n", "class Methods:"]
    elsewhere = ("tinytensor.core", "tinytensor.dispatch")
    own = {name for name in vars(Tensor) if getattr(vars(Tensor)[name], "__module__", "") not in elsewhere}
    for name in sorted(own):
        value = vars(Tensor)[name]
        if isinstance(value, property) and getattr(value.fget, "__module__", "").startswith("tinytensor.ops"):
            kind = "Tensor" if name in TENSORS else "Any"
            lines += ["    @property", f"    def {name}(self) -> {kind}: ..."]
        elif inspect.isfunction(value) and name not in REFUSED:  # a checker is to find what is not there
            ignore = "  # type: ignore[override]" if name in ("__eq__", "__ne__") else ""
            lines.append(f"    {signature(name, value, method=True)}{ignore}")
    return "\n".join(lines) + "\n"


def functions() -> str:
    """The stub of the functions that `tinytensor` offers."""
    lines = [HEAD + "# ruff: noqa: E501\n\nfrom typing import Any\n", "from ..core import Tensor\n"]
    lines += [signature(name, function, method=False) for name, function in sorted(PUBLIC.items())]
    return "\n".join(lines) + "\n"


def linear_algebra() -> str:
    """The stub of the functions that `tinytensor.linalg` offers."""
    lines = [HEAD + "from typing import Any\n", "from .core import Tensor\n"]
    lines += [signature(name, function, method=False, namespace="linalg.")
              for name, function in sorted(NAMESPACES["linalg"].items()) if hasattr(np.linalg, name)]
    return "\n".join(lines) + "\n"


STUBS = {"_methods.pyi": methods, "ops/__init__.pyi": functions, "linalg.pyi": linear_algebra}


def main(arguments: list[str]) -> int:
    stale = []
    for path, text in ((PACKAGE / name, written()) for name, written in STUBS.items()):
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
