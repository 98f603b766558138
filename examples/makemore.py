"""makemore: seven models learn the same names for the same time, from a table of pairs to a Transformer.

Bigram, MLP, dilated causal CNN, bag of words, RNN, GRU and Transformer take names as they are (B, T) and give logits
for the character after each; the learning rate falls with the time that has passed. A table tells the loss of each on
the splits, and names that it made up. The clock is the processor's: other work on the machine does not count. But how
many steps fit in, and so all figures, differ from run to run; --steps makes a run repeatable. It leaves out the search
for the best sizes, and regularisation.

    python examples/makemore.py                   twenty seconds each, some three minutes in all
    python examples/makemore.py --model gru       only one of them
    python examples/makemore.py --steps 1000      as many steps for each, however long they take
"""

import common  # first of all: it sets one BLAS thread

import time  # isort: skip
from dataclasses import dataclass
from pathlib import Path

import compiled
import gpt_data
import numpy as np

import tinytensor as tt
from tinytensor import optim
from tinytensor.models import GPT, GRU, MLP, RNN, Bigram, BoW, CausalCNN
from tinytensor.text.sampling import draw

CONTEXT = 16  # characters of a name, and the boundary before it
ALL, FEW = 10**9, 50  # names that a loss is the mean over; few with --quick
MODELS = {  # what; how it is made for V characters; its learning rate at the start
    "bigram": (lambda V, rng: Bigram(V), 0.1),
    "mlp": (lambda V, rng: MLP(V, context=8, rng=rng), 3e-3),
    "cnn": (lambda V, rng: CausalCNN(V, rng=rng), 3e-3),
    "bow": (lambda V, rng: BoW(V, CONTEXT, rng=rng), 5e-3),
    "rnn": (lambda V, rng: RNN(V, rng=rng), 3e-3),
    "gru": (lambda V, rng: GRU(V, rng=rng), 5e-3),
    "transformer": (lambda V, rng: GPT(V, CONTEXT, width=32, layers=2, heads=4, rng=rng), 5e-3),
}


@dataclass
class Settings(compiled.Settings, common.NamesSettings):
    model: str = common.setting("all", "which of them to train", choices=("all", *MODELS))
    seconds: float = common.setting(20.0, "time of the processor to train each", above=0)
    steps: int = common.setting(0, "steps for each in the place of a time; 0: by the clock", least=0)
    batch: int = common.setting(32, "names in a step", least=1)
    names: int = common.setting(5, "names that each makes up at the end", least=0)
    recipe: str = common.setting("ours", "there is but one", choices=("ours",))
    seed: int = common.setting(42, "seed of all that is drawn: weights, batches, names")


# --- training ---


def train(model, data: gpt_data.Lines, s: Settings, lr: float, rng, title: str):
    """For a time, or some steps: progress, seconds, and dev loss over seconds; for a look at dev the clock stands."""
    opt, batches, curve = optim.AdamW(model.parameters(), lr=lr), data.batches(s.batch, rng), {}
    most = FEW if s.quick else ALL
    total, slices = s.steps or s.seconds, s.steps or 100
    progress = common.Progress(slices, title if s.steps else f"{title}, % of {s.seconds:g} s")
    seconds = spent = look = 0.0

    @compiled.step(model, opt, eager=s.eager)
    def step(x, y, lr):  # (B, T), (B, T)
        loss = tt.cross_entropy(model(x), y, ignore_index=common.NOTHING)
        opt.zero_grad()
        loss.backward()
        opt.lr = lr
        opt.step()
        return loss

    for i in progress:
        while spent < (i + 1) * total / slices:  # one step, or as many as fit in a hundredth of the time
            done, start = spent / total, time.process_time()
            loss = step(*next(batches), lr * (1 - done))
            took = time.process_time() - start
            seconds, spent = seconds + took, spent + (1 if s.steps else took)
            progress.log(loss.item())
            if done >= look:
                curve[seconds], look = data.evaluate(model, "dev", most), done + min(0.05, 0.01 + 0.3 * done)
    curve[seconds] = data.evaluate(model, "dev", most)
    progress.step = step
    return progress, seconds, curve


# --- what is shown ---


def made_up(model, data: gpt_data.Lines, count: int, rng) -> str:
    """New names, all at once, * before those that stand in the training set."""
    tokens = np.zeros((count, 1), np.int64)  # (N, T): each begins with the boundary
    with common.evaluating(model) as predict:
        for _ in range(CONTEXT if count else 0):
            tokens = np.concatenate([tokens, draw(predict(tokens)[:, -1], rng)[:, None]], axis=1)
    known = set(data.names.splits["train"])
    names = [data.tokens.decode(row[1:]).split(data.tokens.boundary)[0] for row in tokens]
    return "  ".join(("*" if name in known else "") + name for name in names)


# --- the script, from top to bottom ---


def main() -> int:
    s = common.parse(Settings, __doc__)
    if s.quick:
        s.seconds, s.steps = min(s.seconds, 0.3), min(s.steps, 20)
    plot, data = common.plotting(s.plots), gpt_data.Lines(s.data, CONTEXT)
    print(f"{data}; {f'{s.steps:,} steps' if s.steps else f'{s.seconds:g} s'} each")
    print("model         weights   steps  seconds   train     dev    test  it writes")
    curves, speeds, status = {}, [], 0
    for name in MODELS if s.model == "all" else [s.model]:
        build, lr = MODELS[name]
        rng = tt.Generator(s.seed)
        model = build(len(data.tokens), rng)
        progress, seconds, curves[name] = train(model, data, s, lr, rng, name)
        result = {part: data.evaluate(model, part, FEW if s.quick else ALL) for part in data.splits}
        common.say(f"{name:<11} {model.num_parameters():>9,} {len(progress.losses):>7,} {seconds:>8.1f}  "
                   + "  ".join(f"{loss:.4f}" for loss in result.values())
                   + "  " + made_up(model, data, s.names, rng))
        speeds.append(f"{name} {progress.step}")
        if status := progress.status:
            break
    print("\n".join(speeds))
    if plot:
        plot.race_chart(curves, ylabel="dev loss, nats per character", path=Path(s.plots) / "race.png")
        common.drawn(s.plots, "race.png")
    return status


if __name__ == "__main__":
    common.run(main)
