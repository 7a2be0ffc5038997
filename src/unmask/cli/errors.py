"""Bad input ends in one sentence on standard error and a non-zero exit, never in a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

WRONG_USE = 2


@contextmanager
def clean_errors() -> Iterator[None]:
    """Turn the errors that unmask raises on purpose into a sentence and exit code 2.

    `ManifestError`, `PictureError` and `ModelError` are all ValueErrors.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        extra = "train"
        fail(
            f"this needs the package '{error.name}'; install it with: pip install 'unmask[{extra}]'"
        )
    except ValueError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or 'a file'}: {error.strerror or error}")


def fail(sentence: str) -> None:
    """Print one sentence on standard error and exit with 2."""
    typer.echo(f"unmask: {sentence}", err=True)
    raise typer.Exit(WRONG_USE)
