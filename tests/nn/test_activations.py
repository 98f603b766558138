"""erf, gelu and silu; the activations as modules; Dropout and its masks: by themselves, and against PyTorch."""

import copy
import math

import numpy as np
import pytest
from messages import message

import tinytensor as tt
from tinytensor import nn
from tinytensor.nn import functional as F
from tinytensor.nn.dropout import dropout_mask

RNG = np.random.default_rng(0)


def in_ulps(y, exact):
    return np.abs(y - exact) / np.spacing(np.abs(exact).astype(y.dtype)).astype(np.float64)


# --- erf ---


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_erf_is_the_error_function_to_the_last_bits(dtype):
    tiny = np.geomspace(np.finfo(dtype).tiny, 0.5, 5_000)
    x = np.concatenate([np.linspace(-7, 7, 40_001), tiny, -tiny, 0.46875 + np.linspace(-1e-6, 1e-6, 99)]).astype(dtype)
    y = tt.erf(x)
    assert y.dtype == dtype and in_ulps(y, np.array([math.erf(v) for v in x.tolist()])).max() <= 4
    assert np.abs(y).max() == 1 and np.array_equal(tt.erf(-x), -y)
    edges = tt.erf(np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e30], dtype))
    np.testing.assert_array_equal(edges, [0, -0.0, 1, -1, np.nan, 1])
    assert np.signbit(edges[1])


def test_erf_of_numbers_and_integers():
    assert tt.erf(1) == tt.erf(1.0) == tt.erf(np.array(1)) and abs(tt.erf(1) - math.erf(1)) < 1e-15
    assert tt.erf(tt.tensor(1.0)).dtype == np.float32


# --- gelu and silu ---


def test_gelu_by_the_standard_library():
    x = np.linspace(-6, 6, 1001)
    exact = np.array([v * math.erfc(-v / math.sqrt(2)) / 2 for v in x.tolist()])
    np.testing.assert_allclose(tt.gelu(x), exact, atol=3e-16)
    np.testing.assert_allclose(tt.gelu(x.astype(np.float32)), exact, rtol=5e-7, atol=1e-6)
    assert 4e-4 < np.abs(tt.gelu(x, "tanh") - exact).max() < 5e-4
    assert message(ValueError, tt.gelu, x, "fast").startswith("gelu: got approximate='fast'; expected 'none'")


@pytest.mark.parametrize("f", [tt.gelu, lambda x: tt.gelu(x, "tanh"), tt.silu], ids=["gelu", "tanh", "silu"])
def test_far_out_they_are_relu(f):
    x = tt.tensor([-1e4, -100.0, 0.0, 100.0, 1e4], requires_grad=True)
    y = f(x)
    y.sum().backward()
    np.testing.assert_allclose(y.data, [0, 0, 0, 100, 1e4], atol=1e-30)
    np.testing.assert_allclose(x.grad, [0, 0, 0.5, 1, 1], atol=1e-30)


@pytest.mark.peer
@pytest.mark.parametrize("name, how", [("gelu", {}), ("gelu", {"approximate": "tanh"}), ("silu", {}), ("erf", {})])
def test_float32_is_torchs(name, how):
    torch = pytest.importorskip("torch")
    x, g = (RNG.normal(size=(512, 256)).astype(np.float32) * 2 for _ in range(2))
    ours, theirs = tt.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = getattr(tt, name)(ours, **how), getattr(torch.nn.functional, name, torch.erf)(theirs, **how)
    y.backward(g)
    z.backward(torch.tensor(g))
    np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=1e-6, atol=2e-6)  # torch's gelu is 1e-6 off itself
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), rtol=1e-5, atol=1e-5)


# --- as modules ---


