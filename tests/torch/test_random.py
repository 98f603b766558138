"""Random tensors beside PyTorch's: the same numbers, and the same place in the stream after them."""

import numpy as np
import pytest

import tinytensor.torch as ours

SIZES = [1, 5, 15, 16, 17, 40, 700]
FLOATS, INTS = ["float32", "float64", "float16"], ["int64", "int32", "int16", "int8", "uint8"]


def both(make, seeds=(0, 7), exact=True):
    """A function of torch, on PyTorch and on ours: values, dtype, shape, strides, and what is drawn next."""
    torch = pytest.importorskip("torch")
    for seed in seeds:
        found = []
        for t in (torch, ours):
            t.manual_seed(seed)
            try:
                x = make(t)
                a = x.detach().numpy()
                x = (str(x.dtype), a.shape, [s for s, n in zip(a.strides, a.shape, strict=True) if n > 1 and a.size], a)
            except (RuntimeError, TypeError, ValueError) as error:
                x = (next(k for k in (TypeError, ValueError, RuntimeError) if isinstance(error, k)),)  # or one below
            found.append((*x, t.rand(3).numpy()))
        theirs, mine = found
        assert theirs[:-2] == mine[:-2], (theirs, mine)
        for a, b in zip(theirs[-2:], mine[-2:], strict=True):
            if isinstance(a, np.ndarray):
                exact_here = exact and a.dtype != np.float64
                np.testing.assert_allclose(b, a, rtol=0 if exact_here else 1e-12, atol=0 if exact_here else 1e-14)
            else:
                assert a == b


def filled(name, *args, **kwargs):
    return lambda t, dtype, n: getattr(t.zeros(n, dtype=getattr(t, dtype)), name)(*args, **kwargs)


FILLS = {
    "uniform_": filled("uniform_"), "uniform_ of": filled("uniform_", -0.3, 2.7), "normal_": filled("normal_"),
    "normal_ of": filled("normal_", 1.3, 2.7), "exponential_": filled("exponential_", 1.7),
    "log_normal_": filled("log_normal_", 0.2, 1.3), "cauchy_": filled("cauchy_", 0.2, 1.3),
    "geometric_": filled("geometric_", 0.03), "bernoulli_": filled("bernoulli_", 0.3),
    "bernoulli_ half": filled("bernoulli_"),
    "random_": filled("random_"), "random_ to": filled("random_", 100), "random_ from": filled("random_", 3, 50),
    "rand": lambda t, d, n: t.rand(n, dtype=getattr(t, d)), "randn": lambda t, d, n: t.randn(n, dtype=getattr(t, d)),
}


@pytest.mark.peer
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", FILLS)
def test_floats(name, dtype):
    for n in SIZES:
        both(lambda t, n=n: FILLS[name](t, dtype, n))


@pytest.mark.peer
@pytest.mark.parametrize("dtype", [*INTS, "bool"])
@pytest.mark.parametrize("name", FILLS)
def test_integers_or_refusals(name, dtype):
    both(lambda t: FILLS[name](t, dtype, 40))


@pytest.mark.peer
@pytest.mark.parametrize("dtype", [*INTS, *FLOATS])
def test_ranges(dtype):
    for low, high in ((0, 27), (-5, 5), (3, 3), (5, 2), (0, 2**24), (0, 2**28 - 1), (0, 2**28), (-2**31, 2**31),
                      (-2**63, 2**63 - 1)):
        if dtype in INTS or high <= 2**11:
            both(lambda t, low=low, high=high: t.randint(low, high, (20,), dtype=getattr(t, dtype)))
            both(lambda t, low=low, high=high: filled("random_", low, high)(t, dtype, 20))
    both(lambda t: t.randperm(50, dtype=getattr(t, dtype)))
    if dtype in INTS:
        both(lambda t: filled("random_", 3, None)(t, dtype, 20))


