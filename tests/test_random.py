"""The random streams against draws of torch 2.13 that are stored here, against torch itself, and against their own laws.

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
    "normal_": [("normal_", n, m, s) for n, m, s in ((3, 2, 0.5), (15, -1, 3), (16, 0.1, 0.2), (100, 5, 0), (77, 0, 0.1))],
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
    "multinomial of float64": [("multinomial", ROWS.astype(np.float64), n, n == 8) for n in (1, 2, 8)],
    "multinomial of columns": [("multinomial", ROWS.T, 1, False), ("multinomial", ROWS.T, 2, False), ("rand", 1)],
    "training": [("randn", 270), ("uniform_", 900, -0.18, 0.18), ("randn", 10)] + [("randint", 0, 1000, 32)] * 20,
}
CHECKSUMS: dict[str, tuple[int, ...]] = {}


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
            y = torch.bernoulli(torch.from_numpy((np.arange(60) / 59).astype(args[0])).reshape(20, 3).T, generator=g).bool()
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
    exact = "AVX" in torch.backends.cpu.get_cpu_capability()
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
