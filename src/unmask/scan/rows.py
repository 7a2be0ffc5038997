"""The rows that a scan writes: the fields of a verdict, and what only a scan knows of an input.

The columns of a verdict are made from its one list, so that a new field arrives here by itself.
"""

from __future__ import annotations

import json
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pyarrow as pa

from unmask.verdict.verdict import FIELDS, Verdict

ScanRow = dict[str, Any]
"""A row by column; what is absent in it is null."""

_TYPES = {
    str: pa.string(), Literal: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_(),
}  # fmt: skip
_DEFAULTS = {one.name: one.default for one in fields(Verdict)}


def _arrow_type(annotation: Any) -> pa.DataType:
    """Return the column of a verdict's field; what is made of parts becomes JSON."""
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(one for one in get_args(annotation) if one is not NoneType)
    return _TYPES.get(get_origin(annotation) or annotation, pa.string())


_HINTS = get_type_hints(Verdict)
ROWS = pa.schema(
    [
        *((name, _arrow_type(_HINTS[name])) for name in FIELDS),
        ("transient", pa.bool_()),
        ("sha256", pa.string()),
        ("bytes", pa.int64()),
        ("duplicate_of", pa.string()),
        ("model", pa.string()),
        ("read_ms", pa.float32()),
        ("score_ms", pa.float32()),
    ]
)
"""The fields of `unmask.verdict.verdict.FIELDS`, and then:

- ``transient``: true where the error may pass, so that the input is tried again when the scan is
  started again; absent otherwise.
- ``sha256``, ``bytes``: hash and size of the content; absent where it could not be read.
- ``duplicate_of``: the path of the input with the same bytes that was scored; absent where this row
  itself was.
- ``model``: SHA-256 of the model's file.
- ``read_ms``, ``score_ms``: time for reading, and for decoding and inference; the second is absent
  where nothing was scored.
"""
ANSWER = tuple(name for name in FIELDS if name != "path")
"""The columns that depend on nothing but the bytes, and so are the same for duplicates."""


def verdict_columns(verdict: Verdict) -> ScanRow:
    """Return a verdict's columns; what is as it is by default, as no evidence, is absent."""
    return {
        name: json.dumps(value) if isinstance(value, list | dict) else value
        for name, value in verdict.to_json().items()
        if getattr(verdict, name) != _DEFAULTS[name]
    }


def is_answered(row: ScanRow) -> bool:
    """Say whether a row has its answer; else another input with the same bytes has, or will."""
    return row.get("verdict") is not None or row.get("error") is not None


def rows_table(rows: list[ScanRow]) -> pa.Table:
    """Return rows as a table of the schema `ROWS`."""
    arrays = [pa.array([row.get(field.name) for row in rows], field.type) for field in ROWS]
    return pa.Table.from_arrays(arrays, schema=ROWS)
