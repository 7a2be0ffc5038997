"""Write what was found in a video: timeline as JSON, CSV and plot, pictures of its moments."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from unmask.files import write_whole
from unmask.video.pool import smooth
from unmask.video.verdict import TIMELINE_COLUMNS, VideoVerdict

_INK, _FAKE, _FACE, _BAND = "#333333", "#b3261e", "#7a5ba8", "#f0d9d7"


def write_all(found: VideoVerdict, folder: Path, *, threshold: float) -> list[Path]:
    """Write timeline.json, timeline.csv, timeline.png and moment-N.jpg into a folder.

    Args:
        found: A verdict without error.
        folder: Made if it is not there.
        threshold: From this p(fake) on a frame looks fake; drawn as a line.

    Returns:
        The files written.

    Raises:
        OSError: The folder cannot be written.
        ModuleNotFoundError: Matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "timeline.json": (json.dumps(found.to_json(), indent=1) + "\n").encode(),
        "timeline.csv": timeline_csv(found).encode(),
        "timeline.png": timeline_plot(found, threshold=threshold),
    }
    for number, moment in enumerate(found.moments, 1):
        files[f"moment-{number}.jpg"] = moment.jpeg
    for name, data in files.items():
        write_whole(folder / name, data)
    return [folder / name for name in files]


def timeline_csv(found: VideoVerdict) -> str:
    """Return one line a judged frame, under `TIMELINE_COLUMNS`."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, TIMELINE_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(frame.to_row() for frame in found.frames)
    return buffer.getvalue()


def timeline_plot(found: VideoVerdict, *, threshold: float, kind: str = "png") -> bytes:
    """Draw p(fake) over time, the surest face's beside it, and the segments that look fake.

    Args:
        found: A verdict without error.
        threshold: Drawn as a line.
        kind: ``png`` or ``svg``.
    """
    import matplotlib as mpl
    import numpy as np
    from matplotlib.figure import Figure

    times = np.array([frame.time for frame in found.frames])
    p_fake = np.array([frame.p_fake for frame in found.frames])
    # The hash salt makes the ids of an SVG, and so its bytes, the same each time.
    with mpl.rc_context({"svg.hashsalt": "unmask", "font.size": 9}):
        figure = Figure(figsize=(8, 2.6), layout="constrained")
        axes = figure.subplots()
        for segment in found.segments:
            axes.axvspan(segment.start, segment.end, color=_BAND, linewidth=0)
        axes.axhline(threshold, color=_INK, linewidth=0.8, linestyle=":")
        axes.plot(times, p_fake, ".", color=_FAKE, markersize=4, alpha=0.5)
        axes.plot(times, smooth(p_fake), color=_FAKE, linewidth=1.5, label="frame")
        faces = [(f.time, row) for f in found.frames if (row := f.to_row()["face_p_fake"])]
        if faces:
            axes.plot(*zip(*faces, strict=True), color=_FACE, linewidth=1, label="surest face")
            axes.legend(loc="upper right", frameon=False, ncols=2)
        axes.set(
            xlim=(0, max(found.duration or 0, float(times[-1]), 0.1)),
            ylim=(-0.02, 1.02),
            xlabel="seconds",
            ylabel="p(fake)",
        )
        axes.spines[["top", "right"]].set_visible(False)
        buffer = io.BytesIO()
        figure.savefig(
            buffer, format=kind, dpi=110, metadata={"Date": None} if kind == "svg" else None
        )
    return buffer.getvalue()
