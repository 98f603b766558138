"""A test case: an op or a composed function, how it is called, and the references for its results.

The checks themselves are in `ops.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..apply import PUBLIC
from ..compose import COMPOSED, Composed
from ..core import NUMPY, Array, Op, Sample, Tensor
from ..define import NAMESPACES, VariadicRules
from .points import is_array

Function = Callable[..., Any]
EXACT, ROUNDING = (1e-12, 1e-15), {2: (1e-2, 1e-3), 4: (1e-5, 1e-6)}  # relative and absolute, by a float's bytes
MANY = 16  # inputs of what takes any number of them


class Case(NamedTuple):
    """An op, the function that users call, and its references."""

    op: Op
    function: Function
    references: Sequence[Function]

    def call(self, sample: Sample, *args: Any) -> Any:
        """The function's result, with the parameters of a sample: an array, a Tensor, or several."""
        return self.function(*args, **sample.params)

    def flat(self, sample: Sample, *args: Any) -> Any:
        """The same as one: several floating results are joined end to end."""
        y = self.call(sample, *args)
        if not isinstance(y, tuple | list):
            return y
        parts = [PUBLIC["reshape"](part, -1) for part in flattened(y) if data(part).dtype.kind == "f"]
        return PUBLIC["concatenate"](parts) if parts else y[0] if y else np.zeros(0)

    def leaves(self, args: Sequence[Any]) -> list[Any]:
        """The arguments, the floating arrays among them as leaves where the op has a rule for them."""
        return [leaf(x) if self.op.rules[i] else x for i, x in enumerate(args)]

    @property
    def differentiable(self) -> bool:
        return isinstance(self.op.rules, VariadicRules) or any(self.op.rules)


def leaf(x: Any) -> Any:
    """Floating arrays, in lists too, as leaves."""
    if isinstance(x, list):
        return [leaf(part) for part in x]
    return Tensor(x, requires_grad=True) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def wrapped(x: Any) -> Any:
    """Arrays, in lists too, as Tensors."""
    return [wrapped(part) for part in x] if isinstance(x, list) else Tensor(x) if isinstance(x, np.ndarray) else x


def arranged(x: Any, layout: Any) -> Any:
    """Arrays, in lists too, in another layout."""
    return [arranged(part, layout) for part in x] if isinstance(x, list) else (
        layout(x) if isinstance(x, np.ndarray) else x)


def tensors(args: Sequence[Any]) -> list[Tensor]:
    """The Tensors among arguments, in lists too."""
    found = [tensors(x) if isinstance(x, list) else [x] if isinstance(x, Tensor) else [] for x in args]
    return [x for part in found for x in part]


def data(y: Any) -> Array:
    return np.asarray(y.data if isinstance(y, Tensor) else y)


# --- from what a user has ---


def case_of(op: Function | Op | str, references: Sequence[Function] = ()) -> Case:
    """The record of an op and its function, from either."""
    name = op if isinstance(op, str) else op.name if isinstance(op, Op) else getattr(op, "__name__", repr(op))
    function = function_of(name) if isinstance(op, Op | str) else op
    record = op if isinstance(op, Op) else getattr(function, "op", None)
    for made in COMPOSED.values():
        if made.function is function:
            record = Op(made.name, made.numpy, wanted(made), samples=made.samples, domain=made.domain)
    if not isinstance(record, Op) or function is None:
        raise TypeError(f"check_op: got {name}, which is not an op; expected the result of define.op or "
                        "define.ufunc_op, or an op's name; check a function composed of ops with gradcheck")
    if not record.samples:
        raise ValueError(f"check_op: got {name}, which has no samples; expected one call or more to test; define it "
                         "with samples=(S((2, 3)),), where a shape stands for random values")
    return Case(record, function, references or [partial(by_numpy, f, record) for f in numpy_functions(function)])


def function_of(name: str) -> Function | None:
    """The public function of an op of the package, by its full name."""
    namespace, _, short = name.rpartition(".")
    return NAMESPACES.get(namespace, {}).get(short)


def wanted(made: Composed) -> list[bool]:
    """For each position, whether gradients flow to that argument: only there a shape means an array."""
    parameters, found = inspect.signature(made.function).parameters, list[bool]()
    names = made.inputs.split() or list(parameters)[:1]
    for p in parameters.values():
        found += [p.name in names] * (MANY if p.kind is p.VAR_POSITIONAL else 1)
    return found


def numpy_functions(function: Function) -> list[Function]:
    """The NumPy functions, and methods of ufuncs, that an op implements."""
    keys = [key for key, f in NUMPY.items() if f is function or getattr(f, "__wrapped__", None) is function]
    return [getattr(key[0], key[1]) if isinstance(key, tuple) else key for key in keys]


def by_numpy(function: Function, op: Op, *args: Any, **params: Any) -> Any:
    """A call of NumPy's own function, which may have other defaults."""
    if function.__name__ == "reduce":  # subtle: its default is the first axis
        params = {"axis": None, **params}
    elif function is np.astype:
        return function(*args, *params.values())
    return function(args, **params) if isinstance(op.rules, VariadicRules) else function(*args, **params)


# --- inputs in lists ---


def flattened(args: Sequence[Any]) -> list[Any]:
    """The arguments one by one, those in lists too."""
    return [part for x in args for part in (flattened(x) if isinstance(x, tuple | list) else [x])]


def refilled(args: Sequence[Any], flat: Sequence[Any]) -> list[Any]:
    """Lists as in `args`, filled with the values in `flat`."""
    rest = iter(flat)

    def fill(x: Any) -> Any:
        return [fill(part) for part in x] if isinstance(x, list) else next(rest)

    return [fill(x) for x in args]


def arrays_of(op: Op) -> list[int]:
    """Which inputs of an op's first sample are arrays; none where some are lists."""
    inputs = op.samples[0].inputs
    if any(isinstance(x, list) for x in inputs):
        return []
    return [i for i, x in enumerate(inputs) if isinstance(x, np.ndarray) or is_array(op, i, x)]


# --- outputs ---


def same(mine: Any, expected: Any) -> None:
    """Equal in dtype, in shape and, up to rounding, in value; of several, each."""
    __tracebackhide__ = True
    if isinstance(mine, tuple | list) and isinstance(expected, tuple | list):
        assert len(mine) == len(expected), f"{len(mine)} outputs; expected {len(expected)}"
        for a, b in zip(mine, expected, strict=True):
            same(a, b)
        return
    mine, expected = mine.data if isinstance(mine, Tensor) else np.asarray(mine), np.asarray(expected)
    assert mine.dtype == expected.dtype, f"the dtype is {mine.dtype}; expected {expected.dtype}"
    assert mine.shape == expected.shape, f"the shape is {mine.shape}; expected {expected.shape}"
    rtol, atol = ROUNDING.get(mine.dtype.itemsize, EXACT) if mine.dtype.kind == "f" else (0, 0)
    np.testing.assert_allclose(mine, expected, rtol, atol)
