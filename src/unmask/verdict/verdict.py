"""The verdict: what unmask answers for one picture, and the one list of the fields that go out.

A new field of a verdict is added here and nowhere else: CSV, JSON, Parquet, the API and its
reference are made from `FIELDS`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from unmask.evidence.finding import Finding
from unmask.model.card import Band
from unmask.verdict.decide import DECIMALS, Call, DecidedBy, Decision, Reason


def _out(about: str, *, csv: bool = False) -> dict[str, Any]:
    """Mark a field as one that goes out: in JSON, Parquet and the API, and perhaps in CSV."""
    return {"about": about, "csv": csv}


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
            "score": round(self.score, DECIMALS),
            "p_fake": None if self.p_fake is None else round(self.p_fake, DECIMALS),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one picture; either ``error`` is set or all the other fields are.

    ``p_fake`` is what the pixels say and nothing else. ``verdict`` also heeds what the file says of
    itself, by the rules of `unmask.verdict.decide`; ``decided_by`` tells which of them it was.

    Example::

        from unmask import Detector, Verdict

        found: Verdict = Detector().detect("photo.jpg")
        print(found.verdict, found.p_fake, found.decided_by)
        print(found.to_json())

    Attributes:
        path: The picture's name as it was given; ``-`` for standard input or a picture in memory.
        verdict: ``real``, ``fake`` or ``unsure``.
        p_fake: Calibrated probability in [0, 1], to 4 decimals, that the picture was made or
            altered by AI.
        category: ``human_faces``, ``animals``, ``vehicles`` or ``other``.
        category_confidence: Probability in [0, 1] of the likeliest category.
        error: One sentence that says why there is no answer.
        decided_by: ``pixels``, ``credential`` or ``metadata``: what the verdict rests on.
        reason: Why the verdict is ``unsure``; None where it is not.
        evidence: What the file says of itself, the strongest first.
        notes: What a person should know of how the picture was read, one sentence each.
        faces: The faces found, the surest first; None where nobody asked for them.
        milliseconds: Time spent on the picture: reading, decoding and its share of the inference.
        band: The cuts on p_fake by which the pixels were called.
        forced: Whether a threshold left no room for ``unsure``.
        likeliest: The likeliest category, however sure.
    """

    path: str = field(metadata=_out("the picture's name", csv=True))
    verdict: Call | None = field(default=None, metadata=_out("real, fake or unsure", csv=True))
    p_fake: float | None = field(
        default=None,
        metadata=_out(
            "probability from the pixels alone that the picture was made or altered by AI", csv=True
        ),
    )
    category: str | None = field(default=None, metadata=_out("what the picture shows", csv=True))
    category_confidence: float | None = field(
        default=None, metadata=_out("probability of the likeliest category", csv=True)
    )
    error: str | None = field(
        default=None, metadata=_out("one sentence that says why there is no answer", csv=True)
    )
    decided_by: DecidedBy | None = field(default=None, metadata=_out("what the verdict rests on"))
    reason: Reason | None = field(
        default=None, metadata=_out("what keeps the verdict unsure, where it is")
    )
    evidence: tuple[Finding, ...] = field(default=(), metadata=_out("what the file says of itself"))
    notes: tuple[str, ...] = field(
        default=(), metadata=_out("what to know of how the picture was read; empty for most")
    )
    faces: tuple[FaceVerdict, ...] | None = field(
        default=None, metadata=_out("each face by itself; absent where nobody asked for them")
    )
    milliseconds: float | None = None
    band: Band | None = None
    forced: bool = False
    likeliest: str = ""

    @classmethod
    def of(
        cls,
        path: str,
        decision: Decision,
        evidence: tuple[Finding, ...] = (),
        faces: tuple[FaceVerdict, ...] | None = None,
        milliseconds: float | None = None,
        *,
        notes: tuple[str, ...] = (),
    ) -> Verdict:
        """Return the answer that a decision makes."""
        return cls(
            path=path,
            verdict=decision.call,
            p_fake=decision.p_fake,
            category=decision.category,
            category_confidence=decision.category_confidence,
            decided_by=decision.decided_by,
            reason=decision.reason,
            evidence=evidence,
            notes=notes,
            faces=faces,
            milliseconds=milliseconds,
            band=decision.band,
            forced=decision.forced,
            likeliest=decision.likeliest,
        )

    def to_row(self) -> dict[str, str | float | None]:
        """Return the fields of `COLUMNS`."""
        return {name: getattr(self, name) for name in COLUMNS}

    def to_json(self) -> dict[str, Any]:
        """Return every field that goes out, for JSON; ``faces`` only where they were looked for."""
        row: dict[str, Any] = {name: getattr(self, name) for name in FIELDS}
        row["evidence"] = [one.to_json() for one in self.evidence]
        row["notes"] = list(self.notes)
        if self.faces is None:
            del row["faces"]
        else:
            row["faces"] = [face.to_json() for face in self.faces]
        return row


FIELDS: dict[str, str] = {
    one.name: one.metadata["about"] for one in fields(Verdict) if one.metadata
}
"""The fields of a verdict that go out, in this order, and what they say."""
COLUMNS = tuple(one.name for one in fields(Verdict) if one.metadata.get("csv"))
"""Those that CSV has too."""
