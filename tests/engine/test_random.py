"""The random streams against stored draws of torch 2.13, against torch itself, and against their own laws.

The stored draws are checksums of whole sequences of calls, so that a word too many or too few anywhere shows.
"""
import copy
import io
import math
import pickle
import zlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytensor.random import Generator, as_generator, default_generator, manual_seed

WEIGHTS = (np.arange(27) % 7 / 10).astype(np.float32)
ROWS = np.stack([WEIGHTS, WEIGHTS[::-1], WEIGHTS + 1])

# --- sequences of calls, and what torch gave for them ---

# A call is (method, arguments); sizes of empty arrays stand for targets. Seeds stand in the order of the checksums.
SEEDS = (0, 42, 2147483647, 2**32 + 5, 2**63 - 1, -7)
SEQUENCES: dict[str, list[tuple[Any, ...]]] = {
    "rand": [("rand", n) for n in (1, 2, 15, 16, 17, 270, 1000)],
    "rand of float64": [("rand64", n) for n in (1, 2, 17, 1000)],
    "uniform_": [("uniform_", n, a, b) for n, a, b in ((1, 0, 1), (30, -1, 1), (500, -0.0577, 0.0577), (99, 0.3, 2))],
    "randn, 16 and more": [("randn", n) for n in (16, 17, 31, 32, 33, 270, 729, 5400)],
    "randn, fewer than 16": [("randn", n) for n in (1, 1, 2, 3, 5, 15, 14, 1, 0, 7)],
    "normal_": [("normal_", 3, 2, 0.5), ("normal_", 15, -1, 3), ("normal_", 16, 0.1, 0.2), ("normal_", 100, 5, 0),
                ("normal_", 77, 0, 0.1)],
    "the cached normal": [("randn", 1), ("rand", 3), ("randn", 20), ("randint", 0, 9, 4), ("randn", 1), ("randn", 3),
                          ("randperm", 4), ("normal_", 1, 3, 2), ("rand64", 2), ("exponential_", 3, 1), ("randn", 5)],
    "out of order": [("transposed", "normal_", 0.5, 2), ("randn", 3), ("transposed", "uniform_", -1, 3), ("rand", 2),
                     ("transposed", "exponential_", 2)],
    "exponential_": [("exponential_", 1, 1), ("exponential_", 40, 1), ("exponential_", 300, 0.3)],
    "randint": [("randint", a, b, n) for a, b, n in ((0, 27, 1), (0, 182625, 64), (-5, 5, 30), (0, 2**28 - 1, 5))],
    "randint, wide": [("randint", 0, 2**28, 5), ("randint", -3, 2**40, 9), ("randint", -(2**63), 2**63 - 1, 9)],
    "random63": [("random63",)] * 3,
    "randperm": [("randperm", n) for n in (0, 1, 2, 3, 10, 1000)],
    "bernoulli of a number": [("bernoulli", p, n) for p, n in ((0.5, 10), (0.1, 1000), (0, 3), (1, 3), (1 / 3, 99))],
    "bernoulli of an array": [("chances", np.float32), ("chances", np.float64), ("rand", 1)],
    "multinomial": [("multinomial", WEIGHTS, 1, False)] * 20 + [("multinomial", ROWS, 1, True), ("rand", 1)],
    "multinomial, several": [("multinomial", WEIGHTS, 5, False), ("multinomial", ROWS, 7, False), ("rand", 1)],
    "multinomial, replaced": [("multinomial", WEIGHTS, 50, True), ("multinomial", ROWS, 9, True), ("rand", 1)],
    "multinomial of many": [("multinomial", np.full(50_000, 0.1, np.float32), 50, True)],  # whose sum is not exact
    "multinomial of float64": [("multinomial", ROWS.astype(np.float64), n, n == 8) for n in (1, 2, 8)],
    "multinomial of columns": [("multinomial", ROWS.T, 1, False), ("multinomial", ROWS.T, 2, False), ("rand", 1)],
    "training": [("randn", 270), ("uniform_", 900, -0.18, 0.18), ("randn", 10)] + [("randint", 0, 1000, 32)] * 20,
}
CHECKSUMS: dict[str, tuple[int, ...]] = {
    "rand": (0x35acb6b2, 0x0a1455b1, 0x2699bbe4, 0xc5558b8f, 0x6be552f9, 0x8d9149c1),
    "rand of float64": (0x7aec9d2f, 0x3b1e87f1, 0x08ad2047, 0x827e3e71, 0x9f5ce3cc, 0xaf03bd0f),
    "uniform_": (0x2ddc2683, 0x133c9a06, 0xe251cccc, 0x6e10ff9d, 0xcbaa2d5a, 0xe7c32019),
    "randn, 16 and more": (0xfb18a100, 0x68a0cd95, 0xebda18f7, 0x4c0ac7af, 0x2bb4b41b, 0xddbf7bbd),
    "randn, fewer than 16": (0x63307cf3, 0x5887db4b, 0x1c46d137, 0xa1fd75ad, 0x572743ca, 0xce66a9d1),
    "normal_": (0x53339009, 0xb4bf1474, 0xf79a685c, 0x3058bd08, 0x6a351a38, 0x2497c86f),
    "the cached normal": (0x6cb77145, 0x79e71664, 0xaef56e89, 0xf5cdc7a4, 0x8025a97e, 0xfa4b8f88),
    "out of order": (0x4043a305, 0x6751de28, 0xafd12bae, 0x138de44f, 0x572fe0ee, 0x2a0292c7),
    "exponential_": (0xea526458, 0xea3ff0d8, 0x10dea076, 0x37fe35d5, 0x58513ebe, 0xebc069a3),
    "randint": (0xbe3043c1, 0x22e2c4d4, 0xd453fb34, 0x82c4d23a, 0x81359ce5, 0x77bf2eb1),
    "randint, wide": (0xc1f578b5, 0x6a5781b3, 0xe6f7155c, 0xb7bf5072, 0x1be1d3d2, 0x6fb4603c),
    "random63": (0x52179ee4, 0x0df47eee, 0x48b09e11, 0x6af827fb, 0xaa69e3dc, 0x3da19a49),
    "randperm": (0x6b02ae9a, 0x874e8404, 0x0012bc07, 0x2e04033d, 0x0ab259b0, 0x087041e1),
    "bernoulli of a number": (0x302eb9d9, 0xb964ebbe, 0x0aa33307, 0xc2e4291f, 0x7bda4f58, 0x83647f3a),
    "bernoulli of an array": (0xc564d316, 0x34503deb, 0x72662cd9, 0x0e0c70d9, 0x1cdf5074, 0x1d9afdee),
    "multinomial": (0x64bb4d83, 0xae7c9d40, 0x6dd31dde, 0xd1a3222f, 0x27e7314f, 0x9fe8feaf),
    "multinomial, several": (0x0492750e, 0xff5102c4, 0x23a6e267, 0x098d83f4, 0xed96f285, 0xa41892a4),
    "multinomial, replaced": (0x1836d4ec, 0xe04ab95b, 0x0c68a090, 0x9bb18e83, 0x87da9169, 0xd47e01f4),
    "multinomial of many": (0x19495666, 0x2f526e04, 0x2085a1fb, 0xe743ff74, 0x1ce96494, 0x63037f31),
    "multinomial of float64": (0x3612461c, 0x3dad0d22, 0x9b47d1ee, 0x0bd774e8, 0x7a4d9fa8, 0xdb7515b3),
    "multinomial of columns": (0xef423655, 0x2a835999, 0x5f7d4249, 0xc3ebf417, 0x7bd2871f, 0x33e8871f),
    "training": (0xf21468fd, 0x3ce0fd52, 0x7e627134, 0xc88a256c, 0x63dd11a2, 0x9e05849a),
}


