"""What every script uses: the run with its errors in one line, progress and Ctrl-C, the names, evaluation.

Flags are in settings.py and what is printed and drawn in output.py; both can be reached from here. No model and no
training loop lives here.
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

from .output import (
    NATS,
    Table,
    drawn,
    nothing_drawn,
    plotting,
    references,
    say,
    show_losses,
    tell,
    tell_splits,
    writable_folder,
)
from .settings import (
    DATA,
    SEED,
    LectureSettings,
    NamesSettings,
    Recipes,
    Settings,
    UserError,
    check_saved,
    only_one,
    parse,
    setting,
)

__all__ = ["DATA", "NATS", "NOTHING", "SEED", "LectureSettings", "Names", "NamesSettings", "Progress", "Settings", "Table",
           "UserError", "check_saved", "drawn", "evaluate", "evaluating", "nothing_drawn", "only_one", "parse",
           "plotting", "read_names", "references", "run", "say", "setting", "show_losses", "show_names", "tell",
           "tell_splits", "writable_folder"]

tt.keep_freed_memory()  # the next step needs it again
S = TypeVar("S", bound=Settings)


# --- the run ---


def run(main: Callable[[S], int | None], settings: type[S], description: str,
        recipes: Recipes | None = None) -> NoReturn:
    """Run a script's main with the settings of the command line.

    A user's mistake, or too little memory, is one line and exit status 2; a fault of the project's keeps its traceback.
    """
    name = Path(sys.argv[0]).name
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status = main(parse(settings, description, recipes)) or 0
        sys.stdout.flush()
    except (UserError, CorpusError, CheckpointError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        status = 2
    except MemoryError as error:
        print(f"{name}: got settings that need too much memory ({str(error).lower() or 'no more is free'}); expected "
              f"sizes that fit this machine; give smaller ones, such as --batch", file=sys.stderr)
        status = 2
    except BrokenPipeError:  # nobody reads the output any more: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    except KeyboardInterrupt:
        print(f"\n{name}: stopped", file=sys.stderr)
        status = 130
    sys.exit(status)


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
