"""What the small tower sees in the pictures of a manifest, computed once and kept in a folder.

The tower is made small by real training pictures alone, so that no fake of any generator has a say
in what of it is kept: it serves the shipped model and the folds that leave a generator out alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from unmask.lab.data.manifest import Row, Split, select
from unmask.lab.tower.compress import compress
from unmask.lab.tower.features import SIZE, TowerFeatures, look, tower_model, tower_session
from unmask.lab.tower.probe import PSEUDO_FAKES_COUNT
from unmask.lab.tower.tower import read_tower
from unmask.lab.train.config import TrainConfig
from unmask.lab.train.pseudo import add_pseudo_fakes
from unmask.picture.decode import decode, read_bytes
from unmask.picture.errors import PictureError
from unmask.picture.views import normalise, whole_view

DEPTH, UNITS, TAPS = 7, 1984, (1, 2, 3, 4, 5, 6)
"""Blocks kept of the tower, hidden units kept in each, and the blocks that the head reads.

As many as 25 MB and 60 ms a picture allow (see docs/experiments.md)."""
REFERENCE_PICTURES = 384
"""Training pictures that say which of the tower's weights matter."""
DEGRADED, SELF_BLENDED = 2, 0.5
"""Degraded versions of each training picture, and the share of real faces that get a self-blended
pseudo-fake."""
CHUNK = 256
"""Pictures of one file of features: so many at most are looked at again after an interruption."""
_ABOUT, _MODEL = "tower.json", "tower.onnx"


class FrozenTower(BaseModel):
    """What made the features.

    Attributes:
        file: Name of the ONNX export that the tower was read from.
        sha256: Of that file.
        blocks: Kept of the tower.
        hidden_units: Kept in each block.
        read_at: Blocks, from 0, whose outputs are the features.
        reference_pictures: At most so many real training pictures, drawn from all sources, say
            without their labels what is kept of the tower.
        degraded_versions: Of each training picture, besides the clean one.
        self_blended: Share of the real training faces that have a self-blended pseudo-fake.
        pseudo_fakes_count: How much one of these counts where a head is fitted.
        seed: Of the reference pictures, the degradations and the pseudo-fakes.
        pictures: Digest of the manifest's rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    sha256: str
    blocks: int = DEPTH
    hidden_units: int = UNITS
    read_at: tuple[int, ...] = TAPS
    reference_pictures: int = REFERENCE_PICTURES
    degraded_versions: int = DEGRADED
    self_blended: float = SELF_BLENDED
    pseudo_fakes_count: float = PSEUDO_FAKES_COUNT
    seed: int
    pictures: str

    @property
    def digest(self) -> str:
        """Eight characters that stand for all of it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:8]


@dataclass(frozen=True)
class KeptFeatures:
    """What the tower sees in a manifest's pictures.

    Attributes:
        tower: What made the features.
        model: The small tower, see `tower_model`.
        train: Training pictures and the pseudo-fakes made from them, clean and degraded.
        held_out: Pictures of the other splits that were asked for, clean.
    """

    tower: FrozenTower
    model: onnx.ModelProto
    train: TowerFeatures
    held_out: TowerFeatures


def keep_features(
    tower: Path,
    rows: Sequence[Row],
    folder: Path,
    *,
    held_out: Sequence[Split] = ("val", "test"),
    seed: int = 0,
    report: Callable[[str], None] = lambda line: None,
    on_progress: Callable[[int], None] = lambda count: None,
) -> KeptFeatures:
    """Compute the features that a folder does not hold yet, and return all that is asked for.

    Args:
        tower: An ONNX export of CLIP ViT-B/16, see `read_tower`.
        rows: A manifest's rows.
        folder: Where the small tower and the features are kept; about 30 kB a training picture.
        held_out: Splits to look at besides ``train``.
        seed: Of the reference pictures, the degradations and the pseudo-fakes.
        report: Called with a line now and then.
        on_progress: Called with the number of pictures just done.

    Raises:
        ManifestError: The manifest has no training picture.
        ValueError: The tower is no such export, the folder holds features of another tower or
            manifest, or no picture could be read.
    """
    train = select(rows, "train")
    about = _about(tower, rows, seed)
    _claim(folder, about)
    path = folder / _MODEL
    if not path.is_file():
        report(f"making {DEPTH} blocks small")
        real = [row for row in train if not row.is_fake]
        rounded, matrices = compress(read_tower(tower, DEPTH), reference_views(real, seed), UNITS)
        _write(path, tower_model(rounded, matrices, TAPS).SerializeToString())
    model = onnx.load(str(path))
    session = tower_session(model)
    report("looking at the pictures")
    pictures = with_pseudo_fakes(train, seed)
    learnt = _look(session, pictures, folder / "train", DEGRADED, seed, on_progress)
    others = [
        _look(session, select(rows, split), folder / split, 0, seed, on_progress)
        for split in held_out
    ]
    seen = TowerFeatures(
        [row for one in others for row in one.rows], np.concatenate([one.values for one in others])
    )
    return KeptFeatures(about, model, learnt, seen)


