"""`torch.autograd`: gradients as values, functions whose gradient one writes, and checks of them. The public names."""

from typing import Any

from ...names import Missing as _Missing
from ...names import refusal as _refusal
from ..gradients import backward_of as backward
from ..gradients import grad
from ..recorded import enable_grad, inference_mode, no_grad, set_grad_enabled
from . import functional
from .anomalies import detect_anomaly, set_detect_anomaly
from .checks import GradcheckError, gradcheck, gradgradcheck
from .custom import Function, once_differentiable
from .older import Variable

__all__ = [
    "Function", "GradcheckError", "Variable", "backward", "detect_anomaly", "enable_grad", "functional", "grad",
    "gradcheck", "gradgradcheck", "inference_mode", "no_grad", "once_differentiable", "set_detect_anomaly",
    "set_grad_enabled",
]


def __getattr__(name: str) -> Any:
    raise _Missing(_refusal, "autograd", name, lambda: __all__)
