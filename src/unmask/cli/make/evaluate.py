"""``unmask evaluate``: judge a model on labelled pictures it has never seen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from unmask.cli.errors import clean_errors, fail
from unmask.cli.make.evaluate_folds import DEFAULT_RECIPE, leave_one_out
from unmask.cli.make.evaluate_robustness import MOST, judge_robustness
from unmask.cli.make.words import command_line
from unmask.cli.options import CalibrationOption, TtaOption, check_file, check_folder
from unmask.cli.progress import counted

if TYPE_CHECKING:
    from unmask.detector.detector import Detector
    from unmask.lab.data.manifest import Row
    from unmask.lab.evaluate.answers import Answers
    from unmask.lab.evaluate.evaluate import Subject
    from unmask.lab.evaluate.gallery import Heatmap
    from unmask.lab.evaluate.predictions import Predictions
    from unmask.model.card import ModelCard

    Answer = Callable[[Sequence[Row], str], Answers]

_PREDICTIONS_THRESHOLD = 0.5


def evaluate(
    data: Annotated[Path, typer.Option(help="The manifest.")],
    split: Annotated[Literal["train", "val", "test"], typer.Option(help="What to judge.")] = "test",
    model: Annotated[
        Path | None,
        typer.Option(
            help="An ONNX model or a training run; the shipped model if not given.",
            show_default=False,
        ),
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
    unseen: Annotated[
        bool,
        typer.Option(
            "--unseen",
            help="The model was trained on none of these generators: page and card say so.",
        ),
    ] = False,
    leave_one_generator_out: Annotated[
        bool,
        typer.Option(
            "--leave-one-generator-out",
            help="Train a capped recipe without each generator, and test it on that one.",
        ),
    ] = False,
    leave_one_source_out: Annotated[
        bool,
        typer.Option(
            "--leave-one-source-out",
            help="Train a capped recipe without each source, and test it on that one.",
        ),
    ] = False,
    recipe: Annotated[
        Path,
        typer.Option(help="With --leave-one-...-out: what to train."),
    ] = DEFAULT_RECIPE,
    tower: Annotated[
        Path | None,
        typer.Option(
            help="With --leave-one-...-out: CLIP ViT-B/16 as ONNX, for a head on it as the shipped "
            "model has one.",
            show_default=False,
        ),
    ] = None,
    robustness: Annotated[
        bool,
        typer.Option(
            "--robustness",
            help="Judge the model on pictures worn by compression, resizing, noise and more.",
        ),
    ] = False,
    most: Annotated[
        int,
        typer.Option(
            min=1, help="With --robustness: at most so many pictures of a source and label."
        ),
    ] = MOST,
    calibration: CalibrationOption = None,
    tta: TtaOption = False,
    folds: Annotated[
        list[Path] | None,
        typer.Option(
            help="A JSON of --leave-one-...-out: written by it, shown by --markdown.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Judge a model, or a CSV of predictions, with intervals, by generator, source and more."""
    not_models = (predictions, threshold, compare, cost_fp, cost_fn)
    if leave_one_generator_out or leave_one_source_out:
        if (
            any(option is not None for option in (*not_models, model, calibration, markdown))
            or into_card
            or unseen
            or tta
            or robustness
            or split != "test"
        ):
            fail(
                "--leave-one-...-out goes with --data, --recipe, --tower, --out, --folds and "
                "--bootstrap."
            )
        if leave_one_generator_out and leave_one_source_out:
            fail("choose one of --leave-one-generator-out and --leave-one-source-out.")
        leave_one_out(
            data,
            "generator" if leave_one_generator_out else "source",
            recipe,
            tower,
            out,
            folds,
            bootstrap,
        )
        return
    if tower is not None:
        fail("--tower goes with --leave-one-...-out.")
    if robustness:
        if any(option is not None for option in (*not_models, folds)) or into_card or unseen:
            fail(
                "--robustness goes with --data, --split, --model, --calibration, --tta, --most, "
                "--out, --markdown and --bootstrap."
            )
        judge_robustness(
            data, split, model, out, markdown,
            calibration=calibration, tta=tta, most=most, bootstrap=bootstrap,
        )  # fmt: skip
        return
    with clean_errors():
        from unmask.cli.make.evaluate_report import draw
        from unmask.detector.detector import Detector
        from unmask.lab.data.manifest import read_manifest, select
        from unmask.lab.evaluate.answers import check_answered, check_labels, write_answers
        from unmask.lab.evaluate.compare import compare as compare_answers
        from unmask.lab.evaluate.costs import check_costs, weigh_costs
        from unmask.lab.evaluate.evaluate import evaluate as judge
        from unmask.lab.evaluate.files import write_metrics_csv, write_metrics_json
        from unmask.lab.evaluate.models import open_model
        from unmask.lab.evaluate.predictions import Predictions
        from unmask.lab.evaluate.results_page import results_page
        from unmask.model.card import ModelCard

        if predictions and (model or into_card or calibration or tta):
            raise ValueError(
                "--predictions are judged alone, without --model, --calibration, --tta and "
                "--into-card."
            )
        if unseen and predictions:
            raise ValueError("--unseen is about a model; what made predictions is not known.")
        if into_card and (calibration or tta):
            raise ValueError("a card keeps figures of its own calibration and views alone.")
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
            from unmask.lab.evaluate.html_report import check_charts, write_report

            check_charts()
        check_folder("--out", out)
        check_file("--markdown", markdown)
        sections = _sections(folds or [], markdown)
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
            detector = Detector(open_model(model), calibration=calibration, tta=tta)
            if unseen:
                _check_unseen(detector.model.card, rows, judged)
            subject, answer = _from_model(detector)
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
            command = command_line(
                data=Path("$DATA", data.name),
                split=split,
                model=model,
                predictions=predictions,
                threshold=threshold,
                compare=compare,
                cost_fp=cost_fp,
                cost_fn=cost_fn,
                bootstrap=None if bootstrap == 1000 else bootstrap,
                calibration=calibration,
                tta=tta,
                folds=folds,
                unseen=unseen,
                markdown=markdown,
            )
            title = "Generators never met" if unseen else "Results"
            page = results_page(done, command, comparison, costs, sections, title)
            markdown.write_text(page, encoding="utf-8", errors="replace")
        if into_card:
            path = ModelCard.path_for(detector.model.path)
            card = ModelCard.read(path)
            kept = {"unseen": done.unseen_figures()} if unseen else {"test": done.card_figures()}
            card.model_copy(update=kept).write(path)
    draw(Console(highlight=False), done, comparison, costs, out)


