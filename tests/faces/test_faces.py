"""Faces: parity with the original network, pictures with many and with tiny faces."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from pictures import picture
from tiny import shared_tiny_model
from unmask import Detector
from unmask.faces.crop import crop_face
from unmask.faces.finder import SIDE, FaceFinder
from unmask.model.open import open_model
from unmask.picture.decode import decode, read_bytes

ROOT = Path(__file__).parents[2]
PORTRAITS = sorted((ROOT / "examples").glob("*face*.jpg"))


def test_the_network_answers_as_the_original_does() -> None:
    # Recorded from the TFLite original by recipes/blazeface/convert.py.
    record = json.loads((ROOT / "recipes/blazeface/parity.json").read_text())
    finder = FaceFinder()
    for name, theirs in record.items():
        with Image.open(ROOT / "examples" / name) as image:
            small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        pixels = np.asarray(small, dtype=np.float32)[None] / 127.5 - 1
        boxes, scores = finder.run(pixels)
        best = np.argsort(-scores[0, :, 0])[:5]
        assert best.tolist() == theirs["anchors"], name
        assert np.abs(scores[0, best, 0] - theirs["scores"]).max() < 0.01
        assert np.abs(boxes[0, best] - np.array(theirs["boxes"])).max() < 0.05


def test_every_portrait_has_one_face_around_its_middle() -> None:
    finder = FaceFinder()
    assert len(PORTRAITS) == 5
    for path in PORTRAITS:
        pixels = decode(read_bytes(path))
        (face,) = finder.find(pixels)
        height, width = pixels.shape[:2]
        left, top, right, bottom = face.box
        assert left < width / 2 < right
        assert top < height * 0.6 < bottom
        assert 0.3 < (right - left) / width < 0.95


def sheet(size: int, rows: int, columns: int) -> np.ndarray:
    """Return many portraits on one sheet, as a group picture has them."""
    page = Image.new("RGB", (columns * 2 * size, rows * 2 * size), (120, 120, 120))
    for number in range(rows * columns):
        with Image.open(PORTRAITS[number % len(PORTRAITS)]) as image:
            small = image.convert("RGB").resize((size, size))
        at = (2 * size * (number % columns) + size // 2, 2 * size * (number // columns) + size // 2)
        page.paste(small, at)
    return np.asarray(page)


def test_many_faces_are_all_found_once() -> None:
    page = sheet(110, 4, 6)
    assert 22 <= len(FaceFinder().find(page)) <= 24
    assert len(FaceFinder(tiles=False).find(page)) < 15


def test_tiny_faces_are_reported_and_not_judged() -> None:
    pixels = sheet(60, 5, 5)
    verdict = Detector(shared_tiny_model(), faces=True).detect(pixels)
    assert verdict.faces
    assert all(face.p_fake is None for face in verdict.faces)
    assert crop_face(pixels, (0, 0, 20, 20)) is None


def test_no_face_where_there_is_none_and_strange_shapes_are_taken() -> None:
    finder = FaceFinder()
    assert finder.find(np.asarray(picture(300, 200))) == []
    for shape in ((8, 2000, 3), (2000, 8, 3), (8, 8, 3)):
        assert finder.find(np.zeros(shape, np.uint8)) == []


def test_boxes_stay_within_the_picture_and_crops_too() -> None:
    pixels = decode(read_bytes(PORTRAITS[0]))[60:, 60:]
    for face in FaceFinder(min_score=0.1).find(pixels):
        left, top, right, bottom = face.box
        assert 0 <= left < right <= pixels.shape[1]
        assert 0 <= top < bottom <= pixels.shape[0]
        crop = crop_face(pixels, face.box)
        assert crop is None or crop.size


def test_faces_are_reported_beside_an_unchanged_verdict() -> None:
    path, model = PORTRAITS[0], open_model(shared_tiny_model())
    plain, faced = Detector(model).detect(path), Detector(model, faces=True).detect(path)
    assert plain.faces is None
    assert (plain.verdict, plain.p_fake) == (faced.verdict, faced.p_fake)
    assert faced.faces is not None
    (face,) = faced.faces
    assert face.p_fake is not None
    assert faced.to_json()["faces"] == [face.to_json()]
    assert "faces" not in plain.to_json()
