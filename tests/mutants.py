"""Would a test notice? Each line of a file is changed in every small way, and the tests that run it must fail.

    python -m tests.mutants tinytensor/apply.py tinytensor/ops/shape.py     all mutants of these files
    python -m tests.mutants --sample 20 tinytensor/apply.py                 20 of them
    python -m tests.mutants --tests test_ops.py,test_engine.py FILE...      by these tests

One process collects the tests and runs them twice, the second time under a trace, to learn which test runs which line.
A mutant is then put into a fork of it, function by function (`__code__`), and the tests of its line are run, quickest
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
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy  # noqa: E402, F401 (loaded before any fork)
import pytest  # noqa: E402
from hypothesis import HealthCheck, Phase, settings  # noqa: E402

from tests.mutators import Mutant, codes, mutants  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
KNOWN = ROOT / "tests" / "golden" / "survivors.txt"
SKIPPED = ("test_house.py", "test_mutants.py", "test_benchmarks.py", "test_examples.py", "test_gpt_example.py", "test_lectures.py",
           "test_workers*.py", "test_compile*.py", "test_mutation.py", "test_peers.py", "test_plot.py", "test_value*.py",
           "test_tokenizer.py", "test_bpe_tokenizer.py", "test_machine.py")  # other processes, or too slow
SLOW = 1.5  # seconds: tests that take longer are left out
OUT = os.fdopen(os.dup(1), "w", buffering=1)
BUDGET = 20.0  # seconds of tests for one mutant
OPTIONS = ["-q", "--no-header", "--assert=plain", "-p", "no:cacheprovider", "-m", "not peer", "--hypothesis-profile=mutants"]

settings.register_profile("mutants", max_examples=20, deadline=None, derandomize=True, database=None,
                          phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))


class Tests:
    """A pytest plugin that hands the collected tests to `work` in the place of running them."""

    def __init__(self, work: Callable[["Tests"], None]) -> None:
        self.work, self.failed, self.items = work, False, list[Any]()

    def pytest_runtestloop(self, session: Any) -> bool:
        self.items = session.items
        self.work(self)
        return True

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.failed |= report.failed

    def passes(self, item: Any) -> bool:
        """Run one test."""
        self.failed = False
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self.failed


def collected(files: list[str], work: Callable[[Tests], None]) -> int:
    return int(pytest.main([*OPTIONS, *files], plugins=[Tests(work)]))


# --- forks ---


def forked(work: Callable[[], Any], cpu: float) -> Any:
    """What `work` gives in a process of its own; None if that ends without a word."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        silent()
        limited(cpu)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        try:
            os.write(writer, pickle.dumps(work()))
        finally:
            os._exit(0)
    os.close(writer)
    parts = []
    while part := os.read(reader, 1 << 20):
        parts.append(part)
    os.close(reader)
    os.waitpid(child, 0)
    return pickle.loads(b"".join(parts)) if parts else None


def silent() -> None:
    """What pytest prints is nobody's concern; `OUT` goes on to the terminal."""
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)


def limited(cpu: float) -> None:
    """Let the system end this process after so many seconds of work, or ten times as many of waiting."""
    for number, timer, seconds in ((signal.SIGPROF, signal.ITIMER_PROF, cpu), (signal.SIGALRM, signal.ITIMER_REAL, 10 * cpu)):
        signal.signal(number, signal.SIG_DFL)
        signal.setitimer(timer, seconds)


# --- which test runs what ---


class Baseline:
    """The tests that pass, how long each takes, and what each runs of the files in question."""

    def __init__(self, tests: Tests, files: dict[str, Path], imported: set[tuple[str, int]]) -> None:
        self.seconds: dict[str, float] = {}
        self.by_line: dict[tuple[str, int, int], set[str]] = defaultdict(set)
        self.by_code: dict[tuple[str, int], set[str]] = defaultdict(set)
        self.caches, self.imported = clearable(), imported
        self.items = {item.nodeid: item for item in tests.items}
        index = Index(files)
        self.functions = functions(index)
        for name, item in self.items.items():
            start = time.process_time()
            if tests.passes(item):
                self.seconds[name] = time.process_time() - start
        self.seconds = {name: s for name, s in self.seconds.items() if s < SLOW}
        for name in self.seconds:
            seen: set[tuple[Any, int]] = set()
            for cache in self.caches:  # what it holds would not be run
                cache.cache_clear()
            sys.settrace(tracer(index, seen))
            try:
                tests.passes(self.items[name])
            finally:
                sys.settrace(None)
            for key, line in seen:
                self.by_line[(*key, line)].add(name)
                self.by_code[key].add(name)

    def ordered(self, names: set[str]) -> list[str]:
        return sorted(names, key=lambda name: self.seconds[name])

    def of(self, mutant: Mutant, code: int) -> list[str]:
        """The tests that run a mutant, the quickest first."""
        lines = [self.by_line[mutant.file, code, n] for n in range(mutant.line, mutant.end + 1)]
        return self.ordered(set().union(*lines) or self.by_code[mutant.file, code])


