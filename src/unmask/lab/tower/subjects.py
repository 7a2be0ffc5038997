"""From what a manifest says of a picture's subject, in free words, to one of four categories."""

from __future__ import annotations

import re

from unmask.lab.data.manifest import CATEGORIES, Row
from unmask.verdict.decide import CATEGORY_OTHER

NAMES = (*CATEGORIES, CATEGORY_OTHER)
"""Of the category logits, in their order."""
_OTHER = (
    "bananas|bread|bridge|building|campus|church|circuit|city|cone|cook|dish|document|electronics|"
    "fabric|food|forest|fruit|furniture|house|interior|kitchen|lake|landscape|leaf|mountain|object|"
    "office desk|palace|pothole|pottery|printer|product|room|scene|sea|sky|sofa|solar|street light|"
    "texture|tower|wallet"
)
# Who reads these words cannot tell whether a face is large, or an animal or a vehicle in sight.
_UNSURE = (
    "band|boy|cloth|concert|dress|event|face|family|fan|fashion|girl|hair|man|model|office people|"
    "people|person|players|portrait|skate|team|wedding|woman|worker|"
    "animal|bee|bird|cat|chicken|dog|dolphin|fish|horse|insect|pet|seahorse|wildlife|"
    "aircraft|bike|boat|bus|car|motor|plane|rickshaw|ship|train|truck|tyre|vehicle"
)
_SURELY_OTHER = ("scene", "object", "food", "document", "landscape", "dishes")


def category_of(row: Row) -> int | None:
    """Return a picture's category by its place in `NAMES`; None where nobody can tell."""
    if row.category:
        return NAMES.index(row.category)
    subject = row.facet("subject").lower()
    if subject in _SURELY_OTHER or (_has(_OTHER, subject) and not _has(_UNSURE, subject)):
        return NAMES.index(CATEGORY_OTHER)
    return None


def _has(words: str, subject: str) -> bool:
    return re.search(rf"\b({words})", subject) is not None
