"""The results of a run as Markdown: one table for README, and all the others for benchmarks/results/tables.md."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from .tasks import (
    COMPILED,
    CONTENDERS,
    EAGER,
    FORMS,
    GROWTH,
    JAX,
    OURS,
    PEERS,
    TASKS,
    TORCH,
    TORCH_COMPILE,
    TWO,
)

README_COLUMNS = {"tinytensor, eager": (EAGER,), "compiled": OURS, "2 workers": (TWO,),
                  "PyTorch": (*TORCH, *TORCH_COMPILE), "JAX": (JAX,)}

Results = dict[str, Any]
SHORT = {"forward": "tiny chain, forward", "both": "tiny chain, forward and backward",
         "micrograd": "micrograd's network", "writing": "63 tokens written"}
PEER_NAMES = {"torch": "PyTorch eager, best of threads", "compile": "torch.compile, best of threads", "jax": "JAX jit",
              "hand": "by hand"}


# --- reading the results ---


def value(results: Results, task: str, variant: str, contender: str, what: str = "minimum") -> float | None:
    """A measured value of a contender, or None."""
    found = results["tasks"].get(task, {}).get(variant, {}).get(contender, {}).get(what)
    return None if found is None else float(found)


def best(results: Results, task: str, variant: str, contenders: Iterable[str]) -> float | None:
    """The smallest of their minima."""
    return min([t for c in contenders if (t := value(results, task, variant, c)) is not None], default=None)


def ratio(results: Results, task: str, variant: str, peer: str, *ours: str) -> float | None:
    """The minimum of a peer's fastest form, divided by that of our fastest form."""
    own, other = best(results, task, variant, ours), best(results, task, variant, PEERS.get(peer, (peer,)))
    return other / own if own and other else None


def agreement(results: Results) -> float:
    """The largest relative difference of a first loss from that of tinytensor, eager."""
    worst = 0.0
    for variants in results["tasks"].values():
        ours = variants["given"].get(EAGER, {}).get("losses")
        for r in variants["given"].values() if ours else ():
            pairs = zip(r.get("losses") or (), ours, strict=False)
            worst = max(worst, *(abs(a - b) / abs(b) if math.isfinite(a) else math.inf for a, b in pairs), 0.0)
    return worst


def missing(results: Results) -> list[str]:
    """Which contenders could not take part, and why: one text for each reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for task, variants in results["tasks"].items():
        for variant, found in variants.items():
            for contender, r in found.items():
                if "missing" in r:
                    where = TASKS[task].title + (", sampling" if variant == "sampled" else "")
                    reasons.setdefault((contender, r["missing"]), []).append(where)
    total = sum(len(variants) for variants in results["tasks"].values())
    return [f"{contender}: {reason}" + (f" ({'; '.join(tasks)})" if len(tasks) < min(total, 4) else "")
            for (contender, reason), tasks in reasons.items()]


def short(task: str) -> str:
    """A task's title without its sizes."""
    return SHORT.get(task) or TASKS[task].title.split(",")[0]


# --- cells ---


def us(seconds: float | None) -> str:
    """Microseconds, with separators for thousands."""
    return "" if seconds is None else f"{1e6 * seconds:,.0f}"


def cut(x: float | None) -> str:
    """Two decimals, never rounded up, so that no ratio looks better than it was."""
    return "" if x is None else f"{math.floor(100 * x) / 100:.2f}"


def rows(head: list[str], body: list[list[str]], left: int = 1) -> list[str]:
    """A table whose first columns are aligned left."""
    rule = ["---"] * left + ["--:"] * (len(head) - left)
    return ["| " + " | ".join(cells) + " |" for cells in (head, rule, *body)] + [""]


# --- tables of all tasks ---


def ratios(results: Results) -> list[str]:
    """How many times as long as ours each peer takes."""
    head = ["peer's time / ours", "workers"]
    for peer in PEERS:
        head += [PEER_NAMES[peer], "sampling"]
    body = []
    for task in (t for t in results["tasks"] if TASKS[t].trains):
        for form, ours in FORMS.items():
            if ours[-1] in results["tasks"][task]["given"]:
                body.append([TASKS[task].title, form, *(cut(ratio(results, task, variant, peer, *ours))
                                                        for peer in PEERS for variant in ("given", "sampled"))])
    return rows(head, body, 2) if body else []