def tracer(index: "Index", seen: set[tuple[Any, int]]) -> Any:
    def call(frame: Any, event: str, _: Any) -> Any:
        key = index.get(frame.f_code)
        if key is None:
            return None

        def line(frame: Any, event: str, _: Any) -> Any:
            seen.add((key, frame.f_lineno))
            return line

        return line(frame, event, _)

    return call


def compiled(path: Path) -> list[CodeType]:
    """The code objects of a file, as its import makes them."""
    return codes(compile(path.read_bytes(), str(path), "exec", dont_inherit=True))


class Index:
    """Finds the file, and the number in it, of a live code object."""

    def __init__(self, files: dict[str, Path]) -> None:
        self.paths = {str(path) for path in files.values()}
        self.places = {placed(code): (file, i) for file, path in files.items() for i, code in enumerate(compiled(path))}
        self.seen: dict[int, tuple[CodeType, Any]] = {}

    def get(self, code: CodeType) -> Any:
        if code.co_filename not in self.paths:
            return None
        if id(code) not in self.seen:
            self.seen[id(code)] = code, self.places.get(placed(code))
        return self.seen[id(code)][1]


def placed(code: CodeType) -> Any:
    """Tells code objects apart; subtle: two equal lambdas on one line are equal."""
    return code.co_filename, code.co_name, tuple(code.co_positions())


def functions(index: Index) -> dict[str, list[tuple[int, FunctionType]]]:
    """The live functions of each file, with the number of their code."""
    found: dict[str, list[tuple[int, FunctionType]]] = defaultdict(list)
    for f in gc.get_objects():
        if isinstance(f, FunctionType) and (place := index.get(f.__code__)) is not None:
            found[place[0]].append((place[1], f))
    return found


def clearable() -> list[Any]:
    return [f for f in gc.get_objects() if type(f).__name__ == "_lru_cache_wrapper"]


# --- one mutant ---


def changed(mutant: Mutant, path: Path) -> int | None:
    """The index of the code object that a mutant changes, None where that runs at import."""
    before, after = compiled(path), codes(mutant.code)
    if len(before) != len(after) or any(a.co_freevars != b.co_freevars for a, b in zip(before, after, strict=True)):
        return None
    from tests.mutators import described
    differ = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if described(a) != described(b)]
    runs_at_import = 0 in differ or any(before[i].co_flags & 2 == 0 for i in differ)  # a module, a class
    return None if runs_at_import or len(differ) != 1 else differ[0]


def killer(tests: Tests, items: dict[str, Any], names: list[str], seconds: dict[str, float]) -> str:
    """The first test that fails, "" if none does."""
    start = time.process_time()
    for name in names:
        limited(2 + 10 * seconds.get(name, SLOW))
        if not tests.passes(items[name]):
            return name
        if time.process_time() - start > BUDGET:
            break
    return ""


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
            found[0] = f"{len(missing)} tests are not collected" if missing else killer(tests, items, names, seconds)

        SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
        status = collected(files, run)
        return found[0] or ("" if status in (0, 1) else "collection")

    return forked(work, BUDGET * 3)


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
    base = Baseline(tests, files, imported)
    print(f"{len(base.seconds)} of {len(tests.items)} tests, {sum(base.seconds.values()):.0f} s of work; baseline took {time.time() - report.start:.0f} s", file=OUT)
    gc.collect()
    gc.freeze()
    killers: dict[tuple[str, str], list[str]] = defaultdict(list)
    later = []
    for mutant in todo:
        code = changed(mutant, files[mutant.file])
        if code is None:
            later.append(mutant)
            continue
        names = base.of(mutant, code)
        recent = [name for name in killers[mutant.file, mutant.where][::-1] if name in names]
        result = in_fork(tests, base, mutant, [*recent[:5], *(n for n in names if n not in recent[:5])]) if names else ""
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
    return later, [*favourites, *(n for n in of_files if n not in favourites)], base.seconds, report


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=(__doc__ or "").partition("\n")[0])
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
        todo = sorted(random.Random(options.seed).sample(todo, min(options.sample, len(todo))), key=lambda m: (m.file, m.line))
    chosen = [f"tests/{name}" for name in options.tests.split(",")] if options.tests else [
        str(p.relative_to(ROOT)) for p in sorted((ROOT / "tests").glob("test_*.py"))
        if not any(fnmatch.fnmatch(p.name, pattern) for pattern in SKIPPED)]
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
