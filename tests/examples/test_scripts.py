"""What holds for every script: --help, paths with %, own data, bad data, --plots, recipes; and `python -m examples`."""

import json
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name != "__main__.py")
SHORT = {  # flags that make a run of a script short
    "value_mlp.py": ["--steps", "20", "--moons", "5"],
    "linear_ngram.py": ["--steps", "20"],
    "mlp_ngram.py": ["--steps", "20", "--hidden", "8"],
    "batchnorm_mlp.py": ["--steps", "20", "--hidden", "8", "--layers", "2"],
    "manual_backprop.py": ["--steps", "20"],
    "wavenet.py": ["--steps", "20", "--hidden", "8"],
    "gpt.py": ["--steps", "20", "--width", "8", "--heads", "2", "--layers", "1", "--context", "8", "--count", "20"],
    "makemore.py": ["--steps", "5", "--model", "gru"],
    "bpe_tokenizer.py": ["--merges", "20"],
}
TEXTS = ("gpt.py", "bpe_tokenizer.py")  # whose --data is one text
LECTURES = [script for script in SCRIPTS if script not in ("gpt.py", "makemore.py")]


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a script in this process, from its first line: (exit status, output, errors)."""

    def run(script, *arguments):
        before = signal.getsignal(signal.SIGINT)
        monkeypatch.setattr(sys, "argv", [str(EXAMPLES / script), *map(str, arguments)])
        monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
        with pytest.raises(SystemExit) as exit:
            runpy.run_path(sys.argv[0], run_name="__main__")
        signal.signal(signal.SIGINT, before)
        out, err = capsys.readouterr()
        return exit.value.code or 0, out, err

    return run


def own(script, folder):
    """A file of one's own: other characters than the lecture's, a full stop in an item, Windows' line ends."""
    path = folder / "mine 100%s.txt"
    if script == "value_mlp.py":
        lines = [f"{x}; {y}, {x * y - 3}" for x in range(5) for y in range(5)]
    elif script in TEXTS:
        lines = [f"Où est la {n * n}e bibliothèque ?" for n in range(200)]
    else:
        lines = ["Zoë", "Łukasz", "J. R.", "Ana", "Nana", "Zoë Ana", "Ken", "Жанна", "Anna", "Kena"] * 4
    path.write_bytes("\r\n".join(["\ufeff" + lines[0], *lines[1:]]).encode())
    return path


# --- files beside the scripts ---


def test_every_python_file_beside_the_scripts_is_a_script():
    assert sorted(SHORT) == SCRIPTS
    assert all("common.run(main, Settings, __doc__" in (EXAMPLES / script).read_text("utf-8") for script in SCRIPTS)


# --- flags ---


@pytest.mark.parametrize("script", SCRIPTS)
def test_help(script, run):
    status, out, err = run(script, "--help")
    assert status == 0 and not err and f"python examples/{script}" in out
    for flag in ("--quick", "--seed N", "--plots DIR", "--data FILE"):
        assert flag in out
    assert ("--recipe {ours,lecture}" in out) == (script in LECTURES)
    assert ("--steps N" in out) == (script != "bpe_tokenizer.py")


def test_percent_signs_in_help(monkeypatch, capsys):
    """argparse formats help with %, so a default path with a % would break it."""
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
    from dataclasses import dataclass

    from shared import common

    @dataclass
    class Settings(common.Settings):
        data: str = common.setting("/a%b/100%s.txt", "its first 90 % are read")

    with pytest.raises(SystemExit):
        common.parse(Settings, "50 % of it", arguments=["--help"])
    out = capsys.readouterr().out
    assert "50 % of it" in out and "its first 90 % are read (default: /a%b/100%s.txt)" in " ".join(out.split())
    with pytest.raises(SystemExit):
        common.parse(Settings, "", arguments=["--seed", "%s"])
    assert "argument --seed: got '%s'; expected a whole number" in capsys.readouterr().err


@pytest.mark.parametrize("script", LECTURES)
def test_a_recipe_can_be_shortened_but_not_changed(script, run):
    for flags, text in ((("--seed", 3), "--seed: got 3 with --recipe lecture; expected the notebook's 2147483647"),
                        (("--data", __file__), "expected the notebook's own data")):
        status, _, err = run(script, "--recipe", "lecture", *flags)
        text = text.replace("2147483647", "42") if script == "wavenet.py" else text
        assert status == 2 and err.count("\n") == 1 and text in err
    if script == "bpe_tokenizer.py":
        return
    status, _, err = run(script, "--recipe", "lecture", "--steps", 10**9)
    assert status == 2 and "argument --steps: got 1000000000 with --recipe lecture; expected the notebook's at" in err
    lr = {"linear_ngram.py": ()}.get(script, ("--lr", "0.123"))
    status, _, err = run(script, "--recipe", "lecture", "--steps", "0" if not lr else "10", *lr)
    assert status == 2 and ("--lr: got 0.123 with --recipe lecture" in err or "--steps: got 0;" in err)


