"""What ``unmask evaluate`` prints on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from unmask.lab.evaluate.bootstrap import Interval
from unmask.lab.evaluate.costs import Costs
from unmask.lab.evaluate.evaluate import Evaluation
from unmask.lab.evaluate.metrics import METRICS
from unmask.lab.evaluate.slices import SliceFigures
from unmask.lab.evaluate.wording import (
    ABSENT,
    FEW_MARK,
    FEW_NOTE,
    KINDS,
    abstention_sentences,
    against_all_sentence,
    calibration_sentence,
    category_sentences,
    cost_sentences,
    name_of,
    pictures_sentence,
    show,
    threshold_sentence,
    unreadable_sentences,
    unseen_sentence,
)
from unmask.verdict.table import printable, shorten

_NAME_WIDTH = 26
_UNREADABLE_SHOWN = 10


def draw(
    console: Console,
    done: Evaluation,
    costs: Costs | None,
    out: Path | None,
) -> None:
    """Draw an evaluation.

    Args:
        console: Where.
        done: What to draw.
        costs: At the cheapest threshold.
        out: The folder that was written.
    """

    def print_line(sentence: str, style: str = "") -> None:
        console.print(Text(printable(sentence), style=style))

    print_line(f"{done.subject.name} on {pictures_sentence(done)}.")
    print_line(f"{threshold_sentence(done)} In brackets: 95% intervals.")
    console.print(_all_metrics(done))
    print_line(unseen_sentence(done))
    for sentence in (
        *abstention_sentences(done),
        calibration_sentence(done),
        *category_sentences(done),
    ):
        print_line(sentence)
    console.print(_slice_table(done))
    alone = against_all_sentence(done.slices)
    if alone:
        print_line(alone)
    if any(FEW_MARK in name_of(one) for one in done.slices):
        print_line(FEW_NOTE)
    for sentence in cost_sentences(costs) if costs else ():
        print_line(sentence)
    total, *each = unreadable_sentences(done)
    print_line(total, "magenta" if each else "")
    for sentence in each[:_UNREADABLE_SHOWN]:
        print_line(sentence, "magenta")
    if len(each) > _UNREADABLE_SHOWN:
        print_line(f"... and {len(each) - _UNREADABLE_SHOWN} more.", "magenta")
    if out:
        print_line(f"Wrote {out}: report.html, {done.split}.csv, metrics.json and metrics.csv.")


def _all_metrics(done: Evaluation) -> Table:
    """Two metrics a line."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    cells = [
        Text(text)
        for name, metric in METRICS.items()
        for text in (metric.title, show(name, done.overall.metrics[name]))
    ]
    for start in range(0, len(cells), 4):
        table.add_row(*cells[start : start + 4])
    return table


def _slice_table(done: Evaluation) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("", width=_NAME_WIDTH, no_wrap=True)
    for name in ("real", "fake", "AUC", "95%", "FPR", "FNR", "unsure"):
        table.add_column(name, justify="right", no_wrap=True)
    for kind in KINDS:
        chosen = [one for one in done.slices if one.slice.kind == kind]
        if chosen:
            table.add_row(Text(kind, style="bold"))
        for one in chosen:
            table.add_row(*_cells(one))
    return table


def _cells(one: SliceFigures) -> list[Text]:
    auc, fpr, fnr = (one.metrics[name] for name in ("auc", "fpr", "fnr"))
    cells = [
        " " + shorten(printable(name_of(one)), _NAME_WIDTH - 1),
        str(one.real),
        str(one.fake),
        f"{auc[0]:.3f}" if auc else ABSENT,
        f"{auc[1]:.2f}-{auc[2]:.2f}" if auc else ABSENT,
        _short(fpr),
        _short(fnr),
        f"{1 - one.answered[0]:.0%}",
    ]
    return [Text(cell) for cell in cells]


def _short(value: Interval | None) -> str:
    return f"{value[0]:.1%}" if value else ABSENT
