"""``unmask calibrate``: choose views, calibration and the unsure band on validation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from unmask.cli.errors import clean_errors
from unmask.cli.progress import counted

if TYPE_CHECKING:
    from unmask.calibrate.run import Calibrated


def calibrate(
    model: Annotated[
        Path, typer.Argument(help="An exported ONNX model, its card beside it, or a training run.")
    ],
    data: Annotated[Path, typer.Option(help="The manifest; only its validation split is read.")],
    most_views: Annotated[
        int, typer.Option(min=1, max=6, help="Most views a picture may cost.")
    ] = 6,
) -> None:
    """Choose views, calibration, unsure band and category cut, and write them into the card."""
    with clean_errors():
        from unmask.calibrate.run import calibrate
        from unmask.data.manifest import read_manifest, select

        rows = select(read_manifest(data), "val")
        with counted("scoring", len(rows)) as advance:
            done = calibrate(model, rows, most_views=most_views, on_progress=advance)
    card = done.card
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("views", "whole", "crops", "AUC"):
        table.add_column(name, justify="right")
    for score in done.plans:
        chosen = "  <- chosen" if score.plan == card.views else ""
        plan = score.plan
        whole = "yes" if plan.whole else "no"
        table.add_row(str(plan.count), whole, str(plan.crops), f"{score.auc:.4f}{chosen}")
    console = Console(highlight=False)
    console.print(table)
    figures = card.validation
    console.print(_calibrations(done))
    console.print(
        f"Real below {card.real_below:.3f}, fake from {card.fake_from:.3f}: "
        f"answers {figures['coverage']:.1%}, {figures['wrong_among_answered']:.1%} of them wrong"
        + (f"; promises at most {card.most_wrong:.0%}." if card.most_wrong else "; no promise.")
    )
    console.print(f"Category 'other' under a confidence of {card.category_cut:.3f}.")
    if done.skipped:
        console.print(f"{done.skipped} pictures could not be read and were left out.")


def _calibrations(done: Calibrated) -> Table:
    from unmask.calibrate.choose import choose_calibration

    chosen = choose_calibration(done.calibrations)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("calibration", "log loss", "behind the best", "ECE"):
        table.add_column(name, justify="left" if name == "calibration" else "right")
    for score in done.calibrations:
        behind = f"{score.behind:.4f} ± {score.error:.4f}" if score.behind else ""
        mark = "  <- chosen" if score is chosen else ""
        table.add_row(score.name, f"{score.log_loss:.4f}", behind, f"{score.ece:.3f}{mark}")
    table.caption = "on validation pictures that it was not fitted on"
    return table
