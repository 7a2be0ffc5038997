"""Audit a manifest: what would make a model trained on it look better than it is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unmask.lab.data.duplicates import join, near_pairs, same_key
from unmask.lab.data.fingerprint import Fingerprint, fingerprint_files
from unmask.lab.data.manifest import Row, read_manifest
from unmask.lab.data.shortcuts import Shortcut, find_shortcuts, name_shortcuts
from unmask.lab.data.splits import straddling

ProblemKind = Literal["unreadable", "straddling", "contradiction", "missing label", "shortcut"]


@dataclass(frozen=True)
class AuditProblem:
    """One thing to mend before training.

    Attributes:
        kind: Of problem.
        sentence: What is wrong, in plain words.
        pictures: The pictures concerned, in sets that belong together, as paths.
    """

    kind: ProblemKind
    sentence: str
    pictures: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True)
class Share:
    """How many pictures of one split, source, category and label there are."""

    split: str
    source: str
    category: str
    label: str
    pictures: int


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        pictures: How many the manifest names.
        readable: How many of them could be decoded.
        exact_copies: Pictures that are byte for byte another one of the manifest, whatever split.
        near_copies: Pictures that look like another one, exact copies included.
        twin_groups: Groups that hold both labels, such as a photo and its reconstruction: intended.
        balance: Counts by split, source, category and label.
        shortcuts: All that were measured, the harmless ones too.
        problems: What to mend.
    """

    pictures: int
    readable: int
    exact_copies: int
    near_copies: int
    twin_groups: int
    balance: list[Share]
    shortcuts: list[Shortcut]
    problems: list[AuditProblem]


def audit_manifest(
    manifest: Path, on_progress: Callable[[int], None] = lambda count: None
) -> Audit:
    """Read a manifest and audit it; see `audit_rows`."""
    return audit_rows(read_manifest(manifest), manifest.parent, on_progress)


def audit_rows(
    rows: Sequence[Row], folder: Path, on_progress: Callable[[int], None] = lambda count: None
) -> Audit:
    """Open every picture and look for problems.

    Args:
        rows: The pictures.
        folder: Pictures below it are named relative to it.
        on_progress: Called with the number of pictures just done.
    """
    readable: list[Row] = []
    prints: list[Fingerprint] = []
    unreadable: list[tuple[Row, str]] = []
    found = fingerprint_files([row.path for row in rows], on_progress)
    for row, result in zip(rows, found, strict=True):
        if isinstance(result, Fingerprint):
            readable.append(row)
            prints.append(result)
        else:
            unreadable.append((row, str(result)))

    exact = join(len(prints), same_key([found.sha256 for found in prints]))
    alike = near_pairs([found.perceptual for found in prints])
    near = join(len(prints), [*same_key(exact), *alike])
    together = join(len(prints), [*same_key(near), *same_key([row.group for row in readable])])
    shortcuts = find_shortcuts(readable, prints, together)
    naming = _Naming(folder)
    problems = [
        *_unreadable(unreadable, naming),
        *_straddling_groups(rows, naming),
        *_straddling_copies(readable, exact, near, naming),
        *_contradictions(readable, exact, near, naming),
        *_missing_labels(rows),
        *(AuditProblem("shortcut", shortcut.sentence) for shortcut in name_shortcuts(shortcuts)),
    ]
    return Audit(
        pictures=len(rows),
        readable=len(readable),
        exact_copies=_count_copies(exact),
        near_copies=_count_copies(near),
        twin_groups=_count_twins(rows),
        balance=_balance(rows),
        shortcuts=shortcuts,
        problems=problems,
    )


@dataclass(frozen=True)
class _Naming:
    folder: Path

    def __call__(self, row: Row) -> str:
        inside = row.path.is_relative_to(self.folder)
        return (row.path.relative_to(self.folder) if inside else row.path).as_posix()


def _unreadable(unreadable: Sequence[tuple[Row, str]], naming: _Naming) -> Iterable[AuditProblem]:
    if unreadable:
        yield AuditProblem(
            "unreadable",
            f"{_pictures(len(unreadable))} cannot be read.",
            [[f"{naming(row)}: {reason}"] for row, reason in unreadable],
        )


