"""``unmask report``: everything about one file, in one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.errors import clean_errors, fail
from unmask.cli.options import ModelFile, TrustList


def report(
    file: Annotated[Path, typer.Argument(help="A picture or a video.")],
    out: Annotated[
        Path | None,
        typer.Option(help="The HTML file; beside the file if not given.", show_default=False),
    ] = None,
    model: ModelFile = None,
    trust: TrustList = None,
) -> None:
    """Write all that can be said of one file into one HTML page, to be printed or filed.

    Exit code 0: the page was written; 2: the file cannot be read, or wrong use.
    """
    with clean_errors():
        from unmask.cli.progress import video_progress
        from unmask.detector.detector import Detector
        from unmask.evidence.credentials import read_trust_list
        from unmask.report.gather import gather
        from unmask.report.report_page import render

        if out and not out.absolute().parent.is_dir():
            fail(f"there is no folder {out.absolute().parent} to write the report to.")
        target = out or file.with_name(f"{file.name}.report.html")
        trusted = read_trust_list(trust) if trust else None
        detector = Detector(model, trust=trusted, faces=True)
        with video_progress() as progress:
            found = gather(file, detector, progress=progress)
        target.write_text(render(found), encoding="utf-8")
    verdict = found.picture or found.video
    if verdict is not None:
        typer.echo(f"{target}: {verdict.verdict}, p(fake) {verdict.p_fake or 0:.3f}")
