"""MultiheadAttention and scaled_dot_product_attention: PyTorch's numbers and state, masks, dropout, and errors."""


import numpy as np
import pytest
from messages import message

import tinytensor as tt
from tinytensor import nn
from tinytensor.nn import functional as F
from tinytensor.testing import gradcheck

RNG = np.random.default_rng(0)
E, H, L, S, N = 12, 3, 4, 5, 2


def values(*shape, dtype=np.float64):
    return RNG.normal(size=shape).astype(dtype)


def same(a, b, tolerance=1e-10):
    a, b = (x.detach().numpy() if hasattr(x, "detach") else x for x in (a, b))
    assert a.shape == b.shape and a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def pair(torch, seed=3, **how):
    """Both layers from the same seed, in float64, with the same weights, none of them 0."""
    ours = nn.MultiheadAttention(E, H, dtype=np.float64, rng=seed, **how)
    for p in ours.parameters():
        p.data += 0.1 * values(*p.shape)
    theirs = torch.nn.MultiheadAttention(E, H, **how, dtype=torch.float64)
    theirs.load_state_dict({name: torch.tensor(a) for name, a in ours.state_dict().items()})
    return ours, theirs


# --- against PyTorch ---


@pytest.mark.peer
@pytest.mark.parametrize("how", [{}, {"bias": False}, {"kdim": 7}, {"vdim": 5, "kdim": 9}, {"kdim": 7, "bias": False}])
def test_first_weights_are_torchs_from_the_same_seed(how):
    torch = pytest.importorskip("torch")
    torch.manual_seed(42)
    theirs = torch.nn.MultiheadAttention(E, H, **how)
    ours = nn.MultiheadAttention(E, H, rng=42, **how)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, a in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[name], a.numpy(), err_msg=name)


def masks(torch):
    """Of each kind that a layer takes, and none."""
    no = np.tri(L, S, dtype=bool)
    late = RNG.random((N * H, L, S)) < 0.3
    late[..., 0] = False
    padding = np.zeros((N, S), bool)
    padding[1, 3:] = True
    yield {}
    yield {"attn_mask": ~no}
    yield {"attn_mask": ~no, "is_causal": True}
    yield {"attn_mask": late}
    yield {"attn_mask": values(L, S)}
    yield {"attn_mask": values(N * H, L, S)}
    yield {"key_padding_mask": padding}
    yield {"key_padding_mask": values(N, S), "attn_mask": values(L, S)}
    yield {"key_padding_mask": padding, "attn_mask": ~no}


@pytest.mark.peer
@pytest.mark.parametrize("how", [{}, {"batch_first": True}, {"kdim": 7, "vdim": 5}, {"bias": False},
                                 {"vdim": 5, "batch_first": True, "bias": False}], ids=str)
@pytest.mark.parametrize("ask", [{}, {"average_attn_weights": False}, {"need_weights": False}], ids=str)
def test_outputs_weights_and_gradients_are_torchs(how, ask):
    torch = pytest.importorskip("torch")
    ours, theirs = pair(torch, **how)
    for mask in masks(torch):
        inputs = [values(*((N, t, d) if how.get("batch_first") else (t, N, d)))
                  for t, d in ((L, E), (S, ours.kdim), (S, ours.vdim))]
        a = [tt.tensor(x, requires_grad=True) for x in inputs]
        b = [torch.tensor(x, requires_grad=True) for x in inputs]
        y, w = ours(*a, **mask, **ask)
        z, v = theirs(*b, **{k: torch.tensor(m) if isinstance(m, np.ndarray) else m for k, m in mask.items()}, **ask)
        same(y, z)
        assert (w is None) == (v is None) == (ask.get("need_weights") is False)
        c = values(*y.shape)
        loss, other = (y * c).sum(), (z * torch.tensor(c)).sum()
        if w is not None:
            same(w, v)
            np.testing.assert_allclose(w.data.sum(-1), 1)
            loss, other = loss + (w * w).sum(), other + (v * v).sum()
        ours.zero_grad()
        theirs.zero_grad()
        loss.backward()
        other.backward()
        for p, q in zip([*a, *ours.parameters()], [*b, *theirs.parameters()], strict=True):
            same(p.grad, q.grad)


