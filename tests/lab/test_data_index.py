"""``unmask data index``: every layout, whole groups, seeded splits, and what is refused."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pictures import encode, picture
from unmask.cli.make.data import app
from unmask.lab.data.duplicates import NEAR, join, near_pairs
from unmask.lab.data.fingerprint import perceptual_hash
from unmask.lab.data.index import make_index
from unmask.lab.data.manifest import ManifestError, Row, check_trainable, read_manifest
from unmask.lab.data.splits import deal, gather_in_train, straddling


def put(root: Path, names: dict[str, int]) -> Path:
    """Write pictures by seed: ``{"real/a.jpg": 3}``."""
    for name, seed in names.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(seed=seed).save(path)
    return root


def scene(seed: int) -> Image.Image:
    """Return a picture with detail of every size, as photographs have."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).resize(
                (256, 192), Image.Resampling.BICUBIC
            ),
            dtype=float,
        )
        / share
        for side, share in ((4, 2), (8, 4), (16, 8), (32, 8))
    ]
    return Image.fromarray(np.sum(layers, axis=0).astype(np.uint8))


def described(root: Path, made: list[Row]) -> set[tuple[str, str, str, str]]:
    base = root.resolve()
    return {
        (row.path.relative_to(base).as_posix(), row.label, row.category, row.split) for row in made
    }


def test_flat_folders_of_either_case(tmp_path: Path) -> None:
    root = put(tmp_path / "my set", {"Real/a.jpg": 1, "real/deep/er/b.png": 2, "FAKE/c.webp": 3})
    index = make_index(root)
    assert {(row.path.name, row.label) for row in index.rows} == {
        ("a.jpg", "real"), ("b.png", "real"), ("c.webp", "fake"),
    }  # fmt: skip
    assert not index.had_splits
    assert {row.source for row in index.rows} == {"my set"}
    assert {(row.width, row.height) for row in index.rows} == {(96, 80)}
    assert {row.generator for row in index.rows} == {"camera", "unknown"}


def test_splits_and_categories_are_read_from_folders(tmp_path: Path) -> None:
    root = put(
        tmp_path,
        {
            "Train/Real/Human Faces/a.jpg": 1,
            "train/fake/animals/b.jpg": 2,
            "VALIDATION/real/vehicles/c.jpg": 3,
            "Validation/Fake/d.jpg": 4,
            "test/real/houses/e.jpg": 5,
        },
    )
    index = make_index(root)
    assert index.had_splits
    assert described(root, index.rows) == {
        ("Train/Real/Human Faces/a.jpg", "real", "human_faces", "train"),
        ("train/fake/animals/b.jpg", "fake", "animals", "train"),
        ("VALIDATION/real/vehicles/c.jpg", "real", "vehicles", "val"),
        ("Validation/Fake/d.jpg", "fake", "", "val"),
        ("test/real/houses/e.jpg", "real", "", "test"),
    }


def test_hidden_files_and_other_files_are_ignored(tmp_path: Path) -> None:
    root = put(
        tmp_path,
        {
            "real/a.jpg": 1,
            "fake/b.jpg": 2,
            "real/.hidden.jpg": 3,
            "real/.cache/c.jpg": 4,
            "d.jpg": 5,
        },
    )
    (root / "real/notes.txt").write_text("not a picture")
    index = make_index(root)
    assert {row.path.name for row in index.rows} == {"a.jpg", "b.jpg"}
    assert index.left_out == []
    assert index.unlabelled == 1


def test_unreadable_pictures_are_left_out_with_their_reason(tmp_path: Path) -> None:
    root = put(tmp_path, {"real/a.jpg": 1, "fake/b.jpg": 2})
    (root / "real/cut.jpg").write_bytes(encode(picture(seed=3))[:400])
    (root / "real/empty.png").touch()
    index = make_index(root)
    assert {row.path.name for row in index.rows} == {"a.jpg", "b.jpg"}
    reasons = {Path(left_out.path).name: left_out.reason for left_out in index.left_out}
    assert reasons == {
        "cut.jpg": "The picture is cut off before its end.",
        "empty.png": "The file is empty.",
    }


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    put(folder, {"a.jpg": 1, "b.jpg": 2, "c.jpg": 3})
    path = folder / "mine.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.jpg,real\nb.jpg,FAKE\nc.jpg,fake\n",
        "File,Class\na.jpg,Real\nb.jpg,fake\nc.jpg,fake\n",
        "id,filename,is_fake\n7,a.jpg,0\n8,b.jpg,1\n9,c.jpg,1.0\n",
        "image,is_real\na.jpg,True\nb.jpg,False\nc.jpg,false\n",
        "path,label,label_str\na.jpg,1,real\nb.jpg,0,fake\nc.jpg,0,fake\n",
        "path,label,is_fake\na.jpg,1,0\nb.jpg,0,1\nc.jpg,0,1\n",
    ],
)
def test_a_csv_of_the_users_own(tmp_path: Path, text: str) -> None:
    index = make_index(table(tmp_path, text, "utf-8-sig"))
    assert {row.path.name: row.label for row in index.rows} == {
        "a.jpg": "real", "b.jpg": "fake", "c.jpg": "fake",
    }  # fmt: skip


