"""A scan given again: what was done stays done, and what failed for the moment is tried again."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pictures import encode, picture
from scanning import by_name, command, read_rows, run_scan, write_pictures
from tiny import shared_tiny_model
from unmask.scan.ledger import Ledger
from unmask.scan.reading_faults import TransientError, reading_fault


@pytest.mark.slow
def test_a_stopped_scan_keeps_what_is_done_of_a_block(tmp_path: Path) -> None:
    folder, out = tmp_path / "archive", tmp_path / "out"
    write_pictures(folder, 489)
    arguments = (folder, "--out", out, "--model", shared_tiny_model(), "--workers", 1)
    driver = subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not _kept(out):
        assert time.monotonic() < deadline
        assert driver.poll() is None
        time.sleep(0.005)
    driver.send_signal(signal.SIGINT)
    said = driver.communicate(timeout=60)[1]
    assert driver.returncode == 130
    kept = _kept(out)
    assert 32 <= kept < 489
    assert f"stopped with {kept} of 489 inputs done" in said
    done = run_scan(*arguments)
    assert done.returncode == 0, done.stderr
    assert f"{kept} of 489 inputs are done" in done.stderr
    assert f"{489 - kept} of them now" in done.stdout
    rows = Counter(row["path"] for row in read_rows(out))
    assert rows == Counter(map(str, folder.iterdir()))
    assert not _kept(out)


def _kept(out: Path) -> int:
    file = out / Ledger.FILE
    if not file.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM kept").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # The driver has not made the table yet.


def test_a_row_whose_answer_never_came_is_done_again(tmp_path: Path) -> None:
    one, two = "aa" * 32, "bb" * 32
    ledger = Ledger(tmp_path)
    ledger.keep(7, {3: {"path": "a", "sha256": one}, 5: {"path": "b", "sha256": two}})
    assert ledger.kept(7) == {}
    ledger.keep(8, {0: {"path": "c", "sha256": two, "verdict": "real"}})
    assert ledger.kept(7).keys() == {5}
    assert ledger.answers([one, two]) == {two: ("c", {"verdict": "real"})}


def test_a_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / Ledger.FILE)) as database:
        database.execute("CREATE TABLE blocks (number INTEGER)")
    with pytest.raises(ValueError, match="another unmask"):
        Ledger(tmp_path)


class _Server(BaseHTTPRequestHandler):
    """Answers with the status that a path names, or with a picture."""

    mended = False
    data = encode(picture(40, 36, 5))

    def do_GET(self) -> None:
        name = self.path.strip("/").removesuffix(".jpg")
        fails = name.isdigit() and not (self.mended and name in ("429", "500"))
        self.send_response(int(name) if fails else 200)
        body = b"" if fails else self.data
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    _Server.mended = False
    running = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


def test_faults_of_the_network_are_named_and_passing_ones_tried_again(
    server: str, tmp_path: Path
) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        refused = f"http://127.0.0.1:{free.getsockname()[1]}/refused.jpg"
    urls = [f"{server}/{name}.jpg" for name in ("good", 403, 404, 429, 500)]
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join([*urls, refused, "http://nowhere.invalid/unknown.jpg"]))
    out = tmp_path / "out"
    arguments = (listed, "--out", out, "--model", shared_tiny_model(), "--workers", 1)
    done = run_scan(*arguments)
    assert done.returncode == 1, done.stderr
    first = by_name(read_rows(out))
    said = {name: (row["error"], row["transient"]) for name, row in first.items()}
    assert said.pop("unknown.jpg")[0] == "There is no server of this name."
    assert said == {
        "good.jpg": (None, None),
        "403.jpg": ("There is no permission to read this file (HTTP 403).", None),
        "404.jpg": ("There is no such file.", None),
        "429.jpg": ("The server was asked too often (HTTP 429).", True),
        "500.jpg": ("The server has a fault (HTTP 500).", True),
        "refused.jpg": ("The server refused the connection.", True),
    }
    _Server.mended = True
    # What was done stays, even where it is there no more.
    _Server.data = encode(picture(40, 36, 6))
    done = run_scan(*arguments)
    assert done.returncode == 1, done.stderr
    assert "failed for a reason that may have passed" in done.stderr
    second = by_name(read_rows(out))
    assert [row["path"] for row in read_rows(out)] == [row["path"] for row in first.values()]
    for name in ("429.jpg", "500.jpg"):
        assert (second[name]["error"], second[name]["transient"]) == (None, None)
        assert second[name]["sha256"] != first["good.jpg"]["sha256"]
    for name in ("good.jpg", "403.jpg", "404.jpg"):
        assert second[name] == first[name]
    assert second["refused.jpg"]["transient"]


def test_a_source_that_cannot_be_reached_is_one_true_sentence(server: str, tmp_path: Path) -> None:
    for name, sentence in (
        ("404.jpg", f"There is nothing at {server}/404.jpg."),
        ("403.jpg", "cannot be listed: There is no permission to read this file (HTTP 403)."),
    ):
        done = run_scan(f"{server}/{name}", "--out", tmp_path / "out")
        assert done.returncode == 2
        assert sentence in done.stderr
    assert not (tmp_path / "out").exists()


def test_timeouts_may_pass() -> None:
    assert isinstance(reading_fault(TimeoutError()), TransientError)
    assert isinstance(reading_fault(ConnectionResetError()), TransientError)
    assert not isinstance(reading_fault(FileNotFoundError()), TransientError)
    assert str(reading_fault(OSError("odd"))) == "The file could not be read: OSError."
