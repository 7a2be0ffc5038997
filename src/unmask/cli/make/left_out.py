"""``unmask left-out``: how far a recipe carries to what it has never seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unmask.cli.errors import clean_errors
from unmask.cli.make.repeat_command import command_line
from unmask.cli.options import check_file, check_folder
from unmask.verdict.table import printable

if TYPE_CHECKING:
    from unmask.lab.left_out.results import Results


def left_out(
    kind: Annotated[
        Literal["generator", "source"], typer.Argument(help="What is left out, one at a time.")
    ],
    data: Annotated[Path, typer.Option(help="The manifest.")],
    out: Annotated[Path, typer.Option(help="A folder for the networks and their figures.")],
    recipe: Annotated[
        Path | None,
        typer.Option(
            help="What to train, and on how much; a capped EfficientNet-Lite0 if not given.",
            show_default=False,
        ),
    ] = None,
    folds: Annotated[
        Path | None,
        typer.Option(
            help="Write the figures here too, for `unmask evaluate --folds`.", show_default=False
        ),
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=100, help="Resamples for the intervals.")] = 1000,
) -> None:
    """Train a recipe without each generator or source, and test it on that one."""
    console = Console(highlight=False)
    with clean_errors():
        from unmask.lab.data.manifest import read_manifest
        from unmask.lab.left_out.judge_left_out import run_protocol
        from unmask.lab.left_out.protocol import read_recipe
        from unmask.lab.recipes import LEAVE_ONE_OUT

        check_folder("--out", out)
        check_file("--folds", folds)
        chosen = read_recipe(recipe or LEAVE_ONE_OUT)

        def notify(name: str, done: int, total: int, seconds: float) -> None:
            took = f"{seconds:.0f} s" if seconds else "was done before"
            console.print(Text(printable(f"{done}/{total} {name} left out: {took}")))

        command = command_line(
            f"left-out {kind}",
            data=Path("$DATA", data.name),
            recipe=recipe,
            out=out,
            folds=folds,
            bootstrap=None if bootstrap == 1000 else bootstrap,
        )
        results = run_protocol(
            read_manifest(data), kind, chosen, out,
            command=command, resamples=bootstrap, on_fold=notify,
        )  # fmt: skip
        for path in filter(None, (out / f"folds-{kind}.json", folds)):
            results.write(path)
        results.write_csv(out / f"folds-{kind}.csv")
    _draw(console, results)


def _draw(console: Console, results: Results) -> None:
    from unmask.lab.evaluate.wording import number, percent
    from unmask.lab.left_out.tables import unseen_and_seen

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(f"{results.kind} left out", no_wrap=True)
    for name in ("AUC unseen", "AUC seen", "FPR", "FNR", "ECE"):
        table.add_column(name, justify="right", no_wrap=True)
    for part, seen in unseen_and_seen(results):
        figures = (number(part.auc), number(seen.auc), percent(part.fpr), percent(part.fnr))
        # Figures without their intervals, which are in the files.
        short = (cell.partition(" ")[0] for cell in (*figures, number(part.ece)))
        table.add_row(*map(Text, (printable(part.name), *short)))
    console.print(table)
