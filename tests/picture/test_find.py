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


def test_a_link_to_itself_costs_one_item_and_the_rest_goes_on(tree: Path) -> None:
    os.symlink("self", tree / "sub" / "self")
    os.symlink("self/below", tree / "sub" / "lost")
    assert names(tree) == [
        "a.jpg",
        "b.JPG",
        "c.png",
        "This link leads back to itself.",
        "no-suffix",
        "photo [1].jpg",
        "This link leads back to itself.",
    ]


def test_a_closed_folder_costs_one_item(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "closed").mkdir()
    os.symlink("closed/within", tree / "link")
    look, status = os.scandir, os.stat

    def scandir(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return _Entries(look(path))

    def closed_stat(path: str) -> os.stat_result:
        if os.fspath(path).endswith("link"):
            raise PermissionError(13, "Permission denied")
        return status(path)

    class _Entries:
        def __init__(self, entries: object) -> None:
            self.entries = entries

        def __enter__(self) -> object:
            return (_Entry(entry) for entry in self.entries)  # type: ignore[attr-defined]

        def __exit__(self, *_: object) -> None:
            self.entries.close()  # type: ignore[attr-defined]

    class _Entry:
        def __init__(self, entry: os.DirEntry[str]) -> None:
            self.entry, self.name = entry, entry.name

        def is_dir(self) -> bool:
            if self.name == "link":
                raise PermissionError(13, "Permission denied")
            return self.entry.is_dir()

    monkeypatch.setattr("unmask.picture.find.os.scandir", scandir)
    monkeypatch.setattr("unmask.picture.find.os.stat", closed_stat)
    found = list(find_pictures([str(tree)]))
    errors = [(Path(e.name or "").name, str(e)) for e in found if isinstance(e, PictureError)]
    sentence = "There is no permission to look into this folder."
    assert errors == [("closed", sentence), ("link", sentence)]
    assert len(found) == 7


def test_patterns_come_to_an_end_where_links_lead_back(tree: Path) -> None:
    os.symlink("..", tree / "sub" / "up")
    os.symlink("..", tree / "sub" / "above")
    found = names(tree / "**" / "*.jpg")
    assert [name for name in found if "leads back" not in name] == ["a.jpg", "photo [1].jpg"]


def test_patterns_match_as_globs_do(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / ".hidden").mkdir()
    (tree / ".hidden" / "x.jpg").write_bytes(encode(picture()))
    monkeypatch.chdir(tree)
    assert list(find_pictures(["**/*.png"])) == [os.path.join("sub", "c.png")]
    assert list(find_pictures(["**/sub/*.png"])) == [os.path.join("sub", "c.png")]
    assert list(find_pictures(["s*/**"])) == [
        os.path.join("sub", name) for name in ("c.png", "no-suffix", "photo [1].jpg")
    ]
    assert list(find_pictures([".hidden/**"])) == [os.path.join(".hidden", "x.jpg")]


def test_what_macos_puts_beside_files_is_left_out(tree: Path) -> None:
    (tree / "._a.jpg").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(99))
    assert "._a.jpg" not in names(tree)
    (tree / "._b.jpg").write_bytes(encode(picture()))
    assert "._b.jpg" in names(tree)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_are_no_utf_8_are_found(tree: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    (tree / name).write_bytes(encode(picture()))
    assert name in names(tree)
    assert names(tree / "caf*") == [name]


def test_closed_standard_input_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert [str(found) for found in find_pictures(["-"])] == ["Standard input is closed."]


def test_standard_input_is_handed_on_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        class buffer:  # noqa: N801
            @staticmethod
            def read(limit: int) -> bytes:
                return b"data"[:limit]

    monkeypatch.setattr("sys.stdin", Stdin)
    assert list(find_pictures(["-"])) == [b"data"]
