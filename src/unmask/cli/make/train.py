"""``unmask train``, ``unmask recipes``, ``unmask mine``: make networks from labelled pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.errors import clean_errors
from unmask.cli.progress import counted


def train(
    data: Annotated[Path, typer.Option(help="The manifest; its test split is never read.")],
    out: Annotated[Path, typer.Option(help="The run's folder; an interrupted run resumes.")],
    recipe: Annotated[
        str | None,
        typer.Option(help="A named recipe; `unmask recipes` lists them.", show_default=False),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="A YAML file of settings, instead of a recipe.", show_default=False),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Decoded pictures from `unmask data cache`.", show_default=False),
    ] = None,
    hard: Annotated[
        Path | None,
        typer.Option(
            help="hard.csv of `unmask mine`: draw the hardest pictures more often, as mining.top "
            "and mining.boost say.",
            show_default=False,
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(min=0, help="Cross-validate: train so many times, each on all folds but one."),
    ] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(hidden=True, help="Put in on purpose, as in label_noise=0.2."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="Settings that win over the file, as in epochs=5 views.size=128."),
    ] = None,
) -> None:
    """Train a network to tell real from fake and, if it has two heads, the category."""
    with clean_errors():
        from unmask.lab.data.manifest import read_manifest
        from unmask.lab.recipes import recipe_file
        from unmask.lab.train.config import read_config
        from unmask.lab.train.cross_validation import cross_validate
        from unmask.lab.train.faults import Faults
        from unmask.lab.train.notices import notify
        from unmask.lab.train.train import train

        if recipe and config:
            raise ValueError("Name a recipe or a file of settings, not both.")
        chosen = read_config(recipe_file(recipe) if recipe else config, settings or [])
        faults = Faults.read(fault or [])
        rows, progress = read_manifest(data), sys.stderr.isatty()
        if folds:
            spreads = cross_validate(
                rows, out, chosen, folds,
                progress=progress, cache=cache, hard=hard, faults=faults,
            )  # fmt: skip
            for one in spreads:
                values = ", ".join(f"{value:.4f}" for value in one.values)
                typer.echo(f"{one.name:24}{one.mean:.4f} ± {one.deviation:.4f}  ({values})")
            return
        best = train(rows, out, chosen, progress=progress, cache=cache, hard=hard, faults=faults)
        notify(f"The best weights are in {best}; `unmask export {out}` makes a model of them.")


def recipes() -> None:
    """List the named recipes for `unmask train --recipe`."""
    from unmask.lab.recipes import about, names

    for name in names():
        typer.echo(f"{name:24}{about(name)}")


def mine(
    run: Annotated[Path, typer.Argument(help="The folder of a finished training run.")],
    data: Annotated[Path, typer.Option(help="The manifest; only its training split is read.")],
    out: Annotated[Path, typer.Option(help="Where hard.csv and hard.png go.")],
    shown: Annotated[int, typer.Option(min=1, max=1024, help="Pictures in hard.png.")] = 64,
) -> None:
    """Rank the training pictures by loss, the hardest first, for a look and for retraining."""
    with clean_errors():
        from unmask.lab.data.manifest import read_manifest, select
        from unmask.lab.train.mining import CSV_FILE, GALLERY_FILE, mine, write_hard

        rows = read_manifest(data)
        with counted("asking", len(select(rows, "train"))) as advance:
            hard = mine(run, rows, advance)
        write_hard(hard, out, shown=shown)
        typer.echo(
            f"{len(hard.rows)} pictures ranked; the hardest has loss {hard.losses[0]:.2f}. See "
            f"{out / GALLERY_FILE}; `unmask train --hard {out / CSV_FILE}` draws them more often."
        )