def test_a_csv_keeps_what_it_knows(tmp_path: Path) -> None:
    text = (
        "path,label,split,category,generator,source,group\n"
        "a.jpg,real,test,animal,,zoo,one\n"
        "b.jpg,fake,test,houses,gan,zoo,one\n"
        "c.jpg,fake,valid,,,,\n"
    )
    index = make_index(table(tmp_path, text))
    a, b, c = index.rows
    assert (a.split, a.category, a.generator, a.source) == ("test", "animals", "camera", "zoo")
    assert (b.category, b.generator) == ("", "gan")
    assert (c.split, c.generator, c.source) == ("val", "unknown", tmp_path.name)
    assert a.group == b.group != c.group


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("path,label\na.jpg,0\nb.jpg,1\n", "line 2: '0' in the column 'label' does not say"),
        ("path,target\na.jpg,real\nb.jpg,1\n", "line 3: '1' in the column 'target' does not say"),
        ("path,label\na.jpg,real\nb.jpg,photo\n", "line 3: unknown label 'photo'"),
        ("path,is_fake\na.jpg,0\nb.jpg,2\n", "line 3: '2' in the column 'is_fake' is neither"),
        ("path,score\na.jpg,0\n", "no column named label"),
        ("label\nreal\n", "no column of paths"),
        ("path,label\n,real\n", "line 2: no path"),
        ("path,label,split\na.jpg,real,\n", "line 2: unknown split ''"),
        ("path,label\n", "names no picture"),
    ],
)
def test_a_csv_that_leaves_something_open_is_refused(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        make_index(table(tmp_path, text))
    assert complaint in str(caught.value)


def test_layouts_that_are_not_known_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no folder or CSV file"):
        make_index(tmp_path / "absent")
    with pytest.raises(ManifestError, match="known layouts: real/ and fake/"):
        make_index(put(tmp_path / "a", {"cats/a.jpg": 1, "dogs/b.jpg": 2}))
    with pytest.raises(ManifestError, match="both inside and outside"):
        make_index(put(tmp_path / "b", {"real/a.jpg": 1, "train/fake/b.jpg": 2}))
    empty = tmp_path / "c/real/a.jpg"
    empty.parent.mkdir(parents=True)
    empty.touch()
    with pytest.raises(ManifestError, match="None of the 1 pictures could be read"):
        make_index(tmp_path / "c")


def test_resized_and_recompressed_copies_share_a_group(tmp_path: Path) -> None:
    for label in ("real", "fake"):
        (tmp_path / label).mkdir()
    for seed in range(30):
        scene(seed).save(tmp_path / f"real/{seed}.jpg")
    scene(7).resize((128, 96)).save(tmp_path / "fake/small.jpg", quality=40)
    (tmp_path / "real/same.jpg").write_bytes((tmp_path / "real/9.jpg").read_bytes())
    groups = {row.path.name: row.group for row in make_index(tmp_path).rows}
    assert groups["small.jpg"] == groups["7.jpg"]
    assert groups["same.jpg"] == groups["9.jpg"]
    assert len(set(groups.values())) == 30


def test_flat_and_noisy_pictures_do_not_collapse_into_one_group(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label in ("real", "fake"):
        (tmp_path / label).mkdir()
        for number in range(8):
            flat = np.full((64, 64, 3), rng.integers(0, 250, 3), dtype=np.uint8)
            if number % 2:
                flat += rng.integers(0, 5, flat.shape, dtype=np.uint8)
            Image.fromarray(flat).save(tmp_path / label / f"{number}.png")
    index = make_index(tmp_path)
    assert len({row.group for row in index.rows}) == 16


def test_a_slope_has_no_hash_but_a_scene_has() -> None:
    slope = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None], (256, 256, 3))
    assert perceptual_hash(np.ascontiguousarray(slope)) is None
    assert perceptual_hash(np.asarray(picture())) is not None


def test_banding_misses_no_near_pair_and_adds_none() -> None:
    rng = random.Random(1)
    hashes: list[int | None] = [rng.getrandbits(64) for _ in range(60)]
    for value in [value for value in hashes if value is not None]:
        for flips in (0, 2, NEAR, NEAR + 1):
            copy = value
            for bit in rng.sample(range(64), flips):
                copy ^= 1 << bit
            hashes.append(copy)
    hashes.append(None)
    near = [
        (i, j)
        for i, left in enumerate(hashes)
        for j, right in enumerate(hashes[:i])
        if left is not None and right is not None and (left ^ right).bit_count() <= NEAR
    ]
    found = list(near_pairs(hashes))
    assert all((hashes[i] ^ hashes[j]).bit_count() <= NEAR for i, j in found)
    assert join(len(hashes), found) == join(len(hashes), near)


