"""Sum up a scan: counts, rates, errors by kind, and the most suspicious pictures."""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow.parquet as pq

from unmask.scan.ledger import Ledger
from unmask.scan.rows import ScanRow

BINS = 20
_MOST_KINDS = 50
_NUMBER = re.compile(r"\d[\d.,]*")


@dataclass
class Suspect:
    """A picture with a high p(fake).

    Attributes:
        path: Its name.
        p_fake: What the pixels say.
        category: What it shows.
        place: Its number in the listing.
    """

    path: str
    p_fake: float
    category: str | None
    place: int


@dataclass
class ScanSummary:
    """What a scan found.

    Attributes:
        inputs: Rows.
        answered: Rows with a verdict.
        errors: Rows with an error.
        duplicates: Rows whose bytes another input had.
        bytes: Read.
        verdicts: Rows by verdict.
        categories: Rows by category.
        decided_by: Rows by what the verdict rests on.
        errors_by_kind: Rows by error; numbers in the sentence are written as N.
        histogram: Rows by p(fake), in bins of 0.05.
        histogram_by_category: The same for each category.
        model: SHA-256 of the model's file.
        this_run: Of the last start alone: files, seconds, files a second, worker deaths.
        suspects: The highest p(fake) among those not called real, each content once.
    """

    inputs: int = 0
    answered: int = 0
    errors: int = 0
    duplicates: int = 0
    bytes: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    categories: dict[str, int] = field(default_factory=dict)
    decided_by: dict[str, int] = field(default_factory=dict)
    errors_by_kind: dict[str, int] = field(default_factory=dict)
    histogram: list[int] = field(default_factory=lambda: [0] * BINS)
    histogram_by_category: dict[str, list[int]] = field(default_factory=dict)
    model: str | None = None
    this_run: dict[str, float] = field(default_factory=dict)
    suspects: list[Suspect] = field(default_factory=list)

    def sentence(self) -> str:
        """Return the summary in one line."""
        said = ", ".join(
            f"{self.verdicts.get(call, 0):,} {call}" for call in ("real", "fake", "unsure")
        )
        errors = f", {self.errors:,} error{'s' * (self.errors != 1)}" if self.errors else ""
        known = f" ({self.duplicates:,} of them duplicates)" if self.duplicates else ""
        run = self.this_run
        return (
            f"{self.inputs:,} inputs{known}: {said}{errors}; {run['files']:,.0f} of them now, in "
            f"{run['seconds']:.1f} s ({run['files_per_second']:.1f} a second)."
        )


def sum_up(ledger: Ledger, suspects: int) -> ScanSummary:
    """Read all rows once."""
    found, kinds = ScanSummary(), Counter[str]()
    counters = {name: Counter[str]() for name in ("verdict", "category", "decided_by")}
    highest: list[tuple[float, int, Suspect]] = []
    for place, row in enumerate(_rows(ledger)):
        found.inputs += 1
        found.bytes += row["bytes"] or 0
        found.duplicates += row["duplicate_of"] is not None
        found.model = row["model"]
        if row["error"] is not None:
            found.errors += 1
            kinds[_NUMBER.sub("N", row["error"])] += 1
            continue
        found.answered += 1
        for name, counter in counters.items():
            counter[row[name]] += 1
        p_fake = float(row["p_fake"])
        number = min(BINS - 1, int(p_fake * BINS))
        found.histogram[number] += 1
        of_category = found.histogram_by_category.setdefault(row["category"], [0] * BINS)
        of_category[number] += 1
        if suspects and row["duplicate_of"] is None and row["verdict"] != "real":
            # Of equals the first in the listing stays.
            entry = (p_fake, -place, Suspect(row["path"], p_fake, row["category"], place))
            push = heapq.heappush if len(highest) < suspects else heapq.heappushpop
            push(highest, entry)
    found.verdicts, found.categories, found.decided_by = (
        dict(counter.most_common()) for counter in counters.values()
    )
    found.errors_by_kind = dict(kinds.most_common(_MOST_KINDS))
    found.suspects = [suspect for *_, suspect in sorted(highest, reverse=True)]
    return found


_READ = (
    "path", "bytes", "verdict", "p_fake", "category", "decided_by", "error", "duplicate_of",
    "model",
)  # fmt: skip


def _rows(ledger: Ledger) -> Iterator[ScanRow]:
    for file in ledger.files():
        yield from pq.read_table(file, columns=list(_READ), partitioning=None).to_pylist()
