"""The options of every command that answers: one list, made into `DetectorSettings`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from unmask.cli.errors import clean_errors
from unmask.model.calibration import CalibrationName
from unmask.picture.decode import DEFAULT_LIMITS, Limits

_GROUP = "How pictures are judged"


def _option(*names: str, **more: Any) -> Any:
    return typer.Option(*names, rich_help_panel=_GROUP, **more)


TrustOption = Annotated[
    Path | None,
    _option(
        help="Root certificates (PEM) of the signers whose credentials may decide.",
        show_default=False,
    ),
]
_OPTIONS: dict[str, tuple[Any, Any]] = {
    "model": (
        Annotated[
            Path | None,
            _option(
                help="An ONNX model with its card, an .ensemble, or a training run; "
                "the shipped one if not given.",
                show_default=False,
            ),
        ],
        None,
    ),
    "threshold": (
        Annotated[
            float | None,
            _option(
                min=0,
                max=1,
                help="Call fake from this p(fake) on, and nothing unsure.",
                show_default=False,
            ),
        ],
        None,
    ),
    "promise": (
        Annotated[
            float | None,
            _option(
                min=0.001,
                max=0.5,
                help="Answer so often that this share of answers may be wrong, as the card has "
                "it; its first promise if not given.",
                show_default=False,
            ),
        ],
        None,
    ),
    "prior": (
        Annotated[
            float | None,
            _option(
                min=0.0001,
                max=0.9999,
                help="How common fakes are where the pictures come from, as in 0.05.",
                show_default=False,
            ),
        ],
        None,
    ),
    "calibration": (
        Annotated[
            CalibrationName | None,
            _option(help="What makes p(fake); the card's own if not given.", show_default=False),
        ],
        None,
    ),
    "tta": (
        Annotated[bool, _option("--tta", help="Look at more views of each picture. Slower.")],
        False,
    ),
    "provenance": (
        Annotated[
            bool, _option(help="Read what a file says of itself, and heed it in the verdict.")
        ],
        True,
    ),
    "trust": (TrustOption, None),
    "faces": (
        Annotated[bool, _option(help="Find faces, and judge each by itself as well.")],
        False,
    ),
    "device": (
        Annotated[Literal["auto", "cpu", "cuda"], _option(help="Where the model runs.")],
        "auto",
    ),
    "max_megapixels": (
        Annotated[float, _option(min=0.001, help="Refuse larger pictures.")],
        DEFAULT_LIMITS.max_pixels / 1e6,
    ),
    "max_megabytes": (
        Annotated[float, _option(min=0.001, help="Refuse larger files.")],
        DEFAULT_LIMITS.max_bytes / 2**20,
    ),
}


def with_settings(**defaults: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of this list.

    The command has two parameters more than a person sees: ``model``, a path or None, and
    ``settings``, the `DetectorSettings` that the options amount to.

    Args:
        defaults: Other defaults of single options, by name, as in ``faces=True``.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(command, include_extras=True)
        own = [
            one.replace(annotation=hints[name])
            for name, one in inspect.signature(command).parameters.items()
            if name not in ("model", "settings")
        ]
        more = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=kind,
                default=defaults.get(name, default),
            )
            for name, (kind, default) in _OPTIONS.items()
        ]

        @wraps(command)
        def run(**given: Any) -> None:
            chosen = {name: given.pop(name) for name in _OPTIONS}
            with clean_errors():
                model, settings = chosen.pop("model"), _settings(chosen)
            command(**given, model=model, settings=settings)

        run.__signature__ = inspect.Signature([*own, *more])  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in (*own, *more)}
        del run.__wrapped__
        return run

    return decorate


def _settings(chosen: dict[str, Any]) -> Any:
    """Return what the options amount to."""
    from unmask.detector.settings import DetectorSettings, read_trust

    limits = Limits(
        max_bytes=int(chosen.pop("max_megabytes") * 2**20),
        max_pixels=int(chosen.pop("max_megapixels") * 1e6),
    )
    return DetectorSettings(**chosen | {"trust": read_trust(chosen["trust"]), "limits": limits})
