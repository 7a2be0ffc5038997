"""``unmask evaluate-videos``: judge a model on labelled videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.errors import clean_errors
from unmask.cli.settings_options import with_settings
from unmask.cli.video_options import MostOption, PoolOption, RateOption, SamplingOption
from unmask.detector.settings import DetectorSettings


@with_settings(faces=True, max_megapixels=36.0, max_megabytes=4096.0)
def evaluate_videos(
    table: Annotated[
        Path, typer.Argument(help="A CSV with the columns path, label and, if any, group.")
    ],
    model: Path | None,
    settings: DetectorSettings,
    sampling: SamplingOption = "uniform",
    rate: RateOption = 1.0,
    most: MostOption = 120,
    pool: PoolOption = "mean",
) -> None:
    """Judge a model on labelled videos, and print the figures with intervals as JSON."""
    with clean_errors():
        from unmask.detector.detector import Detector
        from unmask.lab.evaluate.videos import judge_videos, read_labelled
        from unmask.video.detector import VideoDetector
        from unmask.video.frames import VideoLimits
        from unmask.video.sample import SamplingPlan

        videos = read_labelled(table)
        limits = VideoLimits(
            max_bytes=settings.limits.max_bytes, max_pixels=settings.limits.max_pixels
        )
        detector = VideoDetector(
            Detector(model, settings),
            plan=SamplingPlan(sampling, rate, most),
            pool=pool,
            limits=limits,
        )
        figures = judge_videos(detector, videos, lambda sentence: typer.echo(sentence, err=True))
    typer.echo(json.dumps(figures, indent=1))
