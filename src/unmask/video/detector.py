"""The detector of videos: frames in, one verdict out."""

from __future__ import annotations

import heapq
import io
import mmap
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from unmask.detector.detector import IN_MEMORY, Detector
from unmask.detector.faces import find_and_cut, judge_cut
from unmask.evidence.finding import Finding
from unmask.evidence.inspect import inspect_container
from unmask.faces.finder import FaceFinder
from unmask.picture.decode import Pixels
from unmask.picture.views import Views, make_views
from unmask.verdict.verdict import FaceVerdict
from unmask.video.pool import DEFAULT_POOL, POOLS, Pool, find_segments, pooled_interval
from unmask.video.read import DEFAULT_VIDEO_LIMITS, Video, VideoLimits, read_video
from unmask.video.sample import SamplingPlan, sample
from unmask.video.track import Tracker
from unmask.video.verdict import FrameVerdict, Moment, VideoVerdict

_BATCH = 4
_MOMENTS = 6
_MOMENT_SIDE = 320
_APART = 1.0
_A_STRETCH = (
    "As a whole it would be called real, but a stretch of it would be called fake by itself: "
    "hence unsure."
)

Progress = Callable[[float, float | None], None]
"""Called with the seconds of the video that are done, and its length where it is known."""


class _Judged(NamedTuple):
    time: float
    number: int
    logit: float
    pixels: Pixels
    faces: tuple[FaceVerdict, ...]


class VideoDetector:
    """Tells real videos from made or altered ones. Safe to share between threads."""

    def __init__(
        self,
        detector: Detector | None = None,
        *,
        plan: SamplingPlan | None = None,
        pool: Pool = DEFAULT_POOL,
        faces: bool = True,
        limits: VideoLimits = DEFAULT_VIDEO_LIMITS,
    ) -> None:
        """Prepare.

        Args:
            detector: What judges the frames; None for one with the shipped model.
            plan: Which frames are judged; None for one a second.
            pool: How the frames' logits become one.
            faces: Whether to find and follow faces.
            limits: What one video may cost.
        """
        self.detector = detector or Detector()
        self._plan = plan or SamplingPlan()
        self._pool: Pool = pool
        self._finder = FaceFinder() if faces else None
        self._limits = limits

    def detect(self, file: str | Path | bytes, progress: Progress | None = None) -> VideoVerdict:
        """Answer for one video.

        Args:
            file: A path, or the file's bytes.
            progress: Told how far the work is.

        Raises:
            PictureError: The video cannot be read.
        """
        started = time.monotonic()
        name = IN_MEMORY if isinstance(file, bytes) else str(file)
        video = read_video(file, self._limits)
        tracker, moments = Tracker(), _Moments()
        probability = self.detector.probability
        logits, frames = [], []
        shape = (0, 0)
        for one in self._judged(video, progress):
            p_fake = float(probability(np.array([one.logit]))[0])
            logits.append(one.logit)
            frames.append(FrameVerdict(one.time, one.number, p_fake, one.logit, one.faces))
            tracker.add(
                one.time, [face.box for face in one.faces], [face.p_fake for face in one.faces]
            )
            moments.offer(one.time, p_fake, one.pixels)
            shape = one.pixels.shape[:2]
        evidence = self._evidence(file, video)
        values = np.array(logits)
        pooled = float(POOLS[self._pool](values))
        p_fake, low, high = probability(
            np.array([pooled, *pooled_interval(values, self._pool)])
        ).tolist()
        duration = video.duration or frames[-1].time
        times = np.array([frame.time for frame in frames])
        banded = self.detector.banded(values)
        end = min(duration, self._limits.max_seconds)
        of_whole = float(self.detector.banded(np.array([pooled]))[0])
        real_below, fake_from = self.detector.real_below, self.detector.fake_from
        if of_whole < real_below < fake_from and find_segments(times, banded, fake_from, end):
            # A short fake in a long video hardly moves the mean.
            of_whole = real_below
            video.notes.append(_A_STRETCH)
        call, decided_by = self.detector.call(of_whole, evidence)
        return VideoVerdict(
            path=name,
            verdict=call,
            p_fake=p_fake,
            interval=(low, high),
            pool=self._pool,
            decided_by=decided_by,
            duration=duration,
            width=shape[1],
            height=shape[0],
            codec=video.codec,
            frames=tuple(frames),
            segments=tuple(find_segments(times, banded, self.detector.threshold, end)),
            tracks=tuple(tracker.tracks),
            moments=moments.found(),
            evidence=evidence,
            notes=tuple(dict.fromkeys(video.notes)),
            seconds=time.monotonic() - started,
        )

    def _judged(self, video: Video, progress: Progress | None) -> Iterator[_Judged]:
        """Judge the sampled frames, a few at a time: memory does not grow with the video."""
        chosen = sample(video, self._plan)
        model = self.detector.model
        while batch := list(islice(chosen, _BATCH)):
            pixels = [frame.pixels() for frame in batch]
            views: list[Views] = [make_views(one, model.card.views) for one in pixels]
            logits, _ = model.answer(views)
            for frame, one, logit in zip(batch, pixels, logits.tolist(), strict=True):
                faces: tuple[FaceVerdict, ...] = ()
                if self._finder:
                    faces = judge_cut(find_and_cut(one, self._finder, model.card.views), model)
                yield _Judged(frame.time, frame.number, logit, one, faces)
            if progress:
                progress(batch[-1].time, video.duration)

    def _evidence(self, file: str | Path | bytes, video: Video) -> tuple[Finding, ...]:
        if not self.detector.reads_provenance:
            return ()
        trust = self.detector.trust
        if isinstance(file, bytes):
            return tuple(inspect_container(file, video.texts, trust=trust))
        # Mapped and not read: a video's size is no memory.
        with (
            suppress(OSError, ValueError),
            Path(file).open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            return tuple(inspect_container(data, video.texts, trust=trust))
        return ()


class _Moments:
    """Keeps small pictures of the frames that look most fake, no two of the same second."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, float, bytes]] = []

    def offer(self, at: float, p_fake: float, pixels: Pixels) -> None:
        """Take a frame, if it is among the most suspicious so far."""
        near = [one for one in self._heap if abs(one[1] - at) < _APART]
        if near and max(near)[0] >= p_fake:
            return
        if not near and len(self._heap) == _MOMENTS and self._heap[0][0] >= p_fake:
            return
        for one in near:
            self._heap.remove(one)
        heapq.heapify(self._heap)
        heapq.heappush(self._heap, (p_fake, at, _small_jpeg(pixels)))
        if len(self._heap) > _MOMENTS:
            heapq.heappop(self._heap)

    def found(self) -> tuple[Moment, ...]:
        """Return them, the most suspicious first."""
        return tuple(Moment(at, p, jpeg) for p, at, jpeg in sorted(self._heap, reverse=True))


def _small_jpeg(pixels: Pixels) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((_MOMENT_SIDE, _MOMENT_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
