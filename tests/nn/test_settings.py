"""NumPy's scalars as settings of functions and layers: float32 stays float32, as with Python's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn
from tinytensor.nn import functional as F

rng = np.random.default_rng(0)
x, y = (tt.tensor(rng.random((4, 6)).astype(np.float32)) for _ in range(2))
signs, classes = tt.tensor(np.float32(np.where(x.data > 0.5, 1, -1))), np.arange(4)

CALLS: dict[str, Any] = {
    "avg_pool2d": lambda v: F.avg_pool2d(x[None], 2, divisor_override=np.int64(3)),
    "celu": lambda v: F.celu(-x, v),
    "cosine_embedding_loss": lambda v: F.cosine_embedding_loss(x, y, signs[:, 0], v),
    "cosine_similarity": lambda v: F.cosine_similarity(x, y, eps=v),
    "cross_entropy": lambda v: F.cross_entropy(x, classes, label_smoothing=v),
    "dropout": lambda v: F.dropout(x, v, rng=0),
    "elu": lambda v: F.elu(-x, v),
    "gaussian_nll_loss": lambda v: F.gaussian_nll_loss(x, y, y, eps=v),
    "hardshrink": lambda v: F.hardshrink(x, v),
    "hardtanh": lambda v: F.hardtanh(x, -v, v),
    "hinge_embedding_loss": lambda v: F.hinge_embedding_loss(x, signs, v),
    "huber_loss": lambda v: F.huber_loss(x, y, delta=v),
    "leaky_relu": lambda v: F.leaky_relu(-x, v),
    "margin_ranking_loss": lambda v: F.margin_ranking_loss(x, y, signs, v),
    "multi_margin_loss": lambda v: F.multi_margin_loss(x, classes, margin=v),
    "normalize": lambda v: F.normalize(x, eps=v),
    "pairwise_distance": lambda v: F.pairwise_distance(x, y, eps=v),
    "smooth_l1_loss": lambda v: F.smooth_l1_loss(x, y, beta=v),
    "softplus": lambda v: F.softplus(x, v),
    "softshrink": lambda v: F.softshrink(x, v),
    "threshold": lambda v: F.threshold(x, v, v),
    "triplet_margin_loss": lambda v: F.triplet_margin_loss(x, y, -x, v, eps=v),
    "CELU": lambda v: nn.CELU(v)(x),
    "ELU": lambda v: nn.ELU(v)(x),
    "BatchNorm1d": lambda v: nn.BatchNorm1d(6, eps=v, momentum=v)(x),
    "LayerNorm": lambda v: nn.LayerNorm(6, eps=v)(x),
}


@pytest.mark.parametrize("scalar", [np.float64, np.float32, np.array])
@pytest.mark.parametrize("name", CALLS)
def test_a_numpy_scalar_is_a_python_number(name: str, scalar: Any) -> None:
    got, expected = CALLS[name](scalar(0.25)), CALLS[name](0.25)  # 0.25 is exact in both
    assert got.dtype == np.float32
    assert np.array_equal(got.data, expected.data)


@pytest.mark.parametrize("value", [2.5, True, 0, "2"])
def test_divisor_override_is_an_integer_other_than_0(value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"avg_pool2d: got divisor_override=.*; expected"):
        F.avg_pool2d(x[None], 2, divisor_override=value)


def test_a_compiled_step_refuses_what_it_could_not_compute_alike() -> None:
    step = tt.compile(lambda x, alpha: F.elu(x, alpha))
    with pytest.raises(tt.CompileError):
        step(x, np.float64(0.3))
    assert np.array_equal(step(x, 0.3).data, F.elu(x, 0.3).data)