def ours(g: Generator, name: str, *args: Any) -> Any:
    """The draw of one call, from tinytensor."""
    match name:
        case "rand64":
            return g.rand(*args, dtype=np.float64)
        case "uniform_" | "normal_" | "exponential_":
            return getattr(g, name)(np.empty(args[0], np.float32), *args[1:])
        case "transposed":
            return getattr(g, args[0])(np.empty((5, 4, 3), np.float32).transpose(2, 0, 1), *args[1:])
        case "chances":
            return g.bernoulli((np.arange(60) / 59).astype(args[0]).reshape(20, 3).T)
        case _:
            return getattr(g, name)(*args)


def theirs(g: Any, name: str, *args: Any) -> Any:
    """The draw of the same call, from torch."""
    import torch

    match name:
        case "rand" | "randn" | "randperm":
            y = getattr(torch, name)(*args, generator=g)
        case "rand64":
            y = torch.rand(*args, dtype=torch.float64, generator=g)
        case "uniform_" | "normal_" | "exponential_":
            y = getattr(torch.empty(args[0]), name)(*args[1:], generator=g)
        case "transposed":
            y = getattr(torch.empty(5, 4, 3).permute(2, 0, 1), args[0])(*args[1:], generator=g)
        case "randint":
            y = torch.randint(args[0], args[1], (args[2],), generator=g)
        case "random63":
            y = torch.empty((), dtype=torch.int64).random_(generator=g)
        case "bernoulli":
            y = torch.empty(args[1]).bernoulli_(args[0], generator=g).bool()
        case "chances":
            p = (np.arange(60) / 59).astype(args[0]).reshape(20, 3).T
            y = torch.bernoulli(torch.from_numpy(p), generator=g).bool()
        case _:
            y = torch.multinomial(torch.from_numpy(args[0].copy(order="K")), *args[1:], generator=g)
    return y.numpy()


