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

p(fake) has four decimals here and everywhere: what is printed is what is compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

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


class ReadingSettings(BaseModel):
    """How a model's output is read.

    Attributes:
        threshold: Call everything from this ``p_fake`` on fake and the rest real, and nothing
            ``unsure``; None for the card's band.
        calibration: What turns the logit into ``p_fake``; None for the card's own. The band stays
            where it is on the logit, so that verdicts do not change with it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float | None = Field(default=None, ge=0, le=1)
    calibration: CalibrationName | None = None


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
    """

    call: Call
    p_fake: float
    band: Band
    forced: bool
    category: str
    category_confidence: float
    likeliest: str
    decided_by: DecidedBy


@dataclass(frozen=True)
class Scale:
    """The scale on which a card and settings put logits: p(fake), and the cuts on it.

    Attributes:
        card: The model's card.
        settings: How its output is read.
        calibration: What makes p(fake).
        band: The cuts on p(fake).
    """

    card: ModelCard
    settings: ReadingSettings
    calibration: Calibration
    band: Band

    @classmethod
    def of(cls, card: ModelCard, settings: ReadingSettings) -> Scale:
        """Return the scale.

        Raises:
            ModelError: The card has no such calibration.
        """
        calibration = card.calibration_by(settings.calibration)
        forced = settings.threshold
        if forced is not None:
            band = Band(real_below=forced, fake_from=forced)
        else:
            band = _carried(card.bands[0], card.calibration, calibration)
        return cls(card, settings, calibration, band)

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
        own, shown = self.card.calibration, self.calibration
        if self.forced or shown is own:
            return self.threshold
        return float(shown(np.array(_logit_at(own, self.threshold))))

    def p_fake(self, logits: Logits | float) -> Probabilities:
        """Return p(fake) to four decimals, for pooled logits of any shape."""
        return np.round(self.calibration(np.asarray(logits)), DECIMALS)

    def judged(self, logits: Logits | float) -> Probabilities:
        """Return the p(fake) that is held against the cuts of `judged_band`.

        Without a threshold it is on the card's own calibration, where the cuts were chosen, so that
        a verdict never changes with the calibration that is shown.
        """
        return self.p_fake(logits) if self.forced else self.card.calibration(np.asarray(logits))

    @property
    def judged_band(self) -> Band:
        """The cuts for `judged`."""
        return self.band if self.forced else self.card.bands[0]

    def call(self, judged: float) -> Call:
        """Return the call from pixels alone, for a value of `judged`."""
        band = self.judged_band
        if judged >= band.fake_from:
            return "fake"
        return "real" if judged < band.real_below else "unsure"


def decide(
    card: ModelCard,
    output: ModelOutput,
    evidence: Iterable[Finding] = (),
    settings: ReadingSettings | None = None,
) -> Decision:
    """Decide what to answer for a picture.

    Args:
        card: Of the model that answered.
        output: What it said.
        evidence: What the file says of itself.
        settings: How the output is read; None for as the card says.

    Raises:
        ModelError: The card has no such calibration.
    """
    scale = Scale.of(card, settings or ReadingSettings())
    call, decided_by = weigh(
        scale.call(float(scale.judged(output.logit))), evidence, forced=scale.forced
    )
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
    )


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


def _carried(band: Band, own: Calibration, shown: Calibration) -> Band:
    """Return a band that was chosen on a card's own calibration, on another one's scale."""
    if shown is own:
        return band
    ends = [_logit_at(own, end) for end in (band.real_below, band.fake_from)]
    real_below, fake_from = shown(np.array(ends)).tolist()
    return band.model_copy(update={"real_below": real_below, "fake_from": fake_from})


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
