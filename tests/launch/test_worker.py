"""What a worker holds when it is told to stop, at whatever moment that comes."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from framework.errors import TrackerAway
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch import stopping, worker
from launch.child import STOPPING
from launch.team import Team

COMMAND = {"type": "run", "run_id": "r1", "args": {}}


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers of a worker, for the length of a test."""
    numbers = (*STOPPING, signal.SIGALRM)
    before = [signal.signal(number, stopping.stop) for number in numbers]
    yield
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


class Agent:
    """An agent that is told to stop while its question is on its way."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def __call__(self, *_: Any) -> "Agent":
        return self

    def heartbeat(self, running: str | None) -> Any:
        if len(self.answers) > 1:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.02)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def stopped(monkeypatch: pytest.MonkeyPatch, folder: Path, agent: Agent) -> tuple[worker.Worker, list[str]]:
    """A worker that was stopped while it asked, and the runs that it has given back."""
    tracker = Tracker("http://127.0.0.1:1", "key", 1.0)
    job: Any = SimpleNamespace(tracker=tracker, path=SweepPath("e", "p", "s"), idle_s=None, project_path="e/p")
    made = worker.Worker(job, 0, folder, Team())
    given_back: list[str] = []
    monkeypatch.setattr(worker.sweeps, "Agent", agent)
    monkeypatch.setattr(Tracker, "file_stream", lambda _, path, payload: given_back.append(path))
    with pytest.raises(stopping.Stop) as asked:
        made._work_points()
    stopping.settle()
    made._give_back(asked.value)
    return made, given_back


def test_a_point_whose_reply_is_on_its_way_is_given_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    made, given_back = stopped(monkeypatch, tmp_path, Agent([COMMAND], []))
    assert list(made._holds) == ["r1"]
    assert given_back == ["e/p/r1"]


def test_one_whose_reply_was_lost_is_told_again_and_given_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    _, given_back = stopped(monkeypatch, tmp_path, Agent(TrackerAway("away"), [COMMAND]))
    assert given_back == ["e/p/r1"]


def test_who_was_told_of_nothing_gives_nothing_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    agent = Agent([], [COMMAND])
    _, given_back = stopped(monkeypatch, tmp_path, agent)
    assert given_back == []
    assert agent.answers == [[COMMAND]], "it does not ask for a point to give back"
