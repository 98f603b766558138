"""The tokenizer: any text comes back, merges as a slow reference makes them, files of three kinds, and tiktoken."""

import base64
import copy
import json
import pickle
import re
import subprocess
import sys
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytensor import text as package
from tinytensor.text import CorpusError, Tokenizer, bpe, learn_merges, tokenizer
from tinytensor.text.tokenizer import GPT2_SPECIAL, GPT4_SPECIAL, PATTERNS, splitter
from tinytensor.text.vocabulary_files import BYTE_ORDER, from_signs, to_signs

pytest.importorskip("regex")

DATA = Path(__file__).parents[2] / "data"
END = "<|endoftext|>"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)  # all of Unicode but halves of pairs
# Where the patterns have their cases: contractions, kinds of white space, numbers that are no digits, long s.
PIECES = ["a", "B", "é", "字", "ſ", "'s", "'LL", "'", "_", "1", "23", "½", "Ⅷ", "!", "...", " ", "  ", "\n", "\r\n",
          "\t", "\u00a0", "\u0085", "\x1c", "\u2028", "\u0301", "👋", END, "<|", "|>"]
MIXED = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
CHUNKS = st.dictionaries(st.lists(st.sampled_from(b"abc"), max_size=12).map(bytes), st.integers(1, 3), max_size=6)


@pytest.fixture(scope="module")
def shakespeare():
    return (DATA / "shakespeare.txt").read_text("utf-8")


@pytest.fixture(scope="module", params=PATTERNS)
def trained(request, shakespeare):
    return Tokenizer.train(shakespeare[:50_000], 300, request.param, [END])


