"""Tables of runs that are kept: always what a fresh look at the database tells."""

import json
import random
import threading
from typing import Any

import orjson
import pytest

from launch.server.errors import ApiError
from launch.server.request import Request, Services
from launch.server.views import kept, sweep
from launch.server.views.kept import Kept, Table

PLACE = {"entity": "local", "project": "p"}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "SMALLEST", 1)


def change(services: Services, chance: random.Random, number: int) -> None:
    """One of the things that happen to runs."""
    with services.store.write() as tables:
        project = tables.projects.make("p")[0]["id"]
        there = [row["id"] for row in tables.runs.told("project_id", project)]
        config = {
            key: {"value": chance.choice([1, 2.5, None, "a", True, {"b": chance.randrange(3)}])} for key in "xyz"
        }
        summary: dict[str, Any] = {key: chance.choice([chance.random(), "t", [1], {"max": 1.0}]) for key in "uv"}
        summary |= {"_runtime": chance.random()}
        some = dict(list(summary.items())[: chance.randrange(4)])
        what = chance.random()
        if what < 0.4 or not there:
            values = {"config": json.dumps(config), "summary": json.dumps(some), "state": "running"}
            tables.runs.add(project, f"r{number}", display_name=f"run {number}", **values)
        elif what < 0.6:
            tables.runs.set(chance.choice(there), summary=json.dumps(some).replace('"t"', "NaN"))
        elif what < 0.8:
            tables.runs.set(chance.choice(there), config=json.dumps(config), tags='["a"]')
        elif what < 0.9:
            tables.runs.set(chance.choice(there), state="finished", display_name="other")
        else:
            tables.runs.delete(chance.choice(there))


def sent(told: Any) -> Any:
    """What arrives at the page."""
    return orjson.loads(orjson.dumps(told))


def rows_of(told: Any) -> Any:
    """A told table as a row for each run: columns without any value may be there or not."""
    told = sent(told)
    columns = {
        (item["kind"], item["path"]): item.get("values")
        or [item["levels"][code] for code in item.get("codes", ())]
        for item in told["columns"]
    }
    full = {key: values for key, values in columns.items() if any(value is not None for value in values)}
    places = range(len(told["name"]))
    return [
        {
            **{key: values[place] for key, values in full.items()},
            "name": told["name"][place],
            "l": told["label"][place],
        }
        for place in places
    ], {key: value for key, value in told["same"].items() if value is not None}


@pytest.mark.parametrize("seed", range(6))
def test_what_is_kept_is_what_a_fresh_look_tells(services: Services, seed: int) -> None:
    chance = random.Random(seed)
    with services.store.write() as tables:
        tables.projects.make("p")
    for number in range(120):
        for step in range(chance.choice((1, 1, 2, 6))):
            change(services, chance, 1000 * number + step)
        with Request(services, "", writes=False) as request:
            scope = sweep.scope_of(request, PLACE)
            old = sweep.runs(request, PLACE)
            runs = request.tables.runs
            fresh = Table(
                old["mark"], runs.told(scope.column, scope.key), runs.count(("project_id = ?", (scope.key,)))
            )
            assert rows_of(old) == rows_of(sweep._told(request, scope, fresh))


def test_only_what_changed_is_read(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    with services.store.write() as tables:
        project = tables.projects.make("p")[0]["id"]
        for number in range(20):
            tables.runs.add(project, f"r{number}", display_name="x", state="finished")

    def look() -> Any:
        with Request(services, "", writes=False) as request:
            return sweep.runs(request, PLACE)

    look()
    built: list[int] = []
    made = Table.__init__
    monkeypatch.setattr(Table, "__init__", lambda *args: (built.append(1), made(*args))[1])
    with services.store.write() as tables:
        tables.runs.set(1, summary='{"acc": 1}')
    assert columns(look())["acc"][0] == 1
    assert built == []
    with services.store.write() as tables:
        for number in range(1, 15):
            tables.runs.set(number, summary='{"acc": 2}')
    assert columns(look())["acc"][0] == 2
    assert built == [1]


def columns(told: Any) -> dict[str, list[Any]]:
    return {
        item["path"]: item.get("values") or [item["levels"][code] for code in item["codes"]]
        for item in sent(told)["columns"]
    }


def test_an_older_transaction_sees_what_it_saw(services: Services) -> None:
    with services.store.write() as tables:
        project = tables.projects.make("p")[0]["id"]
        run = tables.runs.add(project, "r", display_name="x", summary='{"acc": 1}', state="running")
    with services.store.read() as older:
        assert older.runs.count(("project_id = ?", (project,))) == 1
        with services.store.write() as tables:
            tables.runs.set(run, summary='{"acc": 2}')
        with services.store.read() as newer, services.kept.table(newer.runs, "project_id", project) as table:
            assert table.summaries.values["acc"] == [2]
        with services.kept.table(older.runs, "project_id", project) as table:
            assert table.summaries.values["acc"] == [1]
    with services.store.read() as newer, services.kept.table(newer.runs, "project_id", project) as table:
        assert table.summaries.values["acc"] == [2]


def test_more_than_a_browser_can_hold_is_refused(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 2)
    with services.store.write() as tables:
        project = tables.projects.make("p")[0]["id"]
        for number in range(3):
            tables.runs.add(project, f"r{number}", display_name="x", state="running")
    with (
        pytest.raises(ApiError, match="there are 3 runs; a page shows at most 2: `sashiko pull`"),
        Request(services, "", writes=False) as request,
    ):
        sweep.runs(request, PLACE)


def test_few_are_kept_and_many_may_look_at_once(services: Services) -> None:
    with services.store.write() as tables:
        projects = [tables.projects.make(f"p{number}")[0]["id"] for number in range(6)]
        for project in projects:
            for number in range(30):
                tables.runs.add(project, f"r{number}", display_name="x", state="running", summary='{"n": 0}')
    shared = Kept()
    wrong: list[Any] = []

    def look() -> None:
        chance = random.Random(threading.get_ident())
        for _ in range(60):
            project = chance.choice(projects)
            with services.store.read() as tables, shared.table(tables.runs, "project_id", project) as table:
                values = table.summaries.values["n"]
                if len(values) != 30 or len(set(values)) != 1:
                    wrong.append(list(values))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(1, 30):
        with services.store.write() as tables:
            for row in tables.runs.listed(("runs.project_id = ?", (projects[turn % 6],))):
                tables.runs.set(row["id"], summary=json.dumps({"n": turn}))
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(shared._tables) <= kept.KEPT
