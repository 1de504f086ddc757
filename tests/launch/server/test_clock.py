"""The server's clock: absences are noticed, whichever clock tells of them, and nobody loses a point by one."""

import time

import pytest

from launch.server import lifecycle
from launch.server.clock import Clock
from launch.server.request import Services
from tests.launch.server.test_sweeps import OPTIONS, begin, call, counts, end, state_of, sweep

__all__ = ["sweep"]

PAUSE = 20.0


class Hands:
    """Two clocks that move when told to."""

    def __init__(self) -> None:
        self.wall, self.steady = 1e9, 50.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def clock(hands: Hands) -> Clock:
    made = Clock(PAUSE, lambda: hands.wall, lambda: hands.steady)
    told = made.absences()
    assert told is not None  # it was away before it started
    made.forgiven(told)
    return made


def test_time_that_passes_is_no_absence(clock: Clock, hands: Hands) -> None:
    for _ in range(100):
        hands.pass_by(PAUSE - 0.1)
        assert clock.now() == hands.wall
    assert clock.absences() is None


@pytest.mark.parametrize("seconds", [PAUSE + 0.1, 3600.0])
def test_a_server_that_was_stopped_notices(clock: Clock, hands: Hands, seconds: float) -> None:
    hands.pass_by(seconds)
    clock.now()
    assert clock.absences() is not None


@pytest.mark.parametrize("jump", [-3600.0, -6.0, 6.0, 8 * 3600.0])
def test_a_jump_of_the_wall_clock_is_noticed(clock: Clock, hands: Hands, jump: float) -> None:
    hands.wall += jump  # set by hand, or the machine slept while the steady clock stood still
    hands.pass_by(1)
    clock.now()
    assert clock.absences() is not None


def test_an_absence_that_comes_while_another_is_forgiven_still_counts(clock: Clock, hands: Hands) -> None:
    hands.pass_by(100)
    clock.now()
    first = clock.absences()
    assert first is not None
    hands.pass_by(100)
    clock.now()
    clock.forgiven(first)
    assert clock.absences() == first + 1


@pytest.mark.parametrize("away", [61.0, 3600.0, -3600.0])
def test_nobody_loses_a_point_by_the_servers_absence(
    services: Services, sweep: tuple[int, int], away: float
) -> None:
    key, agent = sweep
    start = time.time()
    [run] = call(services, agent, now=start)
    begin(services, run["run_id"], start)
    with services.store.write() as tables:
        other = tables.agents.add(key, "b")
    now = start + away
    with services.store.write() as tables:
        lifecycle.forgive(tables, now, OPTIONS)
        assert lifecycle.expire(tables, now, OPTIONS, awake_since=now) == 0
    [second] = call(services, other, now=now + 1)
    assert second["args"] != run["args"]
    assert call(services, agent, run["run_id"], now=now + 59) == []
    assert state_of(services, run["run_id"]) == "running"
    end(services, run["run_id"])
    assert counts(services, key) == (0, 1, 1)
    # A run that stays silent after the absence is lost one lease later, also if the clock was set back.
    with services.store.write() as tables:
        assert lifecycle.expire(tables, now + 1 + 61, OPTIONS, awake_since=now) == 1


def test_a_run_without_a_point_is_not_lost_by_the_servers_absence(services: Services) -> None:
    start = time.time()
    with services.store.write() as tables:
        project, _ = tables.projects.make("p")
        tables.runs.add(project["id"], "alone", display_name="a", state="running", started=1)
        later = start + 7200
        lifecycle.forgive(tables, later, OPTIONS)
        assert lifecycle.expire(tables, later + 59, OPTIONS, awake_since=later) == 0
        assert lifecycle.expire(tables, later + 61, OPTIONS, awake_since=later) == 1


def test_heartbeats_after_a_start_of_the_server_forgive(
    services: Services, make_sweep: object, make_agent: object, beat: object
) -> None:
    """The server was killed for longer than a lease: the first call that comes is from another agent."""
    made = make_sweep("1, 2")  # type: ignore[operator]
    agent, other = make_agent(made["name"]), make_agent(made["name"])  # type: ignore[operator]
    [run] = beat(agent)  # type: ignore[operator]
    begin(services, run["run_id"], time.time())
    with services.store.write() as tables:
        tables.points.grant(time.time() - 1000)
    [second] = beat(other)  # type: ignore[operator]
    assert second["args"] != run["args"]
    assert state_of(services, run["run_id"]) == "running"
