"""A point that a job is there for: one run, whatever becomes of the job, held by it alone while it works."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.definition import checked
from framework.tracking.ledger import Attempt, Entry, Ledger, Standing
from framework.tracking.states import Cause
from launch import direct, sweeping
from launch.direct import Alone
from launch.overview import state_of
from launch.slurm import Job
from tests.launch.day import Day, until

RUN = "0a1b2c3d"


class Reply:
    def __init__(self, *, stopped: bool) -> None:
        self.stopped = stopped
        self.sent: list[tuple[str, object]] = []

    def file_stream(self, path: str, payload: object) -> dict[str, object]:
        self.sent.append((path, payload))
        return {"stopped": self.stopped}


@pytest.mark.parametrize("stopped", [True, False])
def test_a_sign_of_life_brings_the_word_to_stop(stopped: bool):
    tracker = Reply(stopped=stopped)
    agent = Alone(tracker, "a/b")  # type: ignore[arg-type]
    assert agent.heartbeat(None) == []
    assert tracker.sent == []
    assert agent.heartbeat(RUN) == ([{"type": "stop", "run_id": RUN}] if stopped else [])
    assert tracker.sent == [(f"a/b/{RUN}", {})]


def test_a_job_that_is_not_over_holds_its_point():
    comment = f"local/lab/abc {direct.remark('c0ffee', RUN)}"
    jobs = [
        Job("7", "PENDING", comment=comment),
        Job("8", "COMPLETED", comment="local/lab/abc work=beef run=r"),
        Job("9", "RUNNING", comment="local/lab/abc"),
    ]
    assert [direct.is_for_one(job) for job in jobs] == [True, True, False]
    (held,) = direct.held_by(jobs).values()
    assert (held.run_id, held.config_id, held.cause, held.waits) == (RUN, "c0ffee", None, False)
    entry = Entry("p", [Attempt("r", "r", "failed", Cause.FAILED), held])
    assert (entry.standing, state_of(entry)) == (Standing.HELD, "waiting")


def test_who_was_alone_has_to_be_asked_for_once_its_job_is_gone():
    definition = checked(
        "method: grid\ncommand: [python, -m, experiments, q]\nparameters: {x: {values: [1, 2]}}\n"
    )
    failed = Attempt("a", "a", "failed", Cause.FAILED)
    alone = Attempt("b", "b", "preempted", Cause.PREEMPTED, worker={"alone": True})
    handed_out = Attempt("c", "c", "preempted", Cause.PREEMPTED, worker={"job": "7"})
    entries = [Entry("p", [failed, alone]), Entry("q", [failed, handed_out])]
    assert sweeping.to_reopen(Ledger(definition, entries), every=False) == entries[:1]


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    made = Day(tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.slow
def test_a_job_that_is_started_again_goes_on_with_its_run(day: Day):
    """Longer than a lease at work, told to leave, killed, and started once more when all is done."""
    day.touch("hold-1")
    day.lab.sashiko("status", "none")  # there is no such sweep, but now there is a server
    exports = dict(re.findall(r"export (\w+)=(\S+)", day.lab.sashiko("env").stdout))
    made = day.lab.call("wandb", "sweep", day.file("{x: {values: [1]}, thing: {value: {size: 0}}}"), **exports)
    path = made.stderr.split("wandb agent ")[1].split()[0]
    words = ("launch.crew", path, "--workers", "1", "--point", "0", "--run", RUN)

    def states() -> dict[str, str]:
        return {run["id"]: run["state"] for run in day.runs()}

    job = day.lab.start(*words, **exports)
    until(lambda: day.told("held hold-1") == 1, "the run is at work")
    time.sleep(1.5 * float(day.lab.environment["SASHIKO_LEASE_SECONDS"]))
    assert states()[RUN] == "running", "its worker gives signs of life"
    os.kill(job.pid, signal.SIGUSR2)
    job.communicate(timeout=60)
    assert states()[RUN] == "preempted"
    killed = day.lab.start(*words, **exports)
    until(lambda: day.told("held hold-1") == 2, "the run goes on")
    killed.kill()
    killed.communicate(timeout=60)
    day.free("hold-1")
    done = day.lab.call(*words, **exports)
    assert done.returncode == 0, done.stdout + done.stderr
    assert states() == {RUN: "finished"}
    assert day.told("ran 1") == 1
    again = day.lab.call(*words, **exports)
    assert again.returncode == 0, again.stdout + again.stderr
    assert day.told("ran 1") == 1, "what is done is not done again"
