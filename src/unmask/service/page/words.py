"""Words and numbers for the templates; every string lies in ``static/texts.en.json``."""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

HERE = Path(__file__).parent
_CODE = re.compile("`([^`]+)`")
_PLACE = re.compile(r"\{(\w+)\}")


@cache
def texts() -> dict[str, Any]:
    """Return every string of the page, by section and name."""
    text = (HERE / "static" / "texts.en.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@cache
def templates() -> jinja2.Environment:
    """Return the templates; what goes into them is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update(t=texts(), fresh=False, wrong=False, held=False)
    environment.filters.update(
        fill=fill, percent=percent, number=number, time=time, code=code,
        gauge_words=gauge_words, likeliest=likeliest,
    )  # fmt: skip
    return environment


def fill(text: str, **values: object) -> str:
    """Fill the places of a string, as ``texts.js`` does in the browser."""
    return _PLACE.sub(lambda match: str(values.get(match[1], match[0])), text)


def percent(probability: float) -> str:
    """Return a probability as whole percents that never claim certainty."""
    words = texts()["verdict"]
    if probability < 0.01:
        return str(words["under"])
    return str(words["over"]) if probability > 0.99 else f"{100 * probability:.0f}"


def number(value: float) -> str:
    """Return a number without a needless fraction."""
    return f"{value:g}"


def time(iso: str) -> str:
    """Return a time for people; a script turns it into their own zone."""
    return f"{datetime.fromisoformat(iso):%Y-%m-%d %H:%M} UTC"


def code(text: str) -> Markup:
    """Return a text of the API's description with its `code` marked up."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  (escaped)


def gauge_words(detection: dict[str, Any]) -> str:
    """Say in a sentence what the gauge shows."""
    words, band = texts()["verdict"], detection["band"]
    return fill(
        words["forced_gauge" if detection["forced"] else "gauge"],
        percent=percent(detection["p_fake"]),
        low=percent(band["real_below"]),
        high=percent(band["fake_from"]),
    )


def likeliest(detection: dict[str, Any]) -> str:
    """Name what the category heatmap speaks for."""
    names: dict[str, str] = texts()["category"]
    category = detection["category"]
    return names["other"] if category not in names else names[category]
