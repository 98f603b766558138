"""Would the tests notice? Rules, definitions and the engine are broken on purpose, and the generic checks must fail.

The checks are those of `test_ops.py`, at fixed points; the classic mistakes of `testing.breaks` are in
`tests/testing/test_kit.py`.
"""
import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import autograd, broadcasting, order
from tinytensor.core import REGISTRY, Op, Sample, Tensor
from tinytensor.define import VariadicRules
from tinytensor.testing import gradcheck
from tinytensor.testing.breaks import Line, installed
from tinytensor.testing.cases import case_of
from tinytensor.testing.ops import check_gradient, has_differences
from tinytensor.testing.points import fixed_inputs

RULED = [op for op in REGISTRY.values() if isinstance(op.rules, VariadicRules) or any(op.rules)]
RULES = [(op, i) for op in RULED for i in range(len(op.rules)) if op.rules[i]]


# --- the generic check, at fixed points ---


def check(op: Op, sample: Sample, order: int) -> None:
    """The gradient of one call, as in `tests/ops/test_ops.py`."""
    check_gradient(case_of(op), sample, fixed_inputs(op, sample), order)


@cache
def checkable(op: Op) -> list[tuple[Sample, int]]:
    """The samples whose first gradient can be checked, and how many arguments each has."""
    good = [(sample, len(sample.inputs)) for sample in op.samples if has_differences(case_of(op), sample)]
    assert good, f"{op.name}: no sample can be checked"
    return good


def noticed(op: Op, i: int, order: int = 1) -> bool:
    """Whether the check of some sample that reaches rule i fails."""
    for sample, n in checkable(op):
        if i >= n and not isinstance(op.rules, VariadicRules):
            continue
        try:
            check(op, sample, order)
        except (AssertionError, RuntimeError):
            return True
    return False


def identically_zero(op: Op, i: int) -> bool:
    """Whether a rule gives 0 at every point: then only a constant that is added can be seen."""
    for sample, n in checkable(op):
        args = fixed_inputs(op, sample)
        if i < n:
            with np.errstate(all="ignore"):
                y = op.forward(*args, **sample.params)
                y, params = (y[0], {**sample.params, "extras": y[1]}) if isinstance(y, tuple) else (y, sample.params)
                filled = {p.name: p.default for p in parameters(op) if p.default is not p.empty}
                if np.any(op.rules[i](np.ones_like(y), np.asarray(y), *args, **{**filled, **params})):
                    return False
    return True


def parameters(op: Op) -> list[inspect.Parameter]:
    """What the forward takes after its arrays."""
    if isinstance(op.forward, np.ufunc):
        return []
    given = list(inspect.signature(op.forward).parameters.values())
    if isinstance(op.rules, VariadicRules):
        return [p for p in given if p.kind is p.KEYWORD_ONLY]
    return given[len(op.rules) :]


def broken(op: Op, i: int, change: Callable[[Any], Any]) -> Any:
    """The op's rules, with the result of rule i changed."""

    def rule(*args: Any, **params: Any) -> Any:
        return change(original(*args, **params))

    if isinstance(op.rules, VariadicRules):
        original = op.rules.rule
        return VariadicRules(rule)
    original = op.rules[i]
    return tuple(rule if j == i else r for j, r in enumerate(op.rules))


# --- rules ---

CHANGES: dict[str, Callable[[Any], Any]] = {
    "times 1.01": lambda g: g * 1.01,
    "plus a constant": lambda g: g + 0.01,
    "dropped": lambda g: np.zeros_like(g),
}


