"""Would a test notice? Each line of a file is changed in every small way, and the tests that run it must fail.

    python -m tests.support.mutants tinytensor/apply.py tinytensor/ops/shape.py     all mutants of these files
    python -m tests.support.mutants --sample 20 tinytensor/apply.py                 20 of them
    python -m tests.support.mutants --tests ops/test_ops.py,engine/test_engine.py FILE...      by these

One process collects the tests, and a fork of it runs them under a trace, to learn which test runs which line.
A mutant is then put into another fork, function by function (`__code__`), and the tests of its line are run, quickest
first, until one fails. What an import computes is changed before it, in a fork of a process without the package.
Survivors are printed; those in `golden/survivors.txt`, each with its reason, are known.
"""

import argparse
import fnmatch
import gc
import importlib
import os
import pickle
import random
import sys
import time
from collections import defaultdict
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from tests.support.mutators import Mutant, codes, described, mutants
from tests.support.running import BUDGET, Baseline, Index, Tests, collected, compiled, forked, killer, silent, tracer

ROOT = Path(__file__).resolve().parents[2]
KNOWN = ROOT / "tests" / "golden" / "survivors.txt"
SKIPPED = ("house/*", "benchmarks/*", "examples/*", "compiler/*", "torch/*", "ops/test_mutation.py",
           "ops/test_peers.py", "diagnostics/test_plot.py", "engine/test_value.py", "text/test_tokenizer.py",
           "engine/test_machine.py", "engine/test_checkpoint.py")  # other processes, or too slow
AT_IMPORT = 6.0  # seconds of tests for a mutant that needs an import of its own
OUT = os.fdopen(os.dup(1), "w", buffering=1)


# --- one mutant ---


def changed(mutant: Mutant, path: Path) -> int | None:
    """The index of the code object that a mutant changes, None where that runs at import."""
    before, after = compiled(path), codes(mutant.code)
    if len(before) != len(after) or any(a.co_freevars != b.co_freevars for a, b in zip(before, after, strict=True)):
        return None
    differ = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if described(a) != described(b)]
    runs_at_import = 0 in differ or any(before[i].co_flags & 2 == 0 for i in differ)  # a module, a class
    return None if runs_at_import or len(differ) != 1 else differ[0]


def in_fork(tests: Tests, base: Baseline, mutant: Mutant, names: list[str]) -> Any:
    """The test that notices a mutant of a function: "" for none, None if the process was lost."""

    def work() -> str:
        new = codes(mutant.code)
        for i, f in base.functions[mutant.file]:
            f.__code__ = new[i]
        for cache in base.caches:
            cache.cache_clear()
        return killer(tests, base.items, names, base.seconds)

    return forked(work, BUDGET * 3)


def at_import(mutant: Mutant, path: Path, files: list[str], names: list[str], seconds: dict[str, float]) -> Any:
    """The same for a mutant of what an import computes."""

    def work() -> str:
        original, found = SourceFileLoader.get_code, [""]

        def get_code(self: Any, name: str) -> Any:
            return mutant.code if self.path == str(path) else original(self, name)

        def run(tests: Tests) -> None:
            items = {item.nodeid: item for item in tests.items}
            missing = seconds.keys() - items.keys()
            found[0] = (f"{len(missing)} tests are not collected" if missing else
                        killer(tests, items, names, seconds, AT_IMPORT))

        SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
        status = collected(files, run)
        return found[0] or ("" if status in (0, 1) else "collection")

    return forked(work, BUDGET)


# --- all of them ---


def known() -> dict[str, str]:
    """The survivors that are right: by key, the reason."""
    if not KNOWN.exists():
        return {}
    lines = [line for line in KNOWN.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return {key.strip(): reason.strip() for reason, _, key in (line.partition("|") for line in lines)}


class Report:
    """Counts, and prints the survivors."""

    def __init__(self, total: int) -> None:
        self.known, self.total, self.counts, self.start = known(), total, defaultdict[str, int](int), time.time()

    def add(self, mutant: Mutant, name: Any, why: str = "") -> None:
        verdict = "killed" if name or name is None else "known" if mutant.key in self.known else "survived"
        self.counts[verdict] += 1
        if verdict == "survived":
            print(f"{mutant.file}:{mutant.line} {why}\n    | {mutant.key}", file=OUT)
        if os.environ.get("VERBOSE"):
            print(verdict, mutant.line, mutant.key[:150], name, file=OUT)

    def __str__(self) -> str:
        parts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(self.counts.items()))
        return f"{self.total} mutants: {parts} ({time.time() - self.start:.0f} s)"


