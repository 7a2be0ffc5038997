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

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from pictures import encode, picture
from servers import Server
from unmask.model.calibration import sigmoid
from unmask.model.card import ModelCard, ModelError
from unmask.model.onnx_model import SHIPPED, Model
from unmask.picture.decode import DEFAULT_LIMITS, Limits, decode
from unmask.picture.errors import PictureError, PictureTooLargeError
from unmask.picture.views import ViewPlan, make_views
from unmask.service.engine.batcher import Batcher
from unmask.service.engine.decoders import Decoders
from unmask.service.engine.engine import Engine, QueueFullError
from unmask.service.engine.reading import pool, read
from unmask.service.settings import Settings

pillow_heif.register_heif_opener()
CARD = ModelCard.read(ModelCard.path_for(SHIPPED))
PLAN = ViewPlan(size=64, crops=2)


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
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    fields = ("verdict", "p_fake", "category", "category_confidence")
    for path, row in zip(files, json.loads(done.stdout), strict=True):
        (answer,) = server.post((path.name, path.read_bytes())).json["detections"]
        assert {name: answer[name] for name in fields} == {name: row[name] for name in fields}
        assert answer["name"] == path.name


def test_pooling_is_that_of_the_model_to_the_bit() -> None:
    model = Model()
    plan = model.card.views
    batch = [make_views(decode(encode(picture(300, 400, seed))), plan) for seed in range(3)]
    fake, category = model.answer(batch)
    for place, views in enumerate(batch):
        one_fake, one_category = model(views)
        assert pool(one_fake) == fake[place]
        assert (pool(one_category) == category[place]).all()


# Reading


FAKE = np.array([2.5, 1.0, 3.1], dtype=np.float32)
CATEGORY = np.array([[9, 0, 0]] * 3, dtype=np.float32)


def test_uncalibrated_is_the_networks_own_probability() -> None:
    reading = read(CARD, FAKE, CATEGORY, "none")
    assert reading.p_fake == pytest.approx(float(sigmoid(np.array(2.2))), abs=1e-6)


@pytest.mark.parametrize("logit", [-9.0, -3.0, -1.0, 0.5, 2.0, 4.0, 9.0])
def test_a_picture_is_called_the_same_under_every_calibration(logit: float) -> None:
    names = ("platt", "temperature", "beta", "isotonic", "none")
    fake = np.full(3, logit, dtype=np.float32)
    readings = [read(CARD, fake, CATEGORY, name) for name in names]
    assert len({reading.verdict for reading in readings}) == 1
    assert read(CARD, fake, CATEGORY).verdict == readings[0].verdict
    for reading in readings:
        if reading.verdict == "fake":
            assert reading.p_fake >= reading.fake_from - 1e-9
        if reading.verdict == "real":
            assert reading.p_fake <= reading.real_below + 1e-9


def test_a_threshold_leaves_nothing_unsure() -> None:
    p = read(CARD, FAKE, CATEGORY).p_fake
    assert read(CARD, FAKE, CATEGORY, threshold=p).verdict == "fake"
    assert read(CARD, FAKE, CATEGORY, threshold=p + 1e-6).verdict == "real"


def test_a_calibration_that_the_card_lacks_is_an_error() -> None:
    bare = CARD.model_copy(update={"alternatives": {}})
    with pytest.raises(ModelError, match="no isotonic calibration"):
        read(bare, FAKE, CATEGORY, "isotonic")


def test_a_model_without_categories_says_other() -> None:
    bare = CARD.model_copy(update={"categories": ()})
    reading = read(bare, FAKE, np.zeros((3, 0), dtype=np.float32))
    assert (reading.category, reading.category_confidence) == ("other", 0)


def test_low_category_confidence_is_other() -> None:
    assert read(CARD, FAKE, np.zeros((3, 3), dtype=np.float32)).category == "other"


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
    limits: Limits = DEFAULT_LIMITS,
    seconds: float = 20,
    memory_mb: int = 1024,
) -> None:
    async def work() -> None:
        decoders = Decoders(PLAN, limits, count=1, seconds=seconds, memory_mb=memory_mb)
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
        assert (decoded.views == make_views(decode(data), PLAN)).all()
        assert decoded.preview.startswith(b"RIFF")
        assert b"SECRET" not in decoded.preview
        assert b"EXIF" not in decoded.preview
        assert not (await decoders.decode(data)).preview

    with_decoders(test)


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


@pytest.mark.parametrize(
    "answer",
    [
        b"not a frame at all", b"\0\0\0\0\2xx", b"\0\xff\xff\xff\xff",
        b"\0\0\0\0\x10" + bytes(16), b"\0\0\0\0\x12" + bytes(11) + b"\2\0\0\0\2{}",
    ],
    ids=["noise", "short", "endless", "no views", "no findings"],
)  # fmt: skip
def test_a_process_that_lies_is_not_believed(answer: bytes) -> None:
    """As one would that a picture has taken over."""

    async def work() -> None:
        decoders = Decoders(PLAN, DEFAULT_LIMITS, count=1, seconds=20, memory_mb=1024)
        liar = (
            "import sys, time; out = sys.stdout.buffer; out.write(b'*'); out.flush(); "
            f"sys.stdin.buffer.read(5); out.write({answer!r}); out.flush(); time.sleep(0.5)"
        )
        decoders._command = [sys.executable, "-c", liar]
        await decoders.start()
        try:
            with pytest.raises(PictureError, match="broke its decoder"):
                await decoders.decode(GOOD)
        finally:
            await decoders.close()

    run(work())


def test_limits_on_bytes_and_pixels_are_told_apart_from_damage() -> None:
    async def test(decoders: Decoders) -> None:
        with pytest.raises(PictureTooLargeError, match="megapixels"):
            await decoders.decode(encode(picture(500, 500)))
        with pytest.raises(PictureError, match="not a picture") as problem:
            await decoders.decode(b"text")
        assert not isinstance(problem.value, PictureTooLargeError)

    with_decoders(test, limits=Limits(max_pixels=100_000))


def test_places_are_held_all_or_none(tmp_path: Path) -> None:
    engine = Engine(Model(), Settings(data_dir=tmp_path, queue=4))
    with engine.places(3):
        with pytest.raises(QueueFullError), engine.places(2):
            pass
        with engine.places(1):
            pass
    with engine.places(9):
        pass
