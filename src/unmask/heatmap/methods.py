r"""How a logit is laid onto the places it comes from.

``cam``, for models that put out maps: the class-activation map (Zhou et al. 2016) of a linear head
on average-pooled features. Let `A_k(p)` be feature k at position p of P positions, `w_k` the head's
weights and

    y = b + sum_k w_k * mean_p A_k(p) = b + mean_p [ sum_k w_k A_k(p) ].

The map is `M(p) = sum_k w_k A_k(p)`. From the right-hand side `y = b + mean_p M(p)`: no
approximation but an exact account of the logit, position by position. The model's graph computes
it beside the answer.

``occlusion``, for every model: parts of the picture are hidden, and the map is by how much the
logit falls (Zeiler and Fergus 2014); see `occlusion`.

Training runs have further methods, by derivatives: `unmask.lab.train.run_model`.
"""

from __future__ import annotations

CAM, OCCLUSION = "cam", "occlusion"
SIGNED = (CAM, OCCLUSION)
"""Methods whose maps have values of both signs; the others show support alone."""
