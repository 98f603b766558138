"""RNN, GRU and LSTM, layers and cells: against each other, by differences, and against PyTorch."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import message

import tinytensor as tt
from tinytensor import nn
from tinytensor.ops import recurrent
from tinytensor.testing import gradcheck

KINDS = ["RNN", "GRU", "LSTM"]
SIZES = st.tuples(*[st.integers(1, 4)] * 4)  # T, B, inputs, H


def values(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def states(kind, *shape, seed=1, dtype=np.float32):
    """What a layer starts from: h, or (h, c)."""
    h, c = values(2, *shape, seed=seed, dtype=dtype)
    return (h, c) if kind == "LSTM" else h


def listed(hx):
    return list(hx) if isinstance(hx, tuple) else [hx]


def outputs(result):
    """The output and the last states of a layer, in one list."""
    return [result[0], *listed(result[1])]


def close(a, b, tolerance=2e-6):
    a, b = (x.detach().numpy() if hasattr(x, "detach") else x for x in (a, b))
    assert a.shape == b.shape and a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, np.abs(b).max(initial=0)))


def moved(layer, cell, suffix):
    """The cell with the weights of one layer and direction."""
    cell.load_state_dict({name: layer.state_dict()[name + suffix] for name in cell.state_dict()})
    return cell


# --- what belongs together ---


@pytest.mark.parametrize("kind", KINDS)
@given(sizes=SIZES, bias=st.booleans(), relu=st.booleans())
def test_a_layer_is_its_cell_in_a_loop(kind, sizes, bias, relu):
    t, b, inputs, h = sizes
    how = {"nonlinearity": "relu"} if relu and kind == "RNN" else {}
    layer = getattr(nn, kind)(inputs, h, num_layers=2, bias=bias, rng=0, **how)
    cells = [moved(layer, getattr(nn, kind + "Cell")(n, h, bias=bias, **how), f"_l{k}")
             for k, n in enumerate((inputs, h))]
    x, hx = values(t, b, inputs), states(kind, 2, b, h)
    y, *last = outputs(layer(x, hx))
    ends = []
    for k, cell in enumerate(cells):
        now = tuple(s[k] for s in hx) if kind == "LSTM" else hx[k]
        steps = []
        for step in x:
            now = cell(step, now)
            steps.append(listed(now)[0].data)
        x = np.stack(steps)
        ends.append([s.data for s in listed(now)])
    close(y, x)
    for a, b in zip(last, zip(*ends, strict=True), strict=True):
        close(a, np.stack(b))


@pytest.mark.parametrize("kind", KINDS)
@given(sizes=SIZES)
def test_bidirectional_is_two_layers_one_of_them_on_reversed_input(kind, sizes):
    t, b, inputs, h = sizes
    both = getattr(nn, kind)(inputs, h, bidirectional=True, rng=0)
    there, back = getattr(nn, kind)(inputs, h), getattr(nn, kind)(inputs, h)
    for one, suffix in ((there, ""), (back, "_reverse")):
        one.load_state_dict({name: both.state_dict()[name + suffix] for name in one.state_dict()})
    x, hx = values(t, b, inputs), states(kind, 2, b, h)
    y, *last = outputs(both(x, hx))
    first, second = ([s[k : k + 1] for s in listed(hx)] for k in (0, 1))
    pack = tuple if kind == "LSTM" else lambda s: s[0]
    y1, *last1 = outputs(there(x, pack(first)))
    y2, *last2 = outputs(back(x[::-1].copy(), pack(second)))
    close(y, np.concatenate((y1.data, y2.data[::-1]), -1))
    for s, s1, s2 in zip(last, last1, last2, strict=True):
        close(s, np.concatenate((s1.data, s2.data)))


@pytest.mark.parametrize("kind", KINDS)
@given(sizes=SIZES, bidirectional=st.booleans())
def test_batch_first_and_one_sequence_alone_are_views_of_the_same(kind, sizes, bidirectional):
    t, b, inputs, h = sizes
    layer = getattr(nn, kind)(inputs, h, num_layers=2, bidirectional=bidirectional, rng=0)
    turned = getattr(nn, kind)(inputs, h, num_layers=2, bidirectional=bidirectional, batch_first=True, rng=0)
    x, hx = values(t, b, inputs), states(kind, 4 if bidirectional else 2, b, h)
    y, *last = outputs(layer(x, hx))
    z, *other = outputs(turned(x.swapaxes(0, 1), hx))
    close(y, z.data.swapaxes(0, 1))
    for s, r in zip(last, other, strict=True):
        close(s, r.data)
    alone = tuple(s[:, 0] for s in hx) if kind == "LSTM" else hx[:, 0]
    for one in (layer, turned):
        z, *other = outputs(one(x[:, 0], alone))
        close(z, y.data[:, 0])
        for s, r in zip(last, other, strict=True):
            close(r, s.data[:, 0])


@pytest.mark.parametrize("kind", KINDS)
@given(sizes=SIZES, data=st.data())
def test_an_output_does_not_depend_on_what_comes_later(kind, sizes, data):
    t, b, inputs, h = sizes
    at = data.draw(st.integers(0, t - 1))
    layer, x = getattr(nn, kind)(inputs, h, num_layers=2, rng=0), values(t, b, inputs)
    other = x.copy()
    other[at + 1 :] += 1
    close(layer(x)[0].data[: at + 1], layer(other)[0].data[: at + 1], 1e-6)  # rows of a product may round otherwise
    leaf = tt.tensor(x, requires_grad=True)
    layer(leaf)[0][at].sum().backward()
    assert not leaf.grad[at + 1 :].any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_in_two_halves_gives_the_same(kind):
    layer, x = getattr(nn, kind)(3, 4, num_layers=2, rng=0), values(7, 2, 3)
    y, *last = outputs(layer(x))
    first, hx = layer(x[:3])
    second, *ends = outputs(layer(x[3:], hx))
    close(np.concatenate((first, second)), y.data)
    for s, r in zip(last, ends, strict=True):
        close(s, r.data)


# --- gradients ---

OPTIONS = [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False, "batch_first": True}]


@pytest.mark.parametrize("options", OPTIONS, ids=["plain", "deep", "bare"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_by_differences_at_both_orders(kind, options):
    layer = getattr(nn, kind)(2, 2, rng=0, **options)
    n = 4 if options.get("bidirectional") else 1

    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x, *hx):
            return np.concatenate([z.reshape(-1) for z in outputs(self.layer(x, hx if kind == "LSTM" else hx[0]))])

    hx = states(kind, n, 3 if options.get("batch_first") else 2, 2)
    assert gradcheck(Flat(), values(3, 2, 2), *listed(hx), order=2)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_cells_by_differences_at_both_orders(kind):
    cell = getattr(nn, kind + "Cell")(3, 2, dtype=np.float64, rng=0)
    for shape in ((2,), ()):
        hx = listed(states(kind, *shape, 2))
        assert gradcheck(lambda x, *hx: np.concatenate(listed(cell(x, hx if kind == "LSTM" else hx[0]))),
                         values(*shape, 3), *hx, order=2)


@pytest.mark.parametrize("kind", KINDS)
def test_passes_over_a_retained_graph_add_up(kind):
    """What the rules share belongs to one pass, and no leaf takes it for its own; of one element, g is one constant."""
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind]
    a, w, h, c = (tt.tensor(x, requires_grad=True) for x in (
        values(1, 1, gates), values(gates, 1, seed=1), values(1, 1, seed=2), values(1, 1, seed=3)))
    leaves = [a, w, h, c] if kind == "LSTM" else [a, w, h]
    y = getattr(tt, kind.lower())(*leaves)
    g = np.full(y.shape, 1.0, np.float32)
    y.backward(g, retain_graph=True)
    once = [x.grad.copy() for x in leaves]
    for _ in range(2):
        y.backward(g, retain_graph=True)
    y.backward(-2 * g, retain_graph=True)
    for x, expected in zip(leaves, once, strict=True):
        np.testing.assert_allclose(x.grad, expected, rtol=1e-6)
    if kind != "LSTM":
        for x in leaves:
            x.grad = None
        for _ in range(3):
            y.backward(retain_graph=True)
        for x, expected in zip(leaves, once, strict=True):
            np.testing.assert_allclose(x.grad, 3 * expected, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_fused_rule_is_the_composed_one_in_float32(kind):
    op, definition = getattr(tt, kind.lower()), getattr(recurrent, f"{kind.lower()}_definition")
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind]
    arrays = [values(16, 8, gates * 20), values(gates * 20, 20) * 0.2, *listed(states(kind, 8, 20))]
    arrays += [values(60)] if kind == "GRU" else []
    results = []
    for function in (op, definition):
        leaves = [tt.tensor(x, requires_grad=True) for x in arrays]
        y = function(*leaves)
        y.backward(values(*y.shape, seed=5))
        results.append([y.data, *(x.grad for x in leaves)])
    for a, b in zip(*results, strict=True):
        close(a, b, 1e-5)


def test_gates_far_from_0_saturate_and_nothing_overflows():
    for kind, n in (("gru", 3), ("lstm", 4)):
        rest = [np.zeros((1, 1), np.float32)] * (2 if kind == "lstm" else 1)
        for big in (1e4, -1e4, np.inf, -np.inf):
            a = tt.tensor(np.full((2, 1, n), big, np.float32), requires_grad=True)
            y = getattr(tt, kind)(a, np.zeros((n, 1), np.float32), *rest)
            y.sum().backward()
            assert np.isfinite(y.data).all() and not a.grad.any()


# --- dtype, recording, options ---


@pytest.mark.parametrize("kind", KINDS)
def test_dtypes_and_recording(kind):
    layer, x = getattr(nn, kind)(3, 4, num_layers=2, dropout=0.5, bidirectional=True, rng=0), values(5, 2, 3)
    sum(y.sum() for y in outputs(layer(tt.tensor(x)))).backward()
    assert {p.grad.dtype.name for p in layer.parameters()} == {"float32"}
    with tt.no_grad():
        assert not any(y.requires_grad or y.dtype != np.float32 for y in outputs(layer(x)))
    assert all(y.dtype == np.float64 for y in outputs(layer.astype(np.float64)(x.astype(np.float64))))
    other = getattr(nn, kind)(3, 4, dtype=np.float64)
    assert {p.dtype.name for p in other.parameters()} == {"float64"}


def test_dropout_acts_in_training_between_layers_only():
    layer, x = nn.GRU(3, 50, num_layers=2, dropout=0.5, rng=0, dropout_rng=1), values(5, 2, 3)
    a, b = layer(x)[0].data, layer(x)[0].data
    assert not np.array_equal(a, b)
    assert np.array_equal(nn.GRU(3, 50, num_layers=2, dropout=0.5, rng=0, dropout_rng=1)(x)[0].data, a)
    layer.eval()
    calm = nn.GRU(3, 50, num_layers=2, rng=0)(x)[0].data
    assert np.array_equal(layer(x)[0].data, calm) and not np.allclose(a, calm)
    tt.manual_seed(3)
    first = tt.rand(2)
    tt.manual_seed(3)
    layer(x), nn.GRU(3, 4, num_layers=2, dropout=0, rng=0)(x)  # neither draws
    assert np.array_equal(tt.rand(2).data, first.data)
    with pytest.warns(UserWarning, match="GRU: dropout=0.5 has no effect in one layer, as it acts between layers"):
        nn.GRU(3, 4, dropout=0.5)


def test_repr_and_names():
    assert repr(nn.LSTM(3, 4, 2, False, True, 0.5, True)) == (
        "LSTM(3, 4, num_layers=2, bias=False, batch_first=True, dropout=0.5, bidirectional=True)")
    assert repr(nn.RNN(3, 4)) == "RNN(3, 4)"
    assert repr(nn.RNNCell(3, 4, False, "relu")) == "RNNCell(3, 4, bias=False, nonlinearity=relu)"
    assert list(nn.RNN(3, 4, bidirectional=True).state_dict()) == [
        f"{name}_l0{way}" for way in ("", "_reverse") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


# --- what is wrong ---


def test_inputs_that_do_not_fit():
    x = values(7, 2, 3)
    assert message(ValueError, nn.LSTM(5, 4), x) == (
        "LSTM: lstm: got x of shape (7, 2, 3); expected (T, B, 5), or (T, 5) without a batch; reshape x, or make the "
        "layer for its size")
    assert "expected (B, T, 5), or (T, 5) without" in message(ValueError, nn.GRU(5, 4, batch_first=True), x)
    assert "expected (T, B, 3), or" in message(ValueError, nn.RNN(3, 4), x[None])
    assert "expected (B, 3), or (3) without a batch" in message(ValueError, nn.GRUCell(3, 4), x)
    assert message(ValueError, nn.GRU(3, 4), x[:0]) == (
        "GRU: gru: got x of shape (0, 2, 3), without steps; expected one or more; leave empty sequences out")
    text = message(TypeError, nn.Sequential(nn.LSTM(3, 4)), x.astype(np.float64))
    assert text.startswith("Sequential.0 (LSTM): lstm: got dtype float64 as input; expected float32, as the weights")
    assert "rnn: got a list as input; " in message(TypeError, nn.RNNCell(3, 4), [1.0, 2, 3])


def test_states_that_do_not_fit():
    x = values(7, 2, 3)
    assert message(ValueError, nn.GRU(3, 4, num_layers=2), x, values(1, 2, 4)) == (
        "GRU: gru: got h of dtype float32 and shape (1, 2, 4) with x of shape (7, 2, 3); expected dtype float32 and "
        "shape (2, 2, 4); pass what the last call returned, or leave it out for zeros")
    assert "and shape (1, 2, 4); " in message(ValueError, nn.RNN(3, 4), x, values(1, 5, 4))  # another batch
    assert "and shape (1, 7, 4); " in message(ValueError, nn.RNN(3, 4, batch_first=True), x, values(1, 2, 4))
    assert "and shape (1, 4); " in message(ValueError, nn.RNN(3, 4), x[:, 0], values(1, 1, 4))
    assert "h of dtype float64" in message(ValueError, nn.RNN(3, 4), x, values(1, 2, 4, dtype=np.float64))
    assert "got a list for h" in message(ValueError, nn.RNN(3, 4), x, [0.0])
    good = values(1, 2, 4)
    assert "got c of dtype float32 and shape (2, 4) with" in message(ValueError, nn.LSTM(3, 4), x, (good, good[0]))
    assert message(TypeError, nn.LSTM(3, 4), x, good) == (
        "LSTM: lstm: got an ndarray as the state; expected a pair (h, c); pass both, as a call returns them")
    assert "and shape (2, 4); " in message(ValueError, nn.LSTMCell(3, 4), x[0], (good[0], good))


def test_options_that_do_not_fit():
    assert "RNN: got hidden_size=0; expected 1 or more" in message(ValueError, nn.RNN, 3, 0)
    assert "GRUCell: got input_size=2.0; expected an integer" in message(TypeError, nn.GRUCell, 2.0, 3)
    assert "LSTM: got num_layers=0; " in message(ValueError, nn.LSTM, 3, 4, 0)
    assert "GRU: got p=1.5; expected 0 to 1, " in message(ValueError, nn.GRU, 3, 4, 2, dropout=1.5)
    for layer in (nn.RNN, nn.RNNCell):
        assert message(ValueError, layer, 3, 4, nonlinearity="gelu") == (
            f"{layer.__name__}: got nonlinearity='gelu'; expected 'tanh' or 'relu'; choose one of them")


def test_ops_refuse_what_does_not_fit():
    a, w, h = values(5, 2, 8), values(8, 2), values(2, 2)
    assert message(ValueError, tt.lstm, a, w, h, values(1, 2)) == (
        "lstm: got c of shape (1, 2), with a of shape (5, 2, 8) and weight of shape (8, 2); expected a (T, B, 4 H), "
        "weight (4 H, H), states (B, H); project the inputs first, as nn.LSTM does")
    assert "gru: got weight of shape (8, 2), with" in message(ValueError, tt.gru, a, w, h)
    assert "rnn: got a of shape (2, 8), with" in message(ValueError, tt.rnn, a[0], values(8, 8), h)
    assert "expected at least one step" in message(ValueError, tt.lstm, a[:0], w, h, h)
    assert "rnn: got nonlinearity='gelu'; expected" in message(ValueError, tt.rnn, a[..., :2], w[:2], h, "gelu")


# --- PyTorch ---


def same_as_torch(torch, ours, theirs, x, hx, tolerance):
    """Outputs, last states, and the gradients of inputs, states and parameters."""
    for model in (ours, theirs):
        model.zero_grad()
    mine = [tt.tensor(v, requires_grad=True) for v in (x, *hx)]
    other = [torch.tensor(v, requires_grad=True) for v in (x, *hx)]
    results = []
    for model, (leaf, *start) in ((ours, mine), (theirs, other)):
        y = model(leaf, tuple(start)) if len(start) == 2 else model(leaf, *start)
        results.append(outputs(y) if isinstance(y, tuple) else [y])
    for a, b in zip(*results, strict=True):
        close(a, b, tolerance)
    for ys in results:
        sum((y * y * y).sum() for y in ys).backward()
    for a, b in zip([*mine, *ours.parameters()], [*other, *theirs.parameters()], strict=True):
        close(a.grad, b.grad, tolerance)


@pytest.mark.peer
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("kind", [*KINDS, "relu"])
def test_layers_are_torchs(torch, kind, num_layers):
    for bias, batch_first, bidirectional, batched in itertools.product((True, False), repeat=4):
        how = {"num_layers": num_layers, "bias": bias, "batch_first": batch_first, "bidirectional": bidirectional}
        how |= {"nonlinearity": "relu"} if kind == "relu" else {}
        name = "RNN" if kind == "relu" else kind
        tt.manual_seed(num_layers)
        torch.manual_seed(num_layers)
        ours, theirs = getattr(nn, name)(3, 4, **how), getattr(torch.nn, name)(3, 4, **how)
        for (one, p), (other, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            assert one == other and np.array_equal(p.data, q.detach().numpy()), one  # the same seed, the same weights
        x = values(*((2, 5) if batch_first else (5, 2)) if batched else (5,), 3)
        n = num_layers * (1 + bidirectional)
        hx = listed(states(name, *((n, 2, 4) if batched else (n, 4))))
        same_as_torch(torch, ours, theirs, x, hx if batched else [], 4e-6)
        same_as_torch(torch, ours.astype(np.float64), theirs.double(), x.astype(np.float64),
                      [s.astype(np.float64) for s in hx], 1e-10)


@pytest.mark.peer
@pytest.mark.parametrize("kind", KINDS)
def test_cells_are_torchs(torch, kind):
    for bias, batched, relu in itertools.product((True, False), repeat=3):
        how = {"nonlinearity": "relu"} if relu and kind == "RNN" else {}
        tt.manual_seed(5)
        torch.manual_seed(5)
        ours, theirs = (getattr(m, kind + "Cell")(3, 4, bias, **how) for m in (nn, torch.nn))
        for (one, p), (other, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            assert one == other and np.array_equal(p.data, q.detach().numpy()), one
        shape = (2,) if batched else ()
        same_as_torch(torch, ours, theirs, values(*shape, 3), listed(states(kind, *shape, 4)), 4e-6)
        same_as_torch(torch, ours, theirs, values(*shape, 3), [], 4e-6)


@pytest.mark.peer
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_dropout_draws_what_torch_draws(torch, kind, p):
    for batch_first, bidirectional in itertools.product((True, False), repeat=2):
        how = {"num_layers": 3, "dropout": p, "batch_first": batch_first, "bidirectional": bidirectional}
        tt.manual_seed(11)
        torch.manual_seed(11)
        same_as_torch(torch, getattr(nn, kind)(3, 4, **how), getattr(torch.nn, kind)(3, 4, **how), values(5, 2, 3), [],
                      4e-6)


@pytest.mark.peer
@pytest.mark.parametrize("name", [*KINDS, *(kind + "Cell" for kind in KINDS)])
def test_a_state_dict_moves_both_ways(torch, name):
    how = {} if name.endswith("Cell") else {"num_layers": 2, "bidirectional": True}
    theirs, back, ours = getattr(torch.nn, name)(3, 4, **how), getattr(torch.nn, name)(3, 4, **how), getattr(nn, name)(
        3, 4, rng=9, **how)
    state = theirs.state_dict()
    assert ours.load_state_dict({key: v.numpy() for key, v in state.items()}) == ([], [])
    assert list(ours.state_dict()) == list(state)
    back.load_state_dict({key: torch.from_numpy(a) for key, a in ours.state_dict().items()})
    for key, v in back.state_dict().items():
        assert torch.equal(v, state[key]), key
    assert repr(ours) == repr(theirs)
    x = values(5, 3)
    close(listed(ours(x))[0], listed(theirs(torch.from_numpy(x)))[0])


@pytest.mark.parametrize("how", [{}, {"rng": 0}, {"noise": 0}])
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_the_warning_of_dropout_in_one_layer_names_the_callers_line(name, how):
    with pytest.warns(UserWarning, match="has no effect in one layer") as caught:
        getattr(nn, name)(2, 3, dropout=0.5, **how)
    assert caught[0].filename == __file__
