"""Runs as a table: what varies, what came out, and then only what has changed."""

import json
import random
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from launch.server.request import Request, Services
from launch.server.storage.lines import HISTORY
from launch.server.views import projects, sweep
from launch.server.views.columns import Columns, config_of, summary_of, told
from tests.launch.server.asgi import Client

Put = Callable[..., Any]
PLACE = {"entity": "local", "project": "p"}


def wrapped(config: dict[str, Any]) -> str:
    return json.dumps({key: {"value": value} for key, value in config.items()})


@pytest.fixture
def put(services: Services) -> Put:
    """Store a run of a project, or of a sweep."""

    def store(name: str, config: Any, summary: Any, *, sweep: int | None = None, **more: Any) -> int:
        with services.store.write() as tables:
            project = tables.projects.make("p")[0]["id"]
            values = {"display_name": name, "state": "finished", "started": 1, "sweep_id": sweep, **more}
            return tables.runs.add(project, name, config=wrapped(config), summary=json.dumps(summary), **values)

    return store


@pytest.fixture
def grid(services: Services) -> int:
    with services.store.write() as tables:
        project = tables.projects.make("p")[0]["id"]
        text = "method: grid\nprogram: t.py\nparameters: {ridge: {values: [0, 1]}, seed: {values: [0, 1]}}\n"
        text += "metric: {name: acc, goal: maximize}"
        key = tables.sweeps.add(project, "s", text, method="grid", size=4, metric="acc", goal="maximize")
        tables.points.add(key, ["{}"] * 4)
    return key


def table_of(client: Client, address: str = "/view/local/p/runs") -> Any:
    reply = client.get(address)
    assert reply.status_code == 200, reply.text
    return reply.json()


def columns_of(table: Any, kind: str) -> dict[str, list[Any]]:
    return {
        column["path"]: column.get("values") or [column["levels"][code] for code in column["codes"]]
        for column in table["columns"]
        if column["kind"] == kind
    }


def changes(services: Services, seen: Any, **parts: str) -> tuple[Any, Any]:
    with Request(services, "", writes=False) as request:
        return sweep.changes(request, {**PLACE, **parts}, seen)


def test_configs_are_flattened_and_what_is_no_value_is_left_out() -> None:
    config = {"a": {"value": {"b": {"c": 1}, "d": [8, 8]}}, "_wandb": {"value": {"t": 1}}, "big": {"value": 2**60}}
    assert config_of(json.dumps(config)) == {"a.b.c": 1, "a.d": "[8,8]", "big": str(2**60)}
    summary = '{"acc": NaN, "loss": {"min": 0.5}, "_step": 3, "_runtime": 7.5, "image": {"_type": "image-file"},'
    assert summary_of(summary + '"list": [1], "up": Infinity, "text": "x", "on": true, "none": null}') == (
        {"acc": "nan", "loss.min": 0.5, "up": "inf", "text": "x", "on": True, "none": None},
        7.5,
    )
    assert summary_of("[]") == ({}, None)
    assert summary_of('{"_wandb": {"runtime": 4}}') == ({}, 4)


def test_a_column_is_sent_by_its_levels_where_it_repeats_and_true_is_not_one() -> None:
    assert told("x", "config", ["a", "b", "a", None]) == {
        "path": "x", "kind": "config", "levels": ["a", "b", None], "codes": [0, 1, 0, 2]
    } or told("x", "config", ["a", "b", "a", "a"])["levels"] == ["a", "b"]  # fmt: skip
    assert told("x", "config", [1, True, 1, True])["values"] == [1, True, 1, True]
    assert "values" in told("x", "summary", [random.random() for _ in range(20)])
    columns = Columns(2)
    columns.configs(0, ['{"a": {"value": 1}, "b": 1, "c": 1}', '{"a": 1, "b": {"value": true}}'])
    assert columns.apart() == ({"b": [1, True], "c": [1, None]}, {"a": 1})


