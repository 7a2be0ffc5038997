"""Write an evaluation as a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from unmask.detector.card import Figure
from unmask.evaluation.bootstrap import Interval
from unmask.evaluation.run import Evaluation

_SEEN = {
    "train": " that the model was trained on",
    "val": " by which it was chosen and calibrated",
    "test": " that no training, choice or calibration has used",
}
_TABLES = {
    "generator": (
        "Each generator",
        "A generator's fakes against the real pictures of the same sources, so that no difference "
        "between collections helps; where those have none (`stable-diffusion-3`), against all.",
    ),
    "source": ("Each source", "A source with one label has no AUC."),
    "category": ("Each category", "Pictures whose category is known."),
}


def results_page(evaluation: Evaluation, command: str, split: str) -> str:
    """Return the page.

    Args:
        evaluation: What to report.
        command: The command line that makes the page.
        split: The split that was judged: ``train``, ``val`` or ``test``.
    """
    card = evaluation.card
    overall = evaluation.figures[0]
    promise = f"{card.most_wrong:.0%}" if card.most_wrong else "none"
    lines = [
        "# Results",
        "",
        f"Model `{card.name}` ({card.created}, SHA-256 `{card.sha256[:16]}…`) on the split "
        f"`{split}`: {overall.real} real pictures and {overall.fake} fakes{_SEEN[split]}. Made by",
        "",
        f"    {command}",
        "",
        "In brackets: 95% intervals of a bootstrap that resamples groups of near-duplicates. "
        f"A picture is called fake from p(fake) {card.threshold:g} on; FPR is the share of real "
        "pictures called fake, FNR the share of fakes called real.",
        "",
        "All generators here except where another page says so also have pictures in the training "
        "split: **these figures say little about generators that the model has never seen.**",
        "",
        "## All pictures",
        "",
        *_table(evaluation.figures[:1], "overall"),
        "",
        f"- Calibration error (ECE, 15 equally filled bins): {evaluation.ece:.3f}; "
        f"Brier score: {evaluation.brier:.3f}.",
        f"- Pictures answered with real or fake, the rest being `unsure`: "
        f"{_percent(evaluation.coverage)}; wrong among them: {_percent(evaluation.wrong)} "
        f"(promised on validation: at most {promise}).",
        f"- Category right, `other` counting as wrong: {_percent(evaluation.category_accuracy)}.",
        f"- Pictures that could not be read: {len(evaluation.unreadable)}.",
    ]
    for kind, (title, note) in _TABLES.items():
        chosen = [f for f in evaluation.figures if f.slice.startswith(f"{kind}: ")]
        lines += ["", f"## {title}", "", note, "", *_table(chosen, kind)]
    return "\n".join(lines) + "\n"


def _table(chosen: Iterable[Figure], kind: str) -> list[str]:
    lines = [
        f"| {kind} | real | fake | AUC | accuracy | FPR | FNR |",
        "| --- | ---: | ---: | --- | --- | --- | --- |",
    ]
    for figure in chosen:
        name = figure.slice.removeprefix(f"{kind}: ")
        lines.append(
            f"| {name} | {figure.real} | {figure.fake} | {_number(figure.auc)} | "
            f"{_percent(figure.accuracy)} | {_percent(figure.fpr)} | {_percent(figure.fnr)} |"
        )
    return lines


def _number(value: Interval | None) -> str:
    return "-" if value is None else f"{value[0]:.3f} ({value[1]:.3f}-{value[2]:.3f})"


def _percent(value: Interval | None) -> str:
    if value is None:
        return "-"
    return f"{value[0]:.1%} ({value[1]:.1%}-{value[2]:.1%})"
