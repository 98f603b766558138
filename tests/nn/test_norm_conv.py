"""The norms, BatchNorm1d's folding, FlattenConsecutive, Conv1d: alone, by their definitions, and against PyTorch."""

import copy

import numpy as np
import pytest
from messages import message

import tinytensor as tt
from tinytensor import nn
from tinytensor.core import Tensor
from tinytensor.ops.norm import batch_norm_definition
from tinytensor.ops.windows import overlap_add, sliding_window_view
from tinytensor.testing import gradcheck

RNG = np.random.default_rng(0)


def values(*shape, dtype=np.float32, scale=2.0, shift=1.0):
    return (RNG.normal(size=shape) * scale + shift).astype(dtype)


def shaken(model):
    """Parameters and running statistics that are not the first ones, so that each of them counts."""
    rng = np.random.default_rng(1)
    for name, x in [*model.named_parameters(), *model.named_buffers()]:
        if x.dtype.kind == "f":
            x.data[...] = rng.uniform(0.5, 1.5, x.shape) if "var" in name else x.data + 0.3 * rng.normal(size=x.shape)
    return model


def close(a, b, tolerance=2e-6):
    a, b = (x.data if isinstance(x, Tensor) else x.detach().numpy() if hasattr(x, "detach") else x for x in (a, b))
    assert a.shape == b.shape and a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, np.abs(b).max(initial=0)))


# --- BatchNorm1d: what it computes ---


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("shape, axis", [((6, 3), 1), ((4, 3, 5), 1), ((4, 5, 3), -1), ((2, 4, 2, 3), -1)])
def test_training_in_plain_numpy(shape, axis, unbiased):
    layer, x = shaken(nn.BatchNorm1d(3, eps=1e-3, momentum=0.2, axis=axis, unbiased=unbiased)), values(*shape)
    mean, var = layer.running_mean.data.copy(), layer.running_var.data.copy()
    y = layer(x)
    z = np.moveaxis(x, axis, -1)
    others = tuple(range(x.ndim - 1))
    used, kept = z.var(others, ddof=int(unbiased)), z.var(others, ddof=1)
    expected = (z - z.mean(others)) / np.sqrt(used + 1e-3) * layer.weight.data + layer.bias.data
    close(y, np.moveaxis(expected, -1, axis))
    close(layer.running_mean, (0.8 * mean + 0.2 * z.mean(others)).astype(np.float32))
    close(layer.running_var, (0.8 * var + 0.2 * kept).astype(np.float32))
    layer.eval()
    mean, var = layer.running_mean.data.copy(), layer.running_var.data.copy()
    expected = (z - mean) / np.sqrt(var + 1e-3) * layer.weight.data + layer.bias.data
    close(layer(x), np.moveaxis(expected, -1, axis))
    assert np.array_equal(layer.running_mean.data, mean) and layer.num_batches_tracked.item() == 1


def test_the_outputs_have_mean_0_and_variance_1_even_far_from_0():
    """The variance is the mean of squared deviations: E[x^2] - E[x]^2 would be all rounding here."""
    x = values(64, 200, scale=0.1, shift=1000)
    y = nn.BatchNorm1d(200, eps=0)(x).data
    assert np.abs(y.mean(0)).max() < 3e-3 and np.abs(y.var(0) - 1).max() < 1e-4
    close(y, ((x - x.mean(0, np.float64)) / x.std(0, dtype=np.float64)).astype(np.float32), 3e-3)


def test_axis_last_is_axis_1_transposed():
    first, last = shaken(nn.BatchNorm1d(3)), shaken(nn.BatchNorm1d(3, axis=-1))
    x, g = values(4, 3, 5), values(4, 3, 5)
    for training in (True, False):
        a, b = tt.tensor(x, requires_grad=True), tt.tensor(x.swapaxes(1, 2), requires_grad=True)
        y, z = first.train(training)(a), last.train(training)(b)
        y.backward(g)
        z.backward(g.swapaxes(1, 2))
        close(y, z.data.swapaxes(1, 2))
        close(a.grad, b.grad.swapaxes(1, 2))
    for p, q in zip(first.parameters(), last.parameters(), strict=True):
        close(p.grad, q.grad)
    for name, value in first.state_dict().items():
        close(value, last.state_dict()[name])


