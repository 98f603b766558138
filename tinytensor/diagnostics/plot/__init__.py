"""Figures, drawn with matplotlib from what others have measured; each is a picture, 1,000 pixels wide.

The public names; nothing is defined here.
"""

from .characters import embedding_map
from .training import loss_curve, rate_curve, size_curve

__all__ = ["embedding_map", "loss_curve", "rate_curve", "size_curve"]
