"""Pack an answer's arrays into bytes for the database, and unpack them."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from unmask.service.engine.engine import Answer


def pack(answer: Answer) -> bytes:
    """Return an answer as bytes: NumPy's own ``.npz``, compressed."""
    arrays: dict[str, NDArray[np.generic]] = {
        "size": np.array([answer.width, answer.height], dtype=np.int32),
        "fake": answer.fake_logits,
        "category": answer.category_logits,
    }
    if answer.maps is not None:
        arrays["maps"] = answer.maps
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack(data: bytes) -> Answer:
    """Return the answer that `pack` packed."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        width, height = (int(side) for side in arrays["size"])
        maps = arrays["maps"] if "maps" in arrays.files else None
        return Answer(width, height, arrays["fake"], arrays["category"], maps)