def test_momentum_none_is_the_mean_over_all_batches():
    layer, batches = nn.BatchNorm1d(3, momentum=None), [values(8, 3) for _ in range(4)]
    for x in batches:
        layer(x)
    close(layer.running_mean, np.mean([x.mean(0) for x in batches], 0, dtype=np.float32))
    close(layer.running_var, np.mean([x.var(0, ddof=1) for x in batches], 0, dtype=np.float32))
    assert layer.num_batches_tracked.item() == 4 and layer.num_batches_tracked.dtype == np.int64


def test_calibration_needs_no_graph_and_buffers_keep_their_arrays():
    layer = nn.BatchNorm1d(3)
    arrays = [b.data for _, b in layer.named_buffers()]
    with tt.no_grad():
        y = layer(values(8, 3))
    assert not y.requires_grad and layer.num_batches_tracked.item() == 1 and layer.running_mean.data.any()
    assert all(b.data is a and not b.requires_grad for (_, b), a in zip(layer.named_buffers(), arrays, strict=True))


def test_without_running_statistics_and_without_weights():
    layer, x = nn.BatchNorm1d(3, track_running_stats=False), values(8, 3)
    assert list(layer.state_dict()) == ["weight", "bias"] and layer.running_mean is None
    close(layer.eval()(x), layer.train()(x))
    bare = nn.BatchNorm1d(3, affine=False, track_running_stats=False)
    assert bare.state_dict() == {} and not bare(tt.tensor(x)).requires_grad
    close(bare(x), layer(x))
    assert list(nn.BatchNorm1d(3, affine=False).state_dict()) == ["running_mean", "running_var", "num_batches_tracked"]


def test_first_values_draw_nothing():
    tt.manual_seed(3)
    nn.BatchNorm1d(5)
    after = tt.rand(4)
    tt.manual_seed(3)
    assert np.array_equal(after.data, tt.rand(4).data)
    state = nn.BatchNorm1d(2, dtype=np.float64).state_dict()
    assert {k: v.tolist() for k, v in state.items()} == {
        "weight": [1, 1], "bias": [0, 0], "running_mean": [0, 0], "running_var": [1, 1], "num_batches_tracked": 0}
    assert {v.dtype.name for v in state.values()} == {"float64", "int64"}


def test_repr():
    assert repr(nn.BatchNorm1d(3)) == (
        "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)")
    assert repr(nn.BatchNorm1d(3, 0, None, False, False, axis=-1, unbiased=True)) == (
        "BatchNorm1d(3, eps=0, momentum=None, affine=False, bias=False, track_running_stats=False, axis=-1, "
        "unbiased=True)")


# --- LayerNorm and RMSNorm ---


@pytest.mark.parametrize("shape, last", [((6, 5), 5), ((4, 3, 5), (5,)), ((4, 3, 5), (3, 5)), ((5,), 5), ((0, 5), 5)])
def test_norms_over_the_last_axes_in_plain_numpy(shape, last):
    x = values(*shape)
    layer, rms = shaken(nn.LayerNorm(last, eps=1e-3)), shaken(nn.RMSNorm(last, eps=1e-3))
    others = tuple(range(-len(layer.normalized_shape), 0))
    d = x - x.mean(others, keepdims=True)
    close(layer(x), d / np.sqrt(np.square(d).mean(others, keepdims=True) + 1e-3) * layer.weight.data + layer.bias.data)
    close(rms(x), x / np.sqrt(np.square(x).mean(others, keepdims=True) + 1e-3) * rms.weight.data)


def test_layer_norm_far_from_0():
    """The variance is the mean of squared deviations: E[x^2] - E[x]^2 would be all rounding here."""
    y = nn.LayerNorm(200, eps=0)(values(64, 200, scale=0.1, shift=1000)).data
    assert np.abs(y.mean(1)).max() < 3e-3 and np.abs(y.var(1) - 1).max() < 1e-4


