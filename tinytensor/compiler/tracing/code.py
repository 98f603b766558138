"""What code names: its variables, attributes and imports; and whose code a file is."""

from __future__ import annotations

import contextlib
import dis
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType
from typing import Any

from .source_info import NUMPY, PACKAGE

STANDARD = tuple({sysconfig.get_paths()[k] for k in ("stdlib", "platstdlib")})
INSTALLED = ("site-packages", "dist-packages")  # code there is the user's, as in files
WHOLE = {"globals", "eval", "exec", "__globals__"}  # reach all variables of a function's own module
DYNAMIC = WHOLE | {"vars", "__dict__", "getattr", "attrgetter", "import_module", "__import__", "modules"}  # of others


@lru_cache(maxsize=1024)
def is_installed(file: str | None) -> bool:
    """Whether a file belongs to an installed package."""
    return any(f"/{room}/" in (file or "").replace("\\", "/") for room in INSTALLED)


@lru_cache(maxsize=1024)
def is_library_file(file: str | None) -> bool:
    """Whether a file is NumPy's, this package's or of Python itself: code in C has none."""
    if file is None or file.startswith((PACKAGE, NUMPY, "<frozen")):
        return True
    return file.startswith(STANDARD) and not is_installed(file)


def is_library(x: Any) -> bool:
    """Whether a module, or the module of a class, is not the user's."""
    if isinstance(x, type):
        if x.__module__ == "builtins":
            return True
        x = sys.modules.get(x.__module__)
    table = getattr(x, "__dict__", {})  # subtle: a module may make attributes when it is asked for them
    return x is not None and (table.get("__name__", "") in sys.builtin_module_names or (
        "__file__" in table and is_library_file(table["__file__"])))


def codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of those inside of it."""
    yield code
    for x in code.co_consts:
        if isinstance(x, CodeType):
            yield from codes(x)


@lru_cache(maxsize=1024)
def global_names(code: CodeType) -> dict[str, None]:
    """The names of variables of its module that a function reads or writes."""
    return dict.fromkeys(i.argval for c in codes(code) for i in dis.get_instructions(c) if i.opname in
                         ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"))


@lru_cache(maxsize=1024)
def names_of(code: CodeType) -> frozenset[str]:
    """The names of attributes that a function reads or writes, and texts that could be such names."""
    return frozenset([n for c in codes(code) for n in c.co_names] + [
        n for c in codes(code) for n in c.co_consts if isinstance(n, str) and n.replace(".", "_").isidentifier()])


@lru_cache(maxsize=1024)
def imported(code: CodeType, package: str | None) -> list[str]:
    """The modules that a function imports, by their whole names, and those that these are in."""
    found: list[str] = []
    for c in codes(code):
        lines = list(dis.get_instructions(c))
        for i, line in enumerate(lines):
            if line.opname == "IMPORT_NAME":
                level, name = lines[i - 2].argval, line.argval
                if level:
                    base = (package or "").split(".")
                    name = ".".join([*base[: len(base) - level + 1], *filter(None, [name])])
                parts = name.split(".")
                found += [".".join(parts[: n + 1]) for n in range(len(parts))]
    return list(dict.fromkeys(found))


def is_user_code(code: CodeType) -> bool:
    """Whether code that ran is the user's."""
    file = code.co_filename
    return not is_library_file(file) and file != contextlib.__file__ and code.co_name != "<module>"
