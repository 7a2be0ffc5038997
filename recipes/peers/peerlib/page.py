"""Judge the peers' answers with unmask's own evaluation, and write the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from unmask.lab.evaluate.answers import Answers
from unmask.lab.evaluate.bootstrap import Interval, Values, interval, resample
from unmask.lab.evaluate.slices import SliceFigures, slice_figures, slices
from unmask.lab.evaluate.sweep import Sweep
from unmask.lab.evaluate.wording import ABSENT, FEW, INTERVALS_NOTE, number, percent

_OURS = "unmask"


@dataclass
class Judged:
    """A peer and how good it is.

    Attributes:
        title: Its name in the tables.
        what: What it is, in words.
        facts: Its time, size and notes.
        overall: Figures on all pictures.
        generators: Figures of each generator, by name.
        means: Mean of the generators' AUC in each resample, the first that of the pictures.
    """

    title: str
    what: str
    facts: dict[str, Any]
    overall: SliceFigures | None = None
    generators: dict[str, SliceFigures] = field(default_factory=dict)
    means: Values = field(default_factory=lambda: np.zeros(0))


def judge(peer: Judged, answers: Answers, threshold: float) -> Judged:
    """Give a peer its figures; the same resamples of the pictures for every peer."""
    rows = answers.rows
    weights = resample([row.group for row in rows])
    cuts = [cut for cut in slices(rows) if cut.kind in ("overall", "generator")]
    figures = slice_figures(cuts, rows, answers.p_fake, answers.verdicts, threshold, weights)
    peer.overall = figures[0]
    peer.generators = {one.slice.name: one for one in figures[1:]}
    enough = [one for one in figures[1:] if min(one.real, one.fake) >= FEW] or figures[1:]
    areas = [
        Sweep(
            answers.is_fake[one.slice.mask],
            answers.p_fake[one.slice.mask],
            weights[:, one.slice.mask],
        ).auc()
        for one in enough
    ]
    peer.means = np.mean(areas, axis=0)
    return peer


def page(judged: list[Judged], missing: list[str]) -> str:
    """Return reports/peers/peers.md, the best mean over generators first.

    Args:
        judged: Who answered, unmask among them.
        missing: Who did not.
    """
    ranked = sorted(judged, key=lambda peer: -peer.means[0])
    ours = next(peer for peer in judged if peer.title == _OURS)
    overall = ours.overall
    assert overall is not None
    lines = [
        "# Against other detectors",
        "",
        "    python recipes/peers/peers.py --data $DATA/manifest.csv",
        "",
        f"This command made the page on {datetime.now(UTC):%Y-%m-%d}. All detectors answered the "
        f"same {overall.real} real pictures and {overall.fake} fakes of the test split; all but "
        "sahu65 learnt from the same training split. Their answers are in "
        "`reports/peers/answers/`, one CSV each, and `unmask evaluate --predictions` gives every "
        "other figure of them.",
        "",
        "Sorted by the mean over generators of the AUC (a generator's fakes against the real "
        f"pictures of the same sources; generators with fewer than {FEW} pictures of a label do "
        "not count). Accuracy, FPR (real pictures called fake) and ECE at p(fake) 0.5 for all. "
        "Milliseconds are CPU time on one core, from file to answer, the median of 40 test "
        "pictures; megabytes are what has to be kept to answer. Who has not changed is not asked "
        "again: milliseconds may be of different days and machines. " + INTERVALS_NOTE,
        "",
        "| detector | AUC, mean over generators | unmask is better by | AUC, all | accuracy | "
        "FPR | ECE | ms | MB |",
        "| --- | --- | --- | --- | --- | --- | --- | ---: | ---: |",
        *(_row(peer, ours) for peer in ranked),
        "",
        "*unmask is better by*: the difference of the means on the same resamples; where its "
        "interval holds zero there may be none.",
        "",
        "## AUC for each generator",
        "",
        *_generators(ranked),
        "",
        "## Who they are",
        "",
        *(f"- **{peer.title}**. {peer.what}{_notes(peer)}" for peer in ranked),
        "",
        "The networks were trained for no more than the minutes of CPU time named here: they are "
        "baselines, no more. Every generator of the test split is in the training split, which "
        "helps all but sahu65; [results.md](results.md) says how unmask does on generators that "
        "it has not seen.",
        *(["", f"Not asked when this page was made: {', '.join(missing)}."] if missing else []),
    ]
    return "\n".join(lines) + "\n"


def _row(peer: Judged, ours: Judged) -> str:
    assert peer.overall is not None
    metrics = peer.overall.metrics
    lead = "" if peer is ours else _signed(interval(ours.means - peer.means))
    cells = [
        f"**{peer.title}**" if peer is ours else peer.title,
        number(interval(peer.means)),
        lead or ABSENT,
        number(metrics["auc"]),
        percent(metrics["accuracy"]),
        percent(metrics["fpr"]),
        number(metrics["ece"]),
        f"{peer.facts['milliseconds']:.0f}" if "milliseconds" in peer.facts else ABSENT,
        f"{peer.facts['megabytes']:.2g}" if "megabytes" in peer.facts else ABSENT,
    ]
    return f"| {' | '.join(cells)} |"


def _signed(value: Interval | None) -> str:
    return ABSENT if value is None else f"{value[0]:+.3f} ({value[1]:+.3f} to {value[2]:+.3f})"


def _generators(ranked: list[Judged]) -> list[str]:
    lines = [
        "| generator | real | fake | " + " | ".join(peer.title for peer in ranked) + " |",
        "| --- | ---: | ---: |" + " --- |" * len(ranked),
    ]
    for name, one in ranked[0].generators.items():
        cells = [number(peer.generators[name].metrics["auc"]) for peer in ranked]
        lines.append(f"| {name} | {one.real} | {one.fake} | {' | '.join(cells)} |")
    return lines


def _notes(peer: Judged) -> str:
    notes = [
        f"{name} {value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float)
        else f"{name} {value}"
        for name, value in peer.facts.get("notes", {}).items()
        if name != "sha256"
    ]  # fmt: skip
    return f" ({', '.join(notes)})" if notes else ""
