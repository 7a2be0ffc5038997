"""The page in real Chromium, as people use it."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL.PngImagePlugin import PngInfo

from clips import clip, frames
from pictures import encode, picture
from servers import Server, serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SLOW = 60_000
Open = Callable[..., Any]


def loud_skip(reason: str) -> None:
    warnings.warn(reason, stacklevel=1)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM:
        loud_skip("the page is NOT TESTED in a browser: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("site"), max_file_mb=2) as server:
        yield server


@pytest.fixture
def opened(browser: Any, site: Server) -> Iterator[Open]:
    """Return a function that opens a page; any error or refused resource on it fails the test."""
    contexts, complaints = [], []

    def open_page(path: str = "/", width: int = 1440, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SLOW)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: note(message))
        page.goto(site.url + path)
        if options.get("java_script_enabled", True):
            # Scripts fetch their texts first: an event right after loading can come too early.
            page.wait_for_selector("html[data-scripts]", state="attached")
        return page

    def note(message: Any) -> None:
        # A refused upload is told as an error by the browser itself.
        if message.type == "error" and "responded with a status of" not in message.text:
            complaints.append(message.text)

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def photo(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "photo.jpg", seed: int = 0, **size: int) -> Path:
        path = tmp_path / name
        path.write_bytes(encode(picture(seed=seed, **({"width": 400, "height": 300} | size))))
        return path

    return write


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "clip.webm"
    path.write_bytes(clip(frames(12, 160, 120), "webm", rate=4))
    return path


def choose(page: Any, *paths: Path) -> None:
    page.set_input_files("form[data-ask] input[multiple]", [str(path) for path in paths])


def wait_for_cards(page: Any, count: int = 1) -> Any:
    page.wait_for_function(
        "count => document.querySelectorAll('[data-card] [data-picture]').length >= count",
        arg=count,
    )
    return page.locator("[data-card]")


def test_upload_shows_the_answer_with_its_picture(opened: Open, photo: Any) -> None:
    page = opened()
    choose(page, photo())
    card = wait_for_cards(page).first
    assert card.locator("h2").inner_text()
    assert card.locator(".kicker").inner_text() == "photo.jpg"
    assert re.search(r"\d+ % on a scale", card.locator(".gauge").get_attribute("aria-label"))
    mark = card.locator(".gauge__mark").bounding_box()
    gauge = card.locator(".gauge").bounding_box()
    shown = (mark["x"] + mark["width"] / 2 - gauge["x"]) / gauge["width"]
    link = card.get_by_role("link", name="JSON").get_attribute("href")
    detection = page.request.get(page.url.rstrip("/") + link).json()
    assert shown == pytest.approx(detection["p_fake"], abs=0.01)
    band = card.locator(".gauge__unsure").bounding_box()["width"] / gauge["width"]
    wanted = detection["band"]["fake_from"] - detection["band"]["real_below"]
    assert band == pytest.approx(wanted, abs=0.01)
    assert "proves nothing" in card.locator(".caution").inner_text()
    assert page.locator("[data-speech]").inner_text().startswith("photo.jpg: ")


def test_a_video_shows_its_timeline_and_moments(opened: Open, film: Path) -> None:
    page = opened()
    choose(page, film)
    card = wait_for_cards(page).first
    assert card.locator("video[data-picture]").count() == 1
    assert card.locator("svg.timeline polyline").get_attribute("points")
    assert card.locator(".moments img:visible").count() >= 1
    card.locator("button:has-text('Delete')").click()
    page.wait_for_function("() => !document.querySelector('[data-card]')")


def test_what_the_file_says_is_shown(opened: Open, tmp_path: Path) -> None:
    prompt = PngInfo()
    prompt.add_text(
        "parameters", "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, Seed: 1"
    )
    path = tmp_path / "prompt.png"
    path.write_bytes(encode(picture(300, 300), "PNG", pnginfo=prompt))
    page = opened()
    choose(page, path)
    says = wait_for_cards(page).first.locator(".says")
    assert "PNG text" in says.inner_text()
    says.locator("summary").first.click()
    assert "Negative prompt" in says.inner_text()


def test_who_chooses_before_the_scripts_are_there_is_not_forgotten(
    opened: Open, photo: Any
) -> None:
    page = opened("/about")
    page.route("**/ask.js", lambda route: (page.wait_for_timeout(500), route.continue_()))
    page.goto(page.url.replace("/about", "/"), wait_until="commit")
    choose(page, photo())
    wait_for_cards(page)


def test_two_at_once_each_get_their_own_answer(opened: Open, photo: Any) -> None:
    page = opened()
    choose(page, *(photo(f"{n}.jpg", n) for n in range(3)))
    wait_for_cards(page, 3)
    assert page.locator("[data-card] .kicker").all_inner_texts() == ["0.jpg", "1.jpg", "2.jpg"]
    sources = page.locator("[data-card] [data-picture]").evaluate_all("all => all.map(i => i.src)")
    assert len(set(sources)) == 3


def test_progress_and_preview_are_there_before_the_answer(opened: Open, photo: Any) -> None:
    page = opened()
    page.route("**/v1/detections", lambda route: None)
    choose(page, photo())
    work = page.locator(".work")
    work.locator("img").wait_for()
    assert work.locator("progress").count() == 1
    assert page.evaluate("document.querySelector('.work img').naturalWidth") == 400


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_paste_and_drop(opened: Open, photo: Any, event: str) -> None:
    page = opened()
    page.evaluate(
        """([event, bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "moved.jpg"));
            const init = { bubbles: true, cancelable: true };
            document.body.dispatchEvent(event === "paste"
                ? new ClipboardEvent("paste", { ...init, clipboardData: transfer })
                : new DragEvent("drop", { ...init, dataTransfer: transfer }));
        }""",
        [event, list(photo().read_bytes())],
    )
    assert wait_for_cards(page).locator(".kicker").inner_text() == "moved.jpg"


def test_a_wrong_file_is_told_in_a_sentence(opened: Open, photo: Any, tmp_path: Path) -> None:
    page = opened()
    wrong, large = tmp_path / "notes.txt", tmp_path / "large.jpg"
    wrong.write_text("no picture")
    large.write_bytes(bytes(3 * 2**20))
    choose(page, wrong, large, photo())
    wait_for_cards(page)
    page.wait_for_function("() => document.querySelectorAll('.work--failed').length === 2")
    told = page.locator(".work--failed [data-state]").all_inner_texts()
    assert told == [
        "This is not a picture but a text file; unmask reads JPEG, PNG, WebP, GIF, BMP, TIFF, "
        "AVIF, HEIC and the JPEG in camera raws.",
        "This file is larger than the limit of 2 MB.",
    ]
    page.locator(".work--failed").first.get_by_role("button", name="Dismiss").click()
    assert page.locator(".work--failed").count() == 1


def test_a_busy_service_is_tried_again(opened: Open, photo: Any) -> None:
    page = opened()
    calls = []

    def busy_once(route: Any) -> None:
        calls.append(1)
        if len(calls) > 1:
            route.continue_()
        else:
            route.fulfill(status=503, headers={"Retry-After": "1"}, body="{}")

    page.route("**/v1/detections", busy_once)
    choose(page, photo())
    wait_for_cards(page)
    assert len(calls) == 2


def test_no_connection_is_told_and_can_be_tried_again(opened: Open, photo: Any) -> None:
    page = opened()
    page.route("**/v1/detections", lambda route: route.fulfill(status=499, body="gone"))
    choose(page, photo())
    page.locator(".work--failed").wait_for()
    page.unroute("**/v1/detections")
    page.get_by_role("button", name="Try again").click()
    wait_for_cards(page)


def test_the_heatmap_follows_its_slider_and_heads(opened: Open, photo: Any) -> None:
    page = opened()
    choose(page, photo())
    card = wait_for_cards(page).first
    heat = card.locator("[data-heat]")
    assert heat.is_hidden()
    card.locator("[data-head=fake]").check(force=True)
    page.wait_for_function("() => document.querySelector('[data-heat]').naturalWidth > 0")
    assert heat.is_visible()
    assert heat.bounding_box() == card.locator("[data-picture]").bounding_box()
    slider = card.get_by_role("slider", name="Strength")
    for value in ("0", "35", "100"):
        slider.fill(value)
        assert float(heat.evaluate("h => getComputedStyle(h).opacity")) == int(value) / 100
    first = heat.get_attribute("src")
    card.locator("[data-head=category]").check(force=True)
    assert heat.get_attribute("src") != first
    assert "head=category" in heat.get_attribute("src")
    card.locator("[data-head=none]").check(force=True)
    assert heat.is_hidden()


def test_history_is_searched_and_deleted(opened: Open, photo: Any) -> None:
    page = opened()
    choose(page, photo("needle.jpg", 50), photo("straw.jpg", 51))
    wait_for_cards(page, 2)
    page.get_by_role("link", name="History").click()
    page.get_by_label("Name contains").fill("needle")
    page.get_by_role("button", name="Search").click()
    rows = page.locator(".row")
    assert rows.count() == 1
    page.get_by_role("button", name="Delete the result for needle.jpg").click()
    page.get_by_label("Name contains").fill("needle")
    page.get_by_role("button", name="Search").click()
    assert "No result matches." in page.locator("main").inner_text()


def test_a_card_is_deleted_where_it_is(opened: Open, photo: Any) -> None:
    page = opened()
    choose(page, photo(seed=60))
    card = wait_for_cards(page).first
    link = card.get_by_role("link", name="Open by itself").get_attribute("href")
    card.get_by_role("button", name="Delete").click()
    page.wait_for_function("() => !document.querySelector('[data-card]')")
    assert page.request.get(page.url.rstrip("/") + link).status == 404


def test_a_result_prints_on_one_page_and_downloads_as_json(
    opened: Open, photo: Any, tmp_path: Path
) -> None:
    page = opened()
    choose(page, photo())
    card = wait_for_cards(page).first
    with page.expect_download() as download:
        card.get_by_role("link", name="JSON").click()
    assert json.loads(Path(download.value.path()).read_text())["name"] == "photo.jpg"
    page.evaluate("window.print = () => { window.printed = document.body.className; }")
    card.get_by_role("button", name="Print").click()
    assert page.evaluate("window.printed") == "printing-one"
    page.emulate_media(media="print")
    assert card.locator("h2").is_visible()
    assert page.locator("[data-ask]").is_hidden()
    assert page.get_by_role("button").count() == 0
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 2


def test_dark_and_light_follow_the_system_and_the_switch(opened: Open) -> None:
    def brightness(page: Any) -> int:
        colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3])) // 3

    dark, light = opened(color_scheme="dark"), opened(color_scheme="light")
    assert brightness(dark) < 60
    assert brightness(light) > 200
    light.get_by_role("button", name="Dark or light").click()
    assert brightness(light) < 60
    light.reload()
    assert brightness(light) < 60


def test_all_works_without_scripts(opened: Open, photo: Any) -> None:
    page = opened(java_script_enabled=False)
    page.set_input_files("input[name=file]", [str(photo("plain.jpg", 70))])
    page.get_by_role("button", name="Check", exact=True).click()
    card = page.locator("[data-card]")
    assert card.locator("h2").inner_text()
    assert card.locator("[data-picture]").first.is_visible()
    assert page.locator("noscript .stage__heat").is_visible()
    assert page.locator(".heat").is_hidden()
    card.get_by_role("link", name="Open by itself").click()
    page.get_by_role("button", name="Delete").click()
    assert page.url.endswith("/history")
    assert "plain.jpg" not in page.locator("main").inner_text()


def test_the_keyboard_is_enough(opened: Open, photo: Any) -> None:
    page = opened()
    # The driver takes file choosers over from now on; asked for only when a key is pressed, it can
    # come too late, and Chromium then opens a chooser of its own that nobody sees.
    page.on("filechooser", lambda chooser: None)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "file"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(str(photo()))
    card = wait_for_cards(page).first
    card.locator("[data-head=none]").focus()
    page.keyboard.press("ArrowRight")
    assert card.locator("[data-head=fake]").is_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("Home")
    assert card.locator("[data-strength]").input_value() == "0"


@pytest.mark.parametrize("width", [360, 1440])
def test_nothing_sticks_out(opened: Open, photo: Any, width: int) -> None:
    page = opened(width=width)
    choose(page, photo("a-name-without-any-place-to-break-it-" * 5 + ".jpg", width=900, height=200))
    wait_for_cards(page)
    for details in page.locator("details").all():
        details.evaluate("one => { one.open = true; }")
    sticks_out = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(sticks_out)
    for path in ("/history", "/about", "/docs", "/key", "/nothing"):
        page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/")[2] + path)
        assert not page.evaluate(sticks_out), path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened: Open, photo: Any, film: Path, scheme: str) -> None:
    if not AXE.exists():
        loud_skip("accessibility is NOT TESTED: make axe (npm's axe-core) makes it so")
    # axe is run by the driver; the page's own policy lets no foreign script in.
    page = opened(color_scheme=scheme, bypass_csp=True)
    home = page.url.rstrip("/")
    choose(page, photo("good.jpg"), photo("other.jpg", 3), film)
    cards = wait_for_cards(page, 3)
    cards.first.locator("[data-head=fake]").check(force=True)
    video = cards.last.get_by_role("link", name="Open by itself").get_attribute("href")
    cards.first.locator("details").last.evaluate("one => { one.open = true; }")
    result = cards.first.get_by_role("link", name="Open by itself").get_attribute("href")
    for path in (None, result, video, "/history", "/about", "/docs", "/key", "/nothing"):
        if path:
            page.goto(home + path)
        page.evaluate(AXE.read_text())
        found = page.evaluate("axe.run(document)")
        serious = [
            f"{path}: {one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == []
