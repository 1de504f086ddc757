"""`sashiko archive` and `restore` between two embedded servers, with what the real client made: all compared."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from launch.archive.reader import Archive
from tests.lab import ROOT
from tests.protocol.conftest import Lab, Server, shown
from tests.protocol.test_push import MAKE, SECONDS, lab_for, read

pytestmark = pytest.mark.slow

WHOLE = """
import json, sys, wandb
found = {}
for run in wandb.Api().runs(f"local/{sys.argv[1]}", order="+created_at"):
    run.load_full_data()
    found[run.id] = [run.state, run.created_at, run.heartbeat_at, run.rawconfig,
        [json.dumps(row, sort_keys=True) for row in run.scan_history(use_cache=False)],
        len(run.history(stream="system", pandas=False)),
        [[line.content, line.level, str(line.timestamp)] for line in run.console_logs()],
        run.sweep_name,
        sorted([a.name, a.created_at, a.updated_at, a.version, a.digest] for a in run.logged_artifacts()),
        sorted([file.name, file.md5, file.updated_at] for file in run.files())]
print("RESULT " + json.dumps(found, default=dict))
"""


@dataclass(frozen=True)
class Pair:
    """A lab whose projects are archived, and the one of another server."""

    lab: Lab
    other: Lab

    def sashiko(self, lab: Lab, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "launch.cli", *words], cwd=lab.folder, text=True,
            env=lab.environment() | {"PYTHONPATH": str(ROOT)}, timeout=SECONDS, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == code, f"{done.stdout}\n--- server\n{lab.server.log()}"
        return done.stdout


@pytest.fixture(scope="module")
def pair(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("archive")
    other = Server(folder / "other").start()
    for name in ("from", "to"):
        (folder / name).mkdir()
    yield Pair(lab_for(server, folder / "from"), lab_for(other, folder / "to"))
    other.end()


@pytest.fixture(scope="module")
def made(pair: Pair) -> tuple[Path, str, str]:
    """An archive of a project that has everything, and the ids of its sweeps."""
    whole, half = shown(pair.lab.python(MAKE, "kept"))
    pair.lab.wandb("sweep", "--stop", f"local/kept/{whole}")
    file = pair.lab.folder / "kept.tar.zst"
    output = pair.sashiko(pair.lab, "archive", "kept", str(file))
    assert "runs       6 with 1,205 rows\nsweeps     2\n" in output
    return file, whole, half


def members(file: Path) -> dict[str, Any]:
    """What is in an archive but for when and by whom it was written, and where the server has its files."""
    archive = Archive(file)
    left = ("archive.json",)
    found = {name: archive.read(name) for name in archive.members if name not in left}
    return {name: plain(json.loads(body)) if name.endswith(".json") else body for name, body in found.items()}


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key != "at"}
    return [plain(item) for item in value] if isinstance(value, list) else value


def test_everything_is_as_it_was_in_another_server(pair: Pair, made: tuple[Path, str, str]) -> None:
    file, whole, half = made
    assert "is whole" in pair.sashiko(pair.other, "verify", str(file))
    output = pair.sashiko(pair.other, "restore", str(file))
    assert "runs       6 restored, 0 there already, 0 refused" in output
    ours, theirs = read(pair.lab, "kept"), read(pair.other, "kept")
    assert set(ours[0]) == set(theirs[0])
    for name, run in ours[0].items():
        for what, value in run.items():
            assert theirs[0][name][what] == value, (name, what)
    assert ours[1] == theirs[1]  # ids, states, definitions of sweeps
    assert {sweep[0] for sweep in theirs[1].values()} == {whole, half}
    ours, theirs = (shown(lab.python(WHOLE, "kept")) for lab in (pair.lab, pair.other))
    for name, run in ours.items():
        for what, (one, other) in enumerate(zip(run, theirs[name], strict=True)):
            assert one == other, (name, what)
    again = pair.sashiko(pair.other, "restore", str(file))
    assert "sweeps     0 restored, 2 there already, 0 refused\nruns       0 restored, 6 there already" in again
    pair.sashiko(pair.other, "archive", "local/kept", "back.tar.zst")
    assert members(pair.other.folder / "back.tar.zst") == members(file)


def test_the_archive_is_read_with_plain_tools(made: tuple[Path, str, str], tmp_path: Path) -> None:
    file, whole, _ = made
    subprocess.run(["tar", "--zstd", "-xf", file], cwd=tmp_path, check=True)
    run = json.loads((tmp_path / "runs/full/run.json").read_text())
    assert (run["name"], run["tags"], run["config"]["lr"]["value"]) == ("named", ["a", "b"], 0.5)
    rows = [json.loads(line) for line in (tmp_path / "runs/full/history-1.jsonl").read_text().splitlines()]
    assert [row["_step"] for row in rows[:3]] == [0, 2, 4]
    assert "method: grid" in json.loads((tmp_path / f"sweeps/{whole}/sweep.json").read_text())["definition"]
    version = json.loads((tmp_path / "artifacts/set/v0.json").read_text())
    digest = next(item["sha256"] for item in version["files"] if item["path"] == "deep/file.txt")
    assert (tmp_path / "blobs" / digest).read_text() == "hello"
    assert (tmp_path / "README.txt").read_text().startswith("An archive of sweeps")


def test_a_run_that_differs_is_refused_and_named(pair: Pair, made: tuple[Path, str, str]) -> None:
    file, _, _ = made
    pair.sashiko(pair.other, "restore", str(file), "--as", "changed")
    pair.other.python(
        "run = wandb.Api().run('local/changed/silent')\nrun.notes = 'other words'\nrun.update()\n"
        "wandb.Api().run('local/changed/fails').delete()"
    )
    output = pair.sashiko(pair.other, "restore", str(file), "--as", "changed", code=1)
    assert "runs       1 restored, 4 there already, 1 refused" in output
    assert re.search("refused    run silent: another one is there, which differs in .*notes", output), output
    runs, _ = read(pair.other, "changed")
    assert runs["fails"]["used"] == ["set:v0"]


def test_only_a_run_or_a_sweep_is_restored(pair: Pair, made: tuple[Path, str, str]) -> None:
    file, whole, half = made
    output = pair.sashiko(pair.other, "restore", str(file), "--as", "some", "--only", "full")
    assert "sweeps     0 restored, 0 there already, 0 refused\nruns       1 restored" in output
    output = pair.sashiko(pair.other, "restore", str(file), "--as", "some", "--sweep", whole)
    assert "sweeps     1 restored, 0 there already, 0 refused\nruns       2 restored" in output
    wrong = pair.sashiko(pair.other, "restore", str(file), "--only", "fulll", "--sweep", f"{half}x", code=2)
    assert "--only: the archive has no run 'fulll'; " in wrong
    assert "full" in wrong
    assert f"--sweep: the archive has no sweep '{half}x'" in wrong


def test_a_run_at_work_is_taken_and_is_not_at_work_where_it_is_restored(pair: Pair) -> None:
    living = pair.lab.start(
        "import time, wandb\nrun = wandb.init(project='live', id='alive')\nrun.log({'x': 1})\n"
        "print('ready', flush=True)\ntime.sleep(120)"
    )
    try:
        assert living.stdout is not None
        assert any("ready" in text for text in living.stdout)
        time.sleep(3)
        output = pair.sashiko(pair.lab, "archive", "live", "live.tar.zst")
        assert "1 run not over, taken as it was" in output
    finally:
        living.kill()
        living.communicate()
    pair.sashiko(pair.other, "restore", str(pair.lab.folder / "live.tar.zst"))
    assert read(pair.other, "live")[0]["alive"]["state"] == "crashed"
    again = pair.sashiko(pair.other, "restore", str(pair.lab.folder / "live.tar.zst"))
    assert "runs       0 restored, 1 there already" in again


THROUGH_THE_API = """
import sys
from launch.archive import source
source.offered = lambda tracker: False
from launch.cli import main
main()
"""


def test_a_tracker_that_sends_nothing_in_bulk_is_read_through_the_api(
    pair: Pair, made: tuple[Path, str, str]
) -> None:
    file, whole, half = made
    done = subprocess.run(
        [sys.executable, "-c", THROUGH_THE_API, "archive", "kept", "api.tar.zst"], cwd=pair.lab.folder, text=True,
        env=pair.lab.environment() | {"PYTHONPATH": str(ROOT)}, timeout=SECONDS, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "the API does not tell the points of sweeps" in done.stdout
    ours, theirs = Archive(file), Archive(pair.lab.folder / "api.tar.zst")
    assert theirs.told["counts"] == ours.told["counts"]
    for kind in (
        "runs/full/history-1.jsonl",
        "runs/silent/run.json",
        "artifacts/set/v0.json",
        f"sweeps/{half}/sweep.json",
    ):
        assert kind in theirs.members
    rows = [
        [json.loads(line) for line in found.read("runs/fails/history-1.jsonl").splitlines()]
        for found in (ours, theirs)
    ]
    assert rows[0] == rows[1]
    blobs = [{name for name in found.members if name.startswith("blobs/")} for found in (ours, theirs)]
    assert len(blobs[0]) == len(blobs[1])
    output = pair.sashiko(pair.other, "restore", str(pair.lab.folder / "api.tar.zst"), "--as", "api")
    assert "runs       6 restored, 0 there already, 0 refused\nartifacts  " in output
    ours_read, theirs_read = read(pair.lab, "kept"), read(pair.other, "api")
    for name in ("fails", "silent"):
        for what, value in ours_read[0][name].items():
            assert theirs_read[0][name][what] == value, (name, what)
    assert {sweep[0] for sweep in theirs_read[1].values()} == {whole, half}
