"""``unmask teach``: CLIP's early blocks learn a little from labelled pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.errors import clean_errors
from unmask.cli.progress import counted


def teach(
    tower: Annotated[Path, typer.Argument(help="An ONNX export of CLIP ViT-B/16's image tower.")],
    data: Annotated[Path, typer.Option(help="The manifest; only its training split is read.")],
    out: Annotated[Path, typer.Option(help="The safetensors file to write, for unmask fuse.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of 32 views.")] = 450,
    seed: Annotated[int, typer.Option(help="Of all draws.")] = 0,
) -> None:
    """Change CLIP's first blocks a little (LoRA); one broken off goes on where it was."""
    with clean_errors():
        from unmask.data.manifest import read_manifest, select
        from unmask.training.clip.build import DEPTH, TAPS, small_with_head, with_pseudo_fakes
        from unmask.training.clip.teach import Lessons, teach
        from unmask.training.clip.tower import read_tower

        train = select(read_manifest(data), "train")
        whole = read_tower(tower, DEPTH)
        out.parent.mkdir(parents=True, exist_ok=True)
        with counted("teaching", steps) as advance:
            teach(
                whole, TAPS, with_pseudo_fakes(train, seed), out, Lessons(steps=steps, seed=seed),
                first=lambda: small_with_head(whole, train, seed=seed, report=typer.echo)[2],
                report=typer.echo, on_step=advance,
            )  # fmt: skip
    typer.echo(f"{out}: what the tower has learnt; give it to `unmask fuse --lessons`.")
