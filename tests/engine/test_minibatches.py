"""tt.Minibatches: every row once an epoch, in an order that follows from the seed, and what is refused."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tinytensor import checkpoint, nn, optim

X, Y = np.arange(20.0).reshape(10, 2), np.arange(10)


@given(n=st.integers(1, 40), size=st.integers(1, 50), drop=st.booleans(), shuffle=st.booleans(), seed=st.integers(0, 9))
def test_every_row_once_an_epoch(n, size, drop, shuffle, seed):
    drop = drop and size <= n
    x, y = np.arange(n) * 2.0, np.arange(n)
    batches = tt.Minibatches(x, y, batch_size=size, rng=seed, shuffle=shuffle, drop_last=drop)
    for _ in range(2):
        parts = list(batches)
        assert len(parts) == len(batches)
        assert [len(b) for _, b in parts[:-1]] == [size] * (len(parts) - 1)
        assert len(parts[-1][1]) == (size if drop or n % size == 0 else n % size)
        rows = np.concatenate([b for _, b in parts])
        np.testing.assert_array_equal(np.concatenate([a for a, _ in parts]), rows * 2.0)
        assert len(set(rows.tolist())) == len(rows) == (n // size * size if drop else n)
        assert shuffle or rows.tolist() == list(range(len(rows)))


def test_the_order_is_new_each_epoch_and_follows_from_the_seed():
    def epochs(rng):
        batches = tt.Minibatches(Y, batch_size=3, rng=rng)
        return [np.concatenate(list(batches)).tolist() for _ in range(3)]

    first = epochs(0)
    assert len({*map(tuple, first)}) == 3 and first == epochs(0) == epochs(tt.Generator(0)) != epochs(1)
    rng = tt.Generator(0)
    assert first == [rng.randperm(10).tolist() for _ in range(3)]
    tt.manual_seed(5)
    assert epochs(None) == epochs(5)


@pytest.mark.peer
def test_the_order_is_torch_s_randperm():
    torch = pytest.importorskip("torch")
    g = torch.Generator().manual_seed(7)
    batches = tt.Minibatches(Y, batch_size=10, rng=7)
    for _ in range(3):
        assert next(iter(batches)).tolist() == torch.randperm(10, generator=g).tolist()


def test_kinds_of_arrays_and_new_memory():
    t = tt.tensor(X, requires_grad=True)
    for a, b, c in tt.Minibatches(X, t, Y.astype("U2"), batch_size=4, shuffle=False):
        assert type(a) is np.ndarray and isinstance(b, tt.Tensor) and c.dtype == "U2"
        np.testing.assert_array_equal(a, b.data)
        assert not np.shares_memory(a, X) and not np.shares_memory(b.data, t.data)
        b.sum().backward()
    assert (t.grad == 1).all()
    (one,) = tt.Minibatches(X, batch_size=20, rng=0)
    assert one.shape == (10, 2)


def test_it_resumes_from_a_checkpoint(tmp_path):
    batches = tt.Minibatches(Y, batch_size=4, rng=3)
    list(batches)
    checkpoint.save(tmp_path / "a.npz", rng=batches.rng)
    want = np.concatenate(list(batches))
    again = tt.Minibatches(Y, batch_size=4, rng=0)
    checkpoint.load(tmp_path / "a.npz", rng=again.rng)
    assert np.concatenate(list(again)).tolist() == want.tolist()


def test_it_trains_a_compiled_step():
    model = nn.Linear(2, 1, rng=0)
    opt = optim.SGD(model.parameters(), lr=1e-3)
    target = X @ np.array([[1.0], [-1.0]])

    def step(x, y):
        loss = ((model(x) - y) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    compiled = tt.compile(step, model, opt)
    batches = tt.Minibatches(X.astype("f"), target.astype("f"), batch_size=4, rng=0, drop_last=True)
    losses = [float(compiled(x, y)) for _ in range(40) for x, y in batches]
    assert len(losses) == 80 and losses[-1] < 0.1 * losses[0]


def test_repr():
    assert repr(tt.Minibatches(X, Y, batch_size=4)) == (
        "Minibatches((10, 2) float64, (10,) int64, batch_size=4, shuffle=True, drop_last=False)")


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: tt.Minibatches(batch_size=3), TypeError, "got no arrays; expected one or more; write Minibatches(X, Y, "),
    (lambda: tt.Minibatches(X, Y, 3, batch_size=3), TypeError, "got an object of type int among the arrays; expected "
     "ndarrays or Tensors; write batch_size=3"),
    (lambda: tt.Minibatches([1, 2], batch_size=3), TypeError, "got an object of type list among the arrays; expected "
     "ndarrays or Tensors; convert it by np.array"),
    (lambda: tt.Minibatches(X, Y[:9], batch_size=3), ValueError, "got arrays of lengths 10, 9; expected one length"),
    (lambda: tt.Minibatches(np.float64(3) * np.ones(()), batch_size=3), TypeError, "got an object of type float64"),
    (lambda: tt.Minibatches(np.array(3), batch_size=3), ValueError, "got an array of shape (); expected one row or"),
    (lambda: tt.Minibatches(X[:0], batch_size=3), ValueError, "got an array of shape (0, 2); expected one row or more"),
    (lambda: tt.Minibatches(X, batch_size=2.5), TypeError, "batch_size: got 2.5; expected an int; write batch_size=32"),
    (lambda: tt.Minibatches(X, batch_size=0), ValueError, "batch_size: got 0; expected 1 or more"),
    (lambda: tt.Minibatches(X, batch_size=11, drop_last=True), ValueError,
     "batch_size: got 11 for 10 rows and drop_last=True, which leaves nothing; expected 10 or less"),
    (lambda: tt.Minibatches(X, batch_size=3, rng="0"), TypeError, "expected a Generator, an integer seed or None"),
])
def test_what_is_refused(make, error, text):
    with pytest.raises(error, match=re.escape(text)):
        make()
