"""GPT and what it writes: PyTorch's logits and gradients, first weights, the window, drawing, and errors."""

import copy
import importlib
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from messages import message

import tinytensor as tt
from tinytensor.models import GPT, KVCache
from tinytensor.models.gpt import window_start
from tinytensor.random import Generator
from tinytensor.text.corpus import CorpusError
from tinytensor.text.sampling import draw

RNG = np.random.default_rng(0)
V, T = 11, 8


def small(**how):
    """A GPT whose logits are far from even, so that what it sees counts."""
    model = GPT(**{"vocabulary": V, "context": T, "width": 12, "layers": 2, "heads": 3, "rng": 0, **how})
    rng = np.random.default_rng(1)
    for p in model.parameters():
        p.data += 0.3 * rng.normal(size=p.shape)
    return model


def tokens(*shape):
    return RNG.integers(0, V, shape)


# --- the network ---


def test_sizes_and_names():
    model = GPT(vocabulary=27, context=16, width=64, layers=4, heads=4, rng=0)
    assert model.num_parameters() == 202_816
    assert model(np.zeros((2, 16), np.int64)).shape == (2, 16, 27)
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}
    names = [name for name, _ in model.named_parameters()]
    assert names[:2] == ["wte.weight", "wpe.weight"] and names[-2:] == ["ln_f.weight", "ln_f.bias"]
    assert GPT(27, 16, 64, 4, 4, bias=False).num_parameters() == 202_816 - 4 * (3 + 1 + 4 + 1 + 2) * 64 - 64
    assert GPT(27, 16, 64, 4, 4, tied=False).num_parameters() == 202_816 + 27 * 64


def test_first_weights():
    model = GPT(vocabulary=300, context=200, width=64, layers=3, heads=4, tied=False, rng=0)
    for name, p in model.named_parameters():
        if p.ndim == 2:
            std = 0.02 / 6**0.5 if name.endswith("c_proj.weight") else 0.02
            assert abs(p.data.std() / std - 1) < 0.05 and abs(p.data.mean()) < std / 20, name
        else:
            assert (p.data == name.endswith("weight")).all(), name
    again = GPT(vocabulary=300, context=200, width=64, layers=3, heads=4, tied=False, rng=0)
    assert all(np.array_equal(p.data, q.data) for p, q in zip(model.parameters(), again.parameters(), strict=True))
    tied = GPT(vocabulary=300, context=200, width=64, layers=3, heads=4, rng=0)
    assert abs(tied.wte.weight.data.std() / 0.02 - 1) < 0.05


def test_the_first_loss_is_that_of_even_odds():
    model, x = GPT(27, 16, 64, 4, 4, rng=0), np.random.default_rng(0).integers(0, 27, (32, 17))
    assert abs(tt.cross_entropy(model(x[:, :-1]), x[:, 1:]).item() - np.log(27)) < 0.05


def test_a_tied_head_sums_both_gradients():
    tied, free = small(dtype=np.float64), small(dtype=np.float64, tied=False)
    assert tied.lm_head.weight is tied.wte.weight and free.lm_head.weight is not free.wte.weight
    free.load_state_dict(tied.state_dict())
    x, c = tokens(2, 5), RNG.normal(size=(2, 5, V))
    for model in (tied, free):
        model(x).backward(c)
    assert np.array_equal(tied(x).data, free(x).data)
    np.testing.assert_allclose(tied.wte.weight.grad, free.wte.weight.grad + free.lm_head.weight.grad, rtol=1e-12)
    twin = copy.deepcopy(tied)
    assert twin.lm_head.weight is twin.wte.weight is not tied.wte.weight
    assert len(list(tied.parameters())) == len(list(free.parameters())) - 1


def test_a_place_does_not_see_those_after_it():
    model, x = small(), tokens(3, T)
    other = x.copy()
    other[:, 5:] = (x[:, 5:] + 1) % V
    np.testing.assert_allclose(model(x).data[:, :5], model(other).data[:, :5], rtol=0, atol=1e-5)
    assert not np.allclose(model(x).data[:, 5:], model(other).data[:, 5:])


