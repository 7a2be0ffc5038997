"""Judge the faces of a picture one by one, with the detector's own model."""

from __future__ import annotations

from typing import NamedTuple

from unmask.faces.crop import crop_face
from unmask.faces.finder import Face, FaceFinder
from unmask.model.base import ViewModel
from unmask.picture.decode import Pixels
from unmask.picture.views import ViewPlan, Views, make_views
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
    views: dict[int, Views]


def find_and_cut(pixels: Pixels, finder: FaceFinder, plan: ViewPlan) -> CutFaces:
    """Find the faces of a picture and cut them out as views.

    Args:
        pixels: uint8 RGB, shape (height, width, 3).
        finder: Finds the faces.
        plan: Which views the model takes.
    """
    faces = finder.find(pixels)
    views: dict[int, Views] = {}
    for place, face in enumerate(faces):
        crop = crop_face(pixels, face.box)
        if crop is not None and len(views) < MOST_JUDGED:
            views[place] = make_views(crop, plan)
    return CutFaces(faces, views)


def judge_cut(cut: CutFaces, model: ViewModel) -> tuple[FaceVerdict, ...]:
    """Judge faces that were cut out, as if each were a picture of its own."""
    p_fakes: dict[int, float] = {}
    if cut.views:
        logits, _ = model.answer(list(cut.views.values()))
        p_fakes = dict(zip(cut.views, model.card.calibration(logits).tolist(), strict=True))
    return tuple(
        FaceVerdict(face.box, face.score, p_fakes.get(place))
        for place, face in enumerate(cut.faces)
    )
