"""The page as the server sends it, without a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from conftest import Clients
from pictures import encode, picture
from served import served_model
from unmask.model.card import ModelCard
from unmask.service.page.words import HERE, gauge_words, percent, texts

PAGES = ("/", "/history", "/about", "/docs", "/key")
HTML = {"Accept": "text/html,application/xhtml+xml"}
SOURCES = [*(HERE / "templates").glob("*.html"), *(HERE / "static").glob("*.js")]
SOURCES += HERE.glob("*.py")


def leaves(node: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(node, dict):
        return [leaf for name, one in node.items() for leaf in leaves(one, (*path, name))]
    return [path]


@pytest.mark.parametrize("path", PAGES)
def test_pages_carry_no_code_and_ask_nobody_else(client: TestClient, path: str) -> None:
    response = client.get(path, headers=HTML)
    assert response.status_code == 200
    html = response.text
    assert html.startswith("<!doctype html>")
    assert '<html lang="en">' in html
    assert html.count("<h1") == 1
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=|javascript:", html)
    sources = re.findall(r'(?:src|href|action)="([^"]*)"', html)
    assert sources
    assert all(source.startswith(("/", "#")) for source in sources), sources


def test_scripts_and_styles_ask_nobody_else() -> None:
    for path in (HERE / "static").iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
        assert "eval(" not in text
        assert "innerHTML" not in text


def test_every_string_is_used_and_every_place_is_filled(client: TestClient) -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    for leaf in leaves(texts()):
        # The last names of some are looked up by a value: a verdict, a category, a heading.
        name = leaf[-1]
        by_value = leaf[0] in ("category", "calibration") or leaf[1:2] in (
            ("items",),
            ("decided_by",),
            ("reason",),
        )
        assert by_value or re.search(rf"\b{name}\b", code), ".".join(leaf)
    for path in PAGES:
        assert not re.search(r"\{\w+\}", re.sub(r"<code>.*?</code>", "", client.get(path).text))


def test_words_are_not_in_templates() -> None:
    for path in (HERE / "templates").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<[^>]*>|\{#.*?#\}", " ", text, flags=re.DOTALL)
        words = set(re.findall(r"[A-Za-z]{3,}", text)) - {"curl", "file", "photo", "jpg", "UTC"}
        assert words <= {"detections", "openapi", "json", "lower"}, (path.name, words)


def test_the_plain_form_answers_without_scripts(client: TestClient) -> None:
    exif = picture().getexif()
    exif[0x010E] = "SECRET"
    data = encode(picture(400, 300, 9), exif=exif)
    sent = [("file", ("one.jpg", data)), ("file", ("bad.txt", b"text"))]
    response = client.post("/", files=sent, headers=HTML)
    assert response.status_code == 200
    html = response.text
    assert html.count('data-card="') == 1
    assert "data:image/webp;base64," in html
    assert "bad.txt has no answer" in html
    assert "<noscript>" in html
    assert re.search(r'<svg class="gauge".*?aria-label="(?:under |over )?\d+ %', html, re.DOTALL)
    (heatmap,) = set(re.findall(r'src="(/v1/detections/\w+/heatmap.png\?head=fake)"', html))
    assert client.get(heatmap).status_code == 200


def test_the_plain_form_says_what_is_wrong(client: TestClient) -> None:
    for sent, status in (
        ({"files": {"file": ("x.txt", b"text")}}, 415),
        ({"files": {"file": ("", b"")}}, 422),
        ({}, 422),
    ):
        response = client.post("/", headers=HTML, **sent)  # type: ignore[arg-type]
        assert response.status_code == status
        assert response.headers["content-type"].startswith("text/html")
        assert "<h1>" in response.text
    assert client.get("/nothing", headers=HTML).status_code == 404
    assert "<h1>" in client.get("/nothing", headers=HTML).text
    # Programs get documents, whatever they accept besides.
    document = client.get("/v1/nothing", headers=HTML)
    assert document.headers["content-type"] == "application/problem+json"


def test_history_by_plain_forms(client_with: Clients) -> None:
    client = client_with()
    for name in ("<b>cat</b>.jpg", "dog.jpg"):
        client.post("/", files={"file": (name, encode(picture(90, 90)))})
    html = client.get("/history").text
    assert "&lt;b&gt;cat" in html
    assert "<b>cat" not in html
    assert "2 results" in html
    assert "1 result<" in client.get("/history", params={"q": "dog"}).text
    (id,) = re.findall(r'name="id" value="(\w+)"', client.get("/history?q=dog").text)
    response = client.post("/history/delete", data={"id": id}, follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (303, "/history")
    assert client.get(f"/detections/{id}", headers=HTML).status_code == 404
    client.post("/history/delete", data={"all": "1"})
    assert texts()["history"]["empty"] in client.get("/history").text
    evil = {"Origin": "https://evil.example"}
    assert client.post("/history/delete", data={"all": "1"}, headers=evil).status_code == 403


def test_a_page_that_needs_a_key_asks_for_it(client_with: Clients, picture_bytes: bytes) -> None:
    client = client_with(require_key=True)
    response = client.get("/", headers=HTML, follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (303, "/key")
    assert client.post("/key", data={"key": "wrong"}).status_code == 401
    secret = client.app.state.services.keys.make("desk")  # type: ignore[attr-defined]
    client.post("/key", data={"key": f" {secret} "})
    assert client.get("/", follow_redirects=False).status_code == 200
    assert client.post("/v1/detections", files={"file": ("x", picture_bytes)}).status_code == 201
    client.post("/key", data={"key": ""})
    assert client.get("/", headers=HTML, follow_redirects=False).status_code == 303


def test_percents_never_claim_certainty() -> None:
    assert [percent(p) for p in (0.0, 0.004, 0.5, 0.996, 1.0)] == [
        "under 1", "under 1", "50", "over 99", "over 99",
    ]  # fmt: skip


def test_the_gauge_is_put_in_words() -> None:
    detection = {"p_fake": 0.5, "band": {"real_below": 0.2, "fake_from": 0.9}, "forced": False}
    assert "Below 20 % we say real, from 90 % on fake" in gauge_words(detection)
    # A band without width is no threshold: a card may have it.
    narrow = detection | {"band": {"real_below": 0.4, "fake_from": 0.4}}
    assert "unsure" in gauge_words(narrow)
    assert "unsure" not in gauge_words(narrow | {"forced": True})


def test_static_files_are_there_and_nothing_beside_them(client: TestClient) -> None:
    for path in (HERE / "static").iterdir():
        response = client.get(f"/static/{path.name}")
        assert response.content == path.read_bytes()
        assert "max-age" in response.headers["cache-control"]
    for name in ("../routes.py", "..%2froutes.py", "%2e%2e/routes.py", "", "."):
        assert client.get(f"/static/{name}").status_code == 404


def test_the_stylesheet_is_one_file() -> None:
    assert [path.name for path in Path(HERE / "static").glob("*.css")] == ["style.css"]


def test_about_says_what_the_model_does_on_generators_it_never_met(client: TestClient) -> None:
    unseen = ModelCard.read(ModelCard.path_for(served_model())).unseen
    assert unseen is not None
    assert unseen.wrong is not None
    html = client.get("/about", headers=HTML).text
    assert f"{100 * unseen.wrong[0]:.0f} % of its answers were wrong" in html
    assert client.get("/v1/model").json()["unseen"]["generators"] == unseen.generators
