"""``unmask evaluate``: judge a model on labelled pictures it has never seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from unmask.cli.errors import clean_errors
from unmask.cli.progress import counted
from unmask.detector.card import Figure, ModelCard


def evaluate(
    data: Annotated[Path, typer.Option(help="The manifest.")],
    split: Annotated[Literal["train", "val", "test"], typer.Option(help="What to judge.")] = "test",
    model: Annotated[
        Path | None,
        typer.Option(help="An ONNX model; the shipped one if not given.", show_default=False),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write a CSV row a picture.", show_default=False)
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write a page of results.", show_default=False)
    ] = None,
    into_card: Annotated[
        bool, typer.Option("--into-card", help="Keep test figures in the model's card.")
    ] = False,
) -> None:
    """Judge a model: AUC, accuracy and error rates, by generator and source, with intervals."""
    with clean_errors():
        from unmask.data.manifest import read_manifest, select
        from unmask.detector.detector import Detector
        from unmask.detector.model import SHIPPED
        from unmask.evaluation.page import results_page
        from unmask.evaluation.run import evaluate, write_predictions

        if into_card and split != "test":
            raise ValueError("a card keeps figures of the test split alone.")
        rows = select(read_manifest(data), split)
        detector = Detector(model)
        with counted("judging", len(rows)) as advance:
            done = evaluate(detector, rows, on_progress=advance)
        if predictions:
            write_predictions(done, predictions)
        if markdown:
            command = f"unmask evaluate --data $DATA/manifest.csv --split {split}"
            command += f" --model {model.name}" if model else ""
            markdown.write_text(
                results_page(done, f"{command} --markdown {markdown.name}", split),
                encoding="utf-8",
            )
        if into_card:
            card = done.card.model_copy(update={"test": tuple(done.figures)})
            card.write(ModelCard.path_for(model or SHIPPED))
    console = Console(highlight=False)
    console.print(_table(done.figures))
    console.print(f"Calibration error {done.ece:.3f}, Brier score {done.brier:.3f}.")
    wrong = f"{done.wrong[0]:.1%} of them wrong" if done.wrong else "none"
    console.print(f"Answered with real or fake: {done.coverage[0]:.1%}, {wrong}.")
    if done.category_accuracy:
        console.print(f"Category right: {done.category_accuracy[0]:.1%}.")
    for verdict in done.unreadable:
        console.print(f"Left out {verdict.path}: {verdict.error}", style="magenta")


def _table(figures: list[Figure]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("slice")
    for name in ("real", "fake", "AUC", "95%", "FPR", "FNR"):
        table.add_column(name, justify="right", no_wrap=True)
    for figure in figures:
        auc = figure.auc
        table.add_row(
            figure.slice,
            str(figure.real),
            str(figure.fake),
            f"{auc[0]:.3f}" if auc else "-",
            f"{auc[1]:.2f}-{auc[2]:.2f}" if auc else "-",
            f"{figure.fpr[0]:.1%}" if figure.fpr else "-",
            f"{figure.fnr[0]:.1%}" if figure.fnr else "-",
        )
    return table
