"""Heads on a frozen tower: real/fake, what is shown, and whether it is a photograph at all.

Real/fake is a linear head plus a small network, each fitted to all training pictures at once; a
linear head on frozen features carries to generators never seen (Ojha et al. 2023), and the network
adds what no plane can tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from unmask.lab.data.manifest import Row

Features = NDArray[np.float32]
"""What the tower sees in pictures, shape (pictures, features)."""
_LEAST_DEVIATION = 1e-3


class Labelled(NamedTuple):
    """Features and what is known of their pictures.

    Attributes:
        x: Shape (pictures, features).
        y: The truth, 0 or 1 or a class, shape (pictures,).
        weight: How much each counts, shape (pictures,); the sum does not matter.
    """

    x: Features
    y: NDArray[np.float32]
    weight: NDArray[np.float32]


@dataclass(frozen=True)
class FakeHead:
    """Real or fake, from features x that are standardised as ``(x - mean) / deviation``.

    The logit is ``x @ linear + linear_bias + relu(x @ hidden + hidden_bias) @ last + last_bias``.

    Attributes:
        mean: Of the training pictures, (features,).
        deviation: Likewise, (features,).
        linear: (features, 1).
        linear_bias: (1,).
        hidden: (features, units), values that 16 bits hold.
        hidden_bias: (units,).
        last: (units, 1).
        last_bias: (1,).
    """

    mean: Features
    deviation: Features
    linear: Features
    linear_bias: Features
    hidden: Features
    hidden_bias: Features
    last: Features
    last_bias: Features

    def logits(self, x: Features) -> Features:
        """Return the logits of features as the tower gives them, shape (pictures,)."""
        z = (x - self.mean) / self.deviation
        hidden = np.maximum(z @ self.hidden + self.hidden_bias, 0)
        logits = z @ self.linear + self.linear_bias + hidden @ self.last + self.last_bias
        return np.asarray(logits[:, 0], dtype=np.float32)


@dataclass(frozen=True)
class Heads(FakeHead):
    """All heads, on the same features.

    Attributes:
        graphic: Whether it is a picture that is no photograph, (features, 1).
        graphic_bias: (1,).
        category: What it shows, (features, categories).
        category_bias: (categories,).
    """

    graphic: Features
    graphic_bias: Features
    category: Features
    category_bias: Features


class Standard(NamedTuple):
    """Mean and deviation of the training pictures' features."""

    mean: Features
    deviation: Features

    @classmethod
    def of(cls, x: Features) -> Standard:
        """Measure them."""
        return cls(x.mean(0), x.std(0) + np.float32(_LEAST_DEVIATION))

    def __call__(self, x: Features) -> torch.Tensor:
        """Standardise features."""
        return torch.from_numpy((x - self.mean) / self.deviation)


def publisher_weights(rows: Sequence[Row], shares: Mapping[str, float]) -> Features:
    """Weigh pictures so that no publisher, label or collection decides by its number.

    A publisher's pictures of a label count by the root of their number; both labels of a collection
    count the same, and each collection has its share of the whole.

    Args:
        rows: The pictures, one that is shown in several ways as often.
        shares: Of each collection, by its source in the manifest; "" for all other sources.

    Returns:
        Weights with a sum of 1, shape (pictures,).
    """
    collections = [row.source if row.source in shares else "" for row in rows]
    keys = [
        (collection, row.label, row.facet("publisher") or row.source)
        for collection, row in zip(collections, rows, strict=True)
    ]
    counts = Counter(keys)
    weights = np.array([counts[key] ** -0.5 for key in keys])
    for collection, share in shares.items():
        for label in ("real", "fake"):
            part = np.array([key[:2] == (collection, label) for key in keys])
            if part.any():
                weights[part] *= share / 2 / weights[part].sum()
    return np.asarray(weights / weights.sum(), dtype=np.float32)