def by_function(tests: Tests, todo: list[Mutant], files: dict[str, Path], report: Report, imported: set[Any]) -> Any:
    """Run the mutants of functions; those that only an import can show are left for `main`."""
    gc.collect()
    base = Baseline(tests, files, imported)
    print(f"{len(base.seconds)} of {len(tests.items)} tests, {sum(base.seconds.values()):.0f} s of work; learnt in "
          f"{time.time() - report.start:.0f} s", file=OUT)
    gc.freeze()
    killers: dict[tuple[str, str], list[str]] = defaultdict(list)
    later = []
    for mutant in todo:
        code = changed(mutant, files[mutant.file])
        if code is None:
            later.append(mutant)
            continue
        names = base.of(mutant, code)
        recent = [name for name in killers[mutant.file, mutant.where][::-1] if name in names][:5]
        result = in_fork(tests, base, mutant, [*recent, *(n for n in names if n not in recent)]) if names else ""
        if result == "" and (mutant.file, code) in base.imported:
            later.append(mutant)
            continue
        if result:
            kept = killers[mutant.file, mutant.where]
            if result in kept:
                kept.remove(result)
            kept.append(result)
        report.add(mutant, result, f"({len(names)} tests)")
    favourites = sorted({n for kept in killers.values() for n in kept}, key=base.seconds.__getitem__)
    of_files = base.ordered(set().union(*(names for (file, _), names in base.by_code.items())))
    elsewhere = sorted(base.seconds.keys() - of_files, key=base.seconds.__getitem__)  # they may see a name, a method
    return later, [*favourites, *(n for n in [*of_files, *elsewhere] if n not in favourites)], base.seconds, report


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.mutants",
                                     description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="+", help="source files")
    parser.add_argument("--tests", default="", help="test files, by commas; else all but the slow ones")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants, drawn at random; else all")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--only", default="*", help="functions, as fnmatch does")
    options = parser.parse_args(arguments)
    os.chdir(ROOT)
    files = {Path(f).resolve().relative_to(ROOT).as_posix(): Path(f).resolve() for f in options.files}
    todo = [m for file, path in files.items() for m in mutants(path, file, options.only)]
    if options.sample:
        drawn = random.Random(options.seed).sample(todo, min(options.sample, len(todo)))
        todo = sorted(drawn, key=lambda m: (m.file, m.line))
    chosen = [f"tests/{name}" for name in options.tests.split(",")] if options.tests else [
        str(p.relative_to(ROOT)) for p in sorted((ROOT / "tests").glob("*/test_*.py"))
        if not any(fnmatch.fnmatch(str(p.relative_to(ROOT / "tests")), pattern) for pattern in SKIPPED)]
    report = Report(len(todo))
    reader, writer = os.pipe()
    child = os.fork()
    if not child:  # everything that needs the package is done in here
        os.close(reader)
        index = Index(files)
        seen: set[tuple[Any, int]] = set()

        def work(tests: Tests) -> None:
            result = by_function(tests, todo, files, report, {key for key, _ in seen})
            later, names, seconds, counted = result
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(pickle.dumps(([todo.index(m) for m in later], names, seconds, dict(counted.counts))))

        silent()
        sys.settrace(tracer(index, seen))
        importlib.import_module("tinytensor")
        sys.settrace(None)
        try:
            collected(chosen, work)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        later, names, seconds, counts = pickle.loads(pipe.read())
    os.waitpid(child, 0)
    report.counts.update(counts)
    favourites = list(names)
    for i in later:
        mutant = todo[i]
        result = at_import(mutant, files[mutant.file], chosen, favourites, seconds)
        if result in favourites:
            favourites.remove(result)
            favourites.insert(0, result)
        report.add(mutant, result, "(at import)")
    print(report, file=OUT)
    return 1 if report.counts["survived"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