def rows_in_groups(seed: int, count: int = 600) -> list[Row]:
    rng = random.Random(seed)
    return [
        Row(
            Path(f"{number}.jpg"),
            rng.choice(("real", "fake")),
            rng.choice(("animals", "vehicles", "")),
            group=f"g{rng.randrange(count // 2)}",
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_no_group_straddles_and_both_labels_get_their_share(seed: int) -> None:
    rows = deal(rows_in_groups(seed), seed)
    assert straddling(rows) == {}
    for label in ("real", "fake"):
        of_label = [row for row in rows if row.label == label]
        counts = Counter(row.split for row in of_label)
        for split, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
            assert counts[split] / len(of_label) == pytest.approx(share, abs=0.04)


def test_splits_depend_on_the_seed_and_not_on_the_order() -> None:
    rows = rows_in_groups(0)

    def splits(of: list[Row], seed: int) -> dict[Path, str]:
        return {row.path: row.split for row in deal(of, seed)}

    assert splits(rows, 3) == splits(rows[::-1], 3)
    assert splits(rows, 3) != splits(rows, 4)


def test_groups_that_straddle_given_splits_move_to_train_whole() -> None:
    rows = [
        Row(Path("a"), "real", split="train", group="torn"),
        Row(Path("b"), "real", split="test", group="torn"),
        Row(Path("c"), "fake", split="val", group="torn too"),
        Row(Path("d"), "fake", split="test", group="torn too"),
        Row(Path("e"), "fake", split="test", group="whole"),
    ]
    gathered, moved = gather_in_train(rows)
    assert [row.split for row in gathered] == ["train", "train", "train", "train", "test"]
    assert moved == 3


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["index", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def test_the_command_writes_a_manifest_that_training_takes(tmp_path: Path) -> None:
    reals = {f"real/{seed}.jpg": seed for seed in range(12)}
    fakes = {f"fake/{seed}.jpg": seed for seed in range(50, 62)}
    root = put(tmp_path / "set", reals | fakes)
    out = root / "manifest.csv"
    code, stdout, _ = run(root, "--out", out, "--source", "mine")
    assert code == 0
    assert "24 pictures in 24 groups" in stdout
    rows = read_manifest(out)
    check_trainable(rows)
    assert {row.source for row in rows} == {"mine"}
    first = out.read_bytes()
    assert run(root, "--out", out, "--source", "mine")[0] == 0
    assert out.read_bytes() == first, "the same folder and seed must give the same manifest"


def test_the_command_warns_of_what_it_moves_and_leaves_out(tmp_path: Path) -> None:
    root = put(
        tmp_path / "set",
        {
            "train/real/a.jpg": 1,
            "train/fake/b.jpg": 2,
            "test/real/copy.png": 1,
            "test/fake/d.jpg": 4,
        }
        | {f"train/fake/{seed}.jpg": seed for seed in range(10, 20)},
    )
    (root / "test/fake/broken.jpg").write_text("no picture")
    code, _, stderr = run(root, "--out", tmp_path / "m.csv")
    assert code == 1, "something was left out"
    assert "broken.jpg: This is not a picture" in stderr
    assert "1 picture was left out" in stderr
    assert "1 picture was MOVED TO TRAIN" in stderr
    assert "moved from train to val" in stderr
    homes = {row.path.name: row.split for row in read_manifest(tmp_path / "m.csv")}
    assert homes["copy.png"] == homes["a.jpg"] != "test"
    assert homes["d.jpg"] == "test"
    assert "val" in homes.values()


@pytest.mark.skipif(os.name == "nt", reason="Windows makes no such links and names")
def test_a_link_to_itself_costs_one_line_and_no_picture(tmp_path: Path) -> None:
    root = put(
        tmp_path / "set",
        {f"{kind}/{seed}.jpg": seed for seed in range(4) for kind in ("real", "fake")},
    )
    os.symlink("loop", root / "real" / "loop")
    (root / "real" / "._0.jpg").write_bytes(b"\0\5\x16\7" + bytes(99))
    (root / "fake" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(encode(picture(seed=9)))
    code, _, stderr = run(root, "--out", tmp_path / "m.csv")
    assert code == 1
    assert "loop: This link leads back to itself." in stderr
    assert "The file's name is not UTF-8, so a manifest cannot hold it." in stderr
    assert "2 pictures were left out" in stderr
    rows = read_manifest(tmp_path / "m.csv")
    assert sorted(row.label for row in rows) == ["fake"] * 4 + ["real"] * 4


def test_the_command_ends_wrong_use_in_a_sentence(tmp_path: Path) -> None:
    code, _, stderr = run(tmp_path / "absent", "--out", tmp_path / "m.csv")
    assert code == 2 and "no folder or CSV file" in stderr
    root = put(tmp_path / "set", {"real/a.jpg": 1, "fake/b.jpg": 2})
    code, _, stderr = run(root, "--out", tmp_path / "no/such/m.csv")
    assert code == 2 and "cannot be written" in stderr
    mine = table(tmp_path, "path,label\na.jpg,real\nb.jpg,fake\n")
    before = mine.read_bytes()
    code, _, stderr = run(mine, "--out", mine)
    assert code == 2 and "over itself" in stderr
    assert mine.read_bytes() == before
