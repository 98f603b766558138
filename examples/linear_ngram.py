"""Lecture 1: n-grams, by counting and as one linear layer; and why a sum of two rows is no trigram.

First bigrams, counted and learnt (exercises/bigram.py has them). Then two characters predict the third: the notebook's
sum of two rows of weights, and a true trigram with a row for each pair, beside counting. The amount of smoothing or
penalty is chosen on dev; test is used once. It leaves out hidden layers: lecture 2.

    python examples/linear_ngram.py                     about ten seconds, with the sweeps
    python examples/linear_ngram.py --recipe lecture    the notebook's settings and random streams, its figures beside
                                                        ours
"""

from shared import common, compiled  # first: it sets one BLAS thread

from dataclasses import dataclass  # isort: skip
from pathlib import Path

import numpy as np
from exercises import bigram
from exercises.bigram import Fit, NGram, contexts, count, evaluate, fit, nll, nll_by_counting, smooth

import tinytensor as tt
from tinytensor import optim, text

SMOOTHING = (10, 3, 1, 0.5, 0.3, 0.2, 0.1, 0.03, 0)  # added to every count
PENALTIES = (1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)  # times the mean square of the weights
NOTEBOOK = {0: 4.2337, 100: 2.4807, 200: 2.4085, 300: 2.3832, 400: 2.3707, 500: 2.3632}
NOTEBOOK_SPLITS = {"train": 2.3632, "dev": 2.3668, "test": 2.3730}


@dataclass
class Settings(compiled.Settings, common.LectureSettings, common.NamesSettings):
    steps: int = common.setting(1_000, "steps of gradient descent for each penalty", least=1)
    names: int = common.setting(10, "names to make up with each model at the end", least=0)


LECTURE = {"steps": 501}


# --- two characters predict the third ---


def sweep_counting(tables, V: int) -> dict[str, list[Fit]]:
    """Bigrams and trigrams by counting, for each smoothing: counts from train, losses on train and dev."""
    bigrams = {part: N.reshape(V, V, V).sum(0) for part, N in tables.items()}  # summed over the first character
    return {kind: [Fit(k, {part: nll_by_counting(smooth(N["train"], k), N[part]) for part in ("train", "dev")})
                   for k in SMOOTHING] for kind, N in (("counted bigram", bigrams), ("counted trigram", tables))}


def best(fits: list[Fit]) -> Fit:
    """The lowest loss on dev: on train the weakest smoothing always wins, and test is for the end."""
    return min(fits, key=lambda fit: fit.losses["dev"])


def show_sweep(what: str, sweeps: dict[str, list[Fit]]) -> None:
    print(f"{what:>22} " + " ".join(f"{fit.strength:>7g}" for fit in max(sweeps.values(), key=len)))
    for kind, fits in sweeps.items():
        for part in ("train", "dev"):
            print(f"{kind + ', ' + part:>22} " + " ".join(f"{fit.losses[part]:7.4f}" for fit in fits))
        print(f"{'':>22} lowest on dev: {best(fits).strength:g}")


def show_limit(pair: NGram, vocabulary: text.Vocabulary, x, n) -> None:
    """Where a sum of rows must fail: the contexts with the largest extra loss, beside the counted probabilities."""
    counted, predicted = n / n.sum(1, keepdims=True), pair(x).softmax().data  # (C, V)
    cost = (n * np.log(np.where(n > 0, counted / predicted, 1))).sum(1) / n.sum()  # (C,)
    print(f"why the pair is no trigram: the first character shifts the logits by the same amount whatever the second "
          f"is.\nThat costs {cost.sum():.3f} nats on train; the loss is convex, so no training finds a better sum. "
          f"Most of it:")
    for c in cost.argsort()[::-1][:3]:
        y = int(np.abs(counted[c] - predicted[c]).argmax())
        print(f"  {vocabulary.characters[y]!r} after {vocabulary.decode(x[c])!r}: {predicted[c, y]:.2f}, counted "
              f"{counted[c, y]:.2f}; costs {cost[c]:.4f}")


