"""The tokenizer's exercises, which bpe_tokenizer.py runs: slow training, split patterns, merges from ranks, questions.

The fifth exercise, sentencepiece, is left out: it merges code points instead of bytes.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice, pairwise
from random import Random

from tinytensor.text import CorpusError, Tokenizer, learn_merges
from tinytensor.text.tokenizer import splitter
from tinytensor.text.vocabulary_files import BYTE_ORDER

SPLIT = "I've WE'VE 12345 apples...  \n    return x"  # a text that GPT-2's and GPT-4's patterns split differently
KINDS = re.compile(r"[^\W\d_]+|\d+|\s+|(?:[^\w\s]|_)+")  # letters, digits, white space, other signs


# --- 1: the lecture's training, which counts all pairs again for each merge ---


def merged(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    """The ids with the pair replaced, from left to right."""
    out, i = [], 0
    while i < len(ids):
        found = tuple(ids[i : i + 2]) == pair
        out.append(new if found else ids[i])
        i += 1 + found
    return out


def slow_merges(text: str, count: int) -> list[tuple[int, int, int]]:
    ids, merges = list(text.encode()), []
    for new in range(256, 256 + count):
        pairs = Counter(pairwise(ids))
        best = min(pairs, default=(0, 0), key=lambda pair: (-pairs[pair], pair))  # of equals the smallest ids
        if pairs[best] < 2:
            break
        merges.append((*best, pairs[best]))
        ids = merged(ids, best, new)
    return merges


def training(text: str, count: int = 40) -> None:
    start = time.perf_counter()
    slow = slow_merges(text, count)
    middle = time.perf_counter()
    fast = list(islice(learn_merges(text, "whole"), count))
    a, b = middle - start, time.perf_counter() - middle
    same = "the same" if fast == slow else "DIFFERENT"
    print(f"exercise 1, {len(fast)} merges on {len(text):,} characters: counting again each time {a:.2f} s; with a "
          f"list of positions for each pair, and a heap, {b:.2f} s; {same} merges")


# --- 2: what a split pattern forbids ---


def patterns(tokenizers: dict[str, Tokenizer], cut: Callable[[list[bytes]], str]) -> None:
    """The chunks that no merge crosses (GPT-4 has three digits at most, and 'VE as 've), and what that forbids."""
    print(f"exercise 2, the chunks of {SPLIT!r}:")
    for pattern in tokenizers:
        print(f"  {pattern:>6}: {cut([chunk.encode() for chunk in splitter(pattern)(SPLIT)])}")
    print("tokens of several kinds of characters (a space before a word is none):")
    for pattern, tokenizer in tokenizers.items():
        texts = [token.decode("utf-8", "ignore") for token in tokenizer.tokens]
        across = [text for text in texts if len(KINDS.findall(text.removeprefix(" "))) > 1]
        some = " ".join(f"[{text}]" for text in sorted(across, key=len)[-6:]).replace("\n", "\\n")
        print(f"  {pattern:>6}: {len(across):>4} of {len(texts):,}  {some}")


# --- 3: merges from ranks, bytes in another order ---


def recovered(tokenizer: Tokenizer, merges: list, text: str) -> None:
    """GPT-4's file has a rank for each token but not its halves, and its own order of bytes."""
    same = list(tokenizer.merges.values()) == [(m.left, m.right) for m in merges]
    moved = {bytes([b]): i for i, b in enumerate(BYTE_ORDER)}
    other = Tokenizer({token: moved.get(token, i) for token, i in tokenizer.tokens.items()}, {}, tokenizer.pattern)
    ours, theirs = (t.encode(text, special="text") for t in (tokenizer, other))
    cuts = [[t.decode_bytes([i]) for i in ids] for t, ids in ((tokenizer, ours), (other, theirs))]
    print(f"exercise 3: the halves of all {len(merges):,} merges are recovered from the ranks: {same}; with the bytes "
          f"in GPT-2's order, {(ours != theirs).mean():.0%} of the ids change, the tokens "
          f"{'stay' if cuts[0] == cuts[1] else 'CHANGE'}")


# --- 4: special tokens ---


def special_tokens(tokenizer: Tokenizer, token: str) -> None:
    """As in tiktoken: refused unless the caller allows it, so that a user's text can't contain a hidden end."""
    text = f"end{token}"
    print(f"exercise 4, the special token {token}, id {tokenizer.special[token]}, in {text!r}:")
    for how in ("allow", "text"):
        print(f"  special={how!r}: {tokenizer.encode(text, special=how).tolist()}")
    try:
        tokenizer.encode(text)
    except CorpusError as error:
        print(f"  else refused: {error}")


# --- the lecture's questions ---


def questions(show: Callable[[str, str], None]) -> None:
    """Why can't a model spell, reverse a word, add, or continue after a space? It never sees the letters."""
    print("questions: spelling and reversing, numbers, a space at the end, other languages")
    for what, text in (("spell", "lords and gentlemen"), ("reverse", "nemeltneg dna sdrol"),
                       ("case", "LORDS Lords lords"), ("sums", "127 + 677 = 804"), ("end", "my lord"),
                       ("space", "my lord "), ("Korean", "안녕하세요"), ("French", "Où est la bibliothèque ?")):
        show(what, text)


def round_trips(tokenizers: dict[str, Tokenizer], seed: int, count: int = 500) -> None:
    """Decoding inverts encoding for any text: random code points from all of Unicode, without surrogates."""
    rng = Random(seed)
    texts = ["".join(chr(c) for c in (rng.choice((rng.randrange(128), rng.randrange(0x110000))) for _ in range(20))
                     if not 0xD800 <= c < 0xE000) for _ in range(count)]
    back = sum(t.decode(t.encode(text)) == text for t in tokenizers.values() for text in texts)
    print(f"{back:,} of {count * len(tokenizers):,} random texts are unchanged by encoding and decoding")
