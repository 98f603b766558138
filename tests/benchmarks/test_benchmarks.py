"""The benchmarks: all contenders do the same arithmetic, and tables show what was measured. Nothing is timed here."""

import dataclasses
import json
import os
import signal
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import measure, tables
from benchmarks.report import insert
from benchmarks.tasks import (
    BY_HAND,
    COMPILED,
    COMPILED_ALL,
    CONTENDERS,
    EAGER,
    GROWTH,
    JAX,
    TASKS,
    TORCH,
    TORCH_COMPILE,
    TWO,
    Missing,
    make,
)
from benchmarks.typed_loops import LOOPS
from tinytensor import torch as ours

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"mlp": {}, "batchnorm": {"batch": 16, "width": 20, "depth": 2}, "wavenet": {"batch": 8, "width": 16},
         "names": {"batch": 4, "context": 8, "width": 16, "depth": 2}, "micrograd": {"batch": 10}}
SLOW = (TWO, *TORCH_COMPILE)  # processes, and a C++ compiler: `python -m benchmarks --verify` has them
FORMS = [(name, c) for name in SMALL for c in TASKS[name].contenders if c not in SLOW and c != EAGER]


def losses(name, contender, sampled=False):
    try:
        step = make(dataclasses.replace(TASKS[name], **SMALL[name]), contender, sampled)
    except Missing as error:
        pytest.skip(f"{contender}: {error}")
    return [step(0) for _ in range(6)]  # all on one batch, so that it learns and a wrong gradient shows


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")  # the peers' own
@pytest.mark.parametrize("name, contender", FORMS)
def test_first_losses_agree(name, contender):
    expected = losses(name, EAGER)
    assert expected[-1] < expected[0]
    np.testing.assert_allclose(losses(name, contender), expected, rtol=1e-5)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("contender", [c for c in TASKS["mlp"].variants["sampled"] if c not in SLOW])
def test_batches_drawn_in_the_step(contender):
    found = losses("mlp", contender, sampled=True)
    assert len(set(found)) == 6 and all(2 < loss < 6 for loss in found)


def test_rounds_are_measured_in_processes(tmp_path):
    found = measure.measure("forward", "given", (BY_HAND, EAGER), 2, 0.01, str(tmp_path))
    for r in found.values():
        assert 0 < r["minimum"] <= r["median"] < 1 and r["memory"] >= 0 and r["compile"] >= 0


def test_what_goes_wrong_in_a_process_is_told():
    process = measure.Process("worker", EAGER, "no task", EAGER, "given")
    assert process.answer(60)["missing"] == "KeyError: 'no task'"
    process.end()
    process = measure.Process("worker", EAGER, "forward", EAGER, "given")
    process.signal(signal.SIGKILL)
    assert 'ended early; `python -m benchmarks.worker "forward"' in process.answer(60)["missing"]
    process.process.wait()
    assert "missing" in process.round(0.01)
    process.end()


# --- what is told ---


def made(base):
    """What a run could have found: times in units of ours."""

    def r(contender):
        seconds = 1e-4 * base.get(contender, 5.0)
        return {"minimum": seconds, "median": seconds, "losses": [3.0, 2.5], "first": [seconds] * 6, "compile": 0.06,
                "memory": 2.0 if contender == COMPILED else 1.0, "memory_first": 3.0}

    found = {name: {variant: {c: r(c) for c in contenders} for variant, contenders in task.variants.items()}
             for name, task in TASKS.items()}
    grown = {f"{name} {size} {n}": {c: r(c) for c in (COMPILED, TORCH[0], JAX)} for name, size, points in GROWTH
             for n in points}
    return {"date": "today", "machine": "a machine", "cores": 2, "rounds": 4, "seconds": 2.0, "tasks": found,
            "growth": grown, "imports": {"tinytensor": {"minimum": 0.012, "median": 0.013}},
            "to_loss": {COMPILED: {"seconds": 9.0, "steps": 35000, "dev": 2.1, "target": 2.1289}}}


def row(text, start):
    line = next(line for line in text.splitlines() if line.startswith(start))
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_ratios_are_never_rounded_up():
    results = made({COMPILED: 1.0, TWO: 2.0, TORCH[0]: 3.2999, TORCH[1]: 3.5, JAX: 2.0, TORCH_COMPILE[0]: 0.5})
    results["tasks"]["names"]["given"][JAX] = {"missing": "not installed"}
    text = tables.details(results)
    cells = row(text, "| lecture MLP, batch 64 | 1 |")
    assert cells[2] == "3.29" and cells[6] == "2.00"
    assert row(text, "| lecture MLP, batch 64 | 2 |")[2] == "1.64"
    for form in ("1, best of threads", "1"):
        assert row(text, f"| names GPT, 32 x 16, width 64 | {form} |")[6] == ""  # the reason stands below
    assert "Missing: JAX jit: not installed (names GPT, 32 x 16, width 64)." in text
    assert "with its best number of threads, on lecture MLP 2.00" in text
    cells = row(text[text.index("ms to compile"):], "| lecture MLP, batch 64 |")
    assert cells[1] == "60" and cells[4:6] == ["1.0 (3.0)", "2.0 (3.0)"]  # ms to compile, MiB
    assert "agree within" not in text  # they are equal
    assert "## How cost grows" in text


