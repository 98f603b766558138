"""Lecture 6's ladder, which gpt.py runs for --ladder: from a bigram, one idea at a time, to a GPT.

First the mean of each position and all before it, computed in three ways; the third becomes attention. Then networks
that each add one idea, all trained alike. Heads are written out here; `nn.CausalSelfAttention` computes all in one op.
"""

import math
from pathlib import Path

import numpy as np
from shared import common, compiled, texts

import tinytensor as tt
from tinytensor import nn, optim
from tinytensor.models import GPT

CONTEXT, WIDTH, BATCH = 8, 32, 32
RUNGS = (  # network; its ideas; steps and learning rate; the lecture's dev loss, on another file of Shakespeare
    ("bigram", {"heads": 0}, 3_000, 1e-2, 2.50),
    ("one head of attention", {"heads": 1}, 5_000, 1e-3, 2.40),
    ("four heads", {"heads": 4}, 5_000, 1e-3, 2.28),
    ("an MLP per position", {"heads": 4, "mlp": 1}, 5_000, 1e-3, 2.24),
    ("three blocks, residual connections", {"heads": 4, "mlp": 4, "blocks": 3}, 5_000, 1e-3, 2.08),
    ("layer norm", {"heads": 4, "mlp": 4, "blocks": 3, "norm": True}, 5_000, 1e-3, 2.06),
    ("scaled up, with dropout", None, 3_000, 1e-3, 1.48),
)


def averages() -> None:
    """The mean of a position and all before it: by a loop, by a triangular matrix, and by a softmax."""
    x = tt.Generator(1337).randn(4, 8, 2)  # (B, T, C)
    loop = np.stack([x[:, : t + 1].mean(1) for t in range(8)], axis=1)  # (B, T, C)
    triangle = np.tri(8, dtype=np.float32)  # (T, T)
    by_matmul = triangle / triangle.sum(1, keepdims=True) @ x  # (T, T) @ (B, T, C)
    scores = np.where(triangle > 0, np.float32(0), -np.inf)  # the same for all inputs; attention computes them from x
    by_softmax = tt.softmax(scores) @ x
    print(f"the mean over a position and all before it, by a triangular matrix and by a softmax: at most "
          f"{np.abs(by_matmul - loop).max():.0e} and {np.abs(by_softmax - loop).max():.0e} from the loop's")


# --- one idea after the other ---


class Head(nn.Module):
    """One head of self-attention, with its query, key and value projections."""

    def __init__(self, size: int, rng) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, size, bias=False, rng=rng) for _ in range(3))

    def forward(self, x):  # (B, T, C)
        q, k, v = self.query(x), self.key(x), self.value(x)  # (B, T, D)
        scores = q @ k.mT * q.shape[-1] ** -0.5  # (B, T, T); the factor keeps the softmax from saturating
        scores = np.where(np.tri(x.shape[1], dtype=bool), scores, -np.inf)  # not from the future
        return scores.softmax() @ v  # (B, T, D)


