"""What tinytensor.torch offers has docstrings."""

import inspect
import types

import pytest

import tinytensor.torch as torch
from tinytensor.names import table


@pytest.mark.parametrize("space", ["torch", "Tensor", "nn", "nn.functional", "nn.init", "nn.utils", "optim", "linalg"])
def test_what_is_offered_says_what_it_is(space):
    here = torch
    for part in space.split(".") if space != "torch" else ():
        here = getattr(here, part)
    kinds = (types.FunctionType, type, property)
    names = [entry.name for entry in table(space.removeprefix("nn.")).values() if entry.status != "no"]
    found = {n: inspect.getattr_static(here, n) if space == "Tensor" else getattr(here, n) for n in names}
    assert [n for n, x in found.items() if isinstance(x, kinds) and not x.__doc__] == []
