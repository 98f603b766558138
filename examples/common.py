"""What every example shares: one BLAS thread, settings as flags, progress, Ctrl-C, errors in one line, and the names.

Import it first: the number of threads counts only before NumPy is loaded. No model and no training loop lives here.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar, get_type_hints

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # small matrices: two threads would make a step 5 times slower

signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # Ctrl-C while the imports load; `run` takes over

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a clone works without being installed

import numpy as np  # noqa: E402

import tinytensor as tt  # noqa: E402
from tinytensor import text  # noqa: E402
from tinytensor.checkpoint import CheckpointError  # noqa: E402
from tinytensor.text import CorpusError  # noqa: E402

tt.keep_freed_memory()  # the next step wants it again

DATA = Path(__file__).resolve().parents[1] / "data"
T = TypeVar("T")


class UserError(ValueError):
    """A mistake of the one who runs the script, to be told in one line: what came, what was expected, what to do."""


# --- settings ---


def setting(default: Any, help: str, choices: tuple[str, ...] = (), least: float | None = None,
            above: float | None = None) -> Any:
    """A field of a settings dataclass: its default, its line in --help, and what is allowed."""
    allowed = {"choices": choices, "least": least, "above": above}
    return dataclasses.field(default=default, metadata={"help": help, **allowed})


@dataclasses.dataclass
class Settings:
    """What every script takes, behind its own settings."""

    seed: int = setting(2147483647, "seed of all that is drawn: weights, batches, samples")
    recipe: str = setting("ours", "lecture: the notebook's own settings, whatever the flags say, and its streams",
                          choices=("ours", "lecture"))
    quick: bool = setting(False, "some seconds only, to see that all works")
    plots: str = setting(None, "folder for the figures")

    @property
    def lecture(self) -> bool:
        return self.recipe == "lecture"


@dataclasses.dataclass
class NamesSettings(Settings):
    """The same for a script that learns names."""

    data: str = setting(str(DATA / "names.txt"), "a UTF-8 file with one item a line")
    names: int = setting(20, "names to make up at the end", least=0)


class Parser(argparse.ArgumentParser):
    """Errors in one line, and exit status 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def parse(settings: type[T], description: str, arguments: list[str] | None = None) -> T:
    """Settings from the command line: a flag for each field, `--no-name` where a field is True."""
    parser = Parser(description=description, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared, kinds = {"eager", *(f.name for f in dataclasses.fields(NamesSettings))}, get_type_hints(settings)
    for field in sorted(dataclasses.fields(settings), key=lambda f: f.name in shared):  # type: ignore[arg-type]
        flag, extra = "--" + field.name.replace("_", "-"), dict(field.metadata)
        least, above, choices = (extra.pop(name) for name in ("least", "above", "choices"))
        if isinstance(field.default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=field.default, **extra)
            continue
        extra["help"] += "" if field.default in (None, "") else f" (default: {field.default})"
        kind = kinds[field.name]
        parser.add_argument(flag, default=field.default, type=checked(kind, least, above), choices=choices or None,
                            metavar=None if choices else kind.__name__.upper(), **extra)
    parsed = settings(**vars(parser.parse_args(arguments)))
    if getattr(parsed, "recipe", "") == "lecture":
        for name in ("seed", "data"):
            came, own = getattr(parsed, name, ""), getattr(settings, name, "")
            if came != own and not (name == "data" and Path(came).resolve() == Path(own).resolve()):
                parser.error(f"--{name} {came} came with --recipe lecture; expected the notebook's own {name}, or its "
                             f"figures can't come out; leave out one of the two")
    return parsed


def checked(kind: type, least: float | None, above: float | None) -> Callable[[str], Any]:
    """A converter for argparse that also holds the bounds."""

    def convert(text: str) -> Any:
        try:
            value = kind(text.replace("_", "")) if kind is not str else text
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} came, expected {NAMES[kind]}") from None
        if least is not None and not least <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} came, expected {NAMES[kind]}, {least} or more")
        if above is not None and not above < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} came, expected {NAMES[kind]} above {above}")
        if text == "":
            raise argparse.ArgumentTypeError("nothing came, expected a name; leave the flag out to do without")
        return value

    return convert


NAMES = {int: "a whole number", float: "a number", str: "text"}


# --- the run ---


