"""Lecture 6: a GPT writes Shakespeare, character by character, and names; attention from the first average on.

A Transformer built like GPT-2, trained on a text file or on a list of names: blocks of self-attention and an MLP per
position, each with a residual connection. It shows the loss on train and dev, samples while it trains, what the heads
attend to, and how text is generated token by token with a key/value cache. --ladder builds the network up as the
lecture does. It leaves out fine-tuning and pretrained weights: `GPT.from_pretrained` reads those.

    python examples/gpt.py                         about three minutes on Shakespeare, samples, figures in plots/gpt
    python examples/gpt.py --recipe shakespeare    nanoGPT's small recipe for a CPU: 2,000 steps
    python examples/gpt.py --recipe names          names, to the lowest loss: about seven minutes
    python examples/gpt.py --ladder                the lecture's steps from a bigram to a GPT, one after the other
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", str(min(2, os.cpu_count() or 1)))  # two are faster here

from shared import common, compiled, texts  # isort: skip  # before NumPy is loaded

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from exercises import gpt_ladder

import tinytensor as tt
from tinytensor import checkpoint, optim
from tinytensor.models import GPT
from tinytensor.text import sampling

SOME = 64  # windows, or eight times as many lines, to estimate the dev loss during training
RECIPES = {
    "ours": {},
    "shakespeare": {"steps": 2_000, "width": 128, "layers": 4, "heads": 4, "context": 64, "batch": 12, "lr": 1e-3,
                    "warmup": 100, "last": 0.1, "weight_decay": 0.1, "dropout": 0.0},
    "names": {"data": str(common.DATA / "names.txt"), "lines": True, "steps": 36_000, "width": 64, "layers": 4,
              "heads": 4, "context": 16, "batch": 32, "lr": 2e-3, "warmup": 0, "last": 0.0, "schedule": "linear",
              "weight_decay": 0.1, "dropout": 0.1},
}


@dataclass
class Settings(compiled.Settings, common.Settings):
    data: str = common.setting(str(common.DATA / "shakespeare.txt"), "UTF-8 text file")
    lines: bool = common.setting(False, "treat each line of the file as a separate text, such as a name")
    bpe: int = common.setting(0, "merges of a byte-pair encoding trained on the file; 0: characters", least=0)
    context: int = common.setting(64, "tokens that it can attend to", least=1)
    width: int = common.setting(128, "size of the embedding of a token", least=1)
    layers: int = common.setting(4, "blocks", least=1)
    heads: int = common.setting(4, "attention heads per block", least=1)
    dropout: float = common.setting(0.0, "share of activations set to 0 at random", least=0)
    batch: int = common.setting(12, "texts in a batch", least=1)
    steps: int = common.setting(4_000, "steps of AdamW", least=1)
    lr: float = common.setting(2e-3, "highest learning rate", least=0)
    last: float = common.setting(0.05, "final learning rate, as a share of the highest", least=0)
    warmup: int = common.setting(100, "steps over which the learning rate rises from 0", least=0)
    schedule: str = common.setting("cosine", "how the learning rate falls", choices=("cosine", "linear"))
    weight_decay: float = common.setting(0.1, "weight decay of the matrices", least=0)
    prompt: str = common.setting("\n", "how a sample starts; by default with a new line")
    count: int = common.setting(500, "tokens to generate at the end", least=0)
    temperature: float = common.setting(0.8, "divides the logits of a sample: below 1 it is more usual, above 1 "
                                        "wilder; 0: always the likeliest token", least=0)
    top_k: int = common.setting(None, "sample only from the k likeliest tokens", least=1)
    top_p: float = common.setting(None, "sample only from the likeliest tokens that together have this "
                                  "probability", above=0)
    ladder: bool = common.setting(False, "only train the lecture's networks, from a bigram to a GPT; --steps may "
                                  "shorten each")
    save: str = common.setting(None, "file for everything that a run needs to be continued")
    resume: str = common.setting(None, "continue the run of a file that --save wrote, bit for bit, with its settings")
    sample_from: str = common.setting(None, "only generate text, with the network of a file that --save wrote")
    recipe: str = common.setting("ours", "known settings, which flags may change", choices=tuple(RECIPES))
    plots: str = common.setting("plots/gpt", "folder for the figures")
    seed: int = common.setting(1337, "seed of everything random: weights, batches, dropout, samples", least=0,
                               most=common.SEED)


# --- the model and its training ---


def build(s: Settings, vocabulary: int) -> tuple[GPT, optim.AdamW, tt.Generator, np.random.Generator]:
    """The untrained network, its optimiser, and the generators of batches and of dropout."""
    rng, noise = tt.Generator(s.seed), np.random.default_rng(s.seed)
    try:
        model = GPT(vocabulary, s.context, s.width, s.layers, s.heads, s.dropout, rng=rng, dropout_rng=noise)
    except ValueError as error:
        raise common.UserError(str(error)) from None
    groups = optim.decay_groups(model.named_parameters(), s.weight_decay, exempt=["wte", "wpe"])
    return model, optim.AdamW(groups, lr=s.lr, betas=(0.9, 0.99)), rng, noise


def schedule(s: Settings) -> optim.Schedule:
    rate = {"cosine": optim.cosine, "linear": optim.linear}[s.schedule](s.lr, s.last * s.lr, s.steps)
    return optim.warmup(rate, s.warmup) if s.warmup else rate


@np.errstate(over="ignore", invalid="ignore")  # `log` reports a rate that is too high
def train(model, opt, data, s: Settings, rng, start: int) -> tuple[common.Progress, dict[int, float]]:
    """Train from step `start` to the last: the losses, and the dev loss at six steps."""
    rate, dev, progress = schedule(s), {}, common.Progress(s.steps, start=start)

    @compiled.step(model, opt, eager=s.eager)
    def step(x, y, lr):  # (B, T), (B, T)
        loss = tt.cross_entropy(model(x), y, ignore_index=common.NOTHING)
        opt.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        opt.lr = lr
        opt.step()
        return loss

    for i, (x, y) in zip(progress, data.batches(s.batch, rng)):
        progress.log(step(x, y, rate(i)).item())
        if (i + 1) % max(1, s.steps // 6) == 0:
            dev[i + 1] = data.evaluate(model, "dev", SOME)
            written = "".join(data.sample(model, dataclasses.replace(s, count=75), tt.Generator(s.seed)))
            common.say(f"after {i + 1:,} steps: dev {dev[i + 1]:.3f}, it writes {written.strip()!r}")
    progress.step = step
    return progress, dev


# --- what is saved, and what is shown ---


def plotting(folder: str):
    """As `common.plotting`; without matplotlib the default figures are left out, and those asked for are an error."""
    try:
        return common.plotting(folder)
    except common.UserError as error:
        if folder != Settings.plots or "matplotlib" not in str(error):
            raise
        print("no figures: pip install -e '.[examples]' adds matplotlib")
        return None


def read(path: str, s: Settings) -> tuple[dict, Settings]:
    """What a run has saved, and its settings; only flags that change neither network nor training may replace them."""
    saved = checkpoint.load(path)
    try:
        before = Settings(**saved["settings"])
    except (KeyError, TypeError):
        raise common.UserError(f"{path}: got a checkpoint of another model; expected one that examples/gpt.py wrote "
                               f"with --save; name another file") from None
    flags = ("eager", "save", "resume", "sample_from", "plots", "prompt", "count", "temperature", "top_k", "top_p")
    common.check_saved(s, {name: kept for name, kept in vars(before).items() if name not in flags}, path)
    return saved, dataclasses.replace(before, **{name: getattr(s, name) for name in flags})


def write(model, data, s: Settings) -> None:
    """Print a sample while it is generated."""
    for piece in data.sample(model, s, tt.Generator(s.seed)):
        print(piece, end="", flush=True)
    print()


def draw(plot, folder: Path, model, data, progress: common.Progress, dev: dict[int, float], result) -> None:
    plot.loss_curve(data.per_character * np.array(progress.losses), {"dev at the end": result["dev"]}, dev,
                    start=progress.start, ylabel=common.NATS, path=folder / "loss.png")
    ids, tokens = data.example()  # (T,)
    plot.attention_maps(model.attention(ids[None])[:, 0], tokens, path=folder / "attention.png")
    common.drawn(folder, "loss.png", "attention.png")


# --- the script, from top to bottom ---


def main(s: Settings) -> int:
    for flags in (("ladder", "resume", "sample_from"), ("ladder", "save"), ("sample_from", "save"), ("lines", "bpe")):
        common.only_one(s, *flags)
    saved = {}
    if s.resume or s.sample_from:
        saved, s = read(s.resume or s.sample_from, s)
    s.steps = min(s.steps, 30) if s.quick else s.steps
    plot = None if s.sample_from else plotting(s.plots)
    if s.sample_from and s.plots != Settings.plots:
        common.nothing_drawn(s.plots, "--sample-from trains nothing")
    if s.ladder:
        if s.lines or s.bpe:
            raise common.UserError("argument --ladder: got --lines or --bpe; expected one text of characters; leave "
                                   "them out")
        return gpt_ladder.ladder(s, plot)
    if s.save:
        checkpoint.writable(s.save)
    sampling.check(s.temperature, s.top_k, s.top_p)  # before a long training, not after it
    data = texts.Lines(s.data, s.context) if s.lines else texts.LongText(s.data, s.context, s.bpe)
    data.tokens.encode(data.prompt(s))
    model, opt, rng, noise = build(s, len(data.tokens))
    if saved:
        checkpoint.load(s.resume or s.sample_from, model=model, optimizer=opt, rng=rng)
        noise.bit_generator.state = saved["noise"]
    if s.sample_from:
        write(model, data, s)
        return 0
    print(f"{data}; {model.num_parameters():,} weights")

    progress, dev = train(model, opt, data, s, rng, saved.get("step", 0))
    print(progress.pace())
    if s.save:
        settings = dataclasses.asdict(s) | {"resume": None}
        checkpoint.save(s.save, model=model, optimizer=opt, rng=rng, noise=noise.bit_generator.state,
                        step=progress.start + len(progress.losses), settings=settings)
        print(f"saved: {s.save}")
    result = {part: data.evaluate(model, part, SOME if s.quick else 10**9) for part in data.splits}
    write(model, data, s)
    if plot and progress.losses:
        draw(plot, Path(s.plots), model, data, progress, dev, result)
    elif plot:
        common.nothing_drawn(s.plots, "the run had ended already")
    print("loss: " + " ".join(f"{part} {loss:.3f}" for part, loss in result.items()) + " per character")
    return progress.status


if __name__ == "__main__":
    common.run(main, Settings, __doc__, RECIPES)
