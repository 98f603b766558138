"""Every example in a docstring of the package and of the examples runs and prints what it says, file by file.

`np` and `tt` are there, as in NumPy's own docstrings. Warnings are errors.
"""

import doctest
import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.apply import PUBLIC

ROOT = Path(__file__).resolve().parents[2]
SHOWN = re.compile(r"^ *>>> ", re.MULTILINE)
FILES = [path for folder in ("tinytensor", "examples") for path in sorted((ROOT / folder).rglob("*.py"))
         if SHOWN.search(path.read_text("utf-8")) and path.stem != "__main__"]
EXTRAS = {"hypothesis", "matplotlib", "regex", "safetensors", "threadpoolctl", "tqdm"}  # what an example may need
GIVEN = {"np": np, "tt": tt}
OPTIONS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


def module_of(path):
    """The module that a file holds; a skip where it needs an extra that is not installed."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    try:
        return importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        pytest.skip(f"needs {error.name} (pip install -e '.[test]')")


class Finder(doctest.DocTestFinder):
    """Finds ops too, which are made by a function of another module, and classes that say they are `torch`'s own."""

    def _from_module(self, module, thing):
        if isinstance(thing, type) and thing.__module__ == "tinytensor.torch":
            makers = [vars(thing).get(name) for name in ("__new__", "__init__")]
            return module.__name__ in [getattr(getattr(f, "__func__", f), "__module__", "") for f in makers]
        return getattr(thing, "__module__", None) == module.__name__ or super()._from_module(module, thing)


def ran(tests):
    """How many examples ran; a failure is raised with what was printed."""
    run, text = doctest.DocTestRunner(optionflags=OPTIONS), []
    for test in tests:
        run.run(test, out=text.append)
    assert not run.failures, "".join(text)
    return run.tries


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT).with_suffix("")))
def test_examples_run(path, monkeypatch, tmp_path):
    module = module_of(path)
    monkeypatch.chdir(tmp_path)
    for name in [n for n in sys.modules if n.partition(".")[0] == "torch"]:  # one example installs ours as `torch`
        monkeypatch.delitem(sys.modules, name)
    tt.manual_seed(0)
    assert ran(Finder().find(module, extraglobs=GIVEN))


def test_examples_of_functions_without_a_rule_run():
    made = {name: function for name, function in PUBLIC.items() if function.__module__ == "tinytensor.define"}
    finder = doctest.DocTestFinder(recurse=False)
    assert ran(test for name, f in made.items() for test in finder.find(f, name, module=False, globs=GIVEN)) > 15
