"""Scans of archives: every input gives one row, whatever is killed on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from pictures import encode, picture
from scanning import (
    POISON,
    STALL,
    by_name,
    command,
    poison,
    read_rows,
    run_scan,
    write_pictures,
)
from tiny import shared_tiny_model
from unmask.detector.detector import Detector
from unmask.scan.coordinator import LedgerCoordinator
from unmask.scan.ledger import Ledger
from unmask.scan.rows import ROWS


@pytest.fixture(scope="session")
def tiny() -> Path:
    return shared_tiny_model()


def test_rows_say_what_detect_says_and_bad_files_cost_a_row(tiny: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "archive", tmp_path / "out"
    write_pictures(folder / "deep" / "er", 40)
    (folder / "empty.jpg").touch()
    (folder / "text.png").write_text("not a picture\n" * 99)
    shutil.copy(folder / "deep" / "er" / "00007.jpg", folder / "again.jpg")
    bytes_name = os.fsencode(folder) + b"/caf\xe9.jpg"
    Path(os.fsdecode(bytes_name)).write_bytes(encode(picture(40, 36, 99)))
    done = run_scan(folder, "--out", out, "--model", tiny, "--workers", 2, "--block-size", 10)
    assert done.returncode == 1, done.stderr
    rows = read_rows(out)
    assert list(rows[0]) == ROWS.names
    named = by_name(rows)
    assert len(named) == len(rows) == 44
    assert named["empty.jpg"]["error"] == "The file is empty."
    assert named["text.png"]["error"].startswith("This is not a picture")
    assert named["caf\\xe9.jpg"]["error"] is None
    twins = [named["00007.jpg"], named["again.jpg"]]
    assert sorted(twin["duplicate_of"] is None for twin in twins) == [False, True]
    assert sum(twin["score_ms"] is not None for twin in twins) == 1
    assert twins[0]["p_fake"] == twins[1]["p_fake"]
    detector = Detector(tiny)
    for row in rows:
        if row["error"] is None:
            path = row["path"].replace("\\xe9", "\udce9")
            verdict = detector.detect(path)
            assert row["p_fake"] == verdict.p_fake
            assert (row["verdict"], row["category"]) == (verdict.verdict, verdict.category)
            assert row["model"] == detector.model.card.sha256
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["inputs"], summary["errors"], summary["duplicates"]) == (44, 2, 1)
    assert sum(summary["verdicts"].values()) == sum(summary["histogram"]) == 42
    page = (out / "index.html").read_text()
    assert page.count('<img src="data:image/webp') == 24
    assert "<script" not in page


@pytest.mark.slow
def test_kill_of_driver_and_worker_loses_and_doubles_nothing(tiny: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "archive", tmp_path / "out"
    write_pictures(folder, 300)
    for number in range(0, 60, 2):
        shutil.copy(folder / f"{number:05}.jpg", folder / f"copy-{number:05}.jpg")
    arguments = (folder, "--out", out, "--model", tiny, "--workers", 2, "--block-size", 15)
    for victim in ("worker", "driver", "run"):
        driver = subprocess.Popen(command(*arguments), stderr=subprocess.DEVNULL)
        # The ledger has a block for certain only when the next one is written.
        _wait_for_blocks(out, 2 + len(list(out.glob("rows/*/*.parquet"))), driver)
        if victim == "worker":
            os.kill(_children(driver.pid)[-1], signal.SIGKILL)
            assert driver.wait(60) == 0
            shutil.rmtree(out)
        elif victim == "run":
            driver.send_signal(signal.SIGINT)
            assert driver.wait(60) == 130
        else:
            driver.kill()
            assert driver.wait(60) == -signal.SIGKILL
    done = run_scan(*arguments)
    assert done.returncode == 0, done.stderr
    assert "inputs are done" in done.stderr
    rows = read_rows(out)
    assert Counter(row["path"] for row in rows) == Counter(map(str, folder.iterdir()))
    scored = Counter(row["sha256"] for row in rows if row["duplicate_of"] is None)
    assert set(scored.values()) == {1}
    assert sum(row["duplicate_of"] is not None for row in rows) == 30
    assert not list(out.glob("**/*.writing"))


def _wait_for_blocks(out: Path, count: int, driver: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while len(list(out.glob("rows/*/*.parquet"))) < count:
        assert time.monotonic() < deadline
        assert driver.poll() is None
        time.sleep(0.005)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_pictures_that_kill_or_stall_are_retried_then_recorded(tiny: Path, tmp_path: Path) -> None:
    folder, out, patch = tmp_path / "archive", tmp_path / "out", tmp_path / "patch"
    write_pictures(folder, 40)
    patch.mkdir()
    data = encode(picture(40, 36, 1000))
    (folder / "00010-kills.jpg").write_bytes(data + POISON)
    (folder / "00030-kills-too.jpg").write_bytes(data + POISON)
    (folder / "00020-stalls.jpg").write_bytes(data + STALL)
    done = run_scan(
        folder, "--out", out, "--model", tiny, "--workers", 2, "--file-seconds", 1,
        "--retries", 2, "--log", tmp_path / "log", env=poison(patch),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    rows = by_name(read_rows(out))
    assert len(rows) == 43
    bad = {name for name, row in rows.items() if row["error"]}
    assert bad == {"00010-kills.jpg", "00030-kills-too.jpg", "00020-stalls.jpg"}
    for name in bad:
        assert rows[name]["error"].endswith(
            "longer than 1 s, each of the 2 times that it was tried alone."
        )
        assert rows[name]["sha256"]
    # Of equal bytes only the first to be met kills anybody.
    killers = [rows["00010-kills.jpg"], rows["00030-kills-too.jpg"]]
    known = [killer["duplicate_of"] for killer in killers]
    assert known in ([None, killers[0]["path"]], [killers[1]["path"], None])
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    # Two a picture alone, and one or two before anybody knew which it was.
    assert sum(line.get("deaths", 0) for line in lines) in (4, 5, 6)


def test_a_second_start_tells_of_changes_and_takes_what_is_new(tiny: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "archive", tmp_path / "out"
    write_pictures(folder, 12)
    arguments = (folder, "--out", out, "--model", tiny, "--workers", 1, "--block-size", 5)
    assert run_scan(*arguments).returncode == 0
    first = by_name(read_rows(out))
    (folder / "00000.jpg").unlink()
    (folder / "00001.jpg").write_bytes(encode(picture(50, 50, 77)))
    (folder / "000005.jpg").write_bytes(encode(picture(50, 50, 78)))
    done = run_scan(*arguments)
    assert "1 input new" in done.stderr
    assert "1 input gone" in done.stderr
    assert "1 input changed" in done.stderr
    rows = read_rows(out)
    assert len(rows) == 13
    second = by_name(rows)
    assert second.pop("000005.jpg")["error"] is None
    assert second == first


def test_a_folder_of_another_scan_is_refused(tiny: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "archive", tmp_path / "out"
    write_pictures(folder, 2)
    arguments = (folder, "--out", out, "--model", tiny, "--workers", 1)
    assert run_scan(*arguments).returncode == 0
    for changed in (["--threshold", "0.5"], ["--block-size", "7"]):
        done = run_scan(*arguments, *changed)
        assert done.returncode == 2
        assert "holds a scan with another" in done.stderr
    assert run_scan(tmp_path / "absent", "--out", tmp_path / "new").returncode == 2
    assert run_scan(folder, "--out", tmp_path / "new", "--model", "absent.onnx").returncode == 2
    assert not (tmp_path / "new").exists()


def test_the_coordinator_gives_each_hash_to_one_unit_and_finds_the_culprit(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    known, one, two = "aa" * 32, "bb" * 32, "cc" * 32
    ledger.keep(0, {0: {"path": "x", "sha256": known, "verdict": "fake"}})
    coordinator = LedgerCoordinator(ledger, retries=2)
    assert coordinator.begin(1) == (False, [])
    assert coordinator.claim(1, [known, one, one]) == [False, True, False]
    assert coordinator.claim(1, [one]) == [False]
    coordinator.begin(2)
    assert coordinator.claim(2, [one, two]) == [False, True]
    # Unit 1 lost its worker: what it had claimed is still its own.
    assert coordinator.begin(1) == (True, [])
    assert coordinator.claim(1, [one]) == [True]
    coordinator.announce(1, 0, None)
    coordinator.announce(1, 0, one)
    assert coordinator.begin(1) == (True, [])
    coordinator.announce(1, 0, one)
    assert coordinator.begin(1) == (True, [(0, one)])
    coordinator.announce(1, 1, two)
    assert coordinator.begin(1) == (True, [(0, one)])


def test_rows_written_without_a_word_in_the_ledger_are_written_anew(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.commit(0, [{"path": "old"}])
    ledger.close()
    (tmp_path / "ledger.sqlite3").unlink()
    again = Ledger(tmp_path)
    assert again.blocks() == set()
    again.commit(0, [{"path": "new"}])
    assert [row["path"] for row in read_rows(tmp_path)] == ["new"]
