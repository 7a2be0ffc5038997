"""Cut labelled pictures into slices, and give each slice its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unmask.lab.data.manifest import CAMERA, Row
from unmask.lab.evaluate.bootstrap import Interval, Weights, members, resample, share_interval
from unmask.lab.evaluate.file_bands import FileBands, quality_order, size_order
from unmask.lab.evaluate.metrics import measure_intervals, share
from unmask.model.card import Figure

Mask = NDArray[np.bool_]
SliceKind = Literal[
    "overall", "generator", "source", "category", "shorter side", "JPEG quality",
    "family", "kind", "subject", "camera maker", "publisher",
]  # fmt: skip
FACETS: tuple[SliceKind, ...] = ("family", "kind", "subject", "camera maker", "publisher")
"""Slices by further columns of a manifest, of which ``camera`` names maker and model."""
LEAST_IN_FACET = 10
"""So many pictures make a slice of a facet; what is rarer is left out."""
IN_CARD: tuple[SliceKind, ...] = ("overall", "generator", "source", "category")


@dataclass(frozen=True)
class Slice:
    """Some of the pictures.

    Attributes:
        kind: What they were chosen by.
        name: Of the generator, source, category or band; ``overall`` for all.
        mask: Which pictures, shape (n,).
        against_all: Whether pictures of one label stand against all those of the other, for lack
            of any of their own.
    """

    kind: SliceKind
    name: str
    mask: Mask
    against_all: bool = False

    @property
    def title(self) -> str:
        """``overall``, or kind and name, as in ``generator: stylegan``."""
        return self.name if self.kind == "overall" else f"{self.kind}: {self.name}"


@dataclass(frozen=True)
class SliceFigures:
    """The figures of a slice.

    Attributes:
        slice: Which pictures.
        real: Number of real pictures.
        fake: Number of fakes.
        metrics: By the names of `METRICS`; None where a metric does not exist for want of a label.
        answered: Share of pictures with a verdict other than ``unsure``.
        wrong: Share of wrong verdicts among those; None where there are none.
        accused: Share of the real pictures with the verdict ``fake``; None where there are none.
        found: Share of the fakes with the verdict ``fake``; likewise.
    """

    slice: Slice
    real: int
    fake: int
    metrics: dict[str, Interval | None]
    answered: Interval
    wrong: Interval | None
    accused: Interval | None
    found: Interval | None

    def figure(self) -> Figure:
        """Return what a model card keeps of them."""
        accuracy = self.metrics["accuracy"]
        assert accuracy is not None  # noqa: S101  (no slice is empty)
        return Figure(
            slice=self.slice.title,
            real=self.real,
            fake=self.fake,
            auc=self.metrics["auc"],
            accuracy=accuracy,
            fpr=self.metrics["fpr"],
            fnr=self.metrics["fnr"],
            answered=self.answered,
            wrong=self.wrong,
            accused=self.accused,
            found=self.found,
        )


def figures(
    rows: Sequence[Row], p_fake: NDArray[np.floating], threshold: float, resamples: int = 1000
) -> list[Figure]:
    """Return the figures that a model card keeps: overall, by generator, source and category.

    Args:
        rows: The pictures.
        p_fake: Their probabilities, shape (n,).
        threshold: From this ``p_fake`` on a picture is called fake.
        resamples: Of the bootstrap over groups.
    """
    weights = resample([row.group for row in rows], resamples)
    verdicts = np.where(p_fake >= threshold, "fake", "real").tolist()
    cuts = slices(rows)
    return [one.figure() for one in slice_figures(cuts, rows, p_fake, verdicts, threshold, weights)]


def slice_figures(
    cuts: Sequence[Slice],
    rows: Sequence[Row],
    p_fake: NDArray[np.floating],
    verdicts: Sequence[str],
    threshold: float,
    weights: Weights,
    on_progress: Callable[[int], None] = lambda count: None,
) -> list[SliceFigures]:
    """Compute the figures of slices, each with a 95% interval.

    Args:
        cuts: The slices.
        rows: The pictures.
        p_fake: Their probabilities, shape (n,).
        verdicts: ``real``, ``fake`` or ``unsure`` for each.
        threshold: From this ``p_fake`` on a picture is called fake.
        weights: How often each picture was drawn.
        on_progress: Called with the number of slices just done.
    """
    is_fake = np.array([row.is_fake for row in rows])
    groups = np.array([row.group for row in rows], dtype=object)
    said = np.array(verdicts)
    sure, right = said != "unsure", (said == "fake") == is_fake
    result = []
    for cut in cuts:
        part, mask = weights[:, cut.mask], cut.mask
        own = groups[mask].tolist()
        answered = share_interval(share(part, sure[mask]), int(members(own).max()) + 1)
        assert answered is not None  # noqa: S101  (no slice is empty)
        result.append(
            SliceFigures(
                slice=cut,
                real=int(np.sum(~is_fake[mask])),
                fake=int(np.sum(is_fake[mask])),
                metrics=measure_intervals(is_fake[mask], p_fake[mask], threshold, part, own),
                answered=answered,
                wrong=share_among(weights, groups, cut.mask & sure, ~right),
                accused=share_among(weights, groups, cut.mask & ~is_fake, said == "fake"),
                found=share_among(weights, groups, cut.mask & is_fake, said == "fake"),
            )
        )
        on_progress(1)
    return result


def share_among(
    weights: Weights, groups: NDArray[np.object_], among: Mask, hits: Mask
) -> Interval | None:
    """Return the share of ``hits`` among some of the pictures; None where there are none."""
    if not among.any():
        return None
    count = int(members(groups[among].tolist()).max()) + 1
    return share_interval(share(weights[:, among], hits[among]), count)


def slices(rows: Sequence[Row], bands: Sequence[FileBands] = ()) -> list[Slice]:
    """Cut pictures by generator, source and category, and by bands where these are given.

    A generator is judged by its fakes against the real pictures of the same sources, so that no
    difference between collections helps; where those have none, against all real pictures.
    """
    is_fake = np.array([row.is_fake for row in rows])
    source = np.array([row.source for row in rows])
    generator = np.array([row.generator for row in rows])
    cuts = [Slice("overall", "overall", np.ones(len(rows), dtype=bool))]
    for name in np.unique(generator[is_fake]):
        fakes = is_fake & (generator == name)
        reals = ~is_fake & np.isin(source, source[fakes])
        alone = not reals.any()
        cuts.append(Slice("generator", str(name), fakes | (~is_fake if alone else reals), alone))
    cuts += _by("source", source.tolist())
    cuts += _by("category", [row.category for row in rows])
    cuts += _by("shorter side", [band.size for band in bands], size_order())
    cuts += _by("JPEG quality", [band.quality for band in bands], quality_order())
    for kind in FACETS:
        cuts += _by_facet(kind, rows, is_fake)
    return cuts


def _by_facet(kind: SliceKind, rows: Sequence[Row], is_fake: Mask) -> Iterator[Slice]:
    """Cut by a further column; what has one label stands against all pictures of the other."""
    column = "camera" if kind == "camera maker" else kind
    values = [row.facet(column) for row in rows]
    if kind == "camera maker":
        values = [value.split(" ")[0] for value in values]
    names = np.array(values)
    for name, count in zip(*np.unique(names, return_counts=True), strict=True):
        if name not in ("", CAMERA) and count >= LEAST_IN_FACET:
            mask = names == name
            labels = set(is_fake[mask].tolist())
            alone = len(labels) == 1
            yield Slice(kind, str(name), mask | (is_fake != labels.pop()) if alone else mask, alone)


def _by(kind: SliceKind, values: Sequence[str], order: Sequence[str] = ()) -> Iterator[Slice]:
    column = np.array(values)
    for name in order or sorted(set(values)):
        mask = column == name
        if name and mask.any():
            yield Slice(kind, name, mask)