def with_pseudo_fakes(rows: Sequence[Row], seed: int) -> list[Row]:
    """Return training rows with the pseudo-fakes that are learnt from beside them, at their end."""
    return add_pseudo_fakes(rows, TrainConfig(self_blended=SELF_BLENDED, seed=seed))


def reference_views(rows: Sequence[Row], seed: int) -> torch.Tensor:
    """Return whole views of some pictures, by which the tower is made small without their labels.

    Args:
        rows: The pictures to choose from.
        seed: Of the choice.

    Returns:
        float32, (n, 3, 224, 224), n at most `REFERENCE_PICTURES`.

    Raises:
        ValueError: None of them could be read.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(rows), min(REFERENCE_PICTURES, len(rows)), replace=False)
    views: list[NDArray[np.uint8]] = []
    for place in chosen:
        # Who looks at all pictures says which cannot be read.
        with suppress(PictureError):
            views.append(whole_view(decode(read_bytes(rows[place].path)), SIZE))
    if not views:
        raise ValueError("None of the pictures that say which weights matter could be read.")
    return torch.from_numpy(normalise(np.stack(views)))


def _look(
    session: ort.InferenceSession,
    rows: Sequence[Row],
    folder: Path,
    degraded: int,
    seed: int,
    on_progress: Callable[[int], None],
) -> TowerFeatures:
    """Look at the pictures chunk by chunk; a chunk that has its file is read from there."""
    folder.mkdir(exist_ok=True)
    kept: list[Row] = []
    values = []
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        path = folder / f"{start:06}.npz"
        if path.is_file():
            on_progress(len(chunk))
        else:
            seen = look(session, chunk, degraded=degraded, seed=seed, on_progress=on_progress)
            readable = set(seen.rows)
            places = [place for place, row in enumerate(chunk) if row in readable]
            partial = path.with_suffix(".partial.npz")
            np.savez(partial, places=np.array(places, dtype=np.int64), values=seen.values)
            partial.replace(path)
        with np.load(path) as file:
            kept += [chunk[place] for place in file["places"]]
            values.append(file["values"])
    if not kept:
        raise ValueError("None of the pictures could be read.")
    return TowerFeatures(kept, np.concatenate(values))


def _about(tower: Path, rows: Sequence[Row], seed: int) -> FrozenTower:
    lines = [f"{row.path.name} {row.label} {row.category} {row.split} {row.group}" for row in rows]
    try:
        sha256 = hashlib.sha256(tower.read_bytes()).hexdigest()
    except OSError as error:
        raise ValueError(f"The tower {tower} cannot be read: {error.strerror}.") from None
    pictures = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    return FrozenTower(file=tower.name, sha256=sha256, seed=seed, pictures=pictures)


def _claim(folder: Path, about: FrozenTower) -> None:
    """Write what the features are made of, or refuse a folder that holds others."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _ABOUT
    if not path.is_file():
        _write(path, (about.model_dump_json(indent=1) + "\n").encode())
    elif json.loads(path.read_bytes()) != about.model_dump(mode="json"):
        raise ValueError(
            f"{folder} holds features of another tower or other data; name another folder."
        )


def _write(path: Path, data: bytes) -> None:
    """Write a file as a whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(path)
