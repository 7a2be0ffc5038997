"""Videos: reading hostile ones, sampling, pooling, tracking, and the command."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from clips import clip, covered, frames, sound, turned, webp
from fuzzing import mutate
from pictures import encode, picture
from signing import AI, manifest, sign
from tiny import shared_tiny_model
from toy_models import CARD, BrightIsFake, LeftIsFake
from unmask import Detector, PictureError
from unmask.cli import app
from unmask.model.calibration import Platt
from unmask.picture.decode import Limits
from unmask.video.detector import VideoDetector
from unmask.video.frames import VideoLimits
from unmask.video.pool import POOLS, find_segments, pooled_interval, smooth
from unmask.video.read import read_video
from unmask.video.sample import SamplingPlan, sample
from unmask.video.track import Tracker, iou
from unmask.video.verdict import FIELDS

pytest.importorskip("av")
CASES = Path(__file__).parents[3] / "shared" / "cases"
PORTRAIT = Path(__file__).parents[2] / "examples" / "fake-face-stylegan2.jpg"


@pytest.fixture(scope="module")
def detector() -> VideoDetector:
    return VideoDetector(Detector(shared_tiny_model()))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "webm", "mkv", "gif", "apng", "avi", "webp"])
def test_every_container_gives_its_frames(suffix: str) -> None:
    pictures = frames(12)
    video = read_video(webp(pictures) if suffix == "webp" else clip(pictures, suffix))
    found = list(video.frames)
    assert len(found) == 12
    assert found[-1].time == pytest.approx(1.1, abs=0.02)
    assert [one.number for one in found] == list(range(12))
    assert video.notes == []


def test_pixels_come_out_as_they_went_in() -> None:
    pictures = frames(3)
    for shown, made in zip(read_video(clip(pictures, "apng")).frames, pictures, strict=True):
        assert np.abs(shown.pixels().astype(int) - made).max() == 0


def test_a_phone_s_turn_is_applied() -> None:
    marked = np.zeros((64, 96, 3), np.uint8)
    marked[:24, :24] = 255
    (frame,) = list(read_video(turned(clip([marked]))).frames)
    upright = frame.pixels()
    assert upright.shape == (96, 64, 3)
    # A quarter turn clockwise takes the left upper corner to the right.
    assert upright[:20, -20:].mean() > 200
    assert upright[:20, :20].mean() < 50


def test_pixels_that_are_not_square_are_shown_as_a_player_shows_them() -> None:
    half = np.zeros((64, 96, 3), np.uint8)
    half[:, :48] = 255
    (wide,) = list(read_video(clip([half], aspect=Fraction(2))).frames)
    assert wide.pixels().shape == (64, 192, 3)
    assert wide.pixels()[:, :80].mean() > 200
    (tall,) = list(read_video(clip([half], aspect=Fraction(1, 2))).frames)
    assert tall.pixels().shape == (128, 96, 3)
    (turn,) = list(read_video(turned(clip([half], aspect=Fraction(2)))).frames)
    assert turn.pixels().shape == (192, 64, 3)
    # However many pixels that makes, there are no more than may be.
    most = VideoLimits(max_pixels=9000)
    (small,) = list(read_video(clip([half], aspect=Fraction(2)), most).frames)
    height, width = small.pixels().shape[:2]
    assert width / height == pytest.approx(3, rel=0.05)
    assert height * width <= 1.05 * most.max_pixels
    video = VideoDetector(Detector(BrightIsFake())).detect(clip([half] * 8, aspect=Fraction(2)))
    assert (video.width, video.height) == (192, 64)


def test_a_cover_is_no_film() -> None:
    film = frames(12, seed=1)
    shown = list(read_video(covered(clip(film, "mp4"))).frames)
    assert len(shown) == 12
    assert shown[0].pixels().shape == film[0].shape
    with pytest.raises(PictureError, match="sound only"):
        read_video(covered(sound()))


@pytest.mark.parametrize(
    ("name", "size"),
    [("21-video/fake-cover-first.mp4", (240, 320)), ("39-misc/sar.mp4", (448, 448))],
)
def test_cases_of_covers_and_of_oblong_pixels(name: str, size: tuple[int, int]) -> None:
    path = CASES / name
    if not path.exists():
        pytest.skip("the cases are not here")
    assert next(iter(read_video(path).frames)).pixels().shape[:2] == size


@pytest.mark.parametrize(
    ("suffix", "codec", "kind"),
    [("mp4", "libx264", "yuv420p10le"), ("mov", "prores_ks", "yuv422p10le")],
)
def test_ten_bits_are_scaled_to_eight(suffix: str, codec: str, kind: str) -> None:
    white = np.full((64, 96, 3), 255, np.uint8)
    data = clip([white] * 2, suffix, codec=codec, pixel_format=kind)
    assert next(iter(read_video(data).frames)).pixels().min() > 245


@pytest.mark.parametrize("suffix", ["mov", "apng"])
def test_alpha_is_laid_on_white(suffix: str) -> None:
    clear = np.zeros((64, 96, 4), np.uint8)
    codec, kind = ("qtrle", "argb") if suffix == "mov" else ("apng", "rgba")
    data = clip([clear] * 2, suffix, codec=codec, pixel_format=kind)
    assert next(iter(read_video(data).frames)).pixels().min() == 255


def test_a_variable_rate_keeps_its_times() -> None:
    times = [0, 0.1, 0.5, 0.6, 2.0, 4.0]
    found = [frame.time for frame in read_video(clip(frames(6), times=times)).frames]
    assert found == pytest.approx(times, abs=0.002)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda: b"", "empty"),
        (lambda: b"junk" * 100, "not a video"),
        (sound, "sound only"),
        (lambda: encode(picture(), "JPEG"), "does not move"),
        (lambda: encode(picture(), "PNG"), "does not move"),
        (lambda: encode(picture(), "WEBP"), "does not move"),
        (lambda: clip(frames(6))[:200], "damaged"),
        (lambda: clip(frames(6), "mkv")[:300], "damaged"),
    ],
)
def test_what_is_no_video_gets_one_sentence(data: object, words: str) -> None:
    with pytest.raises(PictureError, match=words) as caught:
        list(read_video(data()).frames)  # type: ignore[operator]
    assert str(caught.value).endswith(".")


def test_a_cut_video_gives_what_is_left() -> None:
    data = clip(frames(40), "mkv")
    found = list(read_video(data[: len(data) * 2 // 3]).frames)
    assert 5 < len(found) < 40


def test_a_video_that_breaks_off_says_where() -> None:
    data = clip(frames(40), "webm")
    video = read_video(data[: len(data) // 2])
    last = list(video.frames)[-1].time
    assert f"The last frame that could be read is at {last:.1f} s of 4.0 s." in video.notes
    whole = read_video(data)
    list(whole.frames)
    assert not whole.notes


def test_an_animated_webp_says_how_long_it_is() -> None:
    assert read_video(webp(frames(12))).duration == pytest.approx(1.2)


def test_limits_stop_the_work_and_say_so() -> None:
    data = clip(frames(30))
    for limits, count in ((VideoLimits(max_seconds=1.0), 11), (VideoLimits(max_frames=7), 7)):
        video = read_video(data, limits)
        assert len(list(video.frames)) == count
        assert "Only the first" in video.notes[0]
    slow = read_video(data, VideoLimits(max_time=0))
    assert list(slow.frames) == []
    assert "stopped" in slow.notes[0]
    with pytest.raises(PictureError, match="megapixels"):
        read_video(data, VideoLimits(max_pixels=1000))
    with pytest.raises(PictureError, match="larger than the limit"):
        read_video(data, VideoLimits(max_bytes=1000))


def test_damaged_videos_end_in_frames_or_a_sentence() -> None:
    # bench/fuzz.py runs more of these.
    rng = np.random.default_rng(5)
    files = [clip(frames(6), suffix) for suffix in ("mp4", "webm", "mkv", "gif")]
    for number in range(60):
        try:
            list(read_video(mutate(files[number % 4], rng)).frames)
        except PictureError as problem:
            assert str(problem).endswith(".")


def test_uniform_sampling_covers_the_video_evenly() -> None:
    data = clip(frames(100))
    times = [one.time for one in sample(read_video(data), SamplingPlan(rate=1))]
    assert times == pytest.approx(np.arange(10) + 0.5, abs=0.06)
    few = [one.time for one in sample(read_video(data), SamplingPlan(rate=10, most=5))]
    assert few == pytest.approx([1, 3, 5, 7, 9], abs=0.06)
    short = list(sample(read_video(clip(frames(12))), SamplingPlan(rate=1)))
    assert len(short) >= 6
    assert len(list(sample(read_video(clip(frames(1))), SamplingPlan()))) == 1


def test_an_unknown_length_is_sampled_ever_more_widely() -> None:
    assert read_video(clip(frames(12), "apng")).duration == pytest.approx(1.2, abs=0.11)
    video = read_video(clip(frames(100)))
    video.duration = None
    times = [one.time for one in sample(video, SamplingPlan(rate=2, most=8))]
    assert len(times) <= 8
    assert times[-1] > 6
    assert np.diff(times).max() > 1.5 * np.diff(times).min()


def test_scenes_are_sampled_after_their_cuts() -> None:
    scenes = [picture(96, 64, seed) for seed in range(3)]
    pictures = [np.asarray(scene) for scene in scenes for _ in range(15)]
    times = [one.time for one in sample(read_video(clip(pictures)), SamplingPlan("scenes"))]
    assert len(times) == 3
    assert times == pytest.approx([0, 1.7, 3.2], abs=0.15)


def test_every_frame_up_to_the_most() -> None:
    video = read_video(clip(frames(30)))
    assert len(list(sample(video, SamplingPlan("every", most=20)))) == 20
    assert "Only 20 frames" in video.notes[0]


def test_pools_and_intervals() -> None:
    logits = np.array([-2.0] * 15 + [4.0] * 5)
    assert POOLS["mean"](logits) == pytest.approx(-0.5)
    assert POOLS["top"](logits) == POOLS["window"](logits) == pytest.approx(4.0)
    for pool in POOLS:
        low, high = pooled_interval(logits, pool)
        assert low <= POOLS[pool](logits) <= high
    assert pooled_interval(np.array([1.0]), "mean") == (1.0, 1.0)
    assert pooled_interval(np.ones(9), "mean") == pytest.approx((1, 1))


def test_segments_are_found_where_they_are() -> None:
    times = np.arange(20) + 0.5
    p_fake = np.where((times > 5) & (times < 12), 0.9, 0.1)
    p_fake[2] = 0.9
    (found,) = find_segments(times, p_fake, 0.5, 20.0)
    assert (found.start, found.end) == (5.0, 12.0)
    assert find_segments(times, np.full(20, 0.9), 0.5, 20.0)[0].end == 20.0
    assert find_segments(times, np.full(20, 0.1), 0.5, 20.0) == []
    assert smooth(np.array([0.0, 1.0, 0.0])).tolist() == [0, 0, 0]


def test_faces_are_followed_by_overlap() -> None:
    assert iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    tracker = Tracker()
    for time in range(4):
        boxes = [(10 + time, 0, 60 + time, 50), (200, 0, 250, 50)]
        tracker.add(time, boxes[:: 1 if time % 2 else -1], [0.2, None])
    tracker.add(9, [(10, 0, 60, 50)], [0.1])
    assert [len(track.times) for track in tracker.tracks] == [4, 5]


def test_a_video_s_verdict_has_all_its_parts(detector: VideoDetector, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip(frames(40, 128, 96)))
    found = detector.detect(path)
    assert found.verdict in ("real", "fake", "unsure")
    assert found.interval is not None
    assert found.interval[0] <= (found.p_fake or 0) <= found.interval[1]
    assert (found.width, found.height, found.duration) == (128, 96, 4.0)
    assert len(found.frames) == 8
    assert found.moments
    assert detector.detect(path.read_bytes()).p_fake == found.p_fake
    row = json.loads(json.dumps(found.to_json()))
    assert len(row["timeline"]) == 8
    assert list(row) == list(FIELDS)
    assert "timeline" not in found.to_json(timeline=False)


def test_a_fake_stretch_keeps_a_video_from_being_called_real() -> None:
    rough = np.random.default_rng(0).integers(0, 25, (64, 96, 3), dtype=np.uint8)
    dark, bright = rough + np.uint8(20), rough + np.uint8(200)
    detector = VideoDetector(Detector(BrightIsFake()), plan=SamplingPlan("every"))
    assert detector.detect(clip([dark] * 20)).verdict == "real"
    found = detector.detect(clip([dark] * 9 + [bright] * 2 + [dark] * 9))
    assert (found.p_fake or 1) < detector.detector.scale.band.real_below
    assert found.verdict == "unsure"
    assert any("stretch" in note for note in found.notes)
    assert found.reason == "a stretch looks made"
    # One frame alone is no stretch, and a threshold leaves nothing unsure.
    one = detector.detect(clip([dark] * 9 + [bright] + [dark] * 10))
    assert (one.verdict, one.notes) == ("real", ())
    forced = VideoDetector(Detector(BrightIsFake(), threshold=0.5), plan=SamplingPlan("every"))
    assert forced.detect(clip([dark] * 9 + [bright] * 2 + [dark] * 9)).verdict == "real"


def test_all_of_the_detector_s_settings_are_heeded() -> None:
    left = np.zeros((64, 96, 3), np.uint8)
    left[:, :48] = 200
    data = clip([left] * 8)
    plain, augmented = (
        VideoDetector(Detector(LeftIsFake(), tta=tta)).detect(data) for tta in (False, True)
    )
    assert (plain.p_fake, plain.verdict) == (0.9526, "fake")
    # As one picture: half of its views are mirrored, and speak for the contrary.
    frame = next(iter(read_video(data).frames)).pixels()
    assert augmented.p_fake == Detector(LeftIsFake(), tta=True).detect(frame).p_fake == 0.2689
    assert augmented.verdict == "real"
    forced = VideoDetector(Detector(LeftIsFake(), threshold=0.9526)).detect(data)
    assert forced.verdict == "fake"
    assert VideoDetector(Detector(LeftIsFake(), threshold=0.9527)).detect(data).verdict == "real"
    with pytest.raises(PictureError, match="megapixels"):
        VideoDetector(Detector(LeftIsFake(), limits=Limits(max_pixels=1000))).detect(data)


def test_a_calibration_changes_what_is_shown_and_no_verdict() -> None:
    class Calibrated(BrightIsFake):
        card = CARD.model_copy(update={"calibration": Platt(slope=0.5, offset=0.3)})

    # Its second half is bright, and its first is not.
    dark = np.random.default_rng(0).integers(0, 90, (64, 96, 3), dtype=np.uint8)
    data = clip([dark] * 10 + [dark + np.uint8(160)] * 10)
    own, raw = (
        VideoDetector(Detector(Calibrated(), calibration=name)).detect(data)
        for name in (None, "none")
    )
    assert own.segments
    assert own.verdict == raw.verdict
    assert own.p_fake != raw.p_fake
    assert [(one.start, one.end) for one in own.segments] == [
        (one.start, one.end) for one in raw.segments
    ]


def test_faces_are_followed_where_they_are_looked_for() -> None:
    with Image.open(PORTRAIT) as image:
        face = np.asarray(image.convert("RGB").resize((240, 240)))
    data = clip([face] * 8)
    with_faces, without = (
        VideoDetector(Detector(shared_tiny_model(), faces=faces)).detect(data)
        for faces in (True, False)
    )
    (track,) = with_faces.tracks
    assert len(track.times) == with_faces.frames_judged
    assert without.tracks == ()
    assert with_faces.p_fake == without.p_fake


def test_a_made_face_keeps_a_video_from_being_called_real() -> None:
    class SmallIsFake(BrightIsFake):
        """Calls pictures real, and the faces cut out of them fake."""

        card = CARD.model_copy(update={"face_cut": 0.9})

        def answer(self, pictures, *, maps=False):  # type: ignore[no-untyped-def]
            outputs = super().answer(pictures, maps=maps)
            # Frames come a few at a time, faces of one frame by themselves.
            logit = 5.0 if len(pictures) == 1 else -5.0
            return [replace(output, logit=logit) for output in outputs]

    with Image.open(PORTRAIT) as image:
        face = np.asarray(image.convert("RGB").resize((240, 240)))
    data = clip([face] * 8)
    plan = SamplingPlan("every")
    for faces in (True, False):
        found = VideoDetector(Detector(SmallIsFake(), faces=faces), plan=plan).detect(data)
        assert (found.verdict, found.reason) == ("unsure", "a face looks made")
        assert bool(found.tracks) == faces


def test_a_video_that_shows_nothing_is_not_judged() -> None:
    found = VideoDetector(Detector(BrightIsFake())).detect(
        clip([np.full((64, 96, 3), 9, np.uint8)] * 8)
    )
    assert (found.verdict, found.reason) == ("unsure", "nothing to see")
    assert found.to_json()["reason"] == "nothing to see"


def test_a_video_of_which_nothing_may_be_judged_is_one_sentence() -> None:
    with pytest.raises(PictureError, match="No frame"):
        VideoDetector(Detector(BrightIsFake()), limits=VideoLimits(max_time=0)).detect(
            clip(frames(8))
        )


def test_a_signed_video_decides_and_a_prompt_tips(detector: VideoDetector, tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    data = clip(frames(10))
    path = tmp_path / "signed.mp4"
    path.write_bytes(sign(data, manifest(AI), "video/mp4"))
    for file in (path, path.read_bytes()):
        found = detector.detect(file)
        assert (found.verdict, found.decided_by) == ("fake", "credential")
        assert found.p_fake == detector.detect(data).p_fake
    workflow = json.dumps({"1": {"class_type": "KSampler", "inputs": {}}})
    told = detector.detect(clip(frames(10), "mkv", metadata={"comment": workflow}))
    assert "generator.prompt" in {one.name for one in told.evidence}


def test_a_video_among_pictures_is_told_apart() -> None:
    for suffix in ("mp4", "webm"):
        with pytest.raises(PictureError, match="unmask video"):
            Detector(shared_tiny_model()).detect(clip(frames(2), suffix))


def run(*arguments: object, command: str = "video") -> Result:
    """Run a command with a tiny model."""
    model = ["--model", str(shared_tiny_model())]
    return CliRunner().invoke(app, [command, *map(str, arguments), *model])


def test_the_command_writes_timeline_plot_and_moments(tmp_path: Path) -> None:
    path = tmp_path / "clip.webm"
    path.write_bytes(clip(frames(30), "webm"))
    out = tmp_path / "out"
    done = run(path, "--out", out, "--no-faces")
    assert done.exit_code == 0, done.output
    assert "p(fake)" in done.output
    names = {one.name for one in out.iterdir()}
    assert {"timeline.json", "timeline.csv", "timeline.png", "moment-1.jpg"} <= names
    with (out / "timeline.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == json.loads((out / "timeline.json").read_text())["frames_judged"]
    assert (out / "timeline.png").read_bytes().startswith(b"\x89PNG")
    done = run(path, "--out", path)
    assert (done.exit_code, "would overwrite an input" in done.output) == (2, True)
    options = ["--calibration", "none", "--device", "cpu", "--no-provenance", "--tta", "--json"]
    done = run(path, "--no-faces", *options)
    assert done.exit_code == 0, done.output
    assert (
        json.loads(done.output)["p_fake"]
        != json.loads((out / "timeline.json").read_text())["p_fake"]
    )


def test_bad_videos_cost_a_line_each(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.mp4", tmp_path / "bad.mp4"
    good.write_bytes(clip(frames(10)))
    bad.write_bytes(b"")
    done = run(bad, good, tmp_path / "none.mp4", "--json", "--no-faces")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 1
    assert [bool(row["error"]) for row in rows] == [True, False, True]
    assert CliRunner().invoke(app, ["video"]).exit_code == 2
    out = ["--out", str(good / "out"), "--no-faces"]
    assert run(good, *out).exit_code == 2
    out = ["--out", str(tmp_path / "out"), "--no-faces"]
    assert run(good, good, *out).exit_code == 0
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_the_benchmark_of_a_list(tmp_path: Path) -> None:
    lines = ["path,label"]
    for number, label in enumerate(["real", "fake", "real", "fake"]):
        (tmp_path / f"{number}.mp4").write_bytes(clip(frames(6, seed=number)))
        lines.append(f"{number}.mp4,{label}")
    table = tmp_path / "list.csv"
    table.write_text("\n".join([*lines, "none.mp4,fake"]))
    done = run(table, "--no-faces", command="evaluate-videos")
    figures = json.loads(done.stdout)
    assert (figures["videos"], figures["unreadable"], figures["fake"]) == (4, 1, 2)
    assert 0 <= figures["auc"][0] <= 1
    table.write_text("path,label\nx.mp4,perhaps")
    assert run(table, command="evaluate-videos").exit_code == 2
