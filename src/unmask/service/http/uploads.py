"""Read the pictures out of a multipart request."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from unmask.service.http.problems import BAD_FIELD, TOO_LARGE, Problem
from unmask.service.settings import Settings

FIELDS = ("file", "files")
_MOST_FIELDS = 8
_FIELD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture as it was sent.

    Attributes:
        name: What its sender calls it; shown and never used for a path.
        data: Its bytes.
        problem: What is wrong with it already.
    """

    name: str
    data: bytes
    problem: Problem | None = None


def form_of(request: Request, settings: Settings) -> AbstractAsyncContextManager[FormData]:
    """Return a request's form, to be read with ``async with``; large files lie on disk.

    Raises:
        Problem: It is not a form of this kind.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise Problem(BAD_FIELD, "Send pictures as multipart/form-data, in a field called 'file'.")
    return request.form(
        max_files=settings.max_files, max_fields=_MOST_FIELDS, max_part_size=_FIELD_BYTES
    )


async def uploads_in(form: FormData, settings: Settings) -> list[Upload]:
    """Take the pictures out of a form.

    Raises:
        Problem: There is none.
    """
    uploads = []
    for field, value in form.multi_items():
        if not isinstance(value, UploadFile):
            if field in FIELDS:
                raise Problem(BAD_FIELD, f"The field '{field}' holds text and not a file.")
            continue
        if field not in FIELDS:
            raise Problem(BAD_FIELD, "Send pictures in a field called 'file'.")
        # What a browser sends for a form whose file was not chosen.
        if value.filename or value.size:
            uploads.append(await _read(value, settings))
    if not uploads:
        raise Problem(BAD_FIELD, "The field 'file' is missing: there is no picture to look at.")
    return uploads


def video_in(form: FormData) -> UploadFile:
    """Take the one video out of a form.

    Raises:
        Problem: There is none, or more than one.
    """
    found = [value for field, value in form.multi_items() if field in FIELDS]
    file = found[0] if len(found) == 1 else None
    # A browser sends an empty file without a name for a form whose file was not chosen.
    if not isinstance(file, UploadFile) or not (file.filename or file.size):
        raise Problem(BAD_FIELD, "Send one video in a field called 'file'.")
    return file


def shown_name(file: UploadFile) -> str:
    """Return a file's name as it is shown: control characters do nobody any good in a list."""
    name = file.filename or "file"
    return "".join(char if char.isprintable() else "�" for char in name)


async def _read(file: UploadFile, settings: Settings) -> Upload:
    name = shown_name(file)
    if (file.size or 0) > settings.limits.max_bytes:
        return Upload(
            name,
            b"",
            Problem(TOO_LARGE, f"A picture may have at most {settings.max_file_mb:g} MiB."),
        )
    return Upload(name, await file.read())
