"""The corpus: reading, vocabulary, split, windows, batches and sampling, against the lectures' loops and figures."""

import copy
import hashlib
import pickle
import random
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytensor.random import Generator
from tinytensor.text import CorpusError, Vocabulary, batches, read_items, sample, split, windows

DATA = Path(__file__).parents[2] / "data"
SEED = 2147483647  # the lectures'
CHARACTERS = st.characters(exclude_characters=".")  # all of Unicode but the boundary and halves of pairs
ITEMS = st.lists(st.text(CHARACTERS, max_size=6), min_size=1, max_size=8).filter(any)


@pytest.fixture(scope="module")
def names():
    return read_items(DATA / "names.txt")


@pytest.fixture(scope="module")
def letters(names):
    return Vocabulary.of(names)


def says(call, *args, **kwargs):
    """The whole text of the CorpusError that a call raises."""
    with pytest.raises(CorpusError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def loop_windows(items, vocabulary, context):
    """The lectures' loop, character by character."""
    stoi = {c: i for i, c in enumerate(vocabulary.characters)}
    X, Y = [], []
    for item in items:
        window = [0] * context
        for c in item + vocabulary.boundary:
            X.append(window)
            Y.append(stoi[c])
            window = [*window[1:], stoi[c]]
    return np.array(X, np.int64).reshape(-1, context), np.array(Y, np.int64)


# --- the data ---


@pytest.mark.parametrize(
    "name, digest, size",
    [
        ("names.txt", "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d", 228145),
        ("shakespeare.txt", "9b11b82968f40df701c5a2fba179da183b7c500b8b6eb7b7c306bb9ea5a81e34", 1114928),
    ],
)
def test_the_files_are_the_recorded_bytes_and_their_provenance_says_so(name, digest, size):
    data = (DATA / name).read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (size, digest)
    provenance = (DATA / "PROVENANCE.md").read_text(encoding="utf-8")
    assert digest in provenance and f"{size:,} bytes" in provenance


def test_the_names_are_the_lectures(names, letters):
    first = "emma olivia ava isabella sophia charlotte mia amelia harper evelyn"
    assert names[:10] == first.split()
    assert (len(names), len(set(names))) == (32033, 29494)
    assert (min(map(len, names)), max(map(len, names))) == (2, 15)
    assert letters.characters == ".abcdefghijklmnopqrstuvwxyz" and len(letters) == 27


def test_shakespeare_is_64_characters_and_7058_speeches():
    text = (DATA / "shakespeare.txt").read_bytes().decode("ascii")
    assert len(set(text)) == 64 and len(text.split("\n\n")) == 7058
    vocabulary = Vocabulary.of([text], boundary="\0")
    assert vocabulary.decode(vocabulary.encode(text)) == text


# --- reading ---


@pytest.mark.parametrize(
    "data, items",
    [
        (b"emma\nolivia\nava", ["emma", "olivia", "ava"]),
        (b"emma\r\nolivia\r\nava\r\n", ["emma", "olivia", "ava"]),
        (b"emma\rolivia\rava\r", ["emma", "olivia", "ava"]),
        (b"\xef\xbb\xbfemma\n\n \t\nolivia\nava\n\n", ["emma", "olivia", "ava"]),
        (b" mary ann \nzo\xc3\xab\nzo\xc3\xab", [" mary ann ", "zoë", "zoë"]),
        ("a\u2028b\nc\x0cd\ne\x85f".encode(), ["a\u2028b", "c\x0cd", "e\x85f"]),
    ],
)
def test_an_item_is_a_line_without_its_end(tmp_path, data, items):
    path = tmp_path / "items.txt"
    path.write_bytes(data)
    assert read_items(path) == read_items(str(path)) == items


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path, monkeypatch):
    rest = "expected a text with one item a line; name a file that is there and that you may read"
    missing = tmp_path / "nmaes.txt"
    assert says(read_items, missing) == f"{missing}: No such file or directory; {rest}"
    assert says(read_items, tmp_path) == f"{tmp_path}: Is a directory; {rest}"

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)  # a superuser may read everything, so chmod would show nothing
    assert says(read_items, "names.txt") == f"names.txt: Permission denied; {rest}"


