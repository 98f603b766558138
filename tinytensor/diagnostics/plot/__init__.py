"""Figures of measurements, drawn with matplotlib: each function returns a Figure, and writes it if it gets `path=`.

In a notebook the Figure shows itself; it can be changed before it is shown or saved (``fig.axes``, ``fig.savefig``).
Pictures are 1,000 pixels wide. The public names; nothing is defined here.
"""

from .attention import attention_maps
from .characters import count_map, embedding_map, sweep_curve
from .compiled import roofline
from .gradients import push_and_pull
from .health import histograms, saturation, update_ratios
from .makemore import race_chart
from .scalar import decision_map, difference_errors, fit_curve, tangents
from .tokens import compression_curve, merge_tree
from .training import loss_curve, rate_curve, size_curve
from .wavenet import dilated_tree, ladder_chart

__all__ = ["attention_maps", "compression_curve", "count_map", "decision_map", "difference_errors", "dilated_tree",
           "embedding_map", "fit_curve", "histograms", "ladder_chart", "loss_curve", "merge_tree", "push_and_pull",
           "race_chart", "rate_curve", "roofline", "saturation", "size_curve", "sweep_curve", "tangents",
           "update_ratios"]
