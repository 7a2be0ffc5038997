"""``unmask video``: verdicts on moving pictures, with their timelines."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli.errors import clean_errors, fail
from unmask.cli.options import check_folder, check_output
from unmask.cli.progress import video_progress
from unmask.cli.settings_options import with_settings
from unmask.cli.video_options import MostOption, PoolOption, RateOption, SamplingOption
from unmask.detector.settings import DetectorSettings

if TYPE_CHECKING:
    from unmask.video.detector import VideoDetector
    from unmask.video.verdict import VideoVerdict


@with_settings(faces=True, max_megapixels=36.0, max_megabytes=4096.0)
def video(
    files: Annotated[list[Path], typer.Argument(help="Video files.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write timeline.json, .csv, .png and the moments that look most fake to this "
            "folder; of several videos, each to a folder named after it."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a video and line.")
    ] = False,
    sampling: SamplingOption = "uniform",
    rate: RateOption = 1.0,
    most: MostOption = 120,
    pool: PoolOption = "mean",
    max_seconds: Annotated[float, typer.Option(min=1, help="Look at so much of a video.")] = 600.0,
    max_time: Annotated[float, typer.Option(min=1, help="Work so long on a video.")] = 300.0,
    *,
    model: Path | None,
    settings: DetectorSettings,
) -> None:
    """Say of each video whether it is real or made or altered by AI, and where.

    Exit code 0: all were answered; 1: some could not be read; 2: wrong use.
    """
    with clean_errors():
        from unmask.detector.detector import Detector
        from unmask.heatmap.naming import Names
        from unmask.video.detector import VideoDetector
        from unmask.video.frames import VideoLimits
        from unmask.video.sample import SamplingPlan

        if out and find_spec("matplotlib") is None:
            fail("the plot needs Matplotlib; install it with: pip install 'unmask[media]'")
        check_output("--out", out, files)
        check_folder("--out", out)
        if out:
            # Before any long work: a place that cannot be written is known now.
            out.mkdir(parents=True, exist_ok=True)
        detector = VideoDetector(
            Detector(model, settings),
            plan=SamplingPlan(sampling, rate, most),
            pool=pool,
            limits=VideoLimits(
                max_bytes=settings.limits.max_bytes,
                max_seconds=max_seconds,
                max_pixels=settings.limits.max_pixels,
                max_time=max_time,
            ),
        )
        failed = False
        folders = Names(out or Path())
        for path in files:
            found = _answer(detector, path)
            failed |= found.error is not None
            if out and found.error is None:
                from unmask.video.output import write_all

                folder = out if len(files) == 1 else folders.place(str(path), str(path), "found")
                write_all(found, folder, threshold=detector.detector.scale.shown_threshold)
            if as_json:
                typer.echo(json.dumps(found.to_json()))
            else:
                _print(found, out)
    raise typer.Exit(1 if failed else 0)


def _answer(detector: VideoDetector, path: Path) -> VideoVerdict:
    from unmask.picture.errors import PictureError
    from unmask.video.verdict import VideoVerdict

    try:
        with video_progress() as progress:
            return detector.detect(path, progress)
    except PictureError as problem:
        return VideoVerdict(str(path), error=str(problem))


def _print(found: VideoVerdict, out: Path | None) -> None:
    from unmask.verdict.table import printable

    name = printable(found.path)
    if found.error is not None:
        typer.echo(f"{name}: error: {found.error}")
        return
    low, high = found.interval or (0.0, 1.0)
    typer.echo(f"{name}: {found.verdict}, p(fake) {found.p_fake:.4f} ({low:.4f}-{high:.4f})")
    typer.echo(
        f"  {len(found.frames)} frames of {found.duration or 0:.1f} s, {found.width} x "
        f"{found.height}, {found.codec}, in {found.seconds:.1f} s"
    )
    if found.decided_by != "pixels":
        typer.echo(f"  The verdict rests on the file's {found.decided_by}.")
    if found.reason:
        typer.echo(f"  Unsure: {found.reason}.")
    for segment in found.segments:
        typer.echo(
            f"  Looks rather fake from {segment.start:.1f} s to {segment.end:.1f} s: "
            f"p(fake) {segment.p_fake:.4f}"
        )
    long = sorted(found.tracks, key=lambda track: -len(track.times))[:10]
    for track in long:
        judged = (
            f"p(fake) {sum(track.p_fakes) / len(track.p_fakes):.4f}"
            if track.p_fakes
            else ("too small to judge")
        )
        typer.echo(
            f"  Face {track.number}: {track.times[0]:.1f} s to {track.times[-1]:.1f} s in "
            f"{len(track.times)} frames: {judged}"
        )
    for one in found.evidence:
        typer.echo(f"  [{one.source}] {one.text}")
    for note in found.notes:
        typer.echo(f"  {note}")
    if out:
        typer.echo(f"  Timeline and moments: {out}")
