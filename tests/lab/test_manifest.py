"""The manifest: what the one reader accepts, and how it refuses the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from unmask.lab.data.manifest import (
    ManifestError,
    Row,
    check_trainable,
    parse_category,
    parse_split,
    read_manifest,
    select,
    write_manifest,
)


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "manifest.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_only_path_and_label_are_required(tmp_path: Path) -> None:
    [row] = read_manifest(write(tmp_path, "path,label\na.jpg,real\n"))
    assert row == Row(
        path=tmp_path / "a.jpg", label="real", generator="camera", source=tmp_path.name
    )


def test_paths_are_taken_from_the_manifests_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "set").mkdir()
    write(tmp_path / "set", "path,label\nreal/a.jpg,real\n/elsewhere/b.jpg,fake\n")
    monkeypatch.chdir(tmp_path)
    rows = read_manifest(Path("set/manifest.csv"))
    assert [row.path for row in rows] == [Path("set/real/a.jpg"), Path("/elsewhere/b.jpg")]


def test_case_order_and_other_columns_do_not_matter(tmp_path: Path) -> None:
    text = " Label ,NOTE,Path,SPLIT,Category\nFAKE,x,a.jpg,Validation,Human Faces\n"
    [row] = read_manifest(write(tmp_path, text))
    assert (row.label, row.split, row.category) == ("fake", "val", "human_faces")
    assert row.is_fake and row.generator == "unknown"


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    [row] = read_manifest(write(tmp_path, "path,label\na.jpg,real\n", "utf-8-sig"))
    assert row.path.name == "a.jpg"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("path,kind\na.jpg,real\n", "no column named label"),
        ("a.jpg,real\n", "no column named path or label"),
        ("path,label\na.jpg,real\nb.jpg,maybe\n", "line 3: unknown label 'maybe'"),
        ("path,label\na.jpg,\n", "line 2: unknown label ''"),
        ("path,label,split\na.jpg,real,holdout\n", "line 2: unknown split 'holdout'"),
        ("path,label,category\na.jpg,real,houses\n", "line 2: unknown category 'houses'"),
        ("path,label,width\na.jpg,real,-3\n", "line 2: unknown width '-3'"),
        ("path,label\n,real\n", "line 2: no path"),
        ("path,label\n", "names no picture"),
        ("", "no column named path or label"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read_manifest(write(tmp_path, text))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="There is no manifest"):
        read_manifest(tmp_path / "absent.csv")
    with pytest.raises(ManifestError, match="is a folder"):
        read_manifest(tmp_path)
    with pytest.raises(ManifestError, match="not a CSV file in UTF-8"):
        read_manifest(write(tmp_path, "path,label\ncafé.jpg,real\n", "latin-1"))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    rows = [
        Row(tmp_path / "real/a, b.jpg", "real", "animals", "camera", "zoo", 40, 30, "test", "g1"),
        Row(Path("/elsewhere/ü.png"), "fake", "", "gan", "web", 8, 9, "val", "g2"),
    ]
    manifest = tmp_path / "manifest.csv"
    write_manifest(manifest, rows)
    assert read_manifest(manifest) == rows
    assert str(tmp_path) not in manifest.read_text(), "a moved folder would lose its pictures"


def test_aliases_of_splits_and_categories() -> None:
    assert [parse_split(word) for word in ("Train", "VALID", "dev", " test ", "x")] == [
        "train", "val", "val", "test", None,
    ]  # fmt: skip
    assert parse_category("Human-Faces") == "human_faces"
    assert parse_category("cars") == "vehicles"
    assert parse_category("houses") is None


def test_training_refuses_groups_that_straddle_and_labels_that_lack(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    path = tmp_path / "a"
    good = [
        Row(path, label, split=split, group=f"{label}{split}")
        for label in ("real", "fake")
        for split in ("train", "val")
    ]
    check_trainable(good)
    with pytest.raises(ManifestError, match="must not straddle"):
        check_trainable([*good, Row(path, "real", split="test", group="realtrain")])
    with pytest.raises(ManifestError, match="'val' has no fake"):
        check_trainable(good[:-1])
    with pytest.raises(ManifestError, match="1 of 5 pictures do not exist"):
        check_trainable([*good, Row(tmp_path / "gone", "real")])
    with pytest.raises(ManifestError, match="no picture in the split 'test'"):
        select(good, "test")


def test_further_columns_are_facets_and_come_back(tmp_path: Path) -> None:
    manifest, copy = tmp_path / "m.csv", tmp_path / "copy.csv"
    manifest.write_text("path,label,Publisher,kind\na.jpg,real,somebody,stock\nb.jpg,fake,,edit\n")
    rows = read_manifest(manifest)
    assert rows[0].facets == (("publisher", "somebody"), ("kind", "stock"))
    assert rows[1].facet("publisher") == ""
    write_manifest(copy, rows)
    assert read_manifest(copy) == rows
