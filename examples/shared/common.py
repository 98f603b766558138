"""What every script uses: flags, the run with its errors in one line, progress and Ctrl-C, tables, losses and names.

No model and no training loop lives here.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np

import tinytensor as tt
from tinytensor import text
from tinytensor.checkpoint import CheckpointError
from tinytensor.text import CorpusError

from .settings import DATA, LectureSettings, NamesSettings, Recipes, Settings, UserError, parse, setting

__all__ = ["DATA", "NOTHING", "LectureSettings", "Names", "NamesSettings", "Progress", "Settings", "Table", "UserError",
           "evaluate", "evaluating", "parse", "plotting", "read_names", "references", "run", "say", "setting",
           "show_losses", "show_names", "tell", "tell_splits", "writable_folder"]

signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # Ctrl-C while the imports load; `run` takes over
tt.keep_freed_memory()  # the next step needs it again
S = TypeVar("S", bound=Settings)


# --- the run ---


def run(main: Callable[[S], int | None], settings: type[S], description: str,
        recipes: Recipes | None = None) -> NoReturn:
    """Run a script's main with the settings of the command line.

    A user's mistake is one line and exit status 2; a fault of the project's keeps its traceback.
    """
    name = Path(sys.argv[0]).name
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        s = parse(settings, description, recipes)
        asked = Path(s.plots) if s.plots != settings.plots else None
        before = files(asked)
        status = main(s) or 0
        if asked and not status and files(asked) == before:
            print(f"--plots {asked}: there is nothing to draw with these settings")
        sys.stdout.flush()
    except (UserError, CorpusError, CheckpointError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        status = 2
    except BrokenPipeError:  # nobody reads the output any more: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    except KeyboardInterrupt:
        print(f"\n{name}: stopped", file=sys.stderr)
        status = 130
    sys.exit(status)


def files(folder: Path | None) -> dict[Path, int]:
    """The files in a folder, if it exists, and when each was written."""
    return {path: path.stat().st_mtime_ns for path in folder.glob("*.*")} if folder and folder.is_dir() else {}


def say(text: str) -> None:
    """Print a line, also while a progress bar is on the screen."""
    print(("\r\033[K" if sys.stdout.isatty() else "") + text, flush=True)


class Progress:
    """The steps of a loop, with the loss and the time left; Ctrl-C ends the loop after the current step.

    A bar where tqdm is installed, otherwise a line now and then. `log` takes the loss of each step; `expected` has the
    losses that the notebook printed, by step: they are shown beside ours.
    """

    def __init__(self, steps: int, title: str = "training", start: int = 0, expected: Mapping[int, float] | None = None,
                 whose: str = "the notebook's") -> None:
        self.steps, self.title, self.start, self.interrupted = steps, title, start, False
        self.losses: list[float] = []
        self.expected, self.whose = expected or {}, whose
        self.began, self.seconds, self.note, self.twentieths = time.perf_counter(), 0.0, "", 0
        self.step: Any = None  # a `compiled.Step`, which prints how long a step takes

    def log(self, loss: float) -> None:
        """Record the loss of the step just made, if it is finite."""
        i = self.start + len(self.losses)
        if not math.isfinite(loss):
            raise UserError(f"loss: got {loss} at step {i}; expected a finite number; give a smaller --lr")
        self.losses.append(loss)
        if i % 200 == 0:
            self.note = f"loss {np.mean(self.losses[-1000:]):.3f}"
        if i in self.expected:
            tell(f"{i:>7} steps", loss, self.expected[i], whose=self.whose)

    def pace(self) -> str:
        """How many steps were made, and how long they took."""
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
        if self.interrupted:  # a second Ctrl-C does not wait for the end of the step
            raise KeyboardInterrupt
        self.interrupted = True

    def bar(self) -> Callable[[int | None], None]:
        """A function that shows how many steps are done; None removes the bar."""
        try:
            from tqdm.auto import tqdm  # a widget in a notebook, a line of text elsewhere
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
        """Print a line for each twentieth of the steps."""
        if done is None or done * 20 // self.steps == self.twentieths:
            return
        self.twentieths = done * 20 // self.steps
        left = (time.perf_counter() - self.began) / (done - self.start) * (self.steps - done)
        print(f"{self.title}: {done:,} of {self.steps:,} steps, {self.note}, {left:.0f} s left", flush=True)


NATS = "cross-entropy, nats per character"  # the unit of most figures


def plotting(folder: str | None) -> Any:
    """`tinytensor.diagnostics.plot`, after a check that matplotlib is installed and the folder can be written.

    None without --plots. `drawn` prints which figures were drawn, `nothing_drawn` why there are none.
    """
    if folder is None:
        return None
    try:
        from tinytensor.diagnostics import plot
    except ImportError:
        raise UserError("--plots: got no matplotlib; expected it to be installed; run pip install -e '.[examples]', "
                        "or leave out --plots") from None
    writable_folder(Path(folder))
    return plot


def drawn(folder: str | Path, *names: str) -> None:
    """Print which figures were drawn."""
    say(f"figures in {folder}: {', '.join(names)}")


def nothing_drawn(folder: str | None, why: str) -> None:
    """Print why a run with --plots draws nothing."""
    if folder is not None:
        say(f"no figures: {why}")


def writable_folder(folder: Path) -> None:
    """Make the folder, or say in one line why it can't be written: before a long run, not after it."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: got a file; expected a folder that can be written; name another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{os.getpid()}.part"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}; expected a folder that can be written; name another") from None


