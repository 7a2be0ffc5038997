"""``unmask video --benchmark``: figures on labelled videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from unmask.video.detector import VideoDetector


def judge_labelled(detector: VideoDetector, table: Path) -> None:
    """Judge the labelled videos of a CSV, and print the figures as JSON.

    Raises:
        ValueError: The list cannot be read, or no video of a label.
    """
    from unmask.lab.evaluate.videos import read_labelled, run_benchmark

    figures = run_benchmark(
        detector, read_labelled(table), lambda sentence: typer.echo(sentence, err=True)
    )
    typer.echo(json.dumps(figures, indent=1))