@pytest.mark.parametrize(
    "data, got",
    [
        (b"emma\nzo\xeb\nava", "got the byte 0xeb in line 2, at offset 7"),
        (b"\xef\xbb\xbfemma\r\n\r\n\xff", "got the byte 0xff in line 3, at offset 11"),
        (b"\xff\xfee\x00m\x00", "got the byte 0xff in line 1, at offset 0"),
        (b"emma\nava\nzo\xc3", "got the byte 0xc3 in line 3, at offset 11"),
    ],
)
def test_a_byte_that_is_not_utf8_is_named(tmp_path, data, got):
    path = tmp_path / "items.txt"
    path.write_bytes(data)
    assert says(read_items, path) == f"{path}: {got}; expected UTF-8 throughout; save the file as UTF-8"


@pytest.mark.parametrize(
    "data, got",
    [
        (b"", "got an empty file"),
        (b"\n \n", "got 0 items"),
        (b"emma\nava", "got 2 items"),
    ],
)
def test_fewer_than_three_items_are_refused(tmp_path, data, got):
    path = tmp_path / "items.txt"
    path.write_bytes(data)
    rest = "expected 3 or more, to be split in three; put one on each line"
    assert says(read_items, path) == f"{path}: {got}; {rest}"


# --- vocabulary ---


def test_a_vocabulary_is_its_string():
    vocabulary = Vocabulary.of(["emma", "ava"])
    assert vocabulary == Vocabulary(".aemv") == eval(repr(vocabulary)) and hash(vocabulary) == hash(Vocabulary(".aemv"))
    assert vocabulary != Vocabulary(".aemvz")
    assert (vocabulary.characters, vocabulary.boundary, len(vocabulary)) == (".aemv", ".", 5)
    assert pickle.loads(pickle.dumps(vocabulary)) == copy.deepcopy(vocabulary) == vocabulary
    with pytest.raises(AttributeError):
        vocabulary.characters = ".abc"


def test_the_boundary_is_id_0_wherever_it_sorts():
    items = ["J.R.", "-~", "\U0001f600"]
    vocabulary = Vocabulary.of(items, boundary="\n")
    assert vocabulary.characters == "\n-.JR~\U0001f600" and vocabulary.boundary == "\n"
    assert vocabulary.encode("J.R.\n").tolist() == [3, 2, 4, 2, 0]
    assert Vocabulary.of(["b!", "a"], boundary="m").characters == "m!ab"


def test_ids_are_int64_and_own_their_memory():
    vocabulary = Vocabulary(".ab")
    for text in ("", "ab.", "b" * 1000):
        ids = vocabulary.encode(text)
        assert ids.dtype == np.int64 and ids.shape == (len(text),) and ids.flags.writeable
    for ids in ([2, 1, 0], (2, 1, 0), np.array([2, 1, 0], np.uint8), np.array([[2], [1], [0]])):
        assert vocabulary.decode(ids) == "ba."
    assert vocabulary.decode([]) == vocabulary.decode(np.zeros((0, 3), np.int64)) == ""
    assert vocabulary.decode(np.int64(2)) == "b"


@given(ITEMS)
def test_encode_and_decode_are_inverse_in_all_of_unicode(items):
    vocabulary = Vocabulary.of(items)
    assert vocabulary.characters[0] == "." and list(vocabulary.characters[1:]) == sorted(set("".join(items)))
    for item in items:
        ids = vocabulary.encode(item)
        assert ids.tolist() == [vocabulary.characters.index(c) for c in item]
        assert vocabulary.decode(ids) == item


def test_nul_and_half_a_surrogate_pair_are_characters_too():
    items = ["a\0", "\0\0", "\ud83d", "\U0010ffff"]
    vocabulary = Vocabulary.of(items)
    assert [vocabulary.decode(vocabulary.encode(item)) for item in items] == items