@pytest.mark.parametrize("make", [nn.LayerNorm, nn.RMSNorm])
def test_norms_over_the_last_axes_have_torchs_state_and_say_what_does_not_fit(make):
    name = make.__name__
    op = name.replace("Norm", "_norm").lower()
    both = ["weight", "bias"] if make is nn.LayerNorm else ["weight"]
    assert list(make(3).state_dict()) == both and make(3, elementwise_affine=False).state_dict() == {}
    assert [v.tolist() for v in make((1, 2)).state_dict().values()] == [[[1, 1]], [[0, 0]]][: len(both)]
    assert list(nn.LayerNorm(3, bias=False).state_dict()) == ["weight"]
    layer = make((3, 4))
    assert message(ValueError, layer, values(2, 4)) == (
        f"{name}: {op}: got x of shape (2, 4); expected (..., 3, 4); make the layer for its size, or reshape x")
    assert message(TypeError, layer, values(3, 4, dtype=np.float64)).startswith(
        f"{name}: {op}: got dtype float64 as input; expected float32, as the weights have")
    assert message(ValueError, make, (3, 0)).startswith(f"{name}: got normalized_shape=0; expected 1 or more")
    assert message(ValueError, getattr(tt, op), values(2, 3), np.ones(2)) == (
        f"{op}: got weight of shape (2,) for x of shape (2, 3) and axes=1; expected (3,); give the number of axes of "
        f"weight as axes=")
    assert message(ValueError, getattr(tt, op), values(2, 3), axes=3).startswith(f"{op}: got axes=3 for x of shape")


@pytest.mark.parametrize("make", [nn.LayerNorm, nn.RMSNorm])
@pytest.mark.parametrize("affine", [True, False])
def test_gradients_of_norms_over_the_last_axes_by_differences(make, affine):
    layer = shaken(make((2, 3), eps=0.1, elementwise_affine=affine).astype(np.float64))
    assert gradcheck(layer, values(4, 2, 3, dtype=np.float64), order=2)


@pytest.mark.peer
@pytest.mark.parametrize("name", ["LayerNorm", "RMSNorm"])
def test_norms_over_the_last_axes_are_torchs_in_float32(name):
    ours, theirs = pair(getattr(nn, name)(64), getattr(torch_nn(), name)(64))
    agree(ours, theirs, values(8, 16, 64))


# --- BatchNorm1d: gradients ---

LAYERS = {
    "training": {},
    "unbiased": {"unbiased": True},
    "no weights": {"affine": False},
    "last axis": {"axis": -1},
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_gradients_by_differences_at_both_orders(name, training):
    layer = shaken(nn.BatchNorm1d(3, eps=0.1, **LAYERS[name])).train(training)
    layer.momentum = 0  # differences call it again and again: its statistics must not move
    x = values(4, 3, 3, dtype=np.float64)
    assert gradcheck(layer, x, order=2)


@pytest.mark.parametrize("shape, axis", [((64, 20), 1), ((8, 20, 4), 1), ((8, 4, 20), -1)])
def test_the_fused_rule_is_the_composed_one_in_float32(shape, axis):
    layer, g = shaken(nn.BatchNorm1d(20, axis=axis)), values(*shape)
    x = values(*shape)
    fast, slow = tt.tensor(x, requires_grad=True), tt.tensor(x, requires_grad=True)
    wanted = [fast, layer.weight, layer.bias]
    found = tt.grad(layer(fast), wanted, g)
    expected = tt.grad(batch_norm_definition(slow, layer.weight, layer.bias, axis=axis), [slow, *wanted[1:]], g)
    for a, b in zip(found, expected, strict=True):
        close(a, b, 1e-5)


def test_float32_stays_through_a_step():
    model = nn.Sequential(nn.Linear(4, 6, bias=False, rng=0), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 2, rng=1))
    loss = tt.cross_entropy(model(values(8, 4)), np.arange(8) % 2)
    loss.backward()
    assert loss.dtype == np.float32 and {p.grad.dtype for p in model.parameters()} == {np.dtype(np.float32)}
    assert {b.dtype.name for _, b in model.named_buffers()} == {"float32", "int64"}
    assert model.astype(np.float64)(values(8, 4, dtype=np.float64)).dtype == np.float64


def test_inputs_are_not_written_and_the_graph_dies():
    x = values(8, 3)
    x.flags.writeable = False
    layer = nn.BatchNorm1d(3)
    y = layer(tt.tensor(x, requires_grad=True))
    g = np.ones_like(x)
    y.backward(g)
    assert np.array_equal(g, np.ones_like(x)) and y.params == y.params["op"].released


# --- BatchNorm1d: what is wrong ---


