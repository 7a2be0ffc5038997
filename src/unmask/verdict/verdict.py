"""The verdict: what unmask answers for one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from unmask.evidence.finding import Finding

Call = Literal["real", "fake", "unsure"]
DecidedBy = Literal["pixels", "credential", "metadata"]
CATEGORY_OTHER = "other"

COLUMNS = ("path", "verdict", "p_fake", "category", "category_confidence", "error")
"""The fields that go out, in this order, in CSV and, before those of `to_json`, in JSON."""


@dataclass(frozen=True, slots=True)
class FaceVerdict:
    """What is said of one face of a picture.

    Attributes:
        box: Left, top, right and bottom edge, in pixels of the upright picture.
        score: How sure the detector of faces is, in [0, 1].
        p_fake: Calibrated probability in [0, 1] that the face was made or altered by AI; None where
            the face is too small to be judged.
    """

    box: tuple[int, int, int, int]
    score: float
    p_fake: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields for JSON; probabilities are rounded to 4 decimals."""
        return {
            "box": list(self.box),
            "score": round(self.score, 4),
            "p_fake": None if self.p_fake is None else round(self.p_fake, 4),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one picture; either ``error`` is set or all the other fields are.

    ``p_fake`` is what the pixels say and nothing else. ``verdict`` also heeds what the file says of
    itself, by the rules of `unmask.verdict.decide`; ``decided_by`` tells which of them it was.

    Attributes:
        path: The picture's name as it was given; ``-`` for standard input or a picture in memory.
        verdict: ``real``, ``fake`` or ``unsure``.
        p_fake: Calibrated probability in [0, 1] that the picture was made or altered by AI.
        category: ``human_faces``, ``animals``, ``vehicles`` or ``other``.
        category_confidence: Probability in [0, 1] of the likeliest of the three categories.
        error: One sentence that says why there is no answer.
        milliseconds: Time spent on the picture: reading, decoding and its share of the inference.
        decided_by: ``pixels``, ``credential`` or ``metadata``: what the verdict rests on.
        evidence: What the file says of itself, the strongest first.
        faces: The faces found, the surest first; None where nobody asked for them.
    """

    path: str
    verdict: Call | None = None
    p_fake: float | None = None
    category: str | None = None
    category_confidence: float | None = None
    error: str | None = None
    milliseconds: float | None = None
    decided_by: DecidedBy | None = None
    evidence: tuple[Finding, ...] = ()
    faces: tuple[FaceVerdict, ...] | None = None

    def to_row(self) -> dict[str, str | float | None]:
        """Return the outgoing fields; probabilities are rounded to 4 decimals."""
        row = {name: getattr(self, name) for name in COLUMNS}
        for name in ("p_fake", "category_confidence"):
            row[name] = None if row[name] is None else round(row[name], 4)
        return row

    def to_json(self) -> dict[str, Any]:
        """Return the outgoing fields, then what the verdict rests on, for JSON."""
        row: dict[str, Any] = dict(self.to_row())
        row["decided_by"] = self.decided_by
        row["evidence"] = [one.to_json() for one in self.evidence]
        if self.faces is not None:
            row["faces"] = [face.to_json() for face in self.faces]
        return row
