"""``unmask data cache``: decoded pictures for training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.errors import clean_errors
from unmask.cli.progress import counted


def cache(
    manifest: Annotated[Path, typer.Argument(help="A manifest; its test split is left out.")],
    out: Annotated[Path, typer.Option(help="The folder to write, for `unmask train --cache`.")],
    shorter_side: Annotated[
        int, typer.Option(min=32, help="Shrink larger pictures to so many pixels.")
    ] = 512,
) -> None:
    """Decode the pictures of training and validation once, into memory-mapped arrays."""
    with clean_errors():
        from unmask.lab.data.cache import write_cache
        from unmask.lab.data.manifest import read_manifest

        rows = [row for row in read_manifest(manifest) if row.split != "test"]
        with counted("decoding", len(rows)) as advance:
            made = write_cache(rows, out, shorter_side=shorter_side, on_progress=advance)
    typer.echo(f"{out}: {made.pictures:,} pictures, {made.bytes / 1e6:,.0f} MB.")
    if made.unreadable:
        typer.echo(f"{made.unreadable:,} could not be read and are not in it.", err=True)
