"""The tables; `migrations/` makes them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

Number = BigInteger().with_variant(Integer, "sqlite")
"""A primary key that SQLite counts up by itself."""


class Base(DeclarativeBase):
    """What all tables share: constraints have names, so that migrations can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class AnswerRow(Base):
    """What a model says about some bytes: asked once, read with any settings thereafter.

    Attributes:
        sha256: Of the picture's bytes.
        model: A key from `outputs`: of the model, and of what else its output depends on.
        arrays: The logits and maps, as `outputs.pack` packs them.
    """

    __tablename__ = "answers"
    __table_args__ = (UniqueConstraint("sha256", "model"),)

    number: Mapped[int] = mapped_column(Number, primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(String(64))
    arrays: Mapped[bytes] = mapped_column(LargeBinary)


class DetectionRow(Base):
    """One picture or video that somebody asked about.

    Attributes:
        number: Counts up; pages of a history go by it.
        id: The public name, 128 random bits: whoever has it may see the result.
        owner: Whose history it is in.
        name: The file's name as it was sent; shown, never used for a path.
        created: Milliseconds since 1970.
        category: What the picture shows, ``video`` for a video.
        result: What went out, but for the fields above.
    """

    __tablename__ = "detections"

    number: Mapped[int] = mapped_column(Number, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    owner: Mapped[str] = mapped_column(String(80), index=True)
    name: Mapped[str] = mapped_column(String(255))
    created: Mapped[int] = mapped_column(BigInteger, index=True)
    verdict: Mapped[str] = mapped_column(String(8))
    category: Mapped[str] = mapped_column(String(40))
    result: Mapped[dict[str, Any]] = mapped_column(JSON)
    answer_number: Mapped[int] = mapped_column(ForeignKey("answers.number"), index=True)

    answer: Mapped[AnswerRow] = relationship()


class KeyRow(Base):
    """An API key.

    Attributes:
        id: Its first part, which may be shown.
        name: Whose it is.
        secret_sha256: Of the whole key. It has 256 random bits, so that a slow hash adds nothing.
        scopes: Separated by spaces.
        rate_per_minute: Pictures a minute; 0 for no limit.
        created: Milliseconds since 1970.
        revoked: Milliseconds since 1970; None while it holds.
    """

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    secret_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[str] = mapped_column(String(80))
    rate_per_minute: Mapped[float] = mapped_column(Float)
    created: Mapped[int] = mapped_column(BigInteger)
    revoked: Mapped[int | None] = mapped_column(BigInteger)
