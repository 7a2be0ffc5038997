"""Pieces of self-contained pages of HTML: no script, no link, no network."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

_STYLE = Path(__file__).with_name("report.css")


def document(title: str, parts: Iterable[str], *, more_style: str = "") -> str:
    """Return a page in the style of all pages.

    Args:
        title: Plain text.
        parts: HTML.
        more_style: CSS that goes after that of all pages.
    """
    style = _STYLE.read_text(encoding="utf-8") + more_style
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n"
        "</body>\n</html>\n"
    )


def image(data: bytes, kind: str, what: str) -> str:
    """Return a picture that is in the page itself; ``what`` says what it shows."""
    encoded = base64.b64encode(data).decode()
    return f'<img src="data:{kind};base64,{encoded}" alt="{escape(what)}">'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells of HTML; the first of each row names it."""
    titles = "".join(f"<th>{title}</th>" for title in head) if any(head) else ""
    lines = "".join(
        "<tr>"
        + "".join(
            f'<td class="name">{cell}</td>' if place == 0 else f"<td>{cell}</td>"
            for place, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    header = f"<thead><tr>{titles}</tr></thead>" if titles else ""
    return f'<div class="scroll"><table>{header}<tbody>{lines}</tbody></table></div>'


def bullets(sentences: Iterable[str]) -> str:
    """Return a list of sentences of HTML."""
    return "<ul>" + "".join(f"<li>{sentence}</li>" for sentence in sentences) + "</ul>"