def test_the_table_has_what_varies_first_and_what_came_out(client: Client, put: Put, grid: int) -> None:
    for number, (ridge, seed) in enumerate([(0, 0), (0, 1), (1, 0)]):
        put(f"r{number}", {"other": number, "ridge": ridge, "seed": seed, "same": "x"},
            {"zzz": 1, "acc": 0.5 + number, "_step": 9, "_runtime": number}, sweep=grid)  # fmt: skip
    put("elsewhere", {}, {})
    table = table_of(client, "/view/local/p/sweeps/s/runs")
    assert (table["name"], table["same"], table["left_out"]) == (["r0", "r1", "r2"], {"same": "x"}, 0)
    assert columns_of(table, "config") == {"ridge": [0, 0, 1], "seed": [0, 1, 0], "other": [0, 1, 2]}
    assert list(columns_of(table, "config")) == ["ridge", "seed", "other"]
    assert list(columns_of(table, "summary")) == ["acc", "zzz"]
    assert columns_of(table, "run") == {"state": ["finished"] * 3, "runtime": [0, 1, 2]}
    assert table["metric"] == {"name": "acc", "goal": "max"}
    assert table["progress"]["size"] == 4
    assert len(table_of(client)["name"]) == 4


def test_a_project_without_runs_and_a_sweep_without_any(client: Client, grid: int) -> None:
    for address in ("/view/local/p/runs", "/view/local/p/sweeps/s/runs"):
        table = table_of(client, address)
        assert (table["name"], columns_of(table, "config")) == ([], {})
    assert client.get("/view/local/p/sweeps/gone/runs").status_code == 404
    assert client.get("/view/local/gone/runs").status_code == 404
    assert client.get("/view/local/p/sweeps/s/best").json() is None


def test_only_what_changed_is_told(services: Services, put: Put, grid: int) -> None:
    first = put("r0", {"ridge": 0}, {"acc": 0.1}, sweep=grid, state="running")
    put("r1", {"ridge": 1}, {"acc": 0.2}, sweep=grid)
    event, seen = changes(services, None, sweep="s", since="0")
    assert [row[0] for row in event["runs"]] == ["r0", "r1"]
    assert (event["count"], event["progress"]["pending"]) == (2, 4)
    assert changes(services, seen, sweep="s") == (None, seen)
    with services.store.write() as tables:
        tables.runs.beat(first, time.time())
        tables.runs.set(first, system_metrics="{}", heartbeat_at=5.0)
    assert changes(services, seen, sweep="s")[0] is None
    with services.store.write() as tables:
        tables.runs.set(first, summary='{"acc": 0.3, "loss": 1}')
    event, seen = changes(services, seen, sweep="s")
    [row] = event["runs"]
    assert row[0] == "r0"
    assert (row[5], event["paths"], row[6]) == (None, ["acc", "loss"], [0.3, 1])
    with services.store.write() as tables:
        tables.runs.set(first, config=wrapped({"ridge": 5}))
    assert changes(services, seen, sweep="s")[0]["runs"][0][5] == {"ridge": 5}
    with services.store.write() as tables:
        tables.runs.delete(first)
    event, seen = changes(services, seen, sweep="s")
    assert (event["count"], event["runs"]) == (1, [])
    with services.store.write() as tables:
        tables.sweeps.set_state(grid, "PAUSED")
    assert changes(services, seen, sweep="s")[0]["progress"]["state"] == "PAUSED"


def test_a_run_that_is_new_after_one_was_deleted_is_told(services: Services, put: Put) -> None:
    put("r0", {}, {})
    last = put("r1", {}, {})
    _, seen = changes(services, None, since="0")
    with services.store.write() as tables:
        tables.runs.delete(last)
    put("r2", {}, {})
    assert [row[0] for row in changes(services, seen)[0]["runs"]] == ["r2"]


