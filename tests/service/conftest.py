"""Services that several tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from served import served_model
from servers import Server, serving
from unmask.model.open import open_model

EXAMPLES = Path(__file__).parents[2] / "examples"
HOST = "http://localhost"
Clients = Callable[..., TestClient]


@pytest.fixture(scope="session", autouse=True)
def one_model() -> Iterator[None]:
    """Load each model once for all services of this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unmask.service.app.open_model", cache(open_model))
        yield


@pytest.fixture(scope="session")
def examples() -> list[Path]:
    return sorted(EXAMPLES.glob("*.jpg"))


@pytest.fixture(scope="session")
def picture_bytes(examples: list[Path]) -> bytes:
    return examples[0].read_bytes()


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Return a client of a service with the settings that everybody gets."""
    from unmask.service.app import create_app
    from unmask.service.settings import Settings

    settings = Settings(
        model=served_model(), data_dir=tmp_path_factory.mktemp("service"), decoders=1
    )
    with TestClient(create_app(settings), base_url=HOST) as client:
        yield client


@pytest.fixture(scope="session")
def shipped_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Return a client of a service with the shipped model, for what only that one answers."""
    from unmask.service.app import create_app
    from unmask.service.settings import Settings

    settings = Settings(data_dir=tmp_path_factory.mktemp("shipped"), decoders=1)
    with TestClient(create_app(settings), base_url=HOST) as client:
        yield client


@pytest.fixture
def client_with(tmp_path: Path) -> Iterator[Clients]:
    """Return a function that makes a client of a service with other settings."""
    from unmask.service.app import create_app
    from unmask.service.settings import Settings

    with ExitStack() as stack:

        def make(**settings: object) -> TestClient:
            usual = {"model": served_model(), "data_dir": tmp_path / "data", "decoders": 1}
            chosen = Settings(**{**usual, **settings})
            return stack.enter_context(TestClient(create_app(chosen), base_url=HOST))

        yield make


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a real server with tight limits."""
    folder = tmp_path_factory.mktemp("server")
    limits = {"max_file_mb": 2, "max_files": 4, "body_seconds": 4, "decode_seconds": 10}
    with serving(folder, **limits) as server:
        yield server
