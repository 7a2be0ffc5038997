"""The rows of a scan: all that a verdict says, and what `unmask detect` says of the same files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scanning import by_name, read_rows, run_scan
from tiny import shared_tiny_model
from unmask.detector.settings import DetectorSettings
from unmask.evidence.finding import Finding
from unmask.picture.decode import Limits
from unmask.scan.rows import ANSWER, ROWS, rows_table, verdict_columns
from unmask.scan.scan_settings import ScanSettings
from unmask.verdict.verdict import FIELDS, FaceVerdict, Verdict

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_every_field_of_a_verdict_has_a_column_and_arrives() -> None:
    assert set(FIELDS) <= set(ROWS.names)
    assert set(ANSWER) == set(FIELDS) - {"path"}
    said = Verdict(
        path="a", verdict="fake", p_fake=0.9, category="animals", category_confidence=0.8,
        error="no", decided_by="pixels",
        evidence=(Finding("png.prompt", "PNG text", "ai", "strong", "A prompt."),),
        faces=(FaceVerdict((1, 2, 3, 4), 0.7, 0.6),), notes=("A note.",),
    )  # fmt: skip
    (row,) = rows_table([verdict_columns(said)]).to_pylist()
    for name, value in said.to_json().items():
        found = row[name]
        assert found == value or json.loads(found) == value


def test_no_faces_found_is_not_the_same_as_nobody_asked() -> None:
    found = [verdict_columns(Verdict("a", faces=())), verdict_columns(Verdict("b"))]
    assert rows_table(found).column("faces").to_pylist() == ["[]", None]


def test_settings_cross_processes_whole_and_all_of_them_decide() -> None:
    detector = DetectorSettings(
        threshold=0.3, faces=True, trust="PEM", limits=Limits(max_bytes=5, max_pixels=7)
    )
    settings = ScanSettings(detector=detector, model=Path("a.onnx"))
    assert ScanSettings.model_validate_json(settings.model_dump_json()) == settings
    assert settings.decides.keys() == DetectorSettings.model_fields.keys() - {"device"}


@pytest.mark.parametrize("options", [[], ["--threshold", "0.5", "--faces"]], ids=str)
def test_a_scan_says_what_detect_says(options: list[str], tmp_path: Path) -> None:
    folder, out = tmp_path / "pictures", tmp_path / "out"
    shutil.copytree(EXAMPLES, folder)
    shutil.copy(folder / "real-face-ffhq.jpg", folder / "same-again.jpg")
    chosen = ["--model", str(shared_tiny_model()), *options]
    done = run_scan(folder, "--out", out, "--workers", 1, *chosen)
    assert done.returncode == 0, done.stderr
    detected = subprocess.run(
        [sys.executable, "-m", "unmask", "detect", folder, "--json", *chosen],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    verdicts = by_name(json.loads(detected.stdout))
    rows = by_name(read_rows(out))
    assert rows.keys() == verdicts.keys()
    assert sum(row["duplicate_of"] is not None for row in rows.values()) == 1
    for name, verdict in verdicts.items():
        assert _as_detected(rows[name], faces="--faces" in options) == verdict


def _as_detected(row: dict[str, Any], *, faces: bool) -> dict[str, Any]:
    said = {name: row[name] for name in FIELDS}
    said |= {name: json.loads(said[name] or "[]") for name in ("evidence", "notes")}
    said["faces"] = json.loads(said["faces"]) if faces else said["faces"]
    if not faces:
        assert said.pop("faces") is None
    return said
