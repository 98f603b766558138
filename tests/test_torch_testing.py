"""torch.testing.assert_close: it passes and raises where PyTorch's does."""

import itertools

import pytest

import tinytensor.torch as torch

VALUES = [
    lambda t: t.tensor([1.0, 2.0]), lambda t: t.tensor([1.0, 2.00001]), lambda t: t.tensor([1.0, 2.001]),
    lambda t: t.tensor([1.0, 2.0], dtype=t.float64), lambda t: t.tensor([1.0, 2.0000001], dtype=t.float64),
    lambda t: t.tensor([1, 2]), lambda t: t.tensor([1, 3]), lambda t: t.tensor([[1.0, 2.0]]), lambda t: t.tensor(1.0),
    lambda t: 1.0, lambda t: 1, lambda t: 1.00000001, lambda t: None, lambda t: [t.tensor(1.0), 2], lambda t: [],
    lambda t: {"a": t.tensor(1.0)}, lambda t: {"a": t.tensor(1.5)}, lambda t: {"b": 1},
    lambda t: t.tensor([float("nan")]),
    lambda t: t.tensor([float("inf"), 2.0]), lambda t: t.tensor([True, False]), lambda t: (t.tensor(1.0), 2),
]
SETTINGS = [{}, {"check_dtype": False}, {"rtol": 1e-3, "atol": 0.0}, {"equal_nan": True}]


def outcome(t, i, j, settings):
    try:
        t.testing.assert_close(VALUES[i](t), VALUES[j](t), **settings)
    except (AssertionError, TypeError, ValueError) as error:
        return type(error)
    return None


@pytest.mark.peer
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_it_raises_where_pytorch_does(settings):
    theirs = pytest.importorskip("torch")
    for i, j in itertools.product(range(len(VALUES)), repeat=2):
        expected = outcome(theirs, i, j, settings)
        assert outcome(torch, i, j, settings) is expected, (i, j)


def test_it_says_what_is_wrong_and_both_tolerances_are_needed():
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.5])
    with pytest.raises(AssertionError, match=r"1 of 2 elements off, by 0.5 at \(1,\); expected at most 1.3.e-05"):
        torch.testing.assert_close({"w": a}, {"w": b})
    with pytest.raises(AssertionError, match=r"^mine: Tensor-likes"):
        torch.testing.assert_close(a, b, msg=lambda text: f"mine: {text}")
    with pytest.raises(AssertionError, match="'stride\\(\\)'"):
        torch.testing.assert_close(torch.ones(2, 3), torch.ones(3, 2).T, check_stride=True)
    with pytest.raises(ValueError, match="give both"):
        torch.testing.assert_close(a, b, rtol=1.0)
