"""What becomes of runs and their points: deleted, preempted, lost, lost again, back."""

import time
from typing import Any

from launch.server import dispatch, lifecycle
from launch.server.request import Services
from tests.launch.server.test_sweeps import OPTIONS, begin, call, counts, end, state_of, sweep

__all__ = ["sweep"]


def test_a_running_run_that_is_deleted_is_stopped_and_takes_no_other_point(
    ask: Any, make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, stream: Any, services: Services
) -> None:
    sweep = make_sweep("1, 2, 3")
    agent = make_agent(sweep["name"])
    [run] = beat(agent)
    made = make_run(run["run_id"])
    ask("mutation D($id: ID!) { deleteRun(input: {id: $id}) { success } }", id=made["bucket"]["id"])
    for _ in range(3):  # while it still works
        assert beat(agent, run["run_id"]) == [{"type": "stop", "run_id": run["run_id"]}]
    stream(run["run_id"], {"files": {}}, status=404)
    assert counts(services, 1) == (3, 0, 0)
    [again] = beat(agent)
    assert (again["args"], again["run_id"] != run["run_id"]) == (run["args"], True)


def test_causes_are_counted_apart(services: Services, sweep: tuple[int, int]) -> None:
    """Twice preempted and twice lost, where three lost runs are allowed: the point is still open."""
    key, agent = sweep
    now = time.time()

    def preempt(name: str) -> None:
        with services.store.write() as tables:
            row = tables.runs.by_name(1, name)
            assert row is not None
            tables.runs.set(row["id"], preempting=1)
        end(services, name, 143)

    for _ in range(4):
        [command] = call(services, agent, now=now)
        begin(services, command["run_id"], now)
        preempt(command["run_id"])
    for attempt in range(OPTIONS.attempts):
        [command] = call(services, agent, now=now)
        assert command["args"] == {"x": {"value": 0}}, attempt
        begin(services, command["run_id"], now)
        now += OPTIONS.lease_seconds + 1
        with services.store.write() as tables:
            lifecycle.expire(tables, now, OPTIONS)
    assert counts(services, key) == (1, 0, 1)


def test_a_reopened_point_starts_from_zero(services: Services, sweep: tuple[int, int], ask: Any) -> None:
    key, agent = sweep
    now = time.time()
    for _ in range(OPTIONS.attempts):
        [command] = call(services, agent, now=now)
        begin(services, command["run_id"], now)
        now += OPTIONS.lease_seconds + 1
        with services.store.write() as tables:
            lifecycle.expire(tables, now, OPTIONS)
    assert counts(services, key) == (1, 0, 1)
    with services.store.write() as tables:
        run = tables.runs.by_name(1, command["run_id"])
        assert run is not None
        tables.points.reopen(run["id"])
    for _ in range(OPTIONS.attempts - 1):
        [command] = call(services, agent, now=now)
        assert command["args"] == {"x": {"value": 0}}
        begin(services, command["run_id"], now)
        now += OPTIONS.lease_seconds + 1
        with services.store.write() as tables:
            lifecycle.expire(tables, now, OPTIONS)
    assert counts(services, key) == (2, 0, 0)


def test_a_run_that_comes_back_was_not_lost(services: Services, sweep: tuple[int, int]) -> None:
    """Its network fails four times where three lost runs are allowed: it keeps its point."""
    key, agent = sweep
    now = time.time()
    [command] = call(services, agent, now=now)
    begin(services, command["run_id"], now)
    for _ in range(OPTIONS.attempts + 1):
        now += OPTIONS.lease_seconds + 1
        with services.store.write() as tables:
            lifecycle.expire(tables, now, OPTIONS)
            row = tables.runs.by_name(1, command["run_id"])
            assert row is not None
            lifecycle.alive(tables, row, now, OPTIONS)
    assert state_of(services, command["run_id"]) == "running"
    assert counts(services, key) == (1, 1, 0)


def test_a_heartbeat_after_an_absence_takes_no_run_without_a_point_for_lost(
    make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, services: Services
) -> None:
    """An artifact is being made; the server is started again after an hour, and the first call is an agent's."""
    make_run("model-1")
    agent = make_agent(make_sweep("1")["name"])
    with services.store.write() as tables:
        tables.runs._db.execute("UPDATE runs SET heartbeat_at = heartbeat_at - 3600 WHERE name = 'model-1'")
    beat(agent)
    assert state_of(services, "model-1") == "running"


def test_a_run_that_is_given_back_late_goes_on_and_was_not_lost(
    services: Services, sweep: tuple[int, int]
) -> None:
    key, agent = sweep
    now = time.time()
    [command] = call(services, agent, now=now)
    begin(services, command["run_id"], now)
    with services.store.write() as tables:
        assert lifecycle.expire(tables, now + 61, OPTIONS) == 1
        row = tables.runs.by_name(1, command["run_id"])
        assert row is not None
        tables.runs.set(row["id"], preempting=1)
    end(services, command["run_id"], 130)
    with services.store.read() as tables:
        point = tables.points.of_run(row["id"])
        assert point is not None
        assert (point["state"], point["lost"]) == ("pending", 0)
    [again] = call(services, agent, now=now + 62)
    assert (again["type"], again["run_id"]) == ("resume", command["run_id"])
    assert counts(services, key) == (1, 1, 0)


