"""A scan's page: one self-contained file of HTML, no script, no link, no network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path

from unmask.files import write_whole
from unmask.picture.decode import Limits, decode
from unmask.picture.errors import PictureError
from unmask.picture.thumbnail import thumbnail
from unmask.report.html import document, image, table
from unmask.scan.item_reader import ItemReader
from unmask.scan.items import Item
from unmask.scan.ledger import Ledger
from unmask.scan.monitor import ScanMonitor
from unmask.scan.plan import Plan
from unmask.scan.scan_settings import ScanSettings
from unmask.scan.summary import BINS, ScanSummary, sum_up
from unmask.verdict.table import printable

_SIDE = 256
_HEIGHT, _BAR = 100, 20


def write_summary(
    folder: Path,
    plan: Plan,
    ledger: Ledger,
    monitor: ScanMonitor,
    settings: ScanSettings,
    *,
    thumbnails: int,
) -> ScanSummary:
    """Read all rows once, and write ``summary.json`` and ``index.html``.

    Args:
        folder: The scan's folder.
        plan: Its inputs.
        ledger: Which files have its rows.
        monitor: What was seen of this run.
        settings: How its pictures are read.
        thumbnails: How many pictures to show.
    """
    seconds = monitor.seconds
    found = sum_up(ledger, thumbnails)
    found.this_run = {
        "files": monitor.done,
        "seconds": round(seconds, 3),
        "files_per_second": round(monitor.done / max(seconds, 1e-9), 3),
        "worker_deaths": monitor.deaths,
        "largest_worker_mib": round(max(monitor.memory.values(), default=0) / 2**20, 1),
    }
    write_whole(folder / "summary.json", json.dumps(asdict(found), indent=2) + "\n")
    write_whole(folder / "index.html", render(found, plan, settings))
    return found


def render(found: ScanSummary, plan: Plan, settings: ScanSettings) -> str:
    """Return the page.

    Args:
        found: What the scan found.
        plan: Its inputs, of which the suspects are read once more for their thumbnails.
        settings: How they are read.
    """
    return document("Scan of unmask", _parts(found, plan, settings))


def _parts(found: ScanSummary, plan: Plan, settings: ScanSettings) -> Iterator[str]:
    yield "<h1>Scan of unmask</h1>"
    yield f"<p>{escape(found.sentence())}</p>"
    yield (
        '<p class="soft">A verdict is a first, fallible opinion and no proof, in neither '
        "direction. Where fakes are rare, most alarms are false ones.</p>"
    )
    run = found.this_run
    yield table(
        ("", ""),
        (
            ("Inputs", f"{found.inputs:,}"),
            ("Answered", f"{found.answered:,}"),
            ("Errors", f"{found.errors:,}"),
            ("Duplicates", f"{found.duplicates:,}"),
            ("Read", f"{found.bytes / 1e6:,.1f} MB"),
            ("Last start", f"{run['files']:,.0f} files in {run['seconds']:,.1f} s, "
             f"{run['files_per_second']:.1f} a second, {run['worker_deaths']:.0f} workers died"),
            ("Model, SHA-256", f"<code>{found.model or ''}</code>"),
        ),
    )  # fmt: skip
    yield from _counts("Verdicts", found.verdicts, found.answered)
    yield from _counts("Categories", found.categories, found.answered)
    yield from _counts("What verdicts rest on", found.decided_by, found.answered)
    yield from _counts(
        "Errors by kind (numbers are written as N)", found.errors_by_kind, found.errors
    )
    yield "<h2>p(fake)</h2>"
    yield '<div class="two">'
    yield _histogram("all answered", found.histogram)
    for category, bins in sorted(found.histogram_by_category.items()):
        yield _histogram(category.replace("_", " "), bins)
    yield "</div>"
    if found.suspects:
        yield "<h2>Most suspicious: the highest p(fake)</h2>"
        yield '<div class="moments">'
        limits = settings.detector.limits
        reader = ItemReader(settings.column, limits)
        for suspect, item in zip(found.suspects, _items(found, plan), strict=True):
            said = f"{printable(suspect.path)}: p(fake) {suspect.p_fake:.3f}"
            shown = _thumbnail(reader, item, limits, said)
            yield f"<figure>{shown}<figcaption>{escape(said)}</figcaption></figure>"
        yield "</div>"


def _counts(title: str, counts: Mapping[str, int], total: int) -> Iterator[str]:
    if counts:
        yield f"<h2>{title}</h2>"
        yield table(
            ("", "files", "share"),
            (
                (escape(name), f"{count:,}", f"{count / total:.1%}")
                for name, count in counts.items()
            ),
        )


def _histogram(title: str, bins: Sequence[int]) -> str:
    highest = max(*bins, 1)
    bars = "".join(
        f'<rect x="{_BAR * place + 1}" y="{_HEIGHT * (1 - count / highest):.2f}" '
        f'width="{_BAR - 2}" height="{_HEIGHT * count / highest:.2f}" fill="var(--real)">'
        f"<title>{place / BINS:.2f} to {(place + 1) / BINS:.2f}: {count:,}</title></rect>"
        for place, count in enumerate(bins)
    )
    said = f"{title}: {sum(bins):,} files, from p(fake) 0 at the left to 1 at the right"
    return (
        f'<figure><svg viewBox="0 0 {_BAR * BINS} {_HEIGHT}" role="img" '
        f'aria-label="{escape(said)}">{bars}</svg>'
        f"<figcaption>{escape(said)}; the highest bar is {max(bins):,}.</figcaption></figure>"
    )


def _items(found: ScanSummary, plan: Plan) -> Iterator[Item]:
    """Yield the suspects' places in the listing, of which blocks are read whole."""
    starts = plan.starts()
    for suspect in found.suspects:
        block = max(number for number, start in enumerate(starts) if start <= suspect.place)
        yield plan.block(block)[suspect.place - starts[block]]


def _thumbnail(reader: ItemReader, item: Item, limits: Limits, said: str) -> str:
    try:
        pixels = decode(reader.read(item), limits)
    except PictureError:
        return "<p>It can no longer be read.</p>"
    return image(thumbnail(pixels, _SIDE, "WEBP", quality=70), "image/webp", said)
