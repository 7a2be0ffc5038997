r"""Class-activation maps in closed form, for a linear head on average-pooled features.

Let `A_k(p)` be feature k at position p of P positions, `w_k` the head's weights and

    y = b + sum_k w_k * mean_p A_k(p) = b + mean_p [ sum_k w_k A_k(p) ].

**CAM** (Zhou et al. 2016): `M(p) = sum_k w_k A_k(p)`. From the right-hand side
`y = b + mean_p M(p)`: no approximation but an exact account of the logit, position by position.

**Grad-CAM** (Selvaraju et al. 2017): features are weighted by the mean over positions of dy/dA_k.
Here `dy/dA_k(p) = w_k / P` at every p, so that the map is `ReLU(M(p)) / P`: CAM without its
negative half, but for a scale, which we take to be that of CAM.

**Grad-CAM++** (Chattopadhyay et al. 2018): the score is `Y = exp(y)`, and with `g = w_k / P` its
derivatives by A_k(p) are `Y g`, `Y g^2` and `Y g^3`. Their weights of positions,

    alpha_k(p) = Y g^2 / (2 Y g^2 + sum_q A_k(q) Y g^3) = 1 / (2 + w_k mean_q A_k(q)),

are the same at every p, and the weight of a feature is

    sum_p alpha_k(p) ReLU(Y g) = Y ReLU(w_k) / (2 + w_k mean_q A_k(q)).

`Y` scales the whole map of a view and is left out (as common implementations do), for it would let
the view with the highest score hide all others. The map is `ReLU(sum_k weight_k A_k(p))`.

**SmoothGrad-CAM++** (Omeiza et al. 2019) averages over noisy copies of the input, as SmoothGrad
does (Smilkov et al. 2017). To average the derivatives alone would change nothing here, since g
depends on no input and Y cancels in alpha: the result would be Grad-CAM++. What noise does change
is the feature map; we therefore average the Grad-CAM++ maps of the copies, each with its own
features.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Method = Literal["cam", "gradcam", "gradcam++", "smoothgradcam++"]
METHODS: tuple[str, ...] = get_args(Method)

NOISE = 0.05
"""Standard deviation of SmoothGrad's noise, on values in [-1, 1]: 6 of 255 grey levels.

SmoothGrad's own tenth of the range or more would drown the traces that a forensic model looks for.
"""
COPIES = 8
_TINY = 1e-6


def class_activation(
    features: NDArray[np.float32], weights: NDArray[np.float32], method: Method
) -> NDArray[np.float32]:
    """Return the map of each view; for SmoothGrad-CAM++ that of one noisy copy.

    Args:
        features: Last feature maps, shape (views, channels, rows, columns).
        weights: Of the head's output that is explained, shape (channels,).
        method: Which map; see above.

    Returns:
        Shape (views, rows, columns). Only ``cam`` has negative values.
    """
    if method in ("cam", "gradcam"):
        evidence = np.einsum("vkij,k->vij", features, weights)
    else:
        denominator = 2 + weights * features.mean((2, 3))
        # Features that are negative on the whole could bring it to zero; paper and libraries
        # assume that they are not, and drop the feature otherwise.
        safe = np.where(denominator > _TINY, denominator, np.inf)
        evidence = np.einsum("vkij,vk->vij", features, np.maximum(weights, 0) / safe)
    return np.asarray(evidence if method == "cam" else np.maximum(evidence, 0), dtype=np.float32)


def noisy_copies(
    inputs: NDArray[np.float32], copies: int = COPIES, noise: float = NOISE, seed: int = 0
) -> list[NDArray[np.float32]]:
    """Return copies of a network's input with normal noise, the same for the same seed.

    Args:
        inputs: float32 in [-1, 1], shape (views, 3, size, size).
        copies: How many.
        noise: Standard deviation.
        seed: Of the noise.
    """
    rng = np.random.default_rng(seed)
    return [
        inputs + np.float32(noise) * rng.standard_normal(inputs.shape, dtype=np.float32)
        for _ in range(copies)
    ]
