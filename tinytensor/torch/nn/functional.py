"""`torch.nn.functional`: layers, activations and losses as functions, with PyTorch's names, arguments and defaults.

The public names; nothing is defined here, but in the families of `functions`.
"""

from typing import TYPE_CHECKING, Any

from ...names import Missing as _Missing
from ...names import refusal as _refusal
from .functions import activation, attention, channels, comparing, conv, dense, losses, norm, resizing, unpooling
from .functions.offered import FUNCTIONS as _FUNCTIONS

# Each has listed its functions.
_FAMILIES = (activation, attention, channels, comparing, conv, dense, losses, norm, resizing, unpooling)
globals().update(_FUNCTIONS)
__all__ = sorted(_FUNCTIONS)

if TYPE_CHECKING:  # each function is listed where it is defined, which checkers can't follow
    def __getattr__(name: str) -> Any: ...
else:
    def __getattr__(name: str) -> Any:
        raise _Missing(_refusal, "functional", name, lambda: __all__)