def lecture_pair(V: int, data, s: Settings) -> None:
    """The notebook's 'trigram': plain gradient descent, as in its code."""
    print("the notebook's 'trigram', rate 10; its shuffle had no seed, so its splits have other names than ours")
    model = NGram("additive pair", V)
    model.W.data[...] = tt.Generator(s.seed).randn(2 * V, V)
    opt = optim.SGD(model.parameters(), lr=10)

    @compiled.step(model, opt, eager=s.eager)
    def step(x, n):  # (C, T), (C, V)
        loss = nll(model(x), n)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    for i in range(s.steps):
        loss = step(*data["train"])
        if i in NOTEBOOK:
            common.tell(f"  step {i:>3}", loss.item(), NOTEBOOK[i], 2e-3)
    print(f"  {step}")
    losses = evaluate(model, data)
    for part, loss in losses.items():
        common.tell(f"  {part:>5} loss", loss, NOTEBOOK_SPLITS[part], 2e-3 if part == "train" else 1.5e-2)
    common.show_losses(s, losses, NOTEBOOK_SPLITS)


# --- the script, from top to bottom ---


def main(s: Settings) -> int:
    s.steps = min(s.steps, 100) if s.quick else s.steps
    names, plot = common.read_names(s.data), common.plotting(s.plots)
    vocabulary, V = names.vocabulary, len(names.vocabulary)
    if V > 200:
        raise common.UserError(f"{s.data}: got {V:,} different characters; expected at most 200, because each pair of "
                               f"them has a row of weights; give a text with fewer")
    x, y = (a.reshape(-1)[:250_000] for a in text.windows(names.items, vocabulary, 1))  # names.txt has 228,146
    N = count(x[:, None], y, V)  # (V, V): bigrams of all items, as the lecture has it
    tables = {part: count(*pairs, V) for part, pairs in names.windows(2).items()}  # (V * V, V): of each split
    data = {part: contexts(table, 2) for part, table in tables.items()}  # (C, 2) and (C, V)
    if plot:
        plot.count_map(N, vocabulary.characters, path=Path(s.plots) / "counts.png")
        common.drawn(s.plots, "counts.png")
    bigram.show_counting(vocabulary, x, y, N, s)
    bigram.show_layer(vocabulary, x, y, N, s)
    if s.lecture:
        lecture_pair(V, data, s)
        return 0

    progress, linear, counted = bigram.show_penalty(vocabulary, N, s), {}, sweep_counting(tables, V)
    test = data.pop("test")  # not used before all is chosen
    for kind in ("additive pair", "true trigram"):
        if not progress.interrupted:
            linear[kind], progress = fit(NGram(kind, V), data, PENALTIES, s)
    print(f"{progress.title}: {progress.pace()}")
    if not linear:
        return progress.status
    show_sweep("added to each count", counted)
    show_sweep("penalty", linear)
    if plot:
        rows = {what: {kind: [(fit.strength, *fit.losses.values()) for fit in fits] for kind, fits in sweeps.items()}
                for what, sweeps in (("added to each count", counted), ("penalty", linear))}
        plot.sweep_curve(rows, ylabel=common.NATS, path=Path(s.plots) / "sweep.png")
        common.drawn(s.plots, "sweep.png")
    chosen = {kind: best(fits).model for kind, fits in linear.items()}
    show_limit(chosen["additive pair"], vocabulary, *data["train"])
    for kind, model in chosen.items():
        with common.evaluating(model) as predict:
            print(kind, end=": ")
            common.show_names(predict, names, 2, tt.Generator(s.seed), s.names)

    k = best(counted["counted trigram"]).strength
    loss = nll_by_counting(smooth(tables["train"], k), tables["test"])
    print(f"test, used once; trigram by counting: {loss:.3f}")
    data["test"] = test
    results = {kind: evaluate(model, data) for kind, model in chosen.items()}
    if "true trigram" in results:
        print("true trigram: " + " ".join(f"{part} {loss:.3f}" for part, loss in results["true trigram"].items()))
    common.show_losses(s, results["additive pair"], NOTEBOOK_SPLITS)
    return progress.status


if __name__ == "__main__":
    common.run(main, Settings, __doc__, {"lecture": LECTURE})