def test_dropout_is_in_training_only():
    model, plain = small(dropout=0.3, dropout_rng=np.random.default_rng(0)), small()
    plain.load_state_dict(model.state_dict())
    x = tokens(2, 5)
    assert not np.array_equal(model(x).data, model(x).data)
    assert np.array_equal(model.eval()(x).data, plain(x).data)


@pytest.mark.peer
@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-4), ("float64", 1e-10)])
def test_logits_and_gradients_are_torchs(monkeypatch, dtype, tolerance):
    torch = pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2]))
    theirs = importlib.import_module("benchmarks.gpt").torch_gpt(V, T, 12, 2, 3).to(getattr(torch, dtype))
    ours = small(dtype=dtype)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({name: torch.tensor(a) for name, a in ours.state_dict().items()})
    x, y = tokens(4, T), tokens(4, T)
    logits, expected = ours(x), theirs(torch.tensor(x))
    np.testing.assert_allclose(logits.data, expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    tt.cross_entropy(logits, y).backward()
    torch.nn.functional.cross_entropy(expected.flatten(0, 1), torch.tensor(y).flatten()).backward()
    for (name, p), (same, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == same and p.grad.dtype == p.dtype
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=tolerance, atol=tolerance, err_msg=name)


def test_attention_maps():
    model, x = small(dropout=0.5), tokens(3, 6)
    maps = model.attention(x)
    assert maps.shape == (2, 3, 3, 6, 6) and maps.dtype == np.float32 and model.training
    np.testing.assert_allclose(maps.sum(-1), 1, rtol=1e-5)
    assert (maps[..., ~np.tri(6, dtype=bool)] == 0).all() and (maps >= 0).all()
    model.eval()
    first = model.h[0].attn.weights(model.h[0].ln_1(model.wte(x) + model.wpe(np.arange(6))))
    assert np.array_equal(maps[0], first) and not model.training


# --- writing ---


def written(model, text, count, seed, cached=True, **how):
    return np.stack(list(model.generate(text, count, Generator(seed), cached=cached, **how)), axis=1)


@given(st.integers(1, 2 * T + 3), st.integers(1, 3), st.integers(0, 2**32), st.sampled_from([1, 2, 3, 5, T]))
def test_a_cache_changes_nothing(length, batch, seed, context):
    model, text = small(context=context), np.random.default_rng(seed).integers(0, V, (batch, length))
    with_cache = written(model, text, 2 * T, seed)
    assert with_cache.shape == (batch, 2 * T)
    assert np.array_equal(with_cache, written(model, text, 2 * T, seed, cached=False))


def test_each_token_is_drawn_after_the_window():
    """Written out: no caches, the window by its rule, the same random numbers."""
    model, text = small(), tokens(2, 3)
    expected, rng = text, Generator(4)
    for _ in range(20):
        n = expected.shape[1]
        begin = 0 if n <= T else next(b for b in range(0, n, T // 2) if n - b <= T)
        token = draw(model(expected[:, begin:]).data[:, -1], rng, 0.8)
        expected = np.concatenate([expected, token[:, None]], 1)
    assert np.array_equal(written(model, text, 20, 4, temperature=0.8), expected[:, 3:])


@pytest.mark.parametrize("cached, seen", [(True, [5, 1, 1, 1, 5, 1, 1, 1, 5]), (False, [5, 6, 7, 8, 5, 6, 7, 8, 5])])
def test_the_cache_is_filled_once_for_each_window(cached, seen, monkeypatch):
    sizes, call = [], KVCache.__call__
    monkeypatch.setattr(KVCache, "__call__", lambda self, x: sizes.append(x.shape[1]) or call(self, x))
    written(small(), tokens(1, 5), 9, 0, cached)
    assert sizes == seen


@given(st.integers(1, 500), st.integers(1, 70))
def test_the_window_fits_and_moves_by_halves(length, context):
    half, begin = max(1, context // 2), window_start(length, context)
    assert begin % half == 0 and 0 < length - begin <= context
    assert begin == 0 if length <= context else length - begin > context - half
    assert window_start(length + 1, context) - begin in (0, half)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.integers(1, 3), st.booleans(), st.booleans())
def test_pieces_of_a_text_give_the_model_s_logits(sizes, batch, bias, tied):
    model = small(context=12, bias=bias, tied=tied, dropout=0.3)  # which does not count when reading
    for p in model.parameters():
        p.data += np.random.default_rng(p.size).standard_normal(p.shape, np.float32) / 10
    x = np.random.default_rng(len(sizes)).integers(0, V, (batch, sum(sizes)))
    starts, reader = np.cumsum([0, *sizes]), KVCache(model)
    parts = [reader(x[:, a : a + n]) for a, n in zip(starts[:-1], sizes, strict=True)]
    assert parts[0].dtype == np.float32 and reader.length == sum(sizes) and model.training
    with tt.no_grad():
        np.testing.assert_allclose(np.concatenate(parts, 1), model.eval()(x).data, rtol=1e-5, atol=1e-5)


def test_a_reader_is_of_one_batch_and_fills_up():
    model, x = small(), tokens(2, T)
    reader = KVCache(model)
    reader(x[:, :5])
    with pytest.raises(ValueError, match="KVCache: got 1 texts after 2; expected as many in every call; start a new"):
        reader(x[:1, 5:])
    with pytest.raises(ValueError, match="T from 1 to 3, the context of 8 minus the 5 cached; start a new"):
        reader(x[:, 4:])
    with pytest.raises(IndexError, match="got index 11 for a table of 11 rows"):
        reader([[V], [V]])
    assert reader.length == 5
    whole = model(x).data[:, 5:]
    np.testing.assert_allclose(reader(x[:, 5:]), whole, rtol=1e-5, atol=1e-5)  # as if nothing had been asked


@pytest.mark.parametrize("cached", [True, False])
def test_writing_leaves_the_mode_and_can_be_stopped(cached):
    model = small(dropout=0.5)
    model.drop.eval()  # by itself: it stays so
    modes = [m.training for m in model.modules()]
    for token in itertools.islice(model.generate(tokens(1, 2), 10**9, Generator(1), cached=cached), 3):
        assert token.shape == (1,) and [m.training for m in model.modules()] == modes
        loss = model(tokens(1, 4)).sum()  # whoever takes tokens may train
        loss.backward()
    model.attention(tokens(1, 3))
    assert [m.training for m in model.modules()] == modes
    outside = np.array([[V]])
    for fails in (lambda: next(model.generate(outside, 1, Generator(1))), lambda: model.attention(outside)):
        message(IndexError, fails)
        assert [m.training for m in model.modules()] == modes


def test_writing_is_without_dropout_and_reproducible():
    model = small(dropout=0.5)
    text = tokens(2, 2)
    in_training = written(model, text, 12, 7)
    assert np.array_equal(in_training, written(model.eval(), text, 12, 7))
    assert not np.array_equal(in_training, written(model, text, 12, 8))
    assert written(model, text, 12, 7, top_k=1).tolist() == written(model, text, 12, 8, top_k=1).tolist()
    assert list(model.generate(text, 0, Generator(1))) == []


def test_top_k_1_takes_the_likeliest():
    model, text = small(), tokens(1, 1)
    for _ in range(T - 1):
        likeliest = model(text).data[:, -1].argmax(-1)
        assert written(model, text, 1, 0, top_k=1)[:, 0] == likeliest
        assert written(model, text, 1, 0, top_p=1e-9)[:, 0] == likeliest
        assert written(model, text, 1, 0, temperature=1e-9)[:, 0] == likeliest
        text = np.concatenate([text, likeliest[:, None]], 1)


# --- drawing ---

LOGITS = st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=12)


def drawn(z, n=60, seed=0, dtype=np.float32, **how):
    """The tokens that n draws give."""
    return set(draw(np.tile(np.asarray(z, dtype), (n, 1)), Generator(seed), **how).tolist())


def softmax(z):
    e = np.exp(np.asarray(z, np.float64) - max(z))
    return e / e.sum()


@given(LOGITS, st.integers(1, 14))
@example([0.0, 1.0, 2.0**-52], 2)  # which round to the same once the largest is subtracted
def test_top_k_draws_only_the_likeliest(z, k):
    least = sorted(z, reverse=True)[min(k, len(z)) - 1]
    assert drawn(z, top_k=k) <= {i for i, a in enumerate(z) if a >= least}


@given(LOGITS, st.floats(0.01, 1), st.floats(0.2, 5))
@example([0.0, 1.2147110574345366e-11], 0.25, 1.0)  # equal probabilities in float32, but the second is likelier
@example([0.0, 1e-20], 0.25, 1.0)
def test_top_p_draws_from_the_smallest_set_of_that_probability(z, p, temperature):
    q = softmax([a / temperature for a in z])
    order = np.argsort(-np.asarray(z), kind="stable")
    few = int(np.searchsorted(np.cumsum(q[order]), p - 1e-5)) + 1  # as many as are needed, and not for rounding
    many = int(np.searchsorted(np.cumsum(q[order]), p + 1e-5)) + 1
    got = drawn(z, top_p=p, temperature=temperature)
    assert {np.float32(z[i]) for i in got} <= {np.float32(z[i]) for i in order[:many]} and len(got) <= many
    if few == 1 and q[order[0]] > p + 1e-5:
        assert len(got) == 1


@pytest.mark.parametrize("p, kept", [(0.1, 1), (0.4, 1), (0.41, 2), (0.7, 2), (0.71, 3), (0.89, 3), (0.95, 4), (1, 4)])
def test_top_p_of_known_probabilities(p, kept):
    z = np.log([0.1, 0.4, 0.2, 0.3])
    assert drawn(z, 400, dtype=np.float64, top_p=p) == set([1, 3, 2, 0][:kept])


def test_equal_logits():
    assert drawn([0.0] * 4, 200) == {0, 1, 2, 3}
    assert drawn([0.0] * 4, 200, top_p=0.5) == {0, 1}  # the first of equals
    assert drawn([0.0] * 64, 2000, top_p=0.25) == set(range(16))
    assert drawn([0.0] * 4, 200, top_k=2) == {0, 1, 2, 3}  # those as likely as the last one
    assert drawn([1.0, 0, 0, 1], 200, top_k=2) == {0, 3}
    assert drawn([5.0], top_k=1, top_p=0.1) == {0}


def test_top_p_comes_after_top_k_and_temperature():
    z = np.log([0.4, 0.3, 0.2, 0.1])
    assert drawn(z, 300, dtype=np.float64, top_k=2, top_p=0.6) == {0, 1}  # 4/7 of the two is not enough
    assert drawn(z, 300, dtype=np.float64, top_k=2, top_p=0.57) == {0}
    assert drawn(z, 300, dtype=np.float64, temperature=0.25, top_p=0.7) == {0}


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_are_the_probabilities(temperature):
    z = np.array([0.0, 1, 2, -1], np.float32)
    got = draw(np.tile(z, (40_000, 1)), Generator(3), temperature)
    np.testing.assert_allclose(np.bincount(got) / 40_000, softmax(z / temperature), atol=0.01)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=8),
       st.floats(0, exclude_min=True), st.sampled_from([np.float32, np.float64]), st.sampled_from([None, 1, 3]),
       st.sampled_from([None, 0.3]))
