"""Runs tests in forks of a process that has collected them, and learns which lines each of them runs.

It changes nothing: that is `mutants.py`.
"""

import gc
import os
import pickle
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy  # noqa: F401 (loaded before any fork)
import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.support.mutators import Mutant, codes

SLOW = 1.5  # seconds: tests that take longer are left out
BUDGET = 10.0  # seconds of tests for one mutant
LEARNING = 900.0  # seconds of tests under a trace
OPTIONS = ["-q", "--assert=plain", "-p", "no:cacheprovider", "-m", "not peer", "--hypothesis-profile=mutants"]

settings.register_profile("mutants", max_examples=20, deadline=None, derandomize=True, database=None,
                          phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))


# --- tests ---


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
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump(work(), pipe)
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
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, cpu)
    signal.setitimer(signal.ITIMER_REAL, 10 * cpu)


# --- which test runs what ---


class Baseline:
    """The tests that pass, how long each takes, and what each runs of the files in question.

    Subtle: it is learnt in a fork, so that what the first call makes (a cache, a table) is made by each mutant anew.
    """

    def __init__(self, tests: Tests, files: dict[str, Path], imported: set[tuple[str, int]]) -> None:
        self.items = {item.nodeid: item for item in tests.items}
        self.functions, self.caches, self.imported = functions(Index(files)), clearable(), imported
        self.seconds, seen = forked(lambda: self.learn(tests, Index(files)), LEARNING)
        self.by_line: dict[tuple[str, int, int], set[str]] = defaultdict(set)
        self.by_code: dict[tuple[str, int], set[str]] = defaultdict(set)
        for name in self.seconds:
            for (file, code), line in seen[name]:
                self.by_line[file, code, line].add(name)
                self.by_code[file, code].add(name)

    def learn(self, tests: Tests, index: "Index") -> tuple[dict[str, float], dict[str, set[Any]]]:
        seconds, seen = {}, {}
        for name, item in self.items.items():
            for cache in self.caches:  # what it holds would not be run
                cache.cache_clear()
            seen[name] = set[Any]()
            sys.settrace(tracer(index, seen[name]))
            try:
                passed = tests.passes(item)
            finally:
                sys.settrace(None)
            start = time.process_time()
            if passed and tests.passes(item) and time.process_time() - start < SLOW:
                seconds[name] = time.process_time() - start
        return seconds, seen

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


# --- until one fails ---


def killer(tests: Tests, items: dict[str, Any], names: list[str], seconds: dict[str, float],
           budget: float = BUDGET) -> str:
    """The first test that fails, "" if none does."""
    start = time.process_time()
    for name in names:
        limited(2 + 10 * seconds.get(name, SLOW))
        if not tests.passes(items[name]):
            return name
        if time.process_time() - start > budget:
            break
    return ""
