"""The first tables: answers, detections, keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "answers",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("arrays", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint("sha256", "model", name="uq_answers_sha256_model"),
    )
    op.create_table(
        "detections",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("category", sa.String(40), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("answer_number", _NUMBER, nullable=False),
        sa.ForeignKeyConstraint(
            ["answer_number"], ["answers.number"], name="fk_detections_answer_number"
        ),
        sa.UniqueConstraint("id", name="uq_detections_id"),
    )
    op.create_index("ix_detections_owner", "detections", ["owner"])
    op.create_index("ix_detections_created", "detections", ["created"])
    op.create_index("ix_detections_answer_number", "detections", ["answer_number"])
    op.create_table(
        "keys",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("secret_sha256", sa.String(64), nullable=False),
        sa.Column("scopes", sa.String(80), nullable=False),
        sa.Column("rate_per_minute", sa.Float(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("revoked", sa.BigInteger(), nullable=True),
        sa.UniqueConstraint("secret_sha256", name="uq_keys_secret_sha256"),
    )
