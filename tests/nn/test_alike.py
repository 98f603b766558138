"""Sister layers take and refuse the same: one sentence for one mistake, when the layer is made, and PyTorch's order."""

import inspect

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn

LOSSES = [name for name in nn.__all__ if name.endswith("Loss")]
SIZES = [(name, axes) for axes in (1, 2) for name in (f"Conv{axes}d", f"ConvTranspose{axes}d")]
POOLS = [f"{kind}Pool{axes}d" for kind in ("Max", "Avg") for axes in (1, 2)]


def refused(kind, make, *args, **how):
    with pytest.raises(kind) as caught:
        make(*args, **how)
    text = str(caught.value)
    assert "got " in text and "; expected " in text and text.count("; ") == 2, text
    return text


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_checks_its_reduction_when_it_is_made(name):
    text = refused(ValueError, getattr(nn, name), reduction="average")
    assert text.startswith(f"{name}: got reduction='average'; expected 'mean', 'sum'")
    for reduction in ("mean", "sum", "none"):
        assert getattr(nn, name)(reduction=reduction).reduction == reduction
    with pytest.raises(TypeError, match=f"{name}: got an unknown parameter 'other'; expected {name}"):
        getattr(nn, name)(other=[1.0])
    if name != "KLDivLoss":
        refused(ValueError, getattr(nn, name), reduction="batchmean")
    assert nn.KLDivLoss("batchmean").reduction == "batchmean"


@pytest.mark.parametrize("name, axes", SIZES)
def test_every_convolution_checks_its_sizes_alike(name, axes):
    make = getattr(nn, name)
    assert refused(ValueError, make, 3, 4, 2, groups=2) == (
        f"{name}: got in_channels=3 and groups=2; expected a multiple of the groups; change one of them")
    assert refused(ValueError, make, 4, 3, 2, groups=2).startswith(f"{name}: got out_channels=3 and groups=2; ")
    assert refused(ValueError, make, 0, 3, 2).startswith(f"{name}: got in_channels=0; expected 1 or more")
    for what in ("kernel_size", "stride", "dilation"):
        how = {"kernel_size": 2} | {what: 0}
        assert refused(ValueError, make, 4, 4, **how).startswith(f"{name}: got {what}=0; expected 1 or more")
        how = {"kernel_size": 2} | {what: (1, 2, 3)}
        assert refused(ValueError, make, 4, 4, **how).startswith(f"{name}: got {what}=(1, 2, 3); expected an integer")
    assert refused(ValueError, make, 4, 4, 2, padding=-1).startswith(f"{name}: got padding=-1; expected 0 or more")
    layer = make(4, 4, 2, groups=2, rng=0)
    x = np.ones((1, 3, *(5,) * axes), np.float32)
    assert "channels before positions; move the channels" in refused(ValueError, layer, x)
    assert "got dtype float64 as input; expected float32" in refused(TypeError, layer, x.astype(np.float64))


@pytest.mark.parametrize("name", POOLS)
def test_every_pooling_checks_its_sizes_when_it_is_made(name):
    make = getattr(nn, name)
    assert refused(ValueError, make, 0).startswith(f"{name}: got kernel_size=0; expected 1 or more")
    assert refused(TypeError, make, 2.0).startswith(f"{name}: got kernel_size=2.0; expected an integer")
    assert refused(ValueError, make, 2, 0).startswith(f"{name}: got stride=0; expected 1 or more")
    assert "expected half the kernel at most" in refused(ValueError, make, 2, padding=2)
    assert refused(ValueError, make, (1, 2, 3)).startswith(f"{name}: got kernel_size=(1, 2, 3); expected an integer")


@pytest.mark.parametrize("name", ["Dropout", "Dropout1d", "Dropout2d"])
def test_every_dropout_checks_its_probability(name):
    for p in (-0.1, 1.5, float("nan")):
        assert refused(ValueError, getattr(nn, name), p).startswith(f"{name}: got p={p!r}; expected 0 to 1")


@pytest.mark.parametrize("name", ["CausalSelfAttention", "Block", "MultiheadAttention"])
def test_every_attention_checks_its_heads(name):
    text = refused(ValueError, getattr(nn, name), 10, 3)
    assert text.endswith("got embed_dim=10 and num_heads=3; expected a multiple of the heads, which share the width "
                         "equally; change one of them")


OTHER = {"MultiheadAttention": "no add_bias_kv and add_zero_attn", "GELU": "", "Upsample": "nearest neighbours only",
         "Embedding": "no max_norm and what belongs to it"}


@pytest.mark.peer
def test_arguments_stand_in_pytorch_s_order():
    torch = pytest.importorskip("torch")
    leave = ("device", "size_average", "reduce", "inplace", "args", "kwargs", "min_value", "max_value")
    checked = 0
    for name in nn.__all__:
        theirs = getattr(torch.nn, name, None)
        if not isinstance(theirs, type) or name in OTHER or name in ("Module", "Parameter", "Sequential"):
            continue
        wanted = [p for p in inspect.signature(theirs.__init__).parameters if p not in leave][1:]
        wanted = [p for p in wanted if p not in ("dtype", "proj_size")]  # ours is given by name
        got = [p for p, how in inspect.signature(getattr(nn, name).__init__).parameters.items() if p not in leave
               and p != "dtype" and (how.kind is how.POSITIONAL_OR_KEYWORD or p in wanted)][1:]
        assert got[: len(wanted)] == wanted or sorted(got) == sorted(wanted), name
        checked += 1
    assert checked > 60


def test_an_adaptive_pooling_returns_its_indices_too():
    x = tt.tensor([[1.0, 5.0, 2.0, 7.0, 3.0]])
    y, where = nn.AdaptiveMaxPool1d(2, return_indices=True)(x)
    assert y.tolist() == [[5.0, 7.0]] and np.array(where).tolist() == [[1, 3]]


def test_convolutions_in_groups_are_convolutions_of_the_groups():
    layer = nn.Conv1d(4, 6, 3, groups=2, rng=0)
    x = tt.tensor(np.random.default_rng(0).standard_normal((2, 4, 9)).astype(np.float32))
    w, b = layer.weight, layer.bias
    halves = [nn.functional.conv1d(x[:, 2 * i : 2 * i + 2], w[3 * i : 3 * i + 3], b[3 * i : 3 * i + 3]) for i in (0, 1)]
    np.testing.assert_allclose(layer(x).data, np.concatenate([h.data for h in halves], 1), rtol=1e-5, atol=1e-6)
