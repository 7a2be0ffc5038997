"""Controls: labels that mean nothing, files without pictures, shortcuts in what training draws.

    python benchmarks/controls.py --data ../shared/data/manifest.csv [--only mix]

Writes benchmarks/controls.json and docs/controls.md. The network with true labels is that of
`unmask left-out` in --runs; if it is not there, it is trained. All takes about ten minutes on two
cores, most of it for the networks. --only measures one part anew and keeps the others.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from controllib.page import page
from unmask.lab.data.manifest import Row, read_manifest, select
from unmask.lab.recipes import LEAVE_ONE_OUT

HERE = Path(__file__).parent
ROOT = HERE.parent
PARTS = ("networks", "files", "mix")


def measure(part: str, rows: list[Row], options: argparse.Namespace) -> dict[str, Any]:
    """Measure one part; each needs libraries of its own, which are imported then."""
    if part == "files":
        from controllib.files import from_files
        from unmask.model.card import ModelCard
        from unmask.model.open import SHIPPED

        return from_files(rows, ModelCard.read(ModelCard.path_for(SHIPPED)))
    if part == "mix":
        from controllib.mix import shortcuts_of_mix
        from unmask.lab.recipes import recipe_file
        from unmask.lab.train.config import read_config

        config = read_config(recipe_file(options.drawn_by))
        return shortcuts_of_mix(select(rows, "train"), config, options.views)
    from controllib.shuffled import networks
    from unmask.lab.left_out.folds import NOTHING
    from unmask.lab.left_out.protocol import read_recipe

    return networks(
        rows,
        read_recipe(options.recipe),
        options.network_seeds,
        options.runs.parent / "controls",
        options.runs / NOTHING,
    )


def main() -> None:
    """Measure what was asked for, and write the page from all that is known."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the manifest")
    parser.add_argument("--runs", type=Path, default=Path("runs/leave-one-out"))
    parser.add_argument("--recipe", type=Path, default=LEAVE_ONE_OUT, help="the capped network's")
    parser.add_argument("--drawn-by", default="lite0", help="the recipe whose draws are measured")
    parser.add_argument("--network-seeds", type=int, default=3)
    parser.add_argument("--views", type=int, default=1500, help="draws of which views are made")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part alone")
    parser.add_argument("--out", type=Path, default=HERE / "controls.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "controls.md")
    options = parser.parse_args()
    parts = options.only or PARTS
    rows = read_manifest(options.data)
    found = json.loads(options.out.read_text()) if options.out.is_file() else {}
    for part in parts:
        print(f"measuring {part}")
        found[part] = measure(part, rows, options)
        # After each, so that an interruption costs no more than one.
        ordered = {name: found[name] for name in PARTS if name in found}
        options.out.write_text(json.dumps(ordered, indent=1) + "\n")
    command = "python benchmarks/controls.py --data $DATA/manifest.csv"
    # As JSON has it, whatever was measured in this run.
    options.page.write_text(page(json.loads(options.out.read_text()), command), encoding="utf-8")
    print(f"wrote {options.out} and {options.page}")


if __name__ == "__main__":
    main()
