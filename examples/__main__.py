"""Runs every lecture's script and writes the table of what each reached into README.

    python -m examples            all of them, with their figures; about half an hour
    python -m examples --quick    each for some seconds, to see that all work; README stays as it is

It trains nothing itself: each script runs in a process of its own, as its users run it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import ROOT, into_readme, machine

HERE = Path(__file__).resolve().parent


class Lecture(NamedTuple):
    title: str
    script: str  # with its flags
    notebook: str  # the figure that the notebook printed


LECTURES = (
    Lecture("0: Value, a scalar engine", "value_mlp.py", "loss 4e-5 on four points"),
    Lecture("1: linear n-grams", "linear_ngram.py", "test 2.3730"),
    Lecture("2: MLP n-gram", "mlp_ngram.py", "test 2.1304"),
    Lecture("3: activations, gradients, BatchNorm", "batchnorm_mlp.py", "test 2.1057"),
    Lecture("4: backpropagation by hand", "manual_backprop.py", "test 2.0899"),
    Lecture("5: WaveNet", "wavenet.py", "dev 1.9937"),
    Lecture("6: GPT, on Shakespeare", "gpt.py", "-"),
    Lecture("6: GPT, on names", "gpt.py --recipe names", "-"),
)


class Outcome(NamedTuple):
    line: str  # the last line, without its "loss: "
    steps: str
    seconds: float  # of the whole process


def run(lecture: Lecture, *flags: str) -> Outcome:
    """Run the script, its screen shown as it comes; the last line is what it reached."""
    start, last, steps = time.perf_counter(), "", "-"
    script, *own = lecture.script.split()
    command = [sys.executable, "-u", str(HERE / script), *own, *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
            if found := re.search(r"([\d,]+) steps in [\d.]+ s", line):
                steps = found[1]
    if process.returncode:
        raise SystemExit(f"examples: {lecture.script} ended with status {process.returncode}; run it alone to see why")
    return Outcome(last.removeprefix("loss: "), steps, time.perf_counter() - start)


def table(outcomes: dict[Lecture, Outcome]) -> str:
    """A row for each lecture: what came of the run, or what stands in README of an earlier one."""
    earlier = {line.split(" | ")[0]: line for line in (ROOT / "README.md").read_text("utf-8").splitlines()}
    lines = [f"From the runs themselves, the last on {time.strftime('%Y-%m-%d')}, by `python -m examples`: "
             f"{machine('numpy')}; the time is that of the whole script.", "",
             "| lecture | script | the notebook | ours | steps | time |", "| --- | --- | --- | --- | --: | --: |"]
    for lecture in LECTURES:
        if o := outcomes.get(lecture):
            lines.append(f"| {lecture.title} | `python examples/{lecture.script}` | {lecture.notebook} | {o.line} | "
                         f"{o.steps} | {o.seconds:.0f} s |")
        elif line := earlier.get(f"| {lecture.title}"):
            lines.append(line)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="each for some seconds; README stays as it is")
    parser.add_argument("--plots", default="plots", help="folder for the figures, one inside for each (default: plots)")
    parser.add_argument("scripts", nargs="*", help="such as gpt.py; left out, all of them")
    options = parser.parse_args()
    wanted = [lecture for lecture in LECTURES if not options.scripts or lecture.script.split()[0] in options.scripts]
    if unknown := set(options.scripts) - {lecture.script.split()[0] for lecture in wanted}:
        parser.error(f"{min(unknown)} came; expected some of {', '.join(lecture.script for lecture in LECTURES)}")
    outcomes = {}
    for lecture in wanted:
        print(f"\n--- lecture {lecture.title}: {lecture.script}", flush=True)
        folder = str(Path(options.plots) / lecture.script.replace(".py", "").replace(" --recipe ", "-"))
        outcomes[lecture] = run(lecture, "--plots", folder, *["--quick"] * options.quick)
    text = table(outcomes)
    print("\n" + text)
    if not options.quick:
        into_readme("lectures", text)


if __name__ == "__main__":
    main()
