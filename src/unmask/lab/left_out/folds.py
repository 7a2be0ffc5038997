"""Which pictures a fold trains on, and which it is judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from unmask.lab.data.cap import cap
from unmask.lab.data.manifest import ManifestError, Row, select
from unmask.lab.evaluate.slices import slices
from unmask.lab.left_out.protocol import Recipe

LeftOutKind = Literal["generator", "source"]
NOTHING = "nothing"
"""Name of the fold that leaves nothing out: what the same capped recipe reaches on the seen."""


@dataclass(frozen=True)
class Part:
    """What a network is judged on: a generator or source.

    Attributes:
        name: Of the generator or source.
        rows: The test pictures: a source's own; a generator's fakes and the real pictures of the
            same sources.
        against_all: Whether a generator's fakes stand against the real pictures of all sources,
            for lack of any in their own.
        also_elsewhere: Of a source: its generators that other sources have in training too.
    """

    name: str
    rows: list[Row]
    against_all: bool
    also_elsewhere: tuple[str, ...]


@dataclass(frozen=True)
class Fold:
    """One model of a protocol.

    Attributes:
        kind: What the protocol leaves out.
        name: Of the generator or source left out, or `NOTHING`.
        rows: Capped rows to train the network on and to validate on.
        parts: What the model is judged on: what was left out; everything where nothing was.
    """

    kind: LeftOutKind
    name: str
    rows: list[Row]
    parts: tuple[Part, ...]

    def may_see(self, row: Row) -> bool:
        """Whether a training or validation picture is no part of what is left out."""
        if self.name == NOTHING:
            return True
        if self.kind == "source":
            return row.source != self.name
        return not row.is_fake or row.generator != self.name


def make_folds(rows: Sequence[Row], kind: LeftOutKind, recipe: Recipe) -> list[Fold]:
    """Return one fold with nothing left out, then one without each generator or source tested.

    A left-out generator's fakes leave training and validation. The real pictures of its sources
    stay, those that are twins of left-out fakes included: they are real pictures as any other. A
    left-out source leaves with all its pictures. No test picture has a near-duplicate in training,
    as groups never straddle splits.

    Args:
        rows: A manifest's rows.
        kind: What to leave out.
        recipe: Gives the caps.

    Raises:
        ManifestError: A split is empty, or fewer than two generators or sources can be left out.
    """
    test = select(rows, "test")
    seen = cap(select(rows, "train"), recipe.train_pictures)
    seen += cap(select(rows, "val"), recipe.val_pictures)
    train = [row for row in seen if row.split == "train"]
    parts = []
    for cut in slices(test):
        if cut.kind == kind:
            chosen = [test[place] for place in np.flatnonzero(cut.mask)]
            own = {row.generator for row in chosen if row.is_fake}
            others = {row.generator for row in train if row.source != cut.name}
            also = tuple(sorted(own & others)) if kind == "source" else ()
            parts.append(Part(cut.name, chosen, cut.against_all, also))
    if len(parts) < 2:
        raise ManifestError(f"The test split has fewer than two {kind}s; none can be left out.")
    folds = [Fold(kind, NOTHING, seen, tuple(parts))]
    for part in parts:
        empty = Fold(kind, part.name, [], (part,))
        folds.append(replace(empty, rows=[row for row in seen if empty.may_see(row)]))
    return folds
