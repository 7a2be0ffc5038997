"""How pictures of generators never met are put beside photos: recipes/unseen/unseen.py."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import unseen
from pictures import encode, picture
from unmask.lab.data.manifest import Row


def saved(path: Path, image: Image.Image) -> Path:
    path.write_bytes(encode(image, "PNG"))
    return path


def test_a_photo_is_cut_shrunk_and_saved_as_the_thumbnails_are() -> None:
    wide = picture(900, 600, 1)
    with Image.open(io.BytesIO(unseen.square(wide))) as image:
        assert (image.format, image.size) == ("WEBP", (400, 400))
        middle = wide.crop((150, 0, 750, 600)).resize((400, 400))
        error = np.abs(np.asarray(image.convert("RGB"), float) - np.asarray(middle, float))
        assert error.mean() < 4


def test_a_thumbnail_stays_as_it_is_and_a_moving_picture_gives_one_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = encode(picture(400, 400, 1), "WEBP", quality=95)
    frames = [Image.new("RGB", (320, 240), (60 * number, 0, 0)) for number in range(4)]
    moving = encode(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    with zipfile.ZipFile(tmp_path / "one.whl", "w") as wheel:
        wheel.writestr("templates/still.webp", still)
        wheel.writestr("templates/moving.webp", moving)
    lists = tmp_path / "lists"
    lists.mkdir()
    with (lists / "fakes.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("package", "name", "kind", "generator"),
                ("one", "still", "picture", "someone"),
                ("one", "moving", "frame", "someone"),
            ]
        )
    monkeypatch.setattr(unseen, "LISTS", lists)
    first, second = unseen.fakes(tmp_path, tmp_path)
    assert first.path.read_bytes() == still
    with Image.open(second.path) as image:
        assert image.size == (400, 400)
        # The last of four frames lies at three quarters.
        assert abs(np.asarray(image.convert("RGB"))[..., 0].mean() - 180) < 6
    assert {row.split for row in (first, second)} == {"test"}


def test_a_near_duplicate_of_a_training_picture_stops_it(tmp_path: Path) -> None:
    test = [Row(saved(tmp_path / f"{seed}.png", picture(seed=seed)), "real") for seed in (1, 2)]
    again = saved(tmp_path / "again.png", picture(90, 75, seed=2))
    rows = unseen.grouped(test, [Row(again, "real", split="test")])
    assert len({row.group for row in rows}) == 2
    with pytest.raises(SystemExit, match="1 pictures have a near-duplicate in training"):
        unseen.grouped(test, [Row(again, "real", split="train")])


def test_the_lists_name_each_picture_once() -> None:
    fakes, photos = (unseen.read(unseen.LISTS / f"{name}.csv") for name in ("fakes", "photos"))
    for lines in (fakes, photos):
        assert len({line["name"] for line in lines}) == len(lines)
    assert {line["kind"] for line in fakes} == {"picture", "frame"}
