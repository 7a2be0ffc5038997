"""Pack an answer's arrays into bytes for the database, and unpack them."""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.evidence.finding import Finding
from unmask.service.engine.engine import Answer

_VERSION = 2
_VIDEO = b"video"


@dataclass(frozen=True, slots=True)
class VideoAnswer:
    """What was found in a video, as JSON has it."""

    found: dict[str, Any]


def answerer(model: str, *settings: str) -> str:
    """Return a name for all that an answer depends on beside the file: 64 hexadecimal digits.

    Args:
        model: The model's SHA-256.
        settings: What else changes answers, such as the list of trusted signers.
    """
    named = json.dumps([_VERSION, model, *settings])
    return hashlib.sha256(named.encode()).hexdigest()


def pack(answer: Answer | VideoAnswer) -> bytes:
    """Return an answer as bytes: NumPy's compressed ``.npz``; on a video, compressed JSON."""
    if isinstance(answer, VideoAnswer):
        return _VIDEO + zlib.compress(json.dumps(answer.found).encode())
    arrays: dict[str, NDArray[np.generic]] = {
        "size": np.array([answer.width, answer.height], dtype=np.int32),
        "fake": answer.fake_logits,
        "category": answer.category_logits,
    }
    if answer.maps is not None:
        arrays["maps"] = answer.maps
    if answer.branch is not None:
        arrays["branch"] = answer.branch
    if answer.evidence:
        said = json.dumps([one.to_json() for one in answer.evidence]).encode()
        arrays["evidence"] = np.frombuffer(said, np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack_video(data: bytes) -> VideoAnswer:
    """Return the answer on a video that `pack` packed."""
    return VideoAnswer(json.loads(zlib.decompress(data[len(_VIDEO) :])))


def unpack(data: bytes) -> Answer:
    """Return the answer on a picture that `pack` packed."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        width, height = (int(side) for side in arrays["size"])
        maps, branch, said = (
            arrays[name] if name in arrays.files else None
            for name in ("maps", "branch", "evidence")
        )
        evidence = () if said is None else json.loads(said.tobytes())
        return Answer(
            width,
            height,
            arrays["fake"],
            arrays["category"],
            maps,
            branch,
            tuple(Finding(**one) for one in evidence),
        )
