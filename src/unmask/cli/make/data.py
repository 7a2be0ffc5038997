"""``unmask data``: make a manifest of labelled pictures, and audit one."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli.errors import clean_errors, fail
from unmask.cli.progress import counted

if TYPE_CHECKING:
    from unmask.lab.data.index import Index

app = typer.Typer(no_args_is_help=True, help="Make a manifest of labelled pictures, and audit one.")
PROBLEMS_FOUND = 1


@app.command()
def index(
    root: Annotated[
        Path,
        typer.Argument(
            help="A folder with real/ and fake/ (also within train/, validation/, test/), or a CSV."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where to write the manifest.")] = Path("manifest.csv"),
    seed: Annotated[int, typer.Option(help="Of the splits, where the folders give none.")] = 0,
    source: Annotated[
        str | None,
        typer.Option(help="Name of the collection; the folder's if not given.", show_default=False),
    ] = None,
) -> None:
    """Make a manifest of labelled pictures: sizes, near-duplicate groups and splits.

    Exit code 0: a manifest was written; 1: it was, but something was left out as unreadable; 2:
    wrong use.
    """
    from rich.console import Console

    from unmask.cli.make.data_report import index_report

    if out.is_dir() or not out.absolute().parent.is_dir():
        fail(f"a manifest cannot be written to {out}: name a file in a folder that exists.")
    if out.exists() and root.is_file() and out.samefile(root):
        fail(f"{out} would be written over itself; name another file with --out.")
    with clean_errors():
        from unmask.lab.data.index import make_index
        from unmask.lab.data.manifest import write_manifest

        made = make_index(root, source=source, seed=seed, progress=partial(counted, "reading"))
        write_manifest(out, made.rows)
    _warn(made)
    index_report(Console(highlight=False, markup=False), made, out)
    raise typer.Exit(PROBLEMS_FOUND if made.left_out else 0)


@app.command()
def audit(
    manifest: Annotated[Path, typer.Argument(help="A manifest; `unmask data index` makes one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Look for what would flatter a model: leaks between splits, wrong labels, shortcuts.

    Exit code 0: nothing found; 1: problems found; 2: wrong use.
    """
    from rich.console import Console

    from unmask.cli.make.data_report import audit_document, audit_report

    with clean_errors():
        from unmask.lab.data.audit import audit_rows
        from unmask.lab.data.manifest import read_manifest

        rows = read_manifest(manifest)
        with counted("reading", len(rows)) as advance:
            found = audit_rows(rows, manifest.parent, advance)
    if as_json:
        json.dump(audit_document(found, manifest), sys.stdout, indent=2, allow_nan=False)
        sys.stdout.write("\n")
    else:
        audit_report(Console(highlight=False, markup=False), found)
    raise typer.Exit(PROBLEMS_FOUND if found.problems else 0)


def _warn(made: Index) -> None:
    """Say on standard error what was left out or changed."""
    from unmask.verdict.table import printable

    for left_out in made.left_out:
        typer.echo(f"left out {printable(left_out.path)}: {left_out.reason}", err=True)
    warnings = {
        "{} left out as unreadable.": len(made.left_out),
        "{} ignored for lying in no real or fake folder.": made.unlabelled,
        "{} MOVED TO TRAIN: near-duplicates of pictures in another split. Figures on the "
        "original splits are not comparable.": made.moved,
        "{} moved from train to val, because the layout has no validation split.": (
            made.validation_from_train
        ),
        "{} byte for byte the same under both labels; `unmask data audit` names them.": (
            made.contradicting
        ),
    }
    for sentence, count in warnings.items():
        if count:
            pictures = f"{count:,} picture{' was' if count == 1 else 's were'}"
            typer.secho(f"Warning: {sentence.format(pictures)}", err=True, fg="yellow")
