"""A protocol's results in words: the section of a Markdown page."""

from __future__ import annotations

from collections.abc import Iterable

from unmask.lab.evaluate.markdown import cell, table, text
from unmask.lab.evaluate.wording import ABSENT, FEW, FEW_MARK, FEW_NOTE, number, percent
from unmask.lab.left_out.floors import floors
from unmask.lab.left_out.results import FALSE_ALARMS, PartResult, Results

_TITLES = {"generator": "Generators never seen", "source": "Sources never seen"}


def section(results: Results) -> list[str]:
    """Return the section's lines, the worst rows first."""
    rows = unseen_and_seen(results)
    return [
        f"## {_TITLES[results.kind]}",
        "",
        f"    {results.command}",
        "",
        f"This command made the table on {results.created}. It trains one network a row, "
        f"{_left_out(results)} It is not the shipped model but a capped recipe, the same for all "
        f"rows: {results.summary}. Its figures are therefore lower than the shipped "
        "model's; what counts is the fall from *seen*, the same recipe with nothing left out, to "
        "*unseen*. Where even *seen* is near 0.5, the recipe is too small to have learned these "
        "fakes at all, and the row tells nothing of the unseen.",
        "",
        f"FPR and FNR are at the lowest threshold at which at most {FALSE_ALARMS:.0%} of the real "
        "validation pictures of all that was not left out are called fake, ECE is of a Platt "
        "calibration fitted on the same pictures. *Fake verdicts* is the share of real pictures "
        "with the verdict fake, where others are unsure, by a band chosen there as the shipped "
        "model's is. The worst rows stand first.",
        "",
        *_table(rows),
        *_notes(rows),
        "",
        *_summary(rows),
        *_floors(results, [part for part, _ in rows]),
    ]


def unseen_and_seen(results: Results) -> list[tuple[PartResult, PartResult]]:
    """Return the figures of everything that was left out, unseen and seen, the worst first."""
    seen = {part.name: part for part in results.folds[0].parts}
    unseen = [part for fold in results.folds[1:] for part in fold.parts]
    pairs = [(part, seen[part.name]) for part in unseen]
    return sorted(pairs, key=lambda pair: (pair[0].auc is None, pair[0].auc or (0.0,)))


def _left_out(results: Results) -> str:
    if results.kind == "generator":
        return (
            "without any fake of that generator in training and validation, and judges it on the "
            "generator's test fakes against the real test pictures of the same sources. Real "
            "pictures of these sources stay in training, those that the left-out fakes were made "
            "from included; no test picture has a near-duplicate there."
        )
    return (
        "without any picture of that source in training and validation, and judges it on the "
        "source's test pictures, none of which has a near-duplicate in training."
    )


def _table(rows: list[tuple[PartResult, PartResult]]) -> list[str]:
    cells = []
    for part, seen in rows:
        fall = f"{part.auc[0] - seen.auc[0]:+.3f}" if part.auc and seen.auc else ABSENT
        name = part.name + f" {FEW_MARK}" * _is_few(part)
        cells.append(
            (
                cell(name), part.real, part.fake, number(part.auc), number(seen.auc), fall,
                percent(part.fpr), percent(part.fnr), number(part.ece),
                percent(part.fake_verdicts),
            )
        )  # fmt: skip
    head = (
        "left out", "real", "fake", "AUC unseen", "AUC seen", "fall", "FPR", "FNR", "ECE",
        "fake verdicts",
    )  # fmt: skip
    return table(head, cells, "real|fake|fall")


def _notes(rows: list[tuple[PartResult, PartResult]]) -> Iterable[str]:
    if any(part.auc is None for part, _ in rows):
        yield from ("", "Pictures of one label have no AUC.")
    if any(_is_few(part) for part, _ in rows):
        yield from ("", FEW_NOTE)
    alone = [part.name for part, _ in rows if part.against_all]
    if alone:
        yield ""
        yield (
            "Against the real pictures of all sources, as their own have none: "
            f"{text(', '.join(alone))}."
        )
    shared = [f"{part.name} ({', '.join(part.also_elsewhere)})"
              for part, _ in rows if part.also_elsewhere]  # fmt: skip
    if shared:
        yield ""
        yield (
            "Their generators were seen in another source, so that these rows are about a new "
            f"collection and not a new generator: {text('; '.join(shared))}."
        )


def _summary(rows: list[tuple[PartResult, PartResult]]) -> Iterable[str]:
    pairs = [
        (part.auc[0], seen.auc[0])
        for part, seen in rows
        if part.auc and seen.auc and not _is_few(part)
    ]
    if pairs:
        unseen = sum(one for one, _ in pairs) / len(pairs)
        seen = sum(other for _, other in pairs) / len(pairs)
        yield (
            f"Mean AUC over the {len(pairs)} rows with enough pictures of both labels: "
            f"{unseen:.3f} unseen, {seen:.3f} seen; 0.5 is guessing."
        )


def _floors(results: Results, parts: list[PartResult]) -> Iterable[str]:
    """Say which floors were met, with one line a floor."""
    found = floors(results.kind, parts)
    if not found:
        return
    yield ""
    yield (
        f"The floors, over the rows with at least {FEW} pictures of what a figure is about; the "
        "last column says how many of them meet it by themselves:"
    )
    yield ""
    rows = []
    for one in found:
        asked, value = (f"{x:.1%}" if one.share else f"{x:.3f}" for x in (one.floor, one.found))
        least = "at least" if one.least else "at most"
        met = "met" if one.met else "**missed**"
        rows.append((one.what, f"{least} {asked}", value, met, f"{one.passing} of {one.rows}"))
    yield from table(("figure", "floor", "found", "", "rows"), rows, "floor|found|rows")


def _is_few(part: PartResult) -> bool:
    return min(count for count in (part.real, part.fake) if count) < FEW
