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
        os.execv(sys.executable, [sys.executable, *interpreter_options(arguments), *arguments])
    install()
    sys.argv = arguments
    sys.path[:1] = [str(script.resolve().parent), str(Path(__file__).parent / "started")]
    runpy.run_path(str(script.absolute()), run_name="__main__")
    return 0


def interpreter_options(arguments: list[str]) -> list[str]:
    """What stood between Python and the arguments, as ``-W error -m tinytensor.torch``, for a new start."""
    return sys.orig_argv[1 : len(sys.orig_argv) - len(arguments)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
