"""The service on Ray Serve: two replicas under load, and a new model without a dropped request."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from pictures import encode, picture
from tiny import tiny_model
from unmask.model.card import ModelCard
from unmask.service.settings import Settings


@pytest.mark.slow
def test_a_new_model_comes_in_under_load_without_a_dropped_request(
    cluster: None, tmp_path: Path
) -> None:
    from unmask.service.ray_serve import application, deploy

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    first = tiny_model(tmp_path)
    second = shutil.copy(first, tmp_path / "second.onnx")
    card = ModelCard.read(ModelCard.path_for(first))
    card.model_copy(update={"name": "second"}).write(ModelCard.path_for(second))
    settings = Settings(model=first, data_dir=tmp_path, decoders=1)
    deploy(application(settings, least=2, most=2, cpus=0.5), host="127.0.0.1", port=port)
    assert httpx2.get(f"http://127.0.0.1:{port}/metrics").is_success
    seen: list[tuple[int, str]] = []
    stop = threading.Event()

    def load(thread: int) -> None:
        number = 0
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            while not stop.is_set():
                number += 1
                data = encode(picture(40, 36, 10_000 * thread + number))
                done = client.post("/v1/detections", files={"file": ("a.jpg", data)})
                name = done.json()["detections"][0]["model"]["name"] if done.is_success else ""
                seen.append((done.status_code, name))
                stop.wait(0.02)

    threads = [threading.Thread(target=load, args=(thread,)) for thread in range(3)]
    for thread in threads:
        thread.start()
    changed = settings.model_copy(update={"model": second})
    deploy(application(changed, least=2, most=2, cpus=0.5), host="127.0.0.1", port=port)
    after = len(seen)
    stop.wait(2)
    stop.set()
    for thread in threads:
        thread.join()
    assert {status for status, _ in seen} == {201}
    assert seen[0][1] == "tiny"
    assert {name for _, name in seen[after + 6 :]} == {"second"}
    assert len(seen) - after > 12


@pytest.fixture
def cluster() -> Iterator[None]:
    import ray
    from ray import serve

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield
        serve.shutdown()
        ray.shutdown()
