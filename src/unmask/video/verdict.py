"""The verdict on a video, with its timeline, and the one list of the fields that go out."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from unmask.evidence.finding import Finding
from unmask.verdict.decide import DECIMALS, Call, DecidedBy, Reason
from unmask.verdict.verdict import FaceVerdict
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
            "p_fake": round(self.p_fake, DECIMALS),
            "faces": len(self.faces),
            "face_p_fake": round(max(judged), DECIMALS) if judged else None,
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


def _out(about: str, name: str = "") -> Any:
    """Mark a field as one that goes out, perhaps under another name."""
    return {"about": about, "name": name}


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
        reason: Why the verdict is ``unsure``; None where it is not.
        duration: Seconds, up to the last decoded frame where the file does not say.
        width: Of an upright frame.
        height: Of an upright frame.
        codec: Name of the codec.
        frames_judged: How many frames were judged.
        segments: Stretches that look fake.
        tracks: Faces followed over time.
        moments: The frames that look most fake, the most suspicious first.
        evidence: What the file says of itself.
        notes: What was left out, and what the verdict heeds beside the pool, in sentences.
        error: One sentence that says why there is no answer.
        frames: The judged frames, in order.
        seconds: Time spent.
    """

    path: str = field(metadata=_out("the video's name"))
    verdict: Call | None = field(default=None, metadata=_out("real, fake or unsure"))
    p_fake: float | None = field(
        default=None, metadata=_out("probability from the pixels alone, pooled over the frames")
    )
    interval: tuple[float, float] | None = field(
        default=None, metadata=_out("where p_fake would lie had other frames been looked at")
    )
    pool: str = field(default="", metadata=_out("how the frames were pooled"))
    decided_by: DecidedBy | None = field(default=None, metadata=_out("what the verdict rests on"))
    reason: Reason | None = field(
        default=None, metadata=_out("what keeps the verdict unsure, where it is")
    )
    duration: float | None = field(default=None, metadata=_out("seconds"))
    width: int | None = field(default=None, metadata=_out("of an upright frame, in pixels"))
    height: int | None = field(default=None, metadata=_out("of an upright frame, in pixels"))
    codec: str = field(default="", metadata=_out("name of the codec"))
    frames_judged: int = field(default=0, metadata=_out("how many frames were judged"))
    segments: tuple[Segment, ...] = field(default=(), metadata=_out("stretches that look fake"))
    tracks: tuple[Track, ...] = field(
        default=(), metadata=_out("faces followed over time", "faces")
    )
    moments: tuple[Moment, ...] = field(
        default=(), repr=False, metadata=_out("the frames that look most fake")
    )
    evidence: tuple[Finding, ...] = field(default=(), metadata=_out("what the file says of itself"))
    notes: tuple[str, ...] = field(default=(), metadata=_out("what was left out, in sentences"))
    error: str | None = field(
        default=None, metadata=_out("one sentence that says why there is no answer")
    )
    frames: tuple[FrameVerdict, ...] = field(
        default=(), metadata=_out("each judged frame", "timeline")
    )
    seconds: float = 0.0

    def to_json(self, *, timeline: bool = True) -> dict[str, Any]:
        """Return every field that goes out, for JSON, without the pictures of the moments.

        Args:
            timeline: Whether to give every frame.
        """
        if self.error is not None:
            return {"path": self.path, "verdict": None, "error": self.error}
        left_out = () if timeline else ("timeline",)
        return {
            name: _plain(getattr(self, attribute))
            for attribute, name in _NAMES.items()
            if name not in left_out
        }


_NAMES = {
    one.name: one.metadata["name"] or one.name for one in fields(VideoVerdict) if one.metadata
}
FIELDS: dict[str, str] = {
    _NAMES[one.name]: one.metadata["about"] for one in fields(VideoVerdict) if one.metadata
}
"""The fields of a video's verdict that go out, in this order, and what they say."""


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; numbers have 4 decimals."""
    match value:
        case float():
            return round(value, DECIMALS)
        case tuple():
            return [_plain(one) for one in value]
        case Finding():
            return value.to_json()
        case FrameVerdict():
            return value.to_row()
        case Segment():
            return {name: _plain(getattr(value, name)) for name in ("start", "end", "p_fake")}
        case Moment():
            return {"time": _plain(value.time), "p_fake": _plain(value.p_fake)}
        case Track():
            return {
                "track": value.number,
                "start": _plain(value.times[0]),
                "end": _plain(value.times[-1]),
                "frames": len(value.times),
                "p_fake": _plain(float(np.mean(value.p_fakes))) if value.p_fakes else None,
            }
    return value
