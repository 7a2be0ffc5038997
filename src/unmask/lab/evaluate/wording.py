"""Figures in words and digits, the same wherever they are shown."""

from __future__ import annotations

from unmask.lab.evaluate.bootstrap import Interval
from unmask.lab.evaluate.costs import Costs
from unmask.lab.evaluate.evaluate import Evaluation
from unmask.lab.evaluate.metrics import METRICS, ece_by_chance
from unmask.lab.evaluate.slices import SliceFigures, SliceKind

ABSENT = "-"
FEW = 10
FEW_MARK = "†"
FEW_NOTE = (
    f"{FEW_MARK} Fewer than {FEW} pictures of a label: next to nothing can be read from the row."
)
IN_TABLES = ("auc", "fpr", "fnr", "fpr_at_95_tpr")
INTERVALS_NOTE = (
    "In brackets: 95% intervals of a bootstrap that resamples groups of near-duplicates; where "
    "none or all of the pictures count, the exact binomial bound over groups."
)
KINDS: dict[SliceKind, tuple[str, str]] = {
    "generator": (
        "Each generator",
        "A generator's fakes against the real pictures of the same sources, so that no difference "
        "between collections helps.",
    ),
    "source": ("Each source", "A source with one label has no AUC."),
    "category": ("Each category", "Pictures whose category is known."),
    "shorter side": ("By size", "Of the picture's shorter side."),
    "JPEG quality": (
        "By JPEG quality",
        "As the quantisation tables of the file tell it; many files were saved more than once, and "
        "this is the last time.",
    ),
    "family": ("By family of generators", "Each against all photographs."),
    "kind": ("By kind", "How a fake was made, or what sort of photograph a real picture is."),
    "subject": ("By subject", "As their publishers or a look told."),
    "camera maker": ("By maker of the camera", "Where the photograph's metadata named it."),
    "publisher": ("By publisher", "Publishers of ten pictures or more."),
}
"""Title and explanation of every kind of slice but ``overall``, in the order of the tables."""

_SEEN = {
    "train": " that the model was trained on",
    "val": " by which it was chosen and calibrated",
    "test": " that no training, choice or calibration may use",
}


def show(metric: str, value: Interval | None) -> str:
    """Write a metric with its interval."""
    return (percent if METRICS[metric].percent else number)(value)


def number(value: Interval | None) -> str:
    """Write a figure in 3 decimals, its interval in brackets."""
    return ABSENT if value is None else f"{value[0]:.3f} ({value[1]:.3f}-{value[2]:.3f})"


def percent(value: Interval | None) -> str:
    """Write a share in percent, its interval in brackets."""
    if value is None:
        return ABSENT
    return f"{value[0]:.1%} ({100 * value[1]:.1f}-{100 * value[2]:.1f})"


def name_of(figures: SliceFigures) -> str:
    """Name a slice in a table, marked where it is small."""
    small = min(n for n in (figures.real, figures.fake) if n) < FEW
    return figures.slice.name + f" {FEW_MARK}" * small


def pictures_sentence(done: Evaluation) -> str:
    """Say how many pictures were judged and what they are to the model."""
    overall = done.overall
    return (
        f"{overall.real} real pictures and {overall.fake} fakes of the split '{done.split}'"
        f"{_SEEN[done.split]}"
    )


def threshold_sentence(done: Evaluation) -> str:
    """Say what counts as a call of fake."""
    return (
        f"A picture is called fake from p(fake) {done.subject.threshold:g} on; FPR is the share of "
        "real pictures called fake, FNR the share of fakes called real."
    )


def unseen_sentence(done: Evaluation) -> str:
    """Say which generators are new to a model that was trained on the manifest."""
    if not done.unseen:
        return (
            "Every generator here also has pictures in the manifest's training split: these "
            "figures say little about generators that the model has never seen."
        )
    return (
        f"Generators without pictures in the manifest's training split: {', '.join(done.unseen)}."
    )


def headline_sentence(done: Evaluation) -> str:
    """Say the figures that matter to who asks about a picture, out of a hundred."""
    return done.overall.figure().headline


def against_all_sentence(slices: list[SliceFigures]) -> str:
    """Name what had to be set against all pictures of the other label; empty if nothing had to."""
    alone = [one.slice.name for one in slices if one.slice.against_all]
    if not alone:
        return ""
    return f"Against all pictures of the other label, for want of their own: {', '.join(alone)}."


def abstention_sentences(done: Evaluation) -> list[str]:
    """Say how often the answer was ``unsure`` and how good the other answers were."""
    overall = done.overall
    if not done.subject.has_unsure:
        return ["Nothing can be unsure: a threshold was set, or the predictions have no verdicts."]
    kept = done.subject.promise
    promise = f" (promised on validation: at most {kept:.0%})" if kept is not None else ""
    return [
        f"Answered with real or fake, the rest being unsure: {percent(overall.answered)}.",
        f"Wrong among the answered: {percent(overall.wrong)}{promise}.",
    ]


def calibration_sentence(done: Evaluation) -> str:
    """Say what the calibration error would be by chance alone."""
    chance = ece_by_chance(done.answers.p_fake)
    return (
        f"Were p(fake) exactly right, an ECE of {chance:.3f} would still be expected on so many "
        "pictures, by chance."
    )


def category_sentences(done: Evaluation) -> list[str]:
    """Say how often the category was right."""
    if done.category is None:
        return ["Categories were not judged: none is known, or none was predicted."]
    found = [f"Category right, 'other' counting as wrong: {percent(done.category)}."]
    if done.likeliest:
        found.append(
            f"Likeliest category right, before any becomes 'other': {percent(done.likeliest)}."
        )
    return found


def unreadable_sentences(done: Evaluation) -> list[str]:
    """Say how many pictures could not be read, and which."""
    left_out = done.answers.unreadable
    lines = [f"Pictures that could not be read, and are in no figure: {len(left_out)}."]
    return lines + [f"{row.path.name}: {why}" for row, why in left_out]


def cost_sentences(costs: Costs) -> list[str]:
    """Say what the cheapest threshold is and what it does to both error rates."""
    before, after = costs.before, costs.after
    return [
        f"If a false alarm costs {costs.fp:g} and a missed fake {costs.fn:g}, calling fake from "
        f"p(fake) {after.threshold:.3f} on is cheapest on the {costs.pictures} pictures of the "
        "split 'val', and for their share of fakes.",
        f"From the threshold {before.threshold:g} to {after.threshold:.3f}, FPR goes from "
        f"{percent(before.fpr)} to {percent(after.fpr)}.",
        f"FNR goes from {percent(before.fnr)} to {percent(after.fnr)}.",
        f"The mean cost of a picture goes from {before.cost:.3f} to {after.cost:.3f}.",
    ]