@pytest.mark.parametrize(
    "text, got",
    [
        ("josé", "encode: got 'é' (U+00E9) at position 3 of 'josé'"),
        ("jose.zoe.jos", "encode: got 'z' (U+007A) at position 0 of 'zoe'"),
        (".soe\n", "encode: got '\\n' (U+000A) at position 3 of 'soe\\n'"),
        ("s\U0001f600.", "encode: got '\U0001f600' (U+1F600) at position 1 of 's\U0001f600'"),
        ("e" * 90 + "!", "encode: got '!' (U+0021) at position 90 of 'eeeeeeeeeeee...eeeeeeeeeeee!'"),
    ],
)
def test_a_character_from_outside_is_named_with_its_place(text, got):
    rest = "take it out, or make the vocabulary from all items, before the split"
    assert says(Vocabulary(".ejos").encode, text) == f"{got}; expected one of the 5 characters '.ejos'; {rest}"
    if not text.startswith("e"):
        items = [item for item in text.split(".") if item]
        assert says(windows, items, Vocabulary(".ejos"), 3).startswith(got)


@given(st.text(CHARACTERS, min_size=1, max_size=9), st.data())
def test_no_character_from_outside_is_taken_for_one_inside(text, data):
    known = data.draw(st.sets(CHARACTERS, min_size=1, max_size=5))
    vocabulary = Vocabulary("." + "".join(sorted(known)))
    outside = [i for i, c in enumerate(text) if c not in known]
    if outside:
        assert f" at position {outside[0]} of " in says(vocabulary.encode, text)
    else:
        assert vocabulary.decode(vocabulary.encode(text)) == text


def test_a_boundary_inside_an_item_is_refused():
    rest = "expected it between items only; take it out, or choose another: Vocabulary.of(items, boundary)"
    text = f"items: got the boundary '.' in item 1, 'j.r.'; {rest}"
    assert says(Vocabulary.of, ["emma", "j.r.", "a.b"]) == text
    assert says(windows, ["emma", "j.r."], Vocabulary(".aemjr"), 3) == text


def test_one_text_in_the_place_of_a_list_is_refused():
    text = "items: got one text, 'emma'; expected a list of texts; write [text]"
    assert says(Vocabulary.of, "emma") == says(windows, "emma", Vocabulary(".aem"), 3) == text


@pytest.mark.parametrize("characters", ["", ".", ".aba", ".ab."])
def test_a_vocabulary_has_a_boundary_and_others_each_once(characters):
    rest = "expected the boundary, then one or more others, each once; use Vocabulary.of(items)"
    assert says(Vocabulary, characters) == f"Vocabulary: got characters {characters!r}; {rest}"


def test_a_vocabulary_of_nothing_or_with_a_longer_boundary_is_refused():
    assert says(Vocabulary.of, []).startswith("Vocabulary: got characters '.'; expected the boundary, then one or more")
    for boundary in ("", "<>"):
        rest = "expected one character; choose one that no item contains"
        assert says(Vocabulary.of, ["a"], boundary) == f"Vocabulary: got boundary {boundary!r}; {rest}"


@pytest.mark.parametrize("ids, wrong", [([1, 3, -1], "3"), ([-1], "-1"), (np.array([0, 255], np.uint8), "255")])
def test_an_id_from_outside_is_named(ids, wrong):
    rest = "expected 0 to 2; check that the model and the vocabulary belong together"
    assert says(Vocabulary(".ab").decode, ids) == f"decode: got id {wrong}; {rest}"


def test_ids_that_are_no_integers_are_refused():
    with pytest.raises(TypeError, match="float64"):
        Vocabulary(".ab").decode([1.0, 2.0])


# --- split ---


