"""Every public function of numpy and numpy.linalg is right with Tensors, or refused by name; README has the counts."""

import re
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tinytensor.core import NUMPY, Tensor

ROOT = Path(__file__).resolve().parents[2]

from numpy_names import judged, main, names  # noqa: E402


@cache
def kinds():
    """What became of each name, and why."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return {name: judged(name) for name in names()}


def test_nothing_is_neither_right_nor_refused():
    assert {name: why for name, (kind, why) in kinds().items() if kind == "anything else"} == {}


def test_readme_has_the_counts():
    right = [name for name, (kind, _) in kinds().items() if kind == "gradient"]
    linalg = sum(name.startswith("linalg.") for name in right)
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    counts = re.search(r"All (\d+) functions of `numpy` and (\d+) of `numpy.linalg`", text)
    assert counts and [int(n) for n in counts.groups()] == [len(right) - linalg, linalg]


RIGHT = NUMPY[np.tanh]


@pytest.mark.parametrize("answer, why", [
    (lambda x: Tensor(np.tanh(x.data)), "the gradient is lost"), (lambda x: 2 * RIGHT(x), "Mismatched elements"),
    (lambda x: RIGHT(x) + x - x.detach(), "the gradient gives"), (lambda x: x.data.nothing, "AttributeError")])
def test_a_fault_is_seen(answer, why, monkeypatch, capsys):
    monkeypatch.setitem(NUMPY, np.tanh, answer)
    assert main(["tanh"]) == 1
    assert why in capsys.readouterr().out


@pytest.mark.parametrize("name", ["linalg.eig", "roots", "poly"])
def test_what_stays_out_names_the_nearest(name):
    assert judged(name)[0] == "refused"
