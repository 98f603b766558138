"""One contender in a process of its own: makes the task, then does rounds of it as its parent asks.

A line with seconds comes in; a line with the steps' minimum and median, in microseconds, goes out. The first line tells
how much memory the first steps took at most.
"""

import json
import statistics
import sys
import time
from pathlib import Path

from .tasks import make


def peak() -> float:
    """The most memory that this process has had since `reset_peak`, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def reset_peak() -> float:
    """What it has now, in MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def main(task: str, contender: str) -> None:
    try:
        step = make(task, contender)
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), flush=True)
        return
    before = reset_peak()
    for i in range(20):
        step(i)
    print(json.dumps({"ready": contender, "memory": peak() - before}), flush=True)
    for line in sys.stdin:
        end, times, i = time.perf_counter() + float(line), [], 0
        while (start := time.perf_counter()) < end:
            step(i)
            times.append(time.perf_counter() - start)
            i += 1
        print(json.dumps({"minimum": 1e6 * min(times), "median": 1e6 * statistics.median(times)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
