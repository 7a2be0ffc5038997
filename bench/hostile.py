"""Throw mutated pictures at a running server and say what came back.

    python bench/hostile.py [--pictures 10000] [--seed 0] [--out reports/hostile/hostile.json]

The mutants are those of the tests (`tests/service/hostile.py`), the same for the same seed. It
fails where an answer is neither 201 nor 4xx, where the server wrote a stack trace, or where it is
no longer the same process in the end.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "service")]

from hostile import mutants  # noqa: E402
from servers import serving  # noqa: E402


def main() -> None:
    """Send, count, check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        with ThreadPoolExecutor(8) as pool:
            sent = pool.map(
                lambda data: server.post(("mutant", data)).status,
                mutants(options.pictures, options.seed),
            )
            statuses = Counter(sent)
        metrics = server.ask("GET", "/metrics").body.decode()
        deaths = next(
            float(line.split()[1])
            for line in metrics.splitlines()
            if line.startswith("unmask_decoder_deaths_total")
        )
        alive = server.process.poll() is None
        traces = server.log.read_text().count("Traceback")
    figures = {
        "pictures": options.pictures,
        "seed": options.seed,
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "decoders_replaced": int(deaths),
        "server_alive": alive,
        "stack_traces": traces,
        "seconds": round(time.monotonic() - started),
    }
    text = json.dumps(figures, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    wrong = [status for status in statuses if status != 201 and not 400 <= status < 500]
    if wrong or traces or not alive:
        sys.exit("The server did not hold.")


if __name__ == "__main__":
    main()
