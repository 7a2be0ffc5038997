"""The rows that a scan writes: one for each input, in the same columns from every engine."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

ROWS = pa.schema(
    [
        ("path", pa.string()),
        ("sha256", pa.string()),
        ("bytes", pa.int64()),
        ("verdict", pa.string()),
        ("p_fake", pa.float64()),
        ("category", pa.string()),
        ("category_confidence", pa.float64()),
        ("decided_by", pa.string()),
        ("evidence", pa.string()),
        ("error", pa.string()),
        ("duplicate_of", pa.string()),
        ("model", pa.string()),
        ("read_ms", pa.float32()),
        ("score_ms", pa.float32()),
    ]
)
"""``path``, ``verdict`` to ``decided_by`` and ``error`` are those of `unmask.verdict.Verdict`.

- ``sha256``, ``bytes``: hash and size of the content; absent where it could not be read.
- ``evidence``: what the file says of itself, as JSON; absent where it says nothing.
- ``duplicate_of``: the path of the input with the same bytes that was scored; absent where this row
  itself was.
- ``model``: SHA-256 of the model's file.
- ``read_ms``, ``score_ms``: time for reading, and for decoding and inference; the second is absent
  where nothing was scored.
"""

ANSWER = (
    "verdict", "p_fake", "category", "category_confidence", "decided_by", "evidence", "error",
)  # fmt: skip
"""The columns that depend on nothing but the bytes, and so are the same for duplicates."""

Row = dict[str, Any]
"""A row by column; what is absent in it is null."""


def to_table(rows: list[Row]) -> pa.Table:
    """Return rows as a table of the schema `ROWS`."""
    arrays = [pa.array([row.get(field.name) for row in rows], field.type) for field in ROWS]
    return pa.Table.from_arrays(arrays, schema=ROWS)
