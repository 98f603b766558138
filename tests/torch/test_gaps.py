"""What programs set and ask besides computing, storages, and rarer functions and layers: as PyTorch's."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import tinytensor.torch as ours
from tinytensor.torch import nn

BFLOAT16 = {  # every way in which a dtype is given
    "zeros": lambda d: ours.zeros(2, dtype=d), "tensor": lambda d: ours.tensor(1.0, dtype=d),
    "to": lambda d: ours.ones(2).to(d), "type": lambda d: ours.ones(2).type(d), "view": lambda d: ours.ones(2).view(d),
    "sum": lambda d: ours.ones(2).sum(dtype=d), "Linear": lambda d: nn.Linear(2, 2, dtype=d),
    "Module.to": lambda d: nn.Linear(2, 2).to(d), "finfo": ours.finfo,
    "softmax": lambda d: nn.functional.softmax(ours.ones(2), 0, dtype=d),
    "promote": lambda d: ours.promote_types(d, ours.float32)}


@pytest.mark.parametrize("way", BFLOAT16)
def test_bfloat16_can_be_named_and_is_refused_where_it_is_used(way):
    table = {"float32": ours.float32, "bfloat16": ours.bfloat16}
    assert isinstance(table["bfloat16"], ours.dtype) and table["bfloat16"] != ours.float16
    assert copy.deepcopy(ours.bfloat16).name == pickle.loads(pickle.dumps(ours.bfloat16)).name == "bfloat16"
    with pytest.raises(TypeError, match=r"torch.bfloat16, which NumPy does not have; .* use torch.float32"):
        BFLOAT16[way](ours.bfloat16)


# --- settings ---

KEPT = [("set_float32_matmul_precision", "get_float32_matmul_precision", "high", "highest"),
        ("set_deterministic_debug_mode", "get_deterministic_debug_mode", 1, 0),
        ("use_deterministic_algorithms", "are_deterministic_algorithms_enabled", True, False),
        ("set_warn_always", "is_warn_always_enabled", True, False),
        ("set_num_interop_threads", "get_num_interop_threads", 3, 1)]


@pytest.mark.parametrize(("put", "get", "value", "usual"), KEPT)
def test_settings_that_change_nothing_are_told_again(put, get, value, usual):
    assert getattr(ours, get)() == usual
    getattr(ours, put)(value)
    assert getattr(ours, get)() == value
    getattr(ours, put)(usual)


def test_settings_that_are_wrong_are_refused():
    for call in (lambda: ours.set_float32_matmul_precision("low"), lambda: ours.set_default_device("cuda"),
                 lambda: ours.set_num_threads(0), lambda: ours.set_deterministic_debug_mode("loud")):
        with pytest.raises(RuntimeError, match="expect"):
            call()
    ours.set_default_device("cpu")
    assert ours.get_default_device() == ours.device("cpu") and not ours.set_flush_denormal(True)


def test_devices_that_are_not_there_say_so():
    for device in (ours.accelerator, ours.cuda, ours.mps, ours.xpu, ours.backends.mps, ours.backends.cudnn):
        assert device.is_available() is False
    assert ours.accelerator.current_accelerator() is None and ours.cuda.is_bf16_supported() is False
    ours.backends.cuda.matmul.allow_tf32 = ours.backends.cudnn.benchmark = True
    with pytest.raises(AttributeError, match="asks torch.mps.is_available"):
        ours.mps.current_allocated_memory()


def test_mixed_precision_is_off_or_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with ours.autocast("cpu", enabled=False), ours.cuda.amp.autocast(enabled=False):
            assert (ours.ones(2) @ ours.ones(2)).item() == 2
        scaler = ours.cuda.amp.GradScaler(enabled=False)
    with pytest.warns(UserWarning, match="CUDA is not available. Disabling"):
        ours.amp.autocast("cuda", dtype=ours.float16)
    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert not ours.amp.GradScaler("cuda").is_enabled()
    for call in (lambda: ours.autocast("cpu"), lambda: ours.autocast("cpu", dtype=ours.bfloat16),
                 lambda: ours.amp.GradScaler("cpu"), lambda: ours.autocast("tpu")):
        with pytest.raises(RuntimeError, match="expected"):
            call()
    w = ours.ones(2, requires_grad=True)
    optimizer = ours.optim.SGD([w], lr=0.5)
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert w.tolist() == [0.5, 0.5] and scaler.get_scale() == 1 and scaler.state_dict() == {}


def test_the_version_compares_by_numbers():
    assert ours.__version__ >= "2.2" and ours.__version__ < "10.0" and ours.__version__ >= (2, 0)
    assert ours.version.cuda is None and "tinytensor" in ours.__version__


# --- beside PyTorch ---


@pytest.mark.peer
def test_storages_are_pytorch_s():
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for make in (lambda t: t.arange(6).view(2, 3), lambda t: t.tensor([[1.5, 2.0], [3.0, 4.0]])[1],
                     lambda t: t.tensor([True]), lambda t: t.zeros(0), lambda t: t.arange(4).view(2, 2).t()):
            a, b = make(ours), make(torch)
            assert repr(a.storage()) == repr(b.storage()) and repr(a.untyped_storage()) == repr(b.untyped_storage())
            assert [*a.storage()] == [*b.storage()] and a.storage().size() == b.storage().size()
    x = ours.arange(6)
    assert x[3:].storage().data_ptr() == x.view(2, 3).untyped_storage().data_ptr() == x.data_ptr()
    x.storage()[2] = 9
    assert x[2] == 9
    with pytest.raises(IndexError, match="out of range for storage of size 6"):
        x.storage()[6]


@pytest.mark.peer
@pytest.mark.parametrize("name", ["hann", "hamming", "blackman", "bartlett", "kaiser"])
def test_windows_are_pytorch_s(name):
    torch = pytest.importorskip("torch")
    for n in (0, 1, 2, 5, 8):
        for periodic in (True, False):
            a, b = (getattr(t, f"{name}_window")(n, periodic) for t in (ours, torch))
            assert a.shape == tuple(b.shape) and str(a.dtype) == str(b.dtype)
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-5, atol=2e-7)


LAYERS = ["AlphaDropout(0.2)", "ChannelShuffle(2)", "EmbeddingBag(10, 3)", "RReLU()", "RReLU(0.1, 0.2, True)",
          "EmbeddingBag(10, 3, mode='max', padding_idx=2)", "FeatureAlphaDropout()", "LocalResponseNorm(5)",
          "LPPool1d(2, 3)", "LPPool2d(1.5, (2, 3), stride=2)", "MaxUnpool1d(2)", "MaxUnpool2d(3, 2, 1)",
          "Upsample(scale_factor=2, mode='bilinear', align_corners=True)", "UpsamplingBilinear2d(scale_factor=2)",
          "UpsamplingNearest2d((4, 5))"]


@pytest.mark.peer
@pytest.mark.parametrize("layer", LAYERS)
def test_layers_are_pytorch_s(layer):
    torch = pytest.importorskip("torch")
    found = []
    for t in (ours, torch):
        t.manual_seed(3)
        module = eval(f"t.nn.{layer}", {"t": t})
        shape = {"1d": (2, 4, 9), "Em": ()}.get(layer[-2:] if "1d" not in layer else "1d", (2, 4, 6, 6))
        if layer.startswith("EmbeddingBag"):
            y = module(t.tensor([1, 2, 4, 2, 4]), t.tensor([0, 2, 2]))
        elif "Unpool" in layer:
            pool = t.nn.MaxPool1d(2, return_indices=True) if "1d" in layer else t.nn.MaxPool2d(3, 2, 1, 1, True)
            x = t.randn(shape)
            y = module(*pool(x), output_size=x.shape)
        else:
            y = module(t.randn(shape))
        found.append((repr(module), [*module.state_dict()], y.detach().numpy(), t.rand(1).item()))
    (a, b, y, r), (c, d, z, s) = found
    assert (a, b, r) == (c, d, s)
    np.testing.assert_allclose(y, z, rtol=2e-5, atol=2e-6)


def lazy_net(t):
    """A network none of whose layers is told the size of its input."""
    n = t.nn
    return n.Sequential(n.LazyConv2d(6, kernel_size=5, padding=2), n.LazyBatchNorm2d(), n.Sigmoid(), n.Flatten(),
                        n.LazyLinear(12), n.ReLU(), n.LazyLinear(3, bias=False), n.LazyBatchNorm1d(affine=False))


@pytest.mark.peer
def test_lazy_layers_become_pytorch_s_at_the_first_input():
    torch = pytest.importorskip("torch")
    found = []
    for t in (ours, torch):
        t.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net = lazy_net(t)
        said = [repr(net), t.rand(1).item(), [(n, type(p).__name__) for n, p in net.named_parameters()]]
        net.zero_grad()
        weight = net[4].weight
        y = net(t.randn(2, 1, 8, 8))
        assert net[4].weight is weight and not isinstance(weight, t.nn.UninitializedParameter)
        said += [repr(net), [(n, tuple(p.shape), type(p).__name__) for n, p in net.named_parameters()],
                 [(n, tuple(b.shape)) for n, b in net.named_buffers()]]
        y.square().sum().backward()
        found.append((said, y.detach().numpy(), weight.grad.numpy()))
    (said, *mine), (theirs, *others) = found
    assert said == theirs
    for a, b in zip(mine, others, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_lazy_layers_can_be_copied_and_converted_but_not_used_before():
    net = pickle.loads(pickle.dumps(copy.deepcopy(lazy_net(ours)).double()))
    assert net(ours.ones(2, 1, 8, 8, dtype=ours.float64)).dtype == ours.float64
    for use in (lambda p: p.data, lambda p: p + 1, lambda p: ours.optim.SGD([p], 0.1)):
        with pytest.raises(ValueError, match="call the model once, on a batch"):
            use(nn.LazyLinear(2).weight)


@pytest.mark.peer
def test_functions_that_torch_has_too_are_pytorch_s():
    torch = pytest.importorskip("torch")
    calls = ["dropout(x, 0.5, train=True)", "alpha_dropout(x, 0.5, False)", "embedding(x, i)", "selu(x)", "pdist(x)",
             "conv1d(x[None], x[None])", "cosine_similarity(x, x + 1)", "pairwise_distance(x, x + 1)",
             "layer_norm(x, (3,))", "max_pool1d(x[None], 2)", "prelu(x, x[0, :1])",
             "pixel_shuffle(x.view(1, 4, 1, 3)[..., :2], 2)"]
    for call in calls:
        found = []
        for t in (ours, torch):
            t.manual_seed(1)
            found.append(eval(f"t.{call}", {"t": t, "x": t.arange(12.0).view(4, 3), "i": t.tensor([2, 0])}).numpy())
        np.testing.assert_allclose(*found, rtol=1e-5, err_msg=call)
    assert {"conv1d", "nn", "save", "autocast", "tensor"} <= {*dir(ours)}
    assert {"Linear", "functional"} <= {*dir(ours.nn)} and "relu" in dir(ours.nn.functional)


def test_maps_over_elements_and_checkpoints():
    x, y = ours.arange(4).view(2, 2).t(), ours.ones(2, 2, dtype=ours.int64)
    assert x.apply_(lambda v: v * 2.5).tolist() == [[0, 5], [2, 7]]
    assert x.map_(y, lambda a, b: a - b).tolist() == [[-1, 4], [1, 6]]
    assert x.map2_(y, y, lambda a, b, c: a + b + c).tolist() == [[1, 6], [3, 8]]
    w = ours.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"use x.detach\(\).apply_\(\)"):
        w.apply_(lambda v: v)
    from tinytensor.torch.utils.checkpoint import checkpoint, checkpoint_sequential

    layers = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    a = checkpoint(layers, w, use_reentrant=False, preserve_rng_state=True)
    assert a.tolist() == checkpoint_sequential(layers, 2, w).tolist() == layers(w).tolist()
