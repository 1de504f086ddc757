"""No room on the disk, at each kind of write: it is refused, nothing is half stored, and all goes on later."""

import contextlib
import json
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from framework.errors import SashikoError
from launch import serve
from launch.server import upkeep
from launch.server.app import make_app
from launch.server.limits import ServeOptions
from launch.server.opening import Unusable
from launch.server.request import Services
from tests.launch.server.asgi import Client, Reply
from tests.launch.server.conftest import GRID, KEY, UPSERT
from tests.launch.server.marked import BASE, COMMIT, address_of, announced, b64, begin_version
from tests.launch.server.people import Person, begin_agent, begin_sweep

BIG = "x" * 2_000_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs the right to mount one")
    yield place
    subprocess.run(["umount", str(place)], check=True)


class Disk:
    """A disk that can be filled to its last byte, and a server on it."""

    def __init__(self, place: Path) -> None:
        self.ballast = place / "ballast"
        self.state = place / "state"
        self.state.mkdir()
        self.services = Services.open(self.state, KEY, b"secret", ServeOptions(parquet=True))
        self.who = Person(Client(make_app(self.services)), KEY)

    def fill(self) -> None:
        self.services.store.checkpoint()
        with self.ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(b"\0" * size):
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        self.ballast.unlink()


@pytest.fixture
def disk(small: Path) -> Iterator[Disk]:
    made = Disk(small)
    yield made
    made.services.close()


def post(disk: Disk, path: str, body: Any) -> Reply:
    return disk.who.client.post(path, json=body, headers=disk.who.headers)


def test_every_kind_of_write_is_refused_and_goes_on_later(disk: Disk) -> None:
    who = disk.who
    who.ask(UPSERT, name="r")
    files = 'mutation F($n: String!) { createRunFiles(input: {projectName: "p", runName: "r", files: [$n]})' + (
        " { files { uploadUrl } } }"
    )
    file = who.ask(files, n="f")["createRunFiles"]["files"][0]["uploadUrl"]
    version = begin_version(who, "p", "set", "m")
    body = b"y" * 300_000
    part = address_of(who, version, "x", body)
    assert part is not None
    manifest = json.dumps({"contents": {"x": {"digest": b64(body), "size": len(body)}}, "m": BIG}).encode()
    told = announced(who, version, manifest)
    sweep = begin_sweep(who)
    agent = begin_agent(who, sweep["name"])
    rows = {"files": {"wandb-history.jsonl": {"offset": 0, "content": [json.dumps({"_step": 0, "x": BIG})] * 3}}}

    def sends() -> dict[str, int]:
        """Every kind of write, with enough in it not to fit into what is left of a page."""
        put = who.client.put
        return {
            "rows": post(disk, "/files/local/p/r/file_stream", rows).status_code,
            "run": who.send(UPSERT, name="r2", config=json.dumps({"c": {"value": BIG}})).status_code,
            "file": put(file.removeprefix(BASE), content=body).status_code,
            "part": put(part.removeprefix(BASE), content=body).status_code,
            "manifest": put(told.removeprefix(BASE), content=manifest).status_code,
            "sweep": who.send(
                'mutation S($c: String) { upsertSweep(input: {config: $c, projectName: "p"}) { sweep { id } } }',
                c=GRID.format(values=", ".join(f"'{number}{BIG[:40_000]}'" for number in range(50))),
            ).status_code,
            "added": who.send(
                "mutation E($i: ID!, $c: JSONString!) { enqueueSweepRun(input: {id: $i, config: $c}) { id } }",
                i=sweep["id"], c=json.dumps({"x": BIG}),
            ).status_code,
        }  # fmt: skip

    disk.fill()
    refused = sends()
    assert set(refused.values()) <= {413, 507}, refused
    assert {name for name, status in refused.items() if status == 413} == {"file", "part", "manifest"}
    assert list((disk.state / "blobs" / "incoming").iterdir()) == []
    assert who.ask("{ viewer { id } }")["viewer"]
    assert who.send(COMMIT, a=version).status_code in (422, 507)
    with disk.services.store.read() as tables:
        assert tables.lines.count(1, "history") == 0
        assert tables.files.count(1) == 0
    disk.free()
    assert set(sends().values()) == {200}
    assert who.send(COMMIT, a=version).status_code == 200
    beat = 'mutation H($a: ID!) { agentHeartbeat(input: {id: $a, runState: "{}"}) { commands } }'
    assert "run_id" in who.ask(beat, a=agent)["agentHeartbeat"]["commands"]
    assert upkeep.verify(disk.state).problems == []


