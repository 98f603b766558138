"""The first lecture's script as its users run it: small, in a process of its own, with good input and with bad."""

import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(ROOT / "examples" / "value_mlp.py")
EXACT = 35  # figures that the notebook printed and that can be had again


def run(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)


def test_quick_with_figures(tmp_path):
    done = run("--quick", "--moons", "20", "--plots", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert len(re.findall(r" = -?\d[\d.e-]*\n", out)) == EXACT and "≈" not in out and "differs" not in out
    assert re.search(r"forward at h = 1e-0[78], symmetric at h = 1e-0[56]", out)
    assert re.search(r"\n  500 steps in \d+\.\d s, \d+ us a step\n", out)
    gaps = re.findall(r"largest difference of gradients (\S+); a step (\S+) ms on Values, (\S+) ms on Tensors", out)
    assert len(gaps) == 2 and all(float(gap) <= 1e-12 and float(slow) > float(fast) for gap, slow, fast in gaps)
    last = re.fullmatch(r"loss: four points (\S+), two moons (\d+) of 100 right", out.splitlines()[-1])
    assert float(last[1]) < 4e-5 and int(last[2]) >= 90
    figures = {f.name: f for f in (tmp_path / "new").iterdir()}
    assert sorted(figures) == ["fit.png", "graph.svg", "moons.png", "steps.png", "tangents.png"]
    assert ET.parse(figures.pop("graph.svg")).getroot().tag.endswith("svg")
    assert all(f.read_bytes().startswith(b"\x89PNG") and f.stat().st_size > 10_000 for f in figures.values())


def test_the_lecture_s_figures():
    done = run("--recipe", "lecture")
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert len(re.findall(r" = -?\d[\d.e-]*\n", out)) == EXACT and "≈" not in out and "differs" not in out
    for figure in ("6.336362190988558", "0.7071067811865476", "-12.353554623700802", "2.1755153626167147", "-7.286496"):
        assert f"{figure} = {figure}\n" in out
    assert "without a seed, so its losses can't be reproduced" in out and "the notebook's 4.25e-05" in out
    assert "101 steps in" in out and "two moons" not in out
    assert out.splitlines()[-1] == "loss: four points 4.5e-05"


@pytest.mark.parametrize("scale", [1e-300, 1e-13, 1.0, 1e300])
def test_own_points_of_any_scale(scale, tmp_path):
    """The square of a coordinate may be inf or 0; the network sees the same points. A constant coordinate is 0."""
    pytest.importorskip("matplotlib")
    path = tmp_path / "a$b^{$ 語.txt"
    path.write_text("".join(f"{scale * x!r} 0.1 {2 * (x > 2) - 1}\n" for x in range(1, 7)), "utf-8")
    done = run("--data", path, "--steps", "20", "--moons", "60", "--plots", tmp_path)
    assert done.returncode == 0 and "6 of 6 right" in done.stdout.splitlines()[-1], done.stderr
    assert "Warning" not in done.stderr and "the notebook's loss" not in done.stdout
    assert (tmp_path / "moons.png").exists()


def test_help():
    done = run("--help")
    assert done.returncode == 0 and "Lecture 0" in done.stdout
    assert all(f"--{name}" in done.stdout for name in ("steps", "lr", "moons", "seed", "recipe", "quick", "plots"))


@pytest.mark.parametrize(("arguments", "error"), [
    (("--steps", "0"), "argument --steps: got 0; expected a whole number, 1 or more"),
    (("--lr", "-1"), "argument --lr: got -1; expected a number, 0 or more"),
    (("--lr", "1e308"), "loss: got nan at step "),
    (("--moons", "many"), "argument --moons: got 'many'; expected a whole number"),
    (("--recipe", "mine"), "got 'mine'; expected ours"),
    (("--plots", __file__), "got a file; expected a folder"),
])
def test_bad_input_is_one_line_and_status_2(arguments, error):
    done = run(*arguments)
    errors = [line for line in done.stderr.splitlines() if line.startswith("value_mlp.py: ")]
    assert done.returncode == 2 and len(errors) == 1 and error in errors[0], done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a POSIX signal")
def test_ctrl_c_while_the_imports_load():
    """`-X importtime` prints each module as it has been loaded: NumPy's first one stands long before the script's run."""
    process = subprocess.Popen([sys.executable, "-X", "importtime", SCRIPT], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    while "numpy" not in (line := process.stderr.readline()) and line:
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and not out and "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a POSIX signal")
def test_ctrl_c_ends_with_the_figures_so_far():
    process = subprocess.Popen([sys.executable, "-u", SCRIPT, "--steps", "100_000_000"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    while not process.stdout.readline().startswith("four points"):
        pass
    while b"four points" not in (seen := process.stderr.buffer.read1(200)) and seen:  # the bar stands: the loop runs
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    assert "stopped by Ctrl-C, here are the figures so far" in out and "two moons" not in out
    assert re.search(r"loss: four points \S+\n$", out)
