"""Write an evaluation as one self-contained HTML file: no script, no network."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from importlib.util import find_spec
from pathlib import Path

from unmask.files import write_whole
from unmask.lab.evaluate.bootstrap import Interval
from unmask.lab.evaluate.charts import Chart, draw_charts
from unmask.lab.evaluate.costs import Costs
from unmask.lab.evaluate.evaluate import Evaluation
from unmask.lab.evaluate.gallery import Exhibit, Heatmap, surest
from unmask.lab.evaluate.metrics import METRICS
from unmask.lab.evaluate.slices import SliceFigures
from unmask.lab.evaluate.wording import (
    ABSENT,
    FEW_MARK,
    FEW_NOTE,
    IN_TABLES,
    INTERVALS_NOTE,
    KINDS,
    abstention_sentences,
    against_all_sentence,
    calibration_sentence,
    category_sentences,
    cost_sentences,
    name_of,
    pictures_sentence,
    show,
    threshold_sentence,
    unreadable_sentences,
    unseen_sentence,
)
from unmask.verdict.table import printable

_HEATMAPS = (
    "Under each picture what spoke for the answer: red for fake, blue for real. It shows what "
    "moved the model, and is no proof of what was altered."
)
_STYLE = Path(__file__).with_name("report.css")


def check_charts() -> None:
    """Check, before any long work, that the charts can be drawn.

    Raises:
        ValueError: Matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise ValueError(
            "the report's charts need Matplotlib; install it with: pip install 'unmask[evaluate]'"
        )


def write_report(
    done: Evaluation,
    costs: Costs | None,
    path: Path,
    heatmap: Heatmap | None = None,
) -> None:
    """Write the report.

    Args:
        done: What to report.
        costs: At the cheapest threshold.
        path: The HTML file.
        heatmap: Explains the answers that are shown; None where nothing does.
    """
    title = f"{done.subject.name} on the split '{done.split}'"
    body = "\n".join(_parts(done, costs, title, heatmap))
    style = _STYLE.read_text(encoding="utf-8")
    write_whole(
        path,
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_safe(title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n",
    )


def _parts(
    done: Evaluation,
    costs: Costs | None,
    title: str,
    heatmap: Heatmap | None,
) -> Iterable[str]:
    subject = done.subject
    yield f"<h1>{_safe(title)}</h1>"
    exported = f"Exported {subject.created}, " if subject.created else ""
    yield (
        f'<p class="soft">{_safe(exported)}SHA-256 <code>{subject.sha256}</code>. '
        f"Report of {datetime.now(UTC):%Y-%m-%d}.</p>"
    )
    yield f"<p>{_safe(pictures_sentence(done))}.</p>"
    yield f"<p>{_safe(threshold_sentence(done))}</p>"
    yield f"<p><strong>{_safe(unseen_sentence(done))}</strong></p>"
    yield _tiles(done)
    yield f'<p class="soft">{_safe(INTERVALS_NOTE)}</p>'
    yield "<h2>Charts</h2>"
    yield f'<div class="charts">{"".join(map(_chart, draw_charts(done)))}</div>'
    yield "<h2>Abstention, calibration, categories, unreadable pictures</h2>"
    yield _bullets(
        [
            *abstention_sentences(done),
            calibration_sentence(done),
            *category_sentences(done),
            *unreadable_sentences(done),
        ]
    )
    if costs:
        yield "<h2>Costs of errors</h2>"
        yield _bullets(cost_sentences(costs))
    for kind, (heading, note) in KINDS.items():
        chosen = [one for one in done.slices if one.slice.kind == kind]
        if chosen:
            yield f"<h2>{heading}</h2>"
            yield f"<p>{_safe(f'{note} {against_all_sentence(chosen)}')}</p>"
            yield _table(chosen, kind)
    for right, heading in ((False, "The surest wrong answers"), (True, "The surest right answers")):
        yield f"<h2>{heading}</h2>"
        if heatmap:
            yield f'<p class="soft">{_HEATMAPS}</p>'
        yield _gallery(surest(done, right=right, heatmap=heatmap))


def _tiles(done: Evaluation) -> str:
    tiles = []
    for name, metric in METRICS.items():
        value, _, bounds = show(name, done.overall.metrics[name]).partition(" ")
        tiles.append(
            f'<div class="tile">{metric.title}<b>{value}</b><span>{bounds}</span>'
            f"<span>{metric.meaning}</span></div>"
        )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _chart(chart: Chart) -> str:
    return (
        f"<figure><h3>{chart.title}</h3>{chart.svg}"
        f"<figcaption>{_safe(chart.caption)}</figcaption></figure>"
    )


def _table(chosen: list[SliceFigures], kind: str) -> str:
    titles = "".join(f"<th>{METRICS[name].title}</th>" for name in IN_TABLES)
    lines = [
        f"<tr><td>{_safe(name_of(one))}</td><td>{one.real}</td><td>{one.fake}</td>"
        + "".join(_cell(name, one.metrics[name]) for name in IN_TABLES)
        + f"<td>{1 - one.answered[0]:.0%}</td></tr>"
        for one in chosen
    ]
    few = any(FEW_MARK in name_of(one) for one in chosen)
    return (
        '<div class="scroll" tabindex="0"><table><thead><tr>'
        f"<th>{kind}</th><th>real</th><th>fake</th>{titles}<th>unsure</th></tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>" + f'<p class="soft">{FEW_NOTE}</p>' * few
    )


def _cell(metric: str, value: Interval | None) -> str:
    if value is None:
        return f"<td>{ABSENT}</td>"
    figure, _, bounds = show(metric, value).partition(" ")
    return f"<td>{figure}<small>{bounds}</small></td>"


def _gallery(exhibits: list[Exhibit]) -> str:
    if not exhibits:
        return "<p>None.</p>"
    return f'<div class="gallery">{"".join(map(_exhibit, exhibits))}</div>'


def _exhibit(one: Exhibit) -> str:
    row = one.row
    known = " · ".join(filter(None, (row.generator, row.source, row.category)))
    picture = (
        f'<img src="{one.thumbnail}" alt="{_safe(row.path.name)}">'
        if one.thumbnail
        else '<div class="none">cannot be read</div>'
    )
    if one.heatmap:
        picture += f'<img src="{one.heatmap}" alt="Heatmap of {_safe(row.path.name)}">'
    return (
        f"<figure>{picture}<figcaption>p(fake) <b>{one.p_fake:.3f}</b>, labelled {row.label}<br>"
        f"{_safe(known)}<br>{_safe(row.path.name)}</figcaption></figure>"
    )


def _bullets(sentences: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{_safe(sentence)}</li>' for sentence in sentences)}</ul>"


def _safe(text: str) -> str:
    """Escape names from the data, and replace what UTF-8 cannot hold."""
    return escape(printable(text))
