"""The examples as their users run them: small, in a process of their own, with good input and with bad."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--steps", "300", "--hidden", "20", "--embedding", "4", "--names", "3")


def run(*arguments, script="mlp_ngram.py", **options):
    """The finished process of an example, run from another folder."""
    return subprocess.run([sys.executable, str(ROOT / "examples" / script), *map(str, arguments)], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, **options)


@pytest.fixture
def names(tmp_path):
    path = tmp_path / "items.txt"
    items = ["anna", "hannah", "nan", "ananas", "ban", "bann", "banana", "hab", "nab", "bah"]
    path.write_text("\n".join(items * 3), "utf-8")
    return path


def test_the_main_job_small(tmp_path):
    done = run(*SMALL, "--plots", tmp_path / "new" / "plots", "--save", tmp_path / "m.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "182,625 train, 22,655 dev, 22,866 test" in lines[0]
    assert re.search(r"initial loss 3\.[23]\d+; expected -log\(1/27\) = 3\.2958", done.stdout)
    assert re.fullmatch(r"loss: train 2\.\d{3} dev 2\.\d{3} test 2\.\d{3}", lines[-1])
    assert "2.1304" in done.stdout and "3 new names" in done.stdout
    figures = sorted((tmp_path / "new" / "plots").iterdir())
    assert [f.name for f in figures] == ["embedding.png", "learning_rate.png", "loss.png"]
    assert all(f.read_bytes().startswith(b"\x89PNG") and f.stat().st_size > 10_000 for f in figures)

    again = run("--sample-from", tmp_path / "m.npz", "--names", "3")
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines() == lines[lines.index(again.stdout.splitlines()[0]) :][:2]


def test_the_lecture_s_first_steps_to_the_digit():
    done = run("--recipe", "lecture", "--quick")
    assert "0 steps: 3.2562 = the notebook's 3.2562" in done.stdout
    assert done.stdout.splitlines()[-1] == "loss: train 2.313 dev 2.324 test 2.322"
    assert re.search(r"\bdex\b.*\bdaloulyuraile\b.*\bkayha\b.*\bdonish\b.*\btainella\b", done.stdout)


def test_a_file_of_one_s_own(names):
    done = run(*SMALL, "--data", names, "--context", "2", "--no-skip", "--schedule", "cosine", "--warmup", "20")
    assert done.returncode == 0, done.stderr
    assert "6 characters" in done.stdout and "expected -log(1/6) = 1.7918" in done.stdout


def test_learning_rate_finder(names, tmp_path):
    done = run(*SMALL, "--data", names, "--lr-find", "--plots", tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"lowest, \d\.\d+, at a rate of 0?\.?\d", done.stdout)
    assert [p.name for p in tmp_path.glob("*.png")] == ["learning_rate.png"]


def test_without_the_extras(names, tmp_path):
    """A package folder that has tqdm and matplotlib fail to import stands in for an environment without them."""
    for name in ("tqdm", "matplotlib"):
        (tmp_path / f"{name}.py").write_text("raise ImportError(__name__)")
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = run(*SMALL, "--data", names, env=env)
    assert done.returncode == 0, done.stderr
    assert re.search(r"training: 300 of 300 steps, loss \d\.\d+, 0 s left", done.stdout)
    done = run(*SMALL, "--data", names, "--plots", tmp_path, env=env)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "pip install -e '.[examples]'" in done.stderr


def test_learning_rate_is_not_all_there_is_to_try(tmp_path):
    done = run("--initial-loss")
    rows = dict(re.findall(r"([\d.]+) x randn +\| +([\d.]+) \|", done.stdout))
    assert list(rows) == ["1", "0.1", "0.01", "0"] and "-log(1/27) = 3.2958" in done.stdout
    assert float(rows["1"]) > 5 and rows["0"] == "3.2958" and 3.29 < float(rows["0.01"]) < 3.35

    done = run("--sweep", "--steps", "100", "--plots", tmp_path)
    found = re.findall(r"^ *([\d,]+) \| +[\d,]+ \| [\d.]+ \| [\d.]+ \| [+-][\d.]+$", done.stdout, re.M)
    assert found == ["2", "5", "15", "50", "150", "500", "1,500"], done.stderr
    assert [p.name for p in tmp_path.glob("*.png")] == ["sizes.png"] and "the lowest dev loss" in done.stdout


# --- what is alike in all of them ---

FIGURES = {  # of each script, by a run with --plots
    "linear_ngram.py": ["counts.png", "sweep.png"],
    "batchnorm_mlp.py": ["activations.png", "gradients.png", "loss.png", "saturation.png", "updates.png"],
    "manual_backprop.py": ["dlogits.png", "loss.png"],
    "wavenet.py": ["loss.png", "tree.png"],
}
SCRIPTS = ["mlp_ngram.py", *FIGURES]


@pytest.mark.parametrize("script", FIGURES)
def test_quick(script, tmp_path):
    done = run("--quick", "--plots", tmp_path / "new", script=script)
    assert done.returncode == 0, done.stderr
    assert re.search(r"[\d,]+ steps in [\d.]+ s, \d+ us a step\n", done.stdout)
    assert re.search(r"the notebook's loss: (train \d\.\d{4} )?(dev \d\.\d{4})?", done.stdout)
    assert re.search(r"\d+ new names \(\* is in the training set\):\n  \S+  \S+", done.stdout)
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"loss: train 2\.[2-6]\d\d dev 2\.[2-6]\d\d test 2\.[2-6]\d\d", last)
    figures = sorted((tmp_path / "new").iterdir())
    assert [f.name for f in figures] == FIGURES[script]
    assert all(f.read_bytes().startswith(b"\x89PNG") and f.stat().st_size > 10_000 for f in figures)


def printed(done):
    """What a run printed, without times."""
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not re.search(r" us\b|a step: ", line)]
    return [re.sub(r" +\d+(\.\d)?$", "", line) for line in lines]  # a column of seconds


@pytest.mark.parametrize("command", [
    "mlp_ngram.py --quick", "mlp_ngram.py --lr-find", "mlp_ngram.py --sweep --steps 150", "linear_ngram.py --quick",
    "batchnorm_mlp.py --quick --hidden 16", "batchnorm_mlp.py --zero-init --hidden 8 --steps 50",
    "wavenet.py --quick --hidden 16", "wavenet.py --ladder --steps 50",
    "gpt.py --ladder --steps 15 --data {play} --width 16 --context 16",
    "gpt.py --quick --lines --dropout 0.1 --schedule linear --width 16 --heads 2",
    "gpt.py --quick --data {play} --width 16 --heads 2 --context 16 --dropout 0.1",
])
def test_compiled_and_eager_print_the_same(command, names, tmp_path):
    """The whole training bit for bit: its losses, the names it makes up, the health of its layers."""
    play = tmp_path / "play.txt"
    play.write_text("".join(f"{i * i} is the square of {i}\n" for i in range(300)))
    script, *flags = command.format(play=play).split()
    flags += [] if "--data" in flags else ["--data", names]
    compiled, eager = (run(*flags, *more, script=script, cwd=tmp_path) for more in ((), ("--eager",)))
    assert printed(compiled) == printed(eager) and len(printed(eager)) > 1
    if "--quick" in flags:
        assert re.search(r"a step: [\d,]+ us compiled, [\d,]+ us eager \(\d+\.\d times\)\n", compiled.stdout)
        assert re.search(r"a step: [\d,]+ us eager; without --eager it is compiled\n", eager.stdout)


def test_compiled_and_eager_run_the_same_race(names):
    compiled, eager = (run("--steps", 20, "--data", names, *more, script="makemore.py") for more in ((), ("--eager",)))
    tables = [[line.split()[:3] + line.split()[4:] for line in printed(done)[2:]] for done in (compiled, eager)]
    assert tables[0] == tables[1] and len(tables[0]) == 14
    assert len(re.findall(r"^\w+ a step: [\d,]+ us compiled, ", compiled.stdout, re.M)) == 7
    assert len(re.findall(r"^\w+ a step: [\d,]+ us eager", eager.stdout, re.M)) == 7


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_explains_each_setting(script):
    done = run("--help", script=script)
    assert done.returncode == 0
    flags = ("--steps", "--seed", "--recipe", "--quick", "--no-quick", "--data", "--names", "--plots")
    assert all(flag in done.stdout for flag in flags)
    assert ("--eager" in done.stdout) == (script != "manual_backprop.py")
    assert done.stdout.count("(default: ") >= 2
    assert done.stdout.rindex("--steps") < done.stdout.rindex("--recipe"), "a script's own settings come first"


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(("arguments", "text"), [
    (("--steps", "0"), "argument --steps: got 0; expected a whole number, 1 or more"),
    (("--seed", "x"), "argument --seed: got 'x'; expected a whole number"),
    (("--data", "nowhere.txt"), "nowhere.txt: No such file or directory; expected a text with one item a line"),
    (("--plots", __file__), "got a file; expected a folder that can be written"),
    (("--recipe", "mine"), "got 'mine'; expected ours"),
    (("--recipe", "lecture", "--seed", "3"), "argument --seed: got 3 with --recipe lecture; expected the notebook's "),
    (("--recipe", "lecture", "--data", __file__), "expected the notebook's own data, or its figures can't come out"),
])
def test_what_each_refuses(script, arguments, text):
    done = run(*arguments, script=script)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and text in done.stderr, done.stderr
    assert done.stderr.startswith(f"{script}: ")


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a POSIX signal")
@pytest.mark.parametrize("script", SCRIPTS)
def test_ctrl_c_ends_with_the_figures_so_far(script, names):
    command = [sys.executable, "-u", str(ROOT / "examples" / script), "--steps", "100_000_000", "--data", str(names)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seen = process.stderr.read(200)  # the bar is there
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in seen + err
    assert "stopped by Ctrl-C, here are the figures so far" in out
    if script != "linear_ngram.py":  # its first of three trainings is stopped here
        assert re.search(r"loss: train \d\.\d+ dev \d\.\d+ test \d\.\d+\n$", out)


# --- each by itself ---


def test_n_grams_by_counting_and_by_training(names):
    done = run("--data", names, "--steps", "30", script="linear_ngram.py")
    assert done.returncode == 0, done.stderr
    assert "the largest difference of one_hot(x) @ W from W[x] is 0" in done.stdout
    assert "true trigram: train" in done.stdout
    many = names.with_name("many.txt")
    many.write_text("\n".join(chr(0x4E00 + i) * 2 for i in range(300)), "utf-8")
    done = run("--data", many, script="linear_ngram.py")
    assert done.returncode == 2 and "got 301 different characters; expected at most 200" in done.stderr


def test_the_lecture_s_n_grams():
    done = run("--recipe", "lecture", script="linear_ngram.py")
    assert done.returncode == 0, done.stderr
    for line in ("names, cumulative multinomial: mor. axx. minaymoryles. kondlaisah. anchshizarie.",
                 "step 0: 3.7686 = the notebook's 3.7686", "step 266: 2.4818 = the notebook's 2.4818",
                 "names: mor. axx. minaymoryles. kondlaisah. anchthizarie.", "gives 2.4543562"):
        assert line in done.stdout
    assert "differs" not in done.stdout and done.stdout.count("≈") == 9  # its shuffle had no seed


def test_a_deep_network_s_exercises(names):
    done = run("--data", names, "--zero-init", "--hidden", "8", script="batchnorm_mlp.py")
    assert done.returncode == 0, done.stderr
    assert "parameters that changed: norm6.bias. " in done.stdout and "initial loss 1.7918" in done.stdout
    done = run("--data", names, "--steps", "20", "--hidden", "8", "--no-batchnorm", "--batch", "1",
               script="batchnorm_mlp.py")
    assert done.returncode == 0 and "folded" not in done.stdout, done.stderr
    done = run("--data", names, "--batch", "1", script="batchnorm_mlp.py")
    assert done.returncode == 2 and "give a larger --batch, or --no-batchnorm" in done.stderr


def test_the_lecture_s_deep_network():
    done = run("--recipe", "lecture", "--quick", script="batchnorm_mlp.py")
    assert "0 steps: 3.3016 = the notebook's 3.3016" in done.stdout
    assert "2000 steps: 2.2823 = the notebook's 2.2823" in done.stdout, done.stdout


def test_gradients_by_hand():
    done = run("--recipe", "lecture", "--quick", script="manual_backprop.py")
    assert done.returncode == 0, done.stderr
    assert "26 of 26 close" in done.stdout and "loss: 3.9508 = the notebook's 3.9508" in done.stdout
    gaps = [float(gap) for gap in re.findall(r"largest difference: (\S+)", done.stdout)]
    assert len(gaps) == 26 + 1 + 3 + 7 and max(gaps) < 1e-15
    assert "0 steps: 3.6243 = another run's 3.6243" in done.stdout and "1.9306" in done.stdout


@pytest.mark.parametrize("columns", ["60", "250"])
def test_gradients_by_the_compiler(columns, names):
    done = run("--generated", "--data", names, script="manual_backprop.py", env=os.environ | {"COLUMNS": columns})
    assert done.returncode == 0, done.stderr
    hand, machine = "dW2, db2 = h.T @ dlogits, ones @ dlogits", r"d_W2 = \S+ @ d_logits"
    assert hand in done.stdout and re.search(machine, done.stdout) and "def batch_norm_backward" in done.stdout
    assert any("by hand" in line and "by the compiler" in line for line in done.stdout.splitlines()[:1]) == (
        columns == "250")
    gaps = [float(gap) for gap in re.findall(r"largest difference: (\S+)", done.stdout)]
    assert len(gaps) == 7 and max(gaps) < 1e-15 and done.stdout.endswith("7 of 7 agree\n")


@pytest.mark.parametrize(("arguments", "text"), [
    (("--steps", "0"), "argument --steps: got 0; expected a whole number, 1 or more"),
    (("--batch", "0"), "argument --batch: got 0; expected a whole number, 1 or more"),
    (("--batch", "x"), "argument --batch: got 'x'; expected a whole number"),
    (("--lr", "nan"), "argument --lr: got nan; expected a number, 0 or more"),
    (("--context", "0"), "argument --context: got 0"),
    (("--schedule", "wavy"), "got 'wavy'; expected linear"),
    (("--data", "nowhere.txt"), "nowhere.txt: No such file or directory; expected a text with one item a line"),
    (("--data", "{tmp}"), "Is a directory"),
    (("--data", "{tmp}/empty.txt"), "got an empty file; expected 3 or more"),
    (("--data", "{tmp}/latin.txt"), "got the byte 0xe9 in line 2, at offset 6; expected UTF-8"),
    (("--sample-from", "{tmp}/none.npz"), "none.npz: No such file or directory; expected a checkpoint"),
    (("--sample-from", "{tmp}/empty.txt"), "got no checkpoint, or a damaged one"),
    (("--plots", "{tmp}/empty.txt"), "empty.txt: got a file; expected a folder that can be written"),
    (("--save", "{tmp}/empty.txt/m.npz"), "expected a folder that can be written"),
    (("--save", "{tmp}"), "got a folder; expected a file, new or to be replaced"),
    (("--save", "/dev/full"), "got no ordinary file; expected a file"),
    (("--save", ""), "argument --save: got nothing; expected a value"),
    (("--temperature", "-1"), "argument --temperature: got -1; expected a number, 0 or more"),
    (("--lr", "1e30"), "; expected a finite number; give a smaller --lr"),
    (("--plots", "{tmp}/new", "--data", "nowhere.txt"), "nowhere.txt: No such file or directory"),
    (("--recipe", "lecture", "--seed", "3"), "argument --seed: got 3 with --recipe lecture; expected the notebook's "),
    (("--recipe", "lecture", "--data", "{tmp}/dots.txt"), "expected the notebook's own data"),
    (("--nonsense",), "unrecognized arguments: --nonsense"),
])
def test_bad_input_is_one_line_and_status_2(tmp_path, arguments, text):
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "latin.txt").write_bytes("anna\nré\nx\ny\n".encode("latin-1"))
    (tmp_path / "dots.txt").write_text("a.b\nc\nd\ne\n" * 5)
    before = sorted(p.name for p in tmp_path.iterdir())
    done = run("--steps", "5", *[a.format(tmp=tmp_path) for a in arguments])
    errors = [line for line in done.stderr.splitlines() if line.startswith("mlp_ngram.py: ")]
    assert done.returncode == 2 and len(errors) == 1 and text in errors[0], done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_checkpoints_of_others_are_refused(tmp_path):
    from tinytensor import checkpoint

    checkpoint.save(tmp_path / "other.npz", step=1)
    done = run("--sample-from", tmp_path / "other.npz")
    assert done.returncode == 2 and "got a checkpoint of another model" in done.stderr
    sizes = {"context": 3, "embedding": 4, "hidden": 5, "skip": True}
    checkpoint.save(tmp_path / "other.npz", settings=sizes, vocabulary=".ab", model={"embed.weight": 1.0})
    done = run("--sample-from", tmp_path / "other.npz")
    assert done.returncode == 2 and "its model does not fit" in done.stderr and "Traceback" not in done.stderr


def test_output_that_nobody_reads_to_the_end(names):
    command = f"{sys.executable} -u {ROOT / 'examples' / 'mlp_ngram.py'} --steps 50 --data {names} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert "items" in done.stdout and "Traceback" not in done.stderr
