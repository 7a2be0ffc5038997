"""``unmask evaluate --leave-one-...-out``: how far a recipe carries to what it has never seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from unmask.cli.errors import clean_errors
from unmask.cli.make.words import command_line
from unmask.cli.options import check_file, check_folder
from unmask.cli.progress import counted
from unmask.verdict.table import printable

if TYPE_CHECKING:
    from unmask.lab.left_out.folds import Kind
    from unmask.lab.left_out.results import Results

DEFAULT_RECIPE = Path("recipes/leave-one-out/protocol.yaml")


def leave_one_out(
    data: Path,
    kind: Kind,
    recipe: Path,
    tower: Path | None,
    out: Path | None,
    folds: list[Path] | None,
    bootstrap: int,
) -> None:
    """Train and judge the folds, and write ``folds-KIND.json`` and ``.csv``.

    Args:
        data: The manifest.
        kind: What to leave out.
        recipe: What to train.
        tower: CLIP's image tower, for a head beside each network; None for networks alone.
        out: The folder of the folds.
        folds: One more place for the JSON, or none.
        bootstrap: Resamples for the intervals.
    """
    console = Console(highlight=False)
    with clean_errors():
        from unmask.lab.data.manifest import read_manifest
        from unmask.lab.left_out.judge_left_out import run_protocol
        from unmask.lab.left_out.protocol import read_recipe

        if out is None:
            raise ValueError("--leave-one-...-out needs --out, a folder for its networks.")
        check_folder("--out", out)
        if len(folds or []) > 1:
            raise ValueError("--leave-one-...-out writes one file of --folds.")
        for path in folds or []:
            check_file("--folds", path)
        rows = read_manifest(data)
        chosen = read_recipe(recipe)

        def tell(name: str, done: int, total: int, seconds: float) -> None:
            took = f"{seconds:.0f} s" if seconds else "was done before"
            console.print(Text(printable(f"{done}/{total} {name} left out: {took}")))

        kept = None
        if tower is not None:
            from unmask.lab.tower.kept import keep_features

            with counted("looking", len(rows)) as advance:
                kept = keep_features(
                    tower, rows, out / "tower", report=console.print, on_progress=advance
                )
        command = command_line(
            data=Path("$DATA", data.name),
            leave_one_generator_out=kind == "generator",
            leave_one_source_out=kind == "source",
            recipe=recipe,
            tower=tower,
            out=out,
            folds=folds,
            bootstrap=None if bootstrap == 1000 else bootstrap,
        )
        results = run_protocol(
            rows, kind, chosen, out,
            command=command, kept=kept, resamples=bootstrap, on_fold=tell,
        )  # fmt: skip
        for path in (out / f"folds-{kind}.json", *(folds or [])):
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
