"""From a file of items, such as names, to training examples, and from a model's predictions to new items.

It downloads nothing, reads only the path it is given, and knows no tensors: arrays come out, and the model is any
function from ids to logits. Tokens of more than one character are the tokenizer's business.
"""

import math
import random
import reprlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..advice import a_type
from ..names import also_generator
from ..random import seeded

IntArray = npt.NDArray[np.int64]


class CorpusError(ValueError):
    """A mistake in a corpus or its use, in one line that a script can print."""


def _error(got: str, expected: str, advice: str) -> CorpusError:
    return CorpusError(f"{got}; expected {expected}; {advice}")


def check_integers(name: str, **values: Any) -> None:
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"{name}: got {key}={value!r}; expected an integer; convert it with int()")


class Random(Protocol):
    """What is asked of a random generator; `tinytensor.random.Generator` has it."""

    def randint(self, low: int, high: int, shape: tuple[int, ...], /) -> IntArray: ...

    def multinomial(self, p: npt.NDArray[Any], n: int, /) -> IntArray: ...


def random_source(rng: Any, caller: str, method: str) -> Random:
    """The generator that `rng` means: itself, or a new one for a seed; TypeError if it can't draw what is asked."""
    generator: Random = seeded(rng)
    # NumPy's own generators have a multinomial of another order of arguments
    foreign = method == "multinomial" and isinstance(rng, np.random.Generator | np.random.RandomState)
    if foreign or not hasattr(generator, method):
        raise TypeError(f"{caller}: got {type(rng).__name__} as rng; expected a Generator of tinytensor or an integer "
                        f"seed; pass tt.Generator(seed)")
    return generator


# --- the file ---


def read_items(path: str | Path) -> list[str]:
    r"""Read a UTF-8 text file with one item a line.

    Line ends (``\n``, ``\r\n``, ``\r``) and a byte-order mark are taken off, blank lines are skipped; all else is kept.
    Raises `CorpusError` if it cannot be read, is not UTF-8, or has fewer than the 3 items that a split needs.

    Example
    -------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "names.txt")
    ...     _ = path.write_bytes(b"emma\r\n\r\nolivia\nava")
    ...     read_items(path)
    ['emma', 'olivia', 'ava']
    """
    if not isinstance(path, str | Path):
        raise TypeError(f"read_items: got {a_type(path)}; expected a path; pass a string, as in 'names.txt'")
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        got = f"{path}: {error.strerror}"
        raise _error(got, "a text with one item a line", "name a file that is there and that you may read") from error
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = len((data[: error.start] + b"?").splitlines())
        got = f"{path}: got the byte 0x{data[error.start]:02x} in line {line}, at offset {error.start}"
        raise _error(got, "UTF-8 throughout", "save the file as UTF-8") from error
    # subtle: str.splitlines would also cut at U+2028, form feeds and others that may well be part of an item.
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    items = [line for line in lines if line.strip()]
    if len(items) < 3:
        got = f"{path}: got {len(items)} items" if data else f"{path}: got an empty file"
        raise _error(got, "3 or more, to be split in three", "put one on each line")
    return items


def _stream(items: Sequence[str], boundary: str) -> str:
    """All items as one text, with the boundary after each of them and nowhere else."""
    if isinstance(items, str):
        raise _error(f"items: got one text, {reprlib.repr(items)}", "a list of texts", "write [text]")
    text = boundary.join([*items, ""])
    if text.count(boundary) != len(items):
        i, item = next((i, item) for i, item in enumerate(items) if boundary in item)
        got = f"items: got the boundary {boundary!r} in item {i}, {reprlib.repr(item)}"
        raise _error(got, "it between items only", "take it out, or choose another: Vocabulary.of(items, boundary)")
    return text


# --- characters and ids ---


