"""The detector of videos: frames in, one verdict out."""

from __future__ import annotations

import heapq
import mmap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unmask.detector.detector import Detector
from unmask.detector.examined import IN_MEMORY
from unmask.evidence.finding import Finding
from unmask.evidence.inspect import inspect_container
from unmask.model.model import ModelOutput
from unmask.picture.decode import Pixels
from unmask.picture.errors import PictureError
from unmask.picture.thumbnail import thumbnail
from unmask.verdict.decide import Call, PictureFacts, Reason, decide, weigh
from unmask.verdict.verdict import FaceVerdict
from unmask.video.frames import DEFAULT_VIDEO_LIMITS, Frame, Video, VideoLimits
from unmask.video.pool import DEFAULT_POOL, POOLS, Pool, find_segments, pooled_interval
from unmask.video.read import read_video
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


class _JudgedFrame(NamedTuple):
    frame: Frame
    pixels: Pixels
    output: ModelOutput
    faces: tuple[FaceVerdict, ...]
    plain: bool


class VideoDetector:
    """Tells real videos from made or altered ones. Safe to share between threads.

    Example::

        from unmask import VideoDetector

        found = VideoDetector().detect("clip.mp4")
        print(found.verdict, found.p_fake, found.interval, found.segments)

    Attributes:
        detector: What judges the frames.
    """

    def __init__(
        self,
        detector: Detector | None = None,
        *,
        plan: SamplingPlan | None = None,
        pool: Pool = DEFAULT_POOL,
        limits: VideoLimits = DEFAULT_VIDEO_LIMITS,
    ) -> None:
        """Prepare.

        Args:
            detector: What judges the frames, with all its settings; where it looks for faces, they
                are followed. None for one with the shipped model that does.
            plan: Which frames are judged; None for one a second.
            pool: How the frames' logits become one.
            limits: What one video may cost. No frame may have more pixels than a picture.
        """
        self.detector = detector or Detector(faces=True)
        self._plan = plan or SamplingPlan()
        self._pool: Pool = pool
        most = min(limits.max_pixels, self.detector.settings.limits.max_pixels)
        self._limits = replace(limits, max_pixels=most)

    def detect(self, file: str | Path | bytes, progress: Progress | None = None) -> VideoVerdict:
        """Answer for one video.

        Args:
            file: A path, or the file's bytes.
            progress: Told how far the work is.

        Raises:
            PictureError: The video cannot be read.
        """
        started = time.monotonic()
        video = read_video(file, self._limits)
        tracker, moments = Tracker(), _Moments()
        outputs: list[ModelOutput] = []
        frames: list[FrameVerdict] = []
        scale, shows_faces = self.detector.scale, self.detector.settings.faces
        height, width, plain = 0, 0, True
        for one in self._judged(video, progress):
            at, faces, output = one.frame.time, one.faces, one.output
            p_fake = float(scale.p_fake(output.logit))
            outputs.append(output)
            frames.append(
                FrameVerdict(
                    at, one.frame.number, p_fake, output.logit, faces if shows_faces else ()
                )
            )
            tracker.add(at, [face.box for face in faces], [face.p_fake for face in faces])
            moments.offer(at, p_fake, one.pixels)
            height, width = one.pixels.shape[:2]
            plain = plain and one.plain
        if not frames:
            raise PictureError("No frame of the video could be judged within its limits.")
        logits = np.array([output.logit for output in outputs])
        judged = scale.judged(logits)
        times = np.array([frame.time for frame in frames])
        duration = video.duration or frames[-1].time
        end = min(duration, self._limits.max_seconds)
        pooled = self._pooled(outputs)
        of_faces = [float(np.mean(track.p_fakes)) for track in tracker.tracks if track.p_fakes]
        facts = PictureFacts(width, height, plain=plain, face_p_fakes=of_faces)
        alone = decide(scale.card, pooled, facts, (), scale.settings)
        call: Call = alone.call
        reason: Reason | None = alone.reason
        fake_from = scale.judged_band.fake_from
        if call == "real" and not alone.forced and find_segments(times, judged, fake_from, end):
            # A short fake in a long video hardly moves the mean.
            call, reason = "unsure", "a stretch looks made"
            video.notes.append(_A_STRETCH)
        evidence = self._evidence(file, video)
        call, decided_by = weigh(call, evidence, forced=alone.forced)
        low, high = scale.p_fake(np.array(pooled_interval(logits, self._pool))).tolist()
        p_fakes = np.array([frame.p_fake for frame in frames])
        return VideoVerdict(
            path=IN_MEMORY if isinstance(file, bytes) else str(file),
            verdict=call,
            p_fake=alone.p_fake,
            interval=(low, high),
            pool=self._pool,
            decided_by=decided_by,
            reason=reason if call == "unsure" else None,
            duration=duration,
            width=width,
            height=height,
            codec=video.codec,
            frames_judged=len(frames),
            segments=tuple(find_segments(times, judged, scale.threshold, end, p_fakes)),
            tracks=tuple(tracker.tracks) if shows_faces else (),
            moments=moments.found(),
            evidence=evidence,
            notes=tuple(dict.fromkeys(video.notes)),
            frames=tuple(frames),
            seconds=time.monotonic() - started,
        )

    def _judged(self, video: Video, progress: Progress | None) -> Iterator[_JudgedFrame]:
        """Judge the sampled frames, a few at a time: memory does not grow with the video."""
        chosen = sample(video, self._plan)
        while batch := list(islice(chosen, _BATCH)):
            pixels = [frame.pixels() for frame in batch]
            examined = [self.detector.examine(one) for one in pixels]
            outputs = self.detector.model.answer([one.views for one in examined])
            for frame, one, picture, output in zip(batch, pixels, examined, outputs, strict=True):
                plain = picture.facts.plain
                yield _JudgedFrame(frame, one, output, picture.judged_faces, plain)
            if progress:
                progress(batch[-1].time, video.duration)

    def _pooled(self, outputs: Sequence[ModelOutput]) -> ModelOutput:
        """Return what the model says of the video, as if its frames were views of one picture."""
        logits = np.array([output.logit for output in outputs])
        graphic = [one.graphic_logit for one in outputs if one.graphic_logit is not None]
        return ModelOutput(
            logit=float(POOLS[self._pool](logits)),
            category_logits=np.mean([output.category_logits for output in outputs], axis=0),
            view_logits=logits.astype(np.float32),
            graphic_logit=float(np.mean(graphic)) if graphic else None,
        )

    def _evidence(self, file: str | Path | bytes, video: Video) -> tuple[Finding, ...]:
        settings = self.detector.settings
        if not settings.provenance:
            return ()
        if isinstance(file, bytes):
            return tuple(inspect_container(file, video.texts, trust=settings.trust))
        # Mapped and not read: a video's size is no memory.
        with (
            suppress(OSError, ValueError),
            Path(file).open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            return tuple(inspect_container(data, video.texts, trust=settings.trust))
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
        heapq.heappush(self._heap, (p_fake, at, thumbnail(pixels, _MOMENT_SIDE)))
        if len(self._heap) > _MOMENTS:
            heapq.heappop(self._heap)

    def found(self) -> tuple[Moment, ...]:
        """Return them, the most suspicious first."""
        return tuple(Moment(at, p, jpeg) for p, at, jpeg in sorted(self._heap, reverse=True))
