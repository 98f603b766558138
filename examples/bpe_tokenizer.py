"""Lecture 7, the tokenizer: from bytes to tokens by merging the most frequent pairs (byte-level BPE, as in GPT).

A text is a sequence of code points, UTF-8 encodes them as bytes, and frequent pairs of bytes become new ids. It shows
the merges one by one on a small text, trains on Shakespeare with four split patterns, measures how much shorter texts
get, and tokenizes sentences as GPT-2 and GPT-4 do; then special tokens and files. The lecture's exercises are in
exercises/bpe.py. It trains no network (`gpt.py --bpe N` does, on such tokens), and leaves out sentencepiece.

    python examples/bpe_tokenizer.py                          a few seconds
    python examples/bpe_tokenizer.py --plots DIR              and its figures: compression.png, merges.png
    python examples/bpe_tokenizer.py --vocabulary FILE        use GPT-4's cl100k_base.tiktoken, a folder with GPT-2's
                                                              two files, or a file that --save wrote
"""

from shared import common, texts  # first: it sets one BLAS thread

import os  # isort: skip
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from exercises import bpe as exercises

from tinytensor.checkpoint import writable
from tinytensor.text import Tokenizer, learn_merges

PATTERNS = ("whole", "simple", "gpt2", "gpt4") if find_spec("regex") else ("whole", "simple")
HELLO = "안녕하세요 👋 (hello in Korean!)"  # the lecture's
SMALL = "aaabdaaabac"  # the example of Gage (1994), who first described byte-pair encoding
SENTENCES = ("First Citizen: You are all resolved rather to die than to famish?",
             "for i in range(1, 101):\n    if i % 3 == 0:\n        print('Fizz')", HELLO)
MEASURED = 100_000  # characters on which the compression is measured
END = "<|endoftext|>"


@dataclass
class Settings(common.LectureSettings):
    data: str = common.setting(str(common.DATA / "shakespeare.txt"), "UTF-8 text file; its first 90 % are trained on")
    merges: int = common.setting(2_048, "merges to learn with each pattern", least=1)
    save: str = common.setting(None, "file for the last tokenizer")
    vocabulary: str = common.setting(None, "only tokenize sentences with this vocabulary")


LECTURE = {"merges": 20}  # ids up to 276


# --- the screen ---


def visible(token: bytes) -> str:
    """A token as text; incomplete and unprintable characters as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in token.decode("utf-8", "backslashreplace"))


def cut(tokens: list[bytes]) -> str:
    """Tokens side by side: in five colours on a terminal, else separated by bars."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return "|".join(map(visible, tokens))
    colors = (153, 157, 223, 217, 183)  # pale backgrounds for black text
    return "".join(f"\033[30;48;5;{colors[i % 5]}m{visible(token)}" for i, token in enumerate(tokens)) + "\033[0m"


def show_cut(tokenizer: Tokenizer, what: str, text: str) -> None:
    ids = tokenizer.encode(text, special="text")
    size = len(text.encode())
    print(f"  {what:>7} {size:>4} bytes {len(ids):>4} tokens  {cut([tokenizer.decode_bytes(i) for i in ids])}")


# --- code points and bytes ---


def show_bytes() -> None:
    """Unicode has too many code points for a vocabulary, and more each year; with 256 bytes texts get long."""
    print(f"{HELLO!r}: {len(HELLO)} code points; " + ", ".join(
        f"{len(HELLO.encode(code))} bytes in {code[:-3] if code[-1] == 'e' else code}"
        for code in ("utf-8", "utf-16-le", "utf-32-le")))
    for character in "h안👋":
        print(f"  {character}  U+{ord(character):04X}  {' '.join(map(str, character.encode()))}")


def show_merges(text: str) -> None:
    """The lecture's loop, merge by merge: the most frequent pair becomes a new id."""
    print(f"{text!r}, merge by merge:")
    merges = list(learn_merges(text, "whole"))
    for n in range(len(merges) + 1):
        tokenizer = Tokenizer.of(merges[:n], "whole")
        tokens = [tokenizer.decode_bytes(i) for i in tokenizer.encode(text)]
        made = f"{256 + n - 1}, {merges[n - 1].times} times" if n else "bytes"
        print(f"  {made:>12}: {cut(tokens)}")


# --- training ---


def train(s: Settings, text: str, pattern: str) -> tuple[list, common.Progress]:
    progress, merges = common.Progress(s.merges, f"merges, {pattern}"), []
    for _, merge in zip(progress, learn_merges(text, pattern)):
        merges.append(merge)
        progress.note = f"a pair that occurs {merge.times:,} times"
    return merges, progress


def show_tokens(tokenizer: Tokenizer, merges: list) -> None:
    """The first merges, as minbpe's .vocab files list them, and the longest tokens."""
    name = lambda i: f"[{visible(tokenizer.decode_bytes(i))}]"
    print("  first: " + " ".join(f"{name(m.left)}{name(m.right)}->{256 + i}" for i, m in enumerate(merges[:8])))
    longest = sorted(tokenizer.tokens, key=len, reverse=True)[:8]
    print("  longest: " + " ".join(f"[{visible(token)}]" for token in longest))