def checksum(draws: list[Any]) -> int:
    return zlib.crc32(b"".join(np.ascontiguousarray(np.asarray(y) + 0).tobytes() for y in draws))


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences_equal_the_stored_ones(name: str) -> None:
    got = tuple(checksum([ours(g, *call) for call in SEQUENCES[name]]) for g in map(Generator, SEEDS))
    assert got == CHECKSUMS[name]


@pytest.mark.peer
@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences_equal_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    exact = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    for seed in (*SEEDS, *range(100, 120)):
        g, t = Generator(seed), torch.Generator().manual_seed(seed)
        for call in SEQUENCES[name]:
            a, b = np.asarray(ours(g, *call)), theirs(t, *call)
            assert a.shape == b.shape and a.dtype == b.dtype, call
            assert np.array_equal(a, b) or (not exact and np.allclose(a, b, rtol=0, atol=2e-5)), (seed, call)
        assert g.initial_seed() == t.initial_seed()


@pytest.mark.peer
def test_a_float64_agrees_with_torch_to_rounding() -> None:
    torch = pytest.importorskip("torch")
    for seed in range(20):
        g, t = Generator(seed), torch.Generator().manual_seed(seed)
        for n in (1, 7, 16, 50):
            x, y = np.empty(n), torch.empty(n, dtype=torch.float64)
            for name, args in (("normal_", (1, 2)), ("exponential_", (3,)), ("uniform_", (-0.3, 0.7))):
                a, b = getattr(g, name)(x, *args), getattr(y, name)(*args, generator=t).numpy()
                np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-15)


# --- figures of the notebooks, and dialects ---


def test_the_lecture_draws_three_probabilities_and_a_hundred_choices() -> None:
    g = Generator(2147483647)
    p = g.rand(3)
    p /= p.sum()
    assert p.round(4).tolist() == np.array([0.6064, 0.3033, 0.0903], np.float32).tolist()
    choices = "".join(map(str, g.multinomial(p, 100, replacement=True)))
    assert choices == ("11200211000110011001020010010001110110011101101102"
                       "00000000001100000000100100000001200000010020100111")


def test_the_first_weights_and_batches_of_the_lectures() -> None:
    weights = [1.5673619508743286, -0.2372923195362091, -0.027384605258703232, -1.100779414176941]
    assert Generator(2147483647).randn(27, 27)[0, :4].tolist() == weights
    assert Generator(2147483647).randint(0, 182625, (6,)).tolist() == [138156, 41144, 63274, 75447, 70028, 82980]
    assert Generator(42).randperm(10).tolist() == [2, 6, 1, 8, 4, 5, 0, 9, 3, 7]
    assert Generator(42).randn(3).tolist() == [0.33669036626815796, 0.12880940735340118, 0.23446236550807953]
    assert Generator().rand(2).tolist() == [0.267295241355896, 0.8725283145904541]