def _straddling_groups(rows: Sequence[Row], naming: _Naming) -> Iterable[AuditProblem]:
    torn = straddling(rows)
    if torn:
        yield AuditProblem(
            "straddling",
            f"{_count(len(torn), 'group')} of the manifest lie in more than one split: training "
            "refuses them.",
            [_placed(rows, indices, naming) for indices in torn.values()],
        )


def _straddling_copies(
    rows: Sequence[Row], exact: Sequence[int], near: Sequence[int], naming: _Naming
) -> Iterable[AuditProblem]:
    """Name copies across splits, near ones only where no exact one says it already."""
    torn = [cluster for cluster in _clusters(exact) if _differ(rows, cluster, "split")]
    if torn:
        yield AuditProblem(
            "straddling",
            f"{_pictures(sum(map(len, torn)))} have a byte-identical copy in another split: what "
            "was trained on is tested on.",
            [_placed(rows, cluster, naming) for cluster in torn],
        )
    said = {exact[index] for cluster in torn for index in cluster}
    torn = [
        cluster
        for cluster in _clusters(near)
        if _differ(rows, cluster, "split") and not all(exact[index] in said for index in cluster)
    ]
    if torn:
        yield AuditProblem(
            "straddling",
            f"{_pictures(sum(map(len, torn)))} have a near-duplicate in another split: what was "
            "trained on is tested on.",
            [_placed(rows, cluster, naming) for cluster in torn],
        )


def _contradictions(
    rows: Sequence[Row], exact: Sequence[int], near: Sequence[int], naming: _Naming
) -> Iterable[AuditProblem]:
    both = [cluster for cluster in _clusters(exact) if _differ(rows, cluster, "label")]
    if both:
        yield AuditProblem(
            "contradiction",
            f"{_pictures(sum(map(len, both)))} are byte for byte the same under both labels.",
            [_placed(rows, cluster, naming) for cluster in both],
        )
    said = {exact[index] for cluster in both for index in cluster}
    both = [
        cluster
        for cluster in _clusters(near)
        if _has_unintended_pair([rows[index] for index in cluster])
        and not all(exact[index] in said for index in cluster)
    ]
    if both:
        yield AuditProblem(
            "contradiction",
            f"{_pictures(sum(map(len, both)))} have a near-duplicate of the other label in another "
            "group: either a label is wrong, or they are one picture before and after, which one "
            "group should say.",
            [_placed(rows, cluster, naming) for cluster in both],
        )


def _has_unintended_pair(rows: Sequence[Row]) -> bool:
    """Say whether a real and a fake picture look alike without sharing a group."""
    groups = {
        label: {row.group for row in rows if row.label == label} for label in ("real", "fake")
    }
    pairs = ((real, fake) for real in groups["real"] for fake in groups["fake"])
    return any(real != fake or not real for real, fake in pairs)


def _missing_labels(rows: Sequence[Row]) -> Iterable[AuditProblem]:
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        labels[row.split].add(row.label)
    for split, present in labels.items():
        for label in ("real", "fake"):
            if label not in present:
                yield AuditProblem("missing label", f"The split '{split}' has no {label} picture.")


def _count_twins(rows: Sequence[Row]) -> int:
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.group:
            labels[row.group].add(row.label)
    return sum(len(both) == 2 for both in labels.values())


def _balance(rows: Sequence[Row]) -> list[Share]:
    counts = Counter((row.split, row.source, row.category, row.label) for row in rows)
    return [Share(*key, pictures) for key, pictures in sorted(counts.items())]


def _clusters(homes: Sequence[Hashable]) -> list[list[int]]:
    """Return the indices of each cluster of two or more."""
    members: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index, home in enumerate(homes):
        members[home].append(index)
    return [indices for indices in members.values() if len(indices) > 1]


def _count_copies(homes: Sequence[int]) -> int:
    return sum(len(indices) - 1 for indices in _clusters(homes))


def _differ(rows: Sequence[Row], cluster: Sequence[int], what: Literal["split", "label"]) -> bool:
    return len({getattr(rows[index], what) for index in cluster}) > 1


def _placed(rows: Sequence[Row], indices: Sequence[int], naming: _Naming) -> list[str]:
    return [f"{rows[index].split} {rows[index].label}: {naming(rows[index])}" for index in indices]


def _pictures(number: int) -> str:
    return _count(number, "picture")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
