"""``unmask evaluate``: judge a model on labelled pictures it has never seen."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from unmask.cli.errors import clean_errors
from unmask.cli.progress import counted

if TYPE_CHECKING:
    from unmask.data.manifest import Row
    from unmask.evaluation.answers import Answers
    from unmask.evaluation.gallery import Heatmap
    from unmask.evaluation.predictions import Predictions
    from unmask.evaluation.run import Subject

    Answer = Callable[[Sequence[Row], str], Answers]

_PREDICTIONS_THRESHOLD = 0.5


def evaluate(
    data: Annotated[Path, typer.Option(help="The manifest.")],
    split: Annotated[Literal["train", "val", "test"], typer.Option(help="What to judge.")] = "test",
    model: Annotated[
        Path | None,
        typer.Option(help="An ONNX model; the shipped one if not given.", show_default=False),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="A CSV with path and p_fake, judged instead of a model.", show_default=False
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="With --predictions: call fake from here on; 0.5 if not given.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder for report.html, test.csv, metrics.json and metrics.csv.",
            show_default=False,
        ),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(help="Another model's CSV on the same pictures.", show_default=False),
    ] = None,
    cost_fp: Annotated[
        float | None, typer.Option(help="Cost of a real picture called fake.", show_default=False)
    ] = None,
    cost_fn: Annotated[
        float | None, typer.Option(help="Cost of a fake called real.", show_default=False)
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=100, help="Resamples for the intervals.")] = 1000,
    markdown: Annotated[
        Path | None, typer.Option(help="Write a page of results.", show_default=False)
    ] = None,
    into_card: Annotated[
        bool, typer.Option("--into-card", help="Keep test figures in the model's card.")
    ] = False,
) -> None:
    """Judge a model, or a CSV of predictions, with intervals, by generator, source and more."""
    with clean_errors():
        from unmask.cli.evaluate_report import draw
        from unmask.data.manifest import read_manifest, select
        from unmask.detector.card import ModelCard
        from unmask.detector.model import SHIPPED
        from unmask.evaluation.answers import check_answered, check_labels, write_answers
        from unmask.evaluation.compare import compare as compare_answers
        from unmask.evaluation.costs import check_costs, weigh_costs
        from unmask.evaluation.files import write_metrics_csv, write_metrics_json
        from unmask.evaluation.page import results_page
        from unmask.evaluation.predictions import Predictions
        from unmask.evaluation.run import evaluate as judge

        if predictions and (model or into_card):
            raise ValueError("--predictions are judged alone, without --model and --into-card.")
        if threshold is not None and not predictions:
            raise ValueError("--threshold goes with --predictions; a model's is in its card.")
        if into_card and split != "test":
            raise ValueError("a card keeps figures of the test split alone.")
        prices = None
        if cost_fp is not None and cost_fn is not None:
            prices = check_costs(cost_fp, cost_fn)
            if split == "val":
                raise ValueError("costs are weighed on 'val' and judged on another split.")
        elif cost_fp is not None or cost_fn is not None:
            raise ValueError("--cost-fp and --cost-fn go together.")
        if out:
            from unmask.evaluation.report import check_charts, write_report

            check_charts()
            if out.exists() and not out.is_dir():
                raise ValueError(f"--out {out} is not a folder.")
        if markdown and (markdown.is_dir() or not markdown.parent.is_dir()):
            raise ValueError(f"--markdown {markdown} is not a file in a folder that exists.")
        rows = read_manifest(data)
        judged = select(rows, split)
        check_labels(judged, f"the split '{split}'")
        if prices:
            check_labels(select(rows, "val"), "the split 'val'")
        other = Predictions(compare, rows, data.parent) if compare else None
        # A wrong file is found before a model runs for minutes.
        others = other.answers(judged, _PREDICTIONS_THRESHOLD) if other else None
        if predictions:
            cut = _PREDICTIONS_THRESHOLD if threshold is None else threshold
            subject, answer = _from_file(Predictions(predictions, rows, data.parent), cut)
        else:
            subject, answer = _from_model(model)
        answers = answer(judged, "judging")
        check_answered(answers, f"the split '{split}'")
        costs = None
        if prices:
            chosen_on = answer(select(rows, "val"), "choosing a threshold")
            check_answered(chosen_on, "the split 'val'")
            costs = weigh_costs(chosen_on, answers, subject.threshold, prices, bootstrap)
        done = judge(
            answers,
            subject,
            split=split,
            trained_on=frozenset(row.generator for row in rows if row.split == "train"),
            resamples=bootstrap,
        )
        comparison = None
        if others and compare:
            comparison = compare_answers(
                answers, others, compare.name, subject.threshold, bootstrap
            )
        if out:
            out.mkdir(parents=True, exist_ok=True)
            write_answers(answers, subject.threshold, out / f"{split}.csv")
            write_metrics_json(done, comparison, costs, out / "metrics.json")
            write_metrics_csv(done, out / "metrics.csv")
            heatmap = None if predictions else _heatmap_of(model)
            write_report(done, comparison, costs, out / "report.html", heatmap)
        if markdown:
            command = _command(
                data=Path("$DATA", data.name),
                split=split,
                model=model,
                predictions=predictions,
                threshold=threshold,
                compare=compare,
                cost_fp=cost_fp,
                cost_fn=cost_fn,
                bootstrap=None if bootstrap == 1000 else bootstrap,
                markdown=markdown,
            )
            page = results_page(done, command, comparison, costs)
            markdown.write_text(page, encoding="utf-8", errors="replace")
        if into_card:
            path = ModelCard.path_for(model or SHIPPED)
            card = ModelCard.read(path)
            card.model_copy(update={"test": done.card_figures()}).write(path)
    draw(Console(highlight=False), done, comparison, costs, out)


def _from_model(path: Path | None) -> tuple[Subject, Answer]:
    from unmask.detector.detector import Detector
    from unmask.evaluation.answers import ask
    from unmask.evaluation.run import Subject

    detector = Detector(path)
    card = detector.model.card

    def answer(rows: Sequence[Row], doing: str) -> Answers:
        with counted(doing, len(rows)) as advance:
            return ask(detector, rows, advance)

    subject = Subject(
        name=card.name,
        sha256=card.sha256,
        created=card.created,
        threshold=card.threshold,
        has_unsure=True,
        promise=card.most_wrong,
    )
    return subject, answer


def _heatmap_of(path: Path | None) -> Heatmap | None:
    """Return what explains a model's answers; None for a model without the outputs it takes."""
    from unmask.detector.detector import Detector
    from unmask.explain import explain

    detector = Detector(path)
    if not detector.model.explains:
        return None
    return lambda picture, longest: explain(detector, picture).png(longest)


def _from_file(predictions: Predictions, threshold: float) -> tuple[Subject, Answer]:
    from unmask.evaluation.run import Subject

    def answer(rows: Sequence[Row], doing: str) -> Answers:
        return predictions.answers(rows, threshold)

    subject = Subject(
        name=predictions.path.name,
        sha256=hashlib.sha256(predictions.path.read_bytes()).hexdigest(),
        created="",
        threshold=threshold,
        has_unsure=predictions.has_verdicts,
        promise=None,
    )
    return subject, answer


def _command(**options: object) -> str:
    """Return the command line that repeats a run, without the folders of this machine."""
    words = ["unmask evaluate"]
    for name, value in options.items():
        if value is not None:
            text = f"{value:g}" if isinstance(value, float) else str(value)
            if isinstance(value, Path) and value.is_absolute():
                text = value.name
            words.append(f"--{name.replace('_', '-')}")
            words.append(text if text.startswith("$DATA") else shlex.quote(text))
    return " ".join(words)
