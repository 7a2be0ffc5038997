"""What was asked and answered: added, found, listed, deleted and forgotten in time."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Engine, delete, exists, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from unmask.service.store.outputs import (
    StoredOutput,
    StoredVideo,
    pack,
    unpack,
    unpack_video,
)
from unmask.service.store.tables import AnswerRow, DetectionRow

T = TypeVar("T")

VIDEO = "video"
"""What stands for the category of a video, which tells it from a picture."""

_NAME_LENGTH = 255
_TRIES = 20
_ID = re.compile("[0-9a-f]{32}")


class _GoneError(Exception):
    """An answer was deleted by somebody else while it was to be used."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One picture or video that somebody asked about.

    Attributes:
        id: The public name.
        owner: Whose history it is in.
        name: The file's name as it was sent.
        created: Milliseconds since 1970.
        result: What went out, but for the fields above.
    """

    id: str
    owner: str
    name: str
    created: int
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewDetection:
    """A detection to add.

    Attributes:
        name: The file's name as it was sent.
        sha256: Of the file's bytes.
        stored: What is stored beside what goes out, to be read anew.
        result: What goes out.
    """

    name: str
    sha256: str
    stored: StoredOutput | StoredVideo
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Part of a history, newest first.

    Attributes:
        detections: The detections.
        total: How many the whole history has.
        next: Where the next page starts; None on the last one.
    """

    detections: list[Detection]
    total: int
    next: int | None


