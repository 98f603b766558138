"""The losses: by hand, by differences, at their edges, in their errors; `test_module_db.py` holds them to PyTorch."""


import numpy as np
import pytest
from messages import message

import tinytensor as tt
from tinytensor import nn
from tinytensor.core import Tensor
from tinytensor.nn import functional as F
from tinytensor.nn import losses
from tinytensor.testing import gradcheck

RNG = np.random.default_rng(0)
PAIRED = [F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss, F.kl_div, F.binary_cross_entropy_with_logits]
CLASSES = [F.nll_loss, F.cross_entropy]


def values(*shape, dtype=np.float64):
    return RNG.uniform(0.1, 0.9, shape).astype(dtype)


def softly(z, q, w=1.0):
    """Cross-entropy with target probabilities q, written the plain way: classes last, one loss for each row."""
    return -(q * w * (z - np.log(np.exp(z).sum(-1, keepdims=True)))).sum(-1)


# --- of numbers ---


@pytest.mark.parametrize("loss", PAIRED)
def test_one_column_against_a_row_is_an_error(loss):
    name, x, y = loss.__name__, values(4, 1), values(4)
    assert message(ValueError, loss, x, y) == (
        f"{name}: got input of shape (4, 1) and target of shape (4,); expected one shape, as broadcasting would "
        f"compare each output with many targets; write target.reshape(4, 1)")
    assert message(ValueError, loss, y, x).endswith("target.reshape(4,)")
    assert message(ValueError, loss, x, np.ones(())).endswith("pass as many targets as outputs")


@pytest.mark.parametrize("loss", PAIRED)
def test_dtypes_are_kept_and_not_mixed(loss):
    x, y = values(4, 3, dtype=np.float32), values(4, 3, dtype=np.float32)
    for reduction in ("mean", "sum", "none"):
        a = tt.tensor(x, requires_grad=True)
        z = loss(a, y, reduction)
        assert z.dtype == np.float32 and z.shape == ((4, 3) if reduction == "none" else ())
        z.backward(np.ones_like(z.data))
        assert a.grad.dtype == np.float32
        assert type(loss(x, y, reduction)) is not Tensor
    assert message(TypeError, loss, x, np.ones((4, 3), np.int64)) == (
        f"{loss.__name__}: got input of dtype float32 and target of dtype int64; expected one dtype; "
        f"convert it: target.astype(np.float32)")


@pytest.mark.parametrize("loss", [*PAIRED, *CLASSES])
def test_an_unknown_reduction(loss):
    y = np.arange(3) if loss in CLASSES else values(3, 3)
    text = message(ValueError, loss, values(3, 3), y, "average")
    assert text.startswith(f"{loss.__name__}: ") and "'average'" in text and "expected 'mean', 'sum' or 'none'" in text


@pytest.mark.parametrize("loss", PAIRED)
def test_gradients_of_both_sides_at_both_orders(loss):
    assert gradcheck(loss, values(3, 4), values(3, 4), order=2)
    assert gradcheck(lambda x, y: loss(3 * x, y, "none"), values(5), values(5), order=2)


def test_huber_is_round_below_delta_and_straight_above():
    d = np.array([0.0, 0.5, 2.0, 4.0])
    assert F.huber_loss(d, 0 * d, "none", delta=2.0).tolist() == [0, 0.125, 2, 6]
    assert F.smooth_l1_loss(-d, 0 * d, "none", beta=2.0).tolist() == [0, 0.0625, 1, 3]
    assert F.smooth_l1_loss(d, 0 * d, "none", beta=0).tolist() == d.tolist()
    x = tt.tensor(d, requires_grad=True)
    F.huber_loss(x, 0 * d, "sum", delta=2.0).backward()
    assert x.grad.tolist() == [0, 0.5, 2, 2]
    assert message(ValueError, F.huber_loss, d, d, delta=0).startswith("huber_loss: got delta=0; expected a number ab")
    assert message(ValueError, F.smooth_l1_loss, d, d, beta=-1).startswith("smooth_l1_loss: got beta=-1; expected 0")


# --- of probabilities ---


def test_bce_with_logits_by_hand_and_far_out():
    x, y, w, p = values(4, 3) * 6 - 3, values(4, 3), values(3), values(3) * 4
    s = 1 / (1 + np.exp(-x))
    expected = -w * (p * y * np.log(s) + (1 - y) * np.log(1 - s))
    found = F.binary_cross_entropy_with_logits(x, y, "none", weight=w, pos_weight=p)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert gradcheck(lambda a: F.binary_cross_entropy_with_logits(a, y, weight=w, pos_weight=p), x, order=2)
    far = tt.tensor([1e4, -1e4, 1e4, -1e4], requires_grad=True)
    z = F.binary_cross_entropy_with_logits(far, tt.tensor([1.0, 0.0, 0.0, 1.0]), "none")
    z.sum().backward()
    assert z.tolist() == [0, 0, 1e4, 1e4] and far.grad.tolist() == [0, 0, 1, -1]


def test_kl_div_is_0_between_equals_and_takes_zeros():
    p = np.array([[0.0, 0.25, 0.75], [0.5, 0.5, 0.0]])
    logs = np.log(p, where=p > 0, out=np.full_like(p, -9.0))
    assert F.kl_div(logs, p, "none").tolist() == np.zeros((2, 3)).tolist()
    q = np.full((2, 3), 1 / 3)
    assert np.isclose(F.kl_div(np.log(q), p, "batchmean"), (np.log(3) * 2 + (p * np.where(p, logs, 0)).sum()) / 2)
    np.testing.assert_allclose(F.kl_div(np.log(q), values(2, 3), "sum", log_target=False).ndim, 0)
    t = np.log(values(2, 3))
    np.testing.assert_allclose(F.kl_div(np.log(q), t, log_target=True), F.kl_div(np.log(q), np.exp(t)), rtol=1e-12)