class Table:
    """A table that is printed while its rows are found, and can be saved as Markdown.

    The first column is text and `width` characters wide, the others are as wide as their titles, or 7 characters.
    """

    def __init__(self, *titles: str, width: int) -> None:
        self.titles, self.rows = titles, []  # type: tuple[str, ...], list[tuple[str, ...]]
        self.widths = [width, *(max(7, len(title)) for title in titles[1:])]
        say(self.line(titles))

    def add(self, *cells: str) -> None:
        """Print one more row."""
        self.rows.append(cells)
        say(self.line(cells))

    def line(self, cells: Sequence[str]) -> str:
        first, *rest = cells
        return "  ".join([f"{first:<{self.widths[0]}}",
                          *(f"{cell:>{width}}" for cell, width in zip(rest, self.widths[1:]))])

    def save(self, path: Path) -> None:
        """Write the table as Markdown."""
        rule = ["---", *["--:"] * (len(self.titles) - 1)]
        lines = ["| " + " | ".join(cells) + " |" for cells in (self.titles, rule, *self.rows)]
        path.write_text("\n".join(lines) + "\n", "utf-8")


# --- the names, and how well a model predicts them ---


class Names(NamedTuple):
    """The items of a file, their characters, and the lectures' split into train, dev and test."""

    items: list[str]
    vocabulary: text.Vocabulary
    splits: dict[str, list[str]]

    def windows(self, context: int) -> dict[str, tuple[Any, Any]]:
        """For each split the contexts (N, context) and the characters that follow (N,)."""
        return {name: text.windows(part, self.vocabulary, context) for name, part in self.splits.items()}

    def sizes(self, data: Mapping[str, tuple[Any, Any]]) -> str:
        """How many items, characters and examples there are."""
        sizes = ", ".join(f"{len(Y):,} {name}" for name, (_, Y) in data.items())
        return f"{len(self.items):,} items, {len(self.vocabulary)} characters, {sizes} examples"


BOUNDARIES = ".|¶\n"  # the first that no item contains ends each item; no line contains the last


def read_names(path: str) -> Names:
    """The file's items in their order, and split with ``random.seed(42)`` as in the lectures."""
    items = text.read_items(path)
    boundary = next(mark for mark in BOUNDARIES if not any(mark in item for item in items))
    try:
        vocabulary = text.Vocabulary.of(items, boundary)
        return Names(items, vocabulary, dict(zip(("train", "dev", "test"), text.split(items))))
    except CorpusError as error:
        raise UserError(f"{path}: {error}") from None


@contextmanager
def evaluating(model: Any) -> Iterator[Callable[[Any], Any]]:
    """Put the model in eval mode and record nothing; the function it yields maps inputs to arrays of logits."""
    was = model.training
    model.eval()
    with tt.no_grad():
        yield lambda x: model(x).data
    model.train(was)


NOTHING = -100  # a target that does not count


def evaluate(model: Any, X: Any, Y: Any, rows: int = 8192) -> float:
    """The mean loss over a whole split, in nats per target, computed `rows` rows at a time."""
    parts = [slice(i, i + rows) for i in range(0, len(X), rows)]
    with evaluating(model) as predict:
        total = sum(float(tt.cross_entropy(predict(X[p]), Y[p], "sum", NOTHING)) for p in parts)
    return total / np.count_nonzero(Y != NOTHING)


def tell(what: str, ours: float, expected: float, tolerance: float = 2e-4, digits: int = 4,
         whose: str = "the notebook's") -> None:
    """Print our figure beside the notebook's: = if equal as printed, ≈ if within the tolerance."""
    same, near = round(ours, digits) == expected, abs(ours - expected) <= tolerance + 0.5 * 10**-digits
    mark = "=" if same else "≈" if near else "differs from"
    say(f"{what}: {ours:.{digits}f} {mark} {whose} {expected:.{digits}f}")


def tell_splits(result: Mapping[str, float], expected: Mapping[str, float], digits: int = 4,
                whose: str = "the notebook's") -> None:
    """Print the losses on the splits beside the notebook's."""
    for name, loss in expected.items():
        tell(f"{name:>5} loss", result[name], loss, 5e-5, digits, whose)


def show_losses(s: Settings, result: Mapping[str, float], notebook: Mapping[str, float]) -> None:
    """Print the losses on the splits as the last line; above them the notebook's, unless the data is another's."""
    if not s.own_data:
        print("the notebook's loss: " + " ".join(f"{name} {loss:.4f}" for name, loss in notebook.items()))
    print("loss: " + " ".join(f"{name} {loss:.3f}" for name, loss in result.items()))


def references(s: Settings, part: str, result: Mapping[str, float], notebook: Mapping[str, float]) -> dict[str, float]:
    """The lines across a loss curve: our loss on a split, and the notebook's, unless the data is another's."""
    return {part: result[part]} | ({} if s.own_data else {f"{part}, the notebook": notebook[part]})


def show_names(predict: Callable[[Any], Any], names: Names, context: int, rng: tt.Generator, count: int,
               temperature: float = 1.0, expected: Sequence[str] = ()) -> None:
    """Print newly drawn names, with * before those in the training set; `predict` maps contexts to logits."""
    known = set(names.splits["train"])
    drawn = [text.sample(predict, names.vocabulary, context, rng, temperature) for _ in range(count)]
    if drawn:
        print(f"{count} new names (* is in the training set):")
        print("  " + "  ".join(("*" if name in known else "") + name for name in drawn))
    if expected:
        same = sum(a == b for a, b in zip(drawn, expected))
        print(f"{same} of the expected {len(expected)} names: {' '.join(expected)}")
