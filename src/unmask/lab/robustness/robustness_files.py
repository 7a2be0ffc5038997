"""Write a robustness sweep: JSON, CSV, a plot, and a page of Markdown."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from unmask.lab.evaluate.bootstrap import Interval
from unmask.lab.evaluate.markdown import bullets, cell, table, text
from unmask.lab.evaluate.wording import number, percent
from unmask.lab.files import write_csv, write_json
from unmask.lab.robustness.degradations import CLEAN
from unmask.lab.robustness.judge_robustness import METRICS, DegradedResult, Robustness

COLUMNS = ("kind", "level", "metric", "value", "low", "high")
_PANELS = (("auc", "AUC"), ("fpr", "FPR"), ("wrong", "wrong among answered"))


def write_robustness_json(done: Robustness, path: Path) -> None:
    """Write everything, each figure as value, low and high, or null."""
    document = asdict(done)
    document["interval"] = "95%, bootstrap over groups"
    document["stop_answering_at"] = {kind: one and one.level for kind, one in done.stops().items()}
    write_json(path, document)


def write_robustness_csv(done: Robustness, path: Path) -> None:
    """Write a row a setting and metric; the figures are empty where a metric does not exist."""
    lines = [
        [one.kind, one.level, name, *(value or ("", "", ""))]
        for one in done.degraded
        for name, value in _figures(one).items()
    ]
    write_csv(path, COLUMNS, lines)


def write_plot(done: Robustness, path: Path) -> None:
    """Draw a row of AUC, FPR and wrong answers over all settings, as a PNG.

    Raises:
        ModuleNotFoundError: Matplotlib is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 0.27 * len(done.degraded) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    stops = [one for one in done.stops().values() if one]
    for axes, (metric, title) in zip(panels, _PANELS, strict=True):
        _draw(axes, done, metric, stops)
        axes.set_title(title)
    panels[0].set_yticks(range(len(done.degraded)), [one.name for one in done.degraded])
    panels[0].set_ylim(len(done.degraded) - 0.4, -0.6)
    figure.savefig(path, dpi=110)


def robustness_page(done: Robustness, command: str, plot: str) -> str:
    """Return a page of Markdown.

    Args:
        done: What to tell.
        command: The command line that makes the page.
        plot: Where the plot lies, from the page's folder.
    """
    lines = [
        "# Robustness",
        "",
        f"    {command}",
        "",
        f"This command made the page on {done.created}. It asks {text(done.model)} (SHA-256 "
        f"`{done.sha256}`) about the same {done.real} real pictures and {done.fake} fakes of the "
        f"split '{done.split}', degraded in {len(done.degraded) - 1} ways. These pictures are "
        "an equal share of each source and label, and not the mix of the [results](results.md), "
        "from which the figures for pictures as they are therefore differ. In brackets: 95% "
        "intervals of a bootstrap that resamples groups of near-duplicates.",
        "",
        f"![AUC, FPR and wrong answers under each degradation]({plot})",
        "",
        "## Where the model should stop answering",
        "",
        *bullets(stop_sentences(done)),
        "",
        "## All figures",
        "",
        f"FPR and FNR at p(fake) {done.threshold:g}; wrong: of those answered with real or fake.",
        "",
        *table(
            ("degradation", "AUC", "FPR", "FNR", "ECE", "answered", "wrong"),
            (map(cell, figures_in_words(one)) for one in done.degraded),
        ),
    ]
    return "\n".join(lines) + "\n"


def figures_in_words(one: DegradedResult) -> list[str]:
    """Return a setting's name and figures: AUC, FPR, FNR, ECE, answered, wrong."""
    found = one.metrics
    return [
        one.name, number(found["auc"]), percent(found["fpr"]), percent(found["fnr"]),
        number(found["ece"]), percent(one.answered), percent(one.wrong),
    ]  # fmt: skip


def stop_sentences(done: Robustness) -> list[str]:
    """Say for each kind of degradation from where on the model should stop answering."""
    if done.promise is None:
        return ["The model promises nothing, so no point can be read where a promise breaks."]
    rule = (
        f"The rule: stop from the first setting, from mild to harsh, at which more of the answers "
        f"are wrong than the {done.promise:.0%} that the model promises."
    )
    clean, lines = done.degraded[0], [rule]
    if clean.breaks(done.promise):
        lines.append(
            f"On these pictures the promise does not hold even as they are: {percent(clean.wrong)} "
            "of the answers are wrong"
        )
        if clean.breaks(done.promise, clearly=True):
            lines[-1] += ", so that no point can be read."
            return lines
        lines[-1] += (
            "; as the interval includes the promise, what follows is where the whole interval lies "
            "above it."
        )
    for kind, stop in done.stops().items():
        if stop is None:
            harshest = done.kinds[kind][-1]
            held = "not clearly broken" if clean.breaks(done.promise) else "kept"
            lines.append(f"{kind}: {held} up to '{harshest.level}', the harshest.")
            continue
        doubt = ""
        if stop.wrong and stop.wrong[1] <= done.promise:
            doubt = "; the interval includes the promise, so it may still hold"
        lines.append(f"{kind}: stop from '{stop.level}' on ({percent(stop.wrong)} wrong{doubt}).")
    return lines


def _figures(one: DegradedResult) -> dict[str, Interval | None]:
    return {**one.metrics, "answered": one.answered, "wrong_among_answered": one.wrong}


def _draw(axes: Any, done: Robustness, metric: str, stops: list[DegradedResult]) -> None:
    clean = _value(done.degraded[0], metric)
    if clean:
        axes.axvline(clean[0], color="0.8", linewidth=1)
    if metric == "wrong" and done.promise is not None:
        axes.axvline(done.promise, color="tab:red", linewidth=1, linestyle=":", label="promised")
        axes.legend(loc="lower right", frameon=False)
    for place, one in enumerate(done.degraded):
        value = _value(one, metric)
        if value:
            colour = "tab:red" if one in stops else "0.3" if one.kind == CLEAN else "tab:blue"
            axes.plot(value[1:], (place, place), color=colour, linewidth=1, alpha=0.6)
            axes.plot(value[0], place, "o", color=colour, markersize=4)
    axes.grid(axis="x", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _value(one: DegradedResult, metric: str) -> Interval | None:
    return one.metrics[metric] if metric in METRICS else one.wrong