def test_modules_call_their_functions():
    x = tt.tensor(RNG.normal(size=(3, 4)).astype(np.float32))
    for layer, y in ((nn.GELU(), tt.gelu(x)), (nn.GELU("tanh"), tt.gelu(x, "tanh")), (nn.SiLU(), tt.silu(x)),
                     (nn.Softmax(0), tt.softmax(x, 0)), (nn.LogSoftmax(dim=1), tt.log_softmax(x, 1))):
        assert np.array_equal(layer(x).data, y.data)
    assert nn.Identity(3, whatever=True)(x) is x
    model = nn.Sequential(nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Softmax(1), nn.LogSoftmax(-1), nn.Identity(),
                          nn.Dropout(0.1), nn.LayerNorm(3), nn.RMSNorm((2, 3)))
    assert [repr(layer) for layer in model] == [
        "GELU(approximate='none')", "GELU(approximate='tanh')", "SiLU()", "Softmax(dim=1)", "LogSoftmax(dim=-1)",
        "Identity()", "Dropout(p=0.1)", "LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=True)",
        "RMSNorm((2, 3), eps=None, elementwise_affine=True)"]


# --- dropout ---


@pytest.mark.parametrize("rng", [lambda: 3, lambda: tt.Generator(3), lambda: np.random.default_rng(3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_masks_keep_the_mean_and_the_dtype(rng, dtype):
    mask = dropout_mask((300, 200), 0.2, dtype, rng())
    assert mask.dtype == dtype and set(np.unique(mask)) == {dtype(0), dtype(1) / dtype(0.8)}
    assert abs(mask.mean() - 1) < 0.01 and np.array_equal(mask, dropout_mask((300, 200), 0.2, dtype, rng()))
    assert not dropout_mask((5,), 1, dtype, rng()).any() and dropout_mask((5,), 0, dtype, rng()).all()


def test_dropout_is_one_op_and_does_nothing_in_eval_or_at_0():
    x = tt.ones(4, 5, requires_grad=True)
    layer = nn.Dropout(0.5, rng=7)
    y = layer(x)
    assert y.op.name == "multiply" and y.inputs[0] is x
    y.sum().backward()
    assert np.array_equal(x.grad, y.data) and set(y.data.ravel()) == {0, 2}
    assert layer.eval()(x) is x and nn.Dropout(0)(x) is x and F.dropout(x, 0.5, training=False) is x
    assert F.dropout(np.ones(3), 0.5, rng=1).dtype == np.float64 and layer.state_dict() == {}


def test_where_masks_come_from():
    """None is the default generator at each call; a seed makes a stream that goes on, and that a copy repeats."""
    x = np.ones(50, np.float32)
    for layer in (nn.Dropout(), lambda v: F.dropout(v)):
        tt.manual_seed(5)
        first, second = layer(x), layer(x)
        tt.manual_seed(5)
        assert np.array_equal(layer(x), first) and not np.array_equal(first, second)
    layer = nn.Dropout(rng=5)
    twin = copy.deepcopy(layer)
    a, b = layer(x), layer(x)
    assert np.array_equal(a, first) and np.array_equal(b, second)
    assert np.array_equal(twin(x), a) and np.array_equal(twin(x), b)


def test_errors_of_dropout():
    assert message(ValueError, nn.Dropout, 1.5) == (
        "Dropout: got p=1.5; expected 0 to 1, the probability of dropping; 0.1 is usual")
    assert message(ValueError, F.dropout, np.ones(3), -0.1).startswith("dropout: got p=-0.1")
    assert message(TypeError, F.dropout, np.ones(3), 0.5, rng="seed") == (
        "dropout_mask: got a str as rng; expected a Generator of tinytensor or of numpy.random, a seed or None; pass "
        "tt.Generator(seed)")


@pytest.mark.peer
@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_is_torchs_bit_for_bit(p, dtype):
    torch = pytest.importorskip("torch")
    x = RNG.normal(size=(7, 33)).astype(dtype)
    torch.manual_seed(9)
    tt.manual_seed(9)
    for _ in range(2):
        expected = torch.nn.functional.dropout(torch.tensor(x), p).numpy()
        assert np.array_equal(nn.Dropout(p)(x), expected)
    assert np.array_equal(tt.rand(3).data, torch.rand(3).numpy())