def test_the_split_is_the_lectures(names, letters):
    state, before = random.getstate(), list(names)
    parts = split(names)
    assert names == before and random.getstate() == state
    assert parts[0][:5] == ["yuheng", "diondre", "xavien", "jori", "juanluis"]
    assert [len(part) for part in parts] == [25626, 3203, 3204]
    assert [len(windows(part, letters, 3)[1]) for part in parts] == [182625, 22655, 22866]


@given(st.integers(0, 2**40), st.integers(10, 60))
def test_the_split_is_shuffle_and_two_cuts(seed, n):
    items = [str(i) for i in range(n)]
    shuffled = list(items)
    random.Random(seed).shuffle(shuffled)
    a, b = int(0.8 * n), int(0.9 * n)
    assert split(tuple(items), seed) == (shuffled[:a], shuffled[a:b], shuffled[b:])


@pytest.mark.parametrize(
    "fractions, sizes",
    [
        ((0.7, 0.2, 0.1), [21, 6, 3]),
        ((0.6, 0.2, 0.2), [18, 6, 6]),
        ((0.9, 0.1, 0), [27, 3, 0]),
        ((0.9, 0, 0.1), [27, 0, 3]),
        ((1, 0, 0), [30, 0, 0]),
        ((0, 0, 1), [0, 0, 30]),
    ],
)
def test_fractions_cut_where_they_say(fractions, sizes):
    assert [len(part) for part in split(["a"] * 30, fractions=fractions)] == sizes


@pytest.mark.parametrize("fractions", [(0.8, 0.1, 0.2), (1.2, -0.1, -0.1), (0.8, 0.2), (float("nan"), 0.5, 0.5)])
def test_fractions_that_are_none_are_refused(fractions):
    rest = "expected three that add up to 1; try (0.8, 0.1, 0.1)"
    assert says(split, ["a"] * 10, fractions=fractions) == f"split: got fractions {fractions}; {rest}"


def test_too_few_items_for_a_split_are_refused():
    got = "split: got 3 items and fractions (0.8, 0.1, 0.1), for parts of 2, 0, 1"
    rest = "expected one item or more in each; use more items, or 0 for a part that is not needed"
    assert says(split, ["a", "b", "c"]) == f"{got}; {rest}"
    assert "parts of 0, 0, 0" in says(split, [])


# --- windows ---


@given(ITEMS, st.integers(1, 9))
def test_windows_are_those_of_the_loop(items, context):
    vocabulary = Vocabulary.of(items)
    for ours, loop in zip(windows(items, vocabulary, context), loop_windows(items, vocabulary, context), strict=True):
        assert ours.dtype == np.int64 and ours.flags.c_contiguous and ours.flags.writeable
        assert np.array_equal(ours, loop)


@pytest.mark.parametrize("context", [1, 3, 8, 20])
def test_the_windows_of_all_names(names, letters, context):
    X, Y = windows(names, letters, context)
    assert X.shape == (228146, context) and Y.shape == (228146,)
    loop_X, loop_Y = loop_windows(names[-2000:], letters, context)
    assert np.array_equal(X[-len(loop_X) :], loop_X) and np.array_equal(Y[-len(loop_Y) :], loop_Y)


def test_the_first_rows_with_context_8(names, letters):
    X, Y = windows(split(names)[0], letters, 8)
    rows = [f"{letters.decode(x)}->{letters.decode(y)}" for x, y in zip(X[:8], Y[:8], strict=True)]
    assert rows[:4] == ["........->y", ".......y->u", "......yu->h", ".....yuh->e"]
    assert rows[4:] == ["....yuhe->n", "...yuhen->g", "..yuheng->.", "........->d"]


def test_the_bigram_counts_of_all_names(names, letters):
    X, Y = windows(names, letters, 1)
    counts = np.bincount(X[:, 0] * 27 + Y, minlength=27 * 27)
    found = {pair: counts[27 * letters.encode(pair)[0] + letters.encode(pair)[1]] for pair in ("n.", "a.", "an", ".a")}
    assert found == {"n.": 6763, "a.": 6640, "an": 5438, ".a": 4410} and np.count_nonzero(counts) == 627