def test_float64_normals() -> None:
    few, many = [0.33669035438385886, 0.1288094051365897], [0.2995562877502637, 0.24237779080894106]
    np.testing.assert_allclose(Generator(42).randn(2, dtype=np.float64), few, rtol=1e-15)
    np.testing.assert_allclose(Generator(42).randn(16, dtype=np.float64)[:2], many, rtol=1e-15)


@pytest.mark.parametrize(("dialect", "ones", "rows"), [
    ("cumulative", [18, 23, 19, 3, 3, 25, 25, 3, 18, 19, 18, 13, 26, 18, 24, 20, 26, 15, 11, 23], [3, 13, 21]),
    ("mkl", [10, 19, 23, 10, 4, 13, 4, 20, 12, 11, 3, 17, 25, 26, 10, 16, 6, 26, 6, 17], [25, 6, 4]),
])
def test_older_dialects_of_multinomial(dialect: str, ones: list[int], rows: list[int]) -> None:
    g = Generator(2147483647)
    assert [int(g.multinomial(WEIGHTS, dialect=dialect)[0]) for _ in ones] == ones
    assert g.multinomial(ROWS, dialect=dialect)[:, 0].tolist() == rows


def test_dialects_differ_only_where_they_may() -> None:
    draws = {d: Generator(1).multinomial(WEIGHTS, 30, True, d).tolist() for d in ("exponential", "cumulative", "mkl")}
    assert draws["exponential"] == draws["cumulative"] == draws["mkl"]


# --- shapes, targets, seeds ---


@pytest.mark.parametrize("draw", [
    lambda g, *s: g.rand(*s), lambda g, *s: g.randn(*s), lambda g, *s: g.rand(s), lambda g, *s: g.randn(list(s)),
    lambda g, *s: g.randint(0, 9, s), lambda g, *s: g.randint(9, size=list(s)), lambda g, *s: g.bernoulli(0.5, s),
    lambda g, *s: g.bernoulli(np.full(s, 0.5, np.float32)),
])
def test_shapes(draw: Any) -> None:
    for shape in ((), (1,), (5,), (2, 3), (0,), (4, 0, 2), (3, 1, 7)):
        y = draw(Generator(1), *shape)
        assert isinstance(y, np.ndarray) and y.shape == shape


def test_a_shape_may_be_one_number_and_numbers_may_be_numpys() -> None:
    g = Generator(np.int64(3))
    assert g.randint(0, 9, 4).shape == g.bernoulli(0.5, 4).shape == (4,)
    assert g.rand(np.int32(2), np.array(3)).shape == (2, 3)
    assert g.randint(np.int64(5), np.uint8(6), (2,)).tolist() == [5, 5]


def test_dtypes() -> None:
    g = Generator(1)
    assert g.rand(3).dtype == g.randn(3).dtype == g.randn(20).dtype == np.float32
    assert g.rand(3, dtype=np.float64).dtype == g.randn(20, dtype="float64").dtype == np.float64
    assert g.randint(3, size=2).dtype == g.randperm(3).dtype == g.multinomial(WEIGHTS).dtype == np.int64
    assert g.bernoulli(0.5, 3).dtype == g.bernoulli(WEIGHTS).dtype == np.bool_


def test_nothing_is_drawn_for_empty_arrays() -> None:
    g = Generator(1)
    g.randn(1)  # leaves a spare normal, which must stay too
    before = g.get_state()
    g.rand(0), g.randn(0, 3), g.randint(0, 9, (0,)), g.randperm(0), g.randperm(1), g.bernoulli(0.5, 0)
    g.normal_(np.empty(0)), g.uniform_(np.empty((2, 0))), g.exponential_(np.empty(0))
    assert same(g.get_state(), before)


