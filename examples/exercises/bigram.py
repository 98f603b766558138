"""Lecture 1's first half: bigrams by counting, and the same probabilities by one linear layer; linear_ngram.py runs it.

Counts of which character follows which become probabilities, names and a loss; a linear layer, trained by gradient
descent, finds the same probabilities, and a penalty on its weights has the effect of smoothing. Counting and the layer
work for longer contexts, too: linear_ngram.py has those.
"""

import copy
from functools import partial
from typing import NamedTuple

import numpy as np
from shared import common, compiled

import tinytensor as tt
from tinytensor import nn, optim, text
from tinytensor.nn import functional as F
from tinytensor.random import DIALECTS

NOTEBOOK_BIGRAM = {0: 3.7686, 1: 3.3788, 2: 3.1611, 100: 2.4900, 266: 2.4818}


# --- counting ---


def count(X, Y, V: int):
    """How often each character follows each context, (V**T, V); contexts X (N, T) and characters Y (N,)."""
    number = (X @ V ** np.arange(X.shape[1])[::-1]) * V + Y  # (N,): X and Y as the digits of a number in base V
    return np.bincount(number, minlength=V ** (X.shape[1] + 1)).reshape(-1, V)


def smooth(N, k: float):
    """The probabilities (C, V) by counts (C, V), with k added to each, so that none is 0.

    subtle: keepdims leaves the sums a column (C, 1), which divides each row. Without it they are (C,), which NumPy
    broadcasts as a row (1, C): where C = V that divides the columns, and there is no error.
    """
    N = N + float(k)
    return N / np.maximum(N.sum(1, keepdims=True), 1e-30)  # without smoothing, an unseen context stays all 0


def nll_by_counting(P, N) -> float:
    """The mean negative log-likelihood of all counted examples, in nats; infinite if one has probability 0."""
    seen = N > 0
    with np.errstate(divide="ignore"):
        return float(-(N[seen] @ np.log(P[seen])) / N.sum())


def five_names(predict, vocabulary: text.Vocabulary, seed: int, dialect: str = "cumulative") -> str:
    """Five names by a bigram, with their ends; each starts from the boundary, which the notebook's trigram forgot."""
    rng = tt.Generator(seed)
    rng.multinomial = partial(rng.multinomial, dialect=dialect)  # as PyTorch drew when the lecture was made
    return " ".join(text.sample(predict, vocabulary, 1, rng) + vocabulary.boundary for _ in range(5))


def show_counting(vocabulary: text.Vocabulary, x, y, N, s: common.Settings) -> None:
    P = smooth(N, 1)
    print(f"bigrams by counting: {N.sum():,}, {np.count_nonzero(N):,} of the {N.size:,} possible ones occur")
    print("  " + "; ".join(f"{k} added to each count: loss {nll_by_counting(smooth(N, k), N):.6f}" for k in (0, 1)))
    for dialect in DIALECTS:
        drawn = five_names(lambda ids: np.log(P[ids[:, 0]]), vocabulary, s.seed, dialect)
        print(f"  names, {dialect} multinomial: {drawn}")
    if s.lecture:
        print("  the notebook's names: mor. axx. minaymoryles. kondlaisah. anchshizarie.\n  its loss of 2.47647 and N "
              "of all ones come from cells run in another order; the code shown,\n  a running sum in float32, gives "
              f"{-np.cumsum(np.log(P.astype(np.float32)[x, y]))[-1] / len(y):.7f}")


# --- one linear layer ---


class NGram(nn.Module):
    """One linear layer without a bias: the logits after a context are the sum of the rows of W that it selects."""

    def __init__(self, kind: str, V: int) -> None:
        super().__init__()
        self.kind, self.V = kind, V
        height = {"bigram": V, "additive pair": 2 * V, "true trigram": V * V}[kind]
        self.W = nn.Parameter(np.zeros((height, V), np.float32))  # the loss is convex: any start works

    def rows(self, x):  # (C, T) characters -> (C, R)
        if self.kind == "additive pair":  # the notebook's W[x1] + W[27 + x2]
            return x + np.array([0, self.V])
        return x if self.kind == "bigram" else x[:, :1] * self.V + x[:, 1:]

    def forward(self, x):  # (C, T) characters -> (C, V)
        # E04: a one-hot vector times W is a row of W, so take the row and skip the products with 0
        return tt.embedding(self.W, self.rows(x)).sum(axis=1)


def nll(logits, n):
    """The mean loss of all examples, by the C contexts that occur: logits (C, V) and counts (C, V).

    Examples with the same context have the same logits. So the sum over 228,146 examples is a sum over 27 or 595 rows,
    each log-probability times its count: cross-entropy with counts as targets. Its gradient is that of the whole set,
    hundreds of times faster.
    """
    return -(n * logits.log_softmax()).sum() / n.sum()


def contexts(N, T: int):
    """The contexts that occur (C, T), and the counts of the characters after each (C, V)."""
    seen = np.flatnonzero(N.sum(1))
    return np.stack(np.unravel_index(seen, (N.shape[1],) * T), axis=1), N[seen].astype(np.float32)


@tt.no_grad()
def evaluate(model: NGram, data) -> dict[str, float]:
    """The loss on each split, without any penalty."""
    return {part: nll(model(x), n).item() for part, (x, n) in data.items()}


class Fit(NamedTuple):
    strength: float  # of the smoothing or the penalty
    losses: dict[str, float]
    model: NGram | None = None


