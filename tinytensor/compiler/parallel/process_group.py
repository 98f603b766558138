"""Processes that share a step: each computes a part of the batch, and updates a part of the parameters.

They are forked, and synchronise on counters in shared memory (a barrier): no data is sent, no lock is taken. Linux on
x86-64 only, whose processors keep the order of writes. Collectives in a trace are recorded by `collectives.py`.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import contextlib
import gc
import math
import mmap
import os
import platform
import signal
import sys
import threading
import time
import traceback
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir import CompileError

LINE = 64  # bytes: each process writes to its own cache lines
STEP = LINE // 8  # counters per cache line
BUSY = 300  # reads of a counter before a worker yields its core between reads
SPINS = 10_000  # and before it sleeps between reads: after some milliseconds
POLL_INTERVAL = 2e-4  # seconds
PATIENCE = 60.0  # seconds that a worker may be behind the others in a step
MESSAGE = 4096  # bytes for the text of an error


def refuse(workers: Any) -> None:
    """Raise unless this machine can share a step."""
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise ValueError(f"compile: got workers={workers!r}; expected an int, 1 or more; write workers=2 on two cores")
    if workers > 1 and (not sys.platform.startswith("linux") or platform.machine() not in ("x86_64", "AMD64")):
        raise CompileError(f"compile: got workers={workers} on {sys.platform} ({platform.machine()}); expected Linux "
                           f"on x86-64, where forking is safe and writes keep their order; leave workers out")


def shared(shape: Any, dtype: Any) -> Any:
    """Zeros in memory that forked processes share."""
    size = max(1, math.prod(shape) * np.dtype(dtype).itemsize)
    return np.frombuffer(mmap.mmap(-1, size), dtype, math.prod(shape)).reshape(shape)


# --- what the process does to us ---

ours = threading.local()  # `forking`: whether this thread is making a worker
FORKED: list[weakref.WeakMethod[Any]] = []  # functions to call in a process that the user forks


def after_fork(method: weakref.WeakMethod[Any]) -> None:
    """Call a method in every process that is forked later, except workers, as long as its object lives."""
    FORKED[:] = [known for known in FORKED if known() is not None]
    FORKED.append(method)


def in_child() -> None:
    for method in FORKED if not getattr(ours, "forking", False) else ():
        call = method()
        if call is not None:
            call()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=in_child)

set_handler, get_handler = _signal.signal, _signal.getsignal  # an enum takes longer to make


def fork() -> int:
    """Fork a worker, which keeps the shared memory."""
    ours.forking = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other threads: they hold no lock that a worker takes
            return os.fork()
    finally:
        ours.forking = False


class Interrupts:
    """Ctrl-C's handler while there are workers: it waits until a step ends, so that no half of an update is left.

    To set a handler takes as long as a small step; so this one stays between steps, and hands over to the one that it
    found.
    """

    def __init__(self) -> None:
        self.depth, self.waiting, self.groups = 0, False, 0  # groups: of workers that live
        self.before: Any = None
        self.handler = self.handle  # one object that identifies it

    def handle(self, *args: Any) -> None:
        if self.depth:
            self.waiting = True
        else:
            self.before(*args)

    def __enter__(self) -> None:
        if threading.get_ident() == MAIN:  # which alone is interrupted
            if (now := get_handler(signal.SIGINT)) is not self.handler and callable(now):
                self.before = now
                set_handler(signal.SIGINT, self.handler)
            self.depth += 1

    def __exit__(self, *_: object) -> None:
        if threading.get_ident() == MAIN:
            self.depth -= 1
            if not self.depth:
                self.leave()
                if self.waiting:
                    self.waiting = False
                    signal.raise_signal(signal.SIGINT)

    def leave(self) -> None:
        """Restore the handler if no workers are left."""
        if self.groups or self.depth or threading.get_ident() != MAIN:
            return
        if get_handler(signal.SIGINT) is self.handler:
            set_handler(signal.SIGINT, self.before)


MAIN = threading.main_thread().ident
INTERRUPTS = Interrupts()


def uninterrupted() -> Interrupts:
    """Delay Ctrl-C until the block ends."""
    return INTERRUPTS


class Stopped(RuntimeError):
    """Another worker has failed or died."""


class ProcessGroup:
    """The group as one worker sees it: its rank, and the memory that all share.

    Attributes
    ----------
    size, rank : int
        How many workers there are, and which this one is; 0 is the process that called.
    """

    def __init__(self, size: int) -> None:
        self.size, self.rank, self.pids = size, 0, list[int]()
        self.others = [*range(1, size)]
        self.control = mmap.mmap(-1, LINE * (size + 1))
        self.counters = memoryview(self.control).cast("q")  # one on each line; the last says: 1 an error, 2 the end
        self.text = mmap.mmap(-1, MESSAGE)
        self.buffers: dict[int, Any] = {}  # memory of each call of a program that goes to and fro
        self.parts: dict[int, list[Any]] = {}  # the same for each worker's part
        self.factors: dict[int, list[Any]] = {}  # by what parts are multiplied: where they are means, and where sums
        self.round = 0

    # --- waiting ---

    @property
    def total(self) -> bool:
        """Whether the loss is a sum over the batch, and so are gradients; all workers see it."""
        return bool(self.counters[self.size * STEP + 1])

    @total.setter
    def total(self, on: bool) -> None:
        self.counters[self.size * STEP + 1] = on

    @property
    def status(self) -> int:
        return self.counters[self.size * STEP]

    def barrier(self, patience: float = PATIENCE) -> None:
        """Wait until all workers have reached this call."""
        self.round = mine = self.round + 1
        counters = self.counters
        counters[self.rank * STEP] = mine
        for other in self.others:
            if counters[other * STEP] < mine:
                self.wait(other, mine, patience)

    def wait(self, other: int, mine: int, patience: float) -> None:
        """Wait until another worker's counter has reached this one's."""
        counters, place, spins = self.counters, other * STEP, 0
        while counters[place] < mine:
            spins += 1
            if spins > SPINS:
                self.check_alive(other, spins, patience)
            elif spins > BUSY:
                os.sched_yield()

    def check_alive(self, other: int, spins: int, patience: float) -> None:
        """Sleep briefly, and raise if the other worker has died."""
        if self.status:
            raise Stopped
        if self.rank and os.getppid() != self.parent:
            os._exit(1)
        if not self.rank and os.waitpid(self.pids[other - 1], os.WNOHANG)[0]:
            self.pids[other - 1] = 0
            raise CompileError(f"compile: worker {other} has died, perhaps for lack of memory, and its part of the "
                               "last update may be missing; expected it to run until the end; call the step again, "
                               "which starts new workers, or load a checkpoint")
        if (spins - SPINS) * POLL_INTERVAL > patience:
            raise CompileError(f"compile: worker {other} did not answer for {patience:.0f} s; expected all workers to "
                               "be about equally fast; leave a core for each, or use fewer workers")
        time.sleep(POLL_INTERVAL)

    # --- helpers that a program calls ---

    def register_buffer(self, collective_id: int, memory: Any) -> None:
        """Shared memory for a call; its first axis is the worker's rank."""
        self.buffers[collective_id] = memory
        self.parts[collective_id] = [memory[rank, ...] for rank in range(self.size)]
        self.factors[collective_id] = [np.full(self.size, share, memory.dtype) for share in (1 / self.size, 1)]

    def local_shard(self, a: Any) -> Any:
        """This worker's part of a vector, a view."""
        size = len(a) // self.size
        return a[self.rank * size : (self.rank + 1) * size]

    def all_reduce_sum(self, x: Any, collective_id: int, out: Any = None) -> Any:
        """The sum over all workers."""
        parts = self.parts[collective_id]
        if x is not parts[self.rank]:  # it may have been made there
            parts[self.rank][...] = x
        self.barrier()
        total = np.add(parts[0], parts[1], out)
        if self.size > 2:
            for other in parts[2:]:
                total += other
        return total

    def all_reduce_mean(self, x: Any, collective_id: int, bounds: Any = (), whole: bool = True) -> Any:
        """The mean over all workers; of a vector of gradients, where the loss is a sum over the batch, the sum.

        Of each of a vector's pieces in `bounds` a worker computes its own part.

        Unless the `whole` is asked for, only that part is right.
        """
        there, parts = self.buffers[collective_id], self.parts[collective_id]
        if x is not parts[self.rank]:
            parts[self.rank][...] = x
        self.barrier()
        if not bounds:
            return np.array(np.add.reduce(there[:-1], axis=0) * (1 / self.size))
        mean, factors = there[-1], self.factors[collective_id][self.total]
        for start, stop in bounds:
            size = (stop - start) // self.size
            part = slice(start + self.rank * size, start + (self.rank + 1) * size)
            np.matmul(factors, there[:-1, part], out=mean[part])  # a sum and its share in one go
        if whole:
            self.barrier()
        return mean

    def scatter(self, collective_id: int, rng: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        """This worker's part of a draw of the first one."""
        there = self.buffers[collective_id]
        if self.rank == 0:
            there[...] = getattr(rng, name)(*args, **kwargs)
        self.barrier()
        return self.local_shard(there)

    # --- start and end ---

    def start(self, work: Callable[[], None]) -> None:
        """Fork the other workers; each runs its part of every step until the group is closed."""
        self.parent = os.getpid()
        self.finalizer = weakref.finalize(self, stop, self.counters, self.size, self.pids, self.parent)
        sys.stdout.flush()
        sys.stderr.flush()
        INTERRUPTS.groups += 1
        with uninterrupted():
            for rank in range(1, self.size):
                if not (pid := fork()):
                    self.rank, self.others = rank, [i for i in range(self.size) if i != rank]
                    self.worker_main(work)
                self.pids.append(pid)

    def worker_main(self, work: Callable[[], None]) -> None:
        """The main function of a worker; it never returns."""
        status = 1
        with contextlib.suppress(BaseException):
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first one's, who stops the others
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            gc.disable()
            try:
                work()
                status = 0
            except Stopped:
                status = 0
            except BaseException as error:
                self.fail(error)
        os._exit(status)

    def fail(self, error: BaseException) -> None:
        """Report to all that this worker has failed, and why."""
        text = "".join(traceback.format_exception_only(error)).strip().encode()[: MESSAGE - 1]
        self.text[: len(text) + 1] = text + b"\0"
        self.counters[self.size * STEP] = 1

    def failure(self) -> CompileError:
        """The error of another worker."""
        text = self.text[:].partition(b"\0")[0].decode("utf-8", "replace")
        return CompileError(f"compile: a worker failed: {text or 'it said nothing'}; expected a step that runs alone "
                            "to run in workers too; run the step with workers=1 to see where")

    def close(self) -> None:
        """End all workers, if they have not ended yet."""
        if hasattr(self, "finalizer"):
            self.finalizer()


def stop(counters: Any, size: int, pids: list[int], parent: int) -> None:
    """Ask all workers to end, wait for them, and kill those that don't."""
    if os.getpid() != parent:
        return
    counters[size * STEP] = 2
    INTERRUPTS.groups -= 1
    patience = time.monotonic() + 1.0
    for pid in filter(None, pids):
        with contextlib.suppress(ChildProcessError, ProcessLookupError):
            while not os.waitpid(pid, os.WNOHANG)[0]:
                if time.monotonic() > patience:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(POLL_INTERVAL)
    INTERRUPTS.leave()
