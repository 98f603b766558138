"""Text to train on: one long text, or a file with a text on each line; as tokens, batches and losses on the splits.

`LongText` and `Lines` have the same methods, so that a training loop need not know which it has. No model is made here.
"""

from __future__ import annotations

import codecs
from itertools import repeat
from pathlib import Path

import numpy as np

from tinytensor.text.tokenizer import Tokenizer

from . import common

# --- the file ---


def read_text(path: str, least: int = 1) -> str:
    """The whole text of a UTF-8 file, without a byte-order mark, line ends as \\n; of at least `least` characters."""
    try:
        written = Path(path).read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise common.UserError(f"{path}: got the byte 0x{error.object[error.start]:02x} at offset {error.start}; "
                               f"expected UTF-8; save the file as UTF-8, or name another with --data") from None
    except OSError as error:
        raise common.UserError(f"{path}: {error.strerror}; expected a text file; name another with --data") from None
    if len(written) < least:
        raise common.UserError(f"{path}: got {len(written):,} characters; expected {least:,} or more, to train on and "
                               f"to hold out; give a longer text")
    return written


# --- tokens ---


class Characters:
    """A tokenizer whose tokens are single characters."""

    def __init__(self, characters: str) -> None:
        self.characters, self.ids = characters, {c: i for i, c in enumerate(characters)}

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, written: str):  # (N,)
        if unknown := sorted(set(written) - self.ids.keys()):
            raise common.UserError(f"text: got {unknown[0]!r}; expected only the {len(self)} characters that the model "
                                   f"knows; leave it out, or train on a text that has it")
        return np.array([self.ids[c] for c in written], np.int64)

    def decode_bytes(self, ids) -> bytes:
        return "".join(self.characters[i] for i in ids).encode()


# --- one long text ---


class LongText:
    """A file as one text: the first nine tenths are train, the rest is dev."""

    def __init__(self, path: str, context: int, merges: int = 0) -> None:
        written = read_text(path)
        cut = int(0.9 * len(written))
        parts = {"train": written[:cut], "dev": written[cut:]}
        self.context = context
        self.tokens = Tokenizer.train(parts["train"], merges) if merges else Characters("".join(sorted(set(written))))
        self.splits = {name: self.tokens.encode(part) for name, part in parts.items()}
        self.share = {name: len(ids) / max(1, len(parts[name])) for name, ids in self.splits.items()}  # per character
        self.per_character = self.share["train"]  # what a loss per token of train is multiplied by
        if min(map(len, self.splits.values())) <= 2 * context:
            raise common.UserError(f"{path}: got {len(written):,} characters; expected more, so that the last "
                                   f"tenth has several windows of {context} tokens; give a longer text, or a smaller "
                                   f"--context")
        self.first = "\n" if "\n" in written or merges else written[0]

    def __str__(self) -> str:
        sizes = ", ".join(f"{len(ids):,} {name}" for name, ids in self.splits.items())
        return f"a vocabulary of {len(self.tokens)}, {sizes} tokens"

    def batches(self, size: int, rng):
        """Windows (B, T) drawn at random, and the token that follows each of theirs (B, T)."""
        windows = np.lib.stride_tricks.sliding_window_view(self.splits["train"], self.context + 1)
        for _ in repeat(None):
            drawn = windows[rng.randint(0, len(windows), (size,))]  # subtle: .take would first copy all windows
            yield drawn[:, :-1], drawn[:, 1:]

    def evaluate(self, model, part: str, most: int = 10**9) -> float:
        """The mean loss per character on dev, cut into windows, or on as much of train; on at most `most` windows."""
        n, ids = (len(self.splits["dev"]) - 1) // self.context, self.splits[part]
        x, y = (ids[i : i + n * self.context].reshape(n, -1)[:: -(-n // most)] for i in (0, 1))  # (N, T), (N, T)
        return common.evaluate(model, x, y, 64) * self.share[part]

    def example(self):
        """Some tokens of dev to draw attention maps for (T,), and each as text."""
        ids = self.splits["dev"][: min(20, self.context)]
        return ids, [self.tokens.decode_bytes([i]).decode("utf-8", "replace") for i in ids]

    def prompt(self, s) -> str:
        """How a sample starts: by default with a new line, or if the text has none, with its first character."""
        return self.first if s.prompt == type(s).prompt else s.prompt

    def sample(self, model, s, rng):
        """A text that continues the prompt, piece by piece."""
        prompt = self.prompt(s)
        yield prompt
        decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a token of a BPE may be half of a character
        for token in model.generate(self.tokens.encode(prompt)[None], s.count, rng, s.temperature, s.top_k, s.top_p):
            yield decoder.decode(self.tokens.decode_bytes(token))


# --- a text on each line ---


class Lines:
    """A file with a text on each line, such as names: each starts and ends with the boundary, and is one row."""

    per_character = 1.0

    def __init__(self, path: str, context: int, larger: str = "") -> None:
        """`larger` is what else the error about a long line advises."""
        self.names = common.read_names(path)
        self.tokens = self.names.vocabulary
        self.longest = max(map(len, self.names.items))
        if self.longest >= context:
            raise common.UserError(f"{path}: got a line of {self.longest:,} characters; expected at most "
                                   f"{context - 1}, for a context of {context}; give shorter lines{larger}")
        self.splits = {part: self.padded(items) for part, items in self.names.splits.items()}

    def __str__(self) -> str:
        sizes = ", ".join(f"{(y >= 0).sum():,} {name}" for name, (_, y) in self.splits.items())
        return f"{len(self.names.items):,} lines, a vocabulary of {len(self.tokens)}, {sizes} tokens"

    def padded(self, items: list[str]):
        """The boundary, then each text (N, T); and each text, then the boundary (N, T). No target counts after that."""
        x = np.zeros((len(items), 1 + max(map(len, items))), np.int64)
        y = np.full_like(x, common.NOTHING)
        for row, item in enumerate(items):
            x[row, 1 : 1 + len(item)] = y[row, : len(item)] = self.tokens.encode(item)
            y[row, len(item)] = 0
        return x, y

    def batches(self, size: int, rng):
        """Lines (B, T) drawn at random, and the characters that follow (B, T)."""
        x, y = self.splits["train"]
        for _ in repeat(None):
            rows = rng.randint(0, len(x), (size,))
            yield x.take(rows, 0), y.take(rows, 0)

    def evaluate(self, model, part: str, most: int = 10**9) -> float:
        """The mean loss per character, on at most eight times `most` lines."""
        x, y = self.splits[part]
        every = -(-len(x) // (8 * most))
        return common.evaluate(model, x[::every], y[::every], 512)

    def example(self):
        """A long line of dev (T,), and its characters."""
        line = max(self.names.splits["dev"][:100], key=len)
        return self.tokens.encode(self.tokens.boundary + line), [self.tokens.boundary, *line]

    def prompt(self, s) -> str:
        """How each sample starts."""
        return s.prompt.strip()

    def sample(self, model, s, rng):
        """New lines, with * before those in the training set; each starts with the prompt."""
        known, start = set(self.names.splits["train"]), self.tokens.encode(self.prompt(s))
        for _ in range(s.count // 25):
            ids = start.tolist()
            for token in model.generate([[0, *ids]], 100, rng, s.temperature, s.top_k, s.top_p):
                if not token[0]:
                    break
                ids.append(token[0])
            name = self.tokens.decode(ids)
            yield f"{'*' if name in known else ''}{name}  "
