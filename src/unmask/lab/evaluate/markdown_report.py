"""Write an evaluation as a page of Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from unmask.lab.evaluate.costs import Costs
from unmask.lab.evaluate.evaluate import Evaluation
from unmask.lab.evaluate.markdown import bullets, cell, table, text
from unmask.lab.evaluate.metrics import METRICS
from unmask.lab.evaluate.slices import SliceFigures
from unmask.lab.evaluate.wording import (
    FEW_MARK,
    FEW_NOTE,
    IN_TABLES,
    INTERVALS_NOTE,
    KINDS,
    abstention_sentences,
    against_all_sentence,
    calibration_sentence,
    category_sentences,
    cost_sentences,
    headline_sentence,
    name_of,
    percent,
    pictures_sentence,
    show,
    threshold_sentence,
    unreadable_sentences,
    unseen_sentence,
)


def markdown_report(
    done: Evaluation,
    command: str,
    costs: Costs | None = None,
    sections: Sequence[Sequence[str]] = (),
    title: str = "Results",
) -> str:
    """Return the page.

    Args:
        done: What to report.
        command: The command line that makes the page.
        costs: At the cheapest threshold.
        sections: Lines of further sections, each beginning with its heading.
        title: The page's.
    """
    subject = done.subject
    lines = [
        f"# {title}",
        "",
        f"    {command}",
        "",
        f"This command made the page on {datetime.now(UTC):%Y-%m-%d}. It judges "
        f"{text(subject.name)} ({f'exported {subject.created}, ' * bool(subject.created)}"
        f"SHA-256 `{subject.sha256}`) on {pictures_sentence(done)}.",
        "",
        f"{INTERVALS_NOTE} {threshold_sentence(done)}",
        "",
        f"**{text(headline_sentence(done))}**",
        "",
        text(unseen_sentence(done)),
        "",
        "## All pictures",
        "",
        *table(
            ("metric", "value", "meaning"),
            (
                (metric.title, show(name, done.overall.metrics[name]), metric.meaning)
                for name, metric in METRICS.items()
            ),
        ),
        "",
        "## Abstention, calibration, categories, unreadable pictures",
        "",
        *bullets(
            [
                *abstention_sentences(done),
                calibration_sentence(done),
                *category_sentences(done),
                *unreadable_sentences(done),
            ]
        ),
    ]
    if costs:
        lines += ["", "## Costs of errors", "", *bullets(cost_sentences(costs))]
    for section in sections:
        lines += ["", *section]
    for kind, (title, note) in KINDS.items():
        chosen = [one for one in done.slices if one.slice.kind == kind]
        if chosen:
            notes = " ".join(filter(None, (note, text(against_all_sentence(chosen)))))
            lines += ["", f"## {title}", "", notes, "", *_table(chosen, kind)]
    return "\n".join(lines) + "\n"


def _table(chosen: list[SliceFigures], kind: str) -> list[str]:
    titles = [METRICS[name].title for name in IN_TABLES]
    rows = (
        (
            cell(name_of(one)), one.real, one.fake,
            *(show(name, one.metrics[name]) for name in IN_TABLES), percent(one.accused),
            percent(one.found), f"{1 - one.answered[0]:.0%}",
        )
        for one in chosen
    )  # fmt: skip
    names = (kind, "real", "fake", *titles, "real called fake", "fakes found", "unsure")
    lines = table(names, rows, "real|fake")
    if any(FEW_MARK in name_of(one) for one in chosen):
        lines += ["", FEW_NOTE]
    return lines
