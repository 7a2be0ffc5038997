"""The verdict on a video, with its timeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unmask.evidence.finding import Finding
from unmask.verdict.verdict import Call, DecidedBy, FaceVerdict
from unmask.video.pool import Segment
from unmask.video.track import Track

TIMELINE_COLUMNS = ("time", "frame", "p_fake", "faces", "face_p_fake")


@dataclass(frozen=True, slots=True)
class FrameVerdict:
    """What is said of one frame.

    Attributes:
        time: Seconds from the start.
        frame: Number of the frame, from 0.
        p_fake: Calibrated probability in [0, 1] that the frame is made or altered by AI.
        logit: What the model put out, before any calibration.
        faces: The faces found.
    """

    time: float
    frame: int
    p_fake: float
    logit: float
    faces: tuple[FaceVerdict, ...] = ()

    def to_row(self) -> dict[str, float | int | None]:
        """Return the fields of `TIMELINE_COLUMNS`."""
        judged = [face.p_fake for face in self.faces if face.p_fake is not None]
        return {
            "time": round(self.time, 3),
            "frame": self.frame,
            "p_fake": round(self.p_fake, 4),
            "faces": len(self.faces),
            "face_p_fake": round(max(judged), 4) if judged else None,
        }


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame that looks fake, kept to be shown.

    Attributes:
        time: Seconds from the start.
        p_fake: Of the frame.
        jpeg: A small JPEG of it.
    """

    time: float
    p_fake: float
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class VideoVerdict:
    """The answer for one video; either ``error`` is set or there are frames.

    Attributes:
        path: The video's name as it was given.
        verdict: ``real``, ``fake`` or ``unsure``.
        p_fake: Probability in [0, 1] from pixels alone, pooled over the frames.
        interval: Where p_fake would lie, 19 times in 20, had other frames been looked at.
        pool: How the frames were pooled.
        decided_by: ``pixels``, ``credential`` or ``metadata``.
        duration: Seconds, up to the last decoded frame where the file does not say.
        width: Of an upright frame.
        height: Of an upright frame.
        codec: Name of the codec.
        frames: The judged frames, in order.
        segments: Stretches that look fake.
        tracks: Faces followed over time.
        moments: The frames that look most fake, the most suspicious first.
        evidence: What the file says of itself.
        notes: What was left out, and what the verdict heeds beside the pool, in sentences.
        error: One sentence that says why there is no answer.
        seconds: Time spent.
    """

    path: str
    verdict: Call | None = None
    p_fake: float | None = None
    interval: tuple[float, float] | None = None
    pool: str = ""
    decided_by: DecidedBy | None = None
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    codec: str = ""
    frames: tuple[FrameVerdict, ...] = ()
    segments: tuple[Segment, ...] = ()
    tracks: tuple[Track, ...] = ()
    moments: tuple[Moment, ...] = field(default=(), repr=False)
    evidence: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    error: str | None = None
    seconds: float = 0.0

    def to_json(self, *, timeline: bool = True) -> dict[str, Any]:
        """Return the verdict for JSON, without the pictures of its moments.

        Args:
            timeline: Whether to give every frame.
        """
        if self.error is not None:
            return {"path": self.path, "verdict": None, "error": self.error}
        found: dict[str, Any] = {
            "path": self.path,
            "verdict": self.verdict,
            "p_fake": _round(self.p_fake),
            "interval": [_round(value) for value in self.interval or ()],
            "pool": self.pool,
            "decided_by": self.decided_by,
            "duration": _round(self.duration),
            "width": self.width,
            "height": self.height,
            "codec": self.codec,
            "frames_judged": len(self.frames),
            "segments": [
                {"start": _round(s.start), "end": _round(s.end), "p_fake": _round(s.p_fake)}
                for s in self.segments
            ],
            "faces": [
                {
                    "track": track.number,
                    "start": _round(track.times[0]),
                    "end": _round(track.times[-1]),
                    "frames": len(track.times),
                    "p_fake": _round(float(np.mean(track.p_fakes))) if track.p_fakes else None,
                }
                for track in self.tracks
            ],
            "moments": [
                {"time": _round(one.time), "p_fake": _round(one.p_fake)} for one in self.moments
            ],
            "evidence": [one.to_json() for one in self.evidence],
            "notes": list(self.notes),
            "error": None,
        }
        if timeline:
            found["timeline"] = [frame.to_row() for frame in self.frames]
        return found


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
