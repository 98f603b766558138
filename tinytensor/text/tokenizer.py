"""From text to token ids and back: byte-level BPE as in GPT-2 and GPT-4.

The text is split into chunks by a pattern, each chunk's UTF-8 bytes are merged by rank; special tokens are kept apart.
How merges are learnt is in bpe.py, the files are in vocabulary_files.py. It knows no tensors, and trains no model.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from . import vocabulary_files as files
from .bpe import Merge, apply, learn
from .corpus import IntArray, _error

PATTERNS = {
    # Python's own re reads this one: letters, digits, other signs, each with a space before it; other white space.
    "simple": r" ?[^\W\d_]+| ?\d+| ?(?:[^\w\s]|_)+|\s+(?!\S)|\s+",
    # tiktoken's, which spell the end of the text `$`.
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++\Z|\s+(?!\S)|\s",
    "gpt4": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
            r"|\s++\Z|\s*[\r\n]|\s+(?!\S)|\s",
    "whole": r"[\s\S]+",  # no split: the lecture's first tokenizer
}
GPT2_SPECIAL = {"<|endoftext|>": 50256}
GPT4_SPECIAL = {"<|endoftext|>": 100257, "<|fim_prefix|>": 100258, "<|fim_middle|>": 100259, "<|fim_suffix|>": 100260,
                "<|endofprompt|>": 100276}
HELD = 2**19  # characters of chunks whose ids are kept: some 100,000 chunks, 30 MB

# --- text and chunks ---


def _checked(text: str, where: str) -> str:
    """The text, if it is one that UTF-8 can hold."""
    if not isinstance(text, str):
        advice = "decode bytes by .decode(), join a list by ''.join"
        raise _error(f"{where}: got a text of type {type(text).__name__}", "a str", advice)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        i = error.start
        got = f"{where}: got half of a surrogate pair, U+{ord(text[i]):04X}, at position {i}"
        advice = "read the text with errors='replace', or take it out"
        raise _error(got, "text that UTF-8 can hold", advice) from None
    return text


def splitter(pattern: str) -> Callable[[str], list[str]]:
    r"""The function that splits a text into chunks: `pattern` is one of `PATTERNS` by name, or a regular expression.

    One with ``\p`` is read by the package `regex`, any other by Python's `re`. CorpusError if that is missing, or the
    pattern is none, has a capturing group, or leaves out a part of a text (which is found when it happens).

    Example
    -------
    >>> splitter("simple")("It isn't 1984,  is it?")
    ['It', ' isn', "'", 't', ' 1984', ',', ' ', ' is', ' it', '?']
    """
    expression, engine = PATTERNS.get(pattern, pattern), _engine(pattern)
    try:
        compiled = engine.compile(expression)
    except engine.error as error:
        expected = f"{', '.join(PATTERNS)} or a regular expression"
        raise _error(f"pattern: got {pattern!r}, {error}", expected, "correct it") from None
    if compiled.groups:
        got = f"pattern: got {pattern!r}, with {compiled.groups} capturing groups"
        raise _error(got, "none", "write (?:...) for (...)")

    def split(text: str) -> list[str]:
        chunks: list[str] = compiled.findall(text)
        if (n := sum(map(len, chunks))) != len(text):
            got = f"pattern: got {pattern!r}, whose chunks have {n:,} of the text's {len(text):,} characters"
            raise _error(got, "all", r"end it with |[\s\S]")
        return chunks

    return split


def _engine(pattern: str) -> Any:
    if r"\p" not in PATTERNS.get(pattern, pattern):
        return re
    try:
        import regex
    except ImportError:
        advice = "pip install 'tinytensor[tokenizer]' adds it, or take the pattern 'simple'"
        raise _error(f"pattern: got {pattern!r}, which needs the package regex", "it to be installed", advice) from None
    return regex


def learn_merges(text: str, pattern: str = "simple") -> Iterator[Merge]:
    """An iterator of the merges that training finds in a text, so that a caller can show progress; see `bpe.learn`.

    Example
    -------
    >>> next(learn_merges("the cat sat"))
    Merge(left=97, right=116, times=2)
    """
    chunks = Counter(splitter(pattern)(_checked(text, "train")))
    return learn({chunk.encode(): n for chunk, n in chunks.items()})


# --- the tokenizer ---


@dataclass(repr=False)
class Tokenizer:
    r"""A vocabulary of byte chunks in the order of their merges, special tokens, and the pattern that splits a text.

    ``decode(encode(text)) == text`` for every text. Two are equal if these three are. Raises `CorpusError` if a single
    byte is missing, two tokens have the same id, or a special token is empty.

    Parameters
    ----------
    tokens : dict of bytes to int
        The id of each token, which is its rank as well: the lower merges first.
    special : dict of str to int
        What is never merged nor split, such as ``<|endoftext|>``.
    pattern : str
        A name in `PATTERNS`, or a regular expression; see `splitter`.

    Source: Radford et al. (2019), 'Language Models are Unsupervised Multitask Learners', 2.2; tiktoken.

    Example
    -------
    >>> tokenizer = Tokenizer.train("the cat sat on the mat, the cat sat", merges=5, special=["<|end|>"])
    >>> tokenizer
    Tokenizer(262 ids: 256 bytes, 5 merges, 1 special)
    >>> tokenizer.encode("the mat<|end|>", special="allow")
    array([258,  32, 109, 256, 261])
    >>> tokenizer.decode([258, 32, 109, 256, 261])
    'the mat<|end|>'
    """

    tokens: dict[bytes, int]
    special: dict[str, int] = field(default_factory=dict)
    pattern: str = "simple"

    def __post_init__(self) -> None:
        missing = [b for b in range(256) if bytes([b]) not in self.tokens]
        if missing:
            got = f"Tokenizer: got {len(missing)} bytes without an id, the first 0x{missing[0]:02x}"
            raise _error(got, "all 256", "give each an id, or any text could not be encoded")
        for token in self.special:
            if not _checked(token, "Tokenizer"):
                raise _error("Tokenizer: got an empty special token", "one or more", "take it out")
        self.pattern = PATTERNS.get(self.pattern, self.pattern)
        self._split = splitter(self.pattern)
        self._bytes = {i: token for token, i in self.tokens.items()}
        self._bytes |= {i: token.encode() for token, i in self.special.items()}
        if len(self._bytes) < len(self.tokens) + len(self.special) or min(self._bytes) < 0:
            ids = Counter([*self.tokens.values(), *self.special.values()])
            wrong = next(i for i, n in ids.items() if n > 1 or i < 0)
            got = f"Tokenizer: got id {wrong} for {ids[wrong]} tokens"
            raise _error(got, "ids from 0 on, each once", "renumber them")
        self._cache: dict[str, list[int]] = {}
        self._held = 0

    # --- where one comes from ---

    @classmethod
    def train(cls, text: str, merges: int, pattern: str = "simple", special: Sequence[str] = ()) -> "Tokenizer":
        """Learn merges from a text: ids 0 to 255 are the bytes, then come the merges, then the special tokens.

        Of equally frequent pairs the one with the smallest ids is merged; there are fewer merges where no pair occurs
        twice. Special tokens in the text are text. Raises `CorpusError` if it is not a str, or `merges` is negative.
        """
        if merges < 0:
            raise _error(f"train: got merges={merges}", "0 or more", "GPT-2 has 50,000; 0 leaves the bytes")
        return cls.of(islice(learn_merges(text, pattern), merges), pattern, special)

    @classmethod
    def of(cls, merges: Iterable[Merge], pattern: str = "simple", special: Sequence[str] = ()) -> "Tokenizer":
        """The tokenizer that these merges make, the first of them with id 256."""
        if isinstance(special, str):
            raise _error(f"special: got one text, {special!r}", "a list of texts", "write [text]")
        tokens = [bytes([b]) for b in range(256)]
        for left, right, _ in merges:
            tokens.append(tokens[left] + tokens[right])
        names = enumerate(dict.fromkeys(special), len(tokens))
        return cls({token: i for i, token in enumerate(tokens)}, {name: i for i, name in names}, pattern)

    @classmethod
    def from_tiktoken(
        cls, path: str | Path, pattern: str = "gpt4", special: Mapping[str, int] = GPT4_SPECIAL
    ) -> "Tokenizer":
        """Read a ``.tiktoken`` file, which holds neither pattern nor special tokens; those of GPT-4 unless given."""
        return cls(files.read_tiktoken(path), dict(special), pattern)

    @classmethod
    def from_gpt2(cls, vocab_bpe: str | Path, encoder_json: str | Path) -> "Tokenizer":
        """Read GPT-2's two files, which order the ids of single bytes in their own way, and use its pattern."""
        return cls(*files.read_gpt2(vocab_bpe, encoder_json), "gpt2")

    @classmethod
    def load(cls, path: str | Path) -> "Tokenizer":
        """Read what `save` wrote; CorpusError if the file is none of these, or a damaged one."""
        return cls(*files.read(path))

    def save(self, path: str | Path) -> None:
        """Write all to one JSON file that can be read by eye, tokens spelt as GPT-2 does; whole or not at all."""
        files.write(path, self.tokens, self.special, self.pattern)

    # --- text to ids ---

    def encode(self, text: str, special: Literal["refuse", "text", "allow"] | Collection[str] = "refuse") -> IntArray:
        """The ids of a text, (T,) int64.

        Parameters
        ----------
        special : {"refuse", "text", "allow"} or collection of str
            A special token that stands in the text is an error (as in tiktoken: a user's text must not be able to
            hold one unseen), is taken as ordinary text, or becomes its id. A collection allows those, and refuses the
            others. Of two that begin alike, the longer is taken.

        Raises `CorpusError` for text that is not a str or holds half of a surrogate pair, for a special token that is
        not allowed, and for one that the tokenizer doesn't have.
        """
        _checked(text, "encode")
        if isinstance(special, str) and special not in ("refuse", "text", "allow"):
            raise _error(f"encode: got special={special!r}", "'refuse', 'text', 'allow' or a set of them", "choose one")
        allowed = set[str]() if special in ("refuse", "text") else {*self.special} if special == "allow" else {*special}
        if unknown := allowed - self.special.keys():
            got = f"encode: got the unknown special token {min(unknown)!r}"
            raise _error(got, f"of {[*self.special]}", "name it when making the tokenizer")
        refused = {*self.special} - allowed if special != "text" else set[str]()
        if refused and (found := re.search(_either(refused), text)):
            got = f"encode: got the special token {found[0]!r} at position {found.start()} of the text"
            raise _error(got, "none", "pass special='text' to take it as text, 'allow' to take it as the token")
        if self._held > HELD:
            self._cache, self._held = {}, 0
        pieces = re.split(f"({_either(allowed)})", text) if allowed else [text]
        ids = ([self.special[piece]] if i % 2 else self._ordinary(piece) for i, piece in enumerate(pieces))
        return np.fromiter(chain.from_iterable(ids), np.int64)

    def _ordinary(self, text: str) -> Iterator[int]:
        """The ids of a text without special tokens; each chunk is merged once and then looked up."""
        chunks, cache = self._split(text), self._cache
        for chunk in set(chunks) - cache.keys():
            data = chunk.encode()
            # As in tiktoken, a chunk that is a token is that token, even where no merges would lead to it.
            parts = [data] if data in self.tokens else apply(data, self.tokens)
            cache[chunk] = [self.tokens[part] for part in parts]
            self._held += len(chunk)
        return chain.from_iterable(map(cache.__getitem__, chunks))

    # --- ids to text ---

    def decode(self, ids: npt.ArrayLike) -> str:
        """The text of integer ids. Bytes that are not UTF-8, such as half of a character, become U+FFFD each."""
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def decode_bytes(self, ids: npt.ArrayLike) -> bytes:
        """The bytes of integer ids, for a text in pieces; CorpusError names an id that is none."""
        array = np.asarray(ids).ravel()
        if array.size and array.dtype.kind not in "iu":
            advice = "take argmax, or draw from the probabilities"
            raise _error(f"decode: got ids of dtype {array.dtype}", "integers", advice)
        try:
            return b"".join(map(self._bytes.__getitem__, array.tolist()))
        except KeyError as error:
            expected = f"one of the {len(self._bytes)} in 0 to {len(self) - 1}"
            advice = "take the tokenizer that the model was trained with"
            raise _error(f"decode: got id {error.args[0]}", expected, advice) from None

    # --- what is inside ---

    @cached_property
    def merges(self) -> dict[int, tuple[int, int]]:
        """For each token that merges make its two halves, in the order of the merges; recovered from the ranks.

        Example
        -------
        >>> Tokenizer.train("aaa aaa", merges=2).merges
        {256: (97, 97), 257: (256, 97)}
        """
        found = {}
        for token, i in sorted(self.tokens.items(), key=lambda item: item[1]):
            if len(halves := apply(token, self.tokens, below=i)) == 2:
                found[i] = self.tokens[halves[0]], self.tokens[halves[1]]
        return found

    def __len__(self) -> int:
        """The largest id and one: the rows of an embedding. GPT-4's vocabulary leaves some ids out."""
        return max(self._bytes) + 1

    def __repr__(self) -> str:
        n = len(self.tokens) - 256
        return f"Tokenizer({len(self)} ids: 256 bytes, {n} merges, {len(self.special)} special)"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.tokens, self.special, self.pattern)


def _either(tokens: Iterable[str]) -> str:
    """A pattern for any of them; the first that fits is taken, so the longest come first."""
    return "|".join(map(re.escape, sorted(tokens, key=len, reverse=True)))