def test_no_items_and_empty_items_have_windows_too():
    X, Y = windows([], Vocabulary(".a"), 3)
    assert X.shape == (0, 3) and Y.shape == (0,) and X.dtype == Y.dtype == np.int64
    X, Y = windows(["", "a", ""], Vocabulary(".a"), 2)
    assert X.tolist() == [[0, 0], [0, 0], [0, 1], [0, 0]] and Y.tolist() == [0, 1, 0, 0]


def test_a_context_below_1_is_refused():
    rest = "expected 1 or more; a bigram has 1, the lectures' networks have 3 and 8"
    for context in (0, -3):
        assert says(windows, ["ava"], Vocabulary(".av"), context) == f"windows: got context={context}; {rest}"


# --- batches ---


def test_batches_are_the_rows_of_randint():
    X, Y = np.arange(30).reshape(10, 3), np.arange(10)
    rng = Generator(SEED)
    for x, y in islice(batches(X, Y, 4, Generator(SEED)), 5):
        ix = rng.randint(0, 10, (4,))
        assert np.array_equal(x, X[ix]) and np.array_equal(y, ix)
        assert not np.shares_memory(x, X)


def test_batches_draw_only_when_asked_and_last():
    rng, untouched = Generator(SEED), Generator(SEED)
    stream = batches(np.zeros((2, 3), np.int64), np.zeros(2, np.int64), 4, rng)
    assert iter(stream) is stream
    assert rng.randint(0, 99, (8,)).tolist() == untouched.randint(0, 99, (8,)).tolist()
    assert sum(1 for _ in islice(stream, 1000)) == 1000


def test_batches_of_nothing_are_refused_at_the_call():
    X, Y, rng = np.zeros((10, 3), np.int64), np.zeros(10, np.int64), Generator(SEED)
    assert says(batches, X, Y, 0, rng) == "batches: got size=0; expected 1 or more; the lectures take 32 or 64"
    rest = "expected as many of each, and not 0; take both from windows"
    assert says(batches, X, Y[:9], 4, rng) == f"batches: got 10 rows of X and 9 of Y; {rest}"
    assert says(batches, X[:0], Y[:0], 4, rng) == f"batches: got 0 rows of X and 0 of Y; {rest}"


# --- sampling ---


@pytest.fixture(scope="module")
def bigram(names, letters):
    """Log-probabilities of the counted bigrams, smoothed by one, in float32: the first makemore lecture."""
    X, Y = windows(names, letters, 1)
    counts = np.bincount(X[:, 0] * 27 + Y, minlength=27 * 27).reshape(27, 27) + 1
    return np.log((counts / counts.sum(1, keepdims=True)).astype(np.float32))


def test_the_bigram_gives_the_names_of_its_stream(bigram, letters):
    rng = Generator(SEED)
    drawn = [sample(lambda ids: bigram[ids[:, -1]], letters, 1, rng) for _ in range(5)]
    assert drawn == ["cexze", "momasurailezitynn", "konimittain", "llayn", "ka"]


