"""What a scan tells while it runs and afterwards, and the example for Kubernetes."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tiny import shared_tiny_model
from unmask.cli import app
from unmask.logs import JsonLines, log_to, uvicorn_config
from unmask.scan.ledger import Ledger
from unmask.scan.monitor import ScanMetrics, ScanMonitor
from unmask.scan.summary import sum_up
from unmask.scan.units import UnitResult

ROWS = [
    {"path": "a", "sha256": "aa" * 32, "verdict": "fake", "p_fake": 0.97, "score_ms": 70.0,
     "bytes": 100, "category": "animals", "decided_by": "pixels", "model": "m"},
    {"path": "b", "error": "The picture is 2 x 3 pixels, too small to say anything about."},
    {"path": "c", "error": "The picture is 4 x 7 pixels, too small to say anything about."},
    {"path": "d", "sha256": "aa" * 32, "verdict": "fake", "p_fake": 0.97, "duplicate_of": "a",
     "bytes": 100, "category": "animals", "decided_by": "pixels", "model": "m"},
    {"path": "e", "sha256": "bb" * 32, "verdict": "real", "p_fake": 0.02, "bytes": 50,
     "category": "other", "decided_by": "pixels", "model": "m"},
]  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line_says_rate_errors_and_time_left() -> None:
    stream = Terminal()
    monitor = ScanMonitor(total=1010, before=1000, errors=3, stream=stream)
    monitor.started -= 10
    monitor(UnitResult(1, ROWS, "7", 1 << 20))
    assert monitor.line() == "1,005 of 1,010 files, 0.5 files/s, 5 errors, 0:00:10 left"
    assert stream.getvalue() == "\r" + monitor.line()
    monitor.close()
    assert monitor.seconds == pytest.approx(10, abs=1)
    assert stream.getvalue().endswith("\r")


def test_metrics_count_by_outcome() -> None:
    monitor = ScanMonitor(total=9)
    metrics = ScanMetrics(0, monitor)
    waiting = {"path": "f", "sha256": "aa" * 32}
    for see in (monitor, metrics):
        see(UnitResult(1, [*ROWS, waiting], "7", 1 << 20, deaths=2))
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics.port}/metrics") as answer:
        text = answer.read().decode()
    metrics.close()
    for line in (
        'unmask_scan_files_total{outcome="error"} 2.0',
        'unmask_scan_files_total{outcome="fake"} 2.0',
        'unmask_scan_files_total{outcome="duplicate"} 1.0',
        "unmask_scan_files_left 3.0",
        "unmask_scan_worker_deaths_total 2.0",
        'unmask_scan_worker_bytes{worker="7"} 1.048576e+06',
        "unmask_scan_file_seconds_count 1.0",
        "unmask_scan_bytes_total 250.0",
    ):
        assert line in text.splitlines()


def test_logs_are_json_lines(tmp_path: Path) -> None:
    log_to(tmp_path / "log")
    logger = logging.getLogger("unmask")
    try:
        ScanMonitor(total=5)(UnitResult(1, ROWS, "7", 0, deaths=1))
        raise ValueError("no")
    except ValueError:
        logging.getLogger("unmask.scan").exception("failed", extra={"unit": 3})
    finally:
        for handler in list(logger.handlers):
            if isinstance(handler.formatter, JsonLines):
                logger.removeHandler(handler)
                handler.close()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["message"] for line in lines] == [
        "workers died", "no answer", "no answer", "failed",
    ]  # fmt: skip
    assert lines[1]["path"] == "b"
    assert lines[3]["unit"] == 3
    assert "Traceback" in lines[3]["exception"]
    logging.config.dictConfig(uvicorn_config("warning"))


def test_a_summary_counts_errors_by_kind_and_each_content_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.commit(0, ROWS[:3])
    ledger.commit(1, ROWS[3:])
    found = sum_up(ledger, 1)
    assert (found.inputs, found.answered, found.errors, found.duplicates) == (5, 3, 2, 1)
    assert found.errors_by_kind == {
        "The picture is N x N pixels, too small to say anything about.": 2
    }
    assert found.verdicts == {"fake": 2, "real": 1}
    assert found.histogram[19] == 2
    assert found.histogram_by_category["other"][0] == 1
    assert [(suspect.path, suspect.place) for suspect in found.suspects] == [("a", 0)]


def test_the_local_engine_needs_neither_ray_nor_pytorch(tmp_path: Path) -> None:
    model = shared_tiny_model()
    code = (
        "import sys; from unmask.scan import driver, local_engine, monitor, sources, summary_page;"
        "from unmask.scan.unit_scorer import UnitScorer;"
        "from unmask.scan.scan_settings import ScanSettings;"
        f"UnitScorer(ScanSettings(model={str(model)!r}));"
        "print([name for name in ('ray', 'torch', 'pandas', 's3fs') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_kubernetes_example_gives_commands_that_there_are() -> None:
    text = Path(__file__).parents[2].joinpath("deploy", "kuberay.yaml").read_text()
    documents = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text)}
    job = documents["RayJob", "unmask-scan"]["spec"]
    command = shlex.split(job["entrypoint"])
    assert command[:2] == ["unmask", "scan"]
    listed = CliRunner().invoke(app, ["scan", "--help"], env={"COLUMNS": "200"}).stdout
    assert all(word in listed for word in command if word.startswith("--"))
    served = yaml.safe_load(documents["RayService", "unmask"]["spec"]["serveConfigV2"])
    module, _, name = served["applications"][0]["import_path"].partition(":")
    source = Path(__file__).parents[2] / "src" / (module.replace(".", "/") + ".py")
    assert f"def {name}(" in source.read_text()
