"""The API for programs: answers, history, problems, keys, rates."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sqlalchemy.exc import OperationalError
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from conftest import Clients
from pictures import encode, picture
from served import served_model
from signing import AI, CAMERA, SIGNER, identity, manifest, sign
from unmask import Detector
from unmask.lab.data.graphics import chart
from unmask.model.card import ModelCard
from unmask.model.onnx_model import OnnxModel
from unmask.service.http.bodies import BodyLimits
from unmask.service.http.problems import KINDS, Problem
from unmask.service.http.rates import Rates
from unmask.service.page.words import texts
from unmask.service.store.keys import Keys
from unmask.verdict.verdict import FIELDS

V1 = "/v1/detections"


def files(*pictures: bytes, name: str = "photo.jpg") -> list[tuple[str, tuple[str, bytes]]]:
    return [("file", (name, data)) for data in pictures]


def ask(client: TestClient, data: bytes, **options: Any) -> dict[str, Any]:
    response = client.post(V1, files=files(data), **options)
    assert response.status_code == 201, response.text
    (detection,) = response.json()["detections"]
    return dict(detection)


def check_problem(response: Any, status: int, slug: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    assert document["type"] == f"/docs#{slug}"
    assert document["detail"].endswith(".")
    assert "Traceback" not in response.text
    return dict(document)


# Answers


def test_an_answer_has_everything(client: TestClient, picture_bytes: bytes) -> None:
    response = client.post(V1, files=files(picture_bytes))
    (answer,) = response.json()["detections"]
    assert response.headers["location"] == answer["links"]["self"]
    assert answer["verdict"] in ("real", "fake", "unsure")
    assert 0 <= answer["p_fake"] <= 1
    assert answer["band"]["real_below"] < answer["band"]["fake_from"]
    assert answer["calibrated"] is True
    assert answer["views"][0]["kind"] == "whole"
    own = Detector(served_model()).model.card.calibration
    assert own(answer["score"]) == pytest.approx(answer["p_fake"], abs=1e-4)
    assert answer["views"][0]["box"]["bottom"] == answer["height"]
    assert len(answer["model"]["sha256"]) == 64
    assert client.get(answer["links"]["self"]).json() == answer
    assert response.headers["cache-control"] == "no-store"


def test_views_are_those_of_the_library(client: TestClient, picture_bytes: bytes) -> None:
    answer = ask(client, picture_bytes)
    examined = Detector(served_model()).examine(picture_bytes)
    assert answer["score"] == pytest.approx(examined.output.logit, abs=1e-4)
    logits = [view["logit"] for view in answer["views"]]
    assert logits == pytest.approx(examined.output.view_logits.tolist(), abs=1e-4)
    assert [view["kind"] for view in answer["views"]] == [view.kind for view in examined.shown]
    for view, shown in zip(answer["views"], examined.shown, strict=True):
        assert tuple(view["box"].values()) == pytest.approx(shown.box, abs=0.1)


def test_every_field_of_a_verdict_goes_out(client: TestClient, picture_bytes: bytes) -> None:
    answer = ask(client, picture_bytes)
    assert set(FIELDS) - set(answer) == {"path", "error"}
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    described = schemas["DetectionOut"]["properties"]
    assert set(described) == set(answer)
    for name in set(FIELDS) & set(answer):
        assert described[name]["description"] == FIELDS[name]


@pytest.fixture(scope="module")
def telling() -> dict[str, bytes]:
    """Return files that say something of themselves, by the verdict that rests on it."""
    prompt = PngInfo()
    prompt.add_text(
        "parameters", "a cat\nNegative prompt: ugly\nSteps: 20, Sampler: Euler a, Seed: 1"
    )
    plain = encode(picture(300, 300, 3))
    return {
        "credential": sign(plain, manifest(AI)),
        "metadata": encode(picture(300, 300, 3), "PNG", pnginfo=prompt),
        "pixels": sign(plain, manifest(CAMERA)),
    }


@pytest.mark.parametrize("kind", ["credential", "metadata", "pixels"])
def test_what_a_file_says_counts_as_on_the_command_line(
    client: TestClient, telling: dict[str, bytes], kind: str
) -> None:
    expected = Detector(served_model()).detect(telling[kind]).to_json()
    for origin in ("model", "store"):
        answer = ask(client, telling[kind])
        assert answer["from_store"] is (origin == "store")
        for field in ("verdict", "p_fake", "decided_by", "evidence"):
            assert answer[field] == expected[field], field
    assert answer["decided_by"] == kind
    assert answer["evidence"]
    forced = ask(client, telling[kind], params={"threshold": 1})
    assert forced["verdict"] == ("fake" if kind == "credential" else "real")
    page = client.get(answer["links"]["page"]).text
    for one in answer["evidence"]:
        assert str(escape(one["text"])) in page
    assert (texts()["verdict"]["decided_by"]["credential"] in page) is (kind == "credential")


def test_evidence_follows_the_settings(
    client_with: Clients, telling: dict[str, bytes], tmp_path: Path
) -> None:
    asked = ask(client_with(provenance=False), telling["credential"])
    assert (asked["decided_by"], asked["evidence"]) == ("pixels", [])
    trusted = tmp_path / "roots.pem"
    trusted.write_text(identity("Somebody Else").root)
    # The same database: what was answered under other settings is not answered again.
    answer = ask(client_with(trust=trusted), telling["credential"])
    assert answer["from_store"] is False
    assert answer["decided_by"] == "metadata"
    trusted.write_text(identity(SIGNER).root)
    assert ask(client_with(trust=trusted), telling["credential"])["decided_by"] == "credential"


def test_the_same_bytes_are_answered_from_the_store(client: TestClient) -> None:
    data = encode(picture(300, 200, 77))
    first, second = ask(client, data), ask(client, data)
    assert (first["from_store"], second["from_store"]) == (False, True)
    assert first["id"] != second["id"]
    assert second["timings"]["model_ms"] == 0
    for field in ("verdict", "p_fake", "category", "views", "sha256", "width"):
        assert first[field] == second[field]
    raw = ask(client, data, params={"calibration": "none"})
    assert raw["from_store"] is True
    assert raw["calibrated"] is False
    assert raw["p_fake"] != first["p_fake"]


def test_several_pictures_keep_their_order_and_bad_ones_cost_an_entry(client: TestClient) -> None:
    good = [encode(picture(300, 200, seed)) for seed in range(3)]
    sent = [
        ("file", ("a.jpg", good[0])), ("file", ("bad.jpg", b"text")),
        ("file", ("b.jpg", good[1])), ("file", ("a-again.jpg", good[0])),
    ]  # fmt: skip
    response = client.post(V1, files=sent)
    assert response.status_code == 201
    body = response.json()
    assert [one["name"] for one in body["detections"]] == ["a.jpg", "b.jpg", "a-again.jpg"]
    (problem,) = body["problems"]
    assert (problem["index"], problem["name"], problem["status"]) == (1, "bad.jpg", 415)
    alone = ask(client, good[1])
    assert body["detections"][1]["p_fake"] == alone["p_fake"]
    assert body["detections"][0]["p_fake"] == body["detections"][2]["p_fake"]


def test_a_threshold_decides_instead_of_the_band(client: TestClient, picture_bytes: bytes) -> None:
    low = ask(client, picture_bytes, params={"threshold": 0})
    high = ask(client, picture_bytes, params={"threshold": 1})
    assert (low["verdict"], high["verdict"]) == ("fake", "real")
    assert (high["threshold"], high["forced"]) == (1, True)
    assert high["band"] == {"real_below": 1, "fake_from": 1}


def test_a_threshold_is_compared_with_the_digits_that_are_printed(
    client: TestClient, examples: list[Path]
) -> None:
    for path in examples:
        p_fake = ask(client, path.read_bytes())["p_fake"]
        for threshold, verdict in ((p_fake, "fake"), (p_fake + 1e-4, "real")):
            if threshold <= 1:
                forced = ask(client, path.read_bytes(), params={"threshold": threshold})
                assert (forced["verdict"], forced["p_fake"]) == (verdict, p_fake)


def test_a_prior_and_a_promise_are_those_of_the_library(
    client: TestClient, picture_bytes: bytes
) -> None:
    answer = ask(client, picture_bytes, params={"prior": 0.02})
    expected = Detector(served_model(), prior=0.02).detect(picture_bytes)
    assert (answer["p_fake"], answer["verdict"]) == (expected.p_fake, expected.verdict)
    assert (answer["prior"], answer["promise"]) == (0.02, None)
    unkept = client.post(V1, files=files(picture_bytes), params={"promise": 0.321})
    assert "promises no" in check_problem(unkept, 422, "bad-field")["detail"]


def test_settings_hold_for_requests_that_name_none(
    client_with: Clients, picture_bytes: bytes
) -> None:
    client = client_with(threshold=0.0, calibration="none", prior=0.3)
    answer = ask(client, picture_bytes)
    assert (answer["verdict"], answer["threshold"], answer["calibration"]) == ("fake", 0, "none")
    assert answer["prior"] == 0.3
    # The same database: one output, read in two ways.
    other = ask(client_with(), picture_bytes)
    assert other["from_store"] is True
    assert (other["threshold"], other["forced"], other["calibrated"]) == (None, False, True)


def test_pictures_that_cannot_be_judged_say_why(client: TestClient) -> None:
    for image, reason in (
        (Image.new("RGB", (300, 200), "teal"), "nothing to see"),
        (picture(60, 300), "too small"),
    ):
        for origin in (False, True):
            answer = ask(client, encode(image, "PNG"))
            assert (answer["verdict"], answer["reason"]) == ("unsure", reason)
            assert answer["from_store"] is origin
        page = client.get(answer["links"]["page"]).text
        assert texts()["verdict"]["reason"][reason] in page


def test_the_shipped_model_judges_photographs_alone(
    shipped_client: TestClient, examples: list[Path]
) -> None:
    drawn = ask(shipped_client, encode(chart(np.random.default_rng(0)).convert("RGB")))
    assert (drawn["verdict"], drawn["reason"]) == ("unsure", "no photograph")
    page = shipped_client.get(drawn["links"]["page"]).text
    assert texts()["verdict"]["reason"]["no photograph"] in page
    (path,) = (one for one in examples if one.name == "fake-face-stylegan2.jpg")
    shown = ask(shipped_client, path.read_bytes())
    assert shown["reason"] != "no photograph"
    assert shown["category"] == "human_faces"
    assert shown["links"]["heatmap"]


def test_faces_are_those_of_the_library(client_with: Clients, examples: list[Path]) -> None:
    (path,) = (one for one in examples if one.name == "fake-face-stylegan2.jpg")
    client = client_with(faces=True)
    for calibration in (None, "none"):
        params = {"calibration": calibration} if calibration else {}
        answer = ask(client, path.read_bytes(), params=params)
        expected = (
            Detector(served_model(), faces=True, calibration=calibration).detect(path).to_json()
        )
        assert answer["faces"] == expected["faces"]
        assert answer["faces"][0]["p_fake"] is not None


def test_no_picture_is_called_real_over_a_face_that_looks_made(
    client_with: Clients, examples: list[Path], tmp_path: Path
) -> None:
    (path,) = (one for one in examples if one.name == "fake-face-stylegan2.jpg")
    card = ModelCard.read(ModelCard.path_for(served_model()))
    strict = shutil.copy(served_model(), tmp_path / "strict.onnx")
    changed = {"face_cut": 0.0001}
    card.model_copy(update=changed).write(ModelCard.path_for(tmp_path / "strict.onnx"))
    client = client_with(model=strict)
    # What looks made as a whole is real under such a prior, until a face is looked at.
    for prior in (None, 0.1):
        params = {} if prior is None else {"prior": prior}
        answer = ask(client, path.read_bytes(), params=params)
        verdict = Detector(strict, prior=prior).detect(path)
        assert (answer["verdict"], answer["reason"]) == (verdict.verdict, verdict.reason)
        assert answer["faces"] is None
    assert (answer["verdict"], answer["reason"]) == ("unsure", "a face looks made")
    assert ask(client_with(), path.read_bytes(), params=params)["verdict"] == "real"


def test_test_time_augmentation_is_that_of_the_library(
    client_with: Clients, picture_bytes: bytes
) -> None:
    answer = ask(client_with(tta=True), picture_bytes)
    expected = Detector(served_model(), tta=True).detect(picture_bytes)
    assert (answer["p_fake"], answer["verdict"]) == (expected.p_fake, expected.verdict)
    # Nothing says where those views lie.
    assert (answer["views"], answer["links"]["heatmap"]) == ([], None)
    assert ask(client_with(), picture_bytes)["from_store"] is False


def test_a_model_without_maps_has_no_heatmap(
    client_with: Clients, picture_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OnnxModel, "has_maps", False)
    client = client_with()
    answer = ask(client, picture_bytes)
    assert answer["links"]["heatmap"] is None
    missing = client.get(f"{answer['links']['self']}/heatmap.png")
    check_problem(missing, 404, "not-found")
    assert "data-heat" not in client.get(answer["links"]["page"]).text


def test_the_heatmap_lies_over_the_picture(client: TestClient) -> None:
    answer = ask(client, encode(picture(600, 300, 5)))
    maps = []
    for head in ("fake", "category"):
        response = client.get(answer["links"]["heatmap"], params={"head": head, "longest": 200})
        assert response.headers["content-type"] == "image/png"
        image = Image.open(io.BytesIO(response.content))
        assert (image.size, image.mode) == ((200, 100), "RGBA")
        maps.append(np.asarray(image))
        assert maps[-1][..., 3].max() > 100
    assert (maps[0] != maps[1]).any()


def test_the_heatmap_is_that_of_explain(client: TestClient, picture_bytes: bytes) -> None:
    from unmask.service.heatmap import heatmap_png

    answer = ask(client, picture_bytes)
    store = client.app.state.services.store  # type: ignore[attr-defined]
    stored = store.output(answer["id"])
    found = Detector(served_model()).examine(picture_bytes).mapped_output
    assert found.maps is not None
    assert np.allclose(stored.output.maps, found.maps, rtol=1e-2, atol=1e-2)
    assert heatmap_png(stored, Detector(served_model()).model.card, "fake", 64)


def test_history_is_listed_searched_paged_and_deleted(client_with: Clients) -> None:
    client = client_with()
    for number in range(5):
        name = "A 50%_off.jpg" if number == 2 else f"{number}.jpg"
        client.post(V1, files=[("file", (name, encode(picture(90, 90, number))))])
    page = client.get(V1, params={"limit": 2}).json()
    assert [one["name"] for one in page["detections"]] == ["4.jpg", "3.jpg"]
    assert page["total"] == 5
    rest = client.get(V1, params={"limit": 9, "before": page["next"]}).json()
    assert [one["name"] for one in rest["detections"]] == ["A 50%_off.jpg", "1.jpg", "0.jpg"]
    assert rest["next"] is None
    found = client.get(V1, params={"q": "a 50%_"}).json()
    assert found["total"] == 1
    assert client.get(V1, params={"q": "%"}).json()["total"] == 1
    id = found["detections"][0]["id"]
    assert client.delete(f"{V1}/{id}").status_code == 204
    check_problem(client.get(f"{V1}/{id}"), 404, "not-found")
    check_problem(client.delete(f"{V1}/{id}"), 404, "not-found")
    check_problem(client.get(f"{V1}/{id}/heatmap.png"), 404, "not-found")
    assert client.delete(V1).json() == {"deleted": 4}
    assert client.get(V1).json()["total"] == 0


def test_the_model_and_the_watchers_are_described(client: TestClient) -> None:
    model = client.get("/v1/model").json()
    assert "platt" in model["calibrations"]
    assert "isotonic" in model["calibrations"]
    assert model["device"] in ("cpu", "cuda")
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    assert 'unmask_requests_total{method="GET",route="/v1/model",status="200"}' in (
        client.get("/metrics").text
    )


def test_the_description_names_every_path(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) >= {
        V1, f"{V1}/{{id}}", f"{V1}/{{id}}/heatmap.png", "/v1/model", "/predict", "/debug",
        "/healthz", "/readyz", "/metrics",
    }  # fmt: skip
    reference = client.get("/docs").text
    for path in paths:
        assert path in reference
    for kind in KINDS:
        assert f'id="{kind.slug}"' in reference


# Problems


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", f"{V1}/nothing", 404, "not-found"),
        ("GET", f"{V1}/{'0' * 32}/picture.webp", 404, "not-found"),
        ("GET", "/static/../app.py", 404, "not-found"),
        ("GET", "/static/%2e%2e/app.py", 404, "not-found"),
        ("PUT", V1, 405, "method-not-allowed"),
        ("POST", "/healthz", 405, "method-not-allowed"),
        ("POST", V1, 422, "bad-field"),
        ("GET", f"{V1}?limit=0", 422, "bad-field"),
        ("GET", f"{V1}?verdict=maybe", 422, "bad-field"),
        ("GET", f"{V1}?before=99999999999999999999999", 422, "bad-field"),
        ("GET", "/debug?image=x", 404, "not-found"),
        ("GET", "/debug", 422, "bad-field"),
    ],
)
def test_wrong_requests_get_problem_documents(
    client: TestClient, method: str, path: str, status: int, slug: str
) -> None:
    check_problem(client.request(method, path), status, slug)


@pytest.mark.parametrize(
    ("sent", "status", "slug"),
    [
        ({"files": files(b"text")}, 415, "not-a-picture"),
        ({"files": files(b"")}, 415, "not-a-picture"),
        ({"files": files(encode(picture())[:500])}, 415, "not-a-picture"),
        ({"files": files(bytes(21 * 2**20))}, 413, "too-large"),
        ({"files": files(*[b"x"] * 17)}, 400, "bad-request"),
        ({"files": [("picture", ("x.jpg", b"x"))]}, 422, "bad-field"),
        ({"files": {"x": ("", b"")}, "data": {"file": "text"}}, 422, "bad-field"),
        ({"json": {"file": "x"}}, 422, "bad-field"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "bad-request"),
        (
            {"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=y"}},
            400,
            "bad-request",
        ),
        ({"files": files(b"x"), "params": {"threshold": "2"}}, 422, "bad-field"),
        ({"files": files(b"x"), "params": {"threshold": "nan"}}, 422, "bad-field"),
        ({"files": files(b"x"), "params": {"calibration": "magic"}}, 422, "bad-field"),
    ],
)
def test_bad_uploads_get_problem_documents(
    client: TestClient, sent: dict[str, Any], status: int, slug: str
) -> None:
    check_problem(client.post(V1, **sent), status, slug)


def test_an_error_of_our_own_shows_no_trace(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret of the server")

    monkeypatch.setattr(client.app.state.services.store, "get", fail)  # type: ignore[attr-defined]
    response = client.get(f"{V1}/x")
    check_problem(response, 500, "failed")
    assert "secret" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_database_that_is_gone_makes_the_service_unready(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    monkeypatch.setattr(client.app.state.services.store, "ping", fail)  # type: ignore[attr-defined]
    check_problem(client.get("/readyz"), 503, "busy")
    assert client.get("/healthz").status_code == 200


def test_a_full_queue_says_when_to_come_back(
    client: TestClient, picture_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = client.app.state.services.engine  # type: ignore[attr-defined]
    monkeypatch.setattr(engine, "_pending", 256)
    response = client.post(V1, files=files(picture_bytes))
    check_problem(response, 503, "busy")
    assert int(response.headers["retry-after"]) > 0


def test_all_bodies_together_are_limited() -> None:
    answers: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            while (await receive()).get("more_body"):
                pass
            await JSONResponse({})(scope, receive, send)
        except Problem as problem:
            await problem.response()(scope, receive, send)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answers.append(message["status"])

    def body(*sizes: int) -> Any:
        parts = [{"body": bytes(size), "more_body": True} for size in sizes] + [{"body": b""}]

        async def receive() -> Any:
            await asyncio.sleep(0.01)
            return {"type": "http.request", **parts.pop(0)}

        return receive

    async def ask(*requests: Any) -> None:
        scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
        await asyncio.gather(*(limits(scope, request, send) for request in requests))

    limits = BodyLimits(app, max_bytes=1000, seconds=5, max_held=500)
    asyncio.run(ask(body(300, 300)))
    asyncio.run(ask(body(200, 200), body(200, 200)))
    assert sorted(answers) == [200, 200, 503]
    assert limits.held == 0


# The old endpoints


def test_predict_answers_as_older_systems_did(client: TestClient, picture_bytes: bytes) -> None:
    p_fake = ask(client, picture_bytes)["p_fake"]
    body = client.post("/predict", files=files(picture_bytes)).json()
    assert set(body) == {"filename", "real_prob", "fake_prob", "verdict"}
    assert body["filename"] == "photo.jpg"
    assert body["fake_prob"] == p_fake
    assert body["real_prob"] == pytest.approx(1 - p_fake)
    assert body["verdict"] == ("REAL" if 1 - p_fake >= 0.5 else "FAKE")
    for threshold, verdict in ((0, "REAL"), (1, "FAKE")):
        url = f"/predict?threshold={threshold}"
        assert client.post(url, files=files(picture_bytes)).json()["verdict"] == verdict
    check_problem(client.post("/predict", files=files(b"text")), 415, "not-a-picture")
    check_problem(client.post("/predict"), 422, "bad-field")


@pytest.fixture
def uploads(tmp_path: Path, picture_bytes: bytes) -> Path:
    """Return an uploads folder with a picture, and the same picture beside it."""
    folder = tmp_path / "uploads"
    (folder / "sub").mkdir(parents=True)
    for path in (folder / "in.jpg", folder / "sub" / "deep.jpg", tmp_path / "out.jpg"):
        path.write_bytes(picture_bytes)
    (tmp_path / "uploads-of-others").mkdir()
    (tmp_path / "uploads-of-others" / "x.jpg").write_bytes(picture_bytes)
    (folder / "leads-out.jpg").symlink_to("../out.jpg")
    (folder / "leads-up").symlink_to("..")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe.jpg")
    return folder


def test_debug_answers_inside_its_folder(client_with: Clients, uploads: Path) -> None:
    client = client_with(debug_folder=uploads)
    body = client.get("/debug", params={"image": "in.jpg", "use_calib": 1}).json()
    assert body["ok"] is True
    assert body["prediction"] in ("REAL", "FAKE")
    assert 0.5 <= body["confidence"] <= 1
    assert body["used_calibration"] is True
    raw = client.get("/debug", params={"image": "sub/deep.jpg", "use_calib": 0}).json()
    assert raw["used_calibration"] is False
    assert raw["confidence"] != body["confidence"]
    for name in (
        "../out.jpg", "sub/../../out.jpg", "./../out.jpg", "....//out.jpg", "..\\out.jpg",
        "%2e%2e/out.jpg", "..%2fout.jpg", "..%c0%afout.jpg", "%252e%252e%252fout.jpg",
        str(uploads.parent / "out.jpg"), f"file://{uploads.parent}/out.jpg", "/etc/passwd",
        "//etc/passwd", "leads-out.jpg", "leads-up/out.jpg", "loop", "pipe.jpg", "sub", ".", "..",
        "", "in.jpg\0.png", "../uploads-of-others/x.jpg", "~/x.jpg", "in.jpg::$DATA",
        "C:\\x.jpg", "x" * 5000, "absent.jpg", "\ud83d", "in.jpg%00", "．．/out.jpg",
    ):  # fmt: skip
        encoded = name.encode("utf-8", "surrogatepass")
        response = client.get("/debug", params={"image": encoded.decode("utf-8", "replace")})
        check_problem(response, 404, "not-found")
    for query in ("image=%2e%2e%2fout.jpg", "image=..%2Fout.jpg", "image=in.jpg%00", "image=%ff"):
        check_problem(client.get(f"/debug?{query}"), 404, "not-found")


# Who may


def keys_of(client: TestClient) -> Keys:
    return client.app.state.services.keys  # type: ignore[attr-defined,no-any-return]


def test_keys_are_asked_for_scoped_and_revoked(client_with: Clients, picture_bytes: bytes) -> None:
    client = client_with(require_key=True)
    response = client.post(V1, files=files(picture_bytes))
    check_problem(response, 401, "no-key")
    assert response.headers["www-authenticate"] == "Bearer"
    keys = keys_of(client)
    whole, narrow = keys.make("desk"), keys.make("bot", ["detect"])
    bearer = {"Authorization": f"Bearer {whole}"}
    answer = ask(client, picture_bytes, headers=bearer)
    assert client.get(V1, headers=bearer).json()["total"] == 1
    ask(client, picture_bytes, headers={"X-API-Key": narrow})
    check_problem(client.get(V1, headers={"X-API-Key": narrow}), 403, "forbidden")
    # A key's history is its own, but a link may be shared.
    other = {"Authorization": f"Bearer {keys.make('other')}"}
    assert client.get(V1, headers=other).json()["total"] == 0
    assert client.get(answer["links"]["self"], headers=other).status_code == 200
    check_problem(client.delete(answer["links"]["self"], headers=other), 404, "not-found")
    wrong = {"Authorization": f"Bearer {whole}x"}
    check_problem(client.get(V1, headers=wrong), 401, "no-key")
    keys.revoke(whole.split("_")[1])
    check_problem(client.get(V1, headers=bearer), 401, "no-key")
    assert client.get("/healthz").status_code == 200


def test_a_key_has_its_own_rate(client_with: Clients, picture_bytes: bytes) -> None:
    client = client_with(rate_per_minute=1)
    key = {"X-API-Key": keys_of(client).make("desk", rate_per_minute=3)}
    ask(client, picture_bytes)
    response = client.post(V1, files=files(picture_bytes))
    check_problem(response, 429, "too-many")
    assert 0 < int(response.headers["retry-after"]) <= 60
    for _ in range(3):
        ask(client, picture_bytes, headers=key)
    check_problem(client.post(V1, files=files(picture_bytes), headers=key), 429, "too-many")
    check_problem(client.post("/predict", files=files(picture_bytes)), 429, "too-many")


def test_rates_refill_and_clients_do_not_share() -> None:
    now = 0.0
    rates = Rates(lambda: now)
    assert [rates.wait("a", 60) for _ in range(60)] == [0.0] * 60
    assert rates.wait("a", 60) == pytest.approx(1)
    assert rates.wait("b", 60) == 0
    now = 1.0
    assert rates.wait("a", 60) == 0
    assert rates.wait("a", 60) == pytest.approx(1)
    assert rates.wait("c", 60, 100) == 0
    assert rates.wait("c", 60, 100) > 0
    assert rates.wait("a", 0) == 0


def test_private_histories_belong_to_browsers(client_with: Clients, picture_bytes: bytes) -> None:
    client = client_with(history="private")
    answer = ask(client, picture_bytes)
    assert client.get(V1).json()["total"] == 0
    check_problem(client.delete(answer["links"]["self"]), 404, "not-found")
    home = client.get("/")
    cookie = home.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    mine = ask(client, picture_bytes)
    assert [one["id"] for one in client.get(V1).json()["detections"]] == [mine["id"]]
    client.cookies.clear()
    client.get("/")
    assert client.get(V1).json()["total"] == 0


def test_foreign_names_and_pages_are_refused(client: TestClient, picture_bytes: bytes) -> None:
    for host in ("evil.example", "localhost.evil.example", "", "127.0.0.1.nip.io", "[::1"):
        check_problem(client.get("/v1/model", headers={"Host": host}), 421, "wrong-host")
    for host in ("localhost:5080", "127.0.0.1", "[::1]:5080", "LOCALHOST"):
        assert client.get("/v1/model", headers={"Host": host}).status_code == 200
    for headers in (
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
    ):  # fmt: skip
        sent = client.post(V1, files=files(picture_bytes), headers=headers)
        check_problem(sent, 403, "forbidden")
    ask(client, picture_bytes, headers={"Origin": "http://localhost"})


def test_cors_is_closed_unless_configured(
    client: TestClient, client_with: Clients, picture_bytes: bytes
) -> None:
    page = {"Origin": "https://newsroom.example"}
    assert "access-control-allow-origin" not in client.get("/v1/model", headers=page).headers
    opened = client_with(cors_origins=("https://newsroom.example",))
    response = opened.post(V1, files=files(picture_bytes), headers=page)
    assert response.status_code == 201
    assert response.headers["access-control-allow-origin"] == "https://newsroom.example"
    evil = opened.get("/v1/model", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in evil.headers


def test_head_is_answered_as_get_without_a_body(client: TestClient) -> None:
    for path in ("/", "/healthz", "/v1/model", "/nothing"):
        head, get = client.head(path), client.get(path)
        assert head.status_code == get.status_code
        assert head.headers["content-type"] == get.headers["content-type"]
        assert not head.content


@pytest.mark.parametrize("path", ["/", "/v1/model", "/nothing", "/static/style.css", "/docs"])
def test_every_response_is_safe_for_browsers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"


# Pictures that are kept


def test_pictures_are_not_kept_unless_asked_for(client_with: Clients, tmp_path: Path) -> None:
    client = client_with()
    answer = ask(client, encode(picture(300, 200)))
    assert answer["links"]["picture"] is None
    assert not (tmp_path / "data" / "pictures").exists()


def test_kept_pictures_go_by_hash_without_metadata_and_with_their_result(
    client_with: Clients, tmp_path: Path
) -> None:
    exif = picture().getexif()
    exif[0x010E] = "SECRET PLACE"
    data = encode(picture(300, 200), exif=exif)
    client = client_with(keep_pictures=True)
    first = client.post(V1, files=[("file", ("../../etc/evil.jpg", data))]).json()["detections"][0]
    second = ask(client, data)
    kept = [path for path in (tmp_path / "data" / "pictures").rglob("*") if path.is_file()]
    assert [path.name for path in kept] == [first["sha256"]]
    response = client.get(first["links"]["picture"])
    assert response.headers["content-type"] == "image/webp"
    assert b"SECRET" in data
    assert b"SECRET" not in response.content
    assert Image.open(io.BytesIO(response.content)).size == (300, 200)
    client.delete(first["links"]["self"])
    assert kept[0].exists()
    client.delete(second["links"]["self"])
    assert not kept[0].exists()