def compression(merges: list, pattern: str, texts: tuple[str, str]) -> list[tuple[int, float, float]]:
    """Bytes per token of each text for growing numbers of merges: (merges, train, held out)."""
    rows, texts = [], [text[:MEASURED] for text in texts]
    for n in sorted({0, len(merges)} | {2**k for k in range(4, 20, 2) if 2**k < len(merges)}):
        tokenizer = Tokenizer.of(merges[:n], pattern)
        rows.append((n, *(len(text.encode()) / len(tokenizer.encode(text)) for text in texts)))
    return rows


def show_compression(curves: dict[str, list]) -> None:
    print("bytes per token on held-out text:")
    columns = sorted({n for rows in curves.values() for n, _, _ in rows})
    print(f"  {'merges':>8}" + "".join(f"{n:>8,}" for n in columns))
    for pattern, rows in curves.items():
        found = {n: f"{held:.3f}" for n, _, held in rows}
        print(f"  {pattern:>8}" + "".join(f"{found.get(n, '-'):>8}" for n in columns))


# --- files and figures ---


def load(path: Path) -> Tokenizer:
    """Read a vocabulary of one of three kinds."""
    if path.is_dir():
        return Tokenizer.from_gpt2(path / "vocab.bpe", path / "encoder.json")
    return Tokenizer.from_tiktoken(path) if path.suffix == ".tiktoken" else Tokenizer.load(path)


def draw(plot, folder: Path, tokenizer: Tokenizer, curves: dict) -> None:
    ids = tokenizer.encode("Speak, gentlemen: resolved to die?").tolist()
    plot.merge_tree(ids, tokenizer.merges, lambda i: visible(tokenizer.decode_bytes(i)), path=folder / "merges.png")
    plot.compression_curve(curves, path=folder / "compression.png")
    common.drawn(folder, "compression.png", "merges.png")


def speed(tokenizer: Tokenizer, text: str) -> float:
    """Megabytes encoded per second, without any cached chunks."""
    fresh = Tokenizer(tokenizer.tokens, tokenizer.special, tokenizer.pattern)
    start = time.perf_counter()
    fresh.encode(text, special="text")
    return len(text.encode()) / 1e6 / (time.perf_counter() - start)


# --- the script, from top to bottom ---


def main(s: Settings) -> int:
    sys.stdout.reconfigure(errors="backslashreplace")  # for a screen that lacks Korean letters
    common.only_one(s, "vocabulary", "save")
    s.merges = min(s.merges, 64) if s.quick else s.merges
    if s.vocabulary:
        common.nothing_drawn(s.plots, "--vocabulary only shows how a given vocabulary cuts; leave it out to train one")
        tokenizer = load(Path(s.vocabulary))
        print(f"{s.vocabulary}: {tokenizer}")
        for sentence in SENTENCES:
            show_cut(tokenizer, "", sentence)
        exercises.questions(lambda what, text: show_cut(tokenizer, what, text))
        return 0
    if s.save:
        writable(s.save)
    plot, text = common.plotting(s.plots), texts.read_text(s.data, 1_000)
    parts = text[: int(0.9 * len(text))], text[int(0.9 * len(text)) :]
    if "gpt2" not in PATTERNS:
        print("GPT-2's and GPT-4's patterns are left out: pip install -e '.[examples]' adds the package regex")
    show_bytes()
    show_merges(SMALL)

    tokenizers, curves = {}, {}
    for pattern in PATTERNS[:1] if s.lecture else PATTERNS:
        merges, progress = train(s, parts[0], pattern)
        tokenizers[pattern] = tokenizer = Tokenizer.of(merges, pattern, [END])
        common.say(f"{pattern}: {len(merges):,} merges in {progress.seconds:.2f} s, {tokenizer}")
        show_tokens(tokenizer, merges)
        curves[pattern] = compression(merges, pattern, parts)
        if status := progress.status:
            break
    show_compression(curves)
    print(f"sentences by {len(tokenizers)} tokenizers:")
    for sentence in SENTENCES:
        for name, one in tokenizers.items():
            show_cut(one, name, sentence)
    exercises.training(parts[0][:30_000])
    exercises.patterns(tokenizers, cut)
    exercises.recovered(tokenizer, merges, parts[1])
    exercises.special_tokens(tokenizer, END)
    exercises.questions(lambda what, text: show_cut(tokenizer, what, text))
    exercises.round_trips(tokenizers, s.seed)
    if s.save:
        tokenizer.save(s.save)
        print(f"saved: {s.save}, {Path(s.save).stat().st_size:,} bytes; loaded again it is "
              f"{'equal' if Tokenizer.load(s.save) == tokenizer else 'NOT EQUAL'}")
    if plot:
        draw(plot, Path(s.plots), tokenizer, curves)
    print(f"reached: {len(merges):,} merges, pattern {pattern}, {curves[pattern][-1][2]:.2f} bytes a token on held-out "
          f"text, {speed(tokenizer, text[: 5 * MEASURED]):.1f} MB/s")
    return status


if __name__ == "__main__":
    common.run(main, Settings, __doc__, {"lecture": LECTURE})
