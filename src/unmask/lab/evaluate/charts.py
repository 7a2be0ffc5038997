"""An evaluation's charts, as SVG to be put into a page of HTML."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from unmask.lab.evaluate.bootstrap import interval
from unmask.lab.evaluate.evaluate import Evaluation
from unmask.lab.evaluate.metrics import calibration_bins, share
from unmask.lab.evaluate.sweep import Sweep
from unmask.lab.evaluate.wording import number

# Drawn in colours that stand for the page's own, which differ between light and dark.
_COLOURS = {
    "#010101": "var(--ink)", "#020202": "var(--soft)", "#030303": "var(--real)",
    "#040404": "var(--fake)", "#050505": "var(--line)",
}  # fmt: skip
_INK, _SOFT, _REAL, _FAKE, _LINE = _COLOURS
_SIZE = (4.2, 3.5)
_STYLE = {
    "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9.5,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 9.5,
    "axes.edgecolor": _SOFT, "axes.labelcolor": _INK, "xtick.color": _SOFT, "ytick.color": _SOFT,
    "text.color": _INK, "legend.frameon": False, "legend.labelcolor": _INK,
    "axes.facecolor": "none", "figure.facecolor": "none",
}  # fmt: skip
_SCORE_BINS = 20


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart.

    Attributes:
        title: What it is.
        caption: How to read it.
        svg: An ``svg`` element without links, its colours those of the page.
    """

    title: str
    caption: str
    svg: str


