"""The second branch of a fold, as the shipped model has one: a linear head on the frozen tower.

The tower has seen none of the pictures; the head is fitted anew for every fold, to pictures that
the fold may see and to pseudo-fakes made from those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.lab.calibrate.score import ViewScores
from unmask.lab.data.manifest import Row
from unmask.lab.left_out.folds import Fold
from unmask.lab.left_out.results import HeadResult
from unmask.lab.tower.features import TowerFeatures
from unmask.lab.tower.kept import KeptFeatures
from unmask.lab.tower.probe import STRENGTH, LinearHead, fit_head, weigh
from unmask.lab.train.pseudo import is_pseudo


@dataclass(frozen=True)
class Branch:
    """A fold's head on the tower, and how head and network are added.

    Attributes:
        head: Reads what the tower sees.
        held_out: What the tower sees in validation and test pictures.
        own: Factor of the head's logit.
        network: Factor of the network's logit.
        bias: Added to both.
        learnt_from: The pictures that the head was fitted to, pseudo-fakes among them.
    """

    head: LinearHead
    held_out: TowerFeatures
    own: float
    network: float
    bias: float
    learnt_from: list[Row]

    def logits(self, scores: ViewScores) -> NDArray[np.float32]:
        """Return the sum of both branches for pictures that the network has scored, shape (n,)."""
        seen = self.head(_values(self.held_out, scores.rows))
        return self.own * seen + self.network * scores.pooled() + np.float32(self.bias)

    def result(self) -> HeadResult:
        """Return what is kept of it with the fold's figures."""
        made = sum(is_pseudo(row) for row in self.learnt_from)
        return HeadResult(
            train_pictures=len(self.learnt_from) - made,
            pseudo_fakes=made,
            head_counts=self.own,
            network_counts=self.network,
        )


def fit_branch(kept: KeptFeatures, fold: Fold, scores: ViewScores) -> Branch:
    """Fit a fold's head, and weigh it against the fold's network.

    The head is cheap, so that it learns from all training pictures that the fold may see, while
    the network's are capped.

    Args:
        kept: What the tower sees.
        fold: Says which pictures may be seen.
        scores: The network's, of the fold's validation pictures.
    """
    learnt = kept.train.only(may_learn_from(fold, kept.train.rows))
    head = fit_head(learnt, STRENGTH)
    own = head(_values(kept.held_out, scores.rows))
    factors = weigh(own, scores.pooled(), scores.rows)
    return Branch(head, kept.held_out, *factors, learnt.rows)


def may_learn_from(fold: Fold, rows: Sequence[Row]) -> list[bool]:
    """Say which training pictures a fold may see; a pseudo-fake, if it may see the real one."""
    seen = {row.path for row in rows if not is_pseudo(row) and fold.may_see(row)}
    return [row.path in seen for row in rows]


def _values(features: TowerFeatures, rows: Sequence[Row]) -> NDArray[np.float16]:
    """Return the clean version's features of some pictures, shape (n, channels)."""
    places = {row.path: place for place, row in enumerate(features.rows)}
    return features.values[[places[row.path] for row in rows], 0]