def test_any_temperature_draws_a_token(z, temperature, dtype, k, p):
    if temperature < np.inf:
        assert drawn(z, 3, dtype=dtype, temperature=temperature, top_k=k, top_p=p) <= set(range(len(z)))
    assert drawn([0.0, 1, 0.5], 20, dtype=dtype, temperature=1e-300) == {1}
    assert drawn([0.0, 1, 0.5], 200, dtype=dtype, temperature=1e300) == {0, 1, 2}


def test_tokens_that_are_ruled_out_are_not_drawn():
    assert drawn([-np.inf, 0, -np.inf, 0], 200, temperature=3.0, top_k=3) == {1, 3}
    assert drawn([-np.inf, 0, -np.inf, 0], 200, top_p=0.99) == {1, 3}


def test_rows_are_drawn_by_themselves_and_logits_stay():
    z = RNG.normal(size=(50, 9)).astype(np.float32)
    z.flags.writeable = False
    got = draw(z, Generator(0), top_k=1)
    assert got.dtype == np.int64 and np.array_equal(got, z.argmax(1))


@pytest.mark.peer
def test_what_is_drawn_is_torchs_from_the_same_seed():
    torch = pytest.importorskip("torch")
    z = RNG.normal(size=(6, 50)).astype(np.float32)
    rng, theirs = Generator(9), torch.Generator().manual_seed(9)
    for _ in range(20):
        p = torch.softmax(torch.tensor(z), -1)
        assert np.array_equal(draw(z, rng), torch.multinomial(p, 1, generator=theirs)[:, 0].numpy())


