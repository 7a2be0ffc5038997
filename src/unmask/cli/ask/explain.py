"""``unmask explain``: heatmaps of what in a picture speaks for the answer."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from unmask.cli.ask.detect import INTERRUPTED, SOME_FAILED
from unmask.cli.errors import clean_errors, fail, until_stopped
from unmask.cli.options import check_folder
from unmask.cli.progress import detection_progress
from unmask.cli.settings_options import with_settings
from unmask.detector.settings import DetectorSettings
from unmask.picture.errors import PictureError
from unmask.picture.find import STDIN, Found, find_pictures

if TYPE_CHECKING:
    from unmask.detector.examined import ExaminedPicture
    from unmask.heatmap import Explanation


@with_settings()
def explain(
    paths: Annotated[
        list[str],
        typer.Argument(help="Files, folders, globs, or - for one picture on standard input."),
    ],
    model: Path | None,
    settings: DetectorSettings,
    out: Annotated[Path, typer.Option(help="The folder for heatmaps and maps.")] = Path(
        "explained"
    ),
    head: Annotated[
        Literal["fake", "category"], typer.Option(help="Explain real/fake, or what is shown.")
    ] = "fake",
    category: Annotated[
        str | None,
        typer.Option(
            help="With --head category: which one; the likeliest if not given.",
            show_default=False,
        ),
    ] = None,
    method: Annotated[
        Literal["cam", "occlusion", "gradcam", "gradcam++", "smoothgradcam++"] | None,
        typer.Option(
            help="cam reads the maps of a model that has some; occlusion hides parts, for every "
            "model; the others are for training runs. The model's best if not given.",
            show_default=False,
        ),
    ] = None,
    longest: Annotated[
        int | None,
        typer.Option(min=16, help="Shrink heatmaps to so many pixels a side.", show_default=False),
    ] = None,
    bar: Annotated[bool, typer.Option(help="Draw a colour bar into the heatmap.")] = True,
    raw: Annotated[bool, typer.Option(help="Also write the raw map as .npy.")] = False,
    as_jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print one JSON object a line.")
    ] = False,
) -> None:
    """Show which parts of a picture speak for fake and which for real.

    Writes a heatmap (PNG, the picture's own size) of each picture and, if asked, the raw map
    (.npy). What a heatmap does not prove: docs/explain.md.

    Exit code 0: all were explained; 1: some could not be read; 2: wrong use.
    """
    from unmask.heatmap.naming import Names

    if paths.count(STDIN) > 1:
        fail("standard input can be read once; give - once.")
    if category is not None and head != "category":
        fail("--category goes with --head category.")
    with clean_errors():
        check_folder("--out", out)
        if any(Path(path).is_dir() and out.resolve() == Path(path).resolve() for path in paths):
            raise ValueError(f"the heatmaps would lie among the pictures of {out}; name another.")
        explained = _explainer(model, settings, head=head, method=method, category=category)
        out.mkdir(parents=True, exist_ok=True)
    names, counts = Names(out), Counter[str]()
    console = Console(highlight=False, markup=False, soft_wrap=True)
    bars = detection_progress(paths, console, table=not as_jsonl)
    with clean_errors(), bars as advance, until_stopped() as stop:
        for given, found in stop.heed(_find(paths, out.resolve())):
            row = _explain_one(given, found, explained, names, head, longest, bar, raw)
            counts["error" if row["error"] else "explained"] += 1
            _print_row(console, row, as_jsonl)
            advance()
    if stop.came:
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(SOME_FAILED if counts["error"] else 0)


def _find(paths: list[str], out: Path) -> Iterator[tuple[str, Found]]:
    """Yield pictures with what the user named; heatmaps of this or an earlier run are none."""
    for given in paths:
        within = Path(given).resolve().is_relative_to(out)
        for found in find_pictures([given]):
            own = isinstance(found, str) and Path(found).resolve().is_relative_to(out)
            if within or not own:
                yield given, found


def _explainer(
    model: Path | None, settings: DetectorSettings, **choice: Any
) -> Callable[[Found], tuple[ExaminedPicture, Explanation]]:
    """Return what examines a picture and explains the answer; what is asked for is checked."""
    from unmask.detector.detector import Detector
    from unmask.heatmap import explain as explain_answer
    from unmask.heatmap.explainer import check_choice

    detector = Detector(model, settings)
    check_choice(detector.model, **choice)

    def explained(found: Found) -> tuple[ExaminedPicture, Explanation]:
        examined = detector.examine(found)
        return examined, explain_answer(detector, examined, **choice)

    return explained


def _explain_one(
    given: str,
    found: Found,
    explained: Callable[[Found], tuple[ExaminedPicture, Explanation]],
    names: Any,
    head: str,
    longest: int | None,
    bar: bool,
    raw: bool,
) -> dict[str, Any]:
    """Explain one picture and write its files; return the row about it."""
    from unmask.files import write_whole

    name = found if isinstance(found, str) else STDIN
    try:
        examined, done = explained(found)
    except PictureError as problem:
        return {"path": problem.name or name, "error": str(problem)}
    place = names.place(name, given, head)
    place.parent.mkdir(parents=True, exist_ok=True)
    heatmap = place.with_name(place.name + ".png")
    write_whole(heatmap, done.png(longest, bar=bar))
    said = examined.verdict.to_json()
    shown = ("path", "error", "verdict", "p_fake", "category", "decided_by", "reason")
    row: dict[str, Any] = {field: said[field] for field in shown}
    row |= {"target": done.target, "method": done.method, "logit": round(done.logit, 4)}
    row |= {"bias": round(done.bias, 4), "heatmap": str(heatmap), "map": None}
    if raw:
        row["map"] = str(place.with_name(place.name + ".npy"))
        done.save_map(row["map"])
    return row


def _print_row(console: Console, row: dict[str, Any], as_jsonl: bool) -> None:
    from unmask.verdict.table import printable

    if as_jsonl:
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()
    elif row["error"]:
        console.print(f"{printable(row['path'])}: {row['error']}", style="magenta")
    else:
        console.print(
            f"{printable(row['path'])}: {row['verdict']}, p(fake) {row['p_fake']:.4f}; "
            f"logit of {row['target']} {row['logit']:+.2f} -> {printable(row['heatmap'])}"
        )
