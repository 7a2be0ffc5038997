"""``unmask report``: everything about one file, in one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.errors import clean_errors
from unmask.cli.options import check_file, check_output
from unmask.cli.settings_options import with_settings
from unmask.detector.settings import DetectorSettings


@with_settings(faces=True)
def report(
    file: Annotated[Path, typer.Argument(help="A picture or a video.")],
    model: Path | None,
    settings: DetectorSettings,
    out: Annotated[
        Path | None,
        typer.Option(help="The HTML file; beside the file if not given.", show_default=False),
    ] = None,
) -> None:
    """Write all that can be said of one file into one HTML page, to be printed or filed.

    Exit code 0: the page was written; 2: the file cannot be read, or wrong use.
    """
    with clean_errors():
        from unmask.cli.progress import video_progress
        from unmask.detector.detector import Detector
        from unmask.files import write_whole
        from unmask.report.gather import gather
        from unmask.report.report_page import render

        check_file("--out", out)
        check_output("--out", out, [file])
        target = out or file.with_name(f"{file.name}.report.html")
        detector = Detector(model, settings)
        with video_progress() as progress:
            found = gather(file, detector, progress=progress)
        write_whole(target, render(found))
    verdict = found.picture or found.video
    if verdict is not None:
        typer.echo(f"{target}: {verdict.verdict}, p(fake) {verdict.p_fake or 0:.4f}")
