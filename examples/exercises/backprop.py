"""Lecture 4's first three exercises, which manual_backprop.py runs: every gradient by hand, then in closed form.

The network of lecture 3 (embedding, one hidden layer, batch norm, tanh) written out in 26 tensors, and the gradient of
each by hand in NumPy, compared with the engine's; then cross-entropy and batch norm in one formula each, derived in the
docstrings. Nothing is trained here.
"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from shared import common

import tinytensor as tt
from tinytensor import text
from tinytensor.testing import compare

EPS = 1e-5
NAMES = ["logprobs", "probs", "counts_sum_inv", "counts_sum", "counts", "norm_logits", "logit_maxes", "logits", "h",
         "W2", "b2", "hpreact", "bngain", "bnbias", "bnraw", "bnvar_inv", "bnvar", "bndiff2", "bndiff", "bnmeani",
         "hprebn", "embcat", "W1", "b1", "emb", "C"]  # from the loss backwards
NOTEBOOK_LOSS = 3.9508


def initial_weights(V: int, context: int, D: int, H: int, rng: tt.Generator) -> dict:
    """Normal values in the notebook's order; nothing starts at 0, which could hide a wrong gradient."""
    width = context * D
    return {"C": rng.randn(V, D),
            "W1": rng.randn(width, H) * (5 / 3) / width**0.5, "b1": rng.randn(H) * 0.1,
            "W2": rng.randn(H, V) * 0.1, "b2": rng.randn(V) * 0.1,
            "bngain": rng.randn(1, H) * 0.1 + 1.0, "bnbias": rng.randn(1, H) * 0.1}


def in_double(p: dict) -> dict:
    """The weights in double precision, where a difference above 1e-15 is a wrong derivation, not rounding."""
    return {name: a.astype(np.float64) for name, a in p.items()}


# --- exercise 1: one step at a time ---


def small_steps(p: dict, x, y) -> tuple[tt.Tensor, dict]:
    """The loss, step by step on Tensors, with the engine's gradient of every intermediate in its `grad`."""
    p = {name: tt.tensor(a, requires_grad=True) for name, a in p.items()}
    C, W1, b1, W2, b2, bngain, bnbias = p.values()
    n = len(x)
    emb = C[x]  # (B, T, D)
    embcat = emb.reshape(n, -1)  # (B, T * D)
    hprebn = embcat @ W1 + b1  # (B, H)
    bnmeani = hprebn.sum(0, keepdims=True) * (1 / n)  # (1, H)
    bndiff = hprebn - bnmeani  # (B, H)
    bndiff2 = bndiff**2  # (B, H)
    bnvar = bndiff2.sum(0, keepdims=True) * (1 / (n - 1))  # (1, H), unbiased
    bnvar_inv = (bnvar + EPS) ** -0.5  # (1, H)
    bnraw = bndiff * bnvar_inv  # (B, H)
    hpreact = bngain * bnraw + bnbias  # (B, H)
    h = np.tanh(hpreact)  # (B, H)
    logits = h @ W2 + b2  # (B, V)
    logit_maxes = logits.max(1, keepdims=True)  # (B, 1)
    norm_logits = logits - logit_maxes  # (B, V), so that nothing overflows
    counts = np.exp(norm_logits)  # (B, V)
    counts_sum = counts.sum(1, keepdims=True)  # (B, 1)
    counts_sum_inv = counts_sum**-1  # (B, 1)
    probs = counts * counts_sum_inv  # (B, V)
    logprobs = np.log(probs)  # (B, V)
    loss = -logprobs[np.arange(n), y].mean()  # ()
    here = locals()
    steps = {name: here[name] for name in NAMES}
    for tensor in steps.values():
        tensor.retain_grad()
    loss.backward()
    return loss, steps


def by_hand(v: SimpleNamespace, x, y) -> dict:
    """The gradient of the loss for each of the values v: the chain rule, one line each.

    A value that was broadcast gets the sum over its copies; a value that was used twice, the sum of both uses.
    """
    n, V = v.logits.shape
    dlogprobs = np.where(np.arange(V) == y[:, None], -1 / n, 0).astype(v.logits.dtype)  # (B, V)
    dprobs = dlogprobs / v.probs  # (B, V)
    dcounts_sum_inv = (dprobs * v.counts).sum(1, keepdims=True)  # (B, 1)
    dcounts_sum = -dcounts_sum_inv * v.counts_sum_inv**2  # (B, 1)
    dcounts = dprobs * v.counts_sum_inv + dcounts_sum  # (B, V), used twice
    dnorm_logits = dcounts * v.counts  # (B, V)
    dlogit_maxes = -dnorm_logits.sum(1, keepdims=True)  # (B, 1), 0 but for rounding: the maximum cancels
    dlogits = dnorm_logits + dlogit_maxes * (np.arange(V) == v.logits.argmax(1)[:, None])  # (B, V), used twice
    dh = dlogits @ v.W2.T  # (B, H)
    dW2 = v.h.T @ dlogits  # (H, V)
    db2 = dlogits.sum(0)  # (V,)
    dhpreact = dh * (1 - v.h**2)  # (B, H)
    dbngain = (dhpreact * v.bnraw).sum(0, keepdims=True)  # (1, H)
    dbnbias = dhpreact.sum(0, keepdims=True)  # (1, H)
    dbnraw = dhpreact * v.bngain  # (B, H)
    dbnvar_inv = (dbnraw * v.bndiff).sum(0, keepdims=True)  # (1, H)
    dbnvar = -0.5 * dbnvar_inv * (v.bnvar + EPS) ** -1.5  # (1, H)
    dbndiff2 = np.broadcast_to(dbnvar / (n - 1), v.bndiff2.shape)  # (B, H)
    dbndiff = dbnraw * v.bnvar_inv + dbndiff2 * 2 * v.bndiff  # (B, H), used twice
    dbnmeani = -dbndiff.sum(0, keepdims=True)  # (1, H)
    dhprebn = dbndiff + dbnmeani / n  # (B, H), used twice
    dembcat = dhprebn @ v.W1.T  # (B, T * D)
    dW1 = v.embcat.T @ dhprebn  # (T * D, H)
    db1 = dhprebn.sum(0)  # (H,), 0 but for rounding: batch norm removes any bias
    demb = dembcat.reshape(v.emb.shape)  # (B, T, D)
    dC = rows_added(demb, x, len(v.C))  # (V, D)
    here = locals()
    return {name: here["d" + name] for name in NAMES}