def test_ours_too_has_the_threads_that_suit_it():
    """And the time of one thread stands beside it."""
    results = made({COMPILED: 2.0, COMPILED_ALL: 1.0, TORCH[1]: 1.5})
    text = tables.details(results)
    assert row(text, "| Shakespeare GPT, 12 x 64, width 128 | 1, best of threads |")[2] == "1.50"
    assert row(text, "| names GPT, 32 x 16, width 64 | 1 |")[2] == "0.75"
    assert "Missing" not in text and "](speed.png)" in text
    assert row(tables.readme(results), "| names GPT |")[2] == "100", "in README the best of both"


def test_readme_has_one_row_a_network_and_says_where_we_lose():
    text = tables.readme(made({EAGER: 3.0, COMPILED: 1.2, TWO: 0.9, TORCH[0]: 2.0, TORCH_COMPILE[1]: 1.0, JAX: 4.0}))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert [line.split(" | ")[0] for line in table[2:]] == [
        "| lecture MLP", "| six-layer BatchNorm MLP", "| WaveNet", "| names GPT", "| Shakespeare GPT"]
    assert table[0] == "| us per training step | tinytensor, eager | compiled | 2 workers | PyTorch | JAX |"
    assert table[2] == "| lecture MLP | 300 | 120 | 90 | 100 | 400 |"
    assert ("PyTorch is faster than the compiled step on lecture MLP (by 20%), six-layer BatchNorm MLP (by 20%), "
            "WaveNet (by 20%), names GPT (by 20%) and Shakespeare GPT (by 20%), and than the eager step on all of "
            "these. JAX is not faster on any of these.") in text
    assert "today" in text and "a machine" in text and len(table) == 7


def test_stored_results_are_rendered_without_measuring():
    """README's section and the tables are those of the stored results: `python -m benchmarks --render --write`."""
    results = json.loads((ROOT / "benchmarks" / "results" / "latest.json").read_text("utf-8"))
    assert (ROOT / "benchmarks" / "results" / "tables.md").read_text("utf-8") == tables.details(results)
    done = subprocess.run([sys.executable, "-m", "benchmarks", "--render"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == tables.readme(results) + "\n", done.stderr
    done = subprocess.run([sys.executable, "-m", "benchmarks", "--quick", "--write"], cwd=ROOT, capture_output=True,
                          text=True)
    assert done.returncode == 2 and "--quick: got --write; expected a whole run" in done.stderr


def test_a_page_without_the_section_is_refused(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- t -->\nold\n<!-- /t -->\nb\n")
    insert(page, "t", "new | \\1")
    assert page.read_text() == "a\n<!-- t -->\nnew | \\1\n<!-- /t -->\nb\n"
    with pytest.raises(SystemExit, match="got no section u; expected <!-- u -->"):
        insert(page, "u", "new")


def test_losses_that_differ_are_told():
    results = made({})
    results["tasks"]["mlp"]["given"][JAX]["losses"] = [3.0, float("nan")]
    assert tables.agreement(results) == float("inf")
    results["tasks"]["mlp"]["given"][JAX]["losses"] = [3.0, 2.5 * 1.001]
    assert "agree within 1e-03" in tables.details(results)


def test_tables_of_a_part_and_of_a_run_without_the_compiler():
    results = made({})
    results["tasks"] = {name: results["tasks"][name] for name in ("mlp", "forward")}
    for variants in results["tasks"].values():
        for found in variants.values():
            found.update({c: {"missing": "no compile"} for c in (COMPILED, TWO) if c in found})
    del results["growth"], results["to_loss"]
    assert row(tables.details(results), "| lecture MLP, batch 64 | 1 |")[2:] == [""] * 8
    assert row(tables.readme(results), "| lecture MLP |")[2:4] == ["-", "-"]
    assert "| 1.00 |" in tables.details(results)


def test_figure_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    from benchmarks.figure import draw, draw_models

    results = made({COMPILED: 1.0})
    results["tasks"]["writing"]["given"][TORCH[0]] = {"missing": "not installed"}
    draw(results, tmp_path / "speed.png")
    assert (tmp_path / "speed.png").stat().st_size > 10_000
    draw_models(results, tmp_path / "models.png")
    width, = struct.unpack(">I", (tmp_path / "models.png").read_bytes()[16:20])
    assert width == 1400, "twice the 700 pixels at which README shows it"
    del results["growth"]
    draw(results, tmp_path / "part.png")
    results["tasks"] = {"forward": results["tasks"]["forward"]}
    draw_models(results, tmp_path / "none.png")


def test_contenders_are_known():
    assert all(c in CONTENDERS for task in TASKS.values() for c in task.contenders)
    assert CONTENDERS[TORCH[1]].cores == os.cpu_count() and CONTENDERS[TORCH[0]].cores == 1


# --- the lectures' loops as they are typed ---


def typed(torch, loop, compiled=False):
    step = LOOPS[loop](torch, compiled)
    return [step() for _ in range(5)]


@pytest.mark.parametrize("loop", LOOPS)
def test_typed_loops_are_the_same_compiled(loop):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what can't be compiled would run as it is, with a warning
        assert typed(ours, loop) == typed(ours, loop, compiled=True)


@pytest.mark.peer
@pytest.mark.parametrize("loop", LOOPS)
def test_typed_loops_are_the_same_on_pytorch(loop):
    np.testing.assert_allclose(typed(ours, loop), typed(pytest.importorskip("torch"), loop), rtol=1e-5)