@pytest.mark.peer
@pytest.mark.parametrize("first", [False, True])
def test_without_a_batch(first):
    torch = pytest.importorskip("torch")
    ours, theirs = pair(torch, batch_first=first)
    q, k = values(L, E), values(S, E)
    hidden = np.arange(S) > 2
    for mask in ({}, {"key_padding_mask": hidden}, {"attn_mask": values(L, S)}, {"attn_mask": values(H, L, S)}):
        for average in (True, False):
            y, w = ours(tt.tensor(q), tt.tensor(k), k, average_attn_weights=average, **mask)
            z, v = theirs(*map(torch.tensor, (q, k, k)), average_attn_weights=average,
                          **{name: torch.tensor(m) for name, m in mask.items()})
            same(y, z)
            same(w, v)


@pytest.mark.peer
def test_dropout_is_torchs_from_the_same_seed():
    torch = pytest.importorskip("torch")
    ours, theirs = pair(torch, dropout=0.4)
    x = values(L, N, E)
    theirs = theirs.float()
    ours.astype(np.float32)
    x = x.astype(np.float32)
    for ask in (True, False):
        ours.dropout_rng = tt.Generator(7)
        torch.manual_seed(7)
        y, w = ours(x, x, x, need_weights=ask)
        z, v = theirs(*[torch.tensor(x)] * 3, need_weights=ask)
        same(y, z, 1e-5)
        if ask:
            same(w, v, 1e-5)
            assert (w.data == 0).any()
    ours.eval()
    assert np.array_equal(ours(x, x, x)[0].data, ours(x, x, x)[0].data)


@pytest.mark.peer
@pytest.mark.parametrize("how", [{}, {"is_causal": True}, {"scale": 0.3}, {"mask": "bool"}, {"mask": "float"},
                                 {"mask": "blind"}], ids=str)
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_dot_product_is_torchs(how, batch):
    torch = pytest.importorskip("torch")
    some = {"bool": RNG.random((*batch, L, S)) < 0.6, "float": values(L, S), "blind": np.tri(L, S, -2, dtype=bool)}
    how = dict(how)
    mask = some.get(how.pop("mask", None))
    inputs = values(*batch, L, 6), values(*batch, S, 6), values(*batch, S, 7)
    a = [tt.tensor(x, requires_grad=True) for x in inputs]
    b = [torch.tensor(x, requires_grad=True) for x in inputs]
    y = F.scaled_dot_product_attention(*a, mask, **how)
    z = torch.nn.functional.scaled_dot_product_attention(*b, None if mask is None else torch.tensor(mask), **how)
    same(y, z)
    c = values(*y.shape)
    y.backward(c)
    z.backward(torch.tensor(c))
    for p, q in zip(a, b, strict=True):
        same(p.grad, q.grad)


# --- by itself ---


def test_a_learned_mask_has_a_gradient_and_second_order_works():
    q, k, v, mask = values(2, L, 6), values(2, S, 6), values(2, S, 3), values(L, S)
    assert gradcheck(F.scaled_dot_product_attention, q, k, v, mask, order=2)
    layer = nn.MultiheadAttention(6, 2, rng=0, dtype=np.float64)
    x = values(3, 1, 6)
    assert gradcheck(lambda x: layer(x, x, x, attn_mask=~np.tri(3, dtype=bool))[0], x, order=2)


def test_a_query_that_sees_nothing_takes_nothing():
    layer, x = nn.MultiheadAttention(E, H, rng=0), values(L, 1, E, dtype=np.float32)
    layer.out_proj.bias.data += 1
    y, w = layer(tt.tensor(x, requires_grad=True), x, x, key_padding_mask=np.ones((1, L), bool))
    assert (w.data == 0).all() and (y.data == 1).all()
    y.sum().backward()
    assert all(np.isfinite(p.grad).all() for p in layer.parameters())


