"""``unmask data audit``: planted problems are found, and a clean set has none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pictures import encode, picture
from unmask.cli.make.data import app
from unmask.lab.data.audit import Audit, audit_manifest
from unmask.lab.data.fingerprint import fingerprint
from unmask.lab.data.manifest import Label, Row, Split, write_manifest
from unmask.lab.data.shortcuts import NAMED_FROM, deal_folds, held_out_auc
from unmask.picture.jpeg import JpegCoding, estimate_quality
from unmask.picture.kind import kind_of

SPLITS: tuple[Split, ...] = ("train", "train", "val", "test")


def clean_rows(folder: Path, per_label: int = 40) -> list[Row]:
    """Write a set in which nothing but the content differs."""
    rows = []
    labels: tuple[Label, ...] = ("real", "fake")
    for number in range(2 * per_label):
        path = folder / f"{number}.jpg"
        path.write_bytes(encode(picture(seed=number), quality=90))
        category = "animals" if number // 2 % 2 else "vehicles"
        split = SPLITS[number // 2 % 4]
        rows.append(Row(path, labels[number % 2], category, "", "toy", 96, 80, split, str(number)))
    return rows


def audit(folder: Path, rows: list[Row]) -> Audit:
    manifest = folder / "manifest.csv"
    write_manifest(manifest, rows)
    return audit_manifest(manifest)


def kinds(found: Audit) -> list[str]:
    return [problem.kind for problem in found.problems]


def test_a_clean_set_has_no_problem(tmp_path: Path) -> None:
    found = audit(tmp_path, clean_rows(tmp_path))
    assert found.problems == []
    assert (found.pictures, found.readable, found.exact_copies, found.near_copies) == (80, 80, 0, 0)
    assert {shortcut.name for shortcut in found.shortcuts} >= {
        "file size", "exact size", "file format", "JPEG quality", "category", "source",
    }  # fmt: skip
    assert sum(share.pictures for share in found.balance) == 80


def test_unreadable_pictures_are_named_with_their_reason(tmp_path: Path) -> None:
    rows = clean_rows(tmp_path)
    rows[0].path.write_text("no picture")
    rows[1].path.unlink()
    [problem] = audit(tmp_path, rows).problems
    assert problem.kind == "unreadable"
    assert problem.pictures == [
        [f"0.jpg: {kind_of(b'no picture').refusal}"],
        ["1.jpg: There is no such file."],
    ]


def test_a_near_duplicate_in_another_split_is_found(tmp_path: Path) -> None:
    rows = clean_rows(tmp_path)
    copied, home = rows[0], rows[4]
    assert (copied.label, copied.split, home.label, home.split) == ("real", "train", "real", "val")
    home.path.write_bytes(encode(picture(seed=0), quality=50))
    found = audit(tmp_path, rows)
    [problem] = found.problems
    assert problem.kind == "straddling"
    assert "near-duplicate in another split" in problem.sentence
    assert problem.pictures == [["train real: 0.jpg", "val real: 4.jpg"]]
    assert (found.exact_copies, found.near_copies) == (0, 1)


def test_an_exact_copy_in_another_split_is_said_once(tmp_path: Path) -> None:
    rows = clean_rows(tmp_path)
    rows[4].path.write_bytes(rows[0].path.read_bytes())
    [problem] = audit(tmp_path, rows).problems
    assert "byte-identical copy in another split" in problem.sentence


def test_a_group_in_two_splits_is_found(tmp_path: Path) -> None:
    rows = clean_rows(tmp_path)
    rows[4] = replace(rows[4], group=rows[0].group)
    [problem] = audit(tmp_path, rows).problems
    assert problem.kind == "straddling"
    assert "1 group of the manifest" in problem.sentence


def test_twins_are_counted_and_contradictions_are_found(tmp_path: Path) -> None:
    rows = clean_rows(tmp_path)
    assert (rows[0].label, rows[1].label) == ("real", "fake")
    rows[1].path.write_bytes(encode(picture(seed=0), quality=88))
    apart = audit(tmp_path, rows)
    assert kinds(apart) == ["contradiction"]
    assert apart.problems[0].pictures == [["train real: 0.jpg", "train fake: 1.jpg"]]
    assert apart.twin_groups == 0

    rows[1] = replace(rows[1], group=rows[0].group)
    together = audit(tmp_path, rows)
    assert together.problems == []
    assert together.twin_groups == 1

    rows[1].path.write_bytes(rows[0].path.read_bytes())
    [problem] = audit(tmp_path, rows).problems
    assert "byte for byte the same under both labels" in problem.sentence


def test_a_split_without_a_label_is_found(tmp_path: Path) -> None:
    rows = [row for row in clean_rows(tmp_path) if row.split != "val" or row.label == "fake"]
    assert "The split 'val' has no real picture." in [
        problem.sentence for problem in audit(tmp_path, rows).problems
    ]


def shortcut_sentences(found: Audit) -> str:
    assert set(kinds(found)) == {"shortcut"}
    return " ".join(problem.sentence for problem in found.problems)


def test_fakes_in_another_format_are_found(tmp_path: Path) -> None:
    rows = clean_rows(tmp_path)
    for row in rows:
        if row.is_fake:
            row.path.write_bytes(encode(picture(seed=int(row.group)), "PNG"))
    said = shortcut_sentences(audit(tmp_path, rows))
    assert "File format alone tells real from fake with AUC 1.00" in said
    assert "PNG: 40 of 40 fake" in said and "JPEG: 0 of 40 fake" in said


def test_fakes_at_another_jpeg_quality_are_found(tmp_path: Path) -> None:
    rows = clean_rows(tmp_path)
    for row in rows:
        if row.is_fake:
            row.path.write_bytes(encode(picture(seed=int(row.group)), quality=75))
    found = audit(tmp_path, rows)
    quality = next(shortcut for shortcut in found.shortcuts if shortcut.name == "JPEG quality")
    assert quality.found and quality.auc == 1.0
    assert quality.evidence == "median 90 for real, 75 for fake"


def test_fakes_of_one_size_among_others_are_found(tmp_path: Path) -> None:
    rows = clean_rows(tmp_path)
    for row in rows:
        # Reals are smaller and larger, so that no threshold on the number of pixels finds it.
        side = 96 if row.is_fake else (80, 120)[int(row.group) // 2 % 2]
        row.path.write_bytes(encode(picture(side, side, int(row.group)), quality=90))
    assert "Exact size alone tells real from fake" in shortcut_sentences(audit(tmp_path, rows))


def test_a_shortcut_within_one_source_alone_is_found(tmp_path: Path) -> None:
    rows = clean_rows(tmp_path, per_label=120)
    for index, row in enumerate(rows):
        if index < 24:
            rows[index] = row = replace(row, source="small")
            side = 64 if row.is_fake else 96
            row.path.write_bytes(encode(picture(side, side, int(row.group)), quality=90))
    found = audit(tmp_path, rows)
    assert not any(shortcut.found for shortcut in found.shortcuts if not shortcut.within)
    assert "within source small" in shortcut_sentences(found)


def test_category_and_source_alone_are_found(tmp_path: Path) -> None:
    rows = [
        replace(row, category="vehicles" if row.is_fake else "animals")
        for row in clean_rows(tmp_path)
    ]
    assert "Category alone tells real from fake with AUC 1.00" in shortcut_sentences(
        audit(tmp_path, rows)
    )


def test_noise_is_no_shortcut_and_folds_keep_groups_whole() -> None:
    rng = np.random.default_rng(0)
    fake = rng.random(400) < 0.5
    groups = [index // 4 for index in range(400)]
    folds = deal_folds(groups, fake)
    assert all(len(set(folds[start : start + 4].tolist())) == 1 for start in range(0, 400, 4))
    assert abs(held_out_auc(rng.random(400), fake, folds) - 0.5) < NAMED_FROM - 0.5
    # Kinds that never come back say nothing of the held-out pictures.
    assert held_out_auc(list(range(400)), fake, folds) == 0.5
    assert held_out_auc(["one"] * 400, fake, folds) == 0.5
    assert held_out_auc(-fake.astype(float), fake, folds) == 1.0


def test_every_libjpeg_quality_is_recovered() -> None:
    for quality in (1, 10, 30, 45, 49, 50, 51, 75, 90, 95, 99, 100):
        coding = fingerprint(encode(picture(), quality=quality)).jpeg
        assert coding is not None and coding.quality == quality
    assert estimate_quality([[1] * 64]) == 100


@pytest.mark.parametrize(("setting", "name"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_subsampling_and_tables_tell_encodings_apart(setting: int, name: str) -> None:
    def coding(quality: int) -> JpegCoding:
        found = fingerprint(encode(picture(), quality=quality, subsampling=setting)).jpeg
        assert found is not None
        return found

    assert coding(80).subsampling == name
    assert coding(80).tables != coding(81).tables
    grey = fingerprint(encode(picture().convert("L"), quality=80)).jpeg
    assert grey is not None and (grey.subsampling, grey.quality) == ("grey", 80)
    assert fingerprint(encode(picture(), "PNG")).jpeg is None


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["audit", *map(str, arguments)], env={"COLUMNS": "80"})
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def test_exit_codes_and_text_of_the_command(tmp_path: Path) -> None:
    rows = clean_rows(tmp_path)
    manifest = tmp_path / "manifest.csv"
    write_manifest(manifest, rows)
    code, stdout, _ = run(manifest)
    assert code == 0
    assert "No problems found." in stdout

    rows[4].path.write_bytes(rows[0].path.read_bytes())
    code, stdout, _ = run(manifest)
    assert code == 1
    assert "1 problem found" in stdout and "val real: 4.jpg" in stdout
    assert max(map(len, stdout.splitlines())) <= 80

    code, stdout, stderr = run(tmp_path / "absent.csv")
    assert (code, stdout) == (2, "")
    assert "There is no manifest" in stderr


def test_json_is_one_document_with_everything(tmp_path: Path) -> None:
    rows = clean_rows(tmp_path)
    for row in rows[:5]:
        row.path.write_text("no picture")
    write_manifest(tmp_path / "manifest.csv", rows)
    code, stdout, _ = run(tmp_path / "manifest.csv", "--json")
    assert code == 1
    document = json.loads(stdout)
    assert document["clean"] is False
    assert (document["pictures"], document["readable"]) == (80, 75)
    assert len(document["problems"][0]["pictures"]) == 5
    assert all(0 <= shortcut["auc"] <= 1 for shortcut in document["shortcuts"])


def test_a_file_name_cannot_drive_the_terminal(tmp_path: Path) -> None:
    rows = clean_rows(tmp_path)
    evil = rows[0].path.with_name("\x1b[2J[red]x.jpg")
    evil.write_text("no picture")
    write_manifest(tmp_path / "manifest.csv", [replace(rows[0], path=evil), *rows[1:]])
    _, stdout, _ = run(tmp_path / "manifest.csv")
    assert "\x1b" not in stdout and "[red]x.jpg" in stdout
