"""``python -m tinytensor.torch SCRIPT.py [arguments]``: run a script whose `import torch` means tinytensor's.

Matrix products get one thread, which suits small networks, unless OPENBLAS_NUM_THREADS says otherwise.
"""

import os
import runpy
import sys
from pathlib import Path

from .importing import install

USAGE = "usage: python -m tinytensor.torch SCRIPT.py [arguments]"
HELP = f"""{USAGE}

Runs the script with `import torch` meaning tinytensor.torch: NumPy alone is needed.
All that follows the script's name is the script's own: ... train.py --steps 100

Matrix products use one thread; for another number set OPENBLAS_NUM_THREADS.
In a notebook write instead, before `import torch`:

    import tinytensor.torch
    tinytensor.torch.install()"""
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def main(arguments: list[str]) -> int:
    """Run the script; the exit status is its own, or 2 where there is none to run."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP)
        return 0 if arguments else 2
    script = Path(arguments[0])
    if not script.is_file():
        print(f"{script}: no such file; expected a Python script; {USAGE}", file=sys.stderr)
        return 2
    if not any(name in os.environ for name in THREADS) and hasattr(os, "fork"):  # subtle: NumPy reads them as it loads
        os.environ.update(dict.fromkeys(THREADS, "1"))
        os.execv(sys.executable, [sys.executable, *interpreter_options(), "-m", __package__ or "", *arguments])
    install()
    sys.argv = arguments
    sys.path[0] = str(script.parent)
    runpy.run_path(str(script), run_name="__main__")
    return 0


def interpreter_options() -> list[str]:
    """Python's own options, such as ``-W error``, for a new start of the same program."""
    return [*(f"-W{w}" for w in sys.warnoptions), *(f"-X{k}" if v is True else f"-X{k}={v}"
                                                    for k, v in sys._xoptions.items())]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