@pytest.mark.parametrize("mask", [~np.tri(L, dtype=bool), np.zeros((L, L)), np.zeros((L, L), np.float32)])
def test_float32_stays_float32(mask):
    layer, x = nn.MultiheadAttention(E, H, dropout=0.1, rng=0), tt.tensor(values(L, 2, E, dtype=np.float32))
    x.requires_grad = True
    y, w = layer(x, x, x, attn_mask=mask)
    (y.sum() + w.sum()).backward()
    assert {a.dtype for a in (y, w, x.grad, *(p.grad for p in layer.parameters()))} == {np.dtype(np.float32)}
    assert F.scaled_dot_product_attention(x, x, x, scale=np.float64(0.5)).dtype == np.float32


def test_causal_queries_do_not_look_ahead():
    layer, x = nn.MultiheadAttention(E, H, rng=0, batch_first=True), values(1, L, E, dtype=np.float32)
    mask = ~np.tri(L, dtype=bool)
    before = layer(x, x, x, attn_mask=mask)[0].data
    x[:, 2:] += 1
    after = layer(x, x, x, attn_mask=mask)[0].data
    assert np.array_equal(before[:, :2], after[:, :2]) and not np.allclose(before[:, 2:], after[:, 2:])


def test_errors():
    assert message(ValueError, nn.MultiheadAttention, 10, 3) == (
        "MultiheadAttention: got embed_dim=10 and num_heads=3; expected a multiple of the heads, which share the width "
        "equally; change one of them")
    assert "got kdim=0; expected 1 or more" in message(ValueError, nn.MultiheadAttention, 4, 2, kdim=0)
    assert "got p=2; expected 0 to 1" in message(ValueError, nn.MultiheadAttention, 4, 2, dropout=2)
    layer = nn.MultiheadAttention(E, H, rng=0)
    x, y = (np.zeros((t, N, E), np.float32) for t in (L, S))
    assert message(ValueError, layer, x, y, x) == (
        "MultiheadAttention: got query, key and value of shapes (4, 2, 12), (5, 2, 12), (4, 2, 12); expected "
        "(L, N, 12), (S, N, 12), (S, N, 12), all with N or all without; exchange axes with x.swapaxes, or set "
        "batch_first")
    for wrong in ((x[0], y, y), (x[:, :1], y, y), (x[..., :3], y, y), (x[0, 0], y[0, 0], y[0, 0])):
        assert "all with N or all without" in message(ValueError, layer, *wrong)
    assert "attention: got dtype float64 as input; expected float32" in message(
        TypeError, layer, x.astype(np.float64), y, y)
    assert message(ValueError, layer, x, y, y, attn_mask=np.zeros((S, L))) == (
        "MultiheadAttention: got attn_mask of shape (5, 4); expected (4, 5) or (6, 4, 5); pass it with the keys as "
        "its last axis")
    assert "got key_padding_mask of shape (5,); expected (2, 5)" in message(
        ValueError, layer, x, y, y, key_padding_mask=np.zeros(S))
    assert "got a mask of dtype int64; expected booleans" in message(
        TypeError, layer, x, y, y, attn_mask=np.zeros((L, S), np.int64))
    assert "got is_causal without attn_mask" in message(ValueError, layer, x, x, x, is_causal=True)
    assert message(ValueError, F.scaled_dot_product_attention, x, y[..., :3], y) == (
        "scaled_dot_product_attention: got query (4, 2, 12), key (5, 2, 3) and value (5, 2, 12); expected (..., L, E)"
        ", (..., S, E) and (..., S, V); exchange axes with x.swapaxes, or add a batch axis with x[None]")
    assert "got is_causal and attn_mask" in message(
        ValueError, F.scaled_dot_product_attention, x, x, x, np.zeros((2, 2)), is_causal=True)
    assert "float32, float64 and float32; expected one floating dtype" in message(
        TypeError, F.scaled_dot_product_attention, x, x.astype(np.float64), x)


def test_it_says_what_it_is():
    assert repr(nn.MultiheadAttention(E, H)).startswith("MultiheadAttention(\n  12, num_heads=3\n  (out_proj): Linear(")
