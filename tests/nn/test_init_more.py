"""trunc_normal_ and orthogonal_: PyTorch's numbers from the same seed, and what defines them."""

import warnings

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn
from tinytensor.nn import init

CASES = [("trunc_normal_", {}), ("trunc_normal_", {"std": 0.02, "a": -0.04, "b": 0.04}), ("orthogonal_", {}),
         ("trunc_normal_", {"mean": 1.0, "a": 0.5, "b": 0.9}), ("trunc_normal_", {"a": 2.0, "b": 9.0}),
         ("orthogonal_", {"gain": 2.0})]


@pytest.mark.peer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name, options", CASES)
@pytest.mark.parametrize("shape", [(20, 30), (6, 3), (4, 3, 2), (3, 3)])
def test_the_numbers_are_pytorch_s(name, options, shape, dtype):
    torch = pytest.importorskip("torch")
    torch.manual_seed(5)
    theirs = getattr(torch.nn.init, name)(torch.empty(shape, dtype=getattr(torch, np.dtype(dtype).name)), **options)
    ours = getattr(init, name)(np.empty(shape, dtype), **options, rng=5)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=2e-5 if dtype == np.float32 else 1e-12, atol=1e-6)
    p = nn.Parameter(np.empty(shape, dtype))
    assert getattr(init, name)(p, **options, generator=tt.Generator(5)) is p and np.array_equal(p.data, ours)


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (4, 3, 2), (7, 7)])
def test_rows_or_columns_are_orthonormal(shape):
    w = init.orthogonal_(np.empty(shape), gain=3.0, rng=0).reshape(shape[0], -1)
    w = w if len(w) <= w.shape[1] else w.T
    np.testing.assert_allclose(w @ w.T, 9 * np.eye(len(w)), atol=1e-12)
    assert init.orthogonal_(np.empty((0, 3))).shape == (0, 3)


def test_truncated_normals_keep_to_their_bounds_and_their_mean():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = init.trunc_normal_(np.empty(50_000), 0.5, 2.0, -1.0, 3.0, rng=0)
    assert x.min() >= -1 and x.max() <= 3
    z = np.linspace(-1, 3, 100_001)
    density = np.exp(-((z - 0.5) / 2) ** 2 / 2)
    assert abs(x.mean() - (z * density).sum() / density.sum()) < 0.02
    with pytest.warns(UserWarning, match="more than 2 std from") as caught:
        init.trunc_normal_(np.empty(3), 0.0, 1.0, 5.0, 6.0)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("attempt, text", [
    (lambda: init.orthogonal_(np.empty(3)), "orthogonal_: got a tensor of shape (3,); expected two axes or more; use"),
    (lambda: init.trunc_normal_(np.empty(3), std=0.0), "trunc_normal_: got mean=0.0, std=0.0, a=-2.0 and b=2.0; exp"),
    (lambda: init.trunc_normal_(np.empty(3), a=1.0, b=1.0), "expected finite numbers, std above 0 and a < b; use constant_ for a"),
])
def test_errors(attempt, text):
    with pytest.raises(ValueError) as caught:
        attempt()
    assert text in str(caught.value)
