"""The engine: the command line's answers, in batches, whatever the files do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from pictures import encode, picture
from served import served_model
from servers import Server
from unmask.detector.detector import Detector
from unmask.detector.settings import DetectorSettings
from unmask.model.card import ModelCard
from unmask.picture.decode import Limits, decode
from unmask.picture.errors import PictureError, PictureTooLargeError
from unmask.picture.views import ViewPlan, cut_views
from unmask.service.engine import decode_worker
from unmask.service.engine.batcher import Batcher
from unmask.service.engine.decoders import Decoders
from unmask.service.engine.picture_engine import PictureEngine, QueueFullError
from unmask.service.settings import Settings

pillow_heif.register_heif_opener()
CARD = ModelCard.read(ModelCard.path_for(served_model()))
PLANS = {
    "whole": ViewPlan(size=96, whole="squeezed", crops=0),
    "crops": ViewPlan(size=64, whole=None, crops=2, scales=(0.75,), flips=True),
}


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def test_the_server_answers_as_the_command_line_does(
    server: Server, examples: list[Path], tmp_path: Path
) -> None:
    files = [*examples]
    for seed, kind in enumerate(("PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")):
        files.append(tmp_path / f"{kind}.bin")
        files[-1].write_bytes(encode(picture(150 + 40 * seed, 700 - 60 * seed, seed), kind))
    command = [sys.executable, "-m", "unmask", "detect", *map(str, files), "--json"]
    command += ["--model", str(served_model())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    fields = ("verdict", "p_fake", "category", "category_confidence")
    for path, row in zip(files, json.loads(done.stdout), strict=True):
        (answer,) = server.post((path.name, path.read_bytes())).json["detections"]
        assert {name: answer[name] for name in fields} == {name: row[name] for name in fields}
        assert answer["name"] == path.name


# The batcher


def test_batches_fill_while_the_model_is_busy_and_answers_find_their_way() -> None:
    sizes: list[int] = []

    def double(batch: list[int]) -> list[int]:
        sizes.append(len(batch))
        time.sleep(0.02)
        return [2 * one for one in batch]

    async def work() -> None:
        batcher = Batcher(double, most=4, wait=0.001)
        batcher.start()
        answers = await asyncio.gather(*(batcher.submit(number) for number in range(21)))
        assert [one.answer for one in answers] == [2 * number for number in range(21)]
        await batcher.close()

    run(work())
    assert max(sizes) == 4
    assert sum(sizes) == 21
    assert len(sizes) <= 7


def test_a_failing_batch_fails_its_items_and_no_others() -> None:
    def fail_on_three(batch: list[int]) -> list[int]:
        if 3 in batch:
            raise RuntimeError("three")
        return batch

    async def work() -> None:
        batcher = Batcher(fail_on_three, most=1, wait=0)
        batcher.start()
        answers = await asyncio.gather(
            *(batcher.submit(number) for number in range(5)), return_exceptions=True
        )
        assert [isinstance(one, RuntimeError) for one in answers] == [n == 3 for n in range(5)]
        await batcher.close()

    run(work())


def test_who_gives_up_is_not_computed_and_breaks_nothing() -> None:
    seen: list[int] = []

    def remember(batch: list[int]) -> list[int]:
        seen.extend(batch)
        time.sleep(0.05)
        return batch

    async def work() -> None:
        batcher = Batcher(remember, most=1, wait=0)
        batcher.start()
        first = asyncio.create_task(batcher.submit(1))
        second = asyncio.create_task(batcher.submit(2))
        third = asyncio.create_task(batcher.submit(3))
        await asyncio.sleep(0.01)
        second.cancel()
        assert (await first).answer == 1
        assert (await third).answer == 3
        await batcher.close()

    run(work())
    assert seen == [1, 3]


# Decoding processes


def with_decoders(
    test: Callable[[Decoders], Coroutine[Any, Any, None]],
    *,
    given: DetectorSettings | None = None,
    seconds: float = 20,
    memory_mb: int = 1024,
) -> None:
    async def work() -> None:
        settings = given or DetectorSettings()
        decoders = Decoders(
            CARD, PLANS, settings, count=1, seconds=seconds, memory_mb=memory_mb,
            finds_faces=settings.faces,
        )  # fmt: skip
        await decoders.start()
        try:
            await test(decoders)
        finally:
            await decoders.close()

    run(work())


GOOD = encode(picture(200, 100))


def test_views_are_those_of_the_library_and_a_preview_has_no_metadata() -> None:
    exif = picture().getexif()
    exif[0x010E] = "SECRET"
    data = encode(picture(1500, 900), exif=exif)

    async def test(decoders: Decoders) -> None:
        decoded = await decoders.decode(data, preview=True)
        assert (decoded.width, decoded.height) == (1500, 900)
        expected = cut_views(decode(data), PLANS)
        assert list(decoded.views) == list(expected)
        assert all((decoded.views[name] == expected[name]).all() for name in PLANS)
        assert decoded.preview.startswith(b"RIFF")
        assert b"SECRET" not in decoded.preview
        assert b"EXIF" not in decoded.preview
        assert not (await decoders.decode(data)).preview

    with_decoders(test)


@pytest.mark.parametrize("shape", [(300, 200), (40, 30), (30, 2000), (2000, 90), (2000, 20)])
def test_a_picture_may_have_any_number_of_views(shape: tuple[int, int]) -> None:
    data = encode(picture(*shape), "PNG")

    async def test(decoders: Decoders) -> None:
        views = (await decoders.decode(data)).views
        expected = cut_views(decode(data), PLANS)
        assert all((views[name] == expected[name]).all() for name in PLANS)

    with_decoders(test)


def test_faces_are_found_and_cut_as_the_library_does(examples: list[Path]) -> None:
    (path,) = (one for one in examples if one.name == "fake-face-stylegan2.jpg")
    expected = Detector(served_model(), faces=True).examine(path)._cut_faces
    assert expected is not None
    assert expected.views

    async def test(decoders: Decoders) -> None:
        found = (await decoders.decode(path.read_bytes())).faces
        assert found.faces == expected.faces
        assert list(found.views) == list(expected.views)
        for place, views in expected.views.items():
            assert all((found.views[place][name] == views[name]).all() for name in views)

    with_decoders(test, given=DetectorSettings(faces=True))


def test_a_long_list_of_trusted_signers_reaches_the_process() -> None:
    """It is longer than one argument of a command may be, and shown to nobody."""
    trust = "-----BEGIN CERTIFICATE-----" + "x" * 400_000

    async def test(decoders: Decoders) -> None:
        assert (await decoders.decode(GOOD)).width == 200
        (process,) = decoders._alive
        told = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
        assert told[1:-1] == [b"-m", b"unmask.service.engine.decode_worker"]

    with_decoders(test, given=DetectorSettings(trust=trust))


def test_a_picture_that_takes_too_long_costs_its_process_and_nothing_else() -> None:
    async def test(decoders: Decoders) -> None:
        with pytest.raises(PictureError, match=r"longer than the limit of 0\.1 s"):
            await decoders.decode(encode(Image.new("RGB", (7000, 7000))))
        assert decoders.deaths == 1
        decoders._seconds = 20
        assert (await decoders.decode(GOOD)).width == 200

    with_decoders(test, seconds=0.1)


def test_a_picture_that_needs_too_much_memory_costs_one_sentence() -> None:
    async def test(decoders: Decoders) -> None:
        with pytest.raises(PictureError, match=r"memory|broke its decoder"):
            await decoders.decode(encode(Image.new("P", (8000, 7900)), "PNG", transparency=0))
        assert (await decoders.decode(GOOD)).width == 200

    with_decoders(test, memory_mb=512)


def test_a_process_that_dies_is_replaced() -> None:
    async def test(decoders: Decoders) -> None:
        (process,) = decoders._alive
        working = asyncio.create_task(decoders.decode(encode(Image.new("RGB", (7000, 7000)))))
        await asyncio.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(PictureError, match="broke its decoder"):
            await working
        assert (await decoders.decode(GOOD)).width == 200
        assert decoders.deaths == 1
        (process,) = decoders._alive
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        assert (await decoders.decode(GOOD)).width == 200
        assert decoders.deaths == 1

    with_decoders(test)


def answer_of(notes: bytes, views: int, width: int = 200, height: int = 100) -> bytes:
    """Return the answer of a decoding process, as it could be or not."""
    body = decode_worker.SHAPE.pack(width, height, len(notes)) + notes + bytes(views)
    return decode_worker.ANSWER.pack(decode_worker.OK, len(body)) + body


NOTES = b'{"plain":false,"notes":[],"evidence":[],"faces":[%s]}'
FACE = b'{"box":[0,0,1,1],"score":0.5,"views":%s}'
VIEWS = 96 * 96 * 3 + 8 * 64 * 64 * 3
# Faces are cut for the card's own inputs.
TWO_INPUTS = CARD.model_copy(
    update={
        "inputs": {
            "whole": ViewPlan(size=112, whole="squeezed", crops=0),
            "crops": ViewPlan(size=112, whole=None, crops=2),
        }
    }
)
OF_A_FACE = 3 * 112 * 112 * 3
TRUE = answer_of(NOTES % (FACE % b"[1,2]"), VIEWS + OF_A_FACE)


def answered(answer: bytes) -> Any:
    """Decode a picture in a process that gives this answer."""

    async def work() -> Any:
        decoders = Decoders(
            TWO_INPUTS, PLANS, DetectorSettings(), count=1, seconds=20, memory_mb=1024
        )
        liar = (
            "import sys, time; out, source = sys.stdout.buffer, sys.stdin.buffer; "
            "source.read(int.from_bytes(source.read(4))); out.write(b'*'); out.flush(); "
            f"source.read(5); out.write({answer[:200]!r} + bytes({len(answer[200:])})); "
            "out.flush(); time.sleep(0.5)"
        )
        decoders._command = [sys.executable, "-c", liar]
        await decoders.start()
        try:
            return await decoders.decode(GOOD)
        finally:
            await decoders.close()

    return run(work())


def test_a_process_that_keeps_to_its_frames_is_believed() -> None:
    decoded = answered(TRUE)
    assert (decoded.width, len(decoded.faces.views)) == (200, 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"not a frame at all", b"\0\0\0\0\2xx", b"\0\xff\xff\xff\xff",
        answer_of(b"", VIEWS), answer_of(b"{}", VIEWS), answer_of(NOTES % b"", VIEWS - 1),
        answer_of(NOTES % b"", VIEWS, 20_000, 20_000), answer_of(NOTES % b"", VIEWS, 0, 100),
        answer_of(NOTES % (FACE % b"[0,2]"), VIEWS + OF_A_FACE),
        answer_of(NOTES % (FACE % b"[1]"), VIEWS + OF_A_FACE),
        answer_of(NOTES % (FACE % b"[1,9999999]"), VIEWS + OF_A_FACE),
        answer_of(NOTES % b",".join([FACE % b"[1,2]"] * 9), VIEWS + 9 * OF_A_FACE),
    ],
    ids=["noise", "short", "endless", "no notes", "other notes", "too few views", "too large",
         "no picture", "a face without views", "a face without crops", "a face of many views",
         "many faces"],
)  # fmt: skip
def test_a_process_that_lies_is_not_believed(answer: bytes) -> None:
    """As one would that a picture has taken over."""
    with pytest.raises(PictureError, match="broke its decoder"):
        answered(answer)


def test_limits_on_bytes_and_pixels_are_told_apart_from_damage() -> None:
    async def test(decoders: Decoders) -> None:
        with pytest.raises(PictureTooLargeError, match="megapixels"):
            await decoders.decode(encode(picture(500, 500)))
        with pytest.raises(PictureError, match="not a picture") as problem:
            await decoders.decode(b"text")
        assert not isinstance(problem.value, PictureTooLargeError)

    with_decoders(test, given=DetectorSettings(limits=Limits(max_pixels=100_000)))


def test_places_are_held_all_or_none(tmp_path: Path) -> None:
    engine = PictureEngine(Detector(served_model()), Settings(data_dir=tmp_path, queue=4))
    with engine.places(3):
        with pytest.raises(QueueFullError), engine.places(2):
            pass
        with engine.places(1):
            pass
    with engine.places(9):
        pass
