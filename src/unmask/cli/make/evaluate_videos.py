"""``unmask evaluate-videos``: judge a model on labelled videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.errors import clean_errors
from unmask.cli.options import check_file
from unmask.cli.progress import counted
from unmask.cli.settings_options import with_settings
from unmask.detector.settings import DetectorSettings