def fit_linear(
    of: Labelled, standard: Standard, strength: float, classes: int = 1, steps: int = 60
) -> tuple[Features, Features]:
    """Fit a linear head by weighted logistic regression with an L2 penalty.

    Args:
        of: The pictures.
        standard: How their features are standardised.
        strength: scikit-learn's C: the larger, the weaker the penalty.
        classes: 1 for a yes or no, else the number of classes.
        steps: Most steps of L-BFGS.

    Returns:
        Weights, (features, classes), and biases, (classes,).
    """
    x, weight = standard(of.x), torch.from_numpy(of.weight / of.weight.mean())
    y = torch.from_numpy(of.y)
    weights = torch.zeros(x.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    search = torch.optim.LBFGS(
        [weights, bias], max_iter=steps, history_size=20, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        search.zero_grad()
        logits = x @ weights + bias
        if classes == 1:
            each = F.binary_cross_entropy_with_logits(logits[:, 0], y, reduction="none")
        else:
            each = F.cross_entropy(logits, y.long(), reduction="none")
        total = strength * (weight * each).sum() + 0.5 * (weights**2).sum()
        total.backward()
        return total

    search.step(loss)
    return weights.detach().numpy(), bias.detach().numpy()


@dataclass(frozen=True)
class NetworkSettings:
    """How the small network is taught.

    Attributes:
        units: Hidden units of one seed.
        seeds: So many networks are averaged.
        epochs: Over all pictures.
        input_dropout: Share of the features that are dropped, in [0, 1).
        dropout: Share of the hidden units that are dropped.
        learning_rate: The highest of a one-cycle schedule.
        weight_decay: Of AdamW.
        batch: Pictures a step.
    """

    units: int = 128
    seeds: int = 4
    epochs: int = 25
    input_dropout: float = 0.5
    dropout: float = 0.5
    learning_rate: float = 9e-4
    weight_decay: float = 0.05
    batch: int = 256


def fit_fake(of: Labelled, strength: float, settings: NetworkSettings, share: float) -> FakeHead:
    """Fit the head for real or fake.

    Args:
        of: The pictures; fakes are 1.
        strength: Of the linear part, as for `fit_linear`.
        settings: Of the networks.
        share: Of the linear part in the logit, in [0, 1].
    """
    standard = Standard.of(of.x)
    linear, linear_bias = fit_linear(of, standard, strength)
    hidden, hidden_bias, last, last_bias = fit_network(of, standard, settings)
    return FakeHead(
        mean=standard.mean,
        deviation=standard.deviation,
        linear=linear * share,
        linear_bias=linear_bias * share,
        hidden=hidden.astype(np.float16).astype(np.float32),
        hidden_bias=hidden_bias,
        last=last * (1 - share),
        last_bias=last_bias * (1 - share),
    )


def fit_network(
    of: Labelled, standard: Standard, settings: NetworkSettings
) -> tuple[Features, Features, Features, Features]:
    """Fit the small network, averaged over seeds: seeds side by side are one wider network.

    Returns:
        ``hidden`` (features, units), ``hidden_bias``, ``last`` (units, 1) and ``last_bias``.
    """
    x, y = standard(of.x), torch.from_numpy(of.y)
    weight = torch.from_numpy(of.weight / of.weight.mean())
    firsts, biases, lasts, ends = [], [], [], []
    for seed in range(settings.seeds):
        network = _fit_seed(x, y, weight, settings, seed)
        first, last = network[1], network[4]
        firsts.append(first.weight.detach().numpy().T)
        biases.append(first.bias.detach().numpy())
        lasts.append(last.weight.detach().numpy().T / settings.seeds)
        ends.append(last.bias.detach().numpy())
    return (
        np.concatenate(firsts, 1),
        np.concatenate(biases),
        np.concatenate(lasts),
        np.mean(ends, axis=0),
    )


def _fit_seed(
    x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor, settings: NetworkSettings, seed: int
) -> nn.Sequential:
    torch.manual_seed(seed)
    order_of = torch.Generator().manual_seed(seed)
    network = nn.Sequential(
        nn.Dropout(settings.input_dropout),
        nn.Linear(x.shape[1], settings.units),
        nn.ReLU(),
        nn.Dropout(settings.dropout),
        nn.Linear(settings.units, 1),
    )
    rate = settings.learning_rate
    descent = torch.optim.AdamW(network.parameters(), rate, weight_decay=settings.weight_decay)
    batch = min(settings.batch, len(x))
    batches = len(x) // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        descent, rate, total_steps=settings.epochs * batches + 1, pct_start=0.1
    )
    for _ in range(settings.epochs):
        order = torch.randperm(len(x), generator=order_of)
        for chosen in order[: batches * batch].split(batch):
            descent.zero_grad()
            logits = network(x[chosen])[:, 0]
            each = F.binary_cross_entropy_with_logits(logits, y[chosen], reduction="none")
            (weight[chosen] * each).mean().backward()
            descent.step()
            schedule.step()
    return network.eval()