def times(results: Results) -> list[str]:
    """Microseconds of every contender on every task."""
    tasks = list(results["tasks"])
    body = []
    for contender in CONTENDERS:
        cells = []
        for task in tasks:
            low, mid = (value(results, task, "given", contender, what) for what in ("minimum", "median"))
            cells.append(f"{us(low)} ({us(mid)})" if low is not None else "")
        if any(cells):
            body.append([contender, *cells])
    return rows(["us, minimum (median)", *map(short, tasks)], body)


def costs(results: Results) -> list[str]:
    """Compile time and memory of the training steps."""
    compilers, keepers = (COMPILED, TORCH_COMPILE[0], JAX), (EAGER, COMPILED, TWO, TORCH[0], JAX)
    body = []
    for task in (t for t in results["tasks"] if TASKS[t].trains):
        cells = []
        for contender in compilers:
            took = value(results, task, "given", contender, "compile")
            cells.append("" if took is None else f"{1000 * took:,.0f}")
        for contender in keepers:
            took, first = (value(results, task, "given", contender, what) for what in ("memory", "memory_first"))
            cells.append("" if took is None else f"{took:.1f} ({first:.1f})")
        body.append([TASKS[task].title, *cells])
    head = ["", *(f"ms to compile: {c}" for c in compilers), *(f"MiB: {c}" for c in keepers)]
    return rows(head, body) if body else []


def sentences(results: Results) -> list[str]:
    """What can be said in sentences."""
    lines = []
    faster = [f"{short(task)} {1 / x:.2f}" for task in results["tasks"]
              if (x := ratio(results, task, "given", "compile", *OURS)) is not None and x < 1]
    if any(ratio(results, task, "given", "compile", *OURS) for task in results["tasks"]):
        ours = "faster than our compiled step without workers, each with its best number of threads"
        lines.append(f"torch.compile is {ours}, on {', '.join(faster)} (times as fast)." if faster else
                     f"torch.compile is nowhere {ours}.")
    if found := results.get("to_loss"):
        parts = [f"{c} {r['seconds']:.1f} s ({r['steps']:,} steps)" for c, r in found.items() if "missing" not in r]
        target = next((r["target"] for r in found.values() if "target" in r), None)
        if parts:
            lines.append(f"Lecture 2's MLP reaches the notebook's dev loss of {target:.4f}, with the example's own "
                         f"settings and batches, in: {', '.join(parts)}; the time to evaluate dev is not counted.")
    if found := results.get("imports"):
        parts = [f"`import {m}` {1000 * r['minimum']:,.0f} ms (median {1000 * r['median']:,.0f})"
                 for m, r in found.items() if "missing" not in r]
        lines.append("On top of `import numpy`: " + ", ".join(parts) + ".")
    for contender, sizes in results.get("long", {}).items():
        if "missing" not in sizes:
            parts = [f"{size:.1f} MiB after {n} steps" for n, size in sizes.items()]
            lines.append(f"A process that trains the MLP with the garbage collector off ({contender}) uses "
                         + " and ".join(parts) + ".")
    return lines


def opening(results: Results) -> str:
    """How it was measured."""
    return (f"Measured on {results['date']} by `python -m benchmarks --write`: {results['machine']}. Each contender "
            f"runs in its own process; {results['rounds']} rounds of {results['seconds']:g} s are interleaved, and the "
            f"others are stopped while one is measured. A contender has one thread, or {results['cores']} where it "
            f"says all threads; JAX has as many as XLA chooses; two workers are two processes with one thread each. "
            f"Compiled steps are exact, except with `fast=True`, which rounds differently.")


# --- README's table ---


def readme(results: Results) -> str:
    """README's section: a row for each network of the lectures, how it was measured, and where we lose."""
    tasks = [t for t in results["tasks"] if TASKS[t].trains]
    body = [[short(task), *(us(best(results, task, "given", forms)) or "-" for forms in README_COLUMNS.values())]
            for task in tasks]
    others = ("mygrad", "autograd", "micrograd")  # not in this table
    where = ", ".join(part for part in results["machine"].split(", ") if not part.startswith(others))
    return "\n".join([
        *rows(["us per training step", *README_COLUMNS], body),
        f"Minima, measured on {results['date']} by `python -m benchmarks --write`: {where}. For the "
        f"compiled step, the faster of one thread and all {results['cores']}; for PyTorch, also of eager and "
        f"`torch.compile`.",
        "", " ".join(defeats(results, tasks, peer) for peer in ("PyTorch", "JAX")), "",
        "[All tables, and how they were measured](benchmarks/results/tables.md)."])