def _sections(folds: list[Path], markdown: Path | None) -> list[list[str]]:
    if folds and not markdown:
        raise ValueError("--folds is shown by --markdown; without it there is nothing to show.")
    if not folds:
        return []
    from unmask.lab.left_out.results import Results
    from unmask.lab.left_out.tables import section

    return [section(Results.read(path)) for path in folds]


def _check_unseen(card: ModelCard, rows: Sequence[Row], judged: Sequence[Row]) -> None:
    """Refuse fakes of which the model may have been trained on the like.

    Raises:
        ValueError: The model was trained on pictures of their source, or their generator has
            pictures in the manifest's training split.
    """
    sources = {one.source for one in card.training_data}
    generators = {row.generator for row in rows if row.split == "train"}
    for row in judged:
        if row.is_fake and (row.source in sources or row.generator in generators):
            raise ValueError(
                f"--unseen is for generators that {card.name} was never trained on, but it was "
                f"trained on pictures of {row.source if row.source in sources else row.generator}."
            )


def _from_model(detector: Detector) -> tuple[Subject, Answer]:
    from unmask.lab.evaluate.answers import ask
    from unmask.lab.evaluate.evaluate import Subject

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
    from unmask.heatmap import explain

    detector = Detector(path)
    if not detector.model.explains:
        return None
    return lambda picture, longest: explain(detector, picture).png(longest)


def _from_file(predictions: Predictions, threshold: float) -> tuple[Subject, Answer]:
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
