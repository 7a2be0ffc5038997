"""The one place that decides: from a model's output and a file's evidence to an answer.

1. The pixels give p(fake) and, by the cuts of the card's band, a call. Neither is ever changed by
   metadata.
2. A decisive finding, which only an intact credential that says 'AI' can be, makes the verdict
   ``fake``.
3. A strong finding for AI (a prompt, a generator's name, an unsigned AI label) is forgeable, so it
   tips the balance and no more: ``unsure`` becomes ``fake``, and ``real`` becomes ``unsure``. Where
   the user set a threshold, and with it asked for no ``unsure``, it changes nothing.
4. Nothing else in the file moves the verdict. A credential or a field that says 'camera' never
   makes a picture ``real``, and a file that says nothing of itself is judged as if metadata did not
   exist.

A picture that a model of photographs cannot judge is ``unsure`` whatever its pixels give, and the
answer says why (`Reason`): nothing is seen on it, it is too small, or it is no photograph. No
picture is called ``real`` over a face that by itself looks made.

p(fake) has four decimals here and everywhere: what is printed is what is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from unmask.evidence.finding import Finding
from unmask.model.calibration import (
    Calibration,
    CalibrationName,
    Logits,
    Probabilities,
    softmax,
)
from unmask.model.card import Band, ModelCard
from unmask.model.model import ModelOutput

Call = Literal["real", "fake", "unsure"]
DecidedBy = Literal["pixels", "credential", "metadata"]
CATEGORY_OTHER = "other"
DECIMALS = 4
"""Of every probability that goes out."""
Reason = Literal[
    "nothing to see", "too small", "no photograph", "a face looks made", "a stretch looks made",
    "between the cuts",
]  # fmt: skip
"""What keeps an answer ``unsure``; a stretch is one of a video."""
SMALLEST_JUDGED = 64
"""Shorter side, in pixels, of the smallest picture that is judged."""


class PictureFacts(NamedTuple):
    """What is known of a picture besides the model's output.

    Attributes:
        width: Upright, in pixels.
        height: Likewise.
        plain: Whether it is of one colour, or shades from one into another, and shows nothing else.
        face_p_fakes: ``p_fake`` of each face that was judged by itself.
    """

    width: int
    height: int
    plain: bool = False
    face_p_fakes: Sequence[float] = ()


class ReadingSettings(BaseModel):
    """How a model's output is read.

    Attributes:
        threshold: Call everything from this ``p_fake`` on fake and the rest real, and nothing
            ``unsure``; None for the card's band.
        calibration: What turns the logit into ``p_fake``; None for the card's own. The band stays
            where it is on the logit, so that verdicts do not change with it.
        promise: Which of the card's bands calls: the share of wrong answers that it keeps to; None
            for the card's first.
        prior: How common fakes are where the picture comes from, in (0, 1); ``p_fake`` is
            recomputed for it by Bayes' rule, and called by the same cuts. None for the card's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float | None = Field(default=None, ge=0, le=1)
    calibration: CalibrationName | None = None
    promise: float | None = Field(default=None, gt=0, lt=1)
    prior: float | None = Field(default=None, gt=0, lt=1)


class Decision(NamedTuple):
    """What an output means.

    Attributes:
        call: The verdict.
        p_fake: What the pixels say, in [0, 1], to four decimals.
        band: The cuts, on the same scale as ``p_fake``; both are the threshold where one was set.
        forced: Whether a threshold left no room for ``unsure``.
        category: What the picture shows; ``other`` where nothing is sure enough.
        category_confidence: Probability in [0, 1] of the likeliest category.
        likeliest: The likeliest category, however sure; empty for a model that tells none.
        decided_by: What the call rests on.
        reason: Why it is ``unsure``; None where it is not.
    """

    call: Call
    p_fake: float
    band: Band
    forced: bool
    category: str
    category_confidence: float
    likeliest: str
    decided_by: DecidedBy
    reason: Reason | None


@dataclass(frozen=True)
class Scale:
    """The scale on which a card and settings put logits: p(fake), and the cuts on it.

    Attributes:
        card: The model's card.
        settings: How its output is read.
        band: The cuts on `p_fake`.
    """

    card: ModelCard
    settings: ReadingSettings
    band: Band

    @classmethod
    def of(cls, card: ModelCard, settings: ReadingSettings) -> Scale:
        """Return the scale.

        Raises:
            ModelError: The card has no such calibration, or keeps no such promise.
        """
        card.calibration_by(settings.calibration)
        forced, chosen = settings.threshold, _chosen(card, settings)
        if forced is not None:
            return cls(card, settings, Band(real_below=forced, fake_from=forced))
        own = cls(card, settings, chosen)
        return cls(card, settings, _with_cuts(chosen, own._shown))

    @property
    def forced(self) -> bool:
        """Whether a threshold leaves no room for ``unsure``."""
        return self.settings.threshold is not None

    @property
    def threshold(self) -> float:
        """From this p(fake) on a call of fake is the likelier one."""
        forced = self.settings.threshold
        return self.card.threshold if forced is None else forced

    @property
    def shown_threshold(self) -> float:
        """`threshold` on the scale of p(fake), where that is not the card's own."""
        return self.threshold if self.forced else self._shown(self.threshold)

    @property
    def face_cut(self) -> float | None:
        """The card's cut for faces on the scale of p(fake), on which faces are judged."""
        cut = self.card.face_cut
        return None if cut is None else self._shown(cut)

    def p_fake(self, logits: Logits | float) -> Probabilities:
        """Return p(fake) to four decimals, for pooled logits of any shape."""
        return self._on(self.card.calibration_by(self.settings.calibration), logits)

    def judged(self, logits: Logits | float) -> Probabilities:
        """Return the p(fake) that is held against the cuts of `judged_band`.

        Without a threshold it is on the card's own calibration, where the cuts were chosen, so that
        a verdict never changes with the calibration that is shown.
        """
        return self.p_fake(logits) if self.forced else self._on(self.card.calibration, logits)

    @property
    def judged_band(self) -> Band:
        """The cuts for `judged`."""
        return self.band if self.forced else _chosen(self.card, self.settings)

    def call(self, judged: float) -> Call:
        """Return the call from pixels alone, for a value of `judged`."""
        band = self.judged_band
        if judged >= band.fake_from:
            return "fake"
        return "real" if judged < band.real_below else "unsure"

    def _shown(self, judged: float) -> float:
        """Return a value of the card's own calibration on the one that is shown."""
        own = self.card.calibration
        shown = self.card.calibration_by(self.settings.calibration)
        if shown is own:
            return judged
        odds = _prior_odds(self.card, self.settings)
        logit = _logit_at(own, _at_odds(judged, 1 / odds))
        return float(_at_odds(shown(np.array(logit)), odds))

    def _on(self, calibration: Calibration, logits: Logits | float) -> Probabilities:
        p_fake = calibration(np.asarray(logits))
        moved = _at_odds(p_fake, _prior_odds(self.card, self.settings))
        return np.asarray(np.round(moved, DECIMALS), dtype=np.float64)


