"""The sixth lecture's script as its users run it: both kinds of text, writing, and going on where a run stopped."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--width", "16", "--layers", "2", "--heads", "2", "--context", "16", "--count", "40", "--warmup", "5")


def command(*arguments):
    return [sys.executable, "-u", str(ROOT / "examples" / "gpt.py"), *map(str, arguments)]


def run(*arguments, cwd, **options):
    return subprocess.run(command(*arguments), capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=cwd,
                          **options)


@pytest.fixture(scope="module")
def play(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "play.txt"
    rng = np.random.default_rng(1)
    path.write_text("".join(rng.choice(["to be ", "or not\n", "that is ", "a question, "], 800)), "utf-8")
    return path


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "names.txt"
    path.write_text("\n".join(["anna", "hannah", "nan", "ananas", "ban", "bann", "banana", "hab", "nab", "bah"] * 6))
    return path


def test_quick(tmp_path):
    done = run("--quick", "--plots", "new", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "a vocabulary of 64, 1,003,435 train, 111,493 dev tokens; 809,728 weights" in done.stdout
    assert re.search(r"30 steps in [\d.]+ s, \d+ us a step", done.stdout) and "it writes" in done.stdout
    assert re.fullmatch(r"loss: train [23]\.\d{3} dev [23]\.\d{3} per character", done.stdout.splitlines()[-1])
    figures = sorted((tmp_path / "new").iterdir())
    assert [f.name for f in figures] == ["attention.png", "loss.png"]
    assert all(f.read_bytes().startswith(b"\x89PNG") and f.stat().st_size > 10_000 for f in figures)


def test_it_learns_a_play(play, tmp_path):
    """Four phrases in any order: within a phrase all is certain, so far fewer than log(15) nats a character remain."""
    done = run(*SMALL, "--data", play, "--steps", "400", "--lr", "0.01", "--save", "run.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert float(re.search(r"dev (\d\.\d+) per character", done.stdout)[1]) < 0.5
    again = run("--sample-from", "run.npz", "--prompt", "to be ", "--count", "30", "--temperature", "0.5", cwd=tmp_path)
    assert again.returncode == 0 and again.stdout.startswith("to be ")
    written = re.findall(r"to be |or not\n|that is |a question, ", again.stdout)
    assert len(written) >= 3, again.stdout


def test_names(names, tmp_path):
    done = run(*SMALL, "--lines", "--data", names, "--steps", "200", "--dropout", "0.1", "--top-k", "3", "--top-p",
               "0.9", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "60 lines, a vocabulary of 6" in done.stdout
    assert re.search(r"loss: train \d\.\d+ dev \d\.\d+ test \d\.\d+ per character\n$", done.stdout)


def test_without_matplotlib(play, tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ImportError(__name__)")
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = run(*SMALL, "--data", play, "--steps", "5", cwd=tmp_path, env=env)
    assert done.returncode == 0 and "no figures: pip install" in done.stdout, done.stderr
    done = run(*SMALL, "--data", play, "--steps", "5", "--plots", "p", cwd=tmp_path, env=env)
    assert done.returncode == 2 and "--plots: got no matplotlib" in done.stderr


def test_pairs_of_bytes(play, tmp_path):
    done = run(*SMALL, "--data", play, "--bpe", "20", "--steps", "30", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "a vocabulary of 276" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a POSIX signal")
def test_a_run_that_was_stopped_goes_on_bit_for_bit(play, tmp_path):
    long = (*SMALL, "--data", play, "--steps", "600", "--dropout", "0.2")
    whole = run(*long, "--save", "whole.npz", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen(command(*long, "--save", "part.npz"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, cwd=tmp_path)
    seen = ""
    while "it writes" not in seen:  # after a sixth of the steps
        seen = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "stopped by Ctrl-C" in out and "saved: part.npz" in out
    done = run("--resume", "part.npz", "--save", "rest.npz", "--eager", cwd=tmp_path)  # the compiled steps went before
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "whole.npz") as a, np.load(tmp_path / "rest.npz") as b:
        assert set(a.files) == set(b.files)
        for name in set(a.files) - {"description"}:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    assert done.stdout.splitlines()[-1] == whole.stdout.splitlines()[-1]


def test_the_ladder(play, tmp_path):
    done = run("--ladder", "--data", play, "--steps", "20", "--width", "16", "--context", "16", "--plots", "p",
               cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"by a triangular matrix and by a softmax: at most \d?e?-?\d* ?\S* and", done.stdout)
    table = (tmp_path / "p" / "ladder.md").read_text().splitlines()
    rungs = [line.split(" | ")[0].removeprefix("| ") for line in table[2:]]
    assert rungs[0] == "bigram" and rungs[-1].startswith("scaled up") and len(rungs) == 7


@pytest.mark.parametrize(("arguments", "text"), [
    (("--heads", "3"), "num_heads=3; expected"),
    (("--temperature", "-1"), "argument --temperature: got -1; expected a number, 0 or more"),
    (("--top-p", "1.5"), "top_p"),
    (("--top-k", "0"), "argument --top-k: got 0; expected a whole number, 1 or more"),
    (("--prompt", ""), "argument --prompt: got nothing"),
    (("--prompt", "Ж"), "text: got 'Ж'; expected only the"),
    (("--context", "5000"), "several windows of 5000 tokens"),
    (("--dropout", "2"), "2.0; expected"),
    (("--data", "nowhere.txt"), "nowhere.txt: No such file or directory"),
    (("--resume", "nowhere.npz"), "nowhere.npz: No such file or directory"),
    (("--lr", "1e30", "--steps", "50"), "; expected a finite number; give a smaller --lr"),
])
def test_bad_input_is_one_line_and_status_2(play, tmp_path, arguments, text):
    data = () if "--data" in arguments else ("--data", play)
    done = run(*SMALL, *data, "--steps", "3", *arguments, cwd=tmp_path)
    errors = [line for line in done.stderr.splitlines() if line.startswith("gpt.py: ")]
    assert done.returncode == 2 and len(errors) == 1 and text in errors[0], done.stderr
    assert "Traceback" not in done.stderr


def test_a_line_longer_than_the_context_and_a_file_of_others(names, play, tmp_path):
    done = run(*SMALL, "--lines", "--data", names, "--context", "6", cwd=tmp_path)
    assert done.returncode == 2 and "got a line of 6 characters; expected at most 5" in done.stderr
    assert run(*SMALL, "--data", play, "--steps", "3", "--save", "run.npz", cwd=tmp_path).returncode == 0
    whole = (tmp_path / "run.npz").read_bytes()
    (tmp_path / "run.npz").write_bytes(whole[: len(whole) // 2])
    done = run("--resume", "run.npz", cwd=tmp_path)
    assert done.returncode == 2 and "got no checkpoint, or a damaged one" in done.stderr
