"""Pictures and a poison for the tests of scans."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pictures import encode, picture
from tiny import tiny_model as tiny_model

POISON = b"this ends whoever decodes it"
STALL = b"this never comes to an end"

# Put into every process of a scan: two endings of files do to a decoder what real ones seldom do.
_PATCH = f"""
import os, signal, time
import unmask.detector.examined as module
decode = module.decode_picture
def poisoned(data, limits):
    if data.endswith({POISON!r}):
        os.kill(os.getpid(), signal.SIGKILL)
    while data.endswith({STALL!r}):
        time.sleep(1)
    return decode(data, limits)
module.decode_picture = poisoned
"""


def write_pictures(folder: Path, count: int, *, first: int = 0) -> None:
    """Write pictures, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        (folder / f"{seed:05}.jpg").write_bytes(encode(picture(40, 36, seed)))


def poison(folder: Path) -> dict[str, str]:
    """Write what poisons processes into a folder; returns the environment that makes them take it.

    Args:
        folder: An empty folder.
    """
    (folder / "sitecustomize.py").write_text(_PATCH)
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def command(*arguments: object) -> list[str]:
    """Return the command line of a scan."""
    return [sys.executable, "-m", "unmask", "scan", *map(str, arguments)]


def run_scan(
    *arguments: object, env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``unmask scan`` as a process of its own."""
    environment = os.environ | (env or {})
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=300, env=environment, cwd=cwd
    )


def read_rows(out: Path) -> list[dict[str, Any]]:
    """Return all rows of a scan, in the order of the listing."""
    files = sorted((out / "rows").glob("**/*"))
    parts = [pq.read_table(file, partitioning=None) for file in files if file.is_file()]
    return pa.concat_tables(parts).to_pylist()


def by_name(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return rows by the last part of their paths."""
    return {row["path"].rpartition("/")[2]: row for row in rows}
