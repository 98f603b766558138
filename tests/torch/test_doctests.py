"""What tinytensor.torch offers has docstrings, and their examples run, with warnings as errors."""

import doctest
import inspect
import sys
import types
from importlib import import_module
from pathlib import Path

import pytest

import tinytensor.torch as torch
from tinytensor.names import table

HERE = Path(torch.__file__).parent
FILES = sorted(path for path in HERE.rglob("*.py") if path.stem != "__main__" and ">>>" in path.read_text("utf-8"))


def module_of(path):
    """The module that a file holds."""
    parts = path.relative_to(HERE.parents[1]).with_suffix("").parts
    return import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))


class Finder(doctest.DocTestFinder):
    """Takes, with what a module defines, classes of it that say they are torch's own, as Tensor does."""

    def _from_module(self, module, thing):
        if isinstance(thing, type) and thing.__module__ == torch.__name__:
            makers = [vars(thing).get(name) for name in ("__new__", "__init__")]
            return module.__name__ in [getattr(getattr(f, "__func__", f), "__module__", "") for f in makers]
        return super()._from_module(module, thing)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HERE).with_suffix("")))
def test_examples_run(path, monkeypatch):
    for name in [n for n in sys.modules if n.partition(".")[0] == "torch"]:  # one example installs ours as `torch`
        monkeypatch.delitem(sys.modules, name)
    torch.manual_seed(0)
    run = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
    for test in Finder().find(module_of(path)):
        run.run(test)
    assert run.tries and not run.failures


@pytest.mark.parametrize("space", ["torch", "Tensor", "nn", "nn.functional", "nn.init", "nn.utils", "optim", "linalg"])
def test_what_is_offered_says_what_it_is(space):
    here = torch
    for part in space.split(".") if space != "torch" else ():
        here = getattr(here, part)
    kinds = (types.FunctionType, type, property)
    names = [entry.name for entry in table(space.removeprefix("nn.")).values() if entry.status != "no"]
    found = {n: inspect.getattr_static(here, n) if space == "Tensor" else getattr(here, n) for n in names}
    assert [n for n, x in found.items() if isinstance(x, kinds) and not x.__doc__] == []
