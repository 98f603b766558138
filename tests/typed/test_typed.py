"""A user's annotated programs, and README's tour: each runs, and mypy agrees with its annotations; CI asks pyright too.

`check.py` beside this file is what CI runs, against an installed and an editable package.
"""

import importlib.util
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("check", Path(__file__).parent / "check.py")
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)


@pytest.mark.parametrize("program", check.PROGRAMS, ids=lambda p: p.stem)
def test_the_program_runs(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(program))


def test_readme_s_tour_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check.write_programs(tmp_path)
    names = runpy.run_path(str(tmp_path / "readme_tour.py"))
    assert "tt" in names and "model" in names  # the tour was found


def test_mypy_agrees(tmp_path, pytestconfig):
    pytest.importorskip("mypy", reason="needs mypy (pip install -e '.[dev]')")
    check.write_programs(tmp_path)
    cache = getattr(pytestconfig, "cache", None)  # the first run takes ten seconds, most of them for NumPy
    kept = cache.mkdir("mypy") if cache is not None else None
    command = [*check.mypy(tmp_path, sys.executable, kept), "--follow-imports=silent"]  # the package has its own check
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True,
                          env={**os.environ, "MYPYPATH": str(check.ROOT)})
    assert done.returncode == 0, done.stdout + done.stderr