class Store:
    """The memory, for what one model says. All methods block; call them from a thread."""

    def __init__(self, engine: Engine, key: str) -> None:
        """Take a database with its tables made, and a key from `outputs`."""
        self._engine, self._key = engine, key
        self._reading = engine.execution_options(writes=False)

    def with_key(self, key: str) -> Store:
        """Return the same memory for what another model, or one with other settings, says."""
        return Store(self._engine, key)

    def ping(self) -> None:
        """Ask the database for something; raises what SQLAlchemy raises where it is gone."""
        with self._reading.connect() as connection:
            connection.execute(select(1))

    def outputs(self, hashes: Sequence[str]) -> dict[str, StoredOutput]:
        """Return what this model said about the bytes with these hashes, where it was asked."""
        with Session(self._reading) as session:
            rows = session.scalars(
                select(AnswerRow).where(
                    AnswerRow.sha256.in_(set(hashes)), AnswerRow.model == self._key
                )
            )
            found = {row.sha256: unpack(row.arrays) for row in rows}
        return {sha256: stored for sha256, stored in found.items() if stored}

    def video(self, sha256: str) -> StoredVideo | None:
        """Return what was found in the video with this hash, where it was asked about."""
        with Session(self._reading) as session:
            row = session.scalar(
                select(AnswerRow).where(AnswerRow.sha256 == sha256, AnswerRow.model == self._key)
            )
            return unpack_video(row.arrays) if row else None

    def add(self, owner: str, news: Sequence[NewDetection]) -> list[Detection]:
        """Remember detections; in one transaction, in order."""
        now = time.time_ns() // 1_000_000

        def work(session: Session) -> list[Detection]:
            rows = []
            for new in news:
                row = DetectionRow(
                    id=secrets.token_hex(16),
                    owner=owner,
                    name=new.name[:_NAME_LENGTH],
                    created=now,
                    verdict=new.result["verdict"],
                    category=new.result["category"],
                    result=new.result,
                    answer_number=self._answer_number(session, new),
                )
                session.add(row)
                rows.append(row)
            session.flush()
            return [_detection(row) for row in rows]

        return self._change(work)

    def get(self, id: str) -> Detection | None:
        """Return a detection."""
        if not _ID.fullmatch(id):
            return None
        with Session(self._reading) as session:
            row = session.scalar(select(DetectionRow).where(DetectionRow.id == id))
            return _detection(row) if row else None

    def output(self, id: str) -> StoredOutput | None:
        """Return what a picture's detection was read from, whichever model said it."""
        if not _ID.fullmatch(id):
            return None
        with Session(self._reading) as session:
            row = session.scalar(
                select(AnswerRow)
                .join(DetectionRow, DetectionRow.answer_number == AnswerRow.number)
                .where(DetectionRow.id == id)
            )
            return unpack(row.arrays) if row else None

    def page(
        self,
        owner: str,
        *,
        search: str = "",
        verdict: str | None = None,
        videos: bool | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> HistoryPage:
        """Return part of a history.

        Args:
            owner: Whose.
            search: Only names that contain this, in any case.
            verdict: Only these.
            videos: Only videos, or only pictures.
            before: Where the page starts, from the page before it.
            limit: Most detections.
        """
        chosen = select(DetectionRow).where(DetectionRow.owner == owner)
        # PostgreSQL knows no NUL in a text.
        search = search.replace("\0", "")
        if search:
            chosen = chosen.where(DetectionRow.name.icontains(search, autoescape=True))
        if verdict:
            chosen = chosen.where(DetectionRow.verdict == verdict)
        if videos is not None:
            chosen = chosen.where((DetectionRow.category == VIDEO) == videos)
        with Session(self._reading) as session:
            total = session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
            if before is not None:
                chosen = chosen.where(DetectionRow.number < before)
            rows = session.scalars(
                chosen.order_by(DetectionRow.number.desc()).limit(limit + 1)
            ).all()
            last = rows[limit - 1].number if len(rows) > limit else None
            return HistoryPage([_detection(row) for row in rows[:limit]], total, last)

    def delete(self, owner: str, id: str | None = None) -> tuple[int, list[str]]:
        """Delete one detection of a history, or all of it.

        Returns:
            How many were deleted, and the hashes of bytes that no detection is about any more.

        Raises:
            KeyError: The history has no such detection.
        """
        if id is not None and not _ID.fullmatch(id):
            raise KeyError(id)
        chosen = delete(DetectionRow).where(DetectionRow.owner == owner)
        if id is not None:
            chosen = chosen.where(DetectionRow.id == id)

        def work(session: Session) -> tuple[int, list[str]]:
            numbers = session.scalars(chosen.returning(DetectionRow.answer_number)).all()
            if id is None:
                return len(numbers), _forget_answers(session)
            if not numbers:
                raise KeyError(id)
            return 1, _forget_answers(session, numbers[0])

        return self._change(work)

    def forget_before(self, created: int) -> list[str]:
        """Delete all detections older than a time in milliseconds; return such hashes."""

        def work(session: Session) -> list[str]:
            session.execute(delete(DetectionRow).where(DetectionRow.created < created))
            return _forget_answers(session)

        return self._change(work)

    def _change(self, work: Callable[[Session], T]) -> T:
        """Do work in one transaction, and again where another one got in between.

        On PostgreSQL somebody may delete the last detection of some bytes while somebody else adds
        one: the answer that both are about is then gone for the one, or still in use for the other.
        """
        for left in reversed(range(_TRIES)):
            try:
                with Session(self._engine) as session, session.begin():
                    return work(session)
            except (IntegrityError, _GoneError):
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _answer_number(self, session: Session, new: NewDetection) -> int:
        known = select(AnswerRow.number).where(
            AnswerRow.sha256 == new.sha256, AnswerRow.model == self._key
        )
        number = session.scalar(known)
        if number is None:
            insert = (
                postgresql.insert
                if session.get_bind().dialect.name == "postgresql"
                else sqlite.insert
            )
            # Another process may have been asked about the same bytes at the same time.
            values = {"sha256": new.sha256, "model": self._key, "arrays": pack(new.stored)}
            session.execute(insert(AnswerRow).values(values).on_conflict_do_nothing())
            number = session.scalar(known)
        if number is None:
            raise _GoneError
        return number


def _detection(row: DetectionRow) -> Detection:
    return Detection(row.id, row.owner, row.name, row.created, row.result)


def _forget_answers(session: Session, number: int | None = None) -> list[str]:
    """Delete answers that nobody asks about any more, or one of them; return their hashes."""
    unused = delete(AnswerRow).where(
        ~exists().where(DetectionRow.answer_number == AnswerRow.number)
    )
    if number is not None:
        unused = unused.where(AnswerRow.number == number)
    return list(session.scalars(unused.returning(AnswerRow.sha256)))