# --- errors ---


def test_texts_that_do_not_fit():
    model = small()
    assert message(ValueError, model, tokens(2, T + 1)) == (
        "GPT: got tokens of shape (2, 9); expected (B, T), with T from 1 to 8, the model's context; pass the "
        "last 8 tokens of a longer text")
    for wrong in (tokens(2, 0), tokens(3), tokens(1, 2, 3)):
        assert "expected (B, T), with T from 1 to 8" in message(ValueError, model, wrong)
        assert "expected (B, T), with T from 1 to 8" in message(ValueError, model.attention, wrong)
    assert "expected (B, T), with T from 1 to 8" in message(ValueError, model.attention, tokens(1, T + 1))
    assert "got index 11 for a table of 11 rows" in message(IndexError, model, [[V]])
    assert "got indices of dtype float32" in message(TypeError, model, [[0.5]])


def test_sizes_that_can_not_be():
    assert "got embed_dim=64 and num_heads=3; expected a multiple of the heads" in message(
        ValueError, GPT, 27, width=64, heads=3)
    for wrong in ({"vocabulary": 0}, {"context": 0}, {"width": 0}, {"layers": 0}, {"heads": 0}):
        assert "expected 1 or more" in message(ValueError, small, **wrong)
    assert "expected an integer" in message(TypeError, small, layers=2.0)


