"""What all tests share: one BLAS thread, how many examples Hypothesis draws, and one line on what was skipped.

The same examples at every run, so that a change fails by what it changed; `--hypothesis-profile=deep` draws ten times
more, and new ones.
"""

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # before NumPy is loaded; small matrices are slower by two threads

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402
from skips import explain_skips  # noqa: E402

settings.register_profile("default", max_examples=20, deadline=None, derandomize=True)
settings.register_profile("deep", max_examples=200, deadline=None)
settings.load_profile("default")  # the plugin's option, where it is given, is read after this line


@pytest.fixture(scope="session")
def torch():
    """PyTorch; what takes it is skipped where it is not installed."""
    return pytest.importorskip("torch")


def pytest_addoption(parser):
    parser.addoption("--golden", action="store_true", help="write the golden files anew, to be read before they land")


def pytest_terminal_summary(terminalreporter):
    if skipped := terminalreporter.stats.get("skipped"):
        terminalreporter.write_line(explain_skips(report.longrepr[2] for report in skipped))