class Layer(nn.Module):
    """Heads side by side, then an MLP per position; with `residual` each has a residual connection."""

    def __init__(self, rng, heads: int, mlp: int = 0, residual: bool = False, norm: bool = False) -> None:
        super().__init__()
        self.heads = nn.ModuleList([Head(WIDTH // heads, rng) for _ in range(heads)])
        self.residual, self.join, self.mlp = residual, None, None
        if residual:
            self.join = nn.Linear(WIDTH, WIDTH, rng=rng)
        if mlp:
            layers = [nn.Linear(WIDTH, mlp * WIDTH, rng=rng), nn.ReLU()]
            self.mlp = nn.Sequential(*layers, *([nn.Linear(mlp * WIDTH, WIDTH, rng=rng)] if residual else []))
        self.ln_1, self.ln_2 = (nn.LayerNorm(WIDTH) if norm else nn.Identity() for _ in range(2))

    def forward(self, x):  # (B, T, C)
        a = self.ln_1(x)
        y = tt.concatenate([head(a) for head in self.heads], axis=-1)  # (B, T, C)
        y = x + self.join(y) if self.residual else y
        if self.mlp is None:
            return y
        return y + self.mlp(self.ln_2(y)) if self.residual else self.mlp(y)


class Rung(nn.Module):
    """A language model with the given ideas; without any, a bigram: a row of logits for each character."""

    def __init__(self, vocabulary: int, rng, heads: int, mlp: int = 0, blocks: int = 1, norm: bool = False) -> None:
        super().__init__()
        self.bigram = not heads
        self.tokens = nn.Embedding(vocabulary, vocabulary if self.bigram else WIDTH, rng=rng)
        if self.bigram:
            return
        self.positions = nn.Embedding(CONTEXT, WIDTH, rng=rng)
        self.layers = nn.Sequential(*(Layer(rng, heads, mlp, blocks > 1, norm) for _ in range(blocks)),
                                    nn.LayerNorm(WIDTH) if norm else nn.Identity())
        self.head = nn.Linear(WIDTH, vocabulary, rng=rng)

    def forward(self, x):  # (B, T)
        if self.bigram:
            return self.tokens(x)  # (B, T, V)
        return self.head(self.layers(self.tokens(x) + self.positions(np.arange(x.shape[1]))))  # (B, T, V)


def train(model, data, batch: int, steps: int, lr: float, rng, title: str, eager: bool) -> common.Progress:
    opt, progress = optim.AdamW(model.parameters(), lr=lr), common.Progress(steps, title)

    @compiled.step(model, opt, eager=eager)
    def step(x, y):  # (B, T), (B, T)
        loss = tt.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    for _, (x, y) in zip(progress, data.batches(batch, rng)):
        progress.log(step(x, y).item())
    progress.step = step
    return progress


def ladder(s, plot) -> int:
    """Train each network of the ladder; a row is printed after each."""
    averages()
    most = 10**9 if s.steps == type(s).steps else s.steps  # as in the lecture, unless --steps is given and smaller
    lecture, rows = () if s.own_data else ("the lecture's dev",), []
    table = common.Table("network", "weights", "steps", "train", "dev", *lecture, "seconds", width=34)
    for what, ideas, steps, lr, theirs in RUNGS:
        rng, steps = tt.Generator(s.seed), min(steps, most)
        data = texts.LongText(s.data, CONTEXT if ideas else s.context)
        V, batch = len(data.tokens), BATCH if ideas else s.batch
        model = Rung(V, rng, **ideas) if ideas else GPT(V, s.context, s.width, s.layers, s.heads, 0.1, rng=rng,
                                                        dropout_rng=np.random.default_rng(s.seed))
        progress = train(model, data, batch, steps, lr, rng, what, s.eager)
        if progress.interrupted:
            break
        losses = {part: data.evaluate(model, part) for part in data.splits}
        rows.append((what, losses["train"], losses["dev"], theirs))
        table.add(what, f"{model.num_parameters():,}", f"{steps:,}", f"{losses['train']:.4f}", f"{losses['dev']:.4f}",
                  *(f"{theirs:.2f}" for _ in lecture), f"{progress.seconds:.0f}")
    print(f"{what}: {progress.step}")
    if lecture:
        print("The lecture's file has other plays, and its last network has 10 million weights and a context of 256.")
    if plot and rows:
        folder = Path(s.plots)
        table.save(folder / "ladder.md")
        plot.ladder_chart([(what, train, dev, math.nan, theirs if lecture else math.nan)
                           for what, train, dev, theirs in rows],
                          theirs="the lecture, on another file", xlabel=common.NATS, path=folder / "ladder.png")
        common.drawn(folder, "ladder.png", "ladder.md")
    elif not rows:
        common.nothing_drawn(s.plots, "no network was trained to its end")
    return progress.status
