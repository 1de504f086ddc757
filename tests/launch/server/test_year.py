"""A small made year: what an operation costs does not grow with what else is stored.

Cost is counted in steps of SQLite's virtual machine, which do not depend on the machine or on what else it does.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import compile_path

from launch.server import page_data, pages
from launch.server.ageing import Ageing
from launch.server.app import _expire_once, make_app
from launch.server.limits import ServeOptions
from launch.server.request import Services
from launch.server.storage import lines
from launch.server.storage.store import Store
from launch.server.views import routes
from tests.benchmarks.year import shown
from tests.benchmarks.year.make import make
from tests.benchmarks.year.operations import AGENT, BEAT, UPSERT
from tests.benchmarks.year.shape import ASKED, OPEN, Shape
from tests.launch.server.asgi import Client
from tests.launch.server.conftest import KEY
from tests.launch.server.people import Person

EACH, MORE = 5, 1.3
ADDRESSES = {**shown.PAGES, **shown.DATA}
WHOLE = Shape(rows=200).times(0.01)
"""1,000 runs, of which 20 are asked for."""


class Counted:
    """A server in this process whose database counts its steps."""

    def __init__(self, folder: Path) -> None:
        self.steps = 0
        self.services = Services.open(folder, KEY, b"secret", ServeOptions())
        self.who = Person(Client(make_app(self.services)), KEY)
        self.agent = self.who.ask(AGENT, sweep="open", project=OPEN)["createAgent"]["agent"]["id"]
        self.who.ask(UPSERT, name="live", project="live")
        self.offset = 0

    def count(self, connection: sqlite3.Connection) -> None:
        def step() -> int:
            self.steps += EACH
            return 0

        connection.set_progress_handler(step, EACH)

    def cost(self, work: Callable[["Counted"], None]) -> int:
        work(self)
        before = self.steps
        work(self)
        return self.steps - before


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("year")
    for name, shape in (("asked", WHOLE.alone(ASKED)), ("year", WHOLE)):
        (place / name).mkdir()
        make(place / name, shape)
    return {name: place / name for name in ("asked", "year")}


@pytest.fixture
def both(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Counted, Counted]]:
    """A server with what is asked for alone, and one with all else."""
    connect, made = Store._connect, []

    def counted(self: Store[Any], *given: Any) -> sqlite3.Connection:
        connection = connect(self, *given)
        made.append((self.path.parent.name, connection))
        return connection

    monkeypatch.setattr(Store, "_connect", counted)
    servers = {name: Counted(folder) for name, folder in folders.items()}

    def all_counted() -> None:
        for name, connection in made:
            servers[name].count(connection)

    for server in servers.values():
        page(f"/view/local/{ASKED}/sweeps/asked/runs")(server)
    all_counted()
    yield servers["asked"], servers["year"]
    for server in servers.values():
        server.services.close()


def beat(one: Counted) -> None:
    told = one.who.ask(BEAT, id=one.agent)["agentHeartbeat"]["commands"]
    assert '"run"' in told


def rows(one: Counted) -> None:
    content = [json.dumps({"_step": step, "loss": step / 7}) for step in range(one.offset, one.offset + 100)]
    files = {"wandb-history.jsonl": {"offset": one.offset, "content": content}}
    reply = one.who.client.post(
        "/files/local/live/live/file_stream", json={"files": files}, headers=one.who.headers
    )
    assert reply.status_code == 200
    one.offset += 100


def page(address: str) -> Callable[[Counted], None]:
    def get(one: Counted) -> None:
        reply = one.who.client.get(address, headers=one.who.headers)
        assert reply.status_code == 200, reply.text

    return get


def runs(one: Counted) -> None:
    """A page of runs, as `wandb.Api().runs` asks for it."""
    told = one.who.ask(
        'query R($p: String!) { project(name: $p, entityName: "local") { runs(first: 50) {'
        " edges { node { name config summaryMetrics historyLineCount historyKeys tags } } } } }",
        p=ASKED,
    )
    assert len(told["project"]["runs"]["edges"]) == WHOLE.asked


def expire(one: Counted) -> None:
    """What the server does every few seconds."""
    _expire_once(one.services)


@pytest.mark.parametrize(
    "work",
    [
        beat,
        rows,
        runs,
        expire,
        page(f"/bulk/local/{ASKED}/index"),
        page(f"/bulk/local/{ASKED}/runs"),
        *map(page, ADDRESSES.values()),
    ],
    ids=["beat", "rows", "runs", "expire", "index", "bulk", *ADDRESSES],
)
def test_cost_does_not_grow_with_what_else_is_stored(both: tuple[Counted, Counted], work: Any) -> None:
    small, year = both
    few, many = small.cost(work), year.cost(work)
    assert few + many > 0
    assert many <= MORE * few + 20 * EACH


def test_every_page_and_what_is_behind_it_is_looked_at() -> None:
    """But those of the reader, the lists of all projects, and further addresses of the same pages."""
    told = {address.split("?")[0] for address in ADDRESSES.values()}
    views = [*pages.PAGES.items(), *((f"/view{address}", view) for address, view in routes.VIEWS.items())]
    seen = {view for address, view in views for one in told if compile_path(address)[0].fullmatch(one)}
    assert {view for _, view in views} - seen == {page_data.index, page_data.entity, page_data.authorize}


def test_a_project_has_the_same_runs_in_each_folder(folders: dict[str, Path]) -> None:
    told = []
    for folder in folders.values():
        services = Services.open(folder, KEY, b"secret", ServeOptions())
        with services.store.read() as tables:
            project = tables.projects.by_name(ASKED, 1)
            assert project is not None
            run = tables.runs.by_name(project["id"], "r0000007")
            assert run is not None
            texts = tables.lines.texts(run["id"], lines.HISTORY)
            told.append((run["config"], [json.loads(text)["val/loss"] for text in texts]))
        services.close()
    assert told[0] == told[1]
    assert len(told[0][1]) >= 100


def test_made_rows_are_what_ageing_makes_of_them(tmp_path: Path) -> None:
    """The bulk path is as good as the client's: the same texts, put and aged, tell the same."""
    make(tmp_path, Shape(rows=200).alone(ASKED).times(0.02))
    services = Services.open(tmp_path, KEY, b"secret", ServeOptions())
    with services.store.write() as tables:
        made = tables.runs._db.execute("SELECT id, project_id FROM runs LIMIT 1").fetchone()
        texts = tables.lines.texts(made["id"], lines.HISTORY)
        other = tables.runs.add(made["project_id"], "other", display_name="o", state="finished", heartbeat_at=0.0)
        tables.lines.put(other, lines.HISTORY, 0, texts)
    work = Ageing(services.store, services.blobs, services.clock.now, 1.0)
    while work.step():
        pass
    with services.store.read() as tables:
        keys = [[tuple(row) for row in tables.lines.keys(key)] for key in (made["id"], other)]
        ends = [tables.lines.ends([key])[key] for key in (made["id"], other)]
        assert (keys[0], ends[0]) == (keys[1], ends[1])
        one, two = (tables.aged.parts(key, lines.HISTORY) for key in (made["id"], other))
        assert [part[:5] for part in one] == [part[:5] for part in two]
        assert [json.loads(text) for text in tables.lines.texts(other, lines.HISTORY)] == list(
            map(json.loads, texts)
        )
    services.close()
