"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelFile = Annotated[
    Path | None, typer.Option(help="An ONNX model, its card beside it.", show_default=False)
]
TrustList = Annotated[
    Path | None,
    typer.Option(
        help="Root certificates (PEM) of the signers whose credentials may decide.",
        show_default=False,
    ),
]
