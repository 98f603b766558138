"""Measures tinytensor beside its peers, in one run: rounds interleaved, each contender in its own process.

    python -m benchmarks                     print README's table; about 25 minutes
    python -m benchmarks --write             also write README.md and benchmarks/results
    python -m benchmarks --render --write    measure nothing: write both again from benchmarks/results/latest.json
    python -m benchmarks --verify            only compare the first losses of all contenders
    python -m benchmarks --quick --tasks mlp,growth

Peers that are not installed are named as missing; `pip install -e '.[peers]'` adds them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

from . import tables
from .measure import caches, imports, measure, once, progress, today
from .report import ROOT, insert, machine
from .tasks import COMPILED, EAGER, GROWTH, JAX, PACKAGES, TASKS, TORCH

EXTRAS = ("growth", "to_loss", "imports", "long")
TOLERANCE = 1e-5  # relative, of the first losses
FOLDER = ROOT / "benchmarks" / "results"


def verify(names: list[str]) -> int:
    """Print for each contender the largest relative difference of its first losses from those of our eager step."""
    wrong = 0
    with caches() as folder:
        for name in (n for n in names if n in TASKS and (TASKS[n].trains or n == "micrograd")):
            found = measure(name, "given", TASKS[name].contenders, 0, 0.0, folder)
            for contender, r in found.items():
                alone = {"tasks": {name: {"given": {EAGER: found[EAGER], contender: r}}}}
                worst = tables.agreement(alone) if r.get("losses") else None
                wrong += worst is not None and not worst <= TOLERANCE
                print(f"{name}: {contender}: " + (f"missing: {r.get('missing')}" if worst is None else f"{worst:.1e}"))
    return int(wrong > 0)


def run(names: list[str], rounds: int, seconds: float, quick: bool) -> dict[str, Any]:
    """Measure everything that was asked for."""
    results: dict[str, Any] = {"date": today(), "machine": machine(*PACKAGES), "cores": os.cpu_count(),
                               "rounds": rounds, "seconds": seconds, "tasks": {}}
    with caches() as folder:
        for name in (n for n in names if n in TASKS):
            results["tasks"][name] = {variant: measure(name, variant, contenders, rounds, seconds, folder)
                                      for variant, contenders in TASKS[name].variants.items()}
        if "growth" in names:
            results["growth"] = grown(min(rounds, 2), min(seconds, 0.8), folder)
    if "to_loss" in names:
        results["to_loss"] = to_loss(1 if quick else 2, ["2.5"] if quick else [])
    if "imports" in names:
        results["imports"] = imports(3 if quick else 15)
    if "long" in names:
        results["long"] = {}
        for contender in (EAGER, COMPILED):
            progress(f"ten thousand steps of the MLP: {contender}")
            results["long"][contender] = once("worker", contender, "mlp", contender, "long", patience=120)
    progress("")
    return results


def grown(rounds: int, seconds: float, folder: str) -> dict[str, Any]:
    """The time of a step as one of its sizes grows: ours, PyTorch with its best number of threads, JAX."""
    found: dict[str, Any] = {}
    base: dict[str, Any] = {}  # each row contains the task with its own size, measured once
    for name, size, points in GROWTH:
        contenders = (COMPILED, TORCH[TASKS[name].kind == "gpt"], JAX)
        for n in points:
            own = getattr(TASKS[name], size) == n
            result = base.get(name) if own else None
            if result is None:
                result = measure(name, "given", contenders, rounds, seconds, folder, {size: n})
            if own:
                base[name] = result
            found[f"{name} {size} {n}"] = result
    return found


def to_loss(repeats: int, arguments: list[str]) -> dict[str, Any]:
    """The fewest seconds to the notebook's loss, of several runs of each contender in turn."""
    found: dict[str, Any] = {}
    for i in range(repeats):
        for contender in (EAGER, COMPILED, TORCH[0]):
            progress(f"to the notebook's loss: {contender}, {i + 1} of {repeats}")
            result = once("to_loss", contender, contender, *arguments, patience=600)
            if "missing" in result or result["seconds"] < found.get(contender, {}).get("seconds", 1e9):
                found[contender] = result
    return found


def write(results: dict[str, Any]) -> int:
    """Write README's section, and all results, tables and figures in benchmarks/results."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "latest.json").write_text(json.dumps(results, indent=1) + "\n")
    (FOLDER / "tables.md").write_text(tables.details(results))
    insert(ROOT / "README.md", "benchmarks", tables.readme(results))
    try:
        from .figure import draw, draw_models
    except ImportError as error:
        print(f"benchmarks: got no {error.name}; expected it, to draw the figures; pip install {error.name}",
              file=sys.stderr)
    else:
        draw_models(results, FOLDER / "models.png")
        draw(results, FOLDER / "speed.png")
    return 0


def main() -> int:
    everything = [*TASKS, *EXTRAS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4, help="rounds for each contender (default: 4)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round (default: 2)")
    parser.add_argument("--tasks", default=",".join(everything), help=f"some of {','.join(everything)}, or all")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 0.2 s, to see that everything works")
    parser.add_argument("--write", action="store_true", help="write README.md and benchmarks/results")
    parser.add_argument("--render", action="store_true", help="measure nothing, use benchmarks/results/latest.json")
    parser.add_argument("--verify", action="store_true", help="only compare the first losses; status 1 if they differ")
    options = parser.parse_args()
    names = options.tasks.split(",")
    if unknown := [name for name in names if name not in everything]:
        parser.error(f"--tasks: got {','.join(unknown)}; expected some of {','.join(everything)}; leave the "
                     f"flag out for all")
    if options.rounds < 1 or options.seconds <= 0:
        parser.error(f"--rounds and --seconds: got {options.rounds} and {options.seconds:g}; expected 1 or "
                     f"more, and more than 0; leave them out for 4 and 2")
    if options.quick and options.write:
        parser.error("--quick: got --write; expected a whole run, or README would have its times; leave out one")
    if options.render:
        results = json.loads((FOLDER / "latest.json").read_text("utf-8"))
        print(tables.readme(results))
        return write(results) if options.write else 0
    if options.verify:
        return verify(names)
    if options.quick:
        options.rounds, options.seconds = 2, 0.2
    if hasattr(os, "getloadavg") and (load := os.getloadavg()[0]) > 0.3:
        print(f"benchmarks: got a load of {load:.1f} in the last minute; expected an idle machine, because other work "
              f"makes times longer, most of all with all threads; wait until it is idle", file=sys.stderr)
    start = time.perf_counter()
    results = run(names, options.rounds, options.seconds, options.quick)
    print(tables.readme(results))
    print(f"benchmarks: {(time.perf_counter() - start) / 60:.1f} minutes", file=sys.stderr)
    return write(results) if options.write else 0


if __name__ == "__main__":
    sys.exit(main())
