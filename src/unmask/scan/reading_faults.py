"""What keeps a file from being read, as one true sentence, whatever store it lies in."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from unmask.picture.errors import PictureError

NO_SUCH_FILE = "There is no such file."
_BROKEN_OFF = ("ServerDisconnectedError", "ClientPayloadError", "IncompleteRead")


class TransientError(PictureError):
    """A fault that may pass: the file is tried again when the scan is started again."""


def reading_fault(error: BaseException) -> PictureError:
    """Return what an error of a file system or a store means."""
    # What lies beneath is what happened: fsspec calls every fault of HTTP a file that is not there.
    causes = list(_causes(error))
    for status in filter(None, map(_http_status, causes)):
        return _refused(status)
    for cause in reversed(causes):
        name = type(cause).__name__
        if isinstance(cause, socket.gaierror):
            kind = TransientError if cause.errno == socket.EAI_AGAIN else PictureError
            return kind("There is no server of this name.")
        if isinstance(cause, ConnectionRefusedError):
            return TransientError("The server refused the connection.")
        if isinstance(cause, TimeoutError) or "Timeout" in name:
            return TransientError("The server did not answer in time.")
        if isinstance(cause, ConnectionError) or name in _BROKEN_OFF:
            return TransientError("The connection broke off.")
        if isinstance(cause, FileNotFoundError):
            return PictureError(NO_SUCH_FILE)
        if isinstance(cause, PermissionError):
            return PictureError("There is no permission to read this file.")
    return PictureError(f"The file could not be read: {type(error).__name__}.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _http_status(error: BaseException) -> int | None:
    """Return the answer of a server, as aiohttp and botocore note it."""
    status = getattr(error, "status", None)
    response = getattr(error, "response", None)
    if status is None and isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else None


def _refused(status: int) -> PictureError:
    if status in (404, 410):
        return PictureError(NO_SUCH_FILE)
    if status in (401, 403):
        return PictureError(f"There is no permission to read this file (HTTP {status}).")
    if status == 429:
        return TransientError("The server was asked too often (HTTP 429).")
    if status >= 500:
        return TransientError(f"The server has a fault (HTTP {status}).")
    return PictureError(f"The server answered with HTTP {status}.")
