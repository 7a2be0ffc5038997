"""Make a manifest of labelled pictures: open each, group near-duplicates, deal splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from unmask.lab.data.duplicates import cluster
from unmask.lab.data.fingerprint import Fingerprint, fingerprint_files
from unmask.lab.data.layout import LeftOut, find_labelled
from unmask.lab.data.manifest import ManifestError, Row
from unmask.lab.data.splits import SHARES, deal, gather_in_train

Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Given the number of pictures, opens what is called with the number of pictures just done."""


@dataclass
class Index:
    """A manifest in the making, and what its maker should hear.

    Attributes:
        rows: The readable pictures, with size, group and split.
        left_out: Pictures that could not be used, and why.
        unlabelled: How many pictures lie in no real or fake folder.
        had_splits: Whether the layout gave splits.
        moved: Pictures moved to train because a near-duplicate lies in another split.
        validation_from_train: Pictures moved from train to val, where the layout has no val.
        contradicting: Pictures of which a byte-identical copy carries the other label.
    """

    rows: list[Row] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    unlabelled: int = 0
    had_splits: bool = False
    moved: int = 0
    validation_from_train: int = 0
    contradicting: int = 0


def make_index(
    root: Path,
    *,
    source: str | None = None,
    seed: int = 0,
    progress: Progress = lambda total: nullcontext(lambda count: None),
) -> Index:
    """Index a folder or a user's CSV.

    A group is named after the bytes of its pictures, so it keeps its name wherever they lie.

    Args:
        root: The folder or the CSV; see `unmask.lab.data.layout`.
        source: Name of the collection; the name of the folder if not given.
        seed: Of the splits, where the layout gives none.
        progress: Shows how many pictures are read.

    Raises:
        ManifestError: The layout is not known, or no picture can be read.
    """
    found = find_labelled(root, source)
    index = Index(left_out=found.left_out, unlabelled=found.unlabelled, had_splits=found.has_splits)
    prints: list[Fingerprint] = []
    with progress(len(found.rows)) as advance:
        for row, result in zip(found.rows, _fingerprints(found.rows, advance), strict=True):
            if isinstance(result, Fingerprint):
                index.rows.append(replace(row, width=result.width, height=result.height))
                prints.append(result)
            else:
                index.left_out.append(LeftOut(str(row.path), result))
    if not index.rows:
        first = index.left_out[0]
        raise ManifestError(
            f"None of the {len(found.rows)} pictures could be read; the first is {first.path}: "
            f"{first.reason}"
        )
    _name_groups(index, prints)
    index.contradicting = _count_contradicting(index.rows, prints)
    _settle_splits(index, seed)
    return index


def _fingerprints(rows: list[Row], advance: Callable[[int], None]) -> Iterator[Fingerprint | str]:
    for row, result in zip(
        rows, fingerprint_files([row.path for row in rows], advance), strict=True
    ):
        try:
            str(row.path).encode()
        except UnicodeEncodeError:
            yield "The file's name is not UTF-8, so a manifest cannot hold it."
            continue
        yield result if isinstance(result, Fingerprint) else str(result)


def _name_groups(index: Index, prints: list[Fingerprint]) -> None:
    clusters = cluster(prints, known=[row.group for row in index.rows])
    names: dict[int, str] = {}
    for home, found in zip(clusters, prints, strict=True):
        name = found.sha256[:16]
        names[home] = min(name, names.get(home, name))
    index.rows = [
        replace(row, group=names[home]) for row, home in zip(index.rows, clusters, strict=True)
    ]


def _count_contradicting(rows: list[Row], prints: list[Fingerprint]) -> int:
    labels: defaultdict[str, list[str]] = defaultdict(list)
    for row, found in zip(rows, prints, strict=True):
        labels[found.sha256].append(row.label)
    return sum(len(copies) for copies in labels.values() if len(set(copies)) > 1)


def _settle_splits(index: Index, seed: int) -> None:
    if not index.had_splits:
        index.rows = deal(index.rows, seed)
        return
    index.rows, index.moved = gather_in_train(index.rows)
    if not any(row.split == "val" for row in index.rows):
        # Training stops early and calibrates on val, so a layout of train and test needs one.
        share = SHARES["val"] / (SHARES["train"] + SHARES["val"])
        train = [row for row in index.rows if row.split == "train"]
        dealt = deal(train, seed, {"train": 1 - share, "val": share})
        index.rows = dealt + [row for row in index.rows if row.split != "train"]
        index.validation_from_train = sum(row.split == "val" for row in dealt)
