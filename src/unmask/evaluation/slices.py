"""Cut a test split into slices and give each its figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.data.manifest import Row
from unmask.detector.card import Figure
from unmask.evaluation.bootstrap import auc, interval, resample, share

Mask = NDArray[np.bool_]


def figures(
    rows: Sequence[Row], p_fake: NDArray[np.floating], threshold: float, resamples: int = 1000
) -> list[Figure]:
    """Return the figures of every slice, each with a 95% interval.

    Args:
        rows: The pictures.
        p_fake: Their probabilities, shape (n,).
        threshold: From this ``p_fake`` on a picture is called fake.
        resamples: Of the bootstrap over groups.
    """
    is_fake = np.array([row.is_fake for row in rows])
    called = p_fake >= threshold
    weights = resample([row.group for row in rows], resamples)
    result = []
    for name, mask in slices(rows):
        part, truth, call = weights[:, mask], is_fake[mask], called[mask]
        accuracy = interval(share(part, truth == call))
        assert accuracy is not None  # noqa: S101  (no slice is empty)
        result.append(
            Figure(
                slice=name,
                real=int(np.sum(~truth)),
                fake=int(np.sum(truth)),
                auc=interval(auc(part, truth, p_fake[mask])),
                accuracy=accuracy,
                fpr=interval(share(part[:, ~truth], call[~truth])),
                fnr=interval(share(part[:, truth], ~call[truth])),
            )
        )
    return result


def slices(rows: Sequence[Row]) -> Iterator[tuple[str, Mask]]:
    """Yield each slice's name and its pictures: overall, by generator, source and category.

    A generator is judged by its fakes against the real pictures of the same sources, so that no
    difference between collections helps; where those have none, against all real pictures.
    """
    is_fake = np.array([row.is_fake for row in rows])
    source = np.array([row.source for row in rows])
    yield "overall", np.ones(len(rows), dtype=bool)
    generator = np.array([row.generator for row in rows])
    for name in np.unique(generator[is_fake]):
        fakes = is_fake & (generator == name)
        reals = ~is_fake & np.isin(source, source[fakes])
        yield f"generator: {name}", fakes | (reals if reals.any() else ~is_fake)
    for name in np.unique(source):
        yield f"source: {name}", source == name
    category = np.array([row.category for row in rows])
    for name in np.unique(category[category != ""]):
        yield f"category: {name}", category == name
