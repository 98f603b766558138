"""Wherever a random generator is taken, an integer seed is taken too, and means a new generator of that seed."""

import inspect
from importlib import import_module
from random import Random

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import Tensor, models, nn, text, value

NAMESPACES = ("", "linalg", "nn", "nn.functional", "nn.init", "optim", "testing", "text", "models", "checkpoint",
              "value")
X, VOCABULARY = np.ones((4, 6), np.float32), text.Vocabulary(".abc")


def initialised(name):
    return lambda rng: getattr(nn.init, name)(tt.zeros(4, 5), rng=rng)


def weights(module, name, *args, **options):
    """All parameters of a network."""
    return lambda rng: [p.data for p in getattr(module, name)(*args, **options, rng=rng).parameters()]


def masked(name):
    return lambda rng: getattr(nn, name)(0.5, rng=rng)(tt.ones(4, 6, 5))


def dropped(name):
    return lambda rng: getattr(nn.functional, name)(tt.ones(4, 6, 5), 0.5, rng=rng)


CALLS = {
    "rand": lambda rng: tt.rand(3, rng=rng), "randn": lambda rng: tt.randn(3, rng=rng),
    "rand_like": lambda rng: tt.rand_like(X, rng=rng), "randn_like": lambda rng: tt.randn_like(X, rng=rng),
    "randint": lambda rng: tt.randint(9, size=(5,), rng=rng), "randperm": lambda rng: tt.randperm(9, rng=rng),
    "randint_like": lambda rng: tt.randint_like(X, 9, rng=rng), "bernoulli": lambda rng: tt.bernoulli(X / 2, rng=rng),
    "multinomial": lambda rng: tt.multinomial(X, 3, rng=rng),
    "Minibatches": lambda rng: list(tt.Minibatches(np.arange(9), batch_size=2, rng=rng)),
    **{f"nn.init.{name}": initialised(name) for name in (
        "kaiming_normal_", "kaiming_uniform_", "normal_", "orthogonal_", "trunc_normal_", "uniform_", "xavier_normal_",
        "xavier_uniform_")},
    **{f"nn.{name}": weights(nn, name, *args) for name, args in {
        "Block": (8, 2), "CausalSelfAttention": (8, 2), "Conv1d": (2, 3, 2), "Conv2d": (2, 3, 2),
        "ConvTranspose1d": (2, 3, 2), "ConvTranspose2d": (2, 3, 2), "Embedding": (5, 3), "GRU": (3, 4),
        "GRUCell": (3, 4), "LSTM": (3, 4), "LSTMCell": (3, 4), "Linear": (3, 4), "MultiheadAttention": (8, 2),
        "RNN": (3, 4), "RNNCell": (3, 4)}.items()},
    **{f"nn.{name}": masked(name) for name in ("Dropout", "Dropout1d", "Dropout2d")},
    **{f"nn.functional.{name}": dropped(name) for name in ("dropout", "dropout1d", "dropout2d")},
    "nn.functional.scaled_dot_product_attention": lambda rng: nn.functional.scaled_dot_product_attention(
        *[tt.ones(1, 2, 4, 3) * np.arange(4)[:, None]] * 3, dropout_p=0.5, rng=rng),
    "text.batches": lambda rng: next(text.batches(np.arange(9), np.arange(9), size=5, rng=rng)),
    "text.sample": lambda rng: text.sample(lambda ids: np.zeros((1, 4), np.float32), VOCABULARY, 3, rng=rng),
    **{f"models.{name}": weights(models, name, 5) for name in (
        "CausalCNN", "CausalWaveNet", "GRU", "MLP", "RNN", "WaveNet")},
    "models.BoW": weights(models, "BoW", 5, context=3),
    "models.GPT": weights(models, "GPT", 5, width=8, heads=2, layers=1),
    "models.GPT.generate": lambda rng: list(models.GPT(5, width=8, heads=2, layers=1, rng=0).generate([[0]], 5, rng)),
    "value.Neuron": weights(value, "Neuron", 3), "value.Layer": weights(value, "Layer", 3, 2),
    "value.MLP": weights(value, "MLP", 3, [4, 1]),
}


def takers():
    """Every public callable, and method of a public class, that has a parameter `rng`."""
    found = {}
    for space in NAMESPACES:
        module = import_module(f"tinytensor.{space}" if space else "tinytensor")
        for name in dir(module):
            f = getattr(module, name)
            own = [(name, f)]
            if inspect.isclass(f):
                own += [(f"{name}.{k}", getattr(f, k)) for k in dir(f) if not k.startswith("_") and callable(
                    getattr(f, k))]
            for key, g in own:
                if callable(g) and inspect.getmodule(g) is not inspect and "rng" in signature(g):
                    found.setdefault(g, f"{space}.{key}" if space else key)
    return sorted(found.values())


