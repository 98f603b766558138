"""What the generated stubs say that a function returns is what it returns: on the samples of every op."""

import numpy as np
import pytest

from tinytensor import Tensor, tensor
from tinytensor.compose import COMPOSED
from tinytensor.core import REGISTRY
from tinytensor.define import NAMESPACES
from tinytensor.ops.__main__ import RETURNS

KINDS = {
    "Tensor": lambda y: isinstance(y, Tensor),
    "bool": lambda y: isinstance(y, bool),
    "list[Tensor]": lambda y: isinstance(y, list) and all(isinstance(part, Tensor) for part in y),
    "tuple[Tensor, ...]": lambda y: isinstance(y, tuple) and all(isinstance(part, Tensor) for part in y),
}
NAMES = {f"{space}.{name}".lstrip("."): function for space, functions in NAMESPACES.items()
         for name, function in functions.items()}


def tensors(x, rng):
    """A sample's input as Tensors: a shape stands for an array; what is no array stays as it is."""
    if isinstance(x, list):
        return [tensors(part, rng) for part in x]
    if isinstance(x, tuple):
        return tensor(rng.uniform(0.2, 0.8, x))
    return tensor(x) if isinstance(x, np.ndarray) else x


def outcomes(name):
    """What a function returns for each of its samples that it takes in this form."""
    record, rng = REGISTRY.get(name) or COMPOSED.get(name), np.random.default_rng(0)
    for sample in record.samples if record is not None else ():
        inputs = [tensors(x, rng) for x in sample.inputs]
        for args in (inputs, [inputs]):  # of a variadic op they come as one sequence
            try:
                yield NAMES[name](*args, **sample.params)
            except (TypeError, ValueError, IndexError, AttributeError, np.linalg.LinAlgError):
                continue
            break


@pytest.mark.filterwarnings("ignore")
def test_functions_return_what_their_stubs_say():
    checked, wrong = 0, []
    for name in NAMES:
        kind = RETURNS.get(name, "Tensor")
        for y in outcomes(name) if kind in KINDS else ():
            checked += 1
            if not KINDS[kind](y):
                wrong.append(f"{name} returned {type(y).__name__}, and its stub says {kind}")
    assert not wrong, "\n".join(sorted({*wrong}))
    assert checked > 500
    methods = {name for name in RETURNS if hasattr(Tensor, name)}
    assert RETURNS.keys() <= NAMES.keys() | methods


@pytest.mark.parametrize(("name", "args"), [
    ("allclose", ([1.0], [1.0])), ("array_equal", ([1.0], [1.0])), ("array_equiv", ([1.0], [1.0])),
    ("can_cast", (np.int8, np.int16)), ("iscomplexobj", ([1.0],)), ("isrealobj", ([1.0],)),
    ("array_split", ([1.0, 2.0, 3.0], 2)), ("hsplit", ([[1.0, 2.0]], 2)), ("vsplit", ([[1.0], [2.0]], 2)),
    ("split", ([1.0, 2.0], 2)), ("nonzero", ([1.0, 0.0],)), ("tril_indices_from", ([[1.0, 2.0], [3.0, 4.0]],)),
])
def test_functions_without_samples_return_what_their_stubs_say(name, args):
    args = [tensor(args[0]) if isinstance(args[0], list) else args[0], *args[1:]]
    assert KINDS[RETURNS[name]](NAMES[name](*args))
