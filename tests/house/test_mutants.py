"""The tool that changes every line: what it changes, that a test which sees a change is found, and the survivors."""

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from tests.support.mutants import ROOT, known
from tests.support.mutators import mutants

SOURCE = '''"""Two functions."""


def half(x, whole=False):
    """Not changed: "0"."""
    if x < 0 and not whole:
        raise ValueError(f"half: {x} is below 0")
    return x // 2 if whole else x / 2


double = ufunc_op(0, lambda g, y, x: g)
'''
CHANGES = {  # function: what stands there -> what is put there
    "half": {
        "x < 0 and (not whole) -> x < 0 or not whole", "x < 0 and (not whole) -> x < 0",
        "x < 0 and (not whole) -> not whole",
        "x < 0 and (not whole) -> x <= 0 and (not whole)", "x < 0 and (not whole) -> x >= 0 and (not whole)",
        "x < 0 and (not whole) -> x < 1 and (not whole)", "x < 0 and (not whole) -> x < 0 and whole",
        "if x < 0 and (not whole): -> if not (x < 0 and (not whole)):",
        "raise ValueError(f'half: {x} is below 0') -> pass", "return x // 2 if whole else x / 2 -> return None",
        "return x // 2 if whole else x / 2 -> return x / 2 if whole else x // 2",
        "return x // 2 if whole else x / 2 -> return x * 2 if whole else x / 2",
        "return x // 2 if whole else x / 2 -> return x // 3 if whole else x / 2",
        "return x // 2 if whole else x / 2 -> return x // 2 if whole else x * 2",
        "return x // 2 if whole else x / 2 -> return x // 2 if whole else x / 3",
        "x, whole=False -> x, whole=True",
    },
    "double": {"lambda g, y, x: g -> lambda g, y, x: g * 2"},
}


def test_what_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "two.py"
    path.write_text(SOURCE)
    found = defaultdict(set)
    for mutant in mutants(path, "two.py"):
        found[mutant.where].add(f"{mutant.before} -> {mutant.after}")
    assert found == CHANGES


def test_survivors_are_mutants_of_today_and_have_reasons() -> None:
    listed = defaultdict(set)
    for key, reason in known().items():
        assert reason, f"no reason for {key}"
        file, _, rest = key.partition(" ")
        listed[file, rest.partition(": ")[0]].add(key)
    for (file, where), keys in listed.items():
        gone = keys - {mutant.key for mutant in mutants(ROOT / file, file, where)}
        assert not gone, f"no longer mutants: {gone}; run python -m tests.support.mutants {file}, and mend the list"


def test_a_part_of_the_package_is_caught() -> None:
    what = ["--tests", "engine/test_conventions.py", "--only", "inf_safe_diff", "tinytensor/ops/elementwise.py"]
    done = subprocess.run([sys.executable, "-m", "tests.support.mutants", *what], cwd=ROOT, capture_output=True,
                          text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert " killed" in done.stdout