def test_texts_that_can_not_be_gone_on_with():
    model = small()
    for empty in ([], [[]], [1, 2], np.zeros((0, 3), int), np.zeros((2, 0), int)):
        assert "expected (B, T), T of 1 or more; begin with a token" in message(
            ValueError, model.generate, empty, 1, Generator(0))


@pytest.mark.parametrize("how, expected", [
    ({"temperature": -1.0}, "got temperature -1.0; expected a finite number, 0 or more"),
    ({"temperature": float("nan")}, "got temperature nan; expected a finite number, 0 or more"),
    ({"temperature": float("inf")}, "got temperature inf; expected a finite number, 0 or more"),
    ({"top_k": 0}, "got top_k 0; expected an integer, 1 or more"),
    ({"top_k": 2.5}, "got top_k 2.5; expected an integer, 1 or more"),
    ({"top_p": 0}, "got top_p 0; expected above 0, at most 1"),
    ({"top_p": 1.01}, "got top_p 1.01; expected above 0, at most 1"),
    ({"top_p": float("nan")}, "got top_p nan; expected above 0, at most 1")])
def test_parameters_out_of_range(how, expected):
    for text in (message(CorpusError, draw, [[0.0, 1]], Generator(0), **how),
                 message(CorpusError, small().generate, [[1]], 1, Generator(0), **how)):  # before the first token
        assert text.startswith(f"draw: {expected}") and "\n" not in text and text.count("; ") >= 2


def test_logits_that_can_not_be_drawn_from():
    for wrong in ([0.0, 1], [[]], [[np.nan, 1]], [[np.inf, 1]], [[-np.inf, -np.inf]], [[1, 2]], np.zeros((1, 2, 3))):
        assert "expected floats (B, V), with a finite maximum in each row" in message(
            CorpusError, draw, wrong, Generator(0))


# --- temperature 0 ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_temperature_0_takes_the_first_of_the_likeliest_and_draws_nothing(dtype):
    rng, z = Generator(1), np.array([[0.0, 3, 3], [5, -np.inf, 1]], dtype)
    before = rng.get_state()
    got = draw(z, rng, 0, top_k=2, top_p=0.5)
    assert got.tolist() == [1, 0] and got.dtype == np.int64
    assert all(np.array_equal(a, rng.get_state()[k], equal_nan=True) for k, a in before.items())
    with pytest.raises(CorpusError, match="got logits"):
        draw([[np.nan, 1.0]], rng, 0)


def test_greedy_texts_need_no_seed():
    model, text = small(), tokens(2, 3)
    assert np.array_equal(written(model, text, 9, 1, temperature=0), written(model, text, 9, 2, temperature=0.0))
    assert np.array_equal(written(model, text, 9, 1, temperature=0), written(model, text, 9, 2, top_k=1))
