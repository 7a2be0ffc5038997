"""What sources stand for, and that their bytes arrive."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pictures import encode, picture
from scanning import by_name, read_rows, run_scan, write_pictures
from tiny import shared_tiny_model
from unmask.picture.decode import DEFAULT_LIMITS
from unmask.picture.errors import PictureError
from unmask.scan.item_reader import ItemReader
from unmask.scan.items import Item, items_table, table_items
from unmask.scan.parquet_source import picture_column
from unmask.scan.sources import list_items


def read_all(*sources: object, column: str | None = None) -> dict[str, bytes | str]:
    """Return the bytes, or the error, of everything that sources stand for, by name."""
    reader = ItemReader(column, DEFAULT_LIMITS)
    found: dict[str, bytes | str] = {}
    for item in table_items(items_table(list_items([str(source) for source in sources], column))):
        try:
            found[item.path] = reader.read(item)
        except PictureError as error:
            found[item.path] = str(error)
    return found


@pytest.fixture
def three(tmp_path: Path) -> dict[str, bytes]:
    return {f"{name}.jpg": encode(picture(40, 36, ord(name))) for name in "abc"}


def test_folders_globs_and_lists(tmp_path: Path, three: dict[str, bytes]) -> None:
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    for name, data in three.items():
        (folder / name).write_bytes(data)
    (folder / "notes.md").write_text("no picture")
    everything = {str(folder / name): data for name, data in three.items()}
    assert read_all(tmp_path) == everything
    assert read_all(f"{tmp_path}/**/*.jpg") == everything
    assert read_all(f"file://{tmp_path}") == everything
    listed = tmp_path / "list.txt"
    listed.write_text(f"deep/er/a.jpg\n{folder}/b.jpg\n\nfile://{folder}/c.jpg\ndeep/absent.jpg\n")
    assert read_all(listed) == {
        str(folder / "a.jpg"): three["a.jpg"],
        str(folder / "b.jpg"): three["b.jpg"],
        f"file://{folder}/c.jpg": three["c.jpg"],
        str(tmp_path / "deep/absent.jpg"): "There is no such file.",
    }


def test_tar_members_are_read_in_place(tmp_path: Path, three: dict[str, bytes]) -> None:
    shard = tmp_path / "shard-0.tar"
    with tarfile.open(shard, "w") as archive:
        for name, data in {**three, "000.json": b"{}", "no-suffix": three["a.jpg"]}.items():
            member = tarfile.TarInfo(f"folder/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    expected = {f"{shard}#folder/{name}": data for name, data in three.items()}
    expected[f"{shard}#folder/no-suffix"] = three["a.jpg"]
    expected[f"{shard}#link.jpg"] = "The link leads to no file in the archive."
    assert read_all(f"{tmp_path}/shard-*.tar") == expected
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 4])
    cut = read_all(shard)
    assert any(str(value).startswith("The archive") for value in cut.values())
    shard.write_bytes(b"no archive" * 100)
    (problem,) = read_all(shard).values()
    assert str(problem).startswith("The archive cannot be read to its end")
    with pytest.raises(ValueError, match="unpack it"):
        read_all(_touch(tmp_path / "packed.tar.gz"))


def _touch(path: Path) -> Path:
    path.touch()
    return path


def test_links_of_a_tar_lead_to_their_bytes(tmp_path: Path, three: dict[str, bytes]) -> None:
    shard = tmp_path / "links.tar"
    with tarfile.open(shard, "w") as archive:

        def link(name: str, target: str, kind: bytes) -> None:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)

        link("d/before.jpg", "a.jpg", tarfile.SYMTYPE)
        _add(archive, "d/a.jpg", three["a.jpg"])
        _add(archive, "d/notes", b"no picture")
        link("hard.jpg", "./d/a.jpg", tarfile.LNKTYPE)
        link("d/twice.jpg", "../hard.jpg", tarfile.SYMTYPE)
        link("no-suffix", "d/a.jpg", tarfile.SYMTYPE)
        link("no-picture", "d/notes", tarfile.SYMTYPE)
        link("round.jpg", "trip.jpg", tarfile.SYMTYPE)
        link("trip.jpg", "round.jpg", tarfile.SYMTYPE)
        link("out.jpg", "../../etc/passwd", tarfile.SYMTYPE)
    lost = "The link leads to no file in the archive."
    names = ("d/a.jpg", "d/before.jpg", "hard.jpg", "d/twice.jpg", "no-suffix")
    assert read_all(shard) == {
        **{f"{shard}#{name}": three["a.jpg"] for name in names},
        **{f"{shard}#{name}.jpg": lost for name in ("round", "trip", "out")},
    }


def test_joined_tars_are_both_read(tmp_path: Path, three: dict[str, bytes]) -> None:
    joined = tmp_path / "joined.tar"
    for name, data in three.items():
        with tarfile.open(tmp_path / "one.tar", "w") as archive:
            _add(archive, name, data)
        with joined.open("ab") as file:
            file.write((tmp_path / "one.tar").read_bytes())
    assert read_all(joined) == {f"{joined}#{name}": data for name, data in three.items()}
    with joined.open("ab") as file:
        file.write(b"what is no archive" * 99)
    assert len(read_all(joined)) == 3


def test_a_damaged_header_in_a_tar_is_told(tmp_path: Path, three: dict[str, bytes]) -> None:
    shard = tmp_path / "shard.tar"
    with tarfile.open(shard, "w") as archive:
        for name, data in three.items():
            _add(archive, name, data)
    data = bytearray(shard.read_bytes())
    header = data.index(b"b.jpg")
    data[header : header + 512] = b"x" * 512
    shard.write_bytes(data)
    assert read_all(shard) == {
        f"{shard}#a.jpg": three["a.jpg"],
        f"{shard}#": "The archive cannot be read to its end: bad header.",
    }


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def test_parquet_structs_without_bytes_name_a_file(tmp_path: Path, three: dict[str, bytes]) -> None:
    rows = tmp_path / "rows.parquet"
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.jpg").write_bytes(three["b.jpg"])
    cells = [
        {"bytes": three["a.jpg"], "path": "absent.jpg"}, {"bytes": None, "path": "deep/b.jpg"},
        {"bytes": None, "path": "absent.jpg"}, {"bytes": None, "path": None}, None,
    ]  # fmt: skip
    pq.write_table(pa.table({"image": cells}), rows)
    assert list(read_all(rows).values()) == [
        three["a.jpg"], three["b.jpg"], "There is no such file.", "The row holds no picture.",
        "The row holds no picture.",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a.txt", "a.parquet", "a.tgz", "a.tar"])
def test_pictures_are_told_from_containers_by_content(
    name: str, tmp_path: Path, three: dict[str, bytes]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / name).write_bytes(three["a.jpg"])
    (tmp_path / "list.lst").write_text(f"folder/{name}\n")
    expected = {str(folder / name): three["a.jpg"]}
    for source in (folder, folder / name, f"{folder}/*", f"{folder}/a.*", tmp_path / "list.lst"):
        assert read_all(source) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lists_may_begin_with_a_byte_order_mark(encoding: str, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_bytes("é.jpg\r\nb.jpg\r\n".encode(encoding))
    assert list(read_all(listed)) == [str(tmp_path / "é.jpg"), str(tmp_path / "b.jpg")]


def test_a_named_pipe_is_not_waited_for(tmp_path: Path, three: dict[str, bytes]) -> None:
    for name in ("list.txt", "shard.tar", "rows.parquet"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(ValueError, match=f"{name} is not a regular file"):
            read_all(tmp_path / name)


def test_one_missing_source_of_several_is_one_row(tmp_path: Path, three: dict[str, bytes]) -> None:
    (tmp_path / "a.jpg").write_bytes(three["a.jpg"])
    missing = tmp_path / "missing.jpg"
    expected = {str(tmp_path / "a.jpg"): three["a.jpg"], str(missing): "There is no such file."}
    assert read_all(missing, tmp_path / "a.jpg") == expected
    with pytest.raises(ValueError, match="There is no such file or folder"):
        read_all(missing, tmp_path / "missing-too")
    model, out = shared_tiny_model(), tmp_path / "out"
    done = run_scan(missing, tmp_path / "a.jpg", "--out", out, "--model", model, "--workers", 1)
    assert done.returncode == 1, done.stderr
    assert {row["path"]: row["error"] for row in read_rows(out)} == {
        str(tmp_path / "a.jpg"): None, str(missing): "There is no such file.",
    }  # fmt: skip


def test_file_urls_are_decoded(tmp_path: Path, three: dict[str, bytes]) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    (folder / "é 1%.jpg").write_bytes(three["a.jpg"])
    url = (folder / "é 1%.jpg").as_uri()
    assert "%20" in url
    (tmp_path / "list.txt").write_text(f"{url}\n{url.replace('///', '//localhost/')}\n")
    assert list(read_all(tmp_path / "list.txt").values()) == [three["a.jpg"]] * 2
    for source in (url, folder.as_uri()):
        assert read_all(source) == {str(folder / "é 1%.jpg"): three["a.jpg"]}


def test_what_macos_notes_beside_a_picture_is_none(tmp_path: Path, three: dict[str, bytes]) -> None:
    notes = b"\0\5\x16\7" + bytes(60)
    folder, shard = tmp_path / "folder", tmp_path / "shard.tar"
    folder.mkdir()
    with tarfile.open(shard, "w") as archive:
        for name, data in {"a.jpg": three["a.jpg"], "._a.jpg": notes}.items():
            (folder / name).write_bytes(data)
            _add(archive, name, data)
    (folder / "._really.jpg").write_bytes(three["b.jpg"])
    assert list(read_all(shard).values()) == [three["a.jpg"]]
    assert sorted(read_all(folder).values()) == sorted([three["a.jpg"], three["b.jpg"]])


def test_parquet_of_bytes_of_structs_and_of_paths(tmp_path: Path, three: dict[str, bytes]) -> None:
    pictures = list(three.values())
    plain, structs, paths = (tmp_path / f"{name}.parquet" for name in ("plain", "structs", "paths"))
    pq.write_table(
        pa.table({"id": [1, 2, 3, 4], "blob": [*pictures, None]}), plain, row_group_size=2
    )
    expected = {f"{plain}#{row}": data for row, data in enumerate(pictures)}
    assert read_all(plain) == expected | {f"{plain}#3": "The row holds no picture."}
    cells = [{"bytes": data, "path": "x.jpg"} for data in pictures]
    pq.write_table(pa.table({"image": cells, "label": ["a", "b", "c"]}), structs)
    assert list(read_all(structs).values()) == pictures
    (tmp_path / "a.jpg").write_bytes(pictures[0])
    pq.write_table(pa.table({"mine": ["a.jpg", None], "label": ["x", "y"]}), paths)
    with pytest.raises(ValueError, match="label, mine"):
        read_all(paths)
    assert read_all(paths, column="mine") == {
        str(tmp_path / "a.jpg"): pictures[0],
        f"{paths}#1": "The row holds no path.",
    }
    with pytest.raises(ValueError, match="no column 'absent'"):
        picture_column(pq.read_schema(paths), "absent")
    paths.write_bytes(b"no parquet")
    with pytest.raises(ValueError, match="not a Parquet file"):
        read_all(paths)


def test_names_that_are_not_utf8_survive_the_listing() -> None:
    place = os.fsdecode(b"/a/caf\xe9.jpg")
    item = Item("/a/caf\\xe9.jpg", "file", place, size=3, version="1")
    assert table_items(items_table([item])) == [item]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the URL of a bucket of a local server that speaks S3."""
    s3fs = pytest.importorskip("s3fs", reason="the extra 'scale' is not installed")
    server = pytest.importorskip("moto.server", reason="the extra 'dev' is not installed")
    import boto3

    running = server.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    running.start()
    _, port = running.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    boto3.client("s3").create_bucket(Bucket="archive")
    yield "s3://archive"
    running.stop()