@pytest.mark.parametrize("name", ["normal_", "uniform_", "exponential_"])
def test_targets_are_filled_in_place(name: str) -> None:
    a = np.zeros((4, 5), np.float32)
    tensor = SimpleNamespace(data=np.zeros((4, 5), np.float32))
    data = tensor.data
    assert getattr(Generator(1), name)(a) is a
    assert getattr(Generator(1), name)(tensor) is tensor
    assert tensor.data is data and np.array_equal(data, a) and a.all()


def test_strided_targets_are_filled_in_the_order_of_memory_by_pairs() -> None:
    g = Generator(1)
    z = np.concatenate([g.randn(10), g.randn(10), g.randn(10)])  # fewer than 16: by pairs
    assert np.array_equal(Generator(1).normal_(np.empty((6, 5), np.float32).T), z.reshape(6, 5).T)
    assert np.array_equal(Generator(1).normal_(np.empty((6, 10), np.float32)[:, ::2]), z.reshape(6, 5))


def test_only_the_low_32_bits_of_a_seed_matter() -> None:
    draws = [Generator(seed).rand(5).tolist() for seed in (5, 2**32 + 5, 5 - 2**32, 2**64 + 5)]
    assert draws == draws[:1] * 4
    assert Generator(6).rand(5).tolist() != draws[0]
    assert Generator(-7).initial_seed() == 2**64 - 7


def test_a_new_seed_forgets_the_spare_normal() -> None:
    g = Generator(3)
    first = [g.randn(1).item(), g.randn(1).item()]
    g.randn(1)
    assert [g.manual_seed(3).randn(1).item(), g.randn(1).item()] == first
    assert g.initial_seed() == 3


def test_the_default_generator_and_what_rng_may_be() -> None:
    state = default_generator().get_state()
    try:
        assert manual_seed(42) is default_generator() is as_generator(None) is as_generator()
        assert as_generator().rand(1).item() == Generator(42).rand(1).item()
        g = Generator(1)
        assert as_generator(g) is g
        assert as_generator(7).initial_seed() == as_generator(np.int64(7)).initial_seed() == 7
        assert as_generator(42) is not default_generator()
    finally:
        default_generator().set_state(state)


# --- laws ---

seeds = st.integers(-(2**63), 2**64 - 1)
calls = st.sampled_from([call for sequence in SEQUENCES.values() for call in sequence])


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k], equal_nan=k == "spare") for k in a)


def through_npz(g: Generator) -> Generator:
    file = io.BytesIO()
    np.savez(file, **g.get_state())  # type: ignore[arg-type]
    file.seek(0)
    with np.load(file, allow_pickle=False) as state:
        return Generator(0).set_state(state)


@settings(deadline=None, max_examples=40)
@given(seeds, st.lists(calls, max_size=6), st.lists(calls, min_size=1, max_size=6))
def test_a_state_a_copy_and_a_pickle_go_on_where_the_stream_was(seed: int, before: list[Any], after: list[Any]) -> None:
    g = Generator(seed)
    for call in before:
        ours(g, *call)
    twins = [through_npz(g), copy.deepcopy(g), pickle.loads(pickle.dumps(g)), Generator().set_state(g.get_state())]
    wanted = checksum([ours(g, *call) for call in after])
    for twin in twins:  # each after the other, so a stream that they shared would show
        assert twin.initial_seed() == g.initial_seed()
        assert checksum([ours(twin, *call) for call in after]) == wanted
        assert same(twin.get_state(), g.get_state())


def test_a_state_is_a_copy() -> None:
    g = Generator(1)
    g.randn(1)
    state = g.get_state()
    kept = copy.deepcopy(state)
    g.rand(2000), g.randn(1)
    assert same(state, kept)
    g.set_state(state).rand(2000)
    assert same(state, kept)


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(-(2**63), 2**63 - 2), st.integers(1, 2**63))
def test_integers_stay_in_their_range(seed: int, low: int, span: int) -> None:
    high = min(low + span, 2**63 - 1)
    y = Generator(seed).randint(low, high, (50,))
    assert low <= int(y.min()) and int(y.max()) < high


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(0, 300))
def test_permutations_are_permutations(seed: int, n: int) -> None:
    assert sorted(Generator(seed).randperm(n).tolist()) == list(range(n))