@pytest.mark.parametrize("script", ["mlp_ngram.py", "value_mlp.py", "linear_ngram.py"])
def test_a_recipe_s_first_steps(script, run):
    status, out, _ = run(script, "--recipe", "lecture", "--steps", "3")
    assert status == 0 and "the notebook's" in out
    assert "differs" not in out or script == "linear_ngram.py"  # its losses are of 501 steps


@pytest.mark.parametrize("flags", [("--hidden", 10**9 + 1), ("--hidden", "9" * 30), ("--seed", -1), ("--seed", 2**64)])
def test_sizes_and_seeds_beyond_all_bounds(flags, run):
    status, _, err = run("mlp_ngram.py", *flags)
    assert status == 2 and err.count("\n") == 1
    assert f"argument {flags[0]}: got {flags[1]}; expected a whole number, " in err


def test_too_little_memory_is_one_line(run, monkeypatch):
    def none_left(*_):
        raise MemoryError

    monkeypatch.setattr("tinytensor.text.read_items", none_left)
    status, _, err = run("mlp_ngram.py")
    assert status == 2 and err.count("\n") == 1 and "too much memory" in err and "--batch" in err


@pytest.mark.parametrize("script, flags", [
    ("mlp_ngram.py", "--lr-find --sweep"), ("mlp_ngram.py", "--initial-loss --save FILE"),
    ("mlp_ngram.py", "--sample-from FILE --save FILE"), ("gpt.py", "--ladder --save FILE"),
    ("gpt.py", "--resume FILE --sample-from FILE"), ("gpt.py", "--sample-from FILE --save FILE"),
    ("gpt.py", "--lines --bpe 5"), ("bpe_tokenizer.py", "--vocabulary FILE --save FILE")])
def test_of_two_ways_to_run_none_is_ignored(script, flags, run, tmp_path):
    first, second = re.findall("--[a-z-]+", flags)
    status, out, err = run(script, *(tmp_path / "x" if flag == "FILE" else flag for flag in flags.split()))
    assert status == 2 and not out
    assert err == f"{script}: argument {second}: got {first} too; expected one of them; leave out the other\n"


@pytest.mark.parametrize("script, flag", [("mlp_ngram.py", "hidden"), ("gpt.py", "width")])
def test_flags_beside_a_saved_network(script, flag, run, tmp_path):
    """Greedy sampling repeats itself; a size is that of the file, also where a flag gives the default."""
    plots = ["--plots", tmp_path] if script == "gpt.py" else []
    status, _, err = run(script, *SHORT[script], "--save", tmp_path / "x", *plots)
    assert status == 0, err
    greedy = [run(script, "--sample-from", tmp_path / "x", "--temperature", 0, *seed)
              for seed in ((), ("--seed", 7) if script == "mlp_ngram.py" else ("--top-k", 3))]
    assert greedy[0] == greedy[1] and greedy[0][0] == 0 and greedy[0][1].strip()
    default = {"hidden": 200, "width": 128}[flag]
    status, _, err = run(script, "--sample-from", tmp_path / "x", f"--{flag}", default)
    assert status == 2 and f"argument --{flag}: got {default}; expected 8, as in {tmp_path / 'x'}; leave it out" in err
    assert run(script, "--sample-from", tmp_path / "x", f"--{flag}", 8)[0] == 0


# --- own data ---


@pytest.mark.parametrize("script", SCRIPTS)
def test_own_data_with_figures(script, run, tmp_path):
    pytest.importorskip("matplotlib")
    path = own(script, tmp_path)
    status, out, err = run(script, "--data", path, *SHORT[script], "--plots", tmp_path / "a%b" / "%s")
    assert status == 0, err
    assert ("the notebook's loss" if script == "value_mlp.py" else "notebook") not in out, "its data is another"
    assert "Traceback" not in err and f"figures in {tmp_path / 'a%b' / '%s'}" in out
    assert list((tmp_path / "a%b" / "%s").glob("*.png"))
    if script == "value_mlp.py":
        assert "mine 100%s.txt, 25 points" in out and "two moons" not in out
    elif script == "gpt.py":
        assert "a vocabulary of 27" in out
    elif script not in (*TEXTS, "linear_ngram.py", "manual_backprop.py"):
        assert "40 items, 22 characters" in out or "40 lines, a vocabulary of 22" in out


