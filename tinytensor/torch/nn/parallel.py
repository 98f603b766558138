"""`torch.nn.parallel`: imported by programs that may run on several devices; creating one is an error."""

from typing import Any, NoReturn


class DataParallel:
    """A module on several devices; it can be named, as in ``isinstance(model, DataParallel)``."""

    def __init__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(f"{type(self).__name__}: a model is trained in one process, on the cpu; expected the module "
                           f"itself; leave the wrapper out")


class DistributedDataParallel(DataParallel):
    """A module in several processes; it can be named."""


DistributedDataParallel.__module__ = f"{__name__}.distributed"
