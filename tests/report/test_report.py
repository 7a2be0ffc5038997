"""The report on one file: complete, self-contained, and safe against what the file says."""

from __future__ import annotations

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL.PngImagePlugin import PngInfo
from typer.testing import CliRunner

from clips import clip, covered, frames, sound, webp
from pictures import encode, picture
from tiny import shared_tiny_model
from toy_models import CARD, BrightIsFake
from unmask import Detector, PictureError
from unmask.cli import app
from unmask.model.card import Band, Figure, TrainingData, Unseen
from unmask.picture.kind import is_picture
from unmask.picture.peek import is_animated, read_head
from unmask.report.gather import gather
from unmask.report.report_page import render

pytest.importorskip("av")
PORTRAIT = Path(__file__).parents[2] / "examples" / "fake-face-stylegan2.jpg"


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(shared_tiny_model(), faces=True)


class Tags(HTMLParser):
    """Collects tags, and checks that they close."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def checked(html: str) -> Tags:
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    names = {tag for tag, _ in tags.seen}
    assert not names & {"script", "link", "iframe", "object", "a"}
    for tag, attributes in tags.seen:
        if tag == "img":
            assert (attributes["src"] or "").startswith("data:image/")
            assert attributes["alt"]
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"https?://", re.sub(r"<td>.*?</td>", "", html))
    return tags


def test_a_picture_s_report_has_all_its_parts(detector: Detector) -> None:
    found = gather(PORTRAIT, detector)
    html = render(found)
    tags = checked(html)
    assert sum(tag == "img" for tag, _ in tags.seen) == 2
    assert sum(tag == "rect" for tag, _ in tags.seen) == 1
    assert hashlib.sha256(PORTRAIT.read_bytes()).hexdigest() in html
    for part in (
        detector.model.card.sha256,
        detector.model.card.licence.split(",")[0],
        "What the file says of itself",
        f"{found.made:%Y-%m-%d}",
        "Faces",
        f"{found.picture.p_fake:.4f}",  # type: ignore[union-attr]
    ):
        assert part in html
    assert found.picture is not None
    assert found.picture.p_fake == detector.detect(PORTRAIT).p_fake


def test_a_video_s_report_has_its_timeline(detector: Detector, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip(frames(20)))
    html = render(gather(path, detector))
    checked(html)
    assert "Timeline" in html
    assert "Where it looks most fake" in html
    assert hashlib.sha256(path.read_bytes()).hexdigest() in html


def test_what_a_file_says_cannot_break_the_page(detector: Detector, tmp_path: Path) -> None:
    info = PngInfo()
    said = '</td><script>alert(1)</script><img src=x onerror="alert(1)">'
    settings = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"
    info.add_text("parameters", f"{said}\n{settings}")
    info.add_text("Software", "\x1b[2J<b onclick=a>Midjourney")
    path = tmp_path / "<script>alert(2)<!--.png"
    path.write_bytes(encode(picture(200, 200), "PNG", pnginfo=info))
    html = render(gather(path, detector))
    checked(html)
    assert "alert(1)" in html
    assert "<script" not in html
    assert "\x1b" not in html


def test_pictures_and_videos_are_told_apart_by_content() -> None:
    for kind in ("GIF", "WEBP", "AVIF", "PNG"):
        data = encode(picture(), kind)
        assert is_picture(read_head(data)) and not is_animated(data)
    for data in (clip(frames(3), "gif"), clip(frames(3), "apng"), webp(frames(3))):
        assert is_picture(read_head(data)) and is_animated(data)
    assert not is_picture(read_head(clip(frames(3))))
    with pytest.raises(PictureError, match="empty"):
        read_head(b"")


def test_an_animation_is_reported_as_a_video(detector: Detector) -> None:
    found = gather(clip(frames(10), "gif"), detector)
    assert found.picture is None
    assert found.video is not None
    still = gather(encode(picture(), "GIF"), detector)
    assert still.video is None
    assert still.picture is not None


def test_a_cover_is_not_reported_as_a_film(detector: Detector) -> None:
    found = gather(covered(clip(frames(10))), detector)
    assert (found.width, found.height) == (96, 64)
    with pytest.raises(PictureError, match="sound only"):
        gather(covered(sound()), detector)


def test_a_picture_is_read_and_judged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unmask.detector import examined

    reads = []
    read = examined.read_bytes
    monkeypatch.setattr(examined, "read_bytes", lambda *given: reads.append(1) or read(*given))
    detector = Detector(shared_tiny_model(), faces=True)
    answers = []
    answer = detector.model.answer

    def count(pictures: list[object], **more: bool) -> object:
        answers.append(len(pictures))
        return answer(pictures, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(detector.model, "answer", count)
    found = gather(PORTRAIT, detector)
    assert found.heatmap
    # One inference of the picture, with its map, and one of its one face.
    assert (reads, answers) == ([1], [1, 1])


def test_a_model_without_maps_has_its_heatmap_too() -> None:
    html = render(gather(PORTRAIT, Detector(BrightIsFake())))
    assert sum(tag == "img" for tag, _ in checked(html).seen) == 2


def test_a_report_tells_the_model_s_figures_and_what_faces_may_say() -> None:
    class Known(BrightIsFake):
        card = CARD.model_copy(
            update={
                "face_cut": 0.4,
                "bands": (Band(real_below=0.3, fake_from=0.7, most_wrong=0.05),),
                "training_data": (TrainingData(source="a shoebox", pictures=7, licence="none"),),
                "test": (
                    Figure(
                        slice="overall", real=40, fake=60, auc=(0.987, 0.9, 1), fpr=None, fnr=None,
                        accuracy=(0.912, 0.85, 0.95), accused=(0.03, 0, 0.1),
                        found=(0.7, 0.6, 0.8), answered=(0.75, 0.7, 0.8), wrong=(0.05, 0.02, 0.1),
                    ),
                ),
                "unseen": Unseen(
                    generators=3, real=30, fake=50, auc=(0.81, 0.7, 0.9), fpr=(0, 0, 0),
                    fnr=(0, 0, 0), answered=(1, 1, 1), wrong=(0.25, 0.2, 0.3),
                ),
            }
        )  # fmt: skip

    html = render(gather(PORTRAIT, Detector(Known(), faces=True)))
    checked(html)
    for told in (
        "Of 100 photographs 3 are called fake; of 100 fakes 70 are called fake; 25 of 100 pictures "
        "get no answer, and of 100 answers 5 are wrong. AUC 0.987, on 100 pictures",
        "On generators never met",
        "25% of its answers, real or fake, were wrong (20% to 30%)",
        "on 30 photos and 50 fakes by 3 generators",
        "At most 5% of its answers",
        "a shoebox (7)",
        "but is never real over a face that looks made",
    ):
        assert told in html
    html = render(gather(PORTRAIT, Detector(BrightIsFake(), faces=True)))
    assert "and does not depend on these numbers" in html
    assert "On generators never met" not in html


def test_a_threshold_is_heeded_and_named(detector: Detector) -> None:
    p_fake = detector.detect(PORTRAIT).p_fake
    assert p_fake is not None
    html = render(gather(PORTRAIT, Detector(detector.model, threshold=p_fake)))
    assert f"From {p_fake:.4f} on pixels are called fake." in html
    assert "Made or altered by AI" in html
    html = render(gather(PORTRAIT, Detector(detector.model, threshold=p_fake + 1e-4)))
    assert "No sign of AI was found" in html


def test_the_command(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    model = ["--model", str(shared_tiny_model())]
    done = CliRunner().invoke(app, ["report", str(PORTRAIT), "--out", str(out), *model])
    assert done.exit_code == 0, done.output
    assert out.read_text().startswith("<!doctype html>")
    deep = str(tmp_path / "a" / "b")
    done = CliRunner().invoke(app, ["report", str(PORTRAIT), "--out", deep, *model])
    assert done.exit_code == 2
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(PORTRAIT.read_bytes())
    done = CliRunner().invoke(app, ["report", str(copy), "--out", str(copy), *model])
    assert (done.exit_code, "would overwrite an input" in done.output) == (2, True)
    assert copy.read_bytes() == PORTRAIT.read_bytes()
    p_fake = Detector(shared_tiny_model()).detect(copy).p_fake
    assert p_fake is not None
    options = ["--threshold", f"{p_fake + 1e-4:.4f}", "--no-faces", *model]
    done = CliRunner().invoke(app, ["report", str(copy), "--out", str(out), *options])
    assert f"real, p(fake) {p_fake:.4f}" in done.output
    for bad in (tmp_path / "none.jpg", tmp_path):
        done = CliRunner().invoke(
            app, ["report", str(bad), "--out", str(tmp_path / "x.html"), *model]
        )
        assert done.exit_code == 2
        assert not (tmp_path / "x.html").exists()