@pytest.mark.parametrize("op, i", [pytest.param(op, i, id=f"{op.name}-{i}") for op, i in RULES])
def test_a_broken_rule_is_noticed(op: Op, i: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not noticed(op, i)
    zero = identically_zero(op, i)
    for name, change in CHANGES.items():
        if not zero or name == "plus a constant":
            monkeypatch.setattr(op, "rules", broken(op, i, change))
            assert noticed(op, i), f"the rule of {op.name} for input {i}, {name}, passes"
            monkeypatch.undo()


@pytest.mark.parametrize("op, i", [pytest.param(op, i, id=f"{op.name}-{i}") for op, i in RULES if not op.definition])
def test_a_rule_that_loses_the_graph_is_noticed(op: Op, i: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right at first order, but computed on arrays behind the engine's back: the second order is wrong."""
    if not identically_zero(op, i):
        monkeypatch.setattr(op, "rules", broken(op, i, lambda g: g.detach() if isinstance(g, Tensor) else g))
        assert not noticed(op, i)
        assert noticed(op, i, order=2)


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in RULED if op.definition])
def test_a_broken_definition_is_noticed(op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    definition = op.definition
    assert definition is not None and not noticed(op, 0, order=2)
    monkeypatch.setattr(op, "definition", lambda *args, **params: 1.01 * definition(*args, **params))
    assert noticed(op, 0, order=2)


# --- the engine ---

X = np.random.default_rng(3).uniform(0.2, 1.5, (3, 4))
USES = {  # small graphs, one for each thing that the engine does
    "used twice": lambda x: x * np.exp(x),
    "used along two paths": lambda x: np.sin(x) + (x * x).sum(),
    "used at two depths": lambda x: (lambda y: y * np.exp(y))(np.sin(x)),
    "one input twice": lambda x: x * x,
    "lead axis": lambda x: np.ones((5, 3, 4)) * x,
    "stretched axis": lambda x: np.ones((3, 4)) * x[:, :1],
    "fused": lambda x: tt.cross_entropy(x, np.array([0, 3, 1])),
    "another dtype": lambda x: tt.astype(tt.astype(x, np.longdouble) * 2, np.float64),
    "an input that needs none": lambda x: tt.where(X > 0.7, x, 0.0) * X,
}
MUTANTS = {  # which file and function, what stands there, what is put in its place, and the uses that must notice
    "forget to accumulate": (
        autograd, "backward_pass", "coming[x] + gx", "gx",
        {"used twice", "used along two paths", "one input twice"}),
    "forget to sum over lead axes": (
        broadcasting, "unbroadcast", "sum_rows(g.reshape(-1, math.prod(shape)))", "g.reshape(-1, math.prod(shape))[0]",
        {"lead axis"}),
    "forget to sum over stretched axes": (
        broadcasting, "unbroadcast", "np.add.reduce(g, axis=axes, keepdims=True).reshape(shape)",
        "g[tuple(slice(0, 1) if i in axes else slice(None) for i in range(g.ndim))].reshape(shape)",
        {"stretched axis", "used along two paths"}),
    "forget to un-broadcast": (
        autograd, "unbroadcast_and_cast", "g = unbroadcast(g, shape)", "pass", {"lead axis", "stretched axis"}),
    "forget to un-promote": (
        autograd, "unbroadcast_and_cast", "(node.data.dtype != dtype or g.dtype == dtype.newbyteorder(\"=\"))", "False",
        {"another dtype"}),
    "wait for one use of two": (order, "count_consumers", "times[x] += 1", "pass", {"used at two depths"}),
    "forget the middle of the way": (order, "nodes_between", "on_path += fresh", "pass", set(USES)),
}


@pytest.mark.parametrize("use", USES)
def test_the_engine_is_right(use: str) -> None:
    assert gradcheck(USES[use], X, order=2)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_engine_is_noticed(name: str) -> None:
    file, function, old, new, expected = MUTANTS[name]
    place = f"{file.__name__.removeprefix('tinytensor.')}:{function}"
    failed = set()
    with installed(Line(place, old, new)):
        for use, f in USES.items():
            try:
                gradcheck(f, X, order=2)
            except (AssertionError, RuntimeError, KeyError, ValueError):
                failed.add(use)
    assert expected <= failed
