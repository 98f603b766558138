"""Runs one contender in its own process: it makes the step, then runs rounds of it on request.

    python -m benchmarks.worker TASK CONTENDER given|sampled|long [SIZES AS JSON]

For each line with seconds on stdin it prints the minimum and the median of the steps, in seconds. Its first line has
the first losses, how long the first steps took, and how much memory they needed. `long` only prints how large the
process is after 100 and after 10,000 steps, with the garbage collector off.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import gc
import json
import os
import statistics
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from .tasks import CONTENDERS, TASKS, Missing, Step, make

FIRST = 6  # steps, all on the first batch: then everything is compiled, and a wrong gradient shows


# --- memory ---


def peak() -> float:
    """The peak memory of this process since `reset_peak`, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def reset_peak() -> float:
    """The current memory in MiB, after free memory has been returned to the system."""
    gc.collect()
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def children() -> float:
    """The private memory of the processes forked by this one, in MiB."""
    total = 0
    for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        with contextlib.suppress(OSError):  # it has ended
            rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(row.split()[1]) for row in rows if row.startswith("Private_"))
    return total / 1024


# --- time ---


def first_steps(step: Step, workers: bool) -> dict[str, Any]:
    """The first losses, the seconds of their steps, and the memory in addition to what the process had before.

    `memory` is that of later steps, `memory_first` that of the first ones, which compile. The memory of `workers` is
    added; processes that a compiler started do not count.
    """
    before, losses, seconds = reset_peak(), [], []
    for _ in range(FIRST):
        start = time.perf_counter()
        losses.append(step(0))
        seconds.append(time.perf_counter() - start)
    first = peak() - before
    reset_peak()
    for i in range(20):
        step(i)
        if sum(seconds) > 2 and i == 2:  # slow steps: three are enough
            break
    return {"losses": losses if all(isinstance(x, float) for x in losses) else None, "first": seconds,
            "memory_first": first, "memory": peak() - before + (children() if workers else 0)}


def run(step: Step, seconds: float) -> list[float]:
    """Run steps for so many seconds: the seconds of each."""
    end, times, i = time.perf_counter() + seconds, [], 0
    while (start := time.perf_counter()) < end or not times:
        step(i)
        times.append(time.perf_counter() - start)
        i += 1
    return times


def long(step: Step, most: int = 10_000) -> dict[str, float]:
    """The process's size in MiB after so many steps."""
    gc.collect()
    gc.disable()
    sizes = {}
    for i in range(most):
        step(i)
        if i + 1 in (100, most):
            rows = Path("/proc/self/status").read_text().splitlines()
            sizes[f"{i + 1:,}"] = int(next(row for row in rows if row.startswith("VmRSS")).split()[1]) / 1024
    return sizes


def main(name: str, contender: str, variant: str, sizes: str = "{}") -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a framework prints goes to stderr

    def tell(**what: Any) -> None:
        print(json.dumps(what), file=out, flush=True)

    try:
        step = make(dataclasses.replace(TASKS[name], **json.loads(sizes)), contender, variant == "sampled")
        workers = CONTENDERS[contender].options.get("workers", 0) > 1
        tell(**long(step) if variant == "long" else first_steps(step, workers))
    except Missing as error:
        tell(missing=str(error))
        return
    except Exception as error:  # one failing contender does not end the whole run
        traceback.print_exc()
        tell(missing=f"{type(error).__name__}: {error}".splitlines()[0])
        return
    for line in sys.stdin if variant != "long" else ():
        run(step, 0.05 * float(line))  # the first steps after a pause are slow
        times = run(step, float(line))
        tell(minimum=min(times), median=statistics.median(times))
    os._exit(0)  # at once, because some frameworks' threads take a second to end


if __name__ == "__main__":
    main(*sys.argv[1:])
