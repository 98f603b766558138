"""Programs written for PyTorch run as they stand on tinytensor.torch: all that they print and keep is PyTorch's."""

import re
from pathlib import Path

import pytest

from tests.torch_sides import compare_globals, compare_text, run

PROGRAMS = sorted((Path(__file__).parent / "torch_programs").glob("*.py"))
TENSORS = {"makemore_models": 60, "nanogpt": 50, "reprs": 2, "tutorial_basics": 30}  # at least so many are compared
GRAD_FN = re.compile(r"grad_fn=(<\w+>)")


@pytest.mark.peer
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_a_program_prints_and_keeps_what_it_does_on_pytorch(path):
    pytest.importorskip("torch")
    expected, theirs = run(path, "pytorch")
    got, mine = run(path, "ours")
    compare_text(got, expected)
    assert compare_globals(mine, theirs) >= TENSORS.get(path.stem, 10)
    assert GRAD_FN.findall(got) == GRAD_FN.findall(expected)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_a_program_runs_on_ours_alone(path):
    text, _ = run(path, "ours")
    assert len(text.splitlines()) > 10