def defeats(results: Results, tasks: list[str], peer: str) -> str:
    """Where a peer is faster than ours, in a sentence."""
    parts = []
    for ours, forms in (("the compiled step", OURS), ("two workers", (TWO,)), ("the eager step", (EAGER,))):
        names = []
        for task in tasks:
            own, other = best(results, task, "given", forms), best(results, task, "given", README_COLUMNS[peer])
            if own and other and other < own:
                names.append(short(task) + (f" (by {own / other - 1:.0%})" if ours != "the eager step" else ""))
        if names:
            all_of_these = len(names) == len(tasks) > 1 and ours == "the eager step"
            parts.append(f"than {ours} on {'all of these' if all_of_these else listed(names)}")
    return f"{peer} is faster {', and '.join(parts)}." if parts else f"{peer} is not faster on any of these."


def listed(names: list[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


# --- everything ---


def details(results: Results) -> str:
    """The tables of all tasks, one for each task with everything measured, and how cost grows."""
    lines = ["# Speed: all results", "", opening(results), ""]
    if table := ratios(results):
        lines += ["## Compared with ours", "", "The minimum of a peer, divided by ours; above 1, ours is faster. "
                  "'Best of threads' is the better of one thread and all of them; without it, a worker of ours has "
                  "one. 'Sampling': the step also draws its batch from all of the data.", "", *table]
    lines += ["## All times", "", *times(results)]
    if table := costs(results):
        lines += ["## Compile time and memory", "", "Compile time is how much longer the first six steps took than six "
                  "others. Memory is what the steps need in addition to what the process had before them, and in "
                  "brackets what the first six needed, compiling included.", "", *table]
    for line in sentences(results):
        lines += [line, ""]
    if (worst := agreement(results)) > 0:
        lines += [f"From the same weights, the losses of all contenders' first six steps agree within {worst:.0e}, "
                  f"relative to their size.", ""]
    if absent := missing(results):
        lines += ["Missing: " + "; ".join(absent) + ".", ""]
    lines += ["![Time of a step in the other frameworks, relative to a compiled step, and how cost grows](speed.png)",
              ""]
    for task, variants in results["tasks"].items():
        lines += [f"## {TASKS[task].title[0].upper()}{TASKS[task].title[1:]}", ""]
        body = []
        for contender in TASKS[task].contenders:
            cells = [contender]
            for variant in variants:
                r = variants[variant].get(contender, {})
                if "missing" in r or not r:
                    cells += [f"missing: {r['missing'].replace('|', '/')}" if r else "", "", ""]
                    continue
                own = value(results, task, variant, COMPILED) or value(results, task, variant, EAGER)
                cells += [us(r["minimum"]), us(r["median"]), f"{r['minimum'] / own:.2f}" if own else ""]
            r = variants["given"].get(contender, {})
            cells += [f"{1000 * r['compile']:,.0f}", f"{r['memory']:.1f}"] if "compile" in r else ["", ""]
            body.append(cells)
        head = [""]
        for variant in variants:
            head += ["minimum, us", "median, us", "ratio"] if variant == "given" else [
                "sampling: minimum", "sampling: median", "sampling: ratio"]
        lines += rows([*head, "compile time, ms", "MiB"], body)
    if grown := results.get("growth"):
        lines += ["## How cost grows", "", "The minimum of a step in us; all other sizes as in the task.", ""]
        for task, size, points in GROWTH:
            found = {n: grown.get(f"{task} {size} {n}", {}) for n in points}
            contenders = list(next(iter(found.values())))
            body = [[contender, *(us(found[n].get(contender, {}).get("minimum")) for n in points)]
                    for contender in contenders]
            if body:
                lines += rows([f"{short(task)}, {size}", *map(str, points)], body)
    return "\n".join(lines)
