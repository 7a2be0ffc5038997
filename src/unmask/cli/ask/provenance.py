"""``unmask provenance``: what files say of themselves, without judging a pixel."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from unmask.cli.errors import clean_errors
from unmask.cli.settings_options import TrustOption


def provenance(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, globs, or - for one file.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a file and line.")
    ] = False,
    trust: TrustOption = None,
) -> None:
    """Say what files tell of themselves: credentials, metadata, marks of generators.

    Exit code 0: all were read; 1: some could not be; 2: wrong use. A file that says nothing is no
    more likely to be a fake than any other.
    """
    from unmask.detector.settings import read_trust
    from unmask.evidence.finding import Finding
    from unmask.evidence.inspect import inspect_file
    from unmask.picture.errors import PictureError
    from unmask.picture.find import STDIN, find_pictures
    from unmask.verdict.table import printable

    failed = False
    with clean_errors():
        trusted = read_trust(trust)
        for found in find_pictures(paths):
            error: str | None = None
            findings: list[Finding] = []
            name = STDIN if isinstance(found, bytes) else str(found)
            try:
                if isinstance(found, PictureError):
                    name = found.name or name
                    raise found
                findings = inspect_file(found, trust=trusted)
            except PictureError as problem:
                error, failed = str(problem), True
            if as_json:
                row = {"path": name, "evidence": [one.to_json() for one in findings]}
                typer.echo(json.dumps({**row, "error": error}))
                continue
            typer.echo(printable(name))
            if error:
                typer.echo(f"  {error}")
            elif not findings:
                typer.echo("  The file says nothing of itself, which speaks for nothing.")
            for one in findings:
                typer.echo(f"  [{one.source}] {one.text}")
    raise typer.Exit(1 if failed else 0)