# --- of classes ---

T = np.array([0, 2, 1, 2, -1, 1])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weight", [None, np.array([0.5, 1.0, 3.0])])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_by_hand(weight, smoothing, reduction):
    z, keep = values(6, 3) * 5, T >= 0
    w = np.ones(3) if weight is None else weight
    expected = np.where(keep, softly(z, np.eye(3)[T] * (1 - smoothing) + smoothing / 3, w), 0)
    if reduction != "none":
        expected = expected.sum() / (w[T][keep].sum() if reduction == "mean" else 1)
    how = {"weight": weight, "label_smoothing": smoothing, "ignore_index": -1, "reduction": reduction}
    np.testing.assert_allclose(F.cross_entropy(z, T, **how), expected, rtol=1e-12)
    assert gradcheck(lambda x: F.cross_entropy(x, T, **how), z, order=2)
    if not smoothing:
        np.testing.assert_allclose(F.nll_loss(tt.log_softmax(tt.tensor(z)), T, reduction, weight=weight,
                                              ignore_index=-1).data, expected, rtol=1e-12)
    single = tt.tensor(z.astype(np.float32), requires_grad=True)
    loss = F.cross_entropy(single, T, **how)
    loss.sum().backward()
    assert loss.dtype == single.grad.dtype == np.float32 and not single.grad[4].any()


def test_probabilities_as_targets():
    z, q = values(6, 3) * 5, values(6, 3)
    np.testing.assert_allclose(F.cross_entropy(z, q), softly(z, q).mean(), rtol=1e-12)
    np.testing.assert_allclose(F.cross_entropy(z, np.eye(3)[abs(T)]), F.cross_entropy(z, abs(T)), rtol=1e-12)
    assert gradcheck(lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1, weight=values(3) * 0 + 2), z, q, order=2)


def test_an_ignored_target_is_as_if_it_were_not_there():
    z = tt.tensor(values(6, 3), requires_grad=True)
    for ignored, kept in ((-1, T != -1), (2, T != 2)):
        targets = np.where(T == -1, ignored, T)
        kept = targets != ignored
        for reduction in ("mean", "sum"):
            a = tt.cross_entropy(z, targets, reduction, ignore_index=ignored)
            b = tt.cross_entropy(z[kept], targets[kept], reduction)
            np.testing.assert_allclose(a.data, b.data, rtol=1e-12)
            np.testing.assert_allclose(tt.grad(a, z).data, tt.grad(b, z).data, rtol=1e-12, atol=1e-15)
    assert message(IndexError, tt.cross_entropy, z, T - 1, ignore_index=-1).startswith("cross_entropy: got target -2")
    masked = np.array([[-np.inf, 0.0, 0.0]])  # the class that stands for an ignored target may be impossible
    assert F.cross_entropy(np.concatenate([masked, masked]), np.array([-100, 1])) == np.log(2)
    assert F.nll_loss(np.concatenate([masked, masked - 1]), np.array([-100, 1])) == 1
    with np.errstate(invalid="ignore"):
        assert np.isnan(tt.cross_entropy(z, np.full(6, -1), ignore_index=-1).item())


def test_errors_of_losses_of_classes():
    z = values(4, 3)
    for loss in CLASSES:
        name = loss.__name__
        assert message(ValueError, loss, z, np.zeros((4, 1), np.int64)) == (
            f"{name}: got logits of shape (4, 3) and targets of shape (4, 1); expected targets of the shape of logits "
            f"without axis 1, the classes; where classes come last, use tt.cross_entropy")
        assert message(ValueError, loss, z, np.arange(4) % 3, weight=np.ones(4)) == (
            f"{name}: got weight of shape (4,) for 3 classes; expected (3,); pass one weight for each class")
        assert "targets of dtype float64" in message(TypeError, loss, z, values(4))
    assert message(IndexError, F.nll_loss, z, np.arange(4)) == (
        "nll_loss: got target 3 for 3 classes; expected 0 to 2; check the vocabulary, or the size of the layer")
    assert message(ValueError, F.cross_entropy, z, np.arange(4) % 3, label_smoothing=2).startswith(
        "cross_entropy: got label_smoothing=2; expected 0 to 1")


# --- modules ---


def test_modules_keep_their_arrays_as_buffers():
    loss = nn.CrossEntropyLoss(weight=np.ones(3, np.float32), ignore_index=2, label_smoothing=0.1)
    assert list(loss.state_dict()) == ["weight"] and repr(loss) == "CrossEntropyLoss()"
    assert list(nn.BCEWithLogitsLoss(pos_weight=[2.0]).state_dict()) == ["pos_weight"]
    assert nn.NLLLoss().state_dict() == {} and nn.MSELoss("sum")(np.ones(3), np.zeros(3)) == 3
    assert message(ValueError, nn.MSELoss(), np.ones((4, 1)), np.ones(4)).startswith("MSELoss: mse_loss: got input of")


def test_functional_has_every_loss():
    assert all(getattr(F, name) is getattr(losses, name) for name in losses.__all__)
    assert set(losses.__all__) <= set(F.__all__) and all(hasattr(F, name) for name in F.__all__)
