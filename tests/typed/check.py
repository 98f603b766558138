"""Type-checks README's Python and the programs beside this file, as their authors would: by mypy and pyright.

    python tests/typed/check.py [PYTHON ...]    against tinytensor as it is installed for these interpreters

Without one it is the interpreter that runs this. A checker that is not installed is an error; nothing is run.
"""

import ast
import builtins
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__)
PROGRAMS = sorted(path for path in HERE.parent.glob("*.py") if path != HERE and not path.stem.startswith("test_"))
# README has no annotations, and uses what a loop leaves after it, as everywhere in Python.
HEAD = '"""README, as a file."""\n# pyright: standard, reportPossiblyUnboundVariable=false\n'
# A comment that suppresses nothing is an error, as in strict mypy: tests/typed/mistakes.py.
CONFIG = {"typeCheckingMode": "strict", "reportUnnecessaryTypeIgnoreComment": "error"}
DEFINED = {*dir(builtins), "__name__"}
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def readme_tour() -> str:
    """README's Python blocks one after the other, without excerpts: what is indented, or uses what nothing defines."""
    tour, defined = [HEAD], set(DEFINED)
    for block in BLOCK.findall((ROOT / "README.md").read_text("utf-8")):
        if not block.startswith(" "):
            made, used = names(ast.parse(block))
            if used <= defined | made:
                tour.append(block)
                defined |= made
    return "\n".join(tour)


def names(tree: ast.AST) -> tuple[set[str], set[str]]:
    """The names that a block defines, anywhere in it, and those that it uses."""
    made, used = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).partition(".")[0])
    return made, used


def write_programs(folder: Path) -> None:
    """Copy all programs to where the source tree is not found, so that the package is the installed one."""
    for path in PROGRAMS:
        (folder / path.name).write_text(path.read_text("utf-8"), "utf-8")
    (folder / "readme_tour.py").write_text(readme_tour(), "utf-8")


def mypy(folder: Path, python: str, cache: Path | None = None) -> list[str]:
    """The command that checks a folder of programs; README's functions have no annotations."""
    return [sys.executable, "-m", "mypy", "--strict", "--allow-untyped-defs", "--allow-untyped-calls",
            "--python-executable", python, "--cache-dir", str(cache or folder / ".mypy_cache"), str(folder)]


def pyright(folder: Path, python: str) -> list[str]:
    """The command that checks a folder of programs."""
    (folder / "pyrightconfig.json").write_text(json.dumps(CONFIG), "utf-8")
    return [sys.executable, "-m", "pyright", "--pythonpath", python, "-p", str(folder)]


def main(pythons: list[str]) -> int:
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        write_programs(Path(name))
        for python in pythons or [sys.executable]:
            for command in (mypy, pyright):
                print(f"{command.__name__} for {python}", flush=True)
                failed |= subprocess.run(command(Path(name), python), cwd=name).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
