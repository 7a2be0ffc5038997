"""What is stored of a picture or video: what the model said, to be read in any way later.

Packed into bytes for the database, and unpacked.
"""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.detector.settings import DetectorSettings
from unmask.evidence.finding import Finding
from unmask.model.card import ModelCard
from unmask.model.model import ModelOutput
from unmask.verdict.decide import ReadingSettings

_FORM = 4
"""Of what is stored; another one makes all that was stored before be asked anew."""
_COSTS = {"device", "limits"}
_READING = set(ReadingSettings.model_fields)
_VIDEO = b"video"


@dataclass(frozen=True, slots=True)
class StoredFace:
    """A face that was found in a picture.

    Attributes:
        box: Left, top, right and bottom edge, in pixels of the upright picture.
        score: How sure the detector of faces is, in [0, 1].
        logit: What the model says of it; None where it is too small to be judged.
    """

    box: tuple[int, int, int, int]
    score: float
    logit: float | None = None


@dataclass(frozen=True, slots=True)
class StoredOutput:
    """What is known of a picture before it is read.

    Attributes:
        width: Of the upright picture, in pixels.
        height: Of the upright picture, in pixels.
        output: What the model said.
        plain: Whether there is nothing to see on it.
        evidence: What the file says of itself, the strongest first.
        faces: The faces, the surest first; none where nobody looked for them.
        notes: What to know of how it was read.
    """

    width: int
    height: int
    output: ModelOutput
    plain: bool = False
    evidence: tuple[Finding, ...] = ()
    faces: tuple[StoredFace, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredVideo:
    """What was found in a video, as JSON has it."""

    finding: dict[str, Any]


def output_key(card: ModelCard, settings: DetectorSettings) -> str:
    """Return a name for all that a picture's output depends on beside the file: 64 hex digits."""
    told = settings.model_dump_json(exclude=_COSTS | _READING)
    return _hashed(card.sha256, told, "faces have a say" if card.face_cut is not None else "")


def video_key(card: ModelCard, settings: DetectorSettings, sampling: str) -> str:
    """Return such a name for videos, of which the verdict itself is stored."""
    told = settings.model_dump_json(exclude=_COSTS)
    return _hashed(card.model_dump_json(), told, "video", sampling)


def _hashed(*parts: str) -> str:
    return hashlib.sha256(json.dumps([_FORM, *parts]).encode()).hexdigest()


def pack(stored: StoredOutput | StoredVideo) -> bytes:
    """Return it as bytes: NumPy's compressed ``.npz``; of a video, compressed JSON."""
    if isinstance(stored, StoredVideo):
        return _VIDEO + zlib.compress(json.dumps(stored.finding).encode())
    output = stored.output
    rest = {
        "plain": stored.plain,
        "evidence": [one.to_json() for one in stored.evidence],
        "faces": [asdict(face) for face in stored.faces],
        "notes": stored.notes,
    }
    arrays: dict[str, NDArray[Any]] = {
        "form": np.array(_FORM),
        "size": np.array([stored.width, stored.height], dtype=np.int32),
        "logit": np.array(output.logit),
        "category_logits": output.category_logits,
        "view_logits": output.view_logits,
        "rest": np.frombuffer(json.dumps(rest).encode(), np.uint8),
    }
    if output.graphic_logit is not None:
        arrays["graphic_logit"] = np.array(output.graphic_logit)
    if output.maps is not None:
        # Only ever drawn; at half the precision they take half the room.
        arrays["maps"] = output.maps.astype(np.float16)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack(data: bytes) -> StoredOutput | None:
    """Return what `pack` packed of a picture; None where an earlier version of unmask did."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = dict(file)
    if arrays.get("form") != _FORM:
        return None
    width, height = (int(side) for side in arrays["size"])
    graphic, maps = arrays.get("graphic_logit"), arrays.get("maps")
    output = ModelOutput(
        logit=float(arrays["logit"]),
        category_logits=arrays["category_logits"],
        view_logits=arrays["view_logits"],
        graphic_logit=None if graphic is None else float(graphic),
        maps=None if maps is None else maps.astype(np.float32),
    )
    rest = json.loads(arrays["rest"].tobytes())
    return StoredOutput(
        width,
        height,
        output,
        rest["plain"],
        tuple(Finding(**one) for one in rest["evidence"]),
        tuple(StoredFace(**one | {"box": tuple(one["box"])}) for one in rest["faces"]),
        tuple(rest["notes"]),
    )


def unpack_video(data: bytes) -> StoredVideo:
    """Return what `pack` packed of a video."""
    return StoredVideo(json.loads(zlib.decompress(data[len(_VIDEO) :])))
