"""The store, on SQLite and on a PostgreSQL server that the tests start themselves."""

from __future__ import annotations

import io
import os
import pwd
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine as Database
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from conftest import HOST
from pictures import encode, picture
from served import served_model
from unmask.detector.settings import DetectorSettings
from unmask.evidence.finding import Finding
from unmask.model.card import ModelCard
from unmask.model.model import ModelOutput
from unmask.picture.decode import Limits
from unmask.service.app import create_app
from unmask.service.settings import Settings
from unmask.service.store.database import DatabaseError, migrate, open_database
from unmask.service.store.keys import Keys
from unmask.service.store.outputs import (
    StoredFace,
    StoredOutput,
    output_key,
    pack,
    unpack,
    video_key,
)
from unmask.service.store.pictures import PictureFolder
from unmask.service.store.retention import forget
from unmask.service.store.store import NewDetection, Store
from unmask.service.store.tables import AnswerRow, Base

KEY = "f" * 64
FINDING = Finding("exif.camera", "EXIF", "camera", "weak", "A camera: Ä.", {"make": "Canon"})
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Start PostgreSQL in a folder of its own, on a socket only, and return its URL."""
    if not BINARIES:
        reason = "PostgreSQL is NOT TESTED: it is not installed (apt-get install postgresql)"
        warnings.warn(reason, stacklevel=1)
        pytest.skip(reason)
    programs = BINARIES[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="unmask-pg-"))
    # PostgreSQL refuses to run as root.
    as_user: dict[str, object] = {}
    user = pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == 0:
        user = "postgres"
        owner = pwd.getpwnam(user)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        as_user = {"user": user, "group": owner.pw_gid, "extra_groups": []}

    def run(program: str, *arguments: str) -> None:
        command = [programs / program, "-D", folder / "data", *arguments]
        log = folder / "log"
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, **as_user)  # type: ignore[call-overload]
        assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "")

    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    run("initdb", "--auth=trust", "--encoding=UTF8", "--no-sync", f"--username={user}")
    try:
        run("pg_ctl", "start", "--wait", "--log", str(folder / "log"), "-o", options)
        yield f"postgresql://{user}@/postgres?host={folder}"
    finally:
        run("pg_ctl", "stop", "--mode=immediate")
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'deep' / 'store.sqlite3'}"
    return str(request.getfixturevalue("postgresql"))


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = open_database(url)
    migrate(database)
    yield database
    with database.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
    database.dispose()


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database, KEY)


def stored(seed: int = 0) -> StoredOutput:
    rng = np.random.default_rng(seed)
    output = ModelOutput(
        float(rng.normal()), rng.normal(size=3).astype(np.float32),
        rng.normal(size=5).astype(np.float32),
        maps=rng.normal(size=(4, 5, 7, 7)).astype(np.float16).astype(np.float32),
    )  # fmt: skip
    return StoredOutput(640, 480, output)


def new(name: str = "photo.jpg", seed: int = 0, verdict: str = "real") -> NewDetection:
    result = {"verdict": verdict, "category": "other", "p_fake": 0.25, "sha256": f"{seed:064x}"}
    return NewDetection(name, f"{seed:064x}", stored(seed), result)


def answers_in(database: Database) -> int:
    with Session(database) as session:
        return session.scalar(select(func.count()).select_from(AnswerRow)) or 0


def test_outputs_of_other_models_and_settings_have_other_keys() -> None:
    card = ModelCard.read(ModelCard.path_for(served_model()))
    other = card.model_copy(update={"sha256": "0" * 64})
    settings = [
        DetectorSettings(), DetectorSettings(tta=True), DetectorSettings(provenance=False),
        DetectorSettings(trust="PEM"), DetectorSettings(faces=True),
    ]  # fmt: skip
    keys = {output_key(one, chosen) for one in (card, other) for chosen in settings}
    assert len(keys) == 10
    assert {len(key) for key in keys} == {64}
    # A picture's output is read anew; a video's verdict is what is stored.
    read = DetectorSettings(threshold=0.3, calibration="none", limits=Limits(9, 9), device="cpu")
    assert output_key(card, read) in keys
    assert video_key(card, read, "uniform") != video_key(card, DetectorSettings(), "uniform")
    assert video_key(card, read, "uniform") != video_key(card, read, "every")
    calibrated = card.model_copy(update={"calibration": card.alternatives["beta"]})
    assert video_key(calibrated, read, "every") != video_key(card, read, "every")


def test_an_output_survives_packing() -> None:
    before = stored()
    after = unpack(pack(before))
    assert after is not None
    assert (after.width, after.height) == (640, 480)
    assert after.output.logit == before.output.logit
    for name in ("category_logits", "view_logits", "maps"):
        assert (getattr(after.output, name) == getattr(before.output, name)).all()
        assert getattr(after.output, name).dtype == np.float32
    assert (after.output.graphic_logit, after.plain, after.faces) == (None, False, ())
    faces = (StoredFace((1, 2, 30, 40), 0.75, -1.25), StoredFace((5, 6, 7, 8), 0.5))
    output = replace(before.output, graphic_logit=-2.5, maps=None)
    full = unpack(pack(StoredOutput(9, 8, output, True, (FINDING,), faces)))
    assert full is not None
    assert (full.output.graphic_logit, full.output.maps) == (-2.5, None)
    assert (full.plain, full.evidence, full.faces) == (True, (FINDING,), faces)


def test_what_an_earlier_version_stored_is_not_misread() -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, size=np.array([1, 2]), fake=np.zeros(3))
    assert unpack(buffer.getvalue()) is None


def test_what_is_added_is_found_again(store: Store) -> None:
    (added,) = store.add("me", [new("ünï — 📷.jpg")])
    assert store.get(added.id) == added
    found = store.outputs(["0" * 64, "1" * 64])
    assert list(found) == ["0" * 64]
    assert found["0" * 64].output.logit == stored().output.logit
    one = store.output(added.id)
    assert one is not None
    assert (one.output.maps == stored().output.maps).all()


@pytest.mark.parametrize("id", ["", "x", "0" * 32, "0" * 31 + "\0", "' OR 1=1 --", "z" * 32])
def test_ids_that_nobody_has_find_nothing(store: Store, id: str) -> None:
    store.add("me", [new()])
    assert store.get(id) is None
    assert store.output(id) is None
    with pytest.raises(KeyError):
        store.delete("me", id)


def test_the_same_bytes_share_an_answer_until_the_last_is_deleted(
    store: Store, database: Database
) -> None:
    one, two, other = store.add("me", [new(), new(), new(seed=1)])
    assert answers_in(database) == 2
    assert store.delete("me", one.id) == (1, [])
    assert store.delete("me", two.id) == (1, ["0" * 64])
    assert answers_in(database) == 1
    assert store.get(other.id)


def test_another_model_answers_anew(store: Store, database: Database) -> None:
    store.add("me", [new()])
    assert Store(database, "e" * 64).outputs(["0" * 64]) == {}


def test_nobody_deletes_what_is_anothers(store: Store) -> None:
    (mine,) = store.add("me", [new()])
    with pytest.raises(KeyError):
        store.delete("you", mine.id)
    assert store.delete("you") == (0, [])
    assert store.page("you").total == 0
    assert store.get(mine.id)


def test_pages_go_on_where_the_last_one_ended(store: Store) -> None:
    store.add("me", [new(f"{number}.jpg", seed=number) for number in range(7)])
    names, before = [], None
    for _ in range(9):
        page = store.page("me", limit=3, before=before)
        assert page.total == 7
        names += [one.name for one in page.detections]
        before = page.next
        # What comes in meanwhile does not shift the pages after it.
        if before is None:
            break
    assert names == [f"{number}.jpg" for number in reversed(range(7))]


@pytest.mark.parametrize(
    ("search", "found"),
    [("CAT", ["Cat.jpg", "my cat_1.png"]), ("%", ["100%.jpg"]), ("_", ["my cat_1.png"]),
     ("\0", ["100%.jpg", "Cat.jpg", "my cat_1.png"]), ("'; DROP TABLE keys;", [])],
)  # fmt: skip
def test_search_takes_what_is_typed_literally(store: Store, search: str, found: list[str]) -> None:
    store.add("me", [new(name) for name in ("my cat_1.png", "Cat.jpg", "100%.jpg")])
    assert sorted(one.name for one in store.page("me", search=search).detections) == found


def test_verdicts_can_be_chosen(store: Store) -> None:
    store.add("me", [new(verdict=verdict) for verdict in ("real", "fake", "fake")])
    assert store.page("me", verdict="fake").total == 2


def test_old_results_and_pictures_are_forgotten(
    store: Store, database: Database, tmp_path: Path
) -> None:
    pictures = PictureFolder(tmp_path / "pictures")
    (old,) = store.add("me", [new(seed=1)])
    (young,) = store.add("me", [new(seed=2)])
    for seed in (1, 2, 3):
        pictures.keep(f"{seed:064x}", b"data")
    days = 86_400
    with database.begin() as connection:
        connection.execute(
            text("UPDATE detections SET created = :at WHERE id = :id"),
            {"at": (time.time() - 8 * days) * 1000 // 1, "id": old.id},
        )
    long_ago = time.time() - 31 * days
    os.utime(tmp_path / "pictures" / "00" / f"{3:064x}", (long_ago, long_ago))
    keep_all = Settings(data_dir=tmp_path)
    forget(keep_all, store, pictures)
    assert store.get(old.id)
    assert pictures.has(f"{1:064x}")
    assert not pictures.has(f"{3:064x}")
    forget(Settings(data_dir=tmp_path, keep_results_days=7), store, pictures)
    assert store.get(old.id) is None
    assert store.get(young.id)
    assert (pictures.has(f"{1:064x}"), pictures.has(f"{2:064x}")) == (False, True)
    assert answers_in(database) == 1


def test_many_writers_at_once_lose_nothing(store: Store, database: Database) -> None:
    def write(number: int) -> None:
        # The same few bytes over and over, deleted by half of the writers.
        (added,) = store.add(f"owner {number % 2}", [new(seed=number % 3)])
        if number % 2:
            store.delete("owner 1", added.id)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(write, range(120)))
    assert store.page("owner 0").total == 60
    assert store.page("owner 1").total == 0
    assert answers_in(database) == 3


def test_migrations_make_the_tables_that_the_code_uses(database: Database) -> None:
    migrate(database)
    with database.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []


def test_several_processes_may_migrate_at_once(url: str) -> None:
    def start(_: int) -> None:
        database = open_database(url)
        migrate(database)
        database.dispose()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))


def test_keys_are_kept_as_hashes(database: Database) -> None:
    keys = Keys(database)
    secret = keys.make("desk", ["detect"], 60)
    key = keys.check(secret)
    assert key is not None
    assert (key.name, key.scopes, key.rate_per_minute) == ("desk", frozenset(["detect"]), 60)
    with database.connect() as connection:
        stored = str(connection.execute(text("SELECT * FROM keys")).all())
    assert secret not in stored
    assert secret.split("_")[-1] not in stored
    assert keys.check("") is None
    assert keys.check("\0") is None
    keys.revoke(key.id)
    assert keys.check(secret) is None
    assert [one.revoked for one in keys.all()] == [True]
    with pytest.raises(ValueError, match="no key"):
        keys.revoke(key.id)
    with pytest.raises(ValueError, match="no scope 'all'"):
        keys.make("x", ["all"])


def test_a_service_runs_on_either(url: str, tmp_path: Path, database: Database) -> None:
    settings = Settings(model=served_model(), data_dir=tmp_path, database_url=url, decoders=1)
    with TestClient(create_app(settings), base_url=HOST) as client:
        upload = {"file": ("a.jpg", encode(picture(300, 300)))}
        answers = [client.post("/v1/detections", files=upload).json() for _ in range(2)]
        first, second = (one["detections"][0] for one in answers)
        assert (first["from_store"], second["from_store"]) == (False, True)
        assert client.get("/v1/detections?q=%00&limit=1").json()["total"] == 2
        assert client.get("/v1/detections/%00").status_code == 404
        assert client.get(first["links"]["heatmap"]).status_code == 200
        assert client.delete("/v1/detections").json() == {"deleted": 2}


def test_sqlite_writes_ahead(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    with database.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


@pytest.mark.parametrize(
    "url",
    ["nonsense", "sqlite:////proc/none/x.sqlite3", "postgresql://x@localhost:1/x", "mysql://x/y"],
)
def test_a_database_that_cannot_be_used_is_one_sentence(url: str) -> None:
    with pytest.raises(DatabaseError, match=r"\.$"):
        migrate(open_database(url))


@pytest.mark.parametrize("name", ["../x", "", "0" * 63, "/etc/passwd", "G" * 64])
def test_pictures_have_no_names_but_hashes(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        PictureFolder(tmp_path).keep(name, b"")
