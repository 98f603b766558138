"""Rotary positions: scores depend on distances; GPT with them trains, compiled to the bit, and reads its cache."""

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import models, nn, optim
from tinytensor.models import GPT, KVCache
from tinytensor.nn.rotary import rotary_tables, rotate, rotate_qk

V, T = 11, 12


def small(**how):
    return GPT(V, T, 16, 2, 2, positions="rotary", rng=3, **how)


def tokens(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, V, shape)


@pytest.mark.parametrize("width", [2, 6, 16])
def test_pairs_turn_as_complex_numbers_by_the_paper_s_angles(width):
    x = np.random.default_rng(0).standard_normal((3, 9, 2, width))
    y = rotate(x, *rotary_tables(9, width, np.float64))
    half = width // 2
    theta = np.array([10000.0 ** (-2 * i / width) for i in range(half)])
    turned = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * np.arange(9)[:, None, None] * theta)
    np.testing.assert_allclose(y, np.concatenate([turned.real, turned.imag], -1), atol=1e-12)


def test_scores_depend_on_distances_alone():
    rng = np.random.default_rng(1)
    q, k = rng.standard_normal((2, 1, 1, 8))
    cos, sin = rotary_tables(40, 8, np.float64)
    turned = [np.stack([rotate(x, cos[t : t + 1], sin[t : t + 1])[0, 0] for t in range(40)]) for x in (q, k)]
    scores = turned[0] @ turned[1].T  # (40, 40)
    for distance in (-7, 0, 1, 20):
        same = np.diagonal(scores, distance)
        np.testing.assert_allclose(same, same[0], atol=1e-10)
    assert np.ptp(scores[0]) > 0.1


def test_only_queries_and_keys_turn():
    x = np.random.default_rng(0).standard_normal((2, 5, 3 * 8))
    y = rotate_qk(x, 2, *rotary_tables(5, 4, np.float64))
    assert np.array_equal(y[..., 16:], x[..., 16:]) and np.array_equal(y[:, 0], x[:, 0])
    np.testing.assert_allclose(np.square(y).sum(-1), np.square(x).sum(-1))
    per_head = x.reshape(2, 5, 6, 4)[:, :, :4]
    np.testing.assert_allclose(y[..., :16].reshape(2, 5, 4, 4), rotate(per_head, *rotary_tables(5, 4, np.float64)))


def test_attention_of_a_text_is_that_of_the_same_text_further_on():
    """The last outputs depend on what stands before them, and not on where: the first token apart, which all see."""
    layer = nn.CausalSelfAttention(8, 2, dtype=np.float64, rng=0, rotary=True)
    x = np.random.default_rng(0).standard_normal((1, 6, 8))
    q, k, _ = layer._qkv(x).data.reshape(1, 6, 3, 2, 4).transpose(2, 0, 3, 1, 4)
    shifted = np.concatenate([np.zeros((1, 3, 8)), x], 1)
    q2, k2, _ = layer._qkv(shifted).data.reshape(1, 9, 3, 2, 4).transpose(2, 0, 3, 1, 4)
    np.testing.assert_allclose((q @ k.mT), (q2 @ k2.mT)[..., 3:, 3:], atol=1e-12)
    plain = nn.CausalSelfAttention(8, 2, dtype=np.float64, rng=0)
    assert repr(layer).startswith("CausalSelfAttention(\n  8, num_heads=2, rotary=True")
    assert list(plain.state_dict()) == list(layer.state_dict())
    assert np.array_equal(plain(x).data[:, 0], layer(x).data[:, 0]) and not np.allclose(plain(x).data, layer(x).data)


def test_the_gradient_is_right():
    cos, sin = rotary_tables(3, 4, np.float64)
    tt.testing.gradcheck(lambda qkv: rotate_qk(qkv, 2, cos, sin), np.random.default_rng(0).standard_normal((2, 3, 24)))


def test_the_state_has_no_positions_and_the_cache_gives_the_model_s_logits():
    model, x = small().eval(), tokens(3, T)
    assert model.wpe is None and not any("wpe" in name for name in model.state_dict())
    assert model.num_parameters() == GPT(V, T, 16, 2, 2).num_parameters() - T * 16
    cache, whole = KVCache(model), model(x).data
    parts = [cache(x[:, a:b]) for a, b in ((0, 5), (5, 6), (6, 7), (7, T))]
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, rtol=1e-5, atol=1e-5)
    assert model.attention(x).shape == (2, 3, 2, T, T)
    text = tokens(2, 3)
    for how in ({"temperature": 0}, {"temperature": 0.7}):
        a, b = (np.stack([*model.generate(text, 30, tt.Generator(1), cached=on, **how)]) for on in (True, False))
        assert np.array_equal(a, b)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_it_trains_and_compiled_to_the_bit(dropout):
    def made():
        model = small(dropout=dropout, dropout_rng=5)
        opt = optim.AdamW(model.parameters(), lr=1e-2)

        def step(x, y):
            opt.zero_grad()
            loss = tt.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            return loss
        return model, opt, step

    eager, _, plain = made()
    model, opt, step = made()
    step, x = tt.compile(step, model, opt), tokens(4, T)
    y = np.roll(x, 1, axis=1)  # the token before: to be found by its distance
    losses = [(plain(x, y).item(), step(x, y).item()) for _ in range(40)]
    assert all(a == b for a, b in losses) and losses[-1][0] < losses[0][0] * 0.7
    for p, q in zip(eager.parameters(), model.parameters(), strict=True):
        assert np.array_equal(p.data, q.data)


@pytest.mark.parametrize("attempt, text", [
    (lambda: GPT(V, positions="sinusoidal"), "GPT: got positions='sinusoidal'; expected 'learned' or 'rotary'; "),
    (lambda: GPT(V, width=12, heads=4, positions="rotary"), "got heads of width 3, with rotary=True; expected an even"),
])
def test_errors(attempt, text):
    with pytest.raises(ValueError) as caught:
        attempt()
    assert text in str(caught.value)


# --- former names, and one stream for all layers ---


def test_former_names_still_serve():
    assert models.Reader is KVCache
    for made in (lambda **rng: GPT(V, T, 16, 1, 2, 0.5, rng=0, **rng), lambda **rng: nn.Block(16, 2, 0.5, rng=0, **rng),
                 lambda **rng: nn.GRU(16, 2, 2, dropout=0.5, rng=0, **rng),
                 lambda **rng: nn.MultiheadAttention(16, 2, 0.5, rng=0, **rng)):
        x = tokens(2, 5) if isinstance(made(), GPT) else np.ones((2, 5, 16), np.float32)
        calls = [made(**{name: tt.Generator(4)}) for name in ("dropout_rng", "noise")]
        a, b = (layer(x, x, x) if isinstance(layer, nn.MultiheadAttention) else layer(x) for layer in calls)
        a, b = (y[0] if isinstance(y, tuple) else y for y in (a, b))
        assert np.array_equal(a.data, b.data)
        with pytest.raises(TypeError, match="got dropout_rng and noise; expected one of them"):
            made(dropout_rng=1, noise=2)


def test_a_seed_is_one_stream_for_all_layers():
    block = nn.Block(16, 2, 0.5, rng=0, dropout_rng=1)
    assert block.attn.resid_dropout.rng is block.mlp.dropout.rng
    assert not np.array_equal(block.attn.c_proj.weight.data, block.attn.c_attn.weight.data[:16])
    model = GPT(V, T, 16, 2, 2, 0.1, dropout_rng=1)
    assert len({id(m.rng) for m in model.modules() if isinstance(m, nn.Dropout)}) == 1
