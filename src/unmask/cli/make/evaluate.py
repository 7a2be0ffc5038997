"""``unmask evaluate``: judge a model on labelled pictures it has never seen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from unmask.cli.errors import clean_errors
from unmask.cli.make.repeat_command import changed_settings, command_line
from unmask.cli.options import check_file, check_folder
from unmask.cli.progress import counted
from unmask.cli.settings_options import with_settings
from unmask.detector.settings import DetectorSettings

if TYPE_CHECKING:
    from unmask.detector.detector import Detector
    from unmask.lab.data.manifest import Row
    from unmask.lab.evaluate.answers import Answers
    from unmask.lab.evaluate.evaluate import Subject
    from unmask.lab.evaluate.gallery import Heatmap
    from unmask.lab.evaluate.predictions import Predictions

    Answering = Callable[[Sequence[Row], str], Answers]

_PREDICTIONS_THRESHOLD = 0.5


@with_settings()
def evaluate(
    data: Annotated[Path, typer.Option(help="The manifest.")],
    model: Path | None,
    settings: DetectorSettings,
    split: Annotated[Literal["train", "val", "test"], typer.Option(help="What to judge.")] = "test",
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="A CSV with path and p_fake, judged instead of a model.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder for report.html, test.csv, metrics.json and metrics.csv.",
            show_default=False,
        ),
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
    folds: Annotated[
        list[Path] | None,
        typer.Option(help="With --markdown: show a JSON of `unmask left-out`.", show_default=False),
    ] = None,
    into_card: Annotated[
        bool, typer.Option("--into-card", help="Keep test figures in the model's card.")
    ] = False,
    unseen: Annotated[
        bool,
        typer.Option(
            "--unseen",
            help="The model was trained on none of these generators: page and card say so.",
        ),
    ] = False,
) -> None:
    """Judge a model, or a CSV of predictions, with intervals, by generator, source and more."""
    with clean_errors():
        from unmask.cli.make.evaluate_table import draw
        from unmask.files import write_whole
        from unmask.lab.data.manifest import read_manifest, select
        from unmask.lab.evaluate.answers import check_answered, check_labels, write_answers
        from unmask.lab.evaluate.costs import check_costs, weigh_costs
        from unmask.lab.evaluate.evaluate import evaluate as judge
        from unmask.lab.evaluate.html_report import check_charts, write_report
        from unmask.lab.evaluate.markdown_report import markdown_report
        from unmask.lab.evaluate.metrics_files import write_metrics_csv, write_metrics_json
        from unmask.lab.evaluate.predictions import Predictions
        from unmask.model.card import ModelCard

        others = {**changed_settings(settings), "threshold": None}
        if predictions and (model or into_card or any(others.values())):
            raise ValueError(
                "--predictions are judged alone, with --threshold at most: without a model, its "
                "settings and --into-card."
            )
        if predictions and unseen:
            raise ValueError("--unseen is about a model; what made predictions is not known.")
        if into_card and any(changed_settings(settings).values()):
            raise ValueError("a card keeps figures of the model's own settings alone.")
        if into_card and split != "test":
            raise ValueError("a card keeps figures of the test split alone.")
        if folds and not markdown:
            raise ValueError("--folds is shown by --markdown; without it there is nothing to show.")
        prices = None
        if cost_fp is not None and cost_fn is not None:
            prices = check_costs(cost_fp, cost_fn)
            if split == "val":
                raise ValueError("costs are weighed on 'val' and judged on another split.")
        elif cost_fp is not None or cost_fn is not None:
            raise ValueError("--cost-fp and --cost-fn go together.")
        if out:
            check_charts()
        check_folder("--out", out)
        check_file("--markdown", markdown)
        sections = _sections(folds or [])
        rows = read_manifest(data)
        judged = select(rows, split)
        check_labels(judged, f"the split '{split}'")
        if prices:
            check_labels(select(rows, "val"), "the split 'val'")
        detector, heatmap = None, None
        if predictions:
            chosen = settings.threshold
            threshold = _PREDICTIONS_THRESHOLD if chosen is None else chosen
            subject, answer = _from_file(Predictions(predictions, rows, data.parent), threshold)
        else:
            detector = _open(model, settings)
            if unseen:
                _check_unseen(detector, rows, judged)
            subject, answer = _from_model(detector)
            heatmap = _heatmap_of(detector)
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
        if out:
            out.mkdir(parents=True, exist_ok=True)
            write_answers(answers, subject.threshold, out / f"{split}.csv")
            write_metrics_json(done, costs, out / "metrics.json")
            write_metrics_csv(done, out / "metrics.csv")
            write_report(done, costs, out / "report.html", heatmap)
        if markdown:
            command = command_line(
                "evaluate",
                data=Path("$DATA", data.name),
                split=split,
                model=model,
                predictions=predictions,
                cost_fp=cost_fp,
                cost_fn=cost_fn,
                bootstrap=None if bootstrap == 1000 else bootstrap,
                **changed_settings(settings),
                folds=folds,
                unseen=unseen,
                markdown=markdown,
            )
            title = "Generators never met" if unseen else "Results"
            write_whole(markdown, markdown_report(done, command, costs, sections, title))
        if into_card and detector:
            path = ModelCard.path_for(detector.model.path)
            kept = {"unseen": done.unseen_figures()} if unseen else {"test": done.card_figures()}
            ModelCard.read(path).model_copy(update=kept).write(path)
    draw(Console(highlight=False), done, costs, out)


def _open(model: Path | None, settings: DetectorSettings) -> Detector:
    from unmask.detector.detector import Detector

    return Detector(model, settings)


def _sections(folds: list[Path]) -> list[list[str]]:
    from unmask.lab.left_out.results import Results
    from unmask.lab.left_out.tables import section

    return [section(Results.read(path)) for path in folds]


def _check_unseen(detector: Detector, rows: Sequence[Row], judged: Sequence[Row]) -> None:
    """Refuse fakes of which the model may have been trained on the like.

    Raises:
        ValueError: The model was trained on pictures of their source, or their generator has
            pictures in the manifest's training split.
    """
    card = detector.model.card
    sources = {one.source for one in card.training_data}
    generators = {row.generator for row in rows if row.split == "train"}
    for row in judged:
        if row.is_fake and (row.source in sources or row.generator in generators):
            raise ValueError(
                f"--unseen is for generators that {card.name} was never trained on, but it was "
                f"trained on pictures of {row.source if row.source in sources else row.generator}."
            )


def _from_model(detector: Detector) -> tuple[Subject, Answering]:
    from unmask.lab.evaluate.answers import collect_answers
    from unmask.lab.evaluate.evaluate import Subject

    card, scale = detector.model.card, detector.scale

    def answer(rows: Sequence[Row], doing: str) -> Answers:
        with counted(doing, len(rows)) as advance:
            return collect_answers(detector, rows, advance)

    subject = Subject(
        name=card.name,
        sha256=card.sha256,
        created=card.created,
        threshold=scale.shown_threshold,
        has_unsure=not scale.forced,
        promise=scale.band.most_wrong,
    )
    return subject, answer


def _heatmap_of(detector: Detector) -> Heatmap | None:
    """Return what explains a model's answers; None for a model that has no maps of its own.

    Hiding part after part would take as long as judging hundreds of pictures.
    """
    from unmask.heatmap.explainer import explain
    from unmask.heatmap.methods import OCCLUSION

    method, *_ = detector.model.methods
    if method == OCCLUSION:
        return None
    return lambda picture, longest: explain(detector, picture, method=method).png(longest)


def _from_file(predictions: Predictions, threshold: float) -> tuple[Subject, Answering]:
    from unmask.lab.evaluate.evaluate import Subject

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