def test_an_event_is_small_whatever_has_changed(services: Services, put: Put) -> None:
    chance = random.Random(0)
    for number in range(300):
        put(f"r{number}", {f"c{key}": chance.random() for key in range(30)},
            {f"s{key}": chance.random() for key in range(20)})  # fmt: skip
    seen: Any = None
    found: list[str] = []
    parts = {"since": "0"}
    while True:
        event, seen = changes(services, seen, **parts)
        if event is None or not event["runs"]:
            break
        assert len(orjson.dumps(event)) <= 20_000
        found += [row[0] for row in event["runs"]]
    assert found == [f"r{number}" for number in range(300)]


def test_the_ends_of_the_metric_are_told(services: Services, client: Client, put: Put, grid: int) -> None:
    first = put("r0", {}, {}, sweep=grid)
    put("r1", {}, {}, sweep=grid)
    with services.store.write() as tables:
        tables.lines.put(first, HISTORY, 0, ['{"acc": 0.5}', '{"acc": NaN}', '{"acc": 0.75, "loss": 9}'])
    table = table_of(client, "/view/local/p/sweeps/s/runs")
    assert columns_of(table, "history") == {"min of acc": [0.5, None], "max of acc": [0.75, None]}
    with services.store.write() as tables:
        tables.lines.put(first, HISTORY, 3, ['{"acc": -1}'])
        tables.runs.set(first, summary='{"acc": -1}')
    event, _ = changes(services, None, sweep="s", since=str(table["mark"]))
    assert event["extremes"] == [(-1, 0.75)]
    assert columns_of(table_of(client), "history") == {}


def test_after_very_many_changes_the_table_is_asked_for(
    services: Services, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "MOST_CHANGED", 3)
    for number in range(5):
        put(f"r{number}", {}, {})
    event, seen = changes(services, None, since="0")
    assert event == {"stale": True}
    assert changes(services, seen)[0]["runs"] == []


def test_the_best_value_is_averaged_over_seeds(client: Client, put: Put, grid: int) -> None:
    values = [(0, 0, 0.9), (0, 1, 0.1), (1, 0, 0.6), (1, 1, 0.7), (2, 0, None), (2, 1, float("nan"))]
    for number, (ridge, seed, acc) in enumerate(values):
        put(f"r{number}", {"ridge": ridge, "seed": seed}, {} if acc is None else {"acc": acc}, sweep=grid)
    found = client.get("/view/local/p/sweeps/s/best").json()
    assert found["mean"] == pytest.approx(0.65)
    assert found["std"] == pytest.approx(0.0707, rel=1e-3)
    assert (found["n"], found["of"], found["factors"], found["metric"]) == (2, 2, {"ridge": 1}, "acc")


def test_a_projects_sweeps_are_told_as_they_move(services: Services, grid: int, put: Put) -> None:
    def look(seen: Any) -> tuple[Any, Any]:
        with Request(services, "", writes=False) as request:
            return projects.changes(request, PLACE, seen)

    event, seen = look(None)
    assert event == {"sweeps": {"s": ["RUNNING", 4, 0, 0]}, "runs": 0}
    assert look(seen)[0] is None
    put("r0", {}, {}, sweep=grid)
    event, seen = look(seen)
    assert event == {"sweeps": {}, "runs": 1}


def test_ten_thousand_runs_are_read_whole(services: Services, client: Client) -> None:
    chance = random.Random(0)
    with services.store.write() as tables:
        project = tables.projects.make("p")[0]["id"]
        for index in range(10_000):
            config = wrapped({f"c{key}": chance.randrange(5) for key in range(15)})
            summary = json.dumps({f"s{key}": chance.random() for key in range(15)})
            tables.runs.add(
                project, f"r{index}", display_name="x", state="finished", config=config, summary=summary
            )
    table = table_of(client)
    assert len(table["name"]) == 10_000
    assert len(table["columns"]) == 32
