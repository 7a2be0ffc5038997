"""``unmask robustness``: what a model loses when pictures were compressed, resized and the like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unmask.cli.errors import clean_errors
from unmask.cli.make.repeat_command import changed_settings, command_line
from unmask.cli.options import check_file, check_folder
from unmask.cli.progress import counted
from unmask.cli.settings_options import with_settings
from unmask.detector.settings import DetectorSettings


@with_settings()
def robustness(
    data: Annotated[Path, typer.Option(help="The manifest.")],
    model: Path | None,
    settings: DetectorSettings,
    split: Annotated[Literal["train", "val", "test"], typer.Option(help="What to judge.")] = "test",
    most: Annotated[
        int, typer.Option(min=1, help="At most so many pictures of a source and label.")
    ] = 8,
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for robustness.json, .csv and .png.", show_default=False),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(help="Write a page of results, its plot beside it.", show_default=False),
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=100, help="Resamples for the intervals.")] = 1000,
) -> None:
    """Judge a model on pictures degraded by compression, resizing, noise and more."""
    console = Console(highlight=False)
    with clean_errors():
        from unmask.detector.detector import Detector
        from unmask.files import write_whole
        from unmask.lab.data.cap import cap
        from unmask.lab.data.manifest import read_manifest, select
        from unmask.lab.evaluate.answers import check_labels
        from unmask.lab.evaluate.html_report import check_charts
        from unmask.lab.robustness.degradations import degradations
        from unmask.lab.robustness.judge_robustness import judge_robustness
        from unmask.lab.robustness.robustness_files import (
            figures_in_words,
            robustness_page,
            stop_sentences,
            write_plot,
            write_robustness_csv,
            write_robustness_json,
        )

        if out or markdown:
            check_charts()
        check_folder("--out", out)
        check_file("--markdown", markdown)
        rows = cap(select(read_manifest(data), split), most)
        check_labels(rows, f"the split '{split}'")
        detector = Detector(model, settings)
        with counted("degrading and judging", len(rows) * len(degradations())) as advance:
            done = judge_robustness(
                detector, rows, split=split, resamples=bootstrap, on_progress=advance
            )
        if out:
            out.mkdir(parents=True, exist_ok=True)
            write_robustness_json(done, out / "robustness.json")
            write_robustness_csv(done, out / "robustness.csv")
            write_plot(done, out / "robustness.png")
        if markdown:
            command = command_line(
                "robustness",
                data=Path("$DATA", data.name),
                split=split,
                model=model,
                **changed_settings(settings),
                most=most,
                bootstrap=None if bootstrap == 1000 else bootstrap,
                out=out,
                markdown=markdown,
            )
            plot = markdown.with_suffix(".png")
            write_plot(done, plot)
            write_whole(markdown, robustness_page(done, command, plot.name))
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("degradation", "AUC", "FPR", "FNR", "ECE", "answered", "wrong"):
        table.add_column(name, justify="left" if name == "degradation" else "right", no_wrap=True)
    for one in done.degraded:
        name, *figures = figures_in_words(one)
        # Figures without their intervals, which are in the files.
        table.add_row(*map(Text, (name, *(figure.partition(" ")[0] for figure in figures))))
    console.print(table)
    for sentence in stop_sentences(done):
        console.print(Text(sentence))
