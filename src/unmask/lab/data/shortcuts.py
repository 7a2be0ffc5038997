"""How far a label can be told without looking at the picture: from its file, its kind, its source.

A detector trained on pictures whose labels differ in such a thing may learn that thing, look good
on the test split, and fail on any picture that was saved otherwise.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.lab.data.fingerprint import Fingerprint
from unmask.lab.data.manifest import Row
from unmask.lab.evaluate.metrics import auc

NAMED_FROM = 0.65
"""A shortcut is named from this AUC on, if chance does not explain it."""
# In standard deviations of a thing that says nothing; so far, since some hundred things are tried.
_CHANCE = 3.5
_FOLDS = 5
_FEWEST = 10
# A rate seen on few pictures is drawn towards the overall rate as if so many more had been seen.
_PRIOR_WEIGHT = 2.0
_SHOWN = 3

Truth = NDArray[np.bool_]
Folds = NDArray[np.int64]
Values = NDArray[np.float64] | list[Hashable]
_Read = Callable[[Row, Any], Hashable]

_WEIGHT = (
    "how a file was saved, or how busy it looks, not what made it; re-encode both labels alike"
)
_SAVING = "how a file was saved instead of what it shows; re-encode both labels alike"
_SIZE = "the size of a picture instead of what it shows; resize or crop both labels alike"
_FORMAT = "the traces of a file format; save both labels in the same one"
_KIND = "what is shown instead of how it was made; give each category as many real as fake"
_ORIGIN = "where a picture was collected; take real and fake from each source alike"


@dataclass(frozen=True, slots=True)
class Shortcut:
    """How well one thing other than the picture's content tells real from fake.

    Attributes:
        name: The thing, such as ``file size``.
        within: Which pictures it was measured on, such as ``source web``; empty for all.
        auc: Out of fold; 0.5 where nothing can be learnt.
        pictures: How many pictures it was measured on.
        found: Whether it is worth a warning.
        evidence: The values of either label, in words.
        advice: What a model can learn from it and what helps, in words.
    """

    name: str
    within: str
    auc: float
    pictures: int
    found: bool
    evidence: str
    advice: str

    @property
    def sentence(self) -> str:
        """The warning, in plain words."""
        name = self.name[0].upper() + self.name[1:]
        return (
            f"{name} alone tells real from fake with AUC {self.auc:.2f}"
            f"{' within ' + self.within if self.within else ''} ({self.evidence}): "
            f"a model can learn {self.advice}."
        )


@dataclass(frozen=True, slots=True)
class _Feature:
    name: str
    read: _Read
    advice: str
    unit: str | None = None
    """For numbers: how a median is written; None for kinds."""


_FEATURES = (
    _Feature("file size", lambda row, found: found.size / 1000, _WEIGHT, "{:,.1f} kB"),
    _Feature(
        "file size per pixel", lambda row, found: found.size / _area(found), _WEIGHT, "{:.2f}"
    ),
    _Feature("pixel count", lambda row, found: _area(found), _SIZE, "{:,.0f}"),
    _Feature("exact size", lambda row, found: f"{found.width} x {found.height}", _SIZE),
    _Feature("file format", lambda row, found: found.format, _FORMAT),
    _Feature(
        "JPEG quality", lambda row, found: found.jpeg and found.jpeg.quality, _SAVING, "{:.0f}"
    ),
    _Feature("JPEG subsampling", lambda row, found: found.jpeg and found.jpeg.subsampling, _SAVING),
    _Feature("JPEG quantisation", lambda row, found: found.jpeg and found.jpeg.tables, _SAVING),
    _Feature("category", lambda row, found: row.category or "none", _KIND),
    _Feature("source", lambda row, found: row.source, _ORIGIN),
)


def _area(found: Fingerprint) -> int:
    return found.width * found.height


def find_shortcuts(
    rows: Sequence[Row], prints: Sequence[Fingerprint], groups: Sequence[Hashable]
) -> list[Shortcut]:
    """Measure every shortcut over all pictures, then within each source and each category.

    Each is the mean over 5 folds, which keep groups whole, of the AUC on pictures held out while
    the direction of a number, or the rate of fakes of a kind, was learnt on the others. JPEG
    settings are measured on the JPEG files alone, so that they do not repeat the format. Splits
    are pooled.

    Args:
        rows: The pictures.
        prints: Their fingerprints.
        groups: For each picture, what near-duplicates share.

    Returns:
        One `Shortcut` for each thing that could be measured; none where pictures are too few.
    """
    measured = []
    for within, chosen in _slices(rows):
        for feature in _FEATURES:
            if not within.startswith(feature.name):
                shortcut = _measure(
                    feature,
                    within,
                    [rows[index] for index in chosen],
                    [prints[index] for index in chosen],
                    [groups[index] for index in chosen],
                )
                measured += [shortcut] if shortcut else []
    return measured


def name_shortcuts(shortcuts: Sequence[Shortcut]) -> list[Shortcut]:
    """Choose which found shortcuts to name: the strongest of each cause, and none twice.

    What holds over all pictures is not said again of each source and category.
    """
    named: dict[tuple[str, str], Shortcut] = {}
    for shortcut in sorted(shortcuts, key=lambda shortcut: -shortcut.auc):
        if shortcut.found:
            named.setdefault((shortcut.advice, shortcut.within), shortcut)
    everywhere = {advice for advice, within in named if not within}
    return [
        shortcut
        for (advice, within), shortcut in named.items()
        if not within or advice not in everywhere
    ]


def _slices(rows: Sequence[Row]) -> list[tuple[str, Sequence[int]]]:
    """Return all rows, and the rows of each source and category where there are several."""
    sources: defaultdict[str, list[int]] = defaultdict(list)
    categories: defaultdict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        sources[f"source {row.source}"].append(index)
        named = f"category {row.category}" if row.category else "pictures without a category"
        categories[named].append(index)
    parts = [part for part in (sources, categories) if len(part) > 1]
    return [("", range(len(rows))), *(item for part in parts for item in sorted(part.items()))]


def _measure(
    feature: _Feature,
    within: str,
    rows: Sequence[Row],
    prints: Sequence[Any],
    groups: Sequence[Hashable],
) -> Shortcut | None:
    """Measure one shortcut, or return None where either label has too few pictures or groups."""
    values = [feature.read(row, found) for row, found in zip(rows, prints, strict=True)]
    kept = [index for index, value in enumerate(values) if value is not None]
    fake = np.array([rows[index].is_fake for index in kept], dtype=np.bool_)
    if min(np.count_nonzero(fake), np.count_nonzero(~fake)) < _FEWEST:
        return None
    chosen = [values[index] for index in kept]
    folds = deal_folds([groups[index] for index in kept], fake)
    if feature.unit is None:
        area, evidence = held_out_auc(chosen, fake, folds), _kinds_in_words(chosen, fake)
    else:
        numbers = np.array(chosen, dtype=np.float64)
        area = held_out_auc(numbers, fake, folds)
        evidence = _numbers_in_words(numbers, fake, feature.unit)
    if np.isnan(area):
        return None
    found = area > NAMED_FROM and area - 0.5 > _CHANCE * chance_spread(fake)
    return Shortcut(feature.name, within, area, len(kept), bool(found), evidence, feature.advice)


def held_out_auc(values: Values, fake: Truth, folds: Folds) -> float:
    """Return the AUC that values reach on pictures held out while their meaning was learnt.

    Taken within each fold and averaged, weighted by pairs: scores of different folds are not
    comparable, since each fold's rates are low where the fold itself has many fakes.

    Args:
        values: One a picture: numbers (an array), scored in the direction that the training folds
            show, or kinds (a list), scored by the rate of fakes among them in the training folds.
        fake: bool (n,).
        folds: Fold of each picture, int (n,).

    Returns:
        In [0, 1]; NaN where no fold has both labels.
    """
    areas, weights = [], []
    for fold in np.unique(folds):
        held, rest = folds == fold, folds != fold
        pairs = int(np.count_nonzero(fake[held])) * int(np.count_nonzero(~fake[held]))
        if pairs == 0 or not rest.any():
            continue
        if isinstance(values, list):
            scores = _rates(values, fake, rest)[held]
        else:
            scores = values[held] * (1 if auc(fake[rest], values[rest]) >= 0.5 else -1)
        areas.append(auc(fake[held], scores))
        weights.append(pairs)
    return float(np.average(areas, weights=weights)) if areas else float("nan")


def deal_folds(groups: Sequence[Hashable], fake: Truth, seed: int = 0) -> Folds:
    """Deal pictures to 5 folds, groups whole, labels spread evenly; int (n,)."""
    members: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    dealt = list(members.values())
    random.Random(seed).shuffle(dealt)
    dealt.sort(key=lambda indices: float(np.mean(fake[indices])))
    folds = np.zeros(len(groups), dtype=np.int64)
    for place, indices in enumerate(dealt):
        folds[indices] = place % _FOLDS
    return folds


def chance_spread(fake: Truth) -> float:
    """Return the standard deviation of the AUC of a thing that says nothing.

    Of Mann and Whitney's U under no difference, without ties, which would make it smaller.
    """
    positives = int(np.count_nonzero(fake))
    negatives = fake.size - positives
    return float(np.sqrt((positives + negatives + 1) / (12 * positives * negatives)))


def _rates(kinds: list[Hashable], fake: Truth, known: Truth) -> NDArray[np.float64]:
    """Return for each picture the rate of fakes of its kind among ``known`` ones."""
    overall = float(np.mean(fake[known]))
    seen, fakes = Counter[Hashable](), Counter[Hashable]()
    for index in np.flatnonzero(known).tolist():
        seen[kinds[index]] += 1
        fakes[kinds[index]] += int(fake[index])
    weight = _PRIOR_WEIGHT
    return np.array([(fakes[kind] + overall * weight) / (seen[kind] + weight) for kind in kinds])


def _numbers_in_words(values: NDArray[np.float64], fake: Truth, unit: str) -> str:
    real = unit.format(np.median(values[~fake]))
    return f"median {real} for real, {unit.format(np.median(values[fake]))} for fake"


def _kinds_in_words(kinds: list[Hashable], fake: Truth) -> str:
    """Name the kinds that lean most to one label, weighted by how many pictures they have."""
    seen, fakes = (
        Counter(kinds),
        Counter(kind for kind, is_fake in zip(kinds, fake.tolist(), strict=True) if is_fake),
    )
    overall = float(np.mean(fake))
    leaning = sorted(seen, key=lambda kind: -abs(fakes[kind] - overall * seen[kind]))
    return "; ".join(f"{kind}: {fakes[kind]:,} of {seen[kind]:,} fake" for kind in leaning[:_SHOWN])
