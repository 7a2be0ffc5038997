"""Write the controls as a page of Markdown; every verdict is computed from the figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from controllib.areas import ALL, MEAN
from controllib.mix import QUALITY
from unmask.lab.data.shortcuts import NAMED_FROM
from unmask.lab.evaluate.bootstrap import Interval
from unmask.lab.evaluate.markdown import cell, table
from unmask.lab.evaluate.wording import ABSENT, FEW, number

GUESSING = 0.5
DEALS = ("true labels", "dealt to halves")


def page(found: dict[str, Any], command: str) -> str:
    """Return docs/controls.md from the parts that are there.

    Args:
        found: What `controls.py` measured, by part.
        command: The command line that measures all of it.
    """
    lines = [
        "# Controls",
        "",
        f"    {command}",
        "",
        "Anything that looks too good is a leak until shown otherwise. This command made the page: "
        "what is left when labels mean nothing, what files give away without their pictures, and "
        "which shortcuts are left in what training draws. AUC, with 95% intervals in brackets; "
        f"sources with fewer than {FEW} pictures of a label are left out.",
    ]
    if "networks" in found:
        lines += ["", *_shuffled(found["networks"])]
    if "files" in found:
        lines += ["", *_files(found["files"])]
    if "mix" in found:
        lines += ["", *_mix(found["mix"])]
    return "\n".join(lines) + "\n"


def _shuffled(part: dict[str, Any]) -> Iterator[str]:
    yield from (
        "## Labels that mean nothing",
        "",
        "The same training on labels dealt anew, judged by the true ones: all that it says better "
        "than guessing would come in past the training labels. *Dealt to halves*: half of each "
        "source's real pictures and half of its fakes are called fake. Each figure is the mean "
        "over seeds, with Student's interval of that mean.",
        "",
        f"The network of the leave-one-out protocols ({part['recipe']}): {part['train']:,} "
        f"training pictures, {part['seeds']} seeds, judged on all {part['val']} validation "
        "pictures. Its epoch is chosen on some of these, by dealt labels where it was trained "
        "on such.",
        "",
        *_table(part),
    )


def _table(part: dict[str, Any]) -> Iterator[str]:
    deals = [deal for deal in DEALS if deal in part]
    rows = [
        (cell(name), *(number(_of(part[deal], name)) for deal in deals))
        for name in _ordered(part[deals[0]])
    ]
    yield from table(("pictures", *deals), rows)
    for deal in deals[1:]:
        names = list(part[deal])
        off = [name for name in names if not _may_be(part[deal][name])]
        verdict = (
            f"**{len(off)} of {len(names)} intervals exclude {GUESSING}** ({', '.join(off)}); one "
            "in twenty does by chance."
            if off
            else f"all {len(names)} intervals include {GUESSING}."
        )
        yield from ("", f"{deal[0].upper()}{deal[1:]}: {verdict}")


def _files(part: dict[str, Any]) -> Iterator[str]:
    yield from (
        "## Files without their pictures",
        "",
        "Gradient boosting on what the files' headers tell (bytes, width, height, JPEG quality, "
        f"subsampling, quantisation tables), fitted to the {part['train']:,} training pictures. "
        f"Beside it the figures of {part['model']} (SHA-256 `{part['sha256'][:8]}`) on the same "
        "test pictures, from its card.",
        "",
    )
    columns = ("val", "test", "model on test")
    rows = [
        (cell(name), *(number(_of(part[column], name)) for column in columns))
        for name in _ordered(part["test"])
        if name != MEAN
    ]
    yield from table(
        ("pictures", "files, validation", "files, test", f"{part['model']}, test"), rows
    )
    names = [name for name in part["test"] if name not in (ALL, MEAN)]
    close = [name for name in names if _overlap(part["test"], part["model on test"], name)]
    yield from (
        "",
        f"Mean over sources of the files alone: {number(_of(part['val'], MEAN))} on validation, "
        f"{number(_of(part['test'], MEAN))} on test.",
        "",
        "Sources where files alone may be as good as the model, the intervals overlapping: "
        f"{', '.join(close) or 'none'}.",
    )


def _mix(part: dict[str, Any]) -> Iterator[str]:
    yield from (
        "## Shortcuts in what training draws",
        "",
        f"The audit's measures on the {part['pictures']:,} training pictures, on the "
        f"{part['draws']:,} draws of one epoch (labels balanced, sources by the root of their "
        f"size, twins side by side), and in the views of {part['views']:,} of these draws. A view "
        "has no format, size or tables any more. What can be left of them is its weight when all "
        f"are saved alike (JPEG {QUALITY}: busyness, blur, noise) and the blocks of an earlier "
        "JPEG. Both also measure what a picture shows.",
        "",
    )
    rows = []
    for stage, shortcuts in part["stages"].items():
        names = dict.fromkeys(one["name"] for one in shortcuts)
        for name in names:
            own = [one for one in shortcuts if one["name"] == name]
            overall = next((f"{one['auc']:.2f}" for one in own if not one["within"]), ABSENT)
            within = [one for one in own if one["within"]]
            most = max(within, key=lambda one: one["auc"], default=None)
            words = f"{most['auc']:.2f}, {most['within']}" if most else ABSENT
            rows.append((stage, name, overall, cell(words)))
    head = ("stage", "what", "AUC, all", "the most within a source or category")
    yield from (*table(head, rows, "AUC, all"), "")
    for stage, shortcuts in part["stages"].items():
        left = [one for one in shortcuts if one["found"]]
        said = "; ".join(
            f"{one['name']} {'within ' + one['within'] if one['within'] else 'over all'} "
            f"{one['auc']:.2f}"
            for one in sorted(left, key=lambda one: -one["auc"])
        )
        yield (
            f"- {stage[0].upper()}{stage[1:]}: "
            f"{f'{len(left)} above {NAMED_FROM} and past chance ({said})' if left else 'none'}."
        )


def _ordered(figures: dict[str, Any]) -> list[str]:
    """Return all pictures and the mean first, then the sources by name."""
    return [name for name in (ALL, MEAN) if name in figures] + sorted(
        name for name in figures if name not in (ALL, MEAN)
    )


def _of(figures: dict[str, Any], name: str) -> Interval | None:
    return tuple(figures[name]) if name in figures else None


def _may_be(value: Interval) -> bool:
    return value[1] <= GUESSING <= value[2]


def _overlap(ours: dict[str, Any], theirs: dict[str, Any], name: str) -> bool:
    return name in theirs and ours[name][2] >= theirs[name][1]
