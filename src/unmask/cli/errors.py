"""Bad input ends in one sentence on standard error and a non-zero exit, never in a traceback."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import typer

Item = TypeVar("Item")
WRONG_USE = 2


@contextmanager
def clean_errors() -> Iterator[None]:
    """Turn the errors that unmask raises on purpose into a sentence and exit code 2.

    `ManifestError`, `PictureError` and `ModelError` are all ValueErrors.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        fail(f"this needs the package '{error.name}'; install it with: pip install 'unmask[train]'")
    except ValueError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or 'a file'}: {error.strerror or error}")


def fail(sentence: str) -> None:
    """Print one sentence on standard error and exit with 2."""
    typer.echo(f"unmask: {sentence}", err=True)
    raise typer.Exit(WRONG_USE)


@dataclass
class Stop:
    """Whether a run was stopped before its end."""

    came: bool = False

    def heed(self, work: Iterable[Item]) -> Iterator[Item]:
        """Pass on what work yields, until a stop came.

        Python loses the exception of a Ctrl-C that falls into a destructor; this does not.
        """
        for item in work:
            yield item
            if self.came:
                return


@contextmanager
def until_stopped() -> Iterator[Stop]:
    """End a run quietly at Ctrl-C, or when the reader of its output has gone."""
    stop = Stop()

    def interrupt(*_: object) -> None:
        stop.came = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield stop
    except KeyboardInterrupt:
        stop.came = True
    except BrokenPipeError:
        drop_stdout()
        stop.came = True
    finally:
        signal.signal(signal.SIGINT, before)


def drop_stdout() -> None:
    """Send what is still buffered nowhere, after the reader of a pipe has gone (``| head``)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
