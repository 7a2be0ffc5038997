"""What both kinds of worker processes share: their limits, and how they are told their work.

The work, an object of settings, is the first frame on a worker's standard input: ``>I``, its size,
and JSON. A command line would show it to everybody on the machine, and is too short for a list of
trusted signers.
"""

from __future__ import annotations

import os
import resource
import struct
import sys
from asyncio.subprocess import PIPE
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel

Work = TypeVar("Work", bound=BaseModel)

_SIZE = struct.Struct(">I")
_KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")


def command(module: str) -> list[str]:
    """Return the command that runs a module as a worker."""
    return [sys.executable, "-m", module]


def options() -> dict[str, Any]:
    """Return the options with which workers are started, whatever they do."""
    return {
        "stdin": PIPE,
        "stdout": PIPE,
        "env": {name: os.environ[name] for name in _KEPT if name in os.environ},
        # Ctrl-C on a terminal is for the server, which then ends its workers in order.
        "start_new_session": True,
    }


def pack_work(work: BaseModel) -> bytes:
    """Return the frame that tells a worker its work."""
    told = work.model_dump_json().encode()
    return _SIZE.pack(len(told)) + told


def read_work(source: BinaryIO, kind: type[Work]) -> Work:
    """Read the frame, in the worker."""
    (size,) = _SIZE.unpack(source.read(_SIZE.size))
    return kind.model_validate_json(source.read(size))


def limit_this_process(memory_mb: int) -> None:
    """Limit this process's address space, and let it write no files: it has all that it needs."""
    memory = memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
