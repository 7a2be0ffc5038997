"""The public face: eight names, every kind of picture, and examples that run."""

from __future__ import annotations

import inspect
import io
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import unmask
from pictures import encode, picture
from tiny import shared_tiny_model
from unmask import (
    Detector,
    Finding,
    ModelError,
    PictureError,
    Verdict,
    VideoDetector,
    explain,
    inspect_file,
)

PORTRAIT = Path(__file__).parents[2] / "examples" / "fake-face-stylegan2.jpg"
PUBLIC = [
    Detector, Finding, ModelError, PictureError, Verdict, VideoDetector, explain, inspect_file,
]  # fmt: skip


def test_the_module_shows_these_names_and_no_more() -> None:
    assert sorted(dir(unmask)) == sorted(one.__name__ for one in PUBLIC)
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = unmask.nothing_such


def test_every_kind_of_picture_gets_the_same_answer(tmp_path: Path) -> None:
    image = picture(300, 260)
    data = encode(image, "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    detector = Detector(shared_tiny_model())
    with path.open("rb") as file, Image.open(path) as opened:
        given = [
            path, str(path), data, bytearray(data), memoryview(data), file, io.BytesIO(data),
            opened, np.asarray(image),
        ]  # fmt: skip
        found = [detector.detect(one) for one in given]
    assert len({(one.verdict, one.p_fake, one.category_confidence) for one in found}) == 1
    assert [one.path for one in found] == [str(path)] * 2 + ["-"] * 7


@pytest.mark.parametrize("wrong", [None, 3, io.StringIO("text"), object()])
def test_what_is_no_picture_is_one_sentence(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"^A (picture is|file must)[^.\n]*\.$"):
        Detector(shared_tiny_model()).detect(wrong)  # type: ignore[arg-type]


def test_one_picture_is_no_list_of_them() -> None:
    for wrong in ("a.jpg", Path("a.jpg"), b"data", 3):
        with pytest.raises(TypeError, match="takes a list of pictures"):
            Detector(shared_tiny_model()).detect_many(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("public", PUBLIC, ids=lambda one: one.__name__)
def test_the_example_of_each_name_runs(
    public: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = inspect.getdoc(public) or ""
    after = text.split("Example::\n", 1)
    assert len(after) == 2, "it has no example"
    lines = after[1].split("\n")
    end = next((at for at, line in enumerate(lines) if line and line[0] != " "), len(lines))
    code = textwrap.dedent("\n".join(lines[:end]))
    assert len(code.strip().splitlines()) <= 8
    if "clip.mp4" in code:
        pytest.importorskip("av")
        from clips import clip, frames

        (tmp_path / "clip.mp4").write_bytes(clip(frames(10)))
    (tmp_path / "photo.jpg").write_bytes(PORTRAIT.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("unmask.model.open.SHIPPED", shared_tiny_model())
    exec(compile(code, "example", "exec"), {})  # noqa: S102