@settings(deadline=None, max_examples=60)
@given(seeds, st.lists(st.sampled_from([0.0, 0.25, 1.0, 3.0]), min_size=1, max_size=12).filter(any), st.booleans())
def test_choices_have_weight_and_do_not_repeat_without_replacement(seed: int, p: list[float], replaced: bool) -> None:
    n = 40 if replaced else np.count_nonzero(p)
    y = Generator(seed).multinomial(p, int(n), replaced)
    assert all(p[i] > 0 for i in y)
    assert replaced or len(set(y.tolist())) == n
    for dialect in ("exponential", "cumulative", "mkl"):
        assert p[Generator(seed).multinomial(p, dialect=dialect)[0]] > 0


def test_uniform_stays_below_its_upper_bound_when_rounding_reaches_it() -> None:
    y = Generator(1).uniform_(np.empty(200_000, np.float32), 1, 1 + 2**-22)  # two float32s and the bound
    assert np.unique(y).tolist() == [1, 1 + 2**-23]


def test_moments() -> None:
    g, n = Generator(1), 200_000
    draws = {(0.5, 12**-0.5): g.rand(n), (0, 1): g.randn(n), (2, 3): g.normal_(np.empty(n, np.float32), 2, 3),
             (0.25, 0.25): g.exponential_(np.empty(n), 4), (0.3, 0.21**0.5): g.bernoulli(0.3, n)}
    for (mean, std), y in draws.items():
        assert abs(y.mean(dtype=np.float64) - mean) < 4 * std / n**0.5
        assert abs(y.std(dtype=np.float64) / std - 1) < 0.01


# --- mistakes ---

