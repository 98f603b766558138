"""Convolutions, poolings, norms, activations and losses of `nn.functional` agree with PyTorch on its own samples.

Its OpInfo table says how each function is called; modules are held by `tests/nn/test_module_db.py`. What
needs no PyTorch stands first: second order, dtypes, compiled steps and errors.
"""

import inspect
import warnings

import numpy as np
import pytest
from messages import message

import tinytensor as tt
from tinytensor import nn
from tinytensor.core import Tensor
from tinytensor.nn import functional as F
from tinytensor.testing import gradcheck

RNG = np.random.default_rng(0)


def values(*shape, dtype=np.float64):
    return RNG.standard_normal(shape).astype(dtype)


def distinct(*shape):
    """Values no two of which are near each other, so that the largest stays the largest."""
    return RNG.permutation(np.arange(float(np.prod(shape)))).reshape(shape) * 0.1 - 1.23


# --- without PyTorch ---

X, W = values(2, 4, 5, 6), values(6, 2, 3, 2)
CASES = {
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b, 2, 1, groups=2), values(2, 4, 7), values(6, 2, 3), values(6)),
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b, (1, 2), "valid", (2, 1), 2), X, W, values(6)),
    "conv2d same": (lambda x, w: F.conv2d(x, w, padding="same", groups=2), X, W),
    "conv2d 1x1": (F.conv2d, X[0], values(3, 4, 1, 1)),
    "conv_transpose2d": (lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1, 1, 2), X, values(4, 3, 3, 2), values(6)),
    "max_pool1d": (lambda x: F.max_pool1d(x, 3, 2, 1), distinct(2, 3, 7)),
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), distinct(2, 2, 6, 6)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 3, 2, 1, True, False), X),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, (2, 4)), X),
    "adaptive_max_pool2d": (lambda x: F.adaptive_max_pool2d(x, (2, 4)), distinct(1, 2, 5, 6)),
    "unfold": (lambda x: F.unfold(x, 2, 2, 1, 2), X),
    "fold": (lambda x: F.fold(x, (3, 4), 2), values(1, 8, 6)),
    "pad": (lambda x: F.pad(x, (1, 2, -1, 1), "reflect"), X),
    "interpolate": (lambda x: F.interpolate(x, (7, 12)), X),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b, 0.1), X, values(4), values(4)),
    "instance_norm": (lambda x, w, b: F.instance_norm(x, weight=w, bias=b, eps=0.1), X, values(4), values(4)),
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, True, eps=0.1), X, values(4), values(4)),
    "normalize": (F.normalize, X),
    "cosine_similarity": (F.cosine_similarity, X, X + 1),
    "pairwise_distance": (F.pairwise_distance, X, X + 1),
    "prelu": (F.prelu, X, values(4)),
    "glu": (F.glu, X),
    "binary_cross_entropy": (F.binary_cross_entropy, RNG.uniform(0.1, 0.9, (3, 4)), RNG.uniform(0.1, 0.9, (3, 4))),
    "gaussian_nll_loss": (F.gaussian_nll_loss, values(3, 4), values(3, 4), RNG.uniform(0.5, 2, (3, 4))),
    "triplet_margin_loss": (F.triplet_margin_loss, values(3, 4), values(3, 4), values(3, 4)),
    "cosine_embedding_loss": (lambda a, b: F.cosine_embedding_loss(a, b, np.array([1, -1, 1])), *values(2, 3, 4)),
    "multi_margin_loss": (lambda x: F.multi_margin_loss(x, np.array([0, 2, 3]), 2), values(3, 4)),
    "multilabel_margin_loss": (lambda x: F.multilabel_margin_loss(x, np.array([[0, 2, -1, 1]])), values(1, 4)),
    **{name: (getattr(F, name), values(3, 4)) for name in (
        "celu", "elu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid", "mish",
        "relu6", "selu", "softmin", "softplus", "softshrink", "softsign", "tanhshrink")},
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_at_both_orders_and_float32(name):
    f, *inputs = CASES[name]
    assert gradcheck(f, *inputs, order=2)
    single = [tt.tensor(x.astype(np.float32), requires_grad=True) for x in inputs]
    y = f(*single)
    y.sum().backward()
    assert y.dtype == np.float32 and all(x.grad.dtype == np.float32 for x in single)
    plain = f(*[x.data for x in single])
    assert not isinstance(plain, Tensor)
    np.testing.assert_array_equal(plain, y.data)


