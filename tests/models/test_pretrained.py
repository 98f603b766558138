"""GPT.from_pretrained: GPT-2's files give GPT-2's logits, and a file that is none of them is one clear line."""

import sys
import tracemalloc

import numpy as np
import pytest

from tinytensor.models import GPT
from tinytensor.models.pretrained import WeightsError, layout

SIZES = [(12, 48), (16, 64), (20, 80), (25, 100)]  # heads as in the four sizes of GPT-2, each 4 wide and not 64
RNG = np.random.default_rng(0)


def weights(vocabulary=31, context=16, width=64, layers=2):
    return {name: (0.2 * RNG.normal(size=shape) + (name.endswith("weight") and len(shape) == 1)).astype(np.float32)
            for name, shape in layout(vocabulary, context, width, layers).items()}


def save(path, arrays):
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        pytest.importorskip("safetensors.numpy").save_file(arrays, path)
    return path


def refused(path, **how):
    with pytest.raises(WeightsError) as caught:
        GPT.from_pretrained(path, **how)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text and text.count("; ") == 2, text
    return text.removeprefix(f"{path}: ")


# --- against PyTorch ---


def torch_gpt2(torch, arrays, heads):
    """GPT-2 as a function of a file's arrays: its matrices are (in, out), as Conv1D's."""
    w = {name: torch.tensor(a) for name, a in arrays.items()}

    def norm(x, name):
        return torch.nn.functional.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])

    def conv1d(x, name):
        return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

    def logits(tokens):
        b, t = tokens.shape
        x = w["wte.weight"][tokens] + w["wpe.weight"][:t]
        for i in range(sum(name.endswith("ln_1.bias") for name in w)):
            q, k, v = (a.view(b, t, heads, -1).transpose(1, 2)
                       for a in conv1d(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn").chunk(3, -1))
            y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + conv1d(y.transpose(1, 2).flatten(2), f"h.{i}.attn.c_proj")
            y = torch.nn.functional.gelu(conv1d(norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc"), approximate="tanh")
            x = x + conv1d(y, f"h.{i}.mlp.c_proj")
        return norm(x, "ln_f") @ w.get("lm_head.weight", w["wte.weight"]).T

    return logits


@pytest.mark.peer
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("heads, width", [*SIZES, (None, 128)])
def test_logits_are_gpt2s(tmp_path, heads, width, suffix):
    torch = pytest.importorskip("torch")
    arrays = weights(width=width)
    model = GPT.from_pretrained(save(tmp_path / f"gpt2{suffix}", arrays), heads)
    tokens = RNG.integers(0, 31, (3, 16))
    expected = torch_gpt2(torch, arrays, heads or 2)(torch.tensor(tokens)).numpy()
    np.testing.assert_allclose(model(tokens).data, expected, rtol=1e-4, atol=1e-4)
    assert not model.training and model.lm_head.weight is model.wte.weight


@pytest.mark.peer
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("heads, width", SIZES)
def test_logits_are_those_of_transformers(tmp_path, heads, width, tied):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    config = transformers.GPT2Config(vocab_size=31, n_positions=16, n_embd=width, n_layer=2, n_head=heads,
                                     tie_word_embeddings=tied, bos_token_id=0, eos_token_id=0, initializer_range=0.2)
    torch.manual_seed(0)
    theirs = transformers.GPT2LMHeadModel(config).eval()
    path = save(tmp_path / "model.safetensors", {name: a.numpy().copy() for name, a in theirs.state_dict().items()})
    ours, tokens = GPT.from_pretrained(path, heads), RNG.integers(0, 31, (3, 16))
    with torch.no_grad():
        expected = theirs(torch.tensor(tokens)).logits.numpy()
    np.testing.assert_allclose(ours(tokens).data, expected, rtol=1e-4, atol=1e-4)
    assert (ours.lm_head.weight is ours.wte.weight) == tied


# --- the file ---


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_file_goes_round(tmp_path, suffix, dtype):
    arrays = {name: a.astype(dtype) for name, a in weights().items()}
    buffers = {f"h.{i}.attn.{name}": np.ones((1, 1, 2, 2), bool) for i in (0, 1) for name in ("bias", "masked_bias")}
    bare = GPT.from_pretrained(save(tmp_path / f"bare{suffix}", arrays))
    named = {f"transformer.{name}": a for name, a in (arrays | buffers).items()}
    full = GPT.from_pretrained(save(tmp_path / f"full{suffix}", named | {"lm_head.weight": arrays["wte.weight"]}))
    assert {p.dtype for p in bare.parameters()} == {np.dtype(np.float64 if dtype is np.float64 else np.float32)}
    for model in (bare, full):
        state = model.state_dict()
        assert state.keys() == arrays.keys() | {"lm_head.weight"}
        assert model.num_parameters() == sum(a.size for a in arrays.values())
        for name, a in arrays.items():
            assert np.array_equal(state[name], a.T if name.startswith("h.") and a.ndim == 2 else a), name


def test_a_head_of_its_own(tmp_path):
    arrays = weights() | {"lm_head.weight": RNG.normal(size=(31, 64)).astype(np.float32)}
    model = GPT.from_pretrained(save(tmp_path / "own.npz", arrays))
    assert np.array_equal(model.lm_head.weight.data, arrays["lm_head.weight"])
    assert np.array_equal(model.wte.weight.data, arrays["wte.weight"])


def test_it_trains_and_no_first_weights_are_drawn(tmp_path, monkeypatch):
    path = save(tmp_path / "gpt2.npz", weights())
    monkeypatch.setattr("tinytensor.random.Generator.normal_", None)
    monkeypatch.setattr("tinytensor.random.Generator.uniform_", None)
    model = GPT.from_pretrained(path)
    model(np.zeros((1, 3), np.int64)).sum().backward()
    assert all(np.isfinite(p.grad).all() for p in model.parameters())


# --- errors ---


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_damaged_files(tmp_path, suffix):
    path = save(tmp_path / f"gpt2{suffix}", weights())
    whole = path.read_bytes()
    for part in (b"", whole[:5], whole[: len(whole) // 2], whole[:-1], b"\xff" * 1000):
        path.write_bytes(part)
        assert refused(path).startswith(f"this is no {suffix} file of numbers, or a damaged one (")
    path.unlink()
    assert refused(path) == "No such file or directory; expected a file of weights; check the path"


def test_other_files(tmp_path):
    assert refused(tmp_path / "gpt2.bin") == (
        "got a .bin; expected .safetensors or .npz; save the weights as one of them")
    path = tmp_path / "gpt2.npz"
    np.savez(path, objects=np.array([{}], object))
    assert "this is no .npz file of numbers" in refused(path)
    path.unlink()
    path.mkdir()
    assert refused(path).startswith("Is a directory; expected a file")


def test_other_names_and_shapes(tmp_path):
    path = tmp_path / "gpt2.npz"
    good = weights()

    def without(*names):
        return save(path, {name: a for name, a in good.items() if name not in names})

    def having(**new):
        return save(path, good | {name.replace("__", "."): np.asarray(a) for name, a in new.items()})

    assert refused(without("wte.weight")) == (
        "got no wte.weight; expected GPT-2's table of (rows, width); use a file of its weights, with its names")
    assert "got wpe.weight of shape (3,)" in refused(having(wpe__weight=np.ones(3)))
    assert "got wte.weight of shape ()" in refused(having(wte__weight=1.0))
    assert "got wpe.weight of shape (0, 64)" in refused(having(wpe__weight=np.ones((0, 64))))
    advice = "use a file of GPT-2's weights, whose matrices in h are (in, out)"
    assert refused(without("h.1.ln_2.bias")) == (
        f"got no h.1.ln_2.bias; expected the names of a GPT-2, and no others; {advice}")
    assert refused(without(*[n for n in good if n.startswith("h.")])).startswith("got no h.0.attn.c_attn.bias, ")
    assert refused(without(*[n for n in good if n.startswith("h.0")])).startswith(
        "got no h.0.attn.c_attn.bias, h.0.attn.c_attn.weight, h.0.attn.c_proj.bias (and 9 more); ")
    assert refused(having(more=np.ones(3))).startswith("got more; ")
    assert refused(having(h__99999999999__ln_1__bias=np.ones(64))).startswith("got no h.2.attn.c_attn.bias, ")
    assert refused(having(wpe__weight=np.ones((16, 32)))) == (
        f"got wpe.weight of shape (16, 32) and dtype float64; expected (16, 64), floating; {advice}")
    assert "got ln_f.bias of shape (64,) and dtype int64" in refused(having(ln_f__bias=np.ones(64, int)))
    assert "lm_head.weight of shape (64, 31)" in refused(having(lm_head__weight=np.ones((64, 31))))


def test_a_state_of_ours_is_not_taken_for_a_file_of_theirs(tmp_path):
    state = GPT(31, 16, 64, layers=1, heads=1, rng=0).state_dict()
    assert "got h.0.attn.c_attn.weight of shape (192, 64) and dtype float32; expected (64, 192)" in refused(
        save(tmp_path / "ours.npz", state))


def test_heads(tmp_path):
    path = save(tmp_path / "gpt2.npz", weights(width=48))
    assert refused(path) == ("got a width of 48; expected a multiple of 64, the width of GPT-2's heads; pass the "
                             "number of heads: heads=")
    for heads in (5, 0, -1):
        assert refused(path, heads=heads) == (
            f"got {heads} heads for a width of 48; expected a number that divides it; leave heads out for heads "
            "of width 64")
    assert GPT.from_pretrained(path, heads=6).h[0].attn.num_heads == 6


def test_no_package_is_needed(tmp_path, monkeypatch):
    path = save(tmp_path / "gpt2.safetensors", weights())
    for name in ("safetensors", "safetensors.numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    assert GPT.from_pretrained(path).context == 16


def test_memory_is_that_of_file_and_model(tmp_path):
    arrays = weights(vocabulary=5000, width=128)
    path, size = save(tmp_path / "gpt2.npz", arrays), sum(a.nbytes for a in arrays.values())
    tracemalloc.start()
    GPT.from_pretrained(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4.2 * size