def _chosen(card: ModelCard, settings: ReadingSettings) -> Band:
    """Return the card's cuts for the promise asked for, as they are printed."""
    return _with_cuts(card.band_for(settings.promise), lambda cut: round(cut, DECIMALS))


def _with_cuts(band: Band, change: Callable[[float], float]) -> Band:
    cuts = {"real_below": change(band.real_below), "fake_from": change(band.fake_from)}
    return band.model_copy(update=cuts)


def decide(
    card: ModelCard,
    output: ModelOutput,
    facts: PictureFacts,
    evidence: Iterable[Finding] = (),
    settings: ReadingSettings | None = None,
) -> Decision:
    """Decide what to answer for a picture.

    Args:
        card: Of the model that answered.
        output: What it said.
        facts: What else is known of the picture.
        evidence: What the file says of itself.
        settings: How the output is read; None for as the card says.

    Raises:
        ModelError: The card has no such calibration, or keeps no such promise.
    """
    scale = Scale.of(card, settings or ReadingSettings())
    from_pixels, reason = _call_pixels(scale, output, facts)
    call, decided_by = weigh(from_pixels, evidence, forced=scale.forced)
    likeliest, confidence = "", 0.0
    if card.categories:
        shares = softmax(output.category_logits)
        likeliest, confidence = card.categories[int(shares.argmax())], float(shares.max())
    sure = likeliest and confidence >= card.category_cut
    return Decision(
        call=call,
        p_fake=float(scale.p_fake(output.logit)),
        band=scale.band,
        forced=scale.forced,
        category=likeliest if sure else CATEGORY_OTHER,
        category_confidence=round(confidence, DECIMALS),
        likeliest=likeliest,
        decided_by=decided_by,
        reason=reason if call == "unsure" else None,
    )


def _call_pixels(
    scale: Scale, output: ModelOutput, facts: PictureFacts
) -> tuple[Call, Reason | None]:
    """Return the call from pixels alone, and why it is ``unsure`` if it is."""
    card = scale.card
    if facts.plain:
        return "unsure", "nothing to see"
    if min(facts.width, facts.height) < SMALLEST_JUDGED:
        return "unsure", "too small"
    graphic = output.graphic_logit
    if graphic is not None and card.graphic_cut is not None and graphic >= card.graphic_cut:
        return "unsure", "no photograph"
    call = scale.call(float(scale.judged(output.logit)))
    faces = facts.face_p_fakes
    if call == "real" and not scale.forced and _vetoes(scale, faces):
        return "unsure", "a face looks made"
    return call, "between the cuts" if call == "unsure" else None


def _vetoes(scale: Scale, face_p_fakes: Sequence[float]) -> bool:
    """Whether a picture's faces, judged by themselves, forbid to call it real."""
    cut = scale.face_cut
    return cut is not None and any(p_fake >= cut for p_fake in face_p_fakes)


def weigh(
    pixels: Call, evidence: Iterable[Finding], *, forced: bool = False
) -> tuple[Call, DecidedBy]:
    """Weigh the evidence against the call from pixels, by the rules above.

    Args:
        pixels: The call from pixels alone.
        evidence: The findings on the file.
        forced: Whether the user set a threshold, so that nothing may be ``unsure``.
    """
    strengths = {one.strength for one in evidence if one.says == "ai"}
    if "decisive" in strengths:
        return "fake", "credential"
    if "strong" in strengths and not forced and pixels != "fake":
        return ("fake" if pixels == "unsure" else "unsure"), "metadata"
    return pixels, "pixels"


def _prior_odds(card: ModelCard, settings: ReadingSettings) -> float:
    """Return by how much the odds of fake change from the card's prior to the one asked for."""
    if settings.prior is None:
        return 1.0
    asked, own = settings.prior, card.prior
    return (asked / (1 - asked)) / (own / (1 - own))


def _at_odds(p_fake: Any, factor: float) -> Any:
    """Return probabilities whose odds are multiplied by a factor (Bayes' rule)."""
    return p_fake * factor / (p_fake * factor + 1 - p_fake)


def _logit_at(calibration: Calibration, p_fake: float) -> float:
    """Return the smallest logit, within 50 of zero, that a calibration turns into ``p_fake``."""
    low, high = -50.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        if float(calibration(np.array(middle))) < p_fake:
            low = middle
        else:
            high = middle
    return high