def test_one_value_for_each_channel():
    layer = nn.BatchNorm1d(3)
    assert message(ValueError, layer, values(1, 3)) == (
        "BatchNorm1d: batch_norm: got x of shape (1, 3), with one value for each channel; expected 2 or more, for one "
        "has no variance; give a larger batch, or use running statistics: model.eval()")
    assert "with no values for each channel; " in message(ValueError, layer, values(0, 3))
    assert layer.num_batches_tracked.item() == 0 and not layer.running_mean.data.any()
    assert layer.eval()(values(1, 3)).shape == (1, 3) and layer(values(0, 3)).shape == (0, 3)
    assert layer.train()(values(1, 3, 2)).shape == (1, 3, 2)


def test_channels_that_do_not_fit():
    text = message(ValueError, nn.Sequential(nn.BatchNorm1d(5)), values(4, 8, 5))
    assert text == ("Sequential.0 (BatchNorm1d): batch_norm: got x of shape (4, 8, 5); expected two axes or more, "
                    "with 5 channels along axis 1; for channels along axis -1: BatchNorm1d(5, axis=-1)")
    assert "; make the layer for its size, or reshape x" in message(ValueError, nn.BatchNorm1d(5), values(4, 6))
    assert "BatchNorm1d(5, axis=1)" in message(ValueError, nn.BatchNorm1d(5, axis=-1), values(4, 5, 6))
    assert "expected two axes or more" in message(ValueError, nn.BatchNorm1d(5), values(5))


def test_other_mistakes():
    text = message(TypeError, nn.BatchNorm1d(3), values(4, 3, dtype=np.float64))
    assert text.startswith("BatchNorm1d: batch_norm: got dtype float64 as input; expected float32, as the weights")
    assert "batch_norm: got a list as input; " in message(TypeError, nn.BatchNorm1d(3), [[1.0, 2, 3]])
    assert "expected 1 or more" in message(ValueError, nn.BatchNorm1d, 0)
    assert "got axis=2; expected 1, or -1 for the last; " in message(ValueError, nn.BatchNorm1d, 3, axis=2)
    x = values(4, 3)
    assert message(ValueError, tt.batch_norm, x, np.ones(4)) == (
        "batch_norm: got weight of shape (4,) for x of shape (4, 3) with its channels along axis -1; expected (3,); "
        "give the axis of the channels as axis=")
    assert "batch_norm: got only one of mean and var; " in message(ValueError, tt.batch_norm, x, mean=np.ones(3))


# --- folding ---


def deep(rng=0):
    g = tt.Generator(rng)
    return shaken(nn.Sequential(
        nn.Embedding(7, 3, rng=g), nn.Flatten(), nn.Linear(12, 8, bias=False, rng=g), nn.BatchNorm1d(8), nn.Tanh(),
        nn.Sequential(nn.Linear(8, 8, rng=g), nn.BatchNorm1d(8, eps=0), nn.Tanh()),
        nn.Linear(8, 5, rng=g), nn.BatchNorm1d(5, affine=False))).eval()


def test_folding_keeps_the_outputs_and_the_model():
    model = deep()
    before, text = model.state_dict(), repr(model)
    small = nn.fold_batchnorm(model)
    indices = np.random.default_rng(0).integers(0, 7, (50, 4))
    np.testing.assert_allclose(small(indices).data, model(indices).data, rtol=0, atol=1e-6)
    assert repr(model) == text and all(np.array_equal(v, before[k]) for k, v in model.state_dict().items())
    assert not any(isinstance(m, nn.BatchNorm1d) for m in small.modules())
    assert [name for name, _ in small.named_parameters()] == [
        "0.weight", "2.weight", "2.bias", "4.0.weight", "4.0.bias", "5.weight", "5.bias"]
    assert not any(np.shares_memory(p.data, q.data) for p in small.parameters() for q in model.parameters())
    assert {p.dtype.name for p in small.parameters()} == {"float32"} and not small.training


def test_folding_in_three_axes_under_names_and_in_other_modules():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.tree = nn.ModuleList([nn.Sequential({
                "join": nn.FlattenConsecutive(2), "linear": nn.Linear(6, 4, rng=0), "norm": nn.BatchNorm1d(4, axis=-1),
                "act": nn.Tanh()})])
            self.linear, self.norm = nn.Linear(4, 4, rng=1), nn.BatchNorm1d(4, axis=-1)  # attributes: no certain order

        def forward(self, x):
            return self.norm(self.linear(self.tree[0](x)))

    model, x = shaken(Net()).eval(), values(5, 8, 3)
    small = nn.fold_batchnorm(model)
    close(small(x), model(x), 1e-6)
    assert list(small.tree[0]._own(nn.Module)) == ["join", "linear", "act"] and isinstance(small.norm, nn.BatchNorm1d)
    assert type(small) is Net and small.linear.weight.data.tolist() == model.linear.weight.data.tolist()


