"""The one place that decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unmask.evidence.finding import Finding
from unmask.model.calibration import Isotonic, Platt
from unmask.model.card import Band, ModelCard, ModelError
from unmask.model.model import ModelOutput
from unmask.picture.plain import is_plain
from unmask.verdict.decide import PictureFacts, ReadingSettings, Scale, decide

LARGE = PictureFacts(640, 480)
STRONG = Finding("png.prompt", "PNG text", "ai", "strong", "A prompt.")
DECISIVE = Finding("c2pa.ai", "Content Credentials", "ai", "decisive", "A credential.")


def card(**more: Any) -> ModelCard:
    return ModelCard(
        name="a", created="2026-11-30", sha256="0" * 64, opset=21, inputs={"views": {"size": 224}},
        categories=("human_faces", "animals"), licence="none", intended_use="tests", training={},
        bands=(
            Band(real_below=0.1, fake_from=0.9, most_wrong=0.05),
            Band(real_below=0.3, fake_from=0.7, most_wrong=0.1),
        ),
    ).model_copy(update=more)  # fmt: skip


def output(p_fake: float, **more: Any) -> ModelOutput:
    logit = float(np.log(p_fake / (1 - p_fake)))
    return ModelOutput(logit, np.array([2.0, 0.0], dtype=np.float32), np.array([logit]), **more)


@pytest.mark.parametrize(
    ("p_fake", "call", "reason"),
    [(0.05, "real", None), (0.5, "unsure", "between the cuts"), (0.9, "fake", None)],
)
def test_the_band_calls(p_fake: float, call: str, reason: str | None) -> None:
    decision = decide(card(), output(p_fake), LARGE)
    assert (decision.call, decision.reason, decision.p_fake) == (call, reason, p_fake)
    assert decision.decided_by == "pixels"
    assert not decision.forced


def test_what_is_printed_is_what_is_compared() -> None:
    close = output(0.97714)
    for threshold, call in [(0.9771, "fake"), (0.9772, "real")]:
        decision = decide(card(), close, LARGE, (), ReadingSettings(threshold=threshold))
        assert (decision.p_fake, decision.call, decision.forced) == (0.9771, call, True)


def test_a_promise_picks_its_own_cuts() -> None:
    looser = ReadingSettings(promise=0.1)
    assert decide(card(), output(0.75), LARGE).call == "unsure"
    assert decide(card(), output(0.75), LARGE, (), looser).call == "fake"
    with pytest.raises(ModelError, match=r"promises no 0\.2 .* 0\.05, 0\.1"):
        Scale.of(card(), ReadingSettings(promise=0.2))


def test_a_prior_moves_p_by_bayes_and_the_call_with_it() -> None:
    rare = ReadingSettings(prior=0.1)
    decision = decide(card(), output(0.9), LARGE, (), rare)
    assert decision.p_fake == pytest.approx(0.5, abs=1e-4)
    assert decision.call == "unsure"
    same = decide(card(), output(0.9), LARGE, (), ReadingSettings(prior=0.5))
    assert same == decide(card(), output(0.9), LARGE)


@pytest.mark.parametrize("prior", [None, 0.05])
@pytest.mark.parametrize("shown", ["platt", "isotonic", "none"])
def test_the_calibration_that_is_shown_changes_no_call(shown: Any, prior: float | None) -> None:
    fits = {"platt": Platt(slope=0.4, offset=1.0),
            "isotonic": Isotonic(logits=(-5.0, 5.0), probabilities=(0.02, 0.98))}  # fmt: skip
    of = card(alternatives=fits)
    for p_fake in (0.03, 0.2, 0.6, 0.97):
        plain = decide(of, output(p_fake), LARGE, (), ReadingSettings(prior=prior))
        other = decide(
            of, output(p_fake), LARGE, (), ReadingSettings(prior=prior, calibration=shown)
        )
        assert other.call == plain.call
        expected = "fake" if other.p_fake >= other.band.fake_from else "other"
        assert (other.call == "fake") == (expected == "fake")


@pytest.mark.parametrize(
    ("facts", "more", "reason"),
    [
        (PictureFacts(640, 480, plain=True), {}, "nothing to see"),
        (PictureFacts(640, 63), {}, "too small"),
        (LARGE, {"graphic_logit": 1.0}, "no photograph"),
    ],
)
@pytest.mark.parametrize("threshold", [None, 0.5])
def test_what_no_model_of_photographs_can_judge_is_unsure_even_if_forced(
    facts: PictureFacts, more: dict[str, float], reason: str, threshold: float | None
) -> None:
    of = card(graphic_cut=1.0)
    decision = decide(of, output(0.99, **more), facts, (), ReadingSettings(threshold=threshold))
    assert (decision.call, decision.reason) == ("unsure", reason)


def test_nothing_is_real_over_a_face_that_looks_made() -> None:
    of, made = card(face_cut=0.8), LARGE._replace(face_p_fakes=(0.1, 0.8))
    assert decide(of, output(0.05), made).reason == "a face looks made"
    assert decide(of, output(0.05), LARGE._replace(face_p_fakes=(0.79,))).call == "real"
    assert decide(card(), output(0.05), made).call == "real"


@pytest.mark.parametrize("shown", [None, "none", "platt"])
@pytest.mark.parametrize("prior", [None, 0.05])
def test_a_face_has_the_same_say_on_every_scale(shown: Any, prior: float | None) -> None:
    of = card(
        calibration=Platt(slope=2.0, offset=-0.5),
        alternatives={"platt": Platt(slope=0.4, offset=1.0)},
        face_cut=0.3,
    )
    for face, call in ((-0.3, "real"), (0.5, "unsure")):
        logit = face + (0 if prior is None else 1.5)  # The rarer fakes are, the surer it must be.
        settings = ReadingSettings(calibration=shown, prior=prior)
        p_fake = float(Scale.of(of, settings).p_fake(logit))
        decision = decide(of, output(0.05), LARGE._replace(face_p_fakes=(p_fake,)), (), settings)
        assert decision.call == call


@pytest.mark.parametrize(
    ("p_fake", "evidence", "threshold", "call", "by"),
    [
        (0.5, STRONG, None, "fake", "metadata"),
        (0.05, STRONG, None, "unsure", "metadata"),
        (0.05, STRONG, 0.5, "real", "pixels"),
        (0.95, STRONG, None, "fake", "pixels"),
        (0.05, DECISIVE, 0.5, "fake", "credential"),
    ],
)
def test_evidence_is_weighed_by_the_rules(
    p_fake: float, evidence: Finding, threshold: float | None, call: str, by: str
) -> None:
    decision = decide(
        card(), output(p_fake), LARGE, [evidence], ReadingSettings(threshold=threshold)
    )
    assert (decision.call, decision.decided_by) == (call, by)


def test_blank_pictures_and_gradients_show_nothing_and_photographs_do() -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 300).astype(np.uint8)[None, :, None], (200, 300, 3))
    noise = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    assert is_plain(np.full((80, 90, 3), 7, np.uint8))
    assert is_plain(np.ascontiguousarray(ramp))
    assert not is_plain(noise.repeat(20, 0).repeat(20, 1))
