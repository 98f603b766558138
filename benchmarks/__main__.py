"""Measures tinytensor beside its peers, in one run: rounds interleaved, each contender in a process of its own.

    python -m benchmarks              print the tables
    python -m benchmarks --write      also write them into README.md and benchmarks/results/latest.json

Peers that are not installed are named as missing; `pip install -e '.[peers]'` adds them.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .report import ROOT, into_readme, machine
from .tasks import CONTENDERS, TASKS

PACKAGES = ("numpy", "torch", "jax", "mygrad", "autograd")


def progress(message: str) -> None:
    print(f"\r\033[K{message}", end="", file=sys.stderr, flush=True)


def start(task: str, contender: str) -> subprocess.Popen[str]:
    threads = str(CONTENDERS[contender][1])
    env = os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    return subprocess.Popen([sys.executable, "-m", "benchmarks.worker", task, contender], cwd=ROOT, env=env, text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"benchmarks: {process.args} ended early; run it alone to see why")
    result: dict[str, Any] = json.loads(line)
    return result


def measure(task: str, rounds: int, seconds: float) -> dict[str, Any]:
    """For each contender the minimum over all steps and the median of the rounds' medians, in microseconds, and the
    median over the rounds of its time divided by tinytensor's in the same round, which drift does not touch."""
    workers, results, memory = {}, {}, {}
    for contender in TASKS[task][1]:
        process = start(task, contender)
        if "missing" in (first := answer(process)):
            results[contender] = None
        else:
            workers[contender], memory[contender] = process, first["memory"]
    found: dict[str, list[dict[str, float]]] = {contender: [] for contender in workers}
    for i in range(rounds):
        for contender, process in workers.items():
            progress(f"{TASKS[task][0]}: round {i + 1} of {rounds}, {contender}")
            assert process.stdin is not None
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
            found[contender].append(answer(process))
    for contender, process in workers.items():
        process.communicate()
        pairs = zip(found[contender], found["tinytensor"], strict=True)
        results[contender] = {"minimum": min(r["minimum"] for r in found[contender]),
                              "median": statistics.median(r["median"] for r in found[contender]),
                              "paired": statistics.median(a["median"] / b["median"] for a, b in pairs),
                              "memory": memory[contender]}
    progress("")
    return results


def import_time(repeats: int = 15) -> dict[str, float]:
    """Seconds that `import tinytensor` takes on top of `import numpy`: in a new process each, files cached."""
    code = "import time, numpy; a = time.perf_counter(); import tinytensor; print(time.perf_counter() - a)"
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True)  # writes the bytecode
    times = sorted(float(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=env))
                   for _ in range(repeats))
    return {"minimum": times[0], "median": times[repeats // 2]}


def resident() -> float:
    """The process's memory, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def memory() -> dict[str, float]:
    """The process's size after 100 and after 10,000 steps of the lecture's MLP, with the garbage collector off."""
    from .tasks import make

    step, sizes = make("mlp", "tinytensor"), {}
    gc.collect()
    gc.disable()
    for i in range(10_000):
        step(i)
        if i + 1 in (100, 10_000):
            sizes[f"after {i + 1:,} steps"] = resident()
    gc.enable()
    return sizes


# --- the tables ---


def table(task: str, results: dict[str, Any]) -> list[str]:
    """One row a contender: times, and as a multiple of tinytensor's."""
    ours = results["tinytensor"]
    lines = [f"**{TASKS[task][0]}**", "",
             "| | minimum, us | median, us | minimum / tinytensor's | the same round's median / tinytensor's | "
             "memory, MiB |",
             "| --- | --: | --: | --: | --: | --: |"]
    for contender, r in results.items():
        if r is None:
            lines.append(f"| {contender} | not installed | | | | |")
        else:
            lines.append(f"| {contender} | {r['minimum']:.0f} | {r['median']:.0f} | "
                         f"{r['minimum'] / ours['minimum']:.2f} | {r['paired']:.2f} | {r['memory']:.1f} |")
    return [*lines, ""]


def report(results: dict[str, Any]) -> str:
    lines = [f"Measured on {results['date']} by `python -m benchmarks --write`: {results['machine']}. Each contender "
             f"has its own process; {results['rounds']} rounds of {results['seconds']:g} s are interleaved; BLAS "
             f"has one thread, or as many as it says. Memory: the most that the first 20 steps took on top of what "
             f"the process had before them.", ""]
    for task in TASKS:
        lines += table(task, results[task])
    took, sizes = results["import"], results["memory"]
    lines += [f"`import tinytensor` takes {1000 * took['minimum']:.0f} ms (median {1000 * took['median']:.0f}) on top "
              f"of `import numpy`. A process that trains the MLP with the garbage collector off has "
              f"{' and '.join(f'{size:.1f} MiB {when}' for when, size in sizes.items())}."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="rounds for each contender (default: 7)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round (default: 2)")
    parser.add_argument("--write", action="store_true", help="write the tables into README.md and benchmarks/results")
    options = parser.parse_args()
    results: dict[str, Any] = {"date": time.strftime("%Y-%m-%d"), "machine": machine(*PACKAGES),
                               "rounds": options.rounds, "seconds": options.seconds}
    for task in TASKS:
        results[task] = measure(task, options.rounds, options.seconds)
    results["import"], results["memory"] = import_time(), memory()
    text = report(results)
    print(text)
    if options.write:
        (ROOT / "benchmarks" / "results").mkdir(exist_ok=True)
        (ROOT / "benchmarks" / "results" / "latest.json").write_text(json.dumps(results, indent=1) + "\n")
        into_readme("benchmarks", text)


if __name__ == "__main__":
    main()
