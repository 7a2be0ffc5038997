"""IPTC's digital source types: what a picture is made of, in one controlled vocabulary.

https://cv.iptc.org/newscodes/digitalsourcetype; Content Credentials and XMP both use it.
"""

from __future__ import annotations

import re

from unmask.evidence.finding import Says

AI_MADE = "trainedAlgorithmicMedia"
AI_PART = "compositeWithTrainedAlgorithmicMedia"
_SEPARATORS = re.compile(r"[/#:]")
_MEANINGS: dict[str, tuple[Says, str]] = {
    AI_MADE: ("ai", "made by a trained model (AI)"),
    AI_PART: ("ai", "a picture with parts made by a trained model (AI)"),
    # C2PA's own word for what a model puts out that is no medium, seen on pictures too.
    "trainedAlgorithmicData": ("ai", "put out by a trained model (AI)"),
    "algorithmicMedia": ("edited", "made by an algorithm that is no trained model"),
    "compositeSynthetic": ("edited", "a composite with synthetic parts"),
    "composite": ("edited", "a composite of several pictures"),
    "compositeCapture": ("edited", "a composite of several photographs"),
    "algorithmicallyEnhanced": ("edited", "a picture enhanced by an algorithm"),
    "minorHumanEdits": ("edited", "a photograph with small edits by a person"),
    "humanEdits": ("edited", "a picture edited by a person"),
    "digitalArt": ("edited", "drawn with software"),
    "digitalCreation": ("edited", "made by a person with software"),
    "dataDrivenMedia": ("edited", "drawn from data"),
    "virtualRecording": ("edited", "a recording of a virtual scene"),
    "softwareImage": ("edited", "made with software"),
    "screenCapture": ("edited", "a capture of a screen"),
    "digitalCapture": ("camera", "taken with a digital camera"),
    "computationalCapture": ("camera", "taken with a camera that computes the picture"),
    "negativeFilm": ("camera", "digitised from a negative"),
    "positiveFilm": ("camera", "digitised from a positive film"),
    "print": ("camera", "digitised from a print"),
}
_BY_NAME = {name.lower(): (name, *meaning) for name, meaning in _MEANINGS.items()}


def read_source_type(value: str) -> tuple[str, Says, str] | None:
    """Return a source type's name, what it speaks for and its meaning; None for an unknown one.

    Args:
        value: A URL of the vocabulary, a QCode such as ``digsrctype:digitalCapture``, or the bare
            name.
    """
    return _BY_NAME.get(_SEPARATORS.split(value.strip().rstrip("/"))[-1].lower())
