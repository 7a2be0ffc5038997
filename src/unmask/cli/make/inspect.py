"""``unmask inspect``: what a checkpoint is, without trusting it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unmask.cli.errors import clean_errors

if TYPE_CHECKING:
    from unmask.lab.train.inspect_run import Inspection


def inspect(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            help="An ONNX model, an .ensemble, a run's folder, its best.safetensors, or a .ckpt; "
            "the shipped model if not given.",
            show_default=False,
        ),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Open a pickle, which can run any code.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what a checkpoint is: architecture, settings, figures, faults, preprocessing."""
    with clean_errors():
        from unmask.lab.train.inspect_run import inspect
        from unmask.model.open import SHIPPED

        found = inspect(checkpoint or SHIPPED, trust=trust)
        typer.echo(json.dumps(_document(found), indent=2) if as_json else _text(found))


def _document(found: Inspection) -> dict[str, Any]:
    return {
        "path": str(found.path),
        "kind": found.kind,
        "parameters": found.parameters,
        "tensors": found.tensors,
        "config": found.config.model_dump() if found.config else None,
        "faults": list(found.faults),
        "metrics": dict(found.metrics),
        "environment": dict(found.environment),
        "note": found.note,
    }


def _text(found: Inspection) -> str:
    from unmask.lab.train.config import changed
    from unmask.verdict.table import printable

    lines = [("file", str(found.path)), ("kind", found.kind)]
    if found.parameters is not None:
        lines.append(("parameters", f"{found.parameters:,} in {found.tensors} tensors"))
    config = found.config
    if config:
        attention = ", spatial attention" if config.attention else ""
        frozen = ", frozen" if config.freeze else ""
        heads = "real/fake and category" if config.heads == "both" else "real/fake"
        plan = config.views
        whole = "the whole picture" if plan.whole else ""
        crops = f"{plan.crops} crops" if plan.crops else ""
        seen = " and ".join(filter(None, (whole, crops)))
        lines += [
            ("architecture", f"{config.backbone}{frozen}{attention}"),
            ("heads", f"{heads}, {config.classifier}"),
            ("preprocessing", f"{seen}, {plan.size} px, values {config.scale}"),
            ("faults", ", ".join(found.faults) or "none"),
        ]
        named = {name: value for name, value in changed(config).items() if name != "backbone"}
        lines += [("setting", f"{name}={value}") for name, value in named.items()]
    lines += [("figure", f"{name} {value:.4g}") for name, value in found.metrics.items()]
    lines += [("environment", f"{name} {value}") for name, value in found.environment.items()]
    if found.note:
        lines.append(("note", found.note))
    # The file may come from anyone: nothing in it may steer the terminal.
    return "\n".join(f"{name:15}{printable(value)}" for name, value in lines)
