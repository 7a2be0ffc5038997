"""``unmask export``: from a training run to an ONNX model with its card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.errors import clean_errors


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a finished training run.")],
    out: Annotated[Path, typer.Option(help="The ONNX file to write; its card goes beside it.")],
    about: Annotated[
        Path,
        typer.Option(help="JSON with name, licence, intended_use and the sources' licences."),
    ],
) -> None:
    """Export a trained model to ONNX; calibrate it next."""
    with clean_errors():
        from unmask.lab.train.export import About, export

        card = export(run, out, About.read(about))
    size = out.stat().st_size / 1e6
    typer.echo(f"{out}: {size:.1f} MB, opset {card.opset}, sha256 {card.sha256[:12]}")
    typer.echo(
        "Largest difference of a probability from PyTorch's: "
        f"{card.training['parity_max_difference']:.1e}."
    )
    typer.echo("Not calibrated yet: run `unmask calibrate` next.")
