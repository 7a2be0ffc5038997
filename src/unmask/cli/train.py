"""``unmask train``: train a network on a manifest."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.errors import clean_errors


def train(
    data: Annotated[Path, typer.Option(help="The manifest; its test split is never read.")],
    out: Annotated[Path, typer.Option(help="The run's folder; an interrupted run resumes.")],
    config: Annotated[
        Path | None, typer.Option(help="A YAML file of settings.", show_default=False)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="Settings that win over the file, as in epochs=5 views.size=128."),
    ] = None,
) -> None:
    """Train a network with a real/fake head and a category head."""
    with clean_errors():
        from unmask.data.manifest import read_manifest
        from unmask.training.config import read_config
        from unmask.training.run import train

        chosen = read_config(config, settings or [])
        best = train(read_manifest(data), out, chosen, progress=sys.stderr.isatty())
    typer.echo(f"The best weights are in {best}; `unmask export {out}` makes a model of them.")
