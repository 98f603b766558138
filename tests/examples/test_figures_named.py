"""With --plots every mode of every script names the figures that it drew, or says why there are none."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
ROOT = Path(__file__).resolve().parents[2]
NONE = "no figures: "


ITEMS = ["anna", "hannah", "nan", "ananas", "ban", "bann", "banana", "hab", "nab", "bah"] * 3


def run(command, folder):
    """What a script prints that runs on a few items, a line each, and draws into the folder."""
    items = folder.parent / "items.txt"
    items.write_text("\n".join(ITEMS * 20 if "gpt.py" in command else ITEMS), "utf-8")
    script, *flags = command.split()
    flags += [] if "--recipe" in flags or "--sample-from" in flags else ["--data", str(items)]
    done = subprocess.run([sys.executable, str(ROOT / "examples" / script), *flags, "--plots", str(folder)],
                          cwd=folder.parent, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


def named(out):
    """The files that lines such as 'figures in plots: loss.png, tree.png' name."""
    return sorted(name for line in re.findall(r"^figures in .*?: (.*)$", out, re.M) for name in line.split(", "))


@pytest.mark.parametrize("command", [
    "mlp_ngram.py --steps 50 --hidden 8 --names 1", "mlp_ngram.py --lr-find --hidden 8",
    "mlp_ngram.py --sweep --steps 5", "linear_ngram.py --recipe lecture --names 1",
    "gpt.py --ladder --steps 2 --width 16 --context 16", "wavenet.py --ladder --steps 2 --hidden 8",
    "makemore.py --steps 2 --names 1 --quick"])
def test_what_is_drawn_is_named(command, tmp_path):
    folder = tmp_path / "p"
    out = run(command, folder)
    assert named(out) == sorted(p.name for p in folder.iterdir()) != [] and NONE not in out


@pytest.mark.parametrize("command", [
    "mlp_ngram.py --initial-loss --hidden 8", "batchnorm_mlp.py --zero-init --hidden 8 --steps 5",
    "manual_backprop.py --generated"])
def test_a_mode_without_figures_says_so(command, tmp_path):
    out = run(command, tmp_path / "p")
    assert out.count(NONE) == 1 and not named(out)
    assert not (tmp_path / "p").exists() or not list((tmp_path / "p").iterdir())


@pytest.mark.parametrize("script", ["mlp_ngram.py", "gpt.py"])
def test_sampling_from_a_file_draws_nothing(script, tmp_path):
    small = "--hidden 8" if script == "mlp_ngram.py" else "--width 16 --layers 1 --context 16 --count 5"
    run(f"{script} --steps 5 {small} --save m.npz", tmp_path / "first")
    out = run(f"{script} --sample-from m.npz", tmp_path / "p")
    assert out.count(NONE) == 1 and "trains nothing" in out
