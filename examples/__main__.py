"""Runs every script, and shows what each reached as the tables of the two README files.

    python -m examples                      run all, with their figures, and print the tables; about half an hour
    python -m examples wavenet.py gpt.py    run only these
    python -m examples --quick              run each for a few seconds, to see that all work
    python -m examples --write              also write results.json and the tables of README.md and examples/README.md
    python -m examples --render --write     run nothing: write the tables again from results.json

It trains nothing itself: each script runs in its own process, as its users run it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.report import ROOT, insert, machine

HERE = Path(__file__).resolve().parent
STORED = HERE / "results.json"


class Run(NamedTuple):
    command: str  # the script with its flags
    title: str = ""  # of a row in README's table of the lectures
    notebook: str = "-"  # the loss that the notebook printed
    steps: str = "-"  # and after how many steps
    table: str = ""  # the section of examples/README.md that gets the table which the script writes


RUNS = (
    Run("value_mlp.py", "0: Value, a scalar engine", "4.2e-05 on four points", "101"),
    Run("linear_ngram.py", "1: linear n-grams", "test 2.3730", "501"),
    Run("mlp_ngram.py", "2: MLP n-gram", "test 2.1304", "200,001"),
    Run("batchnorm_mlp.py", "3: activations, gradients, BatchNorm", "test 2.1057", "20,001"),
    Run("manual_backprop.py", "4: backpropagation by hand", "test 2.0899", "200,101"),
    Run("wavenet.py", "5: WaveNet", "dev 1.9937", "200,000"),
    Run("gpt.py", "6: GPT, on Shakespeare"),
    Run("gpt.py --recipe names", "6: GPT, on names"),
    Run("bpe_tokenizer.py"),
    Run("wavenet.py --ladder", table="wavenet-ladder"),
    Run("gpt.py --ladder", table="gpt-ladder"),
    Run("makemore.py", table="race"),
)


def run(one: Run, folder: Path, quick: bool) -> dict[str, Any]:
    """Run a script, its output shown as it is printed: the last line, the steps, the seconds of the whole process."""
    start, last, steps = time.perf_counter(), "", "-"
    script, *flags = one.command.split()
    command = [sys.executable, "-u", str(HERE / script), *flags, "--plots", str(folder), *["--quick"] * quick]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
            if found := re.search(r"([\d,]+) steps in [\d.]+ s", line):
                steps = found[1]
    if process.returncode:
        raise SystemExit(f"{one.command}: got exit status {process.returncode}; expected 0; run it alone to see why")
    return {"line": last.removeprefix("loss: "), "steps": steps, "seconds": round(time.perf_counter() - start)}


def lectures(stored: dict[str, Any]) -> str:
    """README's table: a row for each lecture that has been run."""
    lines = [f"Measured by `python -m examples --write`, last on {stored['date']}: {stored['machine']}. The time is "
             f"that of the whole script.", "",
             "| lecture | script | the notebook's loss | the notebook's steps | our loss | our steps | time |",
             "| --- | --- | --- | --: | --- | --: | --: |"]
    for one in RUNS:
        if one.title and (found := stored["lectures"].get(one.command)):
            lines.append(f"| {one.title} | `python examples/{one.command}` | {one.notebook} | {one.steps} | "
                         f"{found['line']} | {found['steps']} | {found['seconds']} s |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="run each for a few seconds; nothing can be written")
    parser.add_argument("--write", action="store_true", help="write results.json and the tables of both README files")
    parser.add_argument("--render", action="store_true", help="run nothing, use results.json as it is")
    parser.add_argument("--plots", default="plots", help="folder for the figures, with one folder for each script "
                        "(default: plots)")
    parser.add_argument("scripts", nargs="*", help="such as gpt.py; all if left out")
    options = parser.parse_args()
    if options.quick and options.write:
        parser.error("--quick: got --write; expected a whole run, or README would have its losses; leave out one")
    known = [one.command.split()[0] for one in RUNS]
    if unknown := set(options.scripts) - set(known):
        parser.error(f"scripts: got {min(unknown)}; expected some of {', '.join(dict.fromkeys(known))}; see --help")

    stored = json.loads(STORED.read_text("utf-8"))
    for one in () if options.render else RUNS:
        if options.scripts and one.command.split()[0] not in options.scripts:
            continue
        print(f"\n--- {one.title and f'lecture {one.title}: '}{one.command}", flush=True)
        folder = Path(options.plots) / one.command.replace(".py", "").replace(" --recipe ", "-").replace(" --", "-")
        found = run(one, folder, options.quick)
        if one.title:
            stored["lectures"][one.command] = found
        if one.table:
            page, = folder.glob("*.md")
            stored["tables"][one.table] = page.read_text("utf-8").rstrip()
    if not options.render:
        stored |= {"date": time.strftime("%Y-%m-%d"), "machine": machine("numpy")}
    print(f"\n{lectures(stored)}\n\n" + "\n\n".join(stored["tables"].values()))
    if options.write:
        STORED.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", "utf-8")
        insert(ROOT / "README.md", "lectures", lectures(stored))
        for section, text in stored["tables"].items():
            insert(HERE / "README.md", section, text)


if __name__ == "__main__":
    main()