def test_folding_a_linear_that_is_used_twice_and_norms_in_a_row():
    linear, norm = nn.Linear(3, 3, rng=0), nn.BatchNorm1d(3)
    model = shaken(nn.Sequential(linear, nn.Tanh(), linear, norm, nn.BatchNorm1d(3), nn.Tanh(), linear)).eval()
    small, x = nn.fold_batchnorm(model), values(6, 3)
    close(small(x), model(x), 1e-6)
    assert len(small) == 5 and small[0] is small[4] and small[0] is not small[2]


def test_what_cannot_be_folded():
    linear, norm = nn.Linear(3, 4, rng=0), nn.BatchNorm1d(4)
    for model in (nn.Sequential(linear, nn.Tanh(), norm), nn.Sequential(norm, linear), linear, nn.Sequential(),
                  nn.ModuleList([linear, norm]), nn.Sequential(linear, nn.BatchNorm1d(5))):
        assert message(ValueError, nn.fold_batchnorm, model) == (
            f"fold_batchnorm: got a {type(model).__name__} without a BatchNorm1d after a Linear of its size; "
            f"expected such neighbours in a Sequential; put them next to each other in one, or use the model as it is, "
            f"in eval()")
    bare = nn.Sequential(nn.Tanh(), nn.Sequential(linear, nn.BatchNorm1d(4, track_running_stats=False)))
    assert message(ValueError, nn.fold_batchnorm, bare) == (
        "fold_batchnorm: got 1.1 (BatchNorm1d) without running statistics; expected those that eval() normalises with; "
        "build it with track_running_stats=True, and train")

    class Backwards(nn.Sequential):
        def forward(self, x):
            return self[0](self[1](x))

    assert "without a BatchNorm1d after" in message(ValueError, nn.fold_batchnorm, Backwards(linear, norm))


# --- FlattenConsecutive ---


@pytest.mark.parametrize("n, shape, expected", [(2, (4, 8, 3), (4, 4, 6)), (4, (4, 8, 3), (4, 2, 12)),
                                                (8, (4, 8, 3), (4, 24)), (1, (4, 8, 3), (4, 8, 3)),
                                                (1, (4, 1, 3), (4, 3))])
def test_flatten_consecutive_joins_neighbours(n, shape, expected):
    x = tt.tensor(values(*shape), requires_grad=True)
    y = nn.FlattenConsecutive(n)(x)
    assert y.shape == expected
    joined = np.concatenate([x.data[:, i::n] for i in range(n)], axis=2)  # as the lecture does at first
    assert np.array_equal(y.data, joined.reshape(expected))
    y.backward(y.data)
    assert np.array_equal(x.grad, x.data)


def test_flatten_consecutive_refuses():
    assert message(ValueError, nn.FlattenConsecutive(2), values(4, 7, 3)) == (
        "FlattenConsecutive: flatten_consecutive: got x of shape (4, 7, 3); expected (B, T, C), with T a multiple of "
        "2; choose a context length that n divides")
    assert "expected (B, T, C)" in message(ValueError, nn.FlattenConsecutive(2), values(4, 6))
    assert "expected 1 or more" in message(ValueError, nn.FlattenConsecutive, 0)
    assert repr(nn.FlattenConsecutive(2)) == "FlattenConsecutive(2)"


# --- windows ---


def test_windows_are_views_of_any_array_and_count_up():
    x = np.arange(24.0).reshape(2, 12)[:, ::-1]
    y = sliding_window_view(x, 3, 1, stride=2, dilation=3)
    assert np.shares_memory(x, y) and not y.flags.writeable
    assert y.tolist() == [[[x[i, j], x[i, j + 3], x[i, j + 6]] for j in (0, 2, 4)] for i in (0, 1)]
    both = np.lib.stride_tricks.sliding_window_view(x, (2, 4))
    assert np.array_equal(sliding_window_view(sliding_window_view(x, 2, 0), 4, 1), both)