def test_who_comes_back_to_a_run_that_somebody_goes_on_with_is_stopped(
    services: Services, sweep: tuple[int, int]
) -> None:
    """Its machine slept while it was about to give its run back: the same run is at work elsewhere."""
    key, agent = sweep
    now = time.time()
    [command] = call(services, agent, now=now)
    name = command["run_id"]
    begin(services, name, now)
    with services.store.write() as tables:
        row = tables.runs.by_name(1, name)
        assert row is not None
        tables.runs.set(row["id"], preempting=1)
        other = tables.agents.add(key, "b")
    [again] = call(services, other, now=now + 61)
    assert again["run_id"] == name
    assert call(services, agent, name, now=now + 62) == [{"type": "stop", "run_id": name}]
    assert call(services, other, name, now=now + 63) == []


def test_a_lost_run_that_comes_back_to_a_cancelled_sweep_is_stopped(
    services: Services, sweep: tuple[int, int]
) -> None:
    key, agent = sweep
    now = time.time()
    [command] = call(services, agent, now=now)
    begin(services, command["run_id"], now)
    with services.store.write() as tables:
        lifecycle.expire(tables, now + 61, OPTIONS)
        tables.sweeps.set_state(key, "CANCELED")
        dispatch.cancel(tables, key)
    told = call(services, agent, command["run_id"], now=now + 62)
    assert told == [{"type": "stop", "run_id": command["run_id"]}]


def test_the_run_with_which_a_point_is_given_up_has_an_exit_code(
    services: Services, sweep: tuple[int, int]
) -> None:
    _, agent = sweep
    now = time.time()
    names = []
    for _ in range(OPTIONS.attempts):
        [command] = call(services, agent, now=now)
        names.append(command["run_id"])
        begin(services, command["run_id"], now)
        now += OPTIONS.lease_seconds + 1
        with services.store.write() as tables:
            lifecycle.expire(tables, now, OPTIONS)
    with services.store.read() as tables:
        found = [tables.runs.by_name(1, name) for name in names]
        codes = [row["exit_code"] for row in found if row is not None]
    assert codes == [None, None, lifecycle.GIVEN_UP]


DELETE = "mutation D($id: ID!) { deleteRun(input: {id: $id}) { success } }"


def test_the_id_of_a_deleted_run_is_not_given_again(ask: Any, make_run: Any, services: Services) -> None:
    first = make_run("abc")["bucket"]["id"]
    ask(DELETE, id=first)
    query = 'mutation U { upsertBucket(input: {name: "abc", modelName: "p"}) { inserted } }'
    assert "was deleted" in ask(query, 410)
    second = make_run("other")["bucket"]["id"]
    assert second != first
    ask(DELETE, id=first)  # asked once more, because the first answer was lost
    assert state_of(services, "other") == "running"


def test_a_process_that_starts_after_its_run_was_deleted_does_not_work(
    ask: Any, make_sweep: Any, make_agent: Any, beat: Any
) -> None:
    agent = make_agent(make_sweep("1")["name"])
    [run] = beat(agent)
    query = 'query R($n: String!) { project(name: "p") { run(name: $n) { id } } }'
    ask(DELETE, id=ask(query, n=run["run_id"])["project"]["run"]["id"])
    start = 'mutation U($n: String) { upsertBucket(input: {name: $n, modelName: "p"}) { inserted } }'
    assert "was deleted" in ask(start, 410, n=run["run_id"])
    [again] = beat(agent)
    assert (again["args"], again["run_id"] != run["run_id"]) == (run["args"], True)


def test_a_run_that_begins_again_has_its_point_again(services: Services, sweep: tuple[int, int]) -> None:
    """It failed, and its process, or a person, goes on with it; given back, somebody else does."""
    key, agent = sweep
    [command] = call(services, agent)
    name = command["run_id"]
    begin(services, name, time.time())
    end(services, name, 1)
    assert counts(services, key) == (1, 0, 1)
    begin(services, name, time.time())
    assert counts(services, key) == (1, 1, 0)
    with services.store.write() as tables:
        row = tables.runs.by_name(1, name)
        assert row is not None
        tables.runs.set(row["id"], preempting=1)
    end(services, name, 143)
    [again] = call(services, agent)
    assert (again["type"], again["run_id"]) == ("resume", name)


def test_a_request_to_stop_holds_for_a_run_that_starts_after_its_lease(
    services: Services, sweep: tuple[int, int]
) -> None:
    _, agent = sweep
    now = time.time()
    [command] = call(services, agent, now=now)
    with services.store.write() as tables:
        row = tables.runs.by_name(1, command["run_id"])
        assert row is not None
        tables.runs.set(row["id"], stop_requested=1)
        lifecycle.expire(tables, now + 61, OPTIONS)
    assert state_of(services, command["run_id"]) == "killed"
    begin(services, command["run_id"], now + 62)
    assert call(services, agent, command["run_id"], now=now + 63)[0]["type"] == "stop"


def test_a_point_that_was_given_up_is_open_if_its_last_run_is_given_back(
    services: Services, sweep: tuple[int, int]
) -> None:
    key, agent = sweep
    now = time.time()
    for _ in range(OPTIONS.attempts):
        [command] = call(services, agent, now=now)
        begin(services, command["run_id"], now)
        now += OPTIONS.lease_seconds + 1
        with services.store.write() as tables:
            lifecycle.expire(tables, now, OPTIONS)
    assert counts(services, key) == (1, 0, 1)
    with services.store.write() as tables:
        row = tables.runs.by_name(1, command["run_id"])
        assert row is not None
        tables.runs.set(row["id"], preempting=1)
    end(services, command["run_id"], 130)
    assert counts(services, key) == (2, 0, 0)
    [again] = call(services, agent, now=now + 1)
    assert (again["type"], again["run_id"]) == ("resume", command["run_id"])
