"""The detector: every kind of input, streams, verdicts and models that must not be trusted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from pictures import encode, picture
from tiny import shared_tiny_model
from toys import Toy
from unmask import Detector, PictureError, Verdict
from unmask.model import runtime
from unmask.model.card import ModelCard, ModelError
from unmask.model.model import Model
from unmask.model.onnx_model import OnnxModel
from unmask.model.open import SHIPPED
from unmask.picture.decode import decode, read_bytes
from unmask.picture.views import cut_views

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.jpg"))


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(shared_tiny_model())


def test_all_kinds_of_input_agree(detector: Detector, tmp_path: Path) -> None:
    image = picture(300, 260)
    data = encode(image, "PNG")
    path = tmp_path / "x.png"
    path.write_bytes(data)
    pictures = [str(path), path, data, image, np.asarray(image)]
    answers = {detector.detect(item).p_fake for item in pictures}
    assert len(answers) == 1
    assert detector.detect(path).path == str(path)
    assert detector.detect(data).path == "-"


def test_a_verdict_is_complete_and_cannot_be_changed(detector: Detector) -> None:
    verdict = detector.detect(picture(300, 260))
    assert verdict.verdict in ("real", "fake", "unsure")
    assert verdict.category in ("human_faces", "animals", "vehicles", "other")
    assert verdict.p_fake is not None
    assert 0 <= verdict.p_fake <= 1
    assert verdict.error is None
    assert list(verdict.to_row()) == [
        "path", "verdict", "p_fake", "category", "category_confidence", "error",
    ]  # fmt: skip
    with pytest.raises(FrozenInstanceError):
        verdict.p_fake = 0.0  # type: ignore[misc]


def test_one_bad_picture_raises_and_in_a_stream_costs_one_row(detector: Detector) -> None:
    with pytest.raises(PictureError, match="empty"):
        detector.detect(b"")
    good = encode(picture())
    answers = list(detector.detect_many([good, b"", good, b"text", good], batch_size=2))
    assert [answer.error is None for answer in answers] == [True, False, True, False, True]
    assert answers[1].p_fake is None
    assert answers[0].p_fake == pytest.approx(answers[4].p_fake, abs=1e-6)


def test_a_stream_keeps_order_and_reads_ahead_only_a_little(detector: Detector) -> None:
    taken = 0
    images = [picture(seed=seed) for seed in range(7)]
    alone = [detector.detect(image).p_fake for image in images]

    def endless() -> Iterator[object]:
        nonlocal taken
        while True:
            yield images[taken % 7]
            taken += 1

    answers = detector.detect_many(endless(), batch_size=4, workers=2)  # type: ignore[arg-type]
    first = [next(answers) for _ in range(21)]
    assert taken < 60
    for place, answer in enumerate(first):
        assert answer.p_fake == pytest.approx(alone[place % 7], abs=1e-5)
    answers.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("decode")]


def test_a_threshold_leaves_nothing_unsure() -> None:
    image = picture(300, 260)
    model = shared_tiny_model()
    assert Detector(model, threshold=0.0).detect(image).verdict == "fake"
    assert Detector(model, threshold=1.0).detect(image).verdict == "real"
    with pytest.raises(ValueError, match=r"'threshold': .*less than or equal to 1"):
        Detector(model, threshold=1.5)
    with pytest.raises(ValueError, match="no setting 'treshold'"):
        Detector(model, treshold=0.5)


@pytest.mark.slow
def test_the_toy_is_told_apart(toy: Toy, toy_model: Path) -> None:
    detector = Detector(toy_model, threshold=0.5)
    rows = [row for row in toy.rows if row.split == "test"]
    answers = list(detector.detect_many(row.path for row in rows))
    right = [a.verdict == row.label for a, row in zip(answers, rows, strict=True)]
    assert np.mean(right) > 0.7


def test_a_model_that_differs_from_its_card_is_refused(tmp_path: Path) -> None:
    good = shared_tiny_model()
    data, card = good.read_bytes(), ModelCard.path_for(good).read_text()
    model = tmp_path / "m.onnx"
    with pytest.raises(ModelError, match="cannot be read"):
        OnnxModel(model)
    model.write_bytes(data)
    with pytest.raises(ModelError, match="no card"):
        OnnxModel(model)
    model.with_suffix(".json").write_text(card)
    assert OnnxModel(model).card.sha256 in card
    model.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ModelError, match="SHA-256 differs"):
        OnnxModel(model)
    model.with_suffix(".json").write_text(json.dumps({**json.loads(card), "threshold": 2}))
    with pytest.raises(ModelError, match="threshold"):
        OnnxModel(model)


def test_no_cuda_is_one_sentence() -> None:
    with pytest.raises(ModelError, match="no CUDA"):
        Detector(shared_tiny_model(), device="cuda")


def test_the_shipped_model_is_light_and_says_what_it_is() -> None:
    card = ModelCard.read(ModelCard.path_for(SHIPPED))
    assert SHIPPED.stat().st_size <= 64e6
    assert card.categories == ("human_faces", "animals", "vehicles", "other")
    assert card.graphic_cut is not None and card.face_cut is not None
    assert "non-commercial" in card.licence
    assert sum(part.pictures for part in card.training_data) > 4000
    assert all(part.licence != "unknown" for part in card.training_data)
    assert card.validation["auc"] > 0.9
    assert {"coverage", "wrong_among_answered", "real_called_fake"} <= set(card.validation)
    assert [band.most_wrong for band in card.bands] == [0.05, 0.02, 0.1]
    usual, strict, loose = card.bands
    assert 0 < strict.real_below < usual.real_below < loose.real_below < loose.fake_from
    assert loose.fake_from < usual.fake_from < strict.fake_from < 1


def test_verdict_is_exported_at_the_top() -> None:
    assert Verdict("x").to_row()["path"] == "x"


def test_pictures_of_a_batch_get_the_answers_that_each_has_alone(shipped: Model) -> None:
    model = shipped
    pictures = [cut_views(decode(read_bytes(path)), model.card.inputs) for path in EXAMPLES[:2]]
    together = model.answer(pictures)
    for views, found in zip(pictures, together, strict=True):
        (alone,) = model.answer([views])
        assert found.logit == pytest.approx(alone.logit, abs=1e-4)
        assert found.view_logits == pytest.approx(alone.view_logits, abs=1e-4)
        (mapped,) = model.answer([views], maps=True)
        assert mapped.logit == alone.logit


def test_a_calibration_changes_faces_as_it_changes_the_picture(shipped: Model) -> None:
    path = Path(__file__).parents[2] / "examples" / "fake-face-stylegan2.jpg"
    own, raw = (
        Detector(shipped, faces=True, calibration=name).detect(path) for name in (None, "none")
    )
    assert own.p_fake != raw.p_fake
    assert own.faces and raw.faces
    assert own.faces[0].p_fake != raw.faces[0].p_fake
    assert own.verdict == raw.verdict


def test_sums_of_8_bit_products_are_exact() -> None:
    session = ort.InferenceSession(runtime._PROBE, runtime.session_options())
    for value in (1, 200, 255):
        (product,) = session.run(None, {"x": np.full((4, 64), value, dtype=np.uint8)})
        assert (product == value * 127 * 64).all()


def test_a_processor_that_cuts_sums_off_is_asked_for_exact_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtime, "saturates", lambda: True)
    assert runtime.session_options().get_session_config_entry("session.x64quantprecision") == "1"
    monkeypatch.setattr(runtime, "saturates", lambda: False)
    with pytest.raises(RuntimeError):
        runtime.session_options().get_session_config_entry("session.x64quantprecision")
