"""The verdict: what unmask answers for one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Call = Literal["real", "fake", "unsure"]
CATEGORY_OTHER = "other"

COLUMNS = ("path", "verdict", "p_fake", "category", "category_confidence", "error")
"""The fields that go out, in this order, in CSV and JSON alike."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one picture; either ``error`` is set or all the other fields are.

    Attributes:
        path: The picture's name as it was given; ``-`` for standard input or a picture in memory.
        verdict: ``real``, ``fake`` or ``unsure``.
        p_fake: Calibrated probability in [0, 1] that the picture was made or altered by AI.
        category: ``human_faces``, ``animals``, ``vehicles`` or ``other``.
        category_confidence: Probability in [0, 1] of the likeliest of the three categories.
        error: One sentence that says why there is no answer.
        milliseconds: Time spent on the picture: reading, decoding and its share of the inference.
    """

    path: str
    verdict: Call | None = None
    p_fake: float | None = None
    category: str | None = None
    category_confidence: float | None = None
    error: str | None = None
    milliseconds: float | None = None

    def to_row(self) -> dict[str, str | float | None]:
        """Return the outgoing fields; probabilities are rounded to 4 decimals."""
        row = {name: getattr(self, name) for name in COLUMNS}
        for name in ("p_fake", "category_confidence"):
            row[name] = None if row[name] is None else round(row[name], 4)
        return row
