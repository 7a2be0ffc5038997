"""The Ray engine gives the rows of the local one, whatever is killed. One small cluster for all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pictures import encode, picture
from scanning import (
    POISON,
    command,
    poison,
    read_rows,
    run_scan,
    write_pictures,
)
from tiny import shared_tiny_model
from unmask.detector.settings import DetectorSettings
from unmask.scan.driver import ScanDriver, scan_folder
from unmask.scan.plan import Plan
from unmask.scan.scan_settings import ScanSettings
from unmask.scan.sources import list_items
from unmask.scan.units import UnitResult


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import ray

    # Workers take their environment from the cluster's.
    with pytest.MonkeyPatch.context() as patch:
        for name, value in poison(tmp_path_factory.mktemp("patch")).items():
            patch.setenv(name, value)
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield ray.get_runtime_context().gcs_address
        ray.shutdown()


@pytest.mark.slow
def test_rows_are_those_of_the_local_engine_when_actors_die(cluster: str, tmp_path: Path) -> None:
    from unmask.scan.ray_engine import RayEngine

    model, folder = shared_tiny_model(), tmp_path / "archive"
    write_pictures(folder, 330)
    shutil.copy(folder / "00001.jpg", folder / "00200-copy.jpg")
    (folder / "00040-text.jpg").write_text("not a picture")
    (folder / "00050-kills.jpg").write_bytes(encode(picture(40, 36, 999)) + POISON)
    settings = ScanSettings(model=model, detector=DetectorSettings(device="cpu"), retries=1)
    dones: list[UnitResult] = []

    killed: list[int] = []

    def kill_once(done: UnitResult) -> None:
        dones.append(done)
        pid = int(done.worker.rpartition("-")[2])
        # The picture that kills may have been quicker.
        if not killed and Path(f"/proc/{pid}").exists():
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    with scan_folder(tmp_path / "ray") as ledger:
        plan = Plan(tmp_path / "ray")
        plan.extend(list_items([str(folder)]), 50)
        engine = RayEngine(ledger.folder, settings, 1, 2, cluster)
        ScanDriver(plan, ledger, engine, [kill_once]).run()
        engine.close()
    patch = tmp_path / "patch"
    patch.mkdir()
    done = run_scan(
        folder, "--out", tmp_path / "local", "--model", model, "--retries", 1, "--block-size", 50,
        env=poison(patch),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    ours, theirs = read_rows(tmp_path / "ray"), read_rows(tmp_path / "local")
    assert len(ours) == 333
    assert [_comparable(row) for row in ours] == [_comparable(row) for row in theirs]
    assert sum(row["duplicate_of"] is not None for row in ours) == 1
    assert killed
    assert sum(done.deaths for done in dones) >= 2
    assert sum(row["error"] is not None for row in ours) == 2


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without times, and without which of two equals was met first."""
    kept = row.keys() - {"read_ms", "score_ms", "duplicate_of"}
    return {name: row[name] for name in kept}


@pytest.mark.slow
def test_a_killed_driver_is_followed_by_one_that_ends_the_scan(
    cluster: str, tmp_path: Path
) -> None:
    model, folder, out = shared_tiny_model(), tmp_path / "archive", tmp_path / "out"
    write_pictures(folder, 400)
    arguments = (
        folder, "--out", out, "--model", model, "--engine", "ray", "--address", cluster,
        "--workers", "1:2", "--block-size", 20,
    )  # fmt: skip
    driver = subprocess.Popen(command(*arguments), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    # The ledger has the first block for certain when the second is written.
    while len(list(out.glob("rows/*/*.parquet"))) < 2:
        assert time.monotonic() < deadline
        assert driver.poll() is None
        time.sleep(0.005)
    driver.kill()
    driver.wait()
    before = len(list(out.glob("rows/*/*.parquet")))
    assert before < 20
    done = run_scan(*arguments)
    assert done.returncode == 0, done.stderr
    assert "inputs are done" in done.stderr
    rows = Counter(row["path"] for row in read_rows(out))
    assert rows == Counter(map(str, folder.iterdir()))


def test_no_cluster_is_one_sentence(tmp_path: Path) -> None:
    write_pictures(tmp_path, 1)
    out, model = tmp_path / "out", shared_tiny_model()
    ray = ("--engine", "ray", "--address", "nowhere")
    done = run_scan(tmp_path, "--out", out, "--model", model, *ray)
    assert done.returncode == 2
    assert "There is no Ray cluster at nowhere" in done.stderr
