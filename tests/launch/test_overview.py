"""The joined view: every point is counted once, the estimate follows from what it names, jobs and runs meet."""

from dataclasses import replace

import pytest

from framework.definition import checked
from framework.tracking.ledger import Attempt, Entry, Ledger, Standing
from framework.tracking.states import Cause
from framework.tracking.sweeps import Sweep, SweepPath
from launch import overview
from launch.slurm import Job
from launch.successors import Chain

GRID = checked("method: grid\ncommand: [python, -m, experiments, quick]\nparameters: {x: {values: [1, 2]}}\n")
DRAWN = checked(
    "method: random\ncommand: [python, -m, experiments, quick]\nparameters: {x: {min: 0.0, max: 1.0}}\n"
)
STATES = {
    "running": None, "pending": None, "preempting": None, "finished": Cause.FINISHED, "failed": Cause.FAILED,
    "crashed": Cause.LOST, "killed": Cause.STOPPED, "preempted": Cause.PREEMPTED,
}  # fmt: skip


def run(state: str, begun: float = 0.0, seen: float = 0.0, run_id: str = "", **more) -> Attempt:
    return Attempt(run_id or f"r{begun}", "name", state, STATES[state], begun=begun, seen=seen, **more)


WAITS = Attempt("w", "name", "pending", None, begun=1.0)
"""A run that was added to a sweep, and that no agent has been told of."""


def entry(*states: str, **more) -> Entry:
    return Entry("p", [run(state) for state in states], **more)


@pytest.mark.parametrize(
    ("point", "state"),
    [
        (entry("finished"), "finished"),
        (entry("failed", "finished"), "finished"),
        (entry("preempted", "failed"), "failed"),
        (entry("crashed", "running"), "running"),
        (entry("pending"), "starting"),
        (entry("preempting"), "preempting"),
        (Entry("p", [run("failed"), WAITS]), "waiting"),
        (Entry("p", [run("failed"), WAITS, run("running", 9.0)]), "running"),
        (Entry("p", [run("finished"), WAITS]), "finished"),
        (Entry("p", [run("running"), WAITS]), "running"),
        (entry("crashed"), "lost and open"),
        (entry("preempted"), "preempted and open"),
        (Entry("p", [run("crashed", given_up=True)]), "lost"),
        (entry("killed"), "stopped"),
        (entry("killed", stops_early=True), "stopped early"),
    ],
)
def test_the_state_of_a_point(point, state):
    assert overview.state_of(point) == state


def test_the_states_add_up_to_the_plan():
    points = [entry("finished"), entry("running"), entry("preempted"), entry("failed"), entry(), entry()]
    found = overview.points_of(Ledger(GRID, points))
    assert found == {"finished": 1, "running": 1, "failed": 1, "preempted and open": 1, "waiting": 2}
    assert sum(found.values()) == len(points)
    drawn = overview.points_of(Ledger(DRAWN, points[:2], size=7))
    assert drawn == {"finished": 1, "running": 1, "to draw": 5}
    assert overview.points_of(Ledger(DRAWN, points[:2])) == {"finished": 1, "running": 1}


def test_a_point_once_more_is_told_and_its_worker_is_at_work():
    queued = Entry("p", [run("finished"), WAITS])
    points = [entry("finished", "running"), queued, entry("finished"), entry("running")]
    found = Ledger(GRID, points)
    assert overview.points_of(found) == {"finished": 3, "running": 1}
    assert [run.state for run in overview._once_more(found)] == ["running", "pending"]
    assert [run.state for run in overview._at_work(found)] == ["running", "running"]


def test_what_waits_for_an_agent_is_held_by_nobody():
    again, once_more, first = (
        [run("failed"), WAITS],
        [run("finished"), WAITS],
        [run("running", 990.0, run_id="w0")],
    )
    found = Ledger(GRID, [Entry("p", again), Entry("p", once_more), Entry("p", first), Entry("p")])
    assert overview.points_of(found) == {"finished": 1, "running": 1, "waiting": 2}
    assert [one.run_id for one in overview._at_work(found)] == ["w0"]
    assert [found.count(standing) for standing in (Standing.OPEN, Standing.HELD, Standing.FAILED)] == [2, 1, 0]
    end = overview.estimate(found, 1000, {"w0", "w"})
    assert end is None or end.left == 3


def test_a_run_of_a_point_that_was_withdrawn_is_at_work_and_told_as_such():
    stranger = run("running", 990.0, 999.0, "s", worker={"host": "n1", "job": "7"})
    told = overview._worker(stranger, 1000.0, {}, note=overview.NOT_WANTED)
    assert (told.host, told.job, told.run, told.note) == ("n1", "7", "s", overview.NOT_WANTED)
    silent = overview._worker(stranger, 1100.0, {}, note=overview.NOT_WANTED)
    assert silent.note == f"{overview.NOT_WANTED}; no sign of life for 101 s"


