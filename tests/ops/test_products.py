"""Matrix products in pieces: the same numbers as in one, where and only where pieces are faster."""

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import machine, nn, optim
from tinytensor.ops import products


@pytest.fixture(autouse=True)
def kernels(monkeypatch):
    """As with small kernels and one thread, whatever this machine has."""
    monkeypatch.setattr(products, "small_kernels", lambda: True)
    monkeypatch.setattr(machine, "_threads", ["1"])
    products.row_blocks.cache_clear()
    found = (products.row_blocks, products.transposed_row_blocks, products.output_tiles)
    for f in found:
        f.cache_clear()
    yield
    for f in found:
        f.cache_clear()


@pytest.mark.parametrize("alone", ["1", "2"])
@pytest.mark.parametrize(("n", "k", "m"), [(64, 200, 200), (32, 200, 200), (512, 64, 256), (64, 512, 256),
                                           (40, 300, 150),
                                           (200, 48, 128), (101, 101, 101), (16, 256, 128), (1, 1200, 1000),
                                           (64, 200, 27), (300, 128, 10), (128, 500, 64), (32, 256, 128),
                                           (256, 64, 192), (512, 64, 64), (384, 128, 512)])
def test_products_are_those_in_one_piece(n, k, m, alone, monkeypatch):
    monkeypatch.setattr(machine, "_threads", [alone])
    rng = np.random.default_rng(0)
    x, w, g = (rng.standard_normal(shape).astype(np.float32) for shape in ((n, k), (m, k), (n, m)))
    exact = [a.astype(np.float64) for a in (x, w, g)]
    found = [products.times_transposed(x, w), products.product(g, w), products.transposed_times(g, x)]
    wanted = [exact[0] @ exact[1].T, exact[2] @ exact[1], exact[2].T @ exact[0]]
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == np.float32 and a.flags.c_contiguous
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-4)


def test_operands_in_any_layout():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 256, 128)).astype(np.float32)
    wide = rng.standard_normal((256, 300)).astype(np.float32)
    for left in (a, np.asfortranarray(a), wide[:, 7:135], wide[::-1, 100:228], np.broadcast_to(a[:1], a.shape),
                 np.broadcast_to(np.float32(2), a.shape), a.astype(np.float64)):
        for right in (b, np.asfortranarray(b), wide[:, :128]):
            y = products.transposed_times(left, right)
            assert y.dtype == np.result_type(left, right)
            np.testing.assert_allclose(y, left.T.astype(np.float64) @ right, rtol=1e-4, atol=2e-4)


def test_pieces_divide_the_rows_and_fit_the_kernels():
    for n, k, m in [(64, 200, 200), (512, 64, 256), (192, 512, 64), (768, 128, 512), (97, 128, 128), (64, 64, 64)]:
        count = products.row_blocks(n, k, m, products.max_blocked(m, True))
        assert n % count == 0 and (count == 1 or (n // count * k * m <= products.SMALL_PRODUCT and n // count % 4 == 0))
    assert products.row_blocks(512, 64, 256, 16 * products.SMALL_PRODUCT) == 16
    assert products.row_blocks(64, 64, 64, 16 * products.SMALL_PRODUCT) == 1


def test_strips_divide_the_rows_and_fit_the_kernels():
    for n, k, m in [(64, 200, 27), (300, 128, 10), (128, 500, 64), (32, 256, 128), (8, 300, 300), (96, 1500, 27)]:
        count = products.transposed_row_blocks(n, k, m, 64 * products.SMALL_PRODUCT)
        rows = n // count
        assert rows * count == n and rows % 4 == 0
        assert rows * m <= products.MAX_RESULTS and rows * m * k <= products.SMALL_PRODUCT
    for n, k, m in [(64, 100, 27), (64, 200, 64), (256, 256, 64), (9, 256, 200), (64, 256, 400)]:
        assert products.transposed_row_blocks(n, k, m, 64 * products.SMALL_PRODUCT) == 0


def test_tiles_divide_the_results_and_fit_the_kernels():
    most = 64 * products.SMALL_PRODUCT
    for k, n, m in [(512, 64, 256), (512, 192, 64), (384, 128, 512), (256, 96, 64), (640, 64, 64), (384, 512, 128)]:
        r, c = products.output_tiles(n, k, m, 4, most)
        assert r and n % r == 0 and m % c == 0 and r * c * k <= products.SMALL_PRODUCT
    for k, n, m in [(64, 200, 200), (100, 128, 128), (512, 100, 64), (512, 512, 128), (2048, 64, 64), (384, 512, 512)]:
        assert products.output_tiles(n, k, m, 4, most) == (0, 0)
    assert products.output_tiles(128, 256, 512, 8, most) == (0, 0), "twice as many bytes"
    assert products.output_tiles(64, 512, 256, 4, 4 * products.SMALL_PRODUCT) == (0, 0), "larger ones gain from threads"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("special", [None, np.inf, np.nan, 1e38, 1e-42])
def test_turned(dtype, special):
    for shape in ((256, 64), (100, 128), (33, 512), (5, 3), (128, 130), (16, 2048)):
        x = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
        if special is not None:
            x[3, 1] = special
        y = products.transpose_copy(x)
        assert np.array_equal(y, x.T, equal_nan=True) and y.flags.c_contiguous


def test_compiled_steps_make_the_same_pieces():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((128, 128)).astype(np.float32), rng.integers(0, 16, 128)
    results = []
    for compiled in (False, True):
        model = nn.Sequential(nn.Linear(128, 256, rng=1), nn.Tanh(), nn.Linear(256, 16, rng=2))
        opt = optim.SGD(model.parameters(), lr=0.1)

        def step(x, y, model=model, opt=opt):
            loss = tt.cross_entropy(model(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        f = tt.compile(lambda x, y, step=step: step(x, y), model, opt) if compiled else step
        results.append([f(x, y).item() for _ in range(5)])
        if compiled:
            assert "transposed_by_blocks(" in f.source
    assert results[0] == results[1]


def test_strips_are_for_float32():
    """With float64 they take up to half as long again: half as many numbers fit into a register."""
    for dtype, asked in ((np.float64, 0), (np.float32, 1)):
        products.times_transposed(np.ones((128, 256), dtype), np.ones((128, 256), dtype))
        assert products.transposed_row_blocks.cache_info().misses == asked


def test_the_gradient_of_a_weight_is_made_where_all_gradients_stand():
    """Its tiles are made in the order of the weight, among the others: nothing is copied."""
    x, y = np.ones((256, 128), np.float32), np.zeros(256, np.int64)
    model = nn.Sequential(nn.Linear(128, 128, rng=1), nn.Tanh(), nn.Linear(128, 8, rng=2))
    opt = optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        loss = tt.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    compiled = tt.compile(step, model, opt)
    for _ in range(3):  # code of this file runs in the first, which is looked at then
        compiled(x, y)
    assert products.output_tiles.cache_info().hits
    assert "= d_linear0_weight.reshape(4, 32, 2, 64).transpose(2, 0, 1, 3)" in compiled.source
