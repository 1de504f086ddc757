"""A tracker that says how long to wait is not asked before; who waits for something asks less and less often."""

import contextlib
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from framework.config import Config
from framework.errors import TrackerAway
from framework.plan import Work
from framework.tracking import making, tracker
from framework.tracking.ledger import Attempt
from framework.tracking.tracker import patiently, pause_told

URL = "https://api.wandb.ai"


class FakeTime:
    """Clocks that move when somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 1000.0, [0.0][:0]

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1e9 + self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    made = FakeTime()
    monkeypatch.setattr(tracker, "time", made)
    monkeypatch.setattr(making, "time", made)
    monkeypatch.setattr(tracker, "_quiet_until", {})
    return made


def answer(status: int, headers: Mapping[str, str] | None = None) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made._content = b'{"error": "slow down"}'
    made.headers.update(headers or {})
    return made


def script(*answers: requests.Response) -> Callable[[], requests.Response]:
    rest = list(answers)
    return lambda: rest.pop(0)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "Fri, 27 Nov 2026 10:00:30 GMT", "Date": "Fri, 27 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"Retry-After": "Fri, 27 Nov 2026 09:00:00 GMT", "Date": "Fri, 27 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"RateLimit-Limit": "60", "RateLimit-Remaining": "0", "RateLimit-Reset": "12"}, 12.0),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "soon"}, 0.0),
        ({"Retry-After": "1e300"}, 3600.0),
        ({}, 0.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_how_long_a_server_wants_to_be_left_alone(status: int, headers: Mapping[str, str], seconds: float):
    assert pause_told(answer(status, headers)) == seconds


def test_a_date_without_one_beside_it_is_on_this_clock(clock: FakeTime):
    assert pause_told(answer(429, {"Retry-After": "Sun, 09 Sep 2001 02:03:30 GMT"})) == 10.0


def test_other_answers_tell_of_no_pause():
    assert pause_told(answer(500, {"Retry-After": "7"})) == 0.0


def test_the_pause_is_kept_to(clock: FakeTime):
    found = patiently(script(answer(429, {"Retry-After": "7"}), answer(429), answer(200)), 15.0, URL)
    assert found.status_code == 200
    assert clock.slept == [7.0, 0.4]


def test_patience_ends_before_a_long_pause_does_and_the_next_call_does_not_ask(clock: FakeTime):
    with pytest.raises(TrackerAway, match="left alone for 60 s: try again then, or with fewer workers"):
        patiently(script(answer(429, {"Retry-After": "60"})), 15.0, URL)
    assert clock.slept == []
    with pytest.raises(TrackerAway, match="has asked for a pause; it wants to be left alone for 60 s"):
        patiently(script(), 15.0, URL)
    clock.now += 50.0
    assert patiently(script(answer(200)), 15.0, URL).ok
    assert clock.slept == [10.0]
    assert patiently(script(answer(200)), 0.0, "http://127.0.0.1:1").ok, "another server has asked for nothing"


def test_a_server_that_is_away_is_asked_less_and_less_often(clock: FakeTime):
    with pytest.raises(TrackerAway, match=r"answered 500: slow down; is it running\?"):
        patiently(lambda: answer(500), 20.0, URL)
    assert clock.slept == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_a_long_wait_is_said_once_and_a_short_one_is_not(clock: FakeTime):
    said: list[str] = []
    assert patiently(script(answer(500), answer(200)), 3600.0, URL, said.append).ok
    assert said == []
    assert patiently(script(*[answer(502)] * 12, answer(200)), 3600.0, URL, said.append).ok
    assert said == [f"the tracker {URL} answered 502: slow down; it is asked again for up to 60 minutes"]


class XConfig(Config):
    x: int = 0


def test_who_waits_for_an_artifact_backs_off_to_fifteen_seconds(clock: FakeTime, monkeypatch: pytest.MonkeyPatch):
    asked: list[float] = []

    def absent(*_: Any) -> tuple[None, list[str]]:
        asked.append(clock.now)
        return None, []

    monkeypatch.setattr(making, "latest", absent)
    at_work = [Attempt("model-1", "m", "running", None)]

    def attempts(*_: Any) -> list[Attempt]:
        return at_work if clock.now < 1000.0 + 600.0 else []

    monkeypatch.setattr(making, "attempts_at", attempts)
    making.wait(SimpleNamespace(), "e/p", Work("model", XConfig()))  # type: ignore[arg-type]
    assert clock.slept[0] == 0.25
    assert all(later >= sooner for sooner, later in zip(clock.slept, clock.slept[1:], strict=False))
    assert clock.slept[-1] == 15.0
    assert len(asked) < 55, "600 seconds: 11 times on the way to fifteen seconds, then every fifteen"


def test_a_worker_without_a_point_backs_off_to_fifteen_seconds(clock: FakeTime, monkeypatch: pytest.MonkeyPatch):
    from launch import worker

    monkeypatch.setattr(worker, "time", clock)
    idle = SimpleNamespace(
        _job=SimpleNamespace(tracker=None, path=None, idle_s=None), _agents=[None], _register=lambda: None,
        _say_why_idle=lambda: None, _may_leave=lambda idle_s: False, _dismiss=lambda: None,
        _ask=lambda agent: [{"type": "exit"}] if clock.now > 1000.0 + 600.0 else [],
    )  # fmt: skip
    with contextlib.suppress(KeyError):
        worker.Worker._work_points(idle)  # type: ignore[arg-type]
    assert clock.slept[0] == 0.1
    assert clock.slept[-1] == 15.0
    assert len(clock.slept) < 55
