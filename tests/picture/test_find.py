"""Finding pictures: every way of naming them, and every place that cannot be looked into."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pictures import encode, picture
from unmask.picture.errors import PictureError
from unmask.picture.find import find_pictures


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    data = encode(picture())
    (tmp_path / "sub").mkdir()
    for name in ("a.jpg", "b.JPG", "sub/c.png", "sub/no-suffix", "sub/photo [1].jpg"):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def names(*paths: str | Path) -> list[str]:
    found = find_pictures([str(path) for path in paths])
    return [Path(item).name if isinstance(item, str) else str(item) for item in found]


def test_a_folder_stands_for_the_pictures_below_it(tree: Path) -> None:
    assert names(tree) == ["a.jpg", "b.JPG", "c.png", "no-suffix", "photo [1].jpg"]


def test_files_and_globs(tree: Path) -> None:
    assert names(tree / "notes.txt", tree / "absent.jpg") == ["notes.txt", "absent.jpg"]
    assert names(tree / "*.jpg") == ["a.jpg"]
    assert names(tree / "**" / "*") == ["a.jpg", "b.JPG", "c.png", "no-suffix", "photo [1].jpg"]
    assert names(tree / "sub" / "photo [1].jpg") == ["photo [1].jpg"]
    assert names(tree / "*.gif") == ["No picture matches this pattern."]


def test_loops_and_empty_folders_cost_one_item(tree: Path) -> None:
    os.symlink("..", tree / "sub" / "up")
    (tree / "empty").mkdir()
    found = list(find_pictures([str(tree)]))
    errors = [item for item in found if isinstance(item, PictureError)]
    assert len(found) == 6
    assert [(Path(e.name or "").name, "leads back" in str(e)) for e in errors] == [("up", True)]
    assert names(tree / "empty") == ["There is no picture in this folder."]


def test_standard_input_is_handed_on_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        class buffer:  # noqa: N801
            @staticmethod
            def read(limit: int) -> bytes:
                return b"data"[:limit]

    monkeypatch.setattr("sys.stdin", Stdin)
    assert list(find_pictures(["-"])) == [b"data"]