SHAPES = {
    "turned": lambda t: t.zeros(6, 7).t(), "steps": lambda t: t.zeros(6, 14)[:, ::2],
    "column": lambda t: t.zeros(40, 3)[:, 1],
    "rows": lambda t: t.zeros(9, 7)[2:8], "permuted": lambda t: t.zeros(2, 3, 4).permute(2, 0, 1),
    "0-d": lambda t: t.zeros(()),
    "empty": lambda t: t.zeros(0, 3),
}
STRIDED = {
    **{name: lambda x, t, name=name: getattr(x, name)() for name in (
        "uniform_", "normal_", "exponential_", "log_normal_", "cauchy_", "random_", "bernoulli_")},
    "geometric_": lambda x, t: x.geometric_(0.1), "of tensor": lambda x, t: x.bernoulli_(t.rand(x.shape)),
    "rand_like": lambda x, t: t.rand_like(x), "randn_like": lambda x, t: t.randn_like(x),
    "randn_like double": lambda x, t: t.randn_like(x, dtype=t.float64),
    "randint_like": lambda x, t: t.randint_like(x, 3, 9),
    "bernoulli": lambda x, t: t.bernoulli(x + 0.4), "bernoulli of": lambda x, t: t.bernoulli(x, 0.4),
    "normal": lambda x, t: t.normal(x, 2.0), "normal of": lambda x, t: t.normal(1.0, x + 0.5),
}


@pytest.mark.peer
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", STRIDED)
def test_strided_tensors(name, shape):
    both(lambda t: STRIDED[name](SHAPES[shape](t), t))


OTHERS = {
    "normal": lambda t: t.normal(t.linspace(-1, 1, 40), t.linspace(0.1, 2, 40)),
    "short": lambda t: t.normal(t.zeros(5), 2.5),
    "broadcast": lambda t: t.normal(t.zeros(6, 1), t.ones(7)), "sized": lambda t: t.normal(1.0, 2.0, (4, 5)),
    "mixed": lambda t: t.normal(t.zeros(20), t.ones(20).double()),
    "negative": lambda t: t.normal(t.zeros(2), t.tensor([-1.0, 1.0])),
    "integers": lambda t: t.normal(t.zeros(3, dtype=t.int64), 1.0),
    "negative size": lambda t: t.normal(0.0, -1.0, (2,)),
    "bernoulli": lambda t: t.bernoulli(t.linspace(0, 1, 40)),
    "double": lambda t: t.bernoulli(t.linspace(0, 1, 40).double()),
    "multinomial": lambda t: t.multinomial(t.tensor([0.1, 0.5, 0.4]), 20, replacement=True),
    "unreplaced": lambda t: t.multinomial(t.linspace(0.1, 1, 30).view(3, 10), 4),
    "one": lambda t: t.multinomial(t.ones(5), 1),
    "rows": lambda t: t.multinomial(t.linspace(0.1, 1, 30).view(3, 10), 4, True),
    "too many": lambda t: t.multinomial(t.ones(3), 4), "large": lambda t: t.randperm(20000),
    "none": lambda t: t.randperm(0),
    "dropout": lambda t: t.nn.functional.dropout(t.ones(40), 0.3),
    "dropout 2": lambda t: t.nn.functional.dropout(t.ones(3, 5), 0.7),
    "trunc_normal_": lambda t: t.nn.init.trunc_normal_(t.zeros(40), 0.5, 2.0, -1.0, 3.0),
    "p above 1": lambda t: t.zeros(3).bernoulli_(2), "p of 0": lambda t: t.zeros(3).geometric_(0),
    "sigma": lambda t: t.zeros(3).cauchy_(0, 0),
    "std": lambda t: t.zeros(3).log_normal_(0, 0), "bounds": lambda t: t.zeros(3).uniform_(2, 1),
    "rate": lambda t: t.zeros(3).exponential_(0),
    "expanded": lambda t: t.zeros(3, 1).expand(3, 4).uniform_(),
    "leaf": lambda t: t.zeros(3, requires_grad=True).uniform_(),
    "keywords": lambda t: t.zeros(9).random_(**{"from": 3, "to": 5}),
    "spare": lambda t: t.cat([t.randn(3), t.zeros(3).log_normal_()]),
}


