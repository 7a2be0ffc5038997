"""Write the page that compares recipes, from their figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

Result = dict[str, Any]

CLAIMS = {
    "xception-duel": "about 70% validation accuracy (ArtiFact subset)",
    "resnet50-attention": (
        "93.58% accuracy, F1 94.21%, all real ones right, specificity 86.54%, on 109 faces "
        "(trained on 1,848)"
    ),
    "cnn-128": (
        "90% accuracy on 10,905 faces (train 96.7%, validation 93.5%; 140,002 faces in all)"
    ),
    "mobilenetv2-frozen": "worse than the CNN above",
    "efficientnet-calibrated": "validation AUC 0.998, accuracy 98.1%",
    "efficientnetv2-duel": "97.01% real/fake, 99.94% category (ArtiFact, 240K)",
}
"""What the makers of the published systems say, of their own data and with their own weights."""

_CPU_MS, _PHONE_PARAMETERS, _PHONE_GFLOPS = 100.0, 6e6, 1.0


def write_page(results: Sequence[Result], path: Path) -> None:
    """Write the page.

    Args:
        results: Of every recipe, as `recipes.py` makes them.
        path: The Markdown file.
    """
    first = results[0]
    pictures, settings = first["pictures"], " ".join(first["settings"])
    caps, epochs = " ".join(first["caps"]), first["settings"][0].removeprefix("epochs=")
    random = [r["recipe"] for r in results if r["started_from"] != r["made_to_start_from"]]
    lines = [
        "# Recipes, side by side",
        "",
        "    python recipes/named-recipes/recipes.py --data $DATA/manifest.csv "
        f"{caps} --epochs {epochs}",
        "",
        "This command trains every recipe of `unmask recipes` on the same pictures and makes this "
        f"page: {pictures['train']} for training, {pictures['val']} for validation and "
        f"calibration, {pictures['test']} of the test split, drawn by whole groups and by each "
        "source's share. "
        f"On top of each recipe: `{settings}`. What is finished is not trained again. `--train`, "
        "`--val`, `--test` and `--epochs` lift the caps; `--download` starts from the ImageNet "
        "weights of timm's hub.",
        "",
        "**Read it for what it is: a few minutes of training for each recipe, far from what any of "
        "them reaches in full.**",
    ]
    if random:
        lines[-1] += (
            " The machine had no way to a model hub, so "
            f"{_list(random)} started from random weights, though they are made to start "
            "from ImageNet's; only EfficientNet-Lite0 has its weights bundled. The table says what "
            "runs here out of the box and what it costs, and **not which backbone is best**."
        )
    lines += [
        "",
        "## Which one to pick",
        "",
        *_advice(results, random=bool(random)),
        "",
        "## What each reaches and costs",
        "",
        "| recipe | first weights | test AUC | test accuracy | ECE | ms a picture | parameters | "
        "GFLOPs a view | views | model file | training |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_row(result) for result in results),
        "",
        "Test figures with 95% intervals of a bootstrap over groups; accuracy at p(fake) 0.5 after "
        "the recipe's own calibration, fitted on validation. ECE: calibration error. Milliseconds: "
        "median CPU time on one core with ONNX Runtime, decoding included, one view a picture "
        "unless `views` says more (mirror images are not in it). A multiply-add counts as two "
        "operations. Training: CPU minutes, on two cores about half of that by the clock. ‡ Its "
        "class-activation maps would not be exact, so that the exported model has none.",
        "",
        "## Each generator",
        "",
        "AUC of a generator's fakes against the real pictures of the same sources (or of all "
        "sources, where its own have none); † fewer than 10 of a label.",
        "",
        *_generators(results),
        "",
        "## What the makers claim",
        "",
        "Six of the recipes follow published student systems. Their claims were made on other "
        "data, with ImageNet weights where the system uses them, and with full training; **the "
        "data differ, so the columns cannot be compared with each other**.",
        "",
        "| recipe | their claim, on their own data | test accuracy here | test AUC here |",
        "| --- | --- | --- | --- |",
        *(
            f"| `{r['recipe']}` | {CLAIMS[r['recipe']]} | {_percent(_overall(r)['accuracy'])} | "
            f"{_number(_overall(r)['auc'])} |"
            for r in results
            if r["recipe"] in CLAIMS
        ),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _advice(results: Sequence[Result], *, random: bool) -> list[str]:
    def best(fitting: list[Result]) -> Result:
        return max(fitting, key=lambda r: _overall(r)["auc"][0])

    cpu = best([r for r in results if r["milliseconds"] <= _CPU_MS] or list(results))
    small = [
        r for r in results if r["parameters"] <= _PHONE_PARAMETERS and r["gflops"] <= _PHONE_GFLOPS
    ]
    phone = best(small or list(results))
    gpu = (
        "- **A GPU and a network**: not measured here. `efficientnetv2-duel` makes the highest "
        "claim on many pictures of many generators, with a small backbone; start there "
        "with `pretrained=timm`, and run this comparison with `--download` before you believe it."
        if random
        else f"- **A GPU**: `{best(list(results))['recipe']}`, the highest test AUC of all."
    )
    return [
        f"- **CPU**: `{cpu['recipe']}`: the highest test AUC ({_overall(cpu)['auc'][0]:.3f}) of "
        f"those that answer within {_CPU_MS:.0f} ms on one core ({cpu['milliseconds']:.0f} ms).",
        f"- **Phone**: `{phone['recipe']}`: the highest test AUC ({_overall(phone)['auc'][0]:.3f}) "
        f"of those with at most {_PHONE_PARAMETERS / 1e6:.0f} million parameters and "
        f"{_PHONE_GFLOPS:.0f} GFLOPs a view.",
        gpu,
    ]


def _row(result: Result) -> str:
    overall = _overall(result)
    views = f"{result['views']}"
    maps = "" if result["maps"] else " ‡"
    return (
        f"| `{result['recipe']}`{maps} | "
        f"{'random' if result['started_from'] == 'none' else 'ImageNet'} | "
        f"{_number(overall['auc'])} | {_percent(overall['accuracy'])} | {result['ece']:.3f} | "
        f"{result['milliseconds']:.0f} | {result['parameters'] / 1e6:.1f} M | "
        f"{result['gflops']:.2f} | {views} | {result['megabytes']:.0f} MB | "
        f"{result['train_cpu_seconds'] / 60:.1f} min |"
    )


def _generators(results: Sequence[Result]) -> list[str]:
    slices = [f for f in results[0]["figures"] if f["slice"].startswith("generator: ")]
    few = {f["slice"]: " †" * (min(f["real"], f["fake"]) < 10) for f in slices}
    heads = [f["slice"].removeprefix("generator: ") + few[f["slice"]] for f in slices]
    lines = [f"| recipe | {' | '.join(heads)} |", "| --- |" + " ---: |" * len(heads)]
    for result in results:
        by_slice = {figure["slice"]: figure for figure in result["figures"]}
        cells = [by_slice[f["slice"]]["auc"] for f in slices]
        values = " | ".join("-" if cell is None else f"{cell[0]:.3f}" for cell in cells)
        lines.append(f"| `{result['recipe']}` | {values} |")
    return lines


def _overall(result: Result) -> dict[str, Any]:
    return next(figure for figure in result["figures"] if figure["slice"] == "overall")


def _number(value: Sequence[float]) -> str:
    return f"{value[0]:.3f} ({value[1]:.3f}-{value[2]:.3f})"


def _percent(value: Sequence[float]) -> str:
    return f"{value[0]:.1%} ({100 * value[1]:.1f}-{100 * value[2]:.1f})"


def _list(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
