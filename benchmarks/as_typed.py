"""Measures the lectures' loops as you type them: a step on `tinytensor.torch` and one on PyTorch, in turns.

    python -m benchmarks.as_typed [--rounds 7] [--seconds 0.5] [LOOP ...]

Each contender runs in its own process. First losses are compared, because both draw the same random numbers.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

from .typed_loops import LOOPS

OURS, COMPILED = "tinytensor.torch", "tinytensor.torch compiled"
CONTENDERS = {OURS: ("tinytensor.torch", 1), COMPILED: ("tinytensor.torch", 1), "PyTorch, 1 thread": ("torch", 1),
              "PyTorch, its own threads": ("torch", 0)}
FIRST = 8  # steps, after which everything is compiled


def work(loop: str, module: str, compiled: bool) -> None:
    """Make the step, print the first losses, then for each line with seconds the times of a step."""
    step = LOOPS[loop](importlib.import_module(module), compiled)
    print(json.dumps([step() for _ in range(FIRST)]), flush=True)
    for line in sys.stdin:
        end, times = time.perf_counter() + float(line), []
        while time.perf_counter() < end:
            began = time.perf_counter()
            step()
            times.append(time.perf_counter() - began)
        print(json.dumps([min(times), statistics.median(times)]), flush=True)


def start(loop: str, contender: str) -> subprocess.Popen[str]:
    """The process of a contender."""
    module, threads = CONTENDERS[contender]
    own = {} if not threads else dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return subprocess.Popen([sys.executable, "-m", "benchmarks.as_typed", "--work", module, *(
        ["--compiled"] if contender == COMPILED else []), loop], env={**os.environ, **own}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def ask(process: subprocess.Popen[str], seconds: float) -> Any:
    """The minimum and the median time of a step, measured for so many seconds."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{seconds}\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def compare(loop: str, rounds: int, seconds: float) -> None:
    """Print a line for each contender."""
    processes = {name: start(loop, name) for name in CONTENDERS}
    losses = {name: json.loads(p.stdout.readline() or "[]") for name, p in processes.items() if p.stdout is not None}
    found: dict[str, list[Any]] = {name: [] for name in processes if losses[name]}
    for _ in range(rounds):
        for name, times in found.items():
            times.append(ask(processes[name], seconds))
    for process in processes.values():
        process.terminate()
    peer = min(min(t[0] for t in times) for name, times in found.items() if name.startswith("PyTorch"))
    worst = max(abs(a - b) / abs(b) for name in found for a, b in zip(losses[name], losses["PyTorch, 1 thread"],
                                                                      strict=True))
    print(f"\n{loop}: first losses agree within {worst:.1e}")
    for name, times in found.items():
        least, middle = min(t[0] for t in times), statistics.median(t[1] for t in times)
        print(f"  {name:28} {least * 1e6:9.1f} us least {middle * 1e6:9.1f} us median   {least / peer:.2f} x PyTorch",
              flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loops", nargs="*", default=[*LOOPS], metavar="LOOP", help=", ".join(LOOPS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--compiled", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.loops[0], given.work, given.compiled)
        return
    if unknown := [loop for loop in given.loops if loop not in LOOPS]:
        parser.error(f"got {unknown[0]!r}; expected some of {', '.join(LOOPS)}")
    print(f"{os.cpu_count()} cores; {given.rounds} rounds of {given.seconds} s in turns; ours with one BLAS thread")
    for loop in given.loops:
        compare(loop, given.rounds, given.seconds)


if __name__ == "__main__":
    main()
