"""A finding: one thing that a file says of itself, where it says it, and how much that is worth."""

from __future__ import annotations

import unicodedata
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Source = Literal[
    "Content Credentials", "EXIF", "XMP", "IPTC", "PNG text", "comment", "container", "watermark",
    "consistency",
]  # fmt: skip
Says = Literal["ai", "edited", "camera", "broken", "note"]
"""What a finding speaks for: made or altered by AI, edited by software, taken with a camera, or
altered after it was signed. A note informs and speaks for nothing."""
Strength = Literal["decisive", "strong", "weak", "none"]
"""``decisive`` overrides the pixels, ``strong`` tips the balance (see `judge`), ``weak`` and
``none`` are only told."""

_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a file says of itself.

    Example::

        from unmask import Finding, inspect_file

        found: list[Finding] = inspect_file("photo.jpg")
        print([(finding.name, finding.says, finding.strength) for finding in found])

    Attributes:
        name: A stable name for programs, such as ``c2pa.ai`` or ``png.prompt``.
        source: Where in the file it stands.
        says: What it speaks for.
        strength: How much it counts.
        text: What was found and what it is worth, in plain words.
        details: The fields themselves, by name, cut to a bounded length.
    """

    name: str
    source: Source
    says: Says
    strength: Strength
    text: str
    details: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the finding as it goes out in JSON."""
        return asdict(self)


def clean(value: object, longest: int = _LONGEST) -> str:
    """Return a field of a hostile file as one printable line of bounded length."""
    # Cut before the slow part: a field may be megabytes long.
    text = str(value)[: 4 * longest]
    text = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text)
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"
