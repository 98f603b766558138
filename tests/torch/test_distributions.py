"""torch.distributions: draws, log-densities, entropies, divergences and refusals are PyTorch's."""

import numpy as np
import pytest

import tinytensor.torch as ours

CASES = ["D.Normal(0.0, 2.0)", "D.Normal(t.tensor([0.0, 1.0, 3.0]), t.tensor([1.0, 2.0, 0.5]))", "D.Uniform(-1.0, 2.0)",
         "D.Uniform(t.zeros(2, 3), t.ones(3))", "D.Exponential(t.tensor([0.5, 2.0]))", "D.Bernoulli(0.3)",
         "D.Bernoulli(logits=t.tensor([0.2, -1.0]))", "D.Categorical(t.tensor([1.0, 2.0, 3.0]))",
         "D.Categorical(logits=t.tensor([[0.2, -1.0, 0.3], [1.0, 2.0, 3.0]]))", "D.Laplace(t.zeros(3), 1.5)",
         "D.Independent(D.Normal(t.zeros(2, 3), t.ones(2, 3) * 2), 1)"]


def both(torch, code):
    """What an expression gives here and in PyTorch."""
    return [eval(code, {"t": t, "D": t.distributions}) for t in (ours, torch)]


def same(a, b):
    assert a.shape == tuple(b.shape) and str(a.dtype) == str(b.dtype)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-5, atol=1e-6)


@pytest.mark.peer
@pytest.mark.parametrize("code", CASES)
def test_draws_and_densities(torch, code):
    found = []
    for t, d in zip((ours, torch), both(torch, code), strict=True):
        t.manual_seed(1)
        tensors = [d.entropy(), d.mean, d.variance, d.stddev]
        for shape in ((), (5,), (2, 10)):
            x = d.sample(shape)
            tensors += [x, d.log_prob(x)]
        tensors += [d.rsample((3,))] if d.has_rsample else []
        tensors.append(t.rand(1))
        found.append(((repr(d), tuple(d.batch_shape), tuple(d.event_shape)), tensors))
    (said, mine), (theirs, others) = found
    assert said == theirs
    for a, b in zip(mine, others, strict=True):
        same(a, b)


@pytest.mark.peer
@pytest.mark.parametrize(("p", "q"), [
    ("D.Normal(1.0, 2.0)", "D.Normal(t.zeros(3), 3.0)"), ("D.Bernoulli(0.3)", "D.Bernoulli(logits=t.ones(2))"),
    ("D.Categorical(t.tensor([1.0, 2.0, 0.0]))", "D.Categorical(t.tensor([1.0, 1.0, 3.0]))"),
    (CASES[-1], "D.Independent(D.Normal(t.ones(2, 3), t.ones(2, 3) * 3), 1)")])
def test_divergences(torch, p, q):
    same(*both(torch, f"D.kl_divergence({p}, {q})"))


@pytest.mark.peer
def test_gradients_flow_to_parameters(torch):
    found = []
    for t in (ours, torch):
        D = t.distributions
        t.manual_seed(3)
        a, b = t.zeros(3, requires_grad=True), t.ones(3, requires_grad=True)
        c = t.tensor([[0.1, 0.2, 0.3]], requires_grad=True)
        d = D.Categorical(logits=c)
        divergence = D.kl_divergence(D.Normal(a + 1, b.exp()), D.Normal(0.0, 1.0)).sum()
        loss = D.Normal(a, b.exp()).rsample((4,)).square().sum() + divergence
        (loss - d.log_prob(d.sample((5,))).sum() - d.entropy().sum()).backward()
        found.append([a.grad, b.grad, c.grad])
    for x, y in zip(*found, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=2e-4)


BAD = ["D.Normal(0.0, -1.0)", "D.Bernoulli(1.5)", "D.Bernoulli()", "D.Categorical(t.tensor(1.0))",
       "D.Uniform(2.0, 1.0)", "D.Normal(t.ones(2), t.zeros(2))",
       "D.Categorical(t.tensor([-1.0, 2.0]))", "D.Normal(0.0, 1.0).log_prob(1.0)", "D.Categorical(t.ones(3)).rsample()",
       "D.Uniform(0.0, 1.0).log_prob(t.tensor(2.0))", "D.Categorical(t.ones(3)).log_prob(t.tensor(3))"]


@pytest.mark.peer
@pytest.mark.parametrize("code", BAD)
def test_refusals(torch, code):
    kinds = []
    for t in (ours, torch):
        with pytest.raises((ValueError, NotImplementedError)) as caught:
            eval(code, {"t": t, "D": t.distributions})
        kinds.append(caught.type)
    assert kinds[0] is kinds[1]


def test_what_is_not_here_says_so():
    with pytest.raises(AttributeError, match="torch.distributions.Gumbel is not here; expected one of Bernoulli"):
        ours.distributions.Gumbel(0.0, 1.0)
    assert ours.distributions.normal.Normal is ours.distributions.Normal