def draw_charts(done: Evaluation) -> list[Chart]:
    """Draw all charts of an evaluation.

    Raises:
        ModuleNotFoundError: Matplotlib is not installed.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    drawings = (_confusion, _histograms, _roc, _precision_recall, _reliability)
    charts = []
    for place, draw in enumerate(drawings):
        # Ids of different charts must differ, as they end on one page.
        with mpl.rc_context({**_STYLE, "svg.hashsalt": str(place)}):
            figure = Figure(figsize=_SIZE, layout="constrained")
            title, caption = draw(done, figure.subplots())
            charts.append(Chart(title, caption, _to_svg(figure, title)))
    return charts


def _confusion(done: Evaluation, axes: Any) -> tuple[str, str]:
    is_fake, said = done.answers.is_fake, np.array(done.answers.verdicts)
    calls = ("real", "unsure", "fake") if done.subject.has_unsure else ("real", "fake")
    for y, (truth, mask) in enumerate((("real", ~is_fake), ("fake", is_fake))):
        for x, call in enumerate(calls):
            count = int(np.sum(said[mask] == call))
            part = count / mask.sum()
            colour = {"unsure": _SOFT, truth: _REAL}.get(call, _FAKE)
            axes.add_patch(
                _rectangle(x - 0.48, y - 0.48, 0.96, 0.96, color=colour, alpha=0.08 + 0.4 * part)
            )
            axes.text(x, y - 0.08, f"{count}", ha="center", va="center", fontsize=15)
            axes.text(x, y + 0.2, f"{part:.0%} of the {truth}", ha="center", va="center")
    axes.set(xlim=(-0.5, len(calls) - 0.5), ylim=(1.5, -0.5), ylabel="label")
    axes.set_xticks(range(len(calls)), calls)
    axes.set_yticks((0, 1), ("real", "fake"), rotation=90, va="center")
    axes.set_xlabel("verdict")
    axes.tick_params(length=0, labelcolor=_INK)
    axes.spines[:].set_visible(False)
    return "Confusion matrix", "What was said of pictures of either label; shares add up by row."


def _histograms(done: Evaluation, axes: Any) -> tuple[str, str]:
    is_fake, p_fake = done.answers.is_fake, done.answers.p_fake
    edges = np.linspace(0, 1, _SCORE_BINS + 1)
    for mask, colour, label in ((~is_fake, _REAL, "real"), (is_fake, _FAKE, "fake")):
        counts, _ = np.histogram(p_fake[mask], edges)
        axes.stairs(counts, edges, fill=True, color=colour, alpha=0.3)
        axes.stairs(counts, edges, color=colour, label=label, linewidth=1.5)
    axes.axvline(done.subject.threshold, color=_INK, linewidth=1, linestyle=":", label="threshold")
    axes.set(xlim=(0, 1), xlabel="p(fake)", ylabel="pictures")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    return "Scores", "How often each p(fake) was given to real pictures and to fakes."


def _roc(done: Evaluation, axes: Any) -> tuple[str, str]:
    sweep = _own_sweep(done)
    axes.plot((0, 1), (0, 1), color=_LINE, linewidth=1)
    axes.plot(sweep.false_positive_rate[0], sweep.true_positive_rate[0], color=_FAKE, linewidth=1.8)
    fpr, recall = done.overall.metrics["fpr"], done.overall.metrics["recall"]
    if fpr and recall:
        axes.plot(fpr[0], recall[0], "o", color=_INK, markersize=6, label="threshold")
        axes.legend(loc="lower right")
    axes.set(xlabel="real pictures called fake", ylabel="fakes called fake")
    _unit_square(axes)
    return (
        "ROC curve",
        f"Area under the curve: {number(done.overall.metrics['auc'])}; the diagonal is guessing.",
    )


def _precision_recall(done: Evaluation, axes: Any) -> tuple[str, str]:
    sweep = _own_sweep(done)
    prevalence = float(done.answers.is_fake.mean())
    axes.axhline(prevalence, color=_LINE, linewidth=1)
    axes.step(
        sweep.true_positive_rate[0], sweep.precision[0], where="pre", color=_FAKE, linewidth=1.8
    )
    precision, recall = done.overall.metrics["precision"], done.overall.metrics["recall"]
    if precision and recall:
        axes.plot(recall[0], precision[0], "o", color=_INK, markersize=6, label="threshold")
        axes.legend(loc="lower left")
    axes.set(xlabel="fakes called fake", ylabel="fakes among those called fake")
    _unit_square(axes)
    return (
        "Precision and recall",
        f"Average precision: {number(done.overall.metrics['average_precision'])}; the level line "
        f"is guessing, at the {prevalence:.0%} of fakes among these pictures.",
    )


def _reliability(done: Evaluation, axes: Any) -> tuple[str, str]:
    is_fake, p_fake = done.answers.is_fake, done.answers.p_fake
    axes.plot((0, 1), (0, 1), color=_LINE, linewidth=1)
    for part in calibration_bins(p_fake):
        found = interval(share(done.weights[:, part], is_fake[part]))
        if found:
            middle = float(p_fake[part].mean())
            axes.plot((middle, middle), found[1:], color=_SOFT, linewidth=1)
            axes.plot(middle, found[0], "o", color=_FAKE, markersize=5)
    axes.set(xlabel="mean p(fake)", ylabel="share of fakes")
    _unit_square(axes)
    return (
        "Reliability",
        f"Calibration error (ECE): {number(done.overall.metrics['ece'])}. Bins hold equally many "
        "pictures; on the diagonal p(fake) means what it says, below it p(fake) is too high.",
    )


def _own_sweep(done: Evaluation) -> Sweep:
    return Sweep(done.answers.is_fake, done.answers.p_fake, done.weights[:1])


def _unit_square(axes: Any) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))


def _rectangle(x: float, y: float, width: float, height: float, **style: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, height, linewidth=0, **style)


def _to_svg(figure: Any, title: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Inside HTML the namespaces are known, and the page decides the size.
    svg = re.sub(r'\s(?:xmlns(?::\w+)?|version|width|height)="[^"]*"', "", svg.split(">", 1)[0]) + (
        ">" + svg.split(">", 1)[1]
    )
    used = set(re.findall(r"#([\w-]+)", svg))
    svg = re.sub(
        r'\sid="([^"]*)"', lambda match: match.group(0) if match.group(1) in used else "", svg
    )
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
    for colour, variable in _COLOURS.items():
        svg = svg.replace(colour, variable)
    return svg
