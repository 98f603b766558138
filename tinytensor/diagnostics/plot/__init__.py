"""Figures, drawn with matplotlib from what others have measured; each is a picture, 1,000 pixels wide.

The public names; nothing is defined here.
"""

from .characters import count_map, embedding_map, sweep_curve
from .gradients import push_and_pull
from .health import histograms, saturation, update_ratios
from .scalar import decision_map, difference_errors, fit_curve
from .training import loss_curve, rate_curve, size_curve
from .wavenet import dilated_tree, ladder_chart

__all__ = ["count_map", "decision_map", "difference_errors", "dilated_tree", "embedding_map", "fit_curve", "histograms",
           "ladder_chart", "loss_curve", "push_and_pull", "rate_curve", "saturation", "size_curve", "sweep_curve",
           "update_ratios"]