def fit(model: NGram, data, penalties, s) -> tuple[list[Fit], common.Progress]:
    """Train for each penalty in turn, each from where the one before ended; record the losses on the given splits."""
    x, n = data["train"]
    rows = model.rows(x)  # (C, R)
    share = np.bincount(rows.ravel(), np.repeat(n.sum(1), rows.shape[1])) / n.sum()
    # The largest stable learning rate. The curvature of softmax is at most 1/2, times the share of the examples that
    # use a row, times the rows that are added. With momentum 0.99 the limit is 4 / curvature. For the names
    # 3 / curvature is 42, so the lecture could use 50.
    curvature = rows.shape[1] / 2 * share.max() + 2 * max(penalties) / model.W.size
    opt = optim.SGD(model.parameters(), lr=3 / curvature, momentum=0.99)
    fits, progress = [], common.Progress(s.steps * len(penalties), model.kind)

    @compiled.step(model, opt, eager=s.eager)
    def step(x, n, penalty):  # (C, T), (C, V)
        loss = nll(model(x), n) + penalty * (model.W**2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    def record(i: int) -> None:
        fits.append(Fit(penalties[i // s.steps], evaluate(model, data), copy.deepcopy(model)))

    for i in progress:
        progress.log(step(x, n, float(penalties[i // s.steps])).item())
        if (i + 1) % s.steps == 0:
            record(i)
    if (i + 1) % s.steps:  # after Ctrl-C: the steps so far
        record(i)
    progress.step = step
    return fits, progress


def show_layer(vocabulary: text.Vocabulary, x, y, N, s: common.Settings) -> None:
    """The same bigrams as one linear layer: by one-hot and by rows, on examples and on counts."""
    V, lecture, model = len(vocabulary), s.lecture, NGram("bigram", len(vocabulary))
    W, n = model.W, N.astype(np.float32)  # (V, V), (V, V)
    W.data[...] = tt.Generator(s.seed).randn(V, V)
    product, logits = F.one_hot(x, V, dtype=np.float32) @ W, tt.embedding(W, x)  # (N, V) @ (V, V), and rows of W
    gap = np.abs(product.data - logits.data).max()
    print(f"bigrams by one linear layer: the largest difference of one_hot(x) @ W from W[x] is {gap:.0f}")
    # E05: why cross_entropy. It is one op, which keeps fewer arrays and whose gradient is p - y; and it subtracts the
    # largest logit first: exp(100) overflows float32, so by hand the loss is nan.
    for shift in (0, 100):
        with np.errstate(over="ignore", invalid="ignore"):
            e = np.exp(logits.data + np.float32(shift))
            by_hand = -np.log((e / e.sum(1, keepdims=True))[np.arange(len(y)), y]).mean()
        loss = tt.cross_entropy(logits + shift, y)
        print(f"  logits + {shift}: loss by hand {by_hand:.4f}, cross_entropy {loss:.4f}")
    if lecture:
        chances = W.softmax().data[x[:5], y[:5]]  # emma.
        common.tell("  probability of 'e' after '.'", chances[0], 0.01228625, digits=8)
        common.tell("  probability of 'm' after 'e'", chances[1], 0.0180507, digits=7)
        print(f"  loss of 'emma' {-np.log(chances).mean():.7f}; the printed 3.6891887 belongs to trained weights")
        print("  full batch, learning rate 50, with the penalty; step 266 because the notebook's cell was run again")

    @compiled.step(model, eager=s.eager)
    def step(n):  # (V, V)
        loss = nll(W, n) + 0.01 * (W**2).mean()
        W.grad = None
        loss.backward()
        W.data -= 50 * W.grad
        return loss, W.grad

    for i in range(min(s.steps, 267) if lecture else 3):
        if not lecture:  # the same on all examples, as the notebook has it
            plain = tt.cross_entropy(tt.embedding(W, x), y) + 0.01 * (W**2).mean()
            slope = tt.grad(plain, W).data
        loss, gradient = step(n)
        if lecture and i in NOTEBOOK_BIGRAM:
            common.tell(f"  step {i}", loss.item(), NOTEBOOK_BIGRAM[i])
        elif not lecture:
            print(f"  step {i}, with penalty: loss {plain:.5f} by {len(y):,} examples, {loss:.5f} by their counts; "
                  f"gradients {np.abs(gradient - slope).max():.0e} apart")
    if lecture:
        print(f"  names: {five_names(lambda ids: model(ids).data, vocabulary, s.seed)}\n"
              f"  the notebook's: mor. axx. minaymoryles. kondlaisah. anchthizarie.")


def show_penalty(vocabulary: text.Vocabulary, N, s) -> common.Progress:
    """A penalty pulls the weights to 0 and so all probabilities to 1/V, as added counts do; rare rows move first."""
    V, data = len(vocabulary), contexts(N, 1)
    fits, progress = fit(NGram("bigram", V), {"train": data, "dev": data}, (10, 1, 0.1, 0.01, 0.001, 0), s)
    a = int(np.where(N.sum(1), N.sum(1), N.sum()).argmin())
    b = int(N[a].argmax())
    print(f"  trained without penalty: loss {fits[-1].losses['train']:.4f}; by counting "
          f"{nll_by_counting(smooth(N, 0), N):.4f}\n  probability of {vocabulary.characters[b]!r} after "
          f"{vocabulary.characters[a]!r}, seen {N[a].sum():,} times; 1/{V} is {1 / V:.3f}:")
    for name, row in (("added", [(k, smooth(N, k)[a, b]) for k in (1e4, 1e3, 100, 10, 1, 0)]),
                      ("penalty", [(fit.strength, fit.model.W.softmax().data[a, b]) for fit in fits])):
        print(f"  {name:>9} " + " ".join(f"{k:>6g}: {p:.3f}" for k, p in row))
    return progress
