"""unmask: is this picture real, or made or altered by AI?

The data flows through the folders in this order::

    media/     files and bytes come in, and are decoded under limits
    prepare/   a decoded picture becomes views, the arrays that a model sees
    provenance/  what the file says of itself is read, beside the pixels
    detector/  a model answers for the views; the answers are pooled and calibrated
    verdict/   the answer goes out as a table, CSV, JSON or JSON Lines
    cli/       the command line over all of it

Beside it, ``data/`` describes labelled pictures, ``training/`` makes models from them,
``evaluation/`` judges models, ``explain/`` shows what in a picture speaks for an answer, and
``weights/`` holds the model that ships with the package. ``service/`` is the web
service over the same parts. ``training/`` imports ``media/`` and
``prepare/``, never the other way round.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Detector", "Finding", "PictureError", "Verdict", "__version__", "inspect_file"]

if TYPE_CHECKING:
    from unmask.detector.detector import Detector
    from unmask.evidence.finding import Finding
    from unmask.evidence.inspect import inspect_file
    from unmask.picture.errors import PictureError
    from unmask.verdict.verdict import Verdict

# Loaded on first use: ONNX Runtime alone costs more than the rest of the import together.
_HOMES = {
    "Detector": "unmask.detector.detector",
    "Finding": "unmask.evidence.finding",
    "PictureError": "unmask.picture.errors",
    "Verdict": "unmask.verdict.verdict",
    "inspect_file": "unmask.evidence.inspect",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'unmask' has no attribute {name!r}")
