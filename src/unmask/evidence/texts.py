"""Decode texts whose character set a file does not tell, or tells wrongly."""

from __future__ import annotations

import codecs

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_TRIED = 2**14


def decode_text(data: bytes) -> str:
    """Decode bytes as UTF-8, UTF-16 of either order, or else Latin-1.

    A byte order mark decides where there is one. Without one, UTF-16 shows in zeros, and of the two
    orders that one is taken which gives more of ASCII: spaces, digits and keywords stand in texts
    of every script.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace").rstrip("\0")
    # A single zero, or some at the end, are no UTF-16.
    if data[:_TRIED].rstrip(b"\0").count(0) > 1:
        return decode_utf16(data)
    try:
        return data.decode().rstrip("\0")
    except UnicodeDecodeError:
        return data.decode("latin-1").rstrip("\0")


def decode_utf16(data: bytes) -> str:
    """Decode bytes that are UTF-16 of an order that nobody tells."""
    even = data[: len(data) // 2 * 2]
    tried = [
        even[:_TRIED].decode(encoding, errors="replace") for encoding in ("utf-16-be", "utf-16-le")
    ]
    big = _ascii(tried[0]) >= _ascii(tried[1])
    text = even.decode("utf-16-be" if big else "utf-16-le", errors="replace")
    return text.removeprefix("\ufeff").rstrip("\0")


def _ascii(text: str) -> int:
    return sum(" " <= char <= "~" or char == "\n" for char in text)
