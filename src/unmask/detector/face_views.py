"""The faces of a picture as pictures of their own: found, and cut out with what is around them."""

from __future__ import annotations

from typing import NamedTuple

from unmask.faces.crop import crop_face
from unmask.faces.finder import Face, FaceFinder
from unmask.model.card import ModelCard
from unmask.model.model import Model
from unmask.picture.decode import Pixels
from unmask.picture.views import PictureViews, cut_views
from unmask.verdict.decide import Scale
from unmask.verdict.verdict import FaceVerdict

MOST_JUDGED = 8
"""So many faces of a picture are judged, the surest first; the others are reported alone."""


class CutFaces(NamedTuple):
    """The faces of a picture, and the views of those that are large enough to be judged.

    Attributes:
        faces: All that were found, the surest first.
        views: By place in ``faces``.
    """

    faces: list[Face]
    views: dict[int, PictureViews]


def find_and_cut(pixels: Pixels, finder: FaceFinder, card: ModelCard) -> CutFaces:
    """Find the faces of a picture and cut them out as views.

    Args:
        pixels: uint8 RGB, shape (height, width, 3).
        finder: Finds the faces.
        card: Says which views the model takes.
    """
    faces = finder.find(pixels)
    views: dict[int, PictureViews] = {}
    for place, face in enumerate(faces):
        crop = crop_face(pixels, face.box)
        if crop is not None and len(views) < MOST_JUDGED:
            views[place] = cut_views(crop, card.inputs)
    return CutFaces(faces, views)


def judge_faces(cut: CutFaces, model: Model, scale: Scale) -> tuple[FaceVerdict, ...]:
    """Judge faces that were cut out, as if each were a picture of its own.

    Args:
        cut: The faces.
        model: The model.
        scale: On which the picture itself is read.
    """
    outputs = model.answer(list(cut.views.values()))
    p_fakes = {
        place: float(scale.p_fake(output.logit))
        for place, output in zip(cut.views, outputs, strict=True)
    }
    return tuple(
        FaceVerdict(face.box, face.score, p_fakes.get(place))
        for place, face in enumerate(cut.faces)
    )
