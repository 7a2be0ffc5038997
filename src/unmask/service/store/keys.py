"""API keys: made, checked, listed, revoked; only their hashes are kept."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from unmask.service.store.tables import KeyRow

Scope = Literal["detect", "history"]
SCOPES: tuple[str, ...] = get_args(Scope)
"""``detect``: ask about pictures; ``history``: list and delete what was asked with the key."""

_PREFIX = "unmask"


@dataclass(frozen=True, slots=True)
class Key:
    """An API key, without its secret.

    Attributes:
        id: May be shown.
        name: Whose it is.
        scopes: What it may be used for.
        rate_per_minute: Pictures a minute; 0 for no limit.
        revoked: Whether it no longer holds.
    """

    id: str
    name: str
    scopes: frozenset[str]
    rate_per_minute: float
    revoked: bool


class Keys:
    """The keys in a database. All methods block."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def make(self, name: str, scopes: Sequence[str] = SCOPES, rate_per_minute: float = 0) -> str:
        """Make a key and return it; it cannot be read again later.

        Raises:
            ValueError: There is no such scope.
        """
        wrong = set(scopes) - set(SCOPES)
        if wrong or not scopes:
            raise ValueError(
                f"There is no scope '{min(wrong, default='')}'; there are detect and history."
            )
        id = secrets.token_hex(4)
        secret = f"{_PREFIX}_{id}_{secrets.token_urlsafe(32)}"
        row = KeyRow(
            id=id,
            name=name[:80],
            secret_sha256=_digest(secret),
            scopes=" ".join(sorted(scopes)),
            rate_per_minute=rate_per_minute,
            created=_now(),
            revoked=None,
        )
        with Session(self._engine) as session, session.begin():
            session.add(row)
        return secret

    def check(self, secret: str) -> Key | None:
        """Return the key that a secret belongs to, unless it was revoked."""
        # Looked up by hash: what the time of the search tells helps nobody to guess a key.
        with Session(self._engine.execution_options(writes=False)) as session:
            row = session.scalar(select(KeyRow).where(KeyRow.secret_sha256 == _digest(secret)))
            return _key(row) if row and row.revoked is None else None

    def all(self) -> list[Key]:
        """Return all keys, oldest first."""
        with Session(self._engine.execution_options(writes=False)) as session:
            return [_key(row) for row in session.scalars(select(KeyRow).order_by(KeyRow.created))]

    def revoke(self, id: str) -> None:
        """Revoke a key.

        Raises:
            ValueError: There is none with this id that holds.
        """
        with Session(self._engine) as session, session.begin():
            done = session.execute(
                update(KeyRow)
                .where(KeyRow.id == id, KeyRow.revoked.is_(None))
                .values(revoked=_now())
                .returning(KeyRow.id)
            ).all()
        if not done:
            raise ValueError(f"There is no key '{id}' that holds.")


def _key(row: KeyRow) -> Key:
    return Key(
        row.id,
        row.name,
        frozenset(row.scopes.split()),
        row.rate_per_minute,
        row.revoked is not None,
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _now() -> int:
    return time.time_ns() // 1_000_000