@pytest.mark.slow
def test_a_scan_of_s3(bucket: str, tmp_path: Path) -> None:
    import fsspec

    model = shared_tiny_model()
    write_pictures(tmp_path / "pictures", 30)
    system, root = fsspec.core.url_to_fs(bucket)
    for file in (tmp_path / "pictures").iterdir():
        system.pipe(f"{root}/one/two/{file.name}", file.read_bytes())
    system.pipe(f"{root}/one/empty.jpg", b"")
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        archive.add(tmp_path / "pictures" / "00003.jpg", "member.jpg")
    system.put(str(tmp_path / "shard.tar"), f"{root}/shards/shard.tar")
    pq.write_table(pa.table({"url": [f"{bucket}/one/two/00004.jpg"]}), tmp_path / "urls.parquet")
    system.put(str(tmp_path / "urls.parquet"), f"{root}/urls.parquet")
    out = tmp_path / "out"
    sources = [f"{bucket}/one", f"{bucket}/shards/*.tar", f"{bucket}/urls.parquet"]
    done = run_scan(*sources, "--out", out, "--model", model, "--workers", 2)
    assert done.returncode == 1, done.stderr
    rows = read_rows(out)
    assert len(rows) == 33
    named = by_name(rows)
    assert named["empty.jpg"]["error"] == "The file is empty."
    assert named["00000.jpg"]["path"] == f"{bucket}/one/two/00000.jpg"
    assert json.loads((out / "summary.json").read_text())["errors"] == 1
    assert sum(row["duplicate_of"] is not None for row in rows) == 1
    by_hash: dict[str, set[float]] = {}
    for row in rows:
        by_hash.setdefault(row["sha256"], set()).add(row["p_fake"])
    assert all(len(answers) == 1 for answers in by_hash.values())
    done = run_scan(f"{bucket}/absent", "--out", tmp_path / "new", "--model", model)
    assert done.returncode == 2
    assert "There is nothing at" in done.stderr
