"""``unmask calibrate``: choose views, calibration and the unsure bands on validation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from unmask.cli.errors import clean_errors
from unmask.cli.options import check_file
from unmask.cli.progress import counted

if TYPE_CHECKING:
    from unmask.lab.calibrate.calibrate import Calibrated


def calibrate(
    model: Annotated[
        Path, typer.Argument(help="An ONNX model, its card beside it, or a training run.")
    ],
    data: Annotated[Path, typer.Option(help="The manifest; only its validation split is read.")],
    ensemble: Annotated[
        list[Path] | None,
        typer.Option(
            help="An ONNX model that is to answer together with MODEL; may be repeated.",
            show_default=False,
        ),
    ] = None,
    combine: Annotated[
        Literal["mean", "stack"],
        typer.Option(help="With --ensemble: mean of logits, or a stack fitted on validation."),
    ] = "mean",
    out: Annotated[
        Path | None,
        typer.Option(
            help="With --ensemble: the .ensemble file to write, its card beside it.",
            show_default=False,
        ),
    ] = None,
    most_views: Annotated[
        int,
        typer.Option(
            min=0,
            max=6,
            help="Most views a picture may cost, where the model leaves a choice; 0 keeps them.",
        ),
    ] = 6,
) -> None:
    """Choose views, calibration, unsure bands and category cut, and write them into the card."""
    with clean_errors():
        from unmask.lab.calibrate.calibrate import calibrate, make_ensemble
        from unmask.lab.data.manifest import read_manifest, select
        from unmask.model.ensemble import SUFFIX

        if bool(ensemble) != bool(out):
            raise ValueError("--ensemble and --out go together.")
        if out and out.suffix != SUFFIX:
            raise ValueError(f"--out {out} does not end on {SUFFIX}.")
        check_file("--out", out)
        rows = select(read_manifest(data), "val")
        models = [model, *(ensemble or [])]
        if out:
            with counted("scoring", len(rows) * len(models)) as advance:
                make_ensemble(models, rows, out, combine=combine, on_progress=advance)
        with counted("scoring", len(rows)) as advance:
            done = calibrate(out or model, rows, most_views=most_views, on_progress=advance)
    card = done.card
    console = Console(highlight=False)
    if done.plans:
        console.print(_plans(done))
    figures = card.validation
    if done.calibrations:
        console.print(_calibrations(done))
    else:
        console.print("Too few validation pictures to compare calibrations: Platt scaling.")
    first, *others = card.bands
    console.print(
        f"Real below {first.real_below:.3f}, fake from {first.fake_from:.3f}: "
        f"answers {figures['coverage']:.1%}, {figures['wrong_among_answered']:.1%} of them wrong"
        + (f"; promises at most {first.most_wrong:.0%}." if first.most_wrong else "; no promise.")
    )
    for band in others:
        console.print(
            f"For at most {band.most_wrong:.0%} wrong answers: real below {band.real_below:.3f}, "
            f"fake from {band.fake_from:.3f}."
        )
    console.print(f"Category 'other' under a confidence of {card.category_cut:.3f}.")
    if done.skipped:
        console.print(f"{done.skipped} pictures could not be read and were left out.")


def _plans(done: Calibrated) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("views", "whole", "crops", "AUC"):
        table.add_column(name, justify="right")
    for score in done.plans:
        plan = score.plan
        chosen = "  <- chosen" if plan in done.card.inputs.values() else ""
        whole = "yes" if plan.whole else "no"
        table.add_row(str(plan.count), whole, str(plan.crops), f"{score.auc:.4f}{chosen}")
    return table


def _calibrations(done: Calibrated) -> Table:
    from unmask.lab.calibrate.choose_calibration import choose_calibration

    chosen = choose_calibration(done.calibrations)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("calibration", "log loss", "behind the best", "ECE"):
        table.add_column(name, justify="left" if name == "calibration" else "right")
    for score in done.calibrations:
        behind = f"{score.behind:.4f} ± {score.error:.4f}" if score.behind else ""
        mark = "  <- chosen" if score.name == chosen else ""
        table.add_row(score.name, f"{score.log_loss:.4f}", behind, f"{score.ece:.3f}{mark}")
    table.caption = "on validation pictures that it was not fitted on"
    return table
