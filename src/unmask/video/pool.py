"""From the logits of frames to one for the video, with an interval, and to segments in time.

Which pool is the default was measured: bench/video.py, docs/video.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Pool = Literal["mean", "top", "window"]

_TOP_SHARE = 0.25
_WINDOW = 5
_RESAMPLES = 400
_SMOOTHING = 3


def pool_mean(logits: Values) -> Values:
    """Return the mean over the last axis: the video as a whole."""
    return np.asarray(logits.mean(axis=-1))


def pool_top(logits: Values) -> Values:
    """Return the mean of the highest quarter: fakes that fill only part of a video."""
    count = max(1, round(_TOP_SHARE * logits.shape[-1]))
    return np.asarray(np.sort(logits, axis=-1)[..., -count:].mean(axis=-1))


def pool_window(logits: Values) -> Values:
    """Return the highest mean of five frames in a row: a fake stretch, and not single frames."""
    size = min(_WINDOW, logits.shape[-1])
    sums = np.cumsum(np.concatenate([np.zeros((*logits.shape[:-1], 1)), logits], axis=-1), axis=-1)
    return np.asarray((sums[..., size:] - sums[..., :-size]).max(axis=-1) / size)


POOLS: dict[Pool, Callable[[Values], Values]] = {
    "mean": pool_mean,
    "top": pool_top,
    "window": pool_window,
}
DEFAULT_POOL: Pool = "mean"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a video that looks fake.

    Attributes:
        start: Seconds.
        end: Seconds.
        p_fake: Mean over its frames.
    """

    start: float
    end: float
    p_fake: float


def pooled_interval(logits: Values, pool: Pool, seed: int = 0) -> tuple[float, float]:
    """Return a 95% interval of the pooled logit, by a bootstrap over blocks of frames.

    Frames that follow one another are alike, so blocks of about the square root of their number
    are drawn (Kunsch 1989). It says how much the answer hangs on which frames were looked at, and
    not how often the model is wrong.
    """
    count = logits.size
    if count < 2:
        return float(logits[0]), float(logits[0])
    rng = np.random.default_rng(seed)
    block = max(1, round(count**0.5))
    starts = rng.integers(0, count - block + 1, (_RESAMPLES, -(-count // block)))
    places = (starts[..., None] + np.arange(block)).reshape(_RESAMPLES, -1)[:, :count]
    low, high = np.quantile(POOLS[pool](logits[places]), (0.025, 0.975))
    return float(low), float(high)


def find_segments(
    times: Values, judged: Values, threshold: float, end: float, p_fake: Values | None = None
) -> list[Segment]:
    """Return the stretches whose frames, smoothed by a median of three, look fake.

    Each frame stands for the time from halfway to the one before to halfway to the one after.

    Args:
        times: Rising, in seconds.
        judged: What of each frame is held against the threshold.
        threshold: From here on a frame looks fake.
        end: Length of the video in seconds.
        p_fake: Of the frames, as it is shown; None where that is what is judged.
    """
    if times.size == 0:
        return []
    shown = judged if p_fake is None else p_fake
    edges = np.concatenate([[0.0], (times[1:] + times[:-1]) / 2, [max(end, float(times[-1]))]])
    flags = smooth(judged) >= threshold
    bounds = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [
        Segment(float(edges[first]), float(edges[last]), float(shown[first:last].mean()))
        for first, last in zip(bounds[::2], bounds[1::2], strict=True)
    ]


def smooth(values: Values) -> Values:
    """Return the running median of three; the ends keep their values."""
    if values.size < _SMOOTHING:
        return values
    inner = np.median(np.lib.stride_tricks.sliding_window_view(values, _SMOOTHING), axis=-1)
    return np.concatenate([values[:1], inner, values[-1:]])
