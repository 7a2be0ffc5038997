"""unmask: is this picture real, or made or altered by AI?

The data flows through the folders in this order::

    picture/   files and bytes become pixels, under limits, and pixels become views
    evidence/  what the file says of itself is read, beside the pixels; it decides nothing
    model/     a model is opened, and answers for the views
    faces/     faces are found and cut out
    verdict/   one place decides; the answer goes out as a table, CSV, JSON or JSON Lines
    detector/  all of that for one picture, or for ten million

``video/``, ``heatmap/``, ``report/``, ``scan/`` and ``service/`` stand on it, ``cli/`` on them all.
``lab/`` makes and judges models from labelled pictures; ``weights/`` holds the one that ships.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "Detector",
    "Finding",
    "ModelError",
    "PictureError",
    "Verdict",
    "VideoDetector",
    "explain",
    "inspect_file",
]

if TYPE_CHECKING:
    from unmask.detector.detector import Detector
    from unmask.evidence.finding import Finding
    from unmask.evidence.inspect import inspect_file
    from unmask.heatmap import explain
    from unmask.model.card import ModelError
    from unmask.picture.errors import PictureError
    from unmask.verdict.verdict import Verdict
    from unmask.video.detector import VideoDetector

# Loaded on first use: ONNX Runtime alone costs more than the rest of the import together.
_HOMES = {
    "Detector": "unmask.detector.detector",
    "Finding": "unmask.evidence.finding",
    "ModelError": "unmask.model.card",
    "PictureError": "unmask.picture.errors",
    "Verdict": "unmask.verdict.verdict",
    "VideoDetector": "unmask.video.detector",
    "explain": "unmask.heatmap.explainer",
    "inspect_file": "unmask.evidence.inspect",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'unmask' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
