"""One picture gets one answer, whoever asks: command line, Python, page, scan and API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from unmask import Detector
from unmask.cli import app
from unmask.model.model import Model

ROOT = Path(__file__).parents[1]
# A face that has a say over ``real``, one that has none, and a picture between the cuts.
EXAMPLES = {
    ROOT / "examples" / "real-face-ffhq-256.jpg": "real",
    ROOT / "examples" / "fake-face-stylegan2.jpg": "fake",
    ROOT / "examples" / "real-vehicle-cars.jpg": "unsure",
}
_CASES = ROOT.parent / "shared" / "cases"
CASES = [
    _CASES / name
    for name in (
        "16-prompts/uc-cn-le.jpg",
        "11-heic-primary/primary-is-second-real.heic",
    )
]
PICTURES = [*EXAMPLES, *(path for path in CASES if path.exists())]
FIELDS = ("verdict", "p_fake", "category", "decided_by", "reason")
Answers = dict[str, dict[str, Any]]


def chosen(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in FIELDS}


@pytest.fixture(scope="module")
def detector(shipped: Model) -> Detector:
    return Detector(shipped, faces=True)


@pytest.fixture(scope="module")
def expected() -> Answers:
    """What ``unmask detect`` says."""
    done = CliRunner().invoke(app, ["detect", *map(str, PICTURES), "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [row["path"] for row in rows] == list(map(str, PICTURES))
    found = {row["path"]: chosen(row) for row in rows}
    assert {path: found[str(path)]["verdict"] for path in EXAMPLES} == EXAMPLES
    return found


def test_python_answers_alike(detector: Detector, expected: Answers) -> None:
    for path in list(EXAMPLES)[:2]:
        assert chosen(detector.detect(path).to_json()) == expected[str(path)]
    many = detector.detect_many(PICTURES)
    assert {one.path: chosen(one.to_json()) for one in many} == expected
    batch = detector.detect_batch([path.read_bytes() for path in PICTURES])
    assert [chosen(one.to_json()) for one in batch] == [expected[str(path)] for path in PICTURES]


def test_explain_answers_alike(expected: Answers, tmp_path: Path) -> None:
    asked = ["explain", *map(str, PICTURES), "--out", str(tmp_path / "out"), "--jsonl"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["path"]: chosen(row) for row in rows} == expected


def test_report_answers_alike(detector: Detector, expected: Answers) -> None:
    from unmask.report.gather import gather

    for path in PICTURES:
        found = gather(path, detector).picture
        assert found is not None
        assert chosen(found.to_json()) == expected[str(path)]


def test_scan_answers_alike(expected: Answers, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "scan"
    done = CliRunner().invoke(app, ["scan", *map(str, PICTURES), "--out", str(out)])
    assert done.exit_code == 0, done.output
    rows = [row for file in out.rglob("*.parquet") for row in parquet.read_table(file).to_pylist()]
    answered = {row["path"]: chosen(row) for row in rows if "verdict" in row}
    assert {Path(path).name: row for path, row in answered.items()} == {
        Path(path).name: row for path, row in expected.items()
    }


def test_the_service_answers_alike(expected: Answers, tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

    from unmask.service.app import create_app
    from unmask.service.settings import Settings

    settings = Settings(data_dir=tmp_path, decoders=1)
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        for path in PICTURES:
            files = [("file", (path.name, path.read_bytes()))]
            answer = client.post("/v1/detections", files=files)
            assert answer.status_code == 201, answer.text
            (row,) = answer.json()["detections"]
            assert chosen(row) == expected[str(path)]