MISTAKES: dict[str, tuple[Any, type[Exception]]] = {
    "manual_seed: got seed 1.5; expected an integer; convert it first": (lambda g: g.manual_seed(1.5), TypeError),
    "manual_seed: got seed True; expected an integer; convert it first": (lambda g: g.manual_seed(True), TypeError),
    "rng: got a str; expected a Generator, an integer seed or None; write tt.Generator(seed)":
        (lambda g: as_generator("x"), TypeError),
    "rand: got shape (2, -3); expected sizes of 0 or more; only reshape takes -1":
        (lambda g: g.rand(2, -3), ValueError),
    "rand: got size 2.5; expected an integer; convert it first": (lambda g: g.rand(2.5), TypeError),
    "randn: got dtype int16; expected float32 or float64; draw one of them, then use .astype":
        (lambda g: g.randn(3, dtype=np.int16), TypeError),
    "normal_: got dtype int64; expected float32 or float64; draw one of them, then use .astype":
        (lambda g: g.normal_(np.zeros(3, np.int64)), TypeError),
    "uniform_: got dtype int16; expected float32 or float64; draw one of them, then use .astype":
        (lambda g: g.uniform_(np.zeros(3, np.int16)), TypeError),
    "exponential_: got a list; expected an array or Tensor that can be written to; pass one, or a copy":
        (lambda g: g.exponential_([1.0]), TypeError),
    "normal_: got an ndarray; expected an array or Tensor that can be written to; pass one, or a copy":
        (lambda g: g.normal_(np.broadcast_to(np.float32(1), (3,))), TypeError),
    "normal_: got std -1; expected 0 or more; pass a standard deviation":
        (lambda g: g.normal_(np.empty(3), 0, -1), ValueError),
    "normal_: got std nan; expected 0 or more; pass a standard deviation":
        (lambda g: g.normal_(np.empty(3), 0, math.nan), ValueError),
    "uniform_: got bounds 2 and 1; expected finite numbers, a <= b; pass the lower one first":
        (lambda g: g.uniform_(np.empty(3), 2, 1), ValueError),
    "exponential_: got lambd 0; expected a rate above 0; pass 1 / mean":
        (lambda g: g.exponential_(np.empty(3), 0), ValueError),
    "randint: got low 5, high 5; expected low < high in int64; high is never drawn":
        (lambda g: g.randint(5, 5, (3,)), ValueError),
    "randint: got low 0, high 0; expected low < high in int64; high is never drawn":
        (lambda g: g.randint(0), ValueError),
    "randint: got low 1.0; expected an integer; convert it first": (lambda g: g.randint(1.0, 3), TypeError),
    "randint: got high (3,); expected an integer; convert it first": (lambda g: g.randint(9, (3,)), TypeError),
    "randperm: got shape (-1,); expected sizes of 0 or more; only reshape takes -1":
        (lambda g: g.randperm(-1), ValueError),
    "bernoulli: got p from 1.5 to 1.5; expected 0 to 1; pass probabilities":
        (lambda g: g.bernoulli(1.5, 3), ValueError),
    "bernoulli: got p from nan to nan; expected 0 to 1; pass probabilities":
        (lambda g: g.bernoulli([0.5, math.nan]), ValueError),
    "bernoulli: got shape (3,) and p of shape (27,); expected only one; leave out shape":
        (lambda g: g.bernoulli(WEIGHTS, (3,)), ValueError),
    "multinomial: got dialect 'old'; expected one of ('exponential', 'cumulative', 'mkl'); 'exponential' is today's":
        (lambda g: g.multinomial(WEIGHTS, dialect="old"), ValueError),
    "multinomial: got p of shape (2, 2, 2) and 1 samples; expected (C,) or (B, C), and 1 or more; reshape p":
        (lambda g: g.multinomial(np.ones((2, 2, 2))), ValueError),
    "multinomial: got p of shape (27,) and 0 samples; expected (C,) or (B, C), and 1 or more; reshape p":
        (lambda g: g.multinomial(WEIGHTS, 0), ValueError),
    "multinomial: got dtype int64; expected float32 or float64; draw one of them, then use .astype":
        (lambda g: g.multinomial(np.ones(3, np.int64)), TypeError),
    "multinomial: got 24 samples without replacement; expected at most 23; pass replacement=True":
        (lambda g: g.multinomial(WEIGHTS, 24), ValueError),
    "multinomial: got 2 samples without replacement; expected at most 1; pass replacement=True":
        (lambda g: g.multinomial(WEIGHTS, 2, dialect="cumulative"), ValueError),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_named_before_anything_is_drawn(text: str) -> None:
    call, error = MISTAKES[text]
    g = Generator(1)
    with pytest.raises(error) as caught:
        call(g)
    assert str(caught.value) == text
    assert same(g.get_state(), Generator(1).get_state())


@pytest.mark.parametrize("p", [[0, 0], [1, -1, 3], [1, math.nan], [1, math.inf], [[1, 2], [0, 0]]])
def test_weights_that_are_none(p: list[Any]) -> None:
    text = ("multinomial: got a weight that is negative, nan or infinite, or a row of zeros; expected weights of 0 or "
            "more, their sum above 0 and finite; pass probabilities, such as softmax makes of logits")
    with pytest.raises(ValueError) as caught:
        Generator(1).multinomial(p)
    assert str(caught.value) == text


@pytest.mark.parametrize("change", [
    {"pos": np.array(625)}, {"pos": np.array(-1)}, {"key": np.zeros(624)}, {"key": np.zeros(5, np.uint32)},
    {"spare": np.array([1.0])}, {"more": np.array(1)}, {"seed": np.array(1)},
])
def test_a_wrong_state_is_refused_and_changes_nothing(change: dict[str, Any]) -> None:
    g = Generator(1)
    before = g.get_state()
    with pytest.raises(ValueError, match=r"^set_state: got {.*}; expected {.*}, pos 0 to 624; pass what get_state .*$"):
        g.set_state({**before, **change})
    assert same(g.get_state(), before)


@pytest.mark.parametrize("state", [None, 5, {}, {"key": np.zeros(624, np.uint32)}])
def test_a_state_must_be_whole(state: Any) -> None:
    with pytest.raises(ValueError, match=r"'key': 'uint32\[624\]'.*; pass what get_state returned$"):
        Generator(1).set_state(state)
