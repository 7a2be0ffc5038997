"""Options of the commands that judge videos: which frames, and how they become one answer."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

SamplingOption = Annotated[
    Literal["uniform", "scenes", "every"],
    typer.Option(help="Evenly in time, at changes of scene, or every frame."),
]
RateOption = Annotated[float, typer.Option(min=0.01, help="Frames a second of even sampling.")]
MostOption = Annotated[int, typer.Option(min=1, help="Judge at most so many frames.")]
PoolOption = Annotated[
    Literal["mean", "top", "window"],
    typer.Option(help="From frames to video: mean, mean of the top quarter, or worst window."),
]
