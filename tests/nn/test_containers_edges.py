"""Containers, hidden modules and first weights where something unusual is given: refused by name, nothing lost."""

from __future__ import annotations

import warnings
from collections import deque
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn
from tinytensor.nn import init


def layer() -> nn.Linear:
    return nn.Linear(2, 2, rng=0)


@pytest.mark.parametrize("container, key", [
    (nn.Sequential(layer()), 0), (nn.ModuleList([layer()]), 0), (nn.ModuleDict({"a": layer()}), "a"),
    (nn.ParameterList([tt.ones(2)]), 0), (nn.ParameterDict({"a": tt.ones(2)}), "a")])
def test_none_does_not_remove_an_item(container: Any, key: Any) -> None:
    with pytest.raises(TypeError, match="got a NoneType"):
        container[key] = None
    assert len(container) == 1


@pytest.mark.parametrize("parts", ["ab", [layer()], [("a",)], [3]])
def test_a_dict_of_modules_takes_names(parts: Any) -> None:
    with pytest.raises(TypeError, match="ModuleDict: got a (str|list) without names; expected a mapping, or pairs"):
        nn.ModuleDict(parts)


def test_a_list_with_a_removed_or_an_own_parameter_still_appends_and_indexes() -> None:
    class Scaled(nn.ParameterList):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(np.ones(1, np.float32))

    values = Scaled().extend([tt.ones(2), tt.ones(3)])
    assert [values[i].shape for i in range(len(values))] == [p.shape for p in values]
    plain = nn.ParameterList([tt.ones(1), tt.ones(2), tt.ones(3)])
    delattr(plain, "0")
    plain.append(tt.ones(4))
    assert [plain[i].shape for i in range(3)] == [(2,), (3,), (4,)]


@pytest.mark.parametrize("plain", [set, frozenset, deque, list, tuple])
def test_modules_in_any_plain_container_are_named(plain: Any) -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.held = plain([layer()])

    with pytest.warns(UserWarning, match=rf"got Modules in a plain {plain.__name__}, self.held"):
        list(Holder().parameters())


@pytest.mark.parametrize("settings", [{"mean": np.nan}, {"mean": np.inf}, {"std": np.inf}, {"std": np.nan},
                                      {"a": -np.inf, "b": -5.0}, {"a": 3.0, "b": np.inf}])
def test_trunc_normal_refuses_what_has_no_such_distribution(settings: dict[str, float]) -> None:
    x = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match="trunc_normal_: got"):
        init.trunc_normal_(x, rng=0, **settings)
    assert not x.any()


def test_trunc_normal_takes_infinite_bounds_around_the_mean() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = init.trunc_normal_(np.zeros(2000), a=-np.inf, b=0.5, rng=0)
    assert x.max() <= 0.5
    assert x.min() < -2.5


@pytest.mark.parametrize("fill", [init.zeros_, init.eye_, init.orthogonal_, init.kaiming_normal_, init.xavier_uniform_,
                                  init.trunc_normal_])
def test_a_list_is_not_filled(fill: Any) -> None:
    with pytest.raises(TypeError, match="got a list; expected a Tensor or array"):
        fill([[1.0, 2.0]])
