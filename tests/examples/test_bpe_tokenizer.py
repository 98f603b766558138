"""The tokenizer's script as its users run it, its exercises, and its two figures."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tinytensor.text import Tokenizer
from tinytensor.text.vocabulary_files import to_signs

pytest.importorskip("regex")

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "bpe_tokenizer.py"


def run(*arguments, **options):
    """The finished process of the script."""
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, encoding="utf-8", **options)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    path = tmp_path_factory.mktemp("story") / "story.txt"
    path.write_text("It's the cat's mat; the cat sat on mat 12345.\n  And the dog, née <|endoftext|>?\n" * 40, "utf-8")
    return path


def test_the_main_job_small(story, tmp_path):
    done = run("--quick", "--data", story, "--save", tmp_path / "t.json", "--plots", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == ("'안녕하세요 👋 (hello in Korean!)': 26 code points; 39 bytes in utf-8, 54 bytes in utf-16, "
                        "104 bytes in utf-32")
    assert lines[5:9] == ["         bytes: a|a|a|b|d|a|a|a|b|a|c", "  256, 4 times: aa|a|b|d|aa|a|b|a|c",
                          "  257, 2 times: aa|ab|d|aa|ab|a|c", "  258, 2 times: aaab|d|aaab|a|c"]
    for pattern, merges in re.findall(r"^(\w+): (\d+) merges in", done.stdout, re.M):
        assert pattern in ("whole", "simple", "gpt2", "gpt4") and int(merges) in range(40, 65)
    assert "   gpt4: I|'ve| WE|'VE| |123|45| apples|...|" in done.stdout
    assert re.search(r"exercise 1, 40 merges .*; the same merges$", done.stdout, re.M)
    assert re.search(r"^  simple: +0 of ", done.stdout, re.M), "no token of several kinds"
    assert re.search(r"exercise 3: .*: True; .* the tokens stay$", done.stdout, re.M)
    assert "else refused: encode: got the special token '<|endoftext|>' at position 3" in done.stdout
    assert "2,000 of 2,000 random texts are unchanged by" in done.stdout and "it is equal" in done.stdout
    assert "NOT EQUAL" not in done.stdout and "\033" not in done.stdout
    assert re.fullmatch(r"reached: \d+ merges, pattern gpt4, \d\.\d\d bytes a token on held-out text, [\d.]+ MB/s",
                        lines[-1])
    figures = sorted((tmp_path / "new").iterdir())
    assert [f.name for f in figures] == ["compression.png", "merges.png"]
    assert all(f.read_bytes().startswith(b"\x89PNG") and f.stat().st_size > 10_000 for f in figures)

    saved = Tokenizer.load(tmp_path / "t.json")
    assert "<|endoftext|>" in saved.special
    again = run("--vocabulary", tmp_path / "t.json")
    assert again.returncode == 0 and again.stdout.startswith(f"{tmp_path / 't.json'}: {saved}\n")


def test_vocabularies_of_others(tmp_path):
    plain = Tokenizer.train("the cat the cat", 3)
    (tmp_path / "a.tiktoken").write_bytes(b"".join(base64.b64encode(t) + b" %d\n" % i for t, i in plain.tokens.items()))
    token = {i: to_signs(t) for t, i in plain.tokens.items()}
    pairs = [f"{token[a]} {token[b]}\n" for a, b in plain.merges.values()]
    (tmp_path / "vocab.bpe").write_text("#version: 0.2\n" + "".join(pairs), "utf-8")
    (tmp_path / "encoder.json").write_text(json.dumps({signs: i for i, signs in token.items()}), "utf-8")
    for path in (tmp_path / "a.tiktoken", tmp_path):
        done = run("--vocabulary", path)
        assert done.returncode == 0, done.stderr
        assert "3 merges" in done.stdout and "es\n" in done.stdout


def test_the_lecture_s_settings():
    done = run("--recipe", "lecture")
    assert done.returncode == 0, done.stderr
    assert "whole: 20 merges in" in done.stdout and "first: [e][ ]->256 [t][h]->257 [t][ ]->258" in done.stdout


def test_a_text_that_runs_out_of_pairs(tmp_path):
    (tmp_path / "a.txt").write_text("a" * 1000)
    done = run("--data", tmp_path / "a.txt")
    assert done.returncode == 0 and "the same merges" in done.stdout, done.stderr


def test_without_the_extras(story, tmp_path):
    for name in ("tqdm", "matplotlib"):
        (tmp_path / f"{name}.py").write_text("raise ImportError(__name__)")
    code = ("import runpy, sys, importlib.util as u; find = u.find_spec; sys.modules['regex'] = None; "
            "u.find_spec = lambda name, *a: None if name == 'regex' else find(name, *a); "
            f"sys.argv = ['bpe_tokenizer.py', '--quick', '--data', {str(story)!r}]; "
            f"sys.path.insert(0, {str(SCRIPT.parent)!r}); runpy.run_path({str(SCRIPT)!r}, run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8",
                          env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "GPT-4's patterns are left out: pip install -e '.[examples]' adds the package regex" in done.stdout
    assert re.search(r"merges, simple: \d+ of 64 steps, a pair that occurs \d+ times", done.stdout)
    assert done.stdout.splitlines()[-1].startswith("reached: ") and ", pattern simple, " in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals")
def test_a_terminal_has_colours(tmp_path):
    import pty

    Tokenizer.train("the cat the cat", 3).save(tmp_path / "t.json")
    for environment, colours in (({}, True), ({"NO_COLOR": "1"}, False)):
        ours, theirs = pty.openpty()
        with subprocess.Popen([sys.executable, str(SCRIPT), "--vocabulary", str(tmp_path / "t.json")], stdout=theirs,
                              env=os.environ | environment) as process:
            os.close(theirs)
            shown = b""
            while True:
                try:
                    shown += os.read(ours, 65536)
                except OSError:  # the other end is closed
                    break
        os.close(ours)
        assert process.returncode == 0 and (b"\033[30;48;5;" in shown) == colours


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a POSIX signal")
def test_ctrl_c_ends_with_the_figures_so_far(tmp_path):
    text = (SCRIPT.parents[1] / "data" / "shakespeare.txt").read_text("utf-8")[:300_000]
    (tmp_path / "text.txt").write_text(text, "utf-8")
    command = [sys.executable, "-u", str(SCRIPT), "--merges", "100_000_000", "--data", str(tmp_path / "text.txt")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    seen = process.stderr.read(200)  # the bar is there
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in seen + err, err
    assert re.search(r"^reached: [\d,]+ merges, pattern whole, .*\n\Z", out, re.M)


@pytest.mark.parametrize(("arguments", "text"), [
    (("--merges", "0"), "argument --merges: got 0; expected a whole number, 1 or more"),
    (("--data", "nowhere.txt"), "nowhere.txt: No such file or directory; expected a text file; name another"),
    (("--data", "{tmp}/latin.txt"), "latin.txt: got the byte 0xe9 at offset 1; expected UTF-8"),
    (("--data", "{tmp}/short.txt"), "short.txt: got 3 characters; expected 1,000 or more"),
    (("--vocabulary", "{tmp}/short.txt"), "short.txt: got no JSON"),
    (("--vocabulary", "{tmp}/none.tiktoken"), "none.tiktoken: No such file or directory"),
    (("--vocabulary", "{tmp}"), "encoder.json: No such file or directory; expected GPT-2's encoder.json"),
    (("--save", "{tmp}"), "got a folder; expected a file, new or to be replaced"),
    (("--plots", __file__), "got a file; expected a folder that can be written"),
    (("--recipe", "lecture", "--seed", "3"), "argument --seed: got 3 with --recipe lecture"),
    (("--nonsense",), "unrecognized arguments: --nonsense"),
])
def test_bad_input_is_one_line_and_status_2(tmp_path, arguments, text):
    (tmp_path / "latin.txt").write_bytes("né\n".encode("latin-1") * 400)
    (tmp_path / "short.txt").write_text("abc")
    done = run(*[a.format(tmp=tmp_path) for a in arguments])
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and text in done.stderr, done.stderr
    assert done.stderr.startswith("bpe_tokenizer.py: ")


# --- the figures ---


@pytest.fixture
def draw(tmp_path):
    """Draws a figure, and returns its axes."""
    pytest.importorskip("matplotlib")

    def draw(function, *args):
        fig = function(*args, path=tmp_path / "figure.png")
        assert (tmp_path / "figure.png").stat().st_size > 5_000
        return fig.axes[0]

    return draw


def test_merge_tree(draw):
    from tinytensor.diagnostics import plot

    made = Tokenizer.train("the cat, the hat", 4)
    name = lambda i: made.decode([i])
    ax = draw(plot.merge_tree, made.encode("the cat$").tolist(), made.merges, name)
    assert "".join(t.get_text() for t in ax.get_xticklabels()) == r"the␣cat\$"
    assert [t.get_text() for t in ax.texts] == ["the", "␣", "c", "at", r"\$"]
    joints = [tuple(line.get_xydata()[0]) for line in ax.lines if line.get_marker() == "o"]
    order = {made.decode([i]): n for n, i in enumerate(made.merges, 1)}
    assert sorted(y for _, y in joints) == sorted(order[part] for part in ("he", "the", "at"))
    assert ax.get_title("left") == "How 8 bytes become 5 tokens" and not ax.get_legend()
    draw(plot.merge_tree, [], {}, name)
    draw(plot.merge_tree, [97], {}, name)


def test_compression_curve(draw):
    from tinytensor.diagnostics import plot

    ax = draw(plot.compression_curve, {"gpt2": [(0, 1, 1), (16, 1.4, 1.3), (64, 2, 1.8)], "whole": [(0, 1.0, 1.0)]})
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["gpt2: 1.80", "whole: 1.00"]
    train, held, *_ = ax.lines
    assert train.get_xydata().tolist() == [[0, 1], [16, 1.4], [64, 2]] and train.get_linestyle() == "--"
    assert held.get_xydata().tolist() == [[0, 1], [16, 1.3], [64, 1.8]] and held.get_color() == train.get_color()
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0", "16", "64"]
    draw(plot.compression_curve, {})
