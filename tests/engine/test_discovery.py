"""What `dir`, completion, `help` and a star import show: each public name, with words on it, and nothing else."""

import builtins
import inspect
import pydoc
import subprocess
import sys
import types
from importlib import import_module

import numpy as np
import pytest

import tinytensor as tt

NAMESPACES = ["tinytensor", *(f"tinytensor.{name}" for name in (
    "checkpoint", "define", "diagnostics", "linalg", "machine", "models", "nn", "nn.functional", "nn.init", "optim",
    "random", "testing", "text", "value"))]
EXPECTED = {"Tensor", "tensor", "exp", "einsum", "grad", "no_grad", "jacobian", "compile", "CompileError", "nn",
            "optim", "testing", "checkpoint", "models", "text", "diagnostics", "value", "linalg", "random", "define",
            "machine", "Generator", "manual_seed", "recompute", "detect_anomaly", "guard", "set_num_threads"}


@pytest.mark.parametrize("name", NAMESPACES)
def test_each_name_is_there_and_has_words_on_it(name):
    module = import_module(name)
    shown = [n for n in dir(module) if n != "__version__"]
    assert shown == sorted(set(shown)) and shown == sorted(module.__all__)
    for n in shown:
        value = getattr(module, n)
        assert not n.startswith("_"), f"{name}.{n} is private"
        assert inspect.getdoc(value), f"{name}.{n} has no docstring"
        home = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
        assert home is None or home.split(".")[0] == "tinytensor" or name == "tinytensor.linalg", (
            f"{name}.{n} was imported from {home}")


@pytest.mark.parametrize("name", [n for n in NAMESPACES if n not in ("tinytensor", "tinytensor.define")])
def test_no_namespace_shows_a_module_by_accident(name):
    shown = {n for n in dir(import_module(name)) if isinstance(getattr(import_module(name), n), types.ModuleType)}
    assert shown == {"tinytensor.nn": {"functional", "init"},
                     "tinytensor.diagnostics": {"graph", "health"}}.get(name, set())


def test_the_package_shows_what_there_is():
    shown = set(dir(tt))
    assert shown >= EXPECTED and not {"Any", "TYPE_CHECKING", "LATER", "COMPILER", "core", "apply", "modes"} & shown
    modules = {n for n in shown if isinstance(getattr(tt, n), types.ModuleType)}
    assert modules == {n.split(".")[1] for n in NAMESPACES if n.count(".") == 1}


def test_help_names_the_namespaces_and_what_is_in_them():
    text = pydoc.plain(pydoc.render_doc(tt))
    about = text[: text.index("PACKAGE CONTENTS")]
    assert all(word in about for word in ("nn, optim, models", "compile", "testing", "checkpoint", "value", "linalg"))
    functions = text[text.index("\nFUNCTIONS\n"):]
    for name in ("compile", "einsum", "grad", "jacobian", "softmax"):
        assert f"\n    {name}(" in functions, name
    assert "import_module(" not in functions


def test_a_star_import_replaces_no_more_of_python_than_numpy_s_and_torch_s():
    names = {}
    exec("from tinytensor import *", names)
    assert names.keys() - {"__builtins__"} == set(dir(tt)) - {"__version__"}
    assert names.keys() & set(dir(builtins)) - set(np.__all__) == {"compile"}


def test_dir_loads_nothing():
    program = ("import sys, tinytensor as tt\n"
               "assert {'nn', 'compile', 'value'} <= set(dir(tt))\n"
               "later = 'nn optim compiler testing models text checkpoint diagnostics value'.split()\n"
               "print([n for n in later if 'tinytensor.' + n in sys.modules])\n"
               "tt.value.Value(1.0), tt.nn.Linear, tt.diagnostics.health, tt.compile\n"
               "print(tt.nn is sys.modules['tinytensor.nn'])")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\nTrue\n", done.stderr


def test_a_name_that_is_not_there_is_still_explained():
    with pytest.raises(AttributeError, match="the nearest is 'softmax'"):
        tt.sofmax  # noqa: B018
    with pytest.raises(AttributeError, match="the nearest is 'Linear'"):
        tt.nn.Linaer  # noqa: B018
