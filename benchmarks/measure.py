"""Runs each contender of a task in its own process, round by round in turn, and collects the results.

While one is measured all others are stopped, with their threads and workers, so that none of them spins or polls.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from typing import Any

from .report import ROOT
from .tasks import CONTENDERS, TASKS

PATIENCE = 300.0  # seconds until a process is ready; torch.compile is slow
VARIANTS = ("given", "sampled")


def progress(message: str) -> None:
    """Print a line on stderr, which the next one overwrites."""
    print(f"\r\033[K{message}" if sys.stderr.isatty() else f"{message}\n" * bool(message), end="", file=sys.stderr,
          flush=True)


class Process:
    """A contender's process. If it fails, `missing` in its results says why."""

    def __init__(self, module: str, contender: str, *arguments: str, cache: str = "") -> None:
        threads = str(CONTENDERS[contender].cores)
        env = os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        if cache:  # torch.compile's: empty at first, so that it really compiles
            env["TORCHINDUCTOR_CACHE_DIR"] = cache
        self.alone = " ".join(["python", "-m", f"benchmarks.{module}", *(json.dumps(a) for a in arguments)])
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{module}", *arguments], cwd=ROOT, env=env, process_group=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def signal(self, number: int) -> None:
        """Send a signal to the process and its workers, which are one group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def answer(self, patience: float) -> dict[str, Any]:
        """The next line that it prints; `missing` with the reason if there is none."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], patience)[0]:
            return {"missing": f"no answer within {patience:.0f} s"}
        if not (line := self.process.stdout.readline()):
            return {"missing": f"ended early; `{self.alone}` shows why"}
        result: dict[str, Any] = json.loads(line)
        return result

    def round(self, seconds: float) -> dict[str, Any]:
        """The results of a round, after which the process is stopped."""
        assert self.process.stdin is not None
        self.signal(signal.SIGCONT)
        try:
            self.process.stdin.write(f"{seconds}\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return {"missing": f"ended early; `{self.alone}` shows why"}
        found = self.answer(10 * seconds + 60)
        self.signal(signal.SIGSTOP)
        return found

    def end(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.communicate()


def measure(name: str, variant: str, contenders: Iterable[str], rounds: int, seconds: float, caches: str,
            sizes: dict[str, int] | None = None) -> dict[str, Any]:
    """For each contender its first results, the minimum over all steps, and the median of the rounds' medians.

    Times are seconds. `compile` is how much longer the first steps took than later ones. Without rounds nothing is
    timed.
    """
    title = TASKS[name].title + (", batch drawn in the step" if variant == "sampled" else "")
    title += "".join(f", {key} {value}" for key, value in (sizes or {}).items())
    results: dict[str, Any] = {}
    running: dict[str, Process] = {}
    found: dict[str, list[dict[str, float]]] = {}
    try:
        for contender in contenders:
            progress(f"{title}: {contender} gets ready")
            process = Process("worker", contender, name, contender, variant, json.dumps(sizes or {}),
                              cache=os.path.join(caches, contender.replace(" ", "_")))
            running[contender], found[contender] = process, []
            results[contender] = process.answer(PATIENCE)
            process.signal(signal.SIGSTOP)
        for i in range(rounds):
            for contender, process in running.items():
                if "missing" not in results[contender]:
                    progress(f"{title}: round {i + 1} of {rounds}, {contender}")
                    told = process.round(seconds)
                    if "missing" in told:
                        results[contender] = told
                    found[contender].append(told)
    finally:
        for process in running.values():
            process.end()
        progress("")
    for contender, r in results.items():
        if rounds and "missing" not in r:
            r["minimum"] = min(told["minimum"] for told in found[contender])
            r["median"] = statistics.median(told["median"] for told in found[contender])
            r["compile"] = max(0.0, sum(r["first"]) - len(r["first"]) * r["median"])
    return results


# --- beside the tasks ---


def imports(repeats: int = 15) -> dict[str, Any]:
    """Seconds that each import takes on top of `import numpy`: each in a new process, with cached files, in turn."""
    modules = {"tinytensor": repeats, "torch": max(1, repeats // 5), "jax": max(1, repeats // 5)}
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    times: dict[str, list[float]] = {module: [] for module in modules}
    for i in range(repeats + 1):  # the first writes the bytecode, and does not count
        for module, count in modules.items():
            if i <= count:
                progress(f"import {module}")
                code = f"import time, numpy; a = time.perf_counter(); import {module}; print(time.perf_counter() - a)"
                done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True)
                times[module] += [float(done.stdout)] if done.returncode == 0 and i else []
    progress("")
    absent = {"missing": "not installed"}
    return {module: {"minimum": min(found), "median": statistics.median(found)} if found else absent
            for module, found in times.items()}


def once(module: str, contender: str, *arguments: str, patience: float) -> dict[str, Any]:
    """The result of a process that does one thing."""
    process = Process(module, contender, *arguments)
    try:
        return process.answer(patience)
    finally:
        process.end()


def caches() -> tempfile.TemporaryDirectory[str]:
    """A folder for the compilers' caches, removed after the run."""
    return tempfile.TemporaryDirectory(prefix="benchmarks-")


def today() -> str:
    return time.strftime("%Y-%m-%d")
