"""The files that hold a tokenizer's vocabulary: our own, tiktoken's, and GPT-2's pair of vocab.bpe and encoder.json.

All of them are text: reading one runs no code. It downloads nothing and reads only the paths it is given.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..advice import a_type
from .corpus import _error

FORMAT = "tinytensor tokenizer 1"
DAMAGED = "name another, or fetch it again: it may be cut off"

# --- bytes as characters that can be seen ---

# GPT-2 writes a byte as the Latin-1 character of its number if that is visible, else as the next one from U+0100 on:
# a space is Ġ, a line end Ċ. In this order, the visible ones first, its ids 0 to 255 stand for them.
_VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_HIDDEN = [b for b in range(256) if b not in _VISIBLE]
BYTE_ORDER = _VISIBLE + _HIDDEN
_SIGNS = {b: chr(b) for b in _VISIBLE} | {b: chr(256 + i) for i, b in enumerate(_HIDDEN)}
_BYTES = {ord(sign): b for b, sign in _SIGNS.items()}


def to_signs(token: bytes) -> str:
    """A token as GPT-2's files write it.

    Example
    -------
    >>> to_signs(b" the\\n")
    'ĠtheĊ'
    """
    return "".join(map(_SIGNS.__getitem__, token))


def from_signs(signs: str) -> bytes:
    """The token written so; KeyError holds the code of a character that stands for no byte."""
    return bytes(map(_BYTES.__getitem__, map(ord, signs)))


# --- any file ---


def _read(path: str | Path, expected: str) -> str:
    try:
        return Path(path).read_bytes().decode()
    except OSError as error:
        advice = "name a file that is there and that you may read"
        raise _error(f"{path}: {error.strerror}", expected, advice) from error
    except UnicodeDecodeError as error:
        raise _error(f"{path}: got bytes that are not UTF-8 at offset {error.start}", expected, DAMAGED) from error


def _read_json(path: str | Path, expected: str) -> dict[str, Any]:
    try:
        tree = json.loads(_read(path, expected))
    except (json.JSONDecodeError, RecursionError) as error:
        raise _error(f"{path}: got no JSON ({error})", expected, DAMAGED) from error
    if not isinstance(tree, dict):
        raise _error(f"{path}: got JSON of {a_type(tree)}", expected, "name another")
    return tree


def _ids(tree: Any, path: str | Path, expected: str) -> dict[str, int]:
    if not isinstance(tree, dict) or not all(type(i) is int for i in tree.values()):
        raise _error(f"{path}: got no id for each token", expected, "name another")
    return tree


# --- our own ---


def write(path: str | Path, tokens: Mapping[bytes, int], special: Mapping[str, int], pattern: str) -> None:
    """Write a vocabulary as JSON, a token a line, whole or not at all; CorpusError where that can't be."""
    signs = {to_signs(token): i for token, i in sorted(tokens.items(), key=lambda item: item[1])}
    tree = {"format": FORMAT, "pattern": pattern, "special": dict(special), "tokens": signs}
    real = Path(path).resolve()
    beside = real.with_name(f".{real.name}.{os.getpid()}.part")
    try:
        if real.exists() and not real.is_file():  # replacing it would take away a device
            raise OSError(None, "a folder or a device is there")
        try:
            beside.write_text(json.dumps(tree, ensure_ascii=False, indent=0) + "\n", "utf-8")
            beside.replace(real)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        got = f"{path}: {error.strerror}"
        raise _error(got, "a file in a folder that can be written", "make it, or name another file") from error


def read(path: str | Path) -> tuple[dict[bytes, int], dict[str, int], str]:
    """Tokens, special tokens and pattern of a file that `write` made; CorpusError if it is not one, or damaged."""
    expected = "a file that Tokenizer.save made"
    tree = _read_json(path, expected)
    if tree.get("format") != FORMAT or not isinstance(tree.get("pattern"), str):
        raise _error(f"{path}: got no {FORMAT!r} inside", expected, "name another, or use Tokenizer.from_...")
    tokens = _ids(tree.get("tokens"), path, expected)
    return _decoded(tokens, path, expected), _ids(tree.get("special"), path, expected), tree["pattern"]


def _decoded(tokens: Mapping[str, int], path: str | Path, expected: str) -> dict[bytes, int]:
    try:
        return {from_signs(signs): i for signs, i in tokens.items()}
    except KeyError as error:
        got = f"{path}: got the character {chr(error.args[0])!r}, which stands for no byte"
        raise _error(got, expected, DAMAGED) from None


# --- those of others ---


def read_tiktoken(path: str | Path) -> dict[bytes, int]:
    """The tokens of a ``.tiktoken`` file: on each line one in base64, a space, and its rank.

    CorpusError names the first line that is something else. A file cut off between two lines looks like a whole one,
    unless a single byte is missing.
    """
    expected = "lines of base64, a space and a rank, each once"
    tokens, ranks = dict[bytes, int](), set[int]()
    for number, line in enumerate(_read(path, expected).split("\n"), 1):
        if not line.strip():
            continue
        try:
            code, rank = line.split()
            token = base64.b64decode(code, validate=True)
            if not (token and rank.isascii() and rank.isdigit()) or token in tokens or int(rank) in ranks:
                raise ValueError
        except (ValueError, binascii.Error):
            raise _error(f"{path}: got {line[:40]!r} in line {number}", expected, DAMAGED) from None
        tokens[token] = int(rank)
        ranks.add(int(rank))
    return tokens


def read_gpt2(vocab_bpe: str | Path, encoder_json: str | Path) -> tuple[dict[bytes, int], dict[str, int]]:
    """Tokens and special tokens of GPT-2's two files: the merges in their order, and the id of each token.

    What encoder.json has, no merge makes and is written ``<...>``, is a special token. CorpusError if the two don't
    belong together: a merge of unknown parts, a product without id, ids in another order than the merges.
    """
    expected = "the vocab.bpe that belongs to encoder.json"
    signs = _ids(_read_json(encoder_json, "GPT-2's encoder.json"), encoder_json, "GPT-2's encoder.json")
    made = dict.fromkeys(map(to_signs, (bytes([b]) for b in BYTE_ORDER)))  # an ordered set, of bytes and of products
    last = -1
    lines = _read(vocab_bpe, expected).split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        left, _, right = line.rstrip("\r").partition(" ")
        if left not in made or right not in made or signs.get(left + right, -1) <= last:
            raise _error(f"{vocab_bpe}: got {line[:40]!r} in line {number}", expected, DAMAGED)
        last = signs[left + right]
        made[left + right] = None
    rest = {token: i for token, i in signs.items() if token not in made}
    for token in rest:
        if not (token.startswith("<") and token.endswith(">")):
            raise _error(f"{encoder_json}: got {token!r}, which no line of {vocab_bpe} makes", expected, DAMAGED)
    missing = next((token for token in made if token not in signs), None)
    if missing:
        raise _error(f"{encoder_json}: got no id for {missing!r}", "GPT-2's encoder.json", DAMAGED)
    return _decoded({token: signs[token] for token in made}, encoder_json, expected), rest
