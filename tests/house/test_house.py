"""The house: which room may import which, what a file may hold, and that what is generated is current."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tinytensor"
FILES = sorted(PACKAGE.rglob("*.py"))

# Each room and what it may import: what stands left of it. Within a folder files may import each other.
FLOORS = [
    {"_methods", "advice", "random", "optim", "text", "machine", "value", "modes", "names", "trees"},  # the ground
    {"core"},
    {"broadcasting", "collectives", "data", "hooks", "order"},
    {"dispatch", "autograd"},
    {"apply"},
    {"anomaly", "define", "guarding", "inplace", "point"},
    {"compose"},
    {"ops", "recomputing", "transforms"},
    {"linalg"},
    {"nn"},
    {"models", "compiler", "testing"},
    {"checkpoint", "diagnostics"},
    {"listing"},
    {"reference"},
    {"torch"},
]
FLOOR = {room: i for i, rooms in enumerate(FLOORS) for room in rooms}
ALONE = FLOORS[0]
OPTIONAL = {"matplotlib", "tqdm", "threadpoolctl", "hypothesis", "regex", "safetensors"}


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path):
    """(room, line, whether inside a function) for each import of the package by a file of it; other modules by name."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {id(node) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for node in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = path.relative_to(PACKAGE).parent.parts
            base = folder[: len(folder) - node.level + 1]
            targets = [node.module] if node.module else [alias.name for alias in node.names]
            for target in (t for t in targets if t != "__version__"):
                yield ((*base, *target.split("."))[0], True, node.lineno, id(node) in inside)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for name in [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]:
                yield (name.split(".")[0], False, node.lineno, id(node) in inside)


@pytest.mark.parametrize("path", [f for f in FILES if f != PACKAGE / "__init__.py"], ids=lambda p: p.stem)
def test_imports_run_one_way(path):
    here = room(path)
    for name, ours, line, in_function in imported(path):
        where = f"{path.name}:{line}"
        if not ours:
            assert name in sys.stdlib_module_names | {"numpy"} | OPTIONAL, f"{where}: {name} is no part of the house"
            assert not in_function or name in OPTIONAL, f"{where}: imports stand at the top, but for the optional"
            continue
        assert not in_function, f"{where}: imports stand at the top"
        below = name in (here, "names", "random", "advice") or (here not in ALONE and FLOOR[name] < FLOOR[here])
        assert below, f"{where}: {here} must not import {name}"


# The floors within compiler/: a file may import files of lower floors and of its own room. `ir` prints and verifies
# programs, so what it needs stands below it.
COMPILER = [{"layout", "verify"}, {"ir"}, {"primitives"}, {"buffers"}, {"passes"}, {"tracing"}, {"codegen"},
            {"parallel"}, {"equality", "copies", "differentiable"}, {"audit"}, {"executable"}, {"compiled"},
            {"__init__"}]
COMPILER_FLOOR = {name: i for i, names in enumerate(COMPILER) for name in names}
UPWARD = {("tracing", "parallel")}  # declared state is sharded: to be cut


def compiler_imports(path):
    """(room, line) for each import of the compiler by a file of it, without those for type checkers alone."""
    tree = ast.parse(path.read_text("utf-8"))
    typed = {id(node) for block in ast.walk(tree) if isinstance(block, ast.If) and ast.unparse(block.test) in (
        "TYPE_CHECKING", "typing.TYPE_CHECKING") for node in ast.walk(block)}
    folder = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in typed:
            base = folder[: len(folder) - node.level + 1]
            for name in [node.module] if node.module else [alias.name for alias in node.names]:
                full = (*base, *name.split("."))
                if full[0] == "compiler" and len(full) > 1:
                    yield full[1], node.lineno


@pytest.mark.parametrize("path", [f for f in FILES if room(f) == "compiler"], ids=lambda p: f"{p.parent.stem}/{p.stem}")
def test_the_compiler_s_imports_run_one_way(path):
    here = path.relative_to(PACKAGE).parts[1].removesuffix(".py")
    for name, line in compiler_imports(path):
        below = name == here or COMPILER_FLOOR[name] < COMPILER_FLOOR[here] or (here, name) in UPWARD
        assert below, f"{path.name}:{line}: {here} must not import {name}"


def test_only_style_imports_matplotlib_and_only_strategies_hypothesis():
    users = {name: [p.name for p in FILES if name in p.read_text("utf-8") and any(name == n for n, *_ in imported(p))]
             for name in ("matplotlib", "hypothesis", "threadpoolctl")}
    assert users == {"matplotlib": ["style.py"], "hypothesis": ["strategies.py"], "threadpoolctl": ["machine.py"]}


def test_every_file_opens_with_a_sentence():
    """A test's first sentence says what it guards. What stands in golden/ is written by programs."""
    folders = [p for folder in ("examples", "benchmarks", "tests") for p in (ROOT / folder).rglob("*.py")]
    for path in [*FILES, *(p for p in folders if "golden" not in p.parts)]:
        doc = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        assert doc.splitlines()[:1] and doc.splitlines()[0].endswith("."), path


def test_stubs_are_current():
    done = subprocess.run([sys.executable, "-m", "tinytensor.ops", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
