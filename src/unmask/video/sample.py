"""Choose which frames of a video are judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from unmask.video.frames import Frame, Video

Sampling = Literal["uniform", "scenes", "every"]

_FEWEST = 8
_GREY = (32, 18)
# Mean difference of grey values, 0-255, between frames a moment apart, from which a scene is new.
_CUT = 24.0
_COMPARE_EVERY = 0.12
_AFTER_CUT = 0.2
_LONGEST_GAP = 4.0
_EPSILON = 1e-3


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """How frames are chosen.

    Attributes:
        kind: ``uniform``: evenly in time. ``scenes``: shortly after each cut, and every four
            seconds within a scene. ``every``: each frame.
        rate: Frames a second, of ``uniform``.
        most: So many frames are judged at most; ``uniform`` spreads them over the whole video.
    """

    kind: Sampling = "uniform"
    rate: float = 1.0
    most: int = 120


def sample(video: Video, plan: SamplingPlan) -> Iterator[Frame]:
    """Yield the frames to judge, in order, as the video is decoded."""
    chosen = {"uniform": _uniform, "scenes": _scenes, "every": _every}[plan.kind](video, plan)
    for count, frame in enumerate(chosen):
        if count == plan.most:
            video.notes.append(f"Only {plan.most} frames were judged.")
            return
        yield frame


def _every(video: Video, plan: SamplingPlan) -> Iterator[Frame]:
    yield from video.frames


def _uniform(video: Video, plan: SamplingPlan) -> Iterator[Frame]:
    step = 1 / plan.rate
    if video.duration:
        # A short clip gets a few frames at least, and a long one no more than it may have.
        step = min(step, video.duration / _FEWEST)
        step = max(step, video.duration / plan.most)
    # From the middle of the first interval on, so that each frame stands for what is around it.
    due = step / 2 if video.duration else 0.0
    taken = 0
    last = None
    for frame in video.frames:
        last = frame
        if frame.time < due - _EPSILON:
            continue
        yield frame
        last = None
        taken += 1
        if video.duration is None and taken % (plan.most // 4 or 1) == 0:
            # Nobody knows how long it lasts: the farther, the wider the steps.
            step *= 2
        due = max(due + step, frame.time + step / 2)
    if taken == 0 and last is not None:
        yield last


def _scenes(video: Video, plan: SamplingPlan) -> Iterator[Frame]:
    before: np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None = None
    compared, due = -1.0, 0.0
    for frame in video.frames:
        if frame.time - compared >= _COMPARE_EVERY:
            compared = frame.time
            grey = frame.grey(*_GREY).astype(np.float64)
            if before is not None and float(np.abs(grey - before).mean()) > _CUT:
                due = min(due, frame.time + _AFTER_CUT)
            before = grey
        if frame.time >= due - _EPSILON:
            yield frame
            due = frame.time + _LONGEST_GAP
