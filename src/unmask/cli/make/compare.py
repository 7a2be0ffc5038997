"""``unmask compare``: which of two models is better on the same pictures, if either is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from unmask.cli.errors import clean_errors


def compare(
    own: Annotated[
        Path,
        typer.Argument(help="A CSV with path and p_fake, as `unmask evaluate --out` writes it."),
    ],
    other: Annotated[Path, typer.Argument(help="Another model's on the same pictures.")],
    data: Annotated[Path, typer.Option(help="The manifest.")],
    split: Annotated[Literal["train", "val", "test"], typer.Option(help="What to judge.")] = "test",
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Call fake from here on, in both.")
    ] = 0.5,
    bootstrap: Annotated[int, typer.Option(min=100, help="Resamples for the intervals.")] = 1000,
) -> None:
    """Compare the predictions of two models by paired differences, with intervals."""
    with clean_errors():
        from unmask.lab.data.manifest import read_manifest, select
        from unmask.lab.evaluate.answers import check_answered
        from unmask.lab.evaluate.compare import compare as compare_answers
        from unmask.lab.evaluate.predictions import Predictions
        from unmask.verdict.table import printable

        rows = read_manifest(data)
        judged = select(rows, split)
        ours, theirs = (
            Predictions(path, rows, data.parent).answers(judged, threshold) for path in (own, other)
        )
        check_answered(ours, f"the split '{split}'")
        found = compare_answers(ours, theirs, other.name, threshold, bootstrap)
        typer.echo(
            f"{own.name} on the {found.pictures} pictures of the split '{split}' that both "
            f"answered, both at the threshold {threshold:g}; 95% intervals of a bootstrap over "
            "groups of near-duplicates:"
        )
        for one in found.differences:
            typer.echo(printable(one.sentence(found.name)))