def run(main: Callable[[], int | None]) -> NoReturn:
    """Run a script's main: a user's mistake is one line and status 2; a fault of ours keeps its traceback."""
    name = Path(sys.argv[0]).name
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status = main() or 0
        sys.stdout.flush()
    except (UserError, CorpusError, CheckpointError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        status = 2
    except BrokenPipeError:  # the reader of our output has gone: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    except KeyboardInterrupt:
        print(f"\n{name}: stopped", file=sys.stderr)
        status = 130
    sys.exit(status)


def say(text: str) -> None:
    """Print a line while a progress bar may stand on the screen."""
    print(("\r\033[K" if sys.stdout.isatty() else "") + text, flush=True)


class Progress:
    """The steps of a loop, with loss and time left; Ctrl-C ends the loop after the step it is in.

    A bar where tqdm is installed, else a line now and then. `log` takes the loss of each step; where the notebook
    printed its own, `expected` by step, both are told.
    """

    def __init__(self, steps: int, title: str = "training", start: int = 0, expected: Mapping[int, float] | None = None,
                 whose: str = "the notebook's") -> None:
        self.steps, self.title, self.start, self.interrupted = steps, title, start, False
        self.losses: list[float] = []
        self.expected, self.whose = expected or {}, whose
        self.began, self.seconds, self.note, self.told = time.perf_counter(), 0.0, "", 0
        self.step: Any = None  # a `compiled.Step`, which tells what a step takes

    def log(self, loss: float) -> None:
        """The loss of the step that was just made, if it is a number."""
        i = self.start + len(self.losses)
        if not math.isfinite(loss):
            raise UserError(f"the loss is {loss} at step {i}; expected a number; give a smaller --lr")
        self.losses.append(loss)
        if i % 200 == 0:
            self.note = f"loss {np.mean(self.losses[-1000:]):.3f}"
        if i in self.expected:
            tell(f"{i:>7} steps", loss, self.expected[i], whose=self.whose)

    def pace(self) -> str:
        """How far it came, in what time."""
        n = len(self.losses)
        return (f"{n:,} steps in {self.seconds:.1f} s, {self.seconds / max(n, 1) * 1e6:.0f} us a step"
                + ("; stopped by Ctrl-C, here are the figures so far" if self.interrupted else "")
                + (f"\n{self.step}" if self.step else ""))

    @property
    def status(self) -> int:
        """The script's exit status: 130 after Ctrl-C."""
        return 130 if self.interrupted else 0

    def __iter__(self) -> Iterator[int]:
        before = signal.getsignal(signal.SIGINT)
        signal.signal(signal.SIGINT, self.interrupt)
        bar, every = self.bar(), max(1, min(self.steps // 200, 100))
        try:
            for i in range(self.start, self.steps):
                yield i
                if (i + 1) % every == 0 or i + 1 == self.steps:
                    bar(i + 1)
                if self.interrupted:
                    break
        finally:
            self.seconds = time.perf_counter() - self.began
            signal.signal(signal.SIGINT, before)
            bar(None)

    def interrupt(self, *_: Any) -> None:
        if self.interrupted:  # a second Ctrl-C does not wait for the end
            raise KeyboardInterrupt
        self.interrupted = True

    def bar(self) -> Callable[[int | None], None]:
        """A function that shows how far we are; None ends it."""
        try:
            from tqdm.auto import tqdm  # in a notebook a widget, else a line of text
        except ImportError:
            print("plain progress lines: pip install -e '.[examples]' adds a bar, and figures with --plots")
            return self.line
        tqdm_bar = tqdm(total=self.steps, initial=self.start, desc=self.title, unit=" steps", unit_scale=True,
                        mininterval=0.2, dynamic_ncols=True)

        def show(done: int | None) -> None:
            if done is None:
                tqdm_bar.close()
            else:
                tqdm_bar.set_postfix_str(self.note, refresh=False)
                tqdm_bar.update(done - tqdm_bar.n)

        return show

    def line(self, done: int | None) -> None:
        """A line for each twentieth of the way."""
        if done is None or done * 20 // self.steps == self.told:
            return
        self.told = done * 20 // self.steps
        left = (time.perf_counter() - self.began) / (done - self.start) * (self.steps - done)
        print(f"{self.title}: {done:,} of {self.steps:,} steps, {self.note}, {left:.0f} s left", flush=True)


NATS = "cross-entropy, nats per character"  # the axis of most figures


def plotting(folder: str | None) -> Any:
    """`tinytensor.diagnostics.plot`, once it is sure that matplotlib is there and the folder can be written.

    None where no figures are asked for. What is drawn is named by `drawn`, and `nothing_drawn` says why there is none.
    """
    if folder is None:
        return None
    try:
        from tinytensor.diagnostics import plot
    except ImportError:
        raise UserError("--plots needs matplotlib, which is missing; pip install -e '.[examples]' adds it") from None
    writable_folder(Path(folder))
    return plot


def drawn(folder: str | Path, *names: str) -> None:
    """The line that says which figures were drawn."""
    say(f"figures in {folder}: {', '.join(names)}")


def nothing_drawn(folder: str | None, why: str) -> None:
    """The line that says why a run with --plots draws nothing."""
    if folder is not None:
        say(f"no figures: {why}")


def writable_folder(folder: Path) -> None:
    """Make the folder, or say in one line why it can't be used; found out before a long run, not after it."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: this is a file; expected a folder that can be written; name another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{os.getpid()}.part"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}; expected a folder that can be written; name another") from None


# --- the names, and how well a model knows them ---


class Names(NamedTuple):
    """The items of a file: their characters, and the lectures' split into train, dev and test."""

    items: list[str]
    vocabulary: text.Vocabulary
    splits: dict[str, list[str]]

    def windows(self, context: int) -> dict[str, tuple[Any, Any]]:
        """For each split the contexts (N, context) and the characters that follow (N,)."""
        return {name: text.windows(part, self.vocabulary, context) for name, part in self.splits.items()}

    def told(self, data: Mapping[str, tuple[Any, Any]]) -> str:
        """How much there is."""
        sizes = ", ".join(f"{len(Y):,} {name}" for name, (_, Y) in data.items())
        return f"{len(self.items):,} items, {len(self.vocabulary)} characters, {sizes} examples"


def read_names(path: str) -> Names:
    """The file's items, in the order of the file, and split by ``random.seed(42)``."""
    items = text.read_items(path)
    try:
        return Names(items, text.Vocabulary.of(items), dict(zip(("train", "dev", "test"), text.split(items))))
    except text.CorpusError as error:
        raise UserError(f"{path}: {error}") from None


@contextmanager
def evaluating(model: Any) -> Iterator[Callable[[Any], Any]]:
    """Inside, the model is in eval mode and nothing is recorded; the function given maps inputs to arrays of logits."""
    was = model.training
    model.eval()
    with tt.no_grad():
        yield lambda x: model(x).data
    model.train(was)


NOTHING = -100  # a target that does not count


def evaluate(model: Any, X: Any, Y: Any, rows: int = 8192) -> float:
    """The mean loss over a whole split, in nats per target, by so many rows at a time."""
    parts = [slice(i, i + rows) for i in range(0, len(X), rows)]
    with evaluating(model) as predict:
        total = sum(float(tt.cross_entropy(predict(X[p]), Y[p], "sum", NOTHING)) for p in parts)
    return total / np.count_nonzero(Y != NOTHING)


def tell(what: str, ours: float, expected: float, tolerance: float = 2e-4, digits: int = 4,
         whose: str = "the notebook's") -> None:
    """Our figure beside the notebook's: = to the printed digit, ≈ within the tolerance."""
    same, near = round(ours, digits) == expected, abs(ours - expected) <= tolerance + 0.5 * 10**-digits
    mark = "=" if same else "≈" if near else "differs from"
    say(f"{what}: {ours:.{digits}f} {mark} {whose} {expected:.{digits}f}")


def tell_splits(result: Mapping[str, float], expected: Mapping[str, float], digits: int = 4,
                whose: str = "the notebook's") -> None:
    """The losses on the splits beside the notebook's."""
    for name, loss in expected.items():
        tell(f"{name:>5} loss", result[name], loss, 5e-5, digits, whose)


def show_losses(result: Mapping[str, float], notebook: Mapping[str, float]) -> None:
    """The losses on the splits, as the last line."""
    print("the notebook's loss: " + " ".join(f"{name} {loss:.4f}" for name, loss in notebook.items()))
    print("loss: " + " ".join(f"{name} {loss:.3f}" for name, loss in result.items()))


def show_names(predict: Callable[[Any], Any], names: Names, context: int, rng: tt.Generator, count: int,
               temperature: float = 1.0, expected: Sequence[str] = ()) -> None:
    """Print newly drawn names, * before those that stand in the training set; `predict` gives logits for contexts."""
    known = set(names.splits["train"])
    drawn = [text.sample(predict, names.vocabulary, context, rng, temperature) for _ in range(count)]
    if drawn:
        print(f"{count} new names (* stands in the training set):")
        print("  " + "  ".join(("*" if name in known else "") + name for name in drawn))
    if expected:
        same = sum(a == b for a, b in zip(drawn, expected))
        print(f"{same} of the expected {len(expected)} names: {' '.join(expected)}")
