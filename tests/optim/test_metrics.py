"""Metrics and saved states of ReduceLROnPlateau and KeepBest: what they take, and what they refuse unchanged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn, optim


def plateau() -> optim.ReduceLROnPlateau:
    return optim.ReduceLROnPlateau(optim.SGD(nn.Linear(2, 1).parameters(), lr=0.5), patience=0)


@pytest.mark.parametrize("metric", [0.5, np.float32(0.5), np.array(0.5), np.array([[0.5]]), tt.tensor([0.5]),
                                    tt.tensor(0.5, requires_grad=True)])
def test_one_element_of_any_kind_is_a_metric(metric: Any) -> None:
    schedule, best = plateau(), optim.KeepBest(nn.Linear(2, 1))
    schedule.step(metric)
    assert best.update(metric)
    assert schedule.best == best.value == 0.5


@pytest.mark.parametrize("metric", ["0.5", None, np.ones(2), tt.ones(2), 1j, [0.5]])
def test_what_is_no_number_is_no_metric(metric: Any) -> None:
    schedule, best = plateau(), optim.KeepBest(nn.Linear(2, 1))
    for record in (schedule.step, best.update):
        with pytest.raises(TypeError, match="expected a number, or an array or Tensor of one element; pass the mean"):
            record(metric)
    assert schedule.num_bad_epochs == best.since_best == 0


@pytest.mark.parametrize("name, value", [("patience", "x"), ("factor", 5.0), ("best", "no"), ("mode", "low"),
                                         ("threshold", np.nan), ("min_lr", [0.1, 0.2])])
def test_a_state_is_checked_and_else_nothing_changes(name: str, value: Any) -> None:
    schedule = plateau()
    before = schedule.state_dict()
    with pytest.raises((TypeError, ValueError), match="expected"):
        schedule.load_state_dict({**before, name: value})
    assert schedule.state_dict() == before
    schedule.load_state_dict({key: np.array(value) for key, value in before.items()})  # as np.savez returns it
    assert schedule.state_dict() == before


@pytest.mark.parametrize("name, value", [("threshold", np.nan), ("threshold", np.inf), ("factor", True)])
def test_settings_that_would_never_or_not_change_anything(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name}: got"):
        optim.ReduceLROnPlateau(plateau().optimizer, **{name: value})


def test_the_best_of_another_mode_is_refused() -> None:
    high, low = (optim.KeepBest(nn.Linear(2, 1), mode) for mode in ("max", "min"))
    high.update(0.9)
    with pytest.raises(ValueError, match=r"got the state of mode='max'; expected 'min', as here; make it with"):
        low.load_state_dict(high.state_dict())
    former = {name: value for name, value in high.state_dict().items() if name != "mode"}
    low.load_state_dict(former)  # files written before the mode was saved
    assert low.value == 0.9