def ledger(*, finished: int, ages: list[float], unheld: int, now: float = 1000.0) -> Ledger:
    done = [Entry("p", [run("finished", 0, 100)]) for _ in range(finished)]
    held = [Entry("p", [run("running", now - age, now, f"w{i}")]) for i, age in enumerate(ages)]
    return Ledger(GRID, [*done, *held, *(Entry("p") for _ in range(unheld))])


@pytest.mark.parametrize(
    ("ages", "unheld", "in_s"),
    [
        ([0.0], 0, 100),
        ([40.0], 0, 60),
        ([400.0], 0, 0),
        ([0.0], 3, 400),
        ([0.0, 50.0], 2, 200),  # 100 → 200, 50 → 150
        ([0.0, 50.0], 3, 250),
    ],
)
def test_the_end_is_when_the_last_point_is_done(ages, unheld, in_s):
    found = overview.estimate(ledger(finished=3, ages=ages, unheld=unheld), 1000, {f"w{i}" for i in range(9)})
    assert found is not None
    assert found.in_s == in_s
    assert (found.median_s, found.finished, found.workers) == (100, 3, len(ages))
    assert found.left == len(ages) + unheld


def test_points_that_a_process_works_at_once_are_done_together_and_those_it_only_holds_are_not_at_work():
    """Four at once took 100 s, 25 s each; of those held two are worked by one process, two by nobody yet."""
    done = [replace(run("finished", 0, 100), used=({"seconds": 100.0, "together": 4},)) for _ in range(4)]
    at_work = [replace(run("running", 1000, 1000, f"w{n}"), worker={"host": "n", "process": 7}) for n in range(2)]
    waits = [run("pending", 1000, 1000, f"w{n}") for n in (2, 3)]
    found = Ledger(GRID, [Entry("p", [one]) for one in (*done, *at_work, *waits)])
    end = overview.estimate(found, 1000, {f"w{n}" for n in range(4)})
    assert end is not None
    assert (end.median_s, end.workers, end.left) == (100, 1, 4)
    assert end.in_s == 100 + 3 * 25


def test_a_point_whose_worker_is_gone_is_left_to_the_others():
    found = overview.estimate(ledger(finished=1, ages=[0.0, 0.0], unheld=0), 1000, {"w0"})
    assert found is not None
    assert (found.in_s, found.left, found.workers) == (200, 2, 1)


def test_there_is_no_estimate_without_what_it_would_rest_on():
    assert overview.estimate(ledger(finished=0, ages=[5.0], unheld=1), 1000, {"w0"}) is None
    assert overview.estimate(ledger(finished=2, ages=[], unheld=1), 1000, set()) is None
    endless = Ledger(DRAWN, ledger(finished=2, ages=[5.0], unheld=0).entries)
    assert overview.estimate(endless, 1000, {"w0"}) is None


def test_the_time_that_a_run_worked_counts_and_not_the_time_that_it_waited():
    resumed = run("finished", 0, 9_000, used=[{"seconds": 20}, {"seconds": 30}])
    points = [Entry("p", [resumed]), Entry("p", [run("running", 1000, 1000, "w0")])]
    found = overview.estimate(Ledger(GRID, points), 1000, {"w0"})
    assert found is not None
    assert found.median_s == 50


@pytest.mark.parametrize(
    ("state", "silent", "job", "note"),
    [
        ("running", 3.0, Job("1", "RUNNING"), ""),
        ("running", 3.0, None, ""),
        ("running", 130.0, None, "no sign of life for 2 min"),
        ("running", 3.0, Job("1", "TIMEOUT"), "its job is over (timeout); the point is free"),
        ("running", 3.0, Job("1", "PENDING"), "its job waits again"),
    ],
)
def test_what_is_wrong_with_a_worker_is_noted(state, silent, job, note):
    found = overview._worker(run(state, 0, 1000 - silent, worker={"job": "1"}), 1000, {"1": job} if job else {})
    assert found.note.startswith(note)
    assert bool(found.note) == bool(note)
    assert "killed" not in found.note


@pytest.mark.parametrize(
    ("definition", "parts", "command"),
    [
        (GRID, 1, "sashiko rerun me/lab/s0 --failed"),
        (GRID, 2, "sashiko rerun me/lab/s0 --failed"),
        (DRAWN, 1, "sashiko sweep FILE --new"),
    ],
)
def test_failed_points_are_worked_again_by_a_command_that_finds_them(definition, parts, command):
    some = [Sweep(SweepPath("me", "lab", f"s{i}"), "key", "FINISHED", definition.text()) for i in range(parts)]
    assert overview._again(Chain(some, Ledger(definition, []))) == command
