"""The command line."""

from __future__ import annotations

from typing import Annotated

import typer

import unmask
from unmask.cli.ask.detect import detect
from unmask.cli.ask.explain import explain
from unmask.cli.ask.provenance import provenance
from unmask.cli.ask.report import report
from unmask.cli.ask.scan import scan
from unmask.cli.ask.serve import keys, serve
from unmask.cli.ask.video import video
from unmask.cli.make import data
from unmask.cli.make.cache import cache
from unmask.cli.make.calibrate import calibrate
from unmask.cli.make.compare import compare
from unmask.cli.make.evaluate import evaluate
from unmask.cli.make.evaluate_videos import evaluate_videos
from unmask.cli.make.export import export
from unmask.cli.make.inspect import inspect
from unmask.cli.make.left_out import left_out
from unmask.cli.make.quantise import quantise
from unmask.cli.make.robustness import robustness
from unmask.cli.make.train import mine, recipes, train

app = typer.Typer(
    name="unmask",
    help="Is this picture real, or made or altered by AI?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_ASK, _MAKE = "Ask", "Make"
for command in (detect, explain, provenance, video, report, scan, serve):
    app.command(rich_help_panel=_ASK)(command)
app.add_typer(keys, name="keys", rich_help_panel=_ASK)
data.app.command()(cache)
app.add_typer(data.app, name="data", rich_help_panel=_MAKE)
for command in (
    train, recipes, mine, inspect, export, quantise, calibrate, evaluate, evaluate_videos,
    robustness, left_out, compare,
):  # fmt: skip
    app.command(rich_help_panel=_MAKE)(command)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"unmask {unmask.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    app()