def says(call, *args, **kwargs):
    """The one line of the CorpusError that a call raises."""
    with pytest.raises(CorpusError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- learning, against the slow way ---


def naive(chunks, count):
    """Count all pairs anew for each merge; of equally frequent ones take the smallest ids."""
    rows, merges = [(list(chunk), n) for chunk, n in chunks.items()], []
    for new in range(256, 256 + count):
        pairs = Counter()
        for ids, n in rows:
            for pair in pairwise(ids):
                pairs[pair] += n
        best = min(pairs, key=lambda p: (-pairs[p], p), default=None)
        if best is None or pairs[best] < 2:
            break
        merges.append((*best, pairs[best]))
        rows = [(replaced(ids, best, new), n) for ids, n in rows]
    return merges


def replaced(ids, pair, new):
    out, i = [], 0
    while i < len(ids):
        found = tuple(ids[i : i + 2]) == pair
        out.append(new if found else ids[i])
        i += 1 + found
    return out


@given(CHUNKS)
def test_the_merges_are_those_of_counting_anew(chunks):
    assert list(islice(bpe.learn(chunks), 30)) == naive(chunks, 30)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_merges_of_a_play_too(pattern, shakespeare):
    text = shakespeare[:8_000]
    chunks = Counter(chunk.encode() for chunk in splitter(pattern)(text))
    assert list(islice(learn_merges(text, pattern), 60)) == naive(chunks, 60)


@given(CHUNKS, st.lists(st.sampled_from(b"abc"), max_size=30).map(bytes))
def test_applying_is_replaying_the_merges(chunks, chunk):
    merges, ids = list(bpe.learn(chunks)), list(chunk)
    made = Tokenizer.of(merges)
    for i, (left, right, _) in enumerate(merges):
        ids = replaced(ids, (left, right), 256 + i)
    assert len(made.tokens) == 256 + len(merges), "no token is made twice"
    assert [made.tokens[part] for part in bpe.apply(chunk, made.tokens)] == ids
    assert made.merges == {256 + i: (left, right) for i, (left, right, _) in enumerate(merges)}


def test_the_rule_for_ties():
    assert next(learn_merges("cdab cdab", "whole"))[:2] == tuple(b"ab"), "the smallest ids, not the first in the text"
    assert next(learn_merges("acab acab", "whole"))[:2] == tuple(b"ab"), "nor the one last seen"
    assert [m.times for m in learn_merges("aaaa", "whole")] == [3], "overlapping pairs count, and merge from the left"
    assert [*learn_merges("abcd", "whole")] == [*learn_merges("")] == [], "nothing occurs twice"
    assert Tokenizer.train("aaaa", 10, "whole").encode("aaaaa").tolist() == [256, 256, 97]


def test_long_chunks_are_no_trap():
    made = Tokenizer.train("ab" * 100 + "aaaa" * 100, 20, "whole")
    text = "a" * 50_000 + "ab" * 50_000  # quadratic time would take minutes
    assert made.decode(made.encode(text)) == text


# --- there and back ---


@given(st.data())
def test_any_text_comes_back(trained, data):
    text = data.draw(TEXT | MIXED)
    ids = trained.encode(text, special=data.draw(st.sampled_from(["text", "allow"])))
    assert ids.dtype == np.int64 and ids.ndim == 1
    assert trained.decode(ids) == trained.decode(ids.tolist()) == text
    assert trained.decode_bytes(ids) == b"".join(trained.decode_bytes(i) for i in ids) == text.encode()
    assert "".join(splitter(trained.pattern)(text)) == text


def test_a_play_comes_back_and_is_shorter(trained, shakespeare):
    part = shakespeare[-50_000:]
    ids = trained.encode(part)
    assert trained.decode(ids) == part and len(ids) < 0.6 * len(part)
    assert (trained.encode(part) == ids).all(), "the second time from the cache"


def test_the_cache_does_not_grow_without_end(monkeypatch):
    monkeypatch.setattr(tokenizer, "HELD", 10)
    made = Tokenizer.train("the cat sat on the mat", 5)
    texts = [*map(str, range(100)), ""]
    assert [made.decode(made.encode(text)) for text in texts] == texts and len(made._cache) <= 10
    assert Tokenizer.train("", 3).encode("").tolist() == [] and made.decode([]) == ""


def test_a_chunk_that_is_a_token_is_that_token_as_in_tiktoken():
    made = Tokenizer({bytes([b]): b for b in range(256)} | {b"abc": 256})
    assert made.encode("abc abcd").tolist() == [256, 32, *b"abcd"] and made.merges == {}, "no merges lead to it"


def test_half_a_character_is_replaced():
    made = Tokenizer.train("", 0)
    ids = made.encode("é")
    assert ids.tolist() == [0xC3, 0xA9] and made.decode(ids[:1]) == "\ufffd"


def test_patterns():
    text = "I've WE'VE 12345 apples…  \n  x_1 \n "
    assert splitter("gpt2")(text) == ["I", "'ve", " WE", "'", "VE", " 12345", " apples", "…", "  \n ", " x", "_", "1",
                                      " \n "]
    assert splitter("gpt4")(text) == ["I", "'ve", " WE", "'VE", " ", "123", "45", " apples", "…", "  \n", " ", " x",
                                      "_", "1", " \n "]
    assert splitter("simple")(text) == ["I", "'", "ve", " WE", "'", "VE", " 12345", " apples", "…", "  \n ", " x",
                                        "_", "1", " \n "]
    assert splitter("whole")(text) == [text] and splitter(r"\w+|\W")("ab, c") == ["ab", ",", " ", "c"]


# --- special tokens ---


def test_special_tokens_are_refused_unless_the_caller_says_what_they_are():
    made = Tokenizer.train("hello hello", 4, special=[END, "<|end|>", "<|end|>x"])
    assert made.special == {END: 260, "<|end|>": 261, "<|end|>x": 262} and len(made) == 263
    text = f"hello{END} <|end|>x<|end|>"
    ids = made.encode(text, special="allow")
    assert [i for i in ids.tolist() if i >= 260] == [260, 262, 261], "the longest that fits"
    assert max(made.encode(text, special="text")) < 260 and made.decode(ids) == text
    assert made.encode(END, special={END}).tolist() == made.encode(END, special=[END]).tolist() == [260]
    assert says(made.encode, text) == (
        f"encode: got the special token '{END}' at position 5 of the text; expected none; pass special='text' to "
        f"take it as text, 'allow' to take it as the token")
    assert "'<|end|>x' at position 19" in says(made.encode, text, special={END})
    assert says(made.encode, "a", special={"<|pad|>"}) == (
        f"encode: got the unknown special token '<|pad|>'; expected of ['{END}', '<|end|>', '<|end|>x']; name it when "
        f"making the tokenizer")
    assert "expected 'refuse', 'text', 'allow' or a set of them" in says(made.encode, "a", special=END)
    assert Tokenizer.train("", 0, special=["a", "b", "a"]).special == {"a": 256, "b": 257}
    assert Tokenizer.train(END, 0).encode(END).tolist() == list(END.encode()), "one without any has text only"


# --- what is refused ---


@pytest.mark.parametrize(("call", "text"), [
    (lambda t: t.encode(b"abc"), "encode: got a text of type bytes; expected a str; decode bytes by .decode()"),
    (lambda t: t.encode(["a"]), "encode: got a text of type list; expected a str"),
    (lambda t: Tokenizer.train(None, 3), "train: got a text of type NoneType; expected a str"),
    (lambda t: t.encode("ab\ud800c"), "encode: got half of a surrogate pair, U+D800, at position 2; expected text"),
    (lambda t: Tokenizer.train("\udfff", 3), "train: got half of a surrogate pair, U+DFFF, at position 0"),
    (lambda t: Tokenizer.train("a", -1), "train: got merges=-1; expected 0 or more"),
    (lambda t: Tokenizer.train("a", 0, special=END), f"special: got one text, '{END}'; expected a list"),
    (lambda t: t.decode([97, 300]), "decode: got id 300; expected one of the 258 in 0 to 257; take the tokenizer that"),
    (lambda t: t.decode([-1]), "decode: got id -1; expected one of"),
    (lambda t: t.decode(np.array([1.0])), "decode: got ids of dtype float64; expected integers"),
    (lambda t: t.decode("abc"), "; expected integers"),
    (lambda t: Tokenizer({b"a": 0}), "Tokenizer: got 255 bytes without an id, the first 0x00; expected all 256"),
    (lambda t: Tokenizer(t.tokens | {b"xy": 5}), "Tokenizer: got id 5 for 2 tokens; expected ids from 0 on, each once"),
    (lambda t: Tokenizer(t.tokens, {"<a>": 97}), "Tokenizer: got id 97 for 2 tokens"),
    (lambda t: Tokenizer(t.tokens, {"<a>": -4}), "Tokenizer: got id -4 for 1 tokens; expected ids from 0"),
    (lambda t: Tokenizer(t.tokens, {"": 999}), "Tokenizer: got an empty special token"),
    (lambda t: Tokenizer(t.tokens, {"\ud800": 999}), "Tokenizer: got half of a surrogate pair, U+D800, at position 0"),
    (lambda t: Tokenizer.train("a", 0, "(a"), "pattern: got '(a', missing ), unterminated subpattern at position 0; "
                                              "expected simple, gpt2, gpt4, whole or a regular expression; correct it"),
    (lambda t: Tokenizer.train("a", 0, r"\p{No}\p{Such}"), "; expected simple, gpt2"),
    (lambda t: Tokenizer.train("a", 0, "(a)|."), "pattern: got '(a)|.', with 1 capturing groups; expected none; "),
    (lambda t: Tokenizer.train("a\nb", 0, ".+"), "whose chunks have 2 of the text's 3 characters; expected all; end"),
])
def test_each_mistake_is_told_in_one_line(call, text):
    assert text in says(call, Tokenizer.train("abab", 1, special=[END]))


def test_without_the_package_regex(monkeypatch):
    monkeypatch.setitem(sys.modules, "regex", None)
    assert Tokenizer.train("abab abab", 3).encode("abab").tolist() == [257]
    assert says(splitter, "gpt4") == (
        r"pattern: got 'gpt4', which needs the package regex; expected it to be installed; pip install "
        r"'tinytensor[tokenizer]' adds it, or take the pattern 'simple'")


# --- files ---


def written(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def tiktoken_file(path, tokens):
    lines = (base64.b64encode(t) + b" %d\n" % i for t, i in sorted(tokens.items(), key=lambda item: item[1]))
    return written(path, b"".join(lines))


def gpt2_order(made):
    """The same vocabulary with the bytes' ids in GPT-2's order."""
    moved = {bytes([b]): i for i, b in enumerate(BYTE_ORDER)}
    return {token: moved.get(token, i) for token, i in made.tokens.items()}


def gpt2_files(folder, merges, tokens, special):
    """vocab.bpe and encoder.json, as OpenAI wrote them."""
    token = {i: token for token, i in Tokenizer.of(merges).tokens.items()}
    lines = ["#version: 0.2", *(f"{to_signs(token[a])} {to_signs(token[b])}" for a, b, _ in merges), ""]
    ids = {to_signs(t): i for t, i in tokens.items()} | special
    return written(folder / "vocab.bpe", "\n".join(lines)), written(folder / "encoder.json", json.dumps(ids))


def test_save_and_load(trained, tmp_path):
    trained.save(tmp_path / "t.json")
    again = Tokenizer.load(tmp_path / "t.json")
    assert again == trained and again.pattern in PATTERNS.values(), "the file stands by itself"
    assert [p.name for p in tmp_path.iterdir()] == ["t.json"], "nothing is left beside it"
    lines = (tmp_path / "t.json").read_text("utf-8").splitlines()
    assert '"Ġ": 32,' in lines and f'"{END}": 556' in lines, "to be read by eye"
    for other in (copy.deepcopy(trained), pickle.loads(pickle.dumps(trained))):
        assert other == trained and (other.encode("to be") == trained.encode("to be")).all()
    assert again != Tokenizer(again.tokens, {}, again.pattern)
    assert repr(again) == "Tokenizer(557 ids: 256 bytes, 300 merges, 1 special)"


@given(tokens=st.sets(st.binary(min_size=2, max_size=5), max_size=5), special=st.sets(TEXT.filter(bool), max_size=3))
def test_any_vocabulary_can_be_saved(tokens, special, tmp_path_factory):
    ids = {bytes([b]): 255 - b for b in range(256)} | {token: 300 + 2 * i for i, token in enumerate(sorted(tokens))}
    made = Tokenizer(ids, {token: 1000 + i for i, token in enumerate(sorted(special))})
    path = tmp_path_factory.mktemp("saved") / "t.json"
    made.save(path)
    assert Tokenizer.load(path) == made


def test_a_tiktoken_file(tmp_path, shakespeare):
    merges = list(islice(learn_merges(shakespeare[:20_000], "gpt4"), 200))
    made = Tokenizer.of(merges, "gpt4")
    path = tiktoken_file(tmp_path / "a.tiktoken", gpt2_order(made))
    read = Tokenizer.from_tiktoken(path)
    assert read.special == GPT4_SPECIAL and len(read) == 100277 and read.decode([100257]) == END
    assert (read.pattern, read.merges) == (PATTERNS["gpt4"], {
        256 + i: tuple(read.tokens[made.decode_bytes(half)] for half in m[:2]) for i, m in enumerate(merges)})
    text = f"Speak, speak: {END}12345 né\n"
    ours, theirs = made.encode(text), read.encode(text, special="text")
    assert [made.decode_bytes(i) for i in ours] == [read.decode_bytes(i) for i in theirs] and (ours != theirs).any()
    assert "id 456; expected one of the 461 in 0 to 100276" in says(read.decode, 456), "GPT-4's leaves ids out, too"
    old = Tokenizer.from_tiktoken(path, "gpt2", GPT2_SPECIAL)
    assert old.encode(END, special="allow").tolist() == [50256]


def test_gpt2_files(tmp_path, shakespeare):
    merges = list(islice(learn_merges(shakespeare[:20_000], "gpt2"), 200))
    made = Tokenizer.of(merges, "gpt2")
    paths = gpt2_files(tmp_path, merges, gpt2_order(made), {END: 456})
    read = Tokenizer.from_gpt2(*paths)
    assert read == Tokenizer(gpt2_order(made), {END: 456}, "gpt2")
    assert read.encode(END, special="allow").tolist() == [456]
    assert read.encode("Hello").tolist()[0] == 39, "GPT-2's id of H is 39"
    written(paths[0], paths[0].read_bytes().replace(b"\n", b"\r\n"))
    assert Tokenizer.from_gpt2(*paths) == read


def test_the_signs_of_bytes_are_gpt2s():
    assert sorted(BYTE_ORDER) == list(range(256)) and BYTE_ORDER[:2] == [33, 34]
    assert to_signs(b" the\n\t\x00\x7f\xa0\xad\xff!") == "ĠtheĊĉĀġłŃÿ!"
    everything = bytes(range(256))
    assert from_signs(to_signs(everything)) == everything and len(set(to_signs(everything))) == 256


@pytest.fixture(scope="module")
def small():
    return Tokenizer.train("the cat sat on the mat, the cat sat", 12, "whole", [END])


@pytest.mark.parametrize("cut", [0, 1, 50, 2000, -3])
def test_our_file_cut_off_anywhere_is_refused(small, tmp_path, cut):
    small.save(tmp_path / "t.json")
    path = written(tmp_path / "cut.json", (tmp_path / "t.json").read_bytes()[:cut])
    text = says(Tokenizer.load, path)
    assert text.startswith(f"{path}: got no JSON") and "expected a file that Tokenizer.save made; name another" in text


@pytest.mark.parametrize(("data", "text"), [
    (b"\x89PNG", "that are not UTF-8 at offset 0"), ("[" * 100_000, "got no JSON"), ("[1]", "got JSON of a list"),
    ("{}", "no 'tinytensor tokenizer 1' inside"),
    ('{"format": "tinytensor tokenizer 1", "pattern": ".", "tokens": {"a": "b"}}', "got no id for each token"),
    ('{"format": "tinytensor tokenizer 1", "pattern": ".", "tokens": [1]}', "got no id for each token"),
    ('{"format": "tinytensor tokenizer 1", "pattern": ".", "tokens": {"\\n": 3}}', r"'\n', which stands for no byte"),
    ('{"format": "tinytensor tokenizer 1", "pattern": ".", "tokens": {}, "special": 3}', "got no id for each"),
    ('{"format": "tinytensor tokenizer 1", "pattern": ".", "tokens": {}, "special": {}}', "got 256 bytes without"),
])
def test_a_foreign_file_is_no_tokenizer(tmp_path, data, text):
    assert text in says(Tokenizer.load, written(tmp_path / "x", data))


def test_files_that_cannot_be_read_or_written(small, tmp_path):
    none = tmp_path / "none"
    assert says(Tokenizer.load, none).startswith(f"{none}: No such file or directory; expected a file that")
    assert "Is a directory" in says(Tokenizer.load, tmp_path)
    assert "No such file or directory" in says(small.save, tmp_path / "none" / "t.json")
    for there in (tmp_path, "/dev/null"):
        assert "a folder or a device is there" in says(small.save, there)
    path = tmp_path / "link"
    path.symlink_to(tmp_path / "t.json")
    small.save(path)
    assert path.is_symlink() and Tokenizer.load(tmp_path / "t.json") == small


@pytest.mark.parametrize(("change", "text"), [
    (lambda lines: lines[:200], "bytes without an id"),
    (lambda lines: [*lines[:-1], lines[-1][:-4]], " in line 264; "),
    (lambda lines: [*lines[:-1], lines[-1][:3]], " in line 264; "),
    (lambda lines: [*lines[:-1], lines[-1][:-1]], " in line 264; "),
    (lambda lines: [*lines, lines[0]], "got 'AA== 0' in line 265; expected lines of base64, a space and a rank, each"),
    (lambda lines: [*lines, "YWI= -3"], "got 'YWI= -3' in line 265"),
    (lambda lines: [*lines, "YW!I= 900"], " in line 265; "),
    (lambda lines: ["<html>", *lines], "got '<html>' in line 1"),
])
def test_a_damaged_tiktoken_file_is_refused(small, tmp_path, change, text):
    lines = tiktoken_file(tmp_path / "whole", small.tokens).read_text().splitlines()
    assert text in says(Tokenizer.from_tiktoken, written(tmp_path / "x", "\n".join(change(lines))))


@pytest.mark.parametrize(("bpe_change", "json_change", "text"), [
    (lambda s: "\n".join(s.split("\n")[:6]), lambda j: j, ", which no line of "),
    (lambda s: s.rstrip()[:-2], lambda j: j, " in line 9; "),
    (lambda s: s + "t q\n", lambda j: j, "got 't q' in line 10; expected the vocab.bpe that belongs to encoder.json; "),
    (lambda s: s + "zz y\n", lambda j: j, "got 'zz y' in line 10"),
    (lambda s: "<html>\n" + s, lambda j: j, "got '<html>' in line 1"),
    (lambda s: s, lambda j: j[:-5], "encoder.json: got no JSON"),
    (lambda s: s, lambda j: json.dumps({k: v for k, v in json.loads(j).items() if k != "a"}), "got no id for 'a'"),
    (lambda s: s, lambda j: json.dumps({k: -v for k, v in json.loads(j).items()}), " in line 2; "),
    (lambda s: s, lambda j: json.dumps(json.loads(j) | {"€": 999}), ", which no line of"),
    (lambda s: s, lambda j: '{"a": 1.5}', "got no id for each token"),
])
def test_damaged_gpt2_files_are_refused(small, tmp_path, bpe_change, json_change, text):
    merges = [(*m, 0) for m in small.merges.values()]
    vocab, encoder = gpt2_files(tmp_path, merges, small.tokens, small.special)
    assert Tokenizer.from_gpt2(vocab, encoder).tokens == small.tokens
    written(vocab, bpe_change(vocab.read_text("utf-8")))
    written(encoder, json_change(encoder.read_text("utf-8")))
    assert text in says(Tokenizer.from_gpt2, vocab, encoder)


# --- the peer ---


@pytest.fixture(scope="module", params=["gpt2", "gpt4"])
def both(request, shakespeare, tmp_path_factory):
    """Our tokenizer and tiktoken's, from one file."""
    tiktoken = pytest.importorskip("tiktoken")
    public = pytest.importorskip("tiktoken_ext.openai_public")
    path = tiktoken_file(tmp_path_factory.mktemp("peer") / "made.tiktoken",
                         gpt2_order(Tokenizer.train(shakespeare[:100_000], 500, request.param)))
    special = {END: 50256, "<|fim|>": 50300}
    source = Path(public.__file__).read_text("utf-8")  # its own patterns; asking for an encoding would download one
    gpt4 = re.search(r'"pat_str": r"""(\'\(\?i:.*)""",', source)[1]
    pattern = public.r50k_pat_str if request.param == "gpt2" else gpt4
    ranks = {base64.b64decode(t): int(i) for t, i in map(str.split, path.read_text().splitlines())}
    theirs = tiktoken.Encoding("made", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)
    return Tokenizer.from_tiktoken(path, request.param, special), theirs


@pytest.mark.peer
@given(st.data())
def test_tiktoken_gives_the_same_ids(both, data):
    ours, theirs = both
    text = data.draw(TEXT | MIXED)
    assert ours.encode(text, special="text").tolist() == theirs.encode_ordinary(text)
    ids = theirs.encode(text, allowed_special="all")
    assert ours.encode(text, special="allow").tolist() == ids and ours.decode(ids) == theirs.decode(ids)
    if END in text:
        with pytest.raises(ValueError, match="disallowed special token"):
            theirs.encode(text)
        assert END in says(ours.encode, text)


@pytest.mark.peer
def test_tiktoken_on_a_play(both, shakespeare):
    ours, theirs = both
    assert ours.encode(shakespeare).tolist() == theirs.encode_ordinary(shakespeare) and len(ours) == theirs.n_vocab


@pytest.mark.peer
@given(tokens=st.sets(st.lists(st.sampled_from(b"abc"), min_size=2, max_size=5).map(bytes), max_size=12),
       chunk=st.text("abc", max_size=6) | st.text("abc", max_size=200))
def test_tiktoken_on_vocabularies_that_no_training_makes(tokens, chunk):
    tiktoken = pytest.importorskip("tiktoken")
    ranks = {bytes([b]): b for b in range(256)} | {token: 256 + i for i, token in enumerate(tokens)}
    theirs = tiktoken.Encoding("made", pat_str=r"[\s\S]+", mergeable_ranks=ranks, special_tokens={})
    assert Tokenizer(ranks, {}, "whole").encode(chunk).tolist() == theirs.encode_ordinary(chunk)


# --- the house ---


def test_it_is_loaded_when_it_is_named():
    code = ("import sys, tinytensor as tt; tt.text; assert 'tinytensor.text.tokenizer' not in sys.modules;"
            "tt.text.Tokenizer; assert 'tinytensor.text.tokenizer' in sys.modules and 'regex' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=DATA.parent)
    assert set(package.__all__) <= {*dir(package), "Tokenizer", "learn_merges"}
    with pytest.raises(AttributeError, match="no attribute 'Tokeniser'"):
        _ = package.Tokeniser
