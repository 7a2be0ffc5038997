"""Videos in the service: the command line's answers, from a process that a video cannot leave."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from clips import clip, frames, sound
from conftest import HOST, Clients
from pictures import encode, picture
from served import served_model
from servers import Server
from signing import AI, identity, manifest, sign
from test_api import check_problem
from unmask.detector.detector import Detector
from unmask.detector.settings import DetectorSettings
from unmask.model.open import SHIPPED
from unmask.picture.errors import PictureError
from unmask.service.engine import video_worker
from unmask.service.engine.picture_engine import QueueFullError
from unmask.service.engine.video_engine import VideoEngine, _read_answer
from unmask.service.page.words import texts
from unmask.service.settings import Settings
from unmask.video.detector import VideoDetector

V1 = "/v1/videos"
CLIP = clip(frames(8), rate=4)
HTML = {"accept": "text/html"}


def command_line() -> VideoDetector:
    return VideoDetector(Detector(served_model()))


def send(client: TestClient, data: bytes, name: str = "clip.mp4", **options: Any) -> Any:
    return client.post(V1, files={"file": (name, data)}, **options)


def ask(client: TestClient, data: bytes = CLIP, **options: Any) -> dict[str, Any]:
    response = send(client, data, **options)
    assert response.status_code == 201, response.text
    return dict(response.json())


@pytest.fixture(scope="module")
def first(client: TestClient) -> dict[str, Any]:
    return ask(client)


def test_the_answer_is_that_of_the_command_line(first: dict[str, Any]) -> None:
    expected = command_line().detect(CLIP).to_json()
    assert set(expected) - set(first) == {"path", "error"}
    for field in ("verdict", "p_fake", "interval", "duration", "codec", "segments", "timeline",
                  "faces", "notes", "evidence", "decided_by"):  # fmt: skip
        assert first[field] == expected[field], field
    assert first["from_store"] is False
    assert first["category"] == "video"


def test_a_real_server_hands_the_file_on(server: Server, first: dict[str, Any]) -> None:
    """Its event loop is another one than that of the other tests."""
    answer = server.post(("clip.mp4", CLIP), path=V1)
    assert answer.status == 201, answer.body
    assert answer.json["timeline"] == first["timeline"]


def test_pictures_of_moments_go_out_once_and_are_not_kept(
    client: TestClient, first: dict[str, Any]
) -> None:
    data = base64.b64decode(first["moments"][0]["picture"])
    assert Image.open(io.BytesIO(data)).format == "JPEG"
    again = ask(client)
    assert again["from_store"] is True
    assert again["id"] != first["id"]
    assert again["timeline"] == first["timeline"]
    assert again["moments"][0]["picture"] is None
    assert client.get(first["links"]["self"]).json()["moments"][0]["picture"] is None


def test_other_sampling_is_another_answer(client: TestClient, first: dict[str, Any]) -> None:
    answer = ask(client, params={"sampling": "scenes"})
    assert answer["from_store"] is False
    assert answer["frames_judged"] < first["frames_judged"]


def test_the_timeline_is_a_table_and_a_plot(client: TestClient, first: dict[str, Any]) -> None:
    table = client.get(first["links"]["timeline_csv"])
    assert table.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [float(row["p_fake"]) for row in rows] == [one["p_fake"] for one in first["timeline"]]
    plot = client.get(first["links"]["timeline_png"])
    assert Image.open(io.BytesIO(plot.content)).format == "PNG"


def test_a_video_is_in_the_history_until_it_is_deleted(client_with: Clients) -> None:
    client = client_with()
    video = ask(client)
    client.post("/v1/detections", files={"file": ("photo.jpg", encode(picture()))})
    assert client.get("/v1/detections").json()["total"] == 1
    (listed,) = client.get(V1).json()["videos"]
    assert (listed["id"], listed["timeline"]) == (video["id"], [])
    assert client.get(V1, params={"q": "nothing"}).json()["total"] == 0
    page = client.get("/history").text
    assert "clip.mp4" in page
    assert "photo.jpg" in page
    check_problem(client.get(f"/v1/detections/{video['id']}"), 404, "not-found")
    check_problem(client.get(f"/v1/detections/{video['id']}/heatmap.png"), 404, "not-found")
    assert client.delete(video["links"]["self"]).status_code == 204
    check_problem(client.get(video["links"]["self"]), 404, "not-found")
    check_problem(client.get(video["links"]["timeline_png"]), 404, "not-found")
    assert ask(client)["from_store"] is False


def test_settings_reach_the_process_that_judges(client_with: Clients, tmp_path: Path) -> None:
    signed = sign(CLIP, manifest(AI), "video/mp4")
    # Longer than one argument of a command may be.
    trusted = tmp_path / "roots.pem"
    trusted.write_text(identity("Somebody Else").root * 200)
    strange = ask(client_with(trust=trusted), signed)
    assert strange["decided_by"] != "credential"
    client = client_with(threshold=0, calibration="none", provenance=False)
    answer = ask(client, signed)
    assert answer["from_store"] is False
    assert (answer["verdict"], answer["decided_by"], answer["evidence"]) == ("fake", "pixels", [])
    assert (answer["forced"], answer["calibrated"], answer["threshold"]) == (True, False, 0)
    assert answer["band"] == {"real_below": 0, "fake_from": 0}


def test_a_signed_video_decides(client: TestClient) -> None:
    answer = ask(client, sign(CLIP, manifest(AI), "video/mp4"))
    assert (answer["verdict"], answer["decided_by"]) == ("fake", "credential")
    page = client.get(answer["links"]["page"]).text
    assert texts()["verdict"]["decided_by"]["credential"] in page


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"text", "not a video"),
        (encode(picture()), "does not move"),
        (sound(), "sound only"),
        (CLIP[:300], "damaged"),
    ],
    ids=["empty", "text", "still", "sound", "cut"],
)
def test_what_is_no_video_gets_one_sentence(client: TestClient, data: bytes, words: str) -> None:
    problem = check_problem(send(client, data), 415, "not-a-picture")
    assert words in problem["detail"]


def test_damaged_videos_are_answered_or_refused(client: TestClient) -> None:
    rng = np.random.default_rng(0)
    for _ in range(3):
        damaged = bytearray(CLIP)
        for place in rng.integers(0, len(damaged), 30):
            damaged[place] = rng.integers(256)
        assert send(client, bytes(damaged)).status_code in (201, 415)


def test_wrong_requests_get_problem_documents(client: TestClient) -> None:
    check_problem(client.post(V1), 422, "bad-field")
    two = [("file", ("a.mp4", CLIP)), ("file", ("b.mp4", CLIP))]
    check_problem(client.post(V1, files=two), 422, "bad-field")
    check_problem(client.post(V1, files={"other": ("a.mp4", CLIP)}), 422, "bad-field")
    check_problem(send(client, CLIP, params={"sampling": "all"}), 422, "bad-field")
    check_problem(client.get(f"{V1}/nothing"), 404, "not-found")
    picture_sent = client.post("/v1/detections", files={"file": ("clip.mp4", CLIP)})
    assert "video" in check_problem(picture_sent, 415, "not-a-picture")["detail"]


def test_limits_on_size_and_rate(client_with: Clients) -> None:
    small = client_with(max_video_mb=0.001)
    check_problem(send(small, CLIP), 413, "too-large")
    slow = client_with(rate_per_minute=30)
    assert send(slow, b"text").status_code == 415
    problem = check_problem(send(slow, b"text"), 429, "too-many")
    assert "try again" in problem["detail"]


def test_a_service_may_take_no_videos(client_with: Clients) -> None:
    client = client_with(max_video_mb=0)
    check_problem(send(client, CLIP), 404, "not-found")
    assert "video" not in client.get("/").text


def test_a_video_that_takes_too_long_is_given_up(
    client_with: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_worker, "GRACE", 0)
    problem = check_problem(send(client_with(video_seconds=0.05), CLIP), 415, "not-a-picture")
    assert "longer than the limit" in problem["detail"]


def test_a_video_that_needs_too_much_memory_costs_one_sentence(client_with: Clients) -> None:
    # Less than the model and its libraries take: whatever breaks, it ends in a sentence.
    client = client_with(model=SHIPPED, video_memory_mb=1024, video_seconds=20)
    response = send(client, clip(frames(2, 2048, 2048)))
    assert response.status_code in (201, 415), response.text
    assert client.get("/readyz").status_code == 200


def test_places_run_out() -> None:
    videos = VideoEngine(Settings(video_queue=1), DetectorSettings())
    with videos.place(), pytest.raises(QueueFullError), videos.place():
        pass
    with videos.place():
        pass


def test_a_full_queue_says_when_to_come_back(client_with: Clients) -> None:
    client = client_with(video_queue=1)
    with client.app.state.services.videos.place():  # type: ignore[attr-defined]
        response = send(client, CLIP)
    check_problem(response, 503, "busy")
    assert response.headers["retry-after"] == "15"
    assert send(client, CLIP).status_code == 201


def answered(data: bytes) -> Any:
    async def work() -> Any:
        source = asyncio.StreamReader()
        source.feed_data(data)
        source.feed_eof()
        return await _read_answer(source)

    return asyncio.run(work())


def test_a_process_that_lies_is_not_believed() -> None:
    def frame(status: int, body: bytes) -> bytes:
        return video_worker.ANSWER.pack(status, len(body)) + body

    with pytest.raises(PictureError, match="why"):
        answered(frame(video_worker.UNREADABLE, b"why"))
    fields = command_line().detect(CLIP).to_json()
    assert answered(frame(video_worker.OK, json.dumps(fields).encode())).codec == "h264"
    fields["moments"][0]["picture"] = '"><script>'
    for lie in (b"{}", b"\xff", json.dumps(fields).encode()):
        with pytest.raises(ValueError, match="something else"):
            answered(frame(video_worker.OK, lie))
    with pytest.raises(ValueError, match="more than"):
        answered(b"\0\xff\xff\xff\xff")
    with pytest.raises(asyncio.IncompleteReadError):
        answered(b"\0\0")


def test_the_plain_form_takes_a_video(client: TestClient) -> None:
    data = clip(frames(6, seed=4), "webm", rate=4)
    response = client.post("/video", files={"file": ("clip.webm", data)}, headers=HTML)
    assert response.status_code == 200
    assert 'src="data:image/jpeg;base64,' in response.text
    assert "<polyline" in response.text
    bad = client.post("/video", files={"file": ("clip.webm", b"text")}, headers=HTML)
    assert bad.status_code == 415
    assert "not a video" in bad.text
    assert str(client.base_url) == HOST
