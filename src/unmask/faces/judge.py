"""Judge the faces of pictures one by one, with the detector's own model."""

from __future__ import annotations

from unmask.detector.model import Model
from unmask.faces.crop import crop_face
from unmask.faces.finder import Face, FaceFinder
from unmask.media.decode import Pixels
from unmask.prepare.views import make_views
from unmask.verdict.verdict import FaceVerdict

MOST_JUDGED = 8
"""So many faces of a picture are judged, the surest first; the others are reported alone."""


def judge_faces(pixels: Pixels, finder: FaceFinder, model: Model) -> tuple[FaceVerdict, ...]:
    """Find the faces of a picture and judge those that are large enough.

    Args:
        pixels: uint8 RGB, shape (height, width, 3).
        finder: Finds the faces.
        model: Judges them as it judges pictures.
    """
    return judge_found(pixels, finder.find(pixels), model)


def judge_found(pixels: Pixels, faces: list[Face], model: Model) -> tuple[FaceVerdict, ...]:
    """Judge the faces that were found in a picture."""
    crops = [crop_face(pixels, face.box) for face in faces]
    judged = [place for place, crop in enumerate(crops) if crop is not None][:MOST_JUDGED]
    p_fakes: dict[int, float] = {}
    if judged:
        views = [
            make_views(crop, model.card.views)
            for place in judged
            if (crop := crops[place]) is not None
        ]
        logits, _ = model.answer(views)
        p_fakes = dict(zip(judged, model.card.calibration(logits).tolist(), strict=True))
    return tuple(
        FaceVerdict(face.box, face.score, p_fakes.get(place)) for place, face in enumerate(faces)
    )
