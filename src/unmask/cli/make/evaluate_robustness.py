"""``unmask evaluate --robustness``: what a model loses when pictures are worn."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from unmask.cli.errors import clean_errors
from unmask.cli.make.words import command_line
from unmask.cli.options import check_file, check_folder
from unmask.cli.progress import counted
from unmask.lab.data.manifest import Split
from unmask.model.calibration import CalibrationName

MOST = 8


def judge_robustness(
    data: Path,
    split: Split,
    model: Path | None,
    out: Path | None,
    markdown: Path | None,
    *,
    calibration: CalibrationName | None,
    tta: bool,
    most: int,
    bootstrap: int,
) -> None:
    """Judge a model under every kind of wear; write and draw what came out.

    Args:
        data: The manifest.
        split: Whose pictures.
        model: Which model; None for the shipped one.
        out: A folder for ``robustness.json``, ``.csv`` and ``.png``, or none.
        markdown: A page to write, its plot beside it, or none.
        calibration: What makes p(fake); None for the card's own.
        tta: Look at more views.
        most: Most pictures of a source and label.
        bootstrap: Resamples for the intervals.
    """
    console = Console(highlight=False)
    with clean_errors():
        from unmask.detector.detector import Detector
        from unmask.lab.data.cap import cap
        from unmask.lab.data.manifest import read_manifest, select
        from unmask.lab.evaluate.answers import check_labels
        from unmask.lab.evaluate.html_report import check_charts
        from unmask.lab.evaluate.models import open_model
        from unmask.lab.worn.files import (
            figures_in_words,
            page,
            stop_sentences,
            write_csv,
            write_json,
            write_plot,
        )
        from unmask.lab.worn.judge_worn import sweep
        from unmask.lab.worn.wear import settings

        if out or markdown:
            check_charts()
        check_folder("--out", out)
        check_file("--markdown", markdown)
        rows = cap(select(read_manifest(data), split), most)
        check_labels(rows, f"the split '{split}'")
        detector = Detector(open_model(model), calibration=calibration, tta=tta)
        with counted("wearing and judging", len(rows) * len(settings())) as advance:
            done = sweep(detector, rows, split=split, resamples=bootstrap, on_progress=advance)
        if out:
            out.mkdir(parents=True, exist_ok=True)
            write_json(done, out / "robustness.json")
            write_csv(done, out / "robustness.csv")
            write_plot(done, out / "robustness.png")
        if markdown:
            command = command_line(
                data=Path("$DATA", data.name),
                robustness=True,
                split=split,
                model=model,
                calibration=calibration,
                tta=tta,
                most=most,
                bootstrap=None if bootstrap == 1000 else bootstrap,
                out=out,
                markdown=markdown,
            )
            plot = markdown.with_suffix(".png")
            write_plot(done, plot)
            markdown.write_text(page(done, command, plot.name), encoding="utf-8", errors="replace")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("wear", "AUC", "FPR", "FNR", "ECE", "answered", "wrong"):
        table.add_column(name, justify="left" if name == "wear" else "right", no_wrap=True)
    for one in done.worn:
        name, *figures = figures_in_words(one)
        # Figures without their intervals, which are in the files.
        table.add_row(*map(Text, (name, *(figure.partition(" ")[0] for figure in figures))))
    console.print(table)
    for sentence in stop_sentences(done):
        console.print(Text(sentence))