def _codes(text: str) -> npt.NDArray[np.uint32]:
    """The code points of a text; `surrogatepass` lets through halves of pairs, which a Python str may hold."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


@dataclass(frozen=True)
class Vocabulary:
    """The characters of a corpus in the order of their ids; id 0 is the boundary, which starts and ends every item.

    A vocabulary is its string: ``Vocabulary(vocabulary.characters)`` equals it, and that is all a checkpoint keeps.
    Raises `CorpusError` unless it is the boundary, then one or more others, each once.

    Example
    -------
    >>> vocabulary = Vocabulary.of(["emma", "ava"])
    >>> vocabulary
    Vocabulary(characters='.aemv')
    >>> vocabulary.encode("emma.")
    array([2, 3, 3, 1, 0])
    >>> vocabulary.decode([1, 4, 1])
    'ava'
    """

    characters: str

    def __post_init__(self) -> None:
        if not isinstance(self.characters, str):
            got = f"Vocabulary: got {a_type(self.characters)} as characters"
            raise _error(got, "a string of them", "use Vocabulary.of(items)")
        if len(self.characters) < 2 or len(set(self.characters)) < len(self.characters):
            got = f"Vocabulary: got characters {reprlib.repr(self.characters)}"
            raise _error(got, "the boundary, then one or more others, each once", "use Vocabulary.of(items)")

    @classmethod
    def of(cls, items: Sequence[str], boundary: str = ".") -> "Vocabulary":
        """The boundary, then the sorted characters of the items; CorpusError if an item contains the boundary."""
        if len(boundary) != 1:
            raise _error(f"Vocabulary: got boundary {boundary!r}", "one character", "choose one that no item contains")
        return cls(boundary + "".join(sorted({*_stream(items, boundary)} - {boundary})))

    @property
    def boundary(self) -> str:
        """The character of id 0."""
        return self.characters[0]

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> IntArray:
        """The ids of a text, (len(text),); CorpusError names an unknown character, its position and its item."""
        codes = _codes(self.characters)
        table = np.full(int(codes.max()) + 2, -1, np.int64)  # its last entry, -1, is for all code points above
        table[codes] = np.arange(len(codes))
        ids = table.take(_codes(text), mode="clip")
        if ids.size and ids.min() < 0:
            i = int(ids.argmin())
            start = text.rfind(self.boundary, 0, i) + 1
            item = text[start:].partition(self.boundary)[0]
            got = f"encode: got {text[i]!r} (U+{ord(text[i]):04X}) at position {i - start} of {reprlib.repr(item)}"
            expected = f"one of the {len(self)} characters {reprlib.repr(self.characters)}"
            raise _error(got, expected, "take it out, or make the vocabulary from all items, before the split")
        return ids

    def decode(self, ids: npt.ArrayLike) -> str:
        """The text of integer ids, with every boundary in it; CorpusError names an id outside of the vocabulary."""
        array = np.asarray(ids).ravel()
        if not array.size:  # subtle: asarray([]) has dtype float64, which cannot index
            return ""
        wrong = array[(array < 0) | (array >= len(self))]
        if wrong.size:
            advice = "check that the model and the vocabulary belong together"
            raise _error(f"decode: got id {wrong[0]}", f"0 to {len(self) - 1}", advice)
        return _codes(self.characters).take(array).tobytes().decode("utf-32-le", "surrogatepass")


# --- examples ---


def split(
    items: Sequence[str], seed: int = 42, fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
) -> tuple[list[str], list[str], list[str]]:
    """Shuffle a copy of the items and split it into training, dev and test, exactly as the lectures do with ``random``.

    Raises `CorpusError` if the fractions are not three that add up to 1, or a part that has one would be empty.

    Example
    -------
    >>> [len(part) for part in split([str(i) for i in range(50)])]
    [40, 5, 5]
    """
    if len(fractions) != 3 or not all(f >= 0 for f in fractions) or not math.isclose(sum(fractions), 1):
        raise _error(f"split: got fractions {fractions}", "three that add up to 1", "try (0.8, 0.1, 0.1)")
    shuffled, n = list(items), len(items)
    random.Random(seed).shuffle(shuffled)
    # subtle: 1 - 0.1 is 0.9, but 0.7 + 0.2 is slightly smaller and would cut 30 items at 26.
    first, second = int(fractions[0] * n), int((1 - fractions[2]) * n)
    parts = shuffled[:first], shuffled[first:second], shuffled[second:]
    if any(f > 0 and not part for f, part in zip(fractions, parts, strict=True)):
        got = f"split: got {n} items and fractions {fractions}, for parts of {', '.join(str(len(p)) for p in parts)}"
        raise _error(got, "one item or more in each", "use more items, or 0 for a part that is not needed")
    return parts


def windows(items: Sequence[str], vocabulary: Vocabulary, context: int) -> tuple[IntArray, IntArray]:
    """Every character of every item, its final boundary included, and the `context` characters before it.

    Returns
    -------
    X : (N, context) int64
        The ids before each target, padded on the left with the boundary; nothing of the item before.
    Y : (N,) int64
        The targets, in the order of the items.

    Raises `CorpusError` if `context` is below 1, or an item has the boundary or an unknown character.
    Source: the makemore lecture on Bengio et al. (2003), 'A Neural Probabilistic Language Model'.

    Example
    -------
    >>> X, Y = windows(["ava"], Vocabulary(".av"), context=3)
    >>> X.tolist(), Y.tolist()
    ([[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 1]], [1, 2, 1, 0])
    """
    check_integers("windows", context=context)
    if context < 1:
        advice = "a bigram has 1, the lectures' networks have 3 and 8"
        raise _error(f"windows: got context={context}", "1 or more", advice)
    Y = vocabulary.encode(_stream(items, vocabulary.boundary))
    padded = np.concatenate([np.zeros(context, np.int64), Y])
    before = np.lib.stride_tricks.sliding_window_view(padded, context)[:-1]
    ends = np.flatnonzero(Y == 0)
    sizes = np.diff(ends, prepend=-1)
    since = np.arange(len(Y)) - np.repeat(ends - sizes, sizes)  # (N,) how far each target is from the boundary before
    back = np.arange(context, 0, -1)  # (context,) how far each column looks back
    return np.where(back <= since[:, None], before, 0), Y


@also_generator
def batches(X: IntArray, Y: IntArray, size: int, rng: Random | int) -> Iterator[tuple[IntArray, IntArray]]:
    """An endless iterator of minibatches: `size` rows drawn with replacement, one ``rng.randint(0, N, (size,))`` each.

    `rng` is a generator or a seed.

    Raises `CorpusError`, at the call, if `size` is below 1, or X and Y are empty or differ in length.

    Example
    -------
    >>> X, Y = windows(["emma", "ava"], Vocabulary(".aemv"), context=3)
    >>> x, y = next(batches(X, Y, size=32, rng=42))
    >>> x.shape, y.shape
    ((32, 3), (32,))
    """
    check_integers("batches", size=size)
    if size < 1:
        raise _error(f"batches: got size={size}", "1 or more", "the lectures take 32 or 64")
    if not len(X) or len(X) != len(Y):
        got = f"batches: got {len(X)} rows of X and {len(Y)} of Y"
        raise _error(got, "as many of each, and not 0", "take both from windows")
    generator = random_source(rng, "batches", "randint")
    rows = (generator.randint(0, len(X), (size,)) for _ in repeat(None))
    return ((X.take(ix, 0), Y.take(ix, 0)) for ix in rows)


# --- new items ---


@also_generator
def sample(
    predict: Callable[[IntArray], npt.ArrayLike],
    vocabulary: Vocabulary,
    context: int,
    rng: Random | int,
    temperature: float = 1.0,
    limit: int = 1000,
) -> str:
    """Draw one new item, one ``rng.multinomial(p, 1)`` a character, until the boundary or `limit` characters.

    Called again and again, it gives the names of the lectures' loop. `predict` maps int64 ids (1, context) to logits
    (1, V); the softmax keeps their dtype. `temperature` divides them: below 1 likely characters become likelier,
    at 0 the likeliest is taken and nothing is drawn.
    `limit` is a guard: with 27 characters equally likely, one item in 10**16 is longer than 1000.
    Raises `CorpusError` if a parameter is out of range, or the logits have another shape or are not finite.

    Example
    -------
    >>> def after(ids):  # 'a' starts, 'b' comes after 'a', and the end after 'b'
    ...     return 100.0 * np.eye(3)[(ids[:, -1] + 1) % 3]
    >>> sample(after, Vocabulary(".ab"), context=3, rng=42)
    'ab'
    """
    check_integers("sample", context=context, limit=limit)
    if context < 1 or limit < 1:
        advice = "pass the context that the model was trained with, and leave out the limit"
        raise _error(f"sample: got context={context} and limit={limit}", "1 or more", advice)
    if not 0 <= temperature < math.inf:
        advice = "1 draws from the model's own probabilities, 0 takes the likeliest character"
        raise _error(f"sample: got temperature={temperature}", "a finite number, 0 or more", advice)
    generator = random_source(rng, "sample", "multinomial") if temperature else seeded(rng)
    ids = [0] * context
    while len(ids) < context + limit:
        logits = np.asarray(predict(np.array([ids[-context:]], np.int64)))
        if logits.shape != (1, len(vocabulary)):
            advice = "return those of the last position"
            raise _error(f"sample: got logits of shape {logits.shape}", f"(1, {len(vocabulary)})", advice)
        if temperature not in (0, 1):
            logits = logits / float(temperature)  # subtle: a NumPy float64 would make float64 of float32
        top = logits.max()
        if not np.isfinite(top):
            advice = "train at a smaller rate, or sample at a temperature nearer to 1"
            raise _error(f"sample: got {top} as the largest logit", "a finite one", advice)
        e = np.exp(logits - top)
        p = e / e.sum(axis=1, keepdims=True)
        p = p.astype(np.float32) if p.dtype == np.float16 else p
        drawn = int(generator.multinomial(p, 1)[0, 0] if temperature else logits.argmax())
        if drawn == 0:
            break
        ids.append(drawn)
    return vocabulary.decode(ids[context:])