@pytest.mark.parametrize("how", [{"window_shape": 2, "stride": 3}, {"window_shape": 3, "stride": 2, "dilation": 2},
                                 {"window_shape": 4}, {"window_shape": 1, "stride": 4}, {"window_shape": 9}])
def test_overlap_add_is_the_adjoint(how):
    """<windows(x), g> = <x, overlap_add(g)>, also for elements that no window reaches."""
    x = values(3, 9, 2, dtype=np.float64)
    y = sliding_window_view(x, axis=1, **how)
    g = values(*y.shape, dtype=np.float64)
    back = overlap_add(g, 9, 1, stride=how.get("stride", 1), dilation=how.get("dilation", 1))
    assert back.shape == x.shape
    np.testing.assert_allclose(np.sum(y * g), np.sum(x * back), rtol=1e-12)


def test_windows_that_cannot_be():
    x = tt.ones(2, 5)
    assert message(ValueError, tt.sliding_window_view, x, 3, 1, dilation=3) == (
        "sliding_window_view: got windows that span 7 elements for an axis of 5; expected 5 at most; shorten "
        "window_shape=3 or dilation=3, or pad the axis")
    for wrong in ({"window_shape": 0}, {"window_shape": 2, "stride": 0},
                  {"window_shape": 2, "dilation": 1.0}):
        assert "expected integers of 1 or more; " in message(ValueError, tt.sliding_window_view, x, axis=1, **wrong)
    assert message(ValueError, tt.overlap_add, tt.ones(3, 2), 5) == (
        "overlap_add: got 3 windows along axis 0 of x; expected 4, for size=5; give the size of the axis that the "
        "windows were taken from")


# --- Conv1d ---


@pytest.mark.parametrize("how", [{}, {"stride": 2}, {"padding": 2}, {"dilation": 3}, {"bias": False},
                                 {"stride": 2, "padding": 1, "dilation": 2}])
def test_conv1d_by_loops_and_differences(how):
    layer, x = nn.Conv1d(2, 3, 3, rng=0, dtype=np.float64, **how), values(2, 2, 9, dtype=np.float64)
    p, s, d = (how.get(k, v) for k, v in (("padding", 0), ("stride", 1), ("dilation", 1)))
    z = np.pad(x, ((0, 0), (0, 0), (p, p)))
    m = (9 + 2 * p - 2 * d - 1) // s + 1
    bias = 0 if layer.bias is None else layer.bias.data
    expected = np.stack([np.einsum("nck,ock->no", z[:, :, i * s : i * s + 2 * d + 1 : d], layer.weight.data) + bias
                         for i in range(m)], 2)
    close(layer(x), expected, 1e-12)
    assert gradcheck(layer, x, order=2)


def test_conv1d_of_pairs_is_the_tree_of_flatten_consecutive():
    """A kernel of 2 with dilation 1 on every pair is FlattenConsecutive(2) and Linear, at every position at once."""
    linear, conv = nn.Linear(6, 4, rng=0), nn.Conv1d(3, 4, 2, rng=1)
    conv.weight.data[...] = linear.weight.data.reshape(4, 2, 3).swapaxes(1, 2)
    conv.bias.data[...] = linear.bias.data
    x = values(5, 8, 3)
    tree = linear(nn.FlattenConsecutive(2)(tt.tensor(x)))  # (B, T // 2, C)
    close(conv(tt.tensor(x).swapaxes(1, 2)).data[:, :, ::2].swapaxes(1, 2), tree.data)


def test_conv1d_refuses():
    layer = nn.Conv1d(3, 4, 3, dilation=2, rng=0)
    assert message(ValueError, layer, values(2, 4, 9)) == (
        "Conv1d: conv1d: got x of shape (2, 4, 9); expected (N, 3, L) or (3, L), channels before positions; move the "
        "channels: np.moveaxis(x, -1, 1)")
    assert message(ValueError, layer, values(2, 3, 4)) == (
        "Conv1d: conv1d: got x of shape (2, 3, 4); expected 5 positions or more along each of the last axes, as a "
        "window spans 5; use larger inputs, or more padding")
    assert "expected (N, 3, L)" in message(ValueError, layer, values(2, 9))
    assert "got dtype float64" in message(TypeError, layer, values(2, 3, 9, dtype=np.float64))
    assert "got padding=-1; expected 0 or more" in message(ValueError, nn.Conv1d, 3, 4, 3, padding=-1)
    assert "expected a stride of 1" in message(ValueError, nn.Conv1d, 3, 4, 3, stride=2, padding="same")
    assert repr(layer) == "Conv1d(3, 4, kernel_size=(3,), stride=(1,), dilation=(2,))"
    assert layer(values(0, 3, 9)).shape == (0, 4, 5)


