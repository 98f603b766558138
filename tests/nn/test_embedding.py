"""Embedding(padding_idx=): PyTorch's first weights and gradients, at first and second order, and compiled."""

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn, optim
from tinytensor.nn import functional as F

TOKENS = np.array([[0, 3, 1, 1], [4, 1, 0, 3]])


@pytest.mark.peer
@pytest.mark.parametrize("padding", [0, 1, -1])
def test_weights_and_gradients_are_pytorch_s(padding):
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    theirs, ours = torch.nn.Embedding(5, 3, padding_idx=padding), nn.Embedding(5, 3, padding_idx=padding, rng=3)
    assert np.array_equal(ours.weight.data, theirs.weight.detach().numpy())
    assert not ours.weight.data[padding].any() and ours.padding_idx == theirs.padding_idx
    assert repr(ours) == repr(theirs)
    theirs(torch.tensor(TOKENS)).pow(2).sum().backward()
    (ours(TOKENS) ** 2).sum().backward()
    np.testing.assert_allclose(ours.weight.grad, theirs.weight.grad.numpy(), rtol=1e-6)
    w = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    x = torch.tensor(w, requires_grad=True)
    torch.nn.functional.embedding(torch.tensor(TOKENS), x, padding_idx=padding).exp().sum().backward()
    y = tt.tensor(w, requires_grad=True)
    F.embedding(TOKENS, y, padding).exp().sum().backward()
    np.testing.assert_allclose(y.grad, x.grad.numpy(), rtol=1e-6)
    assert not y.grad[padding].any() and np.array_equal(F.embedding(TOKENS, w, padding), w[TOKENS])


def test_the_row_is_selected_out_and_not_multiplied_by_zero():
    weight = tt.tensor([[np.inf], [2.0]], requires_grad=True)
    y = F.embedding([0, 1], weight, 0)
    y.backward(np.array([[np.nan], [1.0]], np.float32))
    assert weight.grad.tolist() == [[0.0], [1.0]]


def test_second_derivatives_leave_the_row_out():
    weight = tt.tensor(np.random.default_rng(0).standard_normal((5, 2)), requires_grad=True)
    (g,) = tt.grad((F.embedding(TOKENS, weight, 1) ** 3).sum(), [weight], create_graph=True)
    (h,) = tt.grad(g.sum(), [weight])
    counts = np.bincount(TOKENS.ravel(), minlength=5) * (np.arange(5) != 1)
    np.testing.assert_allclose(h.data, 6 * weight.data * counts[:, None])


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_compiled_step_leaves_the_row_alone(decay):
    def made():
        model = nn.Sequential(nn.Embedding(5, 4, padding_idx=1, rng=0), nn.Linear(4, 5, rng=1))
        opt = optim.AdamW(model.parameters(), lr=0.1, weight_decay=decay)

        def step(x, y):
            opt.zero_grad()
            loss = tt.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            return loss
        return model, opt, step

    eager, _, plain = made()
    model, opt, step = made()
    step, y = tt.compile(step, model, opt), np.roll(TOKENS, 1)
    for _ in range(4):
        assert plain(TOKENS, y).item() == step(TOKENS, y).item()
    for p, q in zip(eager.parameters(), model.parameters(), strict=True):
        assert np.array_equal(p.data, q.data)
    assert not model[0].weight.data[1].any() and model[0].weight.data[0].any()


@pytest.mark.parametrize("attempt, kind, text", [
    (lambda: nn.Embedding(5, 3, 5), ValueError, "Embedding: got padding_idx=5; expected -5 to 4, a row of the table"),
    (lambda: nn.Embedding(5, 3, -6), ValueError, "Embedding: got padding_idx=-6; expected -5 to 4"),
    (lambda: nn.Embedding(5, 3, np.float64), TypeError, "expected an integer or None; pass a dtype by name"),
    (lambda: F.embedding([0], tt.ones(2, 2), 2), ValueError, "embedding: got padding_idx=2; expected -2 to 1"),
])
def test_errors(attempt, kind, text):
    with pytest.raises(kind) as caught:
        attempt()
    assert text in str(caught.value)
