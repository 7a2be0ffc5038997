"""The command line, as a real process."""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pictures import encode, picture
from tiny import shared_tiny_model
from unmask import Detector
from unmask.cli import app, main
from unmask.cli.errors import until_stopped

COLUMNS = "path,verdict,p_fake,category,category_confidence,error"


def command_of(*arguments: str | Path) -> list[str]:
    command = [sys.executable, "-m", "unmask", *map(str, arguments)]
    if "detect" in arguments and not {"--model", "--help"} & set(arguments):
        command += ["--model", str(shared_tiny_model())]
    return command


def unmask(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the command; one that detects gets a tiny model, unless it names its own."""
    command = command_of(*arguments)
    environment = {**os.environ, "COLUMNS": "80"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=environment, **options
    )  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Return a folder of good, bad and misnamed pictures."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    data = encode(picture(300, 260))
    (folder / "good.jpg").write_bytes(data)
    (folder / "misnamed.png").write_bytes(data)
    (folder / "empty.jpg").touch()
    (folder / "cut.jpg").write_bytes(data[:900])
    (folder / "text.jpg").write_text("not a picture\n" * 99)
    os.symlink(".", folder / "loop")
    return folder


def test_bad_files_cost_a_row_each_and_never_the_batch(mixed: Path, tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    done = unmask("detect", mixed, "--csv", table, "--batch-size", 2)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert table.read_text().splitlines()[0] == COLUMNS
    with table.open(newline="") as file:
        rows = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    assert set(rows) == {"good.jpg", "misnamed.png", "empty.jpg", "cut.jpg", "text.jpg", "loop"}
    for name, row in rows.items():
        if name in ("good.jpg", "misnamed.png"):
            assert row["error"] == ""
            assert 0 <= float(row["p_fake"]) <= 1
        else:
            assert row["error"].endswith(".")
            assert row["verdict"] == row["p_fake"] == ""
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "6 pictures" in done.stdout


def test_json_and_json_lines_hold_the_same_rows(mixed: Path) -> None:
    as_json = json.loads(unmask("detect", mixed, "--json").stdout)
    as_lines = unmask("detect", mixed, "--jsonl").stdout.splitlines()
    assert [json.loads(line) for line in as_lines] == as_json
    more = ["decided_by", "reason", "evidence", "notes"]
    assert list(as_json[0]) == [*COLUMNS.split(","), *more]


def test_all_answered_is_exit_zero(mixed: Path) -> None:
    done = unmask("detect", mixed / "good.jpg", "--threshold", "0")
    assert done.returncode == 0
    assert " fake " in done.stdout


def test_the_csv_may_be_printed(mixed: Path, tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    unmask("detect", mixed, "--csv", table)
    done = unmask("detect", mixed, "--csv", "-")
    assert done.stdout == table.read_text()
    assert unmask("detect", mixed, "--csv", "-", "--json").returncode == 2


def test_no_output_replaces_an_input(mixed: Path) -> None:
    good = mixed / "good.jpg"
    before = good.read_bytes()
    (mixed / "link.jpg").symlink_to(good)
    for given in (good, mixed, mixed / "*.jpg", mixed / "link.jpg"):
        done = unmask("detect", given, "--csv", good)
        assert done.returncode == 2
        assert "would overwrite an input" in done.stderr
        assert good.read_bytes() == before
    # Rows of an earlier run are no picture.
    for _ in range(2):
        assert unmask("detect", mixed, "--csv", mixed / "rows.csv").returncode == 1


def test_the_table_shows_what_is_compared() -> None:
    portrait = Path(__file__).parents[2] / "examples" / "fake-face-stylegan2.jpg"
    p_fake = Detector(shared_tiny_model()).detect(portrait).p_fake
    assert p_fake is not None
    done = unmask("detect", portrait, "--threshold", f"{p_fake:.4f}")
    assert " fake " in done.stdout
    assert f" {p_fake:.4f} " in done.stdout
    assert " real " in unmask("detect", portrait, "--threshold", f"{p_fake + 1e-4:.4f}").stdout


@pytest.mark.parametrize("command", ["detect", "explain", "video", "report"])
def test_every_command_that_answers_has_every_setting(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "80"}).stdout
    for name in (
        "--model", "--threshold", "--calibration", "--tta", "--no-provenance", "--trust",
        "--no-faces", "--device", "--max-megapixels", "--max-megabytes",
    ):  # fmt: skip
        assert name in shown


def test_limits_are_options(mixed: Path) -> None:
    done = unmask("detect", mixed / "good.jpg", "--max-megapixels", "0.01")
    assert done.returncode == 1
    assert "megapixels" in " ".join(done.stdout.split())


def test_one_picture_on_standard_input(mixed: Path) -> None:
    command = command_of("detect", "-", "--jsonl")
    data = (mixed / "good.jpg").read_bytes()
    done = subprocess.run(command, input=data, capture_output=True, timeout=60, check=True)
    (row,) = done.stdout.splitlines()
    assert json.loads(row)["path"] == "-"


@pytest.mark.parametrize(
    "arguments",
    [
        ["detect"],
        ["detect", "x.jpg", "--json", "--jsonl"],
        ["detect", "x.jpg", "--model", "absent.onnx"],
        ["detect", "x.jpg", "--threshold", "2"],
        ["detect", "x.jpg", "--csv", "/no/such/folder/rows.csv"],
        ["detect", "-", "-"],
        ["detect", "x.jpg", "--device", "cuda"],
        ["train", "--data", "absent.csv", "--out", "run"],
        ["train", "--data", "absent.csv", "--out", "run", "epoch=1"],
        ["export", "absent", "--out", "m.onnx", "--about", "absent.json"],
        ["calibrate", "absent.onnx", "--data", "absent.csv"],
        ["evaluate", "--data", "absent.csv", "--markdown", "results.md"],
        ["detect", "x.jpg", "--trust", "absent.pem"],
        ["provenance", "x.jpg", "--trust", "absent.pem"],
        ["video"],
        ["video", "--benchmark", "absent.csv"],
        ["report", "absent.jpg"],
        ["scan", "x.jpg"],
        ["scan", "absent", "--out", "out"],
        ["scan", ".", "--out", "out", "--workers", "2:4"],
        ["no-such-command"],
    ],
)
def test_wrong_use_is_exit_two_and_a_sentence(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Within this process: what the commands import is slow, and here they share it.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["unmask", *arguments])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 2
    errors = capsys.readouterr().err
    assert errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_wrong_use_of_the_process_is_exit_two_and_a_sentence(tmp_path: Path) -> None:
    done = unmask("detect", "x.jpg", "--threshold", "2", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_keeps_its_rows(tmp_path: Path) -> None:
    good = tmp_path / "good.jpg"
    good.write_bytes(encode(picture(1500, 1500)))
    table = tmp_path / "rows.csv"
    command = command_of("detect", *[good] * 3000, "--csv", table)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if table.exists() and table.read_text().count("\n") > 10:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    lines = table.read_text().splitlines()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert 10 < len(lines) < 3000
    assert all(line.count(",") == 5 for line in lines)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stop_whose_exception_gets_lost_still_stops() -> None:
    class Loses:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    done = []
    with until_stopped() as stop:
        for number in stop.heed(range(10)):
            done.append(number)
            lost = [Loses()] if number == 3 else []
            del lost
    assert stop.came
    assert done == [0, 1, 2, 3]


def test_a_reader_that_leaves_early_gets_no_traceback(mixed: Path) -> None:
    command = shlex.join(command_of("detect", *[mixed / "good.jpg"] * 60, "--jsonl"))
    done = subprocess.run(
        f"{command} | head -1", shell=True, capture_output=True, text=True, timeout=60
    )
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


def test_importing_is_quick_and_detecting_needs_no_pytorch() -> None:
    code = "import time; t = time.process_time(); import unmask; print(time.process_time() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.3
    code = (
        "import sys, numpy, unmask; unmask.Detector().detect(numpy.zeros((99, 99, 3), 'uint8'));"
        "print([name for name in ('torch', 'timm', 'scipy', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