def test_models_of_these_layers_are_copied_and_saved():
    model = nn.Sequential(nn.Conv1d(3, 4, 2, rng=0), nn.BatchNorm1d(4), nn.Tanh())
    x = values(5, 3, 8)
    model(x)
    twin = copy.deepcopy(model)
    twin(x)
    assert [m[1].num_batches_tracked.item() for m in (model, twin)] == [1, 2]
    twin.load_state_dict(model.state_dict())
    close(twin.eval()(x), model.eval()(x), 0)


# --- against PyTorch ---


def torch_nn():
    return pytest.importorskip("torch").nn


def pair(ours, theirs):
    """Both layers with the same values, that are not the first ones; the state goes there and comes back."""
    torch = pytest.importorskip("torch")
    shaken(ours)
    theirs.load_state_dict({name: torch.tensor(v) for name, v in ours.state_dict().items()})
    shaken(ours).load_state_dict({name: v.numpy() for name, v in theirs.state_dict().items()})
    assert list(ours.state_dict()) == list(theirs.state_dict())
    return ours, theirs


def agree(ours, theirs, x, tolerance=5e-6):
    """Outputs, gradients of the input and of all parameters, and the state afterwards."""
    torch = pytest.importorskip("torch")
    a, b = tt.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = ours(a), theirs(b)
    close(y, z, tolerance)
    g = values(*y.shape)
    ours.zero_grad()
    theirs.zero_grad()
    y.backward(g)
    z.backward(torch.tensor(g))
    close(a.grad, b.grad, tolerance)
    for (name, p), (same, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == same
        close(p.grad, q.grad, tolerance)
    for name, v in theirs.state_dict().items():
        close(ours.state_dict()[name], v.numpy(), tolerance)


@pytest.mark.peer
@pytest.mark.parametrize("shape", [(8, 5), (64, 5), (4, 5, 7), (1, 5, 3)])
@pytest.mark.parametrize("how", [{}, {"momentum": None}, {"affine": False}, {"track_running_stats": False},
                                 {"eps": 1e-3, "momentum": 1.0}, {"affine": False, "track_running_stats": False}])
def test_batch_norm_is_torchs(how, shape):
    ours, theirs = pair(nn.BatchNorm1d(5, **how), torch_nn().BatchNorm1d(5, **how))
    for _ in range(3):
        agree(ours, theirs, values(*shape))
    ours.eval()
    theirs.eval()
    agree(ours, theirs, values(*shape))


@pytest.mark.peer
def test_batch_norm_second_order_is_torchs():
    torch = pytest.importorskip("torch")
    x, c = values(6, 4, dtype=np.float64), values(6, 4, dtype=np.float64)
    ours, theirs = pair(nn.BatchNorm1d(4, dtype=np.float64), torch.nn.BatchNorm1d(4).double())
    a, b = tt.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    g = tt.grad((ours(a) ** 2 * c).sum(), [a, *ours.parameters()], create_graph=True)
    sum((v * v).sum() for v in g).backward()
    h = torch.autograd.grad((theirs(b) ** 2 * torch.tensor(c)).sum(), [b, *theirs.parameters()], create_graph=True)
    sum((v * v).sum() for v in h).backward()
    for p, q in zip([a, *ours.parameters()], [b, *theirs.parameters()], strict=True):
        close(p.grad, q.grad, 1e-10)


@pytest.mark.peer
@pytest.mark.parametrize("how", [{}, {"stride": 2}, {"padding": 2}, {"dilation": 4}, {"bias": False},
                                 {"kernel_size": 1}, {"stride": 3, "padding": 3, "dilation": 2}])
def test_conv1d_is_torchs(how):
    torch = pytest.importorskip("torch")
    how = {"kernel_size": 3, **how}
    tt.manual_seed(42)
    torch.manual_seed(42)
    ours, theirs = nn.Conv1d(5, 6, **how), torch.nn.Conv1d(5, 6, **how)
    for name, v in theirs.state_dict().items():
        assert np.array_equal(ours.state_dict()[name], v.numpy()), name
    agree(*pair(ours, theirs), values(4, 5, 16))
