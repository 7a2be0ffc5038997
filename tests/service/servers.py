"""Real servers, as processes, for the tests that need one."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from served import served_model

BOUNDARY = "----unmask-test"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    """A running ``unmask serve``."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def ask(
        self, method: str, path: str, body: bytes = b"", timeout: float = 60, **headers: str
    ) -> Answer:
        connection = http.client.HTTPConnection("localhost", self.port, timeout=timeout)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body or None, named)
            response = connection.getresponse()
            lowered = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, lowered, response.read())
        finally:
            connection.close()

    def post(self, *files: tuple[str, bytes], path: str = "/v1/detections") -> Answer:
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        return self.ask("POST", path, form(*files), content_type=kind)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def form(*files: tuple[str, bytes]) -> bytes:
    """Return the body of a multipart form with files in its field ``file``."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
        + data
        + b"\r\n"
        for name, data in files
    ]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


@contextmanager
def serving(folder: Path, *options: str, **settings: object) -> Iterator[Server]:
    """Run ``unmask serve`` on a free port until the context ends, with a tiny model.

    Args:
        folder: Where the service keeps its data and its log.
        options: Of the command.
        settings: Of the environment; None as a ``model`` is the shipped one.
    """
    chosen = {"model": served_model(), "data_dir": folder / "data", **settings}
    environment = {
        **os.environ,
        **{f"UNMASK_{name.upper()}": str(one) for name, one in chosen.items() if one is not None},
    }
    log = folder / "server.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "unmask", "serve", "--port", "0", *options],
            stdout=subprocess.PIPE, stderr=errors, text=True, env=environment,
        )  # fmt: skip
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert "unmask is at" in line, log.read_text()
        server = Server(process, int(line.split(" (")[0].rpartition(":")[2]), log)
        _wait_until_ready(server)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(server: Server) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until and server.process.poll() is None:
        try:
            if server.ask("GET", "/readyz", timeout=5).status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"the server did not start: {server.log.read_text()}")
