"""Poolings at their borders: padding is never the largest, and windows that are not full."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.nn import functional as F

SMALLEST = [np.full((1, 3, 4), -np.inf, np.float32), np.full((1, 3, 4), np.iinfo(np.int64).min)]


@pytest.mark.parametrize("x", SMALLEST, ids=["float32", "int64"])
@pytest.mark.parametrize("pool, kernel", [(F.max_pool1d, 3), (F.max_pool2d, 3), (F.max_pool2d, (2, 3))])
def test_padding_is_not_the_largest_at_a_tie(x: Any, pool: Any, kernel: Any) -> None:
    y, indices = pool(x, kernel, 1, 1, return_indices=True)
    last = x.shape[-1] if pool is F.max_pool1d else x.shape[-2] * x.shape[-1]
    assert indices.min() >= 0
    assert indices.max() < last
    assert np.array_equal(y, np.full(y.shape, x.flat[0]))


def test_the_gradient_at_a_tie_with_padding_reaches_the_input() -> None:
    x = tt.tensor(np.full((1, 1, 5), -np.inf, np.float32), requires_grad=True)
    step = tt.compile(lambda x: tt.grad(F.max_pool1d(x, 3, 2, 1).sum(), [x])[0])
    (g,) = tt.grad(F.max_pool1d(x, 3, 2, 1).sum(), [x])
    assert np.asarray(g).tolist() == [[[1, 1, 0, 1, 0]]]
    assert np.array_equal(np.asarray(step(x)), np.asarray(g))


def test_ceil_mode_takes_an_input_shorter_than_a_window() -> None:
    x = np.array([[[1.0, 3.0]]], np.float32)
    assert F.max_pool1d(x, 3, ceil_mode=True).tolist() == [[[3.0]]]
    assert F.avg_pool1d(x, 3, ceil_mode=True).tolist() == [[[2.0]]]
    with pytest.raises(ValueError, match="expected 3 positions or more"):
        F.max_pool1d(x, 3, stride=1, ceil_mode=True)


def case(seed: int) -> tuple[Any, int, dict[str, Any]]:
    """An array with ties, nan and infinities, how many axes to pool, and settings that PyTorch takes too."""
    r, n = random.Random(seed), 1 + seed % 2
    x = np.random.default_rng(seed).integers(-2, 3, (2, 2, *[r.choice([1, 2, 3, 5, 7]) for _ in range(n)]))
    x = x.astype(r.choice([np.float32, np.float64]))
    x.flat[r.randrange(x.size)] = r.choice([np.nan, np.inf, -np.inf, 0])
    x = np.full_like(x, -np.inf) if seed % 7 == 0 else x
    padding = r.choice([0, 0, 1])
    return np.asfortranarray(x) if seed % 3 == 0 else x, n, {
        "kernel_size": r.choice([2, 3] if padding else [1, 2, 3]), "stride": r.choice([None, 1, 2, 3]),
        "padding": padding, "ceil_mode": r.random() < 0.5, "dilation": 1 if padding else r.choice([1, 2])}


@pytest.mark.peer
@pytest.mark.parametrize("seed", range(120))
def test_like_pytorch(seed: int) -> None:
    torch = pytest.importorskip("torch")
    x, n, settings = case(seed)
    theirs, pool = torch.tensor(x, requires_grad=True), getattr(F, f"max_pool{n}d")
    try:
        expected, places = getattr(torch.nn.functional, f"max_pool{n}d")(theirs, **settings, return_indices=True)
    except RuntimeError:
        with pytest.raises(ValueError, match="expected"):
            pool(x, **settings)
        return
    ours = tt.tensor(x, requires_grad=True)
    y, indices = pool(ours, **settings, return_indices=True)
    assert np.array_equal(y.data, expected.detach().numpy(), equal_nan=True)
    assert np.array_equal(np.asarray(indices), places.numpy())
    y.sum().backward()
    expected.sum().backward()
    assert np.array_equal(ours.grad, theirs.grad.numpy())
