"""`torch.distributed`: imported by programs that may run in several processes; here there is one.

Asking is answered; to start a group of processes is refused.
"""

from typing import Any, NoReturn


def is_available() -> bool:
    """False: a model is trained in one process."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def refused(name: str) -> Any:
    """A function that says why it is not here."""
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(f"torch.distributed.{name}: a model is trained in one process here; expected a program that "
                           f"asks torch.distributed.is_available() first; start it without torchrun")

    refuse.__name__ = refuse.__qualname__ = name
    return refuse


init_process_group, destroy_process_group = refused("init_process_group"), refused("destroy_process_group")
get_rank, get_world_size, barrier = refused("get_rank"), refused("get_world_size"), refused("barrier")
all_reduce, all_gather, broadcast, reduce = (refused(n) for n in ("all_reduce", "all_gather", "broadcast", "reduce"))


class ReduceOp:
    """How the tensors of several processes would be combined."""

    SUM = AVG = PRODUCT = MIN = MAX = None
