"""What becomes of runs and their points: deleted, preempted, lost, lost again, back."""

import time
from typing import Any

from launch.server import lifecycle
from launch.server.services import Services
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