def test_a_history_that_cannot_be_exported_is_read_live(disk: Disk) -> None:
    disk.who.ask(UPSERT, name="r")
    rows = {"files": {"wandb-history.jsonl": {"offset": 0, "content": ['{"_step": 0, "x": 1}']}}, "complete": True}
    assert post(disk, "/files/local/p/r/file_stream", rows).status_code == 200
    query = '{ project(name: "p") { run(name: "r") { parquetHistory(liveKeys: []) { parquetUrls liveData } } } }'
    disk.fill()
    told = disk.who.ask(query)["project"]["run"]["parquetHistory"]
    assert told == {"parquetUrls": [], "liveData": [{"_step": 0}]}
    disk.free()
    assert len(disk.who.ask(query)["project"]["run"]["parquetHistory"]["parquetUrls"]) == 1


# --- the care of a folder ----------------------------------------------------------------------------------------


def old_run(disk: Disk, name: str, rows: int) -> None:
    with disk.services.store.write() as tables:
        project = tables.projects.make("p", 1)[0]["id"]
        run = tables.runs.add(project, name, display_name=name, state="finished", heartbeat_at=0.0)
        texts = [json.dumps({"_step": step, "x": "y" * 500}) for step in range(rows)]
        tables.usage.add_rows(run, tables.lines.put(run, "history", 0, texts))


def refused(disk: Disk, *words: str) -> str:
    """What a command says that finds no room: one line, and an exit code that is not 0."""
    error = CliRunner().invoke(serve.app, ["--dir", str(disk.state), *words]).exception
    assert isinstance(error, SashikoError), repr(error)
    assert error.exit_code
    assert "\n" not in str(error)
    return str(error)


@pytest.mark.parametrize("words", [["age"], ["compact"]])
def test_upkeep_without_room_says_what_to_do_and_goes_on_later(disk: Disk, words: list[str]) -> None:
    for name in ("kept", "gone"):
        old_run(disk, name, 3_000)
    with disk.services.store.write() as tables:
        tables.runs.delete(2)
    with contextlib.closing(sqlite3.connect(disk.state / "server.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # in a log that is there already there is room
    disk.fill()
    told = refused(disk, *words)
    assert f"the disk of {disk.state} is full" in told
    assert "make room and give the same command again" in told
    disk.free()
    assert CliRunner().invoke(serve.app, ["--dir", str(disk.state), *words]).exit_code == 0
    with disk.services.store.read() as tables:
        assert len(tables.lines.texts(1, "history")) == 3_000
        assert words == ["age"] or tables.runs._db.execute("PRAGMA freelist_count").fetchone()[0] == 0
    assert upkeep.verify(disk.state).problems == []


@pytest.mark.parametrize("room", [100_000, 3_000_000])
def test_a_backup_without_room_names_its_own_disk_and_leaves_it_as_it_was(
    disk: Disk, tmp_path: Path, room: int
) -> None:
    """The database finds no room, or a file that comes after it does not."""
    source, target = tmp_path / "source", disk.state / "copy"
    source.mkdir()
    with contextlib.closing(Services.open(source, KEY, b"secret", ServeOptions())) as services:
        with services.blobs.incoming(10**8) as incoming:
            incoming.write(b"b" * 5_000_000)
            blob = incoming.keep()
        with services.store.write() as tables:
            run = tables.runs.add(tables.projects.make("p", 1)[0]["id"], "r", display_name="r", state="finished")
            tables.files.put(run, "f", blob=blob.name, md5=blob.md5, size=blob.size)
    disk.fill()
    with disk.ballast.open("ab") as file:
        file.truncate(disk.ballast.stat().st_size - room)
    with pytest.raises(Unusable, match="make room") as told:
        upkeep.backup(source, target)
    assert str(target) in str(told.value)
    assert str(source) not in str(told.value)
    assert [path.name for path in target.rglob("*") if path.is_file()] == ["lock"]  # it was held, and is empty
    disk.free()
    assert upkeep.backup(source, target) == (1, 5_000_000)
    assert upkeep.verify(target).problems == []
