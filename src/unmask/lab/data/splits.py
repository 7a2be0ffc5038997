"""Deal pictures to splits so that near-duplicates never straddle them."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from unmask.lab.data.manifest import Row, Split

SHARES: Mapping[Split, float] = {"train": 0.70, "val": 0.15, "test": 0.15}


def deal(rows: Sequence[Row], seed: int, shares: Mapping[Split, float] = SHARES) -> list[Row]:
    """Give every row a split, whole groups at a time, stratified by label and by category.

    Groups are shuffled and dealt one after another to the split that lacks most of its share so
    far, separately for real, fake and mixed groups; so both labels, and within them categories,
    come close to the shares. The same rows and seed give the same splits, whatever the order.

    Args:
        rows: Pictures with groups.
        seed: Of the shuffle.
        shares: Share of each split, summing to 1.
    """
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    names = sorted(groups)
    random.Random(seed).shuffle(names)

    homes: dict[str, Split] = {}
    strata: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in names:
        strata[tuple(sorted({row.label for row in groups[name]}))].append(name)
    for stratum in strata.values():
        # One category after another, so that each is dealt out evenly.
        stratum.sort(key=lambda name: min(row.category for row in groups[name]))
        lacking = dict.fromkeys(shares, 0.0)
        for name in stratum:
            size = len(groups[name])
            for split, share in shares.items():
                lacking[split] += share * size
            home = max(lacking, key=lacking.__getitem__)
            lacking[home] -= size
            homes[name] = home
    return [replace(row, split=homes[row.group]) for row in rows]


def straddling(rows: Sequence[Row]) -> dict[str, list[int]]:
    """Return the groups that lie in more than one split, with the indices of their rows."""
    members: defaultdict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        if row.group:
            members[row.group].append(index)
    return {
        group: indices
        for group, indices in members.items()
        if len({rows[index].split for index in indices}) > 1
    }


def gather_in_train(rows: Sequence[Row]) -> tuple[list[Row], int]:
    """Move every group that straddles splits into train as a whole.

    Into train, because a near-duplicate of a training picture in the test split makes a model look
    better than it is.

    Returns:
        The rows, and how many pictures changed split.
    """
    torn = straddling(rows)
    moved = sum(rows[index].split != "train" for indices in torn.values() for index in indices)
    return [replace(row, split="train") if row.group in torn else row for row in rows], moved