@pytest.mark.peer
@pytest.mark.parametrize("name", OTHERS)
def test_functions(name):
    both(OTHERS[name], exact=name != "trunc_normal_")


# --- states ---


@pytest.mark.peer
@pytest.mark.parametrize("draws", [0, 1, 3, 622, 623, 624, 625, 1300])
def test_states_are_pytorch_s_own(draws):
    torch = pytest.importorskip("torch")
    for seed in (0, 2147483647, 2**40 + 3):
        a, b = torch.Generator().manual_seed(seed), ours.Generator().manual_seed(seed)
        for t, g in ((torch, a), (ours, b)):
            t.rand(draws, generator=g)
            t.randn(draws % 4, generator=g)  # may leave half a pair
        theirs, mine = (g.get_state().numpy().copy() for g in (a, b))
        spares = [s[5024:5032].view(np.float64) for s in (theirs, mine)]  # a double: PyTorch's own to rounding
        np.testing.assert_allclose(*spares, rtol=1e-14)
        spares[0][:] = spares[1]
        assert theirs.tolist() == mine.tolist()
        other = ours.Generator()
        other.set_state(ours.from_numpy(a.get_state().numpy().copy()))
        back = torch.Generator()
        back.set_state(torch.from_numpy(b.get_state().numpy()))
        for n in (3, 700):
            want = torch.randn(n, generator=a).tolist()
            assert want == ours.randn(n, generator=other).tolist() == torch.randn(n, generator=back).tolist()
            assert want == ours.randn(n, generator=b).tolist()


def test_the_default_stream_is_saved_and_set_back():
    ours.manual_seed(3)
    ours.randn(3)
    state = ours.get_rng_state()
    first = ours.rand(5).tolist()
    ours.set_rng_state(state)
    assert state.dtype is ours.uint8 and first == ours.rand(5).tolist()
    for bad in (ours.zeros(5056), ours.zeros(3, dtype=ours.uint8), ours.ones(5056, dtype=ours.uint8)):
        with pytest.raises(RuntimeError, match=r"set_state: got .*; expected .*; pass"):
            ours.set_rng_state(bad)


def test_a_seed_is_given_back_and_a_block_may_draw_as_it_likes():
    assert ours.manual_seed(11).initial_seed() == ours.initial_seed() == 11
    want = ours.rand(4).tolist()
    ours.manual_seed(11)
    with ours.random.fork_rng():
        ours.randn(100)
    assert ours.rand(4).tolist() == want


DRAWN = {
    "rand_like": lambda x: ours.rand_like(x), "randint": lambda x: x + ours.randint(0, 9, (3,), dtype=ours.int32),
    "normal": lambda x: ours.normal(x, 1.0), "bernoulli": lambda x: ours.bernoulli(x / 4),
    "log_normal_": lambda x: x + ours.zeros(3).log_normal_(), "random_": lambda x: x + ours.zeros(3).random_(0, 99),
    "geometric_": lambda x: x + ours.zeros(3).geometric_(0.2), "cauchy_": lambda x: x + ours.zeros(3).cauchy_(),
    "uniform_": lambda x: x + ours.zeros(3).uniform_(),
}


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.filterwarnings("ignore:torch.compile")  # those that fill a tensor run uncompiled
def test_compiled_draws_go_on_as_uncompiled_ones(name):
    x, found = ours.tensor([1.0, 2.0, 3.0]), []
    for f in (DRAWN[name], ours.compile(DRAWN[name])):
        ours.manual_seed(4)
        found.append([f(x).tolist() for _ in range(4)] + [ours.rand(2).tolist()])
    assert found[0] == found[1]
