"""A cache of decoded pictures: training reads arrays instead of decoding files again and again.

A folder holds shards, ``pixels-000.npy`` and so on, each a flat uint8 array of many pictures one
after another, and ``index.json``, which says where each lies. Arrays are mapped into memory, so
that several processes share what the system has read.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unmask.lab.data.manifest import Row
from unmask.lab.files import write_json
from unmask.picture.decode import Pixels, decode, read_bytes
from unmask.picture.errors import PictureError
from unmask.picture.views import resize_shorter

INDEX_FILE = "index.json"
_FORMAT = 1
_SHARD_BYTES = 256 * 2**20
_CHUNK = 64

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cached:
    """What a cache was made of.

    Attributes:
        pictures: Number of pictures in it.
        bytes: Size of the arrays.
        unreadable: Pictures that could not be read, and are not in it.
    """

    pictures: int
    bytes: int
    unreadable: int


def write_cache(
    rows: Sequence[Row],
    out: Path,
    *,
    shorter_side: int = 512,
    on_progress: Callable[[int], None] = lambda count: None,
) -> Cached:
    """Decode pictures and write them as arrays; the index comes last, so no half cache is read.

    Args:
        rows: The pictures; one that is named twice is kept once.
        out: The folder to write, which must not hold a cache already.
        shorter_side: Pictures whose shorter side is above so many pixels are shrunk to it; smaller
            ones keep every pixel.
        on_progress: Called with the number of pictures just done.

    Raises:
        ValueError: The folder holds a cache, or no picture could be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    if (out / INDEX_FILE).exists():
        raise ValueError(f"{out} holds a cache already; name another folder.")
    paths = list(dict.fromkeys(row.path.absolute() for row in rows))
    places: dict[str, dict[str, Any]] = {}
    unreadable: list[str] = []
    waiting: list[Pixels] = []
    shard = held = total = 0

    def load(path: Path) -> Pixels | None:
        try:
            pixels = decode(read_bytes(path))
        except PictureError as error:
            log.warning("skipped %s: %s", path, error)
            return None
        return (
            resize_shorter(pixels, shorter_side) if min(pixels.shape[:2]) > shorter_side else pixels
        )

    def flush() -> None:
        nonlocal shard, held
        np.save(_shard(out, shard), np.concatenate([pixels.ravel() for pixels in waiting]))
        waiting.clear()
        shard, held = shard + 1, 0

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), _CHUNK):
            chunk = paths[start : start + _CHUNK]
            for path, pixels in zip(chunk, pool.map(load, chunk), strict=True):
                if pixels is None:
                    unreadable.append(str(path))
                    continue
                stamp = path.stat()
                places[str(path)] = {
                    "shard": shard, "start": held, "shape": pixels.shape[:2],
                    "bytes": stamp.st_size, "changed": stamp.st_mtime_ns,
                }  # fmt: skip
                waiting.append(pixels)
                held, total = held + pixels.size, total + pixels.size
                if held >= _SHARD_BYTES:
                    flush()
            on_progress(len(chunk))
    if not places:
        raise ValueError("None of the pictures could be read.")
    if waiting:
        flush()
    index = {
        "format": _FORMAT,
        "shorter_side": shorter_side,
        "pictures": places,
        "unreadable": unreadable,
    }
    write_json(out / INDEX_FILE, index)
    return Cached(len(places), total, len(unreadable))


class PictureCache:
    """Reads pictures from a cache.

    Args:
        folder: What `write_cache` wrote.

    Raises:
        ValueError: The folder holds no cache that can be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            index = json.loads((folder / INDEX_FILE).read_text("utf-8", errors="surrogateescape"))
            if index["format"] != _FORMAT:
                raise KeyError
            self.places: dict[str, dict[str, Any]] = index["pictures"]
            self.unreadable = frozenset(index["unreadable"])
        except (OSError, ValueError, KeyError, TypeError):
            raise ValueError(f"{folder} holds no cache; `unmask data cache` makes one.") from None
        self._shards: dict[int, np.ndarray] = {}

    def read(self, row: Row) -> Pixels:
        """Return a row's pixels, uint8, shape (height, width, 3).

        Raises:
            PictureError: The picture is not in the cache, or its file has changed since.
        """
        path = row.path.absolute()
        place = self.places.get(os.fspath(path))
        if place is None:
            raise PictureError("The picture is not in the cache.")
        try:
            stamp = path.stat()
        except OSError:
            raise PictureError("There is no such file.") from None
        if (stamp.st_size, stamp.st_mtime_ns) != (place["bytes"], place["changed"]):
            raise PictureError("The picture has changed since the cache was made.")
        height, width = place["shape"]
        start = place["start"]
        flat = self._map(place["shard"])[start : start + 3 * height * width]
        return np.asarray(flat).reshape(height, width, 3)

    def check(self, rows: Sequence[Row]) -> None:
        """Check that the cache was made of these pictures.

        Raises:
            ValueError: It lacks some, and not because they could not be read.
        """
        known = self.unreadable | self.places.keys()
        absent = [row.path for row in rows if os.fspath(row.path.absolute()) not in known]
        if absent:
            raise ValueError(
                f"The cache {self.folder} lacks {len(absent)} of {len(rows)} pictures, the first "
                f"is {absent[0]}."
            )

    def _map(self, shard: int) -> np.ndarray:
        if shard not in self._shards:
            try:
                self._shards[shard] = np.load(_shard(self.folder, shard), mmap_mode="r")
            except (OSError, ValueError):
                raise PictureError("The cache has lost a shard.") from None
        return self._shards[shard]


def _shard(folder: Path, number: int) -> Path:
    return folder / f"pixels-{number:03}.npy"
