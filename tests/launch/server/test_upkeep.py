"""Backups that can be served, and checks that find every damage."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launch.server import upkeep
from launch.server.app import make_app
from launch.server.instance import only_one
from launch.server.opening import Unusable
from launch.server.request import Services
from tests.launch.server.asgi import Client
from tests.launch.server.conftest import KEY

Make = Callable[[str, bytes], None]


@pytest.fixture
def put(client: Client, ask: Any, make_run: Any) -> Make:
    """Store a file of the run `r`."""

    def make(name: str, content: bytes) -> None:
        make_run("r")
        query = """mutation F($name: String!) { createRunFiles(input: {projectName: "p", runName: "r",
            files: [$name]}) { files { uploadUrl } } }"""
        url = ask(query, name=name)["createRunFiles"]["files"][0]["uploadUrl"].split("8765", 1)[1]
        assert client.put(url, content=content).status_code == 200

    return make


def blob(folder: Path, content: bytes) -> Path:
    import hashlib

    digest = hashlib.sha256(content).hexdigest()
    return folder / "blobs" / digest[:2] / digest


def test_a_backup_taken_while_the_server_runs_can_be_served(
    services: Services, tmp_path: Path, put: Make, stream: Any
) -> None:
    put("a.txt", b"first")
    stream("r", {"files": {"wandb-history.jsonl": {"offset": 0, "content": ['{"_step":0,"x":1}']}}})
    target = tmp_path / "kept" / "copy"
    assert upkeep.backup(tmp_path, target) == (1, 5)
    put("b.txt", b"second")
    assert upkeep.verify(target).problems == []
    restored = Services.open(target, KEY, b"secret", services.options)
    with restored.store.read() as tables:
        run = tables.runs.by_id(1)
        assert run is not None
        assert tables.lines.texts(1, "history") == ['{"_step":0,"x":1}']
        assert [row["name"] for row in tables.files.listed(1)] == ["a.txt"]
    restored.close()


def test_a_backup_copies_once_more_what_was_cut_off_in_it(tmp_path: Path, put: Make, services: Services) -> None:
    target = tmp_path / "copy"
    put("a.txt", b"first")
    assert upkeep.backup(tmp_path, target) == (1, 5)
    blob(target, b"first").write_bytes(b"fir")
    assert upkeep.backup(tmp_path, target) == (1, 5)
    assert upkeep.verify(target).problems == []


def test_a_backup_that_was_killed_leaves_nothing_that_verify_calls_wrong(
    tmp_path: Path, put: Make, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a file is none of the backup's files, and goes with the next backup."""
    put("a.txt", b"bytes")
    target = tmp_path.parent / f"{tmp_path.name}-copy"
    upkeep.backup(tmp_path, target)
    put("b.txt", b"other bytes")
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: None)  # nothing tidies up behind the dead
    monkeypatch.setattr(upkeep.shutil, "copy2", lambda source, to: (to.write_bytes(b"oth"), int("killed")))
    with pytest.raises(ValueError, match="killed"):
        upkeep.backup(tmp_path, target)
    monkeypatch.undo()
    assert [path.read_bytes() for path in target.glob("blobs/incoming/*.new")] == [b"oth"]
    assert upkeep.verify(target).problems == []
    (target / "blobs" / "00").mkdir(exist_ok=True)
    (target / "blobs" / "00" / "00ab.7.new").write_bytes(b"as older versions left them")
    upkeep.backup(tmp_path, target)
    assert not list(target.rglob("*.new"))
    assert upkeep.verify(target).problems == []


def test_a_second_backup_copies_only_what_is_new(tmp_path: Path, put: Make, services: Services) -> None:
    target = tmp_path / "copy"
    put("a.txt", b"first")
    upkeep.backup(tmp_path, target)
    before = blob(target, b"first").stat().st_ino
    put("b.txt", b"second")
    assert upkeep.backup(tmp_path, target) == (1, 6)
    assert blob(target, b"first").stat().st_ino == before
    assert upkeep.verify(target).files == 2


def test_the_keys_go_with_a_backup_and_stay_private(tmp_path: Path, services: Services) -> None:
    for name in ("api_key", "secret"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600)
    upkeep.backup(tmp_path, tmp_path / "copy")
    assert [oct((tmp_path / "copy" / name).stat().st_mode)[-3:] for name in ("api_key", "secret")] == ["600"] * 2
    assert oct((tmp_path / "copy").stat().st_mode)[-3:] == "700"


def test_verify_counts_what_is_there(tmp_path: Path, put: Make, services: Services) -> None:
    put("a.txt", b"first")
    put("b.txt", b"first")
    report = upkeep.verify(tmp_path)
    assert (report.files, report.size, report.unused, report.problems) == (1, 5, 0, [])


