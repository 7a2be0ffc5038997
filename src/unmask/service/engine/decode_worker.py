"""A decoding process: encoded pictures on standard input, views on standard output.

It is started by `decoders.Decoders`, is told a `DecodeWork`, says `READY`, and from then on talks
in plain frames, never in pickles: whatever a hostile picture makes of this process, its parent
reads numbers and pixels from it and nothing else.

A request is ``>BI`` (whether a preview is wanted, the picture's size) and the picture. An answer is
``>BI`` (status, the size of the rest) and the rest: a sentence where the status is not `OK`, else
``>III`` (width, height, the notes' size), `PictureNotes` as JSON, the views of each input of the
model in turn, whose number follows from the picture's shape, those of each face that can be judged,
whose number is in the notes, and the preview, a WebP.
"""

from __future__ import annotations

import resource
import struct
import sys
from typing import BinaryIO

from pydantic import BaseModel, Field

from unmask.detector.face_views import CutFaces, find_and_cut
from unmask.detector.settings import DetectorSettings
from unmask.evidence.finding import Finding
from unmask.evidence.inspect import inspect_bytes
from unmask.faces.finder import FaceFinder
from unmask.model.card import ModelCard
from unmask.picture.decode import decode_picture
from unmask.picture.errors import PictureError, PictureTooLargeError
from unmask.picture.plain import is_plain
from unmask.picture.thumbnail import thumbnail
from unmask.picture.views import PictureViews, ViewPlan, cut_views, unseen_notes
from unmask.service.engine.worker_process import limit_this_process, read_work

REQUEST, ANSWER, SHAPE = struct.Struct(">BI"), struct.Struct(">BI"), struct.Struct(">III")
READY = b"\x2a"
OK, UNREADABLE, TOO_LARGE = range(3)
PREVIEW_SIDE = 1024
_GRACE = 2


class DecodeWork(BaseModel):
    """What is made of each picture, and what that may cost.

    Attributes:
        card: Of the model.
        plans: Which views of a picture are cut for each input of the model.
        settings: How pictures are read.
        finds_faces: Whether faces are found and cut out.
        seconds: Time a picture may take.
        memory_mb: Address space of the process, in MiB.
    """

    card: ModelCard
    plans: dict[str, ViewPlan]
    settings: DetectorSettings
    finds_faces: bool
    seconds: float
    memory_mb: int


class FoundFace(BaseModel):
    """A face, and how many views of it there are for each input; None where it is too small."""

    box: tuple[int, int, int, int]
    score: float = Field(ge=0, le=1)
    views: tuple[int, ...] | None


class PictureNotes(BaseModel):
    """What is said of a picture beside its pixels."""

    plain: bool
    notes: tuple[str, ...]
    evidence: tuple[Finding, ...]
    faces: tuple[FoundFace, ...]


def main() -> None:
    """Set this process's limits and answer until standard input ends."""
    work = read_work(sys.stdin.buffer, DecodeWork)
    finder = FaceFinder() if work.finds_faces else None
    limit_this_process(work.memory_mb)
    serve(sys.stdin.buffer, sys.stdout.buffer, work, finder)


def serve(
    source: BinaryIO, sink: BinaryIO, work: DecodeWork, finder: FaceFinder | None = None
) -> None:
    """Answer requests from ``source`` on ``sink`` until it ends."""
    sink.write(READY)
    sink.flush()
    while head := source.read(REQUEST.size):
        preview, size = REQUEST.unpack(head)
        data = source.read(size)
        # The parent keeps the time; this ends the process where the parent is gone.
        used = resource.getrusage(resource.RUSAGE_SELF)
        allowed = int(used.ru_utime + used.ru_stime + work.seconds) + 1 + _GRACE
        resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.RLIM_INFINITY))
        try:
            status, body = OK, answer(data, work, finder, preview=bool(preview))
        except PictureTooLargeError as problem:
            status, body = TOO_LARGE, str(problem).encode()
        except PictureError as problem:
            status, body = UNREADABLE, str(problem).encode()
        except MemoryError:
            status, body = UNREADABLE, b"The picture needs more memory than it may have."
        sink.write(ANSWER.pack(status, len(body)) + body)
        sink.flush()


def answer(data: bytes, work: DecodeWork, finder: FaceFinder | None, *, preview: bool) -> bytes:
    """Decode one picture and return the body of its answer."""
    settings = work.settings
    decoded = decode_picture(data, settings.limits)
    pixels = decoded.pixels
    evidence = (
        inspect_bytes(data, pixels=pixels, trust=settings.trust, limits=settings.limits)
        if settings.provenance
        else ()
    )
    cut = find_and_cut(pixels, finder, work.card) if finder else CutFaces([], {})
    notes = PictureNotes(
        plain=is_plain(pixels),
        notes=(*decoded.notes, *unseen_notes(pixels.shape[0], pixels.shape[1], work.plans)),
        evidence=tuple(evidence),
        faces=tuple(
            FoundFace(box=face.box, score=face.score, views=_counts(cut.views.get(place)))
            for place, face in enumerate(cut.faces)
        ),
    )
    said = notes.model_dump_json().encode()
    views = [cut_views(pixels, work.plans), *cut.views.values()]
    return b"".join(
        (
            SHAPE.pack(pixels.shape[1], pixels.shape[0], len(said)),
            said,
            *(array.tobytes() for one in views for array in one.values()),
            thumbnail(pixels, PREVIEW_SIDE, "WEBP") if preview else b"",
        )
    )


def _counts(views: PictureViews | None) -> tuple[int, ...] | None:
    return None if views is None else tuple(len(array) for array in views.values())


if __name__ == "__main__":
    main()
