"""Pictures that the operator chose to keep, by the hash of their content."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

_HASH = re.compile("[0-9a-f]{64}")


class PictureFolder:
    """A folder of pictures; a file's name is the SHA-256 of its bytes and nothing a client said."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, sha256: str, data: bytes) -> None:
        """Keep a picture; one that is there already starts its time anew."""
        path = self._path(sha256)
        if path.exists():
            os.utime(path)
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Written aside and renamed: nobody ever reads half a picture.
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(data)
        Path(file.name).replace(path)

    def read(self, sha256: str) -> bytes | None:
        """Return a picture's bytes, None where it is not kept."""
        try:
            return self._path(sha256).read_bytes()
        except FileNotFoundError:
            return None

    def has(self, sha256: str) -> bool:
        """Say whether a picture is kept."""
        return self._path(sha256).exists()

    def drop(self, hashes: Iterable[str]) -> None:
        """Delete pictures, where they are kept."""
        for sha256 in hashes:
            self._path(sha256).unlink(missing_ok=True)

    def drop_before(self, seconds: float) -> int:
        """Delete pictures that were last sent before a time in seconds since 1970; say how many."""
        dropped = 0
        for path in self._folder.glob("??/*"):
            try:
                if path.stat().st_mtime < seconds:
                    path.unlink()
                    dropped += 1
            except FileNotFoundError:
                continue  # Another process was faster.
        return dropped

    def drop_older_than(self, days: float) -> int:
        """Delete pictures that were last sent more than so many days ago; say how many."""
        return self.drop_before(time.time() - days * 86_400)

    def _path(self, sha256: str) -> Path:
        if not _HASH.fullmatch(sha256):
            raise ValueError("A picture is named by its SHA-256.")
        return self._folder / sha256[:2] / sha256