def test_verify_finds_a_flipped_bit_a_cut_file_and_a_missing_one(
    tmp_path: Path, put: Make, services: Services
) -> None:
    for content in (b"flipped", b"cut off", b"missing"):
        put(f"{content.decode()}.txt", content)
    blob(tmp_path, b"flipped").write_bytes(b"flipqed")
    blob(tmp_path, b"cut off").write_bytes(b"cut")
    blob(tmp_path, b"missing").unlink()
    problems = "\n".join(upkeep.verify(tmp_path).problems)
    assert problems.count("another digest than its name") == 2
    assert "file cut off.txt of run r: 3 bytes, 7 were noted" in problems
    assert "file missing.txt of run r: its content" in problems


def test_verify_finds_a_row_whose_run_is_gone(tmp_path: Path, put: Make, services: Services) -> None:
    put("a.txt", b"first")
    db = sqlite3.connect(tmp_path / "server.db")
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute("DELETE FROM runs")
    db.commit()
    db.close()
    assert any("names a row of runs that is gone" in problem for problem in upkeep.verify(tmp_path).problems)


def test_prune_deletes_what_nothing_names_and_is_old_enough(
    tmp_path: Path, put: Make, services: Services, ask: Any
) -> None:
    put("kept.txt", b"kept")
    put("gone.txt", b"gone")
    with services.store.write() as tables:
        tables.files.delete(1, "gone.txt")
    assert upkeep.prune(tmp_path) == (0, 0)
    assert upkeep.prune(tmp_path, older_than=-1) == (1, 4)
    assert (blob(tmp_path, b"kept").exists(), blob(tmp_path, b"gone").exists()) == (True, False)
    assert upkeep.verify(tmp_path).problems == []


def test_prune_leaves_what_an_upload_has_just_claimed(tmp_path: Path, put: Make, services: Services) -> None:
    import os

    put("a.txt", b"claimed")
    with services.store.write() as tables:
        tables.files.delete(1, "a.txt")
    os.utime(blob(tmp_path, b"claimed"), (0, 0))
    assert services.blobs.renew(blob(tmp_path, b"claimed").name) is True
    assert services.blobs.renew("0" * 64) is False
    assert upkeep.prune(tmp_path) == (0, 0)
    os.utime(blob(tmp_path, b"claimed"), (0, 0))
    assert upkeep.prune(tmp_path) == (1, 7)


def test_a_folder_that_was_never_served_is_told(tmp_path: Path) -> None:
    for work in (upkeep.verify, upkeep.prune, lambda folder: upkeep.backup(folder, tmp_path / "x")):
        with pytest.raises(upkeep.NothingServed, match="never served"):
            work(tmp_path)


def test_the_app_still_answers_after_a_backup(services: Services, tmp_path: Path, headers: Any) -> None:
    upkeep.backup(tmp_path, tmp_path / "copy")
    reply = Client(make_app(services)).post("/graphql", json={"query": "{ viewer { id } }"}, headers=headers)
    assert reply.status_code == 200


@pytest.fixture
def folder(put: Make, services: Services) -> Path:
    """A folder with a run that has a file."""
    put("a", b"content")
    return services.store.path.parent


@pytest.mark.parametrize("inside", ["", "../folder/blobs/..", "blobs", "blobs/copy"])
def test_a_folder_is_not_backed_up_into_itself(folder: Path, inside: str) -> None:
    before = (folder / "server.db").read_bytes()
    with pytest.raises(Unusable, match="is what is to be backed up: name another folder"):
        upkeep.backup(folder, Path(str(folder / inside).replace("../folder", f"../{folder.name}")))
    assert (folder / "server.db").read_bytes() == before


def test_nobody_backs_up_over_a_folder_that_is_served(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    upkeep.backup(folder, other)
    before = {path.name: path.read_bytes() for path in other.glob("server*")}
    with only_one(other), pytest.raises(Unusable, match=r"already serves .*other.*: nothing was written there"):
        upkeep.backup(folder, other)
    assert {path.name: path.read_bytes() for path in other.glob("server*")} == before
    upkeep.backup(folder, other)


def test_nothing_is_pruned_while_files_are_read(
    folder: Path, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = upkeep._copy_blob

    def meddled(source: Path, destination: Path, digest: str) -> int:
        with services.store.write() as tables:
            tables.runs.delete(1)
        with pytest.raises(Unusable, match="is being backed up or verified: prune it when that is over"):
            upkeep.prune(folder, -1)
        return copy(source, destination, digest)

    monkeypatch.setattr(upkeep, "_copy_blob", meddled)
    assert upkeep.backup(folder, tmp_path / "copy") == (1, 7)
    assert upkeep.verify(tmp_path / "copy").problems == []
    assert upkeep.prune(folder, -1) == (1, 7)
