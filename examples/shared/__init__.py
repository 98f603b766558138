"""What the lectures' scripts share: settings, progress, data, the compiled step. Nothing here runs on its own.

Import it before NumPy: the number of threads is read once, when NumPy is loaded.
"""

import os
import signal
import sys
from pathlib import Path

signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # Ctrl-C while NumPy and the rest load; `run` takes over

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # the matrices are small: a second thread would make a step 5 times slower

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone works without being installed
