"""What strangers throw at a running server: it answers all of it and stays up."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from hostile import bombs, mutants, polyglots
from pictures import encode, picture
from servers import BOUNDARY, Answer, Server, form, serving

KIND = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
GOOD = encode(picture(300, 200))
MUTANTS = 500
# uvicorn ends in order and then dies of the signal, as a parent may want to know.
STOPPED = (0, -signal.SIGTERM)
BOMBS = (
    "jpeg header", "png header", "webp header", "gif header", "bmp header", "tiff header",
    "avif header", "heif header", "webp canvas", "png zeros", "png text", "tiff loop", "gif frames",
)  # fmt: skip
PROBLEM = "application/problem+json"


def resident_mb(server: Server) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found
    return int(found[1]) / 1024


def check_refused(answer: Answer, *statuses: int) -> None:
    assert answer.status in (statuses or range(400, 500)), answer.body
    assert answer.headers["content-type"] == PROBLEM
    assert b"Traceback" not in answer.body


def check_alive(server: Server) -> None:
    assert server.process.poll() is None
    assert server.post(("good.jpg", GOOD)).status == 201
    assert "Traceback" not in server.log.read_text(), server.log.read_text()


def raw(server: Server, *pieces: bytes, pause: float = 0, timeout: float = 30) -> bytes:
    """Send bytes as they are and return all that comes back."""
    with socket.create_connection(("localhost", server.port), timeout=timeout) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        except (BrokenPipeError, ConnectionResetError):
            pass  # Refused before the end; the answer may still be read.
        got = b""
        try:
            while part := connection.recv(65_536):
                got += part
        except ConnectionResetError:
            pass
        return got


def head(*lines: str, path: str = "/v1/detections") -> bytes:
    first = (f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", *lines)
    return "\r\n".join((*first, "", "")).encode()


def test_mutated_pictures_are_answered_or_refused(server: Server) -> None:
    def send(data: bytes) -> int:
        answer = server.post(("mutant", data))
        if answer.status != 201:
            check_refused(answer, 413, 415)
        return answer.status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(send, mutants(MUTANTS, seed=1)))
    assert statuses.count(201) > MUTANTS / 20
    assert statuses.count(415) > MUTANTS / 20
    check_alive(server)


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_do_not_go_off(server: Server, name: str) -> None:
    data = bombs()[name]
    assert len(data) < 2 * 2**20
    assert set(bombs()) == set(BOMBS)
    before = resident_mb(server)
    started = time.monotonic()
    answer = server.post((name, data))
    # What a decoder takes as a smaller picture after all may be answered.
    if answer.status != 201:
        check_refused(answer, 413, 415)
    assert time.monotonic() - started < 20
    assert resident_mb(server) - before < 100
    if name.endswith("header"):
        assert answer.status in (413, 415)
    check_alive(server)


def test_polyglots_are_pictures_or_refused_and_never_served(server: Server) -> None:
    for name, data in polyglots().items():
        answer = server.post((f"{name}.html", data))
        if answer.status == 201:
            (detection,) = answer.json["detections"]
            page = server.ask("GET", detection["links"]["page"])
            assert b"alert(1)" not in page.body
            assert detection["links"]["picture"] is None
        else:
            check_refused(answer, 415)
    check_alive(server)


@pytest.mark.parametrize(
    "name",
    ['"><script>alert(1)</script>.jpg', "../../../etc/passwd", "a\r\nSet-Cookie: x=1", "\0.jpg",
     "x" * 5000, "x" * 2000, "名前.jpg", "‮gpj.exe", "", "%00", "CON", "{{7*7}}"],
)  # fmt: skip
def test_hostile_names_are_shown_and_nothing_else(server: Server, name: str) -> None:
    safe = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
    answer = server.post((safe, GOOD))
    if len(name) > 4000:
        check_refused(answer, 400)
        return
    assert answer.status == 201
    (detection,) = answer.json["detections"]
    assert len(detection["name"]) <= 255
    page = server.ask("GET", detection["links"]["page"]).body.decode()
    assert "<script>alert" not in page
    assert "49" not in detection["name"]
    assert server.ask("GET", "/history", accept="text/html").status == 200


def test_a_body_in_chunks_of_one_byte_is_answered(server: Server) -> None:
    body = form(("tiny.png", encode(picture(40, 40), "GIF")))
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    answer = raw(server, head(KIND, "Transfer-Encoding: chunked"), chunks)
    assert b" 201 " in answer.splitlines()[0]
    pieces = [body[at : at + 1] for at in range(len(body))]
    answer = raw(server, head(KIND, f"Content-Length: {len(body)}"), *pieces)
    assert b" 201 " in answer.splitlines()[0]
    check_alive(server)


def test_a_slow_body_is_given_up(server: Server) -> None:
    started = time.monotonic()
    part = form(("x.jpg", GOOD))[:50]
    slow = raw(server, head(KIND, "Content-Length: 5000"), part, *[b"x"] * 12, pause=0.5)
    assert b" 408 " in slow.splitlines()[0]
    assert PROBLEM.encode() in slow
    assert time.monotonic() - started < 15
    check_alive(server)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", form(("x.jpg", GOOD))),
        ("multipart/form-data; boundary=", form(("x.jpg", GOOD))),
        ("multipart/form-data; boundary=other", form(("x.jpg", GOOD))),
        (f"multipart/form-data; boundary={BOUNDARY}", form(("x.jpg", GOOD))[:-60]),
        (f"multipart/form-data; boundary={BOUNDARY}", b""),
        (f"multipart/form-data; boundary={BOUNDARY}", b"--" + BOUNDARY.encode() + b"--\r\n"),
        (f"multipart/form-data; boundary={BOUNDARY}", bytes(5000)),
        (f"multipart/form-data; boundary={'b' * 5000}", form(("x.jpg", GOOD))),
        (f"multipart/form-data; boundary={BOUNDARY}; charset=utf-7", b"--x\r\n"),
        (
            f"multipart/form-data; boundary={BOUNDARY}",
            b"--" + BOUNDARY.encode() + b"\r\n" + b"X-A: " + b"y" * 100_000 + b"\r\n\r\n",
        ),
        (
            f"multipart/form-data; boundary={BOUNDARY}",
            b"".join(
                b'--%s\r\nContent-Disposition: form-data; name="%d"\r\n\r\nx\r\n'
                % (BOUNDARY.encode(), number)
                for number in range(5000)
            ),
        ),
        ("image/jpeg", GOOD),
        ("application/x-www-form-urlencoded", b"file=x"),
        ("text/plain; charset=\xff", b"x"),
        ("", GOOD),
    ],
)
def test_broken_forms_are_refused(server: Server, kind: str, body: bytes) -> None:
    lines = (f"Content-Length: {len(body)}", *([f"Content-Type: {kind}"] if kind else []))
    answer = raw(server, head(*lines), body)
    assert re.match(rb"HTTP/1.1 4\d\d ", answer), answer[:500]
    assert PROBLEM.encode() in answer
    check_alive(server)


@pytest.mark.parametrize(
    "request_bytes",
    [b"\x16\x03\x01\x02\0\x01\0\x01\xfc", b"GET / HTTP/9.9\r\n\r\n", bytes(2000), b"GET\r\n\r\n",
     head("Content-Length: -5"), head("Content-Length: x"), head("Content-Length: 1" + "0" * 30),
     head("Transfer-Encoding: chunked") + b"zz\r\n",
     b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n"],
)  # fmt: skip
def test_what_is_no_http_does_no_harm(server: Server, request_bytes: bytes) -> None:
    answer = raw(server, request_bytes, timeout=10)
    assert not answer or re.match(rb"HTTP/1.1 4\d\d ", answer), answer[:300]
    check_alive(server)


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Server]:
    """Return a server that waits long for a body: two hundred at once take a busy machine long."""
    with serving(tmp_path, max_file_mb=2, max_files=2, body_seconds=60, decoders=1) as server:
        yield server


@pytest.mark.slow
def test_two_hundred_oversize_uploads_at_once_are_refused(patient: Server) -> None:
    server = patient
    before = resident_mb(server)
    # Together more than twice the memory that they may take.
    too_much = 5 * 2**20
    block = bytes(2**20)

    def declared(_: int) -> bytes:
        pieces = [block] * (too_much // len(block))
        return raw(server, head(KIND, f"Content-Length: {too_much}"), *pieces, timeout=60)

    def chunked(_: int) -> bytes:
        piece = b"%x\r\n" % len(block) + block + b"\r\n"
        start = form(("big.jpg", b""))[:150]
        first = b"%x\r\n" % len(start) + start + b"\r\n"
        pieces = [first, *[piece] * (too_much // len(block)), b"0\r\n\r\n"]
        return raw(server, head(KIND, "Transfer-Encoding: chunked"), *pieces, timeout=60)

    with ThreadPoolExecutor(200) as pool:
        answers = [pool.submit(declared if n % 2 else chunked, n) for n in range(200)]
        firsts = [answer.result()[:13] for answer in answers]
    assert set(firsts) == {b"HTTP/1.1 413 "}, set(firsts)
    assert resident_mb(server) - before < 400
    check_alive(server)


def test_a_picture_too_large_among_others_costs_its_entry(server: Server) -> None:
    answer = server.post(("big.jpg", bytes(2 * 2**20 + 1)), ("good.jpg", GOOD))
    assert answer.status == 201
    assert answer.json["problems"][0]["status"] == 413
    assert len(answer.json["detections"]) == 1


def test_clients_that_leave_do_no_harm(server: Server) -> None:
    body = form(("x.jpg", GOOD))
    for end in (0, 10, len(body) // 2, len(body)):
        with socket.create_connection(("localhost", server.port)) as connection:
            connection.sendall(head(KIND, f"Content-Length: {len(body)}") + body[:end])
    time.sleep(0.3)
    check_alive(server)


def test_a_killed_decoder_costs_at_most_its_picture(server: Server) -> None:
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    decoders = []
    for child in children.read_text().split():
        if b"decode_worker" in Path(f"/proc/{child}/cmdline").read_bytes():
            decoders.append(int(child))
    assert decoders
    for decoder in decoders:
        os.kill(decoder, signal.SIGKILL)
    statuses = [server.post(("x.jpg", GOOD + bytes(n))).status for n in range(2 * len(decoders))]
    assert statuses.count(201) >= len(decoders)
    check_alive(server)


def test_stopping_finishes_what_was_accepted(tmp_path: Path) -> None:
    with serving(tmp_path, processes=1) as server, ThreadPoolExecutor(12) as pool:
        answers = [
            pool.submit(server.post, (f"{n}.jpg", encode(picture(900, 700, n)))) for n in range(12)
        ]
        time.sleep(0.3)
        assert server.stop() in STOPPED
        statuses = []
        for answer in answers:
            with suppress(ConnectionError):  # Not accepted before the stop.
                statuses.append(answer.result().status)
        assert statuses
        assert set(statuses) == {201}
        with pytest.raises(ConnectionError):
            server.ask("GET", "/healthz")
        assert "Traceback" not in server.log.read_text()


def test_several_processes_share_one_memory(tmp_path: Path) -> None:
    with serving(tmp_path, "--processes", "2", decoders=1) as server:
        with ThreadPoolExecutor(8) as pool:
            work = [(f"{n}.jpg", encode(picture(200, 200, n % 5))) for n in range(24)]
            answers = list(pool.map(server.post, work))
        assert {answer.status for answer in answers} == {201}
        by_hash: dict[str, set[float]] = {}
        for answer in answers:
            (one,) = answer.json["detections"]
            by_hash.setdefault(one["sha256"], set()).add(one["p_fake"])
        assert len(by_hash) == 5
        assert all(len(values) == 1 for values in by_hash.values())
        assert server.ask("GET", "/v1/detections").json["total"] == 24
        counted = re.findall(
            r"unmask_detections_total\{.*?\} (\d+)", server.ask("GET", "/metrics").body.decode()
        )
        assert sum(map(int, counted)) == 24
        assert server.stop() in STOPPED
