"""CausalSelfAttention and Block: PyTorch's numbers, causality, dropout, and errors."""

import copy
import importlib

import numpy as np
import pytest
from messages import message

import tinytensor as tt
from tinytensor import nn
from tinytensor.nn.dropout import dropout_mask
from tinytensor.testing import gradcheck

attention_op = importlib.import_module("tinytensor.ops.attention")
RNG = np.random.default_rng(0)
C, H = 12, 3


def values(*shape, dtype=np.float64):
    return RNG.normal(size=shape).astype(dtype)


def close(a, b, tolerance=1e-10):
    a, b = (x.detach().numpy() if hasattr(x, "detach") else x for x in (a, b))
    assert a.shape == b.shape and a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def shaken(module):
    """Weights of the size that trained ones have, none of them 0."""
    for p in module.parameters():
        p.data += 0.3 * values(*p.shape)
    return module


def layers(dtype=np.float64, **how):
    return [shaken(layer(C, H, dtype=dtype, rng=0, **how)) for layer in (nn.CausalSelfAttention, nn.Block)]


# --- against PyTorch ---


def torch_layers(torch, bias=True):
    """The two layers as nanoGPT writes them, with the same names."""

    class CausalSelfAttention(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.c_attn, self.c_proj = torch.nn.Linear(C, 3 * C, bias), torch.nn.Linear(C, C, bias)

        def forward(self, x):
            b, t, _ = x.shape
            q, k, v = (a.view(b, t, H, C // H).transpose(1, 2) for a in self.c_attn(x).split(C, dim=2))
            y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.c_proj(y.transpose(1, 2).contiguous().view(b, t, C))

    class MLP(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.c_fc, self.c_proj = torch.nn.Linear(C, 4 * C, bias), torch.nn.Linear(4 * C, C, bias)

        def forward(self, x):
            return self.c_proj(torch.nn.functional.gelu(self.c_fc(x), approximate="tanh"))

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.ln_1, self.attn = torch.nn.LayerNorm(C, bias=bias), CausalSelfAttention()
            self.ln_2, self.mlp = torch.nn.LayerNorm(C, bias=bias), MLP()

        def forward(self, x):
            x = x + self.attn(self.ln_1(x))
            return x + self.mlp(self.ln_2(x))

    return [CausalSelfAttention().double(), Block().double()]


@pytest.mark.peer
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(2, 7, C), (1, 1, C), (3, 2, C)])
def test_outputs_and_gradients_are_torchs(shape, bias):
    torch = pytest.importorskip("torch")
    for ours, theirs in zip(layers(bias=bias), torch_layers(torch, bias), strict=True):
        assert list(ours.state_dict()) == list(theirs.state_dict())
        theirs.load_state_dict({name: torch.tensor(a) for name, a in ours.state_dict().items()})
        x, c = values(*shape), values(*shape)
        a, b = tt.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, z = ours(a), theirs(b)
        close(y, z)
        y.backward(c)
        z.backward(torch.tensor(c))
        for p, q in zip([a, *ours.parameters()], [b, *theirs.parameters()], strict=True):
            close(p.grad, q.grad)


@pytest.mark.peer
def test_second_order_is_torchs():
    torch = pytest.importorskip("torch")
    for ours, theirs in zip(layers(), torch_layers(torch), strict=True):
        theirs.load_state_dict({name: torch.tensor(a) for name, a in ours.state_dict().items()})
        x, c = values(2, 5, C), values(2, 5, C)
        a, b = tt.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        g = tt.grad((ours(a) ** 2 * c).sum(), [a, *ours.parameters()], create_graph=True)
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # the fused one has no second order
            z = (theirs(b) ** 2 * torch.tensor(c)).sum()
        h = torch.autograd.grad(z, [b, *theirs.parameters()], create_graph=True)
        sum((v * v).sum() for v in g).backward()
        sum((v * v).sum() for v in h).backward()
        for p, q in zip([a, *ours.parameters()], [b, *theirs.parameters()], strict=True):
            np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-9, atol=1e-9 * np.abs(q.grad.numpy()).max())


# --- by itself ---


@pytest.mark.parametrize("i", [0, 1])
def test_a_place_does_not_see_those_after_it(i):
    layer, x = layers()[i], values(2, 6, C)
    before = layer(x).data
    for t in range(1, 6):
        other = x.copy()
        other[:, t:] = values(2, 6 - t, C)
        after = layer(other).data
        np.testing.assert_allclose(after[:, :t], before[:, :t], rtol=0, atol=1e-14)
        assert (np.abs(after[:, t:] - before[:, t:]).max(-1) > 1e-6).all()
    a = tt.tensor(x, requires_grad=True)
    layer(a)[:, 2].sum().backward()
    assert (a.grad[:, 3:] == 0).all() and (a.grad[:, :3] != 0).any(-1).all()


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_float32_stays_float32(dropout):
    for layer in layers(np.float32, dropout=dropout, dropout_rng=np.random.default_rng(0)):
        x = tt.tensor(values(2, 4, C, dtype=np.float32), requires_grad=True)
        y = layer(x)
        y.sum().backward()
        assert {a.dtype for a in (y, x.grad, *(p.grad for p in layer.parameters()))} == {np.dtype(np.float32)}
    assert layers(np.float32)[0].weights(x).dtype == np.float32


@pytest.mark.parametrize("shape", [None, (8, 8), (2, 1, 8, 8), (2, 2, 8, 8), (1, 8), (2, 1, 8, 1), (8,), ()])
@pytest.mark.parametrize("causal", [True, False])
def test_queries_in_blocks_give_the_same(shape, causal, monkeypatch):
    rng = np.random.default_rng(0)
    qkv, g = rng.standard_normal((2, 8, 12)), rng.standard_normal((2, 8, 4))
    keep = None if shape is None else rng.uniform(0.5, 2, shape)
    found = []
    for long in (9, 8):
        monkeypatch.setattr(attention_op, "BLOCKED_FROM", long)
        assert len(attention_op.query_blocks(8, causal)) == (4 if causal and long == 8 else 1)
        inputs = [tt.Tensor(a, requires_grad=True) for a in (qkv, keep) if a is not None]
        y = tt.attention(*inputs, heads=2, causal=causal)
        y.backward(g)
        found.append([y.data, *(x.grad for x in inputs)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_masks_that_do_not_fit_are_refused():
    qkv = tt.ones(1, 4, 12)
    for shape in ((6, 6), (4, 9), (3, 4, 4), (2, 2, 4, 4), (1, 1, 2, 4, 4)):
        assert "broadcasts to (B, heads, T, T), (1, 2, 4, 4)" in message(ValueError, tt.attention, qkv,
                                                                         tt.ones(*shape), heads=2)


def test_compiled_blocks_are_made_where_they_stand(monkeypatch):
    monkeypatch.setattr(attention_op, "BLOCKED_FROM", 8)
    layer = nn.CausalSelfAttention(16, 2, rng=0)
    x = np.random.default_rng(0).standard_normal((3, 8, 16)).astype(np.float32)

    def step(x):
        x = tt.Tensor(x, requires_grad=True)
        layer.zero_grad()
        (layer(x) ** 2).sum().backward()
        return [x.grad, *(p.grad for p in layer.parameters())]

    compiled = tt.compile(step, layer)
    found = [compiled(x) for _ in range(3)]
    assert all(np.array_equal(a, b) for a, b in zip(found[0], found[2], strict=True))
    assert "np.stack" not in compiled.source and "copyto" not in compiled.source


def test_weights_add_up_to_1_and_make_the_output():
    layer, x = layers()[0], values(2, 5, C)
    w = layer.weights(x)
    assert w.shape == (2, H, 5, 5) and (w >= 0).all() and (w[..., ~np.tri(5, dtype=bool)] == 0).all()
    np.testing.assert_allclose(w.sum(-1), 1)
    v = layer.c_attn(x).data[..., 2 * C :].reshape(2, 5, H, -1).swapaxes(1, 2)  # (B, H, T, D)
    close(layer.c_proj((w @ v).swapaxes(1, 2).reshape(2, 5, C)), layer(x))


def test_scores_of_any_size_are_finite():
    layer = nn.CausalSelfAttention(C, H, rng=0)
    x = tt.tensor(1e4 * values(1, 5, C, dtype=np.float32), requires_grad=True)
    layer(x).sum().backward()
    assert np.isfinite(x.grad).all()


# --- dropout ---


def test_dropout_is_of_the_weights_and_of_the_output():
    layer, x = layers(dropout=0.4, dropout_rng=tt.Generator(5))[0], values(2, 5, C)
    y = layer(x)
    g = tt.Generator(5)
    w = layer.weights(x) * dropout_mask((2, H, 5, 5), 0.4, np.float64, g)
    v = layer.c_attn(x).data[..., 2 * C :].reshape(2, 5, H, -1).swapaxes(1, 2)
    out = layer.c_proj((w @ v).swapaxes(1, 2).reshape(2, 5, C))
    close(y, out * dropout_mask((2, 5, C), 0.4, np.float64, g))


def test_gradients_know_of_the_dropped_weights():
    layer, x = layers(dropout=0.4)[0], values(2, 4, C)

    def again(x):
        layer.resid_dropout.rng = tt.Generator(5)
        return layer(x)

    assert gradcheck(again, x, order=2)


@pytest.mark.parametrize("noise", [tt.Generator, np.random.default_rng])
def test_the_same_noise_gives_the_same_result(noise):
    x = values(2, 5, C)
    for i in (0, 1):
        runs = []
        for seed in (1, 1, 2):
            layer = nn.CausalSelfAttention if i == 0 else nn.Block
            layer = layer(C, H, dropout=0.3, dtype=np.float64, rng=0, dropout_rng=noise(seed))
            a = tt.tensor(x, requires_grad=True)
            y = layer(a)
            y.sum().backward()
            runs.append((y.data, a.grad, layer(x).data))
        assert all(np.array_equal(p, q) for p, q in zip(runs[0], runs[1], strict=True))
        assert not np.array_equal(runs[0][0], runs[2][0]) and not np.array_equal(runs[0][0], runs[0][2])


def test_without_dropout_and_in_eval_nothing_is_drawn():
    x = values(2, 5, C)
    for i in (0, 1):
        exact = layers()[i](x).data
        assert exact.std() > 0
        noise = tt.Generator(3)
        layer = (nn.CausalSelfAttention if i == 0 else nn.Block)(C, H, dropout=0.5, dtype=np.float64, dropout_rng=noise)
        plain = (nn.CausalSelfAttention if i == 0 else nn.Block)(C, H, dtype=np.float64)
        plain.load_state_dict(layer.state_dict())
        assert np.array_equal(layer.eval()(x).data, plain(x).data)
        assert np.array_equal(noise.rand(3), tt.Generator(3).rand(3))


def test_dropout_keeps_the_mean():
    layer, x = layers(dropout=0.2, dropout_rng=np.random.default_rng(0))[0], values(1, 4, C)
    mean = np.mean([layer(x).data for _ in range(3000)], axis=0)
    exact = layer.eval()(x).data
    assert np.abs(mean - exact).max() < 0.1 * np.abs(exact).max()


# --- errors, copies ---


def test_heads_divide_the_width():
    for layer in (nn.CausalSelfAttention, nn.Block):
        assert message(ValueError, layer, 10, 3) == (
            "CausalSelfAttention: got embed_dim=10 and num_heads=3; expected a multiple of the heads, which share the "
            "width equally; change one of them")
        assert "expected 1 or more" in message(ValueError, layer, 10, 0)
        assert "expected an integer" in message(TypeError, layer, 10, 2.0)
        assert "got p=1.5; expected 0 to 1" in message(ValueError, layer, 10, 2, dropout=1.5)
    assert message(ValueError, tt.attention, tt.ones(2, 3, 12), heads=3) == (
        "attention: got qkv of shape (2, 3, 12) for 3 heads; expected (B, T, 3 C), with C a multiple of 3; choose a "
        "width that the number of heads divides")


def test_inputs_that_do_not_fit():
    for layer in (nn.CausalSelfAttention(C, H), nn.Block(C, H)):
        assert "expected float32, as the weights have" in message(TypeError, layer, values(2, 3, C))
        assert "(2, 3, 13)" in message(ValueError, layer, values(2, 3, C + 1, dtype=np.float32))
        assert "expected (B, T, 3 C)" in message(ValueError, layer, values(3, C, dtype=np.float32))


def test_copies_and_reprs():
    for layer in layers():
        x = values(1, 3, C)
        assert np.array_equal(copy.deepcopy(layer)(x).data, layer(x).data)
    assert repr(layers()[0]).startswith("CausalSelfAttention(\n  12, num_heads=3\n  (c_attn): Linear(")