@pytest.mark.parametrize("temperature", [1.0, 0.7, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_are_those_of_the_loop(letters, dtype, temperature):
    table = np.random.default_rng(0).normal(size=(3, 27, 27)).astype(dtype)

    def predict(ids):
        assert ids.shape == (1, 3) and ids.dtype == np.int64
        return table[0][ids[:, 0]] + table[1][ids[:, 1]] + table[2][ids[:, 2]]

    rng, loop_rng = Generator(SEED), Generator(SEED)
    for _ in range(10):
        window, text = [0, 0, 0], ""
        while True:
            z = predict(np.array([window])) / dtype(temperature)
            e = np.exp(z - z.max())
            ix = loop_rng.multinomial(e / e.sum(), 1).item()
            window = [*window[1:], ix]
            if ix == 0:
                break
            text += letters.characters[ix]
        assert sample(predict, letters, 3, rng, temperature) == text
    assert rng.randint(0, 2**20, (3,)).tolist() == loop_rng.randint(0, 2**20, (3,)).tolist()


class Likeliest:
    """In the place of a Generator: takes the likeliest and keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def multinomial(self, p, n):
        assert n == 1
        self.asked.append(p)
        return p.argmax(1, keepdims=True)


@pytest.mark.parametrize("temperature", [1.0, 0.5, np.float64(0.5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_are_the_softmax_in_the_dtype_of_the_logits(dtype, temperature):
    logits, rng = np.array([[1000, 999, -np.inf]], dtype), Likeliest()
    given = logits.copy()
    assert sample(lambda ids: logits, Vocabulary(".ab"), 2, rng, temperature) == ""
    e = np.exp(-1 / float(temperature))
    assert rng.asked[0].dtype == dtype and rng.asked[0].shape == (1, 3)
    np.testing.assert_allclose(rng.asked[0], [[1 / (1 + e), e / (1 + e), 0]], rtol=1e-6)
    assert np.array_equal(logits, given)


def test_the_limit_ends_an_item_and_the_model_may_keep_its_input():
    seen = []

    def always_a(ids):
        seen.append(ids)
        return [[0.0, 1.0]]

    assert sample(always_a, Vocabulary(".a"), 2, Likeliest(), limit=3) == "aaa"
    assert [ids.tolist() for ids in seen] == [[[0, 0]], [[0, 1]], [[1, 1]]]
    assert len(sample(always_a, Vocabulary(".a"), 5, Likeliest())) == 1000


@pytest.mark.parametrize("temperature", [-1.0, float("inf"), float("nan")])
def test_a_temperature_that_is_none_is_refused(temperature):
    expected = "expected a finite number, 0 or more; 1 draws from the model's own probabilities, 0 takes the "
    text = says(sample, lambda ids: [[0.0, 1.0]], Vocabulary(".a"), 3, Likeliest(), temperature)
    assert text == f"sample: got temperature={temperature}; {expected}likeliest character"


@pytest.mark.parametrize("context, limit", [(0, 10), (3, 0)])
def test_a_context_or_limit_below_1_is_refused_in_sampling(context, limit):
    advice = "pass the context that the model was trained with, and leave out the limit"
    text = says(sample, lambda ids: [[0.0, 1.0]], Vocabulary(".a"), context, Likeliest(), limit=limit)
    assert text == f"sample: got context={context} and limit={limit}; expected 1 or more; {advice}"


@pytest.mark.parametrize("shape", [(2,), (1, 3), (3, 2), (1, 3, 2)])
def test_logits_of_another_shape_are_refused(shape):
    text = says(sample, lambda ids: np.zeros(shape), Vocabulary(".a"), 3, Likeliest())
    assert text == f"sample: got logits of shape {shape}; expected (1, 2); return those of the last position"


@pytest.mark.parametrize("logits, top", [([0, np.nan], "nan"), ([0, np.inf], "inf"), ([-np.inf, -np.inf], "-inf")])
def test_logits_that_are_not_finite_are_refused(logits, top):
    text = says(sample, lambda ids: np.array([logits]), Vocabulary(".a"), 3, Likeliest())
    advice = "train at a smaller rate, or sample at a temperature nearer to 1"
    assert text == f"sample: got {top} as the largest logit; expected a finite one; {advice}"


def test_temperature_0_takes_the_likeliest_character_and_draws_nothing():
    def after(ids):  # 'a' starts, then 'b', then the end; each a little likelier than the others
        return 0.1 * np.eye(3)[(ids[:, -1] + 1) % 3]

    rng = Generator(1)
    before = rng.get_state()
    assert {sample(after, Vocabulary(".ab"), 3, rng, temperature=0) for _ in range(5)} == {"ab"}
    assert all(np.array_equal(a, rng.get_state()[k], equal_nan=True) for k, a in before.items())