class Net(nn.Module):
    """The tutorials' image classifier, with one of each."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False, rng=0), nn.BatchNorm2d(4), nn.LeakyReLU(0.1), nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, groups=2, padding="same", padding_mode="reflect", rng=1), nn.GroupNorm(2, 6), nn.PReLU(),
            nn.AvgPool2d(2, ceil_mode=True), nn.ConvTranspose2d(6, 2, 2, stride=2, rng=2), nn.InstanceNorm2d(2),
            nn.Hardswish(), nn.AdaptiveAvgPool2d(2), nn.Dropout2d(0.2, rng=3), nn.Flatten(), nn.Linear(8, 3, rng=4))
        self.loss = nn.MultiMarginLoss()

    def forward(self, x, y):
        z = self.features(x)
        return F.cross_entropy(z, y) + F.binary_cross_entropy(F.sigmoid(z), (z > 0).astype(z.dtype)) + self.loss(z, y)


def test_a_compiled_step_is_the_eager_one():
    x, y = values(5, 1, 6, 6, dtype=np.float32), np.array([0, 2, 1, 1, 0])
    losses = []
    for how in (lambda f, *state: f, tt.compile):
        net = Net()
        opt = tt.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

        def step(x, y, net=net, opt=opt):
            loss = net(x, y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        run = how(step, net, opt)
        losses.append([run(x, y).item() for _ in range(5)] + [a.data.tolist() for a in net.state_dict().values()])
    assert losses[0] == losses[1] and losses[0][4] < losses[0][0]


def test_the_first_of_equals_gets_the_gradient_and_nan_is_never_hidden():
    x = tt.zeros(1, 1, 2, 4, requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    assert x.grad.tolist() == [[[[1, 0, 1, 0], [0, 0, 0, 0]]]]
    assert np.isnan(F.max_pool1d(np.array([[1.0, np.nan, 0.0, 2.0]]), 2)).tolist() == [[True, False]]
    assert F.max_pool1d(np.array([[-np.inf, -np.inf]]), 2, padding=1).tolist() == [[-np.inf, -np.inf]]


def test_dropout_of_channels():
    x = np.ones((3, 40, 2, 2), np.float32)
    y = nn.Dropout2d(0.25, rng=1)(x)
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)} and (y == y[:, :, :1, :1]).all()
    assert nn.Dropout1d(0.25, rng=1)(x[..., 0]).tolist() == y[..., 0].tolist()
    assert nn.Dropout2d(0.25).eval()(x) is x


def test_errors_say_what_to_do():
    x, w = np.ones((2, 3, 5, 5)), np.ones((4, 3, 3, 3))
    assert message(ValueError, F.conv2d, x[:, :2], w) == (
        "conv2d: got x of shape (2, 2, 5, 5); expected (N, 3, H, W) or (3, H, W), channels before positions; move the "
        "channels: np.moveaxis(x, -1, 1)")
    assert "expected a stride of 1" in message(ValueError, F.conv2d, x, w, None, 2, "same")
    assert "expected 'same', 'valid' or integers" in message(ValueError, F.conv2d, x, w, padding="full")
    assert "conv2d: got dtype float64 as input; expected float32" in message(TypeError, F.conv2d, x, w.astype("f"))
    assert "as a window spans 9" in message(ValueError, F.conv2d, x, w, dilation=4)
    assert "expected half the kernel at most" in message(ValueError, F.max_pool2d, x, 2, padding=2)
    assert "expected pairs for 4 axes at most" in message(ValueError, F.pad, x, (1, 2, 3))
    assert "expected 4 at most" in message(ValueError, F.pad, x, (5, 0), "reflect")
    assert "put a sigmoid before" in message(ValueError, F.binary_cross_entropy, x + 1, x)
    assert "got num_groups=2 and num_channels=3" in message(ValueError, nn.GroupNorm, 2, 3)
    assert "expected (N, C, H, W)" in message(ValueError, nn.BatchNorm2d(3), x[0])
    assert "an even number" in message(ValueError, F.glu, x)
    assert "got an input of dtype int64" in message(TypeError, F.elu, np.arange(3))


# --- PyTorch's samples ---

FUNCTIONS = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "avg_pool1d",
             "avg_pool2d", "batch_norm", "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu", "conv1d",
             "conv2d", "conv_transpose1d", "conv_transpose2d", "cosine_embedding_loss", "cosine_similarity",
             "cross_entropy", "elu", "gaussian_nll_loss", "gelu", "glu", "group_norm", "hardshrink", "hardsigmoid",
             "hardswish", "hardtanh", "hinge_embedding_loss", "huber_loss", "instance_norm", "interpolate", "kl_div",
             "l1_loss", "layer_norm", "leaky_relu", "linear", "logsigmoid", "margin_ranking_loss", "max_pool1d",
             "max_pool2d", "mish", "mse_loss", "multi_margin_loss", "multilabel_margin_loss",
             "multilabel_soft_margin_loss", "nll_loss", "normalize", "pad", "pairwise_distance", "poisson_nll_loss",
             "prelu", "relu", "relu6", "rms_norm", "selu", "silu", "smooth_l1_loss", "soft_margin_loss", "softmin",
             "softplus", "softshrink", "softsign", "tanhshrink", "threshold", "triplet_margin_loss", "unfold"]
RENAMED = {"dim": "axis", "keepdim": "keepdims"}
EXCEPTIONS = [  # function, which samples (positional arguments, keywords), why
    (None, lambda x, how: any(how.get(key) is not None for key in ("size_average", "reduce")), "old names"),
    ("batch_norm", lambda x, how: not x[0].numel(), "statistics of nothing are an error here, not nan"),
    ("cosine_similarity", lambda x, how: not x[0].ndim, "no axes, no vectors"),
    ("normalize", lambda x, how: not x[0].ndim, "no axes, no vectors"),
    ("multi_margin_loss", lambda x, how: not x[0].ndim, "no axes, no classes"),
    ("multilabel_margin_loss", lambda x, how: not x[0].ndim, "no axes, no classes"),
    ("gaussian_nll_loss", lambda x, how: x[0].shape != x[1].shape, "nothing broadcasts"),
    ("interpolate", lambda x, how: how.get("mode", "nearest") != "nearest", "no other mode"),
    ("interpolate", lambda x, how: how.get("recompute_scale_factor"), "the scale is what it is"),
    (None, lambda x, how: how.get("inplace"), "nothing is written into"),
    (None, lambda x, how: how.get("dtype"), "cast by astype"),
]


def known(name, how):
    """The keywords as ours; those that we lack only where they change nothing."""
    ours = inspect.signature(getattr(F, name)).parameters
    return {RENAMED.get(key, key): v for key, v in how.items() if RENAMED.get(key, key) in ours or (
            v is not None and v is not False)}


def ours(x):
    if isinstance(x, tuple | list):
        return type(x)(map(ours, x)) if type(x) in (tuple, list) else tuple(x)
    return Tensor(x.detach().numpy().copy(), requires_grad=x.requires_grad) if hasattr(x, "detach") else x


def each_sample(torch, name, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    infos = [op for op in op_db if op.name == f"nn.functional.{name}"]
    for op in infos:
        torch.manual_seed(0)
        for s in op.sample_inputs("cpu", dtype, requires_grad=True):
            yield op, (s.input, *s.args), s.kwargs


@pytest.mark.peer
@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_torchs(name):
    torch = pytest.importorskip("torch")
    pytest.importorskip("expecttest")
    tried = 0
    for op, args, how in each_sample(torch, name, torch.float64):
        if any(f in (None, name) and which(args, how) for f, which, _ in EXCEPTIONS):
            continue
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                z = op(*args, **how)
                mine, options = [ours(x) for x in args], {key: ours(x) for key, x in known(name, how).items()}
                y = getattr(F, name)(*mine, **options)
            if isinstance(z, tuple):
                (y, indices), (z, theirs) = y, z
                same(indices if isinstance(indices, np.ndarray) else indices.data, theirs.numpy(), "indices")
            same(y.data if isinstance(y, Tensor) else y, z.detach().numpy(), "value")
            if z.requires_grad:
                g = torch.randn_like(z)
                leaves = [x for x in (*args, *how.values()) if isinstance(x, torch.Tensor) and x.requires_grad]
                expected = torch.autograd.grad(z, leaves, g, allow_unused=True)
                y.backward(g.numpy())
                found = [x.grad for x in (*mine, *options.values()) if isinstance(x, Tensor) and x.requires_grad]
                for i, (a, b) in enumerate(zip(found, expected, strict=True)):
                    if b is not None:
                        same(a, b.numpy(), f"gradient {i}", 1e-7 if name == "hardsigmoid" else 1e-9)
        except Exception as error:
            error.add_note(f"sample: {[getattr(x, 'shape', x) for x in args]}, {how}")
            raise
        tried += 1
    assert tried


def same(a, b, what, rtol=1e-9):
    assert a is not None and a.shape == b.shape and a.dtype == b.dtype, what
    size = max(1, np.abs(b[np.isfinite(b)]).max(initial=0))
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * size, err_msg=what)


MADE = [("Conv1d", (4, 6, 3), {"padding": "same", "groups": 2}), ("Conv2d", (3, 6, 5), {}),
        ("Conv2d", (4, 6, (3, 2)), {"stride": 2, "padding": (1, 0), "groups": 2, "bias": False}),
        ("Conv2d", (4, 6, 3), {"padding": "same", "padding_mode": "reflect", "dilation": 2}),
        ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "output_padding": 1}), ("ConvTranspose1d", (4, 6, 3), {}),
        ("MaxPool2d", (2,), {}), ("MaxPool2d", ((3, 2), 2), {"padding": 1}), ("AvgPool2d", (2,), {}),
        ("AvgPool1d", (2,), {}), ("MaxPool1d", (2,), {}), ("AdaptiveAvgPool2d", ((1, 1),), {}),
        ("GroupNorm", (2, 6), {}), ("BatchNorm2d", (6,), {}), ("InstanceNorm2d", (6,), {}), ("LeakyReLU", (), {}),
        ("PReLU", (6,), {}), ("ELU", (), {}), ("Hardtanh", (), {}), ("ReLU6", (), {}), ("Softplus", (), {}),
        ("GLU", (), {}), ("ZeroPad2d", (1,), {}), ("Threshold", (0.1, 20), {}), ("Softshrink", (), {}),
        ("Dropout2d", (0.2,), {}), ("Softmin", (1,), {}), ("ReflectionPad2d", (2,), {}),
        ("ConstantPad1d", ((1, 2), 3.5), {}), ("Upsample", (), {"scale_factor": 2})]


@pytest.mark.peer
@pytest.mark.parametrize(("name", "args", "how"), MADE)
def test_first_weights_and_how_a_module_is_shown(name, args, how):
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    tt.manual_seed(3)
    theirs, mine = getattr(torch.nn, name)(*args, **how), getattr(nn, name)(*args, **how)
    shown = repr(theirs).replace(", inplace=False", "").replace("inplace=False", "")
    assert repr(mine) in (shown, shown.replace(".0)", ")")) and str(mine) == repr(mine)
    for key, value in theirs.state_dict().items():
        assert mine.state_dict()[key].data.tolist() == value.tolist()


@pytest.mark.peer
def test_channels_that_are_dropped_and_columns_that_are_folded():
    torch = pytest.importorskip("torch")
    x = values(2, 12, 3, 4, dtype=np.float32)
    for name, a in (("dropout1d", x[0]), ("dropout2d", x), ("dropout2d", x[0])):
        torch.manual_seed(5)
        tt.manual_seed(5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = getattr(torch.nn.functional, name)(torch.tensor(a), 0.3)
        assert getattr(F, name)(a, 0.3).tolist() == theirs.tolist()
    how = {"kernel_size": (2, 3), "dilation": (1, 2), "padding": 1, "stride": 2}
    columns = F.unfold(x, **how)
    theirs = torch.nn.functional.fold(torch.tensor(columns), (3, 4), **how)
    same(F.fold(columns, (3, 4), **how), theirs.numpy(), "fold", 1e-6)
