"""Give every explained picture a place of its own in the folder of explanations."""

from __future__ import annotations

import os
from pathlib import Path

from unmask.picture.find import STDIN

_NUMBER_FROM = 2


class Names:
    """Names outputs after their pictures; no two of a run get the same.

    A picture found in a folder keeps its place below it, any other its name alone; the suffix of
    the picture stays, since ``a.jpg`` and ``a.png`` may lie side by side. What is still the same
    (``x/a.jpg y/a.jpg``) is numbered.

    Args:
        folder: Where all outputs go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[str] = set()

    def place(self, picture: str, given: str, ending: str) -> Path:
        """Return where an output goes, without its suffix.

        Args:
            picture: The picture's path, ``-`` for standard input.
            given: What the user named: the picture itself, a folder it lies in, or a glob.
            ending: Added to the name.
        """
        if picture == STDIN:
            name = "stdin"
        elif Path(given).is_dir():
            name = os.path.relpath(picture, given)
        else:
            name = Path(picture).name
        number, numbered = _NUMBER_FROM, name
        # Compared without case: some file systems take A.jpg and a.jpg for one.
        while numbered.casefold() in self._taken:
            numbered = f"{name}-{number}"
            number += 1
        self._taken.add(numbered.casefold())
        return self._folder / f"{numbered}.{ending}"