def signature(f):
    try:
        return inspect.signature(f).parameters
    except (TypeError, ValueError):
        return {}


def plain(x):
    """A result as arrays and numbers."""
    if isinstance(x, list | tuple):
        return [plain(part) for part in x]
    return x.data if isinstance(x, Tensor) else x


def test_the_table_names_all_of_them():
    assert set(takers()) == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_a_seed_is_a_generator_of_that_seed(name):
    call = CALLS[name]
    make = Random if name.startswith("value.") else tt.Generator
    wanted = plain(call(make(5)))
    for seed in (5, *([] if name.startswith("value.") else [np.int64(5)])):
        np.testing.assert_equal(plain(call(seed)), wanted)
    other = plain(call(6))
    with pytest.raises(AssertionError):
        np.testing.assert_equal(other, wanted)


@pytest.mark.parametrize("layer", [nn.Dropout(0.5, rng=np.int64(3)), nn.Dropout1d(0.5, rng=3)])
def test_a_layer_with_a_seed_goes_on_in_its_stream(layer):
    x = tt.ones(9, 9, 9)
    assert layer(x).tolist() != layer(x).tolist()


@pytest.mark.parametrize("rng", ["x", 1.5, True, np.random.default_rng(0)])
def test_what_is_no_generator_is_refused(rng):
    with pytest.raises(TypeError, match=r"rng: got an? \w+; expected a Generator, an integer seed or None; write tt"):
        tt.rand(3, rng=rng)


def test_a_generator_says_its_seed_and_whether_it_has_drawn():
    rng = tt.Generator(7)
    assert repr(rng) == "Generator(seed=7)"
    rng.rand(1)
    assert repr(rng) == "Generator(seed=7, after draws)"
    assert repr(rng.manual_seed(3)) == "Generator(seed=3)"
    rng.randn(1)  # keeps half of a pair
    assert repr(rng) == "Generator(seed=3, after draws)"


@pytest.mark.parametrize("name", ["rand_like", "randn_like"])
def test_likes_follow_their_argument(name):
    f = getattr(tt, name)
    assert f(np.zeros((2, 3))).dtype == np.float64 and f(tt.zeros(2, 3)).shape == (2, 3)
    assert f([0.0, 1.0], dtype=np.float64, requires_grad=True).requires_grad and f(tt.tensor(1.0)).shape == ()
    with pytest.raises(TypeError, match=f"^{name}: got dtype int64; expected a floating one; pass dtype=np.float32$"):
        f([1, 2])
    assert f([1, 2], np.float32).dtype == np.float32
    assert tt.randint_like(tt.zeros(2, 3), 5, 9).dtype == np.float32 and tt.randint_like([1, 2], 9).dtype == np.int64


@pytest.mark.peer
def test_the_draws_are_torch_s():
    torch = pytest.importorskip("torch")
    for shape in (1, 3), (4, 7), (5, 8):
        x = np.full(shape, 0.3, np.float32)
        t = torch.from_numpy(x)
        for mine, theirs in [
            (tt.rand_like(x, rng=42), lambda t=t: torch.rand_like(t)),
            (tt.randn_like(x, rng=42), lambda t=t: torch.randn_like(t)),
            (tt.randn_like(x, np.float64, rng=42), lambda t=t: torch.randn_like(t, dtype=torch.float64)),
            (tt.randint_like(x, 3, 9, rng=42), lambda t=t: torch.randint_like(t, 3, 9)),
            (tt.bernoulli(x, rng=42), lambda t=t: torch.bernoulli(t)),
            (tt.randn_like(x.T, rng=42), lambda t=t: torch.randn_like(t.T)),
        ]:
            torch.manual_seed(42)
            np.testing.assert_allclose(mine.data, theirs().numpy(), rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 4), (30, 7), (0, 3)])
def test_a_compiled_step_draws_like_an_eager_one(shape):
    def noise(x):
        return tt.randn_like(x) + tt.rand_like(x)

    step, x = tt.compile(noise), tt.ones(shape)
    tt.manual_seed(0)
    eager = [noise(x).data for _ in range(3)]
    tt.manual_seed(0)
    assert all(np.array_equal(y, step(x).data) for y in eager)
