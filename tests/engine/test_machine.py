"""Threads and the allocator: what is set is read back, and a missing extra is named."""

import subprocess
import sys

import numpy as np
import pytest

import tinytensor as tt


def test_threads_are_set_and_read():
    before = tt.get_num_threads()
    try:
        tt.set_num_threads(1)
        assert tt.get_num_threads() == 1
    finally:
        tt.set_num_threads(before)


@pytest.mark.parametrize("n", [0, -1, 1.5, "2"])
def test_a_count_that_is_none(n):
    with pytest.raises(ValueError, match="set_num_threads: got .*; expected an int, 1 or more"):
        tt.set_num_threads(n)


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with pytest.raises(ImportError, match=r"got no threadpoolctl; .* pip install threadpoolctl"):
        tt.set_num_threads(1)


def test_keeping_memory_is_harmless():
    code = ("import numpy as np, tinytensor as tt; done = tt.keep_freed_memory(64); "
            "[np.ones(1_000_000).sum() for _ in range(20)]; print(done)")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() in ("True", "False") and (out.strip() == "True" or not sys.platform.startswith("linux"))


def test_swift_calls_leave_no_trace():
    @tt.machine.with_fast_numpy
    def inside(x, y=1):
        return np.getbufsize(), np.geterr()["divide"], x / y

    with np.errstate(all="raise"):
        before = np.getbufsize(), np.geterr()
        assert inside(np.float32(1), y=np.float32(0)) == (tt.machine.BUFFER, "ignore", np.inf)
        assert (np.getbufsize(), np.geterr()) == before
    assert before[0] != tt.machine.BUFFER
