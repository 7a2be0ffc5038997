"""What the tower sees in pictures, computed once and kept: heads are fitted to it many times."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image

from unmask.faces.crop import crop_face
from unmask.faces.finder import FaceFinder
from unmask.lab.tower.augment import augment, generator_for, send
from unmask.lab.tower.graph import FEATURES, INPUT
from unmask.lab.tower.heads import Features
from unmask.model.runtime import session_options
from unmask.picture.decode import Pixels, decode, read_bytes
from unmask.picture.views import ViewPlan, crop_middle, make_views

Version = Callable[[Pixels, str], list[Pixels]]
"""From a picture and its name, by which chance goes, to the pictures that are shown instead."""


def whole(pixels: Pixels, name: str) -> list[Pixels]:
    """Return the picture as it is."""
    return [pixels]


def square(pixels: Pixels, name: str) -> list[Pixels]:
    """Return its central square, whose shape tells nothing."""
    return [crop_middle(pixels, min(pixels.shape[:2]))]


def augmented(pixels: Pixels, name: str) -> list[Pixels]:
    """Return it after one random life, the same in every run."""
    return [np.asarray(augment(Image.fromarray(pixels), generator_for("augmented", name)))]


def sent(pixels: Pixels, name: str) -> list[Pixels]:
    """Return it as messengers and websites hand it on."""
    return [np.asarray(send(Image.fromarray(pixels), generator_for("sent", name)))]


def faces(pixels: Pixels, name: str) -> list[Pixels]:
    """Return its faces that are large enough to be judged, each with what is around it."""
    crops = [crop_face(pixels, face.box) for face in _finder().find(pixels)]
    return [crop for crop in crops if crop is not None]


@cache
def _finder() -> FaceFinder:
    return FaceFinder()


@dataclass(frozen=True)
class Extracted:
    """Features of pictures; one that was cut into several views, or has several faces, has several.

    Attributes:
        x: float32, shape (views, features).
        picture: Whose each is, by place in the list of paths, shape (views,).
    """

    x: Features
    picture: NDArray[np.int64]


def extract(
    paths: Sequence[Path],
    version: Version,
    tower: Path,
    plan: ViewPlan,
    out: Path,
    *,
    workers: int = 1,
    on_progress: Callable[[int], None] = lambda count: None,
) -> Extracted:
    """Compute features, or read them if the same ones were computed before.

    Args:
        paths: The pictures.
        version: How they are shown; a function of this module.
        tower: What `features_graph` made, in a file.
        plan: Which views of a picture the tower sees.
        out: The ``.npz`` file in which they are kept.
        workers: Processes, each on one core.
        on_progress: Called with the number of pictures that are done.

    Raises:
        PictureError: A picture cannot be read.
    """
    asked = [path.name for path in paths], version.__name__, plan.model_dump(mode="json")
    digest = hashlib.sha256(tower.read_bytes() + json.dumps(asked).encode()).hexdigest()
    if out.exists():
        with np.load(out) as kept:
            if str(kept["asked"]) == digest:
                return Extracted(kept["x"].astype(np.float32), kept["picture"])
    one = partial(_features_of, version=version, tower=tower, plan=plan)
    found: list[Features] = []
    with _pool(workers) as run:
        for features in run(one, paths):
            found.append(features)
            on_progress(len(found))
    # Half the size, and finer than what the tower's own rounding does.
    x = np.concatenate(found).astype(np.float16)
    picture = np.repeat(np.arange(len(found)), [len(features) for features in found])
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_suffix(".part.npz")
    np.savez(part, x=x, picture=picture, asked=digest)
    part.replace(out)
    return Extracted(x.astype(np.float32), picture)


@contextmanager
def _pool(workers: int) -> Iterator[Callable[..., Iterator[Features]]]:
    """Yield what maps a function over pictures, in their order."""
    if workers == 1:
        yield map
        return
    # New processes: ONNX Runtime's threads do not live through a fork.
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield partial(pool.imap, chunksize=4)


def _features_of(path: Path, version: Version, tower: Path, plan: ViewPlan) -> Features:
    session = _session(tower)
    shown = version(decode(read_bytes(path)), path.name)
    views = [view for pixels in shown for view in make_views(pixels, plan)]
    # One by one, as in production: a graph in integers rounds by the largest value that it sees.
    rows = [session.run([FEATURES], {INPUT: view[None]})[0] for view in views]
    wide = session.get_outputs()[0].shape[1]
    return np.concatenate([np.zeros((0, wide), dtype=np.float32), *rows])


@cache
def _session(tower: Path) -> ort.InferenceSession:
    return ort.InferenceSession(
        tower.read_bytes(), session_options(), providers=["CPUExecutionProvider"]
    )