def rows_added(demb, x, V: int):
    """The rows demb (B, T, D), each added to the row x (B, T) of a table (V, D): a product with a one-hot matrix."""
    onehot = (x.reshape(-1, 1) == np.arange(V)).astype(demb.dtype)  # (B * T, V)
    return onehot.T @ demb.reshape(x.size, -1)


# --- exercises 2 and 3: many steps in one formula ---


def cross_entropy(logits, y) -> tuple[float, np.ndarray]:
    """The loss and its gradient for the logits.

    With p = softmax(logits), the loss of a row is -log p[y] = log(sum_j exp(logits_j)) - logits_y. Its derivative for
    logits_j is exp(logits_j) / sum exp, which is p_j, minus 1 where j = y; the mean over n rows divides by n:

        dlogits = (p - onehot(y)) / n

    A row adds up to 0: the right character is pulled up by what its probability lacks to 1, and each other one is
    pushed down by its own probability. Where the network is confident and right, nothing changes.
    """
    n, rows = len(y), np.arange(len(y))
    norm = logits - logits.max(1, keepdims=True)  # (B, V)
    p = np.exp(norm)  # (B, V)
    sums = p.sum(1, keepdims=True)  # (B, 1)
    loss = float((np.log(sums[:, 0]) - norm[rows, y]).mean())
    p /= sums
    p[rows, y] -= 1
    p *= 1 / n
    return loss, p


def batch_norm_backward(g, raw, inv, gain) -> tuple:
    """The gradients of batch norm's input, gain and bias; g (B, H) is that of its output.

    Forwards, for each neuron: raw_i = (x_i - mean) inv, inv = (var + eps)^-1/2, var = sum_i (x_i - mean)^2 / (n - 1),
    y_i = gain raw_i + bias. So dgain = sum_i g_i raw_i and dbias = sum_i g_i. With r_i = gain g_i, the gradient of
    raw_i, the gradient of x_i is the sum of three paths:

        directly            r_i inv
        through the mean    sum_j r_j (-inv) times 1 / n. (The variance depends on the mean as well, but that
                            derivative, -2 sum_j (x_j - mean) / (n - 1), is 0.)
        through var         sum_j r_j (x_j - mean) (-1/2) inv^3 times 2 (x_i - mean) / (n - 1)
                            = -inv raw_i sum_j r_j raw_j / (n - 1), for x_i - mean = raw_i / inv

        dx_i = gain inv (g_i - dbias / n - raw_i dgain / (n - 1))

    The n - 1 is Bessel's correction: around their own mean, n values vary less than around the true one, by a factor
    of (n - 1) / n on average. It divides the path through the variance, not the path through the mean.
    """
    n, ones = len(g), np.ones((1, len(g)), g.dtype)  # a product with ones is faster than a sum
    dgain = ones @ (g * raw)  # (1, H)
    dbias = ones @ g  # (1, H)
    dx = raw * (-dgain / (n - 1))  # (B, H)
    dx += g
    dx -= dbias / n
    dx *= gain * inv
    return dx, dgain, dbias


# --- the table ---


def show(s, names: common.Names, X, Y, plot) -> None:
    """The first three exercises, on the notebook's batch of 32."""
    rng = tt.Generator(s.seed)
    p = initial_weights(len(names.vocabulary), s.context, 10, 200, rng)
    x, y = next(text.batches(X, Y, 32, rng))  # (B, T), (B,)
    loss, steps = small_steps(in_double(p), x, y)
    print(f"exercise 1: every gradient by hand, beside the engine's; {sum(a.size for a in p.values()):,} weights")
    v = SimpleNamespace(**{name: tensor.data for name, tensor in steps.items()})
    lines = [compare(name, g, steps[name]) for name, g in by_hand(v, x, y).items()]
    close, exact = sum(line.close for line in lines), sum(line.exact for line in lines)
    print(f"{close} of {len(lines)} close, {exact} of them exact; loss {loss:.4f}")
    if s.lecture:
        common.tell("loss", loss.item(), NOTEBOOK_LOSS)
    print("exercise 2: cross-entropy in one formula")
    _, dlogits = cross_entropy(v.logits, y)
    compare("logits", dlogits, steps["logits"])
    print("exercise 3: batch norm in one formula")
    formula = batch_norm_backward(steps["hpreact"].grad, v.bnraw, v.bnvar_inv, v.bngain)
    for name, g in zip(("hprebn", "bngain", "bnbias"), formula):
        compare(name, g, steps[name])
    if plot:
        before = [names.vocabulary.decode(row) for row in x]
        plot.push_and_pull(-len(y) * dlogits, before, y, names.vocabulary.characters,
                           path=Path(s.plots) / "dlogits.png")
