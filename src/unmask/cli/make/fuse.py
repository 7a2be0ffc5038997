"""``unmask fuse``: an exported network and CLIP's early blocks become one model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.errors import clean_errors
from unmask.cli.progress import counted


def fuse(
    network: Annotated[Path, typer.Argument(help="An exported model, its card beside it.")],
    tower: Annotated[Path, typer.Option(help="An ONNX export of CLIP ViT-B/16's image tower.")],
    data: Annotated[Path, typer.Option(help="The manifest; its test split is not touched.")],
    out: Annotated[Path, typer.Option(help="The ONNX file to write; its card goes beside it.")],
    about: Annotated[Path, typer.Option(help="JSON with name, licence and intended_use.")],
    features: Annotated[
        Path, typer.Option(help="A folder for what the tower sees; given again, it is not redone.")
    ],
) -> None:
    """Put CLIP's first blocks, made small, beside a network; calibrate the result next."""
    with clean_errors():
        from unmask.lab.data.manifest import read_manifest
        from unmask.lab.tower.build import build
        from unmask.lab.train.export import About

        rows = read_manifest(data)
        with counted("looking", sum(row.split != "test" for row in rows)) as advance:
            card = build(
                network, tower, rows, out,
                folder=features, about=About.read(about), report=typer.echo, on_progress=advance,
            )  # fmt: skip
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB, sha256 {card.sha256[:12]}")
    typer.echo("Not calibrated yet: run `unmask calibrate` next.")
