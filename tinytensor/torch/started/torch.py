"""What `import torch` finds in a process that a script under ``python -m tinytensor.torch`` has started anew.

Such a process, as multiprocessing's "spawn" makes, has the script's `sys.path` and nothing else of it. Nothing is
defined here: this package takes the place.
"""

import sys
from importlib import import_module

del sys.modules[__name__]
import_module("tinytensor.torch.importing").install()  # it is alone in sys.path: there is no package around it
