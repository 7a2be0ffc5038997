"""The figures in words and as a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from faithlib.curves import SHARES

MARKS = ("<!-- figures -->", "<!-- /figures -->")


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw the curves and the sanity check."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for axes, kind in ((left, "deletion"), (middle, "insertion")):
        for name, style in (("map", "-"), ("random", "--")):
            axes.plot(SHARES, result["curves"][f"{kind}, {name}"], style, label=name)
        axes.set(title=kind, xlabel="share of the picture", ylim=(0, 1))
        axes.legend(frameon=False)
    left.set_ylabel("p of what was called")
    stages = result["randomised"]
    right.bar(list(stages), [value[0] for value in stages.values()], color="tab:gray")
    right.set(title="maps after shuffling weights", ylabel="rank correlation", ylim=(-0.5, 1))
    right.tick_params(axis="x", labelsize=8)
    right.axhline(0, color="black", linewidth=0.8)
    figure.savefig(path, dpi=110)


def insert(page: Path, result: dict[str, Any], plot_name: str) -> None:
    """Put the figures between the marks of a page; raises ValueError where it has none."""
    before, start, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not (start and end):
        raise ValueError(f"{page} has no place for figures.")
    body = "\n".join(_lines(result, plot_name))
    page.write_text(f"{before}{MARKS[0]}\n{body}\n{MARKS[1]}{after}", encoding="utf-8")


def _lines(result: dict[str, Any], plot_name: str) -> list[str]:
    curves, counts = result["areas"], result["pictures"]
    lines = [
        f"Of {result['model']} (SHA-256 `{result['sha256'][:12]}`), on the test split; in brackets "
        "95% intervals of a bootstrap over pictures.",
        "",
        f"![Deletion and insertion curves, and the sanity check]({plot_name})",
        "",
        f"**Shuffled weights.** Rank correlation of a picture's map with the map of the model with "
        f"shuffled weights, {counts['randomised']} pictures. 1 would mean that the map does not "
        "depend on what the model has learnt.",
        "",
        "| shuffled | rank correlation |",
        "| --- | --- |",
        *(f"| {stage} | {_show(value)} |" for stage, value in result["randomised"].items()),
        "",
        f"**Deletion and insertion**, {counts['curves']} pictures: area under the curve of the "
        "probability of what was called. For deletion lower is better, for insertion higher.",
        "",
        "| curve | map | random map | map minus random |",
        "| --- | --- | --- | --- |",
        *(
            f"| {kind} | {_show(curves[f'{kind}, map'])} | {_show(curves[f'{kind}, random'])} | "
            f"{_show(curves[f'{kind}, map minus random'], '+.3f')} |"
            for kind in ("deletion", "insertion")
        ),
    ]
    for generator, count in counts["pairs"].items():
        if not count:
            lines += ["", f"**Where `{generator}` changed the picture** cannot be said: the test "
                      "split has no pair of a photo and its altered twin."]  # fmt: skip
            continue
        lines += [
            "",
            f"**Where `{generator}` changed the picture**, {count} pairs of a photo and its "
            "altered twin, all of whose pixels are changed a little. Rank correlation with the "
            "true change, |fake - photo|:",
            "",
            "| what | rank correlation |",
            "| --- | --- |",
            *(f"| {n} | {_show(v)} |" for n, v in result["all changed"][generator].items()),
            "",
            f"**A patch of `{generator}` pasted into its photo**, 16% of the area, at a random "
            "place. AUC with which the map tells the patch from the rest (0.5 is chance), and how "
            "often its hottest place is in the patch (16% is chance):",
            "",
            "| what | figure |",
            "| --- | --- |",
            *(f"| {n} | {_show(v)} |" for n, v in result["patch changed"][generator].items()),
        ]
    return lines


def _show(value: tuple[float, float, float], form: str = ".3f") -> str:
    middle, low, high = (format(part, form) for part in value)
    return f"{middle} ({low} to {high})"