def test_own_lines_for_a_gpt(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = own("names", tmp_path)
    status, out, _ = run("gpt.py", "--data", path, *SHORT["gpt.py"], "--recipe", "names")
    assert status == 0 and "40 lines, a vocabulary of 22" in out, "flags replace the recipe's settings"
    status, _, err = run("gpt.py", "--data", path, "--lines", "--ladder")
    assert status == 2 and "argument --ladder: got --lines" in err


BAD = {  # the file, and what each kind of script says; None: it works
    "empty.txt": (b"", "got an empty file", "got 0 characters", "got 0 points"),
    "binary.txt": (bytes(range(256)) * 8, "got the byte 0x80", "got the byte 0x80 at offset 128", "got the byte 0x80"),
    "line.txt": (b"one line", "got 1 items; expected 3 or more", "got 8 characters", "got 'one line' in line 1"),
    "letter.txt": (b"a", "got 1 items; expected 3 or more", "got 1 characters", "got 'a' in line 1"),
    "same.txt": (b"a\na\na\na\n" * 400, None, None, "got 'a' in line 1"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("script", SCRIPTS)
def test_odd_data_works_or_is_one_line(script, name, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written, *texts = BAD[name]
    (tmp_path / name).write_bytes(written)
    text = texts[1 if script in TEXTS else 2 if script == "value_mlp.py" else 0]
    status, _, err = run(script, "--data", tmp_path / name, *SHORT[script])
    if text is None:
        assert status == 0, err
    else:
        assert status == 2 and err.count("\n") == 1 and err.startswith(f"{script}: ") and text in err, err


@pytest.mark.parametrize("script", SCRIPTS)
def test_data_that_can_t_be_read(script, run, tmp_path):
    for path, text in ((tmp_path / "none.txt", "No such file"), (tmp_path, "Is a directory")):
        status, _, err = run(script, "--data", path)
        assert status == 2 and err.count("\n") == 1 and text in err


def test_points_are_refused_by_line(run, tmp_path):
    path = tmp_path / "points.csv"
    for written, text in (("1, 2, 1\nx, y, label", "got 'x, y, label' in line 2"), ("1 2\n", "got '1 2' in line 1"),
                          ("1 2 nan\n", "got '1 2 nan' in line 1"), ("1 2 1\n" * 5, "got 5 points of 1 classes")):
        path.write_text(written)
        status, _, err = run("value_mlp.py", "--data", path)
        assert status == 2 and text in err


# --- figures ---


@pytest.mark.parametrize("command", [
    "mlp_ngram.py --initial-loss", "batchnorm_mlp.py --zero-init --hidden 4 --steps 5",
    "manual_backprop.py --generated",
])
def test_where_there_is_nothing_to_draw_the_script_says_so(command, run, tmp_path):
    pytest.importorskip("matplotlib")
    script, *flags = command.split()
    status, out, _ = run(script, *flags, "--data", own("names", tmp_path), "--plots", tmp_path / "p")
    assert status == 0 and re.search("^no figures: ", out, re.M) and "figures in" not in out


@pytest.mark.parametrize("command", ["linear_ngram.py --recipe lecture --steps 2", "mlp_ngram.py --lr-find --hidden 4",
                                     "wavenet.py --ladder --steps 2 --batch 4", "mlp_ngram.py --sweep --steps 5"])
def test_other_modes_draw_and_say_so(command, run, tmp_path):
    pytest.importorskip("matplotlib")
    script, *flags = command.split()
    flags += [] if "lecture" in flags else ["--data", own("names", tmp_path)]
    status, out, _ = run(script, *flags, "--plots", tmp_path / "p")
    assert status == 0 and f"figures in {tmp_path / 'p'}" in out and list((tmp_path / "p").glob("*.png"))


# --- going on ---


def test_a_run_is_continued_with_its_own_settings(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = own("gpt.py", tmp_path)
    assert run("gpt.py", "--data", path, *SHORT["gpt.py"], "--save", "run.npz")[0] == 0
    status, _, err = run("gpt.py", "--resume", "run.npz", "--steps", "50")
    assert status == 2 and "argument --steps: got 50; expected 20, as in run.npz; leave it out" in err
    status, out, _ = run("gpt.py", "--sample-from", "run.npz", "--count", "5", "--plots", "p")
    assert status == 0 and "no figures: " in out


# --- python -m examples ---


def examples(*arguments):
    return subprocess.run([sys.executable, "-m", "examples", *arguments], cwd=ROOT, capture_output=True, text=True)


def section(page, name):
    return page.read_text("utf-8").partition(f"<!-- {name} -->\n")[2].partition(f"\n<!-- /{name} -->")[0]


def test_the_tables_are_rendered_from_the_stored_results():
    before = [path.read_bytes() for path in (ROOT / "README.md", EXAMPLES / "README.md", EXAMPLES / "results.json")]
    done = examples("--render")
    assert done.returncode == 0, done.stderr
    stored = json.loads((EXAMPLES / "results.json").read_text("utf-8"))
    head = "| lecture | script | the notebook's loss | the notebook's steps | our loss | our steps | time |"
    assert head in done.stdout
    assert len(stored["lectures"]) == 8 and set(stored["tables"]) == {"wavenet-ladder", "gpt-ladder", "race"}
    for name, table in stored["tables"].items():
        assert section(EXAMPLES / "README.md", name) == table and table in done.stdout
    assert before == [path.read_bytes() for path in (ROOT / "README.md", EXAMPLES / "README.md",
                                                     EXAMPLES / "results.json")], "only --write writes"


@pytest.mark.parametrize(("arguments", "text"), [
    (("--quick", "--write"), "--quick: got --write; expected a whole run"),
    (("nothing.py",), "scripts: got nothing.py; expected some of value_mlp.py, linear_ngram.py"),
])
def test_what_python_m_examples_refuses(arguments, text):
    done = examples(*arguments)
    assert done.returncode == 2 and text in done.stderr and "Traceback" not in done.stderr
